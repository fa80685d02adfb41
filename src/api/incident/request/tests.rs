//! The decoding tables of http-api §0.4, §2.0 and §2.1, row by row.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A body of the released clients with every required member.
fn april() -> Value {
    json!({
        "incident_id": "aia-1", "remediation_id": "rr-1", "signal_name": "OOMKilled", "severity": "high",
        "signal_source": "kubernaut", "resource_namespace": "checkout", "resource_kind": "Deployment",
        "resource_name": "cart-api", "error_message": "", "environment": "production", "priority": "P1",
        "risk_tolerance": "medium", "business_category": "standard", "cluster_name": "default",
    })
}

/// [`april`] with one member replaced.
fn with(name: &str, value: Value) -> Value {
    let mut body = april();
    body[name] = value;
    body
}

fn without(name: &str) -> Value {
    let mut body = april();
    body.as_object_mut().unwrap().remove(name);
    body
}

fn read(body: &Value) -> Result<Incident, Invalid> {
    AnalyzeBody::parse(body.to_string().as_bytes()).and_then(Incident::try_from)
}

fn detail(body: &Value) -> String {
    read(body).unwrap_err().detail
}

fn detail_of_bytes(bytes: &[u8]) -> String {
    AnalyzeBody::parse(bytes).and_then(Incident::try_from).unwrap_err().detail
}

const REQUIRED: &[&str] = &[
    "incident_id",
    "remediation_id",
    "signal_name",
    "severity",
    "signal_source",
    "resource_namespace",
    "resource_kind",
    "resource_name",
    "error_message",
    "environment",
    "priority",
    "risk_tolerance",
    "business_category",
    "cluster_name",
];

