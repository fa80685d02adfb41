use serde_json::json;

use super::*;

const SIGNAL: &str = "KubePodCrashLooping";

/// A remediation with an id, completed on this day of April; `more` overrides members.
fn entry(id: &str, day: u32, more: Value) -> Value {
    let mut entry = json!({
        "remediationUID": id, "completedAt": format!("2026-04-{day:02}T04:11:00Z"), "signalType": SIGNAL,
        "actionType": "RestartPods", "outcome": "Completed", "effectivenessScore": 0.5, "signalResolved": false,
        "hashMatch": "none", "assessmentReason": "full"
    });
    for (key, value) in more.as_object().unwrap() {
        entry[key] = value.clone();
    }
    entry
}

fn history(tier1: &[Value], tier2: &[Value]) -> History {
    serde_json::from_value(json!({
        "targetResource": "shop/Deployment/cart", "currentSpecHash": "sha256:1f0c", "regressionDetected": false,
        "tier1": {"window": "24h0m0s", "chain": tier1}, "tier2": {"window": "2160h0m0s", "chain": tier2}
    }))
    .unwrap()
}

fn rendered(tier1: &[Value], tier2: &[Value]) -> String {
    render(&history(tier1, tier2), REPETITIONS_MAX)
}

#[test]
fn a_whole_history_reads_well() {
    let recent = [
        entry(
            "rr-1",
            6,
            json!({
                "actionType": "IncreaseMemoryLimits", "effectivenessScore": 0.72, "signalResolved": true,
                "hashMatch": "postRemediation",
                "healthChecks": {"podRunning": true, "readinessPass": false, "restartDelta": 1, "crashLoops": false,
                    "oomKilled": false, "pendingCount": 0},
                "metricDeltas": {"cpuBefore": 0.5, "cpuAfter": 0.256, "memoryBefore": 512, "memoryAfter": 400.25,
                    "latencyP95BeforeMs": 120.04, "latencyP95AfterMs": 80, "errorRateBefore": 0.1, "errorRateAfter": null}
            }),
        ),
        entry("rr-2", 7, json!({"assessmentReason": "spec_drift", "effectivenessScore": 0.0})),
    ];
    let older = [entry("rr-0", 1, json!({"outcome": "Failed", "hashMatch": "preRemediation"}))];
    insta::assert_snapshot!(rendered(&recent, &older));
}

#[test]
fn nothing_is_rendered_for_empty_chains() {
    assert_eq!(rendered(&[], &[]), "");
    assert!(history(&[], &[]).is_empty());
}

#[test]
fn conformance_10_regression_warns_first() {
    let mut history = history(&[entry("a", 1, json!({}))], &[]);
    assert!(!render(&history, REPETITIONS_MAX).contains("Regression"));
    history.regression_detected = true;
    let text = render(&history, REPETITIONS_MAX);
    assert!(text.lines().nth(1).unwrap().starts_with("**Regression**"), "{text}");
}

