//! Tables: what must go, what must stay, and what holds for any text.

mod benign;
mod classes;
mod properties;
mod structure;

use serde_json::Value;

use super::{Class, Redactor};

fn redactor() -> Redactor {
    Redactor::new([7; 32])
}

fn text(input: &str) -> String {
    redactor().text(input).text
}

/// Placeholders without their tags, so that expectations can be written down.
fn untagged(text: &str) -> String {
    regex::Regex::new(r"\[REDACTED:[0-9a-f]{6}\]").unwrap().replace_all(text, "[R]").into_owned()
}

fn value(mut input: Value) -> Value {
    redactor().value(&mut input);
    input
}

#[test]
fn the_key_is_not_shown_and_makes_tags_incomparable() {
    assert_eq!(format!("{:?}", redactor()), "Redactor { tagger: Tagger(..), personal_data: false, replaced: 0 }");
    assert_ne!(text("password=hunter2"), Redactor::new([8; 32]).text("password=hunter2").text);
}

#[test]
fn the_same_secret_has_the_same_tag_wherever_it_stands() {
    let tag = |input: &str| {
        let output = text(input);
        output.split("[REDACTED:").nth(1).unwrap_or_else(|| panic!("{output}")).split(']').next().unwrap().to_owned()
    };
    let tags: Vec<String> = [
        "DB_PASSWORD=hunter2",
        "postgres://app:hunter2@db/shop",
        r#"{"kind":"Secret","data":{"p":"aHVudGVyMg=="}}"#,
        "kind: Secret\nstringData:\n  p: hunter2\n",
        "kind: Secret\ndata:\n  p: aHVudGVyMg==\n",
        r#"{"name":"DB_PASSWORD","value":"hunter2"}"#,
        r#"["--password","hunter2"]"#,
    ]
    .iter()
    .map(|input| tag(input))
    .collect();
    assert!(tags.iter().all(|tag| *tag == tags[0]), "{tags:?}");
    assert_ne!(tags[0], tag("password=hunter3"));
}

#[test]
fn counts_add_up_by_class() {
    let mut counts = redactor().text("password=hunter2 token=abc123def AKIAIOSFODNN7EXAMPLE").counts;
    assert_eq!(counts.iter().collect::<Vec<_>>(), [("password", 1), ("token", 1), ("aws_key_id", 1)]);
    counts.merge(&redactor().text("password=hunter2").counts);
    assert_eq!((counts.of(Class::Password), counts.total()), (2, 4));
    assert!(redactor().text("all is well").counts.is_empty());
    assert_eq!(
        Class::ALL.iter().map(|class| class.as_str()).collect::<std::collections::BTreeSet<_>>().len(),
        Class::ALL.len()
    );
    assert!(Class::ALL.iter().enumerate().all(|(place, class)| *class as usize == place));
}
