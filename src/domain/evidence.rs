//! What a claim rests on, and where exactly it was seen.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::resource::ResourceRef;

/// One verified observation behind a claim. `claim` is a short sentence for people; `source` says where to look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub claim: String,
    pub source: Source,
}

/// The place an observation was made. Every variant is enough to find the same thing again with stock tools.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Source {
    /// A member of an object: `path` in dotted form with `[index]` or `[name=x]`, `value` as compact text.
    Field { resource: ResourceRef, path: String, value: String },
    /// A line of a container's log. `line` counts from 1 in the log as read; `previous` is the instance before.
    Log { pod: ResourceRef, container: String, previous: bool, line: u64, text: String },
    /// An event about `resource`.
    Event { resource: ResourceRef, reason: String, message: String, count: u64, last_seen: Option<String> },
    /// A metric series reduced to one number.
    Metric { series: String, value: String, at: Option<String> },
    /// Something looked for and not there: itself evidence (a missing Secret, no endpoint).
    Absent { resource: ResourceRef, what: String },
    /// A quoted span of a tool's answer; `arguments` as `name=value` words, so that the call can be made again.
    ToolResult {
        id: String,
        tool: String,
        #[serde(default)]
        arguments: String,
        quote: String,
    },
}

impl Evidence {
    pub fn field(
        claim: impl Into<String>,
        resource: ResourceRef,
        path: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Self { claim: claim.into(), source: Source::Field { resource, path: path.into(), value: value.into() } }
    }

    pub fn absent(claim: impl Into<String>, resource: ResourceRef, what: impl Into<String>) -> Self {
        Self { claim: claim.into(), source: Source::Absent { resource, what: what.into() } }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { resource, path, value } => write!(f, "{resource}: {path} = {value}"),
            Self::Log { pod, container, previous, line, text } => {
                let instance = if *previous { " (previous)" } else { "" };
                write!(f, "log {pod} [{container}]{instance} line {line}: {text}")
            }
            Self::Event { resource, reason, message, count, .. } => {
                write!(f, "event {resource}: {reason} ×{count}: {message}")
            }
            Self::Metric { series, value, at } => {
                write!(f, "metric {series} = {value}")?;
                at.as_ref().map_or(Ok(()), |at| write!(f, " at {at}"))
            }
            Self::Absent { resource, what } => write!(f, "{resource}: {what}"),
            Self::ToolResult { tool, arguments, quote, .. } if arguments.is_empty() => write!(f, "{tool}: {quote}"),
            Self::ToolResult { tool, arguments, quote, .. } => write!(f, "{tool} {arguments}: {quote}"),
        }
    }
}
