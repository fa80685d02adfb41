//! Records as an operator reads them.

use serde_json::{Value, json};

use super::*;
use crate::telemetry::spans::{self, SessionFacts};

type Lines = Arc<Mutex<Vec<String>>>;

/// Runs `act` under a subscriber and returns the lines it wrote.
fn lines_of(config: LoggingConfig, act: impl FnOnce(&LoggingHandle)) -> Vec<String> {
    let lines = Lines::default();
    let sink = Arc::clone(&lines);
    let write = move |line: &[u8]| sink.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
    let scrub: Scrub = Arc::new(|text| Cow::Owned(text.replace("hunter2", "[REDACTED]")));
    let (subscriber, handle) = subscriber(&config, Identity::local(), write, scrub, None);
    tracing::subscriber::with_default(subscriber, || act(&handle));
    lines.lock().unwrap().clone()
}

fn records(act: impl FnOnce(&LoggingHandle)) -> Vec<Value> {
    let lines = lines_of(LoggingConfig::default(), act);
    lines.iter().map(|line| serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap()).collect()
}

#[derive(Debug, thiserror::Error)]
#[error("could not open the store")]
struct Outer(#[source] std::io::Error);

#[test]
fn a_record_has_the_fixed_members_and_those_of_its_spans() {
    let records = records(|_| {
        let request = tracing::info_span!("request", request_id = "r-1", user = tracing::field::Empty);
        request.record("user", "alice");
        let _request = request.enter();
        let _run = tracing::info_span!("investigation", session_id = "s-1", remediation_id = "rr-7").entered();
        tracing::info!(event = "session_created", queue_depth = 3, ratio = 0.5, ok = true, "session created");
    });
    let [record] = records.as_slice() else { panic!("{records:?}") };
    let names: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(&names[..9], ["ts", "level", "msg", "event", "logger", "service", "version", "pod", "namespace"]);
    let ts = record["ts"].as_str().unwrap();
    assert!(ts.len() == "2026-04-12T09:14:05.120Z".len() && ts.ends_with('Z'), "{ts}");
    let mut rest = record.clone();
    rest.as_object_mut().unwrap().remove("ts");
    assert_eq!(
        rest,
        json!({
            "level": "info", "msg": "session created", "event": "session_created",
            "logger": "telemetry::logging::tests", "service": "holmesgpt-api",
            "version": env!("CARGO_PKG_VERSION"), "pod": "", "namespace": "",
            "request_id": "r-1", "user": "alice", "session_id": "s-1",
            "correlation_id": "rr-7", "remediation_id": "rr-7",
            "queue_depth": 3, "ratio": 0.5, "ok": true,
        })
    );
}

#[test]
fn secrets_never_reach_a_line() {
    let lines = lines_of(LoggingConfig::default(), |_| {
        let _span = tracing::info_span!("request", path = "/x?key=hunter2").entered();
        let error = Outer(std::io::Error::other("password hunter2 refused"));
        tracing::warn!(
            token = "hunter2",
            value = ?Some("hunter2"),
            error = &error as &dyn std::error::Error,
            "login as hunter2"
        );
    });
    assert_eq!(lines.len(), 1);
    assert!(!lines[0].contains("hunter2"), "{}", lines[0]);
    let record: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(record["error"], "could not open the store");
    assert_eq!(record["error_chain"], "password [REDACTED] refused");
    assert_eq!(record["event"], "log");
}

#[test]
fn the_level_can_change_while_running() {
    let records = records(|handle| {
        tracing::debug!("unseen");
        tracing::info!(target: "hyper::proto", "unseen: a library at info");
        handle.set_level(Level::Debug).unwrap();
        tracing::debug!("seen");
        tracing::info!(target: "hyper::proto", "seen");
        handle.set_level(Level::Error).unwrap();
        tracing::warn!("unseen");
    });
    let messages: Vec<&str> = records.iter().map(|record| record["msg"].as_str().unwrap()).collect();
    assert_eq!(messages, ["seen", "seen"]);
}

#[test]
fn no_level_takes_the_ids_away() {
    let records = records(|handle| {
        handle.set_level(Level::Error).unwrap();
        let facts = SessionFacts {
            session_id: "s-1",
            incident_id: "i-1",
            remediation_id: "rr-7",
            signal_name: "OOMKilled",
            traceparent: None,
            tracestate: None,
        };
        let _session = spans::session(facts).entered();
        let _phase = spans::phase("rca").entered();
        tracing::info!(event = "unseen", "unseen");
        tracing::error!(event = "session_failed", "failed");
    });
    let [record] = records.as_slice() else { panic!("{records:?}") };
    let ids = ["session_id", "incident_id", "correlation_id", "phase"].map(|name| record[name].as_str().unwrap());
    assert_eq!(ids, ["s-1", "i-1", "rr-7", "rca"]);
    let names = record.as_object().unwrap().keys();
    assert!(names.into_iter().all(|name| !name.contains('.')), "attributes of traces stay there: {record}");
}

#[test]
fn the_text_form_carries_the_same_fields_on_one_line() {
    let config = LoggingConfig { format: Format::Text, ..LoggingConfig::default() };
    let lines = lines_of(config, |_| {
        let _span = tracing::info_span!("investigation", session_id = "s-1", remediation_id = "rr-7").entered();
        tracing::warn!(event = "llm_retry", error = "two words", attempt = 2, "model did\nnot answer");
    });
    let (_, rest) = lines[0].split_once(' ').unwrap();
    assert_eq!(
        rest,
        " WARN telemetry::logging::tests: model did\\nnot answer event=llm_retry session_id=s-1 remediation_id=rr-7 \
         error=\"two words\" attempt=2\n"
    );
}

#[test]
fn long_values_are_cut_shorter_at_debug() {
    let config = LoggingConfig { level: Level::Debug, ..LoggingConfig::default() };
    let long = "x".repeat(100_000);
    let lines = lines_of(config, |_| {
        tracing::debug!(prompt = long, "call");
        tracing::error!(audit_event = long, "dropped");
    });
    let length = |line: &str, name: &str| -> usize {
        serde_json::from_str::<Value>(line).unwrap()[name].as_str().unwrap().len()
    };
    assert_eq!(length(&lines[0], "prompt"), 4096 + '…'.len_utf8());
    assert_eq!(length(&lines[1], "audit_event"), 65_536 + '…'.len_utf8());
}

#[test]
fn a_field_cannot_forge_the_fixed_members() {
    let records = records(|_| tracing::info!(level = "error", service = "other", "hello"));
    assert_eq!((&records[0]["level"], &records[0]["level_"]), (&json!("info"), &json!("error")));
    assert_eq!(records[0]["service"], "holmesgpt-api");
}

#[test]
fn configuration_spellings() {
    let parse = |text: &str| serde_saphyr::from_str::<LoggingConfig>(text);
    assert_eq!(parse("{}").unwrap(), LoggingConfig::default());
    for (text, level) in
        [("WARNING", Level::Warn), ("warn", Level::Warn), ("Trace", Level::Trace), ("ERROR", Level::Error)]
    {
        assert_eq!(parse(&format!("level: {text}")).unwrap().level, level);
    }
    assert_eq!(parse("format: text").unwrap().format, Format::Text);
    assert!(parse("level: loud").unwrap_err().to_string().contains("unknown log level \"loud\""));
    assert!(parse("levle: info").is_err());
}
