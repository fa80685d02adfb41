//! When a token ends by its own account. Nothing is verified here: the API server does that.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

/// Time left until the `exp` of a JWT, zero when it is over; `None` for tokens that do not tell.
pub(super) fn remaining(token: &str, now: Timestamp) -> Option<Duration> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let Claims { exp } = serde_json::from_slice(&base64url(payload)?).ok()?;
    let left = exp - now.as_duration().as_secs_f64();
    Some(Duration::try_from_secs_f64(left.max(0.0)).unwrap_or(Duration::MAX))
}

/// Unpadded base64url (RFC 4648 §5).
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for symbol in text.trim_end_matches('=').bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(((bits >> count) & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jwt_expiry() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        // {"exp":1700000060} and {"exp":1699999999}
        for (payload, left) in [("eyJleHAiOjE3MDAwMDAwNjB9", 60), ("eyJleHAiOjE2OTk5OTk5OTl9", 0)] {
            let token = format!("eyJhbGciOiJub25lIn0.{payload}.c2ln");
            assert_eq!(remaining(&token, now), Some(Duration::from_secs(left)));
        }
        for opaque in ["", "a.b", "a.!.c", "a.eyJ9.c", "abc", "a.e30.c"] {
            assert_eq!(remaining(opaque, now), None, "{opaque}");
        }
    }
}
