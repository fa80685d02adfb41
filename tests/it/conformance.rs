//! The engine's conformance list (investigation §10), the defects of the originals and the acceptance checklist of operations
//! (§0.3, §9): every item and the tests that hold it. An item without its tests fails here.

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

/// The defects of the originals (operations §0.3), and the test or the scenario of the load harness that keeps each out.
const DEFECTS: &[Item] = &[
    (
        1,
        "a reload that no handler reads",
        &[("tests/it/reload.rs", "a_running_investigation_ends_with_the_model_it_began_with")],
    ),
    (
        2,
        "a watcher of one folder only",
        &[("tests/it/reload.rs", "every_file_counts_when_it_is_swapped_and_a_broken_one_changes_nothing")],
    ),
    (3, "a log level that does not change", &[("tests/it/reload.rs", "the_level_of_the_log_changes_at_once")]),
    (
        4,
        "the hash of a rejected file",
        &[("tests/it/reload.rs", "every_file_counts_when_it_is_swapped_and_a_broken_one_changes_nothing")],
    ),
    (
        5,
        "misspelt keys",
        &[("tests/it/configuration.rs", "every_key_misspelt_once_is_reported_with_file_line_and_suggestion")],
    ),
    (
        6,
        "keys without effect",
        &[
            ("tests/it/configuration.rs", "what_the_shapes_say_has_effect"),
            ("src/config/keys/tests.rs", "every_key_reaches_its_section"),
        ],
    ),
    (7, "an endpoint that is not asked", &[("tests/it/llm/exchange.rs", "every_provider_is_asked_in_its_own_way")]),
    (
        8,
        "a signal that ends nothing",
        &[("tests/it/telemetry/lifecycle.rs", "d8_d9_running_work_streams_and_events_survive_a_signal")],
    ),
    (
        9,
        "audit events that die with the process",
        &[
            ("tests/it/telemetry/lifecycle.rs", "d8_d9_running_work_streams_and_events_survive_a_signal"),
            ("tests/it/audit/crash.rs", "test_01_kill_9_loses_nothing_repeats_nothing_and_ends_every_investigation"),
        ],
    ),
    (
        10,
        "sessions kept for ever",
        &[
            ("tests/it/sessions.rs", "finished_sessions_expire"),
            ("tests/load/sessions.rs", "memory growth after the TTL"),
        ],
    ),
    (
        11,
        "readiness that is a constant",
        &[("tests/it/telemetry/lifecycle.rs", "d11_readiness_follows_its_dependencies_and_says_why")],
    ),
    (
        12,
        "reviews that block everybody",
        &[
            ("tests/it/kubernetes_auth/load.rs", "reviews_of_three_seconds_slow_neither_probes_nor_known_callers"),
            ("tests/load/requests.rs", "authenticated polls a second"),
        ],
    ),
    (13, "32 investigations at most", &[("tests/load/investigations.rs", "five_thousand")]),
    (
        14,
        "headers and bodies in the log",
        &[
            ("tests/it/telemetry/secrets.rs", "secrets_never_reach_the_log_or_a_trace"),
            ("tests/it/process.rs", "what_callers_send_is_logged_without_secrets"),
        ],
    ),
    (15, "records that are no JSON", &[("tests/it/telemetry/logs.rs", "records_of_an_investigation")]),
    (
        16,
        "dashboards of series nobody exports",
        &[("tests/it/deploy/metrics.rs", "dashboards_and_alerts_name_only_exported_series")],
    ),
    (
        17,
        "families that never move",
        &[("tests/it/telemetry/metrics.rs", "every_family_moves_on_the_way_of_real_work")],
    ),
    (
        18,
        "alerts that cannot fire",
        &[
            ("tests/it/deploy/metrics.rs", "alerts_fire_when_they_must_and_are_silent_otherwise"),
            ("tests/it/deploy/metrics.rs", "queries_ask_for_the_job_that_the_chart_makes"),
        ],
    ),
    (19, "a load test that can only fail", &[("tests/load/investigations.rs", "sessions have not ended")]),
    (
        20,
        "a chart that does not keep its word",
        &[
            ("tests/it/deploy/chart.rs", "every_pod_is_locked_down_and_probed_where_it_listens"),
            ("tests/it/deploy/chart.rs", "the_network_policy_lets_through_what_is_configured"),
            ("tests/it/deploy/chart.rs", "every_configuration_is_accepted_and_fits_the_grace_period"),
        ],
    ),
];

/// The acceptance checklist of operations §9.
const CHECKLIST: &[Item] = &[
    (
        1,
        "shapes in circulation, and misspelt keys",
        &[
            ("tests/it/configuration.rs", "every_shape_in_circulation_is_understood"),
            ("tests/it/configuration.rs", "every_key_misspelt_once_is_reported_with_file_line_and_suggestion"),
        ],
    ),
    (
        2,
        "swapped files",
        &[("tests/it/reload.rs", "every_file_counts_when_it_is_swapped_and_a_broken_one_changes_nothing")],
    ),
    (
        3,
        "a model switched under load",
        &[("tests/it/reload.rs", "a_running_investigation_ends_with_the_model_it_began_with")],
    ),
    (4, "JSON records without secrets", &[("tests/it/telemetry/secrets.rs", "secrets_never_reach_the_log_or_a_trace")]),
    (
        5,
        "metrics move, rules and dashboards name them",
        &[
            ("tests/it/telemetry/metrics.rs", "every_family_moves_on_the_way_of_real_work"),
            ("tests/it/deploy/metrics.rs", "a_real_prometheus_answers_every_query"),
        ],
    ),
    (
        6,
        "a signal under load",
        &[("tests/it/telemetry/lifecycle.rs", "d8_d9_running_work_streams_and_events_survive_a_signal")],
    ),
    (
        7,
        "DataStorage down at the start",
        &[("tests/it/telemetry/lifecycle.rs", "d11_readiness_follows_its_dependencies_and_says_why")],
    ),
    (8, "figures", &[("tests/load/main.rs", "docs/performance.md")]),
    (9, "the chart renders in every shape", &[("tests/it/deploy/chart.rs", "every_object_is_what_kubernetes_knows")]),
    (
        10,
        "an arbitrary uid, read-only root, no capabilities",
        &[("tests/it/deploy/sandbox.rs", "serves_as_an_arbitrary_user_with_a_read_only_root_and_no_capabilities")],
    ),
    (
        11,
        "each provider and its refusals",
        &[
            ("tests/it/llm/exchange.rs", "every_provider_is_asked_in_its_own_way"),
            ("tests/it/llm/exchange.rs", "faults_are_retried_and_classified"),
            ("tests/it/llm/exchange.rs", "the_providers_own_delay_comes_before_our_backoff"),
        ],
    ),
    (12, "a load generator", &[("tests/load/sessions.rs", "SOAK_SECONDS")]),
];

#[test]
fn every_item_of_the_engines_conformance_list_is_held_by_tests() {
    held(ITEMS, 14);
}

#[test]
fn every_defect_of_the_originals_is_kept_out_by_a_test() {
    held(DEFECTS, 20);
}

#[test]
fn every_line_of_the_acceptance_checklist_is_held_by_a_test() {
    held(CHECKLIST, 12);
}

fn held(items: &[Item], count: u8) {
    let numbers: Vec<u8> = items.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=count).collect::<Vec<u8>>());
    let mut missing = Vec::new();
    for (number, what, held) in items {
        for (file, name) in *held {
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            if !text.contains(name) {
                missing.push(format!("{number} ({what}): {name} is not in {file}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
