//! Log records (operations §3.3): one JSON object per line, or the same fields for people.
//!
//! Call sites write plain `tracing` events; a field named `event` is the record's stable name:
//! `info!(event = "session_created", queue_depth, "session created")`. Fields of all surrounding spans are repeated on
//! every record, so a line reads alone. [`install`] is called once, by the composition root or a command.

mod config;
mod record;

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, reload};

pub use self::config::{Format, Level, LoggingConfig};
use self::record::{Fields, Line};
use super::trace::{SpanContext, TraceLayer};

/// Our own events; everything else is logged by libraries and only from [`Level::library_level`] up.
const OWN_TARGET: &str = env!("CARGO_CRATE_NAME");

/// Removes secrets from one text. Applied to every string value before it is written.
pub type Scrub = Arc<dyn for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync>;

/// Where records go. Standard output carries nothing else in `serve`; commands that print a report log to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Stdout,
    Stderr,
}

/// Who speaks: repeated on every record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub service: String,
    pub version: String,
    /// Empty outside a cluster.
    pub pod: String,
    /// Empty outside a cluster.
    pub namespace: String,
}

impl Identity {
    /// This service outside a cluster.
    pub fn local() -> Self {
        Self {
            service: "holmesgpt-api".into(),
            version: super::Build::CURRENT.version.into(),
            pod: String::new(),
            namespace: String::new(),
        }
    }
}

/// Logging could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error("a log subscriber is already installed in this process")]
    AlreadyInstalled,
    #[error("the log subscriber is gone")]
    Gone,
}

/// Changes the level of the installed subscriber.
#[derive(Clone)]
pub struct LoggingHandle {
    filter: reload::Handle<Targets, Registry>,
    level: Arc<Mutex<Level>>,
}

impl LoggingHandle {
    /// Takes effect with the next event (`logging.level` is live).
    ///
    /// # Errors
    /// [`LoggingError::Gone`] when the subscriber was dropped.
    pub fn set_level(&self, level: Level) -> Result<(), LoggingError> {
        let mut known = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.filter.reload(targets(level)).map_err(|_| LoggingError::Gone)?;
        *known = level;
        Ok(())
    }

    /// The level in force.
    pub fn level(&self) -> Level {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LoggingHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoggingHandle")
    }
}

/// Installs the process-wide subscriber, without traces.
///
/// # Errors
/// [`LoggingError::AlreadyInstalled`] on the second call in one process.
pub fn install(
    config: &LoggingConfig,
    identity: Identity,
    output: Output,
    scrub: Scrub,
) -> Result<LoggingHandle, LoggingError> {
    install_traced(config, identity, output, scrub, None)
}

/// Installs the process-wide subscriber. With a layer for traces every record tells `trace_id` and `span_id`.
///
/// # Errors
/// [`LoggingError::AlreadyInstalled`] on the second call in one process.
pub fn install_traced(
    config: &LoggingConfig,
    identity: Identity,
    output: Output,
    scrub: Scrub,
    traces: Option<TraceLayer>,
) -> Result<LoggingHandle, LoggingError> {
    let write = move |line: &[u8]| {
        // A closed pipe must not stop the service.
        let _ = match output {
            Output::Stdout => std::io::stdout().lock().write_all(line),
            Output::Stderr => std::io::stderr().lock().write_all(line),
        };
    };
    let (subscriber, handle) = subscriber(config, identity, write, scrub, traces);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::AlreadyInstalled)?;
    Ok(handle)
}

/// Also writes every panic as a record of level error, event `panic`. The text on stderr stays.
pub fn log_panics() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(event = "panic", place, error = info.payload_as_str().unwrap_or("panic"), "a task panicked");
        previous(info);
    }));
}

/// A subscriber that hands each finished line, newline included, to `write`.
fn subscriber(
    config: &LoggingConfig,
    identity: Identity,
    write: impl Fn(&[u8]) + Send + Sync + 'static,
    scrub: Scrub,
    traces: Option<TraceLayer>,
) -> (impl Subscriber + Send + Sync, LoggingHandle) {
    let (filter, reloading) = reload::Layer::new(targets(config.level));
    let records = Records { format: config.format, identity, scrub, write };
    let handle = LoggingHandle { filter: reloading, level: Arc::new(Mutex::new(config.level)) };
    let traces = traces.map(|layer| layer.with_filter(TraceLayer::filter()));
    (Registry::default().with(records.with_filter(filter)).with(traces), handle)
}

fn targets(level: Level) -> Targets {
    Targets::new().with_default(level.library_level()).with_target(OWN_TARGET, LevelFilter::from(level))
}

/// The layer that turns events into lines.
struct Records<W> {
    format: Format,
    identity: Identity,
    scrub: Scrub,
    write: W,
}

impl<S, W> Layer<S> for Records<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new(&self.scrub);
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields.into_values()));
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new(&self.scrub);
        record.record(&mut fields);
        if let Some(span) = context.span(id)
            && let Some(known) = span.extensions_mut().get_mut::<SpanFields>()
        {
            known.0.extend(fields.into_values());
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new(&self.scrub);
        event.record(&mut fields);
        let mut line = Line::new(jiff::Timestamp::now(), event.metadata(), &self.identity);
        let mut place = None;
        for span in context.event_scope(event).into_iter().flatten().collect::<Vec<_>>().iter().rev() {
            let extensions = span.extensions();
            if let Some(known) = extensions.get::<SpanFields>() {
                line.add(known.0.clone());
            }
            place = extensions.get::<SpanContext>().copied().or(place);
        }
        if let Some(place) = place {
            line.place(place);
        }
        line.add(fields.into_values());
        (self.write)(&line.finish(self.format));
    }
}

/// What a span contributes to every record inside it.
struct SpanFields(record::Values);

#[cfg(test)]
mod tests;
