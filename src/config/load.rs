//! From flags, variables and files to one checked configuration, with the source of every value (operations §1.2).

use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::Config;
use super::effective::{self, Field};
use super::environment::{self, Variables};
use super::files::{self, SdkFile};
use super::inspection::{self, Findings, IgnoredKey};
use super::node::{Node, Origin, Source};
use super::problem::{ConfigError, Problem};
use super::{document, history, legacy, tool_servers};

/// What becomes of keys that nobody knows (operations §1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeys {
    Error,
    Warn,
}

impl UnknownKeys {
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "error" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            _ => None,
        }
    }
}

/// Where a configuration comes from. It can be loaded again and again: flags and variables stay as they were.
#[derive(Debug, Clone)]
pub struct Loader {
    main: PathBuf,
    sdk: Option<SdkFile>,
    flags: Vec<(&'static [&'static str], Node)>,
    variables: Variables,
    /// A flag's word; else the variable's.
    unknown_keys: Option<UnknownKeys>,
}

/// A checked configuration and where it comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// Every value that counts, in the order of the table of keys.
    pub fields: Vec<Field>,
    /// Keys that nobody knows, where they are only warned of.
    pub unknown: Vec<Problem>,
    /// Keys that are accepted without effect.
    pub ignored: Vec<IgnoredKey>,
    /// What an operator should know, one sentence each.
    pub notices: Vec<String>,
    /// Keys of this configuration that earlier versions did not act on, one sentence each; empty unless it looks like one
    /// of theirs.
    pub semantics_changed: Vec<String>,
    /// Values of files that a variable, a flag or the credentials directory hides: path and value.
    pub shadowed: Vec<(String, String)>,
    /// Of the files.
    pub hashes: Hashes,
    /// Certificate bundles that variables name.
    pub(super) bundles: Vec<PathBuf>,
    /// Everything that is set, under canonical names.
    pub(super) root: Node,
}

/// SHA-256 of the files' bytes, 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    pub main: String,
    /// Where there is a second file.
    pub sdk: Option<String>,
}

impl Hashes {
    /// One for both: the first file's own where it is alone.
    pub fn whole(&self) -> String {
        match &self.sdk {
            Some(sdk) => document::hash(format!("{}{sdk}", self.main).as_bytes()),
            None => self.main.clone(),
        }
    }
}

impl Loader {
    /// The service's file; the second one as variables say (operations §1.1).
    pub fn new(main: &Path, variables: Variables) -> Self {
        let sdk = SdkFile::beside(main, None, &variables);
        Self { main: main.to_owned(), sdk, flags: Vec::new(), variables, unknown_keys: None }
    }

    /// With another second file.
    #[must_use]
    pub fn with_sdk(mut self, flag: Option<PathBuf>) -> Self {
        self.sdk = SdkFile::beside(&self.main, flag, &self.variables);
        self
    }

    /// With a value that a flag sets.
    #[must_use]
    pub fn with_flag(mut self, name: &str, path: &'static [&'static str], value: impl Into<Value>) -> Self {
        self.flags.push((path, Node::scalar(Origin::named(Source::Flag, name), value)));
        self
    }

    #[must_use]
    pub fn with_unknown_keys(mut self, policy: Option<UnknownKeys>) -> Self {
        self.unknown_keys = policy;
        self
    }

    pub fn main_file(&self) -> &Path {
        &self.main
    }

    /// The second file, where one counts.
    pub fn sdk_file(&self) -> Option<&Path> {
        self.sdk.as_ref().map(|file| file.path.as_path())
    }

    /// Reads everything.
    ///
    /// # Errors
    /// Everything that is wrong, at once. Only a file that cannot be read at all hides what is wrong with the others.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let policy = self.policy()?;
        let read = files::read(&self.main, self.sdk.as_ref())?;
        let mut root = read.root;
        let (mut notices, mut findings) = (read.notices, Findings::default());
        notices.extend(legacy::settle(&mut root));
        tool_servers::settle(&mut root, &self.variables, &mut findings);
        let names_cluster = root.child("cluster").is_some();
        let semantics_changed = history::changes(&root, read.sdk_hash.is_some());
        let files = root.clone();
        notices.extend(environment::apply(&mut root, &self.variables)?);
        for (path, node) in &self.flags {
            root.put(path, node.clone());
        }
        let shadowed = shadowed(&files, &root);
        findings.inspect(&mut root);
        findings.unknown.extend(read.problems);
        let Findings { unknown, wrong, ignored } = findings;
        let (fatal, unknown): (Vec<_>, Vec<_>) = match policy {
            UnknownKeys::Error => (unknown, Vec::new()),
            UnknownKeys::Warn => unknown.into_iter().partition(|problem| !problem.is_unknown_key()),
        };
        let mut problems = wrong;
        problems.extend(fatal);
        problems.extend(missing(&root, &problems));
        let bundles = tool_servers::bundles(&self.variables);
        let mut config = sections(&root, &mut problems);
        if problems.is_empty() {
            config.names_cluster = names_cluster;
            config.settle(&bundles);
            problems.extend(config.checks().into_iter().map(|reason| placed(&root, &self.main, reason)));
        }
        problems.sort_by_key(|problem| problem.kind);
        ConfigError::of(problems)?;
        notices.extend(config.notices());
        let fields = effective::fields(&root, &config);
        let hashes = Hashes { main: read.main_hash, sdk: read.sdk_hash };
        Ok(Loaded { config, fields, unknown, ignored, notices, semantics_changed, shadowed, hashes, bundles, root })
    }

    fn policy(&self) -> Result<UnknownKeys, Problem> {
        const NAME: &str = "CONFIG_UNKNOWN_KEYS";
        let Some(text) = self.variables.get(NAME).filter(|_| self.unknown_keys.is_none()) else {
            return Ok(self.unknown_keys.unwrap_or(UnknownKeys::Error));
        };
        let wrong = || Problem::new(&Origin::named(Source::Env, NAME), "", "must be error or warn".to_owned());
        UnknownKeys::parse(text).ok_or_else(wrong)
    }
}

