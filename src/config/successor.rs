//! The successor's dialect: its static file and its runtime file, translated key by key (operations §1.7). What its own
//! defaults say about features this version does not have is told and dropped; anything else about them is refused.

mod table;

use serde_json::Value;

use super::node::{Content, Entry, Node, Origin};
use super::problem::Problem;
use super::suggestion;
use table::{MAIN, RUNTIME, Reading, Row};

/// Sections by which the static file is known.
const SIGNS: [&str; 4] = ["runtime", "ai", "integrations", "interactive"];
/// Keys by which the runtime file is known: they stand in sections elsewhere.
const RUNTIME_SIGNS: [&str; 8] =
    ["model", "endpoint", "apiKeyFile", "temperature", "maxRetries", "timeoutSeconds", "customHeaders", "phaseModels"];

/// A tree in the canonical dialect; every value keeps the place it was written at.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) root: Node,
    pub(super) problems: Vec<Problem>,
    pub(super) notices: Vec<String>,
}

/// Whether this is the static file of the successor.
pub(super) fn is_main(root: &Node) -> bool {
    root.entries().iter().any(|entry| SIGNS.contains(&entry.name.as_str()))
}

/// Whether this is its runtime file.
pub(super) fn is_runtime(root: &Node) -> bool {
    root.entries().iter().any(|entry| RUNTIME_SIGNS.contains(&entry.name.as_str()))
}

pub(super) fn main(root: &Node) -> Translated {
    Translation::new(MAIN, root).done(root)
}

pub(super) fn runtime(root: &Node) -> Translated {
    Translation::new(RUNTIME, root).done(root)
}

struct Translation {
    table: &'static [Row],
    out: Node,
    problems: Vec<Problem>,
    notices: Vec<String>,
}

impl Translation {
    fn new(table: &'static [Row], root: &Node) -> Self {
        Self { table, out: Node::empty(root.origin.clone()), problems: Vec::new(), notices: Vec::new() }
    }

    fn done(mut self, root: &Node) -> Translated {
        self.section(root, &mut Vec::new());
        // A group of tools without an address is one that nobody wants.
        for (group, address) in [("prometheus/metrics", "prometheus_url"), ("alertmanager", "alertmanager_url")] {
            if self.out.text_at(&["toolsets", group, "config", address]).is_none() {
                self.out.take(&["toolsets", group]);
            }
        }
        // The successor has no switch for it: whoever writes limits wants them.
        if let Some(limits) = self.out.at(&["server", "rate_limit"]) {
            let on = Node::scalar(limits.origin.clone(), true);
            self.out.put(&["server", "rate_limit", "enabled"], on);
        }
        Translated { root: self.out, problems: self.problems, notices: self.notices }
    }

    fn section(&mut self, node: &Node, path: &mut Vec<String>) {
        for entry in node.entries() {
            path.push(entry.name.clone());
            self.entry(entry, path);
            path.pop();
        }
    }

    fn entry(&mut self, entry: &Entry, path: &mut Vec<String>) {
        // The successor's own chart writes it there by mistake, and everything in it was lost.
        if path.iter().map(String::as_str).eq(["ai", "investigation", "safety"]) {
            self.notices.push("ai.investigation.safety counts as ai.safety".to_owned());
            return self.section(&entry.node, &mut vec!["ai".to_owned(), "safety".to_owned()]);
        }
        let mut rows = self.table.iter().filter(|row| is_at(row.path, path)).peekable();
        if rows.peek().is_some() {
            return rows.for_each(|row| self.value(row, &entry.node, path));
        }
        if self.table.iter().any(|row| begins(row.path, path)) {
            match &entry.node.content {
                Content::Map(_) => self.section(&entry.node, path),
                Content::Scalar(Value::Null) => {}
                Content::Scalar(_) | Content::List(_) => {
                    let told = "must be a map of keys".to_owned();
                    self.problems.push(Problem::new(&entry.node.origin, &path.join("."), told));
                }
            }
            return;
        }
        let mut problem = Problem::unknown_key(&entry.origin, &path.join("."), self.meant(path));
        if path.len() == 1 && super::keys::names_in(&[]).contains(&entry.name.as_str()) {
            problem.reason = "belongs to another dialect: one file must not mix them".to_owned();
            problem.suggestion = None;
        }
        self.problems.push(problem);
    }

