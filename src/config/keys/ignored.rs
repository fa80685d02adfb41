//! Keys that are accepted and do nothing: those of earlier versions (operations §1.4). Each is told in one line: why.

use super::{fits, is_list_at};

const FIXED: &str = "the endpoint of metrics is fixed";
const IN_CLUSTER: &str = "in-cluster discovery, KUBECONFIG or `cluster.kubeconfig` decides";
const RETIRED: &str = "that service was retired";
const BUILT_IN: &str = "these tools are built in";
const POLLED: &str = "files are polled by content every `reload.poll_seconds`";

const TABLE: &[(&str, &str)] = &[
    ("version", "a label only"),
    ("dev_mode", "the documentation is always served, and authentication is never relaxed"),
    ("auth_enabled", "authentication cannot be switched off"),
    ("context_api.url|timeout_seconds|max_retries|enabled", RETIRED),
    ("kubernetes.service_host|service_port|token_reviewer_enabled|in_cluster|kubeconfig_path", IN_CLUSTER),
    ("public_endpoints.[]", "the set of public paths is fixed"),
    ("metrics.enabled|endpoint|scrape_interval|port|path", FIXED),
    ("debug.enabled|litellm|toolset_injection", "`logging.level` decides"),
    ("hapi.url", "a setting of test clients"),
    ("toolsets.workflow/catalog|workflow/discovery.enabled", BUILT_IN),
    ("toolsets.workflow/catalog|workflow/discovery.config.*", BUILT_IN),
    ("reload.debounce_ms|fallback_poll_seconds", POLLED),
];

/// Why this key does nothing, when it is one of them.
pub(in crate::config) fn ignored(path: &[String]) -> Option<&'static str> {
    TABLE.iter().find(|(pattern, _)| is_at(pattern, path, true)).map(|(_, why)| *why)
}

/// Whether such keys begin with this path.
pub(super) fn is_section(path: &[String]) -> bool {
    TABLE.iter().any(|(pattern, _)| is_at(pattern, path, false))
}

/// Whether what follows a section is a list.
pub(super) fn is_list(section: &[String]) -> bool {
    TABLE.iter().any(|(pattern, _)| is_list_at(pattern, section))
}

/// What may follow a section.
pub(super) fn names_in(section: &[String]) -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(|(pattern, _)| is_at(pattern, section, false)).flat_map(|(pattern, _)| {
        pattern
            .split('.')
            .nth(section.len())
            .into_iter()
            .flat_map(|name| name.split('|'))
            .filter(|name| !matches!(*name, "*" | "[]"))
    })
}

fn is_at(pattern: &str, path: &[String], whole: bool) -> bool {
    let mut parts = pattern.split('.');
    path.iter().all(|name| parts.next().is_some_and(|part| fits(part, name))) && parts.next().is_none() == whole
}
