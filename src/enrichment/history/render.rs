//! The history as a section of a prompt (investigation §7.5.2).

use super::repetition::{declining, repetitions};
use super::{Entry, HashMatch, HealthChecks, History, MetricDeltas, Tier};

/// Most recent remediations shown, the newest.
const RECENT_SHOWN_MAX: usize = 20;
/// Most older remediations shown, the newest.
const OLDER_SHOWN_MAX: usize = 30;
/// Most characters of one word from the history: ids, action types, signals.
const WORD_CHARS_MAX: usize = 120;
/// Scores from here on are good, from the second on moderate.
const GOOD_SCORE_MIN: f64 = 0.7;
const MODERATE_SCORE_MIN: f64 = 0.4;

/// The section; empty when nothing was ever tried. `threshold` completed repeats make a repetition.
pub fn render(history: &History, threshold: usize) -> String {
    if history.is_empty() {
        return String::new();
    }
    let mut lines = vec![format!("### Remediation history of {}", word(&history.target_resource))];
    if history.regression_detected {
        lines.push(
            "**Regression**: the configuration is back at a state that was remediated before. \
             What was done then did not last: choose another approach."
                .to_owned(),
        );
    }
    lines.extend(recent(history));
    lines.extend(older(&history.tier2));
    lines.extend(declining(history).into_iter().map(|(action_type, scores)| {
        let scores = scores.iter().map(|score| format!("{score:.2}")).collect::<Vec<_>>().join(", ");
        format!(
            "**Declining effectiveness**: {} helps less each time ({scores}); it may only treat a symptom.",
            word(action_type)
        )
    }));
    lines.extend(repetition_lines(history, threshold));
    lines.push(
        "Avoid approaches that failed or had little effect. Repeated success that does not last means that the cause lies \
         elsewhere. When nothing promising is left, prefer review by a human."
            .to_owned(),
    );
    if history.entries().any(Entry::is_spec_drift) {
        lines.push(
            "Note on inconclusive entries: the specification was changed during their assessment by someone else, a \
             controller, a Git sync or a person. Their effect is unknown, and the competing change may itself be the cause."
                .to_owned(),
        );
    }
    lines.join("\n")
}

fn recent(history: &History) -> Vec<String> {
    let tier = &history.tier1;
    let entry = |entry: &Entry| {
        let mut lines = vec![format!("- {}", headline(entry))];
        let details = if entry.is_spec_drift() { drift(entry, history) } else { details(entry) };
        lines.extend(details.into_iter().map(|detail| format!("  - {detail}")));
        lines.join("\n")
    };
    shown(tier, &format!("Recent remediations (last {})", window(tier, "24h")), RECENT_SHOWN_MAX, entry)
}

fn older(tier: &Tier) -> Vec<String> {
    let entry = |entry: &Entry| {
        let facts = if entry.is_spec_drift() { vec!["inconclusive (spec drift)".to_owned()] } else { brief(entry) };
        format!("- {}; {}", headline(entry), facts.join("; "))
    };
    shown(tier, &format!("Historical remediations (last {})", window(tier, "2160h")), OLDER_SHOWN_MAX, entry)
}

/// A heading and the newest entries, newest last; nothing without entries.
fn shown(tier: &Tier, heading: &str, shown_max: usize, line: impl Fn(&Entry) -> String) -> Vec<String> {
    let left_out = tier.chain.len().saturating_sub(shown_max);
    let mut entries: Vec<&Entry> = tier.chain.iter().collect();
    entries.sort_by_key(|entry| entry.completed_at);
    let mut lines: Vec<String> = entries.into_iter().skip(left_out).map(line).collect();
    if left_out > 0 {
        lines.insert(0, format!("- ({left_out} earlier ones are left out)"));
    }
    if !lines.is_empty() {
        lines.insert(0, format!("{heading}, newest last:"));
    }
    lines
}

fn headline(entry: &Entry) -> String {
    let time = entry.completed_at.map_or("unknown time".to_owned(), |time| time.to_string());
    let or_unknown = |text: &Option<String>, unknown: &str| text.as_deref().map_or(unknown.to_owned(), word);
    format!(
        "{} at {time}: {}, outcome {}, signal {}",
        word(&entry.remediation_uid),
        or_unknown(&entry.action_type, "unknown action"),
        or_unknown(&entry.outcome, "unknown"),
        or_unknown(&entry.signal_type, "unknown"),
    )
}

