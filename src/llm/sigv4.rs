//! Amazon's request signatures, version 4 (header form). Pure: the time is an argument.

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// Who signs.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) access_key: String,
    pub(super) secret_key: SecretString,
    pub(super) session_token: Option<SecretString>,
}

/// For which region and service the signature counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// As it is sent, percent-encoded.
    pub(super) path: &'a str,
    /// As it is sent, without the question mark.
    pub(super) query: &'a str,
    /// All signed headers, `host` and `x-amz-date` among them.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) payload: &'a [u8],
}

/// `x-amz-date` of a moment: `20150830T123600Z`.
pub(super) fn amz_date(now: jiff::Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The header `authorization`. `date` is [`amz_date`].
pub(super) fn authorization(keys: &Keys, scope: Scope<'_>, date: &str, signed: &Signed<'_>) -> String {
    let day: String = date.chars().take(8).collect();
    let scope_text = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let (request, names) = canonical(signed);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope_text}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let secret = format!("AWS4{}", keys.secret_key.expose_secret());
    let key = [day.as_str(), scope.region, scope.service, "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| sign(&key, part.as_bytes()));
    let signature = hex(&sign(&key, to_sign.as_bytes()));
    let access_key = &keys.access_key;
    format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope_text}, SignedHeaders={names}, Signature={signature}")
}

/// The canonical request, and the names of its headers.
fn canonical(signed: &Signed<'_>) -> (String, String) {
    let mut headers: Vec<(String, String)> = signed
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect();
    headers.sort();
    let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let mut pairs: Vec<(&str, &str)> = signed.query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
    pairs.sort_unstable();
    let query = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let path = if signed.path.is_empty() { "/".to_owned() } else { encoded_again(signed.path) };
    let payload = hex(&Sha256::digest(signed.payload));
    (format!("{}\n{path}\n{query}\n{lines}\n{names}\n{payload}", signed.method), names)
}

fn pair(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

/// The path as it is sent, percent-encoded once more: so it is for every service but S3.
fn encoded_again(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn sign(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "20150830T123600Z";

    fn signature(method: &str, path: &str, query: &str, more: &[(&str, &str)], payload: &str) -> String {
        let keys = Keys {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned().into(),
            session_token: None,
        };
        let mut headers = vec![("Host", "example.amazonaws.com"), ("X-Amz-Date", DATE)];
        headers.extend_from_slice(more);
        let signed = Signed { method, path, query, headers: &headers, payload: payload.as_bytes() };
        let scope = Scope { region: "us-east-1", service: "service" };
        let header = authorization(&keys, scope, DATE, &signed);
        let start =
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;";
        assert!(header.starts_with(start.strip_suffix("host;").unwrap()), "{header}");
        header.rsplit("Signature=").next().unwrap().to_owned()
    }

    /// Cases of Amazon's published test suite, by name.
    #[test]
    fn signatures_are_those_amazon_publishes() {
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        for (name, signature, expected) in [
            (
                "get-vanilla",
                signature("GET", "/", "", &[], ""),
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-vanilla-query-order-key-case",
                signature("GET", "/", "Param2=value2&Param1=value1", &[], ""),
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "post-vanilla",
                signature("POST", "/", "", &[], ""),
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-x-www-form-urlencoded",
                signature("POST", "/", "", &form, "Param1=value1"),
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                "post-vanilla-query",
                signature("POST", "/", "Param1=value1", &[], ""),
                "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
            ),
        ] {
            assert_eq!(signature, expected, "{name}");
        }
    }

    /// The path of the published case is encoded once by whoever sends it.
    #[test]
    fn paths_are_encoded_once_more() {
        assert_eq!(encoded_again("/model/a%3A0/converse"), "/model/a%253A0/converse");
        assert_eq!(encoded_again("/"), "/");
    }

    #[test]
    fn another_secret_time_or_body_is_another_signature() {
        let one = signature("POST", "/", "", &[], "a");
        assert_ne!(one, signature("POST", "/", "", &[], "b"));
        assert_ne!(one, signature("POST", "/x", "", &[], "a"));
        assert_ne!(one, signature("POST", "/", "", &[("X-Amz-Security-Token", "t")], "a"));
        assert_eq!(amz_date("2015-08-30T12:36:00Z".parse().unwrap()), DATE);
    }
}
