//! The workflow catalogue as a model sees it in the selection phase: three tools (investigation §4.2.1–4.2.3) and a
//! shortlist that makes them unnecessary when the catalogue is small.
//!
//! A [`CatalogueView`] belongs to one investigation: it carries the context filters, asks each question once, and remembers
//! which workflows the model has seen.

mod describe;
mod paging;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Invocation, Tool, ToolOutput};
use crate::catalogue::{ActionType, Candidates, Catalogue, CatalogueError, MatchContext, Workflow};
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
    candidates: BTreeMap<String, Candidates>,
    /// Ids the catalogue has named in this investigation.
    seen: BTreeSet<String>,
    /// Names of those.
    names: BTreeMap<String, String>,
    /// Calls that the catalogue did not answer, and the last reason.
    failures: u32,
    answers: u32,
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

    /// Why the catalogue is unavailable, when not one question was answered.
    pub fn unavailable(&self) -> Option<String> {
        let known = self.known();
        known.failure.clone().filter(|_| known.answers == 0)
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

    /// Workflows of an action type that fit the context, best first, and those that do not.
    ///
    /// # Errors
    /// The catalogue cannot be asked.
    pub async fn candidates(&self, action_type: &str) -> Result<Candidates, CatalogueError> {
        let known = self.known().candidates.get(action_type).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let answer = self.catalogue.candidates(action_type, &self.context).await;
        let candidates = self.note(answer)?;
        let mut known = self.known();
        for workflow in &candidates.matching {
            known.see(workflow);
        }
        known.candidates.insert(action_type.to_owned(), candidates.clone());
        Ok(candidates)
    }

    /// One workflow, whether it fits or not; it counts as seen when it fits.
    ///
    /// # Errors
    /// Unknown, or the catalogue cannot be asked.
    pub async fn workflow(&self, id_or_name: &str) -> Result<Workflow, CatalogueError> {
        let answer = self.catalogue.workflow(id_or_name.trim()).await;
        self.note(answer)
    }

    /// Why a workflow does not fit the context; empty when it does.
    ///
    /// # Errors
    /// The catalogue cannot be asked.
    pub async fn misfits(&self, workflow: &Workflow) -> Result<Vec<String>, CatalogueError> {
        let candidates = self.candidates(&workflow.action_type).await?;
        let excluded = candidates.excluded.into_iter().find(|excluded| excluded.workflow.id == workflow.id);
        Ok(excluded.map(|excluded| excluded.reasons).unwrap_or_default())
    }

    fn note<T>(&self, answer: Result<T, CatalogueError>) -> Result<T, CatalogueError> {
        let mut known = self.known();
        match &answer {
            Err(CatalogueError::Unavailable(reason)) => {
                known.failures += 1;
                known.failure = Some(reason.clone());
            }
            Ok(_) | Err(CatalogueError::NotFound(_)) => known.answers += 1,
        }
        answer
    }

    /// Every fitting workflow with its parameters in few words, when that is short enough to put before the model at once.
    ///
    /// # Errors
    /// The catalogue cannot be asked.
    pub async fn shortlist(&self) -> Result<Option<String>, CatalogueError> {
        let mut text = String::new();
        for action in self.actions().await? {
            let candidates = self.candidates(&action.name).await?;
            text.push_str(&describe::shortlist_entry(&action, &candidates));
            if text.chars().count() > SHORTLIST_CHARS_MAX {
                return Ok(None);
            }
        }
        Ok(Some(text))
    }
}

impl Known {
    fn see(&mut self, workflow: &Workflow) {
        let id = workflow.id.to_ascii_lowercase();
        self.seen.insert(id.clone());
        self.names.insert(id, workflow.name.clone());
    }
}

/// The three tools over one view, in the order they are meant to be used.
pub fn tools(view: &Arc<CatalogueView>) -> Vec<Arc<dyn Tool>> {
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
    let tool = |question, name: &str, description: &str, parameters: Value| -> Arc<dyn Tool> {
        let definition = ToolDefinition { name: name.to_owned(), description: description.to_owned(), parameters };
        Arc::new(DiscoveryTool { view: Arc::clone(view), question, definition })
    };
    vec![
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
        Ok(ToolOutput::json(answer))
    }

    async fn list_workflows(&self, call: Invocation<'_>) -> Result<ToolOutput, CatalogueError> {
        let Some(action_type) = call.text("action_type") else {
            return Ok(ToolOutput::error("action_type is blank: take one from list_available_actions."));
        };
        let Candidates { matching, remarks, .. } = self.view.candidates(action_type).await?;
        if matching.is_empty() {
            return Ok(ToolOutput::error(format!(
                "No workflow of action type {action_type:?} fits this incident: take a type from list_available_actions."
            )));
        }
        let page = Page::of(call, matching.len());
        let shown: Vec<Value> =
            page.slice(&matching).iter().map(|workflow| describe::workflow_in_list(workflow, &remarks)).collect();
        let mut answer = json!({"actionType": action_type, "workflows": shown});
        page.add_to(&mut answer);
        Ok(ToolOutput::json(answer))
    }

    async fn get_workflow(&self, call: Invocation<'_>) -> Result<ToolOutput, CatalogueError> {
        let id = call.text("workflow_id").unwrap_or_default();
        let workflow = self.view.workflow(id).await?;
        let reasons = self.view.misfits(&workflow).await?;
        if !reasons.is_empty() {
            return Ok(ToolOutput::error(format!(
                "{} does not fit this incident ({}): choose from list_workflows.",
                workflow.name,
                reasons.join("; ")
            )));
        }
        self.view.known().see(&workflow);
        Ok(ToolOutput::json(describe::workflow(&workflow)))
    }
}
