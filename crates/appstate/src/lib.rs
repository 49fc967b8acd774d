//! Applications and projects as every component sees them, and their desired state beside the live one.
//!
//! [`AppState`] is the meeting point of the services: the stores of Applications and projects, the clusters, Git, the
//! renderer and the settings. The controller asks it to decide, the API asks it to show; both get the same
//! answer from the same code. It lowers `api` types to engine inputs and never writes anywhere.
//!
//! Reading order: [`rules`] (what a project permits), [`target`] (where an application goes), [`desired`] (what Git
//! says), [`comparison`] (Git beside the cluster), [`handover`] (what rollouts
//! move), [`view`] (tree and diffs for people).

pub mod comparison;
pub mod config;
mod cron;
pub mod dependency;
pub mod desired;
mod environment;
mod facts;
pub mod gate;
pub mod handover;
mod info;
mod inherit;
mod metrics;
pub mod network;
mod prediction;
mod prepared;
mod remote;
pub mod rules;
pub mod script;
mod served;
pub mod suspend;
pub mod target;
pub mod versioned;
pub mod view;
pub mod window;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use driftless_api::{AppProject, Application};
use driftless_core::{AppKey, Clock, ClusterUrl, GroupKind, Namespace};
use driftless_kube::store::{Store, Stored};
use driftless_kube::{Clusters, live::ResourceVersion};
use driftless_source::{Git, Renderer};
use parking_lot::RwLock;

pub use comparison::{Comparison, ObjectStatus};
pub use desired::{Desired, Revisions};
pub use gate::ProjectGate;
pub use metrics::Metrics;
pub use rules::ProjectRules;
pub use served::as_served;
pub use target::Target;

/// The services that a comparison needs.
pub struct AppState {
    /// Namespace of the control plane: its Applications may use every project.
    pub control_namespace: Namespace,
    /// All Applications.
    pub apps: Arc<Store<Application>>,
    /// All projects, of the control-plane namespace.
    pub projects: Arc<Store<AppProject>>,
    /// All clusters.
    pub clusters: Arc<Clusters>,
    /// Git repositories.
    pub git: Arc<Git>,
    /// From trees to objects.
    pub renderer: Arc<Renderer>,
    /// ConfigMaps and Secrets, live.
    pub settings: driftless_settings::SettingsHandle,
    /// The time.
    pub clock: Arc<dyn Clock>,
    fetcher: driftless_source::Fetcher,
    metrics: Metrics,
    config: RwLock<Option<Arc<config::Config>>>,
    rules: RwLock<HashMap<String, Compiled>>,
    comparisons: RwLock<HashMap<AppKey, Arc<Comparison>>>,
    prepared: prepared::Sets,
    /// Versions that rollouts fell back to.
    stored: RwLock<HashMap<(ClusterUrl, String, String), Arc<driftless_manifest::Object>>>,
    api_versions: RwLock<HashMap<ClusterUrl, ApiVersions>>,
}

/// Rules of a project, and the versions of the projects they were made from.
type Compiled = (Vec<ResourceVersion>, Arc<ProjectRules>);

/// What a cluster serves, and the discovery it was taken from.
type ApiVersions = (Arc<driftless_kube::Discovery>, Arc<[String]>);

/// What [`AppState::new`] is made of.
pub struct Services {
    /// See [`AppState::control_namespace`].
    pub control_namespace: Namespace,
    /// See [`AppState::apps`].
    pub apps: Arc<Store<Application>>,
    /// See [`AppState::projects`].
    pub projects: Arc<Store<AppProject>>,
    /// See [`AppState::clusters`].
    pub clusters: Arc<Clusters>,
    /// See [`AppState::git`].
    pub git: Arc<Git>,
    /// See [`AppState::renderer`].
    pub renderer: Arc<Renderer>,
    /// See [`AppState::settings`].
    pub settings: driftless_settings::SettingsHandle,
    /// See [`AppState::clock`].
    pub clock: Arc<dyn Clock>,
    /// What comparisons cost.
    pub metrics: Metrics,
}

impl AppState {
    /// Puts the services together.
    pub fn new(services: Services) -> Arc<Self> {
        let Services {
            control_namespace,
            apps,
            projects,
            clusters,
            git,
            renderer,
            settings,
            clock,
            metrics,
        } = services;
        Arc::new(Self {
            control_namespace,
            apps,
            projects,
            clusters,
            git,
            renderer,
            settings,
            clock,
            fetcher: driftless_source::Fetcher::default(),
            metrics,
            config: RwLock::default(),
            rules: RwLock::default(),
            comparisons: RwLock::default(),
            stored: RwLock::default(),
            prepared: prepared::Sets::default(),
            api_versions: RwLock::default(),
        })
    }

