//! What a provider may send: good answers of both phases, and the same broken at every level.

use serde_json::{Value, json};

use super::mutation::{any, corrupt, mutate, raw};
use super::random::Random;

/// Which submit tools a request offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    RootCause,
    Selection,
}

/// What is put on the wire.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// The connection ends in the middle.
    pub(super) is_cut: bool,
}

/// Ids of real workflows.
#[derive(Debug, Clone)]
pub(super) struct Ids(pub(super) Vec<String>);

/// The answer to one request of so many characters.
pub(super) fn sent(random: &mut Random, phase: Phase, ids: &Ids, request_chars: usize) -> Sent {
    let json = "application/json";
    let ok = |body: Vec<u8>| Sent { status: 200, content_type: json, body, is_cut: false };
    let plain = |status, body: &str| Sent { status, content_type: "text/html", body: body.into(), is_cut: false };
    match random.below(60) {
        0 => return plain(200, "<html><body>Sign in</body></html>"),
        1 => return plain(500, "oops"),
        2 => return plain(429, "{\"error\": {\"message\": \"slow down\"}}"),
        3 => return plain(400, "{\"error\": {\"message\": \"maximum context length is 8192 tokens\"}}"),
        4 => return plain(400, "{\"error\": {\"message\": \"unsupported value: temperature\"}}"),
        5 => return ok(any(random, 4).to_string().into_bytes()),
        6 => return ok(random.letters(300).into_bytes()),
        _ => {}
    }
    let phase = if random.one_in(15) { other(phase) } else { phase };
    let mut completion = completion(random, phase, ids, request_chars);
    if random.one_in(4) {
        mutate(random, &mut completion, 4);
    }
    let mut body = raw(&completion).into_bytes();
    if random.one_in(12) {
        corrupt(random, &mut body);
    }
    Sent { is_cut: random.one_in(30), ..ok(body) }
}

fn other(phase: Phase) -> Phase {
    match phase {
        Phase::RootCause => Phase::Selection,
        Phase::Selection => Phase::RootCause,
    }
}

