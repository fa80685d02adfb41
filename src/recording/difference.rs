//! What is different between two texts, for people: the lines that differ, with some around them, bounded. Pure.

/// Lines shown before and after what differs.
const AROUND: usize = 2;
/// Most differing lines shown of each text.
const LINES_MAX: usize = 20;
/// Characters of one line.
const LINE_CHARS_MAX: usize = 160;

/// A unified difference of one stretch: from the first line that differs to the last. Empty when nothing does.
pub(super) fn unified(recorded: &[String], now: &[String]) -> String {
    let first = recorded.iter().zip(now).take_while(|(a, b)| a == b).count();
    if first == recorded.len() && first == now.len() {
        return String::new();
    }
    let left = recorded.len().min(now.len()) - first;
    let last = recorded.iter().rev().zip(now.iter().rev()).take(left).take_while(|(a, b)| a == b).count();
    let mut lines = vec!["--- recorded".to_owned(), "+++ now".to_owned(), format!("@@ line {} @@", first + 1)];
    let from = first.saturating_sub(AROUND);
    lines.extend(part(recorded, from, first).iter().map(|line| shown(' ', line, 0)));
    let (old, new) = (part(recorded, first, recorded.len() - last), part(now, first, now.len() - last));
    let at = first_difference(old.first().map_or("", String::as_str), new.first().map_or("", String::as_str));
    for (sign, differing) in [('-', old), ('+', new)] {
        lines.extend(differing.iter().take(LINES_MAX).map(|line| shown(sign, line, at)));
        if differing.len() > LINES_MAX {
            lines.push(format!("{sign}… {} more lines", differing.len() - LINES_MAX));
        }
    }
    let behind = recorded.len() - last;
    lines.extend(part(recorded, behind, behind + AROUND).iter().map(|line| shown(' ', line, 0)));
    lines.join("\n")
}

/// How many lines two texts share, about: for finding the nearest.
pub(super) fn likeness(a: &str, b: &str) -> usize {
    let front = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let back = a.chars().rev().zip(b.chars().rev()).take_while(|(a, b)| a == b).count();
    front + back
}

fn part(lines: &[String], from: usize, to: usize) -> &[String] {
    lines.get(from..to.min(lines.len())).unwrap_or_default()
}

/// In characters.
fn first_difference(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// A long line is cut so that character `at` is seen.
fn shown(sign: char, line: &str, at: usize) -> String {
    const BEFORE: usize = 40;
    let length = line.chars().count();
    let skipped = if length <= LINE_CHARS_MAX { 0 } else { at.saturating_sub(BEFORE) };
    let kept: String = line.chars().skip(skipped).take(LINE_CHARS_MAX).collect();
    let front = if skipped > 0 { "…" } else { "" };
    let back = if skipped + LINE_CHARS_MAX < length { "…" } else { "" };
    format!("{sign}{front}{kept}{back}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_differs_is_shown_with_its_surroundings() {
        let cases = [
            ("a b c", "a b c", ""),
            ("a b c d e f g", "a b c X e f g", "--- recorded\n+++ now\n@@ line 4 @@\n b\n c\n-d\n+X\n e\n f"),
            ("a", "a b", "--- recorded\n+++ now\n@@ line 2 @@\n a\n+b"),
            ("a a", "a", "--- recorded\n+++ now\n@@ line 2 @@\n a\n-a"),
            ("", "a", "--- recorded\n+++ now\n@@ line 1 @@\n+a"),
        ];
        for (recorded, now, expected) in cases {
            assert_eq!(unified(&lines(recorded), &lines(now)), expected, "{recorded} / {now}");
        }
    }

    #[test]
    fn long_texts_are_bounded_and_show_the_place() {
        let text = |word: &str| vec![format!("{}{word}{}", "x".repeat(500), "y".repeat(500))];
        let difference = unified(&text("ONE"), &text("TWO"));
        assert!(difference.contains("ONE") && difference.contains("TWO"), "{difference}");
        let many: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        assert!(unified(&many, &[]).lines().count() < 30);
        assert!(difference.chars().count() < 500);
    }
}
