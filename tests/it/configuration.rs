//! Configuration files in circulation, loaded as they are and with every key misspelt once (operations §1.6, §1.7), and the
//! documented keys.

use std::path::{Path, PathBuf};

use holmesgpt_api::config::{Loaded, Loader, ProblemKind, Variables, reference};
use holmesgpt_api::llm::{Environment, Llm};
use serde_json::Value;
use tempfile::TempDir;

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config");
    let mut shapes: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    shapes.sort();
    shapes
}

fn loader(main: &Path, sdk: &Path) -> Loader {
    Loader::new(main, Variables::default()).with_sdk(sdk.exists().then(|| sdk.to_owned()))
}

fn load(shape: &Path) -> Result<Loaded, Vec<String>> {
    let loaded = loader(&shape.join("main.yaml"), &shape.join("sdk.yaml")).load();
    loaded.map_err(|error| error.problems().iter().map(ToString::to_string).collect())
}

fn named(name: &str) -> Result<Loaded, Vec<String>> {
    load(corpus().iter().find(|shape| shape.ends_with(name)).unwrap())
}

/// Shapes that load and are then refused, each with what is told.
const REFUSED: &[(&str, &[&str])] = &[("11-empty-strings", &["llm.provider: is empty", "llm.model: is empty"])];

#[test]
fn every_shape_in_circulation_is_understood() {
    let shapes = corpus();
    assert_eq!(shapes.len(), 15);
    for shape in shapes {
        let name = shape.file_name().unwrap().to_string_lossy().into_owned();
        let told: &[&str] = REFUSED.iter().find(|(refused, _)| *refused == name).map_or(&[], |(_, told)| told);
        let problems = load(&shape).err().unwrap_or_default();
        assert_eq!(problems.len(), told.len(), "{name}: {problems:?}");
        for told in told {
            assert!(problems.iter().any(|problem| problem.contains(told)), "{name}: {problems:?}");
        }
    }
}

#[test]
fn what_the_shapes_say_has_effect() {
    let chart = named("02-chart-prometheus-ca").unwrap();
    let config = &chart.config;
    let llm = config.llm.as_ref().unwrap();
    assert_eq!((llm.model.as_str(), llm.temperature), ("gpt-4o", Some(0.7)));
    assert_eq!(config.data_storage().unwrap().url, "http://data-storage-service:8080");
    let prometheus = config.toolsets.prometheus().unwrap();
    assert_eq!(prometheus.prometheus_url.as_deref(), Some("http://prometheus.monitoring.svc:9090"));
    assert!(chart.notices.iter().any(|notice| notice.contains("service-ca.crt does not exist")), "{:?}", chart.notices);

    let january = named("03-january-manifest").unwrap();
    let llm = january.config.llm.as_ref().unwrap();
    assert_eq!((llm.provider.as_str(), llm.timeout_seconds), ("vertex_ai", 60));
    assert_eq!((january.config.server.port, january.config.server.host.as_deref()), (8080, Some("0.0.0.0")));
    let ignored: Vec<&str> = january.ignored.iter().map(|key| key.path.as_str()).collect();
    for key in [
        "dev_mode",
        "auth_enabled",
        "context_api.url",
        "kubernetes.service_port",
        "public_endpoints",
        "metrics.enabled",
    ] {
        assert!(ignored.contains(&key), "{key}: {ignored:?}");
    }
    for key in ["llm.temperature", "llm.timeout_seconds", "llm.endpoint", "llm.max_tokens_per_request"] {
        assert!(
            january.semantics_changed.iter().any(|change| change.starts_with(key)),
            "{:?}",
            january.semantics_changed
        );
    }

    let successor = named("13-successor").unwrap();
    let config = &successor.config;
    assert_eq!((config.server.port, config.session.max_concurrent_investigations), (8443, 10));
    assert_eq!((config.investigation.rca.max_turns, config.investigation.selection.max_turns), (40, 20));
    let llm = config.llm.as_ref().unwrap();
    assert_eq!((llm.model.as_str(), llm.circuit_breaker.interval_seconds), ("gpt-4o", 10));
    assert_eq!(llm.phase_models.rca.as_ref().unwrap().model.as_deref(), Some("gpt-4o-mini"));
}

