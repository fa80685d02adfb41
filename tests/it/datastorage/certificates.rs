//! Certificates (auth §1.3): a private authority, its replacement under a running client, and who we are by certificate. Every
//! call goes through the one stack.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use axum::serve::Listener;
use axum::{Json, Router};
use holmesgpt_api::datastorage::{
    CallError, DataStorage, DataStorageBuildError, DataStorageConfig, Delivery, EventWindow, HistoryQuestion,
};
use holmesgpt_api::telemetry::Metrics;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::QUICK;
use super::identity::context;
use crate::process::root;

fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/tls").join(name)
}

/// Takes only connections whose handshake succeeds.
struct Guarded {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Guarded {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A server with this certificate; its address. `clients` names the authority of the callers it lets in.
async fn server(name: &str, clients: Option<&str>) -> String {
    let certificates = |file: &str| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(fixture(file)).unwrap().map(Result::unwrap).collect()
    };
    let key = PrivateKeyDer::from_pem_file(fixture(&format!("{name}.key"))).unwrap();
    let builder = ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(&format!("{authority}.pem")));
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
        }
    };
    let config = builder.with_single_cert(certificates(&format!("{name}.pem")), key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(|method: Method| async move {
        let status = if method == Method::POST { StatusCode::CREATED } else { StatusCode::OK };
        (status, Json(json!({}))).into_response()
    });
    let guarded = Guarded { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
    tokio::spawn(async move { axum::serve(guarded, router).await.unwrap() });
    address
}

struct Caller {
    config: DataStorageConfig,
    folder: tempfile::TempDir,
}

impl Caller {
    /// Who trusts the authority of this file, copied so that it can be replaced.
    fn trusting(url: &str, authority: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "token").unwrap();
        let config = DataStorageConfig {
            url: url.to_owned(),
            token_path: folder.path().join("token"),
            ca_file: Some(folder.path().join("ca.pem")),
            times: QUICK,
            ..DataStorageConfig::default()
        };
        let caller = Self { config, folder };
        caller.trust(&std::fs::read(fixture(authority)).unwrap());
        caller
    }

    fn trust(&self, pem: &[u8]) {
        std::fs::write(self.folder.path().join("ca.pem"), pem).unwrap();
    }

    fn client(&self) -> Result<DataStorage, DataStorageBuildError> {
        DataStorage::build(&self.config, Metrics::build().unwrap())
    }
}

/// Whether each kind of call reaches the server.
async fn calls(client: &DataStorage) -> Vec<bool> {
    let window = EventWindow {
        correlation_id: "rr-1".to_owned(),
        since: "2026-04-07T10:15:02Z".parse().unwrap(),
        until: "2026-04-07T10:15:30Z".parse().unwrap(),
    };
    let target =
        HistoryQuestion { kind: "Pod", name: "p", namespace: Some("shop"), spec_hash: "sha256:1", waits: None };
    let is_refused = |error: &CallError| matches!(error, CallError::NotSent(_));
    vec![
        client.post_events(&["{}"]).await == Delivery::Stored,
        !client.stored_event_ids(&window).await.as_ref().is_err_and(is_refused),
        !client.action_types(&context(), 0).await.as_ref().is_err_and(is_refused),
        !client.workflow(uuid::Uuid::nil(), None).await.as_ref().is_err_and(is_refused),
        !client.remediation_history(&target).await.as_ref().is_err_and(is_refused),
        !client.probe().await.as_ref().is_err_and(is_refused),
    ]
}

#[tokio::test]
async fn every_call_trusts_the_named_authority_and_no_other() {
    let url = server("server-first", None).await;
    let (known, unknown) = (Caller::trusting(&url, "ca-first.pem"), Caller::trusting(&url, "ca-second.pem"));
    assert_eq!(calls(&known.client().unwrap()).await, [true; 6]);
    assert_eq!(calls(&unknown.client().unwrap()).await, [false; 6]);
    let mut beside = Caller::trusting(&url, "ca-first.pem");
    beside.config.system_roots = Some(true);
    assert_eq!(calls(&beside.client().unwrap()).await, [true; 6], "beside the system's");
}

