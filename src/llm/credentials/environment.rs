//! Names of variables, looked up in the process and in the credentials directory.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::read_file;

/// The process's variables, then files of that name. Files are read at each look-up: nothing is exported to anybody.
#[derive(Clone)]
pub struct Environment {
    variables: Arc<BTreeMap<String, String>>,
    directory: PathBuf,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Environment {
    /// What the process was started with, and this folder.
    pub fn of_process(directory: &Path) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::new(std::env::vars_os().filter_map(text), directory)
    }

    /// These variables, and this folder.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>, directory: &Path) -> Self {
        Self { variables: Arc::new(variables.into_iter().collect()), directory: directory.to_owned() }
    }

    /// A variable of the process; blank ones do not count.
    pub(in crate::llm) fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A file of the directory, trimmed; blank ones do not count.
    pub(in crate::llm) fn file(&self, name: &str) -> Option<String> {
        let text = read_file(&self.directory.join(name)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(in crate::llm) fn get(&self, name: &str) -> Option<String> {
        self.variable(name).or_else(|| self.file(name))
    }

    pub(in crate::llm) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The only file there is. Names that begin with a dot are the kubelet's.
    pub(in crate::llm) fn only_file(&self) -> Option<String> {
        let entries = std::fs::read_dir(&self.directory).ok()?.flatten();
        let names =
            entries.filter(|entry| entry.path().is_file()).filter_map(|entry| entry.file_name().into_string().ok());
        let names: Vec<String> = names.filter(|name| !name.starts_with('.')).take(2).collect();
        match names.as_slice() {
            [only] => self.file(only),
            _ => None,
        }
    }

    /// The home folder.
    pub(in crate::llm) fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }
}
