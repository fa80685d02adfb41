//! Who may call, and whether there is a door to knock at.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::Examination;
use super::report::{Area, Check};
use super::rows::{Finding, Rows, chain};
use crate::auth::{self, AuthMode, TokenFile};
use crate::config::Config;
use crate::store::StoreLocation;

/// How often a file that nobody keeps open would be read again.
const NEVER: std::time::Duration = std::time::Duration::MAX;

pub(super) async fn check(examination: &Examination, until: Instant) -> Vec<Check> {
    let config = &examination.config;
    let mut rows = Rows::of(Area::Callers, until);
    match config.auth.mode {
        AuthMode::Token => rows.note("token file", token_file(examination)),
        AuthMode::Kubernetes => rows.note("own namespace", namespace(config)),
    }
    rows.note("listener", listener(config));
    rows.into_checks()
}

/// The file that would be read; one that is missing is not made.
fn token_file(examination: &Examination) -> Finding {
    let state = match &examination.location {
        Ok(StoreLocation::File(path)) => path.parent().map(Path::to_path_buf),
        _ => None,
    };
    let configured = examination.config.auth.token_file.clone();
    let Some(path): Option<PathBuf> = configured.or_else(|| Some(state?.join(TokenFile::DEFAULT_NAME))) else {
        return Finding::failed("nobody knows where it is", "Name a file in auth.token_file.");
    };
    if std::fs::symlink_metadata(&path).is_err() {
        return Finding::ok(format!("{} will be made at the first start, with one token", path.display()));
    }
    match TokenFile::open(path, NEVER) {
        Ok(file) => Finding::ok(format!("{} names callers and only its owner may read it", file.path().display())),
        Err(error) => Finding::failed(
            chain(&error),
            "One `<user>:<token>` per line, mode 0600, owned by the user this service runs as.",
        ),
    }
}

fn namespace(config: &Config) -> Finding {
    match auth::namespace(config.auth.namespace.as_deref()) {
        Ok(namespace) => {
            Finding::ok(format!("callers need a right on services/{} in {namespace}", config.auth.resource_name))
        }
        Err(error) => Finding::failed(
            error.to_string(),
            "In a pod, mount the ServiceAccount or set POD_NAMESPACE; elsewhere set auth.namespace, or auth.mode: token.",
        ),
    }
}

/// Binds the address and lets it go again.
fn listener(config: &Config) -> Finding {
    let (host, port) = (config.host(), config.server.port);
    match TcpListener::bind((host.trim_matches(['[', ']']), port)) {
        Ok(_) => Finding::ok(format!("{host}:{port} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::warning(
            format!("{host}:{port} is in use"),
            "Fine when the service runs already; else choose another server.port, --port or API_PORT.",
        ),
        Err(error) => Finding::warning(
            format!("{host}:{port} cannot be listened on: {error}"),
            "Choose an address of this machine in server.host and a port above 1023.",
        ),
    }
}