#[tokio::test]
async fn a_new_authority_is_taken_and_a_broken_file_keeps_the_old_one() {
    let (first, second) = (server("server-first", None).await, server("server-second", None).await);
    let caller = Caller::trusting(&first, "ca-second.pem");
    let client = caller.client().unwrap();
    let is_reached = async |client: &DataStorage| client.action_types(&context(), 0).await.is_ok();
    assert!(!is_reached(&client).await);
    caller.trust(&std::fs::read(fixture("ca-first.pem")).unwrap());
    client.reload_certificates();
    assert!(is_reached(&client).await);
    for broken in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        caller.trust(broken.as_bytes());
        client.reload_certificates();
        assert!(is_reached(&client).await, "{broken:?}");
    }
    std::fs::remove_file(caller.folder.path().join("ca.pem")).unwrap();
    client.reload_certificates();
    assert!(is_reached(&client).await, "a missing file");
    // Authorities that overlap while one replaces the other.
    let both = ["ca-second.pem", "ca-first.pem"].map(|name| std::fs::read(fixture(name)).unwrap()).concat();
    let moved = Caller::trusting(&second, "ca-first.pem");
    let client = moved.client().unwrap();
    assert!(!is_reached(&client).await);
    moved.trust(&both);
    client.reload_certificates();
    assert!(is_reached(&client).await);
}

#[tokio::test]
async fn another_authority_is_named_and_a_broken_one_is_not_adopted() {
    let url = server("server-first", None).await;
    let caller = Caller::trusting(&url, "ca-second.pem");
    let client = caller.client().unwrap();
    let is_reached = async || client.action_types(&context(), 0).await.is_ok();
    assert!(!is_reached().await);
    let named = |file: PathBuf| DataStorageConfig { ca_file: Some(file), ..caller.config.clone() };
    client.adopt(client.prepare(&named(fixture("ca-first.pem"))).unwrap());
    assert!(is_reached().await);
    let broken = caller.folder.path().join("broken.pem");
    std::fs::write(&broken, "nonsense").unwrap();
    assert!(client.prepare(&named(broken)).is_err());
    assert!(client.prepare(&named("/nowhere/ca.pem".into())).is_err());
    // The file of the earlier configuration is not looked at any more.
    client.reload_certificates();
    assert!(is_reached().await);
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_it() {
    let url = server("server-first", Some("ca-first")).await;
    let mut caller = Caller::trusting(&url, "ca-first.pem");
    assert!(caller.client().unwrap().action_types(&context(), 0).await.is_err());
    caller.config.client_cert = Some(fixture("client.pem"));
    caller.config.client_key = Some(fixture("client.key"));
    assert_eq!(calls(&caller.client().unwrap()).await, [true; 6]);
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let caller = Caller::trusting("https://localhost", "ca-first.pem");
    let told = |change: &dyn Fn(&mut DataStorageConfig)| {
        let mut config = caller.config.clone();
        change(&mut config);
        DataStorage::build(&config, Metrics::build().unwrap()).unwrap_err().to_string()
    };
    let path = |name: &str| Some(Path::new(name).to_owned());
    let missing = told(&|config| config.ca_file = path("/missing/ca.pem"));
    assert!(missing.starts_with("data_storage.ca_file /missing/ca.pem: "), "{missing}");
    let empty = told(&|config| config.ca_file = Some(fixture("README.md")));
    assert!(empty.starts_with("data_storage.ca_file: "), "{empty}");
    let no_key = told(&|config| {
        config.client_cert = Some(fixture("client.pem"));
        config.client_key = Some(fixture("README.md"));
    });
    assert!(no_key.starts_with("data_storage.client_cert: "), "{no_key}");
    assert!(told(&|config| config.health_url = Some("nowhere".to_owned())).contains("data_storage.health_url"));
}
