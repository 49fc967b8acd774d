//! What an AppProject permits (argocd-contract §1.2): sources, destinations, kinds.
//!
//! The patterns are compiled once for each version of a project. A pattern that cannot be compiled permits
//! nothing and, when it denies, denies everything: a typo never opens a door.

use driftless_api::AppProject;
use driftless_api::project::{DestinationServiceAccount, OrphanedResources, ProjectDestination};
use driftless_core::{Glob, GroupKind, ProjectName, ResourceKey};

use crate::window::Windows;

/// Annotation of a project whose charts may look up objects of their destination.
pub const HELM_LOOKUP: &str = "driftless.dev/helm-lookup";

/// A destination as applications name it: address and name of the cluster, and a namespace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// Address of the cluster.
    pub server: &'a str,
    /// Name of the cluster, empty when unknown.
    pub name: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Project that the cluster belongs to, empty when it belongs to none.
    pub cluster_project: &'a str,
}

/// One compiled pattern; a leading `!` denies.
#[derive(Clone, Debug)]
struct Pattern {
    denies: bool,
    /// `None` when the pattern cannot be compiled.
    glob: Option<Glob>,
}

impl Pattern {
    fn new(text: &str, separator: Option<char>) -> Self {
        let (denies, text) = text
            .strip_prefix('!')
            .map_or((false, text), |rest| (true, rest));
        // A lone star means everything, separators included.
        let separator = separator.filter(|_| text != "*");
        Self {
            denies,
            glob: Glob::new(text, separator).ok(),
        }
    }

    /// Says whether the text is the one the pattern names, whether it permits or denies it.
    fn names(&self, text: &str) -> bool {
        self.glob
            .as_ref()
            .map_or(self.denies, |glob| glob.matches(text))
    }
}

#[derive(Clone, Debug)]
struct DestinationRule {
    server: Option<Pattern>,
    name: Option<Pattern>,
    namespace: Pattern,
}

impl DestinationRule {
    fn new(destination: &ProjectDestination) -> Self {
        let pattern = |text: &str| (!text.is_empty()).then(|| Pattern::new(text, None));
        Self {
            server: pattern(destination.server.trim_end_matches('/')),
            name: pattern(&destination.name),
            namespace: Pattern::new(&destination.namespace, None),
        }
    }

    fn denies(&self) -> bool {
        let denies =
            |pattern: &Option<Pattern>| pattern.as_ref().is_some_and(|pattern| pattern.denies);
        self.namespace.denies || denies(&self.server) || denies(&self.name)
    }

    fn names(&self, place: Place<'_>) -> bool {
        let server = self
            .server
            .as_ref()
            .is_some_and(|pattern| pattern.names(place.server));
        let name = !place.name.is_empty()
            && self
                .name
                .as_ref()
                .is_some_and(|pattern| pattern.names(place.name));
        (server || name) && self.namespace.names(place.namespace)
    }
}

#[derive(Clone, Debug)]
struct KindRule {
    group: Pattern,
    kind: Pattern,
    name: Option<Pattern>,
}

impl KindRule {
    fn new(group: &str, kind: &str, name: &str) -> Self {
        Self {
            group: Pattern::new(group, None),
            kind: Pattern::new(kind, None),
            name: (!name.is_empty()).then(|| Pattern::new(name, None)),
        }
    }

    fn names(&self, kind: &GroupKind, name: &str) -> bool {
        self.group.names(&kind.group)
            && self.kind.names(&kind.kind)
            && self.name.as_ref().is_none_or(|pattern| pattern.names(name))
    }
}

/// A service account of `destinationServiceAccounts`.
#[derive(Clone, Debug)]
struct AccountRule {
    server: Pattern,
    namespace: Pattern,
    account: String,
}

impl AccountRule {
    fn new(rule: &DestinationServiceAccount) -> Self {
        // An absent namespace matches the destination without one, as the incumbent's glob does.
        Self {
            server: Pattern::new(rule.server.trim_end_matches('/'), None),
            namespace: Pattern::new(&rule.namespace, None),
            account: rule.default_service_account.clone(),
        }
    }
}

