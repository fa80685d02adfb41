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

use tracing_subscriber::Registry;
use tracing_subscriber::registry::LookupSpan;

pub use self::config::{ExportTls, TraceConfig, TraceError};
pub use self::context::{SpanContext, SpanId, TraceId};
pub use self::exporter::{Exporter, Tracer};
pub use self::layer::TraceLayer;

/// Target of spans that only a trace shows.
pub const TARGET: &str = "outgoing";
/// Header that carries a trace from one service to the next (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";

/// Where in a trace the calling code is; `None` when tracing is off or nothing is traced here.
pub fn current() -> Option<SpanContext> {
    tracing::dispatcher::get_default(|dispatch| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        let current = dispatch.current_span();
        let span = registry.span(current.id()?)?;
        span.scope().find_map(|span| span.extensions().get::<SpanContext>().copied())
    })
}

/// Value of [`TRACEPARENT`] for a request sent from here.
pub fn traceparent() -> Option<String> {
    current().map(|context| context.to_string())
}

#[cfg(test)]
mod tests;
