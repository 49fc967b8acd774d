//! Which kinds a cluster serves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_core::{GroupKind, GroupVersionKind};
use kube::client::{APIGroupDiscoveryList, APIResourceDiscovery};
use parking_lot::RwLock;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::error::Error;
use crate::transport::{Call, Lane, Transport};

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
        let namespace = if self.namespaced { namespace } else { "" };
        collection_path(&self.gvk, &self.plural, namespace)
    }

    /// Returns the path of one object. Names come from Git: one that would lead to another path is
    /// an error, because it would pass by the authorisation of that other object.
    pub(crate) fn object_path(&self, namespace: &str, name: &str) -> Result<String, Error> {
        for (what, segment) in [("name", name), ("namespace", namespace)] {
            let steps_out = matches!(segment, "." | "..")
                || segment.chars().any(|c| {
                    matches!(c, '/' | '%' | '?' | '#' | '\\')
                        || c <= ' '
                        || c == '\u{7f}'
                        || !c.is_ascii()
                });
            if steps_out {
                return Err(Error::BadObject {
                    detail: format!("{what} {segment:?} is not allowed in {}", self.gvk),
                });
            }
        }
        if name.is_empty() {
            return Err(Error::BadObject {
                detail: format!("{} has no name", self.gvk),
            });
        }
        if self.namespaced && namespace.is_empty() {
            return Err(Error::BadObject {
                detail: format!("{} {name} has no namespace", self.gvk),
            });
        }
        Ok(format!("{}/{name}", self.collection_path(namespace)))
    }
}

