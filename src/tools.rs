//! What a model may look at: read-only tools, each with a schema, a bound and an honest answer.
//!
//! A [`Tool`] reads and returns everything it found as [`Content`]; it neither redacts nor cuts. The turn loop of
//! `investigation` checks the arguments ([`arguments`]), bounds the time, redacts, and reduces what is too long
//! ([`reduce`]). No tool of ours changes anything, starts a process or takes an address; what tools of MCP servers do is for
//! the operator's allow list to say ([`mcp`]).

pub mod alertmanager;
pub mod arguments;
mod endpoint;
pub mod kubernetes;
mod logs;
pub mod mcp;
pub mod prometheus;
pub mod reduce;
mod registry;
pub mod resource_context;
mod toolsets;
pub mod workflows;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use endpoint::{BuildError, EndpointError, ExtraHeaders};
pub use registry::ToolSet;
pub use toolsets::ToolsetsConfig;

use crate::llm::ToolDefinition;

/// One thing a model may ask for (investigation §4).
#[async_trait]
pub trait Tool: Send + Sync + fmt::Debug {
    /// Name, description and JSON Schema of the arguments, as the model sees them. Byte-stable: it is part of the
    /// cacheable prefix.
    fn definition(&self) -> &ToolDefinition;

    /// Group of the tool: label of the metrics, name in audit. `kubernetes/core`, `prometheus/metrics`, `mcp/<server>`.
    fn toolset(&self) -> &str;

    /// Names earlier models know the tool by. They are answered and not offered.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// Longest one call may take.
    fn timeout(&self) -> Duration {
        TOOL_TIMEOUT
    }

    /// Whether the same call may give another answer a minute later (open-ended logs, current metrics).
    fn is_time_dependent(&self) -> bool {
        false
    }

    /// Whether calls count against the budget of the phase. Paging through a catalogue does not.
    fn is_counted(&self) -> bool {
        true
    }

    /// Runs the call. The arguments fit the schema. A fault of any kind is a [`ToolStatus::Error`] answer that says what to
    /// do instead; it never ends an investigation.
    async fn call(&self, call: Invocation<'_>) -> ToolOutput;
}

/// Longest one call may take unless the tool says otherwise.
pub const TOOL_TIMEOUT: Duration = Duration::from_secs(60);

/// What the model asked for.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// The name the model used: the tool's own or one of its aliases.
    pub name: &'a str,
    pub arguments: &'a Map<String, Value>,
}

impl Invocation<'_> {
    /// A text argument without surrounding space; `None` when absent or blank.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.arguments.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// The first of several names that carries text: earlier generations spell arguments differently.
    pub fn any_text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.text(name))
    }

    /// A whole number that is not negative.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.arguments.get(name).and_then(Value::as_u64)
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.arguments.get(name).and_then(Value::as_bool)
    }
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolStatus {
    Success,
    /// Asked properly, and there is nothing.
    NoData,
    Error,
}

impl ToolStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::NoData => "no_data",
            Self::Error => "error",
        }
    }
}

/// The complete answer of a tool, neither redacted nor shortened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolOutput {
    pub status: ToolStatus,
    pub content: Content,
    /// Short remarks about how the call was understood: a substituted value, an ignored argument. Shown before the data.
    pub notes: Vec<String>,
}

/// Data in the form that redaction and reduction need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Prose; cut at the end when too long.
    Text(String),
    /// Structured data: redacted by structure, written compactly.
    Json(Value),
    /// Rows of a table, lines of a log. `footer` is always kept.
    Lines { header: String, lines: Vec<String>, footer: String, keep: Keep },
}

/// Which lines survive when there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The first ones (sorted tables, newest-first events).
    Head,
    /// Beginning and end, and lines of the middle that tell of errors (logs).
    HeadTailAndErrors,
}

impl ToolOutput {
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(ToolStatus::Success, Content::Text(text.into()))
    }

    pub fn json(value: Value) -> Self {
        Self::of(ToolStatus::Success, Content::Json(value))
    }

    pub fn no_data(text: impl Into<String>) -> Self {
        Self::of(ToolStatus::NoData, Content::Text(text.into()))
    }

    /// One sentence with the cause and what to do instead.
    pub fn error(text: impl Into<String>) -> Self {
        Self::of(ToolStatus::Error, Content::Text(text.into()))
    }

    pub fn of(status: ToolStatus, content: Content) -> Self {
        Self { status, content, notes: Vec::new() }
    }

    #[must_use]
    pub fn noting(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}
