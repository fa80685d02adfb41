//! What we ask against the published description of the April server, and the stub's answers against the same.
//!
//! The description is looked for beside the crate (`../shared/contracts`) and is no part of it.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::collections::BTreeSet;

use holmesgpt_api::catalogue::DirectoryCatalogue;
use serde_json::{Value, json};

use super::Bench;
use super::identity::context;
use crate::process::root;
use crate::stubs::datastorage::Catalogue;

fn description() -> Option<Value> {
    let path = root().join("../shared/contracts/data-storage-2026-04.yaml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no {}; nothing was compared", path.display());
        return None;
    };
    Some(serde_saphyr::from_str(&text).unwrap())
}

/// Names of an operation's query parameters: all, and those it cannot do without.
fn parameters(description: &Value, path: &str) -> [BTreeSet<String>; 2] {
    let declared = description["paths"][path]["get"]["parameters"].as_array().unwrap_or_else(|| panic!("no {path}"));
    let queries = declared.iter().filter(|parameter| parameter["in"] == "query");
    let names = |required: bool| {
        let wanted = queries.clone().filter(move |parameter| !required || parameter["required"] == true);
        wanted.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    };
    [names(false), names(true)]
}

#[tokio::test]
async fn questions_have_the_parameters_of_the_published_description() {
    let Some(description) = description() else { return };
    let bench = Bench::quick().await;
    bench.stub.keep(Catalogue::default());
    let whole = holmesgpt_api::datastorage::SignalContext {
        detected_labels: Some("{}".to_owned()),
        custom_labels: Some("{}".to_owned()),
        remediation_id: Some("rr-1".to_owned()),
        ..context()
    };
    let node = holmesgpt_api::datastorage::HistoryQuestion {
        kind: "Node",
        name: "n",
        namespace: None,
        spec_hash: "h",
        waits: None,
    };
    bench.client.action_types(&whole, 0).await.unwrap();
    bench.client.workflows("A", &whole, 0).await.unwrap();
    bench.client.workflow(uuid::Uuid::nil(), Some(&whole)).await.unwrap_err();
    bench.client.remediation_history(&node).await.unwrap();
    let asked: Vec<String> = bench.stub.asked().into_iter().map(|asked| asked.target).collect();
    let paths = [
        "/api/v1/workflows/actions",
        "/api/v1/workflows/actions/{action_type}",
        "/api/v1/workflows/{workflow_id}",
        "/api/v1/remediation-history/context",
        "/api/v1/remediation-history/context",
    ];
    assert_eq!(asked.len(), paths.len());
    for (target, path) in asked.iter().zip(paths) {
        let query = target.split_once('?').unwrap().1;
        let sent: BTreeSet<String> = query.split('&').map(|pair| pair.split('=').next().unwrap().to_owned()).collect();
        let [known, required] = parameters(&description, path);
        assert!(sent.is_subset(&known), "{path}: {:?}", sent.difference(&known));
        assert!(required.is_subset(&sent), "{path}: {:?}", required.difference(&sent));
    }
}

#[tokio::test]
async fn the_stub_keeps_records_as_the_published_description_has_them() {
    let Some(description) = description() else { return };
    let schema = &description["components"]["schemas"]["RemediationWorkflow"];
    for record in Catalogue::of(&DirectoryCatalogue::built_in()).await.workflows {
        for name in schema["required"].as_array().unwrap() {
            assert!(record.get(name.as_str().unwrap()).is_some(), "{name} is not in {record}");
        }
        for name in record.as_object().unwrap().keys() {
            assert!(schema["properties"].get(name).is_some(), "{name} is not in the description");
        }
        assert_eq!(record["status"], json!("Active"));
    }
}
