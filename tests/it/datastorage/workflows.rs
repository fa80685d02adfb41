//! The catalogue over HTTP: filters, pages, the security gate, and what counts as not found.

use std::time::Duration;

use holmesgpt_api::catalogue::{
    Catalogue as _, CatalogueError, DirectoryCatalogue, MatchContext, RemoteCatalogue, Workflow,
};
use holmesgpt_api::domain::{ResourceRef, Severity};
use serde_json::{Value, json};

use super::Bench;
use crate::stubs::datastorage::{Catalogue, Odd};

const NAME: &str = "increase-memory-limits";
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

fn context() -> MatchContext {
    MatchContext {
        severity: "critical".to_owned(),
        environment: "production".to_owned(),
        priority: "P1".to_owned(),
        component: Some(ResourceRef::namespaced("Deployment", "shop", "web").with_api_version("apps/v1")),
        remediation_id: Some("rr-1".to_owned()),
        ..MatchContext::default()
    }
}

struct Shop {
    bench: Bench,
    records: Catalogue,
    catalogue: RemoteCatalogue,
    workflow: Workflow,
}

impl Shop {
    async fn open() -> Self {
        let directory = DirectoryCatalogue::built_in();
        let records = Catalogue::of(&directory).await;
        let bench = Bench::quick().await;
        bench.stub.keep(records.clone());
        let catalogue = RemoteCatalogue::new(bench.client.clone(), Duration::from_secs(30));
        let workflow = directory.workflow(NAME, &context()).await.unwrap().workflow;
        Self { bench, records, catalogue, workflow }
    }

    /// The server's record of the workflow is another from now on.
    fn change(&self, member: &str, value: Value) {
        let mut records = self.records.clone();
        records.change(NAME, member, value);
        self.bench.stub.keep(records);
    }

    fn asked(&self) -> Vec<String> {
        let asked = self.bench.stub.asked().into_iter().map(|asked| asked.target).collect();
        self.bench.stub.forget_asked();
        asked
    }
}

#[tokio::test]
async fn three_steps_lead_to_the_same_workflow_as_the_directory() {
    let shop = Shop::open().await;
    let local = DirectoryCatalogue::built_in().action_types(&context()).await.unwrap();
    let actions = shop.catalogue.action_types(&context()).await.unwrap();
    let names = |actions: &[holmesgpt_api::catalogue::ActionType]| {
        actions.iter().map(|action| (action.name.clone(), action.workflows)).collect::<Vec<_>>()
    };
    assert_eq!(names(&actions), names(&local));
    let listed = shop.catalogue.listed("IncreaseMemoryLimits", &context()).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), [NAME]);
    assert!(listed[0].parameters.is_none());
    let found = shop.catalogue.workflow(&listed[0].id, &context()).await.unwrap();
    let expected = Workflow {
        // Parts that the record does not have.
        rollback_parameters: Vec::new(),
        description: found.workflow.description.clone(),
        ..shop.workflow.clone()
    };
    assert_eq!((found.workflow, found.misfits), (expected, vec![]));
    let candidates = shop.catalogue.candidates("IncreaseMemoryLimits", &context()).await.unwrap();
    assert!(!candidates.matching[0].parameters.is_empty() && candidates.excluded.is_empty());
    assert!(shop.catalogue.listed("Magic", &context()).await.unwrap().is_empty());
    let asked = shop.bench.stub.asked().len();
    for none in ["", ".", "..", &"x".repeat(101)] {
        assert!(shop.catalogue.listed(none, &context()).await.unwrap().is_empty(), "{none}");
    }
    assert_eq!(shop.bench.stub.asked().len(), asked, "what cannot be a name is not asked for");
    assert!(shop.asked().iter().all(|target| target.contains("remediation_id=rr-1")));
    assert!(shop.catalogue.age().unwrap() < Duration::from_secs(20));
}

#[tokio::test]
async fn lists_are_read_to_their_end_and_remembered_for_a_while() {
    let shop = Shop::open().await;
    let mut records = shop.records.clone();
    let template = records.workflows[0].clone();
    let copy = |number: u128| {
        let mut record = template.clone();
        record["workflowId"] = json!(uuid::Uuid::from_u128(number).to_string());
        record["workflowName"] = json!(format!("workflow-{number}"));
        record["actionType"] = json!("Many");
        record["labels"] = json!({"severity": ["*"], "component": "*", "environment": ["*"], "priority": "*"});
        record
    };
    records.workflows = (0..230).map(copy).collect();
    shop.bench.stub.keep(records);
    assert_eq!(shop.catalogue.listed("Many", &context()).await.unwrap().len(), 230);
    let asked = shop.asked();
    let offsets: Vec<&str> = asked.iter().map(|target| target.split("offset=").nth(1).unwrap()).collect();
    assert_eq!(offsets, ["0&limit=100", "100&limit=100", "200&limit=100"]);
    shop.catalogue.listed("Many", &context()).await.unwrap();
    assert!(shop.asked().is_empty());
    let other = MatchContext { remediation_id: Some("rr-2".to_owned()), ..context() };
    shop.catalogue.listed("Many", &other).await.unwrap();
    assert_eq!(shop.asked().len(), 3, "the server records who asked");
    let forgetful = RemoteCatalogue::new(shop.bench.client.clone(), Duration::ZERO);
    for _ in 0..2 {
        forgetful.action_types(&context()).await.unwrap();
    }
    assert_eq!(shop.asked().len(), 2);
}

