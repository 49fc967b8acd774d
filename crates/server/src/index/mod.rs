//! A light view of all Applications, from which lists, counts and streams are answered without
//! reading or writing JSON for more than what is sent.

mod hub;
mod query;
mod selector;
mod summary;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_core::Namespace;
use driftless_kube::store::{StoreChange, StoreState, Stored};
use futures::StreamExt;
use parking_lot::RwLock;

pub use self::hub::{Delta, Subscription};
pub use self::query::{Counts, Facet, Facets, ListQuery, Page, Sort};
pub use self::selector::Selector;
pub use self::summary::{AppId, Summary, Symbol, cluster_of};

use self::hub::Hub;
use self::summary::Symbols;
use crate::deps::Objects;
use crate::error::{ApiError, Code};

/// All Applications, summarised, ordered by name and namespace.
pub struct Index {
    apps: Arc<dyn Objects<Application>>,
    control: Namespace,
    inner: RwLock<Inner>,
    hub: Hub,
}

#[derive(Default)]
struct Inner {
    by_name: BTreeMap<AppId, Arc<Summary>>,
    symbols: Symbols,
    /// The newest version seen, deletions included.
    version: u64,
    filled: bool,
}

impl Index {
    /// Starts empty; [`Index::run`] fills it.
    pub fn new(apps: Arc<dyn Objects<Application>>, control: Namespace) -> Self {
        Self {
            apps,
            control,
            inner: RwLock::default(),
            hub: Hub::default(),
        }
    }

    /// Follows the Applications until they are gone.
    pub async fn run(&self) {
        let mut changes = self.apps.changes();
        while self.apps.state() == StoreState::Loading {
            // A change of state ends the wait; the time limit covers one that was missed.
            let _ = tokio::time::timeout(Duration::from_millis(100), changes.next()).await;
        }
        self.fill();
        while let Some(batch) = changes.next().await {
            self.absorb(&batch);
        }
    }

    /// Takes over everything there is.
    pub fn fill(&self) {
        let apps = self.apps.list();
        let mut inner = self.inner.write();
        let mut gone: BTreeMap<AppId, Arc<Summary>> = std::mem::take(&mut inner.by_name);
        for app in apps {
            let summary = Arc::new(Summary::new(app, &self.control, &mut inner.symbols));
            inner.version = inner.version.max(summary.version());
            let old = gone.remove(summary.id());
            if old.is_none_or(|old| !old.is_same_version(&summary)) {
                self.hub.changed(&summary);
            }
            inner.by_name.insert(summary.id().clone(), summary);
        }
        for summary in gone.into_values() {
            self.hub.removed(&summary);
        }
        inner.filled = true;
    }

    fn absorb(&self, batch: &[StoreChange]) {
        for change in batch {
            match change {
                StoreChange::Changed(id) | StoreChange::Removed(id) => {
                    self.refresh(&id.namespace, &id.name);
                }
                StoreChange::State => {}
            }
        }
    }

    /// Looks at one Application again.
    fn refresh(&self, namespace: &str, name: &str) {
        let found: Option<Arc<Stored<Application>>> = self.apps.get(namespace, name);
        let mut inner = self.inner.write();
        match found {
            Some(app) => {
                let summary = Arc::new(Summary::new(app, &self.control, &mut inner.symbols));
                inner.version = inner.version.max(summary.version());
                let old = inner
                    .by_name
                    .insert(summary.id().clone(), Arc::clone(&summary));
                if old.is_none_or(|old| !old.is_same_version(&summary)) {
                    self.hub.changed(&summary);
                }
            }
            None => {
                if let Some(summary) = inner.by_name.remove(&AppId::new(namespace, name)) {
                    self.hub.removed(&summary);
                }
            }
        }
    }

    /// Refuses while what is known is not everything: "could not read" is never "empty".
    pub fn ready(&self) -> Result<(), ApiError> {
        if self.inner.read().filled {
            return Ok(());
        }
        let reason = match self.apps.state() {
            StoreState::Unreadable(reason) => format!("applications cannot be read: {reason}"),
            StoreState::Loading | StoreState::Ready => {
                "applications are being read, try again soon".to_owned()
            }
        };
        Err(ApiError::new(Code::Unavailable, reason))
    }

    /// Answers a list request. `visible` is asked for each Application unless all are visible.
    pub fn page(&self, query: &ListQuery, visible: Option<&dyn Fn(&Summary) -> bool>) -> Page {
        let inner = self.inner.read();
        let mut page = query::answer(inner.by_name.values(), &inner.symbols, query, visible);
        page.version = inner.version;
        page
    }

    /// Returns one Application's summary.
    pub fn get(&self, id: &AppId) -> Option<Arc<Summary>> {
        self.inner.read().by_name.get(id).cloned()
    }

    /// Returns every Application, and the version that covers them.
    pub fn all(&self) -> (Vec<Arc<Summary>>, u64) {
        let inner = self.inner.read();
        (inner.by_name.values().cloned().collect(), inner.version)
    }

    /// Listens to changes from now on; of one Application if `only` is given.
    pub fn subscribe(&self, only: Option<AppId>) -> Subscription {
        self.hub.subscribe(only)
    }
}
