use proptest::prelude::*;

use super::*;

fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("ns".to_owned(), "a".to_owned())])
}

fn rewritten(expression: &str) -> Result<String, String> {
    with_labels(expression, &labels())
}

#[test]
fn every_selector_and_nothing_else_is_limited() {
    for (given, expected) in [
        ("up", r#"up{ns="a"}"#),
        ("up{}", r#"up{ns="a"}"#),
        (r#"{job="x"}"#, r#"{ns="a",job="x"}"#),
        (r#"up { job = "x" , }"#, r#"up {ns="a", job = "x" , }"#),
        (r#"{"http.requests", code=~"5.."}"#, r#"{ns="a","http.requests", code=~"5.."}"#),
        ("rate(http_requests_total[5m])", r#"rate(http_requests_total{ns="a"}[5m])"#),
        ("sum by (pod) (rate(x[5m]))", r#"sum by (pod) (rate(x{ns="a"}[5m]))"#),
        ("SUM(x) BY (pod, container)", r#"SUM(x{ns="a"}) BY (pod, container)"#),
        ("topk(5, a:b:c offset 5m)", r#"topk(5, a:b:c{ns="a"} offset 5m)"#),
        ("x / on(pod) group_left(node) y", r#"x{ns="a"} / on(pod) group_left(node) y{ns="a"}"#),
        ("x > bool 1 and ignoring (a) y unless z", r#"x{ns="a"} > bool 1 and ignoring (a) y{ns="a"} unless z{ns="a"}"#),
        ("max_over_time(x[1h:5m] @ end() offset -1h)", r#"max_over_time(x{ns="a"}[1h:5m] @ end() offset -1h)"#),
        ("x @ 1609746000 + -y ^ 2e3", r#"x{ns="a"} @ 1609746000 + -y{ns="a"} ^ 2e3"#),
        (r#"label_replace(x, "a", "$1{}", "b", "(.*)")"#, r#"label_replace(x{ns="a"}, "a", "$1{}", "b", "(.*)")"#),
        (r#"count_values("v", x{a='}"\'',b=`\`})"#, r#"count_values("v", x{ns="a",a='}"\'',b=`\`})"#),
        ("x # up{\n + y # z", "x{ns=\"a\"} # up{\n + y{ns=\"a\"} # z"),
        ("sum", r#"sum{ns="a"}"#),
        ("vector(1) + time() * Inf - NaN", "vector(1) + time() * Inf - NaN"),
        (
            "histogram_quantile(0.9, sum(rate(b[5m])) by (le))",
            r#"histogram_quantile(0.9, sum(rate(b{ns="a"}[5m])) by (le))"#,
        ),
        ("(((x)))", r#"(((x{ns="a"})))"#),
        (r#""text""#, r#""text""#),
    ] {
        assert_eq!(rewritten(given).as_deref(), Ok(expected));
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for given in [
        "",
        "up{",
        "up}",
        "up)",
        "up up",
        r#"up{a="b" or c="d"}"#,
        r#"up{a="b"}{c="d"}"#,
        "up{a=b}",
        "up{or}",
        r#"up{a="b}"#,
        "up{a=\"\n\"}",
        "WITH (x = up) x",
        "up keep_metric_names",
        "up default 0",
        "info(up)",
        "INFO (up)",
        "x offset y",
        "x[5m",
        "x[y{}]",
        "5foo",
        "1.2.3",
        "0x",
        "métrique",
        "x + by",
        "sum by pod (x)",
        "a; b",
        r"a\-b",
        "x $ y",
    ] {
        assert!(rewritten(given).is_err(), "{given}: {:?}", rewritten(given));
    }
    assert!(rewritten(&format!("{}x{}", "(".repeat(500), ")".repeat(500))).unwrap_err().contains("nested"));
    assert!(rewritten(&"x".repeat(EXPRESSION_BYTES_MAX + 1)).unwrap_err().contains("longer"));
}

#[test]
fn values_cannot_leave_their_quotes() {
    let labels = BTreeMap::from([("a".to_owned(), "\"} or x{b=\"\\\n".to_owned()), ("b".to_owned(), "c".to_owned())]);
    assert_eq!(with_labels("up", &labels).as_deref(), Ok("up{a=\"\\\"} or x{b=\\\"\\\\\\n\",b=\"c\"}"));
}

/// Expressions together with what has to come out.
fn pairs() -> impl Strategy<Value = (String, String)> {
    let same = |text: &str| (text.to_owned(), text.to_owned());
    let name = "[a-z_:][a-z0-9_:]{0,8}".prop_filter("words of the language", |name| {
        !is_one_of(name, &RESERVED) && !is_one_of(name, &AGGREGATIONS) && !["inf", "nan", "info"].contains(&&**name)
    });
    let value = prop_oneof![r#""([a-z{}(),=' ]|\\"|\\\\){0,8}""#, r#"'([a-z{}(),=" ]|\\')*'"#, "`[a-z{}\\\\\"]*`"];
    let matcher = (name.clone(), prop_oneof!["=", "!=", "=~", "!~"], value).prop_map(|(n, o, v)| format!("{n}{o}{v}"));
    let selector = (name, prop::option::of(prop::collection::vec(matcher, 0..3))).prop_map(|(name, matchers)| {
        match matchers.map(|matchers| matchers.join(",")) {
            None => (name.clone(), format!(r#"{name}{{ns="a"}}"#)),
            Some(inner) if inner.is_empty() => (format!("{name}{{}}"), format!(r#"{name}{{ns="a"}}"#)),
            Some(inner) => (format!("{name}{{{inner}}}"), format!(r#"{name}{{ns="a",{inner}}}"#)),
        }
    });
    let leaf = prop_oneof![
        4 => selector,
        1 => prop_oneof![Just("1"), Just("0x1F"), Just("2.5e-3"), Just("\"a{b}\""), Just("Inf"), Just("1h30m")].prop_map(same),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let wrap = |before: &'static str, after: &'static str| {
            move |(a, b): (String, String)| (format!("{before}{a}{after}"), format!("{before}{b}{after}"))
        };
        const OPERATORS: [&str; 5] =
            [" + ", " and on (a) ", "*on(x)group_left(y)", " >= bool ", " unless ignoring (b) "];
        prop_oneof![
            inner.clone().prop_map(wrap("rate(", "[5m])")),
            inner.clone().prop_map(wrap("(", ")[1h:1m] offset -5m")),
            inner.clone().prop_map(wrap("sum by (a, b) (", ")")),
            inner.clone().prop_map(wrap("topk(3, ", ") without (up)")),
            inner.clone().prop_map(wrap("-", " @ start() # up{}\n")),
            (inner.clone(), prop::sample::select(&OPERATORS[..]), inner)
                .prop_map(|(a, op, b)| (format!("{}{op}{}", a.0, b.0), format!("{}{op}{}", a.1, b.1))),
        ]
    })
}

proptest! {
    #[test]
    fn generated_expressions_come_out_as_built((given, expected) in pairs()) {
        prop_assert_eq!(rewritten(&given), Ok(expected));
    }

    #[test]
    fn the_result_is_understood_again_and_grows_in_the_same_places((given, _) in pairs()) {
        let once = rewritten(&given).unwrap();
        let twice = rewritten(&once).unwrap();
        let count = |text: &str| text.matches(r#"ns="a""#).count();
        prop_assert_eq!(count(&twice), 2 * count(&once));
    }

    #[test]
    fn nothing_panics(given in ".{0,60}") {
        let _ = rewritten(&given);
    }

    #[test]
    fn letters_of_the_language_do_not_panic(given in r#"[a-z0-9_(){}\[\],="'`#@.:+*\- \n\\]{0,40}"#) {
        let _ = rewritten(&given);
    }
}
