//! Which values are worth taking out. An empty value, a reference or `true` is no secret, and diagnosis needs to see it.

use base64ct::{Base64, Encoding as _};

use super::counts::Class;
use super::placeholder::is_placeholder;

/// Longest number that is a count or a code rather than a token, in digits.
const COUNT_DIGITS_MAX: usize = 6;
/// Shortest base64 text taken for an encoded value, in characters.
const ENCODED_CHARS_MIN: usize = 8;

/// First words of what a message says *about* a credential: `token: not found`, `password: must not be empty`.
const PROSE: &str = "a an and argument are authentication authorization bad cannot can't connection could couldn't denied did does \
    doesn't empty error expected expired failed failure for forbidden from got has have illegal in \
    incorrect invalid is it key malformed may missing mismatch must no not of or permission please \
    received rejected required revoked secret secrets should signature specified that the this timeout \
    to token too unable unauthorized unexpected unknown unsupported was were variable via flag if instead option parameter using value when while will with wrong by on at";

/// Settings that stand where a credential could: `auth: ldap`.
const MODES: &str = "anonymous basic bearer cert certificate default digest disabled enabled iam internal jwt kubernetes \
    ldap mtls oauth oauth2 oidc off on password plain rbac required saml scram serviceaccount strict tls \
    token";

/// Folders where mounted files live: a value that begins so is a path.
const ROOTS: &str = "/app/ /certs/ /config/ /data/ /etc/ /home/ /mnt/ /opt/ /root/ /run/ /secrets/ /srv/ /tmp/ /usr/ \
    /var/ /vault/";

fn lists(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|listed| listed.eq_ignore_ascii_case(word))
}

/// Whether there is anything to take out: not when it is empty, already a placeholder, a reference or a constant.
pub(super) fn is_open(value: &str) -> bool {
    let value = value.trim();
    !(value.is_empty() || is_placeholder(value) || is_constant(value) || is_reference(value))
}

/// Whether a value under a name of the class is a secret.
pub(super) fn is_secret(value: &str, class: Class) -> bool {
    let value = value.trim();
    if !is_open(value) || is_path(value) {
        return false;
    }
    match class {
        Class::Password | Class::Secret | Class::SecretObject => true,
        Class::Authorization => !is_count(value) && !lists(MODES, value),
        _ => !is_count(value),
    }
}

fn is_constant(value: &str) -> bool {
    const CONSTANTS: &str = "true false null nil none undefined unset yes no n/a ~ {} [] \"\" ''";
    lists(CONSTANTS, value) || value.chars().all(|c| matches!(c, '*' | '•' | '.' | '-' | '…'))
}

/// `$(VAR)`, `${VAR}`, `$VAR`, `{{ .Values.x }}`, `<set to the key …>`, `<none>`.
fn is_reference(value: &str) -> bool {
    let within = |open: &str, close: &str| {
        let inside = value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        inside.is_some_and(|inside| !inside.contains(close) && !inside.contains('\n'))
    };
    let is_variable = |name: &str| {
        name.len() > 1
            && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let is_plain_name =
        |inside: &str| inside.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    let braced = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    within("$(", ")")
        || braced.is_some_and(is_plain_name)
        || within("{{", "}}")
        || within("<", ">")
        || value.starts_with("<set to the key ")
        || value.strip_prefix('$').is_some_and(is_variable)
}

/// A path below a well-known folder. A base64 secret may begin with a slash, so not every one will do.
fn is_path(value: &str) -> bool {
    ROOTS.split_ascii_whitespace().any(|root| value.starts_with(root))
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | ':' | '*'))
}