#[test]
fn the_documented_example_becomes_an_incident() {
    let mut body = april();
    let more = json!({
        "description": "Container cart restarted", "is_duplicate": false, "occurrence_count": 3,
        "deduplication_window_minutes": 5, "firing_time": "2026-04-12T09:14:03Z", "received_time": "2026-04-12T09:14:05Z",
        "signal_labels": { "alertname": "KubePodCrashLooping", "container": "cart" }, "signal_mode": "reactive",
        "enrichment_results": {
            "kubernetesContext": { "namespace": "checkout", "workload": { "kind": "Deployment", "name": "cart-api" } },
            "customLabels": { "team": ["payments"], "constraint": ["cost-constrained"] },
            "businessClassification": { "businessUnit": "retail", "serviceOwner": null, "criticality": "high" },
            "detectedLabels": { "ignored": true }, "enrichmentQuality": 7
        },
        "is_storm": "whatever", "unknown": {}
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let incident = read(&body).unwrap();
    assert_eq!(incident.resource, ResourceRef::namespaced("Deployment", "checkout", "cart-api"));
    assert_eq!((incident.severity, incident.shape), (Severity::High, RequestShape::April));
    assert_eq!(incident.description.as_deref(), Some("Container cart restarted"));
    assert_eq!((incident.occurrence_count, incident.deduplication_window_minutes), (3, Some(5)));
    assert_eq!(incident.signal_labels["container"], "cart");
    assert_eq!(incident.custom_labels["team"], ["payments"]);
    assert_eq!((incident.last_seen, incident.signal_mode), (None, SignalMode::Reactive));
}

#[test]
fn shapes() {
    use RequestShape::{April, January, LateSuccessor, Successor};
    let january = |mut body: Value| {
        body["signal_type"] = json!("OOMKilled");
        body.as_object_mut().unwrap().remove("signal_name");
        body
    };
    for (body, expected) in [
        (april(), April),
        (with("signal_type", json!("OOMKilled")), April),
        (with("interactive", json!(false)), Successor),
        (with("interactive", Value::Null), April),
        (with("resource_api_version", json!("")), LateSuccessor),
        (with("severity", json!("warning")), LateSuccessor),
        (with("severity", json!(" Info ")), LateSuccessor),
        (january(april()), January),
        (january(with("resource_api_version", json!("apps/v1"))), January),
    ] {
        assert_eq!(read(&body).unwrap().shape, expected, "{body}");
    }
    let named_null = json!({ "signal_name": null, "signal_type": "OOMKilled" });
    let mut body = april();
    body.as_object_mut().unwrap().extend(named_null.as_object().unwrap().clone());
    let incident = read(&body).unwrap();
    assert_eq!((incident.shape, incident.signal_name.as_str()), (January, "OOMKilled"));
}

#[test]
fn required_members() {
    for name in REQUIRED {
        assert_eq!(detail(&without(name)), format!("Validation error: Field '{name}': Field required"));
        let expected = if *name == "severity" { SEVERITIES } else { "Input should be a valid string" };
        for wrong in [Value::Null, json!(5), json!(["x"]), json!({}), json!(true)] {
            assert_eq!(detail(&with(name, wrong)), format!("Validation error: Field '{name}': {expected}"));
        }
    }
}

#[test]
fn empty_texts() {
    for name in REQUIRED.iter().filter(|name| !["remediation_id", "signal_name", "severity"].contains(name)) {
        assert!(read(&with(name, json!(""))).is_ok(), "{name}");
    }
    let field = "Validation error: Field 'remediation_id': ";
    let rows = [
        ("remediation_id", "", format!("{field}String should have at least 1 character")),
        ("remediation_id", " \t", format!("{field}Value error, remediation_id is required and cannot be empty")),
        ("signal_name", "", "signal_name is required and cannot be empty".to_owned()),
        ("signal_name", "  ", "signal_name is required and cannot be empty".to_owned()),
    ];
    for (name, text, expected) in rows {
        assert_eq!(detail(&with(name, json!(text))), expected);
    }
    let mut january = without("signal_name");
    january["signal_type"] = json!(" ");
    assert_eq!(detail(&january), "signal_type is required and cannot be empty");
    assert!(read(&with("resource_namespace", json!(""))).unwrap().resource.namespace.is_none());
}

#[test]
fn vocabularies() {
    use Severity::{Critical, High, Low, Medium, Unknown};
    for (text, expected) in [
        ("critical", Critical),
        ("HIGH", High),
        (" medium ", Medium),
        ("low", Low),
        ("unknown", Unknown),
        ("warning", Medium),
        ("info", Low),
    ] {
        assert_eq!(read(&with("severity", json!(text))).unwrap().severity, expected, "{text}");
    }
    assert_eq!(detail(&with("severity", json!("urgent"))), format!("Validation error: Field 'severity': {SEVERITIES}"));
    let mut january = without("signal_name");
    january["signal_type"] = json!("OOMKilled");
    january["severity"] = json!("urgent");
    assert_eq!(read(&january).unwrap().severity, Unknown);
    january["severity"] = json!(3);
    assert_eq!(detail(&january), "Validation error: Field 'severity': Input should be a valid string");

    for (value, expected) in [
        (json!("reactive"), SignalMode::Reactive),
        (json!("Proactive"), SignalMode::Proactive),
        (json!("predictive"), SignalMode::Proactive),
        (Value::Null, SignalMode::Reactive),
    ] {
        assert_eq!(read(&with("signal_mode", value)).unwrap().signal_mode, expected);
    }
    for wrong in [json!(""), json!("later"), json!(1)] {
        let expected = "Validation error: Field 'signal_mode': Input should be 'reactive' or 'proactive'";
        assert_eq!(detail(&with("signal_mode", wrong)), expected);
    }
}

#[test]
fn integers_and_booleans_are_lenient() {
    let count = |value: Value| read(&with("occurrence_count", value)).map(|incident| incident.occurrence_count);
    for (value, expected) in [
        (json!(3), 3),
        (json!(-3), -3),
        (json!(3.0), 3),
        (json!("3"), 3),
        (json!(" 3.0 "), 3),
        (json!(true), 1),
        (Value::Null, 0),
    ] {
        assert_eq!(count(value).unwrap(), expected);
    }
    let integer = "Validation error: Field 'occurrence_count': Input should be a valid integer";
    for (value, rest) in [
        (json!("three"), ", unable to parse string as an integer"),
        (json!("3.5"), ", unable to parse string as an integer"),
        (json!(""), ", unable to parse string as an integer"),
        (json!(3.5), ", got a number with a fractional part"),
        (json!(1e300), ", exceeded maximum size"),
        (json!([]), ""),
    ] {
        assert_eq!(count(value).unwrap_err().detail, format!("{integer}{rest}"));
    }

    let duplicate = |value: Value| read(&with("is_duplicate", value)).map(|incident| incident.is_duplicate);
    for (values, expected) in [
        (
            vec![
                json!(true),
                json!("yes"),
                json!("TRUE"),
                json!("on"),
                json!("t"),
                json!("Y"),
                json!("1"),
                json!(1),
                json!(1.0),
            ],
            true,
        ),
        (
            vec![
                json!(false),
                json!("no"),
                json!("False"),
                json!("off"),
                json!("f"),
                json!("n"),
                json!("0"),
                json!(0),
                Value::Null,
            ],
            false,
        ),
    ] {
        for value in values {
            assert_eq!(duplicate(value.clone()).unwrap(), expected, "{value}");
        }
    }
    for (value, rest) in
        [(json!("maybe"), ", unable to interpret input"), (json!(2), ", unable to interpret input"), (json!({}), "")]
    {
        let expected = format!("Validation error: Field 'is_duplicate': Input should be a valid boolean{rest}");
        assert_eq!(duplicate(value).unwrap_err().detail, expected);
    }
}

#[test]
fn nested_members() {
    let enrichment = |value: Value| json!({ "customLabels": value });
    for (name, value, expected) in [
        ("signal_labels", json!([]), "Field 'signal_labels': Input should be a valid dictionary"),
        ("signal_labels", json!({ "a": 1 }), "Field 'a': Input should be a valid string"),
        ("signal_annotations", json!({ "b": null }), "Field 'b': Input should be a valid string"),
        (
            "enrichment_results",
            json!("x"),
            "Field 'enrichment_results': Input should be a valid dictionary or object to extract fields from",
        ),
        ("enrichment_results", enrichment(json!({ "team": "payments" })), "Field 'team': Input should be a valid list"),
        ("enrichment_results", enrichment(json!({ "team": [7] })), "Field '0': Input should be a valid string"),
        ("enrichment_results", enrichment(json!(7)), "Field 'customLabels': Input should be a valid dictionary"),
        (
            "enrichment_results",
            json!({ "businessClassification": { "criticality": 1 } }),
            "Field 'criticality': Input should be a valid string",
        ),
    ] {
        assert_eq!(detail(&with(name, value)), format!("Validation error: {expected}"));
    }
    assert!(read(&with("enrichment_results", json!({}))).is_ok());
    assert!(read(&with("enrichment_results", Value::Null)).is_ok());
}

#[test]
fn all_errors_are_listed_in_declaration_order_with_full_paths() {
    let mut body = with("enrichment_results", json!({ "customLabels": { "team": ["ok", 7], "tier": "gold" } }));
    body["severity"] = json!("urgent");
    body.as_object_mut().unwrap().remove("incident_id");
    let invalid = read(&body).unwrap_err();
    assert_eq!(invalid.detail, "Validation error: Field 'incident_id': Field required");
    assert_eq!(
        serde_json::to_value(&invalid.errors).unwrap(),
        json!([
            { "loc": ["body", "incident_id"], "type": "missing", "msg": "Field required" },
            { "loc": ["body", "severity"], "type": "enum", "msg": SEVERITIES },
            { "loc": ["body", "enrichment_results", "customLabels", "team", 1], "type": "string_type",
              "msg": "Input should be a valid string" },
            { "loc": ["body", "enrichment_results", "customLabels", "tier"], "type": "list_type",
              "msg": "Input should be a valid list" },
        ])
    );
}

#[test]
fn bodies_that_are_no_object() {
    for (bytes, expected) in [
        (&b""[..], "Validation error: Field 'body': Field required"),
        (b"null", "Validation error: Field 'body': Field required"),
        (b"[]", "Validation error: Field 'body': Input should be a valid dictionary or object to extract fields from"),
        (
            b"\"x\"",
            "Validation error: Field 'body': Input should be a valid dictionary or object to extract fields from",
        ),
        (b"{\"a\": }", "Validation error: Field '6': JSON decode error"),
        (b"{\n \"a\": nope}", "Validation error: Field '9': JSON decode error"),
        (b"{\"a\": 1", "Validation error: Field '7': JSON decode error"),
        (b"{} {}", "Validation error: Field '3': JSON decode error"),
        (b"{\"a\": \"\xff\xfe\"}", "There was an error parsing the body"),
    ] {
        assert_eq!(detail_of_bytes(bytes), expected, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn nesting_and_sizes_are_bounded() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let deep = "Validation error: Field 'body': JSON nested deeper than 64 levels";
    assert_ne!(detail_of_bytes(nested(64).as_bytes()), deep);
    assert_eq!(detail_of_bytes(nested(65).as_bytes()), deep);
    assert_eq!(detail_of_bytes("[".repeat(500_000).as_bytes()), deep, "unclosed brackets do not reach the parser");
    assert!(read(&with("description", json!("[".repeat(100)))).is_ok(), "brackets in strings do not nest");
    assert!(read(&with("description", json!("\\\"[".repeat(100)))).is_ok());

    assert!(read(&with("description", json!("x".repeat(65_536)))).is_ok());
    assert!(detail(&with("description", json!("x".repeat(65_537)))).contains("at most 65536 bytes"));
    let labels =
        |count: usize| json!((0..count).map(|n| (n.to_string(), json!("x"))).collect::<serde_json::Map<_, _>>());
    assert!(read(&with("signal_labels", labels(512))).is_ok());
    assert!(detail(&with("signal_labels", labels(513))).contains("at most 512 items"));
}

#[test]
fn the_last_of_duplicate_keys_wins() {
    let text = april().to_string().replacen("\"aia-1\"", "\"first\",\"incident_id\":\"second\"", 1);
    assert_eq!(AnalyzeBody::parse(text.as_bytes()).and_then(Incident::try_from).unwrap().incident_id, "second");
}

#[test]
fn the_published_schema_is_the_one_that_is_read() {
    let document: Value = serde_json::from_str(&crate::api::openapi()).unwrap();
    let schema = &document["components"]["schemas"]["IncidentRequest"];
    let required: Vec<&str> =
        schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(required, REQUIRED);
    for name in schema["properties"].as_object().unwrap().keys().filter(|name| *name != "signal_type") {
        let invalid = read(&with(name, json!([{}]))).unwrap_err();
        assert_eq!(invalid.errors[0].loc[1], fields::Step::Name(name.clone()), "{name} is not read");
        assert_eq!(read(&without(name)).is_err(), required.contains(&name.as_str()), "{name}");
    }
}

proptest! {
    #[test]
    fn no_bytes_break_the_door(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = AnalyzeBody::parse(&bytes).and_then(Incident::try_from);
    }
}
