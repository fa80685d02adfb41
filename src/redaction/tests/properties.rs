//! What holds for any text.

use proptest::prelude::*;
use serde_json::Value;

use super::{redactor, text};

/// Pieces that rules hinge on, for texts that are nastier than random characters.
fn fragment() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "password",
        "DB_PASSWORD",
        "token",
        "secret",
        "api_key",
        "key",
        "auth",
        "Authorization",
        "Bearer",
        "Basic",
        "name",
        "value",
        "kind: Secret\n",
        "data:\n",
        "stringData:",
        "type: Opaque\n",
        "  a: b\n",
        "- ",
        "\"kind\":\"Secret\"",
        "\"data\":",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "\\",
        "\\\"",
        ":",
        "=",
        ": ",
        "=\"",
        ",",
        ";",
        "&",
        "|",
        ">",
        "|\n",
        " ",
        "\n",
        "  ",
        "\t",
        "://",
        "@",
        "postgres://a:b@c",
        "hunter2",
        "x",
        "1",
        "null",
        "true",
        "[REDACTED]",
        "[REDACTED:0a1b2c]",
        "_JWT",
        "[CERTIFICATE x]",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----",
        "-----END CERTIFICATE-----",
        "aHVudGVyMg==",
        "eyJhbGciOi.eyJzdWIiOi.abc",
        "AKIAIOSFODNN7EXAMPLE",
        "--password",
        "-p",
        "mysql",
        "$(X)",
        "<x>",
        "é",
        "\u{200b}",
        "kubectl.kubernetes.io/last-applied-configuration",
        "---\n",
        "#",
        "\\u0022",
        "\\n",
        "login x password y",
        "<password>x</password>",
    ])
    .prop_map(str::to_owned);
    prop_oneof![8 => known, 1 => any::<String>(), 1 => "[a-zA-Z0-9]{1,8}"]
}

