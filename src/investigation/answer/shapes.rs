//! Finding the answer in a text: the shapes of investigation §5.1 in their order.
//!
//! Two kinds of objects are told apart. A *decisive* one has the member the phase asks for (`root_cause_analysis`,
//! `selected_workflow`, …); the first shape that has one wins. A *possible* one has some other recognised member. It is
//! looked at last: the values under section headers (`severity` inside a root cause, `workflow_id` inside a workflow) look
//! exactly like that, so that taking them first would lose everything else the sections say.
//!
//! Work is linear in the length of the text: every attempt to read an object is paid for by the bytes it looked at, and
//! scanning ends when [`WORK_PER_BYTE_MAX`] times the length is spent.

use serde_json::{Map, Value};

use super::choice::{ALTERNATIVES, CONSIDERED, WORKFLOW_ID};
use super::literal::{self, Broken};
use super::members::{Members, UNWRAPS_MAX, canonical, unwrapped};
use super::review::REVIEW;
use super::root_cause::{ROOT_CAUSE, TARGET};
use super::sections;
use super::stated::{ACTIONABLE, CONFIDENCE, OUTCOME, SEVERITY};
use super::{FormatProblem, SELECTED_WORKFLOW};
use crate::investigation::submit::SubmitTool;

/// Attempts may look at every byte of the text this often, all together.
const WORK_PER_BYTE_MAX: usize = 16;
/// Objects inside objects that are searched for the answer.
const WRAPPERS_MAX: usize = 6;

/// Which answer is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Rca,
    Selection,
}

/// An object that may be the answer, and the submit tool it was meant for when that is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) members: Map<String, Value>,
    pub(super) tool: Option<SubmitTool>,
}

/// What a text holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) decisive: Option<Candidate>,
    /// In the order they should be tried.
    pub(super) possible: Vec<Candidate>,
    /// The first thing that looks like an answer and cannot be read.
    pub(super) broken: Option<FormatProblem>,
}

/// Searches a text, and the text inside it when it is a JSON string.
pub(super) fn search(text: &str, phase: Phase) -> Found {
    let mut found = Found::default();
    let mut layer = text.trim().to_owned();
    for _ in 0..=UNWRAPS_MAX {
        found.decisive = search_layer(&layer, phase, &mut found);
        if found.decisive.is_some() || !layer.starts_with(['"', '\'']) {
            break;
        }
        let Ok(Value::String(inner)) = literal::read_whole(&layer) else { break };
        inner.trim().clone_into(&mut layer);
    }
    found
}

fn search_layer(text: &str, phase: Phase, found: &mut Found) -> Option<Candidate> {
    let mut scan = Scan { text, phase, spent: 0, broken: None };
    let fences = fences(text);
    for is_tagged in [true, false] {
        let mut last = Best::default();
        for fence in fences.iter().filter(|fence| fence.is_tagged == is_tagged) {
            last.replace_with(scan.largest(fence.start, fence.end));
        }
        if last.decisive.is_some() {
            return last.decisive;
        }
        found.possible.extend(last.possible);
    }
    // A text that is one object, or a list of one, is a special case of objects in prose: the object is the largest.
    let prose = scan.largest(0, text.len());
    if prose.decisive.is_some() {
        return prose.decisive;
    }
    let sections = sections::read(text, phase);
    let is_whole = sections.broken.is_none();
    found.broken = found.broken.take().or(sections.broken).or(scan.broken);
    let members = Members::of(&sections.members);
    let (is_recognised, has_outcome) = (is_recognised(&members), members.get(OUTCOME).is_some());
    let from_sections = Candidate { members: sections.members, tool: None };
    if is_whole && sections.is_decisive {
        return Some(from_sections);
    }
    // A stated outcome outweighs some object in prose that names a workflow.
    let at =
        if has_outcome { found.possible.len() } else { found.possible.len() + usize::from(prose.possible.is_some()) };
    found.possible.extend(prose.possible);
    if is_whole && is_recognised {
        found.possible.insert(at, from_sections);
    }
    None
}

/// What is behind an opening fence up to the closing one.
struct Fence {
    is_tagged: bool,
    start: usize,
    end: usize,
}

