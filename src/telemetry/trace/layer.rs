//! Turns `tracing` spans into spans of a trace.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::context::{SpanContext, SpanId};
use super::exporter::Losses;
use super::state::TraceState;
use super::{TARGET, nearest};
use crate::telemetry::logging::Scrub;

/// Longest text of an attribute, in bytes.
const TEXT_BYTES_MAX: usize = 1024;
/// Attribute that is a list of texts; written with commas in between.
const LISTS: &[&str] = &["gen_ai.response.finish_reasons"];
/// Present on spans that failed.
const ERROR: &str = "error.type";

/// A finished span.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finished {
    pub(super) context: SpanContext,
    pub(super) parent: Option<SpanId>,
    pub(super) state: Option<TraceState>,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) began: SystemTime,
    pub(super) ended: SystemTime,
    pub(super) attributes: Vec<(&'static str, Value)>,
}

impl Finished {
    pub(super) fn has_failed(&self) -> bool {
        self.attributes.iter().any(|(name, _)| *name == ERROR)
    }
}

/// Side of an exchange a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Internal,
    Server,
    Client,
}

/// Value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Real(f64),
    Flag(bool),
    Texts(Vec<String>),
}

/// Records spans and queues them for export; never waits.
pub struct TraceLayer {
    queue: mpsc::Sender<Finished>,
    losses: Arc<Losses>,
    scrub: Scrub,
}

impl fmt::Debug for TraceLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceLayer")
    }
}

impl TraceLayer {
    pub(super) fn new(queue: mpsc::Sender<Finished>, losses: Arc<Losses>, scrub: Scrub) -> Self {
        Self { queue, losses, scrub }
    }

    /// What this layer wants to see: spans of ours, no events.
    pub(crate) fn filter() -> FilterFn {
        fn is_ours(metadata: &Metadata<'_>) -> bool {
            metadata.is_span()
                && (metadata.target() == TARGET || metadata.target().starts_with(env!("CARGO_CRATE_NAME")))
        }
        FilterFn::new(is_ours as fn(&Metadata<'_>) -> bool).with_max_level_hint(tracing::Level::INFO)
    }
}

/// A span under way.
struct Open {
    context: SpanContext,
    parent: Option<SpanId>,
    state: Option<TraceState>,
    began: SystemTime,
    facts: Facts,
}

impl<S> Layer<S> for TraceLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().fields().field("otel.name").is_none() {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let mut facts = Facts::default();
        attributes.record(&mut Reader { facts: &mut facts, scrub: &self.scrub });
        let (parent, state) = match facts.parent {
            Some(caller) => (Some(caller), facts.state.take()),
            None => match span.parent().as_ref().and_then(nearest) {
                Some((parent, state)) => (Some(parent), state),
                None => (None, None),
            },
        };
        let own = parent.map_or_else(SpanContext::root, SpanContext::child);
        let mut extensions = span.extensions_mut();
        extensions.insert(own);
        if let Some(state) = &state {
            extensions.insert(state.clone());
        }
        if own.is_sampled {
            extensions.insert(Open {
                context: own,
                parent: parent.map(|parent| parent.span_id),
                state,
                began: SystemTime::now(),
                facts,
            });
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            record.record(&mut Reader { facts: &mut open.facts, scrub: &self.scrub });
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let open = context.span(&id).and_then(|span| span.extensions_mut().remove::<Open>());
        let Some(Open { context, parent, state, began, facts }) = open else { return };
        let Facts { name, kind, attributes, .. } = facts;
        let kind = kind.unwrap_or(Kind::Internal);
        let finished = Finished { context, parent, state, name, kind, began, ended: SystemTime::now(), attributes };
        if self.queue.try_send(finished).is_err() {
            self.losses.queue_full();
        }
    }
}

#[derive(Default)]
struct Facts {
    name: String,
    kind: Option<Kind>,
    parent: Option<SpanContext>,
    state: Option<TraceState>,
    attributes: Vec<(&'static str, Value)>,
}

struct Reader<'a> {
    facts: &'a mut Facts,
    scrub: &'a Scrub,
}

impl Reader<'_> {
    fn set(&mut self, field: &Field, value: Value) {
        let name = field.name();
        if !name.contains('.') || name.starts_with("otel.") {
            return;
        }
        let attributes = &mut self.facts.attributes;
        match attributes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => attributes.push((name, value)),
        }
    }

    fn text(&mut self, field: &Field, text: &str) {
        match field.name() {
            "otel.name" => text.clone_into(&mut self.facts.name),
            "otel.parent" => self.facts.parent = SpanContext::parse(text),
            "otel.state" => self.facts.state = TraceState::parse(text),
            "otel.kind" => {
                self.facts.kind = match text {
                    "server" => Some(Kind::Server),
                    "client" => Some(Kind::Client),
                    _ => None,
                };
            }
            name if LISTS.contains(&name) => {
                let texts = text.split(',').map(|text| (self.scrub)(text).into_owned()).collect();
                self.set(field, Value::Texts(texts));
            }
            _ => {
                let clean = (self.scrub)(text);
                let short = clean.get(..clean.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
                self.set(field, Value::Text(short.to_owned()));
            }
        }
    }
}

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name().contains('.') {
            self.text(field, &format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name().contains('.') {
            self.text(field, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::Flag(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::Integer(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::Integer(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Value::Real(value));
    }
}
