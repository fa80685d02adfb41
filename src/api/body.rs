//! Reading a JSON body within its bounds (http-api §1.3).

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use super::config::Limits;
use super::problem::Problem;

/// How much of an unwanted body is read and thrown away, so that the client sees the answer and not a reset connection.
const DISCARD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest time spent on that.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// The bytes of a body that may hold JSON.
///
/// # Errors
/// 415, 413, 408, or 400 when the connection breaks.
pub(super) async fn json_bytes(request: Request, limits: &Limits) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        discard(body).await;
        return Err(Problem::unsupported_media_type());
    }
    let declared = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limits.body_bytes_max) {
        discard(body).await;
        return Err(Problem::payload_too_large(limits.body_bytes_max));
    }
    let collected = timeout(limits.body_timeout, Limited::new(body, limits.body_bytes_max).collect()).await;
    match collected {
        Err(_) => Err(Problem::body_too_slow()),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::payload_too_large(limits.body_bytes_max)),
        Ok(Err(_)) => Err(Problem::body_unreadable()),
    }
}

/// None, `application/json` with any parameters, or `application/<x>+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let media_type = text.split(';').next().unwrap_or_default().trim();
    let subtype = media_type.strip_prefix("application/").unwrap_or_default();
    subtype == "json" || subtype.strip_suffix("+json").is_some_and(|name| !name.is_empty())
}

async fn discard(body: Body) {
    // Whatever happens here, the answer is the same.
    let _ = timeout(DISCARD_TIMEOUT, Limited::new(body, DISCARD_BYTES_MAX).collect()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        let accepted = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            is_json(&headers)
        };
        assert!(is_json(&HeaderMap::new()));
        for value in ["application/json", "Application/JSON; charset=latin-1", "application/cloudevents+json"] {
            assert!(accepted(value), "{value}");
        }
        for value in ["", "text/plain", "text/json", "application/x-www-form-urlencoded", "application/+json", "json"] {
            assert!(!accepted(value), "{value}");
        }
    }
}
