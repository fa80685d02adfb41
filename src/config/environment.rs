//! Variables that stand for keys, and files of the credentials directory that stand for variables (operations §1.9).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::document;
use super::node::{Node, Origin, Source};
use super::problem::Problem;

/// Where credentials lie unless the file says otherwise.
const CREDENTIALS_DIR: &str = "/etc/holmesgpt/credentials";
/// Largest text of a variable's file, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// When a variable counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Over every file.
    Wins,
    /// Over every file, where DataStorage is used at all.
    WinsWhereDataStorageIsUsed,
    /// Over every file, where a model is configured.
    WinsWhereModel,
    /// Where no file says anything and this provider answers.
    FillsFor(&'static [&'static str]),
}

use Rule::{FillsFor, Wins, WinsWhereDataStorageIsUsed, WinsWhereModel};

const OPENAI: &[&str] = &["openai", "openai_compatible", "litellm"];
const VERTEX: &[&str] = &["vertex_ai", "vertex-ai", "google"];

/// Variables by what they set; of several for one key the last counts.
const VARIABLES: &[(&str, &[&str], Rule)] = &[
    ("LOG_LEVEL", &["logging", "level"], Wins),
    ("API_PORT", &["server", "port"], Wins),
    ("ENVIRONMENT", &["environment"], Wins),
    ("LLM_MODEL", &["llm", "model"], Wins),
    ("LLM_PROVIDER", &["llm", "provider"], WinsWhereModel),
    ("LLM_ENDPOINT", &["llm", "endpoint"], WinsWhereModel),
    ("TEMPERATURE", &["llm", "temperature"], WinsWhereModel),
    ("REASONING_EFFORT", &["llm", "reasoning", "effort"], WinsWhereModel),
    ("OPENAI_API_BASE", &["llm", "endpoint"], FillsFor(OPENAI)),
    ("AZURE_API_BASE", &["llm", "endpoint"], FillsFor(&["azure"])),
    ("AZURE_API_VERSION", &["llm", "azure_api_version"], FillsFor(&["azure"])),
    ("VERTEXAI_PROJECT", &["llm", "gcp_project_id"], FillsFor(VERTEX)),
    ("VERTEXAI_LOCATION", &["llm", "gcp_region"], FillsFor(VERTEX)),
    ("AWS_REGION", &["llm", "aws_region"], FillsFor(&["bedrock"])),
    ("DATASTORAGE_URL", &["data_storage", "url"], Wins),
    ("DATA_STORAGE_URL", &["data_storage", "url"], Wins),
    ("DATA_STORAGE_TIMEOUT", &["data_storage", "timeout"], WinsWhereDataStorageIsUsed),
    ("TLS_CA_FILE", &["data_storage", "ca_file"], WinsWhereDataStorageIsUsed),
];

/// Variables that files of the credentials directory may stand for.
const IN_DIRECTORY: &[&str] = &[
    "LLM_MODEL",
    "LLM_PROVIDER",
    "LLM_ENDPOINT",
    "VERTEXAI_PROJECT",
    "VERTEXAI_LOCATION",
    "AZURE_API_BASE",
    "AZURE_API_VERSION",
    "AWS_REGION",
];

/// Variables without effect that somebody may rely on.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("DATASTORAGE_URL", "is an old name of DATA_STORAGE_URL"),
    ("CONFIG_PATH", "is an old name of CONFIG_FILE"),
    ("LLM_CREDENTIALS_PATH", "has no effect: name the file with llm.api_key_file or llm.secrets_file"),
    ("LITELLM_LOG", "has no effect: LOG_LEVEL decides"),
    ("LITELLM_DROP_PARAMS", "has no effect: parameters that a model refuses are left out in any case"),
    ("CONTEXT_API_URL", "has no effect: that service was retired"),
    ("EXTRA_HEADERS", "is not supported: use llm.custom_headers"),
    ("OVERRIDE_MAX_OUTPUT_TOKEN", "is not supported: use llm.max_tokens_per_request"),
    ("OVERRIDE_MAX_CONTENT_SIZE", "is not supported: use llm.context_window_tokens"),
    ("DEBUG_LITELLM", "has no effect: LOG_LEVEL decides"),
    ("DEBUG_TOOLSET_INJECTION", "has no effect: LOG_LEVEL decides"),
    ("DEV_MODE", "has no effect: nothing relaxes authentication"),
    ("MOCK_LLM_MODE", "has no effect: set llm.provider to `mock`"),
];

