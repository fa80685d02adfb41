//! Events: newest first, repeated ones together.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age::age;
use super::subject::{Fault, Subject};
use super::table::Table;
use crate::cluster::Cluster;
use crate::domain::Object;
use crate::domain::object::text;
use crate::tools::{Content, Invocation, ToolOutput, ToolStatus};

/// Most rows of the events tool.
const ROWS_MAX: usize = 200;
/// Most reasons in a description.
const DESCRIBED_MAX: usize = 20;
/// Most different messages of one reason in a description.
const MESSAGES_MAX: usize = 3;

const COLUMNS: [&str; 8] = ["LAST", "TYPE", "REASON", "COUNT", "SINCE", "FROM", "ABOUT", "MESSAGE"];
/// Place of that column.
const ABOUT: usize = 6;

/// The same thing said once or more often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Occurrence<'a> {
    pub(super) kind: &'a str,
    pub(super) reason: &'a str,
    pub(super) source: &'a str,
    pub(super) message: &'a str,
    /// `Pod/web-1`.
    pub(super) about: (&'a str, &'a str),
    pub(super) namespace: &'a str,
    pub(super) count: i64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

impl<'a> Occurrence<'a> {
    fn of(event: &'a Object) -> Self {
        let any = |paths: &[&str]| paths.iter().find_map(|path| event.str_at(path).filter(|text| !text.is_empty()));
        let time = |paths: &[&str]| any(paths).and_then(|text| text.parse().ok());
        let count = ["series.count", "count", "deprecatedCount"].iter().find_map(|path| event.i64_at(path));
        let last = ["series.lastObservedTime", "lastTimestamp", "deprecatedLastTimestamp", "eventTime"];
        Self {
            kind: any(&["type"]).unwrap_or_default(),
            reason: any(&["reason"]).unwrap_or_default(),
            source: any(&["source.component", "reportingComponent", "reportingController"]).unwrap_or_default(),
            message: any(&["message", "note"]).unwrap_or_default(),
            about: (
                any(&["involvedObject.kind", "regarding.kind"]).unwrap_or_default(),
                any(&["involvedObject.name", "regarding.name"]).unwrap_or_default(),
            ),
            namespace: event.namespace().unwrap_or_default(),
            count: count.unwrap_or(1).max(1),
            first: time(&["firstTimestamp", "deprecatedFirstTimestamp", "eventTime"]).or_else(|| event.created_at()),
            last: time(&last).or_else(|| event.created_at()),
        }
    }

    /// Same object, type, reason, source and message.
    fn repeats(&self, other: &Self) -> bool {
        let same = Self { count: other.count, first: other.first, last: other.last, ..self.clone() };
        same == *other
    }
}

/// Repeated events as one, newest first.
pub(super) fn occurrences(events: &[Arc<Object>]) -> Vec<Occurrence<'_>> {
    let mut found: Vec<Occurrence<'_>> = Vec::new();
    for event in events {
        let new = Occurrence::of(event);
        match found.iter_mut().find(|known| known.repeats(&new)) {
            None => found.push(new),
            Some(known) => {
                known.count += new.count;
                known.first = known.first.into_iter().chain(new.first).min();
                known.last = known.last.max(new.last);
            }
        }
    }
    found.sort_by_key(|occurrence| std::cmp::Reverse(occurrence.last));
    found
}

