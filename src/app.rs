//! The composition root: builds every singleton once, in dependency order, and takes them down again in a sequence one can
//! read (`drain`).
//!
//! [`Core`] is everything an investigation needs; `serve` and `investigate` run the same one. [`App`] adds the HTTP side.

mod current;
pub mod doctor;
mod drain;
mod error;
mod metering;
mod reload;
mod replay;
mod signals;
mod state_dir;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

pub use current::{Current, Snapshot};
pub use drain::Exit;
pub use error::AppError;
pub use reload::Reloading;
pub use replay::replay;
pub use signals::Signals;
pub use state_dir::location;

use crate::api::{
    AppState, Certificates, ConfigSummary, ConfigView, Door, LlmSummary, Readiness, ServeConfig, ServerConfig,
    ServerHandle, Shown, SideDoors, Traffic, limited_router, public_address, serve,
};
use crate::audit::{AuditTrail, SecurityAudit};
use crate::auth::{self, Authenticator};
use crate::catalogue::{
    Catalogue, CatalogueError, DirectoryCatalogue, RemoteCatalogue, ResourceCatalogue, ResourceTimes,
};
use crate::cluster::bundle::{BundleCluster, BundleLimits};
use crate::cluster::live::{LiveCluster, LiveConfig, PodEvents};
use crate::cluster::{Cluster, SharedCluster};
use crate::config::{CatalogueConfig, CatalogueSource, ClusterConfig, ClusterSource, Config, ShutdownConfig};
use crate::datastorage::DataStorage;
use crate::metering::Metering;
use crate::sessions::{Sessions, SessionsParts};
use crate::settings::Setting;
use crate::store::{Access, Store, StoreLocation};
use crate::telemetry::logging::LoggingHandle;
use crate::telemetry::metrics::Dependency;
use crate::telemetry::{Build, Metrics};
use crate::tools::mcp::McpPool;
use current::Singletons;
use reload::Rooms;

/// Least time between two discoveries of the cluster's kinds because of unknown names.
const KINDS_MISS_INTERVAL: Duration = Duration::from_secs(10);

const POD_NAME_VARIABLE: &str = "POD_NAME";

/// Everything an investigation needs.
#[derive(Debug)]
pub struct Core {
    pub sessions: Sessions,
    pub cluster: Arc<dyn Cluster>,
    pub catalogue: Arc<dyn Catalogue>,
    /// Where the catalogue, the history or the audit needs it, or the configuration names it.
    pub data_storage: Option<DataStorage>,
    /// What new investigations begin with.
    pub current: Current,
    pub store: Store,
    pub audit: AuditTrail,
    /// MCP servers that are in use.
    pub mcp: McpPool,
    pub metering: Metering,
    pub metrics: Metrics,
}