/// What is told instead of scores and checks that mean nothing.
fn drift(entry: &Entry, history: &History) -> Vec<String> {
    let mut lines = vec!["inconclusive: the specification was changed during assessment (spec drift)".to_owned()];
    let left = entry.post_remediation_spec_hash.as_deref().filter(|hash| !hash.is_empty());
    let follow_ups = history.entries().filter(|other| {
        left.is_some()
            && other.pre_remediation_spec_hash.as_deref() == left
            && other.remediation_uid != entry.remediation_uid
    });
    lines.extend(follow_ups.map(|other| {
        format!("it led to the follow-up remediation {}: be cautious with it", word(&other.remediation_uid))
    }));
    lines
}

fn brief(entry: &Entry) -> Vec<String> {
    let score = match entry.score() {
        Some(score) => format!("effectiveness {score:.2} ({})", level(score)),
        None => "effectiveness unknown".to_owned(),
    };
    let matched = match entry.hash_match {
        HashMatch::PreRemediation => Some("the configuration is again as it was before this remediation"),
        HashMatch::PostRemediation => Some("the configuration is unchanged since this remediation"),
        HashMatch::None => None,
    };
    let resolved =
        entry.signal_resolved.map(|resolved| if resolved { "signal resolved" } else { "signal not resolved" });
    let texts = [matched, resolved].into_iter().flatten().map(str::to_owned);
    std::iter::once(score).chain(texts).collect()
}

fn details(entry: &Entry) -> Vec<String> {
    let lines = [health(&entry.health_checks), metrics(&entry.metric_deltas)];
    brief(entry).into_iter().chain(lines.into_iter().flatten()).collect()
}

fn level(score: f64) -> &'static str {
    match score {
        score if score >= GOOD_SCORE_MIN => "good",
        score if score >= MODERATE_SCORE_MIN => "moderate",
        _ => "poor",
    }
}

fn health(checks: &HealthChecks) -> Option<String> {
    let choice = |value: Option<bool>, name: &str, yes: &str, no: &str| {
        value.map(|value| format!("{name} {}", if value { yes } else { no }))
    };
    let facts = [
        choice(checks.pod_running, "running", "yes", "no"),
        choice(checks.readiness_pass, "readiness", "pass", "fail"),
        checks.restart_delta.map(|delta| format!("restarts {delta:+}")),
        choice(checks.crash_loops, "crash loops", "yes", "no"),
        choice(checks.oom_killed, "out of memory", "yes", "no"),
        checks.pending_count.filter(|count| *count > 0).map(|count| format!("pending pods {count}")),
    ];
    line("health", facts)
}

fn metrics(deltas: &MetricDeltas) -> Option<String> {
    let change = |name: &str, before: Option<f64>, after: Option<f64>, decimals: usize, unit: &str| {
        let (before, after) = before.zip(after)?;
        Some(format!("{name} {before:.decimals$} -> {after:.decimals$}{unit}"))
    };
    let facts = [
        change("cpu", deltas.cpu_before, deltas.cpu_after, 2, ""),
        change("memory", deltas.memory_before, deltas.memory_after, 1, ""),
        change("latency p95", deltas.latency_p95_before_ms, deltas.latency_p95_after_ms, 1, " ms"),
        change("error rate", deltas.error_rate_before, deltas.error_rate_after, 4, ""),
    ];
    line("metrics", facts)
}

fn line<const N: usize>(name: &str, facts: [Option<String>; N]) -> Option<String> {
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    (!facts.is_empty()).then(|| format!("{name}: {}", facts.join(", ")))
}

fn repetition_lines(history: &History, threshold: usize) -> impl Iterator<Item = String> {
    repetitions(history, threshold).into_iter().map(|repetition| {
        let action = word(&repetition.action_type);
        let signal = repetition.signal_type.as_deref().map_or("signals that were not recorded".to_owned(), word);
        let count = repetition.count;
        if repetition.must_be_avoided {
            format!(
                "**Must be avoided**: {action} completed {count} times for {signal} without any effect. It must not be \
                 chosen again for this signal; choose another action type or review by a human."
            )
        } else {
            format!(
                "**Repetition**: {action} completed {count} times for {signal}. Consider whether it reaches the cause \
                 before choosing it again."
            )
        }
    })
}

/// A Go duration without its zero minutes and seconds.
fn window(tier: &Tier, default: &str) -> String {
    match (tier.window.as_str(), tier.window.strip_suffix("h0m0s")) {
        ("", _) => default.to_owned(),
        (_, Some(hours)) => format!("{}h", word(hours)),
        (window, None) => word(window),
    }
}

/// One line of bounded length, whatever was recorded.
fn word(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut word: String = clean.take(WORD_CHARS_MAX).collect();
    if text.chars().nth(WORD_CHARS_MAX).is_some() {
        word.push('…');
    }
    word
}
