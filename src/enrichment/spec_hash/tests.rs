use serde_json::json;

use super::*;
use crate::domain::object::text_map;

/// Values the Go services compute.
const VECTORS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/canonical_hash_vectors.json"));

/// The vectors of one section, with the number there must be.
fn section(name: &str, count: usize) -> Vec<Value> {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = file[name].as_array().unwrap().clone();
    assert_eq!(vectors.len(), count, "{name}");
    vectors
}

fn id(vector: &Value) -> &str {
    vector["id"].as_str().unwrap()
}

/// Conformance 1: every section of the fixture file is read by one of the next five tests, and no other exists.
#[test]
fn every_section_of_the_vectors_is_tested() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let sections: Vec<&str> =
        file.as_object().unwrap().iter().filter(|(_, value)| value.is_array()).map(|(key, _)| key.as_str()).collect();
    let tested =
        ["spec_hash", "resource_fingerprint_v2", "config_map_data_hash", "config_map_references", "composite_hash"];
    assert_eq!(sections, tested);
}

#[test]
fn spec_vectors() {
    for vector in section("spec_hash", 49) {
        let input = Some(&vector["input"]).filter(|input| !input.is_null());
        let canonical = input.map_or_else(|| "{}".to_owned(), canonical_json);
        assert_eq!(canonical, vector["canonical_json"].as_str().unwrap(), "{}", id(&vector));
        assert_eq!(spec(Some(&vector["input"])), vector["expected"], "{}", id(&vector));
        // Canonical text is a fixed point, also of itself.
        assert_eq!(canonical_json(&serde_json::from_str(&canonical).unwrap()), canonical, "{}", id(&vector));
    }
    assert_eq!(spec(None), spec(Some(&json!({}))));
}

#[test]
fn fingerprint_vectors() {
    for vector in section("resource_fingerprint_v2", 5) {
        assert_eq!(fingerprint(&vector["object"]), vector["expected"], "{}", id(&vector));
    }
}

#[test]
fn config_map_vectors() {
    for vector in section("config_map_data_hash", 5) {
        let hash = config_map(&text_map(vector.get("data")), &text_map(vector.get("binaryData")));
        assert_eq!(hash, vector["expected"], "{}", id(&vector));
        if id(&vector) == "cm-sentinel-missing" {
            assert_eq!(absent_config_map("app-config"), vector["expected"]);
        }
    }
}

#[test]
fn reference_vectors() {
    for vector in section("config_map_references", 4) {
        let names = config_map_references(vector["kind"].as_str().unwrap(), &vector["spec"]);
        assert_eq!(json!(names), vector["expected"], "{}", id(&vector));
    }
}

#[test]
fn composite_vectors() {
    for vector in section("composite_hash", 5) {
        let maps: BTreeMap<String, String> = serde_json::from_value(vector["config_map_hashes"].clone()).unwrap();
        let hash = composite(vector["base_hash"].as_str().unwrap(), &maps);
        assert_eq!(hash, vector["expected"], "{}", id(&vector));
    }
}

#[test]
fn numbers_are_written_as_go_writes_them() {
    let cases = [
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", "9223372036854776000"),
        ("-9223372036854775809", "-9223372036854776000"),
        ("-0.0", "-0"),
        ("0.000001", "0.000001"),
        ("0.0000009", "9e-7"),
        ("-1e21", "-1e+21"),
        ("1.5e300", "1.5e+300"),
        ("999999999999999900000", "999999999999999900000"),
        ("0.1", "0.1"),
        // Digits that a reader without correct rounding gets wrong.
        ("7.2057594037927933e16", "72057594037927940"),
        ("5e-324", "5e-324"),
    ];
    for (source, written) in cases {
        assert_eq!(canonical_json(&serde_json::from_str(source).unwrap()), written, "{source}");
    }
}

#[test]
fn modes_ask_for_distinct_hashes_only() {
    let object = |value: Value| Object::new(value).unwrap();
    let deployment = object(
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replicas": 1}}),
    );
    let config_map =
        object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}}));
    let none = BTreeMap::new();
    let maps = BTreeMap::from([("app".to_owned(), absent_config_map("app"))]);
    let cases = [
        (HashMode::Auto, &deployment, &none, 2),
        (HashMode::Auto, &deployment, &maps, 4),
        (HashMode::Auto, &config_map, &none, 1),
        (HashMode::Spec, &deployment, &maps, 1),
        (HashMode::Spec, &config_map, &none, 0),
        (HashMode::SpecConfigMaps, &config_map, &none, 0),
        (HashMode::Fingerprint, &config_map, &none, 1),
        (HashMode::FingerprintConfigMaps, &deployment, &maps, 1),
    ];
    for (mode, object, maps, count) in cases {
        assert_eq!(mode.hashes(object, maps).len(), count, "{mode:?} of {}", object.kind());
    }
    let spec_hash = spec(deployment.at("spec"));
    assert_eq!(HashMode::Spec.hashes(&deployment, &maps), std::slice::from_ref(&spec_hash));
    assert_eq!(HashMode::SpecConfigMaps.hashes(&deployment, &maps), [composite(&spec_hash, &maps)]);
    let auto = HashMode::Auto.hashes(&deployment, &maps);
    assert_eq!(auto.first(), Some(&composite(&spec_hash, &maps)));
    assert!(auto.contains(&fingerprint(deployment.value())));
}

#[test]
fn modes_are_spelled_as_in_the_configuration() {
    let cases = [
        ("auto", HashMode::Auto),
        ("spec", HashMode::Spec),
        ("spec+configmaps", HashMode::SpecConfigMaps),
        ("fingerprint", HashMode::Fingerprint),
        ("fingerprint+configmaps", HashMode::FingerprintConfigMaps),
    ];
    for (text, mode) in cases {
        assert_eq!(serde_json::from_value::<HashMode>(json!(text)).unwrap(), mode);
    }
}

proptest::proptest! {
    /// Order of members and elements never counts; content does.
    #[test]
    fn order_never_changes_a_hash(names in proptest::collection::vec("[a-z<&é\u{2028}]{1,4}", 1..6)) {
        let reversed: Vec<&String> = names.iter().rev().collect();
        let forward: serde_json::Map<String, Value> = names.iter().map(|name| (name.clone(), json!(name))).collect();
        let backward: serde_json::Map<String, Value> = reversed.iter().map(|name| ((*name).clone(), json!(name))).collect();
        let there = json!({"list": names, "map": forward});
        let back = json!({"map": backward, "list": reversed});
        proptest::prop_assert_eq!(spec(Some(&there)), spec(Some(&back)));
        let mut more = names.clone();
        more.push("z".to_owned());
        proptest::prop_assert_ne!(spec(Some(&json!({"list": more}))), spec(Some(&json!({"list": names}))));
    }
}
