//! `alertmanager`: alerts and silences (investigation §4.5), API version 2.

mod config;
mod version;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

pub use config::AlertmanagerConfig;

use super::endpoint::{BuildError, Endpoint, EndpointError, EndpointSettings, Question};
use super::{Invocation, Tool, ToolOutput};
use crate::llm::ToolDefinition;

/// As the server is called in answers.
const SERVER: &str = "Alertmanager";
/// How much longer than its request a call may take.
const CALL_GRACE: Duration = Duration::from_secs(10);
/// Most matchers of one call, and the longest of them in bytes.
const MATCHERS_MAX: usize = 20;
const MATCHER_BYTES_MAX: usize = 512;

/// A configured Alertmanager. One connection pool.
pub struct AlertmanagerClient {
    endpoint: Endpoint,
    timeout: Duration,
    chars_max: usize,
}

impl fmt::Debug for AlertmanagerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertmanagerClient").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl AlertmanagerClient {
    /// Reads the files the section names and builds the client.
    ///
    /// # Errors
    /// Whatever in the section cannot work, in words for the operator.
    pub fn build(config: &AlertmanagerConfig) -> Result<Self, BuildError> {
        let endpoint = Endpoint::build(&EndpointSettings {
            server: SERVER,
            url_key: "toolsets.alertmanager.config.alertmanager_url",
            url: config.alertmanager_url.as_deref(),
            headers: &config.headers,
            token_file: config.bearer_token_file.as_deref(),
            ca_file: config.alertmanager_ssl_ca_file.as_deref(),
            verify_tls: config.alertmanager_ssl_enabled,
        })?;
        let timeout = Duration::from_secs(config.timeout_seconds);
        Ok(Self { endpoint, timeout, chars_max: config.response_size_limit })
    }

    async fn list(&self, what: &str, query: &[(&str, String)]) -> Result<Vec<Value>, String> {
        let question = Question { path: &["api", "v2", what], query, timeout: self.timeout, takes_form: false };
        match self.endpoint.ask(&question).await.map_err(|error| error.to_string())? {
            Value::Array(items) => Ok(items),
            _ => Err(EndpointError::Malformed { server: SERVER }.to_string()),
        }
    }
}

/// Both tools, in a fixed order.
pub fn tools(client: Arc<AlertmanagerClient>) -> Vec<Arc<dyn Tool>> {
    let tool = |kind: Kind| {
        let tool = AlertmanagerTool { kind, definition: kind.definition(), client: Arc::clone(&client) };
        Arc::new(tool) as Arc<dyn Tool>
    };
    [Kind::Alerts, Kind::Silences].into_iter().map(tool).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Alerts,
    Silences,
}

#[derive(Debug)]
struct AlertmanagerTool {
    kind: Kind,
    definition: ToolDefinition,
    client: Arc<AlertmanagerClient>,
}

#[async_trait]
impl Tool for AlertmanagerTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn toolset(&self) -> &'static str {
        "alertmanager"
    }

    fn timeout(&self) -> Duration {
        self.client.timeout + CALL_GRACE
    }

    fn is_time_dependent(&self) -> bool {
        true
    }

    async fn call(&self, call: Invocation<'_>) -> ToolOutput {
        let answered = match self.kind {
            Kind::Alerts => alerts(&self.client, &call).await,
            Kind::Silences => silences(&self.client, &call).await,
        };
        answered.unwrap_or_else(ToolOutput::error)
    }
}

async fn alerts(client: &AlertmanagerClient, call: &Invocation<'_>) -> Result<ToolOutput, String> {
    let flags = ["active", "silenced", "inhibited"];
    let mut query: Vec<(&str, String)> =
        flags.iter().map(|name| (*name, call.flag(name).unwrap_or(true).to_string())).collect();
    query.extend(call.text("receiver").map(|receiver| ("receiver", receiver.to_owned())));
    query.extend(matchers(call)?);
    let items = client.list("alerts", &query).await?;
    if items.is_empty() {
        return Ok(ToolOutput::no_data("No alert matches. Without filter and receiver all alerts are listed."));
    }
    Ok(shown(items, &["labels", "startsAt", "status", "annotations"], client.chars_max))
}

