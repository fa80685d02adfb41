//! Secrets, pairs and manifests in every wrapping.

use serde_json::{Value, json};

use super::{text, untagged, value};

fn untagged_value(input: Value) -> Value {
    serde_json::from_str(&untagged(&value(input).to_string())).unwrap()
}

fn secret() -> Value {
    json!({"apiVersion": "v1", "data": {"dbpass": "aHVudGVyMg==", "tls.key": "aHVudGVyMw=="}, "kind": "Secret",
        "metadata": {"name": "db-creds", "annotations": {"team": "shop",
            "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"dbpass\":\"aHVudGVyMg==\"},\"kind\":\"Secret\"}"}},
        "stringData": {"plain": "hunter4", "empty": ""}, "type": "Opaque"})
}

fn redacted_secret() -> Value {
    json!({"apiVersion": "v1", "data": {"dbpass": "[R]", "tls.key": "[R]"}, "kind": "Secret",
        "metadata": {"name": "db-creds", "annotations": {"team": "shop"}},
        "stringData": {"plain": "[R]", "empty": ""}, "type": "Opaque"})
}

/// As data, as compact JSON and as pretty JSON the outcome is the same.
#[track_caller]
fn check(input: Value, expected: &Value) {
    for written in [input.to_string(), serde_json::to_string_pretty(&input).unwrap(), format!("got {input} from api")] {
        let output = untagged(&text(&written));
        let json = output.trim_start_matches("got ").trim_end_matches(" from api");
        let output: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {output}"));
        assert_eq!(output, *expected, "{written}");
    }
    assert_eq!(untagged_value(input), *expected);
}

#[test]
fn secrets_in_any_nesting_as_data_and_as_json() {
    check(secret(), &redacted_secret());
    check(json!([1, secret(), [secret()]]), &json!([1, redacted_secret(), [redacted_secret()]]));
    check(json!({"kind": "List", "items": [secret()]}), &json!({"kind": "List", "items": [redacted_secret()]}));
    check(json!({"a": {"b": {"object": secret()}}}), &json!({"a": {"b": {"object": redacted_secret()}}}));
}

#[test]
fn items_of_a_secret_list_and_secrets_without_kind() {
    let item = json!({"metadata": {"name": "x"}, "data": {"p": "aHVudGVyMg=="}});
    let redacted = json!({"metadata": {"name": "x"}, "data": {"p": "[R]"}});
    check(json!({"items": [item], "kind": "SecretList"}), &json!({"items": [redacted], "kind": "SecretList"}));
    check(
        json!({"data": {"p": "aHVudGVyMg=="}, "type": "kubernetes.io/basic-auth"}),
        &json!({"data": {"p": "[R]"}, "type": "kubernetes.io/basic-auth"}),
    );
    check(json!({"items": [item], "kind": "ConfigMapList"}), &json!({"items": [item], "kind": "ConfigMapList"}));
}

#[test]
fn manifests_in_strings_are_read_as_such() {
    let yaml = "kind: Secret\ndata:\n  dbpass: aHVudGVyMg==\n";
    let redacted_yaml = "kind: Secret\ndata:\n  dbpass: \"[R]\"\n";
    check(
        json!({"annotations": {"manifest": secret().to_string(), "yaml": yaml}}),
        &json!({"annotations": {"manifest": redacted_secret().to_string(), "yaml": redacted_yaml}}),
    );
    let twice = json!({"inner": json!({"kind": "Secret", "data": {"a": "aHVudGVyMg=="}}).to_string()}).to_string();
    let redacted = json!({"inner": json!({"kind": "Secret", "data": {"a": "[R]"}}).to_string()}).to_string();
    check(json!({"log": twice}), &json!({"log": redacted}));
}

