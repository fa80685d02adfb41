use proptest::prelude::*;
use serde_json::json;

use super::*;

fn yaml_value(text: &str) -> Result<Value, ParseError> {
    parse(Notation::YamlDocument, text.as_bytes())
}

#[test]
fn scalars_read_as_kubernetes_reads_them() {
    let text = "t: yes\nm: 0644\nn: 007\nq: \"0644\"\ni: 3\nf: 1.5\nempty:\nnan: .nan\nd: \"2026-01-01T00:00:00Z\"\nu: 2026-01-01T00:00:00Z\n1: one\n";
    let expected = json!({"t": true, "m": 420, "n": 7, "q": "0644", "i": 3, "f": 1.5, "empty": null, "nan": ".nan",
        "d": "2026-01-01T00:00:00Z", "u": "2026-01-01T00:00:00Z", "1": "one"});
    assert_eq!(yaml_value(text).unwrap(), expected);
    assert_eq!(yaml_value("a: 1\na: 2\n").unwrap(), json!({"a": 2}), "the last of repeated keys, as in JSON");
}

#[test]
fn an_item_is_read_with_its_dash_and_indentation() {
    for text in ["- a: 1\n  b:\n  - x\n", "    - a: 1\n      b:\n      - x\n", "-\n  a: 1\n  b: [x]\n"] {
        assert_eq!(parse(Notation::YamlItem, text.as_bytes()).unwrap(), json!({"a": 1, "b": ["x"]}), "{text:?}");
    }
}

#[test]
fn errors_tell_the_line_and_never_quote_the_text() {
    let json = parse(Notation::Json, b"{\n\"password\": hunter2\n}").unwrap_err();
    assert_eq!((json.line, json.reason.as_ref()), (Some(2), "expected value"));
    let yaml = yaml_value("a: 1\nb: [hunter2\nc: \"hunter2\n").unwrap_err();
    assert!(yaml.line.is_some());
    assert!(!yaml.reason.contains("hunter2"), "{}", yaml.reason);
    let binary = parse(Notation::YamlDocument, b"a: 1\nb: \xff\xfe\n").unwrap_err();
    assert_eq!((binary.line, binary.reason.as_ref()), (Some(2), "not UTF-8 text"));
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for depth in [NESTING_MAX - 1, 2 * NESTING_MAX + 1, 100_000] {
        let json = "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(parse(Notation::Json, json.as_bytes()).is_ok(), depth <= 128, "JSON {depth}");
        assert_eq!(yaml_value(&json).is_ok(), depth <= NESTING_MAX, "flow {depth}");
        let dashes = "- ".repeat(depth) + "x";
        assert_eq!(yaml_value(&dashes).is_ok(), depth <= NESTING_MAX, "block {depth}");
    }
    let map: String = (0..NESTING_MAX - 1).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert!(yaml_value(&map).is_ok(), "deep schemas of CustomResourceDefinitions");
}

#[test]
fn aliases_cannot_multiply() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in [('b', 'a'), ('c', 'b'), ('d', 'c'), ('e', 'd'), ('f', 'e')] {
        let many = vec![format!("*{before}"); 10].join(",");
        bomb += &format!("{name}: &{name} [{many}]\n");
    }
    assert!(yaml_value(&bomb).is_err());
    let large = format!("a: &a {}\nb: *a\n", "x".repeat(ALIASED_TEXT_BYTES_MAX));
    assert!(yaml_value(&large).is_err(), "large texts may not use aliases");
    assert_eq!(yaml_value("a: &a {x: 1}\nb: *a\n").unwrap(), json!({"a": {"x": 1}, "b": {"x": 1}}));
    assert!(parse(Notation::YamlItem, b"- a: *elsewhere\n").unwrap_err().needs_context);
}

#[test]
fn tags_and_includes_do_nothing() {
    for text in ["a: !include /etc/passwd\n", "a: ${HOME}\n", "a: !!binary aGk=\n", "a: !custom x\n", "!!map {a: 1}\n"]
    {
        if let Ok(value) = yaml_value(text) {
            assert!(!value.to_string().contains("root:"), "{text}: {value}");
            assert!(!value.to_string().contains("/root"), "{text}: {value}");
        }
    }
}

#[test]
fn large_honest_documents_pass_the_budget() {
    let text: String = (0..200_000).map(|number| format!("k{number}: v\n")).collect();
    assert_eq!(yaml_value(&text).unwrap().as_object().unwrap().len(), 200_000);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for notation in [Notation::Json, Notation::YamlDocument, Notation::YamlItem] {
            let _ = parse(notation, &bytes);
        }
    }

    #[test]
    fn yaml_noise_never_panics(text in r#"([\[\]{}:,"'\\ \n\-#%&*!|>?@`]|a|b|<<|---|0x1|!!map){0,60}"#) {
        for notation in [Notation::YamlDocument, Notation::YamlItem] {
            let _ = parse(notation, text.as_bytes());
        }
    }
}
