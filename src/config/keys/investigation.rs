//! How an incident is investigated and what a model may see.

use super::Kind::{Positive, Switch, Text, Texts, Whole, Word};
use super::{Key, key};

/// Most of anything that has no natural bound.
const MANY: u64 = 1_000_000_000;

pub(super) const KEYS: &[Key] = &[
    key(
        "investigation.engine",
        Word(&["auto", "model", "analyser"]),
        "auto",
        "Who answers: the model where there is one and it does, else the analyser (`auto`), or one of them only.",
    )
    .next(),
    key(
        "investigation.timeout_seconds",
        Whole(10, 3_600),
        "540",
        "Wall-clock budget of one investigation, queue time included.",
    )
    .next(),
    key(
        "investigation.wrap_up_seconds",
        Whole(0, 3_600),
        "45",
        "How long before the end a model is told to conclude; at most a quarter of the budget.",
    )
    .next(),
    key("investigation.analyser_hypotheses", Switch, "true", "Whether the model hears of the analyser's findings.")
        .next(),
    key("investigation.rca.max_turns", Whole(2, 200), "40", "Model calls of the root-cause phase.").next(),
    key("investigation.rca.max_tool_calls_per_tool", Whole(1, 1_000), "15", "Its calls of one tool.").next(),
    key("investigation.rca.max_total_tool_calls", Whole(1, 1_000), "60", "Its calls of all tools.").next(),
    key("investigation.selection.max_turns", Whole(2, 200), "20", "Model calls of the selection phase.").next(),
    key("investigation.selection.max_tool_calls_per_tool", Whole(1, 1_000), "10", "Its calls of one tool.").next(),
    key("investigation.selection.max_total_tool_calls", Whole(1, 1_000), "30", "Its calls of all tools.").next(),
    key(
        "investigation.selection.conversation",
        Word(&["seeded", "continue"]),
        "seeded",
        "The choice of a workflow begins anew with what was found, or continues the conversation that found it (more tokens, \
         more context; only where the same model chooses).",
    )
    .next(),
    key(
        "investigation.max_repeated_failures",
        Whole(1, 100),
        "3",
        "Turns of a phase in which one and the same tool call may fail; then it is not run any more, and a model that still \
         asks for it must conclude.",
    )
    .next(),
    key(
        "investigation.exempt_prefixes",
        Texts,
        "[todo_]",
        "Tools whose names begin so count for no budget of calls and may fail as often as they like.",
    )
    .next(),
    key("investigation.max_parallel_tools", Whole(1, 32), "8", "Tool calls of one turn running at once.").next(),
    key("investigation.tool_call_timeout_seconds", Whole(1, 600), "60", "One tool call.").next(),
    key(
        "investigation.max_tool_output_chars",
        Whole(0, MANY),
        "0",
        "Characters of one tool result shown to the model; 0 = 15 % of the context window, at most 25 000 tokens.",
    )
    .next(),
    key(
        "investigation.summarizer_threshold_chars",
        Whole(0, MANY),
        "8000",
        "Longer tool results are summed up by `investigation.summarizer_model`; 0 = never.",
    )
    .next(),
    key(
        "investigation.summarizer_model",
        Text,
        "",
        "A cheaper model of the same provider that sums long tool results up; unless set, results are shortened by rules. \
         Quotes are held against the results themselves.",
    )
    .next(),
    key(
        "investigation.max_tokens_total",
        Whole(0, MANY),
        "0",
        "Prompt and completion tokens of one investigation; 0 = no limit.",
    )
    .next(),
    key("investigation.max_validation_attempts", Whole(1, 10), "3", "Validations of a submitted workflow.").next(),
    key("investigation.namespaces.allow", Texts, "[]", "Only these namespaces may be read; none = all.").next(),
    key("investigation.namespaces.deny", Texts, "[]", "Not these.").next(),
    key(
        "investigation.recreate_action_types",
        Texts,
        "[]",
        "Action types that create an object anew: only these may be chosen for a target that was deleted.",
    )
    .next(),
    key(
        "investigation.enrichment_max_retries",
        Whole(0, 10),
        "3",
        "Further tries of a look-up of owners, labels or history that failed; those of history end with `data_storage.timeout`.",
    )
    .next(),
    key(
        "investigation.enrichment_base_backoff_ms",
        Whole(0, 30_000),
        "1000",
        "Wait before the first of them; each further one is twice as long, at most 30 s.",
    )
    .next(),
    key(
        "investigation.resolved_confidence_threshold",
        Positive(1.0),
        "0.7",
        "From this confidence on \"resolved\" is believed.",
    )
    .next(),
    key(
        "investigation.inconclusive_confidence_threshold",
        Positive(1.0),
        "0.5",
        "Below this confidence a model is told to answer \"inconclusive\".",
    )
    .next(),
    key(
        "prompt.repeated_remediation_escalation_threshold",
        Whole(1, 20),
        "2",
        "How often an action may have been repeated for one signal before the history warns of it.",
    )
    .next(),
    key(
        "prompt.confidence_threshold_human_review",
        Positive(1.0),
        "0.7",
        "Below this confidence a person looks: \"resolved\" counts as inconclusive and, where it is above 0.7, a chosen \
         workflow is flagged `low_confidence`. Consumers stop choices below 0.7 themselves.",
    )
    .next(),
    key("redact.pii", Switch, "false", "E-mail and IPv4 addresses are taken out of what a model sees.").next(),
    key(
        "injection.mode",
        Word(&["mark", "strip"]),
        "mark",
        "What becomes of text that looks like instructions to a model.",
    )
    .next(),
];
