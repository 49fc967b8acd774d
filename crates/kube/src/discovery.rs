//! Which kinds a cluster serves.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_core::{GroupKind, GroupVersionKind};

/// One served kind at one version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resource {
    /// Group, version and kind.
    pub gvk: GroupVersionKind,
    /// Plural name in paths, such as `deployments`.
    pub plural: Arc<str>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Supported verbs.
    pub verbs: Vec<Arc<str>>,
    /// Subresources, such as `status` and `scale`.
    pub subresources: Vec<Arc<str>>,
}

impl Resource {
    /// Says whether `verb` is supported.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| &**known == verb)
    }

    /// Returns the path of the collection (`namespace` is ignored for cluster-scoped kinds; all
    /// namespaces where empty).
    pub fn collection_path(&self, namespace: &str) -> String {
        let root = if self.gvk.group.is_empty() {
            format!("/api/{}", self.gvk.version)
        } else {
            format!("/apis/{}/{}", self.gvk.group, self.gvk.version)
        };
        if self.namespaced && !namespace.is_empty() {
            format!("{root}/namespaces/{namespace}/{}", self.plural)
        } else {
            format!("{root}/{}", self.plural)
        }
    }

    /// Returns the path of one object.
    pub fn object_path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.collection_path(namespace))
    }
}

/// A snapshot of the kinds a cluster serves.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Discovery {
    /// Kinds by group and kind; versions in the server's order of preference.
    kinds: BTreeMap<GroupKind, Vec<Arc<Resource>>>,
    /// Group versions that are registered and could not be read, with the reason.
    unreadable: BTreeMap<(Arc<str>, Arc<str>), Arc<str>>,
}

/// The answer to "does the cluster serve this kind?".
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolved {
    /// It does.
    Known(Arc<Resource>),
    /// It does not, for certain.
    Unknown,
    /// The API group cannot be read, so that nobody knows.
    Unreadable(Arc<str>),
}

impl Discovery {
    /// Finds a kind at a version.
    pub fn resolve(&self, gvk: &GroupVersionKind) -> Resolved {
        let found = self
            .versions(&gvk.group_kind())
            .iter()
            .find(|resource| resource.gvk.version == gvk.version);
        if let Some(resource) = found {
            return Resolved::Known(resource.clone());
        }
        match self
            .unreadable
            .get(&(gvk.group.clone(), gvk.version.clone()))
        {
            Some(reason) => Resolved::Unreadable(reason.clone()),
            None => Resolved::Unknown,
        }
    }

    /// Finds a kind at the version the server prefers.
    pub fn preferred(&self, kind: &GroupKind) -> Resolved {
        if let Some(resource) = self.versions(kind).first() {
            return Resolved::Known(resource.clone());
        }
        let failing = self
            .unreadable
            .iter()
            .find(|((group, _), _)| *group == kind.group);
        match failing {
            Some((_, reason)) => Resolved::Unreadable(reason.clone()),
            None => Resolved::Unknown,
        }
    }

    /// Returns all served versions of a kind, preferred first.
    pub fn versions(&self, kind: &GroupKind) -> &[Arc<Resource>] {
        self.kinds.get(kind).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns every kind at its preferred version, ordered by group and kind.
    pub fn kinds(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.kinds.values().filter_map(|versions| versions.first())
    }

    /// Returns every kind at every version.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.kinds.values().flatten()
    }

    /// Returns the API versions Helm's `Capabilities.APIVersions` holds: `v1`, `apps/v1` and
    /// `apps/v1/Deployment`, ordered.
    pub fn api_versions(&self) -> Vec<String> {
        let mut all = std::collections::BTreeSet::new();
        for resource in self.resources() {
            let api_version = resource.gvk.api_version();
            all.insert(format!("{api_version}/{}", resource.gvk.kind));
            all.insert(api_version);
        }
        all.into_iter().collect()
    }

    /// Returns the group versions that could not be read, with the reason.
    pub fn unreadable(&self) -> impl Iterator<Item = (String, &str)> {
        self.unreadable
            .iter()
            .map(|((group, version), reason)| (format!("{group}/{version}"), &**reason))
    }
}
