use serde_json::json;

use super::*;

fn labels<'a>(pairs: &[(&'a str, &'a str)]) -> BTreeMap<&'a str, &'a str> {
    pairs.iter().copied().collect()
}

#[test]
fn label_selectors_pick_what_kubectl_picks() {
    let web = labels(&[("app", "web"), ("env", "prod"), ("weight", "5"), ("example.com/team", "pay"), ("empty", "")]);
    let table = [
        ("", true),
        ("  ", true),
        ("app=web", true),
        ("app == web", true),
        (" app = web , env=prod ", true),
        ("app=api", false),
        ("app!=api", true),
        ("app!=web", false),
        ("absent!=web", true),
        ("env in (dev, prod)", true),
        ("env in (dev)", false),
        ("env notin (dev,test)", true),
        ("env notin (prod)", false),
        ("absent notin (prod)", true),
        ("absent in (prod)", false),
        ("app", true),
        ("absent", false),
        ("!absent", true),
        ("! absent", true),
        ("!app", false),
        ("weight>4", true),
        ("weight<5", false),
        ("app>1", false),
        ("example.com/team=pay,app", true),
        ("empty=", true),
        ("empty", true),
        ("absent=", false),
        ("env in (prod),app in (web,api),!legacy", true),
        ("env in (,prod)", true),
    ];
    for (selector, expected) in table {
        assert_eq!(LabelSelector::parse(selector).unwrap().matches(&web), expected, "{selector:?}");
    }
}

#[test]
fn nonsense_label_selectors_are_refused() {
    let long = format!("app={}", "x".repeat(64));
    let huge = "a,".repeat(SELECTOR_BYTES_MAX);
    let wrong = [
        ",",
        "app=web,",
        "app=a b",
        "app in web",
        "app in (a",
        "app in a)",
        "app within (a)",
        "in (a)",
        "a in ((b))",
        "=web",
        "!",
        "a=b=c",
        "-app=web",
        "a/b/c",
        "weight>many",
        "app~web",
        "app in (a),)",
        "ä=b",
        &long,
        &huge,
    ];
    for selector in wrong {
        let parsed = LabelSelector::parse(selector);
        assert!(matches!(parsed, Err(ClusterError::Invalid(_))), "{selector:?}: {parsed:?}");
    }
}

#[test]
fn selector_objects_follow_the_api_conventions() {
    let web = labels(&[("app", "web"), ("env", "prod")]);
    let table = [
        (json!(null), false),
        (json!({}), true),
        (json!({"matchLabels": {"app": "web"}}), true),
        (json!({"matchLabels": {"app": "web", "env": "dev"}}), false),
        (json!({"matchLabels": {"absent": "x"}}), false),
        (json!({"matchLabels": {"app": 3}}), false),
        (json!({"matchLabels": {"absent": null}}), false),
        (json!({"matchLabels": null, "matchExpressions": null}), true),
        (json!({"matchExpressions": [{"key": "env", "operator": "In", "values": ["prod", "dev"]}]}), true),
        (json!({"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["prod"]}]}), false),
        (json!({"matchExpressions": [{"key": "absent", "operator": "NotIn", "values": ["prod"]}]}), true),
        (json!({"matchExpressions": [{"key": "env", "operator": "Exists"}]}), true),
        (json!({"matchExpressions": [{"key": "env", "operator": "DoesNotExist"}]}), false),
        (json!({"matchExpressions": [{"key": "env", "operator": "Near"}]}), false),
        (json!("app=web"), false),
        (json!([]), false),
    ];
    for (selector, expected) in table {
        assert_eq!(matches_object(&selector, &web), expected, "{selector}");
    }
}

#[test]
fn field_selectors_compare_scalars_at_paths() {
    let pod = Object::new(json!({
        "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"nodeName": "n1", "hostNetwork": true, "priority": 7, "odd": "a,b=c\\d"},
        "status": {"phase": "Running", "conditions": []}
    }))
    .unwrap();
    let table = [
        ("", true),
        ("metadata.name=p", true),
        ("metadata.namespace==shop,status.phase!=Running", false),
        ("status.phase=Running", true),
        ("spec.hostNetwork=true", true),
        ("spec.priority=7", true),
        ("spec.absent=", true),
        ("spec.absent!=", false),
        ("spec.absent=x", false),
        ("spec.absent!=x", true),
        ("spec.unschedulable=false", true),
        ("spec.unschedulable!=true", true),
        ("spec.replicas=0", true),
        ("status.conditions=x", false),
        ("status.conditions!=x", true),
        (r"spec.odd=a\,b\=c\\d", true),
    ];
    for (selector, expected) in table {
        assert_eq!(FieldSelector::parse(selector).unwrap().matches(&pod), expected, "{selector:?}");
    }
    for wrong in ["metadata.name", "=x", "a..b=x", "a=b=c", "a!b", ",", "a=b,", "a b=c", r"a=\x", r"a=b\", "a[0]=x"] {
        assert!(matches!(FieldSelector::parse(wrong), Err(ClusterError::Invalid(_))), "{wrong:?}");
    }
}

#[test]
fn requirements_print_as_they_are_read() {
    let text = r"spec.odd=a\,b\=c\\d,status.phase!=Running";
    let parsed = FieldSelector::parse(text).unwrap();
    let printed: Vec<String> = parsed.requirements().iter().map(ToString::to_string).collect();
    assert_eq!(printed.join(","), text);
}
