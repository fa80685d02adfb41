//! The real router on a free port, over a temporary store, with scripted investigations.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holmesgpt_api::api::Modes;
use holmesgpt_api::api::incident::SeverityVocabulary;
use holmesgpt_api::api::{
    AppState, Certificates, CompatConfig, ConfigSummary, ConfigView, HttpConfig, Limits, LlmSummary, Readiness,
    ServeConfig, ServerConfig, ServerHandle, router, serve,
};
use holmesgpt_api::audit::{AuditConfig, AuditSink, AuditTrail, SecurityAudit};
use holmesgpt_api::auth::{ApiAccess, AuthConfig, AuthMode, Authenticator, SessionOwnership};
use holmesgpt_api::domain::{Engine, Incident, Investigation, RootCause, SelectedWorkflow, Severity};
use holmesgpt_api::metering::{BudgetConfig, Metering, PriceTable};
use holmesgpt_api::sessions::{Sessions, SessionsConfig, SessionsParts, Work};
use holmesgpt_api::settings::Setting;
use holmesgpt_api::store::{Access, Store, StoreLocation};
use holmesgpt_api::telemetry::Metrics;
use holmesgpt_api::telemetry::metrics::Dependency;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "correct-horse-battery-staple";
pub(crate) const USER: &str = "system:serviceaccount:kubernaut-system:aianalysis-controller";

/// Another caller that may do the same.
pub(crate) const OTHER_TOKEN: &str = "another-horse-battery-staple";
pub(crate) const OTHER_USER: &str = "system:serviceaccount:kubernaut-system:somebody-else";

/// What a test wants different.
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    pub(crate) http: HttpConfig,
    pub(crate) serve: ServeConfig,
    pub(crate) sessions: SessionsConfig,
    pub(crate) work: Work,
    /// Budget of one investigation.
    pub(crate) budget: Duration,
    pub(crate) modes: Modes,
    pub(crate) ownership: SessionOwnership,
    /// Where the state lives; a folder of its own unless a test starts the service again.
    pub(crate) folder: Option<Arc<TempDir>>,
    /// Dependencies that have not answered yet.
    pub(crate) unseen: Vec<Dependency>,
    pub(crate) audit: AuditConfig,
    pub(crate) prices: PriceTable,
    /// Of the day and of callers.
    pub(crate) budgets: BudgetConfig,
    /// Callers are reviewed by this API server and not read from a file.
    pub(crate) reviews: Option<(AuthConfig, PathBuf)>,
    /// The port speaks TLS.
    pub(crate) certificates: Option<Certificates>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            http: HttpConfig::default(),
            serve: ServeConfig {
                drain_timeout: Duration::from_millis(300),
                ..ServeConfig::from(&ServerConfig::default())
            },
            sessions: SessionsConfig::default(),
            work: Work::new(async |incident, _| Ok(finding_for(&incident))),
            budget: Duration::from_secs(60),
            modes: CompatConfig::default().modes(Duration::from_secs(20)),
            ownership: SessionOwnership::Off,
            folder: None,
            unseen: Vec::new(),
            audit: AuditConfig { sink: AuditSink::Local, ..AuditConfig::default() },
            prices: PriceTable::default(),
            budgets: BudgetConfig::default(),
            reviews: None,
            certificates: None,
        }
    }
}

pub(crate) struct TestService {
    pub(crate) address: SocketAddr,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: CancellationToken,
    pub(crate) sessions: Sessions,
    pub(crate) store: Store,
    pub(crate) folder: Arc<TempDir>,
    handle: ServerHandle,
    client: reqwest::Client,
}

