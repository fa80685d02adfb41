//! How long a provider asks us to wait: its headers before our own backoff. Pure.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName};

use crate::retry::retry_after;

/// Moments at which a limit is reset: OpenAI writes durations, Anthropic dates.
const RESETS: [(&str, &str); 6] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
];

/// The wait the headers of a refusal ask for: `retry-after-ms`, `Retry-After`, else the latest reset of a limit that is used
/// up.
pub(super) fn server_delay(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(HeaderName::from_bytes(name.as_bytes()).ok()?)?.to_str().ok().map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(milliseconds / 1_000.0).ok();
    }
    if let Some(delay) = text("retry-after").and_then(|text| retry_after(text, now)) {
        return Some(delay);
    }
    let used_up = RESETS.iter().filter(|(remaining, _)| text(remaining).is_some_and(|left| left == "0"));
    used_up.filter_map(|(_, reset)| until_reset(text(reset)?, now)).max()
}

/// `1m30s`, `250ms`, `2`, or a date.
fn until_reset(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(date) = text.parse::<Timestamp>() {
        return Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let unit_seconds = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" | "" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        total += Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit_seconds).ok()?;
        rest = after;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_word_in_its_order() {
        let now: Timestamp = "2026-04-12T09:00:00Z".parse().unwrap();
        let delay = |headers: &[(&'static str, &'static str)]| {
            let pairs = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            server_delay(&pairs.collect(), now).map(|delay| delay.as_millis())
        };
        for (headers, milliseconds) in [
            (&[][..], None),
            (&[("retry-after", "3")], Some(3_000)),
            (&[("retry-after", "3"), ("retry-after-ms", "1500")], Some(1_500)),
            (&[("retry-after", "Sun, 12 Apr 2026 09:00:30 GMT")], Some(30_000)),
            (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1m30s")], Some(90_000)),
            (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "250ms")], Some(250)),
            (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1.5s")], Some(1_500)),
            // A limit that is not used up is not the reason.
            (&[("x-ratelimit-remaining-tokens", "7"), ("x-ratelimit-reset-tokens", "6m0s")], None),
            (
                &[
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", "2026-04-12T09:00:05Z"),
                    ("anthropic-ratelimit-tokens-remaining", "0"),
                    ("anthropic-ratelimit-tokens-reset", "2026-04-12T09:00:20Z"),
                ],
                Some(20_000),
            ),
            (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "soon")], None),
            (&[("retry-after-ms", "-5")], None),
        ] {
            assert_eq!(delay(headers), milliseconds, "{headers:?}");
        }
    }
}