/// The annotation of a project that says where remote bases of kustomizations may come from: `any` (default),
/// `source-repos` or `none`.
pub const REMOTE_BASES: &str = "driftless.dev/remote-bases";

/// Where remote bases of kustomizations may come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum RemoteBases {
    #[default]
    Any,
    SourceRepos,
    None,
}

impl RemoteBases {
    /// Reads the annotation; a value that nobody knows allows nothing.
    fn of(project: &AppProject) -> Self {
        match project.metadata.annotations.get(REMOTE_BASES) {
            None => Self::Any,
            Some(text) => match text.as_str() {
                "any" | "" => Self::Any,
                "source-repos" => Self::SourceRepos,
                _ => Self::None,
            },
        }
    }
}

/// The service account to act as: its namespace and its name.
pub type ServiceAccount = (String, String);

/// The compiled rules of one project.
#[derive(Clone, Debug)]
pub struct ProjectRules {
    remote_bases: RemoteBases,
    name: ProjectName,
    sources: Vec<Pattern>,
    destinations: Vec<DestinationRule>,
    cluster_allowed: Vec<KindRule>,
    cluster_denied: Vec<KindRule>,
    namespaced_allowed: Option<Vec<KindRule>>,
    namespaced_denied: Vec<KindRule>,
    namespaces: Vec<Pattern>,
    only_scoped_clusters: bool,
    accounts: Vec<AccountRule>,
    windows: Windows,
    lookup: bool,
    orphaned: Option<OrphanRules>,
}

/// Which objects that belong to no Application are told, and how.
#[derive(Clone, Debug)]
pub struct OrphanRules {
    /// Whether Applications get a warning.
    pub warns: bool,
    ignored: Vec<KindRule>,
}

impl OrphanRules {
    fn new(spec: &OrphanedResources) -> Self {
        let ignored = spec.ignore.iter().map(|one| {
            // What is not named is any.
            let any = |text: &str| if text.is_empty() { "*" } else { text }.to_owned();
            // The core group has an empty name: only a pattern for the whole key leaves it open.
            let group = if one.group.is_empty() && one.kind.is_empty() {
                "*"
            } else {
                &one.group
            };
            KindRule::new(group, &any(&one.kind), &one.name)
        });
        Self {
            warns: spec.warn.unwrap_or(true),
            ignored: ignored.collect(),
        }
    }

    /// Says whether an object counts that belongs to no Application and is owned by no other object.
    pub fn count(&self, key: &ResourceKey) -> bool {
        let kind = key.group_kind();
        let is_known = match (&*kind.group, &*kind.kind, &*key.name) {
            ("", "ServiceAccount", "default")
            | ("", "ConfigMap", "kube-root-ca.crt")
            // One for each Service, by its name.
            | ("", "Endpoints", _) => true,
            ("", "Service", "kubernetes") => &*key.namespace == "default",
            _ => false,
        };
        !is_known && !self.ignored.iter().any(|rule| rule.names(&kind, &key.name))
    }
}