impl Core {
    /// Opens the store, the audit trail, the cluster and the catalogue, and takes over what an earlier process left.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn build(config: &Config, location: &StoreLocation) -> Result<Self, AppError> {
        Self::build_with(config, location, Metrics::build_with(&config.metrics)?).await
    }

    async fn build_with(config: &Config, location: &StoreLocation, metrics: Metrics) -> Result<Self, AppError> {
        // What is on disk is read side by side.
        let (cluster, data_storage, files, store) = tokio::try_join!(
            open_cluster(&config.cluster, &metrics),
            open_data_storage(config, &metrics),
            open_files(&config.catalogue),
            async { Ok(Store::open(location, Access::Serve).await?) },
        )?;
        let catalogue = open_catalogue(&config.catalogue, &cluster, data_storage.as_ref(), files)?;
        let audit = AuditTrail::open(&config.audit, store.clone(), metrics.clone()).await?;
        if let Some(client) = &data_storage {
            audit.deliver_to(client.clone());
        }
        let metering = metering::open(config, &store).await?;
        let singletons = Singletons {
            cluster: Arc::clone(&cluster),
            catalogue: Arc::clone(&catalogue),
            data_storage: data_storage.clone(),
            audit: audit.clone(),
            mcp: McpPool::default(),
            metering: metering.clone(),
            metrics: metrics.clone(),
        };
        let mcp = singletons.mcp.clone();
        let current = Current::new(singletons.snapshot(config, None)?);
        metering::tell(&metering::unpriced(&metering, &current));
        let parts = SessionsParts {
            config: config.session.clone(),
            timeout: config.investigation.timeout(),
            store: store.clone(),
            audit: audit.clone(),
            metrics: metrics.clone(),
            metering: metering.clone(),
            work: current.work(),
        };
        let sessions = Sessions::open(parts).await?;
        Ok(Self { sessions, cluster, catalogue, data_storage, current, store, audit, mcp, metering, metrics })
    }

    fn singletons(&self) -> Singletons {
        Singletons {
            cluster: Arc::clone(&self.cluster),
            catalogue: Arc::clone(&self.catalogue),
            data_storage: self.data_storage.clone(),
            audit: self.audit.clone(),
            mcp: self.mcp.clone(),
            metering: self.metering.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

/// The cluster the configuration names.
async fn open_cluster(config: &ClusterConfig, metrics: &Metrics) -> Result<Arc<dyn Cluster>, AppError> {
    match (config.source, &config.bundle) {
        (ClusterSource::Bundle, Some(directory)) => {
            let directory = directory.clone();
            let opened =
                tokio::task::spawn_blocking(move || BundleCluster::open(&directory, &BundleLimits::default())).await;
            let bundle = opened.map_err(|_| AppError::Panicked("reading the bundle"))??;
            for problem in bundle.problems() {
                tracing::warn!(event = "bundle_part_skipped", problem, "part of the bundle cannot be read");
            }
            Ok(Arc::new(bundle))
        }
        (ClusterSource::Bundle, None) => {
            Err(AppError::Configuration("cluster.source is `bundle` but cluster.bundle names no folder".to_owned()))
        }
        (ClusterSource::Live, _) => {
            let cluster = Arc::new(LiveCluster::build(&live(config)).await?.reporting_to(metrics));
            Ok(SharedCluster::around(cluster, config.shared_lists()))
        }
    }
}

/// How the live cluster is asked.
fn live(config: &ClusterConfig) -> LiveConfig {
    LiveConfig {
        kubeconfig: config.kubeconfig.clone(),
        context: config.context.clone(),
        request_timeout: config.request_timeout(),
        requests_max: config.max_in_flight_requests,
        kinds_miss_interval: KINDS_MISS_INTERVAL,
    }
}

/// The client of `DataStorage`, where one is used.
async fn open_data_storage(config: &Config, metrics: &Metrics) -> Result<Option<DataStorage>, AppError> {
    let Some(section) = config.data_storage() else { return Ok(None) };
    let metrics = metrics.clone();
    let built = tokio::task::spawn_blocking(move || DataStorage::build(&section, metrics)).await;
    Ok(Some(built.map_err(|_| AppError::Panicked("reading certificates"))??))
}

/// The catalogue of files, where that is the one. What is wrong with single files is logged.
async fn open_files(config: &CatalogueConfig) -> Result<Option<DirectoryCatalogue>, AppError> {
    if config.source() != CatalogueSource::Directory {
        return Ok(None);
    }
    let config = config.clone();
    let opened = tokio::task::spawn_blocking(move || catalogue(&config)).await;
    let catalogue = opened.map_err(|_| AppError::Panicked("reading the catalogue"))??;
    for problem in catalogue.problems() {
        tracing::warn!(event = "catalogue_problem", problem = %problem, "odd or broken workflow file");
    }
    Ok(Some(catalogue))
}

/// The catalogue the configuration names; `files` where that is one of files.
fn open_catalogue(
    config: &CatalogueConfig,
    cluster: &Arc<dyn Cluster>,
    data_storage: Option<&DataStorage>,
    files: Option<DirectoryCatalogue>,
) -> Result<Arc<dyn Catalogue>, AppError> {
    match (config.source(), data_storage) {
        (CatalogueSource::DataStorage, Some(client)) => {
            Ok(Arc::new(RemoteCatalogue::new(client.clone(), config.refresh())))
        }
        (CatalogueSource::DataStorage, None) => {
            Err(AppError::Configuration("catalogue.source is `datastorage` but there is no DataStorage".to_owned()))
        }
        (CatalogueSource::CustomResources, _) => {
            let times = ResourceTimes::refreshing(config.refresh());
            Ok(Arc::new(ResourceCatalogue::new(Arc::clone(cluster), config.namespace.clone(), times)))
        }
        (CatalogueSource::Directory, _) => Ok(Arc::new(files.ok_or(AppError::Panicked("reading the catalogue"))?)),
    }
}

/// Reads the catalogue of files the configuration names; blocks on them.
///
/// # Errors
/// When the directory cannot be read or holds no workflow.
pub fn catalogue(config: &CatalogueConfig) -> Result<DirectoryCatalogue, CatalogueError> {
    match &config.directory {
        Some(directory) => DirectoryCatalogue::open(directory),
        None => Ok(DirectoryCatalogue::built_in()),
    }
}

/// The service, listening and ready.
#[derive(Debug)]
pub struct App {
    core: Core,
    /// Everything whose settings change while it runs.
    rooms: Rooms,
    readiness: Readiness,
    /// What `GET /config` tells.
    config: ConfigView,
    server: ServerHandle,
    side_doors: SideDoors,
    /// Where the API port speaks TLS.
    certificates: Option<Certificates>,
    /// In a pod that knows its name.
    pod_events: Option<Arc<PodEvents>>,
    /// Ends the accept loop.
    stop_serving: CancellationToken,
    /// Ends the watchers.
    stop_watching: CancellationToken,
    shutdown: ShutdownConfig,
}

impl App {
    /// Binds the address first, so that a taken port is told before anything else is touched, answers probes there, then
    /// builds everything and serves.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn build(config: Config, location: &StoreLocation) -> Result<Self, AppError> {
        Self::build_logged(config, location, None).await
    }

    /// The same; an operator may change the level of the log where the configuration lets one.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn build_logged(
        config: Config,
        location: &StoreLocation,
        logging: Option<LoggingHandle>,
    ) -> Result<Self, AppError> {
        let began = Instant::now();
        let listener = bind(config.host(), config.server.port).await?;
        let certificates = open_certificates(&config.server).await?;
        let metrics = Metrics::build_with(&config.metrics)?;
        metrics.watch_this_runtime();
        let readiness = Readiness::new(&dependencies(&config), metrics.clone());
        readiness.demand(config.readiness);
        let stop_serving = CancellationToken::new();
        // Before anything else is wired: whoever asks is told that the service starts.
        let door = Door::closed(readiness.clone(), metrics.clone());
        let bounds = ServeConfig::from(&config.server);
        let server = serve(listener, door.router(), bounds, certificates.clone(), stop_serving.clone())?;
        let shown = Shown {
            config: &config.server,
            readiness: &readiness,
            metrics: &metrics,
            door: &door,
            logging: logging.clone(),
        };
        let side_doors = SideDoors::open(shown).map_err(|(address, source)| AppError::Bind { address, source })?;
        let stop_watching = CancellationToken::new();
        watch::heart(&readiness, &stop_watching);
        let core = Core::build_with(&config, location, metrics).await?;
        let state_dir = core.store.path().parent().map(Path::to_path_buf).unwrap_or_default();
        let authenticator = Authenticator::build(&config.auth, &state_dir, core.metrics.clone())
            .await
            .inspect_err(|failure| error!(event = "auth_init_failed", error = %failure, "nobody could be let in"))?;
        let view = ConfigView::new(summary(&config));
        let rooms = Rooms {
            current: core.current.clone(),
            singletons: core.singletons(),
            sessions: core.sessions.clone(),
            auth: authenticator.settings(),
            traffic: Traffic::new(config.server.max_concurrent_requests, &config.server.rate_limit),
            modes: Setting::new(config.compat.modes(config.investigation.timeout())),
            readiness: readiness.clone(),
            logging,
        };
        let state = AppState {
            sessions: core.sessions.clone(),
            authenticator,
            security: SecurityAudit::new(core.audit.clone()),
            readiness: readiness.clone(),
            metrics: core.metrics.clone(),
            config: view.clone(),
            limits: config.server.limits(),
            http: config.http,
            severities: config.compat.severity_vocabulary,
            modes: rooms.modes.clone(),
            ownership: config.auth.session_ownership,
            streams: Arc::new(Semaphore::new(config.server.limits().streams_max)),
            quiet_probes: config.logging.sample_health,
        };
        let pod_events = open_pod_events(config.auth.namespace.as_deref()).await;
        door.open(limited_router(state, rooms.traffic.clone()));
        readiness.tell_catalogue(config.catalogue.source().as_str(), Arc::clone(&core.catalogue));
        watch::spawn(&core, &readiness, &config, &stop_watching);
        if core.current.get().llm.as_ref().is_some_and(|llm| llm.is_mock()) {
            readiness.mocked(Dependency::Llm);
        }
        readiness.started();
        info!(
            event = "service_started",
            listen = %server.address(),
            tls = certificates.is_some(),
            startup_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            commit = Build::CURRENT.commit,
            cluster = core.cluster.description(),
            store = %core.store.path().display(),
            "serving"
        );
        Ok(Self {
            core,
            rooms,
            readiness,
            config: view,
            server,
            side_doors,
            certificates,
            pod_events,
            stop_serving,
            stop_watching,
            shutdown: config.shutdown,
        })
    }

    /// Where it listens; tells the port when 0 was asked for.
    pub fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.core.metrics
    }
}