fn nasty() -> impl Strategy<Value = String> {
    prop::collection::vec(fragment(), 0..40).prop_map(|fragments| fragments.concat())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        nasty().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop_oneof![4 => fragment(), 1 => Just("kind".to_owned()), 1 => Just("data".to_owned()), 1 => Just("items".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Secrets that none of the benign fragments contain, each in a shape that shows it.
fn planted() -> impl Strategy<Value = (String, String)> {
    let secret = "[a-z]{3}[A-Z]{3}[0-9]{4}[a-z]{10}";
    let shape = prop::sample::select(vec![
        "DB_PASSWORD={}",
        "password: {}",
        "\"password\": \"{}\"",
        "token={}",
        "api_key: \"{}\"",
        "--token {}",
        "--password={}",
        "client_secret={}",
        "credential: {}",
        "Authorization: Bearer {}",
        "Bearer {}",
        "postgres://app:{}@db/x",
        "redis://:{}@cache",
        "https://u:{}@host/",
        "{\"kind\":\"Secret\",\"data\":{\"any\":\"{}\"}}",
        "{\"name\":\"API_TOKEN\",\"value\":\"{}\"}",
        "{\"data\":{\"any\":\"{}\"},\"kind\":\"Secret\"}",
        "{'kind': 'Secret', 'stringData': {'any': '{}'}}",
        "ghp_{}{}",
        "sk-{}",
        "xoxb-{}",
        "glpat-{}",
        "ya29.{}",
        "hvs.{}",
        "AccountKey={}",
        "x?sv=1&sig={}",
        "eyJ{}.eyJ{}.{}",
        "mysql -uroot -p{} shop",
        "[\"--password\", \"{}\"]",
        "password='two {} words'",
        "-----BEGIN RSA PRIVATE KEY-----\\n{}\\n-----END RSA PRIVATE KEY-----",
        "https://hooks.slack.com/services/T/B/{}",
        "aws_secret_access_key = {}",
        "<password>{}</password>",
        "body=\"{\\\"password\\\":\\\"{}\\\"}\"",
    ]);
    (secret, shape).prop_map(|(secret, shape)| (shape.replace("{}", &secret), secret))
}

fn planted_block() -> impl Strategy<Value = (String, String)> {
    let secret = "[a-z]{3}[A-Z]{3}[0-9]{4}[a-z]{10}";
    let shape = prop::sample::select(vec![
        "kind: Secret\ndata:\n  any: {}\n",
        "data:\n  any: \"{}\"\nkind: Secret\n",
        "kind: Secret\nstringData:\n  any: |\n    one\n    {}\n",
        "- name: API_TOKEN\n  value: {}\n",
        "- --token\n- {}\n",
        "password: >-\n  {}\n",
        "items:\n- data: {any: {}}\n  kind: Secret\n",
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
    ]);
    (secret, shape).prop_map(|(secret, shape)| (shape.replace("{}", &secret), secret))
}

/// Words of ordinary logs and manifests.
fn benign() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "pod",
        "Back-off",
        "restarting",
        "disk-type",
        "risk-v1",
        "10.0.0.1:8080",
        "level=info",
        "msg=\"all is well\"",
        "(OOMKilled)",
        "sha256:9f86d081884c7d659a2feaa0c55ad015",
        "550e8400-e29b-41d4-a716-446655440000",
        "app-7d9f8b6c5d-x2v4q",
        "{\"a\":1}",
        "image: app:1.2",
        "exit code 137",
        "http://app:8080/healthz",
        "KEYSPACE=shop",
        "[INFO]",
        "1.5s",
        "user=app",
        "secretName: db-creds",
    ]);
    prop::collection::vec(word, 0..8).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn twice_is_once(input in nasty()) {
        let once = text(&input);
        let twice = redactor().text(&once);
        prop_assert_eq!(&twice.text, &once);
        prop_assert!(twice.counts.is_empty());
    }

    #[test]
    fn any_text_is_survived(input in any::<String>()) {
        let output = redactor().text(&input);
        prop_assert_eq!(output.counts.is_empty(), output.text == input);
    }

    #[test]
    fn data_twice_is_once(mut input in json()) {
        redactor().value(&mut input);
        let once = input.clone();
        prop_assert!(redactor().value(&mut input).is_empty());
        prop_assert_eq!(input, once);
    }

    #[test]
    fn json_stays_json(input in json(), is_pretty in any::<bool>()) {
        let written = if is_pretty { serde_json::to_string_pretty(&input).unwrap() } else { input.to_string() };
        let output = text(&written);
        prop_assert!(serde_json::from_str::<Value>(&output).is_ok(), "{}\n{}", written, output);
        prop_assert_eq!(text(&output), output);
    }

    #[test]
    fn planted_secrets_are_found((shape, secret) in planted(), before in benign(), after in benign(), lines in nasty()) {
        for surrounded in [
            format!("{before} {shape}"),
            format!("{before}\n{shape} {lines}"),
            format!("{before} {shape} {after}"),
            format!("{before}\n{shape}\n{after}"),
            format!("{lines}\n{shape}\n{after}"),
            serde_json::json!({ "log": format!("{before} {shape}\n{after}"), "more": [shape] }).to_string(),
        ] {
            let output = text(&surrounded);
            prop_assert!(!output.contains(&secret), "{}\n{}", surrounded, output);
        }
    }

    #[test]
    fn planted_blocks_are_found((shape, secret) in planted_block(), before in nasty(), after in benign(), indent in 0_usize..4) {
        let indented: String = shape.lines().map(|line| format!("{}{line}\n", "  ".repeat(indent))).collect();
        for surrounded in [
            format!("{before}\n{indented}{after}"),
            shape,
            serde_json::json!({ "annotations": { "x": indented } }).to_string(),
        ] {
            let output = text(&surrounded);
            prop_assert!(!output.contains(&secret), "{}\n{}", surrounded, output);
        }
    }

    #[test]
    fn benign_words_stay(words in benign(), more in benign()) {
        for input in [words.clone(), format!("{words}\n{more}"), serde_json::json!({ "message": words, "lines": [more] }).to_string()] {
            prop_assert_eq!(text(&input), input);
        }
    }
}
