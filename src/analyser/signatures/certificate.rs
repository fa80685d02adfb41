//! TLS certificates that have expired, or will while nobody renews them.

mod validity;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::analyser::draft::{draft, field_evidence, parameters, pods_and_owners};
use crate::analyser::pods::{ago, duration_text};
use crate::analyser::routing::is_live;
use crate::analyser::{Observed, Signature};
use crate::domain::object::text;
use crate::domain::{CauseClass, Evidence, Finding, Object};
use validity::Validity;

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "certificate_expired",
    title: "A TLS certificate has expired, or is about to and its renewal fails",
    detect,
}];

/// A certificate whose renewal fails is reported this long before its end.
const WARNING_TIME: SignedDuration = SignedDuration::from_hours(72);
/// Complaints in logs older than this say nothing about now.
const RECENT: SignedDuration = SignedDuration::from_hours(1);
/// Most clients quoted.
const CLIENTS_SHOWN: usize = 2;

fn detect(observed: &Observed) -> Vec<Finding> {
    let secrets = observed.of_kind("Secret").filter(|secret| secret.str_at("type") == Some("kubernetes.io/tls"));
    secrets.filter_map(|secret| finding(observed, secret)).collect()
}

fn finding(observed: &Observed, secret: &Object) -> Option<Finding> {
    let certificate = managing(observed, secret);
    let read = Validity::of_secret(secret);
    let stated = || certificate?.time_at("status.notAfter");
    let not_after = read.as_ref().map(|validity| validity.not_after).or_else(stated)?;
    let left = not_after.duration_since(observed.now);
    let is_over = left.is_negative();
    let failing = certificate.filter(|certificate| certificate.condition_status("Ready") == Some("False"));
    if !is_over && (failing.is_none() || left > WARNING_TIME) {
        return None;
    }
    let users = users(observed, secret);
    let complaints = complaints(observed);
    let target = certificate.unwrap_or(secret).reference();
    let when = if is_over {
        format!("expired {}", ago(observed, Some(not_after)))
    } else {
        format!("expires in {} and is not renewed", duration_text(left))
    };
    let what = format!("the certificate in {} {when}", secret.reference());
    let mut affects = pods_and_owners(observed, users.iter().copied());
    if is_over {
        affects.extend(pods_and_owners(observed, complaints.iter().map(|complaint| complaint.client)));
    }
    let mut evidence = vec![expiry(secret, certificate, read.as_ref(), not_after)];
    evidence.extend(failing.into_iter().flat_map(renewal));
    evidence.extend(complaints.iter().take(CLIENTS_SHOWN).map(|complaint| complaint.evidence.clone()));
    let renewal = failing.map_or(String::new(), |certificate| format!("; {} is not renewed", certificate.reference()));
    let mut chain = vec![format!("{what}{renewal}")];
    if is_over {
        chain.push("clients that verify it refuse the connection".to_owned());
    }
    Some(Finding {
        summary: format!("{}{}{renewal}", what.get(..1).unwrap_or_default().to_uppercase(), what.get(1..).unwrap_or_default()),
        affects,
        action_type: Some("RenewCertificate".to_owned()),
        parameters: parameters([("CERTIFICATE_SECRET_NAME", json!(secret.name()))]),
        causal_chain: chain,
        evidence,
        strength: match (is_over, complaints.is_empty()) {
            (true, false) => 0.95,
            (true, true) => 0.8,
            (false, _) => 0.6,
        },
        ..draft("certificate_expired", CauseClass::CertificateExpired, &secret.reference(), target)
    })
}

/// The cert-manager Certificate that keeps the Secret.
fn managing<'a>(observed: &'a Observed, secret: &Object) -> Option<&'a Object> {
    let mut certificates = observed.of_kind("Certificate");
    certificates.find(|certificate| {
        certificate.namespace() == secret.namespace() && certificate.str_at("spec.secretName") == Some(secret.name())
    })
}

/// Pods that mount the Secret.
fn users<'a>(observed: &'a Observed, secret: &Object) -> Vec<&'a Object> {
    let mounts = |pod: &&Object| {
        pod.namespace() == secret.namespace()
            && pod.list_at("spec.volumes").any(|volume| {
                let projected = volume.get("projected").and_then(|projected| projected.get("sources"));
                let sources = projected.and_then(serde_json::Value::as_array).into_iter().flatten();
                text(volume, "secret.secretName") == secret.name()
                    || sources.into_iter().any(|source| text(source, "secret.name") == secret.name())
            })
    };
    observed.of_kind("Pod").filter(|pod| is_live(pod)).filter(mounts).collect()
}

/// When it ends, quoted from where that is known. The certificate itself is not quoted.
fn expiry(secret: &Object, certificate: Option<&Object>, read: Option<&Validity>, not_after: Timestamp) -> Evidence {
    match (read, certificate) {
        (Some(validity), _) => Evidence::field(
            "until when the certificate is valid",
            secret.reference(),
            "data[tls.crt]",
            format!("subject {}, not after {not_after}", validity.subject),
        ),
        (None, Some(certificate)) => {
            field_evidence(certificate, "status.notAfter", "until when the certificate is valid")
        }
        (None, None) => Evidence::absent("unknown", secret.reference(), "no readable certificate"),
    }
}

/// What cert-manager says about the renewal.
fn renewal(certificate: &Object) -> Vec<Evidence> {
    let quote = |member: &str, claim: &str| {
        let path = format!("status.conditions[type=Ready].{member}");
        certificate.at(&path).map(|_| field_evidence(certificate, &path, claim))
    };
    [quote("reason", "the renewal has not succeeded"), quote("message", "in its controller's words")]
        .into_iter()
        .flatten()
        .collect()
}

/// A client that refuses an expired certificate.
struct Complaint<'a> {
    client: &'a Object,
    evidence: Evidence,
}

/// The newest such line of each pod.
fn complaints(observed: &Observed) -> Vec<Complaint<'_>> {
    let of_pod = |pod| {
        let logs = observed.logs_of(pod);
        let mut lines = logs.flat_map(|log| log.lines.iter().rev().map(move |line| (log, line)));
        let (log, line) = lines.find(|(_, line)| {
            is_complaint(&line.text) && line.time.is_none_or(|time| observed.is_recent(Some(time), RECENT))
        })?;
        Some(Complaint { client: pod, evidence: log.evidence(line, "a client refuses the certificate") })
    };
    observed.of_kind("Pod").filter_map(of_pod).collect()
}

fn is_complaint(line: &str) -> bool {
    const WORDS: &[&str] = &[
        "certificate has expired",
        "certificate is expired",
        "certificate expired",
        "cert has expired",
        "certificate_expired",
        "certificateexpired",
        "notafter:",
        "sslv3 alert certificate expired",
    ];
    let lower = line.to_ascii_lowercase();
    WORDS.iter().any(|words| lower.contains(words))
}

#[cfg(test)]
mod tests;
