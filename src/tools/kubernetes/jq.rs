//! `kubernetes_jq_query` and `kubernetes_count`: a jq expression over all objects of a kind.

mod meter;
mod natives;
mod patterns;
mod program;
mod run;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use self::meter::JqLimits;
use self::run::{JqRunner, RESULTS_MAX, Results};
use super::CORE;
use super::clean::{SECRET_VALUES, cleaned, is_secret};
use super::definitions;
use super::events::noting;
use super::subject::{Fault, ListSubject, required};
use crate::cluster::{Cluster, LIST_OBJECTS_MAX};
use crate::llm::ToolDefinition;
use crate::redaction::Redactor;
use crate::tools::{Content, Invocation, Keep, Tool, ToolOutput, ToolStatus};

/// Lines shown beside a count.
const PREVIEW_LINES: usize = 10;
/// Characters of such a line.
const PREVIEW_CHARS: usize = 200;

/// Both tools, sharing the place where expressions run.
pub(super) fn tools(cluster: &Arc<dyn Cluster>) -> [Arc<dyn Tool>; 2] {
    let runner = Arc::new(JqRunner::new(JqLimits::default()));
    let tool =
        |definition, counts| JqTool { definition, counts, cluster: Arc::clone(cluster), runner: Arc::clone(&runner) };
    [Arc::new(tool(definitions::jq_query(), false)), Arc::new(tool(definitions::count(), true))]
}

#[derive(Debug)]
struct JqTool {
    definition: ToolDefinition,
    /// Only how many results there are.
    counts: bool,
    cluster: Arc<dyn Cluster>,
    runner: Arc<JqRunner>,
}

#[async_trait]
impl Tool for JqTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn toolset(&self) -> &'static str {
        CORE
    }

    async fn call(&self, call: Invocation<'_>) -> ToolOutput {
        self.answer(&call).await.unwrap_or_else(|fault| ToolOutput::error(fault.0))
    }
}

impl JqTool {
    async fn answer(&self, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
        let expression = required(call, "jq_expr")?.to_owned();
        let subject = ListSubject::of(self.cluster.as_ref(), call).await?;
        let found = self.cluster.list(&subject.query()).await?;
        let items: Vec<Value> = found.items.iter().map(|object| cleaned(object)).collect();
        let read = items.len();
        let items = without_secrets(items).await?;
        let input = json!({"apiVersion": subject.kind.api_version, "kind": format!("{}List", subject.kind.kind), "items": items});
        let is_about_items = expression.contains("items") || expression.contains("..");
        let results = self.runner.run(expression, input, self.cluster.now().as_second()).await.map_err(Fault)?;
        let mut notes = subject.notes;
        if found.truncated {
            notes.push(format!("only the first {LIST_OBJECTS_MAX} {} were read; more exist", subject.kind.plural));
        }
        if !is_about_items {
            notes.push("the input is the list object: its objects are in .items[]".to_owned());
        }
        let output = if self.counts { counted(&results) } else { queried(results) };
        let over = format!("{read} {} read", subject.kind.plural);
        Ok(noting(ended(output, &over), notes))
    }
}

/// Every secret is gone before the expression sees it: afterwards `.value` stands alone, without the name that tells what it
/// is, and `explode` makes numbers of it.
async fn without_secrets(mut items: Vec<Value>) -> Result<Vec<Value>, Fault> {
    let work = move || {
        let mut key = [0; 32];
        let random = [Uuid::new_v4(), Uuid::new_v4()];
        key.iter_mut().zip(random.iter().flat_map(Uuid::as_bytes)).for_each(|(to, from)| *to = *from);
        let redactor = Redactor::new(key);
        items.iter_mut().for_each(|item| redact(&redactor, item));
        items
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Fault("the objects were withheld: secrets could not be removed from them".to_owned()))
}

/// The values of a Secret are masked already, with their sizes: those masks stay.
fn redact(redactor: &Redactor, item: &mut Value) {
    let masked = is_secret(item).then(|| SECRET_VALUES.map(|member| item.get(member).cloned()));
    redactor.value(item);
    for (member, values) in SECRET_VALUES.into_iter().zip(masked.into_iter().flatten()) {
        if let (Some(place), Some(values)) = (item.get_mut(member), values) {
            *place = values;
        }
    }
}

/// Says at the end over how much this was.
fn ended(mut output: ToolOutput, over: &str) -> ToolOutput {
    if let Content::Lines { footer, .. } = &mut output.content {
        *footer = format!("{footer}; {over}");
    }
    output
}

fn queried(results: Results) -> ToolOutput {
    let status = if results.count == 0 { ToolStatus::NoData } else { ToolStatus::Success };
    let shown = results.texts.len();
    let footer = if results.is_cut {
        format!("-- {shown} of at least {} results: ask for less of each, or select fewer", results.count)
    } else {
        format!("-- {} results", results.count)
    };
    ToolOutput::of(status, Content::Lines { header: String::new(), lines: results.texts, footer, keep: Keep::Head })
}

fn counted(results: &Results) -> ToolOutput {
    let telling = results.texts.iter().filter(|text| !text.trim().is_empty() && *text != "null");
    let preview = telling.take(PREVIEW_LINES).map(|text| text.chars().take(PREVIEW_CHARS).collect()).collect();
    let at_least = if results.is_cut && results.count == RESULTS_MAX { "at least " } else { "" };
    let header = format!("{at_least}{} results", results.telling);
    let list = results.only_list.filter(|_| results.count == 1);
    let hint = list.map(|length| format!("; this one is a list of {length}: end with [] to count its elements"));
    let footer = format!("-- the first {PREVIEW_LINES} are shown{}", hint.unwrap_or_default());
    let status = if results.telling == 0 { ToolStatus::NoData } else { ToolStatus::Success };
    ToolOutput::of(status, Content::Lines { header, lines: preview, footer, keep: Keep::Head })
}

#[cfg(test)]
mod tests;
