use std::time::Duration;

use insta::assert_snapshot;
use serde_json::json;

use super::meter::JqLimits;
use super::run::{JqRunner, Results, run};
use crate::tools::kubernetes::testing::{NOW, example, small, told};

/// Small enough to be reached at once; the clock plays no part.
const SMALL: JqLimits =
    JqLimits { steps_max: 200_000, nodes_max: 20_000, bytes_max: 100_000, depth_max: 100, time_max: Duration::MAX };

fn over(expression: &str) -> Result<Results, String> {
    let items = json!([
        {"metadata": {"name": "web-1", "labels": {"app": "web"}, "creationTimestamp": "2026-05-04T09:00:00Z"}, "n": 3},
        {"metadata": {"name": "db-0", "labels": {"app": "db"}, "creationTimestamp": "2026-05-04T08:00:00Z"}, "n": 1},
        {"metadata": {"name": "web-2", "labels": {"app": "web"}}, "n": 2, "odd": null}
    ]);
    let now: jiff::Timestamp = NOW.parse().unwrap();
    // On a thread of the size the runner uses.
    let expression = expression.to_owned();
    let work = move || run(&expression, json!({"kind": "PodList", "items": items}), now.as_second(), SMALL);
    std::thread::Builder::new().stack_size(64 << 20).spawn(work).unwrap().join().unwrap()
}

fn texts(expression: &str) -> Vec<String> {
    over(expression).unwrap_or_else(|error| panic!("{expression}: {error}")).texts
}

