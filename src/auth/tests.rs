//! Token-file mode from the outside: a file, requests, outcomes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::auth::token_file::FILE_BYTES_MAX;

struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
        self.chmod(0o600);
    }

    fn chmod(&self, mode: u32) {
        fs::set_permissions(self.path(), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Reads the file again at every request.
    fn open(&self) -> Authenticator {
        let file = TokenFile::open(self.path(), Duration::ZERO).unwrap();
        authenticator(file)
    }

    fn error(&self) -> String {
        let error = TokenFile::open(self.path(), Duration::ZERO).unwrap_err();
        error.to_string().replace(self.path().to_str().unwrap(), "FILE")
    }
}

async fn check(authenticator: &Authenticator, token: &str) -> Result<String, Refusal> {
    let header = format!("Bearer {token}");
    let attempt = Attempt { method: "GET", path: "/config", authorization: &[header.as_bytes()], source_ip: "" };
    authenticator.check(attempt).await.map(|caller| caller.user)
}

fn authenticator(file: TokenFile) -> Authenticator {
    Authenticator { mode: Mode::TokenFile(file), settings: Setting::default(), metrics: Metrics::build().unwrap() }
}

#[tokio::test]
async fn listed_callers_are_let_in() {
    let fixture = Fixture::new();
    fixture.write("# people\n\nalice:aaaa\n  bob : bbbb== \nsystem:serviceaccount:ops:bot:cccc\nalice:a-second-one\n");
    let authenticator = fixture.open();
    for (token, user) in
        [("aaaa", "alice"), ("bbbb==", "bob"), ("cccc", "system:serviceaccount:ops:bot"), ("a-second-one", "alice")]
    {
        assert_eq!(check(&authenticator, token).await.as_deref(), Ok(user));
    }
    for token in ["aaa", "aaaaa", "AAAA", "alice", "dddd"] {
        assert_eq!(check(&authenticator, token).await, Err(Refusal::NotAuthenticated), "{token}");
    }
    let text = authenticator.metrics.encode();
    assert!(text.contains(r#"auth_requests_total{result="allowed"} 4"#), "{text}");
    assert!(text.contains(r#"auth_requests_total{result="invalid_token"} 5"#));
}

#[tokio::test]
async fn a_changed_file_counts_from_the_next_reading() {
    let fixture = Fixture::new();
    fixture.write("alice:aaaa\n");
    let authenticator = fixture.open();
    assert_eq!(check(&authenticator, "aaaa").await.as_deref(), Ok("alice"));
    fixture.write("bob:bbbb\n");
    assert_eq!(check(&authenticator, "aaaa").await, Err(Refusal::NotAuthenticated));
    assert_eq!(check(&authenticator, "bbbb").await.as_deref(), Ok("bob"));
    fixture.write("half a li");
    assert_eq!(check(&authenticator, "bbbb").await.as_deref(), Ok("bob"), "a broken line keeps the last good list");
    fixture.write("");
    assert_eq!(check(&authenticator, "bbbb").await, Err(Refusal::NotAuthenticated), "an empty list lets nobody in");
}

#[tokio::test]
async fn an_exposed_or_missing_file_lets_nobody_in() {
    let fixture = Fixture::new();
    fixture.write("alice:aaaa\n");
    let authenticator = fixture.open();
    fixture.chmod(0o640);
    assert_eq!(check(&authenticator, "aaaa").await, Err(Refusal::AuthenticationUnavailable));
    fixture.chmod(0o400);
    assert_eq!(check(&authenticator, "aaaa").await.as_deref(), Ok("alice"));
    fs::remove_file(fixture.path()).unwrap();
    assert_eq!(check(&authenticator, "aaaa").await, Err(Refusal::AuthenticationUnavailable));
    assert!(!fixture.path().exists(), "only the start creates the file");
}

#[tokio::test]
async fn within_the_interval_the_file_is_not_read_again() {
    let fixture = Fixture::new();
    fixture.write("alice:aaaa\n");
    let file = TokenFile::open(fixture.path(), Duration::from_secs(3600)).unwrap();
    let authenticator = authenticator(file);
    fs::remove_file(fixture.path()).unwrap();
    assert_eq!(check(&authenticator, "aaaa").await.as_deref(), Ok("alice"));
}

#[tokio::test]
async fn a_missing_file_is_created_with_one_token() {
    let folder = tempfile::tempdir().unwrap();
    let state_dir = folder.path().join("state/holmesgpt-api");
    let config = AuthConfig { mode: AuthMode::Token, token_file: None, ..AuthConfig::default() };
    let open = || Authenticator::open_token_file(&config, &state_dir, Metrics::build().unwrap()).unwrap();
    let authenticator = open();
    let file = authenticator.token_file().unwrap();
    assert!(file.created());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file.path()), mode(&state_dir)), (0o600, 0o700));
    let text = fs::read_to_string(file.path()).unwrap();
    let token = text.lines().find_map(|line| line.strip_prefix("local:")).unwrap();
    assert_eq!(token.len(), 64);
    assert_eq!(check(&authenticator, token).await.as_deref(), Ok("local"));
    assert!(!format!("{authenticator:?}").contains(token));

    let again = open();
    assert!(!again.token_file().unwrap().created());
    assert_eq!(check(&again, token).await.as_deref(), Ok("local"), "the token stays");
    assert_eq!(fs::read_dir(&state_dir).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn what_is_wrong_with_a_file_is_said_without_quoting_it() {
    let fixture = Fixture::new();
    for (text, problem) in [
        ("alice:ok\nnonsense\n", "token file FILE, line 2: not `<user>:<token>`"),
        ("# x\n:aaaa\n", "token file FILE, line 2: no user before the colon"),
        ("alice:\n", "token file FILE, line 1: the token is empty or has characters a bearer token cannot have"),
        (
            "alice:two words\n",
            "token file FILE, line 1: the token is empty or has characters a bearer token cannot have",
        ),
        ("a:same\nb:same\n", "token file FILE, line 2: the token is already used on an earlier line"),
        ("# nobody\n", "token file FILE lists nobody: write a line `<user>:<token>`"),
    ] {
        fixture.write(text);
        assert_eq!(fixture.error(), problem);
    }
    fixture.write("alice:aaaa\n");
    fixture.chmod(0o644);
    assert_eq!(fixture.error(), "token file FILE may be read by others (mode 0644): run `chmod 0600 FILE`");
    fixture.write(&"#".repeat(usize::try_from(FILE_BYTES_MAX).unwrap() + 1));
    assert_eq!(fixture.error(), "token file FILE is larger than 1048576 bytes");
}

#[test]
fn refusals_say_what_clients_expect() {
    let denied = Refusal::Denied { user: "eve".into(), method: "POST".into(), path: "/api/v1/incident/analyze".into() };
    assert_eq!(denied.to_string(), "Insufficient RBAC permissions for POST /api/v1/incident/analyze");
}
