//! Every key of the configuration, once: what it takes, what it is without being set, whether a change of it needs a
//! restart, and what it means. Checks, suggestions, `check-config` and `docs/configuration.md` all read this table; tests hold
//! it against the sections' own types in both directions.

mod audit;
mod ignored;
mod investigation;
mod llm;
mod observing;
mod reference;
mod service;
mod sources;
mod spending;
mod tool_servers;

pub(super) use ignored::ignored;
pub use reference::reference;

use crate::telemetry::logging::Level;

/// When a change of a key takes effect (operations §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// With the next start.
    Restart,
    /// With the next investigation; running ones keep what they began with.
    NextInvestigation,
    /// At once.
    Now,
}

impl Live {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::NextInvestigation => "next investigation",
            Self::Now => "at once",
        }
    }
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// `true` or `false`, also in the words of YAML 1.1.
    Switch,
    /// A whole number, both ends included.
    Whole(u64, u64),
    /// A number, both ends included.
    Number(f64, f64),
    /// A number above 0, upper end included.
    Positive(f64),
    Text,
    /// An absolute address of one of these schemes.
    Address(&'static [&'static str]),
    /// Path of a file or folder; a relative one is taken from the folder of the file that names it.
    File,
    /// One of these.
    Word(&'static [&'static str]),
    /// A text that this accepts; else the reason.
    Checked(fn(&str) -> Result<(), String>),
    /// Never shown.
    Secret,
    Texts,
    /// A list of these.
    Words(&'static [&'static str]),
    /// A list of numbers, both ends included.
    Numbers(f64, f64),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Dotted; `*` stands for any name, `[]` for any place in a list, `a|b` for one of these names.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// As one would write it; empty for nothing.
    pub(super) default: &'static str,
    pub(super) live: Live,
    pub(super) meaning: &'static str,
    /// Other names of its last part.
    pub(super) aliases: &'static [&'static str],
    /// An empty text is a mistake and not the same as nothing.
    pub(super) is_required: bool,
}

const fn key(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    Key { path, kind, default, live: Live::Restart, meaning, aliases: &[], is_required: false }
}

impl Key {
    const fn now(self) -> Self {
        Self { live: Live::Now, ..self }
    }

    const fn next(self) -> Self {
        Self { live: Live::NextInvestigation, ..self }
    }

    const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    fn parts(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('.')
    }

    fn matches(&self, path: &[String]) -> bool {
        let mut parts = self.parts();
        path.iter().all(|name| parts.next().is_some_and(|part| fits(part, name))) && parts.next().is_none()
    }
}

/// Whether a part of a pattern stands for this name.
pub(super) fn fits(part: &str, name: &str) -> bool {
    match part {
        "*" => true,
        "[]" => name.bytes().all(|byte| byte.is_ascii_digit()),
        part => part.split('|').any(|alternative| alternative == name),
    }
}

/// All keys, section by section.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    [
        service::KEYS,
        observing::KEYS,
        sources::KEYS,
        tool_servers::KEYS,
        investigation::KEYS,
        llm::KEYS,
        llm::PHASES,
        llm::FALLBACKS,
        spending::COST,
        spending::INVESTIGATION,
        spending::DAY,
        spending::CALLER_DAY,
        audit::KEYS,
    ]
    .into_iter()
    .flatten()
}

/// The key at a path.
pub(super) fn find(path: &[String]) -> Option<&'static Key> {
    keys().find(|key| key.matches(path))
}

/// The key that has this other name.
pub(super) fn by_alias(path: &[String]) -> Option<(&'static Key, &'static str)> {
    let (last, section) = path.split_last()?;
    keys().find_map(|key| {
        let own = key.path.rsplit('.').next()?;
        let is_alias = key.aliases.contains(&last.as_str());
        let renamed: Vec<String> = section.iter().cloned().chain([own.to_owned()]).collect();
        (is_alias && key.matches(&renamed)).then_some((key, own))
    })
}

/// Whether keys begin with this path.
pub(super) fn is_section(path: &[String]) -> bool {
    ignored::is_section(path) || is_built_section(path)
}

/// Whether keys that do something begin with this path.
pub(super) fn is_built_section(path: &[String]) -> bool {
    keys().any(|key| {
        let mut parts = key.parts();
        path.iter().all(|name| parts.next().is_some_and(|part| fits(part, name))) && parts.next().is_some()
    })
}

/// Whether what follows a section is a list.
pub(super) fn is_list(section: &[String]) -> bool {
    ignored::is_list(section) || keys().any(|key| is_list_at(key.path, section))
}

fn is_list_at(pattern: &str, section: &[String]) -> bool {
    let mut parts = pattern.split('.');
    section.iter().all(|name| parts.next().is_some_and(|part| fits(part, name))) && parts.next() == Some("[]")
}

/// What may follow a section, `*` and `[]` left out.
pub(super) fn names_in(section: &[String]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in keys() {
        let mut parts = key.parts();
        let is_below = section.iter().all(|name| parts.next().is_some_and(|part| fits(part, name)));
        let named = parts.next().filter(|name| is_below && !matches!(*name, "*" | "[]"));
        names.extend(named.into_iter().flat_map(|name| name.split('|')));
    }
    names.extend(ignored::names_in(section));
    names.sort_unstable();
    names.dedup();
    names
}

/// Values that are laid over another layer's as one: a group of tools, a server of tools.
pub(super) fn is_whole(path: &[String]) -> bool {
    matches!(path, [section, _] if section == "toolsets" || section == "mcp_servers")
}

fn log_level(text: &str) -> Result<(), String> {
    match Level::parse(text) {
        Some(_) => Ok(()),
        None => Err("must be TRACE, DEBUG, INFO, WARN or ERROR".to_owned()),
    }
}

#[cfg(test)]
mod tests;
