//! `check-config`: everything `serve` would refuse, without serving, and where every value comes from.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::arguments::{CheckConfigOptions, Output};
use super::{Failure, loader, print};
use crate::api::{Certificates, public_address};
use crate::app::{catalogue, location};
use crate::catalogue::{Catalogue as _, DirectoryCatalogue};
use crate::config::{CatalogueSource, ClusterSource, Config, Field, Loaded, Loader, Problem};
use crate::datastorage::DataStorage;
use crate::llm::Llm;
use crate::metering::{self, PriceTable};
use crate::store::StoreLocation;
use crate::telemetry::Metrics;

pub(super) fn check_config(options: &CheckConfigOptions) -> Result<u8, Failure> {
    let loader = loader(&options.files)?;
    let mut loaded = match (loader.load(), options.output) {
        (Ok(loaded), _) => loaded,
        (Err(error), Output::Report) => return Err(error.into()),
        (Err(error), Output::Json) => {
            let problems: Vec<Value> = error.problems().iter().map(problem).collect();
            print(&pretty(&json!({ "ok": false, "problems": problems }))?)?;
            return Err(error.into());
        }
    };
    let location = location(&loaded.config.store, None)?;
    let Tried { files, prices, unpriced } = try_out(&loaded.config)?;
    let mut facts = facts(&loaded.config, &location, files.as_ref());
    facts.push(("prices", prices.sources().join("; ")));
    loaded.notices.extend(unpriced);
    let catalogue: Vec<String> =
        files.iter().flat_map(DirectoryCatalogue::problems).map(|problem| format!("catalogue {problem}")).collect();
    print(&match options.output {
        Output::Report => report(&loader, &loaded, &facts, &catalogue),
        Output::Json => pretty(&document(&loader, &loaded, &facts, &catalogue))?,
    })?;
    if options.online { super::doctor::online(loaded.config, loader.main_file(), options.patience) } else { Ok(0) }
}

/// What could be built without asking anybody.
struct Tried {
    /// Where the catalogue is one of files.
    files: Option<DirectoryCatalogue>,
    prices: PriceTable,
    /// Limits of money that some models escape, one sentence each.
    unpriced: Vec<String>,
}

/// Builds what can be built without asking anybody.
fn try_out(config: &Config) -> Result<Tried, Failure> {
    let llm = config.llm.as_ref().map(Llm::build).transpose().map_err(Failure::configuration)?;
    let prices = PriceTable::build(&config.cost).map_err(Failure::configuration)?;
    if let (ClusterSource::Bundle, Some(directory)) = (config.cluster.source, &config.cluster.bundle)
        && !directory.is_dir()
    {
        return Err(Failure::configuration(anyhow::anyhow!(
            "cluster.bundle {} is not a directory",
            directory.display()
        )));
    }
    if let Some(section) = config.data_storage() {
        let metrics = Metrics::build().map_err(Failure::fault)?;
        DataStorage::build(&section, metrics).map_err(Failure::configuration)?;
    }
    if let Some(directory) = &config.server.tls.cert_dir {
        Certificates::open(directory, config.server.tls_profile).map_err(Failure::configuration)?;
    }
    let files = match config.catalogue.source() {
        CatalogueSource::Directory => Some(catalogue(&config.catalogue).map_err(Failure::configuration)?),
        CatalogueSource::DataStorage | CatalogueSource::CustomResources => None,
    };
    let models = llm.iter().filter(|_| config.model().is_some()).flat_map(Llm::models);
    let unpriced = metering::notices(&prices, &config.budgets(), models);
    Ok(Tried { files, prices, unpriced })
}

