//! The layers without I/O, with the same hostile answers and outputs in larger numbers.

use holmesgpt_api::api::incident::IncidentResponse;
use holmesgpt_api::domain::{
    AlternativeWorkflow, Engine, Evidence, Investigation, RequestShape, ResourceRef, ReviewReason, RootCause,
    SelectedWorkflow, Severity, ValidationAttempt,
};
use holmesgpt_api::investigation::answer::{self, Choice};
use holmesgpt_api::investigation::submit::SubmitTool;
use holmesgpt_api::llm::codec::{Parameters, openai_chat};
use holmesgpt_api::llm::{ChatRequest, Message, TextForm, ToolChoice};
use holmesgpt_api::redaction::Redactor;
use holmesgpt_api::redaction::injection::Fence;
use holmesgpt_api::tools::reduce::{reduce, whole};
use holmesgpt_api::tools::{Content, Keep, arguments};
use serde_json::{Value, json};

use super::invariants;
use super::mutation::{any, mutate, raw};
use super::random::Random;
use super::replies::{Ids, Phase, answer, sent, written};
use super::schema::Schema;

/// Everything that is wrong, over so many cases.
pub(super) fn run(seed: u64, cases: usize) -> Vec<String> {
    let schema = Schema::of("IncidentResponse");
    let ids = Ids(vec!["increase-memory-limits".to_owned(), "restart-workload".to_owned()]);
    let redactor = Redactor::new([7; 32]);
    let mut wrong = Vec::new();
    for case in 0..cases {
        let random = &mut Random::new(seed, 1_000_000 + case as u64);
        let phase = if random.one_in(2) { Phase::RootCause } else { Phase::Selection };
        let found = match case % 8 {
            0 | 1 => decoded(random, phase, &ids),
            2 => read_text(&written(random, phase, &ids)),
            3 => read_arguments(random, phase, &ids),
            4 => checked(random),
            5 => reduced(random),
            6 => redacted(random, &redactor),
            _ => rendered(random, &schema),
        };
        wrong.extend(found.into_iter().map(|what| format!("pure case {case}: {what}")));
    }
    wrong
}

/// Bytes from the wire, read, sent back, and read as an answer.
fn decoded(random: &mut Random, phase: Phase, ids: &Ids) -> Vec<String> {
    let reply = sent(random, phase, ids, 20_000);
    let Ok(body) = serde_json::from_slice::<Value>(&reply.body) else { return Vec::new() };
    let Ok(reply) = openai_chat::decode(&body) else { return Vec::new() };
    let results = reply.message.tool_calls.iter().map(|call| Message::result(&call.id, "x"));
    let results: Vec<Message> = results.collect();
    let mut wrong = read_text(&reply.message.text);
    for call in &reply.message.tool_calls {
        wrong.extend(read_text(&call.arguments));
    }
    let has_something = !reply.message.text.is_empty() || !reply.message.tool_calls.is_empty();
    if has_something {
        let messages: Vec<Message> =
            [Message::System("s".into()), Message::User("u".into()), Message::Assistant(reply.message)]
                .into_iter()
                .chain(results)
                .collect();
        let request = ChatRequest {
            messages: &messages,
            tools: &[],
            tool_choice: ToolChoice::Auto,
            output_tokens_max: None,
            form: TextForm::Free,
        };
        let sent = openai_chat::encode("m", &request, &Parameters::default());
        wrong.extend(super::provider::malformed(&sent));
    }
    wrong
}

fn read_text(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Ok(read) = answer::rca_from_text(text) {
        wrong.extend(rca(&read));
    }
    if let Ok(read) = answer::selection_from_text(text) {
        wrong.extend(selection(&read));
    }
    wrong
}

fn read_arguments(random: &mut Random, phase: Phase, ids: &Ids) -> Vec<String> {
    let (tool, arguments) = answer(random, phase, ids);
    let Ok(members) = arguments::parse(&raw(&arguments)) else { return Vec::new() };
    let mut wrong = Vec::new();
    if let Ok(read) = answer::rca_from_arguments(&members) {
        wrong.extend(rca(&read));
    }
    if let Ok(read) = answer::selection_from_arguments(SubmitTool::parse(tool).unwrap(), &members) {
        wrong.extend(selection(&read));
    }
    wrong
}

