//! Certificate files the configuration names: they can be read, and for how long they are good.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use x509_cert::Certificate;
use x509_cert::der::DecodePem as _;

use super::Examination;
use super::report::{Area, Check};
use super::rows::{Finding, Rows};
use crate::api::{Certificates, TlsProfile};
use crate::config::Config;

/// A certificate that ends sooner is told.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Largest file read, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bundles of more certificates are those of a system: that some in it have ended is usual.
const OWN_BUNDLE_MAX: usize = 5;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
const RENEW: &str = "Renew it and replace the file; it is read again without a restart where the key says so.";

pub(super) fn check(examination: &Examination, until: Instant) -> Vec<Check> {
    let mut rows = Rows::of(Area::Certificates, until);
    let now = Timestamp::now();
    for (key, path) in files(&examination.config) {
        rows.note(key, look(path, now));
    }
    let server = &examination.config.server;
    if let Some(directory) = &server.tls.cert_dir {
        rows.note("server.tls.cert_dir", own(directory, server.tls_profile, now));
    }
    rows.into_checks()
}

/// Key and file of everything that should hold certificates.
fn files(config: &Config) -> Vec<(&'static str, &Path)> {
    let storage = config.data_storage.as_ref();
    let toolsets = &config.toolsets;
    let prometheus = toolsets.prometheus().and_then(|config| config.prometheus_ssl_ca_file.as_ref());
    let alertmanager = toolsets.alertmanager().and_then(|config| config.alertmanager_ssl_ca_file.as_ref());
    let all = [
        ("tls.ca_file", config.tls.ca_file.as_ref()),
        ("llm.tls_ca_file", config.llm.as_ref().and_then(|llm| llm.tls_ca_file.as_ref())),
        ("llm.tls_cert_file", config.llm.as_ref().and_then(|llm| llm.tls_cert_file.as_ref())),
        ("data_storage.ca_file", storage.and_then(|section| section.ca_file.as_ref())),
        ("data_storage.client_cert", storage.and_then(|section| section.client_cert.as_ref())),
        ("prometheus_ssl_ca_file", prometheus),
        ("alertmanager_ssl_ca_file", alertmanager),
    ];
    all.into_iter().filter_map(|(key, path)| Some((key, path?.as_path()))).collect()
}

/// The pair the service would show.
fn own(directory: &Path, profile: TlsProfile, now: Timestamp) -> Finding {
    match Certificates::open(directory, profile) {
        Err(error) => Finding::failed(error.to_string(), "Mount the whole Secret as a folder, certificate and key."),
        Ok(_) => look(&directory.join(Certificates::CHAIN_FILE), now),
    }
}

fn look(path: &Path, now: Timestamp) -> Finding {
    let shown = path.display();
    let read = std::fs::metadata(path).and_then(|facts| match facts.len() {
        0..=FILE_BYTES_MAX => std::fs::read_to_string(path),
        _ => Err(std::io::ErrorKind::FileTooLarge.into()),
    });
    let text = match read {
        Ok(text) => text,
        Err(error) => {
            return Finding::failed(format!("{shown} cannot be read: {error}"), "Mount the file, or correct the path.");
        }
    };
    let ends = ends(&text);
    let Some((subject, soonest)) = ends.iter().min_by_key(|(_, end)| *end).cloned() else {
        return Finding::failed(format!("{shown} holds no certificate that can be read"), "Give it one in PEM form.");
    };
    if ends.iter().all(|(_, end)| *end <= now) {
        return Finding::failed(format!("{shown}: {subject} ended on {}", day(soonest)), RENEW);
    }
    if ends.len() > OWN_BUNDLE_MAX {
        return Finding::ok(format!("{shown} holds {} certificates", ends.len()));
    }
    match soonest.duration_since(now) {
        left if left.is_negative() || left.is_zero() => {
            Finding::warning(format!("{shown}: {subject} ended on {}; others in it are good", day(soonest)), RENEW)
        }
        left if left < SOON => Finding::warning(
            format!("{shown}: {subject} ends in {} days, on {}", left.as_hours() / 24, day(soonest)),
            RENEW,
        ),
        _ => Finding::ok(format!("{shown} is good until {}", day(soonest))),
    }
}

fn day(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d").to_string()
}

/// Subject and end of every certificate that can be read.
fn ends(text: &str) -> Vec<(String, Timestamp)> {
    text.split(BEGIN).skip(1).filter_map(|block| end(block.split_once(END)?.0)).collect()
}

fn end(block: &str) -> Option<(String, Timestamp)> {
    let certificate = Certificate::from_pem(format!("{BEGIN}{block}{END}\n")).ok()?;
    let body = certificate.tbs_certificate();
    let seconds = body.validity().not_after.to_unix_duration().as_secs();
    let end = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    Some((body.subject().to_string(), end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::Status;

    #[test]
    fn certificates_are_judged_by_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let good = include_str!("../../../tests/it/llm/tls/ca.pem");
        std::fs::write(&path, good).unwrap();
        let (_, end) = ends(good).into_iter().min_by_key(|(_, end)| *end).unwrap();
        let hours = |hours: i64| end - SignedDuration::from_hours(hours);
        for (now, expected) in
            [(hours(15 * 24), Status::Ok), (hours(13 * 24), Status::Warning), (hours(-1), Status::Failed)]
        {
            assert_eq!(look(&path, now).status, expected, "{now}");
        }
        std::fs::write(&path, "no certificate").unwrap();
        assert_eq!(look(&path, end).status, Status::Failed);
        assert_eq!(look(&folder.path().join("missing"), end).status, Status::Failed);
    }
}
