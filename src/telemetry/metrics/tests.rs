//! Every family moves, closed sets exist from the start, open labels stay bounded.

use super::*;

fn metrics() -> Metrics {
    Metrics::build().unwrap()
}

/// Value of the series with exactly this name and label text.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no series {series} in\n{text}")).parse().unwrap()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
#[expect(clippy::too_many_lines, reason = "a table: one entry for each family")]
fn every_family_moves() {
    let call = LlmCall {
        provider: "openai",
        model: "gpt-4o",
        status: LlmStatus::Success,
        duration: SECOND,
        prompt_tokens: 7,
        completion_tokens: 5,
    };
    type Step<'a> = (Box<dyn Fn(&Metrics) + 'a>, &'a [(&'a str, f64)]);
    let steps: &[Step<'_>] = &[
        (
            Box::new(|m| m.investigation_finished(InvestigationStatus::NeedsReview, SECOND)),
            &[
                (r#"aiagent_api_investigations_total{status="needs_review"}"#, 1.0),
                ("aiagent_api_investigations_duration_seconds_count", 1.0),
                (r#"aiagent_api_investigations_duration_seconds_bucket{le="0.5"}"#, 0.0),
                (r#"aiagent_api_investigations_duration_seconds_bucket{le="120"}"#, 1.0),
            ],
        ),
        (
            Box::new(|m| m.phase_finished(Phase::Rca, PhaseOutcome::Success)),
            &[(r#"aiagent_investigation_phases_total{outcome="success",phase="rca"}"#, 1.0)],
        ),
        (
            Box::new(|m| m.phase_turns(Phase::Rca, 4)),
            &[(r#"aiagent_investigation_turns_bucket{phase="rca",le="5"}"#, 1.0)],
        ),
        (
            Box::new(move |m| m.llm_call(call)),
            &[
                (r#"aiagent_api_llm_calls_total{model="gpt-4o",provider="openai",status="success"}"#, 1.0),
                (r#"aiagent_api_llm_call_duration_seconds_count{model="gpt-4o",provider="openai"}"#, 1.0),
                (r#"aiagent_api_llm_token_usage_total{model="gpt-4o",provider="openai",type="prompt"}"#, 7.0),
                (r#"aiagent_api_llm_requests_total{status="success"}"#, 1.0),
                ("aiagent_api_llm_request_duration_seconds_count", 1.0),
                (r#"aiagent_api_llm_tokens_total{type="completion"}"#, 5.0),
            ],
        ),
        (
            Box::new(move |m| {
                let cost = LlmCost {
                    provider: "openai",
                    model: "gpt-4o",
                    endpoint: "https://api.openai.com/v1",
                    dollars: Some(0.0125),
                    prompt_tokens: 7,
                    completion_tokens: 5,
                };
                m.llm_cost(cost);
                m.llm_cost(cost);
                m.llm_cost(LlmCost { model: "new", dollars: None, ..cost });
            }),
            &[
                (
                    r#"aiagent_api_investigation_cost_dollars_total{endpoint="https://api.openai.com/v1",model="gpt-4o",provider="openai"}"#,
                    0.025,
                ),
                (r#"aiagent_llm_cost_dollars_total{model="gpt-4o"}"#, 0.025),
                (r#"aiagent_api_llm_unpriced_tokens_total{model="new",provider="openai",type="prompt"}"#, 7.0),
                (r#"aiagent_api_llm_unpriced_tokens_total{model="new",provider="openai",type="completion"}"#, 5.0),
            ],
        ),
        (
            Box::new(|m| m.llm_error("openai", "gpt-4o", LlmErrorKind::RateLimit)),
            &[(r#"aiagent_api_llm_errors_total{kind="rate_limit",model="gpt-4o",provider="openai"}"#, 1.0)],
        ),
        (
            Box::new(|m| m.llm_first_piece("openai", "gpt-4o", SECOND)),
            &[(r#"aiagent_api_llm_time_to_first_token_seconds_bucket{model="gpt-4o",provider="openai",le="1"}"#, 1.0)],
        ),
        (Box::new(|m| m.http_request_finished("/x", "POST", 429, SECOND)), &[("aiagent_http_rate_limited_total", 1.0)]),
        (Box::new(|m| m.spans(SpanFate::Dropped, 3)), &[(r#"aiagent_api_trace_spans_total{result="dropped"}"#, 3.0)]),
        (
            Box::new(|m| m.llm_retried(Phase::WorkflowSelection, RetryOutcome::Exhausted)),
            &[(r#"aiagent_llm_call_retries_total{outcome="exhausted",phase="workflow_selection"}"#, 1.0)],
        ),
        (
            Box::new(|m| m.tool_call("kubernetes/core", "kubectl_get_yaml", ToolStatus::Timeout, SECOND)),
            &[
                (
                    r#"aiagent_api_tool_calls_total{status="timeout",tool="kubectl_get_yaml",toolset="kubernetes/core"}"#,
                    1.0,
                ),
                (
                    r#"aiagent_api_tool_call_duration_seconds_count{tool="kubectl_get_yaml",toolset="kubernetes/core"}"#,
                    1.0,
                ),
                (r#"aiagent_investigation_tool_calls_total{tool_name="kubectl_get_yaml"}"#, 1.0),
            ],
        ),
        (
            Box::new(|m| m.session_started("OOMKilled", "high", SECOND)),
            &[
                (r#"aiagent_sessions_started_total{severity="high",signal_name="OOMKilled"}"#, 1.0),
                (r#"aiagent_session_queue_seconds_bucket{le="1"}"#, 1.0),
            ],
        ),
        (
            Box::new(|m| m.session_finished(SessionOutcome::Completed, SECOND)),
            &[
                (r#"aiagent_sessions_completed_total{outcome="completed"}"#, 1.0),
                (r#"aiagent_session_duration_seconds_bucket{outcome="completed",le="5"}"#, 1.0),
            ],
        ),
        (
            Box::new(|m| m.session_evicted(EvictionReason::MaxAge)),
            &[(r#"aiagent_sessions_evicted_total{reason="max_age"}"#, 1.0)],
        ),
        (Box::new(|m| m.sessions_active(3)), &[("aiagent_sessions_active", 3.0)]),
        (Box::new(|m| m.sessions_pending(2)), &[("aiagent_sessions_pending", 2.0)]),
        (
            Box::new(|m| m.sessions_stored(StoredStatus::Failed, 9)),
            &[(r#"aiagent_sessions_stored{status="failed"}"#, 9.0)],
        ),
        (
            Box::new(|m| m.http_request_finished("/health", "GET", 200, Duration::from_millis(3))),
            &[(
                r#"aiagent_http_request_duration_seconds_bucket{endpoint="/health",method="GET",status="200",le="0.004"}"#,
                1.0,
            )],
        ),
        (
            Box::new(|m| m.auth_request(AuthResult::InvalidToken)),
            &[(r#"aiagent_api_auth_requests_total{result="invalid_token"}"#, 1.0)],
        ),
        (
            Box::new(|m| m.auth_review(AuthReview::Access, SECOND)),
            &[(r#"aiagent_api_auth_review_duration_seconds_count{review="access"}"#, 1.0)],
        ),
        (Box::new(|m| m.auth_cache(CacheResult::Hit)), &[(r#"aiagent_api_auth_cache_total{result="hit"}"#, 1.0)]),
        (
            Box::new(|m| m.authorization_denied(DenialReason::Rbac)),
            &[(r#"aiagent_authz_denied_total{reason="rbac"}"#, 1.0)],
        ),
        (
            Box::new(|m| m.audit_emitted("aiagent.response.complete")),
            &[(r#"aiagent_audit_events_emitted_total{event_type="aiagent.response.complete"}"#, 1.0)],
        ),
        (
            Box::new(|m| m.audit_dropped(DropReason::Rejected)),
            &[(r#"audit_events_dropped_total{reason="rejected",service="holmesgpt-api"}"#, 1.0)],
        ),
        (
            Box::new(|m| {
                m.audit_outbox(AuditOutbox { events: 4, bytes: 400, bytes_max: 1_000, oldest: SECOND, quarantined: 2 });
            }),
            &[
                ("aiagent_api_audit_buffer_events", 4.0),
                ("aiagent_api_audit_buffer_capacity", 10.0),
                ("audit_spool_bytes", 400.0),
                ("audit_spool_oldest_seconds", 1.0),
                ("audit_quarantine_events", 2.0),
            ],
        ),
        (
            Box::new(|m| m.audit_write(AuditWrite::Failure)),
            &[(r#"aiagent_api_audit_writes_total{result="failure"}"#, 1.0)],
        ),
        (Box::new(|m| m.audit_request(SECOND)), &[("aiagent_api_audit_flush_duration_seconds_count", 1.0)]),
        (Box::new(|m| m.audit_committed(SECOND)), &[("audit_commit_duration_seconds_count", 1.0)]),
        (
            Box::new(|m| m.audit_written("aiagent.llm.request", AuditEndpoint::Batch)),
            &[(r#"audit_events_written_total{endpoint="batch",event_type="aiagent.llm.request"}"#, 1.0)],
        ),
        (Box::new(|m| m.audit_batch_failed("ambiguous")), &[(r#"audit_batches_failed_total{class="ambiguous"}"#, 1.0)]),
        (Box::new(|m| m.audit_quarantined("expired")), &[(r#"audit_events_quarantined_total{reason="expired"}"#, 1.0)]),
        (Box::new(Metrics::audit_repaired), &[("audit_events_repaired_total", 1.0)]),
        (Box::new(|m| m.audit_unconfirmed(2)), &[("audit_events_unconfirmed_total", 2.0)]),
        (Box::new(|m| m.audit_duplicates_suppressed(3)), &[("audit_duplicates_suppressed_total", 3.0)]),
        (Box::new(|m| m.audit_recovered(5)), &[("audit_recovered_events_total", 5.0)]),
        (Box::new(|m| m.audit_corrupt_records(1)), &[("audit_corrupt_records_total", 1.0)]),
        (Box::new(|m| m.audit_spool_degraded(true)), &[("audit_spool_degraded", 1.0)]),
        (
            Box::new(|m| m.redacted(RedactedIn::Prompt, 3)),
            &[(r#"aiagent_api_sanitizer_redactions_total{where="prompt"}"#, 3.0)],
        ),
        (
            Box::new(|m| m.injection_found(InjectionSign::MarkedResult)),
            &[(r#"aiagent_api_injection_signs_total{sign="marked_result"}"#, 1.0)],
        ),
        (
            Box::new(|m| m.dependency_up(Dependency::Kubernetes, true)),
            &[(r#"aiagent_api_dependency_up{dependency="kubernetes"}"#, 1.0)],
        ),
        (
            Box::new(|m| m.dependency_request(Dependency::DataStorage, "list_workflows", "200", SECOND)),
            &[(
                r#"aiagent_api_dependency_request_duration_seconds_count{dependency="data_storage",operation="list_workflows",status="200"}"#,
                1.0,
            )],
        ),
        (Box::new(|m| m.circuit_breaker("llm", 2)), &[(r#"aiagent_api_circuit_breaker_state{name="llm"}"#, 2.0)]),
        (
            Box::new(|m| m.config_active(ConfigSource::Main, "0123456789abcdef0123", Some("fedcba9876543210ffff"))),
            &[(r#"aiagent_api_config_info{hash="0123456789abcdef",source="main"}"#, 1.0)],
        ),
        (
            Box::new(|m| m.config_looked_at(ConfigSource::Sdk, ReloadResult::Applied, 7)),
            &[
                (r#"aiagent_api_config_reload_total{result="applied",source="sdk"}"#, 1.0),
                (r#"aiagent_api_config_last_reload_timestamp_seconds{source="sdk"}"#, 7.0),
            ],
        ),
        (
            Box::new(|m| m.config_rejected(ConfigSource::Sdk, ConfigFault::UnknownKey)),
            &[
                (r#"aiagent_api_config_reload_errors_total{reason="unknown_key",source="sdk"}"#, 1.0),
                (r#"aiagent_api_config_rejected{source="sdk"}"#, 1.0),
            ],
        ),
        (
            Box::new(|m| {
                m.config_rejected(ConfigSource::Credentials, ConfigFault::Build);
                m.config_agrees(ConfigSource::Credentials);
            }),
            &[(r#"aiagent_api_config_rejected{source="credentials"}"#, 0.0)],
        ),
        (Box::new(Metrics::shutting_down), &[("aiagent_api_shutting_down", 1.0)]),
    ];
    let metrics = metrics();
    for (step, _) in steps {
        step(&metrics);
    }
    let text = metrics.encode();
    for (series, expected) in steps.iter().flat_map(|(_, moved)| moved.iter()) {
        assert!((value(&text, series) - expected).abs() < 1e-9, "{series}");
    }
    let by_themselves =
        ["process_", "aiagent_api_runtime_", "aiagent_api_build_info", "aiagent_http_requests_in_flight"];
    for family in metrics.described() {
        let name = family.name.as_str();
        let is_moved = steps.iter().flat_map(|(_, moved)| moved.iter()).any(|(series, _)| series.starts_with(name));
        assert!(is_moved || by_themselves.iter().any(|start| name.starts_with(start)), "no step moves {name}");
    }
}

#[test]
fn closed_sets_exist_before_anything_happens() {
    let metrics = metrics();
    metrics.declare_audit_events(["aiagent.llm.request"]);
    metrics.declare_audit_delivery(&["expired"], &["ambiguous"]);
    let text = metrics.encode();
    for series in [
        r#"aiagent_api_investigations_total{status="error"}"#,
        r#"aiagent_api_auth_requests_total{result="review_error"}"#,
        r#"aiagent_sessions_completed_total{outcome="timeout"}"#,
        r#"aiagent_investigation_phases_total{outcome="skipped",phase="validation"}"#,
        r#"aiagent_audit_events_emitted_total{event_type="aiagent.llm.request"}"#,
        r#"audit_events_quarantined_total{reason="expired"}"#,
        r#"audit_batches_failed_total{class="ambiguous"}"#,
        r#"aiagent_api_audit_writes_total{result="success"}"#,
        "aiagent_sessions_active",
    ] {
        assert!(value(&text, series).abs() < 1e-9, "{series}");
    }
    let build = format!(
        r#"aiagent_api_build_info{{commit="{}",rust_version="{}",version="{}"}}"#,
        Build::CURRENT.commit,
        Build::CURRENT.rust_version,
        Build::CURRENT.version
    );
    assert!((value(&text, &build) - 1.0).abs() < 1e-9);
}

#[test]
fn requests_in_flight_follow_their_guards() {
    let metrics = metrics();
    let guards = [(); 2].map(|()| metrics.http_request_started("/ready", "GET"));
    assert!((value(&metrics.encode(), "aiagent_http_requests_in_flight") - 2.0).abs() < 1e-9);
    drop(guards);
    assert!(value(&metrics.encode(), "aiagent_http_requests_in_flight").abs() < 1e-9);
}

#[test]
fn open_labels_are_cut_and_capped() {
    let metrics = metrics();
    for index in 0..MODEL_LABELS_MAX + 5 {
        metrics.llm_error("openai", &format!("model-{index}"), LlmErrorKind::Server);
    }
    let text = metrics.encode();
    let series =
        |model: &str| format!(r#"aiagent_api_llm_errors_total{{kind="server",model="{model}",provider="openai"}}"#);
    assert!((value(&text, &series("model-0")) - 1.0).abs() < 1e-9);
    assert!((value(&text, &series("other")) - 5.0).abs() < 1e-9);
    assert_eq!(cut(&"é".repeat(100)).len(), LABEL_BYTES_MAX);
    let odd = format!("x{}", "é".repeat(100));
    assert_eq!(cut(&odd).len(), LABEL_BYTES_MAX - 1);
}

#[test]
fn unknown_methods_do_not_make_series() {
    let metrics = metrics();
    metrics.http_request_finished("unmatched", "BREW", 405, SECOND);
    let series = r#"aiagent_http_request_duration_seconds_count{endpoint="unmatched",method="other",status="405"}"#;
    assert!((value(&metrics.encode(), series) - 1.0).abs() < 1e-9);
}

#[test]
fn the_process_describes_itself() {
    let text = metrics().encode();
    for series in ["process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds", "process_threads"]
    {
        assert!(value(&text, series) > 0.0, "{series}");
    }
    let started = value(&text, "process_start_time_seconds");
    let age = jiff::Timestamp::now().as_duration().as_secs_f64() - started;
    assert!((-1.0..86_400.0).contains(&age), "started {age} s ago");
    assert!(text.contains("# TYPE process_cpu_seconds_total counter"));
}
