//! Takes whole `annotations` objects out of a text: logs do not carry what people and controllers attach to objects
//! (operations §3.6, architecture §7 "Log redaction"). JSON in any layout, YAML in block form. Pure.

use std::borrow::Cow;

/// Stands where an object was.
const OMITTED: &str = "[OMITTED]";
const KEY: &str = "nnotations";

/// The text without them; borrowed when there are none.
pub fn without_annotations(text: &str) -> Cow<'_, str> {
    if !text.contains(KEY) {
        return Cow::Borrowed(text);
    }
    let block = without_blocks(text);
    match without_objects(&block) {
        Cow::Borrowed(_) => Cow::Owned(block.into_owned()),
        Cow::Owned(text) => Cow::Owned(text),
    }
}

/// YAML: `annotations:` alone on its line, and every deeper line below it.
fn without_blocks(text: &str) -> Cow<'_, str> {
    let mut kept: Vec<Cow<'_, str>> = Vec::new();
    let mut below: Option<usize> = None;
    for line in text.split('\n') {
        let body = line.trim_start();
        let indent = line.len() - body.len();
        if below.is_some_and(|least| body.is_empty() || indent > least) {
            continue;
        }
        below = None;
        if is_heading(body) {
            below = Some(indent);
            kept.push(Cow::Owned(format!("{} {OMITTED}", line.trim_end())));
        } else {
            kept.push(Cow::Borrowed(line));
        }
    }
    if kept.iter().all(|line| matches!(line, Cow::Borrowed(_))) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(kept.join("\n"))
}

fn is_heading(line: &str) -> bool {
    let key = line.trim_end().trim_start_matches("- ").strip_suffix(':');
    key.is_some_and(|key| is_key(key.trim_matches(['"', '\''])))
}

fn is_key(name: &str) -> bool {
    name == "annotations" || name.ends_with("_annotations") || name.ends_with("Annotations")
}

/// JSON: a member with such a name whose value is an object, also where the JSON itself is quoted.
fn without_objects(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(KEY) {
        let (before, after) = rest.split_at(at + KEY.len());
        clean.push_str(before);
        let gap = after.len() - after.trim_start_matches(['"', '\'', '\\', ':', ' ', '\n', '\t']).len();
        let (between, value) = after.split_at(gap);
        clean.push_str(between);
        rest = value;
        if value.starts_with('{') && between.contains(':') {
            clean.push_str(OMITTED);
            rest = value.get(object_length(value)..).unwrap_or_default();
        }
    }
    if clean.is_empty() {
        return Cow::Borrowed(text);
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

/// Bytes of the object a text begins with; all of it when the object is cut off.
fn object_length(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, letter) in text.bytes().enumerate() {
        match letter {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_blocks_go() {
        let cases = [
            ("nothing here", "nothing here"),
            ("annotations are fine in prose", "annotations are fine in prose"),
            (r#"{"annotations":{"a":"x}\"y","b":{"c":1}},"kind":"Pod"}"#, r#"{"annotations":[OMITTED],"kind":"Pod"}"#),
            (r#"{"signal_annotations": {"a":"x"}, "n": 1}"#, r#"{"signal_annotations": [OMITTED], "n": 1}"#),
            (r#"{"annotations":{"cut":"off"#, r#"{"annotations":[OMITTED]"#),
            (r#"{"annotations":null,"a":{"b":1}}"#, r#"{"annotations":null,"a":{"b":1}}"#),
            (
                "metadata:\n  annotations:\n    a: x\n\n    b: |\n      y\n  name: web\nspec: {}",
                "metadata:\n  annotations: [OMITTED]\n  name: web\nspec: {}",
            ),
            ("commonAnnotations:\n  a: x\nb: y", "commonAnnotations: [OMITTED]\nb: y"),
            ("a:\n- annotations:\n    x: y\n- b", "a:\n- annotations: [OMITTED]\n- b"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_annotations(text), expected, "{text}");
        }
        assert!(matches!(without_annotations("plain"), Cow::Borrowed(_)));
    }
}
