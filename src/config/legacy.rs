//! Keys of earlier versions that mean something under another name (operations §1.4).

use serde_json::Value;

use super::node::{Content, Node};

/// Old names of keys, and their names now.
const MOVED: &[(&[&str], &[&str])] = &[
    (&["log_level"], &["logging", "level"]),
    (&["data_storage_url"], &["data_storage", "url"]),
    (&["api_host"], &["server", "host"]),
    (&["api_port"], &["server", "port"]),
];

/// Names that only this page knows.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MOVED.iter().filter_map(|(old, _)| old.first().copied())
}

/// Takes over what stands under old names. One sentence for each thing an operator should know.
pub(super) fn settle(root: &mut Node) -> Vec<String> {
    let mut notices = Vec::new();
    for (old, new) in MOVED {
        let Some(entry) = root.take(old) else { continue };
        let (old, shown) = (old.join("."), new.join("."));
        let wins = old == "log_level" || root.at(new).is_none();
        let had_effect = !old.starts_with("api_");
        notices.push(match (wins, had_effect) {
            (true, true) => format!("{old} is an old name of {shown}"),
            (true, false) => format!("{old} is used as {shown}; it had no effect in earlier versions"),
            (false, _) => format!("{old} has no effect beside {shown}"),
        });
        if wins {
            let mut node = entry.node;
            node.origin.written = Some(old.into());
            root.put(new, node);
        }
    }
    let says =
        |path: &[&str], value: bool| root.at(path).is_some_and(|node| node.content == Content::Scalar(value.into()));
    let wants_debug = says(&["debug", "enabled"], true);
    for (path, value, sentence) in [
        (&["auth_enabled"][..], false, "auth_enabled is false, but callers are always authenticated"),
        (&["dev_mode"], true, "dev_mode never relaxes authentication; the documentation is always served"),
        (&["metrics", "enabled"], false, "metrics.enabled is false, but metrics are always served"),
        (&["debug", "enabled"], true, "debug.enabled counts as logging.level DEBUG"),
    ] {
        if says(path, value) {
            notices.push(sentence.to_owned());
        }
    }
    notices.extend(extra_public_endpoints(root));
    if wants_debug && let Some(node) = root.at(&["debug", "enabled"]) {
        let origin = node.origin.clone();
        root.put(&["logging", "level"], Node::scalar(origin, "DEBUG"));
    }
    notices
}

/// Paths that a file wants public and that are not.
fn extra_public_endpoints(root: &Node) -> Option<String> {
    const PUBLIC: [&str; 11] = [
        "/health",
        "/health/ready",
        "/ready",
        "/metrics",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/healthz",
        "/livez",
        "/readyz",
        "/startupz",
    ];
    let Content::List(items) = &root.child("public_endpoints")?.content else { return None };
    let paths = items.iter().filter_map(|item| match &item.content {
        Content::Scalar(Value::String(path)) => Some(path.as_str()),
        _ => None,
    });
    let extra: Vec<&str> = paths.filter(|path| !PUBLIC.contains(path)).collect();
    (!extra.is_empty()).then(|| format!("public_endpoints names {}, which need a token all the same", extra.join(", ")))
}
