//! `doctor`: looks at everything the configuration names and says what is wrong and how to mend it (operations §8.4 item 1).
//!
//! Areas are looked at side by side, the checks of one area one after the other, each with its own deadline and all of them
//! within one. Nothing is changed anywhere: there are reads, reviews that create nothing, and one short call of each model.
//! What is seen passes redaction before anybody reads it.

mod callers;
mod catalogue;
mod certificates;
mod clients;
mod clock;
mod configuration;
mod data_storage;
mod kubernetes;
mod model;
mod monitoring;
mod report;
mod rows;
mod state;
mod tool_servers;

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

pub use report::{Area, Check, Counts, Report, Status};

use crate::config::Config;
use crate::store::StoreLocation;
use clients::Clients;

/// What is looked at.
#[derive(Debug)]
pub struct Examination {
    pub config: Config,
    /// Where the configuration was read; `None` = nothing is configured and the embedded defaults hold.
    pub file: Option<PathBuf>,
    /// Where state is kept, or why nobody knows.
    pub location: Result<StoreLocation, String>,
    /// For everything together.
    pub patience: Duration,
}

/// The checks of one area as they run, all on the task of whoever asked.
type Running<'a> = Pin<Box<dyn Future<Output = Vec<Check>> + 'a>>;

impl Examination {
    /// Looks at everything; ends within `patience` and a moment.
    pub async fn run(&self) -> Report {
        let until = Instant::now() + self.patience;
        let clients = Clients::build(&self.config).await;
        let areas: [Running<'_>; 10] = [
            Box::pin(async { configuration::check(self, until) }),
            Box::pin(state::check(self, until)),
            Box::pin(callers::check(self, until)),
            Box::pin(model::check(self, &clients, until)),
            Box::pin(catalogue::check(self, &clients, until)),
            Box::pin(data_storage::check(self, &clients, until)),
            Box::pin(kubernetes::check(self, &clients, until)),
            Box::pin(monitoring::check(self, until)),
            Box::pin(tool_servers::check(self, until)),
            Box::pin(async {
                let mut rows = clock::check(&clients, until).await;
                rows.extend(certificates::check(self, until));
                rows
            }),
        ];
        let checks = join_all(areas).await.into_iter().flatten().collect();
        Report::of(self.file.as_deref(), checks)
    }

    /// Whether nothing is configured: what lies at hand is looked at, and nothing has to be there.
    fn is_assumed(&self) -> bool {
        self.file.is_none()
    }
}
