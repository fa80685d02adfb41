//! The answer of the root cause analysis (investigation §5.3, §5.4).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::members::{Members, Notes, canonical, excerpt, object, objects, text, texts, written};
use super::shapes::Candidate;
use super::stated::{CONFIDENCE, OUTCOME, SEVERITY, Stated};
use super::{FormatProblem, SELECTED_WORKFLOW};
use crate::domain::object::kind_of;
use crate::investigation::outcome::Outcome;

pub(super) const ROOT_CAUSE: &[&str] = &["root_cause_analysis", "rca"];
pub(super) const TARGET: &[&str] =
    &["remediation_target", "affected_resource", "target_resource", "affected_resources", "target"];
const ANALYSIS: &[&str] = &["investigation_analysis", "analysis", "narrative", "reasoning"];
const FACTORS: &[&str] = &["contributing_factors"];
const CHAIN: &[&str] = &["causal_chain"];
/// Members kept of the self-review; the schema has eight.
const DUE_DILIGENCE_MAX: usize = 16;

/// What the model found out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RcaAnswer {
    /// Never blank.
    pub summary: String,
    pub signal_name: Option<String>,
    pub contributing_factors: Vec<String>,
    /// The object to change as the model names it; not verified.
    pub target: Option<TargetClaim>,
    /// Why there is no target although the outcome wants one, in words for the model.
    pub target_problem: Option<String>,
    /// Narrative for people.
    pub analysis: Option<String>,
    /// From cause to symptom.
    pub causal_chain: Vec<String>,
    /// The model's self-review by topic.
    pub due_diligence: BTreeMap<String, String>,
    /// Complete claims only; not verified.
    pub claims: Vec<Claim>,
    pub stated: Stated,
}

/// The object a model wants changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetClaim {
    /// Never blank.
    pub kind: String,
    /// Never blank.
    pub name: String,
    /// What the model said; scope is decided by discovery, not by this.
    pub namespace: Option<String>,
    pub api_version: Option<String>,
}

/// A claim with its evidence: which tool result shows it, and the words that do. No part is blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub statement: String,
    pub result_id: String,
    pub quote: String,
}

/// Reads the answer from an object.
pub(super) fn read(candidate: &Candidate) -> Result<RcaAnswer, FormatProblem> {
    let top = Members::of(&candidate.members);
    let nested = nested(&top)?;
    let is_flat = nested.is_none();
    let inner = nested.as_ref().map_or_else(|| top.clone(), Members::of);
    if is_flat && !is_flat_answer(&top, candidate) {
        return Err(FormatProblem::new("root_cause_analysis is missing: it must be an object with at least a summary"));
    }
    let summary = inner.text(&["summary", "rca_summary", "root_cause"]).or_else(|| top.text(&["rca_summary"]));
    let Some(summary) = summary else {
        return Err(FormatProblem::new("root_cause_analysis.summary is missing or blank"));
    };
    let mut notes = Notes::default();
    let selected = top.get(SELECTED_WORKFLOW);
    if selected.is_some() {
        notes.add("selected_workflow is not part of this step and was ignored");
    }
    let legacy = selected.and_then(object).unwrap_or_default();
    let either = |names: &[&str]| inner.get(names).or_else(|| top.get(names));
    let claims = claims(either(&["claims"]).or_else(|| either(&["evidence"])), &mut notes);
    let mut stated = Stated::read(&top, &Members::of(&legacy), &inner, &mut notes);
    let (target, target_problem) = match (target(either(TARGET), &mut notes), stated.outcome) {
        (Ok(target), _) => (Some(target), None),
        (Err(problem), Outcome::None) => (None, Some(problem)),
        (Err(problem), _) => {
            if either(TARGET).is_some() {
                notes.add(problem);
            }
            (None, None)
        }
    };
    stated.notes = notes.0;
    Ok(RcaAnswer {
        summary,
        signal_name: inner.name(&["signal_name"]).or_else(|| top.name(&["signal_name"])),
        contributing_factors: texts(either(FACTORS)),
        target,
        target_problem,
        analysis: inner.text(ANALYSIS).or_else(|| top.text(ANALYSIS)),
        causal_chain: texts(either(CHAIN)),
        due_diligence: due_diligence(either(&["due_diligence"])),
        claims,
        stated,
    })
}