fn is_count(value: &str) -> bool {
    value.len() <= COUNT_DIGITS_MAX && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Names of things: `db-creds`, `shop/db-creds`, `secret/data/app`, `tls.crt`. Words of letters with separators between.
pub(super) fn is_object_name(value: &str) -> bool {
    value.contains(['-', '/', '.', '_'])
        && value.split(['-', '/', '.', '_']).all(|word| {
            let is_version = word.strip_prefix('v').unwrap_or(word).bytes().all(|byte| byte.is_ascii_digit());
            !word.is_empty() && (is_version || word.bytes().all(|byte| byte.is_ascii_lowercase()))
        })
}

/// `namespace/name` as log lines of controllers print it.
pub(super) fn is_namespaced_name(value: &str) -> bool {
    let is_label = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_lowercase())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
    };
    value.split_once('/').is_some_and(|(namespace, name)| is_label(namespace) && is_label(name))
}

/// A word of natural language: lower case, Capitalised, CAPITALS or a TypeName, with nothing but letters.
pub(super) fn is_plain_word(value: &str) -> bool {
    let value = value.trim_end_matches([':', ',', '.', ';', '!', '?', ')']);
    let mut humps = 0;
    let mut previous_is_upper = false;
    for character in value.chars() {
        if !character.is_ascii_alphabetic() && character != '\'' {
            return false;
        }
        if character.is_ascii_uppercase() && !previous_is_upper {
            humps += 1;
        }
        previous_is_upper = character.is_ascii_uppercase();
    }
    !value.is_empty() && humps * 4 <= value.len() + 3
}

pub(super) fn is_prose(word: &str) -> bool {
    lists(PROSE, word.trim_end_matches([':', ',', '.', ';', '!', '?', ')']))
}

/// Base64 of a readable text, and not a word that happens to use the same alphabet.
pub(super) fn is_encoded_text(value: &str) -> bool {
    if value.len() < ENCODED_CHARS_MIN || !value.len().is_multiple_of(4) {
        return false;
    }
    let has = |test: fn(&u8) -> bool| value.as_bytes().iter().any(test);
    let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    (value.ends_with('=') || is_mixed && has(u8::is_ascii_digit))
        && Base64::decode_vec(value)
            .is_ok_and(|bytes| bytes.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 32..=126)))
}

/// Whether a value could be base64, the beginning of one if it was cut.
pub(super) fn may_be_base64(value: &str, is_cut: bool) -> bool {
    let is_alphabet = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    is_alphabet && !value.is_empty() && (is_cut || value.len().is_multiple_of(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_constants_and_placeholders_are_no_secrets() {
        for value in [
            "",
            " ",
            "$(DB_PASSWORD)",
            "${DB_PASSWORD}",
            "$DB_PASSWORD",
            "{{ .Values.password }}",
            "<none>",
            "true",
            "null",
            "********",
            "[REDACTED:0a1b2c]",
            "<set to the key 'password' in secret 'db-creds'>",
            "\"\"",
        ] {
            assert!(!is_open(value), "{value}");
        }
        for value in ["x", "hunter2", "$ecret", "12345", "<", "${A}x${B}", "${DB_PASSWORD:-hunter2}"] {
            assert!(is_open(value), "{value}");
        }
    }

    #[test]
    fn paths_counts_and_modes_depend_on_the_class() {
        assert!(!is_secret("/var/run/secrets/token", Class::Token));
        assert!(is_secret("/9j4AAQSkZJRg/abc", Class::Token));
        assert!(!is_secret("4096", Class::Token));
        assert!(is_secret("4096", Class::Password));
        assert!(!is_secret("LDAP", Class::Authorization));
    }

    #[test]
    fn words_names_and_encodings() {
        for word in ["signature", "Post", "NoCredentialProviders:", "EOF", "can't"] {
            assert!(is_plain_word(word), "{word}");
        }
        for word in ["hunter2", "aBcDeFgH", "p@ss", ""] {
            assert!(!is_plain_word(word), "{word}");
        }
        assert!(is_object_name("shop/db-creds-v2") && !is_object_name("hunter") && !is_object_name("s3cr3t-word"));
        assert!(is_encoded_text("YWRtaW4=") && is_encoded_text("c2VjcmV0MTIz"));
        assert!(!is_encoded_text("username") && !is_encoded_text("app/pod1"));
    }
}
