//! Reading the `Authorization` header.

use secrecy::SecretString;

use super::Refusal;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
const SCHEME: &str = "bearer";

/// The bearer token of a request. The scheme is accepted in any case; a token with characters outside the bearer grammar
/// (RFC 6750 §2.1) is refused without asking anybody.
pub(super) fn token(authorization: &[&[u8]]) -> Result<SecretString, Refusal> {
    let header = match authorization {
        [] => return Err(Refusal::MissingHeader),
        [header] => header,
        _ => return Err(Refusal::InvalidHeader),
    };
    let (scheme, rest) = header.split_at_checked(SCHEME.len()).ok_or(Refusal::InvalidHeader)?;
    let separated = rest.is_empty() || rest.starts_with(b" ");
    if !scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) || !separated {
        return Err(Refusal::InvalidHeader);
    }
    // HTTP drops blanks at the end of a header, so `Bearer ` arrives as `Bearer`.
    let token = rest.trim_ascii();
    if token.is_empty() {
        return Err(Refusal::EmptyToken);
    }
    match std::str::from_utf8(token) {
        Ok(token) if token.len() <= TOKEN_BYTES_MAX && is_bearer(token) => Ok(SecretString::from(token)),
        _ => Err(Refusal::NotAuthenticated),
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
pub(super) fn is_bearer(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(headers: &[&[u8]]) -> Result<String, Refusal> {
        token(headers).map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn header_table() {
        use Refusal::{EmptyToken, InvalidHeader, MissingHeader, NotAuthenticated};
        let long = format!("Bearer {}", "a".repeat(TOKEN_BYTES_MAX + 1));
        type Row<'a> = (&'a [&'a [u8]], Result<&'a str, Refusal>);
        let rows: &[Row<'_>] = &[
            (&[], Err(MissingHeader)),
            (&[b""], Err(InvalidHeader)),
            (&[b"Basic YWxpY2U6cw=="], Err(InvalidHeader)),
            (&[b"Bearerx abc"], Err(InvalidHeader)),
            (&[b"abc"], Err(InvalidHeader)),
            (&[b"Bearer a", b"Bearer a"], Err(InvalidHeader)),
            (&[b"Bearer"], Err(EmptyToken)),
            (&[b"Bearer   "], Err(EmptyToken)),
            (&[b"Bearer two words"], Err(NotAuthenticated)),
            (&[b"Bearer a\x01b"], Err(NotAuthenticated)),
            (&[b"Bearer\tabc"], Err(InvalidHeader)),
            (&[b"Bearer a, Bearer b"], Err(NotAuthenticated)),
            (&[b"Bearer \xff\xfe"], Err(NotAuthenticated)),
            (&[b"Bearer ="], Err(NotAuthenticated)),
            (&[long.as_bytes()], Err(NotAuthenticated)),
            (&[b"Bearer abc.DEF-1_2~3+4/5=="], Ok("abc.DEF-1_2~3+4/5==")),
            (&[b"bearer abc"], Ok("abc")),
            (&[b"BEARER  abc "], Ok("abc")),
        ];
        for (headers, expected) in rows {
            let shown: Vec<_> = headers.iter().map(|header| String::from_utf8_lossy(header)).collect();
            assert_eq!(read(headers), expected.clone().map(str::to_owned), "{shown:?}");
        }
    }
}
