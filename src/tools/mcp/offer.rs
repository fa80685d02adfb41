//! What of a server's tools a model is offered, under which names and in which words. Fail-closed: not on the list, said to
//! write, odd in shape or reading like instructions means not offered. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::config::McpServerConfig;
use super::exchange::McpError;
use super::list::ListedTool;
use super::{GROUP, McpServers, McpTool};
use crate::llm::ToolDefinition;
use crate::redaction::Redactor;
use crate::redaction::injection;
use crate::tools::Tool;

/// Longest name of a tool that every provider takes, in characters.
const NAME_CHARS_MAX: usize = 64;
/// Longest description of a tool, and of one of its arguments, in characters.
const DESCRIPTION_CHARS_MAX: usize = 1_000;
const ARGUMENT_CHARS_MAX: usize = 300;
/// Largest schema of arguments, in bytes.
const SCHEMA_BYTES_MAX: usize = 16 * 1024;
/// Deepest nesting of a schema that is looked at.
const SCHEMA_DEPTH_MAX: usize = 32;

/// What one server offered when an investigation began: part of the recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Served {
    pub server: String,
    /// The operator's words.
    pub description: Option<String>,
    pub instructions: Option<String>,
    pub timeout_seconds: u64,
    /// Allowed tools, in the order of the list.
    pub tools: Vec<ServedTool>,
    /// Allowed tools that are not offered, and why.
    pub left_out: Vec<String>,
    /// Why the server did not answer.
    pub problem: Option<String>,
}

/// One allowed tool in the server's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedTool {
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments as text, so that whoever removes secrets by the names of members leaves it alone.
    pub parameters: String,
}

/// Whether a tool on the list is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Offered,
    /// The server has no such tool.
    Missing,
    /// The server says that it may write.
    Writes,
    /// Its schema is not one of an object, or too large.
    OddSchema,
}

/// Each tool on the operator's list.
pub fn judged<'a>(config: &'a McpServerConfig, tools: &'a [ListedTool]) -> Vec<(&'a str, Verdict)> {
    let mut seen = BTreeSet::new();
    let names = config.allowed_tools.iter().map(String::as_str).filter(|name| seen.insert(*name));
    let judge = |name| match tools.iter().find(|tool| tool.name == name) {
        None => Verdict::Missing,
        Some(tool) if tool.annotations.may_write() && !config.read_only_tools.iter().any(|known| known == name) => {
            Verdict::Writes
        }
        Some(tool) if !is_plain(&tool.parameters) => Verdict::OddSchema,
        Some(_) => Verdict::Offered,
    };
    names.map(|name| (name, judge(name))).collect()
}

/// What is kept of a server's list.
pub(super) fn served(name: &str, config: &McpServerConfig, tools: Result<Arc<[ListedTool]>, McpError>) -> Served {
    let mut served = Served {
        server: name.to_owned(),
        description: config.description.clone(),
        instructions: config.llm_instructions.clone(),
        timeout_seconds: config.timeout_seconds,
        tools: Vec::new(),
        left_out: Vec::new(),
        problem: None,
    };
    let tools = match tools {
        Ok(tools) => tools,
        Err(error) => return Served { problem: Some(error.to_string()), ..served },
    };
    for (name, verdict) in judged(config, &tools) {
        let because = match verdict {
            Verdict::Offered => {
                served.tools.extend(tools.iter().find(|tool| tool.name == name).map(taken));
                continue;
            }
            Verdict::Missing => "the server has no such tool",
            Verdict::Writes => "its server says that it may write",
            Verdict::OddSchema => "its arguments cannot be described to a model",
        };
        served.left_out.push(format!("{name}: {because}"));
    }
    served
}

fn taken(tool: &ListedTool) -> ServedTool {
    ServedTool {
        name: tool.name.clone(),
        description: tool.description.clone(),
        parameters: tool.parameters.to_string(),
    }
}

/// A tool without arguments may have no schema at all.
fn is_plain(schema: &Value) -> bool {
    match schema {
        Value::Null => true,
        Value::Object(members) => {
            members.get("type").is_none_or(|kind| kind == "object") && schema.to_string().len() <= SCHEMA_BYTES_MAX
        }
        _ => false,
    }
}

/// What a model is offered of all servers.
#[derive(Debug, Default)]
pub struct Offer {
    pub tools: Vec<Arc<dyn Tool>>,
    /// One for each server with tools.
    pub guides: Vec<Guide>,
    /// For people: what was not available.
    pub warnings: Vec<String>,
}

/// What the model is told of one server beside its tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guide {
    pub server: String,
    /// The operator's words.
    pub description: Option<String>,
    pub instructions: Option<String>,
    /// Names as offered.
    pub tools: Vec<String>,
}

