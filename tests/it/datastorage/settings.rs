//! Another configuration under a running client, and the breaker of questions.

use std::time::{Duration, Instant};

use holmesgpt_api::datastorage::{CallError, CircuitBreakerConfig, DataStorageConfig, Delivery};

use super::identity::context;
use super::{Bench, QUICK, event};
use crate::stubs::datastorage::{Catalogue, Odd};

/// Opens after four questions of which half failed, for longer than a test takes.
const SENSITIVE: CircuitBreakerConfig = CircuitBreakerConfig {
    enabled: true,
    max_requests: 1,
    interval_seconds: 3_600,
    timeout_seconds: 3_600,
    failure_threshold: 4,
    failure_ratio: 0.5,
};

impl Bench {
    /// The configuration it was built with.
    fn config(&self) -> DataStorageConfig {
        let token_path = self.folder.path().join("token");
        DataStorageConfig { url: self.stub.url(), token_path, times: QUICK, ..DataStorageConfig::default() }
    }

    fn adopt(&self, config: &DataStorageConfig) {
        self.client.adopt(self.client.prepare(config).unwrap());
    }

    async fn asks(&self) -> Result<(), CallError> {
        self.client.action_types(&context(), 0).await.map(drop)
    }
}

#[tokio::test]
async fn a_server_that_fails_is_left_alone_by_questions_and_not_by_events() {
    let bench = Bench::with(|config| (config.times, config.circuit_breaker) = (QUICK, SENSITIVE)).await;
    bench.stub.keep(Catalogue::default());
    // Refusals are answers.
    for status in [400, 404, 429, 400] {
        bench.stub.oddly(vec![Odd::status(status); if status == 429 { 3 } else { 1 }]);
        assert!(matches!(bench.asks().await, Err(CallError::Status { .. })), "{status}");
    }
    assert_eq!(bench.asks().await, Ok(()));
    bench.adopt(&DataStorageConfig {
        circuit_breaker: CircuitBreakerConfig { failure_threshold: 5, ..SENSITIVE },
        ..bench.config()
    });
    bench.stub.forget_asked();
    bench.stub.oddly([500, 502, 503, 504, 529].map(Odd::status));
    assert_eq!(bench.asks().await, Err(CallError::Status { status: 503, retry_after: None }), "three of five");
    assert_eq!(bench.asks().await, Err(CallError::Status { status: 529, retry_after: None }), "the other two");
    let suspended = bench.asks().await.unwrap_err();
    assert!(matches!(&suspended, CallError::NotSent(why) if why.contains("left alone")), "{suspended}");
    for _ in 0..3 {
        assert_eq!(bench.asks().await, Err(suspended.clone()));
    }
    assert_eq!(bench.stub.asked().len(), 5, "nothing more was sent");
    assert_eq!(bench.client.post_events(&[&event("a", 1)]).await, Delivery::Stored);
    assert!(bench.client.probe().await.is_ok(), "nor does it hide the server's health");

    bench.adopt(&DataStorageConfig { circuit_breaker: CircuitBreakerConfig::default(), ..bench.config() });
    assert_eq!(bench.asks().await, Ok(()), "other rules begin anew");
}

#[tokio::test]
async fn the_same_rules_keep_it_open() {
    let bench = Bench::with(|config| (config.times, config.circuit_breaker) = (QUICK, SENSITIVE)).await;
    bench.stub.keep(Catalogue::default());
    bench.stub.oddly([500; 4].map(Odd::status));
    assert!(bench.asks().await.is_err() && bench.asks().await.is_err());
    bench.adopt(&DataStorageConfig { circuit_breaker: SENSITIVE, timeout: 7, ..bench.config() });
    assert!(matches!(bench.asks().await, Err(CallError::NotSent(_))));
}

#[tokio::test]
async fn the_next_question_has_the_new_time() {
    let bench = Bench::quick().await;
    bench.stub.keep(Catalogue::default());
    bench.adopt(&DataStorageConfig { timeout: 1, ..bench.config() });
    bench.stub.oddly([Odd::Drip(Duration::from_secs(60))]);
    let began = Instant::now();
    assert!(matches!(bench.asks().await, Err(CallError::Lost(_))));
    assert!(began.elapsed() < Duration::from_secs(8), "not the ten seconds it began with");
}

#[tokio::test]
async fn health_is_asked_where_the_new_configuration_says() {
    let bench = Bench::quick().await;
    let elsewhere = format!("{}/elsewhere", bench.stub.url());
    bench.stub.answer("/elsewhere", 503, serde_json::json!({}));
    assert!(bench.client.probe().await.is_ok());
    bench.adopt(&DataStorageConfig { health_url: Some(elsewhere), ..bench.config() });
    assert!(bench.client.probe().await.is_err());
    bench.adopt(&bench.config());
    assert!(bench.client.probe().await.is_ok());
    let nonsense = DataStorageConfig { health_url: Some("nowhere".into()), ..bench.config() };
    assert!(bench.client.prepare(&nonsense).is_err());
}

#[tokio::test]
async fn the_same_certificates_keep_their_connections() {
    let bench = Bench::quick().await;
    bench.stub.keep(Catalogue::default());
    assert_eq!(bench.asks().await, Ok(()));
    bench.adopt(&DataStorageConfig { timeout: 9, ..bench.config() });
    assert_eq!(bench.asks().await, Ok(()));
    assert_eq!(bench.stub.connections(), 1);
}
