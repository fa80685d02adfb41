//! `check-config`: everything `serve` would refuse, without serving.

use std::fmt::Write as _;

use super::arguments::CheckConfigOptions;
use super::{Failure, configuration_file, print};
use crate::app::{catalogue, location};
use crate::catalogue::{Catalogue as _, DirectoryCatalogue};
use crate::config::{ClusterSource, Config};
use crate::llm::Llm;
use crate::store::StoreLocation;

pub(super) fn check_config(options: &CheckConfigOptions) -> Result<u8, Failure> {
    let path = configuration_file(options.config.clone())?;
    let config = Config::load(&path)?;
    let location = location(&config.store, None)?;
    if let Some(llm) = &config.llm {
        Llm::build(llm).map_err(Failure::configuration)?;
    }
    if let (ClusterSource::Bundle, Some(directory)) = (config.cluster.source, &config.cluster.bundle)
        && !directory.is_dir()
    {
        return Err(Failure::configuration(anyhow::anyhow!(
            "cluster.bundle {} is not a directory",
            directory.display()
        )));
    }
    let catalogue = catalogue(&config.catalogue).map_err(Failure::configuration)?;
    let mut text = format!("{}: ok\n", path.display());
    for (name, value) in facts(&config, &location, &catalogue) {
        let _ = writeln!(text, "  {name:<10} {value}");
    }
    for problem in catalogue.problems() {
        let _ = writeln!(text, "  warning: catalogue {problem}");
    }
    print(&text)
}

/// What would run, without secrets.
fn facts(config: &Config, location: &StoreLocation, catalogue: &DirectoryCatalogue) -> Vec<(&'static str, String)> {
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
    let (workflows, action_types) = catalogue.counts();
    vec![
        ("listen", format!("{}:{}", config.host(), config.server.port)),
        ("cluster", format!("{} {cluster}", config.cluster.source.as_str())),
        ("catalogue", format!("{}: {workflows} workflows, {action_types} action types", catalogue.description())),
        ("engine", config.investigation.engine.as_str().to_owned()),
        ("model", model.unwrap_or_else(|| "none: the analyser answers".to_owned())),
        ("store", store),
    ]
}
