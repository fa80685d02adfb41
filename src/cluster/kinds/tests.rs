use super::standard::standard_kinds;
use super::*;

fn index() -> KindIndex {
    let knative = KnownKind::guessed("serving.knative.dev", "v1", "Service", true);
    let mut certificate = KnownKind::guessed("cert-manager.io", "v1", "Certificate", true);
    certificate.short_names = vec!["cert".to_owned(), "cs".to_owned()];
    let gateway = KnownKind::guessed("gateway.networking.k8s.io", "v1", "Gateway", true);
    let istio = KnownKind::guessed("networking.istio.io", "v1beta1", "Gateway", true);
    KindIndex::new(standard_kinds().chain([knative, certificate, gateway, istio]))
}

#[test]
fn names_people_use_resolve() {
    let table = [
        ("Pod", "v1 Pod"),
        ("pods", "v1 Pod"),
        ("PO", "v1 Pod"),
        ("pod.v1.", "v1 Pod"),
        ("PodMetrics", "metrics.k8s.io/v1beta1 PodMetrics"),
        ("pods.metrics.k8s.io", "metrics.k8s.io/v1beta1 PodMetrics"),
        ("nodes", "v1 Node"),
        ("deploy", "apps/v1 Deployment"),
        ("Deployments.apps", "apps/v1 Deployment"),
        ("deployment.v1.apps", "apps/v1 Deployment"),
        ("events", "v1 Event"),
        ("event.events.k8s.io", "events.k8s.io/v1 Event"),
        ("hpa", "autoscaling/v2 HorizontalPodAutoscaler"),
        ("netpol", "networking.k8s.io/v1 NetworkPolicy"),
        ("networkpolicies", "networking.k8s.io/v1 NetworkPolicy"),
        ("endpoints", "v1 Endpoints"),
        ("ing", "networking.k8s.io/v1 Ingress"),
        ("ingresses", "networking.k8s.io/v1 Ingress"),
        ("crd", "apiextensions.k8s.io/v1 CustomResourceDefinition"),
        ("quota", "v1 ResourceQuota"),
        ("limits", "v1 LimitRange"),
        ("certificates", "cert-manager.io/v1 Certificate"),
        ("cert", "cert-manager.io/v1 Certificate"),
        ("csr", "certificates.k8s.io/v1 CertificateSigningRequest"),
    ];
    for (name, expected) in table {
        let kind = index().resolve(name, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(format!("{} {}", kind.api_version, kind.kind), expected, "{name}");
    }
}

#[test]
fn every_standard_name_resolves_to_its_own_kind() {
    let standard = KindIndex::new(standard_kinds());
    for kind in standard_kinds() {
        let version = join_api_version(&kind.group, &kind.versions[0]);
        for name in [&kind.kind, &kind.plural, &kind.singular].into_iter().chain(&kind.short_names) {
            let resolved = standard.resolve(name, Some(&version)).unwrap();
            assert_eq!((resolved.kind, resolved.namespaced), (kind.kind.clone(), kind.namespaced), "{name}");
        }
    }
}

#[test]
fn an_api_version_or_a_group_settles_ambiguity() {
    let index = index();
    match index.resolve("service", None) {
        Err(ClusterError::AmbiguousKind { groups, .. }) => assert_eq!(groups, ["v1", "serving.knative.dev/v1"]),
        other => panic!("{other:?}"),
    }
    let resolved = |name, version| index.resolve(name, Some(version)).unwrap().api_version;
    assert_eq!(resolved("service", "v1"), "v1");
    assert_eq!(resolved("services", "serving.knative.dev/v1"), "serving.knative.dev/v1");
    assert_eq!(resolved("Gateway", "networking.istio.io"), "networking.istio.io/v1beta1");
    assert_eq!(resolved("hpa", "autoscaling/v1"), "autoscaling/v1");
    assert_eq!(resolved("hpa", "autoscaling/v2beta2"), "autoscaling/v2", "an unserved version falls back");
    assert!(matches!(index.resolve("Pod", Some("apps/v1")), Err(ClusterError::UnknownKind { .. })));
}

#[test]
fn unknown_kinds_name_close_ones() {
    let near = |name: &str| match index().resolve(name, None) {
        Err(ClusterError::UnknownKind { known, .. }) => known,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(near("deploymnet").first().map(String::as_str), Some("Deployment.apps"));
    assert_eq!(near("Podd").first().map(String::as_str), Some("Pod"));
    for nonsense in ["", ".", "..", "qqqqqq", "../../etc/passwd", &"x".repeat(10_000)] {
        assert!(near(nonsense).len() <= SUGGESTIONS_MAX);
    }
}

#[test]
fn plurals_and_versions_follow_the_usual_rules() {
    for (kind, plural) in [
        ("Rollout", "rollouts"),
        ("AuthorizationPolicy", "authorizationpolicies"),
        ("Gateway", "gateways"),
        ("Ingress", "ingresses"),
        ("Mesh", "meshes"),
        ("Prometheus", "prometheuses"),
    ] {
        assert_eq!(plural_of(kind), plural);
    }
    let mut versions = ["v1beta1", "v2", "v1", "v1alpha3", "v11", "v1beta2"];
    versions.sort_by_key(|version| std::cmp::Reverse(version_rank(version)));
    assert_eq!(versions, ["v11", "v2", "v1", "v1beta2", "v1beta1", "v1alpha3"]);
    for other in ["", "v", "1", "vx", "v1gamma1", "v1beta", "apps", "v99999999999"] {
        assert_eq!(version_rank(other), None, "{other}");
    }
}

#[test]
fn names_that_would_leave_their_path_are_refused() {
    for good in ["cart-api-7d9", "system:controller:x", "kube-root-ca.crt", "a"] {
        assert!(is_object_name(good), "{good}");
    }
    for bad in ["", ".", "..", "a/b", "../x", "a b", "a?b", "a#b", "a%2fb", "a\0b", "ä", &"x".repeat(254)] {
        assert!(!is_object_name(bad), "{bad:?}");
    }
}
