//! Trees and differences.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use driftless_api::Application;
use driftless_api::application::Condition;
use driftless_appstate::AppState;
use driftless_appstate::script::aside;
use driftless_appstate::view::{Error, ManagedResource, ResourceTree};
use driftless_core::{AppKey, Class};
use driftless_engine::action::{self, Action, Parameters};
use driftless_kube::Cluster;
use driftless_kube::live::{Change, Changes, Role};
use driftless_kube::store::StoreChange;
use driftless_manifest::Object;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;

use crate::deps::AppViews;
use crate::error::{ApiError, Code};

pub(super) struct Views(Arc<AppState>);

impl Views {
    pub(super) fn new(state: Arc<AppState>) -> Self {
        Self(state)
    }
}

fn refused(error: Error) -> ApiError {
    match error {
        // The application went away between the permission check and here.
        Error::Unknown(_) => ApiError::denied(),
        Error::Unavailable {
            message,
            class: Class::Transient,
        } => ApiError::new(Code::Unavailable, message),
        Error::Unavailable { message, .. } => ApiError::precondition(message),
    }
}

#[async_trait]
impl AppViews for Views {
    fn problems(&self, app: &Application) -> Vec<Condition> {
        self.0.target(app).err().unwrap_or_default()
    }

    fn sync_windows(&self, app: &Application) -> driftless_appstate::window::State {
        self.0.sync_windows(app)
    }

    async fn tree(&self, key: &AppKey) -> Result<ResourceTree, ApiError> {
        self.0.tree(key).map_err(refused)
    }

    async fn managed_resources(&self, key: &AppKey) -> Result<Vec<ManagedResource>, ApiError> {
        self.0.managed_resources(key).await.map_err(refused)
    }

    async fn actions(&self, object: &Object) -> Result<Vec<Action>, action::Error> {
        let config = self.0.config();
        aside(|| config.actions.list(object))
    }

    async fn run_action(
        &self,
        object: &Object,
        action: &str,
        parameters: &Parameters,
        user: &str,
    ) -> Result<Vec<action::Change>, action::Error> {
        let config = self.0.config();
        let id = uuid::Uuid::new_v4().to_string();
        let occasion = action::Occasion {
            now: self.0.clock.now(),
            id: &id,
            user,
        };
        aside(|| config.actions.run(object, action, parameters, &occasion))
    }

    fn tree_changes(&self) -> BoxStream<'static, Vec<AppKey>> {
        let (sender, receiver) = mpsc::channel(64);
        tokio::spawn(follow_trees(Arc::clone(&self.0), sender));
        stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|keys| (keys, receiver))
        })
        .boxed()
    }
}

/// Tells which apps' trees changed, in every cluster there is and will be.
async fn follow_trees(state: Arc<AppState>, sender: mpsc::Sender<Vec<AppKey>>) {
    let mut generations = state.clusters.generations();
    let mut followed: Vec<Weak<Cluster>> = Vec::new();
    let mut apps = state.apps.changes();
    loop {
        followed.retain(|cluster| cluster.strong_count() > 0);
        for cluster in state.clusters.list() {
            let is_it = |one: &Weak<Cluster>| std::ptr::eq(one.as_ptr(), Arc::as_ptr(&cluster));
            if !followed.iter().any(is_it) {
                followed.push(Arc::downgrade(&cluster));
                let changes = cluster.live().changes();
                tokio::spawn(follow_cluster(Arc::clone(&state), changes, sender.clone()));
            }
        }
        tokio::select! {
            changed = generations.changed() => if changed.is_err() { return },
            batch = apps.next() => {
                let Some(batch) = batch else { return };
                let keys = batch.into_iter().filter_map(|change| match change {
                    StoreChange::Changed(id) => Some(AppKey::new(&*id.namespace, &*id.name)),
                    _ => None,
                });
                if sender.send(keys.collect()).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn follow_cluster(
    state: Arc<AppState>,
    mut changes: Changes,
    sender: mpsc::Sender<Vec<AppKey>>,
) {
    while let Some(batch) = changes.next().await {
        let mut instances: HashSet<Arc<str>> = HashSet::new();
        for change in batch {
            match change {
                Change::Object(change) if change.role != Role::Unmanaged => {
                    instances.extend(change.instances);
                }
                Change::Object(_) => {}
                Change::Kind { instances: all, .. } => instances.extend(all),
            }
        }
        let mut instances: Vec<Arc<str>> = instances.into_iter().collect();
        instances.sort();
        let keys: Vec<AppKey> = instances
            .iter()
            .filter_map(|instance| state.app_of_instance(instance))
            .collect();
        if !keys.is_empty() && sender.send(keys).await.is_err() {
            return;
        }
    }
}
