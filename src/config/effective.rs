//! Every value that counts, where it comes from, and whether a change of it needs a restart (operations §5.3).

use serde_json::Value;

use super::Config;
use super::keys::{self, Key, Kind, Live};
use super::node::{Content, Node, Source};
use crate::api::public_address;

/// What is shown for a secret.
const REDACTED: &str = "[REDACTED]";

/// One value of the effective configuration. Secrets are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub path: String,
    /// As one would write it; empty where nothing is set.
    pub value: String,
    pub source: Source,
    /// `file:line:column`, or the name of a flag or variable; nothing for a default.
    pub place: Option<String>,
    pub live: Live,
}

/// In the order of the table of keys. Defaults are listed where their section is used.
pub(super) fn fields(root: &Node, config: &Config) -> Vec<Field> {
    let mut fields = Vec::new();
    for key in keys::keys() {
        let found = values(root, key);
        if found.is_empty() && is_used(key, root, config) {
            let path = key.path.to_owned();
            let value = key.default.to_owned();
            fields.push(Field { path, value, source: Source::Default, place: None, live: key.live });
        }
        fields.extend(found.into_iter().map(|(path, node)| set(key, path, node)));
    }
    fields
}

/// The values of a key with their paths.
pub(super) fn values<'a>(root: &'a Node, key: &Key) -> Vec<(Vec<String>, &'a Node)> {
    let mut found = Vec::new();
    matching(root, &key.path.split('.').collect::<Vec<_>>(), &mut Vec::new(), &mut found);
    found
}

fn set(key: &Key, path: Vec<String>, node: &Node) -> Field {
    let is_fixed = matches!(node.origin.source, Source::Env | Source::Flag);
    Field {
        path: path.join("."),
        value: shown(key, node),
        source: node.origin.source,
        place: Some(node.origin.to_string()),
        live: if is_fixed { Live::Restart } else { key.live },
    }
}

fn shown(key: &Key, node: &Node) -> String {
    match (&key.kind, &node.content) {
        (Kind::Secret, _) => REDACTED.to_owned(),
        (Kind::Address(_), Content::Scalar(Value::String(text))) => {
            let bare = reqwest::Url::parse(text).is_ok_and(|url| url.username().is_empty() && url.query().is_none());
            if bare { text.clone() } else { public_address(text).unwrap_or_else(|| REDACTED.to_owned()) }
        }
        (_, Content::Scalar(Value::String(text))) => text.clone(),
        _ => node.to_value().to_string(),
    }
}

/// Whether a default of this section plays a part.
fn is_used(key: &Key, root: &Node, config: &Config) -> bool {
    let parts: Vec<&str> = key.path.split('.').collect();
    if parts.iter().any(|part| matches!(*part, "*" | "[]") || part.contains('|')) {
        return false;
    }
    match parts.as_slice() {
        ["llm", ..] => config.llm.is_some(),
        ["data_storage", ..] => config.data_storage().is_some(),
        ["toolsets", group, ..] if !group.starts_with("kubernetes/") => root.at(&["toolsets", group]).is_some(),
        _ => true,
    }
}

/// The values a pattern names.
fn matching<'a>(node: &'a Node, pattern: &[&str], path: &mut Vec<String>, found: &mut Vec<(Vec<String>, &'a Node)>) {
    let Some((part, rest)) = pattern.split_first() else {
        found.push((path.clone(), node));
        return;
    };
    let mut below = |name: String, node: &'a Node| {
        if keys::fits(part, &name) {
            path.push(name);
            matching(node, rest, path, found);
            path.pop();
        }
    };
    match &node.content {
        Content::Map(entries) => entries.iter().for_each(|entry| below(entry.name.clone(), &entry.node)),
        Content::List(items) if *part == "[]" => {
            items.iter().enumerate().for_each(|(index, item)| below(index.to_string(), item));
        }
        Content::Scalar(_) | Content::List(_) => {}
    }
}
