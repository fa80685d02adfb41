//! Keys that are accepted and do nothing: those of earlier versions (operations §1.4), and those of features this version
//! does not have, as long as they ask for nothing.

use super::{fits, is_list_at};

/// What happens to such a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Unbuilt {
    /// Accepted whatever it says, and told in one line: why.
    Ignored(&'static str),
    /// Accepted while it says one of these; else refused: what to do instead.
    Refused { unless: &'static [&'static str], instead: &'static str },
}

use Unbuilt::{Ignored, Refused};

const fn refused(unless: &'static [&'static str], instead: &'static str) -> Unbuilt {
    Refused { unless, instead }
}

const FIXED: &str = "the endpoint of metrics is fixed";
const IN_CLUSTER: &str = "in-cluster discovery, KUBECONFIG or `cluster.kubeconfig` decides";
const RETIRED: &str = "that service was retired";
const BUILT_IN: &str = "these tools are built in";
const NO_SUMMARIES: &str =
    "this version does not summarise tool output: remove the key, the output is shortened by rules";
const READINESS: &str = "this version has fixed rules of readiness: remove the key";
const POLLED: &str = "files are polled by content every `reload.poll_seconds`";

const TABLE: &[(&str, Unbuilt)] = &[
    ("version", Ignored("a label only")),
    ("dev_mode", Ignored("the documentation is always served, and authentication is never relaxed")),
    ("auth_enabled", Ignored("authentication cannot be switched off")),
    ("context_api.url|timeout_seconds|max_retries|enabled", Ignored(RETIRED)),
    ("kubernetes.service_host|service_port|token_reviewer_enabled|in_cluster|kubeconfig_path", Ignored(IN_CLUSTER)),
    ("public_endpoints.[]", Ignored("the set of public paths is fixed")),
    ("metrics.enabled|endpoint|scrape_interval|port|path", Ignored(FIXED)),
    ("debug.enabled|litellm|toolset_injection", Ignored("`logging.level` decides")),
    ("hapi.url", Ignored("a setting of test clients")),
    ("toolsets.workflow/catalog|workflow/discovery.enabled", Ignored(BUILT_IN)),
    ("toolsets.workflow/catalog|workflow/discovery.config.*", Ignored(BUILT_IN)),
    ("reload.debounce_ms|fallback_poll_seconds", Ignored(POLLED)),
    (
        "investigation.selection.conversation",
        refused(&["seeded"], "this version always begins the selection anew: remove the key"),
    ),
    (
        "investigation.max_repeated_failures",
        refused(&["3"], "this version stops a tool after 3 equal failures: remove the key"),
    ),
    (
        "investigation.exempt_prefixes.[]",
        refused(&["todo_"], "this version exempts no tool from its budgets: remove the key"),
    ),
    ("investigation.summarizer_threshold_chars", Ignored("tool output is shortened by rules")),
    ("investigation.summarizer_model", refused(&[""], NO_SUMMARIES)),
    ("investigation.enrichment_max_retries", refused(&["3"], "look-ups have fixed retries: remove the key")),
    ("investigation.enrichment_base_backoff_ms", refused(&["1000"], "look-ups have fixed pauses: remove the key")),
    (
        "prompt.confidence_threshold_human_review",
        refused(&["0.7"], "the decision table has fixed bands, the first begins at 0.7: remove the key"),
    ),
    ("metrics.legacy_names.[]", refused(&[], "this version exports the current names only: remove the key")),
    ("metrics.per_tool", refused(&["true"], "this version always labels tools: remove the key")),
    ("readiness.data_storage|kubernetes", refused(&["required"], READINESS)),
    ("readiness.llm", refused(&["informational"], READINESS)),
];

/// Whether this is such a key.
pub(in crate::config) fn unbuilt(path: &[String]) -> Option<Unbuilt> {
    TABLE.iter().find(|(pattern, _)| is_at(pattern, path, true)).map(|(_, treatment)| *treatment)
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
