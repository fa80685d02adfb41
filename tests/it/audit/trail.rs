//! A trail over a real store, delivering to the stub with waits of milliseconds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holmesgpt_api::audit::{
    AuditConfig, AuditEvent, AuditSink, AuditSubject, AuditTrail, BackoffConfig, ConfirmConfig, Excerpt, Payload,
    SpoolConfig, SuspectConfig,
};
use holmesgpt_api::datastorage::{DataStorage, DataStorageConfig};
use holmesgpt_api::domain::ResourceRef;
use holmesgpt_api::store::{Access, AuditQuery, QuarantinedEvent, Store, StoreLocation, WaitingEvent};
use holmesgpt_api::telemetry::Metrics;
use tempfile::TempDir;

use crate::stubs::datastorage::{DataStorageStub, Stored};

/// A test that waits this long has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Every wait short.
pub(super) fn quick() -> AuditConfig {
    AuditConfig {
        sink: AuditSink::DataStorage,
        linger: millis(5),
        poll_interval: millis(50),
        confirm: ConfirmConfig {
            ambiguity_wait: millis(100),
            accepted_waits: Some([60, 80, 100].map(millis).to_vec()),
        },
        backoff: BackoffConfig { base: millis(10), ceiling: millis(80), forbidden: millis(20) },
        suspect: SuspectConfig { failures: 4, after: millis(50), retry: millis(300) },
        spool: SpoolConfig { reopen_interval: millis(50), ..SpoolConfig::default() },
        drain_timeout: Duration::from_secs(10),
        ..AuditConfig::default()
    }
}

/// One process's worth of trail.
pub(super) struct Trail {
    pub(super) audit: AuditTrail,
    pub(super) store: Store,
    pub(super) metrics: Metrics,
}

impl Trail {
    /// Recording only.
    pub(super) async fn open(directory: &Path, config: &AuditConfig) -> Self {
        let store = Store::open(&StoreLocation::in_directory(directory), Access::Serve).await.unwrap();
        let metrics = Metrics::build().unwrap();
        let audit = AuditTrail::open(config, store.clone(), metrics.clone()).await.unwrap();
        Self { audit, store, metrics }
    }

    pub(super) async fn deliver(directory: &Path, config: &AuditConfig, stub: &DataStorageStub) -> Self {
        let trail = Self::open(directory, config).await;
        trail.audit.deliver_to(trail.client(directory, stub));
        trail
    }

    pub(super) fn client(&self, directory: &Path, stub: &DataStorageStub) -> DataStorage {
        let config =
            DataStorageConfig { url: stub.url(), token_path: token(directory), ..DataStorageConfig::default() };
        DataStorage::build(&config, self.metrics.clone()).unwrap()
    }

    /// Records events of a correlation; their numbers are in their texts.
    pub(super) async fn record(&self, correlation_id: &str, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.audit.record(numbered(correlation_id, number)).await.unwrap();
        }
    }

    pub(super) async fn waiting(&self) -> Vec<WaitingEvent> {
        self.store.waiting_events(&AuditQuery::default()).await.unwrap()
    }

    pub(super) async fn quarantine(&self) -> Vec<QuarantinedEvent> {
        self.store.quarantined_events(&AuditQuery::default()).await.unwrap()
    }

    pub(super) async fn is_empty_within(&self, patience: Duration) {
        let deadline = tokio::time::Instant::now() + patience;
        while self.store.outbox_totals().await.unwrap().events > 0 {
            assert!(tokio::time::Instant::now() < deadline, "still waiting: {:?}", self.waiting().await);
            tokio::time::sleep(millis(5)).await;
        }
    }

    pub(super) fn metric(&self, series: &str) -> f64 {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no series {series}")).parse().unwrap()
    }

    /// Ends as a crash would: nothing is finished, nothing is closed in order. The lock is given back.
    pub(super) async fn crash(self) {
        self.audit.stop_delivery();
        self.store.close().await.unwrap();
    }

    pub(super) async fn close(self) -> u64 {
        let left = self.audit.drain().await;
        self.store.close().await.unwrap();
        left
    }
}

pub(super) fn token(directory: &Path) -> PathBuf {
    let path = directory.join("token");
    if !path.exists() {
        std::fs::write(&path, "first").unwrap();
    }
    path
}

pub(super) fn subject(correlation_id: &str) -> AuditSubject {
    AuditSubject {
        correlation_id: correlation_id.to_owned(),
        incident_id: "inc-42".to_owned(),
        resource: ResourceRef::namespaced("Deployment", "payments", "checkout"),
    }
}

pub(super) fn event(correlation_id: &str, payload: Payload) -> AuditEvent {
    AuditEvent { subject: subject(correlation_id), payload, duration: None }
}

pub(super) fn numbered(correlation_id: &str, number: usize) -> AuditEvent {
    saying(correlation_id, &format!("number {number}"))
}

pub(super) fn saying(correlation_id: &str, text: &str) -> AuditEvent {
    let payload = Payload::LlmRequest {
        model: "m-1".to_owned(),
        prompt: Excerpt::of(text),
        toolsets: Vec::new(),
        mcp_servers: Vec::new(),
        tokens_max: None,
    };
    event(correlation_id, payload)
}

/// The texts of what was stored, by correlation, in the order of storing.
pub(super) fn texts(stored: &[Stored]) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for stored in stored {
        let text = stored.event["event_data"]["prompt_preview"].as_str().unwrap_or_default().to_owned();
        found.entry(stored.correlation_id.clone()).or_default().push(text);
    }
    found
}

pub(super) fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("number {number}")).collect()
}

/// Acceptance test 11: within each correlation the order of storing is the order of time, each time once.
pub(super) fn assert_chain(stored: &[Stored]) {
    let mut last: BTreeMap<&str, jiff::Timestamp> = BTreeMap::new();
    for stored in stored {
        let at: jiff::Timestamp = stored.event["event_timestamp"].as_str().unwrap().parse().unwrap();
        if let Some(before) = last.insert(&stored.correlation_id, at) {
            assert!(before < at, "{}: {at} was stored behind {before}", stored.correlation_id);
        }
    }
}

pub(super) fn folder() -> TempDir {
    TempDir::new().unwrap()
}
