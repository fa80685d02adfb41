//! The signed statement a service account asks for a token with: a JWT, RS256 (RFC 7523).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::ServiceAccount;
use crate::llm::credentials::CredentialError;

/// How long a statement counts, in seconds; the most Google takes.
const LIFE_SECONDS: i64 = 3_600;

/// The statement, for this token endpoint.
pub(super) fn signed(
    account: &ServiceAccount,
    audience: &str,
    scope: &str,
    now: Timestamp,
) -> Result<String, CredentialError> {
    let key = key_pair(account.private_key.expose_secret())?;
    let issued = now.as_second();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": account.private_key_id});
    let claims = json!({"iss": account.client_email, "scope": scope, "aud": audience, "iat": issued, "exp": issued + LIFE_SECONDS});
    let part = |value: &serde_json::Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let text = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).map_err(|_| unusable())?;
    Ok(format!("{text}.{}", Base64UrlUnpadded::encode_string(&signature)))
}

fn unusable() -> CredentialError {
    CredentialError::Unusable("private_key of Google's credential file is no RSA key in PKCS#8 form".to_owned())
}

/// From PEM: the lines between the marks, whatever their length.
fn key_pair(pem: &str) -> Result<RsaKeyPair, CredentialError> {
    let body = pem.split("-----BEGIN PRIVATE KEY-----").nth(1).and_then(|rest| rest.split("-----END").next());
    let body: String = body.ok_or_else(unusable)?.split_whitespace().collect();
    let bytes = Base64::decode_vec(&body).map_err(|_| unusable())?;
    RsaKeyPair::from_pkcs8(&bytes).map_err(|_| unusable())
}
