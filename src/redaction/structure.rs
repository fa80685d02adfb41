//! Redacts parsed data in place.

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::counts::{Class, Counts};
use super::names;
use super::pass::Pass;
use super::rules;
use super::secrets::{self, Field, LAST_APPLIED};
use super::span::Fill;
use super::values;

/// What the surroundings say of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Anything,
    /// The `items` of a `SecretList`: typed lists leave out the kind of their items.
    SecretItems,
}

pub(super) fn redact(pass: Pass<'_>, value: &mut Value) -> Counts {
    let mut walk = Walk { pass, counts: Counts::default() };
    walk.value(None, value, Within::Anything);
    walk.counts
}

struct Walk<'a> {
    pass: Pass<'a>,
    counts: Counts,
}

impl Walk<'_> {
    fn value(&mut self, name: Option<&str>, value: &mut Value, within: Within) {
        match value {
            Value::Object(map) => self.map(map, within),
            Value::Array(list) => self.list(name, list, within),
            Value::String(text) => {
                if let Some((redacted, counts)) = self.pass.member(name, text) {
                    *text = redacted;
                    self.counts.merge(&counts);
                }
            }
            Value::Number(number) => {
                let text = number.to_string();
                if let Some((class, _)) = name.and_then(|name| rules::member(name, &text)) {
                    *value = self.placeholder(&text, class);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn placeholder(&mut self, secret: &str, class: Class) -> Value {
        self.counts.add(class);
        Value::String(self.pass.tagger.placeholder(secret.as_bytes(), class))
    }

    fn map(&mut self, map: &mut Map<String, Value>, within: Within) {
        if map.shift_remove(LAST_APPLIED).is_some() {
            self.counts.add(Class::LastApplied);
        }
        let text = |name: &str| map.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = text("kind");
        let has_secret_type = kind.is_empty() && secrets::is_secret_type(text("type"));
        let is_secret = kind == "Secret" || within == Within::SecretItems || has_secret_type;
        let is_list = kind == "SecretList";
        let pair =
            ["name", "Name", "key", "Key"].into_iter().map(text).find(|name| !name.is_empty()).map(str::to_owned);
        for (name, value) in map.iter_mut() {
            if let Some(field) = Field::named(name).filter(|_| is_secret) {
                self.secret(field, name, value);
                continue;
            }
            let name = match name.as_str() {
                "value" | "Value" => pair.as_deref().unwrap_or(name),
                _ => name,
            };
            let is_items = is_list && name == "items";
            self.value(Some(name), value, if is_items { Within::SecretItems } else { Within::Anything });
        }
        self.names(map);
    }

    /// Member names are text too; one that holds a secret is rare enough to rebuild the map for it.
    fn names(&mut self, map: &mut Map<String, Value>) {
        if map.keys().all(|name| self.pass.text(name).is_none()) {
            return;
        }
        for (name, value) in std::mem::take(map) {
            let name = match self.pass.text(&name) {
                Some((redacted, counts)) => {
                    self.counts.merge(&counts);
                    redacted
                }
                None => name,
            };
            map.insert(name, value);
        }
    }

    fn list(&mut self, name: Option<&str>, list: &mut [Value], within: Within) {
        let elements = name.and_then(names::judge_list);
        let mut arguments = Arguments::default();
        for value in list {
            if let Value::String(word) = value {
                let by_name = elements.filter(|class| values::is_secret(word, *class)).map(|class| (class, 0));
                if let Some((class, from)) = by_name.or_else(|| arguments.next(word)) {
                    let (kept, secret) = word.split_at_checked(from).unwrap_or(("", word));
                    let placeholder = self.pass.tagger.placeholder(secret.as_bytes(), class);
                    *word = format!("{kept}{placeholder}");
                    self.counts.add(class);
                    continue;
                }
            }
            self.value(None, value, within);
        }
    }

    /// Everything below `data` or `stringData` of a Secret.
    fn secret(&mut self, field: Field, key: &str, value: &mut Value) {
        let text = match value {
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    self.secret(field, key, value);
                }
                return self.names(map);
            }
            Value::Array(list) => return list.iter_mut().for_each(|value| self.secret(field, key, value)),
            Value::Null => return,
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
        };
        match secrets::fill(field, key, &text, false) {
            Some(Fill::Text { text, counts }) => {
                self.counts.merge(&counts);
                *value = Value::String(text);
            }
            Some(Fill::Tagged { secret, .. }) => {
                self.counts.add(Class::SecretObject);
                *value = Value::String(self.pass.tagger.placeholder(&secret, Class::SecretObject));
            }
            _ => {}
        }
    }
}
