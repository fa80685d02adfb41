//! What `audit` looks like on the command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use crate::store::AuditQuery;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AuditCommand {
    /// How many events are kept, wait for delivery, or are in quarantine.
    Status {
        #[command(flatten)]
        place: Place,
        /// One JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Events one line each, oldest first: kept locally and waiting for delivery.
    List(ListOptions),
    /// Whole events as JSON Lines, exactly as they were recorded.
    Export {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        filter: Filter,
        /// Those in quarantine, each with the reason and what `DataStorage` said.
        #[arg(long)]
        quarantine: bool,
    },
    /// Put events from the quarantine back for delivery; works beside a running service.
    Requeue(RequeueOptions),
}

/// Whose state.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Place {
    /// State directory of the service.
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// Configuration file that names the store [env: `CONFIG_FILE`] [default: /etc/holmesgpt/config.yaml, else the state
    /// directory of this machine].
    #[arg(long, value_name = "FILE", conflicts_with = "state_dir")]
    pub(super) config: Option<PathBuf>,
}

/// Which events.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Filter {
    /// Of one remediation: its remediation id.
    #[arg(long, value_name = "ID")]
    pub(super) correlation: Option<String>,
    /// Of one type, e.g. aiagent.response.complete.
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) event_type: Option<String>,
    /// Not older than this: a time (2026-04-07T10:00:00Z) or a span (90s, 15m, 24h, 7d).
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Older than this.
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,
    #[arg(skip)]
    pub(super) event_id: Option<String>,
}

impl Filter {
    pub(super) fn query(&self, now: Timestamp) -> anyhow::Result<AuditQuery> {
        let time = |text: &Option<String>, flag| {
            let parsed = text.as_deref().map(|text| instant(text, now));
            parsed.transpose().with_context(|| format!("{flag} {:?}", text.as_deref().unwrap_or_default()))
        };
        Ok(AuditQuery {
            correlation_id: self.correlation.clone(),
            event_type: self.event_type.clone(),
            event_id: self.event_id.clone(),
            since: time(&self.since, "--since")?,
            until: time(&self.until, "--until")?,
            ..AuditQuery::default()
        })
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListOptions {
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) filter: Filter,
    /// Events in quarantine instead.
    #[arg(long)]
    pub(super) quarantine: bool,
    /// Most events shown.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(super) limit: usize,
    /// JSON Lines instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RequeueOptions {
    /// Ids of events (`audit list --quarantine`).
    #[arg(value_name = "EVENT_ID", required_unless_present = "all")]
    pub(super) events: Vec<String>,
    /// Every event in quarantine that fits the filters.
    #[arg(long, conflicts_with = "events")]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) filter: Filter,
}

/// A time, or a span before now.
fn instant(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let told = "is neither a time (2026-04-07T10:00:00Z) nor a span (90s, 15m, 24h, 7d)";
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).context(told)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => anyhow::bail!(told),
    };
    let count: u64 = digits.parse().ok().context(told)?;
    let span = Duration::from_secs(count.saturating_mul(seconds));
    now.checked_sub(span).context("is too long ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans() {
        let now: Timestamp = "2026-04-07T10:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-04-01T00:00:00Z", Some("2026-04-01T00:00:00Z")),
            ("90s", Some("2026-04-07T09:58:30Z")),
            ("15m", Some("2026-04-07T09:45:00Z")),
            ("24h", Some("2026-04-06T10:00:00Z")),
            ("7d", Some("2026-03-31T10:00:00Z")),
            ("", None),
            ("7", None),
            ("d", None),
            ("-7d", None),
            ("yesterday", None),
            ("7ü", None),
            ("99999999999999999d", None),
        ] {
            let expected = expected.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(instant(text, now).ok(), expected, "{text}");
        }
    }
}
