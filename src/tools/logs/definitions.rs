//! The log tools as the model sees them.

use serde_json::json;

use super::pattern::PATTERN_CHARS_MAX;
use crate::llm::ToolDefinition;
use crate::tools::kubernetes::definition;

pub(super) fn fetch_pod_logs() -> ToolDefinition {
    let text = |about: &str| json!({"type": "string", "description": about});
    definition(
        "fetch_pod_logs",
        "Log of a pod: all containers, instance before the last restart included, in order of time. First choice for logs.",
        &["pod_name", "namespace"],
        json!({
            "pod_name": {"type": "string"},
            "namespace": {"type": "string"},
            "start_time": text("RFC 3339, or negative seconds before end_time (default -604800)"),
            "end_time": text("RFC 3339 (default now)"),
            "filter": text(&format!("regular expression, lines to keep, case ignored, at most {PATTERN_CHARS_MAX} characters")),
            "exclude_filter": text("the same, lines to drop"),
            "limit": {"type": "integer", "minimum": 1, "description": "newest lines shown (default 100)"}
        }),
    )
}

pub(super) fn kubectl_logs() -> ToolDefinition {
    let text = || json!({"type": "string"});
    let count = || json!({"type": "integer", "minimum": 1});
    let flag = || json!({"type": "boolean"});
    definition(
        "kubectl_logs",
        "Log of one container (default: the pod's first), newest tailLines (default 500), as kubectl logs.",
        &["namespace"],
        json!({
            "pod_name": text(),
            "name": {"type": "string", "description": "same as pod_name"},
            "namespace": text(),
            "container": text(),
            "container_name": text(),
            "previous": flag(),
            "all_containers": flag(),
            "pattern": {"type": "string", "description": "regular expression, lines to keep"},
            "search_term": text(),
            "tailLines": count(),
            "limitBytes": count()
        }),
    )
}