#[test]
fn conformance_10_drift_is_inconclusive_and_names_its_follow_up() {
    let drifted = entry(
        "drifted",
        1,
        json!({
            "assessmentReason": "SpecDrift", "effectivenessScore": 0.91, "signalResolved": true, "hashMatch": "postRemediation",
            "postRemediationSpecHash": "sha256:b", "healthChecks": {"podRunning": true},
            "metricDeltas": {"cpuBefore": 1, "cpuAfter": 2}
        }),
    );
    let next = entry("next", 2, json!({"preRemediationSpecHash": "sha256:b", "effectivenessScore": null}));
    let text = rendered(&[drifted, next], &[]);
    for suppressed in ["0.91", "running yes", "cpu", "signal resolved", "unchanged since"] {
        assert!(!text.contains(suppressed), "{suppressed} in {text}");
    }
    assert!(text.contains("it led to the follow-up remediation next: be cautious"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("Note on inconclusive entries"), "{text}");
    // Its own hash and unknown hashes are no follow-up.
    let own = entry(
        "own",
        1,
        json!({"assessmentReason": "spec_drift", "preRemediationSpecHash": "x", "postRemediationSpecHash": "x"}),
    );
    let unknown = entry("unknown", 2, json!({"assessmentReason": "spec_drift", "postRemediationSpecHash": ""}));
    let blank = entry("blank", 3, json!({"preRemediationSpecHash": ""}));
    assert!(!rendered(&[own, unknown, blank], &[]).contains("follow-up"));
    assert!(!rendered(&[entry("plain", 1, json!({}))], &[]).contains("Note on inconclusive"));
}

#[test]
fn conformance_10_declining_counts_only_in_the_order_of_time() {
    let scored = |day: u32, score: f64| entry(&format!("d{day}"), day, json!({"effectivenessScore": score}));
    let declines = |entries: &[Value]| rendered(entries, &[]).contains("**Declining effectiveness**: RestartPods");
    let falling = [scored(1, 0.9), scored(2, 0.6), scored(3, 0.3)];
    let newest_first: Vec<Value> = falling.iter().rev().cloned().collect();
    let cases: [(&str, &[Value], bool); 8] = [
        ("falling", &falling, true),
        ("falling, told newest first", &newest_first, true),
        ("rising", &[scored(1, 0.3), scored(2, 0.6), scored(3, 0.9)], false),
        ("rising, told newest first", &[scored(3, 0.9), scored(2, 0.6), scored(1, 0.3)], false),
        ("equal in between", &[scored(1, 0.9), scored(2, 0.6), scored(3, 0.6)], false),
        ("two only", &falling[..2], false),
        (
            "an unscored one between",
            &[scored(1, 0.9), scored(2, 0.6), entry("u", 3, json!({"effectivenessScore": null})), scored(4, 0.3)],
            true,
        ),
        (
            "the third is drift",
            &[
                scored(1, 0.9),
                scored(2, 0.6),
                entry("x", 3, json!({"effectivenessScore": 0.0, "assessmentReason": "spec_drift"})),
            ],
            false,
        ),
    ];
    for (situation, entries, expected) in cases {
        assert_eq!(declines(entries), expected, "{situation}");
    }
    let other = entry("o", 3, json!({"effectivenessScore": 0.3, "actionType": "Other"}));
    assert!(!declines(&[scored(1, 0.9), scored(2, 0.6), other]), "another action type");
    assert!(!rendered(&falling[1..], &falling[..1]).contains("Declining"), "the older tier does not count");
}

/// In words, both tiers, and whether a repetition is found that must be avoided.
type Situation = (&'static str, Vec<Value>, Vec<Value>, Option<bool>);

#[test]
fn conformance_10_threshold_two_advises_or_forbids() {
    let ineffective = |id: &str, day| entry(id, day, json!({"effectivenessScore": 0.0}));
    let unscored = |id: &str, day| entry(id, day, json!({"effectivenessScore": null, "signalResolved": null}));
    let advice = Some(false);
    let ban = Some(true);
    let cases: [Situation; 13] = [
        ("one", vec![ineffective("a", 1)], vec![], None),
        ("two without effect", vec![ineffective("a", 1), ineffective("b", 2)], vec![], ban),
        ("over both tiers", vec![ineffective("b", 9)], vec![unscored("a", 1)], ban),
        ("one had an effect", vec![ineffective("a", 1), entry("b", 2, json!({}))], vec![], advice),
        (
            "one resolved it",
            vec![ineffective("a", 1), entry("b", 2, json!({"effectivenessScore": 0, "signalResolved": true}))],
            vec![],
            advice,
        ),
        ("the same id in both tiers", vec![ineffective("a", 1)], vec![ineffective("a", 1)], None),
        ("failed ones", vec![ineffective("a", 1), entry("b", 2, json!({"outcome": "Failed"}))], vec![], None),
        ("no outcome", vec![ineffective("a", 1), entry("b", 2, json!({"outcome": null}))], vec![], None),
        ("success", vec![ineffective("a", 1), entry("b", 2, json!({"outcome": "success"}))], vec![], advice),
        ("remediated", vec![ineffective("a", 1), entry("b", 2, json!({"outcome": "Remediated"}))], vec![], advice),
        ("drift", vec![ineffective("a", 1), entry("b", 2, json!({"assessmentReason": "spec_drift"}))], vec![], None),
        ("another signal", vec![ineffective("a", 1), entry("b", 2, json!({"signalType": "Other"}))], vec![], None),
        ("another action", vec![ineffective("a", 1), entry("b", 2, json!({"actionType": "Other"}))], vec![], None),
    ];
    for (situation, tier1, tier2, expected) in cases {
        let history = history(&tier1, &tier2);
        let found = repetitions(&history, REPETITIONS_MAX);
        assert_eq!(found.first().map(|repetition| repetition.must_be_avoided), expected, "{situation}");
        let text = render(&history, REPETITIONS_MAX);
        assert_eq!(text.contains("**Repetition**"), expected == advice, "{situation}: {text}");
        assert_eq!(text.contains("**Must be avoided**"), expected == ban, "{situation}: {text}");
        let avoided = avoided_action_types(&history, SIGNAL, REPETITIONS_MAX);
        assert_eq!(avoided.contains("RestartPods"), expected == ban, "{situation}");
        assert_eq!(avoided_action_types(&history, "OtherSignal", REPETITIONS_MAX).len(), 0, "{situation}");
    }
    let thrice = history(&[ineffective("a", 1), ineffective("b", 2)], &[]);
    assert_eq!(repetitions(&thrice, 3), []);
}

#[test]
fn a_history_without_signals_speaks_about_every_signal() {
    let silent = |id: &str| entry(id, 1, json!({"signalType": null, "effectivenessScore": null}));
    let history = history(&[silent("a"), silent("b")], &[]);
    assert_eq!(avoided_action_types(&history, "Any", REPETITIONS_MAX).into_iter().collect::<Vec<_>>(), ["RestartPods"]);
}

#[test]
fn conformance_10_duplicate_ids_count_once() {
    let asked_by_spec = history(&[entry("b", 5, json!({}))], &[entry("a", 2, json!({}))]);
    let asked_by_composite = history(
        &[entry("c", 4, json!({})), entry("b", 5, json!({"hashMatch": "postRemediation"}))],
        &[entry("b", 5, json!({})), entry("z", 1, json!({})), entry("a", 2, json!({}))],
    );
    let regressed = History { regression_detected: true, ..asked_by_composite };
    let merged = merge([asked_by_spec, regressed]);
    let ids = |tier: &Tier| tier.chain.iter().map(|entry| entry.remediation_uid.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!((ids(&merged.tier1).as_str(), ids(&merged.tier2).as_str()), ("c b", "z a"));
    assert_eq!(merged.tier1.chain[1].hash_match, HashMatch::PostRemediation);
    assert!(merged.regression_detected);
    assert_eq!((merged.tier1.window.as_str(), merged.target_resource.as_str()), ("24h0m0s", "shop/Deployment/cart"));
    // One answer may tell a remediation in both tiers, too.
    let twice = merge([history(&[entry("a", 1, json!({}))], &[entry("a", 1, json!({}))])]);
    assert_eq!((twice.tier1.chain.len(), twice.tier2.chain.len()), (1, 0));
}

#[test]
fn levels_start_where_they_say() {
    for (score, shown) in [
        (0.7, "0.70 (good)"),
        (0.69, "0.69 (moderate)"),
        (0.4, "0.40 (moderate)"),
        (0.39, "0.39 (poor)"),
        (0.0, "0.00 (poor)"),
    ] {
        let text = rendered(&[entry("a", 1, json!({"effectivenessScore": score}))], &[]);
        assert!(text.contains(&format!("effectiveness {shown}")), "{text}");
    }
    assert!(rendered(&[entry("a", 1, json!({"effectivenessScore": null}))], &[]).contains("effectiveness unknown"));
}

#[test]
fn details_show_what_is_known_only() {
    let with = |more: Value| rendered(&[entry("a", 1, more)], &[]);
    let health = with(
        json!({"healthChecks": {"podRunning": false, "readinessPass": true, "restartDelta": -2, "crashLoops": true,
        "oomKilled": true, "pendingCount": 3}}),
    );
    assert!(
        health.contains(
            "health: running no, readiness pass, restarts -2, crash loops yes, out of memory yes, pending pods 3"
        ),
        "{health}"
    );
    let text =
        with(json!({"healthChecks": {"pendingCount": 0}, "metricDeltas": {"cpuBefore": 1.0, "memoryAfter": 2.0}}));
    assert!(!text.contains("health:") && !text.contains("metrics:"), "{text}");
    let text = with(json!({"metricDeltas": {"errorRateBefore": 0.5, "errorRateAfter": 0.00012}}));
    assert!(text.contains("metrics: error rate 0.5000 -> 0.0001"), "{text}");
    assert!(with(json!({"hashMatch": "preRemediation"})).contains("again as it was before"));
    assert!(with(json!({"signalResolved": null})).lines().all(|line| !line.contains("resolved")));
}

#[test]
fn reading_is_tolerant() {
    let history: History = serde_json::from_value(json!({
        "targetResource": null, "newMember": 1, "regressionDetected": "yes",
        "tier1": {"window": null, "chain": [
            {"remediationUID": "a", "completedAt": "yesterday", "effectivenessScore": "high", "signalResolved": 1,
             "hashMatch": "somethingNew", "assessmentReason": "NewReason", "healthChecks": null, "metricDeltas": [],
             "sideEffects": ["x"], "outcome": "Novel"},
            {"completedAt": "2026-04-01T00:00:00Z"}, "garbage", null
        ]},
        "tier2": null
    }))
    .unwrap();
    let expected = Entry {
        remediation_uid: "a".to_owned(),
        outcome: Some("Novel".to_owned()),
        assessment_reason: Some(AssessmentReason::Other("NewReason".to_owned())),
        ..Entry::default()
    };
    assert_eq!(history.tier1.chain, [expected]);
    assert!(!history.regression_detected);
    assert!(
        render(&history, REPETITIONS_MAX)
            .contains("- a at unknown time: unknown action, outcome Novel, signal unknown")
    );
    // What is written is read back the same.
    assert_eq!(serde_json::from_value::<History>(json!(history)).unwrap(), history);
}

#[test]
fn both_spellings_of_reasons_are_one() {
    for (april, august) in [
        ("full", "Full"),
        ("partial", "Partial"),
        ("spec_drift", "SpecDrift"),
        ("expired", "Expired"),
        ("no_execution", "NoExecution"),
        ("metrics_timed_out", "MetricsTimedOut"),
        ("alert_decay_timeout", "AlertDecayTimeout"),
        ("unrecoverable", "Unrecoverable"),
    ] {
        let reason = AssessmentReason::from(april.to_owned());
        assert_eq!(reason, AssessmentReason::from(august.to_owned()));
        assert!(!matches!(reason, AssessmentReason::Other(_)), "{april}");
        assert_eq!(String::from(reason), april);
    }
}

#[test]
fn what_is_shown_is_bounded_and_stays_on_its_line() {
    let many: Vec<Value> = (1..=25).map(|day| entry(&format!("d{day}"), day, json!({}))).collect();
    let text = rendered(&many, &[]);
    assert!(
        text.contains("(5 earlier ones are left out)") && !text.contains("- d5 at") && text.contains("- d25 at"),
        "{text}"
    );
    let hostile = entry("a\n## New section", 1, json!({"actionType": "x".repeat(500)}));
    let text = rendered(&[hostile], &[]);
    assert!(!text.lines().any(|line| line.starts_with("## ")), "{text}");
    assert!(text.lines().all(|line| line.len() < 400), "{text}");
    let odd_window: History =
        serde_json::from_value(json!({"tier1": {"window": "24h30m0s", "chain": [entry("a", 1, json!({}))]}})).unwrap();
    assert!(render(&odd_window, REPETITIONS_MAX).contains("(last 24h30m0s)"));
}
