use super::*;

fn instance(container: &str, previous: bool, lines: &[(&str, &str)]) -> Instance {
    let line = |(number, (time, text)): (u64, &(&str, &str))| LogLine {
        number,
        time: (!time.is_empty()).then(|| format!("2026-05-04T{time}Z").parse().unwrap()),
        text: (*text).to_owned(),
    };
    let lines = (1..).zip(lines).map(line).collect();
    Instance { container: container.to_owned(), previous, read: Ok(lines), truncated: false }
}

fn told_at(instances: Vec<Instance>) -> Story {
    told(instances, None, Timestamp::UNIX_EPOCH)
}

#[test]
fn instances_become_one_story_in_order_of_time() {
    let story = told_at(vec![
        instance("web", false, &[("", "banner"), ("10:00:05", "new"), ("", "  at a")]),
        instance("web", true, &[("10:00:01", "old")]),
        instance("proxy", false, &[("10:00:03", "ready")]),
    ]);
    assert_eq!(
        story.texts(),
        [
            "[web previous] 2026-05-04T10:00:01Z old",
            "[proxy] 2026-05-04T10:00:03Z ready",
            "[web] banner",
            "[web] 2026-05-04T10:00:05Z new",
            "[web]   at a"
        ]
    );
}

#[test]
fn without_times_the_instance_before_comes_first() {
    let story = told_at(vec![instance("web", false, &[("", "b")]), instance("web", true, &[("", "a")])]);
    assert_eq!(story.texts(), ["[previous] a", "b"]);
}

#[test]
fn a_line_that_says_its_time_needs_no_other() {
    for (text, says) in [
        ("2026-05-04 10:00:00,123 INFO x", true),
        (r#"{"level":"info","ts":"2026-05-04T10:00:00Z"}"#, true),
        ("I0504 10:00:00.1 klog", true),
        ("10:00 o'clock", false),
        ("", false),
    ] {
        assert_eq!(says_its_time(text), says, "{text}");
    }
}

#[test]
fn colours_go_and_binary_is_counted() {
    assert_eq!(printable("\u{1b}[31mERROR\u{1b}[0m\tx\u{7}"), "ERROR\tx");
    assert_eq!(printable("\u{fffd}\u{fffd}\u{0}a"), "(8 bytes of binary data)");
    assert_eq!(printable("\u{1b}"), "");
}

#[test]
fn a_log_that_comes_twice_is_told_once() {
    let lines: &[(&str, &str)] = &[("10:00:01", "out of memory")];
    let mut twice = vec![instance("web", true, lines), instance("web", false, lines), instance("proxy", false, lines)];
    drop_repetitions(&mut twice);
    let story = told_at(twice);
    let texts = story.texts();
    assert_eq!(
        texts,
        ["[web previous] 2026-05-04T10:00:01Z out of memory", "[proxy] 2026-05-04T10:00:01Z out of memory"]
    );
    let story = told_at(vec![instance("web", true, lines)]);
    assert_eq!(story.texts(), ["2026-05-04T10:00:01Z out of memory"]);
    assert_eq!(story.header(), "instance before the last restart:");
}