fn completion(random: &mut Random, phase: Phase, ids: &Ids, request_chars: usize) -> Value {
    let mut message = json!({"role": "assistant", "content": null});
    match random.below(20) {
        0..=7 => message["tool_calls"] = calls(random, phase),
        8..=15 => message["tool_calls"] = submission(random, phase, ids),
        16..=17 => message["content"] = Value::String(written(random, phase, ids)),
        18 => message["content"] = json!([{"type": "text", "text": written(random, phase, ids)}, any(random, 2)]),
        _ => message["content"] = Value::String(random.text()),
    }
    if random.one_in(10) {
        message["reasoning_content"] = Value::String(random.text());
    }
    if random.one_in(25) {
        message["refusal"] = Value::String(random.text());
    }
    let has_calls = message.get("tool_calls").is_some();
    let finish = match random.below(12) {
        0 => json!("length"),
        1 => json!("content_filter"),
        2 => any(random, 1),
        _ => json!(if has_calls { "tool_calls" } else { "stop" }),
    };
    let prompt = request_chars / 4;
    let usage = match random.below(12) {
        0 => Value::Null,
        1 => json!({"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX}),
        2 => json!({"prompt_tokens": -5, "completion_tokens": "12"}),
        3 => json!({"prompt_tokens": 201}),
        4 => any(random, 2),
        _ => json!({"prompt_tokens": prompt, "completion_tokens": 50, "total_tokens": prompt + 50}),
    };
    json!({"id": "x", "object": "chat.completion", "created": 1, "model": "fuzz", "usage": usage,
           "choices": [{"index": 0, "message": message, "finish_reason": finish}]})
}

fn call(random: &mut Random, name: &str, arguments: String) -> Value {
    let id = match random.below(12) {
        0 => Value::Null,
        1 => json!(""),
        2 => json!("call_0"),
        3 => json!(random.text()),
        _ => json!(format!("call_{}", random.below(1_000_000))),
    };
    let mut call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    match random.below(40) {
        0 => call["function"]["arguments"] = any(random, 3),
        1 => call["function"]["arguments"] = json!(random.text()),
        2 => _ = call.as_object_mut().unwrap().remove("id"),
        _ => {}
    }
    call
}

fn calls(random: &mut Random, phase: Phase) -> Value {
    let count = match random.below(60) {
        0 => 2_500,
        1..=5 => 20,
        _ => 1 + random.below(3),
    };
    (0..count).map(|_| tool_call(random, phase)).collect()
}

fn tool_call(random: &mut Random, phase: Phase) -> Value {
    let pod = ["cart-api-5d7494d984-457gs", "cart-api", "hostile"][random.below(3)];
    let known: Vec<(&str, Value)> = match phase {
        Phase::RootCause => vec![
            ("kubectl_describe", json!({"kind": "Pod", "name": pod, "namespace": "checkout"})),
            ("fetch_pod_logs", json!({"pod_name": pod, "namespace": "checkout"})),
            ("kubectl_events", json!({"resource_type": "Pod", "resource_name": pod, "namespace": "checkout"})),
            ("kubectl_get_yaml", json!({"kind": "Deployment", "name": "cart-api", "namespace": "checkout"})),
            ("kubernetes_jq_query", json!({"kind": "Pod", "jq_expr": ".items[].spec.containers[].env[]?.value"})),
            ("kubernetes_jq_query", json!({"kind": "ConfigMap", "jq_expr": ".items[].data | tostring | explode"})),
            ("kubernetes_count", json!({"kind": "Secret", "jq_expr": ".items[].data[]? | split(\"\")"})),
            ("kubectl_get_by_kind_in_cluster", json!({"kind": "Secret"})),
            ("get_namespaced_resource_context", json!({"kind": "Pod", "name": pod, "namespace": "checkout"})),
            ("read_tool_result", json!({"result_id": "r1", "search": "(a|b|[^x]){1,9}", "from_line": 1})),
            ("submit_result_with_workflow", json!({"selected_workflow": "x"})),
        ],
        Phase::Selection => vec![
            ("list_available_actions", json!({"offset": 5, "limit": 1})),
            ("list_workflows", json!({"action_type": "IncreaseMemoryLimits"})),
            ("get_workflow", json!({"workflow_id": "increase-memory-limits"})),
            ("read_tool_result", json!({"result_id": "r1", "search": "("})),
            ("kubectl_describe", json!({"kind": "Pod", "name": pod, "namespace": "checkout"})),
        ],
    };
    let (name, mut arguments) = known[random.below(known.len())].clone();
    if random.one_in(3) {
        mutate(random, &mut arguments, 2);
    }
    let name = if random.one_in(12) { random.text() } else { name.to_owned() };
    call(random, &name, raw(&arguments))
}

fn submission(random: &mut Random, phase: Phase, ids: &Ids) -> Value {
    let mut submitted: Vec<Value> = Vec::new();
    for _ in 0..=usize::from(random.one_in(12)) {
        let (tool, arguments) = answer(random, phase, ids);
        submitted.push(call(random, tool, raw(&arguments)));
    }
    if random.one_in(10) {
        submitted.insert(0, tool_call(random, phase));
    }
    Value::Array(submitted)
}

/// An answer as text, in one of the shapes models use.
pub(super) fn written(random: &mut Random, phase: Phase, ids: &Ids) -> String {
    let (_, answer) = answer(random, phase, ids);
    let text = raw(&answer);
    match random.below(8) {
        0 => text,
        1 => format!("[{text}]"),
        2 => format!("Here it is:\n```\n{text}\n```\nDone {}", random.text()),
        3 => text.replace('"', "'").replace("null", "None").replace("true", "True"),
        4 => Value::String(text).to_string(),
        5 => {
            let sections = answer.as_object().into_iter().flatten();
            sections.map(|(name, value)| format!("# {name}\n{value}\n\n")).collect()
        }
        6 => format!("{}\n```json\n{text}\n```\n```json\n{{\"confidence\": 1}}\n```", random.text()),
        _ => format!("```json\n{text}\n```"),
    }
}

/// A submit tool and its arguments: good ones, or such with some places changed.
pub(super) fn answer(random: &mut Random, phase: Phase, ids: &Ids) -> (&'static str, Value) {
    let (tool, mut arguments) = match phase {
        Phase::RootCause => ("submit_result", root_cause(random)),
        Phase::Selection => selection(random, ids),
    };
    if random.one_in(2) {
        mutate(random, &mut arguments, 3);
    }
    (tool, arguments)
}

fn root_cause(random: &mut Random) -> Value {
    let targets = [
        json!({"kind": "Deployment", "name": "cart-api", "namespace": "checkout", "api_version": "apps/v1"}),
        json!({"kind": "Pod", "name": "cart-api-5d7494d984-457gs", "namespace": "checkout"}),
        json!({"kind": "Deployment", "name": "phantom", "namespace": "checkout"}),
        json!({"kind": "Node", "name": "worker-1", "namespace": "checkout"}),
        json!({"kind": "Secret", "name": "../../x", "namespace": ".."}),
    ];
    let most = if random.one_in(4) { targets.len() } else { 2 };
    let target = targets[random.below(most)].clone();
    let outcome = match random.below(12) {
        0 => json!("resolved"),
        1 => json!("not_actionable"),
        2 => json!("inconclusive"),
        3 => json!("predictive_no_action"),
        _ => json!("actionable"),
    };
    json!({
        "root_cause_analysis": {
            "summary": "The container is killed at its memory limit", "severity": "critical", "signal_name": "OOMKilled",
            "contributing_factors": ["limit below need"], "remediation_target": target,
            "investigation_analysis": "Every container ended with OOMKilled.", "causal_chain": ["limit", "kill"],
            "due_diligence": {"alternative_hypotheses": "The gateway does not end the process."},
        },
        "claims": [{"claim": "killed", "tool_result_id": "r1", "quote": "OOMKilled"},
                   {"claim": "invented", "tool_result_id": "r99", "quote": "never seen"}],
        "confidence": 0.9, "investigation_outcome": outcome,
    })
}

fn selection(random: &mut Random, ids: &Ids) -> (&'static str, Value) {
    if random.one_in(4) {
        let considered = json!([{"workflow_id": ids.0[0], "reason": "no"}]);
        let none = json!({"reasoning": "none fits", "investigation_outcome": "no_matching_workflows",
                          "considered_workflows": considered, "confidence": 0.4});
        return ("submit_result_no_workflow", none);
    }
    let most = if random.one_in(3) { ids.0.len() } else { 1 };
    let id = &ids.0[random.below(most)];
    let arguments = json!({
        "selected_workflow": {"workflow_id": id, "confidence": 0.9, "rationale": "fits",
            "parameters": {"CONTAINER_NAME": "cart", "MEMORY_LIMIT_NEW": "512Mi", "TARGET_RESOURCE_NAME": "forged"}},
        "alternative_workflows": [{"workflow_id": "other", "confidence": 0.2, "rationale": "less"}],
        "confidence": 0.9,
    });
    ("submit_result_with_workflow", arguments)
}