impl Offer {
    /// `taken` are the names that mean something already; a tool that has one of them, or that of another server's tool, is
    /// called `<server>_<tool>`.
    pub fn of<'a>(
        served: &[Served],
        taken: impl IntoIterator<Item = &'a str>,
        servers: &McpServers,
        redactor: &Redactor,
    ) -> Self {
        let mut offer = Self::default();
        let mut taken: BTreeSet<String> = taken.into_iter().map(str::to_ascii_lowercase).collect();
        let shared = shared(served);
        for one in served {
            offer.warnings.extend(one.problem.as_ref().map(|problem| {
                format!("The tools of the MCP server `{}` were not available: it {problem}", one.server)
            }));
            one.left_out.iter().for_each(|told| left_out(&one.server, told));
            let mut names = Vec::new();
            for tool in &one.tools {
                let own = acceptable(&tool.name);
                let key = own.to_ascii_lowercase();
                let is_plain = !taken.contains(&key) && !shared.contains(&key);
                let name = if is_plain { own } else { acceptable(&format!("{}_{own}", one.server)) };
                let definition = match definition(&one.server, &name, tool, redactor) {
                    _ if taken.contains(&name.to_ascii_lowercase()) => Err("its name is taken"),
                    definition => definition,
                };
                match definition {
                    Ok(definition) => {
                        taken.insert(name.to_ascii_lowercase());
                        names.push(name);
                        offer.tools.push(Arc::new(bound(one, tool, definition, servers)));
                    }
                    Err(because) => left_out(&one.server, &format!("{}: {because}", tool.name)),
                }
            }
            if !names.is_empty() {
                offer.guides.push(Guide {
                    server: one.server.clone(),
                    description: one.description.clone(),
                    instructions: one.instructions.clone(),
                    tools: names,
                });
            }
        }
        offer
    }
}

/// Names that several tools have.
fn shared(served: &[Served]) -> BTreeSet<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for tool in served.iter().flat_map(|one| &one.tools) {
        *counts.entry(acceptable(&tool.name).to_ascii_lowercase()).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name).collect()
}

fn left_out(server: &str, told: &str) {
    let told = injection::field(told, ARGUMENT_CHARS_MAX);
    tracing::warn!(event = "mcp_tool_left_out", server, tool = told, "an allowed tool of an MCP server is not offered");
}

/// Letters, digits, `_` and `-`: what every provider takes.
pub(super) fn acceptable(name: &str) -> String {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    name.trim().chars().take(NAME_CHARS_MAX).map(|letter| if is_allowed(letter) { letter } else { '_' }).collect()
}

/// The definition without secrets and without what reads like instructions.
fn definition(
    server: &str,
    name: &str,
    tool: &ServedTool,
    redactor: &Redactor,
) -> Result<ToolDefinition, &'static str> {
    let schema = serde_json::from_str(&redactor.text(&tool.parameters).text);
    let mut schema = match schema.map_err(|_| "its arguments cannot be described to a model")? {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    schema.entry("type").or_insert_with(|| "object".into());
    schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    let mut schema = Value::Object(schema);
    tidy(&mut schema, redactor, SCHEMA_DEPTH_MAX);
    if !injection::suspicions(&schema.to_string()).is_empty() {
        return Err("its arguments read like instructions to a model");
    }
    let words = spoken(&tool.description, redactor, DESCRIPTION_CHARS_MAX);
    let words = if words.is_empty() { "no description" } else { words.as_str() };
    let description = format!("[MCP server {}, in its own words] {words}", injection::field(server, NAME_CHARS_MAX));
    Ok(ToolDefinition::new(name, description, schema))
}

/// A server's words: without hidden characters, secrets and lines that look like instructions, in one bounded line.
fn spoken(text: &str, redactor: &Redactor, chars_max: usize) -> String {
    let plain = redactor.text(&injection::clean(text)).text;
    injection::field(&injection::strip(&plain).0, chars_max)
}

/// Descriptions inside a schema are shortened; what only people read goes; what is nested too deep as well.
fn tidy(value: &mut Value, redactor: &Redactor, depth: usize) {
    match value {
        Value::Object(_) | Value::Array(_) if depth == 0 => *value = Value::Bool(true),
        Value::Object(members) => {
            const FOR_PEOPLE: [&str; 5] = ["title", "examples", "$comment", "$schema", "$id"];
            members.retain(|name, member| !FOR_PEOPLE.contains(&name.as_str()) || is_schema(member));
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "description" => {
                        *text = spoken(text, redactor, ARGUMENT_CHARS_MAX);
                    }
                    member => tidy(member, redactor, depth - 1),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| tidy(item, redactor, depth - 1)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// An argument may be called `title`: then a schema stands there.
fn is_schema(member: &Value) -> bool {
    member.is_object()
}

fn bound(served: &Served, tool: &ServedTool, definition: ToolDefinition, servers: &McpServers) -> McpTool {
    McpTool {
        definition,
        group: format!("{GROUP}{}", served.server),
        server_name: served.server.clone(),
        own_name: tool.name.clone(),
        timeout: std::time::Duration::from_secs(served.timeout_seconds),
        server: servers.find(&served.server),
    }
}

#[cfg(test)]
mod tests;
