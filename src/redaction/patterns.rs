//! Secrets that show by their own form or by the words around them, wherever they stand in a line.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use regex::{Captures, Regex};

use super::counts::Class;
use super::keywords::{CLIENT, HASH, NAME, PHRASE, SCHEME, Triggers, URL, VENDOR};
use super::span::Span;
use super::{names, values};

/// One rule: the group `v` of the expression is the secret if the check agrees.
struct Pattern {
    triggers: Triggers,
    class: Class,
    expression: &'static str,
    check: Check,
}

#[derive(Clone, Copy)]
enum Check {
    /// The form is proof enough.
    Always,
    /// Letters and digits mixed, as in generated keys; not the name of a pod.
    Generated,
    /// The value is no reference, constant or placeholder.
    Open,
    /// What follows `-p` without a space: not the rest of a longer flag.
    Attached,
    /// A password in an address: also no path and no digest behind the `@`.
    Address,
    /// What follows `Bearer`: not a word of a sentence.
    BearerValue,
    /// What follows `Basic`: base64 of `user:password`.
    BasicValue,
    /// The group `n` is a name that announces a secret.
    Named,
}

const fn pattern(triggers: Triggers, class: Class, check: Check, expression: &'static str) -> Pattern {
    Pattern { triggers, class, expression, check }
}

