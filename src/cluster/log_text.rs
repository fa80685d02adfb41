//! Container log text: time stamps, line filters, the container meant when none is named. Pure.

use jiff::Timestamp;

use super::LogLine;
use crate::domain::Object;
use crate::domain::object::text;

/// Length of a time stamp in bytes: `2026-05-04T10:00:00Z` to nanoseconds with a numeric offset.
const STAMP_BYTES: std::ops::RangeInclusive<usize> = 20..=40;

/// Splits an RFC 3339 stamp and the space after it off the start of a line, as `kubectl logs --timestamps` writes them.
pub(super) fn split_stamp(line: &str) -> (Option<Timestamp>, &str) {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    match stamp(first) {
        Some(time) => (Some(time), rest),
        None => (None, line),
    }
}

/// A text that is exactly one RFC 3339 time.
pub(super) fn stamp(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let plausible = STAMP_BYTES.contains(&bytes.len()) && bytes.get(4) == Some(&b'-') && bytes.get(10) == Some(&b'T');
    plausible.then(|| text.parse().ok()).flatten()
}

pub(super) fn log_line(number: u64, raw: &str) -> LogLine {
    let (time, text) = split_stamp(raw.strip_suffix('\r').unwrap_or(raw));
    LogLine { number, time, text: text.to_owned() }
}

/// Drops lines before `since`. A line without a time shares the fate of the line above it: it continues that record.
/// Without any line above, it stays.
pub(super) fn drop_before(lines: &mut Vec<LogLine>, since: Timestamp) {
    let mut keeping = true;
    lines.retain(|line| {
        keeping = line.time.map_or(keeping, |time| time >= since);
        keeping
    });
}

/// The container `kubectl logs` would take: the annotated one, else the first.
pub(super) fn default_container(pod: &Object) -> Option<&str> {
    let annotated = pod.annotation("kubectl.kubernetes.io/default-container");
    let mut names = pod.list_at("spec.containers").map(|container| text(container, "name"));
    let annotated = annotated.filter(|wanted| pod.list_at("spec.containers").any(|each| text(each, "name") == *wanted));
    annotated.or_else(|| names.next()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stamps_are_split_off_when_they_are_stamps() {
        let table = [
            ("2026-05-04T10:00:00Z started", Some("2026-05-04T10:00:00Z"), "started"),
            ("2026-05-04T10:00:00.123456789Z  two", Some("2026-05-04T10:00:00.123456789Z"), " two"),
            ("2026-05-04T12:00:00+02:00 x", Some("2026-05-04T10:00:00Z"), "x"),
            ("2026-05-04T10:00:00Z", Some("2026-05-04T10:00:00Z"), ""),
            ("2026-05-04T10:00:00 no zone", None, "2026-05-04T10:00:00 no zone"),
            ("2026-05-04 10:00:00Z x", None, "2026-05-04 10:00:00Z x"),
            ("2026-13-44T99:00:00Z x", None, "2026-13-44T99:00:00Z x"),
            ("I0504 10:00:00 klog", None, "I0504 10:00:00 klog"),
            ("", None, ""),
        ];
        for (line, time, rest) in table {
            let time = time.map(|time| time.parse::<Timestamp>().unwrap());
            assert_eq!(split_stamp(line), (time, rest), "{line:?}");
        }
    }

    #[test]
    fn unstamped_lines_follow_the_line_above() {
        let raw = ["banner", "2026-05-04T10:00:00Z old", " at a", "2026-05-04T10:00:09Z new", " at b"];
        let mut lines: Vec<LogLine> = (1..).zip(raw).map(|(number, raw)| log_line(number, raw)).collect();
        drop_before(&mut lines, "2026-05-04T10:00:05Z".parse().unwrap());
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 4, 5]);
    }

    #[test]
    fn the_default_container_is_annotated_or_first() {
        let pod = |annotation: Option<&str>, names: &[&str]| {
            let containers: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
            let annotations = json!({"kubectl.kubernetes.io/default-container": annotation});
            let metadata = json!({"name": "p", "annotations": annotations});
            Object::new(json!({"kind": "Pod", "metadata": metadata, "spec": {"containers": containers}})).unwrap()
        };
        assert_eq!(default_container(&pod(None, &["a", "b"])), Some("a"));
        assert_eq!(default_container(&pod(Some("b"), &["a", "b"])), Some("b"));
        assert_eq!(default_container(&pod(Some("gone"), &["a"])), Some("a"));
        assert_eq!(default_container(&pod(None, &[])), None);
    }
}
