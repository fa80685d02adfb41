//! Our answers against the published contracts of the client generations: required members, types, closed lists.
//!
//! The documents are looked for beside the crate (`../shared/contracts`) and are no part of it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;

use holmesgpt_api::domain::{AlternativeWorkflow, Investigation, ReviewReason, ValidationAttempt};
use holmesgpt_api::investigation::InvestigationError;
use holmesgpt_api::sessions::Work;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::http_contract::incident;
use crate::http_modes::{INCIDENT, RECOVERY, january, recovery};
use crate::http_sessions::{gated, late_successor, reaches, submit, successor};
use crate::service::{Answer, Setup, TestService, finding_for};

const APRIL: &[&str] = &["hapi-v1.0.0", "hapi-v1.1.0", "hapi-v1.2-apr", "hapi-v1.2-apr.as-served"];
const JANUARY: &[&str] = &["hapi-2026-01-30-sync"];
const SUCCESSOR: &[&str] = &["successor-v1.5.7"];
const SESSION: &str = "/api/v1/incident/session/{session_id}";

/// One published document.
struct Contract {
    name: &'static str,
    document: Value,
}

/// The documents of a generation; `None`, and a word about it, where they are not at hand.
fn contracts(names: &'static [&'static str]) -> Option<Vec<Contract>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/contracts");
    if !folder.is_dir() {
        eprintln!("SKIPPED: no published contracts in {}; nothing was compared", folder.display());
        return None;
    }
    let read = |name: &'static str| {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        Contract { name, document: serde_json::from_str(&text).unwrap() }
    };
    Some(names.iter().copied().map(read).collect())
}

impl Contract {
    /// What the document says about an answer; `None` when it does not declare one like it.
    fn declared(&self, method: &str, path: &str, answer: &Answer) -> Option<&Value> {
        let operation = &self.document["paths"][path][method];
        assert!(operation.is_object(), "{}: {method} {path} is not in it", self.name);
        let response = operation["responses"].get(answer.status.to_string())?;
        Some(&response["content"].get(answer.header("content-type"))?["schema"])
    }

    /// Fails when the document declares the answer and the answer breaks it.
    fn holds(&self, method: &str, path: &str, answer: &Answer) {
        if let Some(schema) = self.declared(method, path, answer) {
            let mut wrong = Vec::new();
            self.check("", schema, &answer.json(), &mut wrong);
            assert!(wrong.is_empty(), "{}: {method} {path}: {wrong:#?}\n{}", self.name, answer.text);
        }
    }

    /// The same for an answer that must be declared.
    fn must_hold(&self, method: &str, path: &str, answer: &Answer) {
        let media = answer.header("content-type");
        let told = format!("{}: {method} {path}: {} as {media}: {}", self.name, answer.status, answer.text);
        assert!(self.declared(method, path, answer).is_some(), "{told}");
        self.holds(method, path, answer);
    }

