//! Traces (operations §3.3, §1.3.5 `telemetry`): spans of requests, investigations, model calls, tools and outgoing
//! requests, sent as OTLP/HTTP JSON. Off without an endpoint: then no ids are made, nothing is queued, and the spans of
//! outgoing requests are disabled where they would begin.
//!
//! A `tracing` span is exported when it has a field `otel.name` ([`super::spans`] holds all of them). Fields with a dot are
//! attributes of the trace, the others belong to log records; `otel.kind` and `otel.parent` (a `traceparent`) are read here.
//! A small exporter of our own instead of the OpenTelemetry crates: the protocol is one documented POST, the queue and its
//! losses are ours to bound and count, and nine crates stay out.

mod config;
mod context;
mod exporter;
mod layer;
mod otlp;
mod state;

use tracing_subscriber::Registry;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

pub use self::config::{ExportTls, TraceConfig, TraceError};
pub use self::context::{SpanContext, SpanId, TraceId};
pub use self::exporter::{Exporter, Tracer};
pub use self::layer::TraceLayer;
pub use self::state::TraceState;

/// Target of spans that only a trace shows.
pub const TARGET: &str = "outgoing";
/// Header that carries a trace from one service to the next (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";
/// Header with what other tracing systems say; it means nothing without [`TRACEPARENT`].
pub const TRACESTATE: &str = "tracestate";

/// Where in a trace the calling code is; `None` when tracing is off or nothing is traced here.
pub fn current() -> Option<SpanContext> {
    here().map(|(context, _)| context)
}

fn here() -> Option<(SpanContext, Option<TraceState>)> {
    tracing::dispatcher::get_default(|dispatch| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        let current = dispatch.current_span();
        let span = registry.span(current.id()?)?;
        nearest(&span)
    })
}

/// The innermost traced span from here outwards.
fn nearest<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> Option<(SpanContext, Option<TraceState>)> {
    span.scope().find_map(|span| {
        let extensions = span.extensions();
        extensions.get::<SpanContext>().map(|context| (*context, extensions.get::<TraceState>().cloned()))
    })
}

/// What carries a trace on, from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// Value of [`TRACEPARENT`].
    pub parent: String,
    /// Value of [`TRACESTATE`], where the trace brought one.
    pub state: Option<String>,
}

/// What a request sent from here carries; `None` when nothing is traced here.
pub fn carried() -> Option<Carried> {
    here().map(|(context, state)| Carried { parent: context.to_string(), state: state.map(|state| state.to_string()) })
}

/// The same as headers.
pub fn headers() -> impl Iterator<Item = (&'static str, String)> {
    carried().into_iter().flat_map(|Carried { parent, state }| {
        [Some((TRACEPARENT, parent)), state.map(|state| (TRACESTATE, state))].into_iter().flatten()
    })
}

#[cfg(test)]
mod tests;
