//! The audit trail as text and as JSON. Pure. Whatever comes from events is shown without control characters.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::store::{AuditTotals, OutboxTotals, StoredEvent};

/// An event as a command shows it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) event: StoredEvent,
    /// `local`, a state of the outbox, or the reason of the quarantine.
    pub(super) state: &'static str,
    pub(super) attempts: Option<u32>,
    pub(super) next_attempt_at: Option<Timestamp>,
    pub(super) refusal: Option<Refusal>,
}

/// What is known of an event in quarantine.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: Option<u16>,
    pub(super) problem: String,
    pub(super) first_seen: Timestamp,
    pub(super) quarantined_at: Timestamp,
}

impl Line {
    /// One line of `list --json`.
    pub(super) fn json(&self) -> String {
        let event = &self.event;
        let mut line = json!({
            "event_id": event.event_id,
            "event_type": event.event_type,
            "correlation_id": event.correlation_id,
            "event_timestamp": event.event_timestamp.to_string(),
            "state": self.state,
            "intact": event.intact,
            "bytes": event.body.len(),
        });
        let optional = [
            ("attempts", self.attempts.map(Value::from)),
            ("next_attempt_at", self.next_attempt_at.map(|at| at.to_string().into())),
        ];
        add(&mut line, optional);
        add(&mut line, self.refusal.as_ref().map(Refusal::members).into_iter().flatten());
        format!("{line}\n")
    }

    /// One line of `export`: the body as it is, or in quarantine an object around it.
    pub(super) fn exported(&self) -> String {
        let body = &self.event.body;
        let Some(refusal) = &self.refusal else { return format!("{body}\n") };
        let mut line = json!({ "event_id": self.event.event_id, "reason": self.state, "intact": self.event.intact });
        add(&mut line, [("attempts", self.attempts.map(Value::from))]);
        add(&mut line, refusal.members());
        // The exact bytes, unless they are no JSON any more.
        let event =
            serde_json::from_str::<&RawValue>(body).map_or_else(|_| json!(body).to_string(), |raw| raw.to_string());
        let head = line.to_string();
        let head = head.strip_suffix('}').unwrap_or(&head);
        format!("{head},\"event\":{event}}}\n")
    }
}

