//! Workflows and history as the April generation answers them: as strict about what it is asked, with the same security
//! gate, and with answers that are odd on command.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _};
use holmesgpt_api::catalogue::{Catalogue as _, DirectoryCatalogue, MatchContext, Workflow};
use serde_json::{Value, json};

use super::problem;

/// An answer that is not what was asked for.
#[derive(Debug, Clone)]
pub(crate) enum Odd {
    /// This status, `Retry-After` in seconds, and content type and body as they are.
    Raw(u16, Option<u64>, &'static str, String),
    /// The connection breaks after the headers.
    Reset,
    /// One byte in a while, and never the end.
    Drip(Duration),
    /// 200 with half of a JSON document, properly ended.
    HalfJson,
    /// A redirect to this address.
    Redirect(String),
}

impl Odd {
    pub(crate) fn status(status: u16) -> Self {
        Self::Raw(status, None, "application/problem+json", json!({"status": status}).to_string())
    }

    pub(super) fn response(self) -> Response {
        let typed = |status: u16, kind: &'static str, body: Body| {
            (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, kind)], body).into_response()
        };
        match self {
            Self::Raw(status, retry_after, kind, body) => {
                let mut response = typed(status, kind, Body::from(body));
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                }
                response
            }
            Self::Reset => super::broken(StatusCode::OK),
            Self::Drip(pause) => {
                let drops = stream::repeat(()).then(move |()| async move {
                    tokio::time::sleep(pause).await;
                    Ok::<_, std::io::Error>(Bytes::from_static(b" "))
                });
                typed(200, "application/json", Body::from_stream(drops))
            }
            Self::HalfJson => typed(200, "application/json", Body::from("{\"actionTypes\": [{")),
            Self::Redirect(target) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target)]).into_response(),
        }
    }
}

/// What the server keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalogue {
    /// Records as step 3 answers them; those with a member `hidden` are in no list.
    pub(crate) workflows: Vec<Value>,
    /// Answers about history by spec hash; every other hash has none.
    pub(crate) history: BTreeMap<String, Value>,
    /// For every spec hash.
    pub(crate) any_history: Option<Value>,
    /// A later generation: the empty namespace is taken.
    pub(crate) takes_no_namespace: bool,
}

impl Catalogue {
    /// The workflows of a directory as records.
    pub(crate) async fn of(directory: &DirectoryCatalogue) -> Self {
        let everything = MatchContext::default();
        let mut workflows = Vec::new();
        for action in directory.action_types(&everything).await.unwrap() {
            let candidates = directory.candidates(&action.name, &everything).await.unwrap();
            workflows.extend(candidates.matching.iter().map(record));
        }
        Self { workflows, ..Self::default() }
    }

    /// Changes the record of a workflow.
    pub(crate) fn change(&mut self, name: &str, member: &str, value: Value) {
        let record = self.workflows.iter_mut().find(|record| record["workflowName"] == name);
        record.unwrap_or_else(|| panic!("no workflow {name}"))[member] = value;
    }

    pub(super) fn answer(&self, uri: &Uri) -> Response {
        let Ok(Query(query)) = Query::<BTreeMap<String, String>>::try_from_uri(uri) else {
            return problem(400, "query");
        };
        let segments: Vec<&str> = uri.path().trim_start_matches("/api/v1/").split('/').collect();
        match segments.as_slice() {
            ["workflows", "actions"] => self.actions(&query),
            ["workflows", "actions", action_type] => self.listed(action_type, &query),
            ["workflows", id] => self.workflow(id, &query),
            ["remediation-history", "context"] => self.history(&query),
            _ => problem(404, "no such path"),
        }
    }

    fn actions(&self, query: &BTreeMap<String, String>) -> Response {
        if let Some(refusal) = refusal(query) {
            return refusal;
        }
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for record in self.fitting(query) {
            *counts.entry(record["actionType"].as_str().unwrap()).or_default() += 1;
        }
        let entries = counts.iter().map(|(name, count)| {
            let description = json!({"what": format!("Does {name}"), "whenToUse": "When it fits"});
            json!({"actionType": name, "description": description, "workflowCount": count})
        });
        page("actionTypes", json!({}), entries.collect(), query)
    }

    fn listed(&self, action_type: &str, query: &BTreeMap<String, String>) -> Response {
        if let Some(refusal) = refusal(query) {
            return refusal;
        }
        const MEMBERS: [&str; 6] = ["workflowId", "workflowName", "name", "description", "version", "executionEngine"];
        let of_type = self.fitting(query).filter(|record| record["actionType"] == action_type);
        let entries = of_type.map(|record| MEMBERS.iter().map(|name| ((*name).to_owned(), record[*name].clone())));
        page("workflows", json!({"actionType": action_type}), entries.map(Value::from_iter).collect(), query)
    }

    fn workflow(&self, id: &str, query: &BTreeMap<String, String>) -> Response {
        if uuid::Uuid::parse_str(id).is_err() {
            return problem(500, "invalid input syntax for type uuid");
        }
        let is_gated = ["severity", "component", "environment", "priority"]
            .iter()
            .any(|name| query.get(*name).is_some_and(|value| !value.is_empty()));
        let found = self.workflows.iter().find(|record| record["workflowId"] == id);
        match found.filter(|record| !is_gated || fits(record, query)) {
            Some(record) => Json(record).into_response(),
            None => problem(404, &format!("Workflow not found: {id}")),
        }
    }

