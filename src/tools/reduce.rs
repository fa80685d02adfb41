//! From everything a tool found to what fits a conversation (investigation §2.6): deterministic, by the kind of data, and
//! never silent about what was left out. Pure; works on redacted content.

use serde_json::Value;

use super::{Content, Keep};

/// Longest line shown, in characters.
pub const LINE_CHARS_MAX: usize = 2_000;
/// Share of a shortened log that its beginning and its error lines may each take; the end takes the rest.
const HEAD_SHARE: f64 = 0.2;
const ERRORS_SHARE: f64 = 0.3;

/// What the model is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduced {
    pub text: String,
    /// What was left out, in words; `None` when nothing was.
    pub left_out: Option<String>,
}

/// The whole content as text: what quotes are looked up in and pages are cut from.
pub fn whole(content: &Content) -> String {
    match content {
        Content::Text(text) => text.clone(),
        Content::Json(value) => value.to_string(),
        Content::Lines { header, lines, footer, .. } => joined(header, lines.iter().map(String::as_str), footer),
    }
}

/// At most about `chars_max` characters of it, the most telling ones.
pub fn reduce(content: &Content, chars_max: usize) -> Reduced {
    match content {
        Content::Text(text) => cut(text, chars_max),
        Content::Json(value) => of_json(value, chars_max),
        Content::Lines { header, lines, footer, keep } => of_lines(header, lines, footer, *keep, chars_max),
    }
}

/// The first characters, never half of one.
fn cut(text: &str, chars_max: usize) -> Reduced {
    let Some((end, _)) = text.char_indices().nth(chars_max) else {
        return Reduced { text: text.to_owned(), left_out: None };
    };
    let rest = text.get(end..).unwrap_or_default().chars().count();
    Reduced {
        text: text.get(..end).unwrap_or_default().to_owned(),
        left_out: Some(format!("the last {rest} characters")),
    }
}

/// How much of lists and texts inside structured data survives, step by step.
struct Step {
    items_max: usize,
    chars_max: usize,
}

const STEPS: [Step; 5] = [
    Step { items_max: 200, chars_max: 2_000 },
    Step { items_max: 50, chars_max: 500 },
    Step { items_max: 20, chars_max: 200 },
    Step { items_max: 8, chars_max: 120 },
    Step { items_max: 3, chars_max: 60 },
];

fn of_json(value: &Value, chars_max: usize) -> Reduced {
    let text = value.to_string();
    if text.chars().count() <= chars_max {
        return Reduced { text, left_out: None };
    }
    let left_out = Some("list items and ends of long texts, each marked in its place".to_owned());
    for step in &STEPS {
        let mut smaller = value.clone();
        shorten(&mut smaller, step);
        let text = smaller.to_string();
        if text.chars().count() <= chars_max {
            return Reduced { text, left_out };
        }
    }
    cut(&text, chars_max)
}

fn shorten(value: &mut Value, step: &Step) {
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(step.chars_max) {
                let rest = text.get(end..).unwrap_or_default().chars().count();
                text.truncate(end);
                text.push_str(&format!("… ({rest} characters more)"));
            }
        }
        Value::Array(items) => {
            let more = items.len().saturating_sub(step.items_max);
            items.truncate(step.items_max);
            items.iter_mut().for_each(|item| shorten(item, step));
            if more > 0 {
                items.push(Value::String(format!("… ({more} more)")));
            }
        }
        Value::Object(members) => members.values_mut().for_each(|member| shorten(member, step)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn of_lines(header: &str, lines: &[String], footer: &str, keep: Keep, chars_max: usize) -> Reduced {
    let lines: Vec<String> = lines.iter().map(|line| short_line(line)).collect();
    let budget = chars_max.saturating_sub(header.chars().count() + footer.chars().count());
    let sizes: Vec<usize> = lines.iter().map(|line| line.chars().count() + 1).collect();
    if sizes.iter().sum::<usize>() <= budget {
        return Reduced { text: joined(header, lines.iter().map(String::as_str), footer), left_out: None };
    }
    let kept = match keep {
        Keep::Head => first(&sizes, 0..lines.len(), budget),
        Keep::HeadTailAndErrors => head_tail_and_errors(&lines, &sizes, budget),
    };
    let count = kept.iter().filter(|kept| **kept).count();
    let mut shown: Vec<String> = Vec::new();
    let mut gap = 0;
    for (line, kept) in lines.iter().zip(&kept) {
        if *kept {
            shown.extend(gap_mark(gap));
            gap = 0;
            shown.push(line.clone());
        } else {
            gap += 1;
        }
    }
    shown.extend(gap_mark(gap));
    Reduced {
        text: joined(header, shown.iter().map(String::as_str), footer),
        left_out: Some(format!("{} of {} lines", lines.len() - count, lines.len())),
    }
}

fn gap_mark(lines: usize) -> Option<String> {
    (lines > 0).then(|| format!("… {lines} lines left out …"))
}

fn short_line(line: &str) -> String {
    match line.char_indices().nth(LINE_CHARS_MAX) {
        None => line.to_owned(),
        Some((end, _)) => {
            let rest = line.get(end..).unwrap_or_default().chars().count();
            format!("{}… ({rest} characters more)", line.get(..end).unwrap_or_default())
        }
    }
}

/// Marks lines from the front of `order` as long as they fit.
fn first(sizes: &[usize], order: impl IntoIterator<Item = usize>, budget: usize) -> Vec<bool> {
    let mut kept = vec![false; sizes.len()];
    mark(&mut kept, sizes, order, budget);
    kept
}

/// Returns what is left of the budget.
fn mark(kept: &mut [bool], sizes: &[usize], order: impl IntoIterator<Item = usize>, mut budget: usize) -> usize {
    for index in order {
        let (Some(kept), Some(size)) = (kept.get_mut(index), sizes.get(index)) else { continue };
        if *kept {
            continue;
        }
        if *size > budget {
            break;
        }
        budget -= size;
        *kept = true;
    }
    budget
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "shares of a small positive number"
)]
fn head_tail_and_errors(lines: &[String], sizes: &[usize], budget: usize) -> Vec<bool> {
    let share = |share: f64| (budget as f64 * share) as usize;
    let mut kept = vec![false; lines.len()];
    let head_rest = mark(&mut kept, sizes, 0..lines.len(), share(HEAD_SHARE));
    // Newest first: what failed last is closest to now.
    let errors = lines.iter().enumerate().rev().filter(|(_, line)| tells_of_trouble(line)).map(|(index, _)| index);
    let errors_rest = mark(&mut kept, sizes, errors, share(ERRORS_SHARE));
    let spent = share(HEAD_SHARE) - head_rest + share(ERRORS_SHARE) - errors_rest;
    mark(&mut kept, sizes, (0..lines.len()).rev(), budget.saturating_sub(spent));
    kept
}

