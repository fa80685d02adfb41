//! A tree held against the table of keys: names, types and ranges, everything that is wrong at once. What remains afterwards
//! has the canonical names, absolute paths and the types that the sections expect.

use serde_json::Value;

use super::keys::{self, Key, Kind};
use super::node::{Content, Node, Origin, Source};
use super::problem::Problem;
use super::suggestion;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Keys nobody knows. They are taken out of the tree.
    pub(super) unknown: Vec<Problem>,
    /// Wrong values. They are taken out of the tree.
    pub(super) wrong: Vec<Problem>,
    /// Keys that are accepted without effect: path, place and reason.
    pub(super) ignored: Vec<IgnoredKey>,
}

/// A key that is accepted without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredKey {
    pub path: String,
    pub reason: &'static str,
}

/// Whether a value stays in the tree.
enum Fate {
    Stays,
    Goes,
}

/// Looks at every key of a tree.
pub(super) fn inspect(root: &mut Node) -> Findings {
    let mut findings = Findings::default();
    findings.map(root, &mut Vec::new());
    findings
}

impl Findings {
    fn map(&mut self, node: &mut Node, path: &mut Vec<String>) {
        let Content::Map(entries) = &mut node.content else { return };
        entries.retain_mut(|entry| {
            path.push(entry.name.clone());
            if let Some((_, own)) = keys::by_alias(path) {
                own.clone_into(&mut entry.name);
                path.pop();
                path.push(own.to_owned());
            }
            let fate = self.entry(&entry.origin, &mut entry.node, path);
            path.pop();
            matches!(fate, Fate::Stays)
        });
    }

    fn entry(&mut self, name: &Origin, node: &mut Node, path: &mut Vec<String>) -> Fate {
        if let Some(key) = keys::find(path) {
            return self.leaf(key, node, path);
        }
        if let Some(reason) = keys::ignored(path) {
            self.ignore(path, reason);
            return Fate::Goes;
        }
        if keys::is_section(path) {
            return self.section(node, path);
        }
        let shown = path.join(".");
        let (last, section) = path.split_last().map_or(("", &[][..]), |(last, section)| (last.as_str(), section));
        let mut problem = Problem::unknown_key(name, &shown, suggestion::for_key(section, last));
        if section == ["toolsets"] {
            problem.reason = format!("unknown group of tools, known are {}", keys::names_in(section).join(", "));
        }
        self.unknown.push(problem);
        Fate::Goes
    }

    fn section(&mut self, node: &mut Node, path: &mut Vec<String>) -> Fate {
        let is_list = keys::is_list(path);
        match &mut node.content {
            Content::Scalar(Value::Null) => return Fate::Goes,
            Content::Map(_) if !is_list => self.map(node, path),
            Content::List(items) if is_list => {
                let mut index = 0;
                items.retain_mut(|item| {
                    path.push(index.to_string());
                    index += 1;
                    let origin = item.origin.clone();
                    let fate = self.entry(&origin, item, path);
                    path.pop();
                    matches!(fate, Fate::Stays)
                });
            }
            Content::Scalar(_) | Content::Map(_) | Content::List(_) => {
                let wanted = if is_list { "must be a list" } else { "must be a map of keys" };
                self.wrong.push(Problem::new(&node.origin, &path.join("."), wanted.to_owned()));
                return Fate::Goes;
            }
        }
        // Nothing is left of a section without keys that do something.
        if keys::is_built_section(path) { Fate::Stays } else { Fate::Goes }
    }

    /// Once for all items of a list.
    pub(super) fn ignore(&mut self, path: &[String], reason: &'static str) {
        let names: Vec<&str> = path.iter().map(String::as_str).filter(|name| name.parse::<usize>().is_err()).collect();
        let key = IgnoredKey { path: names.join("."), reason };
        if !self.ignored.contains(&key) {
            self.ignored.push(key);
        }
    }

    fn leaf(&mut self, key: &Key, node: &mut Node, path: &[String]) -> Fate {
        match read(key, node) {
            Ok(Some(value)) => {
                *node = value;
                Fate::Stays
            }
            Ok(None) => Fate::Goes,
            Err(reason) => {
                self.wrong.push(Problem::new(&node.origin, &path.join("."), reason));
                Fate::Goes
            }
        }
    }
}

/// The value as its section expects it; nothing for one that says nothing.
fn read(key: &Key, node: &Node) -> Result<Option<Node>, String> {
    match &node.content {
        Content::Scalar(Value::Null) => return Ok(None),
        Content::Scalar(Value::String(text)) if text.trim().is_empty() => {
            return if key.is_required { Err("is empty".to_owned()) } else { Ok(None) };
        }
        Content::Scalar(_) | Content::List(_) | Content::Map(_) => {}
    }
    let content = match (key.kind, &node.content) {
        (Kind::Texts, Content::List(items)) => Content::List(all(items, text)?),
        (Kind::Words(words), Content::List(items)) => Content::List(all(items, |value| word(value, words))?),
        (Kind::Numbers(least, most), Content::List(items)) => Content::List(all(items, |value| {
            number(value, |number| (least..=most).contains(&number), &range(least, most))
        })?),
        (Kind::Texts | Kind::Words(_) | Kind::Numbers(..), _) => return Err("must be a list".to_owned()),
        (kind, Content::Scalar(value)) => Content::Scalar(scalar(kind, value, &node.origin)?),
        (_, Content::List(_) | Content::Map(_)) => return Err("must be a single value".to_owned()),
    };
    Ok(Some(Node { origin: node.origin.clone(), content }))
}