async fn bind(host: &str, port: u16) -> Result<TcpListener, AppError> {
    let failed = |source| AppError::Bind { address: format!("{host}:{port}"), source };
    TcpListener::bind((host.trim_matches(['[', ']']), port)).await.map_err(failed)
}

/// The pod this runs in: `POD_NAME`.
fn pod_name() -> Option<String> {
    std::env::var(POD_NAME_VARIABLE).ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

async fn open_pod_events(namespace: Option<&str>) -> Option<Arc<PodEvents>> {
    let pod = pod_name()?;
    let namespace = auth::namespace(namespace).ok()?;
    PodEvents::build(namespace, pod).await.map(Arc::new)
}

/// The service's own certificate, where the API port speaks TLS.
async fn open_certificates(config: &ServerConfig) -> Result<Option<Certificates>, AppError> {
    let Some(directory) = config.tls.cert_dir.clone() else { return Ok(None) };
    let profile = config.tls_profile;
    let opened = tokio::task::spawn_blocking(move || Certificates::open(&directory, profile)).await;
    Ok(Some(opened.map_err(|_| AppError::Panicked("reading the certificate"))??))
}

/// What readiness waits for.
fn dependencies(config: &Config) -> Vec<Dependency> {
    let cluster = match config.cluster.source {
        ClusterSource::Live => Some(Dependency::Kubernetes),
        ClusterSource::Bundle => None,
    };
    let model = config.model().map(|_| Dependency::Llm);
    let data_storage = config.data_storage().map(|_| Dependency::DataStorage);
    data_storage.into_iter().chain(cluster).chain(model).collect()
}

fn summary(config: &Config) -> ConfigSummary {
    let llm = config.llm.as_ref();
    ConfigSummary {
        llm: LlmSummary::new(
            llm.map(|llm| llm.provider.as_str().to_owned()),
            llm.map(|llm| llm.model.clone()),
            llm.and_then(|llm| llm.endpoint.as_deref()),
        ),
        environment: config.environment.clone(),
        engine: Some(config.investigation.engine.as_str().to_owned()),
        cluster_source: Some(config.cluster.source.as_str().to_owned()),
        catalogue_source: Some(config.catalogue.source().as_str().to_owned()),
        data_storage: config.data_storage().and_then(|section| public_address(&section.url)),
        ..ConfigSummary::default()
    }
}
