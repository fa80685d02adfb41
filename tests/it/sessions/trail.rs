//! Exactly one terminal event for every accepted incident, whatever happens to it (audit §1.2), and what the schema profile
//! `h` is told besides.

use holmesgpt_api::audit::{Profile, rules};

use super::*;

async fn start(directory: Arc<TempDir>, config: SessionsConfig, budget: Duration, work: Work) -> Fixture {
    let store = open_store(directory.path()).await;
    let metrics = Metrics::build().unwrap();
    let audit = AuditConfig { sink: AuditSink::Local, schema_profile: Profile::H, ..AuditConfig::default() };
    let audit = AuditTrail::open(&audit, store.clone(), metrics.clone()).await.unwrap();
    let metering = Metering::default();
    let parts = SessionsParts {
        config,
        timeout: budget,
        store: store.clone(),
        audit,
        metrics: metrics.clone(),
        metering,
        work,
    };
    let sessions = Sessions::open(parts).await.unwrap();
    Fixture { sessions, store, metrics, directory }
}

/// (type without `aiagent.`, body) of every event of an incident, in order.
async fn told(service: &Fixture, id: &str) -> Vec<(String, Value)> {
    let events = service.store.events(&AuditQuery::default()).await.unwrap();
    let of_incident = events.into_iter().filter(|event| event.correlation_id == format!("rr-{id}"));
    let told = of_incident.map(|event| {
        let body: Value = serde_json::from_str(&event.body).unwrap();
        assert_eq!(rules::check(&body, Profile::H), Ok(()));
        (event.event_type.trim_start_matches("aiagent.").to_owned(), body)
    });
    told.collect()
}

fn kinds(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(kind, _)| kind.as_str()).collect()
}

fn by_name() -> Work {
    work(|incident, _| async move {
        match incident.incident_id.as_str() {
            "fails" => Err(InvestigationError::new(FailureCode::LlmTimeout, "rca", "no answer")),
            "panics" => panic!("boom"),
            "is-cancelled" => Err(InvestigationError::new(FailureCode::Cancelled, "cancelled", "asked for")),
            "hangs" | "waits" => pending().await,
            _ => Ok(investigation(&incident)),
        }
    })
}

#[tokio::test]
async fn every_way_to_end_is_one_terminal_event_and_the_end_of_the_session() {
    let ends = [
        ("succeeds", SessionState::Completed),
        ("fails", SessionState::Failed),
        ("panics", SessionState::Failed),
        ("is-cancelled", SessionState::Cancelled),
    ];
    ends_are_told(SessionsConfig::default(), MINUTE, &ends).await;
    // Behind the one that does not come back nobody gets a slot in time.
    let config = SessionsConfig { overrun_max: Duration::from_millis(30), ..at_once(1, 5) };
    let ends = [("hangs", SessionState::Failed), ("waits", SessionState::Failed)];
    ends_are_told(config, Duration::from_millis(80), &ends).await;
}

async fn ends_are_told(config: SessionsConfig, budget: Duration, ends: &[(&str, SessionState)]) {
    let service = start(Arc::new(TempDir::new().unwrap()), config, budget, by_name()).await;
    let mut ids = Vec::new();
    for (name, _) in ends {
        ids.push(service.submit(name).await);
    }
    for ((name, state), id) in ends.iter().zip(&ids) {
        service.reaches(id, *state).await;
        let told = told(&service, name).await;
        let (terminal, end) = match state {
            SessionState::Completed => ("response.complete", "session.completed"),
            SessionState::Cancelled => ("response.failed", "session.cancelled"),
            _ => ("response.failed", "session.failed"),
        };
        assert_eq!(kinds(&told), ["session.started", terminal, end], "{name}");
        let error = service.sessions.get(id).await.unwrap().unwrap().error;
        for (kind, body) in told {
            let data = &body["event_data"];
            let is_of_session = kind.starts_with("session.");
            assert_eq!(data["session_id"].as_str(), is_of_session.then_some(id.as_str()), "{name} {kind}");
            match kind.as_str() {
                "session.started" => {
                    assert_eq!((&data["created_by"], &data["severity"]), (&json!("someone"), &json!("high")));
                }
                "session.failed" => assert_eq!(data["error"].as_str(), error.as_deref(), "{name}"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_session_that_is_too_old_is_told_as_cancelled() {
    let (ttl, max_age) = (Duration::from_millis(40), Duration::from_millis(120));
    let config = SessionsConfig { ttl, max_age, ..at_once(1, 5) };
    let service = start(Arc::new(TempDir::new().unwrap()), config, MINUTE, by_name()).await;
    service.submit("hangs").await;
    service.submit("waits").await;
    for name in ["hangs", "waits"] {
        eventually(async || told(&service, name).await.len() == 3).await;
        let told = told(&service, name).await;
        assert_eq!(kinds(&told), ["session.started", "response.failed", "session.cancelled"]);
        assert_eq!(told[1].1["event_data"]["phase"], "cancelled");
    }
}

#[tokio::test]
async fn a_parked_session_ends_with_the_next_start() {
    let service = start(Arc::new(TempDir::new().unwrap()), at_once(1, 5), MINUTE, by_name()).await;
    let running = service.submit("hangs").await;
    service.submit("waits").await;
    service.reaches(&running, SessionState::Investigating).await;
    let drained = service.sessions.drain(tokio::time::Instant::now()).await;
    assert_eq!((drained.finished, drained.parked), (0, 2));
    for name in ["hangs", "waits"] {
        assert_eq!(kinds(&told(&service, name).await), ["session.started"]);
    }
    let mut left = service.crash();
    for _ in 0..2 {
        let after = start(left, SessionsConfig::default(), MINUTE, by_name()).await;
        for name in ["hangs", "waits"] {
            let told = told(&after, name).await;
            assert_eq!(kinds(&told), ["session.started", "response.failed", "session.failed"], "{name}");
            assert_eq!(told[1].1["event_data"]["phase"], "shutdown");
        }
        left = after.crash();
    }
}

#[tokio::test]
async fn an_end_the_store_did_not_take_is_told_by_the_next_start() {
    let gate = Arc::new(Semaphore::new(0));
    let service = Fixture::start(SessionsConfig::default(), MINUTE, gated(&gate)).await;
    let id = service.submit("one").await;
    service.reaches(&id, SessionState::Investigating).await;
    service.store.close().await.unwrap();
    gate.add_permits(1);
    service.reaches(&id, SessionState::Completed).await;
    let mut left = Arc::clone(&service.directory);
    for _ in 0..2 {
        let after = Fixture::start_in(left, SessionsConfig::default(), MINUTE, instant()).await;
        assert_eq!(after.events().await, [terminal("one", "failed", "shutdown")]);
        left = after.crash();
    }
}

#[tokio::test]
async fn an_end_that_cannot_be_read_any_more_is_not_told_again() {
    let service = Fixture::start(SessionsConfig::default(), MINUTE, instant()).await;
    let id = service.submit("one").await;
    service.reaches(&id, SessionState::Completed).await;
    let directory = Arc::clone(&service.directory);
    service.store.close().await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.path().join(FILE_NAME));
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    for statement in ["DROP TRIGGER sessions_final", "UPDATE sessions SET shape = 'of later days'"] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    sqlx::Connection::close(connection).await.unwrap();
    let service = Fixture::start_in(directory, SessionsConfig::default(), MINUTE, instant()).await;
    assert_eq!(service.state(&id).await, None);
    assert_eq!(service.events().await, [terminal("one", "complete", "")]);
}