impl ProjectRules {
    /// Compiles the rules of a project.
    pub fn from_project(project: &AppProject) -> Self {
        let spec = &project.spec;
        let source = |text: &String| {
            let (bang, url) = text
                .strip_prefix('!')
                .map_or(("", text.as_str()), |rest| ("!", rest));
            Pattern::new(&format!("{bang}{}", normalised(url)), Some('/'))
        };
        let kinds = |list: &[driftless_api::project::GroupKindPattern]| -> Vec<KindRule> {
            list.iter()
                .map(|rule| KindRule::new(&rule.group, &rule.kind, ""))
                .collect()
        };
        let cluster =
            |list: &[driftless_api::project::ClusterResourceRestriction]| -> Vec<KindRule> {
                list.iter()
                    .map(|rule| KindRule::new(&rule.group, &rule.kind, &rule.name))
                    .collect()
            };
        Self {
            name: ProjectName::new(&project.metadata.name),
            remote_bases: RemoteBases::of(project),
            sources: spec.source_repos.iter().map(source).collect(),
            destinations: spec.destinations.iter().map(DestinationRule::new).collect(),
            cluster_allowed: cluster(&spec.cluster_resource_whitelist),
            cluster_denied: cluster(&spec.cluster_resource_blacklist),
            namespaced_allowed: spec.namespace_resource_whitelist.as_deref().map(kinds),
            namespaced_denied: kinds(&spec.namespace_resource_blacklist),
            namespaces: spec
                .source_namespaces
                .iter()
                .map(|text| Pattern::new(text, None))
                .collect(),
            only_scoped_clusters: spec.permit_only_project_scoped_clusters,
            accounts: spec
                .destination_service_accounts
                .iter()
                .map(AccountRule::new)
                .collect(),
            windows: Windows::new(&spec.sync_windows),
            orphaned: spec.orphaned_resources.as_deref().map(OrphanRules::new),
            lookup: project
                .metadata
                .annotations
                .get(HELM_LOOKUP)
                .is_some_and(|value| value == "true"),
        }
    }

    /// Returns which objects without an Application are told; `None` when the project does not ask for it.
    pub fn orphans(&self) -> Option<&OrphanRules> {
        self.orphaned.as_ref()
    }

    /// Returns the project's sync windows.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Returns the service account to act as at a destination: the first one that matches.
    pub fn service_account(&self, place: Place<'_>) -> Result<ServiceAccount, String> {
        let names = |rule: &&AccountRule| {
            rule.server.glob.is_some()
                && rule.server.names(place.server)
                && rule.namespace.glob.is_some()
                && rule.namespace.names(place.namespace)
        };
        let Some(rule) = self.accounts.iter().find(names) else {
            return Err(format!(
                "no matching service account found for destination server {} and namespace {}",
                place.server, place.namespace
            ));
        };
        let account = rule.account.trim();
        let (namespace, name) = account
            .split_once(':')
            .unwrap_or((place.namespace, account));
        let is_name = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        };
        if !is_name(namespace) || !is_name(name) {
            return Err(format!(
                "default service account {account:?} of project {} is not of the form [namespace:]name",
                self.name
            ));
        }
        Ok((namespace.to_owned(), name.to_owned()))
    }

    /// Says whether charts may look up objects of their destination.
    pub fn permits_lookup(&self) -> bool {
        self.lookup
    }

    /// Returns the project's name.
    pub fn name(&self) -> &ProjectName {
        &self.name
    }

    /// Says why kustomizations may not take bases or files from an address; `None` when they may.
    pub fn refuses_remote_base(&self, address: &str) -> Option<String> {
        let reason = match self.remote_bases {
            RemoteBases::Any => return None,
            RemoteBases::SourceRepos if self.permits_source(address) => return None,
            RemoteBases::SourceRepos => "allows remote bases of its sourceRepos only",
            RemoteBases::None => "allows no remote bases",
        };
        Some(format!(
            "project {} {reason} (annotation {REMOTE_BASES})",
            self.name
        ))
    }

    /// Says whether applications may take manifests from a repository.
    pub fn permits_source(&self, repository: &str) -> bool {
        let repository = normalised(repository);
        let named = |denies: bool| {
            self.sources
                .iter()
                .any(|pattern| pattern.denies == denies && pattern.names(&repository))
        };
        named(false) && !named(true)
    }

    /// Says whether applications may deploy to a cluster and namespace.
    pub fn permits_destination(&self, place: Place<'_>) -> bool {
        let named = |denies: bool| {
            self.destinations
                .iter()
                .any(|rule| rule.denies() == denies && rule.names(place))
        };
        named(false) && !named(true) && self.permits_cluster_of(place)
    }

    /// Says whether the cluster is one of the project's own, where the project asks for that.
    fn permits_cluster_of(&self, place: Place<'_>) -> bool {
        !self.only_scoped_clusters || *self.name.as_str() == *place.cluster_project
    }

    /// Says whether applications may manage a cluster-scoped object.
    pub fn permits_cluster_kind(&self, kind: &GroupKind, name: &str) -> bool {
        self.cluster_allowed
            .iter()
            .any(|rule| rule.names(kind, name))
            && !self
                .cluster_denied
                .iter()
                .any(|rule| rule.names(kind, name))
    }

    /// Says whether applications may manage a kind of namespaced objects.
    pub fn permits_namespaced_kind(&self, kind: &GroupKind) -> bool {
        self.namespaced_allowed
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|rule| rule.names(kind, "")))
            && !self
                .namespaced_denied
                .iter()
                .any(|rule| rule.names(kind, ""))
    }

    /// Says whether Applications of a namespace (other than the control plane's) may use the project.
    pub fn permits_app_namespace(&self, namespace: &str) -> bool {
        self.namespaces
            .iter()
            .any(|pattern| pattern.names(namespace))
    }

    /// Checks one object that is about to be written or deleted: its kind, and its namespace at the destination.
    ///
    /// `key.namespace` is empty for cluster-scoped objects; it counts, not the one of `place`. The messages are the
    /// contract's (§3.1).
    pub fn check_object(
        &self,
        key: &driftless_core::ResourceKey,
        place: Place<'_>,
    ) -> Result<(), String> {
        let kind = key.group_kind();
        let permitted = if key.is_namespaced() {
            self.permits_namespaced_kind(&kind)
        } else {
            self.permits_cluster_kind(&kind, &key.name)
        };
        if !permitted {
            let (group, kind, project) = (&kind.group, &kind.kind, &self.name);
            return Err(format!(
                "resource {group}:{kind} is not permitted in project {project}"
            ));
        }
        if !self.permits_cluster_of(place) {
            return Err(format!(
                "cluster {} is not scoped to project '{}'",
                place.server, self.name
            ));
        }
        let place = Place {
            namespace: &key.namespace,
            ..place
        };
        if key.is_namespaced() && !self.permits_destination(place) {
            let (namespace, project) = (&key.namespace, &self.name);
            return Err(format!(
                "namespace {namespace} is not permitted in project '{project}'"
            ));
        }
        Ok(())
    }
}

