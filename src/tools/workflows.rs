//! The workflow catalogue as a model sees it in the selection phase: three tools (investigation §4.2.1–4.2.3) and a
//! shortlist that makes them unnecessary when the catalogue is small.
//!
//! A [`CatalogueView`] belongs to one investigation: it carries the context filters, asks for each list once, and remembers
//! which workflows the model has seen.

mod describe;
mod paging;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::{Invocation, Tool, ToolOutput};
use crate::catalogue::{ActionType, Catalogue, CatalogueError, Found, Listed, MatchContext};
use crate::llm::ToolDefinition;
use paging::Page;

pub use describe::parameter_line;

/// Group of the three tools.
/// Names of the catalogue tools.
pub const NAMES: [&str; 3] = [LIST_ACTIONS, LIST_WORKFLOWS, GET_WORKFLOW];
const LIST_ACTIONS: &str = "list_available_actions";
const LIST_WORKFLOWS: &str = "list_workflows";
const GET_WORKFLOW: &str = "get_workflow";
const TOOLSET: &str = "workflow/discovery";
/// Longest shortlist put into a prompt, in characters.
pub const SHORTLIST_CHARS_MAX: usize = 24_000;
/// Action types whose workflows are listed at the same time for a shortlist.
const LISTS_IN_FLIGHT_MAX: usize = 4;

/// One investigation's look at the catalogue.
#[derive(Debug)]
pub struct CatalogueView {
    catalogue: Arc<dyn Catalogue>,
    context: MatchContext,
    /// Infrastructure labels as the model may see them, with a note; added to the list of actions when known.
    cluster_context: Option<Value>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    actions: Option<Vec<ActionType>>,
    listed: BTreeMap<String, Vec<Listed>>,
    /// Ids the catalogue has named in this investigation.
    seen: BTreeSet<String>,
    /// Names of those.
    names: BTreeMap<String, String>,
    /// Why the last question was not answered, if it was not.
    failure: Option<String>,
}

