//! Questions about workflows and history: what is sent, and what becomes of each kind of answer.

use std::time::{Duration, Instant};

use holmesgpt_api::datastorage::{CallError, Delivery, HistoryQuestion, SignalContext};
use holmesgpt_api::domain::ResourceRef;
use holmesgpt_api::enrichment::{HistorySource as _, RemoteHistory, Retrying};
use serde_json::json;
use uuid::Uuid;

use super::{Bench, QUICK};
use crate::stubs::datastorage::{Catalogue, Fault, Odd};

const ID: &str = "7d1f6a52-9c0e-5b7a-8b54-0d7f4a1c9e11";

fn context() -> SignalContext {
    SignalContext {
        severity: "critical",
        component: "Deployment".to_owned(),
        environment: "production".to_owned(),
        priority: "P1",
        detected_labels: Some(json!({"gitOpsManaged": true, "gitOpsTool": "argocd"}).to_string()),
        custom_labels: Some(json!({"team": ["shop & co"]}).to_string()),
        remediation_id: Some("rr-payments-7f3a".to_owned()),
    }
}

fn targets(bench: &Bench) -> Vec<String> {
    bench.stub.asked().into_iter().map(|asked| asked.target).collect()
}

#[tokio::test]
async fn checklist_1_every_parameter_is_sent_as_described() {
    let bench = Bench::quick().await;
    bench.stub.keep(Catalogue::default());
    let page = bench.client.action_types(&context(), 0).await.unwrap();
    assert!(page.entries.is_empty() && !page.has_more);
    let bare = SignalContext { detected_labels: None, custom_labels: None, remediation_id: None, ..context() };
    let empty = SignalContext { component: String::new(), environment: String::new(), ..bare };
    bench.client.workflows("Scale up/50% ?", &empty, 100).await.unwrap();
    let id = Uuid::parse_str(ID).unwrap();
    for context in [Some(&empty), None] {
        let error = bench.client.workflow(id, context).await.unwrap_err();
        assert_eq!(error, CallError::Status { status: 404, retry_after: None });
    }
    let labels = "detected_labels=%7B%22gitOpsManaged%22%3Atrue%2C%22gitOpsTool%22%3A%22argocd%22%7D\
                  &custom_labels=%7B%22team%22%3A%5B%22shop+%26+co%22%5D%7D";
    let signal = "severity=critical&component=&environment=&priority=P1";
    assert_eq!(
        targets(&bench),
        [
            format!(
                "/api/v1/workflows/actions?severity=critical&component=Deployment&environment=production&priority=P1\
                 &{labels}&remediation_id=rr-payments-7f3a&offset=0&limit=100"
            ),
            format!("/api/v1/workflows/actions/Scale%20up%2F50%25%20%3F?{signal}&offset=100&limit=100"),
            format!("/api/v1/workflows/{ID}?{signal}"),
            format!("/api/v1/workflows/{ID}"),
        ]
    );
}

#[tokio::test]
async fn checklist_5_any_error_body_is_only_an_error() {
    let bench = Bench::quick().await;
    bench.stub.keep(Catalogue::default());
    let long = json!({"type": "about:blank", "title": "x", "status": 400, "detail": "secret-detail ".repeat(8_000)});
    let bodies = [
        ("application/problem+json", String::new()),
        ("text/html", "<html>secret-detail</html>".to_owned()),
        ("application/problem+json", long.to_string()),
        ("application/problem+json", json!({"detail": "secret-detail"}).to_string()),
        ("image/png", "\u{0}secret-detail".to_owned()),
        ("application/problem+json", json!([1, 2]).to_string()),
    ];
    for (kind, body) in bodies {
        bench.stub.oddly([Odd::Raw(400, None, kind, body)]);
        let error = bench.client.action_types(&context(), 0).await.unwrap_err();
        assert_eq!(error, CallError::Status { status: 400, retry_after: None });
        assert_eq!(error.to_string(), "DataStorage answered HTTP 400", "nothing of the server's words");
    }
}

#[tokio::test]
async fn what_another_moment_may_cure_is_asked_again_and_nothing_else() {
    let bench = Bench::quick().await;
    bench.stub.keep(Catalogue::default());
    // Answers before all is well, how often is asked, whether it ends well.
    let cases: [(Vec<Odd>, usize, bool); 13] = [
        (vec![], 1, true),
        (vec![Odd::status(503)], 2, true),
        (vec![Odd::status(502), Odd::status(504)], 3, true),
        (vec![Odd::status(500), Odd::Reset], 3, true),
        (vec![Odd::status(429), Odd::status(408)], 3, true),
        (vec![Odd::Raw(429, Some(0), "text/plain", String::new())], 2, true),
        (vec![Odd::status(503), Odd::status(503), Odd::status(503)], 3, false),
        (vec![Odd::Reset, Odd::Reset, Odd::Reset], 3, false),
        (vec![Odd::status(400)], 1, false),
        (vec![Odd::status(403)], 1, false),
        (vec![Odd::status(404)], 1, false),
        (vec![Odd::HalfJson], 1, false),
        // Longer than the question may take: not waited for.
        (vec![Odd::Raw(503, Some(3_600), "text/plain", String::new())], 1, false),
    ];
    for (answers, asked, ends_well) in cases {
        let shown = format!("{answers:?}");
        bench.stub.forget_asked();
        bench.stub.oddly(answers);
        let answer = bench.client.action_types(&context(), 0).await;
        assert_eq!((bench.stub.asked().len(), answer.is_ok()), (asked, ends_well), "{shown}");
    }
}