async fn silences(client: &AlertmanagerClient, call: &Invocation<'_>) -> Result<ToolOutput, String> {
    let items = client.list("silences", &matchers(call)?).await?;
    if items.is_empty() {
        return Ok(ToolOutput::no_data("No silence matches. Without filter all silences are listed."));
    }
    Ok(shown(items, &["id", "matchers", "status", "startsAt", "endsAt", "comment"], client.chars_max))
}

fn matchers(call: &Invocation<'_>) -> Result<Vec<(&'static str, String)>, String> {
    let given: Vec<&str> = call
        .arguments
        .get("filter")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if given.len() > MATCHERS_MAX || given.iter().any(|matcher| matcher.len() > MATCHER_BYTES_MAX) {
        return Err(format!("filter: at most {MATCHERS_MAX} matchers of {MATCHER_BYTES_MAX} bytes"));
    }
    Ok(given.into_iter().map(|matcher| ("filter", matcher.to_owned())).collect())
}

/// As the server sent it while it fits, else with the named members only.
fn shown(items: Vec<Value>, kept: &[&str], chars_max: usize) -> ToolOutput {
    let count = items.len();
    let whole = Value::Array(items);
    if whole.to_string().chars().count() <= chars_max {
        return ToolOutput::json(whole);
    }
    let project = |item: &Value| {
        let pairs = kept.iter().filter_map(|name| Some(((*name).to_owned(), item.get(*name)?.clone())));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    let rows: Value = whole.as_array().into_iter().flatten().map(project).collect();
    ToolOutput::json(rows).noting(format!("{count} entries are too many to show whole; narrow with filter"))
}

impl Kind {
    fn definition(self) -> ToolDefinition {
        let filter = json!({
            "type": "array",
            "items": {"type": "string"},
            "description": "Matchers that must all hold, e.g. [\"alertname=KubePodCrashLooping\", \"namespace=~shop.*\"]",
        });
        let flag = |told: &str| json!({"type": "boolean", "description": told});
        let (name, told, properties) = match self {
            Self::Alerts => (
                "get_alerts",
                "Current alerts of Alertmanager with labels, start and state. Filter by namespace or name.",
                json!({
                    "active": flag("Default true"),
                    "silenced": flag("Default true"),
                    "inhibited": flag("Default true"),
                    "receiver": {"type": "string", "description": "Regular expression"},
                    "filter": filter,
                }),
            ),
            Self::Silences => {
                ("get_silences", "Silences of Alertmanager: who muted what until when.", json!({"filter": filter}))
            }
        };
        let parameters = json!({"type": "object", "properties": properties, "additionalProperties": false});
        ToolDefinition::new(name, told, parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_answers_keep_what_tells_alerts_apart() {
        let alert = json!({"labels": {"a": "b"}, "generatorURL": "http://x", "status": {"state": "active"}});
        let whole = shown(vec![alert.clone()], &["labels"], 30_000);
        assert_eq!(whole, ToolOutput::json(json!([alert])));
        let short = shown(vec![alert.clone(), alert], &["labels", "status", "absent"], 100);
        let row = json!({"labels": {"a": "b"}, "status": {"state": "active"}});
        assert_eq!(short.content, crate::tools::Content::Json(json!([row, row])));
        assert_eq!(short.notes.len(), 1);
    }

    #[test]
    fn filters_are_bounded() {
        let read = |filter: Value| {
            let arguments = json!({"filter": filter});
            matchers(&Invocation { name: "get_alerts", arguments: arguments.as_object().unwrap() })
        };
        assert_eq!(read(json!(["a=b"])), Ok(vec![("filter", "a=b".to_owned())]));
        assert!(read(Value::from(vec!["a=b"; MATCHERS_MAX + 1])).is_err());
        assert!(read(json!(["x".repeat(MATCHER_BYTES_MAX + 1)])).is_err());
    }
}