/// For a description: one entry per type, reason and source with its newest messages.
pub(super) fn by_reason(events: &[Arc<Object>], now: Timestamp) -> Value {
    let mut groups: Vec<Vec<Occurrence<'_>>> = Vec::new();
    for one in occurrences(events) {
        let same = |group: &&mut Vec<Occurrence<'_>>| {
            group
                .first()
                .is_some_and(|head| (head.kind, head.reason, head.source) == (one.kind, one.reason, one.source))
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    let entries = groups.iter().take(DESCRIBED_MAX).filter_map(|group| {
        let newest = group.first()?;
        let first = group.iter().filter_map(|one| one.first).min();
        let messages = group.iter().take(MESSAGES_MAX).map(|one| one.message).collect::<Vec<_>>();
        let mut entry = json!({
            "type": newest.kind, "reason": newest.reason, "count": group.iter().map(|one| one.count).sum::<i64>(),
            "last": format!("{} ago", age(newest.last, now)), "first": format!("{} ago", age(first, now)),
            "from": newest.source, "messages": messages,
        });
        let more = group.len().saturating_sub(MESSAGES_MAX);
        if let Some(members) = entry.as_object_mut().filter(|_| more > 0) {
            members.insert("other_messages".to_owned(), more.into());
        }
        Some(entry)
    });
    Value::Array(entries.collect())
}

/// The table of the events tool.
pub(super) async fn events(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    let subject = Subject::of(cluster, call, [&["kind", "resource_type"], &["name", "resource_name"]]).await?;
    let events = cluster.events(&subject.reference).await?;
    if events.is_empty() {
        let what = &subject.reference;
        return Ok(noting(
            ToolOutput::no_data(format!(
                "no events about {what}. Events expire after about an hour and name exactly one object: its owners and pods \
                 have their own; all events of a namespace: kubectl_get_by_kind_in_namespace with kind Event"
            )),
            subject.notes,
        ));
    }
    let shown = occurrences(&events);
    let mut table = Table::new(&COLUMNS);
    table.rows.extend(shown.iter().take(ROWS_MAX).map(|one| {
        let mut row = row(one, cluster.now());
        // The caller named it.
        if let Some(about) = row.get_mut(ABOUT) {
            about.clear();
        }
        row
    }));
    let footer = footer(&shown, events.len());
    Ok(noting(ToolOutput::of(ToolStatus::Success, table.content(footer)), subject.notes))
}

fn row(one: &Occurrence<'_>, now: Timestamp) -> Vec<String> {
    let since = if one.first == one.last { String::new() } else { age(one.first, now) };
    let about = if one.about.1.is_empty() { String::new() } else { format!("{}/{}", one.about.0, one.about.1) };
    let [kind, reason, source, message] = [one.kind, one.reason, one.source, one.message].map(str::to_owned);
    vec![age(one.last, now), kind, reason, one.count.to_string(), since, source, about, message]
}

fn footer(shown: &[Occurrence<'_>], events: usize) -> String {
    let total: i64 = shown.iter().map(|one| one.count).sum();
    let left_out = match shown.len().saturating_sub(ROWS_MAX) {
        0 => String::new(),
        more => format!("; {more} older rows left out"),
    };
    format!(
        "{} rows from {events} events that happened {total} times, newest first{left_out}",
        shown.len().min(ROWS_MAX)
    )
}

/// All events of a list, as a table that names what each is about.
pub(super) fn event_list(events: &[Arc<Object>], now: Timestamp, with_namespace: bool) -> Content {
    let shown = occurrences(events);
    let mut table = Table::new(if with_namespace { &["NAMESPACE"] } else { &[] });
    table.columns.extend(COLUMNS);
    table.rows.extend(shown.iter().take(ROWS_MAX).map(|one| {
        let place = with_namespace.then(|| one.namespace.to_owned());
        place.into_iter().chain(row(one, now)).collect()
    }));
    table.content(footer(&shown, events.len()))
}

pub(super) fn noting(output: ToolOutput, notes: Vec<String>) -> ToolOutput {
    notes.into_iter().fold(output, ToolOutput::noting)
}

/// Whether a kind is one of events.
pub(super) fn is_event(kind: &str) -> bool {
    kind == "Event"
}

/// Whether the word occurs anywhere a person would look for it in an event.
pub(super) fn mentions(event: &Object, keyword: &str) -> bool {
    let one = Occurrence::of(event);
    [one.reason, one.message, one.about.0, one.about.1, text(event.value(), "source.host")]
        .iter()
        .any(|text| text.to_lowercase().contains(keyword))
}
