//! Labels of a signal that name what it is really about (investigation §7.1): an alert over a container object such as a
//! Namespace says with them which object to look at. Pure.

use std::borrow::Cow;

use crate::domain::{Incident, ResourceRef};

const KIND: &str = "target_resource_kind";
const NAME: &str = "target_resource_name";
const API_VERSION: &str = "target_resource_api_version";
/// Longest name of an object, in bytes (RFC 1123).
const NAME_BYTES_MAX: usize = 253;
/// Longest part of a name, and longest kind or version, in bytes.
const PART_BYTES_MAX: usize = 63;
/// Characters of a rejected value that are logged.
const VALUE_CHARS_MAX: usize = 80;

/// A label that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) label: &'static str,
    pub(super) because: &'static str,
    /// Its value in quotes, shortened: for the log.
    pub(super) value: String,
}

impl Rejected {
    fn new(label: &'static str, value: &str, because: &'static str) -> Self {
        let shown: String = value.chars().take(VALUE_CHARS_MAX).collect();
        Self { label, because, value: format!("{shown:?}") }
    }
}

/// The incident about the object its labels name, and the labels that do not count. A new kind needs a name beside it: the
/// signal's name belongs to an object of another kind.
pub(super) fn applied(incident: &Incident) -> (Cow<'_, Incident>, Vec<Rejected>) {
    let mut rejected = Vec::new();
    let mut label = |name: &'static str, is_valid: fn(&str) -> bool, because| {
        let given = incident.signal_labels.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())?;
        if !is_valid(given) {
            rejected.push(Rejected::new(name, given, because));
            return None;
        }
        Some(given)
    };
    let kind = label(KIND, is_kind, "a kind is a letter, then letters and digits");
    let name = label(NAME, is_name, "a name is a DNS subdomain");
    let version = label(API_VERSION, is_api_version, "an API version is `version` or `group/version`");
    let signal = &incident.resource;
    let kind_is_odd = kind.is_none() && incident.signal_labels.get(KIND).is_some_and(|text| !text.trim().is_empty());
    let name = name.filter(|name| {
        if kind_is_odd {
            rejected.push(Rejected::new(NAME, name, "the kind beside it does not count"));
        }
        !kind_is_odd
    });
    let kind = kind.filter(|kind| {
        let fits = name.is_some() || kind.eq_ignore_ascii_case(&signal.kind);
        if !fits {
            rejected.push(Rejected::new(KIND, kind, "a kind other than the signal's needs a name"));
        }
        fits
    });
    if kind.is_none() && name.is_none() && version.is_none() {
        return (Cow::Borrowed(incident), rejected);
    }
    let mut overridden = incident.clone();
    overridden.resource = replaced(signal, kind, name, version);
    (Cow::Owned(overridden), rejected)
}

fn replaced(signal: &ResourceRef, kind: Option<&str>, name: Option<&str>, version: Option<&str>) -> ResourceRef {
    let same_kind = kind.is_none_or(|kind| kind.eq_ignore_ascii_case(&signal.kind));
    // What is in a namespace is named by the namespace's own name; a namespace too much is dropped with the scope.
    let container = (!same_kind && signal.kind.eq_ignore_ascii_case("Namespace")).then(|| signal.name.clone());
    ResourceRef {
        kind: kind.unwrap_or(&signal.kind).to_owned(),
        name: name.unwrap_or(&signal.name).to_owned(),
        namespace: signal.namespace.clone().or(container).filter(|namespace| !namespace.is_empty()),
        api_version: version.map(str::to_owned).or_else(|| signal.api_version.clone().filter(|_| same_kind)),
    }
}

fn is_kind(text: &str) -> bool {
    text.len() <= PART_BYTES_MAX
        && text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        let ends = part.bytes().next().into_iter().chain(part.bytes().last());
        !part.is_empty()
            && part.len() <= PART_BYTES_MAX
            && ends.into_iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.len() <= NAME_BYTES_MAX && text.split('.').all(is_part)
}

fn is_api_version(text: &str) -> bool {
    let is_version = |version: &str| {
        version.len() <= PART_BYTES_MAX
            && version.starts_with('v')
            && version.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
            && version.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    match text.split_once('/') {
        Some((group, version)) => is_name(group) && is_version(version),
        None => is_version(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyser::testing;

    fn overridden(signal: &str, labels: &[(&str, &str)]) -> (ResourceRef, Vec<&'static str>) {
        let mut incident = testing::incident(testing::reference(signal));
        incident.signal_labels =
            labels.iter().map(|(name, value)| (format!("target_resource_{name}"), (*value).to_owned())).collect();
        let (incident, rejected) = applied(&incident);
        (incident.resource.clone(), rejected.into_iter().map(|one| one.label).collect())
    }

    #[test]
    fn valid_labels_replace_the_signal_resource() {
        for (signal, labels, expected, version) in [
            ("Namespace shop", vec![("kind", "Deployment"), ("name", "web")], "Deployment shop/web", None),
            (
                "Namespace shop",
                vec![("kind", "Rollout"), ("name", "web.v2"), ("api_version", "argoproj.io/v1alpha1")],
                "Rollout shop/web.v2",
                Some("argoproj.io/v1alpha1"),
            ),
            ("Pod shop/web-1", vec![("name", " web-2 ")], "Pod shop/web-2", Some("v1")),
            ("Pod shop/web-1", vec![("kind", "Deployment"), ("name", "web")], "Deployment shop/web", None),
            ("Pod shop/web-1", vec![("kind", "")], "Pod shop/web-1", Some("v1")),
        ] {
            let mut incident = testing::incident(testing::reference(signal));
            incident.resource.api_version = Some("v1".to_owned());
            incident.signal_labels =
                labels.iter().map(|(name, value)| (format!("target_resource_{name}"), (*value).to_owned())).collect();
            let (incident, rejected) = applied(&incident);
            let got = &incident.resource;
            assert_eq!((got.to_string().as_str(), got.api_version.as_deref()), (expected, version), "{labels:?}");
            assert_eq!(rejected, [], "{labels:?}");
        }
    }

    #[test]
    fn odd_labels_do_not_count() {
        let pod = testing::reference("Pod shop/web-1");
        for (labels, rejected) in [
            (
                vec![("kind", "Deployment; rm"), ("name", "../etc")],
                vec!["target_resource_kind", "target_resource_name"],
            ),
            (vec![("kind", "Deployment")], vec!["target_resource_kind"]),
            (vec![("kind", "Deploy ment"), ("name", "web")], vec!["target_resource_kind", "target_resource_name"]),
            (
                vec![("kind", "1Pod"), ("api_version", "apps")],
                vec!["target_resource_kind", "target_resource_api_version"],
            ),
            (vec![("name", "Web")], vec!["target_resource_name"]),
            (vec![("name", "-web")], vec!["target_resource_name"]),
            (vec![("api_version", "apps/v1/x")], vec!["target_resource_api_version"]),
            (vec![], vec![]),
        ] {
            assert_eq!(overridden("Pod shop/web-1", &labels), (pod.clone(), rejected), "{labels:?}");
        }
    }
}
