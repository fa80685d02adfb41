//! From series to what a model reads: values rounded and scaled, series described by a few numbers, and, when even that
//! is too much, a description of the whole with a narrower query (investigation §4.4). Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::series::{QueryResult, Series, cardinality, common_labels, own_labels, short};
use super::times::{Step, Window, shown};

/// Series a narrowed query asks for.
const TOP_SERIES: usize = 5;
/// Digits kept of a number with a fraction.
const DIGITS: i32 = 6;

/// How values are to be understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum OutputType {
    #[default]
    Plain,
    Bytes,
    /// Values are shares of one.
    Percentage,
    /// Values are cores.
    CpuUsage,
}

impl OutputType {
    pub(super) const NAMES: [&str; 4] = ["Plain", "Bytes", "Percentage", "CPUUsage"];

    pub(super) fn of(name: Option<&str>) -> Self {
        match name {
            Some("Bytes") => Self::Bytes,
            Some("Percentage") => Self::Percentage,
            Some("CPUUsage") => Self::CpuUsage,
            _ => Self::Plain,
        }
    }

    /// One scale for a whole result, so that its numbers compare.
    fn scale(self, series: &[Series]) -> Scale {
        let finite = series.iter().flat_map(|series| &series.points).map(|(_, value)| value.abs());
        let largest = finite.filter(|value| value.is_finite()).fold(0.0, f64::max);
        match self {
            Self::Plain => Scale { factor: 1.0, unit: None },
            Self::Percentage => Scale { factor: 100.0, unit: Some("%") },
            Self::CpuUsage if largest < 1.0 => Scale { factor: 1_000.0, unit: Some("millicores") },
            Self::CpuUsage => Scale { factor: 1.0, unit: Some("cores") },
            Self::Bytes => {
                const UNITS: [(&str, f64); 5] = [
                    ("TiB", 1_099_511_627_776.0),
                    ("GiB", 1_073_741_824.0),
                    ("MiB", 1_048_576.0),
                    ("KiB", 1_024.0),
                    ("bytes", 1.0),
                ];
                let fitting = UNITS.iter().find(|(_, size)| largest >= *size).unwrap_or(&("bytes", 1.0));
                Scale { factor: 1.0 / fitting.1, unit: Some(fitting.0) }
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Scale {
    factor: f64,
    unit: Option<&'static str>,
}

impl Scale {
    fn apply(self, value: f64) -> Value {
        rounded(value * self.factor)
    }
}

/// Whole numbers as they are, others with [`DIGITS`] digits but never fewer than all before the point.
#[expect(clippy::cast_possible_truncation, reason = "checked to be small and whole")]
pub(super) fn rounded(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.is_nan() {
        return json!("NaN");
    }
    if value.is_infinite() {
        return json!(if value > 0.0 { "+Inf" } else { "-Inf" });
    }
    if value.fract() == 0.0 && value.abs() < EXACT {
        return json!(value as i64);
    }
    let before = if value == 0.0 { 1 } else { value.abs().log10().floor() as i32 + 1 };
    let places = DIGITS.saturating_sub(before).clamp(0, 300);
    if places == 0 {
        return if value.abs() < EXACT { json!(value.round() as i64) } else { json!(value) };
    }
    // Through text: multiplying and dividing would leave digits of its own.
    let text = format!("{value:.*}", usize::try_from(places).unwrap_or_default());
    match text.parse::<f64>() {
        Ok(short) if short.fract() == 0.0 => json!(short as i64),
        Ok(short) => json!(short),
        Err(_) => json!(value),
    }
}

/// What was asked, as the answer tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) query: &'a str,
    /// Absent for instant queries.
    pub(super) range: Option<(Window, Step)>,
    pub(super) output: OutputType,
    /// Largest answer, in characters.
    pub(super) chars_max: usize,
}

/// The answer: everything when it fits, then without points, then a summary of the whole.
pub(super) fn answer(result: &QueryResult, asked: &Asked<'_>) -> Value {
    let (series, kind) = match result {
        QueryResult::Scalar(value) => return json!({"result_type": "scalar", "value": rounded(*value)}),
        QueryResult::Text(text) => return json!({"result_type": "string", "value": text}),
        QueryResult::Vector(series) => (series, "vector"),
        QueryResult::Matrix(series) => (series, "matrix"),
    };
    let fits = |value: &Value| value.to_string().chars().count() <= asked.chars_max;
    let whole = table(series, kind, asked, true);
    if fits(&whole) {
        return whole;
    }
    if kind == "matrix" {
        let mut described = table(series, kind, asked, false);
        if let Some(members) = described.as_object_mut() {
            let told = "the points are left out because they are too many; shorten the range or aggregate to see them";
            members.insert("_message".to_owned(), json!(told));
        }
        if fits(&described) {
            return described;
        }
    }
    data_summary(series, kind, whole.to_string().chars().count(), asked)
}

fn table(series: &[Series], kind: &str, asked: &Asked<'_>, with_points: bool) -> Value {
    let scale = asked.output.scale(series);
    let common = common_labels(&labels_of(series));
    let mut members = Map::new();
    members.insert("result_type".to_owned(), json!(kind));
    if let Some((window, step)) = asked.range {
        members.insert("start".to_owned(), json!(shown(window.start)));
        members.insert("end".to_owned(), json!(shown(window.end)));
        members.insert("step_seconds".to_owned(), json!(step.seconds));
    }
    if let Some(unit) = scale.unit {
        members.insert("unit".to_owned(), json!(unit));
    }
    if !common.is_empty() {
        members.insert("common_labels".to_owned(), json!(common));
    }
    let rows = series.iter().map(|series| {
        let labels = ("labels".to_owned(), own_labels(&series.labels, &common));
        let values = if kind == "vector" {
            series.last().map(|value| ("value".to_owned(), scale.apply(value))).into_iter().collect()
        } else {
            described(series, scale, asked.range, with_points)
        };
        Value::Object(std::iter::once(labels).chain(values).collect())
    });
    members.insert("series".to_owned(), rows.collect());
    Value::Object(members)
}

fn labels_of(series: &[Series]) -> Vec<&BTreeMap<String, String>> {
    series.iter().map(|series| &series.labels).collect()
}

/// Numbers that describe a series, and its points.
fn described(series: &Series, scale: Scale, range: Option<(Window, Step)>, with_points: bool) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| _ = members.insert(name.to_owned(), value);
    let (Some(first), Some(last)) = (series.points.first(), series.points.last()) else { return members };
    let finite: Vec<(f64, f64)> = series.points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
    let largest = finite.iter().copied().max_by(|left, right| left.1.total_cmp(&right.1));
    let smallest = finite.iter().map(|(_, value)| *value).min_by(f64::total_cmp);
    let is_constant = series.points.iter().all(|(_, value)| scale.apply(*value) == scale.apply(first.1));
    if is_constant {
        put("constant", scale.apply(first.1));
    } else {
        put("first", scale.apply(first.1));
        put("last", scale.apply(last.1));
        if let (Some((at, largest)), Some(smallest)) = (largest, smallest) {
            put("min", scale.apply(smallest));
            put("max", scale.apply(largest));
            put("max_at", json!(at_second(at)));
            put("mean", scale.apply(mean(finite.iter().map(|(_, value)| *value))));
            put("trend", json!(trend(&finite)));
        }
    }
    put("points", json!(series.points.len()));
    let grid = range.and_then(|(window, step)| on_grid(&series.points, window, step));
    if grid.as_ref().is_some_and(|grid| grid.len() > series.points.len()) {
        put("first_at", json!(at_second(first.0)));
        put("last_at", json!(at_second(last.0)));
    }
    if with_points && !is_constant {
        let value = |value: Option<f64>| value.map_or(Value::Null, |value| scale.apply(value));
        match grid {
            Some(grid) => put("values", grid.into_iter().map(value).collect()),
            None => {
                let pair = |(at, value): &(f64, f64)| json!([rounded(*at), scale.apply(*value)]);
                put("time_and_value", series.points.iter().map(pair).collect());
            }
        }
    }
    members
}

/// One value per step of the query, `None` where the series has none; `None` as a whole when a point is off the steps.
#[expect(clippy::cast_precision_loss, reason = "Unix seconds are far below the limit of exact numbers")]
fn on_grid(points: &[(f64, f64)], window: Window, step: Step) -> Option<Vec<Option<f64>>> {
    /// More steps than any query of ours has.
    const STEPS_MAX: u64 = 10_000;
    let steps = window.seconds() / step.seconds.max(1);
    let mut grid = vec![None; usize::try_from(steps.min(STEPS_MAX)).ok()? + 1];
    let mut slots = grid.iter_mut().enumerate();
    for (at, value) in points {
        let offset = (at - window.start as f64) / step.seconds as f64;
        let (_, slot) = slots.find(|(index, _)| (*index as f64 - offset).abs() < 0.01)?;
        *slot = Some(*value);
    }
    Some(grid)
}

#[expect(clippy::cast_possible_truncation, reason = "Unix seconds of a server; saturates")]
fn at_second(at: f64) -> String {
    shown(at as i64)
}

#[expect(clippy::cast_precision_loss, reason = "a count of points")]
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.map(|value| value / count).sum()
}

/// Which way a series goes: a line is fitted, and called out when its rise explains much of the movement.
pub(super) fn trend(points: &[(f64, f64)]) -> &'static str {
    /// Movement below this share of the mean is none.
    const STILL: f64 = 0.05;
    /// Share of the variance a line must explain.
    const EXPLAINED: f64 = 0.5;
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return "unknown" };
    if points.len() < 3 {
        return "too few points";
    }
    let middle = mean(points.iter().map(|(_, value)| *value));
    let middle_time = mean(points.iter().map(|(at, _)| *at));
    let (mut times, mut both, mut values, mut spread) = (0.0, 0.0, 0.0, 0.0_f64);
    for (at, value) in points {
        let (at, value) = (at - middle_time, value - middle);
        times += at * at;
        both += at * value;
        values += value * value;
        spread = spread.max(value.abs());
    }
    if spread == 0.0 || spread * 2.0 <= middle.abs() * STILL {
        return "flat";
    }
    let explained = both * both / (times * values);
    if explained.is_nan() || explained < EXPLAINED || last.0 <= first.0 {
        "varying"
    } else if both > 0.0 {
        "rising"
    } else {
        "falling"
    }
}

