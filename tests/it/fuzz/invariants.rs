//! What holds for every result on the wire (http-api §5.1 and §6.5), whatever was said before.

use serde_json::Value;

use super::schema::Schema;

/// Longest result, in bytes: consumers keep it in an object of at most 1.5 MiB.
pub(super) const RESULT_BYTES_MAX: usize = 1024 * 1024;

const NOT_ACTIONABLE: &str = "Alert not actionable — no remediation warranted";
const RESOLVED: &str = "Problem self-resolved - no remediation required";

/// Everything wrong with a result.
pub(super) fn broken(schema: &Schema, wire: &Value) -> Vec<String> {
    let mut wrong = schema.broken(wire);
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    let review = wire["needs_human_review"] == true;
    let warnings: Vec<&str> = wire["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let workflow = wire.get("selected_workflow");
    let confidence = wire["confidence"].as_f64().unwrap_or(-1.0);
    demand(review == wire.get("human_review_reason").is_some(), "reason without review, or the reverse");
    demand(!review || !warnings.is_empty(), "review without a warning");
    if wire.get("is_actionable").is_some() {
        demand(wire["is_actionable"] == false, "is_actionable is written and not false");
        demand(workflow.is_none() && !review, "not actionable with a workflow or a review");
        demand(warnings.contains(&NOT_ACTIONABLE) && confidence >= 0.8, "not actionable without its warning");
    }
    if warnings.contains(&RESOLVED) {
        demand(workflow.is_none() && !review, "resolved with a workflow or a review");
        let told = warnings.join("\n").to_lowercase();
        for blocking in ["inconclusive", "no workflows matched", "human review recommended"] {
            demand(!told.contains(blocking), "resolved with a blocking phrase");
        }
    }
    demand(
        workflow.is_some() || review || wire.get("is_actionable").is_some() || warnings.contains(&RESOLVED),
        "nobody acts and nobody looks",
    );
    if let Some(workflow) = workflow {
        demand(workflow["workflow_id"].as_str().is_some_and(|id| !id.trim().is_empty()), "a workflow without an id");
        demand(workflow["confidence"].as_f64().is_some_and(|value| (0.0..=1.0).contains(&value)), "its confidence");
        let engine = workflow["execution_engine"].as_str();
        demand(engine.is_none_or(|engine| ["tekton", "job", "ansible"].contains(&engine)), "its engine");
        demand(workflow["parameters"].is_object(), "its parameters");
    }
    let cause = &wire["root_cause_analysis"];
    let severity = cause["severity"].as_str().unwrap_or_default();
    demand(["critical", "high", "medium", "low", "unknown"].contains(&severity), "severity");
    demand(cause["summary"].as_str().is_some_and(|summary| !summary.trim().is_empty()), "no summary");
    demand(cause["contributing_factors"].is_array(), "no factors");
    demand(cause.get("remediationTarget") == cause.get("affectedResource"), "two targets");
    demand(wire["alternative_workflows"].as_array().is_some_and(|all| all.len() <= 3), "alternatives");
    let attempts = wire["validation_attempts_history"].as_array().unwrap();
    demand(
        attempts.iter().zip(1..=3).filter(|(attempt, number)| attempt["attempt"] == *number).count() == attempts.len(),
        "attempts",
    );
    let times = attempts.iter().chain([wire]).all(|one| is_time(&one["timestamp"]));
    demand(times, "a timestamp is no RFC 3339 time in UTC");
    demand(wire.to_string().len() <= RESULT_BYTES_MAX, "the result is too large");
    texts(wire, &mut |text| {
        let hidden = text.chars().find(|letter| is_hidden(*letter));
        if let Some(hidden) = hidden {
            let shown: String = text.chars().take(60).collect();
            wrong.push(format!("{hidden:?} in {shown:?}"));
        }
    });
    wrong
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok())
}

/// Characters that show nothing to a person.
fn is_hidden(letter: char) -> bool {
    (letter.is_control() && letter != '\n' && letter != '\t')
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

fn texts(value: &Value, see: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, see)),
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            see(name);
            texts(member, see);
        }),
        _ => {}
    }
}