/// Fenced blocks. A block that begins on the line of its opening fence ends at the next fence, any other at a fence that
/// begins a line: inside a JSON text a fence stands in the middle of one. An unclosed block runs to the end.
fn fences(text: &str) -> Vec<Fence> {
    const MARK: &str = "```";
    let mut fences = Vec::new();
    let mut opened: Option<(Fence, bool)> = None;
    for (at, _) in text.match_indices(MARK) {
        let rest = text.get(at + MARK.len()..).unwrap_or_default();
        match opened.take() {
            Some((fence, is_inline)) if is_inline || begins_line(text, at) => fences.push(Fence { end: at, ..fence }),
            Some(other) => opened = Some(other),
            None => {
                let tag = rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
                let start = at + MARK.len() + tag.len();
                let block = text.get(start..).unwrap_or_default().trim_start_matches([' ', '\t', '\r']);
                let is_tagged = tag.to_ascii_lowercase().starts_with("json");
                if is_tagged || tag.is_empty() {
                    opened = Some((Fence { is_tagged, start, end: text.len() }, !block.starts_with('\n')));
                } else {
                    // A block of another language: never an answer by its fence, still searched as prose.
                    opened = Some((Fence { is_tagged: false, start: text.len(), end: text.len() }, false));
                }
            }
        }
    }
    fences.extend(opened.map(|(fence, _)| fence));
    fences
}

fn begins_line(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.bytes().rev().find(|byte| !matches!(byte, b' ' | b'\t')).is_none_or(|byte| byte == b'\n')
}

/// The best objects of a stretch of text.
#[derive(Debug, Default)]
struct Best {
    decisive: Option<Candidate>,
    possible: Option<Candidate>,
}

impl Best {
    fn replace_with(&mut self, later: Self) {
        self.decisive = later.decisive.or_else(|| self.decisive.take());
        self.possible = later.possible.or_else(|| self.possible.take());
    }
}

struct Scan<'a> {
    text: &'a str,
    phase: Phase,
    /// Bytes looked at so far.
    spent: usize,
    broken: Option<FormatProblem>,
}

impl Scan<'_> {
    /// The largest decisive and the largest possible object between two places. Beside a broken answer only decisive ones
    /// count: others are probably parts of it. Possible ones that name different workflows are a list, not a choice.
    fn largest(&mut self, start: usize, end: usize) -> Best {
        let region = self.text.get(..end).unwrap_or_default();
        let mut best = Best::default();
        let (mut decisive_size, mut possible_size) = (0, 0);
        let mut is_doubtful = false;
        let mut named: Option<String> = None;
        let mut at = start;
        while self.spent <= self.text.len().saturating_mul(WORK_PER_BYTE_MAX) {
            let Some(open) = region.get(at..).and_then(|rest| rest.find('{')).map(|offset| at + offset) else { break };
            match literal::read(region, open) {
                Ok((value, stop)) => {
                    let size = stop - open;
                    let inside = answers_in(&value, self.phase);
                    if inside.decisive.is_some() && size > decisive_size {
                        (best.decisive, decisive_size) = (inside.decisive, size);
                    }
                    if let Some(possible) = inside.possible {
                        let workflow = Members::of(&possible.members).text(WORKFLOW_ID);
                        is_doubtful |= workflow.is_some() && named.is_some() && named != workflow;
                        named = named.or(workflow);
                        if size > possible_size {
                            (best.possible, possible_size) = (Some(possible), size);
                        }
                    }
                    self.spent += size;
                    at = stop;
                }
                Err(broken) => {
                    self.spent += broken.at - open + 1;
                    at = open + 1;
                    if is_part_of_an_answer(&broken) {
                        is_doubtful = true;
                        at = at.max(broken.at);
                        self.broken.get_or_insert_with(|| FormatProblem::broken(self.text, &broken));
                    }
                }
            }
        }
        if is_doubtful {
            best.possible = None;
        }
        best
    }
}

