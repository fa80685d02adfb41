//! `fetch_pod_logs`: everything a pod's containers wrote, narrowed by time and pattern.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::pattern::Pattern;
use super::story::{self, Counts, Story, Wanted};
use super::{LOGS, definitions};
use crate::cluster::Cluster;
use crate::llm::ToolDefinition;
use crate::tools::kubernetes::{Fault, required};
use crate::tools::{Content, Invocation, Keep, Tool, ToolOutput, ToolStatus};

/// Lines shown unless the call says otherwise.
const LINES_DEFAULT: u64 = 100;
/// Most lines shown.
const LINES_MAX: u64 = 5_000;
/// How far back, in seconds, unless the call says otherwise: a week.
const SECONDS_BACK_DEFAULT: i64 = 604_800;
/// Furthest back, in seconds: ten years.
const SECONDS_BACK_MAX: i64 = 10 * 365 * 86_400;

#[derive(Debug)]
pub(super) struct FetchPodLogs {
    definition: ToolDefinition,
    cluster: Arc<dyn Cluster>,
}

impl FetchPodLogs {
    pub(super) fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self { definition: definitions::fetch_pod_logs(), cluster }
    }
}

#[async_trait]
impl Tool for FetchPodLogs {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn toolset(&self) -> &'static str {
        LOGS
    }

    fn is_time_dependent(&self) -> bool {
        true
    }

    async fn call(&self, call: Invocation<'_>) -> ToolOutput {
        fetch(self.cluster.as_ref(), &call).await.unwrap_or_else(|fault| ToolOutput::error(fault.0))
    }
}

async fn fetch(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    let (name, namespace) = (required(call, "pod_name")?, required(call, "namespace")?);
    let (start, end) = window(call.text("start_time"), call.text("end_time"), cluster.now())?;
    let (include, include_note) = Pattern::read("filter", call.text("filter"))?;
    let (exclude, exclude_note) = Pattern::read("exclude_filter", call.text("exclude_filter"))?;
    let pod = story::pod(cluster, namespace, name).await?;
    let wanted = Wanted {
        pod: name,
        namespace,
        containers: story::all_containers(pod.as_ref()),
        instances: &[true, false],
        tail_lines: None,
        since: Some(start),
    };
    let mut story = story::read(cluster, &wanted, pod.as_ref()).await?;
    if let Some(end) = end {
        story.end_at(end);
    }
    let limit = call.number("limit").unwrap_or(LINES_DEFAULT).clamp(1, LINES_MAX);
    let counts = story.narrow(include.as_ref(), exclude.as_ref(), usize::try_from(limit).unwrap_or(usize::MAX));
    let footer = footer(&story, counts, include.is_some(), exclude.is_some());
    let notes = include_note.into_iter().chain(exclude_note);
    let status = if story.lines.is_empty() { ToolStatus::NoData } else { ToolStatus::Success };
    let content =
        Content::Lines { header: story.header(), lines: story.texts(), footer, keep: Keep::HeadTailAndErrors };
    Ok(notes.fold(ToolOutput::of(status, content), ToolOutput::noting))
}

/// From when to when; no end = everything there is.
fn window(start: Option<&str>, end: Option<&str>, now: Timestamp) -> Result<(Timestamp, Option<Timestamp>), Fault> {
    let wrong = |name: &str, text: &str| {
        let shown: String = text.chars().take(40).collect();
        Fault(format!(
            "{name} {shown:?} is neither an RFC 3339 time (2026-05-04T10:00:00Z) nor negative seconds (-3600)"
        ))
    };
    let end = end.map(|text| text.parse::<Timestamp>().map_err(|_| wrong("end_time", text))).transpose()?;
    let reference = end.unwrap_or(now);
    let back = |seconds: i64| {
        let seconds = seconds.checked_abs().unwrap_or(SECONDS_BACK_MAX).min(SECONDS_BACK_MAX);
        reference.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::UNIX_EPOCH)
    };
    let start = match start {
        None => back(SECONDS_BACK_DEFAULT),
        Some(text) => match (text.parse::<i64>(), text.parse::<Timestamp>()) {
            (Ok(seconds), _) if seconds <= 0 => back(seconds),
            (_, Ok(time)) => time,
            _ => return Err(wrong("start_time", text)),
        },
    };
    if start > reference {
        return Err(Fault(format!("start_time {start} is after the end {reference}; swap them or leave them out")));
    }
    Ok((start, end))
}

/// Numbers first, then what to do with them.
fn footer(story: &Story, counts: Counts, is_filtered: bool, is_excluding: bool) -> String {
    let mut parts = vec![format!("{} lines read", counts.total)];
    if is_filtered {
        parts.push(format!("{} after filter", counts.included));
    }
    if is_excluding {
        parts.push(format!("{} after exclude_filter", counts.remaining));
    }
    parts.push(format!("{} shown", counts.shown));
    parts.extend(story.span().map(|(first, last)| format!("from {first:.0} to {last:.0}")));
    if story.truncated {
        parts.push("older lines exist that were not read".to_owned());
    }
    if !story.silent.is_empty() {
        parts.push(format!("no log: {}", story.silent.join("; ")));
    }
    let hint = match counts {
        Counts { total: 0, .. } if story.truncated => "; move end_time back",
        Counts { total: 0, .. } => {
            "; nothing was written in this time: an earlier start_time, or kubectl_events, may tell more"
        }
        Counts { shown: 0, .. } => "; no line passes: loosen or drop the filters",
        Counts { shown, remaining, .. } if shown < remaining => {
            "; older ones: filter (error|fail|exception), end_time, or a higher limit"
        }
        _ => "",
    };
    format!("-- {}{hint}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_absolute_or_relative_to_the_end() {
        let now: Timestamp = "2026-05-04T10:00:00Z".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let table = [
            (None, None, "2026-04-27T10:00:00Z", None),
            (Some("-3600"), None, "2026-05-04T09:00:00Z", None),
            (Some("-60"), Some("2026-05-04T09:00:00Z"), "2026-05-04T08:59:00Z", Some("2026-05-04T09:00:00Z")),
            (Some("2026-05-04T11:30:00+02:00"), None, "2026-05-04T09:30:00Z", None),
            (Some("0"), None, "2026-05-04T10:00:00Z", None),
        ];
        for (start, end, from, to) in table {
            assert_eq!(window(start, end, now).unwrap(), (at(from), to.map(at)), "{start:?} {end:?}");
        }
        assert!(window(Some(&i64::MIN.to_string()), None, now).is_ok(), "as far back as there is");
        for (start, end) in
            [(Some("yesterday"), None), (Some("60"), None), (None, Some("-5")), (Some("2027-01-01T00:00:00Z"), None)]
        {
            assert!(window(start, end, now).is_err(), "{start:?} {end:?}");
        }
    }
}