    fn history(&self, query: &BTreeMap<String, String>) -> Response {
        let value = |name: &str| query.get(name).cloned().unwrap_or_default();
        for name in ["targetKind", "targetName", "targetNamespace", "currentSpecHash"] {
            let may_be_empty = name == "targetNamespace" && self.takes_no_namespace;
            if value(name).is_empty() && !may_be_empty {
                return problem(400, &format!("{name} query parameter is required"));
            }
        }
        let hash = value("currentSpecHash");
        let told = self.history.get(&hash).or(self.any_history.as_ref()).cloned();
        let mut answer = json!({
            "targetResource": format!("{}/{}/{}", value("targetNamespace"), value("targetKind"), value("targetName")),
            "currentSpecHash": hash, "regressionDetected": false,
            "tier1": {"window": "24h0m0s", "chain": []}, "tier2": {"window": "2160h0m0s", "chain": []},
        });
        for (name, value) in told.iter().flat_map(|told| told.as_object().unwrap()) {
            answer[name] = value.clone();
        }
        Json(answer).into_response()
    }

    /// Active, latest, and through every filter.
    fn fitting(&self, query: &BTreeMap<String, String>) -> impl Iterator<Item = &Value> {
        let usable = self.workflows.iter().filter(|record| {
            record["status"] == "Active" && record["isLatestVersion"] == true && record.get("hidden").is_none()
        });
        usable.filter(move |record| fits(record, query))
    }
}

/// What the schema of steps 1 and 2 refuses (datastorage §5.1).
fn refusal(query: &BTreeMap<String, String>) -> Option<Response> {
    const CLOSED: [(&str, &[&str]); 2] =
        [("severity", &["critical", "high", "medium", "low"]), ("priority", &["P0", "P1", "P2", "P3"])];
    for (name, words) in CLOSED {
        if !query.get(name).is_some_and(|value| words.contains(&value.as_str())) {
            return Some(problem(
                400,
                &format!("parameter {name:?} in query has an error: value is not one of the allowed values"),
            ));
        }
    }
    for name in ["component", "environment"] {
        if !query.contains_key(name) {
            return Some(problem(
                400,
                &format!("parameter {name:?} in query has an error: value is required but missing"),
            ));
        }
    }
    for name in ["detected_labels", "custom_labels"] {
        let value = query.get(name).map(|text| serde_json::from_str::<Value>(text));
        if value.is_some_and(|value| !value.is_ok_and(|value| value.is_object())) {
            return Some(problem(400, &format!("invalid {name} JSON")));
        }
    }
    let limit = query.get("limit").map(|text| text.parse::<u32>());
    limit.is_some_and(|limit| !limit.is_ok_and(|limit| limit <= 100)).then(|| problem(400, "limit"))
}

fn fits(record: &Value, query: &BTreeMap<String, String>) -> bool {
    ["severity", "component", "environment", "priority"].iter().all(|name| {
        let wanted = query.get(*name).map(String::as_str).unwrap_or_default();
        let offered = match &record["labels"][*name] {
            Value::Array(words) => words.iter().map(|word| word.as_str().unwrap()).collect(),
            word => vec![word.as_str().unwrap()],
        };
        let same = |word: &str| word.rsplit('/').next().unwrap().eq_ignore_ascii_case(wanted);
        wanted.is_empty() || offered.iter().any(|word| *word == "*" || same(word))
    })
}

fn page(list: &str, mut whole: Value, entries: Vec<Value>, query: &BTreeMap<String, String>) -> Response {
    let number = |name: &str, default: usize| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (offset, limit, total) = (number("offset", 0), number("limit", 10), entries.len());
    let shown: Vec<Value> = entries.into_iter().skip(offset).take(limit).collect();
    whole["pagination"] =
        json!({"totalCount": total, "offset": offset, "limit": limit, "hasMore": offset + shown.len() < total});
    whole[list] = shown.into();
    Json(whole).into_response()
}

/// As the server keeps it.
pub(crate) fn record(workflow: &Workflow) -> Value {
    let description = &workflow.description;
    let parameters: Vec<Value> = workflow.parameters.iter().map(parameter).collect();
    json!({
        "workflowId": workflow.id, "workflowName": workflow.name, "name": workflow.name, "version": workflow.version,
        "schemaVersion": "1.0", "actionType": workflow.action_type, "content": "kind: RemediationWorkflow",
        "contentHash": "0".repeat(64), "executionEngine": workflow.execution.engine,
        "executionBundle": workflow.execution.bundle, "executionBundleDigest": workflow.execution.bundle_digest,
        "serviceAccountName": workflow.execution.service_account,
        "description": {"what": description.what, "whenToUse": description.when_to_use},
        "parameters": {"schema": {"parameters": parameters}},
        "labels": {"severity": workflow.labels.severity, "component": workflow.labels.component,
                   "environment": workflow.labels.environment, "priority": workflow.labels.priority},
        "detectedLabels": workflow.detected_labels, "customLabels": {}, "status": "Active", "isLatestVersion": true,
        "totalExecutions": 42, "successfulExecutions": 41, "actualSuccessRate": 0.976,
        "createdAt": "2026-04-07T10:15:30Z", "updatedAt": "2026-04-07T10:15:30Z",
    })
}

fn parameter(parameter: &holmesgpt_api::catalogue::Parameter) -> Value {
    json!({
        "name": parameter.name, "type": parameter.kind, "required": parameter.required,
        "description": parameter.description, "default": parameter.default, "enum": parameter.allowed,
        "pattern": parameter.pattern, "minimum": parameter.minimum, "maximum": parameter.maximum,
        "dependsOn": parameter.depends_on,
    })
}
