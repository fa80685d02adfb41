//! What must come out of a scenario, and what every answer keeps.

use std::collections::BTreeMap;

use holmesgpt_api::domain::Engine;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Played;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    /// `remediate`, `resolved`, `not_actionable`, `needs_human` or `failed`.
    verdict: String,
    /// `human_review_reason`.
    reason: Option<String>,
    /// Name of the chosen workflow.
    workflow: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    /// `Kind namespace/name`.
    target: Option<String>,
    /// Each in some warning.
    #[serde(default)]
    warnings: Vec<String>,
    /// None in any warning.
    #[serde(default)]
    no_warnings: Vec<String>,
    /// Texts of `analysis`.
    #[serde(default)]
    analysis: Vec<String>,
    /// Verified claims.
    evidence: Option<usize>,
    confidence: Option<f64>,
    /// Confidence band.
    band: Option<String>,
    /// Entries of the validation history.
    attempts: Option<usize>,
    alternatives: Option<usize>,
    /// `model` or `analyser`.
    engine: Option<String>,
    /// Beginning of the error of a failed session.
    error: Option<String>,
    /// How many audit events of a type there are; `aiagent.` is put before.
    #[serde(default)]
    audit: BTreeMap<String, usize>,
    /// Texts in the result as it goes over the wire, compact JSON; `result_misses`: not in it.
    #[serde(default)]
    result: Vec<String>,
    #[serde(default)]
    result_misses: Vec<String>,
    /// Texts that only the model itself says: not in audit, not in the result.
    #[serde(default)]
    unheard: Vec<String>,
    /// Texts of requests to DataStorage (path and query), each in a further one, in this order; `never_asked`: in none.
    #[serde(default)]
    asked: Vec<String>,
    #[serde(default)]
    never_asked: Vec<String>,
    /// Texts of audit events.
    #[serde(default)]
    recorded: Vec<String>,
    /// Texts that leave the service nowhere: not to the model, into audit, the result or the recording.
    #[serde(default)]
    nowhere: Vec<String>,
}

impl Outcome {
    pub(super) fn differences(&self, played: &Played) -> Vec<String> {
        let mut wrong = Vec::new();
        let wire = &played.wire;
        let mut same = |what: &str, expected: Value, got: Value| {
            if expected != got {
                wrong.push(format!("{what}: expected {expected}, got {got}"));
            }
        };
        same("verdict", json!(self.verdict), json!(verdict(played)));
        same("reason", json!(self.reason), wire["human_review_reason"].clone());
        let workflow = played.result.as_ref().and_then(|result| result.selected_workflow.as_ref());
        same("workflow", json!(self.workflow), json!(workflow.map(|workflow| &workflow.workflow_name)));
        for (name, value) in &self.parameters {
            same(name, value.clone(), wire["selected_workflow"]["parameters"][name].clone());
        }
        if let Some(target) = &self.target {
            let got = played.result.as_ref().and_then(|result| result.root_cause.target.as_ref());
            same("target", json!(target), json!(got.map(ToString::to_string)));
        }
        if let Some(count) = self.evidence {
            let got = played.result.as_ref().map(|result| result.root_cause.evidence.len());
            same("evidence", json!(count), json!(got));
        }
        if let Some(confidence) = self.confidence {
            same("confidence", json!(confidence), wire["confidence"].clone());
        }
        if let Some(band) = &self.band {
            let basis = played.result.as_ref().and_then(|result| result.confidence_basis.as_ref());
            same("band", json!(band), json!(basis.map(|basis| basis.band)));
        }
        let count = |list: &Value| json!(list.as_array().map(Vec::len));
        if let Some(attempts) = self.attempts {
            same("attempts", json!(attempts), count(&wire["validation_attempts_history"]));
        }
        if let Some(alternatives) = self.alternatives {
            same("alternatives", json!(alternatives), count(&wire["alternative_workflows"]));
        }
        if let Some(engine) = &self.engine {
            let got = played.result.as_ref().map(|result| match result.engine {
                Engine::Analyser { .. } => "analyser",
                Engine::Model { .. } => "model",
            });
            same("engine", json!(engine), json!(got));
        }
        for (event, expected) in &self.audit {
            let got = played.events.iter().filter(|(kind, _)| *kind == format!("aiagent.{event}")).count();
            same(event, json!(expected), json!(got));
        }
        wrong.extend(self.texts(played));
        wrong
    }