#[test]
fn members_and_pairs_with_telling_names() {
    check(
        json!({"password": "two words", "port": 5432, "pin_password": 1234, "tokens": ["abc123"], "token": null, "secret": true,
            "dbPassword": {"secretKeyRef": {"name": "db", "key": "password"}}, "generatorURL": "http://prometheus/graph?x=1"}),
        &json!({"password": "[R]", "port": 5432, "pin_password": "[R]", "tokens": ["[R]"], "token": null, "secret": true,
            "dbPassword": {"secretKeyRef": {"name": "db", "key": "password"}}, "generatorURL": "[R]"}),
    );
    check(
        json!({"env": [{"name": "DB_PASSWORD", "value": "x"}, {"value": "x y", "name": "API_TOKEN"}, {"name": "KEYSPACE", "value": "x"}]}),
        &json!({"env": [{"name": "DB_PASSWORD", "value": "[R]"}, {"value": "[R]", "name": "API_TOKEN"}, {"name": "KEYSPACE", "value": "x"}]}),
    );
    check(
        json!({"httpHeaders": [{"name": "Authorization", "value": "Basic dXNlcjpwYXNz"}]}),
        &json!({"httpHeaders": [{"name": "Authorization", "value": "Basic [R]"}]}),
    );
    check(
        json!({"users": [{"name": "admin", "user": {"client-key-data": "LS0tLS1CRUdJTg==", "token": "abc123", "client-certificate": "/root/c.crt"}}]}),
        &json!({"users": [{"name": "admin", "user": {"client-key-data": "[R]", "token": "[R]", "client-certificate": "/root/c.crt"}}]}),
    );
    check(
        json!({"auths": {"registry.local": {"auth": "dXNlcjpwYXNz", "username": "app", "password": "p"}}, ".dockerconfigjson": "e30="}),
        &json!({"auths": {"registry.local": {"auth": "[R]", "username": "app", "password": "[R]"}}, ".dockerconfigjson": "[R]"}),
    );
    check(
        json!({"type": "service_account", "private_key_id": "abc", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"}),
        &json!({"type": "service_account", "private_key_id": "abc", "private_key": "[R]"}),
    );
}

#[test]
fn the_last_applied_manifest_is_removed_wherever_its_member_stands() {
    let last = "kubectl.kubernetes.io/last-applied-configuration";
    check(json!({"annotations": {last: "{}"}}), &json!({"annotations": {}}));
    check(json!({"annotations": {last: "{}", "a": "b"}}), &json!({"annotations": {"a": "b"}}));
    check(json!({"annotations": {"a": "b", last: "{}"}}), &json!({"annotations": {"a": "b"}}));
    let yaml = format!("metadata:\n  annotations:\n    {last}: |\n      {{\"a\":1}}\n    a: b\n");
    assert_eq!(text(&yaml), "metadata:\n  annotations:\n    a: b\n");
}

const YAML: &str = r#"apiVersion: v1
items:
- apiVersion: v1
  data:
    dbpass: aHVudGVyMg==
    quoted: "aHVudGVyMw==" # old
    empty: ""
    block: |
      aHVudGVy
      NA==
  kind: Secret
  metadata:
    name: db-creds
    labels:
      data: kept
- apiVersion: v1
  kind: ConfigMap
  data:
    level: debug
    manifest: |
      kind: "Secret"
      stringData: {a: hunter5, b: "two words"}
---
kind: Secret
stringData:
  config.yaml: |-
    user: app
    pass: hunter6

type: Opaque
---
data:
  level: debug
kind: ConfigMap
"#;

const REDACTED_YAML: &str = r#"apiVersion: v1
items:
- apiVersion: v1
  data:
    dbpass: "[R]"
    quoted: "[R]" # old
    empty: ""
    block: "[R]"
  kind: Secret
  metadata:
    name: db-creds
    labels:
      data: kept
- apiVersion: v1
  kind: ConfigMap
  data:
    level: debug
    manifest: |
      kind: "Secret"
      stringData: {a: "[R]", b: "[R]"}
---
kind: Secret
stringData:
  config.yaml: "[R]"

type: Opaque
---
data:
  level: debug
kind: ConfigMap
"#;

#[test]
fn yaml_in_every_style() {
    assert_eq!(untagged(&text(YAML)), REDACTED_YAML);
    let indented = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let logged = format!("applied:\n{}done\n", indented(YAML));
    assert_eq!(untagged(&text(&logged)), format!("applied:\n{}done\n", indented(REDACTED_YAML)));
}

#[test]
fn yaml_pairs_lists_and_blocks() {
    for (input, expected) in [
        (
            "env:\n- name: DB_PASSWORD\n  value: x\n- name: A\n  value: b",
            "env:\n- name: DB_PASSWORD\n  value: \"[R]\"\n- name: A\n  value: b",
        ),
        ("- value: two words\n  name: API_TOKEN", "- value: \"[R]\"\n  name: API_TOKEN"),
        ("- name: Authorization\n  value: Bearer abc123", "- name: Authorization\n  value: Bearer [R]"),
        ("password: |\n  two\n  words\nx: 1", "password: \"[R]\"\nx: 1"),
        (
            "- name: DB_PASSWORD\n  value: >-\n    two words\n- name: A",
            "- name: DB_PASSWORD\n  value: \"[R]\"\n- name: A",
        ),
        ("items:\n- data:\n    a: aHVudGVyMg==\nkind: SecretList", "items:\n- data:\n    a: \"[R]\"\nkind: SecretList"),
    ] {
        assert_eq!(untagged(&text(input)), expected);
    }
}

#[test]
fn a_placeholder_inside_of_a_secret_in_flow_style_is_left_alone() {
    let once = text("kind: Secret\n\"data\":{login x password y");
    assert_eq!(text(&once), once);
}

#[test]
fn cut_data_is_read_as_far_as_it_goes() {
    for (input, expected) in [
        // The end is missing, and with it the kind.
        (
            r#"{"apiVersion":"v1","data":{"a":"aHVudGVyMg==","b":"aHVud"#,
            r#"{"apiVersion":"v1","data":{"a":"[R]","b":"[R]"#,
        ),
        (r#"{"kind":"Secret","data":{"a":"aHV"#, r#"{"kind":"Secret","data":{"a":"[R]"#),
        (r#"{"password":"hun"#, r#"{"password":"[R]"#),
        // The beginning is missing.
        (
            "  \"data\": {\n    \"a\": \"aHVudGVyMg==\"\n  },\n  \"kind\": \"Secret\",\n",
            "  \"data\": {\n    \"a\": \"[R]\"\n  },\n  \"kind\": \"Secret\",\n",
        ),
        (r#"orker","password":"two words","x":1}"#, r#"orker","password":"[R]","x":1}"#),
        // Quoted in a log line.
        (r#"level=info body="{\"password\":\"two words\"}" x=1"#, r#"level=info body="{\"password\":\"[R]\"}" x=1"#),
        (
            r#"msg {"kind":"Secret","data":{"a":"aHVudGVyMg=="}} and {"a":1}"#,
            r#"msg {"kind":"Secret","data":{"a":"[R]"}} and {"a":1}"#,
        ),
        // Printed by Python.
        ("{'kind': 'Secret', 'data': {'a': 'aHVudGVyMg=='}}", "{'kind': 'Secret', 'data': {'a': '[R]'}}"),
        // Escapes hide nothing.
        (r#"{"\u0070assword":"hunter2"}"#, r#"{"\u0070assword":"[R]"}"#),
        (r#"{"url":"postgres:\/\/app:hunter2@db"}"#, r#"{"url":"postgres://app:[R]@db"}"#),
        (
            r#"{"k\u0069nd":"Secre\u0074","data":{"a":"aHVudGVyMg=="}}"#,
            r#"{"k\u0069nd":"Secre\u0074","data":{"a":"[R]"}}"#,
        ),
    ] {
        assert_eq!(untagged(&text(input)), expected);
    }
}
