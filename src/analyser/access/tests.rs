use super::*;
use crate::analyser::testing::scene;

const LINE: &str = "E0504 reflector.go:166] Failed to watch *v1.ConfigMap: failed to list *v1.ConfigMap: configmaps is forbidden: User \"system:serviceaccount:shop:web\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"shop\"";

fn request() -> Request {
    Request::parse(LINE).unwrap()
}

#[test]
fn refusals_are_taken_apart() {
    let list = request();
    assert_eq!(
        (list.account.as_str(), list.verb.as_str(), list.resource.as_str(), list.group.as_str()),
        ("web", "list", "configmaps", "")
    );
    assert_eq!((list.namespace.as_deref(), list.name), (Some("shop"), None));
    let escaped = "{\"level\":\"error\",\"err\":\"leases.coordination.k8s.io \\\"lock\\\" is forbidden: User \\\"system:serviceaccount:a:b\\\" cannot update resource \\\"leases\\\" in API group \\\"coordination.k8s.io\\\" in the namespace \\\"a\\\"\"}";
    let update = Request::parse(escaped).unwrap();
    assert_eq!(
        (update.name.as_deref(), update.resource_in_words().as_str()),
        (Some("lock"), "leases.coordination.k8s.io")
    );
    let cluster = "nodes is forbidden: User \"system:serviceaccount:a:b\" cannot list resource \"nodes\" in API group \"\" at the cluster scope";
    assert_eq!(Request::parse(cluster).unwrap().place_in_words(), "at the cluster scope");
    for other in [
        "pods \"web-1\" is forbidden: exceeded quota: compute",
        "secrets is forbidden: User \"alice\" cannot list resource \"secrets\" in API group \"\"",
        "403 Forbidden",
    ] {
        assert_eq!(Request::parse(other), None, "{other}");
    }
}

const BINDING: &str = "
kind: RoleBinding
metadata: {name: web, namespace: shop}
roleRef: {kind: Role, name: web}
subjects: [{kind: ServiceAccount, name: web, namespace: shop}]";

fn role(rule: &str) -> String {
    format!("{BINDING}\n---\nkind: Role\nmetadata: {{name: web, namespace: shop}}\nrules: [{rule}]")
}

#[test]
fn rules_allow_what_they_name() {
    for (rule, allowed) in [
        ("{apiGroups: [''], resources: [configmaps], verbs: [get, list]}", true),
        ("{apiGroups: ['*'], resources: ['*'], verbs: ['*']}", true),
        ("{apiGroups: [''], resources: [configmaps], verbs: [get]}", false),
        ("{apiGroups: [apps], resources: [configmaps], verbs: [list]}", false),
        ("{apiGroups: [''], resources: [secrets], verbs: [list]}", false),
        ("{apiGroups: [''], resources: [configmaps], resourceNames: [one], verbs: [list]}", false),
    ] {
        let observed = scene("Pod shop/web").yaml(&role(rule)).build();
        let found = access(&observed, &request());
        assert_eq!(matches!(found, Access::Allowed { .. }), allowed, "{rule}");
        assert!(allowed || matches!(&found, Access::Denied { bindings } if bindings.len() == 1), "{rule}");
    }
}

#[test]
fn cluster_bindings_and_groups_count_and_foreign_namespaces_do_not() {
    let role = "kind: ClusterRole\nmetadata: {name: reader}\nrules: [{apiGroups: [''], resources: [configmaps], verbs: [list]}]";
    let bound = |binding: &str| {
        let observed = scene("Pod shop/web").yaml(&format!("{role}\n---\n{binding}")).build();
        matches!(access(&observed, &request()), Access::Allowed { .. })
    };
    let reference = "roleRef: {kind: ClusterRole, name: reader}";
    let group = "subjects: [{kind: Group, name: 'system:serviceaccounts:shop'}]";
    let account = "subjects: [{kind: ServiceAccount, name: web, namespace: shop}]";
    assert!(bound(&format!("kind: ClusterRoleBinding\nmetadata: {{name: a}}\n{reference}\n{group}")));
    assert!(bound(&format!("kind: RoleBinding\nmetadata: {{name: a, namespace: shop}}\n{reference}\n{account}")));
    assert!(!bound(&format!("kind: RoleBinding\nmetadata: {{name: a, namespace: other}}\n{reference}\n{account}")));
    let other = account.replace("name: web", "name: api");
    assert!(!bound(&format!("kind: ClusterRoleBinding\nmetadata: {{name: a}}\n{reference}\n{other}")));
}

#[test]
fn what_was_not_read_is_not_denied() {
    let mut observed = scene("Pod shop/web").yaml(BINDING).build();
    assert!(matches!(access(&observed, &request()), Access::Denied { .. }), "its role does not exist");
    observed.add_incomplete("ClusterRoleBinding", None);
    assert_eq!(access(&observed, &request()), Access::Unknown);
}

#[test]
fn subresources_are_resources_of_their_own() {
    let log = Request { resource: "pods/log".to_owned(), verb: "get".to_owned(), ..request() };
    for (resources, allowed) in [("pods/log", true), ("'*/log'", true), ("'*'", true), ("pods", false)] {
        let rule = format!("{{apiGroups: [''], resources: [{resources}], verbs: [get]}}");
        let observed = scene("Pod shop/web").yaml(&role(&rule)).build();
        assert_eq!(matches!(access(&observed, &log), Access::Allowed { .. }), allowed, "{resources}");
    }
}