    fn texts(&self, played: &Played) -> Vec<String> {
        let mut wrong = Vec::new();
        let warnings = played.wire["warnings"].as_array().cloned().unwrap_or_default();
        let warned = |text: &String| warnings.iter().any(|warning| warning.as_str().unwrap_or_default().contains(text));
        wrong.extend(
            self.warnings
                .iter()
                .filter(|text| !warned(text))
                .map(|text| format!("no warning {text:?} in {warnings:?}")),
        );
        wrong.extend(self.no_warnings.iter().filter(|text| warned(text)).map(|text| format!("warning {text:?}")));
        let analysis = played.wire["analysis"].as_str().unwrap_or_default();
        wrong.extend(
            self.analysis
                .iter()
                .filter(|text| !analysis.contains(*text))
                .map(|text| format!("no {text:?} in {analysis:?}")),
        );
        if let Some(error) = &self.error {
            let got = played.error.clone().unwrap_or_default();
            if !got.starts_with(error) {
                wrong.push(format!("error: expected {error}…, got {got}"));
            }
        }
        let result = played.wire.to_string();
        wrong.extend(
            self.result.iter().filter(|text| !result.contains(*text)).map(|text| format!("no {text:?} in the result")),
        );
        wrong.extend(
            self.result_misses
                .iter()
                .filter(|text| result.contains(*text))
                .map(|text| format!("{text:?} is in the result")),
        );
        let mut asked = played.asked.iter();
        wrong.extend(
            self.asked
                .iter()
                .filter(|text| !asked.any(|request| request.contains(*text)))
                .map(|text| format!("no further request has {text:?} in {:#?}", played.asked)),
        );
        let any_asked = |text: &&String| played.asked.iter().any(|request| request.contains(*text));
        wrong.extend(self.never_asked.iter().filter(any_asked).map(|text| format!("{text:?} was asked")));
        let recorded = json!(played.events).to_string();
        let is_missing = |text: &&String| !recorded.contains(text.as_str());
        wrong.extend(self.recorded.iter().filter(is_missing).map(|text| format!("no {text:?} in {recorded}")));
        let everything = [
            ("a request to the model", json!(played.requests).to_string()),
            ("audit", json!(played.events).to_string()),
            ("the result", played.wire.to_string()),
            ("the recording", recording(played)),
        ];
        for text in &self.nowhere {
            let places = everything.iter().filter(|(_, whole)| whole.contains(text.as_str()));
            wrong.extend(places.map(|(place, _)| format!("{text:?} is in {place}")));
        }
        for text in &self.unheard {
            let places = everything.iter().skip(1).filter(|(_, whole)| whole.contains(text.as_str()));
            wrong.extend(places.map(|(place, _)| format!("{text:?} is in {place}")));
        }
        wrong
    }
}

/// A recording holds what tools said; what is stripped from it for looking like an instruction is no secret.
fn recording(played: &Played) -> String {
    let text = String::from_utf8_lossy(&played.recording).into_owned();
    let file: Value = serde_json::from_str(&text).unwrap();
    if file["settings"]["injection"]["mode"] == "strip" { String::new() } else { text }
}

fn verdict(played: &Played) -> &'static str {
    let wire = &played.wire;
    match (&wire["needs_human_review"], &wire["is_actionable"], &wire["selected_workflow"]) {
        _ if played.result.is_none() => "failed",
        (Value::Bool(true), ..) => "needs_human",
        (_, Value::Bool(false), _) => "not_actionable",
        (_, _, Value::Object(_)) => "remediate",
        _ => "resolved",
    }
}

/// What http-api §5.1 promises for every answer.
pub(super) fn broken_invariants(played: &Played) -> Vec<String> {
    let wire = &played.wire;
    let mut wrong = Vec::new();
    if played.result.is_none() {
        return wrong;
    }
    let review = wire["needs_human_review"] == true;
    let warnings = wire["warnings"].as_array().cloned().unwrap_or_default();
    if review != wire["human_review_reason"].is_string() || (review && warnings.is_empty()) {
        wrong.push("review, reason and warnings do not go together".to_owned());
    }
    if wire["is_actionable"] == false && (review || !wire["selected_workflow"].is_null()) {
        wrong.push("not actionable with a workflow or a review".to_owned());
    }
    let terminal = played.events.iter().filter(|(kind, _)| kind.starts_with("aiagent.response.")).count();
    if terminal != 1 {
        wrong.push(format!("{terminal} terminal audit events"));
    }
    wrong
}
