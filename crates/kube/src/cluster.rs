//! One connected cluster, and the registry of all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use driftless_core::{ClusterUrl, GroupKind, GroupVersionKind, Namespace};
use driftless_manifest::Object;
use parking_lot::RwLock;
use tokio::sync::{Semaphore, watch};

use crate::config::{self, ClusterConfig};
use crate::discovery::{Discoverer, Discovery, Resource};
use crate::error::Error;
use crate::live::{self, Live, LiveSettings};
use crate::metrics::Metrics;
use crate::transport::{Call, ClusterState, Lane, Transport, Version};
use crate::write::Writer;

/// Process-wide settings of cluster connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Writes at once per cluster.
    pub write_concurrency: usize,
    /// Lists at once per cluster.
    pub list_concurrency: usize,
    /// Objects per page of a list.
    pub list_page: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            write_concurrency: 24,
            list_concurrency: 8,
            list_page: 500,
        }
    }
}

/// One connected cluster.
pub struct Cluster {
    url: ClusterUrl,
    name: String,
    config: Option<ClusterConfig>,
    namespaces: Vec<Namespace>,
    transport: Transport,
    client: kube::Client,
    live: OnceLock<Live>,
    discoverer: Arc<Discoverer>,
    settings: RwLock<LiveSettings>,
    write_slots: Semaphore,
    options: Options,
    metrics: Metrics,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("url", &self.url)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Returns the address apps name the cluster by.
    pub fn url(&self) -> &ClusterUrl {
        &self.url
    }

    /// Returns the name apps name the cluster by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the configuration it was added with; `None` for the own cluster.
    pub fn config(&self) -> Option<&ClusterConfig> {
        self.config.as_ref()
    }

    /// Returns whether the cluster answers.
    pub fn state(&self) -> ClusterState {
        self.transport.reach().state()
    }

    /// Returns the state and lets a caller wait for changes.
    pub fn states(&self) -> watch::Receiver<ClusterState> {
        self.transport.reach().states()
    }

    /// Returns the API server's version, once known.
    pub fn version(&self) -> Option<Arc<Version>> {
        self.transport.reach().version()
    }

    /// Returns the latest snapshot of served kinds; empty before the first answer.
    pub fn discovery(&self) -> Arc<Discovery> {
        self.discoverer.snapshot()
    }

    /// Asks the cluster for its kinds now.
    pub async fn refresh_discovery(&self) -> Result<Arc<Discovery>, Error> {
        self.discoverer.refresh().await
    }

    /// Finds a kind, asking the cluster if the snapshot does not know it.
    pub async fn resolve(&self, gvk: &GroupVersionKind) -> Result<Arc<Resource>, Error> {
        self.discoverer.resolve(gvk).await
    }

    /// Finds a kind at the version the server prefers, asking the cluster if need be.
    pub async fn resolve_preferred(&self, kind: &GroupKind) -> Result<Arc<Resource>, Error> {
        self.discoverer.resolve_preferred(kind).await
    }

    /// Returns a plain client, for exec and port-forward. Never write with it: [`Writer`] is the
    /// only way to write.
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Returns the live state, starting it at first use.
    pub fn live(&self) -> &Live {
        self.live.get_or_init(|| {
            Live::start(live::Parts {
                transport: self.transport.clone(),
                discoverer: self.discoverer.clone(),
                options: self.options.clone(),
                metrics: self.metrics.clone(),
                settings: self.settings.read().clone(),
                namespaces: self
                    .namespaces
                    .iter()
                    .map(|ns| Arc::from(ns.as_str()))
                    .collect(),
                cluster_scoped: self.config.as_ref().is_none_or(|c| c.cluster_resources),
            })
        })
    }

    /// Returns the live state if it was started.
    pub fn live_if_started(&self) -> Option<&Live> {
        self.live.get()
    }

    /// Returns the writer.
    pub fn writer(self: &Arc<Self>) -> Writer {
        Writer::new(self.clone())
    }

    /// Reads one object from the API server, not from the live state.
    pub async fn get(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        name: &str,
    ) -> Result<Object, Error> {
        let resource = self.resolve(gvk).await?;
        let call = Call::get(resource.object_path(namespace, name)?);
        let (_, body) = self.transport.fetch(Lane::Write, &call).await?;
        serde_json::from_slice(&body).map_err(|error| Error::Decode {
            what: format!("{gvk} {namespace}/{name}"),
            detail: error.to_string(),
        })
    }

    /// Lists the objects of a kind from the API server, in one namespace or, when it is empty, in all of them.
    ///
    /// # Errors
    /// [`Error::TooMany`] for more than `most` objects; a list that ends half-way is an error as a whole.
    pub async fn list(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        most: usize,
    ) -> Result<Vec<Object>, Error> {
        let resource = self.resolve(gvk).await?;
        let decode = |error: serde_json::Error| Error::Decode {
            what: format!("the list of {gvk}"),
            detail: error.to_string(),
        };
        let mut all = Vec::new();
        let mut token = String::new();
        loop {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", "500");
            if !token.is_empty() {
                query.append_pair("continue", &token);
            }
            let path = format!("{}?{}", resource.collection_path(namespace), query.finish());
            let (_, body) = self.transport.fetch(Lane::Write, &Call::get(path)).await?;
            let page: Page = serde_json::from_slice(&body).map_err(decode)?;
            for mut item in page.items {
                // The API server names kind and version for the list alone.
                item.insert("apiVersion".to_owned(), gvk.api_version().into());
                item.insert("kind".to_owned(), gvk.kind.to_string().into());
                all.push(serde_json::from_value(item.into()).map_err(decode)?);
            }
            if all.len() > most {
                return Err(Error::TooMany {
                    what: gvk.to_string(),
                    most,
                });
            }
            token = page.metadata.next;
            if token.is_empty() {
                return Ok(all);
            }
        }
    }