    /// Returns one Application.
    pub fn app(&self, key: &AppKey) -> Option<Arc<Stored<Application>>> {
        self.apps.get(key.namespace.as_str(), key.name.as_str())
    }

    /// Returns the compiled rules of a project, those it inherits from global projects included; `None` when there is no
    /// such project.
    pub fn project_rules(&self, name: &str) -> Option<Arc<ProjectRules>> {
        let project = self.projects.get(self.control_namespace.as_str(), name)?;
        let inherited = self.inherited(&project.object);
        let versions: Vec<ResourceVersion> = std::iter::once(&project)
            .chain(&inherited)
            .map(|one| one.resource_version.clone())
            .collect();
        if let Some((known, rules)) = self.rules.read().get(name)
            && *known == versions
        {
            return Some(Arc::clone(rules));
        }
        let globals: Vec<&AppProject> = inherited.iter().map(|one| &one.object).collect();
        let rules = if globals.is_empty() {
            ProjectRules::from_project(&project.object)
        } else {
            ProjectRules::from_project(&inherit::merged(&project.object, &globals))
        };
        let rules = Arc::new(rules);
        self.rules
            .write()
            .insert(name.to_owned(), (versions, Arc::clone(&rules)));
        Some(rules)
    }

    /// Returns the global projects whose rules a project inherits (`globalProjects`).
    fn inherited(&self, project: &AppProject) -> Vec<Arc<Stored<AppProject>>> {
        let settings = self.settings.current();
        let globals = settings.general.global_projects.iter();
        globals
            .filter(|global| global.project_name != project.metadata.name)
            .filter(|global| inherit::selects(&global.label_selector, &project.metadata.labels))
            .filter_map(|global| {
                self.projects
                    .get(self.control_namespace.as_str(), &global.project_name)
            })
            .collect()
    }

    /// Returns the project that a cluster belongs to, empty when it belongs to none.
    pub fn project_of_cluster(&self, cluster: &ClusterUrl) -> String {
        let settings = self.settings.current();
        let entry = settings.clusters.get(cluster);
        let project = entry.and_then(|entry| entry.config.project.clone());
        project.unwrap_or_default()
    }

    /// Returns the instance name that marks the Application's objects.
    pub fn instance(&self, key: &AppKey) -> String {
        key.instance(&self.control_namespace)
    }

    /// Returns the Application that an instance name marks, when it is one of ours.
    pub fn app_of_instance(&self, instance: &str) -> Option<AppKey> {
        let own = || AppKey::new(self.control_namespace.clone(), instance);
        let other = || {
            let (namespace, name) = instance.split_once('_')?;
            Some(AppKey::new(namespace, name))
        };
        [Some(own()), other()]
            .into_iter()
            .flatten()
            .find(|key| self.app(key).is_some())
    }

    /// Returns the kinds of which the Application has or had objects, as far as anybody knows: its status, its last
    /// sync and the last comparison say so.
    pub fn kinds_of(&self, app: &Application) -> BTreeSet<GroupKind> {
        let status = app.status.as_deref();
        let listed = status.into_iter().flat_map(|status| &status.resources);
        let synced = app
            .operation_state()
            .and_then(|state| state.sync_result.as_deref());
        let synced = synced.into_iter().flat_map(|result| &result.resources);
        let last = self.last_comparison(&app.key());
        let compared = last.iter().flat_map(|last| &last.objects);
        let names = listed
            .map(|one| (&*one.group, &*one.kind))
            .chain(synced.map(|one| (&*one.group, &*one.kind)))
            .chain(compared.map(|one| (&*one.key.group, &*one.key.kind)));
        // Many objects of few kinds, most of them side by side.
        let mut kinds = BTreeSet::new();
        let mut before = None;
        for name in names {
            if before.replace(name) != Some(name) {
                kinds.insert(GroupKind::new(name.0, name.1));
            }
        }
        kinds
    }

    /// Returns the last comparison.
    pub fn last_comparison(&self, key: &AppKey) -> Option<Arc<Comparison>> {
        self.comparisons.read().get(key).cloned()
    }

    /// Forgets an Application that no longer exists.
    pub fn forget(&self, key: &AppKey) {
        self.comparisons.write().remove(key);
        self.prepared.forget(key);
    }
}
