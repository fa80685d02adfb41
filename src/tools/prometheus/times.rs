//! Times and steps as models write them (investigation §4.4). Pure: the clock is an argument.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Smaller numbers are not meant as Unix seconds: they would be before 1973.
const UNIX_SECONDS_MIN: f64 = 1e8;
/// Larger numbers are milliseconds.
const UNIX_SECONDS_MAX: f64 = 1e11;
/// Without a step a range is divided into this many.
const STEPS_DEFAULT: u64 = 60;

/// A span of time in Unix seconds; `start` is before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Window {
    /// From texts: RFC 3339, Unix seconds, `now`, or relative as `-3600`, `-1h`, `now-1h`. A relative end counts from now, a
    /// relative start from the end.
    ///
    /// # Errors
    /// What cannot be read, or a start that is not before the end.
    pub(super) fn read(
        start: Option<&str>,
        end: Option<&str>,
        now: Timestamp,
        span_seconds: u64,
    ) -> Result<Self, String> {
        let now = now.as_second();
        let end = end.map_or(Ok(now), |text| moment(text, now).map_err(|reason| format!("end: {reason}")))?;
        let span = i64::try_from(span_seconds).unwrap_or(i64::MAX);
        let start = start
            .map_or(Ok(end.saturating_sub(span)), |text| moment(text, end).map_err(|why| format!("start: {why}")))?;
        if start < end {
            Ok(Self { start, end })
        } else {
            Err(format!("start ({}) is not before end ({})", shown(start), shown(end)))
        }
    }

    pub(super) fn seconds(self) -> u64 {
        self.end.abs_diff(self.start)
    }

    /// For people: `the last hour` would be wrong as soon as it is read again.
    pub(super) fn shown(self) -> String {
        format!("{} to {}", shown(self.start), shown(self.end))
    }
}

/// RFC 3339 in UTC.
pub(super) fn shown(unix_seconds: i64) -> String {
    Timestamp::from_second(unix_seconds).map_or_else(|_| unix_seconds.to_string(), |time| time.to_string())
}

fn moment(text: &str, anchor: i64) -> Result<i64, String> {
    let text = text.trim();
    let relative = text.strip_prefix("now").unwrap_or(text).trim();
    if relative.is_empty() && !text.is_empty() {
        return Ok(anchor);
    }
    if let Some(back) = relative.strip_prefix('-') {
        let seconds = seconds(back.trim())?;
        return Ok(anchor.saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX)));
    }
    if let Ok(number) = text.parse::<f64>() {
        return match number {
            0.0 => Ok(anchor),
            UNIX_SECONDS_MIN..UNIX_SECONDS_MAX => Ok(whole(number)),
            _ => Err(format!("{text} is not in Unix seconds; use -{text} for that many seconds back, or RFC 3339")),
        };
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_second());
    }
    let civil = text.parse::<DateTime>().ok().and_then(|time| time.to_zoned(TimeZone::UTC).ok());
    civil.map(|time| time.timestamp().as_second()).ok_or_else(|| {
        let text: String = text.chars().take(60).collect();
        format!("{text:?} is no time; use RFC 3339, Unix seconds, or -3600 for an hour back")
    })
}

/// A duration: seconds, or numbers with units as in `1h30m`.
///
/// # Errors
/// What cannot be read.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 7] = [
        ("ms", 0.001),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3_600.0),
        ("d", 86_400.0),
        ("w", 604_800.0),
        ("y", 31_536_000.0),
    ];
    let bad = || {
        let text: String = text.chars().take(60).collect();
        format!("{text:?} is no duration; use seconds or 5m, 1h")
    };
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let (mut rest, mut sum) = (text.trim(), 0.0);
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let length = rest.find(|letter| !is_number(letter)).unwrap_or(rest.len());
        let number: f64 = rest.get(..length).and_then(|number| number.parse().ok()).ok_or_else(bad)?;
        rest = rest.get(length..).unwrap_or_default();
        if rest.is_empty() && length == text.trim().len() {
            return Ok(whole(number).unsigned_abs());
        }
        let (unit, factor) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(bad)?;
        sum += number * factor;
        rest = rest.get(unit.len()..).unwrap_or_default();
    }
    Ok(whole(sum).unsigned_abs())
}