#[test]
fn what_models_ask_for_works() {
    let table: [(&str, &[&str]); 38] = [
        (".items | length", &["3"]),
        (".items[].metadata.name", &["web-1", "db-0", "web-2"]),
        (r#".items[] | select(.metadata.labels.app == "web") | .metadata.name"#, &["web-1", "web-2"]),
        (r#".items[] | select(.metadata.name | test("^WEB"; "i")) | .n"#, &["3", "2"]),
        ("[.items[] | {name: .metadata.name, n}] | sort_by(.n) | .[0]", &[r#"{"name":"db-0","n":1}"#]),
        (
            ".items | group_by(.metadata.labels.app) | map({(.[0].metadata.labels.app): length}) | add",
            &[r#"{"db":1,"web":2}"#],
        ),
        ("[.items[].n] | add, min, max", &["6", "1", "3"]),
        ("[.items[].n * 2] | add", &["12"]),
        (".items | map(.n) | add / length", &["2"]),
        (".items | max_by(.n) | .metadata.name", &["web-1"]),
        ("[.items[].metadata.labels.app] | unique | join(\",\")", &["db,web"]),
        (r#".items[] | "\(.metadata.name): \(.n)""#, &["web-1: 3", "db-0: 1", "web-2: 2"]),
        (".items[] | [.metadata.name, .n] | @tsv", &["web-1\t3", "db-0\t1", "web-2\t2"]),
        (".items[0] | [.metadata.name, .n] | @csv", &[r#""web-1",3"#]),
        (".items[0].metadata.labels | to_entries[] | .key + \"=\" + .value", &["app=web"]),
        (".items[0].metadata.labels | with_entries(.value |= ascii_upcase)", &[r#"{"app":"WEB"}"#]),
        (".items[0] | keys", &[r#"["metadata","n"]"#]),
        (".items[0] | del(.metadata) | .n += 1", &[r#"{"n":4}"#]),
        (
            ".items[0] | paths | join(\".\")",
            &["metadata", "metadata.name", "metadata.labels", "metadata.labels.app", "metadata.creationTimestamp", "n"],
        ),
        ("[.. | numbers]", &["[3,1,2]"]),
        ("[recurse | strings] | length", &["9"]),
        (".items[2].metadata.creationTimestamp // \"none\"", &["none"]),
        (".items[] | .metadata.creationTimestamp? | select(.) | (now - fromdate) / 60", &["60", "120"]),
        ("0 | todate", &["1970-01-01T00:00:00Z"]),
        (".items[0].metadata.name | sub(\"-(?<n>\\\\d)\"; \"_\\(.n)\")", &["web_1"]),
        (".items[0].metadata.name | [match(\"[a-z]+\").string, (split(\"-\") | .[1])]", &[r#"["web","1"]"#]),
        (".items[0].metadata.name | capture(\"(?<a>.*)-(?<i>.)\")", &[r#"{"a":"web","i":"1"}"#]),
        ("[\"aöbö\" | match(\"ö\"; \"g\").offset]", &["[1,3]"]),
        ("[\"a1b22c\" | splits(\"\\\\d+\")]", &[r#"["a","b","c"]"#]),
        ("reduce .items[] as $i ({}; .[$i.metadata.labels.app] += 1)", &[r#"{"web":2,"db":1}"#]),
        ("[foreach .items[].n as $n (0; . + $n)]", &["[3,4,6]"]),
        ("[range(3)], [limit(2; .items[].n)], first(.items[].n)", &["[0,1,2]", "[3,1]", "3"]),
        ("[.items[] | select(.metadata | has(\"name\"))] | length", &["3"]),
        ("if (.items | length) > 2 then \"many\" else \"few\" end", &["many"]),
        ("try (.items[0].n | keys) catch \"no keys\"", &["no keys"]),
        (".items[0].metadata.name as $n | [.items[] | select(.metadata.name != $n)] | length", &["2"]),
        ("\"[1,{\\\"a\\\":2}]\" | fromjson | .[1].a, (\"5\" | tonumber), ({a: 1} | tojson)", &["2", "5", r#"{"a":1}"#]),
        (
            "[.items[].metadata.labels.app | IN(\"db\", \"x\")], (.items | INDEX(.n) | keys), ([[[1]], 2] | flatten)",
            &["[false,true,false]", r#"["1","2","3"]"#, "[1,2]"],
        ),
    ];
    for (expression, expected) in table {
        assert_eq!(texts(expression), expected, "{expression}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let expressions = [
        ".items[",
        ".items[] | select(.a ==)",
        ".items[] | frobnicate(1)",
        "$x",
        "\"open",
        "",
        ".items + 1",
        ".items[] | .metadata.labels.app.x",
        "def f: f; f",
        "[repeat(1)]",
        "[recurse(.)]",
        "range(100000)",
        "env.PATH",
        "$ENV",
        "halt",
        "input",
        "debug",
        "query__",
        ".items[0].n *= 3",
        "\"a\" * 1000000000",
        "\"YQ==\" | @base64d",
        "import \"a\" as a; .",
        "[combinations(9)]",
        "[1] | .[1000000000] = 2",
    ];
    let told =
        |expression: &str| over(expression).map_or_else(|error| error, |results| format!("NOT REFUSED {results:?}"));
    let shown: Vec<String> =
        expressions.iter().map(|expression| format!("{expression}\n  {}", told(expression))).collect();
    assert_snapshot!(shown.join("\n"));
    assert!(over(&"(".repeat(70)).unwrap_err().contains("nested"), "no stack is that deep");
    assert!(over(&format!("{}1", "-".repeat(1_990))).is_ok(), "deep without brackets");
    assert!(over(&".".repeat(2_001)).unwrap_err().contains("longer than"));
}

#[test]
fn programs_that_would_not_end_or_fit_are_stopped() {
    let doubled = |step: &str| format!("{step}{}", format!(" | {step}").repeat(60));
    let programs = [
        "[range(1;2;0)]".to_owned(),
        "first(range(1;2;0) | select(. == 7))".to_owned(),
        "isempty(range(1;2;0) | select(false))".to_owned(),
        "[range(9999) | range(9999) | range(9999)]".to_owned(),
        "[.items[] as $a | range(9999) as $b | range(9999) as $c | try error(\"x\") catch $c] | length".to_owned(),
        "[range(9999) as $b | range(9999) as $c | .x.y.z? // $c] | length".to_owned(),
        format!("\"x\" | {}", doubled(". + .")),
        format!("[1] | {}", doubled(". + .")),
        doubled("[., .]"),
        doubled("{a: ., b: .}"),
        doubled("[..]"),
        format!("9 | {}", doubled(". * .")),
        "reduce range(9999) as $i (.; [.])".to_owned(),
        "reduce range(9999) as $i ({}; .a = .)".to_owned(),
        "reduce range(9999) as $i ({}; .a |= {a: .})".to_owned(),
        "reduce range(9999) as $i (\"\"; . + \"0123456789\") | length".to_owned(),
        "last(foreach range(9999) as $i ([]; . + [$i, .]))".to_owned(),
        "[limit(9999; range(9999))] | [combinations?, [[range(99)],[range(99)],[range(99)]] | combinations]".to_owned(),
        "(.. |= [.]) | (.. |= [., .]) | (.. |= [., .])".to_owned(),
        "[range(200)|\"[\"] | add | fromjson".to_owned(),
    ];
    for program in programs {
        match over(&program) {
            Err(error) => {
                assert!(error.contains("stopped: ") || error.contains("nested too deep"), "{program}: {error}");
            }
            Ok(results) => panic!("{program} ended: {} results", results.count),
        }
    }
}

#[test]
fn results_are_counted_beyond_what_is_kept() {
    let many = over("range(9999), range(9999)").unwrap();
    assert_eq!((many.count, many.is_cut, many.texts.len()), (10_000, true, 10_000));
    let long = over("range(20) | [range(9999)] | tojson");
    assert!(long.is_err(), "twenty times five digits exceed the steps");
    let telling = over("null, \"\", \" \", 0, false").unwrap();
    assert_eq!((telling.count, telling.telling), (5, 2));
    assert_eq!(over(".items").unwrap().only_list, Some(3));
    assert_eq!(over(".items, .items").unwrap().only_list, None);
}

#[tokio::test]
async fn both_tools_answer_over_a_recorded_cluster() {
    let cluster = example("oom-cart-api");
    let ask = |name: &'static str, kind: &str, expression: &str| {
        let (cluster, arguments) = (cluster.clone(), json!({"kind": kind, "jq_expr": expression}));
        async move { format!("{name} {arguments}\n{}\n\n", told(&cluster, name, arguments.clone()).await) }
    };
    const RESTARTED: &str = ".items[] | select(any(.status.containerStatuses[]; .restartCount > 5)) | .metadata.name";
    let mut shown = String::new();
    for (name, kind, expression) in [
        ("kubernetes_jq_query", "pods", RESTARTED),
        ("kubernetes_count", "pods", RESTARTED),
        ("kubernetes_count", "pods", "[.items[].metadata.name]"),
        ("kubernetes_count", "pods", ".items[] | select(.kind == \"Zebra\")"),
        ("kubernetes_jq_query", "pods", ".metadata.name"),
        ("kubernetes_jq_query", "pods", ".items[] | .status.x | keys"),
        ("kubernetes_jq_query", "zebras", "."),
        ("kubernetes_jq_query", "secrets", ".items[].data"),
    ] {
        shown += &ask(name, kind, expression).await;
    }
    assert_snapshot!(shown);
}

#[tokio::test]
async fn secrets_are_masked_before_the_expression_sees_them() {
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: shop}\ndata: {password: aHVudGVyMg==}\n";
    let shop = small(secret, &[]);
    for expression in [".", ".items[0].data.password", ".items[0].data | to_entries", "[.. | strings] | join(\"\")"] {
        for name in ["kubernetes_jq_query", "kubernetes_count"] {
            let text = told(&shop.cluster, name, json!({"kind": "secret", "jq_expr": expression})).await;
            assert!(text.starts_with("success") && text.contains("[REDACTED]"), "{name} {expression}: {text}");
            assert!(!text.contains("aHVudGVy"), "{name} {expression}: {text}");
        }
    }
}

#[tokio::test]
async fn no_expression_can_take_a_secret_apart() {
    const SECRET: &str = "Zx9-canary-Tr0ub4dor";
    let small = small(
        &format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop}}\nspec:\n  containers:\n  - name: app\n    env:\n    \
             - {{name: DB_PASSWORD, value: {SECRET}}}\n    - {{name: LOG_LEVEL, value: debug}}\n---\n\
             apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: shop}}\ndata: {{app.properties: \"db.password={SECRET}\"}}\n"
        ),
        &[],
    );
    for (kind, expression) in [
        ("Pod", ".items[].spec.containers[].env[].value"),
        ("Pod", ".items[].spec.containers[].env[0].value | explode | implode"),
        ("Pod", ".items[].spec.containers[].env[0].value[0:20]"),
        ("ConfigMap", ".items[].data[] | split(\"=\")[1]"),
    ] {
        let shown = told(&small.cluster, "kubernetes_jq_query", json!({"kind": kind, "jq_expr": expression})).await;
        assert!(shown.starts_with("success") && !shown.contains(SECRET), "{expression}: {shown}");
    }
    let values = json!({"kind": "Pod", "jq_expr": ".items[].spec.containers[].env[].value"});
    assert!(told(&small.cluster, "kubernetes_jq_query", values).await.contains("debug"), "what is no secret stays");
}

#[tokio::test]
async fn while_both_places_are_taken_more_is_refused() {
    let runner = JqRunner::new(JqLimits { time_max: Duration::from_millis(1), ..SMALL });
    let taken = runner.take_all_places().await;
    let refused = runner.run(".".to_owned(), json!({}), 0).await;
    assert!(refused.unwrap_err().starts_with("other jq expressions are still running"));
    drop(taken);
    let runner = JqRunner::new(SMALL);
    assert_eq!(runner.run(".a".to_owned(), json!({"a": 1}), 0).await.unwrap().texts, ["1"]);
}
