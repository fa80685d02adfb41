//! A configuration as a tree whose every value knows where it was written.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

/// Which layer a value comes from. Later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Default,
    /// The service's file.
    Main,
    /// The file of models and tools.
    Sdk,
    /// A file of the credentials directory.
    Secret,
    Env,
    Flag,
}

impl Source {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Main => "main",
            Self::Sdk => "sdk",
            Self::Secret => "secret",
            Self::Env => "env",
            Self::Flag => "flag",
        }
    }
}

/// Where a value or the name of a key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) source: Source,
    /// Name of the flag or variable, or path of the file.
    pub(super) place: Arc<str>,
    /// 1-based, 0 outside files.
    pub(super) line: u64,
    pub(super) column: u64,
    /// Path as written, where a dialect spells it differently.
    pub(super) written: Option<Arc<str>>,
}

impl Origin {
    /// Something that is no file: a flag or a variable.
    pub(super) fn named(source: Source, name: &str) -> Self {
        Self { source, place: name.into(), line: 0, column: 0, written: None }
    }

    /// Folder that relative paths are taken from.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self.source {
            Source::Main | Source::Sdk => Path::new(&*self.place).parent(),
            Source::Default | Source::Secret | Source::Env | Source::Flag => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.place),
            line => write!(f, "{}:{line}:{}", self.place, self.column),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Never a list or a map.
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Where the name stands.
    pub(super) origin: Origin,
    pub(super) node: Node,
}

impl Node {
    /// A map without keys.
    pub(super) fn empty(origin: Origin) -> Self {
        Self { origin, content: Content::Map(Vec::new()) }
    }

    pub(super) fn scalar(origin: Origin, value: impl Into<Value>) -> Self {
        Self { origin, content: Content::Scalar(value.into()) }
    }

    /// Keys of a map; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            Content::Scalar(_) | Content::List(_) => &[],
        }
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.name == name).map(|entry| &entry.node)
    }

    pub(super) fn child_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Content::Map(entries) = &mut self.content else { return None };
        entries.iter_mut().find(|entry| entry.name == name).map(|entry| &mut entry.node)
    }

    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.child(name))
    }

    pub(super) fn text_at(&self, path: &[&str]) -> Option<&str> {
        match &self.at(path)?.content {
            Content::Scalar(Value::String(text)) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// Takes one value out, wherever it stands; maps that become empty stay.
    pub(super) fn take(&mut self, path: &[&str]) -> Option<Entry> {
        let Content::Map(entries) = &mut self.content else { return None };
        let (first, rest) = path.split_first()?;
        let index = entries.iter().position(|entry| entry.name == *first)?;
        if rest.is_empty() { Some(entries.remove(index)) } else { entries.get_mut(index)?.node.take(rest) }
    }

    /// Puts a value at a path, replacing what is there; maps on the way are made, anything else on the way gives way.
    pub(super) fn put(&mut self, path: &[&str], node: Self) {
        let Some((first, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if !matches!(self.content, Content::Map(_)) {
            self.content = Content::Map(Vec::new());
        }
        let Content::Map(entries) = &mut self.content else { return };
        let index = entries.iter().position(|entry| entry.name == *first).unwrap_or_else(|| {
            let origin = node.origin.clone();
            entries.push(Entry { name: (*first).to_owned(), origin: origin.clone(), node: Self::empty(origin) });
            entries.len() - 1
        });
        if let Some(entry) = entries.get_mut(index) {
            entry.node.put(rest, node);
        }
    }

    /// Lays another tree over this one: its values win, one by one. Lists are values, and so is everything below a path
    /// that `is_whole` names.
    pub(super) fn overlay(&mut self, over: Self, is_whole: fn(&[String]) -> bool) {
        self.overlay_at(over, is_whole, &mut Vec::new());
    }

    fn overlay_at(&mut self, over: Self, is_whole: fn(&[String]) -> bool, path: &mut Vec<String>) {
        let (Content::Map(entries), Content::Map(_)) = (&mut self.content, &over.content) else {
            *self = over;
            return;
        };
        let Content::Map(others) = over.content else { return };
        for other in others {
            path.push(other.name.clone());
            match entries.iter_mut().find(|entry| entry.name == other.name) {
                Some(entry) if !is_whole(path) => entry.node.overlay_at(other.node, is_whole, path),
                Some(entry) => *entry = other,
                None => entries.push(other),
            }
            path.pop();
        }
    }

    /// Without places.
    pub(super) fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_value).collect(),
            Content::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.name.clone(), entry.node.to_value())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// Every value that is neither a list nor a map, and every empty list or map, with its path.
    pub(super) fn leaves(&self) -> Vec<(Vec<String>, &Self)> {
        let mut found = Vec::new();
        self.collect_leaves(&mut Vec::new(), &mut found);
        found
    }

    fn collect_leaves<'a>(&'a self, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, &'a Self)>) {
        let mut below = |name: String, node: &'a Self| {
            path.push(name);
            node.collect_leaves(path, found);
            path.pop();
        };
        match &self.content {
            Content::Map(entries) if !entries.is_empty() => {
                entries.iter().for_each(|entry| below(entry.name.clone(), &entry.node));
            }
            Content::List(items) if !items.is_empty() => {
                items.iter().enumerate().for_each(|(index, item)| below(index.to_string(), item));
            }
            Content::Scalar(_) | Content::List(_) | Content::Map(_) => found.push((path.clone(), self)),
        }
    }
}
