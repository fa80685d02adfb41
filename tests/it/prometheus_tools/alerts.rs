//! Alertmanager.

use std::sync::Arc;

use holmesgpt_api::tools::alertmanager::{self, AlertmanagerClient, AlertmanagerConfig};
use holmesgpt_api::tools::{ToolSet, ToolStatus};
use serde_json::json;

use super::{call, data, told};
use crate::stubs::scripted::{Reply, Scripted};

const ALERTS: &str = "/base/api/v2/alerts";
const SILENCES: &str = "/base/api/v2/silences";

fn tools(server: &Scripted) -> ToolSet {
    let alertmanager_url = Some(format!("{}/base/", server.address));
    let config = AlertmanagerConfig { alertmanager_url, ..AlertmanagerConfig::default() };
    ToolSet::new(alertmanager::tools(Arc::new(AlertmanagerClient::build(&config).unwrap())))
}

#[tokio::test]
async fn alerts_are_listed_as_they_are() {
    let server = Scripted::start().await;
    let alert = json!({"labels": {"alertname": "Down"}, "status": {"state": "active"}, "fingerprint": "f"});
    server.on(ALERTS, Reply::Json(json!([alert])));
    server.on(SILENCES, Reply::Json(json!([])));
    let tools = tools(&server);
    assert_eq!(tools.names().collect::<Vec<_>>(), ["get_alerts", "get_silences"]);
    assert_eq!(tools.toolsets(), ["alertmanager"]);

    assert_eq!(data(&call(&tools, "get_alerts", json!({})).await), &json!([alert]));
    let pairs = |given: &[(&str, &str)]| -> Vec<(String, String)> {
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let all = [("active", "true"), ("silenced", "true"), ("inhibited", "true")];
    assert_eq!(server.asked()[0].pairs, pairs(&all));

    let arguments = json!({"silenced": "false", "receiver": "team-.*", "filter": ["a=\"b\"", "c=~d.*"]});
    call(&tools, "get_alerts", arguments).await;
    let some = [
        ("active", "true"),
        ("silenced", "false"),
        ("inhibited", "true"),
        ("receiver", "team-.*"),
        ("filter", "a=\"b\""),
        ("filter", "c=~d.*"),
    ];
    assert_eq!(server.asked()[0].pairs, pairs(&some));

    let output = call(&tools, "get_silences", json!({"filter": ["a=b"]})).await;
    assert!(told(&output, ToolStatus::NoData).contains("No silence matches"));
    assert_eq!(server.asked()[0].pairs, pairs(&[("filter", "a=b")]));
}

#[tokio::test]
async fn refusals_are_passed_on() {
    let server = Scripted::start().await;
    server.on(ALERTS, Reply::Status(400, "\"bad matcher format: x\"".into()));
    server.on(SILENCES, Reply::Json(json!({"not": "a list"})));
    let tools = tools(&server);
    let output = call(&tools, "get_alerts", json!({"filter": ["x"]})).await;
    assert_eq!(told(&output, ToolStatus::Error), "Alertmanager answered HTTP 400: bad matcher format: x");
    let output = call(&tools, "get_silences", json!({})).await;
    assert!(told(&output, ToolStatus::Error).contains("not the expected JSON"));
}