fn nested(top: &Members) -> Result<Option<Map<String, Value>>, FormatProblem> {
    let Some(value) = top.get(ROOT_CAUSE) else { return Ok(None) };
    match object(value) {
        Some(map) => Ok(Some(map)),
        None => Err(FormatProblem::new(format!("root_cause_analysis must be an object, not {}", kind_of(value)))),
    }
}

/// Whether the members of the root cause stand at the top. In text a `summary` alone is no sign of that: alerts have one too.
fn is_flat_answer(top: &Members, candidate: &Candidate) -> bool {
    const COMPANIONS_MIN: usize = 2;
    let companions = [FACTORS, CHAIN, TARGET, ANALYSIS, CONFIDENCE, OUTCOME, SEVERITY];
    let is_among = || companions.into_iter().filter(|names| top.count(names) > 0).count() >= COMPANIONS_MIN;
    top.count(&["rca_summary"]) > 0 || candidate.tool.is_some() || (top.count(&["summary"]) > 0 && is_among())
}

/// The target, or what is missing of it.
fn target(value: Option<&Value>, notes: &mut Notes) -> Result<TargetClaim, String> {
    const MEANING: &str =
        "remediation_target names the object to change: kind, name, and namespace if the kind has one";
    let Some(value) = value else { return Err(format!("remediation_target is missing. {MEANING}")) };
    let single = match value {
        Value::Array(items) if items.len() == 1 => items.first().and_then(object),
        other => object(other),
    };
    let Some(map) = single else {
        return Err(format!("remediation_target must be one object, not {}. {MEANING}", kind_of(value)));
    };
    let members = Members::of(&map);
    match (members.name(&["kind"]), members.name(&["name"])) {
        (Some(kind), Some(name)) => {
            let namespace = members.name(&["namespace"]).filter(|namespace| is_namespace(namespace, notes));
            Ok(TargetClaim { kind, name, namespace, api_version: members.name(&["api_version"]) })
        }
        (None, Some(_)) => Err(format!("remediation_target.kind is missing or blank. {MEANING}")),
        (Some(_), None) => Err(format!("remediation_target.name is missing or blank. {MEANING}")),
        (None, None) => Err(format!("remediation_target.kind and remediation_target.name are missing. {MEANING}")),
    }
}

/// `N/A`, `(cluster-scoped)` and the like are no namespaces.
fn is_namespace(text: &str, notes: &mut Notes) -> bool {
    let fits = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !fits {
        notes.add(format!("namespace {} cannot be one and was ignored", excerpt(text)));
    }
    fits
}

fn due_diligence(value: Option<&Value>) -> BTreeMap<String, String> {
    let map = value.and_then(object).unwrap_or_default();
    let topics = map.iter().filter_map(|(topic, said)| match said {
        Value::Null => None,
        Value::Array(_) | Value::Object(_) => Some((topic, written(said)?)),
        _ => text(said).map(|said| (topic, said)),
    });
    let topics = topics.map(|(topic, said)| (canonical(topic), said));
    topics.take(DUE_DILIGENCE_MAX).collect()
}

fn claims(value: Option<&Value>, notes: &mut Notes) -> Vec<Claim> {
    let given = objects(value, "claim");
    let complete: Vec<Claim> = given.iter().filter_map(claim).collect();
    if complete.len() < given.len() {
        let dropped = given.len() - complete.len();
        notes.add(format!("{dropped} claims without statement, tool_result_id or quote were dropped"));
    }
    complete
}

fn claim(map: &Map<String, Value>) -> Option<Claim> {
    let members = Members::of(map);
    Some(Claim {
        statement: members.entry(&["claim", "statement", "text", "finding"])?,
        result_id: members.name(&["tool_result_id", "result_id", "tool_call_id", "source", "id"])?,
        quote: members.text(&["quote", "evidence", "span", "excerpt"])?,
    })
}
