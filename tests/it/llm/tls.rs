//! Our certificate and the authority we trust, against a server that asks for the one and shows the other. The files under
//! `tls/` are for this test only: EC keys, valid for a hundred years, made with `openssl req` and `openssl x509`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use holmesgpt_api::llm::ErrorKind;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use super::replies::chat;
use super::{ask, seat};
use crate::process::root;

fn file(name: &str) -> PathBuf {
    root().join("tests/it/llm/tls").join(name)
}

/// Lets in who has a certificate of the authority.
fn configuration() -> Arc<ServerConfig> {
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(authorities)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    Arc::new(config)
}

/// Answers one request, if it comes to that.
fn answer(config: Arc<ServerConfig>, socket: TcpStream) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
    while !bytes.ends_with(b"}") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
    let body = chat("fine").to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// A server whose thread ends with the test's process.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let config = configuration();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // Who is not let in is the client's news.
            let _ = answer(Arc::clone(&config), socket);
        }
    });
    address
}

#[tokio::test]
async fn who_shows_a_certificate_and_trusts_the_authority_is_let_in() {
    let address = serve();
    let whole =
        json!({"tls_ca_file": file("ca.pem"), "tls_cert_file": file("client.pem"), "tls_key_file": file("client.key")});
    let without_own = json!({"tls_ca_file": file("ca.pem")});
    for (files, is_let_in) in [(whole, true), (without_own, false), (json!({}), false)] {
        let mut members = json!({"provider": "openai_compatible", "endpoint": address, "max_retries": 0});
        members.as_object_mut().unwrap().extend(files.as_object().unwrap().clone());
        match ask(&seat(members, &[])).await {
            Ok(reply) => assert!(is_let_in && reply.message.text == "fine", "{files}"),
            Err(error) => assert!(!is_let_in && error.kind == ErrorKind::Network, "{files}: {error}"),
        }
    }
    // An authority more, beside the system's.
    let bundle = file("ca.pem").display().to_string();
    let members = json!({"provider": "openai_compatible", "endpoint": address, "max_retries": 0,
                         "tls_cert_file": file("client.pem"), "tls_key_file": file("client.key")});
    let reply = ask(&seat(members, &[("REQUESTS_CA_BUNDLE", &bundle)])).await.unwrap();
    assert_eq!(reply.message.text, "fine");
}