#[tokio::test]
async fn checklist_7_broken_answers_end_in_time_and_are_errors() {
    let bench = Bench::with(|config| {
        config.times = QUICK;
        config.timeout = 1;
    })
    .await;
    bench.stub.keep(Catalogue::default());
    let began = Instant::now();
    bench.stub.oddly([Odd::Drip(Duration::from_millis(50))]);
    let error = bench.client.action_types(&context(), 0).await.unwrap_err();
    assert_eq!(error, CallError::Lost("timeout".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    bench.stub.oddly([Odd::Reset, Odd::Reset, Odd::Reset]);
    assert!(matches!(bench.client.action_types(&context(), 0).await, Err(CallError::Lost(_))));
    for body in ["{\"actionTypes\": [{", "\u{1f}\u{8b}\u{8}", "[1]", "{\"actionTypes\": 7}"] {
        bench.stub.oddly([Odd::Raw(200, None, "application/json", body.to_owned())]);
        assert_eq!(bench.client.action_types(&context(), 0).await, Err(CallError::Malformed), "{body}");
    }
    bench.stub.oddly([Odd::Raw(200, None, "application/json", " ".repeat(9 << 20))]);
    assert_eq!(bench.client.action_types(&context(), 0).await, Err(CallError::Malformed), "too large");
    bench.stub.down();
    assert!(bench.client.action_types(&context(), 0).await.is_err());
}

#[tokio::test]
async fn checklist_8_history_of_a_cluster_scoped_object() {
    let node = HistoryQuestion { kind: "Node", name: "n1", namespace: None, spec_hash: "sha256:1", waits: None };
    for (takes_no_namespace, namespaces) in [(false, vec!["", "_cluster"]), (true, vec![""])] {
        let bench = Bench::quick().await;
        bench.stub.keep(Catalogue { takes_no_namespace, ..Catalogue::default() });
        let answer = bench.client.remediation_history(&node).await.unwrap();
        assert_eq!(answer["tier1"]["chain"], json!([]));
        let target = |namespace: &&str| {
            format!(
                "/api/v1/remediation-history/context?targetKind=Node&targetName=n1&targetNamespace={namespace}\
                 &currentSpecHash=sha256%3A1"
            )
        };
        assert_eq!(targets(&bench), namespaces.iter().map(target).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn checklist_8_history_fails_or_is_empty() {
    let bench = Bench::quick().await;
    let history = RemoteHistory::new(bench.client.clone(), Retrying::new(2, Duration::from_millis(1)));
    let cart = ResourceRef::namespaced("Deployment", "shop", "cart").with_api_version("apps/v1");
    let entry =
        json!({"remediationUID": "rr-1", "completedAt": "2026-04-07T04:11:00Z", "assessmentReason": "SpecDrift"});
    let tier = json!({"window": "24h0m0s", "chain": [entry]});
    let known = [("sha256:1".to_owned(), json!({"tier1": tier})), ("sha256:2".to_owned(), json!({"tier1": null}))];
    bench.stub.keep(Catalogue { history: known.into(), ..Catalogue::default() });
    assert_eq!(history.history(&cart, "sha256:1").await.unwrap().tier1.chain.len(), 1);
    assert!(history.history(&cart, "sha256:2").await.unwrap().is_empty());
    assert!(history.history(&cart, "sha256:3").await.unwrap().is_empty());
    assert!(history.caveat().is_some_and(|caveat| caveat.contains("identical specification")));
    // Answers, and what is told: never that there is none.
    let failed: [(Vec<Odd>, &str); 4] = [
        (vec![Odd::status(500), Odd::status(500), Odd::status(500)], "DataStorage answered HTTP 500"),
        (vec![Odd::status(400)], "DataStorage answered HTTP 400"),
        (vec![Odd::Reset, Odd::Reset, Odd::Reset], "DataStorage did not answer"),
        (vec![Odd::HalfJson], "DataStorage answered something that is not the expected JSON"),
    ];
    for (answers, told) in failed {
        bench.stub.oddly(answers);
        assert_eq!(history.history(&cart, "sha256:1").await.unwrap_err().to_string(), told);
    }
    let other = json!({"targetResource": "shop/Deployment/other", "tier1": tier});
    bench.stub.keep(Catalogue { any_history: Some(other), ..Catalogue::default() });
    let error = history.history(&cart, "sha256:1").await.unwrap_err().to_string();
    assert_eq!(error, "DataStorage answered with the history of another object");
}

#[tokio::test]
async fn a_history_is_asked_for_as_often_as_it_is_configured() {
    let cart = ResourceRef::namespaced("Deployment", "shop", "cart").with_api_version("apps/v1");
    for (retries, failures, is_told) in [(0, 1, false), (0, 0, true), (1, 1, true), (1, 2, false), (4, 4, true)] {
        let bench = Bench::quick().await;
        bench.stub.keep(Catalogue::default());
        let history = RemoteHistory::new(bench.client.clone(), Retrying::new(retries, Duration::from_millis(1)));
        bench.stub.oddly((0..failures).map(|_| Odd::status(503)));
        assert_eq!(history.history(&cart, "sha256:1").await.is_ok(), is_told, "{retries} {failures}");
        let tries = usize::try_from(retries).unwrap().min(failures) + 1;
        assert_eq!(targets(&bench).len(), tries, "{retries} {failures}");
    }
}

#[tokio::test]
async fn health_is_asked_where_the_generation_answers_and_that_is_remembered() {
    let late = Bench::quick().await;
    late.stub.answer("/readyz", 200, json!({}));
    assert!(late.client.history_is_by_configuration_alone(), "until it is known better");
    for _ in 0..2 {
        late.client.probe().await.unwrap();
    }
    assert_eq!(targets(&late), ["/readyz", "/readyz"]);
    assert!(!late.client.history_is_by_configuration_alone());
    late.stub.answer("/readyz", 503, json!({}));
    assert_eq!(late.client.probe().await, Err(CallError::Status { status: 503, retry_after: None }));

    let april = Bench::quick().await;
    for _ in 0..2 {
        april.client.probe().await.unwrap();
    }
    assert_eq!(targets(&april), ["/readyz", "/health/ready", "/health/ready"]);
    assert!(april.stub.asked().iter().all(|asked| asked.token.is_none()), "health needs no token");
    assert!(april.client.history_is_by_configuration_alone());
    april.stub.answer("/health/ready", 503, json!({"status": "not_ready"}));
    assert!(april.client.probe().await.is_err());
    april.stub.down();
    assert!(april.client.probe().await.is_err());

    let named = Bench::with(|config| config.health_url = Some(format!("{}/healthz", config.url))).await;
    named.stub.answer("/healthz", 200, json!({}));
    named.client.probe().await.unwrap();
    named.stub.answer("/healthz", 404, json!({}));
    assert!(named.client.probe().await.is_err());
    assert_eq!(targets(&named), ["/healthz", "/healthz"]);
}

#[tokio::test]
async fn connections_are_used_again() {
    let bench = Bench::quick().await;
    bench.stub.keep(Catalogue::default());
    for _ in 0..20 {
        bench.client.action_types(&context(), 0).await.unwrap();
    }
    bench.stub.oddly((0..10).map(|_| Odd::status(404)));
    for _ in 0..10 {
        bench.client.action_types(&context(), 0).await.unwrap_err();
    }
    assert_eq!(bench.stub.connections(), 1);
}

#[tokio::test]
async fn audit_events_never_take_more_than_their_share_of_connections() {
    let bench = Bench::with(|config| config.max_connections = 12).await;
    bench.stub.keep(Catalogue::default());
    bench.stub.always(Some(Fault::Stall(Duration::from_millis(300))));
    let context = context();
    let writes = (0..30).map(|_| bench.client.post_events(&["{}"]));
    let question = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        bench.client.action_types(&context, 0).await.is_ok()
    };
    let (written, answered) = tokio::join!(futures_util::future::join_all(writes), question);
    assert!(answered && written.iter().all(|delivery| *delivery == Delivery::Stored), "{written:?}");
    assert!(bench.stub.connections() <= 9, "{}", bench.stub.connections());
}

#[tokio::test]
async fn there_are_never_more_connections_than_allowed_and_the_wait_is_bounded() {
    let bench = Bench::with(|config| {
        config.times = QUICK;
        config.max_connections = 2;
        config.timeout = 4;
    })
    .await;
    bench.stub.keep(Catalogue::default());
    let context = context();
    let many = (0..40).map(|_| bench.client.action_types(&context, 0));
    let answers = futures_util::future::join_all(many).await;
    assert!(answers.iter().all(Result::is_ok), "everybody gets a turn");
    assert!(bench.stub.connections() <= 2, "{}", bench.stub.connections());
    bench.stub.oddly((0..2).map(|_| Odd::Drip(Duration::from_millis(50))));
    let three = (0..3).map(|_| bench.client.action_types(&context, 0));
    let answers = futures_util::future::join_all(three).await;
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
}
