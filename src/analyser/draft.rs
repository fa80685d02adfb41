//! What every signature does alike when it writes a finding down.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Observed;
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};

/// A finding with its identity set and everything else empty: fill it with struct update syntax.
/// Disposition is `Act`; the target is what the caller says, so pass the root owner where one applies.
pub fn draft(signature: &str, cause_class: CauseClass, subject: &ResourceRef, target: ResourceRef) -> Finding {
    Finding {
        signature: signature.to_owned(),
        cause_class,
        summary: String::new(),
        subject: subject.clone(),
        target,
        affects: Vec::new(),
        action_type: None,
        parameters: BTreeMap::new(),
        causal_chain: Vec::new(),
        evidence: Vec::new(),
        strength: 0.5,
        disposition: Disposition::Act,
    }
}

/// Parameter hints from pairs.
pub fn parameters<V: Into<Value>>(pairs: impl IntoIterator<Item = (&'static str, V)>) -> BTreeMap<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// Evidence that quotes what the object has at `path`; "absent" when there is nothing.
pub fn field_evidence(object: &Object, path: &str, claim: impl Into<String>) -> Evidence {
    Evidence::field(claim, object.reference(), path, object.at(path).map_or_else(|| "absent".to_owned(), compact))
}

/// Evidence that quotes one entry of a map whose keys contain dots: labels, annotations, resource amounts.
pub fn entry_evidence(object: &Object, path: &str, key: &str, claim: impl Into<String>) -> Evidence {
    let value = object.at(path).and_then(|map| map.get(key)).map_or_else(|| "absent".to_owned(), compact);
    Evidence::field(claim, object.reference(), format!("{path}[{key}]"), value)
}

/// A value as people write it: strings bare, everything else as compact JSON, cut at [`VALUE_CHARS_MAX`].
pub fn compact(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    let kept: String = text.chars().take(VALUE_CHARS_MAX).collect();
    format!("{kept}…")
}

/// Most characters of a quoted field value.
pub const VALUE_CHARS_MAX: usize = 400;

/// The pods, each followed by every owner above it up to the root, without repetition: what suffers when they do.
pub fn pods_and_owners<'a>(observed: &Observed, pods: impl IntoIterator<Item = &'a Object>) -> Vec<ResourceRef> {
    let mut found: Vec<ResourceRef> = Vec::new();
    let mut push = |reference: ResourceRef| {
        if !found.iter().any(|seen| seen.same_object(&reference)) {
            found.push(reference);
        }
    };
    for pod in pods {
        observed.owner_chain(pod).into_iter().for_each(|object| push(object.reference()));
        push(observed.root_owner(pod));
    }
    found
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`: names for a sentence, at most `shown` of them.
pub fn enumerate<T: AsRef<str>>(names: &[T], shown: usize) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let hidden = names.len().saturating_sub(shown);
    match (names.as_slice(), hidden) {
        ([], _) => "none".to_owned(),
        ([only], _) => (*only).to_owned(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (all, hidden) => {
            let kept: Vec<&str> = all.iter().copied().take(shown).collect();
            format!("{} and {hidden} more", kept.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_enumerated_like_in_a_sentence() {
        let names = ["a", "b", "c", "d"];
        for (count, shown, text) in
            [(0, 3, "none"), (1, 3, "a"), (2, 3, "a and b"), (3, 3, "a, b and c"), (4, 2, "a, b and 2 more")]
        {
            assert_eq!(enumerate(names.get(..count).unwrap_or_default(), shown), text);
        }
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(compact(&Value::from(7)), "7");
        assert_eq!(compact(&Value::from("x".repeat(500))).chars().count(), VALUE_CHARS_MAX + 1);
    }
}
