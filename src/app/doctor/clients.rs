//! Whoever is asked, built once for all areas. Building asks nobody anything.

use crate::auth::AuthMode;
use crate::cluster::live::{Inquiry, LiveConfig, LiveError};
use crate::config::{ClusterSource, Config};
use crate::datastorage::DataStorage;
use crate::llm::{Llm, LlmBuildError};
use crate::telemetry::Metrics;

/// `None` = not configured.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) llm: Option<Result<Llm, LlmBuildError>>,
    /// Or what is wrong with the section.
    pub(super) data_storage: Option<Result<DataStorage, String>>,
    /// The API server that is investigated.
    pub(super) cluster: Option<Result<Inquiry, LiveError>>,
    /// The one that reviews callers. It is always found where the process runs.
    pub(super) reviews: Option<Result<Inquiry, LiveError>>,
}

impl Clients {
    pub(super) async fn build(config: &Config) -> Self {
        let investigated = super::super::live(&config.cluster);
        let reviewing = LiveConfig { kubeconfig: None, context: None, ..investigated.clone() };
        let is_live = config.cluster.source == ClusterSource::Live;
        let reviews = config.auth.mode == AuthMode::Kubernetes;
        Self {
            llm: config.model().map(Llm::build),
            data_storage: data_storage(config).await,
            cluster: if is_live { Some(Inquiry::open(&investigated).await) } else { None },
            reviews: if reviews { Some(Inquiry::open(&reviewing).await) } else { None },
        }
    }
}

async fn data_storage(config: &Config) -> Option<Result<DataStorage, String>> {
    let section = config.data_storage()?;
    let built = tokio::task::spawn_blocking(move || {
        let metrics = Metrics::build().map_err(|error| error.to_string())?;
        DataStorage::build(&section, metrics).map_err(|error| error.to_string())
    });
    Some(built.await.unwrap_or_else(|_| Err("its certificates cannot be read".to_owned())))
}
