//! `check-config`: everything `serve` would refuse, without serving.

use std::fmt::Write as _;

use super::arguments::CheckConfigOptions;
use super::{Failure, configuration_file, print};
use crate::api::public_address;
use crate::app::{catalogue, location};
use crate::catalogue::{Catalogue as _, DirectoryCatalogue};
use crate::config::{CatalogueSource, ClusterSource, Config};
use crate::datastorage::DataStorage;
use crate::llm::Llm;
use crate::metering::{self, PriceTable};
use crate::store::StoreLocation;
use crate::telemetry::Metrics;

pub(super) fn check_config(options: &CheckConfigOptions) -> Result<u8, Failure> {
    let path = configuration_file(options.config.clone())?;
    let config = Config::load(&path)?;
    let location = location(&config.store, None)?;
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
    let files = match config.catalogue.source() {
        CatalogueSource::Directory => Some(catalogue(&config.catalogue).map_err(Failure::configuration)?),
        CatalogueSource::DataStorage | CatalogueSource::CustomResources => None,
    };
    let mut text = format!("{}: ok\n", path.display());
    for (name, value) in
        facts(&config, &location, files.as_ref()).into_iter().chain([("prices", prices.sources().join("; "))])
    {
        let _ = writeln!(text, "  {name:<12} {value}");
    }
    let unpriced = metering::notices(
        &prices,
        &config.budgets(),
        llm.iter().filter(|_| config.model().is_some()).flat_map(Llm::models),
    );
    for notice in config.notices().into_iter().chain(unpriced) {
        let _ = writeln!(text, "  notice: {notice}");
    }
    for problem in files.iter().flat_map(DirectoryCatalogue::problems) {
        let _ = writeln!(text, "  warning: catalogue {problem}");
    }
    print(&text)?;
    if options.online { super::doctor::online(config, &path, options.patience) } else { Ok(0) }
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
        ("listen", format!("{}:{}", config.host(), config.server.port)),
        ("cluster", format!("{} {cluster}", config.cluster.source.as_str())),
        ("catalogue", catalogue_fact(config, files)),
        ("data storage", data_storage_fact(config)),
        ("engine", config.investigation.engine.as_str().to_owned()),
        ("model", model.unwrap_or_else(|| "none: the analyser answers".to_owned())),
        ("store", store),
    ]
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
