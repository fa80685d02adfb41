//! Why a pull failed, read from the words of the kubelet, the container runtime and the registry.

use jiff::SignedDuration;

use crate::analyser::Observed;
use crate::analyser::pods::Container;
use crate::domain::Evidence;

/// Back-off repeats an event at least this often.
const RECENT: SignedDuration = SignedDuration::from_hours(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    NotFound,
    Credentials,
    Registry,
}

pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) evidence: Evidence,
}

/// What the container's status or the newest telling event of its pod says.
pub(super) fn of(observed: &Observed, container: &Container<'_>) -> Option<Refusal> {
    let has_secrets = container.pod.list_at("spec.imagePullSecrets").next().is_some();
    let waiting = container.waiting()?;
    if matches!(waiting.reason, "InvalidImageName" | "ErrImageNeverPull") {
        let evidence = container.status_evidence("state.waiting.message", "why it is not pulled");
        return Some(Refusal { reason: Reason::NotFound, evidence });
    }
    if let Some(reason) = classify(waiting.message, has_secrets) {
        let evidence = container.status_evidence("state.waiting.message", "what the registry answered");
        return Some(Refusal { reason, evidence });
    }
    let events = observed.events_about(&container.pod.reference());
    let telling = events
        .into_iter()
        .filter(|event| observed.is_recent(event.last_seen, RECENT) && event.message.contains(container.image()))
        .filter_map(|event| Some((event, classify(&event.message, has_secrets)?)));
    let (event, reason) = telling.max_by_key(|(event, _)| event.last_seen)?;
    Some(Refusal { reason, evidence: event.evidence("what the registry answered") })
}

/// `None` when the text tells no reason, as `Back-off pulling image` alone.
fn classify(message: &str, has_secrets: bool) -> Option<Reason> {
    const CREDENTIALS: &[&str] = &[
        "401 unauthorized",
        "403 forbidden",
        "unauthorized:",
        "authentication required",
        "authorization failed",
        "no basic auth credentials",
        "incorrect username or password",
        "denied:",
    ];
    const REGISTRY: &[&str] = &[
        "no such host",
        "i/o timeout",
        "connection refused",
        "connection reset",
        "no route to host",
        "network is unreachable",
        "tls handshake timeout",
        "context deadline exceeded",
        "x509:",
        "500 internal server error",
        "502 bad gateway",
        "503 service unavailable",
        "504 gateway",
        "too many requests",
        "toomanyrequests",
        "server misbehaving",
        "unexpected eof",
    ];
    const NOT_FOUND: &[&str] = &["not found", "manifest unknown", "name unknown", "no such image", "couldn't parse image"];
    let lower = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    // Docker Hub says the same of images that do not exist and of those that are private.
    if lower.contains("repository does not exist or may require") {
        return Some(if has_secrets { Reason::Credentials } else { Reason::NotFound });
    }
    if says(REGISTRY) {
        return Some(Reason::Registry);
    }
    if says(CREDENTIALS) {
        return Some(Reason::Credentials);
    }
    says(NOT_FOUND).then_some(Reason::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_runtimes_and_registries() {
        let cases = [
            (r#"failed to resolve reference "r.example/a:1": r.example/a:1: not found"#, Some(Reason::NotFound)),
            ("manifest for a:1 not found: manifest unknown: manifest unknown", Some(Reason::NotFound)),
            ("failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized", Some(Reason::Credentials)),
            ("pulling from host r.example failed with status code [manifests 1]: 403 Forbidden", Some(Reason::Credentials)),
            ("unauthorized: authentication required", Some(Reason::Credentials)),
            ("denied: requested access to the resource is denied", Some(Reason::Credentials)),
            ("no basic auth credentials", Some(Reason::Credentials)),
            ("pull access denied, repository does not exist or may require authorization", Some(Reason::NotFound)),
            ("dial tcp: lookup r.example on 10.96.0.10:53: no such host", Some(Reason::Registry)),
            ("dial tcp 10.0.0.9:443: i/o timeout", Some(Reason::Registry)),
            ("unexpected status code [manifests 1]: 503 Service Unavailable", Some(Reason::Registry)),
            ("toomanyrequests: You have reached your pull rate limit", Some(Reason::Registry)),
            ("tls: failed to verify certificate: x509: certificate signed by unknown authority", Some(Reason::Registry)),
            (r#"Back-off pulling image "r.example/a:1""#, None),
            ("", None),
        ];
        for (message, reason) in cases {
            assert_eq!(classify(message, false), reason, "{message}");
        }
        let private = "pull access denied for a, repository does not exist or may require 'docker login'";
        assert_eq!(classify(private, true), Some(Reason::Credentials));
    }
}
