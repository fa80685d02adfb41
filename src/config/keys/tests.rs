use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::config::load::{self, Hashes};
use crate::config::node::{Content, Entry, Node, Origin, Source};
use crate::config::{Config, Loaded, Loader, Variables, effective, inspection};

/// A name no section has.
const NOBODY: &str = "zz-nobody";

/// Places a pattern stands for: every alternative, one name for `*`, the first item for `[]`.
fn instances(pattern: &str) -> Vec<Vec<String>> {
    pattern.split('.').fold(vec![Vec::new()], |paths, part| {
        let names: Vec<&str> = if part == "*" { vec!["X"] } else { part.split('|').collect() };
        let with = |path: &Vec<String>, name: &str| path.iter().cloned().chain([name.to_owned()]).collect();
        paths.iter().flat_map(|path| names.iter().map(|name| with(path, name)).collect::<Vec<_>>()).collect()
    })
}

/// Puts a value at a path; `[]` makes a list of one.
fn put(root: &mut Value, path: &[String], value: Value) {
    match path.split_first() {
        None => *root = value,
        Some((first, rest)) if first == "[]" => {
            if !root.is_array() {
                *root = json!([{}]);
            }
            put(&mut root[0], rest, value);
        }
        Some((first, rest)) => {
            if !root.is_object() {
                *root = json!({});
            }
            put(&mut root[first.as_str()], rest, value);
        }
    }
}

/// What a section needs beside the key in question.
fn surroundings(path: &[String]) -> Value {
    let mut root = json!({});
    match path.first().map(String::as_str) {
        Some("llm") => root["llm"] = json!({"model": "m"}),
        Some("data_storage") => root["data_storage"] = json!({}),
        Some("mcp_servers") => root["mcp_servers"] = json!({path[1].as_str(): {}}),
        _ => {}
    }
    match path.get(1).map(String::as_str) {
        Some("custom_headers") => root["llm"]["custom_headers"] = json!([{"name": "X"}]),
        Some("fallbacks") => root["llm"]["fallbacks"] = json!([{}]),
        Some("phase_models") => root["llm"]["phase_models"] = json!({path[2].as_str(): {}}),
        Some("prometheus/metrics") => {
            root["toolsets"] = json!({"prometheus/metrics": {"config": {"prometheus_url": "http://p"}}});
        }
        Some("prices") => put(&mut root, &path[..path.len() - 1], json!({"prompt": 1, "completion": 1})),
        Some("alertmanager") => {
            root["toolsets"] = json!({"alertmanager": {"config": {"alertmanager_url": "http://a"}}});
        }
        _ => {}
    }
    if path.last().is_some_and(|last| last == "capability_override" || last == "effort") && path.len() > 3 {
        put(&mut root, &path[..path.len() - 1], json!({"enabled": false}));
    }
    root
}

fn read(root: Value) -> Result<Config, String> {
    Config::deserialize(root).map_err(|error| error.to_string())
}

