//! The log subscriber of a command, and what `serve` adds to it: traces, and counts of what the log left out.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Failure, environment};
use crate::config::Config;
use crate::redaction::Redactor;
use crate::redaction::annotations::without_annotations;
use crate::telemetry::Metrics;
use crate::telemetry::logging::{self, Identity, Level, LoggingConfig, LoggingHandle, Output, Scrub};
use crate::telemetry::metrics::RedactedIn;
use crate::telemetry::trace::{Exporter, Tracer};

/// Spans that are left at the end may take this long.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// What a running service tells about itself, apart from metrics.
#[derive(Debug)]
pub(super) struct Telemetry {
    pub(super) logging: LoggingHandle,
    tracer: Option<Tracer>,
    redactions: Arc<OnceLock<Metrics>>,
}

impl Telemetry {
    /// Installs the subscriber of the process. The level is the configuration's: flag, variable and file are weighed there.
    pub(super) fn install(config: &Config) -> Result<Self, Failure> {
        let redactions = Arc::default();
        let scrub = scrub(Arc::clone(&redactions));
        let built =
            Tracer::build(&config.telemetry, identity(config), Arc::clone(&scrub)).map_err(Failure::configuration)?;
        let (layer, tracer) = built.unzip();
        let logging = logging::install_traced(&config.logging, identity(config), Output::Stdout, scrub, layer)?;
        logging::log_panics();
        Ok(Self { logging, tracer, redactions })
    }

    /// Begins to count and to send traces. To be called inside the runtime.
    pub(super) fn start(self, metrics: &Metrics) -> Option<Exporter> {
        // Nobody else sets it.
        let _ = self.redactions.set(metrics.clone());
        self.tracer.map(|tracer| tracer.start(metrics.clone()))
    }
}

/// Sends what is left of the traces.
pub(super) async fn flush(exporter: Option<Exporter>) {
    if let Some(exporter) = exporter {
        exporter.shutdown(FLUSH_MAX).await;
    }
}

/// Installs the log subscriber of a command at a level of its own; `LOG_LEVEL` wins over that.
pub(super) fn install_logging(config: &Config, logging: LoggingConfig, output: Output) -> Result<(), Failure> {
    logging::install(&at_level_of_environment(logging)?, identity(config), output, scrub(Arc::default()))?;
    logging::log_panics();
    Ok(())
}

fn at_level_of_environment(mut config: LoggingConfig) -> Result<LoggingConfig, Failure> {
    if let Some(text) = environment("LOG_LEVEL") {
        config.level = Level::parse(&text).ok_or_else(|| {
            Failure::configuration(anyhow::anyhow!("LOG_LEVEL {text:?} is not one of DEBUG, INFO, WARN, ERROR, TRACE"))
        })?;
    }
    Ok(config)
}

fn identity(config: &Config) -> Identity {
    let own = Identity::local();
    Identity {
        service: config.service_name.clone().unwrap_or_else(|| own.service.clone()),
        pod: environment("POD_NAME").unwrap_or_default(),
        namespace: environment("POD_NAMESPACE").unwrap_or_default(),
        ..own
    }
}

/// The patterns that also guard what a model sees.
fn scrub(redactions: Arc<OnceLock<Metrics>>) -> Scrub {
    let redactor = Redactor::new(Sha256::digest(uuid::Uuid::new_v4().as_bytes()).into());
    Arc::new(move |text| {
        let plain = without_annotations(text);
        let redacted = redactor.text(&plain);
        if redacted.counts.is_empty() {
            return plain;
        }
        if let Some(metrics) = redactions.get() {
            metrics.redacted(RedactedIn::Log, redacted.counts.total());
        }
        Cow::Owned(redacted.text)
    })
}
