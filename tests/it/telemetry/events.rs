//! The events of the log, as the sources write them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;

use super::reference::assert_written;
use crate::process::root;

/// Calls whose event is decided elsewhere: file → the words.
const DECIDED_ELSEWHERE: &[(&str, &[&str])] =
    &[("src/auth.rs", &["token_not_authenticated", "sar_check_completed", "token_review_api_error", "sar_api_error"])];

/// One call of a logging macro.
struct Call {
    level: String,
    events: Vec<String>,
    fields: Vec<String>,
    message: String,
}

#[derive(Default)]
struct Event {
    levels: BTreeSet<String>,
    fields: BTreeSet<String>,
    message: String,
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            found.push((name, lines.collect::<Vec<_>>().join("\n")));
        }
    }
}

/// The arguments of a macro: from behind its parenthesis to the one that closes it, split at commas outside of any bracket.
fn arguments(text: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    let mut parts = vec![String::new()];
    for letter in text.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 1 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        parts.last_mut().unwrap().push(letter);
    }
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn calls(file: &str, code: &str) -> Vec<Call> {
    let macros = Regex::new(r"\b(?:tracing::)?(error|warn|info|debug|trace)!\(").unwrap();
    let (name, word) = (Regex::new(r"^[?%]?([a-z_.#0-9]+)").unwrap(), Regex::new(r#""([a-z_0-9]+)""#).unwrap());
    let call = |found: regex::Captures<'_>| {
        let mut call =
            Call { level: found[1].to_owned(), events: Vec::new(), fields: Vec::new(), message: String::new() };
        for part in arguments(code.get(found.get(0).unwrap().end()..).unwrap_or_default()) {
            if let Some(message) = part.strip_prefix('"') {
                call.message = message.trim_end_matches('"').split_whitespace().collect::<Vec<_>>().join(" ");
                continue;
            }
            let Some(field) = name.captures(&part).map(|found| found[1].to_owned()) else { continue };
            if field != "event" {
                call.fields.push(field.trim_start_matches("r#").to_owned());
                continue;
            }
            call.events = word.captures_iter(&part).map(|found| found[1].to_owned()).collect();
            if call.events.is_empty() {
                let known = DECIDED_ELSEWHERE.iter().find(|(known, _)| *known == file);
                call.events =
                    known.map(|(_, words)| words.iter().map(ToString::to_string).collect()).unwrap_or_default();
            }
        }
        assert!(!call.events.is_empty(), "{file}: a record without `event`: {}", call.message);
        call
    };
    macros.captures_iter(code).map(call).collect()
}

#[test]
fn every_record_has_an_event_and_every_event_is_documented() {
    let mut found = Vec::new();
    sources(&root().join("src"), &mut found);
    let mut events: BTreeMap<String, Event> = BTreeMap::new();
    for call in found.iter().flat_map(|(file, code)| calls(file, code)) {
        for name in call.events {
            let event = events.entry(name).or_default();
            event.levels.insert(call.level.clone());
            event.fields.extend(call.fields.iter().cloned());
            if event.message.is_empty() {
                event.message.clone_from(&call.message);
            }
        }
    }
    let row = |(name, event): (&String, &Event)| {
        let levels = event.levels.iter().cloned().collect::<Vec<_>>().join(" ");
        let fields = event.fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(" ");
        format!("| `{name}` | {levels} | {fields} | {} |\n", event.message)
    };
    let rows: String = events.iter().map(row).collect();
    assert!(events.len() > 80, "the sources were not read");
    assert_written("logs.md", &format!("| Event | Level | Fields of its own | Message |\n|---|---|---|---|\n{rows}"));
}

/// Names that dashboards and runbooks of the original grep for (operations §3.5).
#[test]
fn the_names_of_the_original_are_kept() {
    let mut found = Vec::new();
    sources(&root().join("src"), &mut found);
    let known: BTreeSet<String> =
        found.iter().flat_map(|(file, code)| calls(file, code)).flat_map(|call| call.events).collect();
    for name in [
        "service_starting",
        "service_started",
        "config_loaded",
        "auth_initialized",
        "auth_init_failed",
        "sar_namespace_configured",
        "token_validated",
        "token_not_authenticated",
        "token_review_api_error",
        "sar_check_completed",
        "sar_api_error",
        "request_completed",
        "validation_error",
        "http_exception",
        "unexpected_error",
        "unhandled_exception_in_handler",
        "incident_analysis_requested",
        "session_created",
        "session_started",
        "session_completed",
        "session_failed",
        "session_expired",
        "session_rejected",
        "incident_analysis_started",
        "incident_analysis_completed",
        "incident_analysis_failed",
        "phase1_rca_started",
        "phase2_enrichment_started",
        "phase2_enrichment_failed",
        "phase3_workflow_selection_started",
        "workflow_validation_retry",
        "workflow_validation_passed",
        "workflow_validation_exhausted",
        "llm_call",
        "llm_retry",
        "llm_parameter_dropped",
        "circuit_breaker_opened",
        "circuit_breaker_half_open",
        "circuit_breaker_closed",
        "tool_call",
        "tool_result_sanitized",
        "tool_error_sanitized",
        "audit_flush",
        "audit_write_failed",
        "audit_event_dropped",
        "audit_flush_timeout",
        "tls_ca_bundle_configured",
        "shutdown_signal_received",
        "shutdown_flag_set",
        "shutdown_drain_started",
        "shutdown_complete",
        "readiness_changed",
    ] {
        assert!(known.contains(name), "nothing writes {name}");
    }
}
