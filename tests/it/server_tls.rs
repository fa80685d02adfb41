//! The API port speaks TLS: versions, renewal, drain, and clients that do something else. The files under `server_tls/pairs`
//! are for these tests only: EC keys, valid for a hundred years, made with `openssl req` and `openssl x509`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holmesgpt_api::api::{Certificates, Look, ServeConfig, ServerConfig, TlsProfile};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::process::{Service, holmesgpt, root};
use crate::reload::Volume;
use crate::service::{Setup, TOKEN, TestService};

fn file(name: &str) -> PathBuf {
    root().join("tests/it/server_tls/pairs").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

/// Certificate and key as the two files of a Secret.
fn put(folder: &Path, certificate: &str, key: &str) {
    std::fs::copy(file(certificate), folder.join("tls.crt")).unwrap();
    std::fs::copy(file(key), folder.join("tls.key")).unwrap();
}

fn certificates(folder: &Path, profile: TlsProfile) -> Certificates {
    put(folder, "first.pem", "first.key");
    Certificates::open(folder, profile).unwrap()
}

async fn service(folder: &Path, serve: impl FnOnce(&mut ServeConfig)) -> TestService {
    let mut setup = Setup { certificates: Some(certificates(folder, TlsProfile::Intermediate)), ..Setup::default() };
    serve(&mut setup.serve);
    TestService::with(setup).await
}

/// A client that trusts the tests' authority and speaks these versions.
fn client(versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> TlsConnector {
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(authorities).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn connect(address: &str, client: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    client.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

fn pem(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file(name)).unwrap()
}

/// Sends a request and reads one answer to its end; the connection stays open.
async fn ask(stream: &mut TlsStream<TcpStream>, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let length = stream.read(&mut buffer).await.unwrap();
        answer.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&answer).into_owned();
        if length == 0 || text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('}')) {
            return text;
        }
    }
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn versions_and_protocols_are_as_the_profile_says() {
    for (profile, has_12) in [(TlsProfile::Old, true), (TlsProfile::Intermediate, true), (TlsProfile::Modern, false)] {
        let folder = TempDir::new().unwrap();
        let setup = Setup { certificates: Some(certificates(folder.path(), profile)), ..Setup::default() };
        let service = TestService::with(setup).await;
        let address = service.address.to_string();
        for (version, is_spoken) in [(&TLS12, has_12), (&TLS13, true)] {
            let connected = connect(&address, &client(&[version], &["h2", "http/1.1"])).await;
            assert_eq!(connected.is_ok(), is_spoken, "{profile:?} {version:?}: {:?}", connected.err());
            let protocol = connected.ok().map(|stream| stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec));
            assert_eq!(protocol, is_spoken.then(|| Some(b"h2".to_vec())), "{profile:?} {version:?}");
        }
        for protocols in [&["http/1.1"][..], &[]] {
            let mut stream = connect(&address, &client(&[&TLS13], protocols)).await.unwrap();
            assert!(ask(&mut stream, HEALTH).await.starts_with("HTTP/1.1 200 OK"), "{protocols:?}");
        }
        service.stop().await;
    }
}