type Facts = [(&'static str, String)];

fn report(loader: &Loader, loaded: &Loaded, facts: &Facts, catalogue: &[String]) -> String {
    let mut text = format!("{}: ok\n", loader.main_file().display());
    for (name, value) in facts {
        let _ = writeln!(text, "  {name:<12} {value}");
    }
    for notice in &loaded.notices {
        let _ = writeln!(text, "  notice: {notice}");
    }
    for key in &loaded.ignored {
        let _ = writeln!(text, "  notice: {} has no effect: {}", key.path, key.reason);
    }
    for change in &loaded.semantics_changed {
        let _ = writeln!(text, "  changed since earlier versions: {change}");
    }
    for warning in loaded.unknown.iter().map(ToString::to_string).chain(catalogue.iter().cloned()) {
        let _ = writeln!(text, "  warning: {warning}");
    }
    let _ = writeln!(text, "effective configuration (value, source, when a change takes effect):");
    for field in &loaded.fields {
        let Field { path, value, live, .. } = field;
        let source = match &field.place {
            Some(place) => format!("{} {place}", field.source.as_str()),
            None => field.source.as_str().to_owned(),
        };
        let value = if value.is_empty() { "–" } else { value };
        let _ = writeln!(text, "  {path} = {value}  ({source}; {})", live.as_str());
    }
    text
}

fn document(loader: &Loader, loaded: &Loaded, facts: &Facts, catalogue: &[String]) -> Value {
    let facts: serde_json::Map<String, Value> =
        facts.iter().map(|(name, value)| (name.replace(' ', "_"), value.as_str().into())).collect();
    let ignored: Vec<Value> =
        loaded.ignored.iter().map(|key| json!({ "path": key.path, "reason": key.reason })).collect();
    json!({
        "ok": true,
        "file": loader.main_file(),
        "sdk_file": loaded.hashes.sdk.as_ref().and(loader.sdk_file()),
        "hash": loaded.hashes.whole(),
        "facts": facts,
        "notices": loaded.notices,
        "keys_ignored": ignored,
        "semantics_changed": loaded.semantics_changed,
        "unknown_keys": loaded.unknown.iter().map(problem).collect::<Vec<_>>(),
        "catalogue_warnings": catalogue,
        "fields": loaded.fields.iter().map(field).collect::<Vec<_>>(),
    })
}

fn problem(problem: &Problem) -> Value {
    json!({
        "kind": problem.kind.as_str(),
        "place": problem.place,
        "path": problem.path,
        "reason": problem.reason,
        "suggestion": problem.suggestion,
    })
}

fn field(field: &Field) -> Value {
    json!({
        "path": field.path,
        "value": field.value,
        "source": field.source.as_str(),
        "place": field.place,
        "live": field.live.as_str(),
    })
}

fn pretty(value: &Value) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(Failure::fault)
}

/// What would run, without secrets. `files` where the catalogue is one of files.
fn facts(config: &Config, location: &StoreLocation, files: Option<&DirectoryCatalogue>) -> Vec<(&'static str, String)> {
    let place = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let model = config.llm.as_ref().map(|llm| format!("{} {}", llm.provider.as_str(), llm.model));
    let store = match location {
        StoreLocation::File(path) => path.display().to_string(),
        StoreLocation::Temporary => "temporary".to_owned(),
    };
    let cluster = match config.cluster.source {
        ClusterSource::Live => config.cluster.context.clone().unwrap_or_else(|| "current context".to_owned()),
        ClusterSource::Bundle => place(&config.cluster.bundle).unwrap_or_default(),
    };
    vec![
        ("listen", format!("{}:{}{}", config.host(), config.server.port, tls_fact(config))),
        ("cluster", format!("{} {cluster}", config.cluster.source.as_str())),
        ("catalogue", catalogue_fact(config, files)),
        ("data storage", data_storage_fact(config)),
        ("engine", config.investigation.engine.as_str().to_owned()),
        ("model", model.unwrap_or_else(|| "none: the analyser answers".to_owned())),
        ("store", store),
    ]
}

fn tls_fact(config: &Config) -> String {
    let directory = config.server.tls.cert_dir.as_ref();
    directory.map(|directory| format!(", TLS with {}", directory.display())).unwrap_or_default()
}

fn catalogue_fact(config: &Config, files: Option<&DirectoryCatalogue>) -> String {
    let source = config.catalogue.source();
    let seconds = config.catalogue.refresh_seconds;
    match (files, source) {
        (Some(files), _) => {
            let (workflows, action_types) = files.counts();
            format!("{}: {workflows} workflows, {action_types} action types", files.description())
        }
        (None, CatalogueSource::CustomResources) => {
            let place = config.catalogue.namespace.as_deref();
            let place = place.map_or_else(|| "all namespaces".to_owned(), |namespace| format!("namespace {namespace}"));
            format!("{} in {place}, listed again after {seconds} s", source.as_str())
        }
        (None, _) => format!("{}, lists remembered for {seconds} s", source.as_str()),
    }
}

fn data_storage_fact(config: &Config) -> String {
    let Some(section) = config.data_storage() else { return "not used".to_owned() };
    let shown = |path: &std::path::Path| path.display().to_string();
    let roots = match (&section.ca_file, section.system_roots) {
        (None, _) => "the system's certificates".to_owned(),
        (Some(path), Some(true)) => format!("certificates of {} and of the system", shown(path)),
        (Some(path), _) => format!("certificates of {}", shown(path)),
    };
    let url = public_address(&section.url).unwrap_or_default();
    format!("{url}, {} s for a question, token {}, {roots}", section.timeout, shown(&section.token_path))
}