const PATTERNS: &[Pattern] = &[
    pattern(
        URL,
        Class::DatabaseUrl,
        Check::Address,
        r#"(?i)\b(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|sqlserver|clickhouse|nats|couchbase)(?:\+[a-z0-9]+)?://[^\s:/@"'<>]*:(?<v>[^\s/"'<>]+)@"#,
    ),
    pattern(URL, Class::UrlCredentials, Check::Address, r#"://[^\s:/@"'<>]*:(?<v>[^\s/"'<>]+)@"#),
    pattern(URL, Class::UrlCredentials, Check::Generated, r"://(?<v>[A-Za-z0-9_\-]{20,})@"),
    pattern(URL, Class::DatabaseUrl, Check::Open, r#"[\w.\-]+:(?<v>[^\s"'/]+)@(?:tcp|unix|udp)\("#),
    pattern(URL, Class::DatabaseUrl, Check::Open, r"(?i)jdbc:oracle:\w+:[^/\s]+/(?<v>[^@\s]+)@"),
    pattern(SCHEME, Class::Bearer, Check::BearerValue, r"(?i)\bbearer[ \t]+(?<v>[A-Za-z0-9._~+/=\-]{4,})"),
    pattern(SCHEME, Class::Authorization, Check::BasicValue, r"(?i)\bbasic[ \t]+(?<v>[A-Za-z0-9+/]{4,}={0,2})"),
    pattern(
        VENDOR,
        Class::Jwt,
        Check::Always,
        r"\b(?<v>eyJ[A-Za-z0-9_\-]{5,}\.eyJ[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)?)",
    ),
    pattern(VENDOR, Class::SkKey, Check::Generated, r"\b(?<v>sk-[A-Za-z0-9_\-]{20,})"),
    pattern(
        VENDOR,
        Class::GithubToken,
        Check::Always,
        r"\b(?<v>gh[oprsu]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{20,})",
    ),
    pattern(VENDOR, Class::AwsKeyId, Check::Always, r"\b(?<v>(?:AKIA|ASIA)[A-Z0-9]{16})\b"),
    pattern(
        VENDOR,
        Class::VendorToken,
        Check::Always,
        r"\b(?<v>xox[abeoprs]-[A-Za-z0-9\-]{10,}|xapp-[0-9]-[A-Za-z0-9\-]{10,})",
    ),
    pattern(
        VENDOR,
        Class::VendorToken,
        Check::Always,
        r"\b(?<v>glpat-[A-Za-z0-9_.\-]{16,}|npm_[A-Za-z0-9]{30,}|hf_[A-Za-z0-9]{30,})",
    ),
    pattern(
        VENDOR,
        Class::VendorToken,
        Check::Always,
        r"\b(?<v>AIza[A-Za-z0-9_\-]{35}|ya29\.[A-Za-z0-9_.\-]{20,}|dop_v1_[0-9a-f]{40,})",
    ),
    pattern(
        VENDOR,
        Class::VendorToken,
        Check::Always,
        r"\b(?<v>dckr_pat_[A-Za-z0-9_\-]{20,}|hv[sb]\.[A-Za-z0-9_\-]{20,}|pypi-[A-Za-z0-9_\-]{40,})",
    ),
    pattern(
        VENDOR,
        Class::VendorToken,
        Check::Always,
        r"\b(?<v>SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|AGE-SECRET-KEY-1[A-Z0-9]{40,})",
    ),
    pattern(
        VENDOR,
        Class::VendorToken,
        Check::Open,
        r"(?i)[?&](?:sig|X-Amz-Signature|X-Goog-Signature)=(?<v>[A-Za-z0-9%+/=_\-]{16,})",
    ),
    pattern(
        VENDOR,
        Class::Webhook,
        Check::Always,
        r"(?i)hooks\.slack\.com/(?:services|workflows|triggers)/(?<v>[A-Za-z0-9/_\-]{8,})",
    ),
    pattern(
        VENDOR,
        Class::Webhook,
        Check::Always,
        r"(?i)discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(?<v>\d{5,}/[A-Za-z0-9_\-]{20,})",
    ),
    pattern(VENDOR, Class::Webhook, Check::Always, r"(?i)webhook\.office\.com/webhookb2/(?<v>[A-Za-z0-9@/_\-]{20,})"),
    pattern(
        CLIENT,
        Class::Password,
        Check::Open,
        r"\b(?:mysql|mariadb)[a-z\-]*\b[^\n|;&]*?\s-p(?<v>[^\s\-'\x22][^\s'\x22]*)",
    ),
    pattern(
        CLIENT,
        Class::Password,
        Check::Open,
        r"\b(?:mysql|mariadb)[a-z\-]*\b[^\n|;&]*?\s-p(?:'(?<v>[^'\n]+)'|\x22(?<w>[^\x22\n]+)\x22)",
    ),
    pattern(
        CLIENT | PHRASE,
        Class::Password,
        Check::Open,
        r"\b(?:mongo(?:sh|dump|restore|export|import|stat)?|sshpass|sqlcmd|(?:docker|podman|nerdctl|crane|helm registry|oras|buildah|skopeo|az acr) login)\s(?:[^\n|;&]*?\s)?-[pP](?:\s+|=)?(?:'(?<v>[^'\n]+)'|\x22(?<w>[^\x22\n]+)\x22|(?<x>[^\s\-'\x22][^\s'\x22]*))",
    ),
    pattern(
        CLIENT,
        Class::Password,
        Check::Open,
        r"\bredis-cli\b[^\n|;&]*?\s-a\s+(?:'(?<v>[^'\n]+)'|\x22(?<w>[^\x22\n]+)\x22|(?<x>[^\s'\x22]+))",
    ),
    pattern(
        CLIENT,
        Class::Password,
        Check::Open,
        r"\b(?:curl|wget)\b[^\n|;&]*?\s(?:-u|--user|--proxy-user)[\s=]*['\x22]?[^\s:'\x22/]+:(?<v>[^\s'\x22]+)",
    ),
    pattern(CLIENT, Class::Password, Check::Attached, r"(?:^|\s)-p(?<v>[A-Za-z0-9!@#$%^*+_]{6,})(?:\s|$)"),
    pattern(PHRASE, Class::Password, Check::Open, r#"(?i)\bidentified\s+by\s+(?:password\s+)?['"](?<v>[^'"\n]+)['"]"#),
    pattern(PHRASE, Class::Password, Check::Open, r"(?i)\bpassword\s+'(?<v>[^'\n]+)'"),
    pattern(PHRASE, Class::Token, Check::Open, r#"(?i)\b(?:set-)?cookie["']?\s*[:=]\s*["']?(?<v>[\w.\-]+=[^\n"']+)"#),
    // Go quotes what it takes for the port: the password up to its first slash.
    pattern(URL, Class::DatabaseUrl, Check::Open, r#"invalid port ":(?<v>\d*[^\d"][^"]*)" after host"#),
    // A raw slash makes the address invalid, and the error message quotes it.
    pattern(
        URL,
        Class::DatabaseUrl,
        Check::Address,
        r#"(?i)\b(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?)(?:\+[a-z0-9]+)?://[^\s:/@"'<>]*:(?<v>[^\s"'<>?,;]+)@"#,
    ),
    pattern(PHRASE, Class::Password, Check::Open, r"(?i)\b(?:requirepass|masterauth)\s+(?<v>\S+)"),
    pattern(PHRASE, Class::Password, Check::Open, r"(?i)\blogin\s+\S+\s+password\s+(?<v>\S+)"),
    pattern(
        NAME,
        Class::Password,
        Check::Named,
        r#"(?i)\b(?:name|key)["']?\s*[:=]\s*["']?(?<n>[\w.\-]+)["']?[,;\s]+["']?value["']?\s*[:=]\s*(?:"(?<v>[^"\n]*)"|'(?<w>[^'\n]*)'|(?<x>[^\s,;"'}]+))"#,
    ),
    pattern(
        HASH,
        Class::PasswordHash,
        Check::Always,
        r"(?<v>\$(?:2[abxy]?|1|5|6|y|apr1|argon2(?:id?|d))\$[A-Za-z0-9./$=,+]{16,})",
    ),
    pattern(NAME, Class::Password, Check::Named, r"<(?<n>[\w.:\-]+)>(?<v>[^<>\n]+)</"),
];

/// The expressions of [`PATTERNS`], each compiled when a line first calls for it: most texts call for few. Every one compiles
/// (a test says so); one that did not would be left out rather than end the process.
static COMPILED: LazyLock<Vec<OnceLock<Option<Regex>>>> =
    LazyLock::new(|| PATTERNS.iter().map(|_| OnceLock::new()).collect());

/// Patterns with these triggers.
fn wanted(triggers: Triggers) -> impl Iterator<Item = (&'static Pattern, &'static Regex)> {
    let all = PATTERNS.iter().zip(COMPILED.iter()).filter(move |(pattern, _)| pattern.triggers & triggers != 0);
    all.filter_map(|(pattern, cell)| {
        Some((pattern, cell.get_or_init(|| Regex::new(pattern.expression).ok()).as_ref()?))
    })
}

/// Places in one line. `at` is where the line begins in the text.
pub(super) fn find(line: &str, at: usize, triggers: Triggers, spans: &mut Vec<Span>) {
    for (pattern, regex) in wanted(triggers) {
        for captures in regex.captures_iter(line) {
            let Some(value) = ["v", "w", "x"].iter().find_map(|group| captures.name(group)) else { continue };
            if let Some((class, range)) = pattern.judged(line, &captures, value.range()) {
                spans.push(Span::new(range, class).shifted(at));
            }
        }
    }
}

impl Pattern {
    fn judged(&self, line: &str, captures: &Captures<'_>, range: Range<usize>) -> Option<(Class, Range<usize>)> {
        let value = line.get(range.clone())?;
        let after = line.get(range.end..)?;
        let class = match self.check {
            Check::Always => Some(self.class),
            Check::Generated => is_generated(value).then_some(self.class),
            Check::Attached => is_attached_password(value).then_some(self.class),
            Check::Open => values::is_open(value).then_some(self.class),
            Check::Address => is_address_password(value, after).then_some(self.class),
            Check::BearerValue => is_bearer_value(value, after).then_some(self.class),
            Check::BasicValue => is_basic_value(value).then_some(self.class),
            Check::Named => {
                let class = names::judge(captures.name("n")?.as_str())?;
                values::is_secret(value, class).then_some(class)
            }
        }?;
        Some((class, range))
    }
}

/// Length of a run of letters and digits that no readable name reaches, in characters.
const RUN_CHARS_MIN: usize = 20;

fn is_generated(value: &str) -> bool {
    let has = |test: fn(&u8) -> bool| value.as_bytes().iter().any(test);
    let has_run = value.split(['-', '_']).any(|run| run.len() >= RUN_CHARS_MIN);
    let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) && (is_mixed || has_run)
}

/// Not `-python3`, `-p2p`, `-proto2`: a digit or a mark inside, and no flag anybody knows.
fn is_attached_password(value: &str) -> bool {
    const FLAGS: [&str; 6] = ["ython", "roto", "ort", "rofile", "ostgres", "rometheus"];
    let has_letter = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    let has_other = value.bytes().any(|byte| !byte.is_ascii_alphabetic() && byte != b'_');
    has_letter && has_other && !FLAGS.iter().any(|flag| value.starts_with(flag))
}

/// Not the digest of an image and not a port with a query behind it: `host:8080?to=a@b`.
fn is_address_password(value: &str, after: &str) -> bool {
    let behind_digits = value.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_port = behind_digits.len() < value.len() && behind_digits.starts_with(['?', '#', '/']);
    values::is_open(value) && !is_port && !after.starts_with("@sha256:")
}

fn is_bearer_value(value: &str, after: &str) -> bool {
    // `Bearer realm="…"` is a challenge.
    let is_challenge = value.ends_with('=') && after.starts_with('"');
    !is_challenge && !values::is_plain_word(value) && values::is_open(value) && !values::is_object_name(value)
}

fn is_basic_value(value: &str) -> bool {
    let bytes = Base64::decode_vec(value).or_else(|_| Base64Unpadded::decode_vec(value));
    bytes.is_ok_and(|bytes| bytes.contains(&b':') && std::str::from_utf8(&bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_compiles() {
        for pattern in PATTERNS {
            Regex::new(pattern.expression).unwrap_or_else(|error| panic!("{}: {error}", pattern.expression));
        }
        assert_eq!(wanted(Triggers::MAX).count(), PATTERNS.len());
    }
}