/// What the files say where something that wins over them says something else.
fn shadowed(files: &Node, root: &Node) -> Vec<(String, String)> {
    let hidden = |(path, node): (Vec<String>, &Node)| {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let below = files.at(&names).filter(|below| below.origin != node.origin)?;
        Some((path.join("."), below.to_value().to_string()))
    };
    root.leaves().into_iter().filter_map(hidden).collect()
}

/// A model that is configured needs a name.
fn missing(root: &Node, problems: &[Problem]) -> Option<Problem> {
    let section = root.child("llm")?;
    let is_told = |key: &str| problems.iter().any(|problem| problem.path == key);
    let lacks_name = section.child("model").is_none() && !is_told("llm.model");
    let reason = "is required: name the model in the `llm` section, or with LLM_MODEL";
    lacks_name.then(|| Problem::new(&section.origin, "llm.model", reason.to_owned()))
}

/// Each section as its own room reads it. One that cannot be read is told and left out.
pub(super) fn sections(root: &Node, problems: &mut Vec<Problem>) -> Config {
    let mut sound = Map::new();
    for entry in root.entries() {
        let one = Map::from_iter([(entry.name.clone(), entry.node.to_value())]);
        match Config::deserialize(Value::Object(one.clone())) {
            Ok(_) => sound.extend(one),
            Err(_) if is_told(&entry.name, problems) => {}
            Err(error) => problems.push(Problem::new(&entry.origin, &entry.name, error.to_string())),
        }
    }
    Config::deserialize(Value::Object(sound)).unwrap_or_default()
}

fn is_told(section: &str, problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.path.split('.').next() == Some(section))
}

/// A sentence about values taken together, with the place of the key it names: of the value whose path, or the longest part
/// of it from the root, stands in the sentence.
fn placed(root: &Node, main: &Path, reason: String) -> Problem {
    let plain = reason.replace('"', "");
    let named = |path: &[String]| {
        let names: Vec<&str> = path.iter().map(String::as_str).filter(|name| name.parse::<usize>().is_err()).collect();
        (1..=names.len())
            .rev()
            .map(|count| names.iter().take(count).copied().collect::<Vec<_>>().join("."))
            .find(|path| plain.contains(path))
            .map_or(0, |path| path.len())
    };
    let leaves = root.leaves();
    let mut nearest = (0, None);
    for (path, node) in &leaves {
        let length = named(path);
        if length > nearest.0 {
            nearest = (length, Some(*node));
        }
    }
    match nearest.1 {
        Some(node) => Problem::new(&node.origin, "", reason),
        None => Problem::new(&Origin::named(Source::Main, &main.display().to_string()), "", reason),
    }
}

impl Findings {
    fn inspect(&mut self, root: &mut Node) {
        let found = inspection::inspect(root);
        self.unknown.extend(found.unknown);
        self.wrong.extend(found.wrong);
        self.ignored.extend(found.ignored);
    }
}