/// The names a section's own type accepts.
fn accepted(section: &[String]) -> Option<BTreeSet<String>> {
    let mut root = json!({});
    put(&mut root, section, json!({NOBODY: 1}));
    let error = read(root).err()?;
    let (told, expected) = error.split_once("expected ")?;
    told.contains("unknown field").then(|| expected.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

#[test]
fn the_table_and_the_sections_agree_in_both_directions() {
    let mut sections: BTreeSet<Vec<String>> = BTreeSet::from([Vec::new()]);
    for key in keys() {
        for path in instances(key.path) {
            sections.extend((1..path.len()).map(|count| path[..count].to_vec()));
            // A key is no section.
            assert_eq!(accepted(&path), None, "{path:?}");
        }
    }
    for section in sections {
        let mut listed = BTreeSet::new();
        let mut others = BTreeSet::new();
        for key in keys() {
            for path in instances(key.path).iter().filter(|path| path.starts_with(&section)) {
                listed.insert(path[section.len()].clone());
                if path.len() == section.len() + 1 {
                    others.extend(key.aliases.iter().map(|name| (*name).to_owned()));
                }
            }
        }
        // Lists, names that are anybody's, and names of providers, which are words and no fields.
        if listed.contains("[]") || listed.contains("X") || section == ["cost", "prices"] {
            continue;
        }
        let accepted = accepted(&section).unwrap_or_else(|| panic!("{section:?} accepts everything"));
        let own: BTreeSet<String> = accepted.difference(&others).cloned().collect();
        assert_eq!(own, listed, "{section:?}");
    }
}

/// As a file would say it; words stay texts.
fn default_of(key: &Key) -> Value {
    match key.kind {
        Kind::Word(_) | Kind::Text | Kind::Address(_) | Kind::File | Kind::Checked(_) => json!(key.default),
        _ => serde_saphyr::from_str(key.default).unwrap_or(Value::Null),
    }
}

#[test]
fn documented_defaults_are_the_real_ones() {
    let mut seen = 0;
    for key in keys().filter(|key| !key.default.is_empty()) {
        for path in instances(key.path) {
            let unset = surroundings(&path);
            let mut set = unset.clone();
            put(&mut set, &path, default_of(key));
            assert_eq!(read(set), read(unset), "{}", key.path);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

/// A value that is not the default.
fn another(key: &Key) -> Value {
    let default = default_of(key);
    let other = |candidates: Vec<Value>| candidates.into_iter().find(|candidate| *candidate != default).unwrap();
    match key.kind {
        Kind::Switch => json!(default != json!(true)),
        Kind::Whole(least, most) => other(vec![json!(least), json!(most)]),
        Kind::Number(least, most) => other(vec![json!(least), json!(most)]),
        Kind::Positive(most) => json!(most * 0.625),
        Kind::Text | Kind::Secret => json!("sample"),
        Kind::Address(schemes) => json!(format!("{}://sample:1", schemes[0])),
        Kind::File => json!("/sample"),
        Kind::Word(words) => other(words.iter().rev().map(|word| json!(word)).collect()),
        Kind::Checked(check) => {
            other(["DEBUG", "ollama"].into_iter().filter(|word| check(word).is_ok()).map(|word| json!(word)).collect())
        }
        Kind::Texts => json!(["sample"]),
        Kind::Words(words) => json!([words[0]]),
        Kind::Numbers(..) => json!([1.0]),
    }
}

#[test]
fn every_key_reaches_its_section() {
    for key in keys() {
        for path in instances(key.path) {
            let unset = surroundings(&path);
            let mut set = unset.clone();
            put(&mut set, &path, another(key));
            let (set, unset) = (read(set), read(unset));
            assert!(set.is_ok(), "{}: {set:?}", key.path);
            assert_ne!(set, unset, "{} changes nothing", key.path);
        }
    }
}

/// Values that a key must refuse.
fn wrong(key: &Key) -> Vec<Value> {
    let mut wrong = vec![json!({"a": "map"})];
    match key.kind {
        Kind::Switch => wrong.extend([json!("perhaps"), json!(1)]),
        Kind::Whole(least, most) => {
            wrong.extend([json!("many"), json!(most + 1), json!(0.5)]);
            wrong.extend((least > 0).then(|| json!(least - 1)));
        }
        Kind::Number(least, most) => wrong.extend([json!("many"), json!(least - 1.0), json!(most + 1.0)]),
        Kind::Positive(most) => wrong.extend([json!("many"), json!(0), json!(-1), json!(most * 1.5)]),
        Kind::Text | Kind::Secret | Kind::File => wrong.push(json!(1)),
        Kind::Address(_) => wrong.extend([json!("no address"), json!("ftp://host"), json!(1)]),
        Kind::Word(_) | Kind::Checked(_) => wrong.extend([json!("no such word"), json!(1)]),
        Kind::Texts => wrong.extend([json!("one"), json!([1])]),
        Kind::Words(_) => wrong.extend([json!("one"), json!([1]), json!(["no such word"])]),
        Kind::Numbers(_, most) => wrong.extend([json!(1), json!([most + 1.0]), json!(["one"])]),
    }
    wrong
}

#[test]
fn every_key_refuses_what_it_does_not_take_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    for key in keys() {
        for path in instances(key.path) {
            for value in wrong(key) {
                let mut root = surroundings(&path);
                put(&mut root, &path, value.clone());
                std::fs::write(&file, root.to_string()).unwrap();
                let error = Loader::new(&file, Variables::default()).load().unwrap_err();
                let named = path.iter().map(|name| if name == "[]" { "0" } else { name }).collect::<Vec<_>>().join(".");
                let told =
                    error.problems().iter().any(|problem| problem.path == named && problem.place.contains(":1:"));
                assert!(told, "{named}: {value}: {error}");
            }
        }
    }
}

#[test]
fn no_key_is_both_built_and_not() {
    for key in keys() {
        for path in instances(key.path) {
            let path: Vec<String> =
                path.into_iter().map(|name| if name == "[]" { "0".to_owned() } else { name }).collect();
            assert_eq!(ignored(&path), None, "{}", key.path);
            assert!(find(&path).is_some_and(|found| found.path == key.path), "{}", key.path);
        }
    }
}

fn tree(value: &Value) -> Node {
    let origin = Origin::named(Source::Main, "config.yaml");
    let entry =
        |(name, value): (&String, &Value)| Entry { name: name.clone(), origin: origin.clone(), node: tree(value) };
    let content = match value {
        Value::Object(members) => Content::Map(members.iter().map(entry).collect()),
        Value::Array(items) => Content::List(items.iter().map(tree).collect()),
        value => Content::Scalar(value.clone()),
    };
    Node { origin, content }
}

/// As it is loaded, whatever contradicts something else in it.
fn loaded(root: &Value) -> Loaded {
    let mut root = tree(root);
    let findings = inspection::inspect(&mut root);
    let mut problems = findings.wrong;
    let mut config = load::sections(&root, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    config.settle(&[]);
    Loaded {
        bundles: Vec::new(),
        fields: effective::fields(&root, &config),
        unknown: Vec::new(),
        ignored: Vec::new(),
        notices: Vec::new(),
        semantics_changed: Vec::new(),
        shadowed: Vec::new(),
        hashes: Hashes { main: String::new(), sdk: None },
        config,
        root,
    }
}

/// Every key: what the column `Changes` of the reference says is what a running service does with it.
#[test]
fn a_changed_key_counts_or_waits_as_the_table_says() {
    let (mut live, mut waiting) = (0, 0);
    for key in keys() {
        for path in instances(key.path) {
            let before = surroundings(&path);
            let mut after = before.clone();
            put(&mut after, &path, another(key));
            let named = path.iter().map(|name| if name == "[]" { "0" } else { name }).collect::<Vec<_>>().join(".");
            for (before, after) in [(&before, &after), (&after, &before)] {
                let (active, other) = (loaded(before), loaded(after));
                assert_ne!(active.config, other.config, "{named}");
                let taken = other.laid_over(&active).unwrap_or_else(|problems| panic!("{named}: {problems:?}"));
                let told = (taken.changed.concat(), taken.needs_restart.concat());
                if key.live == Live::Restart {
                    assert_eq!((&taken.counting.config, told), (&active.config, (String::new(), named.clone())));
                    waiting += 1;
                } else {
                    assert_eq!((&taken.counting.config, told), (&other.config, (named.clone(), String::new())));
                    live += 1;
                }
            }
        }
    }
    assert!(live > 400 && waiting > 100, "{live} {waiting}");
}

/// A list is taken over as one: no item of it can wait while its neighbour counts.
#[test]
fn nothing_in_a_list_and_no_secret_needs_a_restart() {
    for key in keys().filter(|key| key.live == Live::Restart) {
        assert!(!key.path.contains("[]"), "{}", key.path);
        assert!(!matches!(key.kind, Kind::Secret), "{}: another one would not be told", key.path);
    }
}
