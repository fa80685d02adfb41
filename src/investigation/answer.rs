//! The answer reader: from whatever a model said to a typed answer (investigation §5). Pure; never panics; time linear in
//! the length of what is read.
//!
//! An answer comes as the arguments of a submit tool or as text. [`shapes`] finds the object in a text, [`sections`] puts it
//! together from headers, [`literal`] reads JSON and what models write when they mean JSON, [`members`] knows the spellings
//! and the forms of single values. [`root_cause`] and [`choice`] turn the object into the answer of their phase. Nothing is
//! concluded from prose: an outcome is a member or it is not there.

mod choice;
mod imitation;
mod literal;
mod members;
mod review;
mod root_cause;
mod sections;
mod shapes;
mod stated;

use serde_json::{Map, Value};

pub use choice::{AlternativeChoice, Choice, Considered, NoWorkflow, SelectionAnswer, WorkflowChoice};
pub use imitation::imitated_call;
pub use review::{ReviewRequest, StatedAttempt};
pub use root_cause::{Claim, RcaAnswer, TargetClaim};
pub use stated::Stated;

use literal::Broken;
use shapes::{Candidate, Phase};

use super::submit::SubmitTool;

/// A text longer than this is no answer. Well above what the output limit of any model allows.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

const SELECTED_WORKFLOW: &[&str] = &["selected_workflow"];

/// Why something is no answer, in words for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct FormatProblem {
    pub sentence: String,
    /// Line and column, from 1, of a place that cannot be read.
    pub position: Option<(usize, usize)>,
}

impl FormatProblem {
    fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), position: None }
    }

    fn broken(text: &str, broken: &Broken) -> Self {
        const NEAR_CHARS: usize = 20;
        let before = text.get(..broken.at).unwrap_or(text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let near: String = text.get(broken.at..).unwrap_or_default().chars().take(NEAR_CHARS).collect();
        let found = if near.is_empty() { "the text ends".to_owned() } else { format!("found {near:?}") };
        let expected = broken.expected;
        Self {
            sentence: format!("the JSON is broken at line {line}, column {column}: expected {expected}, {found}"),
            position: Some((line, column)),
        }
    }
}

/// Reads the arguments of `submit_result`.
///
/// # Errors
/// What is missing or wrong.
pub fn rca_from_arguments(arguments: &Map<String, Value>) -> Result<RcaAnswer, FormatProblem> {
    root_cause::read(&submitted(SubmitTool::Result, Phase::Rca, arguments))
}

/// Reads the arguments of a submit tool of the selection.
///
/// # Errors
/// What is missing or wrong.
pub fn selection_from_arguments(
    tool: SubmitTool,
    arguments: &Map<String, Value>,
) -> Result<SelectionAnswer, FormatProblem> {
    choice::read(&submitted(tool, Phase::Selection, arguments))
}

/// Reads an answer of the root cause analysis given as text.
///
/// # Errors
/// What is missing or wrong; where the text holds a broken answer, its position.
pub fn rca_from_text(text: &str) -> Result<RcaAnswer, FormatProblem> {
    from_text(text, Phase::Rca, root_cause::read)
}

/// Reads an answer of the selection given as text.
///
/// # Errors
/// What is missing or wrong; where the text holds a broken answer, its position.
pub fn selection_from_text(text: &str) -> Result<SelectionAnswer, FormatProblem> {
    from_text(text, Phase::Selection, choice::read)
}

/// The arguments as they are, or the answer wrapped inside them.
fn submitted(tool: SubmitTool, phase: Phase, arguments: &Map<String, Value>) -> Candidate {
    let itself = || Candidate { members: arguments.clone(), tool: Some(tool) };
    let inside = shapes::answers_in(&Value::Object(arguments.clone()), phase);
    match inside.decisive.or(inside.possible) {
        Some(inside) => Candidate { tool: Some(tool), ..inside },
        None => itself(),
    }
}

/// The decisive answer as it is; else the first possible one that can be read, unless an answer is broken: then asking again
/// is safer than taking what may be a draft or a part of it.
fn from_text<T>(
    text: &str,
    phase: Phase,
    read: fn(&Candidate) -> Result<T, FormatProblem>,
) -> Result<T, FormatProblem> {
    if text.trim().is_empty() {
        return Err(FormatProblem::new("the answer is empty"));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(FormatProblem::new(format!("the answer is longer than {TEXT_BYTES_MAX} bytes")));
    }
    let found = shapes::search(text, phase);
    if let Some(decisive) = &found.decisive {
        return read(decisive);
    }
    if let Some(broken) = found.broken {
        return Err(broken);
    }
    let mut problem = None;
    for candidate in &found.possible {
        match read(candidate) {
            Ok(answer) => return Ok(answer),
            Err(reason) => _ = problem.get_or_insert(reason),
        }
    }
    Err(problem.unwrap_or_else(|| FormatProblem::new("there is no JSON object with an answer in the text")))
}

#[cfg(test)]
mod tests;
