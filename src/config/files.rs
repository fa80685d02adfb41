//! Which files are read, and in which dialect (operations §1.1, §1.7).

use std::path::{Path, PathBuf};

use super::document::{self, Document};
use super::environment::Variables;
use super::keys;
use super::node::{Content, Entry, Node, Source};
use super::problem::Problem;
use super::successor::{self, Translated};
use super::suggestion;

/// Where the service's file is mounted.
pub const MAIN_FILE: &str = "/etc/holmesgpt/config.yaml";
/// Where the file of models and tools is mounted beside it.
const SDK_FILE: &str = "/etc/holmesgpt/sdk/sdk-config.yaml";
/// What the second file may hold.
const SDK_SECTIONS: [&str; 3] = ["llm", "toolsets", "mcp_servers"];

/// The second file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SdkFile {
    pub(super) path: PathBuf,
    /// Somebody named it, so that it must be there.
    pub(super) is_named: bool,
}

impl SdkFile {
    /// A flag, else a variable, else its usual place where the first file is at its own.
    pub(super) fn beside(main: &Path, flag: Option<PathBuf>, variables: &Variables) -> Option<Self> {
        let named = flag.or_else(|| variables.get("SDK_CONFIG_FILE").map(PathBuf::from));
        match named {
            Some(path) => Some(Self { path, is_named: true }),
            None if main == Path::new(MAIN_FILE) => Some(Self { path: SDK_FILE.into(), is_named: false }),
            None => None,
        }
    }
}

/// What the files say, in the canonical dialect.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) root: Node,
    pub(super) main_hash: String,
    /// Where there is a second file.
    pub(super) sdk_hash: Option<String>,
    pub(super) problems: Vec<Problem>,
    pub(super) notices: Vec<String>,
}

/// Reads both files and lays the second over the first.
///
/// # Errors
/// A file that cannot be read at all.
pub(super) fn read(main: &Path, sdk: Option<&SdkFile>) -> Result<Read, Problem> {
    let document = Document::parse(&document::read(main)?, main, Source::Main)?;
    let (mut problems, mut notices) = (Vec::new(), Vec::new());
    let mut keep = |translated: Translated| {
        problems.extend(translated.problems);
        notices.extend(translated.notices);
        translated.root
    };
    let mut root = match successor::is_main(&document.root) {
        true => keep(successor::main(&document.root)),
        false => document.root,
    };
    let Some(second) = second(sdk, root.child("llm").is_some())? else {
        return Ok(Read { root, main_hash: document.hash, sdk_hash: None, problems, notices });
    };
    let sdk_hash = Some(second.hash);
    let over = match successor::is_runtime(&second.root) {
        true => keep(successor::runtime(&second.root)),
        false => second.root,
    };
    problems.extend(over.entries().iter().filter_map(foreign));
    if over.child("llm").is_none() && root.child("llm").is_none() {
        let path = sdk.map(|file| file.path.display().to_string()).unwrap_or_default();
        notices
            .push(format!("{path} has no `llm` section, and neither has {}: no model is configured", main.display()));
    }
    let mut over = over;
    if let Content::Map(entries) = &mut over.content {
        entries.retain(|entry| SDK_SECTIONS.contains(&entry.name.as_str()));
    }
    root.overlay(over, keys::is_whole);
    Ok(Read { root, main_hash: document.hash, sdk_hash, problems, notices })
}

/// What the second file must not hold.
fn foreign(entry: &Entry) -> Option<Problem> {
    let name = entry.name.as_str();
    if SDK_SECTIONS.contains(&name) {
        return None;
    }
    let meant = suggestion::nearest(name, SDK_SECTIONS).map(str::to_owned);
    let mut problem = Problem::unknown_key(&entry.origin, name, meant);
    if keys::names_in(&[]).contains(&name) {
        problem.reason = "belongs into the service's file: this one holds llm, toolsets and mcp_servers".to_owned();
        problem.suggestion = None;
    }
    Some(problem)
}

/// The second file; nothing when it may be missing and is.
fn second(sdk: Option<&SdkFile>, main_has_model: bool) -> Result<Option<Document>, Problem> {
    let Some(file) = sdk else { return Ok(None) };
    if !file.path.exists() && (main_has_model || !file.is_named) {
        return Ok(None);
    }
    let bytes = document::read(&file.path)?;
    if main_has_model && bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    Document::parse(&bytes, &file.path, Source::Sdk).map(Some)
}