/// Without the fraction; far out of range is as far as it goes.
#[expect(clippy::cast_possible_truncation, reason = "saturates, and fractions of a second do not matter")]
fn whole(number: f64) -> i64 {
    number as i64
}

/// How far apart the points of a range query are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) seconds: u64,
    /// Whether a finer step was asked for.
    pub(super) raised: bool,
}

impl Step {
    /// At least a sixtieth of the range, and so coarse that a series has at most `points_max` points (both ends count).
    pub(super) fn of(range_seconds: u64, asked: Option<u64>, points_max: u64) -> Self {
        let gaps = STEPS_DEFAULT.min(points_max.saturating_sub(1)).max(1);
        let least = range_seconds.div_ceil(gaps).max(1);
        let seconds = asked.map_or(least, |asked| asked.max(least));
        Self { seconds, raised: asked.is_some_and(|asked| asked < seconds) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_780_000_000;

    fn window(start: Option<&str>, end: Option<&str>) -> Result<(i64, i64), String> {
        let now = Timestamp::from_second(NOW).unwrap();
        Window::read(start, end, now, 3_600).map(|window| (window.start - NOW, window.end - NOW))
    }

    #[test]
    fn times_are_read_in_every_form() {
        for (start, end, expected) in [
            (None, None, (-3_600, 0)),
            (Some("-7200"), None, (-7_200, 0)),
            (Some("-600"), Some("-3600"), (-4_200, -3_600)),
            (None, Some("-3600"), (-7_200, -3_600)),
            (Some("-2h30m"), Some("now"), (-9_000, 0)),
            (Some("now-1d"), Some("0"), (-86_400, 0)),
            (Some("now - 15m"), Some("now"), (-900, 0)),
            (Some("1779999000"), Some("1779999500.7"), (-1_000, -500)),
        ] {
            assert_eq!(window(start, end), Ok(expected), "{start:?} {end:?}");
        }
        let start = Timestamp::from_second(NOW - 1_000).unwrap().to_string();
        for text in [start.clone(), start.replace('Z', "+00:00"), start.replace('Z', ""), start.replace('Z', ".9Z")] {
            assert_eq!(window(Some(&text), None), Ok((-1_000, 0)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_with_a_remedy() {
        for (start, end, part) in [
            (Some("yesterday"), None, "start: \"yesterday\" is no time"),
            (Some("3600"), None, "use -3600"),
            (None, Some("1780000000000"), "end: 1780000000000 is not in Unix seconds"),
            (Some("-0"), None, "is not before end"),
            (Some("now"), Some("-60"), "is not before end"),
            (Some("-5q"), None, "\"5q\" is no duration"),
            (Some("NaN"), None, "not in Unix seconds"),
            (Some(""), None, "is no time"),
        ] {
            let error = window(start, end).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn durations_are_seconds_or_have_units() {
        for (text, expected) in
            [("60", 60), ("1m", 60), ("1h30m", 5_400), ("1.5m", 90), ("500ms", 0), ("2w", 1_209_600), (" 15s ", 15)]
        {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "m", "5q", "1h30", "-5", "1..2", "5m x"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn steps_are_coarse_enough() {
        for (range, asked, points_max, expected) in [
            (3_600, None, 100, (60, false)),
            (3_600, Some(1), 100, (60, true)),
            (3_600, Some(300), 100, (300, false)),
            (3_600, None, 11, (360, false)),
            (30, None, 100, (1, false)),
            (86_401, None, 100, (1_441, false)),
            (3_600, Some(60), 2, (3_600, true)),
        ] {
            let step = Step::of(range, asked, points_max);
            assert_eq!((step.seconds, step.raised), expected, "{range} {asked:?} {points_max}");
        }
    }

    proptest! {
        #[test]
        fn points_stay_within_their_bound(range in 1_u64..10_000_000, asked in prop::option::of(0_u64..1_000), most in 2_u64..200) {
            let step = Step::of(range, asked, most);
            let points = range / step.seconds + 1;
            prop_assert!(points <= most);
            prop_assert!(step.seconds * 60 >= range && step.seconds >= asked.unwrap_or(1));
        }

        #[test]
        fn nothing_panics(text in ".{0,24}") {
            let _ = window(Some(&text), Some(&text));
            let _ = seconds(&text);
        }
    }
}
