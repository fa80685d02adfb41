//! Workflow files of a directory, or the compiled-in ones, read once.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::definition::{Document, read};
use super::{ActionType, Candidates, Catalogue, CatalogueError, MatchContext, Workflow, built_in, lint, matching};

/// Most files read.
const FILES_MAX: usize = 2_000;
/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Deepest nesting of folders.
const DEPTH_MAX: usize = 8;

/// Something wrong with a file. It never takes the other files down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Relative to the directory.
    pub file: String,
    /// Line of the document's start, from 1; 0 when the whole file is meant.
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

/// A catalogue in memory. Immutable.
#[derive(Debug, Clone)]
pub struct DirectoryCatalogue {
    description: String,
    entries: Vec<Entry>,
    action_types: BTreeMap<String, ActionType>,
    problems: Vec<Problem>,
}

impl DirectoryCatalogue {
    /// The compiled-in workflows.
    pub fn built_in() -> Self {
        let mut catalogue = Self::empty("built-in catalogue".to_owned());
        for (file, text) in built_in::FILES {
            catalogue.add_file(file, text);
        }
        catalogue.finish()
    }

    /// Every `.yaml`, `.yml` and `.json` file below a directory. Links that lead out of it are not followed.
    ///
    /// # Errors
    /// When the directory cannot be read at all or holds no workflow.
    pub fn open(directory: &Path) -> Result<Self, CatalogueError> {
        let unavailable = |reason: String| CatalogueError::Unavailable(format!("{}: {reason}", directory.display()));
        let root = fs::canonicalize(directory).map_err(|error| unavailable(error.to_string()))?;
        if !root.is_dir() {
            return Err(unavailable("not a directory".to_owned()));
        }
        let mut catalogue = Self::empty(format!("directory {}", directory.display()));
        let mut files = Vec::new();
        catalogue.collect(&root, &root, 0, &mut files);
        for path in files {
            let shown = shown(&root, &path);
            match text_of(&path) {
                Ok(text) => catalogue.add_file(&shown, &text),
                Err(reason) => catalogue.problem(&shown, 0, reason, true),
            }
        }
        let catalogue = catalogue.finish();
        if catalogue.entries.is_empty() {
            let first = catalogue.problems.first().map_or_else(String::new, |problem| format!("; {problem}"));
            return Err(unavailable(format!("no workflow in it{first}")));
        }
        Ok(catalogue)
    }

    fn empty(description: String) -> Self {
        Self { description, entries: Vec::new(), action_types: BTreeMap::new(), problems: Vec::new() }
    }

    /// What is wrong with the files, in their order.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Number of workflows and of action types that have one.
    pub fn counts(&self) -> (usize, usize) {
        let mut types: Vec<&str> = self.workflows().map(|workflow| workflow.action_type.as_str()).collect();
        types.sort_unstable();
        types.dedup();
        (self.entries.len(), types.len())
    }

    fn workflows(&self) -> impl Iterator<Item = &Workflow> {
        self.entries.iter().map(|entry| &entry.workflow)
    }

    fn problem(&mut self, file: &str, line: usize, message: impl Into<String>, is_fatal: bool) {
        self.problems.push(Problem { file: file.to_owned(), line, message: message.into(), is_fatal });
    }

    fn collect(&mut self, root: &Path, folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
        let Ok(listing) = fs::read_dir(folder) else {
            return self.problem(&shown(root, folder), 0, "cannot be listed", true);
        };
        let mut paths: Vec<PathBuf> = listing.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            let hidden = path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with('.'));
            if hidden {
                continue;
            }
            let inside = fs::canonicalize(&path).is_ok_and(|real| real.starts_with(root));
            if !inside {
                self.problem(&shown(root, &path), 0, "leads out of the directory or nowhere", true);
            } else if path.is_dir() {
                if depth < DEPTH_MAX && !path.is_symlink() {
                    self.collect(root, &path, depth + 1, files);
                }
            } else if is_workflow_file(&path) {
                if files.len() >= FILES_MAX {
                    return self.problem("", 0, format!("more than {FILES_MAX} files; the rest is not read"), true);
                }
                files.push(path);
            }
        }
    }

    fn add_file(&mut self, file: &str, text: &str) {
        for (line, document) in documents(text) {
            let read = match read(document) {
                Ok(read) => read,
                Err(message) => {
                    self.problem(file, line, message, true);
                    continue;
                }
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
    }

    /// Keeps the highest version of each workflow, and says what is odd about the rest.
    fn finish(mut self) -> Self {
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
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn is_workflow_file(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn text_of(path: &Path) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("not a file".to_owned());
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("{} bytes, the most is {FILE_BYTES_MAX}", metadata.len()));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())
}

/// The documents of a YAML text with the line each begins at.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let end = offset + line.len();
        if line.starts_with("---") && line.trim_end() == "---" {
            found.push((start_line, text.get(start..offset).unwrap_or_default()));
            (start, start_line) = (end, index + 2);
        }
        offset = end;
    }
    found.push((start_line, text.get(start..).unwrap_or_default()));
    found.retain(|(_, document)| !document.trim().is_empty());
    found
}

#[async_trait]
impl Catalogue for DirectoryCatalogue {
    async fn candidates(&self, action_type: &str, context: &MatchContext) -> Result<Candidates, CatalogueError> {
        let of_type = self.workflows().filter(|workflow| workflow.action_type == action_type);
        Ok(matching::candidates(of_type, context))
    }

    async fn action_types(&self, context: &MatchContext) -> Result<Vec<ActionType>, CatalogueError> {
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
        Ok(found.into_values().collect())
    }

    async fn workflow(&self, id_or_name: &str) -> Result<Workflow, CatalogueError> {
        let is_it = |workflow: &&Workflow| workflow.id.eq_ignore_ascii_case(id_or_name) || workflow.name == id_or_name;
        self.workflows().find(is_it).cloned().ok_or_else(|| CatalogueError::NotFound(id_or_name.to_owned()))
    }

    fn description(&self) -> String {
        self.description.clone()
    }
}

#[cfg(test)]
mod tests;
