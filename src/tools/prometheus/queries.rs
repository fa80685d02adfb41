//! The tools that ask for values: now, or over a range.

use std::time::Duration;

use jiff::Timestamp;

use super::client::{Answer, PrometheusClient};
use super::discovery::{brief, malformed, noted};
use super::series::{QueryResult, Series};
use super::summary::{Asked, OutputType, answer, narrowed};
use super::times::{self, Step, Window};
use crate::tools::endpoint::EndpointError;
use crate::tools::{Invocation, ToolOutput};

/// A range query without start, in seconds.
const SPAN_DEFAULT: u64 = 3_600;

pub(super) async fn instant(client: &PrometheusClient, call: &Invocation<'_>) -> Result<ToolOutput, String> {
    let query = call.text("query").unwrap_or_default();
    let (timeout, notes) = timeout(client, call);
    let parameters = [("query", client.limited(query)?)];
    let answer = client.query(&["api", "v1", "query"], &parameters, timeout).await;
    let output = told(answer, &asked(client, call, query, None))?;
    Ok(noted(output, notes))
}

pub(super) async fn range(client: &PrometheusClient, call: &Invocation<'_>) -> Result<ToolOutput, String> {
    let query = call.text("query").unwrap_or_default();
    let (timeout, mut notes) = timeout(client, call);
    let window = Window::read(call.text("start"), call.text("end"), Timestamp::now(), SPAN_DEFAULT)?;
    let finer = call.text("step").map(times::seconds).transpose().map_err(|reason| format!("step: {reason}"))?;
    let points_max = client.config().max_points_per_series;
    let points = call.number("max_points").map_or(points_max, |points| points.clamp(2, points_max));
    let step = Step::of(window.seconds(), finer, points);
    if step.raised {
        notes.push(format!("step raised to {} s: shorten the range for finer points", step.seconds));
    }
    let parameters = [
        ("query", client.limited(query)?),
        ("start", window.start.to_string()),
        ("end", window.end.to_string()),
        ("step", step.seconds.to_string()),
    ];
    let answer = client.query(&["api", "v1", "query_range"], &parameters, timeout).await;
    let output = told(answer, &asked(client, call, query, Some((window, step))))?;
    Ok(noted(output, notes))
}

/// The timeout of the call, and a note when less than asked for is given.
fn timeout(client: &PrometheusClient, call: &Invocation<'_>) -> (Duration, Vec<String>) {
    let config = client.config();
    let most = config.max_query_timeout_seconds;
    match call.number("timeout") {
        None => (Duration::from_secs(config.default_query_timeout_seconds), Vec::new()),
        Some(seconds) if seconds > most => (Duration::from_secs(most), vec![format!("timeout is {most} s at most")]),
        Some(seconds) => (Duration::from_secs(seconds.max(1)), Vec::new()),
    }
}

fn asked<'a>(
    client: &PrometheusClient,
    call: &Invocation<'_>,
    query: &'a str,
    range: Option<(Window, Step)>,
) -> Asked<'a> {
    let output = OutputType::of(call.text("output_type"));
    Asked { query, range, output, chars_max: client.config().query_response_size_limit }
}

fn told(answered: Result<Answer, EndpointError>, asked: &Asked<'_>) -> Result<ToolOutput, String> {
    let Answer { data, remarks } = match answered {
        Ok(answer) => answer,
        Err(error @ EndpointError::TooLarge { .. }) => {
            return Err(format!("{error}; for example {}", narrowed(&brief(asked.query), false)));
        }
        Err(error) => return Err(error.to_string()),
    };
    let result = QueryResult::read(&data).ok_or_else(malformed)?;
    if result.is_empty() {
        let when = asked.range.map_or_else(String::new, |(window, _)| format!(" from {}", window.shown()));
        let told = format!(
            "The query ran and no data matched{when}: {}. Check the name with get_metric_names and the labels with \
             get_series.",
            brief(asked.query)
        );
        return Ok(noted(ToolOutput::no_data(told), remarks));
    }
    let output = noted(ToolOutput::json(answer(&result, asked)), remarks);
    Ok(noted(output, hints(&result, asked)))
}

/// Mistakes that give numbers and no error.
fn hints(result: &QueryResult, asked: &Asked<'_>) -> Vec<String> {
    let (QueryResult::Vector(series) | QueryResult::Matrix(series)) = result else { return Vec::new() };
    let mut hints = Vec::new();
    if asked.range.is_some() && is_raw_counter(asked.query, series) {
        hints.push(
            "this looks like a raw counter, which only grows; wrap it in rate(…[5m]) or increase(…[1h])".to_owned(),
        );
    }
    let histograms: usize = series.iter().map(|series| series.histograms).sum();
    if histograms > 0 {
        hints.push(format!(
            "{histograms} native histogram points are left out; use histogram_quantile, histogram_avg or histogram_count"
        ));
    }
    hints
}

fn is_raw_counter(query: &str, series: &[Series]) -> bool {
    const HANDLED: [&str; 6] = ["rate(", "increase(", "delta(", "resets(", "changes(", "deriv("];
    let named = ["_total", "_count", "_sum", "_bucket"].iter().any(|ending| query.contains(ending));
    let grows = |series: &Series| series.points.is_sorted_by(|left, right| left.1 <= right.1);
    named && !HANDLED.iter().any(|function| query.contains(function)) && series.iter().all(grows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_counters_are_noticed() {
        let growing = Series { points: vec![(0.0, 1.0), (1.0, 2.0)], ..Series::default() };
        let falling = Series { points: vec![(0.0, 2.0), (1.0, 1.0)], ..Series::default() };
        for (query, series, expected) in [
            ("http_requests_total", &growing, true),
            ("rate(http_requests_total[5m])", &growing, false),
            ("sum(irate(x_count[5m]))", &growing, false),
            ("go_goroutines", &growing, false),
            ("http_requests_total", &falling, false),
        ] {
            assert_eq!(is_raw_counter(query, std::slice::from_ref(series)), expected, "{query}");
        }
    }
}
