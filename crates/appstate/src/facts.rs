//! What charts may know besides their source: the release's number, a seed, objects of the destination, files of URLs.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use driftless_api::Application;
use driftless_api::application::{Helm, RevisionHistory, Source};
use driftless_core::class::render_chain;
use driftless_core::{Class, Classify, GroupVersionKind, MemoryTree, ResourceKey, Tree};
use driftless_kube::Cluster;
use driftless_outbound::Reach;
use driftless_source::render::{Facts, LookupTree, ObjectName, Objects, fetched_name};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::AppState;
use crate::rules::{Place, ProjectRules};
use crate::target::Target;

impl AppState {
    /// Returns what a chart may know; `None` when it is what `helm template` knows, or the source cannot be a chart.
    pub(crate) fn chart_facts(
        &self,
        app: &Application,
        target: &Target,
        source: &Source,
        commit: &str,
    ) -> Result<Option<Facts>, (String, Class)> {
        if source.kustomize.is_some() || source.plugin.is_some() || source.directory.is_some() {
            return Ok(None);
        }
        let settings = self.settings.current();
        let charts = &settings.general.tools.charts;
        let mut facts = Facts {
            lookup: target.rules.permits_lookup(),
            timeout_ms: charts.timeout.as_millis() as u64,
            max_steps: charts.max_steps,
            max_depth: charts.max_depth,
            max_bytes: charts.max_bytes,
            ..Facts::default()
        };
        if charts.release_from_history {
            let history = app.status.as_ref().map(|status| status.history.as_slice());
            facts.revision = release_number(history.unwrap_or_default(), commit);
        }
        if charts.seeded {
            let key = settings.credentials.signing_key.as_ref().ok_or_else(|| {
                let message = "driftless.helm.random is \"seeded\", which needs server.secretkey in argocd-secret";
                (message.to_owned(), Class::User)
            })?;
            facts.seed = Some(seed(key.expose(), app, source));
        }
        Ok(Some(facts))
    }

    /// Returns the files that values of a chart name by URL.
    pub(crate) async fn fetched(
        &self,
        helm: &Helm,
    ) -> Result<Option<Arc<dyn Tree>>, (String, Class)> {
        let urls = helm.value_files.iter().filter(|file| file.contains("://"));
        let settings = self.settings.current();
        let tools = &settings.general.tools;
        let reach = if tools.charts.local_urls {
            Reach::ThisMachine
        } else {
            Reach::Network
        };
        let mut tree = None;
        for url in urls {
            let content = self
                .fetcher
                .get(url, &tools.helm_value_schemes, reach)
                .await
                .map_err(|error| (render_chain(&error), error.class()))?;
            tree.get_or_insert_with(MemoryTree::new)
                .insert(&fetched_name(url), content)
                .map_err(|error| (render_chain(&error), error.class()))?;
        }
        Ok(tree.map(|tree| Arc::new(tree) as Arc<dyn Tree>))
    }

    /// Returns the objects of a destination that its project permits.
    pub(crate) fn lookups(&self, target: &Target) -> Arc<dyn Tree> {
        Arc::new(LookupTree::new(Destination {
            cluster: target.cluster.clone(),
            rules: target.rules.clone(),
            owner: self.project_of_cluster(target.cluster.url()),
            runtime: tokio::runtime::Handle::current(),
        }))
    }
}

/// Returns the number of the release that a commit is, or is going to be. Syncs of the same commit one after the other
/// are one release: otherwise a chart that prints the number would never be in sync.
fn release_number(history: &[RevisionHistory], commit: &str) -> i64 {
    let is_of = |entry: &&RevisionHistory| {
        entry.revision == commit || entry.revisions.iter().any(|one| one == commit)
    };
    let first = history.iter().rev().take_while(is_of).last();
    match (first, history.last()) {
        (Some(first), _) => first.id + 1,
        (None, Some(last)) => last.id + 2,
        (None, None) => 1,
    }
}

/// Derives the seed of an Application's chart. Who does not know the key cannot guess what is drawn from it.
fn seed(key: &[u8], app: &Application, source: &Source) -> String {
    let mut seed = String::new();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return seed;
    };
    let release = source.helm.as_ref().map_or("", |helm| &helm.release_name);
    for part in [
        "driftless chart seed",
        &app.metadata.uid,
        &app.metadata.namespace,
        &app.metadata.name,
        &source.repo_url,
        &source.path,
        &source.chart,
        release,
    ] {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part.as_bytes());
    }
    for byte in mac.finalize().into_bytes() {
        let _ = write!(seed, "{byte:02x}");
    }
    seed
}

