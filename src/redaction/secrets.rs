//! Values of Secret objects.

use std::borrow::Cow;

use base64ct::{Base64, Encoding as _};

use super::counts::{Class, Counts};
use super::pem;
use super::placeholder::is_placeholder;
use super::span::Fill;

/// The annotation in which `kubectl apply` keeps the whole manifest, values of a Secret included.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Members of a Secret that hold values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// In base64.
    Data,
    StringData,
}

impl Field {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "data" => Some(Self::Data),
            "stringData" => Some(Self::StringData),
            _ => None,
        }
    }
}

/// Whether an object of this `type` is a Secret even where `kind` was cut off or projected away.
pub(super) fn is_secret_type(kind: &str) -> bool {
    const TYPES: [&str; 9] = [
        "Opaque",
        "kubernetes.io/tls",
        "kubernetes.io/basic-auth",
        "kubernetes.io/ssh-auth",
        "kubernetes.io/dockercfg",
        "kubernetes.io/dockerconfigjson",
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
        "helm.sh/release.v1",
    ];
    TYPES.contains(&kind)
}

/// What to write in place of the value under `key`; `None` when there is nothing to hide. Tagged with what the base64
/// means, so that the same password shows the same tag in a Secret and in an environment variable.
pub(super) fn fill(field: Field, key: &str, value: &str, quoted: bool) -> Option<Fill> {
    if value.trim().is_empty() || is_placeholder(value) {
        return None;
    }
    let secret = meaning(field, value);
    if matches!(key, "tls.crt" | "ca.crt")
        && let Some(summary) = std::str::from_utf8(&secret).ok().and_then(pem::summaries)
    {
        let mut counts = Counts::default();
        counts.add(Class::Certificate);
        let text = if quoted { format!("\"{summary}\"") } else { summary };
        return Some(Fill::Text { text, counts });
    }
    Some(Fill::Tagged { secret: secret.into_owned(), quoted })
}

fn meaning(field: Field, value: &str) -> Cow<'_, [u8]> {
    if field == Field::Data {
        let base64: String = value.split_ascii_whitespace().collect();
        if let Ok(bytes) = Base64::decode_vec(&base64) {
            return Cow::Owned(bytes);
        }
    }
    Cow::Borrowed(value.as_bytes())
}
