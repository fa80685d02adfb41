//! Workflow files of a directory, or the compiled-in ones, read once.

use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::collection::{Collection, Problem};
use super::definition::read;
use super::{ActionType, Candidates, Catalogue, CatalogueError, Found, Listed, MatchContext, built_in};

/// Most files read.
const FILES_MAX: usize = 2_000;
/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Deepest nesting of folders.
const DEPTH_MAX: usize = 8;

/// A catalogue in memory. Immutable.
#[derive(Debug, Clone)]
pub struct DirectoryCatalogue {
    description: String,
    collection: Collection,
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
        if catalogue.collection.entries.is_empty() {
            let first = catalogue.problems().first().map_or_else(String::new, |problem| format!("; {problem}"));
            return Err(unavailable(format!("no workflow in it{first}")));
        }
        Ok(catalogue)
    }

    fn empty(description: String) -> Self {
        Self { description, collection: Collection::default() }
    }

    /// What is wrong with the files, in their order.
    pub fn problems(&self) -> &[Problem] {
        &self.collection.problems
    }

    /// Number of workflows and of action types that have one.
    pub fn counts(&self) -> (usize, usize) {
        self.collection.counts()
    }

    fn problem(&mut self, file: &str, line: usize, message: impl Into<String>, is_fatal: bool) {
        self.collection.problem(file, line, message, is_fatal);
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
            self.collection.add(file, line, read(document));
        }
    }

    fn finish(mut self) -> Self {
        self.collection = self.collection.finish();
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
        Ok(self.collection.candidates(action_type, context))
    }

    async fn listed(&self, action_type: &str, context: &MatchContext) -> Result<Vec<Listed>, CatalogueError> {
        Ok(self.collection.listed(action_type, context))
    }

    async fn action_types(&self, context: &MatchContext) -> Result<Vec<ActionType>, CatalogueError> {
        Ok(self.collection.action_types(context))
    }

    async fn workflow(&self, id_or_name: &str, context: &MatchContext) -> Result<Found, CatalogueError> {
        self.collection.workflow(id_or_name, context)
    }

    fn description(&self) -> String {
        self.description.clone()
    }
}

#[cfg(test)]
mod tests;
