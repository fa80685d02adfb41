//! The engine's conformance list (investigation §10): every item and the tests that hold it. An item without its tests fails
//! here.

use crate::process::root;

/// Number, what it demands, and where it is held: a source file and the name of a test in it, or a scenario and words of it.
type Item = (u8, &'static str, &'static [(&'static str, &'static str)]);

const ITEMS: &[Item] = &[
    (1, "hash vectors", &[("src/enrichment/spec_hash/tests.rs", "every_section_of_the_vectors_is_tested")]),
    (
        2,
        "every shape of an answer",
        &[
            ("src/investigation/answer/tests/shapes.rs", "a_root_cause_reads_alike_in_every_shape"),
            ("src/investigation/answer/tests/shapes.rs", "a_selection_reads_alike_in_every_shape"),
            ("src/investigation/answer/tests/fields.rs", "confidence_in_every_form"),
            ("src/investigation/answer/tests/selected.rs", "parameters_in_every_form"),
        ],
    ),
    (
        3,
        "outcome table",
        &[
            ("tests/it/scenarios/row10_catalogue_down.yaml", "Workflow catalogue unavailable"),
            ("tests/it/scenarios/row10_catalogue_down_for_the_analyser.yaml", "Workflow catalogue unavailable"),
            ("src/investigation/decision.rs", "every_row_of_the_table"),
            ("src/investigation/decision.rs", "consumer_texts"),
            ("tests/it/scenarios/resolved.yaml", "no_warnings"),
        ],
    ),
    (
        4,
        "corrections and validations",
        &[
            ("tests/it/scenarios/validation_two_corrections.yaml", "attempts: 3"),
            ("tests/it/scenarios/validation_exhausted.yaml", "attempts: 3"),
        ],
    ),
    (
        5,
        "parameter rules",
        &[
            ("src/catalogue/parameters.rs", "values_are_converted_to_the_declared_type"),
            ("src/catalogue/parameters.rs", "broken_rules_are_named_with_value_and_bound"),
            ("src/catalogue/parameters.rs", "defaults_fill_in_and_the_rest_is_told"),
        ],
    ),
    (
        6,
        "severity unknown and no priority give valid requests to the catalogue",
        &[
            ("tests/it/scenarios/severity_unknown_and_no_priority.yaml", "verdict"),
            ("tests/it/scenarios/datastorage_severity_unknown_and_no_priority.yaml", "severity=critical"),
            ("tests/it/scenarios/datastorage_severity_unknown_to_everybody.yaml", "severity=medium"),
            ("src/catalogue/signal.rs", "checklist_2_severity_and_priority_are_always_words_the_server_takes"),
        ],
    ),
    (
        7,
        "validation asks with the context filters, and a misfit is not an unknown workflow",
        &[
            ("src/investigation/validation/tests.rs", "every_rule_has_its_reason"),
            ("tests/it/scenarios/datastorage_hidden_workflow_is_a_misfit.yaml", "does not fit this incident"),
            (
                "tests/it/datastorage/workflows.rs",
                "what_is_hidden_is_told_from_what_does_not_exist_for_validation_only",
            ),
        ],
    ),
    (
        8,
        "owner chain",
        &[
            ("src/enrichment/owners/tests.rs", "conformance_8_controller_reference_wins"),
            ("src/enrichment/owners/tests.rs", "conformance_8_mirror_pod_stays_and_other_things_of_a_node_do_not"),
            ("src/enrichment/owners/tests.rs", "conformance_8_forbidden_hop_is_kept_by_name"),
            ("src/enrichment/owners/tests.rs", "conformance_8_cycle_ends"),
            ("src/enrichment/owners/tests.rs", "conformance_8_depth_is_ten_owners"),
        ],
    ),
    (
        9,
        "detected labels",
        &[
            ("src/enrichment/labels/tests.rs", "conformance_9_stateful_set_with_a_budget_via_match_expressions"),
            ("src/enrichment/labels/tests.rs", "conformance_9_daemon_set_with_mesh"),
            ("src/enrichment/labels/tests.rs", "conformance_9_autoscaler_on_the_target_itself_or_any_owner"),
            ("src/enrichment/labels/tests.rs", "conformance_9_denied_is_failed_and_not_sent_as_filter"),
        ],
    ),
    (
        10,
        "history",
        &[
            ("src/enrichment/history/tests.rs", "conformance_10_regression_warns_first"),
            ("src/enrichment/history/tests.rs", "conformance_10_drift_is_inconclusive_and_names_its_follow_up"),
            ("src/enrichment/history/tests.rs", "conformance_10_declining_counts_only_in_the_order_of_time"),
            ("src/enrichment/history/tests.rs", "conformance_10_threshold_two_advises_or_forbids"),
            ("src/enrichment/history/tests.rs", "conformance_10_duplicate_ids_count_once"),
            ("src/enrichment/tests.rs", "conformance_10_a_cluster_scoped_target_is_asked_for_without_a_namespace"),
            ("tests/it/datastorage/questions.rs", "checklist_8_history_of_a_cluster_scoped_object"),
            ("tests/it/scenarios/datastorage_history.yaml", "Must be avoided"),
        ],
    ),
    (
        11,
        "redaction",
        &[
            ("src/redaction/tests/properties.rs", "twice_is_once"),
            ("src/redaction/tests/benign.rs", "benign_text_stays_as_it_is"),
            ("src/redaction/tests/classes.rs", "tokens_that_show_by_their_form"),
            ("tests/it/scenarios/secret_last_applied.yaml", "nowhere"),
        ],
    ),
    (
        12,
        "the loop",
        &[
            ("tests/it/scenarios/calls_keep_their_order.yaml", "results"),
            ("tests/it/scenarios/truncated_once.yaml", "length"),
            ("tests/it/scenarios/empty_once.yaml", "verdict"),
            ("tests/it/scenarios/tools_arguments.yaml", "raw"),
            ("tests/it/scenarios/tools_unknown_and_of_the_other_phase.yaml", "not available"),
            ("tests/it/scenarios/calls_beside_a_submit_are_skipped.yaml", "skipped"),
            ("tests/it/scenarios/budget_turns.yaml", "choice"),
            ("tests/it/scenarios/provider_context_length.yaml", "shortened to make room"),
            ("tests/it/scenarios/cancelled.rs", "model"),
            ("tests/it/scenarios/cancelled.rs", "tool"),
        ],
    ),
    (13, "the reference mock", &[("tests/it/scenarios/reference_mock.yaml", "verdict")]),
    (
        14,
        "fuzz",
        &[
            ("src/investigation/answer/tests/fuzz.rs", "damaged_answers"),
            ("src/redaction/tests/properties.rs", "nasty"),
            ("tests/it/fuzz.rs", "FUZZ_SEED"),
        ],
    ),
];

#[test]
fn every_item_of_the_engines_conformance_list_is_held_by_tests() {
    let numbers: Vec<u8> = ITEMS.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=14).collect::<Vec<u8>>());
    let mut missing = Vec::new();
    for (number, what, held) in ITEMS {
        for (file, name) in *held {
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            if !text.contains(name) {
                missing.push(format!("{number} ({what}): {name} is not in {file}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