    fn check(&self, place: &str, schema: &Value, value: &Value, wrong: &mut Vec<String>) {
        let Some(rules) = schema.as_object() else { return };
        if value.is_null() && rules.get("nullable") == Some(&json!(true)) {
            return;
        }
        for (keyword, rule) in rules {
            let holds = match keyword.as_str() {
                "$ref" => {
                    let name = rule.as_str().unwrap().rsplit('/').next().unwrap();
                    self.check(place, &self.document["components"]["schemas"][name], value, wrong);
                    true
                }
                "properties" => {
                    for (name, rule) in rule.as_object().unwrap() {
                        if let Some(member) = value.get(name) {
                            self.check(&format!("{place}/{name}"), rule, member, wrong);
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    self.others(place, rules, rule, value, wrong);
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(&format!("{place}/{index}"), rule, item, wrong);
                    }
                    true
                }
                "anyOf" | "oneOf" => rule.as_array().unwrap().iter().any(|one| self.fits(one, value)),
                "allOf" => rule.as_array().unwrap().iter().all(|one| self.fits(one, value)),
                simple => simply(simple, rule, value),
            };
            if !holds {
                let shown: String = value.to_string().chars().take(80).collect();
                wrong.push(format!("{place}: {keyword} {rule} does not hold for {shown}"));
            }
        }
    }

    fn others(&self, place: &str, rules: &Map<String, Value>, rule: &Value, value: &Value, wrong: &mut Vec<String>) {
        let known = rules.get("properties").and_then(Value::as_object);
        for (name, member) in value.as_object().into_iter().flatten() {
            if known.is_none_or(|known| !known.contains_key(name)) {
                self.check(&format!("{place}/{name}"), rule, member, wrong);
            }
        }
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let mut wrong = Vec::new();
        self.check("", schema, value, &mut wrong);
        wrong.is_empty()
    }
}

/// Keywords about the value itself.
fn simply(keyword: &str, rule: &Value, value: &Value) -> bool {
    match keyword {
        "type" => {
            let kinds = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
            kinds.iter().any(|kind| is_of(kind.as_str().unwrap(), value))
        }
        "enum" => rule.as_array().unwrap().contains(value),
        "const" => rule == value,
        "required" => value.as_object().is_none_or(|members| {
            rule.as_array().unwrap().iter().all(|name| members.contains_key(name.as_str().unwrap()))
        }),
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
        "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= rule.as_u64().unwrap() as usize),
        "format" => match (rule.as_str().unwrap(), value.as_str()) {
            ("uuid", Some(text)) => uuid::Uuid::try_parse(text).is_ok(),
            // The generated decoders take references for URIs.
            ("uri", Some(text)) => text.starts_with('/') || reqwest::Url::parse(text).is_ok(),
            ("date-time", Some(text)) => text.parse::<jiff::Timestamp>().is_ok(),
            _ => true,
        },
        "title" | "description" | "default" | "example" | "examples" | "nullable" | "propertyNames" => true,
        unknown => panic!("keyword {unknown} is not checked"),
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("type {unknown} is not checked"),
    }
}

type Change = fn(&mut Investigation);

/// Every kind of outcome an investigation may have.
fn outcomes() -> Vec<(String, Change)> {
    let mut outcomes: Vec<(String, Change)> = vec![
        ("workflow".into(), |_| {}),
        ("alternatives".into(), |found| {
            found.alternatives = vec![
                AlternativeWorkflow {
                    workflow_id: "a".into(),
                    workflow_name: "a".into(),
                    execution_bundle: None,
                    confidence: 1.7,
                    rationale: String::new(),
                },
                AlternativeWorkflow {
                    workflow_id: String::new(),
                    workflow_name: "b".into(),
                    execution_bundle: Some("q".into()),
                    confidence: f64::NAN,
                    rationale: "r".into(),
                },
            ];
            let attempt = |attempt| ValidationAttempt {
                attempt,
                workflow_id: None,
                is_valid: false,
                errors: vec!["e".into()],
                timestamp: found.completed_at,
            };
            found.validation_attempts = (0..5).map(attempt).collect();
        }),
        ("not actionable".into(), |found| (found.actionable, found.confidence) = (Some(false), -3.0)),
        ("resolved".into(), |found| found.warnings = vec!["Problem self-resolved - no remediation required".into()]),
        ("nothing".into(), |found| found.selected_workflow = None),
        ("empty".into(), |found| {
            found.analysis.clear();
            found.root_cause.summary.clear();
            found.root_cause.target = None;
            found.root_cause.signal_name = None;
            found.confidence = f64::INFINITY;
        }),
    ];
    let reviews: [Change; 8] = [
        |found| found.review = Some(ReviewReason::WorkflowNotFound),
        |found| found.review = Some(ReviewReason::ImageMismatch),
        |found| found.review = Some(ReviewReason::ParameterValidationFailed),
        |found| found.review = Some(ReviewReason::NoMatchingWorkflows),
        |found| found.review = Some(ReviewReason::LowConfidence),
        |found| found.review = Some(ReviewReason::LlmParsingError),
        |found| found.review = Some(ReviewReason::InvestigationInconclusive),
        |found| found.review = Some(ReviewReason::RcaIncomplete),
    ];
    outcomes.extend(reviews.into_iter().enumerate().map(|(number, change)| (format!("review {number}"), change)));
    outcomes
}

/// A service whose runs end as the incident id says.
async fn scripted() -> TestService {
    let work = Work::new(async |incident, _| {
        let mut found = finding_for(&incident);
        if incident.incident_id == "fails" {
            return Err(InvestigationError::internal("rca", "no"));
        }
        if let Some((_, change)) = outcomes().into_iter().find(|(name, _)| *name == incident.incident_id) {
            change(&mut found);
        }
        Ok(found)
    });
    TestService::with(Setup { work, ..Setup::default() }).await
}

fn named(mut body: Value, name: &str) -> Value {
    body["incident_id"] = json!(name);
    body
}

#[tokio::test]
async fn asynchronous_clients_decode_every_outcome() {
    for (generation, body) in [(APRIL, incident()), (SUCCESSOR, successor()), (SUCCESSOR, late_successor())] {
        let Some(contracts) = contracts(generation) else { return };
        let service = scripted().await;
        for (name, _) in outcomes() {
            let accepted = Answer::of(service.post(INCIDENT, &named(body.clone(), &name))).await;
            let path = accepted.header("location").to_owned();
            reaches(&service, &path, "completed").await;
            let (status, result) = (service.get(&path).await, service.get(&format!("{path}/result")).await);
            for contract in &contracts {
                contract.must_hold("post", INCIDENT, &accepted);
                contract.must_hold("get", SESSION, &status);
                contract.must_hold("get", &format!("{SESSION}/result"), &result);
            }
        }
    }
}

#[tokio::test]
async fn synchronous_clients_decode_every_outcome() {
    let Some(contracts) = contracts(JANUARY) else { return };
    let service = scripted().await;
    for (name, _) in outcomes() {
        for (path, body) in [(INCIDENT, january()), (RECOVERY, recovery())] {
            let answer = Answer::of(service.post(path, &named(body, &name))).await;
            assert_eq!(answer.status, 200);
            for contract in &contracts {
                contract.must_hold("post", path, &answer);
            }
        }
    }
    // February's form of a recovery is not published; its result is the same document.
    let answer = Answer::of(service.post(&format!("{RECOVERY}?mode=sync"), &crate::http_modes::february())).await;
    contracts[0].must_hold("post", RECOVERY, &answer);
}

#[tokio::test]
async fn refusals_are_what_clients_decode() {
    let service = scripted().await;
    let bad = Answer::of(service.post(INCIDENT, &json!({}))).await;
    let stranger = Answer::of(service.stranger("POST", INCIDENT).body("{}")).await;
    let running = {
        let service = TestService::with(Setup { work: gated(&Arc::new(Semaphore::new(0))), ..Setup::default() }).await;
        let path = submit(&service, INCIDENT, &successor()).await;
        service.get(&format!("{path}/result")).await
    };
    let unknown = service.get("/api/v1/incident/session/5b0e7f0c-2f1c-4a0e-9d35-7d3bb8a2c1e4").await;
    assert_eq!([bad.status, stranger.status, running.status, unknown.status], [400, 401, 409, 404]);
    for generation in [APRIL, JANUARY, SUCCESSOR] {
        let Some(contracts) = contracts(generation) else { return };
        for contract in &contracts {
            contract.holds("post", INCIDENT, &bad);
            contract.must_hold("post", INCIDENT, &stranger);
            if contract.document["paths"].get(SESSION).is_some() {
                contract.holds("get", SESSION, &unknown);
                contract.holds("get", &format!("{SESSION}/result"), &running);
            }
            // What old wrappers need to recognise a refusal at all.
            for answer in [&bad, &stranger, &running, &unknown] {
                let mut wrong = Vec::new();
                contract.check("", &json!({ "$ref": "#/components/schemas/HTTPError" }), &answer.json(), &mut wrong);
                assert!(wrong.is_empty(), "{}: {wrong:?}", contract.name);
            }
        }
    }
    let Some(successor) = contracts(SUCCESSOR) else { return };
    successor[0].must_hold("get", SESSION, &unknown);
    successor[0].must_hold("get", &format!("{SESSION}/result"), &running);
}

#[tokio::test]
async fn the_successors_own_endpoints() {
    let Some(contracts) = contracts(SUCCESSOR) else { return };
    let contract = &contracts[0];
    let gate = Arc::new(Semaphore::new(0));
    let service = TestService::with(Setup { work: gated(&gate), ..Setup::default() }).await;
    let path = submit(&service, INCIDENT, &late_successor()).await;
    let early = service.get(&format!("{path}/snapshot")).await;
    contract.must_hold("get", &format!("{SESSION}/snapshot"), &early);
    for status in [200, 409] {
        let cancel = Answer::of(service.caller("POST", &format!("{path}/cancel"))).await;
        assert_eq!(cancel.status, status);
        contract.must_hold("post", &format!("{SESSION}/cancel"), &cancel);
    }
    let status = service.get(&path).await;
    contract.must_hold("get", SESSION, &status);
    let result = service.get(&format!("{path}/result")).await;
    contract.must_hold("get", &format!("{SESSION}/result"), &result);
    let snapshot = service.get(&format!("{path}/snapshot")).await;
    assert_eq!(snapshot.status, 200);
    contract.must_hold("get", &format!("{SESSION}/snapshot"), &snapshot);
    let service = scripted().await;
    let failed = submit(&service, INCIDENT, &named(successor(), "fails")).await;
    reaches(&service, &failed, "failed").await;
    contract.must_hold("get", &format!("{SESSION}/result"), &service.get(&format!("{failed}/result")).await);
}

#[tokio::test]
async fn the_examples_of_the_documents_are_accepted() {
    let service = scripted().await;
    let mut seen = 0;
    for generation in [APRIL, JANUARY, SUCCESSOR] {
        let Some(contracts) = contracts(generation) else { return };
        for contract in &contracts {
            for (schema, path) in [("IncidentRequest", INCIDENT), ("RecoveryRequest", RECOVERY)] {
                let example = &contract.document["components"]["schemas"][schema]["example"];
                if example.is_object() {
                    seen += 1;
                    let answer = Answer::of(service.post(path, example)).await;
                    assert!([200, 202].contains(&answer.status), "{} {schema}: {}", contract.name, answer.text);
                }
            }
        }
    }
    assert!(seen > 0);
}