#[test]
fn a_secrets_file_is_read() {
    let llm = named("12-secrets-file").unwrap().config.llm.unwrap();
    let nothing = TempDir::new().unwrap();
    assert!(Llm::build_in(&llm, &Environment::new([], nothing.path())).is_ok());
    let without = holmesgpt_api::llm::LlmConfig { secrets_file: None, ..llm };
    let error = Llm::build_in(&without, &Environment::new([], nothing.path())).unwrap_err().to_string();
    assert!(error.contains("needs a key") && error.contains("OPENAI_API_KEY"), "{error}");
}

/// Names of all keys, below the sections whose names are anybody's.
fn paths(value: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    const FREE: [&str; 2] = ["mcp_servers", "headers"];
    if path.last().is_some_and(|last| FREE.contains(&last.as_str())) {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                path.push(name.clone());
                found.push(path.clone());
                paths(member, path, found);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                paths(item, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The same document with one key spelt differently.
fn misspelt(value: &Value, path: &[String], wrong: &str) -> Value {
    let (first, rest) = path.split_first().unwrap();
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, member)| match (name == first, rest.is_empty()) {
                    (true, true) => (wrong.to_owned(), member.clone()),
                    (true, false) => (name.clone(), misspelt(member, rest, wrong)),
                    (false, _) => (name.clone(), member.clone()),
                })
                .collect(),
        ),
        Value::Array(items) => {
            let mut items = items.clone();
            let index: usize = first.parse().unwrap();
            items[index] = misspelt(&items[index], rest, wrong);
            Value::Array(items)
        }
        _ => panic!("{path:?}"),
    }
}

#[test]
fn every_key_misspelt_once_is_reported_with_file_line_and_suggestion() {
    let folder = TempDir::new().unwrap();
    let mut seen = 0;
    for shape in corpus() {
        for file in ["main.yaml", "sdk.yaml"].into_iter().filter(|file| shape.join(file).exists()) {
            let text = std::fs::read_to_string(shape.join(file)).unwrap();
            let whole: Value = serde_saphyr::from_str(&text).unwrap();
            let mut keys = Vec::new();
            paths(&whole, &mut Vec::new(), &mut keys);
            for path in keys {
                let right = path.last().unwrap();
                let wrong = format!("{right}x");
                let text = serde_json::to_string_pretty(&misspelt(&whole, &path, &wrong)).unwrap();
                let line = 1 + text.lines().position(|line| line.contains(&format!("\"{wrong}\":"))).unwrap();
                let written = folder.path().join(file);
                std::fs::write(&written, text).unwrap();
                let at = |name: &str| if name == file { written.clone() } else { shape.join(name) };
                let error = loader(&at("main.yaml"), &at("sdk.yaml")).load().unwrap_err();
                let place = format!("{}:{line}:", written.display());
                let report = error.problems().iter().find(|problem| {
                    problem.kind == ProblemKind::UnknownKey
                        && problem.place.starts_with(&place)
                        && problem.path.rsplit('.').next() == Some(&wrong)
                });
                let report = report.unwrap_or_else(|| panic!("{}: {path:?}: {error}", shape.display()));
                let meant = report.suggestion.as_deref().and_then(|meant| meant.rsplit('.').next());
                assert_eq!(meant, Some(right.as_str()), "{}: {path:?}: {error}", shape.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 200, "{seen}");
}

/// The reference of all keys in `docs/configuration.md` is the table's. `UPDATE_DOCS=1` writes it.
#[test]
fn the_documented_keys_are_the_known_ones() {
    const BEGIN: &str = "<!-- keys: holmesgpt-api config-keys -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, documented) = text.split_once(BEGIN).unwrap();
    if documented != reference() && std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}", reference())).unwrap();
    } else {
        assert!(documented == reference(), "docs/configuration.md is stale: run the tests with UPDATE_DOCS=1");
    }
}