#[tokio::test]
async fn checklist_2_no_incident_gets_a_400() {
    let shop = Shop::open().await;
    for severity in ["", "unknown", "High", "warning", "SEV1"] {
        for priority in ["", "p1", "P9", "urgent"] {
            for environment in ["", "production"] {
                let odd = MatchContext {
                    severity: severity.to_owned(),
                    priority: priority.to_owned(),
                    environment: environment.to_owned(),
                    component: None,
                    established_severity: (severity == "SEV1").then_some(Severity::High),
                    ..context()
                };
                let answer = shop.catalogue.action_types(&odd).await;
                assert!(answer.is_ok(), "{odd:?}: {answer:?}");
            }
        }
    }
    let unknown = MatchContext { severity: "unknown".to_owned(), ..context() };
    assert_eq!(shop.catalogue.substitutions(&unknown).len(), 1);
    assert!(shop.catalogue.substitutions(&context()).is_empty());
}

fn is_not_found<T: std::fmt::Debug>(answer: Result<T, CatalogueError>) -> bool {
    matches!(answer, Err(CatalogueError::NotFound(_)))
}

#[tokio::test]
async fn checklist_3_what_may_not_be_used_is_not_found() {
    let shop = Shop::open().await;
    let id = &shop.workflow.id;
    for no_id in ["increase-memory-limits", "", "7d1f6a52", "../../../etc"] {
        assert!(is_not_found(shop.catalogue.workflow(no_id, &context()).await), "{no_id}");
    }
    assert!(shop.asked().is_empty(), "what is no id is not asked for");
    assert!(is_not_found(shop.catalogue.workflow(UNKNOWN, &context()).await));
    for (member, value) in [
        ("status", json!("Disabled")),
        ("status", json!("Superseded")),
        ("status", json!("Paused")),
        ("status", Value::Null),
        ("isLatestVersion", json!(false)),
        ("isLatestVersion", Value::Null),
    ] {
        shop.change(member, value.clone());
        assert!(is_not_found(shop.catalogue.workflow(id, &context()).await), "{member} {value}");
        assert!(is_not_found(shop.catalogue.withheld(id, &context()).await), "{member} {value}");
    }
    let records = &shop.records.workflows;
    let mut other = records.iter().find(|record| record["workflowName"] == NAME).unwrap().clone();
    other["workflowId"] = json!(UNKNOWN);
    shop.bench.stub.answer(&format!("/api/v1/workflows/{id}"), 200, other);
    assert!(is_not_found(shop.catalogue.workflow(id, &context()).await), "another workflow than was asked for");
}

#[tokio::test]
async fn what_is_hidden_is_told_from_what_does_not_exist_for_validation_only() {
    let shop = Shop::open().await;
    let id = &shop.workflow.id;
    shop.change("labels", json!({"severity": ["low"], "component": "*", "environment": ["*"], "priority": "*"}));
    assert!(is_not_found(shop.catalogue.workflow(id, &context()).await));
    let asked = shop.asked();
    assert_eq!(asked.len(), 1);
    for filter in ["severity=critical", "component=Deployment", "environment=production", "priority=P1"] {
        assert!(asked[0].contains(filter), "{filter} in {asked:?}");
    }
    let found = shop.catalogue.withheld(id, &context()).await.unwrap();
    assert_eq!(found.misfits, ["severity: for low, not critical"]);
    assert_eq!(shop.asked(), [format!("/api/v1/workflows/{id}")]);
    // It fits by what we know, and still the server does not offer it.
    shop.change("somethingElse", json!(1));
    assert_eq!(shop.catalogue.withheld(id, &context()).await.unwrap().misfits.len(), 1);
    assert!(is_not_found(shop.catalogue.withheld(UNKNOWN, &context()).await));
}

#[tokio::test]
async fn an_unusable_server_is_unavailable_and_its_words_stay_inside() {
    let shop = Shop::open().await;
    let words = json!({"detail": "secret-detail", "status": 400}).to_string();
    shop.bench.stub.oddly([Odd::Raw(400, None, "application/problem+json", words)]);
    let error = shop.catalogue.action_types(&context()).await.unwrap_err();
    assert_eq!(error.to_string(), "catalogue unavailable: DataStorage answered HTTP 400");
    shop.bench.stub.oddly((0..3).map(|_| Odd::status(503)));
    let error = shop.catalogue.workflow(&shop.workflow.id, &context()).await.unwrap_err();
    assert!(matches!(error, CatalogueError::Unavailable(_)), "{error}");
    shop.bench.stub.down();
    let error = shop.catalogue.candidates("IncreaseMemoryLimits", &context()).await.unwrap_err().to_string();
    assert!(error.starts_with("catalogue unavailable: ") && !error.contains("127.0.0.1"), "{error}");
}