impl CatalogueView {
    pub fn new(catalogue: Arc<dyn Catalogue>, context: MatchContext, cluster_context: Option<Value>) -> Self {
        Self { catalogue, context, cluster_context, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn context(&self) -> &MatchContext {
        &self.context
    }

    /// Why the catalogue is unavailable, when it did not answer the last question it was asked.
    pub fn unavailable(&self) -> Option<String> {
        self.known().failure.clone()
    }

    /// Where the catalogue was asked with other values than the incident's.
    pub fn substitutions(&self) -> Vec<String> {
        self.catalogue.substitutions(&self.context)
    }

    /// True when the catalogue named this workflow in this investigation.
    pub fn has_seen(&self, id: &str) -> bool {
        self.known().seen.contains(&id.to_ascii_lowercase())
    }

    /// The only workflow seen under this name.
    pub fn seen_by_name(&self, name: &str) -> Option<String> {
        let known = self.known();
        let mut ids = known.names.iter().filter(|(_, known)| known.eq_ignore_ascii_case(name.trim())).map(|(id, _)| id);
        ids.next().filter(|_| ids.next().is_none()).cloned()
    }

    /// Names and ids seen so far, for feedback.
    pub fn seen(&self) -> Vec<(String, String)> {
        self.known().names.iter().map(|(id, name)| (id.clone(), name.clone())).collect()
    }

    /// # Errors
    /// The catalogue cannot be asked.
    pub async fn actions(&self) -> Result<Vec<ActionType>, CatalogueError> {
        let known = self.known().actions.clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let answer = self.catalogue.action_types(&self.context).await;
        let actions = self.note(answer)?;
        self.known().actions = Some(actions.clone());
        Ok(actions)
    }

    /// Workflows of an action type that fit the context, best first.
    ///
    /// # Errors
    /// The catalogue cannot be asked.
    pub async fn listed(&self, action_type: &str) -> Result<Vec<Listed>, CatalogueError> {
        let known = self.known().listed.get(action_type).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let answer = self.catalogue.listed(action_type, &self.context).await;
        let listed = self.note(answer)?;
        let mut known = self.known();
        for workflow in &listed {
            known.see(&workflow.id, &workflow.name);
        }
        known.listed.insert(action_type.to_owned(), listed.clone());
        Ok(listed)
    }

    async fn with_workflows(&self, action: ActionType) -> Result<(ActionType, Vec<Listed>), CatalogueError> {
        let listed = self.listed(&action.name).await?;
        Ok((action, listed))
    }

    /// One workflow as it is now, whether it fits or not.
    ///
    /// # Errors
    /// Unknown or hidden, or the catalogue cannot be asked.
    pub async fn workflow(&self, id_or_name: &str) -> Result<Found, CatalogueError> {
        let answer = self.catalogue.workflow(id_or_name.trim(), &self.context).await;
        self.note(answer)
    }

    /// A workflow that [`Self::workflow`] did not find, where it only does not fit.
    ///
    /// # Errors
    /// Unknown, or the catalogue cannot be asked.
    pub async fn withheld(&self, id: &str) -> Result<Found, CatalogueError> {
        let answer = self.catalogue.withheld(id.trim(), &self.context).await;
        self.note(answer)
    }

    /// True unless the catalogue listed the action types of this incident and this one was not among them.
    pub fn may_offer(&self, action_type: &str) -> bool {
        let known = self.known();
        known.actions.as_ref().is_none_or(|actions| actions.iter().any(|action| action.name == action_type))
    }

    fn note<T>(&self, answer: Result<T, CatalogueError>) -> Result<T, CatalogueError> {
        self.known().failure = match &answer {
            Err(CatalogueError::Unavailable(reason)) => Some(reason.clone()),
            Ok(_) | Err(CatalogueError::NotFound(_)) => None,
        };
        answer
    }

    /// Every fitting workflow in few words, with its parameters where a list tells them, when that is short enough to put
    /// before the model at once.
    ///
    /// # Errors
    /// The catalogue cannot be asked.
    pub async fn shortlist(&self) -> Result<Option<String>, CatalogueError> {
        let actions = self.actions().await?;
        let lists = futures_util::stream::iter(actions.into_iter().map(|action| self.with_workflows(action)));
        let mut lists = lists.buffered(LISTS_IN_FLIGHT_MAX);
        let mut text: String = self.substitutions().iter().map(|sentence| format!("Note: {sentence}\n")).collect();
        let notes = text.len();
        while let Some((action, listed)) = lists.try_next().await? {
            text.push_str(&describe::shortlist_entry(&action, &listed));
            if text.chars().count() > SHORTLIST_CHARS_MAX {
                return Ok(None);
            }
        }
        Ok(Some(if text.len() == notes { String::new() } else { text }))
    }
}

impl Known {
    fn see(&mut self, id: &str, name: &str) {
        let id = id.to_ascii_lowercase();
        self.seen.insert(id.clone());
        self.names.insert(id, name.to_owned());
    }
}

/// The three tools over one view, in the order they are meant to be used.
pub fn tools(view: &Arc<CatalogueView>) -> Vec<Arc<dyn Tool>> {
    static DEFINITIONS: LazyLock<[(Question, ToolDefinition); 3]> = LazyLock::new(definitions);
    let tool = |(question, definition): &(Question, ToolDefinition)| -> Arc<dyn Tool> {
        Arc::new(DiscoveryTool { view: Arc::clone(view), question: *question, definition: definition.clone() })
    };
    DEFINITIONS.iter().map(tool).collect()
}

fn definitions() -> [(Question, ToolDefinition); 3] {
    let paging = |mut properties: Value| {
        if let Some(members) = properties.as_object_mut() {
            members
                .insert("cursor".to_owned(), json!({"type": "string", "description": "nextCursor of the page before"}));
            members.insert("page".to_owned(), json!({"type": "string", "enum": ["next", "previous"]}));
            members.insert("offset".to_owned(), json!({"type": "integer", "minimum": 0}));
            members.insert("limit".to_owned(), json!({"type": "integer", "minimum": 1, "maximum": 100}));
        }
        properties
    };
    let tool = |question, name: &str, description: &str, parameters: Value| {
        (question, ToolDefinition::new(name, description, parameters))
    };
    [
        tool(
            Question::Actions,
            LIST_ACTIONS,
            "Step 1: kinds of remediation that have workflows for this incident.",
            json!({"type": "object", "properties": paging(json!({}))}),
        ),
        tool(
            Question::Workflows,
            LIST_WORKFLOWS,
            "Step 2: workflows of one action type, best first.",
            json!({"type": "object", "required": ["action_type"],
                   "properties": paging(json!({"action_type": {"type": "string"}}))}),
        ),
        tool(
            Question::Workflow,
            GET_WORKFLOW,
            "Step 3: one workflow with the schema of its parameters.",
            json!({"type": "object", "required": ["workflow_id"], "properties": {"workflow_id": {"type": "string"}}}),
        ),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Question {
    Actions,
    Workflows,
    Workflow,
}

#[derive(Debug)]
struct DiscoveryTool {
    view: Arc<CatalogueView>,
    question: Question,
    definition: ToolDefinition,
}

#[async_trait]
impl Tool for DiscoveryTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn toolset(&self) -> &'static str {
        TOOLSET
    }

    fn is_counted(&self) -> bool {
        matches!(self.question, Question::Workflow)
    }

    async fn call(&self, call: Invocation<'_>) -> ToolOutput {
        let answer = match self.question {
            Question::Actions => self.list_actions(call).await,
            Question::Workflows => self.list_workflows(call).await,
            Question::Workflow => self.get_workflow(call).await,
        };
        answer.unwrap_or_else(|error| match error {
            CatalogueError::NotFound(what) => ToolOutput::error(format!(
                "{what:?} is not in the catalogue, or does not fit this incident: choose from list_workflows."
            )),
            CatalogueError::Unavailable(_) => ToolOutput::error(
                "The workflow catalogue does not answer at the moment; try once more, else submit without a workflow.",
            ),
        })
    }
}

impl DiscoveryTool {
    async fn list_actions(&self, call: Invocation<'_>) -> Result<ToolOutput, CatalogueError> {
        let actions = self.view.actions().await?;
        if actions.is_empty() {
            return Ok(ToolOutput::no_data("No action type has a workflow that fits this incident."));
        }
        let page = Page::of(call, actions.len());
        let shown: Vec<Value> = page.slice(&actions).iter().map(describe::action_type).collect();
        let mut answer = json!({"actionTypes": shown});
        page.add_to(&mut answer);
        if let (Some(context), Some(members)) = (&self.view.cluster_context, answer.as_object_mut()) {
            members.insert("cluster_context".to_owned(), context.clone());
        }
        let output = ToolOutput::json(answer);
        Ok(self.view.substitutions().into_iter().fold(output, ToolOutput::noting))
    }

    async fn list_workflows(&self, call: Invocation<'_>) -> Result<ToolOutput, CatalogueError> {
        let Some(action_type) = call.text("action_type") else {
            return Ok(ToolOutput::error("action_type is blank: take one from list_available_actions."));
        };
        let listed = self.view.listed(action_type).await?;
        if listed.is_empty() {
            return Ok(ToolOutput::error(format!(
                "No workflow of action type {action_type:?} fits this incident: take a type from list_available_actions."
            )));
        }
        let page = Page::of(call, listed.len());
        let shown: Vec<Value> = page.slice(&listed).iter().map(describe::workflow_in_list).collect();
        let mut answer = json!({"actionType": action_type, "workflows": shown});
        page.add_to(&mut answer);
        Ok(ToolOutput::json(answer))
    }

    async fn get_workflow(&self, call: Invocation<'_>) -> Result<ToolOutput, CatalogueError> {
        let id = call.text("workflow_id").unwrap_or_default();
        let Found { workflow, misfits } = self.view.workflow(id).await?;
        if !misfits.is_empty() {
            return Ok(ToolOutput::error(format!(
                "{} does not fit this incident ({}): choose from list_workflows.",
                workflow.name,
                misfits.join("; ")
            )));
        }
        self.view.known().see(&workflow.id, &workflow.name);
        Ok(ToolOutput::json(describe::workflow(&workflow)))
    }
}
