//! The certificate of the API port under a running service (operations §2.3, source `tls`). It stands apart from the
//! configuration: a broken pair rejects no setting, and a rejected setting stops no renewal.

use jiff::Timestamp;

use super::announcer::Announcer;
use crate::api::{CertificateError, Certificates, Look};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{ConfigFault, ConfigSource, ReloadResult};

const SOURCE: ConfigSource = ConfigSource::Tls;

/// The pair in use, and what was last seen of its files.
pub(super) struct ServerCertificates {
    certificates: Certificates,
    metrics: Metrics,
    /// Hash of what was last looked at, whatever came of it.
    seen: String,
}

impl ServerCertificates {
    pub(super) fn new(certificates: Certificates, metrics: Metrics) -> Self {
        let seen = certificates.fingerprint();
        metrics.config_active(SOURCE, &seen, None);
        Self { certificates, metrics, seen }
    }

    /// Blocks on files. `asked`: somebody wants to know, also when nothing changed.
    pub(super) fn look(&mut self, asked: bool, announcer: &mut Announcer) {
        let (look, hash) = self.certificates.look();
        let before = std::mem::replace(&mut self.seen, hash.clone());
        match look {
            Look::Unchanged => {
                self.metrics.config_agrees(SOURCE);
                if asked || before != hash {
                    self.metrics.config_looked_at(SOURCE, ReloadResult::Unchanged, 0);
                }
            }
            Look::Applied { previous } => self.applied(&hash, &previous),
            // Told before.
            Look::Rejected(_) if before == hash => {}
            Look::Rejected(error) => {
                self.rejected(&hash, &error);
                announcer.note("the certificate on disk", &hash, &error.to_string());
            }
        }
    }

    fn applied(&self, hash: &str, previous: &str) {
        self.metrics.config_looked_at(SOURCE, ReloadResult::Applied, Timestamp::now().as_second());
        self.metrics.config_active(SOURCE, hash, Some(previous));
        tracing::info!(
            event = "tls_certificate_renewed",
            path = %self.certificates.directory().display(),
            hash,
            previous_hash = previous,
            "another certificate counts from the next handshake on"
        );
    }

    fn rejected(&self, hash: &str, error: &CertificateError) {
        let fault = match error {
            CertificateError::File { .. } | CertificateError::Pem { .. } => ConfigFault::Parse,
            CertificateError::Unusable(_) => ConfigFault::Invalid,
        };
        self.metrics.config_rejected(SOURCE, fault);
        tracing::error!(
            event = "tls_certificate_rejected",
            rejected_hash = hash,
            active_hash = self.certificates.fingerprint(),
            problem = %error,
            "the certificate on disk is not taken over; the one in use stays"
        );
    }
}