/// Most objects that one `lookup` lists.
const MOST_LISTED: usize = 5_000;

/// A destination as charts may see it.
struct Destination {
    cluster: Arc<Cluster>,
    rules: Arc<ProjectRules>,
    /// Project that the cluster belongs to.
    owner: String,
    runtime: tokio::runtime::Handle,
}

type Problem = Box<dyn std::error::Error + Send + Sync>;

impl Objects for Destination {
    fn read(&self, object: &ObjectName) -> Result<Option<Bytes>, Problem> {
        self.runtime.block_on(self.find(object))
    }
}

impl Destination {
    async fn find(&self, object: &ObjectName) -> Result<Option<Bytes>, Problem> {
        let gvk = GroupVersionKind::from_api_version(&object.api_version, &object.kind);
        let resource = match self.cluster.resolve(&gvk).await {
            Ok(resource) => resource,
            // A kind that is not served has no objects.
            Err(driftless_kube::Error::UnknownKind { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let namespace = if resource.namespaced {
            object.namespace.as_str()
        } else {
            ""
        };
        if object.name.is_empty() {
            return self.list(&gvk, resource.namespaced, namespace).await;
        }
        self.check(&gvk, namespace, &object.name)?;
        match self.cluster.get(&gvk, namespace, &object.name).await {
            Ok(found) => Ok(Some(serde_json::to_vec(&found)?.into())),
            Err(driftless_kube::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Lists a kind as the API server does, without the version of the list: it changes with every write to the cluster.
    /// A namespace that the project does not permit is an error; of a list over namespaces, and of objects without one,
    /// those that it permits are given.
    async fn list(
        &self,
        gvk: &GroupVersionKind,
        namespaced: bool,
        namespace: &str,
    ) -> Result<Option<Bytes>, Problem> {
        if namespaced && !namespace.is_empty() {
            self.check(gvk, namespace, "")?;
        }
        let mut items = match self.cluster.list(gvk, namespace, MOST_LISTED).await {
            Ok(items) => items,
            Err(driftless_kube::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        items.retain(|item| self.check(gvk, item.namespace(), item.name()).is_ok());
        let list = serde_json::json!({
            "apiVersion": gvk.api_version(),
            "kind": format!("{}List", gvk.kind),
            "metadata": {},
            "items": items,
        });
        Ok(Some(serde_json::to_vec(&list)?.into()))
    }

    fn check(&self, gvk: &GroupVersionKind, namespace: &str, name: &str) -> Result<(), String> {
        let key = ResourceKey::new(&gvk.group, &gvk.kind, namespace, name);
        let place = Place {
            server: self.cluster.url().as_str(),
            name: self.cluster.name(),
            namespace,
            cluster_project: &self.owner,
        };
        self.rules.check_object(&key, place)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn history(entries: &[(i64, &str)]) -> Vec<RevisionHistory> {
        let entries = entries.iter().map(|(id, revision)| {
            let entry =
                json!({"id": id, "deployedAt": "2026-01-01T00:00:00Z", "revision": revision});
            serde_json::from_value(entry).unwrap()
        });
        entries.collect()
    }

    #[test]
    fn syncs_of_one_commit_are_one_release() {
        assert_eq!(release_number(&[], "a"), 1);
        assert_eq!(release_number(&history(&[(0, "a")]), "a"), 1);
        assert_eq!(release_number(&history(&[(0, "a")]), "b"), 2);
        let all = history(&[(0, "a"), (1, "b"), (2, "b")]);
        assert_eq!(release_number(&all, "b"), 2);
        assert_eq!(release_number(&all, "c"), 4);
        // Going back is a release as well.
        assert_eq!(release_number(&all, "a"), 4);
    }

    #[test]
    fn seeds_depend_on_the_key_and_the_application() {
        let app = |uid: &str| -> Application {
            serde_json::from_value(json!({
                "metadata": {"name": "a", "namespace": "argocd", "uid": uid},
                "spec": {"destination": {}, "project": "default"},
            }))
            .unwrap()
        };
        let source = Source::default();
        let one = seed(b"key", &app("1"), &source);
        assert_eq!(one.len(), 64);
        assert_eq!(one, seed(b"key", &app("1"), &source));
        assert_ne!(one, seed(b"other", &app("1"), &source));
        assert_ne!(one, seed(b"key", &app("2"), &source));
    }
}