fn rca(read: &answer::RcaAnswer) -> Vec<String> {
    let mut wrong = Vec::new();
    if read.summary.trim().is_empty() || read.stated.confidence.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        wrong.push(format!("summary or confidence of {read:?}"));
    }
    if read.target.as_ref().is_some_and(|target| target.kind.trim().is_empty() || target.name.trim().is_empty()) {
        wrong.push("a blank target".to_owned());
    }
    let lists = [&read.contributing_factors, &read.causal_chain];
    let chars: usize = lists.iter().flat_map(|list| list.iter()).map(|text| text.chars().count()).sum();
    if chars + read.summary.len() + read.analysis.as_ref().map_or(0, String::len) > 400_000 {
        wrong.push("an answer without bounds".to_owned());
    }
    wrong
}

fn selection(read: &answer::SelectionAnswer) -> Vec<String> {
    let mut wrong = Vec::new();
    let chosen = match &read.choice {
        Choice::Workflow(choice) => Some(&choice.workflow_id),
        Choice::NoWorkflow(_) => None,
    };
    if chosen.is_some_and(|id| id.trim().is_empty() || id.chars().count() > 1_000) {
        wrong.push("the chosen id is blank or huge".to_owned());
    }
    let is_good = |one: &answer::AlternativeChoice| {
        !one.workflow_id.trim().is_empty() && (0.0..=1.0).contains(&one.confidence) && Some(&one.workflow_id) != chosen
    };
    if read.alternatives.len() > 3 || !read.alternatives.iter().all(is_good) {
        wrong.push(format!("alternatives {:?}", read.alternatives));
    }
    wrong
}

/// Arguments that pass fit the schema.
fn checked(random: &mut Random) -> Vec<String> {
    let schema = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "lines": {"type": "integer", "minimum": 1, "maximum": 500},
        "previous": {"type": "boolean"}, "kind": {"type": "string", "enum": ["Pod", "Node"]}}});
    let mut given = json!({"name": "web", "lines": "7", "previous": "true", "kind": "Pod"});
    mutate(random, &mut given, 4);
    let text = if random.one_in(5) { random.text() } else { raw(&given) };
    let Ok(members) = arguments::parse(&text) else { return Vec::new() };
    let Ok(checked) = arguments::check(&schema, &members) else { return Vec::new() };
    let fits = checked.arguments.iter().all(|(name, value)| match name.as_str() {
        "name" => value.as_str().is_some_and(|name| !name.trim().is_empty()),
        "lines" => value.as_u64().is_some_and(|lines| (1..=500).contains(&lines)),
        "previous" => value.is_boolean(),
        "kind" => value == "Pod" || value == "Node",
        _ => false,
    });
    if fits && checked.arguments.contains_key("name") {
        Vec::new()
    } else {
        vec![format!("{text} was taken as {checked:?}")]
    }
}

fn content(random: &mut Random) -> Content {
    match random.below(3) {
        0 => Content::Text(random.text()),
        1 => Content::Json(any(random, 5)),
        _ => {
            let lines = (0..random.below(60)).map(|_| random.text()).collect();
            let keep = if random.one_in(2) { Keep::Head } else { Keep::HeadTailAndErrors };
            Content::Lines { header: random.text(), lines, footer: random.text(), keep }
        }
    }
}

/// Shown shortened within its bound, between delimiters nothing can close.
fn reduced(random: &mut Random) -> Vec<String> {
    let content = content(random);
    let most = 500 + random.below(5_000);
    let shown = reduce(&content, most);
    let mut wrong = Vec::new();
    let chars = shown.text.chars().count();
    // Marks of what was left out come on top.
    if chars > most * 2 {
        wrong.push(format!("{chars} characters instead of {most}"));
    }
    if shown.left_out.is_none() && shown.text != whole(&content) && !matches!(&content, Content::Lines { .. }) {
        wrong.push("something was left out in silence".to_owned());
    }
    let fence = Fence::new([0; 16]);
    let wrapped = fence.wrap(&random.text(), &shown.text).text;
    if wrapped.matches(fence.token()).count() != 2 {
        wrong.push("the delimiter is not unique".to_owned());
    }
    wrong
}