/// What replaces a result that is too large.
fn data_summary(series: &[Series], kind: &str, chars: usize, asked: &Asked<'_>) -> Value {
    let scale = asked.output.scale(series);
    let points: usize = series.iter().map(|series| series.points.len()).sum();
    let mut largest: Vec<(&Series, f64)> = series.iter().filter_map(|one| Some((one, one.last()?))).collect();
    largest.sort_by(|left, right| right.1.total_cmp(&left.1));
    let short_labels = |series: &Series| -> Map<String, Value> {
        series.labels.iter().map(|(name, value)| (name.clone(), json!(short(value)))).collect()
    };
    let top = largest.iter().filter(|(_, last)| !last.is_nan()).take(TOP_SERIES);
    let top = top.map(|(series, last)| json!({"labels": short_labels(series), "last": scale.apply(*last)}));
    let mut summary = Map::new();
    summary.insert("result_type".to_owned(), json!(kind));
    summary.insert("series_count".to_owned(), json!(series.len()));
    summary.insert("total_points".to_owned(), json!(points));
    if let Some(unit) = scale.unit {
        summary.insert("unit".to_owned(), json!(unit));
    }
    summary.insert("largest_now".to_owned(), top.collect());
    summary.insert("label_cardinality".to_owned(), cardinality(&labels_of(series)));
    summary
        .insert("narrowed_query".to_owned(), json!(narrowed(asked.query, kind == "matrix" && asked.range.is_none())));
    let told = format!(
        "the result has {chars} characters, the limit is {}; run narrowed_query, filter by a label with many values, or \
         aggregate it away with sum by (…)",
        asked.chars_max
    );
    json!({"data_summary": summary, "_message": told})
}

/// The same query for its largest series only. `raw` marks range vectors, which must become instant first.
pub(super) fn narrowed(query: &str, raw: bool) -> String {
    // A comment at the end would swallow the bracket.
    let query = if query.contains('#') { format!("{query}\n") } else { query.to_owned() };
    if raw { format!("topk({TOP_SERIES}, last_over_time({query}))") } else { format!("topk({TOP_SERIES}, {query})") }
}

#[cfg(test)]
mod tests;
