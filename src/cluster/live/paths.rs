//! Paths of the Kubernetes REST API. Pure.

use std::fmt::Write as _;

use crate::cluster::ApiKind;

/// `/api/v1/namespaces/x/pods`, `/apis/apps/v1/deployments`.
pub(super) fn collection(kind: &ApiKind, namespace: Option<&str>) -> String {
    let root = if kind.api_version.contains('/') { "/apis" } else { "/api" };
    let place = match namespace.filter(|_| kind.namespaced) {
        Some(namespace) => format!("/namespaces/{}", escaped(namespace)),
        None => String::new(),
    };
    format!("{root}/{}{place}/{}", kind.api_version, kind.plural)
}

pub(super) fn object(kind: &ApiKind, namespace: Option<&str>, name: &str) -> String {
    format!("{}/{}", collection(kind, namespace), escaped(name))
}

/// `path?a=b&c=d`; parameters without a value are left out.
pub(super) fn with_query(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let mut whole = path.to_owned();
    let given = parameters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    for (position, (name, value)) in given.enumerate() {
        let _ = write!(whole, "{}{name}={}", if position == 0 { '?' } else { '&' }, escaped(value));
    }
    whole
}

/// Percent-encodes everything but letters, digits and `-._~`.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(api_version: &str, plural: &str, namespaced: bool) -> ApiKind {
        ApiKind { api_version: api_version.to_owned(), kind: String::new(), plural: plural.to_owned(), namespaced }
    }

    #[test]
    fn paths() {
        let pods = kind("v1", "pods", true);
        let nodes = kind("v1", "nodes", false);
        let deployments = kind("apps/v1", "deployments", true);
        assert_eq!(collection(&pods, None), "/api/v1/pods");
        assert_eq!(collection(&pods, Some("shop")), "/api/v1/namespaces/shop/pods");
        assert_eq!(collection(&nodes, Some("shop")), "/api/v1/nodes");
        assert_eq!(object(&deployments, Some("shop"), "web"), "/apis/apps/v1/namespaces/shop/deployments/web");
        assert_eq!(object(&nodes, None, "system:x"), "/api/v1/nodes/system%3Ax");
        assert_eq!(
            with_query("/api/v1/pods", &[("limit", Some("5".into())), ("continue", None), ("l", Some("a=b,c".into()))]),
            "/api/v1/pods?limit=5&l=a%3Db%2Cc"
        );
    }
}
