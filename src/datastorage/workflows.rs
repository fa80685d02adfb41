//! Workflow discovery in three steps (datastorage §4, §5). Reading is tolerant: members that are unknown, absent, null or of
//! another type do no harm unless nothing can be done without them; words of closed lists stay words.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use super::DataStorage;
use super::question::Question;
use super::transport::CallError;

/// Entries of one page; the server takes no more.
pub const PAGE_ENTRIES_MAX: u32 = 100;

/// The signal context of a question (datastorage §5.1). Severity and priority are words the server takes; an empty component
/// or environment filters nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SignalContext {
    /// `critical`, `high`, `medium` or `low`.
    pub severity: &'static str,
    /// A kind: `Deployment`.
    pub component: String,
    pub environment: String,
    /// `P0` to `P3`.
    pub priority: &'static str,
    /// Compact JSON objects.
    pub detected_labels: Option<String>,
    pub custom_labels: Option<String>,
    /// Under which the server records the question in its own audit.
    pub remediation_id: Option<String>,
}

impl SignalContext {
    /// As the server takes it, in the order of its description.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = vec![
            ("severity", self.severity.to_owned()),
            ("component", self.component.clone()),
            ("environment", self.environment.clone()),
            ("priority", self.priority.to_owned()),
        ];
        let optional = [
            ("detected_labels", &self.detected_labels),
            ("custom_labels", &self.custom_labels),
            ("remediation_id", &self.remediation_id),
        ];
        query.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        query
    }
}

/// One page of a list, and whether there is another.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub entries: Vec<T>,
    pub has_more: bool,
}

/// What an action type or a workflow is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StructuredDescription {
    #[serde(deserialize_with = "lenient")]
    pub what: String,
    #[serde(deserialize_with = "lenient")]
    pub when_to_use: String,
    #[serde(deserialize_with = "lenient")]
    pub when_not_to_use: String,
    #[serde(deserialize_with = "lenient")]
    pub preconditions: String,
}

/// An entry of step 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ActionTypeEntry {
    #[serde(deserialize_with = "lenient")]
    pub action_type: String,
    #[serde(deserialize_with = "lenient")]
    pub description: StructuredDescription,
    #[serde(deserialize_with = "lenient")]
    pub workflow_count: u32,
}

/// An entry of step 2. The list knows no parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowEntry {
    #[serde(deserialize_with = "lenient")]
    pub workflow_id: String,
    #[serde(deserialize_with = "lenient")]
    pub workflow_name: String,
    #[serde(deserialize_with = "lenient")]
    pub name: String,
    #[serde(deserialize_with = "lenient")]
    pub description: StructuredDescription,
    #[serde(deserialize_with = "lenient")]
    pub version: String,
    #[serde(deserialize_with = "lenient")]
    pub execution_engine: String,
}

/// The answer of step 3, as far as it is used: content, statistics and history of the record are not.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowRecord {
    #[serde(deserialize_with = "lenient")]
    pub workflow_id: String,
    #[serde(deserialize_with = "lenient")]
    pub workflow_name: String,
    #[serde(deserialize_with = "lenient")]
    pub name: String,
    #[serde(deserialize_with = "lenient")]
    pub version: String,
    #[serde(deserialize_with = "lenient")]
    pub action_type: String,
    #[serde(deserialize_with = "lenient")]
    pub description: StructuredDescription,
    /// `{"schema": {"parameters": [...]}}`, or null.
    #[serde(deserialize_with = "lenient")]
    pub parameters: Value,
    #[serde(deserialize_with = "lenient")]
    pub execution_engine: String,
    #[serde(deserialize_with = "lenient")]
    pub execution_bundle: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub execution_bundle_digest: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub engine_config: Option<Value>,
    #[serde(deserialize_with = "lenient")]
    pub service_account_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub labels: MandatoryLabels,
    #[serde(deserialize_with = "lenient")]
    pub custom_labels: Value,
    #[serde(deserialize_with = "lenient")]
    pub detected_labels: Value,
    /// `Active`, `Disabled`, `Deprecated`, `Archived`, `Superseded`, or a word of a later server.
    #[serde(deserialize_with = "lenient")]
    pub status: String,
    #[serde(deserialize_with = "lenient")]
    pub is_latest_version: bool,
}

/// What a workflow is made for; `*` stands for everything. Lists and single words are both read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MandatoryLabels {
    #[serde(deserialize_with = "words")]
    pub severity: Vec<String>,
    #[serde(deserialize_with = "words")]
    pub component: Vec<String>,
    #[serde(deserialize_with = "words")]
    pub environment: Vec<String>,
    #[serde(deserialize_with = "words")]
    pub priority: Vec<String>,
}

/// A page of either list.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPage {
    #[serde(alias = "actionTypes", alias = "workflows")]
    entries: Vec<Value>,
    #[serde(deserialize_with = "lenient")]
    pagination: RawPagination,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawPagination {
    #[serde(deserialize_with = "lenient")]
    has_more: bool,
}

impl DataStorage {
    /// Step 1: action types that have a workflow for the context, by name, from `offset` on.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn action_types(&self, context: &SignalContext, offset: u32) -> Result<Page<ActionTypeEntry>, CallError> {
        let path = ["api", "v1", "workflows", "actions"];
        let page = self.page("list_actions", &path, context, offset).await?;
        Ok(page.of(|entry: &ActionTypeEntry| !entry.action_type.is_empty()))
    }

    /// Step 2: workflows of an action type for the context, best first, from `offset` on. Of an unknown action type there are
    /// none.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn workflows(
        &self,
        action_type: &str,
        context: &SignalContext,
        offset: u32,
    ) -> Result<Page<WorkflowEntry>, CallError> {
        let path = ["api", "v1", "workflows", "actions", action_type];
        let page = self.page("list_workflows", &path, context, offset).await?;
        Ok(page.of(|entry: &WorkflowEntry| !entry.workflow_id.is_empty()))
    }

    /// Step 3: a workflow. With a context the server hides what does not fit it: the same 404 as for an unknown id. Whether
    /// the workflow is active is not checked by anybody yet.
    ///
    /// # Errors
    /// No usable answer; [`CallError::Status`] with 404 for what is unknown or hidden.
    pub async fn workflow(&self, id: Uuid, context: Option<&SignalContext>) -> Result<WorkflowRecord, CallError> {
        let id = id.to_string();
        let question = Question {
            operation: "get_workflow",
            path: &["api", "v1", "workflows", &id],
            query: context.map(SignalContext::query).unwrap_or_default(),
            waits: None,
        };
        self.ask(&question).await?.read()
    }

    async fn page(
        &self,
        operation: &'static str,
        path: &[&str],
        context: &SignalContext,
        offset: u32,
    ) -> Result<RawPage, CallError> {
        let mut query = context.query();
        query.push(("offset", offset.to_string()));
        query.push(("limit", PAGE_ENTRIES_MAX.to_string()));
        self.ask(&Question { operation, path, query, waits: None }).await?.read()
    }
}

impl RawPage {
    /// Entries that can be read and name something.
    fn of<T: DeserializeOwned>(self, names_something: impl Fn(&T) -> bool) -> Page<T> {
        let entries = self.entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok());
        Page { entries: entries.filter(names_something).collect(), has_more: self.pagination.has_more }
    }
}

/// The value, or nothing when it does not fit.
fn lenient<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// A list of words, or a single one.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(word) => vec![word],
        Value::Array(words) => words.into_iter().filter_map(|word| word.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    })
}

#[cfg(test)]
mod tests;
