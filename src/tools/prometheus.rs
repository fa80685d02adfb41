//! `prometheus/metrics`: eight tools that discover and query metrics (investigation §4.4).

mod client;
mod config;
mod discovery;
mod promql;
mod queries;
mod rules;
mod series;
mod summary;
mod times;
mod version;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

pub use client::PrometheusClient;
pub use config::PrometheusConfig;

use self::summary::OutputType;
use super::{Invocation, Tool, ToolOutput};
use crate::llm::ToolDefinition;

/// How much longer than its request a call may take: connecting, a second try with a fresh token, reading.
const CALL_GRACE: Duration = Duration::from_secs(10);

/// The eight tools, in a fixed order.
pub fn tools(client: Arc<PrometheusClient>) -> Vec<Arc<dyn Tool>> {
    let all = [
        Kind::Rules,
        Kind::MetricNames,
        Kind::LabelValues,
        Kind::Labels,
        Kind::Series,
        Kind::Metadata,
        Kind::Instant,
        Kind::Range,
    ];
    let tool = |kind: Kind| {
        let tool = PrometheusTool { kind, definition: kind.definition(), client: Arc::clone(&client) };
        Arc::new(tool) as Arc<dyn Tool>
    };
    all.into_iter().map(tool).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rules,
    MetricNames,
    LabelValues,
    Labels,
    Series,
    Metadata,
    Instant,
    Range,
}

#[derive(Debug)]
struct PrometheusTool {
    kind: Kind,
    definition: ToolDefinition,
    client: Arc<PrometheusClient>,
}

#[async_trait]
impl Tool for PrometheusTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn toolset(&self) -> &'static str {
        "prometheus/metrics"
    }

    fn timeout(&self) -> Duration {
        let config = self.client.config();
        let seconds = match self.kind {
            Kind::Instant | Kind::Range => config.max_query_timeout_seconds,
            // Two requests when the name of a part leads to the whole.
            Kind::Metadata => config.default_metadata_timeout_seconds * 2,
            _ => config.default_metadata_timeout_seconds,
        };
        Duration::from_secs(seconds) + CALL_GRACE
    }

    fn is_time_dependent(&self) -> bool {
        matches!(self.kind, Kind::Instant | Kind::Range)
    }

    async fn call(&self, call: Invocation<'_>) -> ToolOutput {
        let (client, call) = (&*self.client, &call);
        let answered = match self.kind {
            Kind::Rules => discovery::list_rules(client).await,
            Kind::MetricNames => {
                discovery::list(client, call, &["api", "v1", "label", "__name__", "values"], "metrics").await
            }
            Kind::LabelValues => discovery::label_values(client, call).await,
            Kind::Labels => discovery::list(client, call, &["api", "v1", "labels"], "labels").await,
            Kind::Series => discovery::series(client, call).await,
            Kind::Metadata => discovery::metadata(client, call).await,
            Kind::Instant => queries::instant(client, call).await,
            Kind::Range => queries::range(client, call).await,
        };
        answered.unwrap_or_else(ToolOutput::error)
    }
}

impl Kind {
    fn definition(self) -> ToolDefinition {
        const START: &str = "RFC 3339, Unix seconds, or negative seconds before end (-3600). Default: an hour before";
        const END: &str = "RFC 3339, Unix seconds, or negative seconds before now. Default: now";
        let text = |told: &str| json!({"type": "string", "description": told});
        let selector = text("Series selector, e.g. {__name__=~\".*cpu.*\",namespace=\"shop\"}");
        let scoped = |more: Value| {
            let mut properties = json!({"match": selector, "start": text(START), "end": text(END)});
            if let (Some(all), Value::Object(more)) = (properties.as_object_mut(), more) {
                all.extend(more);
            }
            properties
        };
        let timeout = json!({"type": "integer", "minimum": 1, "description": "Seconds, at most 180"});
        let query =
            text("PromQL. Wrap counters in rate(); aggregate or use topk() to limit series; select a namespace");
        let why = text("What the query shows");
        let (name, told, properties, required): (_, _, _, &[&str]) = match self {
            Self::Rules => (
                "list_prometheus_rules",
                "Alerting and recording rules with state and expression, firing first.",
                json!({}),
                &[],
            ),
            Self::MetricNames => (
                "get_metric_names",
                "Names of metrics that match a selector. Start here; always filter by a part of the name or a namespace.",
                scoped(json!({})),
                &[],
            ),
            Self::LabelValues => (
                "get_label_values",
                "Values of one label, e.g. pods with a metric.",
                scoped(json!({"label": text("Name of the label")})),
                &["label"],
            ),
            Self::Labels => ("get_all_labels", "Names of the labels of matching series.", scoped(json!({})), &[]),
            Self::Series => (
                "get_series",
                "Label sets of matching series. Slower than names and values; use a narrow selector.",
                scoped(json!({})),
                &["match"],
            ),
            Self::Metadata => (
                "get_metric_metadata",
                "Type (counter, gauge, histogram), help and unit. Check the type before querying.",
                json!({"metric": text("Exact name of the metric")}),
                &[],
            ),
            Self::Instant => (
                "execute_prometheus_instant_query",
                "Values of a PromQL expression now.",
                json!({"query": query, "description": why, "timeout": timeout}),
                &["query"],
            ),
            Self::Range => (
                "execute_prometheus_range_query",
                "A PromQL expression over time: per series first, last, min, max, mean, trend and points.",
                json!({
                    "query": query,
                    "description": why,
                    "start": text(START),
                    "end": text(END),
                    "step": text("Seconds or 1m; raised when too fine"),
                    "output_type": {
                        "type": "string",
                        "enum": OutputType::NAMES,
                        "description": "How values are shown. Percentage: values are 0 to 1. CPUUsage: values are cores",
                    },
                    "timeout": timeout,
                    "max_points": {"type": "integer", "minimum": 2, "description": "Points per series, at most 100"},
                }),
                &["query"],
            ),
        };
        let parameters = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        ToolDefinition::new(name, told, parameters)
    }
}
