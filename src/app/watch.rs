//! Facts for readiness that nobody meets on the way of a request.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Core;
use crate::api::Readiness;
use crate::store::Store;

/// Between two looks at the store.
const STORE_INTERVAL: Duration = Duration::from_secs(1);
/// Reason word of a store that cannot write.
const STORE_UNAVAILABLE: &str = "store_unavailable";

/// Starts the watchers; they end with the token.
pub(super) fn spawn(core: &Core, readiness: &Readiness, stop: CancellationToken) {
    let (store, readiness) = (core.store.clone(), readiness.clone());
    tokio::spawn(async move { stop.run_until_cancelled(watch_store(store, readiness)).await });
}

async fn watch_store(store: Store, readiness: Readiness) {
    loop {
        sleep(STORE_INTERVAL).await;
        if !store.is_failing() {
            readiness.mended(STORE_UNAVAILABLE);
        } else {
            readiness.broken(STORE_UNAVAILABLE);
            // The next success clears the flag, also when nobody else writes.
            let _ = store.probe().await;
        }
    }
}