impl TestService {
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let folder = setup.folder.unwrap_or_else(|| Arc::new(tempfile::tempdir().unwrap()));
        let metrics = Metrics::build().unwrap();
        let store = Store::open(&StoreLocation::in_directory(folder.path()), Access::Serve).await.unwrap();
        let audit = AuditTrail::open(&setup.audit, store.clone(), metrics.clone()).await.unwrap();
        let metering = Metering::open(setup.prices, setup.budgets, store.clone()).await.unwrap();
        let parts = SessionsParts {
            config: setup.sessions,
            timeout: setup.budget,
            store: store.clone(),
            audit: audit.clone(),
            metrics: metrics.clone(),
            metering,
            work: setup.work,
        };
        let sessions = Sessions::open(parts).await.unwrap();
        let readiness = Readiness::new(&setup.unseen, metrics.clone());
        readiness.started();
        let state = AppState {
            sessions: sessions.clone(),
            authenticator: match setup.reviews {
                None => authenticator(&folder, &metrics),
                Some((config, kubeconfig)) => {
                    let access = ApiAccess::Kubeconfig(kubeconfig);
                    Authenticator::build_kubernetes(&config, &access, metrics.clone()).await.unwrap()
                }
            },
            security: SecurityAudit::new(audit),
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            config: ConfigView::new(ConfigSummary {
                llm: LlmSummary::new(
                    Some("openai".into()),
                    Some("gpt-4o".into()),
                    Some("https://u:p@llm.example/v1?k=v"),
                ),
                ..ConfigSummary::default()
            }),
            limits: setup.limits,
            http: setup.http,
            severities: SeverityVocabulary::Auto,
            modes: Setting::new(setup.modes),
            ownership: setup.ownership,
            streams: Arc::new(Semaphore::new(setup.limits.streams_max)),
            quiet_probes: true,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shutdown = CancellationToken::new();
        let handle = serve(listener, router(state), setup.serve, setup.certificates, shutdown.clone()).unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let address = handle.address();
        Self { address, readiness, metrics, shutdown, sessions, store, folder, handle, client }
    }

    /// A request without a token.
    pub(crate) fn stranger(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// A request with a good token.
    pub(crate) fn caller(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.stranger(method, path).bearer_auth(TOKEN)
    }

    /// A request of another caller with a good token.
    pub(crate) fn other(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.stranger(method, path).bearer_auth(OTHER_TOKEN)
    }

    /// POST of JSON with a good token.
    pub(crate) fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.caller("POST", path).header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.caller("GET", path)).await
    }

    pub(crate) async fn analyze(&self, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.caller("POST", "/api/v1/incident/analyze");
        Answer::of(request.header("content-type", "application/json").body(body)).await
    }

    /// A raw connection, for what a decent client does not do.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is fine, the answer is what counts.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Tells the server to stop and waits until it has.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.handle.closed().await;
    }
}

fn authenticator(folder: &TempDir, metrics: &Metrics) -> Authenticator {
    let path = folder.path().join("tokens");
    std::fs::write(&path, format!("{USER}:{TOKEN}\n{OTHER_USER}:{OTHER_TOKEN}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = AuthConfig { mode: AuthMode::Token, token_file: Some(path), ..AuthConfig::default() };
    Authenticator::open_token_file(&config, folder.path(), metrics.clone()).unwrap()
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Checks that this is a complete problem document and returns the end of its type and its detail.
    pub(crate) fn problem(&self) -> (String, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}")).to_owned();
        assert_eq!(body["status"], self.status);
        assert_eq!(text("request_id"), self.header("x-request-id"));
        assert!(!text("title").is_empty() && text("instance").starts_with('/'));
        let kind = text("type");
        let suffix = kind.strip_prefix("https://kubernaut.ai/problems/").unwrap_or_else(|| panic!("{kind}"));
        (suffix.to_owned(), text("detail"))
    }
}

/// A small but complete result.
pub(crate) fn finding_for(incident: &Incident) -> Investigation {
    Investigation {
        incident_id: incident.incident_id.clone(),
        analysis: "The limit is too low.".into(),
        root_cause: RootCause {
            summary: "Limit too low".into(),
            severity: Severity::High,
            signal_name: Some(incident.signal_name.clone()),
            cause_class: None,
            contributing_factors: vec!["limits.memory=256Mi".into()],
            target: Some(incident.resource.clone()),
            causal_chain: vec![],
            due_diligence: Default::default(),
            evidence: vec![],
        },
        selected_workflow: Some(SelectedWorkflow {
            workflow_id: "0f6a5a0c-1c39-4f2a-9c55-3d5d0b8f7a21".into(),
            workflow_name: "memory-bump".into(),
            action_type: "IncreaseMemoryLimits".into(),
            version: "1.0.0".into(),
            execution_bundle: None,
            execution_bundle_digest: None,
            execution_engine: "tekton".into(),
            service_account_name: None,
            engine_config: None,
            confidence: 0.9,
            rationale: "Matches".into(),
            parameters: serde_json::Map::new(),
        }),
        confidence: 0.9,
        completed_at: jiff::Timestamp::now(),
        review: None,
        actionable: None,
        warnings: vec![],
        alternatives: vec![],
        validation_attempts: vec![],
        engine: Engine::Analyser { because: None },
        excluded: vec![],
        not_checked: vec![],
        detected_labels: None,
        confidence_basis: None,
    }
}
