//! The table of `doctor`: at most a hundred columns, the worst first, each with the way to mend it. Pure.

use std::fmt::Write as _;

use crate::app::doctor::{Check, Report, Status};

/// Columns of the whole table.
const COLUMNS: usize = 100;
const STATUS_COLUMNS: usize = 8;
const AREA_COLUMNS: usize = 14;
const NAME_COLUMNS: usize = 22;
const SEEN_COLUMNS: usize = COLUMNS - STATUS_COLUMNS - AREA_COLUMNS - NAME_COLUMNS;
/// Before the sentence that says how to mend it.
const MEND: &str = "mend: ";

/// The whole table, ending in a newline.
pub(super) fn table(report: &Report, colour: bool) -> String {
    let mut text = String::new();
    for check in &report.checks {
        row(&mut text, check, colour);
    }
    let counts = report.counts;
    let mut parts = Vec::new();
    for (count, word) in [
        (counts.failed, "failed"),
        (counts.warning, if counts.warning == 1 { "warning" } else { "warnings" }),
        (counts.ok, "ok"),
        (counts.skipped, "not used"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let _ = writeln!(text, "\n{}", parts.join(", "));
    text
}

fn row(text: &mut String, check: &Check, colour: bool) {
    let mut seen = wrapped(&check.seen, SEEN_COLUMNS);
    if let Some(mend) = &check.mend {
        let mut lines = wrapped(mend, SEEN_COLUMNS - MEND.len()).into_iter();
        seen.extend(lines.next().map(|first| format!("{MEND}{first}")));
        seen.extend(lines.map(|line| format!("{:width$}{line}", "", width = MEND.len())));
    }
    let names = wrapped(&check.name, NAME_COLUMNS - 1);
    for index in 0..seen.len().max(names.len()) {
        let cell = |lines: &[String]| lines.get(index).cloned().unwrap_or_default();
        let (status, area) = if index == 0 { (status(check.status), check.area.as_str()) } else { ("", "") };
        let status = painted(&format!("{status:STATUS_COLUMNS$}"), check.status, colour && index == 0);
        let line = format!("{status}{area:AREA_COLUMNS$}{:NAME_COLUMNS$}{}", cell(&names), cell(&seen));
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Failed => "FAILED",
        Status::Warning => "warning",
        Status::Ok => "ok",
        Status::Skipped => "-",
    }
}

fn painted(text: &str, status: Status, colour: bool) -> String {
    let code = match status {
        Status::Failed => "1;31",
        Status::Warning => "1;33",
        Status::Ok => "32",
        Status::Skipped => "2",
    };
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Words in lines of so many columns; a longer word is cut. Control characters do not reach a terminal.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut lines: Vec<String> = Vec::new();
    for word in clean.split_whitespace() {
        let mut word = word;
        loop {
            let room = match lines.last() {
                Some(line) if !line.is_empty() => columns.saturating_sub(line.chars().count() + 1),
                _ => columns,
            };
            if word.chars().count() <= room {
                match lines.last_mut() {
                    Some(line) if !line.is_empty() => {
                        line.push(' ');
                        line.push_str(word);
                    }
                    Some(line) => line.push_str(word),
                    None => lines.push(word.to_owned()),
                }
                break;
            }
            if word.chars().count() <= columns {
                lines.push(word.to_owned());
                break;
            }
            let cut = word.char_indices().nth(columns).map_or(word.len(), |(at, _)| at);
            let (head, tail) = word.split_at(cut);
            lines.push(head.to_owned());
            word = tail;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_long_ones_cut() {
        for (text, columns, expected) in [
            ("a bc d", 4, vec!["a bc", "d"]),
            ("abcdef g", 4, vec!["abcd", "ef g"]),
            ("x abcdef", 4, vec!["x", "abcd", "ef"]),
            ("a\nb\u{1b}[31m", 10, vec!["a b [31m"]),
            ("", 4, vec![]),
            ("äöüß äö", 4, vec!["äöüß", "äö"]),
        ] {
            assert_eq!(wrapped(text, columns), expected, "{text}");
        }
    }
}
