//! Who we are to DataStorage (auth §2.6 items 7 and 8): the token of a file that is swapped, refused, or missing.

use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holmesgpt_api::datastorage::{CallError, DataStorage, DataStorageConfig, SignalContext};
use holmesgpt_api::telemetry::Metrics;
use tracing_subscriber::fmt::MakeWriter;

use super::{Bench, QUICK};
use crate::stubs::datastorage::{Catalogue, DataStorageStub, Odd};

pub(super) fn context() -> SignalContext {
    SignalContext {
        severity: "high",
        component: "Pod".to_owned(),
        environment: String::new(),
        priority: "P1",
        detected_labels: None,
        custom_labels: None,
        remediation_id: None,
    }
}

/// Tokens that came with the requests since the last look.
fn tokens(stub: &DataStorageStub) -> Vec<String> {
    let tokens = stub.asked().into_iter().map(|asked| asked.token.unwrap_or_default()).collect();
    stub.forget_asked();
    tokens
}

#[tokio::test]
async fn a_rotation_by_symlink_swap_reaches_the_next_call() {
    let bench = Bench::quick().await;
    bench.stub.keep(Catalogue::default());
    let folder = bench.folder.path();
    let rotate = |generation: &str, content: &str| {
        std::fs::create_dir(folder.join(generation)).unwrap();
        std::fs::write(folder.join(generation).join("token"), content).unwrap();
        symlink(generation, folder.join("..new")).unwrap();
        std::fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    };
    std::fs::remove_file(folder.join("token")).unwrap();
    rotate("..1", "first");
    symlink("..data/token", folder.join("token")).unwrap();
    bench.client.action_types(&context(), 0).await.unwrap();
    rotate("..2", "second");
    bench.client.action_types(&context(), 0).await.unwrap();
    assert_eq!(tokens(&bench.stub), ["first", "second"]);
}

#[tokio::test]
async fn checklist_6_a_refused_token_is_read_again_and_tried_once() {
    let bench = Bench::with(|config| {
        config.times = QUICK;
        // Nothing but the refusal makes it look at the file.
        config.times.token.look_interval = Duration::from_secs(3_600);
    })
    .await;
    bench.stub.keep(Catalogue::default());
    bench.client.action_types(&context(), 0).await.unwrap();
    bench.stub.require_token("second-token");
    tokens(&bench.stub);
    let write = |token: &str| std::fs::write(bench.folder.path().join("token"), token).unwrap();
    let refused = Err(CallError::Status { status: 401, retry_after: None });
    write("wrong-token");
    assert_eq!(bench.client.action_types(&context(), 0).await, refused);
    assert_eq!(tokens(&bench.stub), ["first-token", "wrong-token"], "once more with the other token, and not again");
    assert_eq!(bench.client.action_types(&context(), 0).await, refused);
    assert_eq!(tokens(&bench.stub), ["wrong-token"], "the file holds nothing else");
    write("second-token");
    bench.client.action_types(&context(), 0).await.unwrap();
    assert_eq!(tokens(&bench.stub), ["wrong-token", "second-token"]);
    // 403 is about rights: the token is fine.
    bench.stub.oddly([Odd::status(403)]);
    let forbidden = Err(CallError::Status { status: 403, retry_after: None });
    assert_eq!(bench.client.action_types(&context(), 0).await, forbidden);
    assert_eq!(tokens(&bench.stub), ["second-token"]);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let bench = Bench::quick().await;
    bench.stub.keep(Catalogue::default());
    for content in [None, Some(""), Some("two words"), Some("bell\u{7}")] {
        let config = DataStorageConfig {
            url: bench.stub.url(),
            token_path: bench.folder.path().join("other"),
            times: QUICK,
            ..DataStorageConfig::default()
        };
        if let Some(content) = content {
            std::fs::write(&config.token_path, content).unwrap();
        }
        let client = DataStorage::build(&config, Metrics::build().unwrap()).unwrap();
        let error = client.action_types(&context(), 0).await.unwrap_err();
        let is_told = matches!(&error, CallError::NotSent(reason) if reason.starts_with("no ServiceAccount token"));
        assert!(is_told, "{error:?}");
    }
    assert_eq!((bench.stub.asked(), bench.stub.connections()), (vec![], 0));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (bench, elsewhere) = (Bench::quick().await, DataStorageStub::start().await);
    bench.stub.keep(Catalogue::default());
    bench.stub.oddly([Odd::Redirect(format!("{}/api/v1/workflows/actions", elsewhere.url()))]);
    let answer = bench.client.action_types(&context(), 0).await;
    assert_eq!(answer, Err(CallError::Status { status: 307, retry_after: None }));
    assert_eq!((elsewhere.asked(), elsewhere.connections()), (vec![], 0));
}

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_token_is_in_no_log_no_error_and_no_metric() {
    const SECRET: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJrbm93bi10b2tlbiJ9.c2lnbmF0dXJl";
    let log = Log::default();
    let everything = tracing::level_filters::LevelFilter::TRACE;
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_max_level(everything).finish();
    let _until_the_end = tracing::subscriber::set_default(subscriber);
    // While there is only one, `tracing` lets a thread without any decide for all what is worth telling: a test beside this
    // one that is refused first would silence the refusals here.
    let _another = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let stub = DataStorageStub::start().await;
    stub.keep(Catalogue::default());
    let folder = tempfile::tempdir().unwrap();
    let config = DataStorageConfig {
        url: stub.url(),
        token_path: folder.path().join("token"),
        times: QUICK,
        ..DataStorageConfig::default()
    };
    std::fs::write(&config.token_path, SECRET).unwrap();
    let metrics = Metrics::build().unwrap();
    let client = DataStorage::build(&config, metrics.clone()).unwrap();
    let refusals = [401, 403, 400].map(Odd::status);
    stub.oddly(refusals.into_iter().chain([Odd::HalfJson, Odd::Reset, Odd::Reset, Odd::Reset]));
    let mut told = format!("{client:?}");
    for _ in 0..6 {
        told += &format!("{:?}", client.action_types(&context(), 0).await);
    }
    stub.down();
    told += &format!("{:?}", client.action_types(&context(), 0).await);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("data_storage_refused"), "{logged}");
    let measured = metrics.encode();
    for (place, text) in [("an error", &told), ("the log", &logged), ("the metrics", &measured)] {
        assert!(!text.contains("eyJhbGci"), "the token is in {place}: {text}");
    }
}
