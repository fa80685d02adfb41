//! What stands in place of a secret: `[REDACTED:3fa2b1]`, the same for the same secret within one investigation.

use std::fmt;

use sha2::{Digest, Sha256};

use super::counts::Class;

const OPENING: &str = "[REDACTED";
/// Hexadecimal digits of the tag: enough to tell the secrets of one incident apart, too few to confirm a guess.
const TAG_DIGITS: usize = 6;
/// Block size of SHA-256 in bytes (RFC 2104).
const BLOCK_BYTES: usize = 64;
const SUFFIXES: &[&str] = &["_JWT", "_GITHUB_TOKEN", "_AWS_KEY"];

/// Key of the tags. Nothing prints it.
pub(super) struct Tagger([u8; 32]);

impl fmt::Debug for Tagger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tagger(..)")
    }
}

impl Tagger {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    pub(super) fn placeholder(&self, secret: &[u8], class: Class) -> String {
        format!("{OPENING}:{}]{}", self.tag(secret), class.suffix())
    }

    /// First digits of HMAC-SHA-256.
    fn tag(&self, secret: &[u8]) -> String {
        let padded = |pad: u8| {
            let mut block = [pad; BLOCK_BYTES];
            for (byte, key) in block.iter_mut().zip(self.0) {
                *byte ^= key;
            }
            block
        };
        let inner = Sha256::new().chain_update(padded(0x36)).chain_update(secret).finalize();
        let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
        outer.iter().take(TAG_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Whether nothing but placeholders stands here, so that there is nothing left to take out.
pub(super) fn is_placeholder(text: &str) -> bool {
    let mut rest = text.trim();
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        match after_placeholder(rest) {
            Some(after) => rest = after.trim_start(),
            None => return false,
        }
    }
    true
}

/// Length of the placeholder that begins here; 0 when none does.
pub(super) fn placeholder_len(text: &str) -> usize {
    if !text.starts_with(OPENING) {
        return 0;
    }
    after_placeholder(text).map_or(0, |after| text.len() - after.len())
}

fn after_placeholder(text: &str) -> Option<&str> {
    if let Some(summary) = text.strip_prefix("[CERTIFICATE") {
        let (inside, after) = summary.split_once(']')?;
        return (!inside.contains('\n')).then_some(after);
    }
    let rest = text.strip_prefix(OPENING)?;
    let rest = match rest.strip_prefix(':') {
        Some(tagged) => {
            let (tag, after) = tagged.split_at_checked(TAG_DIGITS)?;
            tag.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(after)?
        }
        None => rest,
    };
    let rest = rest.strip_prefix(']')?;
    Some(SUFFIXES.iter().find_map(|suffix| rest.strip_prefix(suffix)).unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_hmac_sha256() {
        // RFC 4231 test case 2 has the key "Jefe"; padding it with zeros to the block size gives the same HMAC.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(Tagger::new(key).tag(b"what do ya want for nothing?"), "5bdcc1");
    }

    #[test]
    fn only_whole_placeholders_count() {
        for whole in ["[REDACTED]", "[REDACTED:0a1b2c]", "[REDACTED:0a1b2c]_JWT", " [REDACTED:0a1b2c][REDACTED] "] {
            assert!(is_placeholder(whole), "{whole}");
        }
        for other in ["", "REDACTED", "[REDACTED:0a1b2c]x", "[REDACTED:0a1b2]", "x[REDACTED]", "[REDACTED:0a1b2g]"] {
            assert!(!is_placeholder(other), "{other}");
        }
    }
}