fn redacted(random: &mut Random, redactor: &Redactor) -> Vec<String> {
    const SECRET: &str = "Zx9-canary-Tr0ub4dor";
    let mut value = any(random, 5);
    if !value.is_object() {
        value = json!({ "inner": value });
    }
    value["spec"] = json!({"env": [{"name": "DB_PASSWORD", "value": SECRET}]});
    value["conf"] = json!(format!("db_password={SECRET}\n{}", random.text()));
    let text = value.to_string();
    redactor.value(&mut value);
    let mut wrong = Vec::new();
    let once = redactor.text(&text).text;
    for (what, shown) in [("value", value.to_string()), ("text", once.clone())] {
        if shown.contains(SECRET) {
            wrong.push(format!("a secret stays in the {what}"));
        }
    }
    if once.len() < 10_000 && redactor.text(&once).text != once {
        wrong.push(format!("redacting twice is not redacting once: {once}"));
    }
    if serde_json::from_str::<Value>(&once).is_err() {
        wrong.push("JSON is no longer JSON".to_owned());
    }
    wrong
}

/// Any investigation becomes a result that clients can read.
fn rendered(random: &mut Random, schema: &Schema) -> Vec<String> {
    let shapes = [RequestShape::April, RequestShape::January, RequestShape::Successor];
    let shape = shapes[random.below(shapes.len())];
    let wire = json!(IncidentResponse::render(&investigation(random), shape));
    invariants::broken(schema, &wire)
}

fn investigation(random: &mut Random) -> Investigation {
    let text = |random: &mut Random| random.letters(30);
    let list = |random: &mut Random| (0..random.below(4)).map(|_| random.letters(20)).collect::<Vec<_>>();
    let number = |random: &mut Random| [f64::NAN, f64::INFINITY, -1.0, 0.0, 0.7, 1e9][random.below(6)];
    let mut warnings = list(random);
    if random.one_in(4) {
        warnings.push("Problem self-resolved - no remediation required".to_owned());
    }
    let target = ResourceRef::namespaced("Deployment", "shop", "web");
    let engines = ["tekton", "JOB", "", "jenkins"];
    let workflow = SelectedWorkflow {
        workflow_id: ["", " ", "4f1a"][random.below(3)].to_owned(),
        workflow_name: "raise".to_owned(),
        action_type: "Raise".to_owned(),
        version: String::new(),
        execution_bundle: Some("quay.io/x@sha256:9f".to_owned()),
        execution_bundle_digest: None,
        execution_engine: engines[random.below(4)].to_owned(),
        service_account_name: None,
        engine_config: None,
        confidence: number(random),
        rationale: random.text(),
        parameters: json!({"A": "b"}).as_object().unwrap().clone(),
    };
    let attempt = |number| ValidationAttempt {
        attempt: number,
        workflow_id: None,
        is_valid: false,
        errors: vec![],
        timestamp: jiff::Timestamp::UNIX_EPOCH,
    };
    let alternative = AlternativeWorkflow {
        workflow_id: text(random),
        workflow_name: text(random),
        execution_bundle: Some(text(random)),
        confidence: number(random),
        rationale: text(random),
    };
    let reasons = [ReviewReason::RcaIncomplete, ReviewReason::LowConfidence, ReviewReason::LlmParsingError];
    Investigation {
        incident_id: "i".to_owned(),
        analysis: random.text(),
        root_cause: RootCause {
            summary: random.text(),
            severity: Severity::High,
            signal_name: Some(text(random)),
            cause_class: None,
            contributing_factors: list(random),
            causal_chain: list(random),
            due_diligence: Default::default(),
            evidence: vec![Evidence::field(text(random), target.clone(), text(random), text(random))],
            target: random.one_in(2).then_some(target),
        },
        selected_workflow: random.one_in(2).then_some(workflow),
        confidence: number(random),
        completed_at: jiff::Timestamp::UNIX_EPOCH,
        review: random.one_in(2).then(|| reasons[random.below(3)]),
        actionable: [None, Some(false), Some(true)][random.below(3)],
        warnings,
        alternatives: vec![alternative],
        validation_attempts: (0..5).map(attempt).collect(),
        engine: Engine::Analyser { because: None },
        detected_labels: None,
        confidence_basis: None,
        excluded: vec![],
        not_checked: vec![],
    }
}