    async fn configure(&self, settings: &LiveSettings) {
        settings.clone_into(&mut self.settings.write());
        if let Some(live) = self.live.get() {
            live.configure(settings.clone()).await;
        }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn write_slots(&self) -> &Semaphore {
        &self.write_slots
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }
}

/// One page of a list.
#[derive(serde::Deserialize)]
struct Page {
    #[serde(default)]
    metadata: PageMetadata,
    items: Vec<serde_json::Map<String, serde_json::Value>>,
}

#[derive(serde::Deserialize, Default)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    next: String,
}

/// All connected clusters. One for the process; shared by `Arc`.
#[derive(Debug)]
pub struct Clusters {
    options: Options,
    metrics: Metrics,
    settings: RwLock<LiveSettings>,
    by_url: RwLock<BTreeMap<ClusterUrl, Arc<Cluster>>>,
    generation: watch::Sender<u64>,
}

impl Clusters {
    /// Makes an empty registry.
    pub fn new(options: Options, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            options,
            metrics,
            settings: RwLock::default(),
            by_url: RwLock::default(),
            generation: watch::Sender::new(0),
        })
    }

    /// Replaces what is read and watched, on all clusters; nothing happens if it is the same.
    pub async fn configure(&self, settings: LiveSettings) {
        if *self.settings.read() == settings {
            return;
        }
        settings.clone_into(&mut self.settings.write());
        for cluster in self.list() {
            cluster.configure(&settings).await;
        }
    }

    /// Connects the own cluster, `https://kubernetes.default.svc`, as `config` says (kubeconfig or
    /// service account).
    pub fn connect_in_cluster(&self, config: kube::Config) -> Result<Arc<Cluster>, config::Error> {
        self.insert(
            ClusterUrl::in_cluster(),
            "in-cluster".to_owned(),
            None,
            config,
        )
    }

    /// Adds a cluster or replaces it when its configuration changed. A replaced cluster starts with
    /// an empty live state: say again what apps want.
    pub fn set(&self, config: ClusterConfig) -> Result<Arc<Cluster>, config::Error> {
        if let Some(known) = self.get(&config.server)
            && known.config.as_ref() == Some(&config)
        {
            return Ok(known);
        }
        let kube_config = config.to_kube()?;
        self.insert(
            config.server.clone(),
            config.name.clone(),
            Some(config),
            kube_config,
        )
    }

    /// Removes a cluster; its tasks end.
    pub fn remove(&self, url: &ClusterUrl) -> Option<Arc<Cluster>> {
        let removed = self.by_url.write().remove(url);
        if removed.is_some() {
            self.generation.send_modify(|generation| *generation += 1);
        }
        removed
    }

    /// Returns the cluster with this address.
    pub fn get(&self, url: &ClusterUrl) -> Option<Arc<Cluster>> {
        self.by_url.read().get(url).cloned()
    }

    /// Returns the clusters with this name (more than one is a user's mistake to report).
    pub fn by_name(&self, name: &str) -> Vec<Arc<Cluster>> {
        self.by_url
            .read()
            .values()
            .filter(|cluster| cluster.name == name)
            .cloned()
            .collect()
    }

    /// Returns all clusters, ordered by address.
    pub fn list(&self) -> Vec<Arc<Cluster>> {
        self.by_url.read().values().cloned().collect()
    }

    /// Counts additions, replacements and removals, and lets a caller wait for them.
    pub fn generations(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    fn insert(
        &self,
        url: ClusterUrl,
        name: String,
        config: Option<ClusterConfig>,
        kube_config: kube::Config,
    ) -> Result<Arc<Cluster>, config::Error> {
        let failed = |detail: String| config::Error::Connection {
            server: url.clone(),
            detail,
        };
        let transport = Transport::new(url.clone(), &kube_config).map_err(failed)?;
        let client =
            kube::Client::try_from(kube_config).map_err(|error| failed(error.to_string()))?;
        let cluster = Arc::new(Cluster {
            namespaces: config
                .as_ref()
                .map(|c| c.namespaces.clone())
                .unwrap_or_default(),
            url: url.clone(),
            name,
            config,
            client,
            live: OnceLock::new(),
            discoverer: Arc::new(Discoverer::new(transport.clone())),
            transport,
            write_slots: Semaphore::new(self.options.write_concurrency.max(1)),
            settings: RwLock::new(self.settings.read().clone()),
            options: self.options.clone(),
            metrics: self.metrics.clone(),
        });
        cluster.transport.connect();
        self.by_url.write().insert(url, cluster.clone());
        self.generation.send_modify(|generation| *generation += 1);
        Ok(cluster)
    }
}
