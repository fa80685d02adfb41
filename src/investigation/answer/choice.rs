//! The answer of the workflow selection (investigation §5.3).

use serde_json::{Map, Value};

use super::members::{Members, Notes, canonical, confidence, excerpt, object, objects, text};
use super::review::REVIEW;
use super::root_cause::{self, ROOT_CAUSE, RcaAnswer};
use super::shapes::Candidate;
use super::stated::{ACTIONABLE, CONFIDENCE, OUTCOME, Stated};
use super::{FormatProblem, SELECTED_WORKFLOW};
use crate::domain::object::kind_of;
use crate::investigation::outcome::Outcome;
use crate::investigation::submit::SubmitTool;

pub(super) const ALTERNATIVES: &[&str] = &["alternative_workflows", "alternatives"];
pub(super) const CONSIDERED: &[&str] = &["considered_workflows"];
pub(super) const WORKFLOW_ID: &[&str] = &["workflow_id"];
const REASONING: &[&str] = &["reasoning", "rationale", "reason", "explanation"];
const BUNDLE: &[&str] = &["execution_bundle", "container_image", "bundle"];
/// Alternatives kept, in the order given.
const ALTERNATIVES_MAX: usize = 3;
const ALTERNATIVE_RATIONALE: &str = "Alternative workflow option";

/// What the model chose.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectionAnswer {
    pub choice: Choice,
    /// At most three, never the chosen one.
    pub alternatives: Vec<AlternativeChoice>,
    /// A restated root cause: fills gaps, never changes the target.
    pub root_cause: Option<Box<RcaAnswer>>,
    pub stated: Stated,
}

/// One workflow, or deliberately none.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    Workflow(WorkflowChoice),
    NoWorkflow(NoWorkflow),
}

/// The workflow to run, as the model names it; not validated. Its confidence is that of the whole answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkflowChoice {
    /// Never blank. Mostly an id of the catalogue, maybe a name or an invention.
    pub workflow_id: String,
    pub action_type: Option<String>,
    pub rationale: String,
    pub parameters: Map<String, Value>,
    /// Not the model's business; kept to notice an invented one.
    pub execution_bundle: Option<String>,
}

/// No workflow. The outcome says whether none is needed; [`Outcome::None`](crate::investigation::Outcome::None) means that
/// none matches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NoWorkflow {
    /// May be empty when the answer was not handed over through the submit tool.
    pub reasoning: String,
    pub considered: Vec<Considered>,
}

/// A workflow the model looked at and left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Never blank.
    pub workflow_id: String,
    pub reason: String,
}

/// Another candidate, for operators only.
#[derive(Debug, Clone, PartialEq)]
pub struct AlternativeChoice {
    /// Never blank; need not be a UUID.
    pub workflow_id: String,
    pub execution_bundle: Option<String>,
    /// 0–1; 0 when none was given.
    pub confidence: f64,
    pub rationale: String,
}

/// What the answer does about the workflow.
enum Picked {
    Workflow(Map<String, Value>),
    /// None on purpose; the words that stood in place of the workflow.
    Declined(Option<String>),
}

/// Reads the answer from an object.
pub(super) fn read(candidate: &Candidate) -> Result<SelectionAnswer, FormatProblem> {
    let top = Members::of(&candidate.members);
    let mut notes = Notes::default();
    let picked = picked(&top, candidate, &mut notes)?;
    let nested = top.get(ROOT_CAUSE).and_then(object).unwrap_or_default();
    let (choice, stated) = match &picked {
        Picked::Workflow(map) => {
            let workflow = Members::of(map);
            let stated = Stated::read(&top, &workflow, &Members::of(&nested), &mut notes);
            (Choice::Workflow(workflow_choice(&workflow, &top, &mut notes)?), stated)
        }
        Picked::Declined(words) => {
            let stated = Stated::read(&top, &Members::default(), &Members::of(&nested), &mut notes);
            let reasoning = top.text(REASONING).or_else(|| words.clone());
            let reasoning = reasoning.or_else(|| top.text(&["analysis", "investigation_analysis"])).unwrap_or_default();
            (Choice::NoWorkflow(NoWorkflow { reasoning, considered: considered(top.get(CONSIDERED)) }), stated)
        }
    };
    let chosen = match &choice {
        Choice::Workflow(workflow) => Some(workflow.workflow_id.as_str()),
        Choice::NoWorkflow(_) => None,
    };
    let alternatives = alternatives(top.get(ALTERNATIVES), chosen, &mut notes);
    let root_cause = (!nested.is_empty()).then(|| root_cause::read(candidate).ok()).flatten().map(Box::new);
    Ok(SelectionAnswer { choice, alternatives, root_cause, stated: Stated { notes: notes.0, ..stated } })
}

