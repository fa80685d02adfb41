//! Whether the service may be sent work (http-api §1.11, operations §5.3 as settled in architecture §7).
//!
//! Others report facts; nothing here does I/O, so `/ready` answers from memory. What the absence of a dependency means is
//! the operator's to say ([`ReadinessConfig`]). Unless told otherwise a configured one holds the service in `starting` until
//! it first answers; afterwards its absence is only told, as `degraded`, because failing readiness would also cut off
//! callers who poll for finished results.

mod demand;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tracing::{info, warn};

pub use demand::{Demand, ReadinessConfig};

use super::heartbeat::Heartbeat;
use crate::catalogue::Catalogue;
use crate::telemetry::Build;
use crate::telemetry::metrics::{Dependency, Metrics};

/// Kept for old clients: the original's three checks, which were constants there too.
const CONSTANT_CHECKS: &[&str] = &["sdk", "context_api", "prometheus"];

/// Digits of the configuration's hash that are told.
const CONFIG_HASH_DIGITS: usize = 16;

/// Whether traffic should come, in the words of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Wiring is not finished, or a configured dependency has never answered.
    Starting,
    Ready,
    /// A fault that work cannot survive: the store, audit at its limits, or a dependency that is required to be there.
    NotReady,
    ShuttingDown,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::NotReady => "not_ready",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

/// State of one dependency. `detail` words are public: no host names, addresses or upstream texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// Not configured.
    Off,
    NeverSeen,
    /// Something built in takes its place.
    Mock,
    Up {
        since: Timestamp,
    },
    Down {
        since: Timestamp,
        detail: &'static str,
    },
}

/// Handle shared by the composition root, background probes and the routes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Readiness {
    state: Arc<Mutex<State>>,
    heartbeat: Arc<Heartbeat>,
    metrics: Metrics,
}

#[derive(Debug)]
struct State {
    started: bool,
    draining: bool,
    /// Reason words of faults that stop work.
    faults: Vec<&'static str>,
    dependencies: [(Dependency, Health); 3],
    demands: ReadinessConfig,
    /// The audit trail, as its faults tell.
    audit: Health,
    /// Where workflows come from, and what knows how old they are.
    catalogue: Option<(&'static str, Arc<dyn Catalogue>)>,
    /// Hash of the active configuration, and whether what is on disk is rejected.
    config: Option<(String, bool)>,
}

impl State {
    fn phase(&self) -> Phase {
        match () {
            () if self.draining => Phase::ShuttingDown,
            () if !self.started || self.first(Demand::holds_the_start).is_some() => Phase::Starting,
            () if !self.faults.is_empty() || self.first(Demand::stops_work).is_some() => Phase::NotReady,
            () => Phase::Ready,
        }
    }

    fn reason(&self) -> Option<&'static str> {
        match self.phase() {
            Phase::Ready => None,
            Phase::ShuttingDown => Some("shutting_down"),
            Phase::NotReady => self.faults.first().copied().or_else(|| self.first(Demand::stops_work).map(unreachable)),
            Phase::Starting => {
                let awaited = self.first(Demand::holds_the_start).filter(|_| self.started);
                Some(awaited.map_or("starting", unreachable))
            }
        }
    }

    /// The first dependency whose demand and state are such.
    fn first(&self, is_such: fn(Demand, Health) -> bool) -> Option<Dependency> {
        self.dependencies.iter().find(|(name, health)| is_such(self.demands.of(*name), *health)).map(|(name, _)| *name)
    }

    /// What its faults say of the audit trail.
    fn judge_audit(&mut self) {
        let fault = self.faults.iter().find(|fault| fault.starts_with("audit_")).copied();
        let now = Timestamp::now();
        self.audit = match (self.audit, fault) {
            (Health::Down { since, .. }, Some(detail)) => Health::Down { since, detail },
            (_, Some(detail)) => Health::Down { since: now, detail },
            (Health::Down { .. }, None) => Health::Up { since: now },
            (known, None) => known,
        };
    }

    fn degraded(&self) -> Vec<&'static str> {
        let down = self.dependencies.iter().filter(|(name, health)| self.demands.of(*name).degrades(*health));
        down.map(|(name, _)| name.as_str()).collect()
    }
}

/// Reason word of a dependency that does not answer.
fn unreachable(dependency: Dependency) -> &'static str {
    match dependency {
        Dependency::DataStorage => "datastorage_unreachable",
        Dependency::Kubernetes => "kubernetes_unreachable",
        Dependency::Llm => "llm_unreachable",
    }
}