    fn value(&mut self, row: &Row, node: &Node, path: &[String]) {
        let shown = path.join(".");
        let mut node = node.clone();
        node.origin.written = Some(shown.as_str().into());
        let said = match &node.content {
            Content::Scalar(Value::Null) => return,
            Content::Scalar(Value::String(text)) => text.clone(),
            _ => node.to_value().to_string(),
        };
        let translated = match row.reading {
            Reading::Ignored(reason) => {
                self.notices.push(format!("{shown} has no effect: {reason}"));
                return;
            }
            Reading::IgnoredWhile(defaults, reason) if defaults.contains(&said.as_str()) => {
                self.notices.push(format!("{shown} has no effect: {reason}"));
                return;
            }
            Reading::IgnoredWhile(_, reason) => Err(format!("cannot be honoured: {reason}")),
            Reading::Must(wanted, _) if said == wanted => return,
            Reading::Must(_, reason) => Err(reason.to_owned()),
            Reading::Off(_) if node.entries().is_empty() => return,
            Reading::Off(reason) if is_on(&node) => Err(format!("cannot be honoured: {reason}")),
            Reading::Off(reason) => {
                self.misspelt_switch(&node, path);
                self.notices.push(format!("{shown} has no effect: {reason}"));
                return;
            }
            Reading::Same => Ok(node.clone()),
            Reading::Renamed(theirs, ours) if said == theirs => Ok(Node::scalar(node.origin.clone(), ours)),
            Reading::Renamed(..) => Ok(node.clone()),
            Reading::Inverse => inverse(&node),
            Reading::AtMost(most) => Ok(at_most(&node, most)),
            Reading::NotNegative => Ok(not_negative(&node)),
            Reading::Duration(unit) => duration(&said).map(|seconds| rounded(&node.origin, seconds / unit)),
            Reading::Members(members) => {
                let (renamed, problems) = members_renamed(&node, members, &shown);
                self.problems.extend(problems);
                Ok(renamed)
            }
            Reading::Servers => Ok(servers(&node)),
        };
        match translated {
            Ok(node) => row.targets.iter().for_each(|target| {
                self.out.put(&target.split('.').collect::<Vec<_>>(), node.clone());
            }),
            Err(reason) => {
                let origin = Origin { written: None, ..node.origin };
                self.problems.push(Problem::new(&origin, &shown, reason));
            }
        }
    }

    /// A section whose keys are nobody's must not be switched on by a word that is nearly `enabled`.
    fn misspelt_switch(&mut self, section: &Node, path: &[String]) {
        let is_near =
            |entry: &&Entry| entry.name != "enabled" && suggestion::nearest(&entry.name, ["enabled"]).is_some();
        for entry in section.entries().iter().filter(is_near) {
            let at = |name: &str| format!("{}.{name}", path.join("."));
            self.problems.push(Problem::unknown_key(&entry.origin, &at(&entry.name), Some(at("enabled"))));
        }
    }

    /// A near name of the same section, else the same name below another one.
    fn meant(&self, path: &[String]) -> Option<String> {
        let (last, section) = path.split_last()?;
        let names = self.table.iter().filter(|row| begins(row.path, section));
        let names = names.filter_map(|row| row.path.split('.').nth(section.len()));
        if let Some(near) = suggestion::nearest(last, names) {
            return Some(section.iter().map(String::as_str).chain([near]).collect::<Vec<_>>().join("."));
        }
        self.table.iter().find_map(|row| {
            let parts: Vec<&str> = row.path.split('.').collect();
            let end = parts.iter().position(|part| part == last)?;
            (end > 0).then(|| parts.iter().take(end + 1).copied().collect::<Vec<_>>().join("."))
        })
    }
}

fn is_at(pattern: &str, path: &[String]) -> bool {
    pattern.split('.').eq(path.iter().map(String::as_str))
}

fn begins(pattern: &str, path: &[String]) -> bool {
    let mut parts = pattern.split('.');
    path.iter().all(|name| parts.next() == Some(name)) && parts.next().is_some()
}

/// Whether a feature is switched on.
fn is_on(section: &Node) -> bool {
    section.child("enabled").is_some_and(|on| on.to_value() != Value::Bool(false))
}

