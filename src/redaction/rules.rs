//! What to take out of a value whose name is known: a member of an object, an environment variable, a line of YAML.

use std::ops::Range;

use super::counts::Class;
use super::{names, values};

/// Schemes of an `Authorization` header with one word behind them.
const WORD_SCHEMES: [&str; 6] = ["bearer", "basic", "token", "apikey", "negotiate", "ntlm"];
/// Schemes with a list of parameters behind them.
const LIST_SCHEMES: [&str; 4] = ["digest", "aws4-hmac-sha256", "hawk", "signature"];

/// The part of the value that is a secret, with its class.
pub(super) fn member(name: &str, value: &str) -> Option<(Class, Range<usize>)> {
    let class = names::judge(name)?;
    if class == Class::Authorization && names::is_header(name) {
        return header(value).map(|range| (class, range));
    }
    let is_secret = values::is_secret(value, class) && !is_reference_field(name, value, class);
    is_secret.then_some((class, 0..value.len()))
}

/// `existingSecret: db-creds`, `passwordKey: password`, `secret: shop/db-creds`: the value names a Secret or a key in one.
pub(super) fn is_reference_field(name: &str, value: &str, class: Class) -> bool {
    let may_refer = matches!(class, Class::Secret | Class::Key | Class::Credential | Class::Token);
    if !may_refer || !names::is_field_style(name) {
        return false;
    }
    values::is_object_name(value)
        || class == Class::Secret && values::is_namespaced_name(value)
        || class == Class::Key && values::is_plain_word(value) && names::judge(value).is_some()
}

/// The credential of an `Authorization` header; its scheme stays. `None` for prose.
pub(super) fn header(value: &str) -> Option<Range<usize>> {
    let start = value.len() - value.trim_start().len();
    let rest = value.get(start..)?.trim_end();
    let end = start + rest.len();
    let (scheme, credential) = rest.split_once([' ', '\t']).unwrap_or(("", rest));
    let is_word_scheme = WORD_SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let is_list_scheme = is_list_scheme(scheme);
    let first = rest.split_ascii_whitespace().next()?;
    let credential = credential.trim_start();
    let range = match () {
        () if is_word_scheme => {
            let from = end - credential.len();
            let word = credential.split_ascii_whitespace().next()?;
            if values::is_plain_word(word) {
                return None;
            }
            from..from + word.len()
        }
        () if is_list_scheme => end - credential.len()..end,
        () if is_header_prose(first) => return None,
        () => start..end,
    };
    let secret = value.get(range.clone())?;
    values::is_secret(secret, Class::Authorization).then_some(range)
}

/// Whether a list of parameters follows, some of them in quotes.
pub(super) fn is_list_scheme(scheme: &str) -> bool {
    LIST_SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Whether the first word of what stands behind `Authorization:` begins a sentence rather than a credential.
pub(super) fn is_header_prose(first: &str) -> bool {
    let is_scheme = WORD_SCHEMES.iter().chain(&LIST_SCHEMES).any(|known| first.eq_ignore_ascii_case(known));
    !is_scheme && (values::is_plain_word(first) || values::is_prose(first))
}