impl Readiness {
    /// Starting, with the dependencies that are configured; the others are `off`.
    pub fn new(configured: &[Dependency], metrics: Metrics) -> Self {
        let health = |dependency| if configured.contains(&dependency) { Health::NeverSeen } else { Health::Off };
        let dependencies = [Dependency::DataStorage, Dependency::Kubernetes, Dependency::Llm]
            .map(|dependency| (dependency, health(dependency)));
        let state = State {
            started: false,
            draining: false,
            faults: Vec::new(),
            dependencies,
            demands: ReadinessConfig::default(),
            audit: Health::Up { since: Timestamp::now() },
            catalogue: None,
            config: None,
        };
        Self { state: Arc::new(Mutex::new(state)), heartbeat: Arc::default(), metrics }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a fact and logs the change of phase, if it is one.
    fn change(&self, fact: impl FnOnce(&mut State)) {
        let (old, new, reason) = {
            let mut state = self.lock();
            let old = state.phase();
            fact(&mut state);
            (old, state.phase(), state.reason())
        };
        let (from, to) = (old.as_str(), new.as_str());
        match new {
            _ if old == new => {}
            Phase::Ready => info!(event = "readiness_changed", from, to, reason, "ready for work"),
            _ => warn!(event = "readiness_changed", from, to, reason, "not ready for work"),
        }
    }

    /// From now on the absence of dependencies means this.
    pub fn demand(&self, demands: ReadinessConfig) {
        self.change(|state| state.demands = demands);
    }

    /// Which configuration is active, a hash in hexadecimal digits, and whether what is on disk is rejected.
    pub fn tell_config(&self, hash: &str, rejected: bool) {
        let short = hash.get(..CONFIG_HASH_DIGITS).unwrap_or(hash).to_owned();
        self.lock().config = Some((short, rejected));
    }

    /// From now on the report tells how old the catalogue is. `source` is a word of the configuration.
    pub fn tell_catalogue(&self, source: &'static str, catalogue: Arc<dyn Catalogue>) {
        self.lock().catalogue = Some((source, catalogue));
    }

    /// The runtime schedules: told again and again by a task of its own.
    pub fn tick(&self) {
        self.heartbeat.tick();
    }

    /// Whether the runtime schedules (operations §5.3).
    pub fn is_alive(&self) -> bool {
        self.heartbeat.is_alive()
    }

    /// Every part is wired.
    pub fn started(&self) {
        self.change(|state| state.started = true);
    }

    /// The service drains; nothing makes it ready again.
    pub fn shutting_down(&self) {
        self.metrics.shutting_down();
        self.change(|state| state.draining = true);
    }

    /// A dependency answered its probe.
    pub fn up(&self, dependency: Dependency) {
        self.metrics.dependency_up(dependency, true);
        self.set(dependency, |health| match health {
            Health::Off | Health::Mock | Health::Up { .. } => health,
            Health::NeverSeen | Health::Down { .. } => Health::Up { since: Timestamp::now() },
        });
    }

    /// Something built in takes the place of a dependency; it is always there.
    pub fn mocked(&self, dependency: Dependency) {
        self.metrics.dependency_up(dependency, true);
        self.set(dependency, |_| Health::Mock);
    }

    /// A dependency failed its probes. `detail` is a public word such as `timeout`.
    pub fn down(&self, dependency: Dependency, detail: &'static str) {
        self.metrics.dependency_up(dependency, false);
        self.set(dependency, |health| match health {
            Health::Off | Health::Mock | Health::NeverSeen => health,
            Health::Up { .. } => Health::Down { since: Timestamp::now(), detail },
            Health::Down { since, .. } => Health::Down { since, detail },
        });
    }

    fn set(&self, dependency: Dependency, next: impl FnOnce(Health) -> Health) {
        self.change(|state| {
            if let Some((_, health)) = state.dependencies.iter_mut().find(|(name, _)| *name == dependency) {
                *health = next(*health);
            }
        });
    }

    /// A fault stops work until [`Self::mended`]: `store_unavailable`, `audit_unavailable`.
    pub fn broken(&self, reason: &'static str) {
        self.change(|state| {
            if !state.faults.contains(&reason) {
                state.faults.push(reason);
                state.judge_audit();
            }
        });
    }

    /// The fault is gone.
    pub fn mended(&self, reason: &'static str) {
        self.change(|state| {
            state.faults.retain(|fault| *fault != reason);
            state.judge_audit();
        });
    }

    pub fn phase(&self) -> Phase {
        self.lock().phase()
    }

    /// Word for why the phase is not `ready`.
    pub fn reason(&self) -> Option<&'static str> {
        self.lock().reason()
    }

    /// Body of `GET /ready`.
    pub fn report(&self) -> Value {
        let state = self.lock();
        let phase = state.phase();
        let version = Build::CURRENT.version;
        if phase == Phase::ShuttingDown {
            return json!({ "status": phase, "reason": "Service is gracefully shutting down", "version": version });
        }
        let constants = CONSTANT_CHECKS.iter().map(|name| ((*name).to_owned(), json!({ "status": "up" })));
        let told = |(name, health): &(Dependency, Health)| shown(state.demands.of(*name).shown(*health));
        let real = state.dependencies.iter().map(|entry| (entry.0.as_str().to_owned(), told(entry)));
        let audit = ("audit".to_owned(), shown(state.audit));
        let dependencies: Map<String, Value> = constants.chain(real).chain([audit]).collect();
        let mut report = json!({
            "status": phase, "dependencies": dependencies, "degraded": state.degraded(), "version": version,
        });
        if let (Some(reason), Some(report)) = (state.reason(), report.as_object_mut()) {
            report.insert("reason".to_owned(), reason.into());
        }
        if let (Some((source, catalogue)), Some(report)) = (&state.catalogue, report.as_object_mut()) {
            let age_seconds = catalogue.age().map(|age| age.as_secs());
            report.insert("catalogue".to_owned(), json!({ "source": source, "age_seconds": age_seconds }));
        }
        if let (Some((hash, rejected)), Some(report)) = (&state.config, report.as_object_mut()) {
            report.insert("config".to_owned(), json!({ "hash": hash, "rejected": rejected }));
        }
        report
    }
}

fn shown(health: Health) -> Value {
    match health {
        Health::Off => json!({ "status": "off" }),
        Health::Mock => json!({ "status": "mock" }),
        Health::NeverSeen => json!({ "status": "down", "detail": "never_reached" }),
        Health::Up { since } => json!({ "status": "up", "since": format!("{since:.0}") }),
        Health::Down { since, detail } => json!({ "status": "down", "since": format!("{since:.0}"), "detail": detail }),
    }
}

#[cfg(test)]
mod tests;