/// Reduces the ways to write one address, or one pattern of addresses, to one: no `.git`, no trailing slash,
/// lower-case scheme and host. Works on patterns too, which are no URLs.
fn normalised(url: &str) -> String {
    let url = url.trim().trim_end_matches('/');
    let url = url.strip_suffix(".git").unwrap_or(url);
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            format!("{}://{}{path}", scheme.to_lowercase(), host.to_lowercase())
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_core::ResourceKey;

    fn rules(spec: serde_json::Value) -> ProjectRules {
        let project = serde_json::json!({"metadata": {"name": "ml"}, "spec": spec});
        ProjectRules::from_project(&serde_json::from_value(project).unwrap())
    }

    fn place<'a>(server: &'a str, namespace: &'a str) -> Place<'a> {
        Place {
            server,
            namespace,
            ..Place::default()
        }
    }

    #[test]
    fn the_default_project_permits_everything() {
        let rules = ProjectRules::from_project(&AppProject::default_project("argocd"));
        assert!(rules.permits_source("https://git.example/a/b/c.git"));
        assert!(rules.permits_destination(place("https://k8s.example", "any")));
        assert!(rules.permits_cluster_kind(&GroupKind::new("", "Namespace"), "x"));
        assert!(rules.permits_namespaced_kind(&GroupKind::new("apps", "Deployment")));
    }

    #[test]
    fn an_empty_project_permits_nothing_but_namespaced_kinds() {
        let rules = rules(serde_json::json!({}));
        assert!(!rules.permits_source("https://git.example/a"));
        assert!(!rules.permits_destination(place("https://k8s.example", "any")));
        assert!(!rules.permits_cluster_kind(&GroupKind::new("", "Namespace"), "x"));
        assert!(rules.permits_namespaced_kind(&GroupKind::new("apps", "Deployment")));
    }

    #[test]
    fn denials_win_over_permissions() {
        let rules = rules(serde_json::json!({
            "sourceRepos": ["https://git.example/team/*", "!https://git.example/team/secret"],
            "destinations": [
                {"server": "*", "namespace": "ml-*"},
                {"server": "*", "namespace": "!ml-prod"},
            ],
        }));
        assert!(rules.permits_source("https://GIT.example/team/app.git"));
        assert!(!rules.permits_source("https://git.example/team/secret.git"));
        assert!(!rules.permits_source("https://git.example/other/app"));
        assert!(rules.permits_destination(place("https://k8s.example", "ml-dev")));
        assert!(!rules.permits_destination(place("https://k8s.example", "ml-prod")));
        assert!(!rules.permits_destination(place("https://k8s.example", "kube-system")));
    }

    #[test]
    fn a_pattern_with_a_typo_opens_no_door() {
        let open = rules(serde_json::json!({"sourceRepos": ["[oops"]}));
        assert!(!open.permits_source("[oops"));
        let denied = rules(serde_json::json!({"sourceRepos": ["*", "![oops"]}));
        assert!(!denied.permits_source("https://git.example/a"));
    }

    #[test]
    fn objects_are_checked_by_kind_and_namespace() {
        let rules = rules(serde_json::json!({
            "destinations": [{"server": "https://k8s.example", "namespace": "ml-*"}],
            "clusterResourceWhitelist": [{"group": "", "kind": "Namespace", "name": "ml-*"}],
            "namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}],
        }));
        let check = |key: ResourceKey| rules.check_object(&key, place("https://k8s.example", ""));
        assert_eq!(
            check(ResourceKey::new("", "Namespace", "", "ml-dev")),
            Ok(())
        );
        assert_eq!(
            check(ResourceKey::new("", "Namespace", "", "other")),
            Err("resource :Namespace is not permitted in project ml".to_owned())
        );
        assert_eq!(
            check(ResourceKey::new("", "Secret", "ml-dev", "s")),
            Err("resource :Secret is not permitted in project ml".to_owned())
        );
        assert_eq!(
            check(ResourceKey::new("apps", "Deployment", "kube-system", "d")),
            Err("namespace kube-system is not permitted in project 'ml'".to_owned())
        );
    }

    #[test]
    fn only_clusters_of_the_project_where_it_asks_for_that() {
        let rules = rules(serde_json::json!({
            "destinations": [{"server": "*", "namespace": "*"}],
            "permitOnlyProjectScopedClusters": true,
        }));
        let own = |project| Place {
            cluster_project: project,
            ..place("https://k8s.example", "web")
        };
        assert!(rules.permits_destination(own("ml")));
        assert!(!rules.permits_destination(own("other")));
        assert!(!rules.permits_destination(own("")));
        let key = ResourceKey::new("", "ConfigMap", "web", "c");
        assert!(rules.check_object(&key, own("ml")).is_ok());
        assert_eq!(
            rules.check_object(&key, own("")),
            Err("cluster https://k8s.example is not scoped to project 'ml'".to_owned())
        );
    }

    #[test]
    fn the_first_matching_service_account_counts() {
        let rules = rules(serde_json::json!({"destinationServiceAccounts": [
            {"server": "https://k8s.example", "namespace": "web", "defaultServiceAccount": "deployer"},
            {"server": "*", "namespace": "ml-*", "defaultServiceAccount": "robots:ml"},
            {"server": "*", "namespace": "bad", "defaultServiceAccount": "!no"},
            {"server": "*", "namespace": "bad", "defaultServiceAccount": "late"},
        ]}));
        let account = |namespace| rules.service_account(place("https://k8s.example", namespace));
        assert_eq!(
            account("web"),
            Ok(("web".to_owned(), "deployer".to_owned()))
        );
        assert_eq!(
            account("ml-dev"),
            Ok(("robots".to_owned(), "ml".to_owned()))
        );
        assert_eq!(
            account("other").unwrap_err(),
            "no matching service account found for destination server https://k8s.example and namespace other"
        );
        assert!(account("bad").unwrap_err().contains("\"!no\""));
    }
}
