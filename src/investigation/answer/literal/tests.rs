use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn what_models_write_when_they_mean_json() {
    for (text, expected) in [
        (r#"{"a": [1, -2.5, 1e3], "b": {"c": null}}"#, json!({"a": [1, -2.5, 1e3], "b": {"c": null}})),
        ("{'a': True, 'b': False, 'c': None}", json!({"a": true, "b": false, "c": null})),
        (r#"{'a': 'it\'s', "b": "it's", 'c': 'say "no"'}"#, json!({"a": "it's", "b": "it's", "c": "say \"no\""})),
        ("{'a': [1, 2,], 'b': 3,}", json!({"a": [1, 2], "b": 3})),
        ("{ // first\n 'a': 1, # second, 'x': 2\n /* third } */ 'b': 2 }", json!({"a": 1, "b": 2})),
        ("{a: 1, b_c: 2, d-e: 3}", json!({"a": 1, "b_c": 2, "d-e": 3})),
        ("{\"a\": \"two\nlines\"}", json!({"a": "two\nlines"})),
        (
            r#"["\u00e4\ud83d\ude00", "\ud83d", "\ud83dx", "\ud83d\u0041", "\x41", "\d+\u12", "a\/b"]"#,
            json!(["ä😀", "\u{fffd}", "\u{fffd}x", "\u{fffd}A", "A", "\\d+\\u12", "a/b"]),
        ),
        ("[+1, .5, 5., 1_000, 95%, -0.5 ]", json!([1.0, 0.5, 5.0, 1000, "95%", -0.5])),
        ("[NaN, undefined]", json!([null, null])),
        ("\u{feff}\u{a0}{}", json!({})),
        ("[18446744073709551615, 18446744073709551616]", json!([u64::MAX, 18446744073709551616.0])),
        ("{'a': 1, 'a': 2}", json!({"a": 2})),
        ("'text'", json!("text")),
    ] {
        assert_eq!(read_whole(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    for (text, at, expected, members) in [
        ("", 0, "a value", vec![]),
        ("{", 1, "a member name or `}`", vec![]),
        ("{\"a\" 1}", 5, "`:`", vec![]),
        ("{\"a\": 1 \"b\": 2}", 8, "`,` or `}`", vec!["a"]),
        ("{\"a\": {\"b\": 1}, \"c\": \"say \"no\"\"}", 27, "`,` or `}`", vec!["a", "c"]),
        ("[1 2]", 3, "`,` or `]`", vec![]),
        ("{\"a\": \"b", 8, "the end of the text in quotes", vec!["a"]),
        ("{\"a\": \"b\\", 9, "the end of the text in quotes", vec!["a"]),
        ("{\"a\": maybe}", 6, "a value", vec!["a"]),
        ("{\"a\": 1.2.3}", 6, "a number", vec!["a"]),
        ("{\"a\": 1e999}", 6, "a number", vec!["a"]),
        ("{ /* a", 2, "the end of the comment", vec![]),
        ("{} {}", 3, "the end", vec![]),
        ("{\"é\": é}", 7, "a value", vec!["é"]),
    ] {
        let members = members.into_iter().map(str::to_owned).collect();
        assert_eq!(read_whole(text), Err(Broken { at, expected, members }), "{text}");
    }
}

#[test]
fn nesting_ends_at_its_bound() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read_whole(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(read_whole(&nested(DEPTH_MAX + 1)).unwrap_err().expected, "less nesting");
    assert!(read_whole(&"{\"a\":".repeat(100_000)).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn json_reads_as_serde_json_reads_it(value in any_json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(read_whole(&text), Ok(serde_json::from_str(&text).unwrap()), "{}", text);
        }
    }

    #[test]
    fn any_text_ends_in_a_value_or_a_place(text in any::<String>(), noise in r#"[\[\]{}:,'"\\#/*%0-9eunTé \n]{0,60}"#) {
        for text in [text, noise] {
            match read(&text, 0) {
                Ok((_, end)) => prop_assert!(text.is_char_boundary(end)),
                Err(broken) => prop_assert!(text.is_char_boundary(broken.at)),
            }
        }
    }
}
