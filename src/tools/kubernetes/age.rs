//! How long ago, as kubectl writes it. Pure.

use jiff::Timestamp;

/// `45s`, `3m20s`, `3h12m`, `5d4h`, `2y30d`; empty for an unknown time, `0s` for one that lies ahead.
pub(super) fn age(time: Option<Timestamp>, now: Timestamp) -> String {
    time.map(|time| span(now.as_second() - time.as_second())).unwrap_or_default()
}

/// So many seconds.
pub(super) fn span(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    // Up to this many seconds, this unit and the smaller one after it are shown; `None` = the unit alone.
    let (unit, name, rest) = match seconds.max(0) {
        s if s < 2 * MINUTE => (1, "s", None),
        s if s < 10 * MINUTE => (MINUTE, "m", Some((1, "s"))),
        s if s < 3 * HOUR => (MINUTE, "m", None),
        s if s < 8 * HOUR => (HOUR, "h", Some((MINUTE, "m"))),
        s if s < 2 * DAY => (HOUR, "h", None),
        s if s < 8 * DAY => (DAY, "d", Some((HOUR, "h"))),
        s if s < 2 * YEAR => (DAY, "d", None),
        _ => (YEAR, "y", Some((DAY, "d"))),
    };
    let seconds = seconds.max(0);
    let (whole, left) = (seconds / unit, seconds % unit);
    match rest.map(|(small, short)| (left / small, short)).filter(|(count, _)| *count > 0) {
        Some((count, short)) => format!("{whole}{name}{count}{short}"),
        None => format!("{whole}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_in_kubectl() {
        for (seconds, shown) in [
            (-5, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (601, "10m"),
            (3 * 3600 - 1, "179m"),
            (3 * 3600 + 720, "3h12m"),
            (30 * 3600, "30h"),
            (5 * 86_400 + 4 * 3600, "5d4h"),
            (90 * 86_400, "90d"),
            (760 * 86_400, "2y30d"),
        ] {
            assert_eq!(span(seconds), shown, "{seconds}");
        }
        assert_eq!(age(None, Timestamp::UNIX_EPOCH), "");
    }
}