/// What a process was started with; blank values do not count.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Variables {
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// These and no others.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// Puts what the directory and the variables say over what the files say. Sentences for the operator come back.
///
/// # Errors
/// A variable that must not be set.
pub(super) fn apply(root: &mut Node, variables: &Variables) -> Result<Vec<String>, Problem> {
    refuse(variables)?;
    let mut notices: Vec<String> = WITHOUT_EFFECT
        .iter()
        .filter(|(name, _)| variables.get(name).is_some())
        .map(|(name, sentence)| format!("{name} {sentence}"))
        .collect();
    if variables.get("AUTH_ENABLED").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
        notices.push("AUTH_ENABLED is false, but callers are always authenticated".to_owned());
    }
    if variables.get("DEBUG_MODE").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        notices.push("DEBUG_MODE counts as LOG_LEVEL=DEBUG".to_owned());
        root.put(&["logging", "level"], Node::scalar(Origin::named(Source::Env, "DEBUG_MODE"), "DEBUG"));
    }
    let directory = credentials_dir(root);
    for (name, path, rule) in VARIABLES {
        let found = match variables.get(name) {
            Some(value) => Some(Node::scalar(Origin::named(Source::Env, name), value)),
            None if IN_DIRECTORY.contains(name) => in_directory(&directory, name),
            None => None,
        };
        let Some(node) = found else { continue };
        if counts(*rule, root, path) {
            root.put(path, node);
        } else if *rule == WinsWhereModel {
            notices.push(format!("{name} has no effect: no model is configured"));
        }
    }
    switches(root, variables);
    Ok(notices)
}

/// A security switch must not be ignored silently.
fn refuse(variables: &Variables) -> Result<(), Problem> {
    match variables.get("ENV_MODE") {
        Some(mode) if mode != "production" => {
            let reason = "only `production` is accepted: there is no mode without authentication; remove the variable";
            Err(Problem::new(&Origin::named(Source::Env, "ENV_MODE"), "", reason.to_owned()))
        }
        _ => Ok(()),
    }
}

fn counts(rule: Rule, root: &Node, path: &[&str]) -> bool {
    match rule {
        Wins => true,
        WinsWhereModel => root.child("llm").is_some(),
        WinsWhereDataStorageIsUsed => data_storage_is_used(root),
        FillsFor(providers) => {
            let provider = root.text_at(&["llm", "provider"]).unwrap_or("openai");
            root.child("llm").is_some() && root.text_at(path).is_none() && providers.contains(&provider)
        }
    }
}

/// A variable alone does not bring the server into play.
fn data_storage_is_used(root: &Node) -> bool {
    let is_local = root.text_at(&["audit", "sink"]) == Some("local");
    let source = root.text_at(&["catalogue", "source"]);
    let has_other_source = match source {
        Some(source) => source != "datastorage",
        None => root.at(&["catalogue", "directory"]).is_some(),
    };
    root.child("data_storage").is_some() || !is_local || !has_other_source
}

/// Relative ones are taken from the folder of the file that names them, as all paths are.
pub(super) fn credentials_dir(root: &Node) -> PathBuf {
    const KEY: &[&str] = &["llm", "credentials_dir"];
    match (root.at(KEY), root.text_at(KEY)) {
        (Some(node), Some(text)) => node.origin.folder().unwrap_or(Path::new("")).join(text),
        _ => PathBuf::from(CREDENTIALS_DIR),
    }
}

pub(super) fn in_directory(directory: &Path, name: &str) -> Option<Node> {
    let path = directory.join(name);
    let bytes = document::read(&path).ok().filter(|bytes| bytes.len() <= TEXT_BYTES_MAX)?;
    let text = String::from_utf8(bytes).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| Node::scalar(Origin::named(Source::Secret, &path.display().to_string()), text))
}

/// Variables that are not simply the text of a key.
fn switches(root: &mut Node, variables: &Variables) {
    let origin = |name| Origin::named(Source::Env, name);
    if let Some(text) = variables.get("HOT_RELOAD_ENABLED") {
        root.put(&["reload", "enabled"], Node::scalar(origin("HOT_RELOAD_ENABLED"), text.eq_ignore_ascii_case("true")));
    }
    if variables.get("REASONING_EFFORT").is_some() && root.child("llm").is_some() {
        root.put(&["llm", "reasoning", "enabled"], Node::scalar(origin("REASONING_EFFORT"), true));
    }
    if let Some(namespace) = variables.get("KUBERNAUT_AGENT_NAMESPACE")
        && variables.get("POD_NAMESPACE").is_none()
        && root.text_at(&["auth", "namespace"]).is_none()
    {
        root.put(&["auth", "namespace"], Node::scalar(origin("KUBERNAUT_AGENT_NAMESPACE"), namespace));
    }
    const PROMETHEUS: &[&str] = &["toolsets", "prometheus/metrics", "config"];
    let shows_token = root.at(PROMETHEUS).is_some_and(|config| {
        config.child("prometheus_url").is_some()
            && config.child("bearer_token_file").is_none()
            && config.child("headers").is_none_or(|headers| headers.entries().is_empty())
    });
    if shows_token && variables.get("IS_OPENSHIFT").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
        let path: Vec<&str> = PROMETHEUS.iter().copied().chain(["bearer_token_file"]).collect();
        root.put(&path, Node::scalar(origin("IS_OPENSHIFT"), Value::from(TOKEN)));
    }
}