/// Words that loggers and runtimes use for what went wrong.
pub fn tells_of_trouble(line: &str) -> bool {
    const WORDS: [&str; 16] = [
        "error",
        "fatal",
        "panic",
        "exception",
        "traceback",
        "fail",
        "refused",
        "denied",
        "timeout",
        "timed out",
        "killed",
        "unable",
        "cannot",
        "not found",
        "critical",
        "warn",
    ];
    let line = line.to_ascii_lowercase();
    WORDS.iter().any(|word| line.contains(word))
}

fn joined<'a>(header: &'a str, lines: impl Iterator<Item = &'a str>, footer: &'a str) -> String {
    let edge = |text: &'a str| (!text.is_empty()).then_some(text);
    let all: Vec<&str> = edge(header).into_iter().chain(lines).chain(edge(footer)).collect();
    all.join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn log(lines: usize) -> Content {
        let line = |n: usize| {
            if n == lines / 2 { "ERROR out of disk".to_owned() } else { format!("line {n} all is well") }
        };
        let lines = (0..lines).map(line).collect();
        Content::Lines { header: String::new(), lines, footer: "total".into(), keep: Keep::HeadTailAndErrors }
    }

    #[test]
    fn a_short_answer_stays_whole() {
        for content in [log(3), Content::Json(json!({"a": [1]})), Content::Text("ü".into())] {
            assert_eq!(reduce(&content, 500), Reduced { text: whole(&content), left_out: None });
        }
    }

    #[test]
    fn a_long_log_keeps_beginning_end_and_errors_in_order() {
        let Reduced { text, left_out } = reduce(&log(1_000), 800);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines.last()), ("line 0 all is well", Some(&"total")));
        assert!(lines.contains(&"ERROR out of disk") && lines.contains(&"line 999 all is well"), "{text}");
        assert!(left_out.unwrap().ends_with("of 1000 lines"));
        let numbers: Vec<usize> = lines.iter().filter_map(|line| line.split(' ').nth(1)?.parse().ok()).collect();
        let shown: Vec<usize> =
            numbers.iter().copied().filter(|n| lines.contains(&&*format!("line {n} all is well"))).collect();
        assert!(shown.is_sorted(), "{text}");
    }

    #[test]
    fn structured_data_stays_structured() {
        let rows: Vec<Value> =
            (0..500).map(|n| json!({"name": format!("pod-{n}"), "log": "x".repeat(3_000)})).collect();
        let Reduced { text, left_out } = reduce(&Content::Json(json!({"items": rows})), 4_000);
        let value: Value = serde_json::from_str(&text).unwrap();
        let items = value["items"].as_array().unwrap();
        assert!(items.last().unwrap().as_str().unwrap().ends_with("more)"), "{text}");
        assert!(left_out.is_some());
    }

    proptest! {
        #[test]
        fn the_bound_holds_and_nothing_is_cut_inside_a_character(text in "[a-zü€𝄞\n]{0,400}", max in 0_usize..200) {
            let reduced = reduce(&Content::Text(text.clone()), max);
            prop_assert!(reduced.text.chars().count() <= max || reduced.left_out.is_none());
            prop_assert!(text.starts_with(&reduced.text));
        }
    }
}