impl Refusal {
    fn members(&self) -> [(&'static str, Option<Value>); 4] {
        [
            ("status", self.status.map(Value::from)),
            ("problem", Some(self.problem.as_str().into())),
            ("first_seen", Some(self.first_seen.to_string().into())),
            ("quarantined_at", Some(self.quarantined_at.to_string().into())),
        ]
    }
}

fn add(line: &mut Value, members: impl IntoIterator<Item = (&'static str, Option<Value>)>) {
    let Some(object) = line.as_object_mut() else { return };
    object.extend(members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
}

/// The table of `list`.
pub(super) fn table(lines: &[Line], more: bool) -> String {
    if lines.is_empty() {
        return "no events\n".to_owned();
    }
    let headings = ["TIME", "TYPE", "CORRELATION", "STATE", "ATTEMPTS", "EVENT ID"].map(str::to_owned);
    let rows = std::iter::once(headings).chain(lines.iter().map(cells)).collect::<Vec<_>>();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths = [0, 1, 2, 3, 4, 5].map(width);
    let mut text = String::new();
    for row in &rows {
        let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(text, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
    if more {
        let _ = writeln!(text, "… and more: narrow it down, or raise --limit");
    }
    text
}

fn cells(line: &Line) -> [String; 6] {
    let event = &line.event;
    let state = if event.intact { line.state.to_owned() } else { format!("{}!altered", line.state) };
    [
        format!("{:.3}", event.event_timestamp),
        shown(&event.event_type),
        shown(&event.correlation_id),
        state.replace("altered!altered", "altered"),
        line.attempts.map_or_else(|| "-".to_owned(), |attempts| attempts.to_string()),
        shown(&event.event_id),
    ]
}

fn shown(text: &str) -> String {
    text.replace(char::is_control, "\u{FFFD}")
}

/// What to expect of an event that was put back.
pub(super) fn hint(line: &Line) -> &'static str {
    match line.state {
        "expired" => " (it expired; DataStorage takes no event older than seven days, so it will come back)",
        _ => "",
    }
}

/// What `status` tells.
#[derive(Debug)]
pub(super) struct Status<'a> {
    pub(super) path: &'a Path,
    pub(super) outbox: OutboxTotals,
    pub(super) local: AuditTotals,
    pub(super) now: Timestamp,
}

impl Status<'_> {
    fn oldest_seconds(&self) -> Option<i64> {
        self.outbox.oldest.map(|oldest| self.now.duration_since(oldest).as_secs().max(0))
    }

    pub(super) fn json(&self) -> String {
        let Self { path, outbox, local, .. } = self;
        let status = json!({
            "store": path.display().to_string(),
            "local": { "events": local.events, "bytes": local.bytes },
            "outbox": {
                "events": outbox.events, "bytes": outbox.bytes, "oldest_seconds": self.oldest_seconds(),
                "delivered": outbox.delivered,
                "last_delivered_at": outbox.last_delivered_at.map(|at| at.to_string()),
            },
            "quarantine": { "events": outbox.quarantined, "bytes": outbox.quarantined_bytes },
        });
        format!("{status}\n")
    }

    pub(super) fn text(&self) -> String {
        let Self { path, outbox, local, .. } = self;
        let mut text = format!("{}\n", path.display());
        let mut row = |name: &str, events: u64, rest: String| {
            let _ = writeln!(text, "  {name:<12} {events:>9} events{rest}");
        };
        let age = self.oldest_seconds().map_or_else(String::new, |seconds| format!(", the oldest {}", span(seconds)));
        let last = outbox.last_delivered_at.map_or_else(String::new, |at| format!(", the last at {at:.0}"));
        row("kept here", local.events, format!(", {}", size(local.bytes)));
        row("waiting", outbox.events, format!(", {}{age}", size(outbox.bytes)));
        row("delivered", outbox.delivered, last);
        row("quarantine", outbox.quarantined, format!(", {}", size(outbox.quarantined_bytes)));
        text
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

fn span(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(intact: bool, refusal: bool) -> Line {
        let at: Timestamp = "2026-04-07T10:15:31.000002Z".parse().unwrap();
        let event = StoredEvent {
            seq: 1,
            event_id: "5b1c7f0e".to_owned(),
            correlation_id: "rr-\u{1b}[31m".to_owned(),
            event_type: "aiagent.llm.request".to_owned(),
            event_timestamp: at,
            body: r#"{"b":1,  "a":2}"#.to_owned(),
            intact,
        };
        let refusal = refusal.then(|| Refusal {
            status: Some(400),
            problem: "no".to_owned(),
            first_seen: at,
            quarantined_at: at,
        });
        Line { event, state: "altered", attempts: Some(2), next_attempt_at: None, refusal }
    }

    #[test]
    fn a_table_is_safe_for_a_terminal_and_says_what_it_leaves_out() {
        let text = table(&[line(false, false)], true);
        assert_eq!(
            text,
            "TIME                      TYPE                 CORRELATION  STATE    ATTEMPTS  EVENT ID\n\
             2026-04-07T10:15:31.000Z  aiagent.llm.request  rr-\u{FFFD}[31m     altered  2         5b1c7f0e\n\
             … and more: narrow it down, or raise --limit\n"
        );
        assert_eq!(table(&[], false), "no events\n");
    }

    #[test]
    fn exports_keep_the_exact_bytes() {
        assert_eq!(line(true, false).exported(), "{\"b\":1,  \"a\":2}\n");
        let kept = line(true, true).exported();
        assert!(kept.ends_with("\"event\":{\"b\":1,  \"a\":2}}\n"), "{kept}");
        let parsed: Value = serde_json::from_str(&kept).unwrap();
        assert_eq!((&parsed["status"], &parsed["attempts"]), (&json!(400), &json!(2)));
        let mut broken = line(false, true);
        broken.event.body = "{no JSON".to_owned();
        let parsed: Value = serde_json::from_str(&broken.exported()).unwrap();
        assert_eq!(parsed["event"], "{no JSON");
    }

    #[test]
    fn sizes_and_spans_read_well() {
        assert_eq!([size(9), size(20_480), size(536_870_912)], ["9 bytes", "20 KiB", "512 MiB"]);
        assert_eq!([span(5), span(3_600), span(86_400), span(604_800)], ["5 s", "60 min", "24 h", "7 days"]);
    }
}
