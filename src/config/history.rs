//! Keys that earlier versions accepted and did not act on (operations §1.13).

use super::node::Node;

/// Key, what earlier versions did, what happens now.
const CHANGES: &[(&[&str], &str)] = &[
    (&["llm", "temperature"], "llm.temperature: 1e-8 was sent whatever it said; now it is sent as written"),
    (&["llm", "timeout_seconds"], "llm.timeout_seconds: 600 s counted; now one attempt takes as long as written"),
    (&["llm", "max_retries"], "llm.max_retries: the library's own number counted; now this one does"),
    (
        &["llm", "max_tokens_per_request"],
        "llm.max_tokens_per_request: was not sent; now it is the ceiling of an answer, raised once when an answer is cut off",
    ),
    (&["llm", "endpoint"], "llm.endpoint: was ignored unless LLM_ENDPOINT was set; now it is the address"),
    (&["llm", "secrets_file"], "llm.secrets_file: was ignored; now it is read where it exists"),
    (
        &["prompt", "repeated_remediation_escalation_threshold"],
        "prompt.repeated_remediation_escalation_threshold: was always 2; now it counts as written",
    ),
    (
        &["prompt", "confidence_threshold_human_review"],
        "prompt.confidence_threshold_human_review: was always 0.7; now it counts as written",
    ),
    (
        &["data_storage", "timeout"],
        "data_storage.timeout: only DATA_STORAGE_TIMEOUT was read; now it counts as written",
    ),
];

/// Keys by which a file of an earlier version is known.
const SIGNS: &[&[&str]] = &[
    &["dev_mode"],
    &["auth_enabled"],
    &["context_api"],
    &["kubernetes"],
    &["public_endpoints"],
    &["hapi"],
    &["llm", "secrets_file"],
    &["audit", "buffer_size"],
];

/// What is different now, one sentence for each key that is set; nothing for a file that was written for this version.
pub(super) fn changes(root: &Node, has_second_file: bool) -> Vec<String> {
    let is_old = has_second_file || SIGNS.iter().any(|path| root.at(path).is_some());
    let set = CHANGES.iter().filter(|(path, _)| is_old && root.at(path).is_some());
    set.map(|(_, sentence)| (*sentence).to_owned()).collect()
}
