//! MCP servers: whether each answers, and what becomes of the tools on its list.

use tokio::time::Instant;

use super::Examination;
use super::report::{Area, Check};
use super::rows::{Finding, Rows};
use crate::redaction::injection;
use crate::tools::mcp::offer::{Verdict, judged};
use crate::tools::mcp::{Examined, ListedTool, McpError, McpServerConfig, examine};

const LATE: &str = "See whether the server is under load, and whether the address leads to it.";
/// Names told in one row.
const NAMES_MAX: usize = 30;
/// Longest name told, in characters.
const NAME_CHARS_MAX: usize = 60;

pub(super) async fn check(examination: &Examination, until: Instant) -> Vec<Check> {
    let servers = examination.config.mcp_servers.enabled();
    let asked = servers.map(|(name, config)| async move {
        let mut rows = Rows::of(Area::ToolServers, until);
        let judge = |answer: &Result<Vec<ListedTool>, Examined>| match answer {
            Ok(tools) => told(name, config, tools),
            Err(Examined::Build(error)) => Finding::failed(error.to_string(), format!("Correct mcp_servers.{name}.")),
            Err(Examined::Silent(error)) => refused(name, error),
        };
        rows.ask(format!("MCP server {name}"), LATE, examine(name, config), judge).await;
        rows.into_checks()
    });
    futures_util::future::join_all(asked).await.into_iter().flatten().collect()
}

fn told(name: &str, config: &McpServerConfig, tools: &[ListedTool]) -> Finding {
    let found = format!("answers; tools found: {}", tools.len());
    let verdicts = judged(config, tools);
    let of = |wanted| verdicts.iter().filter(move |(_, verdict)| *verdict == wanted).map(|(tool, _)| *tool);
    let offered = of(Verdict::Offered).count();
    if verdicts.is_empty() {
        let mend = format!("Name those a model may call in mcp_servers.{name}.allowed_tools.");
        return Finding::warning(
            format!("{found}, none is allowed: {}", list(tools.iter().map(|tool| &*tool.name))),
            mend,
        );
    }
    for (verdict, what, mend) in [
        (Verdict::Missing, "are not there", "Correct the names in allowed_tools; the server has"),
        (Verdict::Writes, "may write, says the server", "Name those that only read in read_only_tools; take out"),
        (Verdict::OddSchema, "have arguments that cannot be described to a model", "Take out of allowed_tools"),
    ] {
        let names = list(of(verdict));
        if names.is_empty() {
            continue;
        }
        let mend = match verdict {
            Verdict::Missing => format!("{mend}: {}.", list(tools.iter().map(|tool| &*tool.name))),
            _ => format!("{mend}: {names}."),
        };
        return Finding::warning(format!("{found}, offered: {offered}; of the allowed ones, {names} {what}"), mend);
    }
    Finding::ok(format!("{found}, offered: {}", list(of(Verdict::Offered))))
}

/// Names of somebody else, in one bounded line.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = names.map(|name| injection::field(name, NAME_CHARS_MAX)).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

fn refused(name: &str, error: &McpError) -> Finding {
    let mend = match error {
        McpError::Unreachable { reason } if reason.contains("certificate") => {
            "Name the authority that signed its certificate in tls.ca_file.".to_owned()
        }
        McpError::Unreachable { .. } => {
            format!("Correct mcp_servers.{name}.url, let the NetworkPolicy pass it, or set HTTPS_PROXY.")
        }
        McpError::Credentials { .. } => format!("Name the header it wants in mcp_servers.{name}.headers."),
        McpError::Redirect { .. } => {
            format!(
                "Name the target in mcp_servers.{name}.url: a login page or another scheme usually stands before it."
            )
        }
        McpError::Protocol(_) | McpError::Refused { .. } | McpError::Rejected { .. } | McpError::SessionLost => {
            format!("Correct mcp_servers.{name}.url, with the path of the MCP endpoint, and its mode.")
        }
        McpError::Timeout { .. } | McpError::Broken | McpError::TooLarge => LATE.to_owned(),
    };
    Finding::failed(error.to_string(), mend)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::app::doctor::Status;
    use crate::tools::mcp::Annotations;

    #[test]
    fn what_becomes_of_the_list() {
        let tool = |name: &str, read_only| ListedTool {
            name: name.to_owned(),
            description: String::new(),
            parameters: json!({}),
            annotations: Annotations { read_only, destructive: None },
        };
        let tools = [tool("find", None), tool("drop", Some(false))];
        for (allowed, vouched, status, seen, mend) in [
            (json!(["find"]), json!([]), Status::Ok, "answers; tools found: 2, offered: find", ""),
            (json!([]), json!([]), Status::Warning, "none is allowed: find, drop", "mcp_servers.b.allowed_tools"),
            (
                json!(["find", "fnd"]),
                json!([]),
                Status::Warning,
                "offered: 1; of the allowed ones, fnd are not",
                "find, drop",
            ),
            (
                json!(["drop"]),
                json!([]),
                Status::Warning,
                "offered: 0; of the allowed ones, drop may write",
                "read_only_tools",
            ),
            (json!(["drop"]), json!(["drop"]), Status::Ok, "offered: drop", ""),
        ] {
            let config = json!({"url": "http://m", "allowed_tools": allowed, "read_only_tools": vouched});
            let finding = told("b", &serde_json::from_value(config).unwrap(), &tools);
            let mended = finding.mend.clone().unwrap_or_default();
            assert!(finding.status == status && finding.seen.contains(seen) && mended.contains(mend), "{finding:?}");
        }
    }
}