fn picked(top: &Members, candidate: &Candidate, notes: &mut Notes) -> Result<Picked, FormatProblem> {
    let selected = top.stated(SELECTED_WORKFLOW);
    if candidate.tool == Some(SubmitTool::NoWorkflow) {
        if selected.is_some_and(|value| !value.is_null()) {
            notes.add("a workflow was named in submit_result_no_workflow and ignored");
        }
        if top.text(REASONING).is_none() && top.get(OUTCOME).is_none() {
            return Err(FormatProblem::new("reasoning and investigation_outcome are missing"));
        }
        return Ok(Picked::Declined(None));
    }
    match selected {
        Some(value) => named(value),
        None => match top.stated(WORKFLOW_ID) {
            Some(id) if text(id).is_none() => Ok(Picked::Declined(None)),
            Some(_) if is_flat_choice(top, candidate) => Ok(Picked::Workflow(candidate.members.clone())),
            _ => unsaid(top, candidate),
        },
    }
}

/// The value of `selected_workflow`.
fn named(value: &Value) -> Result<Picked, FormatProblem> {
    if let Some(map) = object(value) {
        let members = Members::of(&map);
        return match members.stated(&["workflow_id", "id"]) {
            Some(id) if text(id).is_some() => Ok(Picked::Workflow(map)),
            None if !map.is_empty() => Err(FormatProblem::new("selected_workflow.workflow_id is missing")),
            _ => Ok(Picked::Declined(None)),
        };
    }
    match value {
        Value::Null => Ok(Picked::Declined(None)),
        Value::Array(items) if items.is_empty() => Ok(Picked::Declined(None)),
        Value::Array(items) => match items.as_slice() {
            [only] if only.is_object() => named(only),
            _ => Err(FormatProblem::new("selected_workflow must be one object, not a list")),
        },
        Value::String(words) if is_none(words) => {
            let words = words.trim();
            Ok(Picked::Declined(words.contains(char::is_whitespace).then(|| words.to_owned())))
        }
        Value::String(id) if !id.trim().contains(char::is_whitespace) => {
            Ok(Picked::Workflow(Map::from_iter([("workflow_id".to_owned(), Value::from(id.trim()))])))
        }
        other => Err(FormatProblem::new(format!(
            "selected_workflow must be an object with workflow_id, not {}",
            kind_of(other)
        ))),
    }
}

/// Blank, or a text that starts with the word `None` or `null`.
pub(super) fn is_none(words: &str) -> bool {
    let first = words.trim().split(|letter: char| !letter.is_alphanumeric() && letter != '-' && letter != '_').next();
    first.is_some_and(|word| word.eq_ignore_ascii_case("none") || word.eq_ignore_ascii_case("null"))
        || words.trim().is_empty()
}

/// A `workflow_id` at the top. Alone in a text it may as well be the arguments of `get_workflow`.
fn is_flat_choice(top: &Members, candidate: &Candidate) -> bool {
    let companions =
        ["rationale", "parameters", "confidence", "reasoning", "investigation_outcome", "root_cause_analysis"];
    candidate.tool == Some(SubmitTool::WithWorkflow) || top.count(&companions) > 0
}

/// Neither a workflow nor the word for none: other members may still say that there is none.
fn unsaid(top: &Members, candidate: &Candidate) -> Result<Picked, FormatProblem> {
    let says_none = [REASONING, CONSIDERED, ROOT_CAUSE].iter().any(|names| top.get(names).is_some())
        || top.text(OUTCOME).is_some_and(|word| says_no_workflow(&word))
        || top.flag(REVIEW) == Some(true)
        || top.flag(ACTIONABLE) == Some(false);
    if candidate.tool != Some(SubmitTool::WithWorkflow) && says_none {
        return Ok(Picked::Declined(None));
    }
    Err(FormatProblem::new(
        "selected_workflow is missing: name a workflow_id of the catalogue, or call submit_result_no_workflow",
    ))
}

