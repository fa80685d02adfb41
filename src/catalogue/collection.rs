//! Workflows held in memory, whatever they were read from: which count, what is odd about them, and answers to the port's
//! questions.

use std::collections::BTreeMap;
use std::fmt;

use super::definition::{Document, Read};
use super::{ActionType, Candidates, CatalogueError, Found, Listed, MatchContext, Workflow, lint, matching};

/// Something wrong with a source. It never takes the other sources down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A path relative to the directory, or `namespace/name` of an object.
    pub file: String,
    /// Line of the document's start, from 1; 0 when the whole source is meant.
    pub line: usize,
    pub message: String,
    /// True when the document is left out; false when it is merely odd.
    pub is_fatal: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = if self.is_fatal { " (left out)" } else { "" };
        match self.line {
            0 => write!(f, "{}: {}{effect}", self.file, self.message),
            line => write!(f, "{}: document at line {line}: {}{effect}", self.file, self.message),
        }
    }
}

/// A workflow and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) workflow: Workflow,
    pub(super) file: String,
    pub(super) line: usize,
}

/// A catalogue in memory. Immutable once finished.
#[derive(Debug, Clone, Default)]
pub(super) struct Collection {
    pub(super) entries: Vec<Entry>,
    action_types: BTreeMap<String, ActionType>,
    pub(super) problems: Vec<Problem>,
}

impl Collection {
    pub(super) fn problem(&mut self, file: &str, line: usize, message: impl Into<String>, is_fatal: bool) {
        self.problems.push(Problem { file: file.to_owned(), line, message: message.into(), is_fatal });
    }

    /// Takes what a document holds, or what is wrong with it.
    pub(super) fn add(&mut self, file: &str, line: usize, read: Result<Read, String>) {
        let read = match read {
            Ok(read) => read,
            Err(message) => return self.problem(file, line, message, true),
        };
        for warning in read.warnings {
            self.problem(file, line, warning, false);
        }
        match read.document {
            Document::Workflow(workflow) => {
                self.entries.push(Entry { workflow: *workflow, file: file.to_owned(), line });
            }
            Document::ActionType(action) => _ = self.action_types.insert(action.name.clone(), action),
            Document::Other => {}
        }
    }

    /// Keeps the highest version of each workflow, and says what is odd about the rest.
    pub(super) fn finish(mut self) -> Self {
        let mut kept: BTreeMap<String, Entry> = BTreeMap::new();
        for entry in std::mem::take(&mut self.entries) {
            let name = entry.workflow.name.clone();
            match kept.get(&name) {
                Some(known)
                    if matching::version(&known.workflow.version) >= matching::version(&entry.workflow.version) =>
                {
                    if known.workflow.version == entry.workflow.version && known.workflow.id != entry.workflow.id {
                        let message =
                            format!("workflow {name} {} is already in {}", known.workflow.version, known.file);
                        self.problem(&entry.file, entry.line, message, true);
                    }
                }
                _ => _ = kept.insert(name, entry),
            }
        }
        self.entries = kept.into_values().collect();
        self.problems.extend(lint::check(&self.entries, &self.action_types));
        self
    }

    pub(super) fn workflows(&self) -> impl Iterator<Item = &Workflow> {
        self.entries.iter().map(|entry| &entry.workflow)
    }

    /// Number of workflows and of action types that have one.
    pub(super) fn counts(&self) -> (usize, usize) {
        let mut types: Vec<&str> = self.workflows().map(|workflow| workflow.action_type.as_str()).collect();
        types.sort_unstable();
        types.dedup();
        (self.entries.len(), types.len())
    }

    pub(super) fn candidates(&self, action_type: &str, context: &MatchContext) -> Candidates {
        matching::candidates(self.workflows().filter(|workflow| workflow.action_type == action_type), context)
    }

    pub(super) fn listed(&self, action_type: &str, context: &MatchContext) -> Vec<Listed> {
        let Candidates { matching, mut remarks, .. } = self.candidates(action_type, context);
        let listed = |workflow: Workflow| Listed {
            remarks: remarks.remove(&workflow.id).unwrap_or_default(),
            engine: workflow.execution.engine,
            parameters: Some(workflow.parameters),
            id: workflow.id,
            name: workflow.name,
            version: workflow.version,
            description: workflow.description,
        };
        matching.into_iter().map(listed).collect()
    }

    pub(super) fn action_types(&self, context: &MatchContext) -> Vec<ActionType> {
        let mut found: BTreeMap<&str, ActionType> = BTreeMap::new();
        for workflow in self.workflows().filter(|workflow| matching::misfits(workflow, context).is_empty()) {
            let name = workflow.action_type.as_str();
            let known = || {
                let described = self.action_types.get(name).cloned();
                let from_workflow =
                    || ActionType { name: name.to_owned(), description: workflow.description.clone(), workflows: 0 };
                described.unwrap_or_else(from_workflow)
            };
            found.entry(name).or_insert_with(known).workflows += 1;
        }
        found.into_values().collect()
    }

    pub(super) fn workflow(&self, id_or_name: &str, context: &MatchContext) -> Result<Found, CatalogueError> {
        let is_it = |workflow: &&Workflow| workflow.id.eq_ignore_ascii_case(id_or_name) || workflow.name == id_or_name;
        let workflow = self.workflows().find(is_it).ok_or_else(|| CatalogueError::NotFound(id_or_name.to_owned()))?;
        Ok(Found { misfits: matching::misfits(workflow, context), workflow: workflow.clone() })
    }
}
