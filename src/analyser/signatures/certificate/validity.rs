//! Reads until when the certificate of a Secret is valid.

use base64ct::{Base64, Encoding as _};
use jiff::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::DecodePem as _;

use crate::domain::Object;

/// Longest certificate text read, in bytes of base64.
const TEXT_BYTES_MAX: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) subject: String,
    pub(super) not_after: Timestamp,
}

impl Validity {
    /// Of the first certificate in `tls.crt`: the server's own. `None` when there is none that can be read.
    pub(super) fn of_secret(secret: &Object) -> Option<Self> {
        let text = secret.at("data")?.get("tls.crt")?.as_str()?;
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let pem = Base64::decode_vec(text.trim()).ok()?;
        let pem = std::str::from_utf8(&pem).ok()?;
        let end = pem.find(END)? + END.len();
        let certificate = Certificate::from_pem(pem.get(..end)?.trim_start()).ok()?;
        let body = certificate.tbs_certificate();
        let seconds = body.validity().not_after.to_unix_duration().as_secs();
        let not_after = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
        Some(Self { subject: body.subject().to_string(), not_after })
    }
}

const END: &str = "-----END CERTIFICATE-----";