fn all(items: &[Node], read: impl Fn(&Value) -> Result<Value, String>) -> Result<Vec<Node>, String> {
    let item = |item: &Node| match &item.content {
        Content::Scalar(value) => Ok(Node::scalar(item.origin.clone(), read(value)?)),
        Content::List(_) | Content::Map(_) => Err("must be a list of single values".to_owned()),
    };
    items.iter().map(item).collect()
}

fn scalar(kind: Kind, value: &Value, origin: &Origin) -> Result<Value, String> {
    // Variables and flags are texts whatever they mean.
    let meant = match (value, origin.source) {
        (Value::String(text), Source::Env | Source::Flag | Source::Secret) => unquoted(kind, text.trim()),
        (value, _) => value.clone(),
    };
    match kind {
        Kind::Switch => switch(&meant),
        Kind::Whole(least, most) => whole(&meant, least, most),
        Kind::Number(least, most) => number(&meant, |number| (least..=most).contains(&number), &range(least, most)),
        Kind::Positive(most) => {
            number(&meant, |number| number > 0.0 && number <= most, &format!("above 0 and at most {most}"))
        }
        Kind::Text | Kind::Secret => text(&meant),
        Kind::Address(schemes) => address(&meant, schemes),
        Kind::File => file(&meant, origin),
        Kind::Word(words) => word(&meant, words),
        Kind::Checked(check) => {
            let value = text(&meant)?;
            check(value.as_str().unwrap_or_default())?;
            Ok(value)
        }
        Kind::Texts | Kind::Words(_) | Kind::Numbers(..) => Err("must be a list".to_owned()),
    }
}

/// A text as the value it stands for, where a key takes no texts.
fn unquoted(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Whole(..) | Kind::Number(..) | Kind::Positive(_) => {
            serde_json::from_str(text).ok().filter(Value::is_number).unwrap_or_else(|| text.into())
        }
        _ => text.into(),
    }
}

fn switch(value: &Value) -> Result<Value, String> {
    let word = match value {
        Value::Bool(_) => return Ok(value.clone()),
        Value::String(text) => text.to_ascii_lowercase(),
        _ => String::new(),
    };
    match word.as_str() {
        "true" | "yes" | "on" | "y" => Ok(true.into()),
        "false" | "no" | "off" | "n" => Ok(false.into()),
        _ => Err("must be true or false".to_owned()),
    }
}

fn whole(value: &Value, least: u64, most: u64) -> Result<Value, String> {
    let wanted = || format!("must be a whole number, {least} to {most}");
    if !value.is_number() {
        return Err(format!("{}, not {}", wanted(), name_of(value)));
    }
    /// Largest whole number that is one in floating point as well.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let float = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(number));
    let number = value.as_u64().or_else(|| float.and_then(|number| format!("{number:.0}").parse().ok()));
    match number {
        Some(number) if (least..=most).contains(&number) => Ok(number.into()),
        _ => Err(format!("is {value}, it {}", wanted())),
    }
}

fn number(value: &Value, is_inside: impl Fn(f64) -> bool, range: &str) -> Result<Value, String> {
    match value.as_f64() {
        None => Err(format!("must be a number, {range}, not {}", name_of(value))),
        Some(number) if is_inside(number) => Ok(value.clone()),
        Some(number) => Err(format!("is {number}, it must be {range}")),
    }
}

fn range(least: f64, most: f64) -> String {
    if least < most { format!("{least} to {most}") } else { format!("{least}") }
}

fn text(value: &Value) -> Result<Value, String> {
    match value {
        Value::String(_) => Ok(value.clone()),
        Value::Number(_) | Value::Bool(_) => Err(format!("must be text, not {}: put it in quotes", name_of(value))),
        _ => Err("must be text".to_owned()),
    }
}

/// Addresses may hold a password: they are not repeated.
fn address(value: &Value, schemes: &[&str]) -> Result<Value, String> {
    let value = text(value)?;
    let url = value.as_str().and_then(|text| reqwest::Url::parse(text.trim()).ok());
    match url {
        Some(url) if schemes.contains(&url.scheme()) && url.has_host() => Ok(value),
        _ => Err(format!("must be an absolute address: {}://…", schemes.join("://… or "))),
    }
}

fn file(value: &Value, origin: &Origin) -> Result<Value, String> {
    let value = text(value)?;
    let path = value.as_str().unwrap_or_default();
    Ok(match origin.folder() {
        Some(folder) => folder.join(path).display().to_string().into(),
        None => value,
    })
}

fn word(value: &Value, words: &[&str]) -> Result<Value, String> {
    let text = text(value)?;
    let given = text.as_str().unwrap_or_default().trim();
    if words.contains(&given) {
        return Ok(given.into());
    }
    let meant = suggestion::nearest(given, words.iter().copied());
    let meant = meant.map(|word| format!(" (did you mean `{word}`?)")).unwrap_or_default();
    Err(format!("must be one of {}{meant}", words.join(", ")))
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
