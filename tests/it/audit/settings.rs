//! Other settings under a running delivery.

use std::time::Duration;

use holmesgpt_api::audit::AuditConfig;

use super::trail::{PATIENCE, Trail, assert_chain, folder, numbers, quick, texts};
use crate::stubs::datastorage::DataStorageStub;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_request_is_made_as_the_new_settings_say() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let patient = AuditConfig { linger: Duration::from_secs(5), batch_size: 40, ..quick() };
    let trail = Trail::deliver(folder.path(), &patient, &stub).await;
    trail.record("rr-1", 0..40).await;
    stub.has_stored(40, PATIENCE).await;
    let posts = || -> Vec<bool> {
        let asked = stub.asked();
        let posts = asked.iter().filter(|asked| asked.method == "POST");
        posts.map(|asked| asked.target.ends_with("/batch")).collect()
    };
    assert!(posts().iter().all(|is_batch| *is_batch), "{:?}", posts());
    stub.forget_asked();

    trail.audit.set_config(&AuditConfig { batch_size: 1, senders: 1, ..quick() });
    trail.record("rr-1", 40..50).await;
    trail.is_empty_within(PATIENCE).await;
    assert_eq!(posts(), [false; 10], "one by one");
    let stored = stub.stored();
    assert_eq!(texts(&stored)["rr-1"], numbers(0..50));
    assert_chain(&stored);

    // What waits for company under the old settings does not wait that long any more.
    trail.audit.set_config(&patient);
    trail.record("rr-1", 50..51).await;
    let began = std::time::Instant::now();
    trail.audit.set_config(&quick());
    trail.is_empty_within(PATIENCE).await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(trail.close().await, 0);
}
