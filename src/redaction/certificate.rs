//! A certificate in one line. It is public; its dates and names are what a failed handshake is diagnosed from.

use std::fmt::Write as _;

use base64ct::{Base64, Encoding as _};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Largest certificate read, in bytes of PEM.
const PEM_BYTES_MAX: usize = 64 * 1024;
/// Longest name shown, in characters.
const NAME_CHARS_MAX: usize = 200;
/// Most alternative names shown.
const NAMES_MAX: usize = 20;
/// What stands for a certificate nobody can read.
const UNREADABLE: &str = "[CERTIFICATE unreadable]";

/// Summary of one PEM block, however its lines are joined or indented.
pub(super) fn summary(pem: &str) -> String {
    parse(pem).and_then(|certificate| describe(&certificate)).unwrap_or_else(|| UNREADABLE.to_owned())
}

fn parse(pem: &str) -> Option<Certificate> {
    if pem.len() > PEM_BYTES_MAX {
        return None;
    }
    let (_, body) = pem.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    let body = body.split("-----").next()?;
    // A line break written as `\n` in a text that is no JSON.
    let body = body.replace("\\r", "").replace("\\n", "");
    let base64: String = body.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect();
    Certificate::from_der(&Base64::decode_vec(&base64).ok()?).ok()
}

fn describe(certificate: &Certificate) -> Option<String> {
    let body = certificate.tbs_certificate();
    let serial: String = body.serial_number().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let validity = body.validity();
    let mut line = format!(
        "[CERTIFICATE subject={}; issuer={}; serial={serial}; not_before={}; not_after={}",
        shown(&body.subject().to_string()),
        shown(&body.issuer().to_string()),
        validity.not_before,
        validity.not_after,
    );
    let names = names(certificate);
    if !names.is_empty() {
        write!(line, "; names={}", names.join(",")).ok()?;
    }
    line.push(']');
    Some(line)
}

fn names(certificate: &Certificate) -> Vec<String> {
    let extension = certificate.tbs_certificate().get_extension::<SubjectAltName>();
    let Ok(Some((_, names))) = extension else { return Vec::new() };
    let more = names.0.len().saturating_sub(NAMES_MAX);
    let mut shown: Vec<String> = names.0.iter().take(NAMES_MAX).map(name).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown
}

fn name(name: &GeneralName) -> String {
    match name {
        GeneralName::DnsName(name) => shown(name.as_str()),
        GeneralName::UniformResourceIdentifier(uri) => shown(uri.as_str()),
        GeneralName::Rfc822Name(mail) => shown(mail.as_str()),
        GeneralName::DirectoryName(name) => shown(&name.to_string()),
        GeneralName::IpAddress(address) => address_text(address.as_bytes()),
        _ => "other".to_owned(),
    }
}

fn address_text(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return core::net::Ipv4Addr::from(four).to_string();
    }
    <[u8; 16]>::try_from(bytes)
        .map_or_else(|_| "other".to_owned(), |sixteen| core::net::Ipv6Addr::from(sixteen).to_string())
}

/// Whoever wrote the certificate chose its names: they stay short, on one line and inside the brackets.
fn shown(name: &str) -> String {
    let kept =
        name.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\'' | '\\' | '[' | ']' | ';' | '`' | '<' | '>'));
    kept.take(NAME_CHARS_MAX).collect()
}