/// Returns the path of a collection; of all namespaces where `namespace` is empty.
pub(crate) fn collection_path(gvk: &GroupVersionKind, plural: &str, namespace: &str) -> String {
    let root = if gvk.group.is_empty() {
        format!("/api/{}", gvk.version)
    } else {
        format!("/apis/{}/{}", gvk.group, gvk.version)
    };
    if namespace.is_empty() {
        format!("{root}/{plural}")
    } else {
        format!("{root}/namespaces/{namespace}/{plural}")
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

/// Asked for in this order: v2 (Kubernetes 1.30), v2beta1 (1.26).
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
     application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

/// A kind nobody knows makes the cluster asked again, at most this often.
const MISS_INTERVAL: Duration = Duration::from_secs(2);
/// The same while definitions of kinds are changing.
const SHORT_MISS_INTERVAL: Duration = Duration::from_millis(200);
/// A definition is served at most this long after it changed.
const UNSETTLED: Duration = Duration::from_secs(5);

/// Keeps the snapshot of one cluster.
pub(crate) struct Discoverer {
    transport: Transport,
    snapshot: RwLock<Arc<Discovery>>,
    /// Counts snapshots; 0 = none yet.
    generation: watch::Sender<u64>,
    /// One request at a time; when the last one succeeded.
    asking: Mutex<Option<Instant>>,
    /// When the definition of a kind changed last.
    defined: RwLock<Option<Instant>>,
}

impl Discoverer {
    pub(crate) fn new(transport: Transport) -> Self {
        Self {
            transport,
            snapshot: RwLock::default(),
            generation: watch::Sender::new(0),
            asking: Mutex::new(None),
            defined: RwLock::default(),
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Discovery> {
        self.snapshot.read().clone()
    }

    pub(crate) fn generations(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Notes that the definition of a kind changed: what is not known now may be in a moment.
    pub(crate) fn definition_changed(&self) {
        *self.defined.write() = Some(Instant::now());
    }

    /// Asks the cluster.
    pub(crate) async fn refresh(&self) -> Result<Arc<Discovery>, Error> {
        let mut asked = self.asking.lock().await;
        let fresh = self.ask().await?;
        *asked = Some(Instant::now());
        Ok(self.store(fresh))
    }

    /// Resolves a kind, asking the cluster once more if the snapshot does not know it.
    pub(crate) async fn resolve(&self, gvk: &GroupVersionKind) -> Result<Arc<Resource>, Error> {
        self.resolve_with(gvk, |discovery| discovery.resolve(gvk))
            .await
    }

    /// Like [`Self::resolve`], at the version the server prefers.
    pub(crate) async fn resolve_preferred(&self, kind: &GroupKind) -> Result<Arc<Resource>, Error> {
        let gvk = GroupVersionKind::new(&kind.group, "", &kind.kind);
        self.resolve_with(&gvk, |discovery| discovery.preferred(kind))
            .await
    }

    async fn resolve_with(
        &self,
        gvk: &GroupVersionKind,
        find: impl Fn(&Discovery) -> Resolved,
    ) -> Result<Arc<Resource>, Error> {
        if let Resolved::Known(resource) = find(&self.snapshot.read()) {
            return Ok(resource);
        }
        let mut asked = self.asking.lock().await;
        // Somebody else may have asked while we waited.
        if let Resolved::Known(resource) = find(&self.snapshot.read()) {
            return Ok(resource);
        }
        let interval = match *self.defined.read() {
            Some(at) if at.elapsed() < UNSETTLED => SHORT_MISS_INTERVAL,
            _ => MISS_INTERVAL,
        };
        if asked.is_none_or(|at| at.elapsed() >= interval) {
            let fresh = self.ask().await?;
            *asked = Some(Instant::now());
            self.store(fresh);
        }
        match find(&self.snapshot.read()) {
            Resolved::Known(resource) => Ok(resource),
            Resolved::Unknown => Err(Error::UnknownKind { gvk: gvk.clone() }),
            Resolved::Unreadable(reason) => Err(Error::Server {
                code: 503,
                message: format!("API group {} cannot be read: {reason}", gvk.api_version()),
            }),
        }
    }

    fn store(&self, fresh: Discovery) -> Arc<Discovery> {
        let mut snapshot = self.snapshot.write();
        if **snapshot == fresh && *self.generation.borrow() > 0 {
            return snapshot.clone();
        }
        *snapshot = Arc::new(fresh);
        let fresh = snapshot.clone();
        drop(snapshot);
        self.generation.send_modify(|generation| *generation += 1);
        fresh
    }

    async fn ask(&self) -> Result<Discovery, Error> {
        let (core, groups) = tokio::try_join!(self.read("/api"), self.read("/apis"))?;
        let mut discovery = Discovery::default();
        discovery.add(core, true);
        discovery.add(groups, false);
        Ok(discovery)
    }

    async fn read(&self, path: &str) -> Result<APIGroupDiscoveryList, Error> {
        let mut call = Call::get(path);
        call.accept = AGGREGATED;
        let (_, body) = self.transport.fetch(Lane::Write, &call).await?;
        serde_json::from_slice(&body).map_err(|error| Error::Decode {
            what: format!("discovery at {path}"),
            detail: error.to_string(),
        })
    }
}

impl Discovery {
    /// A snapshot of given kinds, in the order of preference.
    #[cfg(test)]
    pub(crate) fn of(resources: impl IntoIterator<Item = Resource>) -> Self {
        let mut discovery = Self::default();
        for resource in resources {
            let kind = resource.gvk.group_kind();
            discovery
                .kinds
                .entry(kind)
                .or_default()
                .push(Arc::new(resource));
        }
        discovery
    }

    fn add(&mut self, list: APIGroupDiscoveryList, core: bool) {
        for group in list.items {
            let name = group
                .metadata
                .and_then(|metadata| metadata.name)
                .unwrap_or_default();
            let name: Arc<str> = Arc::from(if core { "" } else { name.as_str() });
            for version in group.versions {
                let number: Arc<str> = Arc::from(version.version.unwrap_or_default());
                let stale = version.freshness.as_deref() == Some("Stale");
                if stale && version.resources.is_empty() {
                    let reason = Arc::from("its API server does not answer");
                    self.unreadable
                        .insert((name.clone(), number.clone()), reason);
                }
                for resource in version.resources {
                    self.add_resource(&name, &number, resource);
                }
            }
        }
    }

    fn add_resource(&mut self, group: &Arc<str>, version: &Arc<str>, raw: APIResourceDiscovery) {
        let (Some(plural), Some(kind)) = (
            raw.resource,
            raw.response_kind.and_then(|response| response.kind),
        ) else {
            return;
        };
        let verbs: Vec<Arc<str>> = raw.verbs.into_iter().map(Arc::from).collect();
        if verbs.is_empty() {
            return;
        }
        let kind: Arc<str> = Arc::from(kind);
        let resource = Resource {
            gvk: GroupVersionKind {
                group: group.clone(),
                version: version.clone(),
                kind: kind.clone(),
            },
            plural: Arc::from(plural),
            namespaced: raw.scope.as_deref() == Some("Namespaced"),
            verbs,
            subresources: raw
                .subresources
                .into_iter()
                .filter_map(|sub| sub.subresource.map(Arc::from))
                .collect(),
        };
        let key = GroupKind {
            group: group.clone(),
            kind,
        };
        let versions = self.kinds.entry(key).or_default();
        // Two collections of one kind and version: the first one counts.
        if versions.iter().all(|known| known.gvk.version != *version) {
            versions.push(Arc::new(resource));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn discovery(groups: &serde_json::Value) -> Discovery {
        let mut discovery = Discovery::default();
        let list = serde_json::from_value(json!({"items": groups})).unwrap();
        discovery.add(list, false);
        discovery
    }

    fn resource(plural: &str, kind: &str) -> serde_json::Value {
        json!({"resource": plural, "scope": "Namespaced", "verbs": ["list", "watch"],
               "responseKind": {"group": "", "version": "", "kind": kind},
               "subresources": [{"subresource": "status", "verbs": ["get"]}]})
    }

    #[test]
    fn versions_keep_the_servers_order() {
        let discovery = discovery(&json!([{
            "metadata": {"name": "autoscaling"},
            "versions": [
                {"version": "v2", "resources": [resource("horizontalpodautoscalers", "HorizontalPodAutoscaler")]},
                {"version": "v1", "resources": [resource("horizontalpodautoscalers", "HorizontalPodAutoscaler")]},
            ],
        }]));
        let kind = GroupKind::new("autoscaling", "HorizontalPodAutoscaler");
        let Resolved::Known(preferred) = discovery.preferred(&kind) else {
            panic!("known")
        };
        assert_eq!(&*preferred.gvk.version, "v2");
        let v1 = GroupVersionKind::new("autoscaling", "v1", "HorizontalPodAutoscaler");
        let Resolved::Known(old) = discovery.resolve(&v1) else {
            panic!("known")
        };
        assert_eq!(
            old.object_path("ns", "x").unwrap(),
            "/apis/autoscaling/v1/namespaces/ns/horizontalpodautoscalers/x"
        );
        for (ns, name) in [
            ("ns", "x/status"),
            ("ns", ".."),
            ("../x", "y"),
            ("ns", "a%2fb"),
            ("ns", ""),
            ("", "x"),
            ("ns", "a?b"),
        ] {
            assert!(old.object_path(ns, name).is_err(), "{ns} {name}");
        }
        assert!(old.object_path("ns", "system:role.x-y").is_ok());
        let v3 = GroupVersionKind::new("autoscaling", "v3", "HorizontalPodAutoscaler");
        assert_eq!(discovery.resolve(&v3), Resolved::Unknown);
        assert_eq!(
            discovery.api_versions(),
            [
                "autoscaling/v1",
                "autoscaling/v1/HorizontalPodAutoscaler",
                "autoscaling/v2",
                "autoscaling/v2/HorizontalPodAutoscaler"
            ]
        );
    }

    #[test]
    fn a_failing_group_is_unreadable_not_absent() {
        let discovery = discovery(&json!([{
            "metadata": {"name": "metrics.k8s.io"},
            "versions": [{"version": "v1beta1", "freshness": "Stale", "resources": []}],
        }]));
        let kind = GroupKind::new("metrics.k8s.io", "PodMetrics");
        assert!(matches!(
            discovery.preferred(&kind),
            Resolved::Unreadable(_)
        ));
        let gvk = GroupVersionKind::new("metrics.k8s.io", "v1beta1", "PodMetrics");
        assert!(matches!(discovery.resolve(&gvk), Resolved::Unreadable(_)));
        assert_eq!(discovery.unreadable().count(), 1);
        assert_eq!(
            discovery.preferred(&GroupKind::new("x", "Y")),
            Resolved::Unknown
        );
    }
}