#[tokio::test]
async fn another_pair_counts_for_the_next_handshake_and_a_broken_one_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let pair = certificates(folder.path(), TlsProfile::Intermediate);
    let service = TestService::with(Setup { certificates: Some(pair.clone()), ..Setup::default() }).await;
    let (address, client) = (service.address.to_string(), client(&[&TLS13], &[]));
    let mut early = connect(&address, &client).await.unwrap();
    assert_eq!((shown(&early), pair.look().0), (pem("first.pem"), Look::Unchanged));

    put(folder.path(), "second.pem", "second.key");
    let (look, hash) = pair.look();
    assert!(matches!(&look, Look::Applied { previous } if *previous != hash), "{look:?}");
    assert_eq!(pair.fingerprint(), hash);
    assert_eq!(shown(&connect(&address, &client).await.unwrap()), pem("second.pem"));
    assert!(ask(&mut early, HEALTH).await.contains("200 OK"), "an open connection goes on");

    let broken = [
        ("tls.key", Some(text("first.key")), "cannot be used together"),
        ("tls.key", Some("no key".to_owned()), "tls.key holds no private key in PEM form"),
        ("tls.crt", Some(text("ca.pem").replace("MII", "AAA")), "cannot be used together"),
        ("tls.crt", Some(text("first.key")), "tls.crt holds no certificate in PEM form"),
        ("tls.crt", Some("x".repeat(1024 * 1024 + 1)), "tls.crt cannot be read"),
        ("tls.crt", None, "tls.crt cannot be read"),
    ];
    for (name, content, told) in broken {
        put(folder.path(), "second.pem", "second.key");
        let path = folder.path().join(name);
        match content {
            Some(text) => std::fs::write(path, text).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
        let Look::Rejected(error) = pair.look().0 else { panic!("accepted: {told}") };
        assert!(error.to_string().contains(told), "{error}");
        assert!(Certificates::open(folder.path(), TlsProfile::Modern).is_err(), "a start is refused");
        assert_eq!(shown(&connect(&address, &client).await.unwrap()), pem("second.pem"), "{told}");
    }
    put(folder.path(), "second.pem", "second.key");
    assert_eq!(pair.look(), (Look::Unchanged, hash));
    service.stop().await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_and_a_half_done_handshake_holds_up_nobody() {
    let folder = TempDir::new().unwrap();
    let service = service(folder.path(), |serve| {
        (serve.drain_timeout, serve.header_timeout) = (Duration::from_secs(60), Duration::from_secs(60));
    })
    .await;
    let address = service.address.to_string();
    let mut half_done = TcpStream::connect(&address).await.unwrap();
    half_done.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    let silent = TcpStream::connect(&address).await.unwrap();

    let body = std::fs::read_to_string(root().join("examples/oom-cart-api/incident.json")).unwrap();
    let head = format!(
        "POST /api/v1/incident/analyze HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut asking = connect(&address, &client(&[&TLS13], &["http/1.1"])).await.unwrap();
    asking.write_all(head.as_bytes()).await.unwrap();
    let (first, rest) = body.split_at(10);
    asking.write_all(first.as_bytes()).await.unwrap();
    // The head is read before the drain begins.
    tokio::time::sleep(Duration::from_millis(300)).await;

    let began = Instant::now();
    let stopped = tokio::spawn(service.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = ask(&mut asking, rest).await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted"), "{answer}");
    assert_eq!(asking.read(&mut [0; 8]).await.unwrap(), 0, "ends with a farewell of TLS, not with a cut");
    stopped.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    drop((half_done, silent));
}

#[tokio::test]
async fn whoever_does_not_end_a_handshake_is_sent_away_and_keeps_nobody_out() {
    let folder = TempDir::new().unwrap();
    let service = service(folder.path(), |serve| {
        (serve.connections_max, serve.header_timeout) = (4, Duration::from_millis(300));
    })
    .await;
    let address = service.address.to_string();
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    let mut stream = connect(&address, &client(&[&TLS13], &["http/1.1"])).await.unwrap();
    assert!(ask(&mut stream, HEALTH).await.contains("200 OK"));
    for mut stream in silent {
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    }
    service.stop().await;
}

#[tokio::test]
async fn whoever_speaks_plain_http_is_told_and_nonsense_ends() {
    let folder = TempDir::new().unwrap();
    let service = service(folder.path(), |_| {}).await;
    let large = format!("POST / HTTP/1.1\r\ncontent-length: 100000\r\n\r\n{}", "x".repeat(100_000));
    for request in [HEALTH, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &large] {
        let answer = service.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(body.contains("speaks TLS") && head.contains(&format!("content-length: {}", body.len())), "{answer}");
    }
    // An alert of TLS, or nothing.
    for nonsense in [&[0x16, 0x03, 0x01, 0xff, 0xff][..], &[0; 64], b"\x15\x03\x03\x00\x02\x02\x28"] {
        let mut stream = service.connect().await;
        stream.write_all(nonsense).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
    }
    service.stop().await;
}

/// The address of a door of its own, from the record that tells it.
fn door(service: &Service, name: &str) -> String {
    let record = service.early.iter().find(|record| record["event"] == "probes_served").unwrap();
    record[name].as_str().unwrap().to_owned()
}

async fn plain(address: &str, path: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(format!("http://{address}{path}")).send().await.unwrap().text().await.unwrap()
}

fn secret(name: &str) -> [(&'static str, String); 2] {
    [("tls.crt", text(&format!("{name}.pem"))), ("tls.key", text(&format!("{name}.key")))]
}

fn listed<'a>(files: &'a [(&str, String); 2]) -> Vec<(&'a str, &'a str)> {
    files.iter().map(|(name, text)| (*name, text.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_service_takes_a_renewed_secret() {
    let home = TempDir::new().unwrap();
    let (first, second) = (secret("first"), secret("second"));
    let mut volume = Volume::mount(home.path().join("certificates"), &listed(&first));
    let config = home.path().join("config.yaml");
    let bundle = root().join("examples/oom-cart-api/bundle");
    std::fs::write(
        &config,
        format!(
            "auth: {{mode: token}}\ncluster: {{source: bundle, bundle: {}}}\ncatalogue: {{source: directory}}\n\
             audit: {{sink: local}}\nshutdown: {{endpoint_delay_seconds: 0}}\nreload: {{poll_seconds: 0.05}}\n\
             server: {{tls: {{cert_dir: certificates}}, tls_profile: Old, health_addr: '127.0.0.1:0', \
             metrics_addr: '127.0.0.1:0'}}\n",
            bundle.display()
        ),
    )
    .unwrap();
    let mut command = holmesgpt();
    command.args(["serve", "--port", "0", "--config"]).arg(&config).arg("--state-dir").arg(home.path().join("state"));
    let service = Service::started(command);
    assert_eq!(service.early.last().unwrap()["tls"], true);
    let notice = service.early.iter().find(|record| record["event"] == "config_notice").unwrap();
    assert!(notice["notice"].as_str().unwrap().contains("server.tls_profile is `Old`"), "{notice}");

    let client = client(&[&TLS13], &["http/1.1"]);
    assert_eq!(shown(&connect(&service.address, &client).await.unwrap()), pem("first.pem"));
    let health: Value = serde_json::from_str(&plain(&door(&service, "health"), "/health").await).unwrap();
    assert_eq!(health["status"], "healthy");

    volume.swap(&listed(&second));
    let renewed = service.wait_for("tls_certificate_renewed");
    assert_ne!(renewed["hash"], renewed["previous_hash"]);
    assert_eq!(shown(&connect(&service.address, &client).await.unwrap()), pem("second.pem"));

    volume.swap(&[("tls.crt", &second[0].1), ("tls.key", "nothing")]);
    let rejected = service.wait_for("tls_certificate_rejected");
    assert!(rejected["problem"].as_str().unwrap().contains("tls.key holds no private key"), "{rejected}");
    assert_eq!(rejected["active_hash"], renewed["hash"]);
    assert_eq!(shown(&connect(&service.address, &client).await.unwrap()), pem("second.pem"));
    let metrics = door(&service, "metrics");
    let counted = plain(&metrics, "/metrics").await;
    for series in [
        r#"aiagent_api_config_reload_total{result="applied",source="tls"} 1"#,
        r#"aiagent_api_config_reload_errors_total{reason="parse",source="tls"} 1"#,
        r#"aiagent_api_config_rejected{source="tls"} 1"#,
    ] {
        assert!(counted.contains(series), "{series}");
    }
    volume.swap(&listed(&second));
    let agreed = r#"aiagent_api_config_rejected{source="tls"} 0"#;
    while !plain(&metrics, "/metrics").await.contains(agreed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    service.terminate();
    assert_eq!(service.exit().code(), Some(0));
}

#[test]
fn a_folder_without_a_pair_is_refused_before_anything_is_served() {
    let home = TempDir::new().unwrap();
    let config = home.path().join("config.yaml");
    std::fs::write(
        &config,
        "auth: {mode: token}\ncatalogue: {source: directory}\naudit: {sink: local}\nserver: {tls: {cert_dir: here}}\n",
    )
    .unwrap();
    for command in [&["serve", "--port", "0"][..], &["check-config"]] {
        let output = holmesgpt().args(command).arg("--config").arg(&config).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{told}");
        assert!(told.contains("server.tls.cert_dir: ") && told.contains("here/tls.crt cannot be read"), "{told}");
    }
    let defaults = ServerConfig::default();
    assert_eq!(json!(defaults)["tls_profile"], "Intermediate");
}
