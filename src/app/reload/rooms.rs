//! What a configuration means for the rooms that run: everything is built first, then everything is handed over. Rooms that can
//! live with other settings are all here; a key is live because one of them takes it.

use std::sync::Arc;

use crate::api::{Modes, Readiness, Traffic};
use crate::app::current::{Current, Singletons, Snapshot};
use crate::app::{AppError, metering};
use crate::auth::AuthConfig;
use crate::config::Config;
use crate::datastorage::Prepared;
use crate::llm::Llm;
use crate::metering::PriceTable;
use crate::sessions::Sessions;
use crate::settings::Setting;
use crate::telemetry::logging::LoggingHandle;

/// Handles to the rooms whose settings change under them.
#[derive(Debug, Clone)]
pub(in crate::app) struct Rooms {
    pub(in crate::app) current: Current,
    pub(in crate::app) singletons: Singletons,
    pub(in crate::app) sessions: Sessions,
    pub(in crate::app) auth: Setting<AuthConfig>,
    pub(in crate::app) traffic: Traffic,
    pub(in crate::app) readiness: Readiness,
    pub(in crate::app) modes: Setting<Modes>,
    /// Changes the level of the log, where there is one.
    pub(in crate::app) logging: Option<LoggingHandle>,
}

/// Everything that a configuration needs built; nothing of it counts yet.
#[derive(Debug)]
pub(super) struct Built {
    snapshot: Snapshot,
    prices: PriceTable,
    data_storage: Option<Prepared>,
}

impl Rooms {
    /// `llm` is one that serves already and suits the configuration. Blocks on files; asks nobody.
    ///
    /// # Errors
    /// Something that cannot work.
    pub(super) fn build(&self, config: &Config, llm: Option<Arc<Llm>>) -> Result<Built, AppError> {
        let client = self.singletons.data_storage.as_ref().zip(config.data_storage());
        Ok(Built {
            snapshot: self.singletons.snapshot(config, llm)?,
            prices: PriceTable::build(&config.cost)?,
            data_storage: client.map(|(client, section)| client.prepare(&section)).transpose()?,
        })
    }

    /// From now on this configuration counts. Nothing here can fail or take long.
    pub(super) fn hand_over(&self, config: &Config, built: Built) {
        let Built { snapshot, prices, data_storage } = built;
        let Singletons { data_storage: client, audit, metering, metrics, .. } = &self.singletons;
        let known = metering::unpriced(metering, &self.current);
        self.current.swap(snapshot);
        metering.set_terms(prices, config.budgets());
        metering::tell(metering::unpriced(metering, &self.current).iter().filter(|notice| !known.contains(notice)));
        self.sessions.set_limits(&config.session, config.investigation.timeout());
        self.modes.set(config.compat.modes(config.investigation.timeout()));
        self.auth.set(config.auth.clone());
        self.traffic.change(config.server.max_concurrent_requests, &config.server.rate_limit);
        self.readiness.demand(config.readiness);
        metrics.label_tools(config.metrics.per_tool);
        audit.set_config(&config.audit);
        if let (Some(client), Some(prepared)) = (client, data_storage) {
            client.adopt(prepared);
        }
        self.set_level(config);
    }

    fn set_level(&self, config: &Config) {
        if let Some(logging) = &self.logging
            && let Err(error) = logging.set_level(config.logging.level)
        {
            tracing::warn!(event = "config_level_kept", error = %error, "the level of the log stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::Form;
    use crate::app::App;
    use crate::config::{ClusterConfig, ClusterSource};
    use crate::store::StoreLocation;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everything_that_is_live_is_handed_over_and_what_cannot_be_built_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/oom-cart-api/bundle");
        let cluster =
            ClusterConfig { source: ClusterSource::Bundle, bundle: Some(bundle.into()), ..ClusterConfig::default() };
        let mut config = Config::standalone(cluster);
        config.server.port = 0;
        let app = App::build(config.clone(), &StoreLocation::in_directory(folder.path())).await.unwrap();
        let rooms = &app.rooms;
        config.auth.cache_seconds = 77;
        config.compat.default_mode = Form::Sync;
        config.investigation.timeout_seconds = 99;
        config.budget.caller_day.calls = 5;
        let mut broken = config.clone();
        broken.cost.price_file = Some("/nowhere/prices.yaml".into());
        assert!(rooms.build(&broken, None).is_err());
        assert_eq!((rooms.auth.get().cache_seconds, rooms.modes.get().default_form), (10, Form::Async));

        rooms.hand_over(&config, rooms.build(&config, None).unwrap());
        assert_eq!(*rooms.auth.get(), config.auth);
        let modes = rooms.modes.get();
        assert_eq!(
            (modes.default_form, modes.wait_max),
            (Form::Sync, Duration::from_secs(99)),
            "as long as a run may take"
        );
    }
}