/// Whether what was read before the break shows that an answer was meant.
pub(super) fn is_part_of_an_answer(broken: &Broken) -> bool {
    let known =
        [ROOT_CAUSE, SELECTED_WORKFLOW, ALTERNATIVES, CONSIDERED, OUTCOME, CONFIDENCE, SEVERITY, WORKFLOW_ID, TARGET];
    let flat = ["rca_summary", "reasoning", "summary", "contributing_factors", "needs_human_review", "claims"];
    broken.members.iter().map(|name| canonical(name)).any(|name| {
        let name = name.as_str();
        flat.contains(&name) || known.iter().any(|names| names.contains(&name))
    })
}

/// Whether the object has a member only the answer of this phase has.
pub(super) fn is_decisive(members: &Members, phase: Phase) -> bool {
    let names: &[&[&str]] = match phase {
        Phase::Rca => &[ROOT_CAUSE, &["rca_summary"]],
        Phase::Selection => &[SELECTED_WORKFLOW],
    };
    names.iter().any(|names| members.count(names) > 0)
}

/// Whether the object has any member of an answer but `confidence`, which alone is none.
fn is_recognised(members: &Members) -> bool {
    let names =
        [ROOT_CAUSE, SELECTED_WORKFLOW, ALTERNATIVES, CONSIDERED, OUTCOME, SEVERITY, ACTIONABLE, REVIEW, WORKFLOW_ID];
    let flat = ["rca_summary", "reasoning", "can_recover", "human_review_reason"];
    members.count(&flat) > 0 || names.iter().any(|names| members.count(names) > 0)
}

/// The answer a value is or has inside: as it stands, in a written-out call of a submit tool, or in a wrapper.
pub(super) fn answers_in(value: &Value, phase: Phase) -> FoundInside {
    let mut inside = FoundInside::default();
    look(value, phase, WRAPPERS_MAX, true, &mut inside);
    inside
}

/// What [`answers_in`] found.
#[derive(Debug, Default)]
pub(super) struct FoundInside {
    pub(super) decisive: Option<Candidate>,
    pub(super) possible: Option<Candidate>,
}

fn look(value: &Value, phase: Phase, levels: usize, may_be_possible: bool, inside: &mut FoundInside) {
    if inside.decisive.is_some() || levels == 0 {
        return;
    }
    match value {
        Value::Object(map) => {
            let members = Members::of(map);
            let candidate = || Candidate { members: map.clone(), tool: None };
            if is_decisive(&members, phase) {
                inside.decisive = Some(candidate());
                return;
            }
            if is_recognised(&members) {
                if may_be_possible && inside.possible.is_none() {
                    inside.possible = Some(candidate());
                }
            } else if let Some((name, arguments)) = written_call(&members) {
                inside.decisive = SubmitTool::parse(&name)
                    .filter(|tool| (phase == Phase::Rca) == (*tool == SubmitTool::Result))
                    .and_then(|tool| Some(Candidate { members: super::members::object(arguments)?, tool: Some(tool) }));
                return;
            }
            for (name, member) in map {
                look(member, phase, levels - 1, is_wrapper(name), inside);
            }
        }
        Value::Array(items) if items.len() == 1 => {
            items.iter().for_each(|only| look(only, phase, levels - 1, may_be_possible, inside));
        }
        Value::String(_) => {
            if let Some(value) = unwrapped(value) {
                look(&value, phase, levels - 1, may_be_possible, inside);
            }
        }
        _ => {}
    }
}

/// Members whose object may be an answer although it has none of the decisive members.
fn is_wrapper(name: &str) -> bool {
    const WRAPPERS: &[&str] = &["answer", "final_answer", "result", "response", "output"];
    let name = canonical(name);
    WRAPPERS.contains(&name.as_str()) || SubmitTool::parse(&name).is_some()
}

/// A tool call written out as text: its name and arguments.
fn written_call<'m>(members: &Members<'m>) -> Option<(String, &'m Value)> {
    let name = members.text(&["name", "tool", "tool_name", "function", "action", "recipient_name"])?;
    let arguments = members.get(&["arguments", "parameters", "args", "input", "tool_input", "action_input"])?;
    let name = name.rsplit('.').next().unwrap_or_default().to_owned();
    Some((name, arguments))
}

#[cfg(test)]
mod tests;
