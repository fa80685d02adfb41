//! `read_tool_result`: the rest of a result that was too long for the conversation.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use serde_json::json;

use super::Ledger;
use crate::llm::ToolDefinition;
use crate::tools::{Content, Invocation, Keep, Tool, ToolOutput, ToolStatus};

/// Lines one page may have.
const LINES_MAX: u64 = 500;
/// Lines of a page when the model names no number.
const LINES_DEFAULT: u64 = 100;
/// Longest expression, in characters.
const SEARCH_CHARS_MAX: usize = 1_024;
/// Characters of a line of a result that has none: compact JSON is one line.
const CHARS_A_LINE: usize = 400;

/// Pages and searches what the ledger keeps.
#[derive(Debug)]
pub(in super::super) struct ReadToolResult {
    ledger: Arc<Ledger>,
    definition: ToolDefinition,
}

impl ReadToolResult {
    pub(in super::super) fn new(ledger: Arc<Ledger>) -> Self {
        static DEFINITION: LazyLock<ToolDefinition> = LazyLock::new(definition);
        Self { ledger, definition: DEFINITION.clone() }
    }
}

fn definition() -> ToolDefinition {
    let parameters = json!({"type": "object", "required": ["result_id"], "properties": {
        "result_id": {"type": "string", "description": "e.g. r7"},
        "search": {"type": "string", "description": "only lines matching this regular expression, any case"},
        "from_line": {"type": "integer", "minimum": 1},
        "lines": {"type": "integer", "minimum": 1, "maximum": LINES_MAX},
    }});
    let told = "Read or search a tool result of this conversation that was shown shortened. Free of charge.";
    ToolDefinition::new("read_tool_result", told, parameters)
}

#[async_trait]
impl Tool for ReadToolResult {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn toolset(&self) -> &'static str {
        "investigation"
    }

    fn is_counted(&self) -> bool {
        false
    }

    async fn call(&self, call: Invocation<'_>) -> ToolOutput {
        let id = call.text("result_id").unwrap_or_default();
        let Some(entry) = self.ledger.get(id) else {
            return ToolOutput::error(format!(
                "No tool result is called {id:?}; ids stand in the first line of results."
            ));
        };
        let Some(text) = entry.text else {
            return ToolOutput::error(format!("{} is no longer kept; call {} again.", entry.id, entry.tool));
        };
        let lines = numbered(&text);
        let found: Vec<&(usize, String)> = match call.text("search") {
            None => lines.iter().collect(),
            Some(search) => {
                let matches = matcher(search);
                lines.iter().filter(|(_, line)| matches(line)).collect()
            }
        };
        let from = usize::try_from(call.number("from_line").unwrap_or(1)).unwrap_or(usize::MAX);
        let most = usize::try_from(call.number("lines").unwrap_or(LINES_DEFAULT).min(LINES_MAX)).unwrap_or_default();
        let page: Vec<String> = found
            .iter()
            .filter(|(number, _)| *number >= from)
            .take(most)
            .map(|(number, line)| format!("{number}: {line}"))
            .collect();
        if page.is_empty() {
            return ToolOutput::no_data(format!("No such line among the {} of {}.", lines.len(), entry.id));
        }
        let footer = format!("{} of {} lines found, {} in all", page.len(), found.len(), lines.len());
        ToolOutput::of(
            ToolStatus::Success,
            Content::Lines { header: String::new(), lines: page, footer, keep: Keep::Head },
        )
    }
}

/// Lines with their numbers; a single very long line is taken apart.
fn numbered(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if let [only] = lines.as_slice()
        && only.chars().nth(CHARS_A_LINE).is_some()
    {
        let letters: Vec<char> = only.chars().collect();
        lines = letters.chunks(CHARS_A_LINE).map(|chunk| chunk.iter().collect()).collect();
    }
    lines.into_iter().enumerate().map(|(index, line)| (index + 1, line)).collect()
}

/// An expression when it is one, else plain text; either ignores case.
fn matcher(search: &str) -> Box<dyn Fn(&str) -> bool + Send> {
    let expression = regex::RegexBuilder::new(search).case_insensitive(true).size_limit(1 << 20).build();
    match expression {
        Ok(expression) if search.chars().count() <= SEARCH_CHARS_MAX => Box::new(move |line| expression.is_match(line)),
        _ => {
            let plain = search.to_lowercase();
            Box::new(move |line| line.to_lowercase().contains(&plain))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::tools::reduce;

    async fn read(text: &str, arguments: Value) -> (ToolStatus, String) {
        let ledger = Arc::new(Ledger::default());
        let id = ledger.reserve("fetch_pod_logs", String::new());
        ledger.keep(&id, ToolStatus::Success, text);
        let arguments: Map<String, Value> = arguments.as_object().unwrap().clone();
        let call = Invocation { name: "read_tool_result", arguments: &arguments };
        let output = ReadToolResult::new(ledger).call(call).await;
        (output.status, reduce::whole(&output.content))
    }

    #[tokio::test]
    async fn pages_and_searches() {
        let log: String = (1..=300).map(|n| format!("line {n}{}\n", if n == 250 { " FATAL" } else { "" })).collect();
        let (_, page) = read(&log, json!({"result_id": "r1", "from_line": 10, "lines": 2})).await;
        assert_eq!(page, "10: line 10\n11: line 11\n2 of 300 lines found, 300 in all");
        let (_, found) = read(&log, json!({"result_id": "r1", "search": "fatal|panic"})).await;
        assert_eq!(found, "250: line 250 FATAL\n1 of 1 lines found, 300 in all");
        let (_, plain) = read("a (b\nc", json!({"result_id": "r1", "search": "(B"})).await;
        assert!(plain.starts_with("1: a (b"), "{plain}");
    }

    #[tokio::test]
    async fn what_is_not_there_is_told() {
        assert_eq!(read("x", json!({"result_id": "r2"})).await.0, ToolStatus::Error);
        assert_eq!(read("x", json!({"result_id": "r1", "search": "y"})).await.0, ToolStatus::NoData);
        let (_, json) = read(&"x".repeat(1_000), json!({"result_id": "r1", "from_line": 3})).await;
        assert!(json.starts_with("3: xxx"), "{json}");
    }
}
