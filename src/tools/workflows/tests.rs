use serde_json::Map;

use super::*;
use crate::catalogue::{Candidates, DirectoryCatalogue};
use crate::domain::ResourceRef;
use crate::tools::{Content, ToolStatus};

fn view() -> Arc<CatalogueView> {
    let context = MatchContext {
        severity: "critical".to_owned(),
        environment: "production".to_owned(),
        priority: "P1".to_owned(),
        component: Some(ResourceRef::namespaced("Deployment", "shop", "web").with_api_version("apps/v1")),
        ..MatchContext::default()
    };
    Arc::new(CatalogueView::new(Arc::new(DirectoryCatalogue::built_in()), context, None))
}

async fn ask(view: &Arc<CatalogueView>, name: &str, arguments: Value) -> (ToolStatus, Value) {
    let all = tools(view);
    let tool = all.iter().find(|tool| tool.definition().name == name).unwrap();
    let arguments: Map<String, Value> = arguments.as_object().unwrap().clone();
    let output = tool.call(Invocation { name, arguments: &arguments }).await;
    match output.content {
        Content::Json(value) => (output.status, value),
        other => (output.status, Value::String(super::super::reduce::whole(&other))),
    }
}

#[tokio::test]
async fn three_steps_lead_to_a_workflow_and_it_counts_as_seen() {
    let view = view();
    let (_, actions) = ask(&view, "list_available_actions", json!({"limit": 100})).await;
    let names: Vec<&str> =
        actions["actionTypes"].as_array().unwrap().iter().map(|one| one["actionType"].as_str().unwrap()).collect();
    assert!(names.contains(&"IncreaseMemoryLimits"), "{names:?}");
    assert_eq!(actions["pagination"], Value::Null);
    let (_, workflows) = ask(&view, "list_workflows", json!({"action_type": "IncreaseMemoryLimits"})).await;
    let id = workflows["workflows"][0]["workflowId"].as_str().unwrap();
    assert!(view.has_seen(id) && view.has_seen(&id.to_uppercase()));
    let (_, workflow) = ask(&view, "get_workflow", json!({"workflow_id": id})).await;
    let parameters = workflow["parameters"]["schema"]["parameters"].as_array().unwrap();
    assert!(parameters.iter().all(|one| !one["name"].as_str().unwrap().starts_with("TARGET_RESOURCE_")), "{workflow}");
    assert!(parameters.iter().any(|one| one["name"] == "MEMORY_LIMIT_NEW"));
    assert_eq!(view.seen_by_name("increase-memory-limits").as_deref(), Some(id));
}

#[tokio::test]
async fn pages_lead_through_everything_without_total_counts() {
    let view = view();
    let (mut cursor, mut seen) = (json!({"limit": 4}), Vec::new());
    loop {
        let (_, page) = ask(&view, "list_available_actions", cursor).await;
        assert!(page["pagination"].get("totalCount").is_none());
        seen.extend(page["actionTypes"].as_array().unwrap().iter().map(|one| one["actionType"].to_string()));
        match page["pagination"]["nextCursor"].as_str() {
            Some(next) => cursor = json!({"cursor": next}),
            None => break,
        }
    }
    let all = view.actions().await.unwrap().len();
    assert!(all > 8);
    seen.dedup();
    assert_eq!(seen.len(), all);
    let (_, first) = ask(&view, "list_available_actions", json!({"cursor": "%%%"})).await;
    assert_eq!(first["actionTypes"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn what_does_not_fit_is_told_with_the_reason() {
    let view = view();
    let batch = view.workflow("increase-memory-limits-batch").await.unwrap().workflow;
    let (status, text) = ask(&view, "get_workflow", json!({"workflow_id": batch.id})).await;
    assert_eq!(status, ToolStatus::Error);
    assert!(text.as_str().unwrap().contains("component: for batch/v1/CronJob"), "{text}");
    assert!(!view.has_seen(&batch.id));
    for (name, arguments, part) in [
        ("get_workflow", json!({"workflow_id": "00000000-0000-0000-0000-000000000000"}), "is not in the catalogue"),
        ("list_workflows", json!({"action_type": "Magic"}), "No workflow of action type"),
        ("list_workflows", json!({"action_type": " "}), "is blank"),
    ] {
        let (status, text) = ask(&view, name, arguments).await;
        assert!(status == ToolStatus::Error && text.as_str().unwrap().contains(part), "{text}");
    }
}

#[tokio::test]
async fn the_shortlist_names_every_fitting_workflow() {
    let view = view();
    let text = view.shortlist().await.unwrap().unwrap();
    assert!(text.contains("MEMORY_LIMIT_NEW (string, required"), "{text}");
    assert!(!text.contains("TARGET_RESOURCE_") && !text.contains("increase-memory-limits-batch"));
    assert!(!view.seen().is_empty() && view.seen().iter().all(|(id, _)| text.contains(id.as_str())));
}

#[derive(Debug)]
struct Silent;

#[async_trait]
impl Catalogue for Silent {
    async fn candidates(&self, _: &str, _: &MatchContext) -> Result<Candidates, CatalogueError> {
        Err(CatalogueError::Unavailable("connection refused to 10.0.0.9".to_owned()))
    }
    async fn listed(&self, _: &str, _: &MatchContext) -> Result<Vec<Listed>, CatalogueError> {
        Err(CatalogueError::Unavailable("connection refused to 10.0.0.9".to_owned()))
    }
    async fn action_types(&self, _: &MatchContext) -> Result<Vec<ActionType>, CatalogueError> {
        Err(CatalogueError::Unavailable("connection refused to 10.0.0.9".to_owned()))
    }
    async fn workflow(&self, _: &str, _: &MatchContext) -> Result<Found, CatalogueError> {
        Err(CatalogueError::Unavailable("connection refused to 10.0.0.9".to_owned()))
    }
    fn description(&self) -> String {
        "nothing".to_owned()
    }
}

#[tokio::test]
async fn a_silent_catalogue_is_an_error_and_not_an_empty_one() {
    let view = Arc::new(CatalogueView::new(Arc::new(Silent), MatchContext::default(), None));
    let (status, text) = ask(&view, "list_available_actions", json!({})).await;
    assert_eq!(status, ToolStatus::Error);
    assert!(!text.as_str().unwrap().contains("10.0.0.9"), "addresses stay inside: {text}");
    assert_eq!(view.unavailable().as_deref(), Some("connection refused to 10.0.0.9"));
}
