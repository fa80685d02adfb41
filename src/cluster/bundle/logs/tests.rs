use std::io::Write;

use proptest::prelude::*;

use super::*;

fn written(text: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    file
}

fn query(tail_lines: Option<u32>) -> LogQuery {
    LogQuery { namespace: String::new(), pod: String::new(), container: None, previous: false, tail_lines, since: None }
}

fn read(text: &[u8], tail_lines: Option<u32>) -> ContainerLog {
    read_log(written(text).path(), "c".to_owned(), &query(tail_lines)).unwrap()
}

fn numbered(log: &ContainerLog) -> Vec<(u64, &str)> {
    log.lines.iter().map(|line| (line.number, line.text.as_str())).collect()
}

#[test]
fn the_end_of_a_log_keeps_its_line_numbers() {
    let text = b"one\ntwo\n\nfour\n";
    assert_eq!(numbered(&read(text, None)), [(1, "one"), (2, "two"), (3, ""), (4, "four")]);
    assert_eq!(numbered(&read(text, Some(2))), [(3, ""), (4, "four")]);
    assert_eq!(numbered(&read(b"one\ntwo", Some(1))), [(2, "two")]);
    assert_eq!(numbered(&read(b"\xff\xfe\n", None)), [(1, "\u{fffd}\u{fffd}")]);
    for (text, tail, truncated) in
        [(&b""[..], None, false), (b"a\nb\n", Some(2), false), (b"a\nb\n", Some(1), true), (b"a\n", Some(0), true)]
    {
        assert_eq!(read(text, tail).truncated, truncated, "{text:?} {tail:?}");
    }
    assert!(read(b"a\n", Some(0)).lines.is_empty());
}

#[test]
fn a_long_log_is_read_from_its_end() {
    let text: String =
        (1..=400_000).map(|number| format!("line {number} with some text to make it longer\n")).collect();
    let log = read(text.as_bytes(), Some(3));
    assert_eq!(log.lines.last().map(|line| line.number), Some(400_000));
    assert_eq!((log.lines.len(), log.truncated), (3, true));
    let most = read(text.as_bytes(), None);
    assert_eq!((most.lines.len(), most.lines[0].number), (LOG_LINES_MAX as usize, 395_001));
    for line in &most.lines {
        assert!(line.text.starts_with(&format!("line {} ", line.number)), "{line:?}");
    }
}

#[test]
fn bytes_are_bounded_even_in_one_line() {
    let line = vec![b'x'; LOG_BYTES_MAX + 10];
    let log = read(&line, None);
    assert_eq!((log.lines.len(), log.lines[0].text.len(), log.truncated), (1, LOG_BYTES_MAX, true));
    let mut two = line;
    two.extend_from_slice(b"\nlast\n");
    assert_eq!(numbered(&read(&two, None)), [(2, "last")], "the part of a line is left out when a whole one follows");
}

#[test]
fn since_drops_and_is_not_truncation() {
    let text = b"2026-01-01T00:00:00Z a\n2026-01-01T00:00:01Z b\n2026-01-01T00:00:02Z c\n";
    let since = |second: &str, tail| {
        let since = Some(format!("2026-01-01T00:00:0{second}Z").parse().unwrap());
        read_log(written(text).path(), "c".to_owned(), &LogQuery { since, ..query(tail) }).unwrap()
    };
    assert_eq!(numbered(&since("1", None)), [(2, "b"), (3, "c")]);
    assert!(since("9", None).lines.is_empty());
    assert!(!since("2", Some(2)).truncated, "what was cut off was not wanted");
    assert!(since("0", Some(2)).truncated);
}

#[test]
fn the_newest_stamp_is_found_at_the_end() {
    let text = b"2026-01-01T00:00:05Z a\n2026-01-01T00:00:01Z late\ntrace\n";
    let found = newest_stamp(written(text).path()).unwrap();
    assert_eq!(found, Some("2026-01-01T00:00:05Z".parse().unwrap()));
    assert_eq!(newest_stamp(written(b"").path()).unwrap(), None);
}

proptest! {
    /// Any tail is exactly the end of the whole, whatever the bytes.
    #[test]
    fn tails_are_ends(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300), tail in 0_u32..20) {
        let whole = read(&bytes, None);
        let part = read(&bytes, Some(tail));
        let skipped = whole.lines.len().saturating_sub(tail as usize);
        prop_assert_eq!(&part.lines, &whole.lines[skipped..]);
        prop_assert_eq!(part.truncated, skipped > 0);
    }
}
