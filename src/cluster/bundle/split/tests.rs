#![expect(clippy::cast_possible_truncation, clippy::string_slice, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn taken_apart(text: &str) -> Split {
    split(text.as_bytes(), 1_000).unwrap()
}

fn piece<'a>(text: &'a str, piece: &Piece) -> &'a str {
    &text[piece.start as usize..(piece.start + piece.bytes) as usize]
}

/// Texts of the objects, whichever way they are held.
fn texts(text: &str) -> Vec<&str> {
    let split = taken_apart(text);
    let of = |document: &Document| match &document.items {
        Items::Member(items) | Items::Sequence(items) if document.is_list() => {
            items.iter().map(|item| piece(text, item)).collect::<Vec<_>>()
        }
        _ => vec![piece(text, &document.whole)],
    };
    split.documents.iter().flat_map(of).collect()
}

#[test]
fn json_lists_and_streams_come_apart() {
    let table: &[(&str, &[&str])] = &[
        (r#"{"kind":"Pod","a":[{"b":1}]}"#, &[r#"{"kind":"Pod","a":[{"b":1}]}"#]),
        (r#"{"kind":"List","items":[{"a":"}]\"{"}, {"b":[]}]}"#, &[r#"{"a":"}]\"{"}"#, r#"{"b":[]}"#]),
        (r#"{"items":[{"a":1}],"kind":"PodList"}"#, &[r#"{"a":1}"#]),
        (r#"{"items":[{"a":1}],"kind":"Menu"}"#, &[r#"{"items":[{"a":1}],"kind":"Menu"}"#]),
        (r#"{"spec":{"items":[{"a":1}]},"kind":"List"}"#, &[r#"{"spec":{"items":[{"a":1}]},"kind":"List"}"#]),
        (r#"[{"a":1},{"b":{}}]"#, &[r#"{"a":1}"#, r#"{"b":{}}"#]),
        ("{\"a\":1}\n{\"b\":2}\n", &[r#"{"a":1}"#, r#"{"b":2}"#]),
        ("\u{feff} {\"a\":1}", &[r#"{"a":1}"#]),
        (r#"{"kind":"List","items":[]}"#, &[]),
        (r#"{"x":"items","items":[{"a":1}]}"#, &[r#"{"a":1}"#]),
        (r#"{"metadata":{"items":"x"},"items":[{"a":1},{"a":2}]}"#, &[r#"{"a":1}"#, r#"{"a":2}"#]),
    ];
    for (text, expected) in table {
        assert_eq!(texts(text), *expected, "{text}");
        assert_eq!(taken_apart(text).problem, None, "{text}");
    }
}

#[test]
fn json_that_breaks_off_keeps_its_complete_items() {
    let text = "{\"items\": [\n{\"a\": 1},\n{\"b\": {}},\n{\"c\": [1, 2";
    assert_eq!(texts(text), ["{\"a\": 1}", "{\"b\": {}}"]);
    let problem = taken_apart(text).problem.unwrap();
    assert_eq!((problem.line, problem.reason), (4, "ends in the middle of a value; record the file again"));
    assert_eq!(texts("{\"kind\": \"Pod\", \"metadata\": {"), Vec::<&str>::new(), "half an object is none");
    for wrong in ["{]", "{}}", "{\"a\":1} tail", "[{\"a\":1}}"] {
        assert!(taken_apart(wrong).problem.is_some(), "{wrong}");
    }
}

#[test]
fn an_unclosed_string_breaks_only_its_own_item() {
    let text = "{\"items\": [\n{\"a\": \"oops},\n{\"b\": 1}\n]}";
    let split = taken_apart(text);
    assert!(split.problem.is_some() || texts(text).contains(&"{\"b\": 1}"));
}

#[test]
fn pieces_know_their_lines() {
    let text = "\n\n{\"items\": [\n{\"a\": 1},\n\n{\"b\": 2}]}";
    let Items::Member(items) = &taken_apart(text).documents[0].items else { panic!() };
    assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [4, 6]);
    let text = "# c\n---\nitems:\n- a: 1\n  b: |\n    - x\n# c\n- c: 1\nkind: List\n---\na: 1\n";
    let split = taken_apart(text);
    let Items::Member(items) = &split.documents[0].items else { panic!() };
    assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [4, 8]);
    assert_eq!(split.documents[1].whole.line, 10);
}

#[test]
fn yaml_documents_and_items_come_apart() {
    let table: &[(&str, &[&str])] = &[
        ("kind: Pod\nmetadata:\n  name: a\n", &["kind: Pod\nmetadata:\n  name: a\n"]),
        ("a: 1\n---\nb: 2\n", &["a: 1\n", "---\nb: 2\n"]),
        ("---\n---\n# nothing\n---\na: 1\n...\n", &["---\na: 1\n"]),
        ("---  # first\na: 1", &["---  # first\na: 1"]),
        ("apiVersion: v1\nitems:\n- a: 1\n  b: 2\n- c: 3\nkind: List\n", &["- a: 1\n  b: 2\n", "- c: 3\n"]),
        (
            "items:\n  - a: 1\n    l:\n    - x\n  - b: 2\nkind: PodList\n",
            &["  - a: 1\n    l:\n    - x\n", "  - b: 2\n"],
        ),
        (
            "items:\n- a: |\n    - not\n\n    ---\n  b: 1\n- c: 2\n",
            &["- a: |\n    - not\n\n    ---\n  b: 1\n", "- c: 2\n"],
        ),
        ("- a: 1\n- b: 2\n", &["- a: 1\n", "- b: 2\n"]),
        ("  - a: 1\n  - b: 2\n", &["  - a: 1\n", "  - b: 2\n"]),
        ("items:\n-\n  a: 1\n- b: 1\n", &["-\n  a: 1\n", "- b: 1\n"]),
        ("items: []\nkind: List\n", &[]),
        ("items:\n- a: 1\nkind: Menu\n", &["items:\n- a: 1\nkind: Menu\n"]),
        ("items: [{a: 1}]\nkind: List\n", &["items: [{a: 1}]\nkind: List\n"]),
        ("kind: \"List\" # c\nitems:\r\n- a: 1\r\n- b: 2\r\n", &["- a: 1\r\n", "- b: 2\r\n"]),
        (
            "data:\n  k: |\n    items:\n    - a\nkind: ConfigMap\n",
            &["data:\n  k: |\n    items:\n    - a\nkind: ConfigMap\n"],
        ),
        ("cert: |\n  -----BEGIN\n", &["cert: |\n  -----BEGIN\n"]),
        ("%YAML 1.2\n---\na: 1\n", &["---\na: 1\n"]),
        ("", &[]),
        ("# only a comment\n", &[]),
    ];
    for (text, expected) in table {
        assert_eq!(texts(text), *expected, "{text:?}");
    }
}

#[test]
fn headers_of_lists_are_read() {
    let split = taken_apart("apiVersion: 'apps/v1'\nitems:\n- metadata: {name: a}\nkind: DeploymentList\n");
    let document = &split.documents[0];
    assert_eq!((document.kind.as_deref(), document.api_version.as_deref()), (Some("DeploymentList"), Some("apps/v1")));
    let split = taken_apart(r#"{"items":[{}],"apiVersion":"v1","kind":"PodList","metadata":{"kind":"x"}}"#);
    assert_eq!(split.documents[0].kind.as_deref(), Some("PodList"));
}

#[test]
fn the_number_of_pieces_is_bounded() {
    let json = format!("[{}]", vec!["{}"; 50].join(","));
    let yaml = "- a: 1\n".repeat(50);
    for text in [json, yaml] {
        let split = split(text.as_bytes(), 10).unwrap();
        assert_eq!(
            split.problem.map(|problem| problem.reason),
            Some("more objects than are read, the rest is skipped; record fewer kinds or namespaces")
        );
        let Items::Sequence(items) = &split.documents[0].items else { panic!() };
        assert_eq!(items.len(), 10);
    }
}

proptest! {
    /// Whatever the bytes, pieces lie inside the file.
    #[test]
    fn random_bytes_never_leave_the_file(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let split = split(bytes.as_slice(), 100).unwrap();
        for document in &split.documents {
            let mut pieces = match &document.items {
                Items::Member(items) | Items::Sequence(items) => items.clone(),
                Items::None | Items::Unknown => Vec::new(),
            };
            pieces.push(document.whole);
            for piece in pieces {
                prop_assert!(piece.start + piece.bytes <= bytes.len() as u64 + 1, "{piece:?}");
            }
        }
    }

    /// Texts made of the characters the splitters look at.
    #[test]
    fn structural_noise_never_panics(text in r#"([\[\]{}:,"\\ \n\-#%]|items|kind|List|a|---|- ){0,80}"#) {
        let _ = taken_apart(&text);
    }

    /// However a list of objects is printed, its items come back one by one.
    #[test]
    fn printed_lists_come_back(names in proptest::collection::vec("[a-z\\[\\]{}\"\\\\#: -]{0,12}", 0..8), pretty: bool) {
        let items: Vec<_> = names.iter().map(|name| serde_json::json!({"metadata": {"name": name}, "l": [{}, []]})).collect();
        let list = serde_json::json!({"apiVersion": "v1", "items": items, "kind": "List"});
        let json = if pretty { serde_json::to_string_pretty(&list) } else { serde_json::to_string(&list) }.unwrap();
        let parsed: Vec<serde_json::Value> = texts(&json).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        prop_assert_eq!(&parsed, &items);
        let yaml = serde_saphyr::to_string(&list).unwrap();
        if !items.is_empty() {
            let parsed: Vec<Vec<serde_json::Value>> =
                texts(&yaml).iter().map(|text| serde_saphyr::from_str(text).unwrap()).collect();
            prop_assert_eq!(parsed.concat(), items, "{}", yaml);
        }
    }
}
