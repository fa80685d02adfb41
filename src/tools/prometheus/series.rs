//! The result of a query as plain values. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What a query answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum QueryResult {
    /// One point per series.
    Vector(Vec<Series>),
    /// Several points per series.
    Matrix(Vec<Series>),
    Scalar(f64),
    Text(String),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    /// Unix seconds and value, by rising time.
    pub(super) points: Vec<(f64, f64)>,
    /// Points that are native histograms and have no plain value.
    pub(super) histograms: usize,
}

impl QueryResult {
    /// From the `data` member of an answer; `None` when it has another shape.
    pub(super) fn read(data: &Value) -> Option<Self> {
        let result = data.get("result")?;
        let all = |read: fn(&Value) -> Option<Series>| result.as_array()?.iter().map(read).collect::<Option<Vec<_>>>();
        match data.get("resultType")?.as_str()? {
            "vector" => all(|entry| Series::read(entry, false)).map(Self::Vector),
            "matrix" => all(|entry| Series::read(entry, true)).map(Self::Matrix),
            "scalar" => point(result).map(|(_, value)| Self::Scalar(value)),
            "string" => result.get(1)?.as_str().map(|text| Self::Text(text.to_owned())),
            _ => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Vector(series) | Self::Matrix(series) => series.is_empty(),
            Self::Scalar(_) | Self::Text(_) => false,
        }
    }
}

impl Series {
    fn read(entry: &Value, several: bool) -> Option<Self> {
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        let labels = entry.get("metric")?.as_object()?.iter().map(text).collect::<Option<_>>()?;
        let (points, histograms) = if several {
            let points = entry.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let histograms = entry.get("histograms").and_then(Value::as_array).map_or(0, Vec::len);
            (points.iter().map(point).collect::<Option<_>>()?, histograms)
        } else {
            match entry.get("value") {
                Some(value) => (vec![point(value)?], 0),
                None => (Vec::new(), usize::from(entry.get("histogram").is_some())),
            }
        };
        Some(Self { labels, points, histograms })
    }

    pub(super) fn last(&self) -> Option<f64> {
        self.points.last().map(|(_, value)| *value)
    }
}

fn point(pair: &Value) -> Option<(f64, f64)> {
    Some((pair.get(0)?.as_f64()?, pair.get(1)?.as_str()?.parse().ok()?))
}

/// Label pairs that all sets have; empty for fewer than two sets.
pub(super) fn common_labels(sets: &[&BTreeMap<String, String>]) -> BTreeMap<String, String> {
    let [first, rest @ ..] = sets else { return BTreeMap::new() };
    if rest.is_empty() {
        return BTreeMap::new();
    }
    let shared = |(name, value): &(&String, &String)| rest.iter().all(|set| set.get(*name) == Some(*value));
    first.iter().filter(shared).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The labels of one set that are not common.
pub(super) fn own_labels(labels: &BTreeMap<String, String>, common: &BTreeMap<String, String>) -> Value {
    json!(labels.iter().filter(|(name, _)| !common.contains_key(*name)).collect::<BTreeMap<_, _>>())
}

/// Per label how many values it has and the most frequent of them.
pub(super) fn cardinality(sets: &[&BTreeMap<String, String>]) -> Value {
    /// Labels shown, and values of each.
    const LABELS_MAX: usize = 30;
    const VALUES_MAX: usize = 5;
    let names: BTreeSet<&String> = sets.iter().flat_map(|set| set.keys()).collect();
    let counted = names.into_iter().map(|name| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for value in sets.iter().filter_map(|set| set.get(name)) {
            *counts.entry(value).or_default() += 1;
        }
        (name, counts)
    });
    let mut counted: Vec<_> = counted.collect();
    // What varies most is what has to be narrowed.
    counted.sort_by(|left, right| right.1.len().cmp(&left.1.len()).then_with(|| left.0.cmp(right.0)));
    let shown = counted.into_iter().take(LABELS_MAX).map(|(name, counts)| {
        let values = counts.len();
        let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
        counts.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(right.0)));
        let top = counts.into_iter().take(VALUES_MAX).map(|(value, count)| (short(value), json!(count)));
        (name.clone(), json!({"unique_values": values, "top_values": top.collect::<serde_json::Map<_, _>>()}))
    });
    Value::Object(shown.collect())
}

/// The beginning of a label's value.
pub(super) fn short(value: &str) -> String {
    /// Longest value shown in a summary, in characters.
    const CHARS_MAX: usize = 120;
    value.chars().take(CHARS_MAX).collect()
}