fn inverse(node: &Node) -> Result<Node, String> {
    match &node.content {
        Content::Scalar(Value::Bool(value)) => Ok(Node::scalar(node.origin.clone(), !value)),
        _ => Err("must be true or false".to_owned()),
    }
}

/// What is no number is left for the key's own check.
fn not_negative(node: &Node) -> Node {
    match node.to_value().as_i64() {
        Some(number) if number < 0 => Node::scalar(node.origin.clone(), 0),
        _ => node.clone(),
    }
}

/// What is no number is left for the key's own check.
fn at_most(node: &Node, most: u64) -> Node {
    match node.to_value().as_u64() {
        Some(number) => Node::scalar(node.origin.clone(), number.min(most)),
        None => node.clone(),
    }
}

/// Without the dust of binary fractions.
fn rounded(origin: &Origin, amount: f64) -> Node {
    let amount = (amount * 1e6).round() / 1e6;
    let is_whole = amount.fract() == 0.0;
    let text = if is_whole { format!("{amount:.0}") } else { format!("{amount}") };
    let number = serde_json::from_str::<Value>(&text).unwrap_or(Value::Null);
    Node::scalar(origin.clone(), number)
}

/// Seconds of a duration as Go writes it: `1h30m`, `1.5s`, `500ms`, `0`.
fn duration(text: &str) -> Result<f64, String> {
    const UNITS: [(&str, f64); 6] = [("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("h", 3_600.0), ("m", 60.0), ("s", 1.0)];
    let wrong = || "must be a duration such as 30s or 1h30m".to_owned();
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(0.0);
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').ok_or_else(wrong)?;
        let (amount, tail) = rest.split_at(end);
        let (unit, factor) = UNITS.iter().find(|(unit, _)| tail.starts_with(unit)).ok_or_else(wrong)?;
        seconds += amount.parse::<f64>().map_err(|_| wrong())? * factor;
        rest = tail.strip_prefix(unit).unwrap_or_default();
    }
    if text.trim().is_empty() { Err(wrong()) } else { Ok(seconds) }
}

/// A map, a list of maps or a map of maps with its members under the names of the canonical dialect.
fn members_renamed(node: &Node, members: &[(&str, &str, Option<f64>)], shown: &str) -> (Node, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut out = node.clone();
    match &mut out.content {
        Content::List(items) => items.iter_mut().for_each(|item| rename(item, members, shown, &mut problems)),
        Content::Map(_) => rename(&mut out, members, shown, &mut problems),
        Content::Scalar(_) => {}
    }
    (out, problems)
}

fn rename(node: &mut Node, members: &[(&str, &str, Option<f64>)], shown: &str, problems: &mut Vec<Problem>) {
    let Content::Map(entries) = &mut node.content else { return };
    entries.retain_mut(|entry| {
        let known = members.iter().find(|(theirs, _, _)| *theirs == "*" || *theirs == entry.name);
        let path = format!("{shown}.{}", entry.name);
        let Some((theirs, ours, unit)) = known else {
            let meant = suggestion::nearest(&entry.name, members.iter().map(|(theirs, _, _)| *theirs));
            problems.push(Problem::unknown_key(&entry.origin, &path, meant.map(|near| format!("{shown}.{near}"))));
            return false;
        };
        if *theirs != "*" {
            (*ours).clone_into(&mut entry.name);
        }
        entry.node.origin.written = Some(path.as_str().into());
        if let (Some(unit), Content::Scalar(Value::String(text))) = (unit, &entry.node.content) {
            match duration(text) {
                Ok(seconds) => entry.node = rounded(&entry.node.origin, seconds / unit),
                Err(reason) => problems.push(Problem::new(&entry.node.origin, &path, reason)),
            }
        }
        if let Some(inner) = table::inner(theirs, &entry.name) {
            rename(&mut entry.node, inner, &path, problems);
        }
        true
    });
}

/// A list of servers as a map by name.
fn servers(node: &Node) -> Node {
    let mut out = Node::empty(node.origin.clone());
    if let Content::List(items) = &node.content {
        for (index, item) in items.iter().enumerate() {
            let name = item.text_at(&["name"]).map_or_else(|| index.to_string(), str::to_owned);
            out.put(&[&name], item.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests;
