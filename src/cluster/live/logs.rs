//! Container logs: the newest lines in bounded memory, also of a log whose lines are very long.

use super::paths;
use super::transport::{Failure, Purpose, Received, Transport};
use crate::cluster::log_text::{drop_before, log_line};
use crate::cluster::{ClusterError, ContainerLog, LOG_BYTES_MAX, LOG_LINES_MAX, LogQuery};

/// Bytes of one answer read at most; when more come, fewer lines are asked for.
const READ_BYTES_MAX: usize = 64 * 1024 * 1024;
/// An error comes as JSON, a log as text.
const ANY: &str = "application/json, */*";
/// How many times fewer.
const FEWER_LINES: u32 = 10;

/// Reads what the query asks. `pod_path` is the Pod's own.
pub(super) async fn read(
    transport: &Transport,
    pod_path: &str,
    container: String,
    query: &LogQuery,
) -> Result<ContainerLog, ClusterError> {
    let instance = if query.previous { "previous log" } else { "log" };
    let subject = format!("{instance} of container {container} of Pod {}/{}", query.namespace, query.pod);
    let action = format!("read the log of Pod {}/{}", query.namespace, query.pod);
    let mut lines_max = query.tail_lines.unwrap_or(LOG_LINES_MAX).min(LOG_LINES_MAX);
    loop {
        // One line more than wanted tells whether there are older ones.
        let parameters = [
            ("container", Some(container.clone())),
            ("previous", query.previous.then(|| "true".to_owned())),
            ("sinceTime", query.since.map(|since| since.to_string())),
            ("tailLines", Some((lines_max + 1).to_string())),
            ("timestamps", Some("true".to_owned())),
        ];
        let path = paths::with_query(&format!("{pod_path}/log"), &parameters);
        let purpose =
            Purpose { operation: "logs", action: &action, subject: &subject, accept: ANY, bytes_max: READ_BYTES_MAX };
        match transport.read(&path, purpose, LOG_BYTES_MAX).await {
            Ok(tail) => return Ok(parsed(&tail, container, lines_max as usize, query)),
            Err(Failure::TooLarge) if lines_max >= FEWER_LINES => lines_max /= FEWER_LINES,
            // A container that has not started, or has no instance before: the API calls it a bad request.
            Err(Failure::Rejected(_)) => return Err(ClusterError::NotFound(subject)),
            Err(failure) => return Err(failure.into_error(&action)),
        }
    }
}

/// The lines of an answer that holds one line more than wanted where there are older ones.
fn parsed(tail: &Received, container: String, lines_max: usize, query: &LogQuery) -> ContainerLog {
    let text = String::from_utf8_lossy(&tail.bytes);
    let mut raw: Vec<&str> = text.split_terminator('\n').collect();
    // The window begins inside a line: that line goes, unless it is the only one.
    if tail.cut && raw.len() > 1 {
        raw.remove(0);
    }
    let excess = raw.len().saturating_sub(lines_max);
    raw.drain(..excess);
    let mut lines: Vec<_> = (1..).zip(raw).map(|(number, raw)| log_line(number, raw)).collect();
    if let Some(since) = query.since {
        drop_before(&mut lines, since);
    }
    ContainerLog { container, lines, truncated: tail.cut || excess > 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answer, cut, lines wanted, since → texts, truncated.
    type Case = (&'static str, bool, usize, Option<&'static str>, &'static [&'static str], bool);

    fn query(since: Option<&str>) -> LogQuery {
        LogQuery {
            namespace: "shop".to_owned(),
            pod: "web".to_owned(),
            container: None,
            previous: false,
            tail_lines: None,
            since: since.map(|since| since.parse().unwrap()),
        }
    }

    #[test]
    fn the_newest_lines_stay() {
        let table: [Case; 6] = [
            ("a\nb\n", false, 2, None, &["a", "b"], false),
            ("a\nb\nc\n", false, 2, None, &["b", "c"], true),
            ("alf\nb\nc\n", true, 5, None, &["b", "c"], true),
            ("only-half", true, 5, None, &["only-half"], true),
            ("a\n", false, 0, None, &[], true),
            ("2026-05-04T10:00:00Z a\n2026-05-04T10:00:02Z b\n", false, 5, Some("2026-05-04T10:00:01Z"), &["b"], false),
        ];
        for (text, cut, lines_max, since, expected, truncated) in table {
            let tail = Received { bytes: text.as_bytes().to_vec(), cut };
            let log = parsed(&tail, "web".to_owned(), lines_max, &query(since));
            let texts: Vec<&str> = log.lines.iter().map(|line| line.text.as_str()).collect();
            assert_eq!((texts.as_slice(), log.truncated), (expected, truncated), "{text:?}");
        }
    }
}
