//! Which kinds are not watched, by default and by configuration.

use driftless_core::{ClusterUrl, GroupKind};

use super::state;

/// One entry of `resource.exclusions` or `resource.inclusions` (argocd-contract §7.1). `*` and `?`
/// are wildcards; an empty list stands for all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KindFilter {
    /// API groups.
    pub api_groups: Vec<String>,
    /// Kinds.
    pub kinds: Vec<String>,
    /// Addresses of clusters.
    pub clusters: Vec<String>,
}

impl KindFilter {
    fn matches(&self, kind: &GroupKind, cluster: &ClusterUrl) -> bool {
        let any = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| wildcard(pattern, text))
        };
        any(&self.api_groups, &kind.group)
            && any(&self.kinds, &kind.kind)
            && any(&self.clusters, cluster.as_str())
    }
}

/// Configured filters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KindFilters {
    /// Kinds that are never watched.
    pub exclusions: Vec<KindFilter>,
    /// If there are any, only these kinds are watched.
    pub inclusions: Vec<KindFilter>,
}

/// Not watched unless an app wants objects of it: they change all the time, are many, or say
/// nothing about an app. `*` as kind stands for the whole group.
const SKIPPED: &[(&str, &str)] = &[
    ("", "Event"),
    ("", "Endpoints"),
    ("events.k8s.io", "*"),
    ("metrics.k8s.io", "*"),
    ("coordination.k8s.io", "Lease"),
    ("authentication.k8s.io", "*"),
    ("authorization.k8s.io", "*"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("cert-manager.io", "CertificateRequest"),
    ("cilium.io", "CiliumIdentity"),
    ("cilium.io", "CiliumEndpoint"),
    ("cilium.io", "CiliumEndpointSlice"),
    ("kyverno.io", "PolicyReport"),
    ("kyverno.io", "ClusterPolicyReport"),
    ("kyverno.io", "EphemeralReport"),
    ("kyverno.io", "ClusterEphemeralReport"),
    ("kyverno.io", "AdmissionReport"),
    ("kyverno.io", "ClusterAdmissionReport"),
    ("kyverno.io", "BackgroundScanReport"),
    ("kyverno.io", "ClusterBackgroundScanReport"),
    ("kyverno.io", "UpdateRequest"),
    ("reports.kyverno.io", "*"),
    ("wgpolicyk8s.io", "*"),
];

/// Shown in trees by their metadata alone.
const BODILESS: &[(&str, &str)] = &[
    ("discovery.k8s.io", "EndpointSlice"),
    ("apps", "ControllerRevision"),
    ("coordination.k8s.io", "Lease"),
    ("", "Endpoints"),
    ("", "Event"),
    ("events.k8s.io", "Event"),
];

/// Watched as whole objects even where metadata would do: a store of the control plane watches the same objects so,
/// and the API server encodes a change once for both. A second form costs it more than the change itself.
const WHOLE: &[(&str, &str)] = &[("argoproj.io", "Application")];

/// Says whether a kind is asked for as whole objects, however much of them is read.
pub(super) fn is_watched_whole(kind: &GroupKind) -> bool {
    is_listed(WHOLE, kind)
}

fn is_listed(list: &[(&str, &str)], kind: &GroupKind) -> bool {
    list.iter()
        .any(|(group, name)| **group == *kind.group && (*name == "*" || **name == *kind.kind))
}

/// The rules of one cluster.
pub(super) struct Rules {
    pub(super) cluster: ClusterUrl,
    pub(super) filters: KindFilters,
}

impl state::Exclusions for Rules {
    fn is_forbidden(&self, kind: &GroupKind) -> bool {
        let any = |filters: &[KindFilter]| filters.iter().any(|f| f.matches(kind, &self.cluster));
        any(&self.filters.exclusions)
            || !self.filters.inclusions.is_empty() && !any(&self.filters.inclusions)
    }

    fn is_skipped(&self, kind: &GroupKind) -> bool {
        is_listed(SKIPPED, kind)
    }

    fn is_bodiless(&self, kind: &GroupKind) -> bool {
        is_listed(BODILESS, kind)
    }
}

/// Matches `*` (any run) and `?` (one character).
fn wildcard(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Positions in `text` that the pattern read so far can end at, ascending.
    let mut reachable: Vec<usize> = vec![0];
    for part in pattern.chars() {
        reachable = match (part, reachable.first()) {
            (_, None) => return false,
            ('*', Some(least)) => (*least..=text.len()).collect(),
            (part, _) => reachable
                .iter()
                .filter(|at| text.get(**at).is_some_and(|c| part == '?' || *c == part))
                .map(|at| at + 1)
                .collect(),
        };
    }
    reachable.contains(&text.len())
}

#[cfg(test)]
mod tests {
    use super::state::Exclusions as _;
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("*", "apps", true),
            ("*.cilium.io", "x.cilium.io", true),
            ("*.cilium.io", "cilium.io", false),
            ("Cilium*", "CiliumNode", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
            ("", "x", false),
            ("*a*b*", "xaxbx", true),
            ("*a*b*", "xbxax", false),
        ] {
            assert_eq!(wildcard(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn defaults_and_configuration() {
        let filter = |group: &str, kind: &str, cluster: &str| KindFilter {
            api_groups: vec![group.to_owned()],
            kinds: vec![kind.to_owned()],
            clusters: if cluster.is_empty() {
                Vec::new()
            } else {
                vec![cluster.to_owned()]
            },
        };
        let rules = |filters| Rules {
            cluster: ClusterUrl::new("https://one"),
            filters,
        };
        let plain = rules(KindFilters::default());
        assert!(plain.is_skipped(&GroupKind::new("", "Event")));
        assert!(!plain.is_skipped(&GroupKind::new("discovery.k8s.io", "EndpointSlice")));
        assert!(!plain.is_forbidden(&GroupKind::new("", "Event")));
        let configured = rules(KindFilters {
            exclusions: vec![
                filter("batch", "*", "https://one"),
                filter("apps", "*", "https://two"),
            ],
            inclusions: Vec::new(),
        });
        assert!(configured.is_forbidden(&GroupKind::new("batch", "Job")));
        assert!(!configured.is_forbidden(&GroupKind::new("apps", "Deployment")));
        let only = rules(KindFilters {
            exclusions: Vec::new(),
            inclusions: vec![filter("apps", "Deploy*", "")],
        });
        assert!(!only.is_forbidden(&GroupKind::new("apps", "Deployment")));
        assert!(only.is_forbidden(&GroupKind::new("apps", "StatefulSet")));
    }
}
