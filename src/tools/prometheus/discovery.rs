//! The tools that find out what there is: rules, names, labels, series, types.

use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::client::{Answer, PrometheusClient};
use super::config::is_label_name;
use super::rules;
use super::series::{common_labels, own_labels};
use super::times::Window;
use crate::tools::endpoint::EndpointError;
use crate::tools::{Invocation, ToolOutput};

/// Longest value of a list shown, in characters.
const VALUE_CHARS_MAX: usize = 500;

type Answered = Result<ToolOutput, String>;
type Parameters = Vec<(&'static str, String)>;

pub(super) async fn list_rules(client: &PrometheusClient) -> Answered {
    let (data, age) = client.rules(Instant::now()).await.map_err(told)?;
    let config = client.config();
    let Some(rules) = rules::shown(&data, &config.additional_labels, config.query_response_size_limit) else {
        return Ok(ToolOutput::no_data("Prometheus has no alerting or recording rules."));
    };
    let output = ToolOutput::json(rules);
    let seconds = age.as_secs();
    Ok(if seconds == 0 { output } else { output.noting(format!("rules and their states as of {seconds} s ago")) })
}

/// A list of texts: metric names, values of a label, labels.
pub(super) async fn list(client: &PrometheusClient, call: &Invocation<'_>, path: &[&str], what: &str) -> Answered {
    let (window, query) = scope(client, call)?;
    let Answer { data, remarks } = client.discover(path, &query).await.map_err(told)?;
    let all = data.as_array().ok_or_else(malformed)?;
    if all.is_empty() {
        return Ok(nothing(what, call, window));
    }
    let shown = |value: &Value| value.as_str().map(|text| text.chars().take(VALUE_CHARS_MAX).collect::<String>());
    let limit = client.config().metadata_limit;
    let items: Vec<String> = all.iter().take(limit).filter_map(shown).collect();
    Ok(noted(limited(what, json!(items), all.len(), limit, Map::new()), remarks))
}

pub(super) async fn label_values(client: &PrometheusClient, call: &Invocation<'_>) -> Answered {
    let label = call.text("label").unwrap_or_default();
    if label != "__name__" && !is_label_name(label) {
        return Err("label is not a label name; get_all_labels lists them".to_owned());
    }
    list(client, call, &["api", "v1", "label", label, "values"], "values").await
}

pub(super) async fn series(client: &PrometheusClient, call: &Invocation<'_>) -> Answered {
    let (window, query) = scope(client, call)?;
    let Answer { data, remarks } = client.discover(&["api", "v1", "series"], &query).await.map_err(told)?;
    let sets: Vec<_> = serde_json::from_value(data).map_err(|_| malformed())?;
    if sets.is_empty() {
        return Ok(nothing("series", call, window));
    }
    let limit = client.config().metadata_limit;
    let kept: Vec<_> = sets.iter().take(limit).collect();
    let common = common_labels(&kept);
    let rows: Value = kept.iter().map(|set| own_labels(set, &common)).collect();
    let mut more = Map::new();
    if !common.is_empty() {
        more.insert("common_labels".to_owned(), json!(common));
    }
    Ok(noted(limited("series", rows, sets.len(), limit, more), remarks))
}

pub(super) async fn metadata(client: &PrometheusClient, call: &Invocation<'_>) -> Answered {
    let limit = client.config().metadata_limit;
    let Some(metric) = call.text("metric") else {
        let query = [("limit", (limit + 1).to_string())];
        let Answer { data, remarks } = client.discover(&["api", "v1", "metadata"], &query).await.map_err(told)?;
        let all = data.as_object().ok_or_else(malformed)?;
        if all.is_empty() {
            return Ok(ToolOutput::no_data("Prometheus has no metadata of any metric."));
        }
        let shown: Map<String, Value> =
            all.iter().take(limit).map(|(name, entries)| (name.clone(), distinct(entries))).collect();
        return Ok(noted(limited("metadata", Value::Object(shown), all.len(), limit, Map::new()), remarks));
    };
    for name in std::iter::once(metric).chain(base_name(metric)) {
        let query = [("metric", name.to_owned())];
        let Answer { data, remarks } = client.discover(&["api", "v1", "metadata"], &query).await.map_err(told)?;
        if let Some(entries) = data.get(name) {
            let output = noted(ToolOutput::json(json!({ (name): distinct(entries) })), remarks);
            return Ok(if name == metric { output } else { output.noting(format!("{metric} is part of {name}")) });
        }
    }
    Ok(ToolOutput::no_data(format!(
        "No metadata of a metric named {}. Names must match exactly; get_metric_names finds them. Recording rules have none.",
        brief(metric)
    )))
}

/// Histograms and summaries are described under the name without these endings; so are some counters.
fn base_name(metric: &str) -> Option<&str> {
    ["_bucket", "_count", "_sum", "_total"].iter().find_map(|ending| metric.strip_suffix(ending))
}

/// Type, help and unit; a list when targets disagree.
fn distinct(entries: &Value) -> Value {
    let mut found: Vec<Value> = Vec::new();
    for entry in entries.as_array().into_iter().flatten() {
        let filled = |(name, value): (&String, &Value)| {
            let text = value.as_str().filter(|text| !text.is_empty())?;
            Some((name.clone(), json!(text.chars().take(VALUE_CHARS_MAX).collect::<String>())))
        };
        let entry = Value::Object(entry.as_object().into_iter().flatten().filter_map(filled).collect());
        if !found.contains(&entry) {
            found.push(entry);
        }
    }
    if found.len() == 1 { found.pop().unwrap_or_default() } else { Value::Array(found) }
}

/// Window and query of a discovery request. One more than the limit is asked for, to know whether there are more; servers
/// before 2.54 ignore it.
fn scope(client: &PrometheusClient, call: &Invocation<'_>) -> Result<(Window, Parameters), String> {
    let config = client.config();
    let span = config.default_metadata_time_window_hrs * 3_600;
    let window = Window::read(call.text("start"), call.text("end"), Timestamp::now(), span)?;
    let mut query = vec![
        ("start", window.start.to_string()),
        ("end", window.end.to_string()),
        ("limit", (config.metadata_limit + 1).to_string()),
    ];
    query.extend(client.selector(call.text("match"))?.map(|selector| ("match[]", selector)));
    Ok((window, query))
}

fn limited(what: &str, items: Value, found: usize, limit: usize, more: Map<String, Value>) -> ToolOutput {
    let mut members = more;
    members.insert("count".to_owned(), json!(found.min(limit)));
    members.insert(what.to_owned(), items);
    if found > limit {
        members.insert("_truncated".to_owned(), json!(true));
        let told =
            format!("only the first {limit} {what} are shown, there are more; narrow with match or a shorter range");
        members.insert("_message".to_owned(), json!(told));
    }
    ToolOutput::json(Value::Object(members))
}

fn nothing(what: &str, call: &Invocation<'_>, window: Window) -> ToolOutput {
    let matching = call.text("match").map_or_else(String::new, |selector| format!(" match {}", brief(selector)));
    ToolOutput::no_data(format!(
        "No {what}{matching} from {}. Try a wider match such as {{__name__=~\".*cpu.*\"}}, or an earlier start.",
        window.shown()
    ))
}

/// The beginning of something a model wrote.
pub(super) fn brief(text: &str) -> String {
    /// In characters.
    const CHARS_MAX: usize = 200;
    text.chars().take(CHARS_MAX).collect()
}

pub(super) fn noted(output: ToolOutput, remarks: Vec<String>) -> ToolOutput {
    remarks.into_iter().fold(output, ToolOutput::noting)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape `map_err` wants")]
fn told(error: EndpointError) -> String {
    error.to_string()
}

pub(super) fn malformed() -> String {
    EndpointError::Malformed { server: super::client::SERVER }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_told_once_and_disagreement_is_shown() {
        let entry = |kind: &str| json!({"type": kind, "help": "Seconds.", "unit": ""});
        assert_eq!(
            distinct(&json!([entry("counter"), entry("counter")])),
            json!({"type": "counter", "help": "Seconds."})
        );
        let two = distinct(&json!([entry("counter"), entry("gauge")]));
        assert_eq!(two.as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn parts_of_a_histogram_lead_to_it() {
        for (part, base) in [("a_seconds_bucket", Some("a_seconds")), ("a_total", Some("a")), ("up", None)] {
            assert_eq!(base_name(part), base);
        }
    }
}
