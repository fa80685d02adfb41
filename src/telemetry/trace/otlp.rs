//! OTLP/HTTP JSON: `ExportTraceServiceRequest` in the JSON mapping of protocol buffers, with ids in hexadecimal and 64-bit
//! numbers as text, as the OpenTelemetry protocol prescribes. Pure.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::layer::{Finished, Kind, Value};
use crate::telemetry::logging::Identity;

/// `STATUS_CODE_ERROR`
const FAILED: u8 = 2;

/// Body of one export.
pub(super) fn request(identity: &Identity, spans: &[Finished]) -> Json {
    let spans: Vec<Json> = spans.iter().map(span).collect();
    json!({
        "resourceSpans": [{
            "resource": { "attributes": resource(identity) },
            "scopeSpans": [{ "scope": { "name": "holmesgpt-api", "version": identity.version }, "spans": spans }],
        }],
    })
}

fn resource(identity: &Identity) -> Vec<Json> {
    let facts = [
        ("service.name", &identity.service),
        ("service.version", &identity.version),
        ("k8s.pod.name", &identity.pod),
        ("k8s.namespace.name", &identity.namespace),
    ];
    let known = facts.into_iter().filter(|(_, text)| !text.is_empty());
    known.map(|(name, text)| attribute(name, &Value::Text(text.clone()))).collect()
}

fn span(span: &Finished) -> Json {
    let attributes: Vec<Json> = span.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
    let mut json = json!({
        "traceId": span.context.trace_id.to_string(),
        "spanId": span.context.span_id.to_string(),
        "name": span.name,
        "kind": kind(span.kind),
        "startTimeUnixNano": nanoseconds(span.began),
        "endTimeUnixNano": nanoseconds(span.ended),
        "attributes": attributes,
        "status": if span.has_failed() { json!({ "code": FAILED }) } else { json!({}) },
    });
    if let Some(members) = json.as_object_mut() {
        members.extend(span.parent.map(|parent| ("parentSpanId".to_owned(), parent.to_string().into())));
        members.extend(span.state.as_ref().map(|state| ("traceState".to_owned(), state.to_string().into())));
    }
    json
}

fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
    }
}

fn nanoseconds(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

fn attribute(name: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Integer(number) => json!({ "intValue": number.to_string() }),
        Value::Real(number) => json!({ "doubleValue": number }),
        Value::Flag(flag) => json!({ "boolValue": flag }),
        Value::Texts(texts) => {
            let values: Vec<Json> = texts.iter().map(|text| json!({ "stringValue": text })).collect();
            json!({ "arrayValue": { "values": values } })
        }
    };
    json!({ "key": name, "value": value })
}