fn says_no_workflow(outcome: &str) -> bool {
    Outcome::parse(outcome) != Outcome::None || canonical(outcome).starts_with("no_matching_workflow")
}

fn workflow_choice(workflow: &Members, top: &Members, notes: &mut Notes) -> Result<WorkflowChoice, FormatProblem> {
    let Some(workflow_id) = workflow.name(&["workflow_id", "id"]) else {
        return Err(FormatProblem::new("selected_workflow.workflow_id is missing or blank"));
    };
    let own = workflow.get(CONFIDENCE).and_then(|value| confidence(value, &mut Notes::default()));
    let whole = top.get(CONFIDENCE).and_then(|value| confidence(value, &mut Notes::default()));
    if let (Some(own), Some(whole)) = (own, whole)
        && (own - whole).abs() > f64::EPSILON
    {
        notes.add(format!("confidence is {whole} at the top and {own} in selected_workflow; the top counts"));
    }
    Ok(WorkflowChoice {
        workflow_id,
        action_type: workflow.name(&["action_type"]),
        rationale: workflow.text(REASONING).or_else(|| top.text(REASONING)).unwrap_or_default(),
        parameters: parameters(workflow.get(&["parameters"]), notes),
        execution_bundle: workflow.name(BUNDLE).or_else(|| top.name(BUNDLE)),
    })
}

/// An object; null and nothing are empty; a list of name/value pairs, or of objects with one member each, becomes one.
fn parameters(value: Option<&Value>, notes: &mut Notes) -> Map<String, Value> {
    let Some(value) = value else { return Map::new() };
    if let Some(map) = object(value) {
        return map;
    }
    let unwrapped = super::members::unwrapped(value);
    let Value::Array(pairs) = unwrapped.as_ref().unwrap_or(value) else {
        if text(value).is_some_and(|words| !is_none(&words)) {
            notes.add(format!("parameters are {}, not an object, and were ignored", kind_of(value)));
        }
        return Map::new();
    };
    let mut map = Map::new();
    for pair in pairs {
        match pair.as_object().and_then(named_value) {
            Some((name, value)) => _ = map.insert(name, value),
            None => notes.add(format!("parameter {} is no name and value and was ignored", excerpt(&pair.to_string()))),
        }
    }
    map
}

fn named_value(pair: &Map<String, Value>) -> Option<(String, Value)> {
    let members = Members::of(pair);
    let name = members.text(&["name", "key", "parameter"]);
    match (name, members.stated(&["value"])) {
        (Some(name), Some(value)) => Some((name, value.clone())),
        (None, _) if pair.len() == 1 => pair.iter().next().map(|(name, value)| (name.clone(), value.clone())),
        _ => None,
    }
}

fn alternatives(value: Option<&Value>, chosen: Option<&str>, notes: &mut Notes) -> Vec<AlternativeChoice> {
    let given = objects(value, "workflow_id");
    let alternative = |map: &Map<String, Value>| {
        let members = Members::of(map);
        let workflow_id = members.name(&["workflow_id", "id"]).filter(|id| !is_none(id))?;
        (chosen != Some(workflow_id.as_str())).then(|| AlternativeChoice {
            workflow_id,
            execution_bundle: members.name(BUNDLE),
            confidence: members.get(CONFIDENCE).and_then(|value| confidence(value, notes)).unwrap_or(0.0),
            rationale: members.entry(REASONING).unwrap_or_else(|| ALTERNATIVE_RATIONALE.to_owned()),
        })
    };
    given.iter().filter_map(alternative).take(ALTERNATIVES_MAX).collect()
}

fn considered(value: Option<&Value>) -> Vec<Considered> {
    let one = |map: &Map<String, Value>| {
        let members = Members::of(map);
        let reason = members.entry(&["reason_rejected", "reason", "rationale"]).unwrap_or_default();
        Some(Considered { workflow_id: members.name(&["workflow_id", "id"])?, reason })
    };
    objects(value, "workflow_id").iter().filter_map(one).collect()
}
