//! The files of the scenarios: shorthand replaced, clusters and catalogues written out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use holmesgpt_api::catalogue::{Catalogue as _, DirectoryCatalogue, MatchContext};
use holmesgpt_api::domain::Recovery;
use serde::Deserialize;
use serde_json::{Map, Value};
use tempfile::TempDir;

use super::outcome::Outcome;
use crate::process::root;
use crate::stubs::datastorage::Catalogue;
use crate::stubs::mcp::Manner;
use crate::stubs::model::Step;

/// The cluster of a scenario that names none.
const USUAL_CLUSTER: &str = "shop";

/// Read once: that takes a while.
static BUILT_IN: OnceLock<DirectoryCatalogue> = OnceLock::new();

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// One sentence: what is shown.
    pub(super) title: String,
    /// Folder of `examples/` whose incident and bundle are used instead of the usual small cluster.
    example: Option<String>,
    /// Members of the incident that are different.
    #[serde(default)]
    incident: Map<String, Value>,
    /// The failed attempt this incident follows.
    pub(super) recovery: Option<Recovery>,
    /// Sections of the configuration, e.g. `investigation: {max_validation_attempts: 2}`.
    #[serde(default)]
    pub(super) config: Map<String, Value>,
    /// Files written into a copy of the bundle: path → content.
    #[serde(default)]
    bundle: BTreeMap<String, String>,
    /// One series of a Prometheus that answers every instant query with it, after `metrics_delay_ms`.
    pub(super) metrics: Option<Value>,
    #[serde(default)]
    pub(super) metrics_delay_ms: u64,
    /// An MCP server; `{{mcp}}` in the configuration is its address.
    pub(super) mcp: Option<Manner>,
    /// The catalogue and the history behind a DataStorage.
    pub(super) data_storage: Option<Remote>,
    pub(super) script: Vec<Step>,
    pub(super) expect: Outcome,
}

/// A DataStorage that keeps the scenario's workflows.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Remote {
    /// Workflow → members of its record that are different.
    change: BTreeMap<String, Map<String, Value>>,
    /// What was done to anything that is asked for.
    history: Option<Value>,
    /// Nobody listens.
    pub(super) down: bool,
    /// Statuses of the next answers about workflows and history; 200 is an answer as usual.
    pub(super) statuses: Vec<u16>,
}

impl Remote {
    pub(super) async fn catalogue(&self, directory: Option<&Path>) -> Catalogue {
        let own = directory.map(|directory| DirectoryCatalogue::open(directory).unwrap());
        let mut catalogue = Catalogue::of(own.as_ref().unwrap_or_else(|| built_in())).await;
        for (name, members) in &self.change {
            members.iter().for_each(|(member, value)| catalogue.change(name, member, value.clone()));
        }
        Catalogue { any_history: self.history.clone(), ..catalogue }
    }
}

fn built_in() -> &'static DirectoryCatalogue {
    BUILT_IN.get_or_init(DirectoryCatalogue::built_in)
}

/// What a scenario needs on disk.
pub(super) struct Prepared {
    pub(super) incident: String,
    pub(super) bundle: PathBuf,
    pub(super) catalogue: Option<PathBuf>,
    pub(super) folder: TempDir,
}

/// Reads a scenario and writes its files. `name` is for complaints.
pub(super) async fn read(name: &str, text: &str) -> (Scenario, Prepared) {
    let mut raw: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let folder = tempfile::tempdir().unwrap();
    let catalogue = write_catalogue(&mut raw, folder.path());
    let own = catalogue.as_deref().map(|directory| DirectoryCatalogue::open(directory).unwrap());
    let known = own.as_ref().unwrap_or_else(|| built_in());
    let replies = std::fs::read_to_string(usual().join("replies.yaml")).unwrap();
    spell_out(&mut raw["script"], &serde_saphyr::from_str(&replies).unwrap());
    let text = with_ids(raw.to_string(), known).await;
    let scenario: Scenario = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let home = scenario.example.as_ref().map_or_else(usual, |example| root().join("examples").join(example));
    let bundle = write_bundle(&scenario, &home.join("bundle"), folder.path());
    let incident = std::fs::read(home.join("incident.json")).unwrap();
    let mut incident: Value = serde_json::from_slice(&incident).unwrap();
    incident.as_object_mut().unwrap().extend(scenario.incident.clone());
    (scenario, Prepared { incident: incident.to_string(), bundle, catalogue, folder })
}

fn usual() -> PathBuf {
    super::folder().join("bundles").join(USUAL_CLUSTER)
}

/// `{{workflow:NAME}}` becomes the id the catalogue gives that workflow.
async fn with_ids(mut text: String, catalogue: &DirectoryCatalogue) -> String {
    while let Some((before, rest)) = text.split_once("{{workflow:") {
        let (name, after) = rest.split_once("}}").unwrap();
        let found = catalogue.workflow(name, &MatchContext::default()).await;
        let id = found.unwrap_or_else(|error| panic!("{error}")).workflow.id;
        text = format!("{before}{id}{after}");
    }
    text
}

/// Calls written `{as: NAME, change: {…}}` become the call of that name, with the change merged into its arguments.
fn spell_out(value: &mut Value, replies: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(name) = members.get("as").and_then(Value::as_str) {
                let mut call = replies[name].clone();
                assert!(call.is_object(), "no reply is called {name}");
                merge(&mut call["arguments"], members.get("change").unwrap_or(&Value::Object(Map::new())));
                *value = call;
                return;
            }
            members.values_mut().for_each(|member| spell_out(member, replies));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| spell_out(item, replies)),
        _ => {}
    }
}

pub(super) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// The bundle as it is, or a copy with the scenario's files in it.
fn write_bundle(scenario: &Scenario, recorded: &Path, folder: &Path) -> PathBuf {
    if scenario.bundle.is_empty() {
        return recorded.to_owned();
    }
    let copy = folder.join("bundle");
    std::fs::create_dir_all(&copy).unwrap();
    crate::examples::copy_tree(recorded, &copy);
    for (path, content) in &scenario.bundle {
        write(&copy.join(path), content);
    }
    copy
}

/// Takes `catalogue` and `copies` out of a scenario: the workflow files it brings instead of the compiled-in ones. Those with
/// `{{n}}` in their name are written `copies` times, the number in its place.
fn write_catalogue(raw: &mut Value, folder: &Path) -> Option<PathBuf> {
    let members = raw.as_object_mut().unwrap();
    let copies = members.remove("copies").and_then(|copies| copies.as_u64()).unwrap_or(0);
    let files = members.remove("catalogue")?;
    let directory = folder.join("catalogue");
    for (name, content) in files.as_object().unwrap() {
        let content = content.as_str().unwrap();
        if !name.contains("{{n}}") {
            write(&directory.join(name), content);
            continue;
        }
        for number in 1..=copies {
            let number = format!("{number:02}");
            write(&directory.join(name.replace("{{n}}", &number)), &content.replace("{{n}}", &number));
        }
    }
    Some(directory)
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}
