//! What this service may do in a cluster: the one list. The roles that are shipped grant exactly this, a test holds them
//! against it, and `doctor` asks the API server about every line (operations §6.4).

/// Verbs of what is read: single objects, and lists that are read again. Nothing is watched.
const READ: &[&str] = &["get", "list"];
const CREATE: &[&str] = &["create"];

/// Kinds on the list that belong to no namespace; `nodes` are of two groups.
const OF_THE_CLUSTER: &[&str] = &[
    "clusterissuers",
    "csidrivers",
    "csinodes",
    "mutatingwebhookconfigurations",
    "namespaces",
    "nodes",
    "persistentvolumes",
    "storageclasses",
    "subjectaccessreviews",
    "tokenreviews",
    "validatingwebhookconfigurations",
    "volumeattachments",
];

/// What a right is for. Each has a role of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Reading what an incident touches.
    Investigate,
    /// Asking the API server who a caller is and what they may do (`auth.mode: kubernetes`).
    ReviewCallers,
    /// Telling of a rejected configuration, in the own namespace.
    TellEvents,
    /// `DataStorage` asks for this right on its own Service before it answers.
    UseDataStorage,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Investigate => "investigate",
            Self::ReviewCallers => "review callers",
            Self::TellEvents => "tell Events",
            Self::UseDataStorage => "use DataStorage",
        }
    }

    /// The role among the manifests that grants it.
    pub fn role(self) -> &'static str {
        match self {
            Self::Investigate => "holmesgpt-api-investigator",
            Self::ReviewCallers => "holmesgpt-api-reviewer",
            Self::TellEvents => "holmesgpt-api-events",
            Self::UseDataStorage => "holmesgpt-api-data-storage",
        }
    }
}

/// How much depends on a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// The service does not do its work without.
    Must,
    /// It does, and tells less: what is lost.
    Loses(&'static str),
    /// Only for `catalogue.source: custom_resources`.
    Catalogue,
}

/// Verbs on resources of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    pub purpose: Purpose,
    /// Empty = the core group.
    pub group: &'static str,
    /// Plural names; `pods/log` is a part of a resource.
    pub resources: &'static [&'static str],
    /// Only on the object of this name.
    pub name: Option<&'static str>,
    pub verbs: &'static [&'static str],
    pub need: Need,
}

impl Right {
    /// Every single verb on a single resource.
    pub fn questions(&self) -> impl Iterator<Item = Question> + use<> {
        let right = *self;
        let each = move |resource: &'static str| right.verbs.iter().map(move |verb| Question { right, resource, verb });
        right.resources.iter().copied().flat_map(each)
    }
}

/// One line of a [`Right`], as the API server is asked about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    pub right: Right,
    pub resource: &'static str,
    pub verb: &'static str,
}

impl Question {
    /// Whether a right in one namespace can be enough.
    pub fn is_namespaced(&self) -> bool {
        !OF_THE_CLUSTER.contains(&self.resource)
    }
}

const fn read(group: &'static str, resources: &'static [&'static str], need: Need) -> Right {
    Right { purpose: Purpose::Investigate, group, resources, name: None, verbs: READ, need }
}

/// Everything this service may do.
pub const RIGHTS: &[Right] = &[
    read(
        "",
        &[
            "configmaps",
            "endpoints",
            "events",
            "namespaces",
            "nodes",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "replicationcontrollers",
            "resourcequotas",
            "serviceaccounts",
            "services",
        ],
        Need::Must,
    ),
    Right {
        purpose: Purpose::Investigate,
        group: "",
        resources: &["pods/log"],
        name: None,
        verbs: &["get"],
        need: Need::Must,
    },
    read("", &["secrets"], Need::Loses("missing keys of Secrets and expired certificates in them stay unseen")),
    read("apps", &["daemonsets", "deployments", "replicasets", "statefulsets"], Need::Must),
    read("batch", &["cronjobs", "jobs"], Need::Must),
    read("autoscaling", &["horizontalpodautoscalers"], Need::Must),
    read("policy", &["poddisruptionbudgets"], Need::Must),
    read("networking.k8s.io", &["ingresses", "networkpolicies"], Need::Must),
    read("discovery.k8s.io", &["endpointslices"], Need::Must),
    read("events.k8s.io", &["events"], Need::Loses("events of the newer kind stay unseen")),
    read(
        "storage.k8s.io",
        &["csidrivers", "csinodes", "storageclasses", "volumeattachments"],
        Need::Loses("causes in storage stay unseen"),
    ),
    read("metrics.k8s.io", &["nodes", "pods"], Need::Loses("nobody sees what pods and nodes use at the moment")),
    read(
        "admissionregistration.k8s.io",
        &["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
        Need::Loses("webhooks that refuse objects stay unseen"),
    ),
    read(
        "cert-manager.io",
        &["certificaterequests", "certificates", "clusterissuers", "issuers"],
        Need::Loses("certificates of cert-manager stay unseen"),
    ),
    read("kubernaut.ai", &["actiontypes", "remediationworkflows"], Need::Catalogue),
    Right {
        purpose: Purpose::ReviewCallers,
        group: "authentication.k8s.io",
        resources: &["tokenreviews"],
        name: None,
        verbs: CREATE,
        need: Need::Must,
    },
    Right {
        purpose: Purpose::ReviewCallers,
        group: "authorization.k8s.io",
        resources: &["subjectaccessreviews"],
        name: None,
        verbs: CREATE,
        need: Need::Must,
    },
    Right {
        purpose: Purpose::TellEvents,
        group: "",
        resources: &["events"],
        name: None,
        verbs: CREATE,
        need: Need::Loses("`kubectl describe pod` does not tell of a rejected configuration, only the log does"),
    },
    Right {
        purpose: Purpose::UseDataStorage,
        group: "",
        resources: &["services"],
        name: Some("data-storage-service"),
        verbs: &["create", "get"],
        need: Need::Loses("DataStorage may refuse to answer about workflows and to take audit events"),
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_right_is_listed_twice_and_investigations_only_read() {
        let mut seen = BTreeSet::new();
        for question in RIGHTS.iter().flat_map(Right::questions) {
            let Question { right, resource, verb } = question;
            assert!(seen.insert((right.purpose.role(), right.group, resource, verb)), "{question:?}");
            assert!(matches!(verb, "get" | "list") || right.purpose != Purpose::Investigate, "{question:?}");
        }
        assert!(seen.len() > 60, "{}", seen.len());
        let named = |name: &&&str| seen.iter().any(|(_, _, resource, _)| *resource == **name);
        assert_eq!(OF_THE_CLUSTER.iter().filter(named).count(), OF_THE_CLUSTER.len(), "all of them are on the list");
    }
}
