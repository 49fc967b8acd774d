//! Settings that follow their objects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use driftless_api::annotation;
use driftless_core::{GroupVersionKind, Namespace};
use driftless_kube::store::{StoreChanges, StoreState};
use driftless_kube::{Cluster, Store, StoreScope};
use tokio::sync::watch;

use crate::diagnostic::Diagnostic;
use crate::object::{ConfigMap, SecretObject};
use crate::snapshot::{Inputs, NotReady, Readable, Settings};

/// Settings that follow their objects. Cheap to clone; the task behind it ends with the last clone
/// and receiver.
#[derive(Clone)]
pub struct SettingsHandle {
    receiver: watch::Receiver<Arc<Settings>>,
}

impl SettingsHandle {
    /// Reads the settings in `namespace` and follows them.
    ///
    /// # Errors
    /// [`NotReady`] when they cannot be read within `timeout`.
    pub async fn start(
        cluster: &Cluster,
        namespace: &Namespace,
        timeout: Duration,
    ) -> Result<Self, NotReady> {
        let stores = Stores::start(cluster, namespace);
        stores.wait(timeout).await;
        // Listeners come before the first snapshot: nothing that happens between is missed.
        let listeners = stores.listen();
        let first = Arc::new(Settings::build(&stores.inputs(), None)?);
        report(&[], &first.diagnostics);
        let (sender, receiver) = watch::channel(first);
        tokio::spawn(follow(stores, listeners, sender));
        Ok(Self { receiver })
    }

    /// Wraps fixed settings, for tests and commands that need no cluster.
    pub fn fixed(settings: Settings) -> Self {
        let (_, receiver) = watch::channel(Arc::new(settings));
        Self { receiver }
    }

    /// Returns the settings of this moment.
    pub fn current(&self) -> Arc<Settings> {
        self.receiver.borrow().clone()
    }

    /// Listens to changes from now on.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Settings>> {
        let mut receiver = self.receiver.clone();
        receiver.mark_unchanged();
        receiver
    }
}

struct Stores {
    config_maps: Store<ConfigMap>,
    /// Secrets that are part of the control plane.
    own: Store<SecretObject>,
    /// Secrets with a type: users do not always label them as part of the control plane.
    typed: Store<SecretObject>,
}

type Listeners = [StoreChanges; 3];

impl Stores {
    fn start(cluster: &Cluster, namespace: &Namespace) -> Self {
        let scope = |kind: &str, plural: &'static str, selector: String| StoreScope {
            gvk: GroupVersionKind::new("", "v1", kind),
            plural,
            namespaces: vec![namespace.to_string()],
            label_selector: Some(selector),
            field_selector: None,
        };
        let part_of = format!(
            "{}={}",
            annotation::LABEL_PART_OF,
            annotation::PART_OF_VALUE
        );
        let typed = annotation::LABEL_SECRET_TYPE.to_owned();
        Self {
            config_maps: Store::start(cluster, scope("ConfigMap", "configmaps", part_of.clone())),
            own: Store::start(cluster, scope("Secret", "secrets", part_of)),
            typed: Store::start(cluster, scope("Secret", "secrets", typed)),
        }
    }

    async fn wait(&self, timeout: Duration) {
        tokio::join!(
            self.config_maps.ready(timeout),
            self.own.ready(timeout),
            self.typed.ready(timeout)
        );
    }

    fn listen(&self) -> Listeners {
        [
            self.config_maps.changes(),
            self.own.changes(),
            self.typed.changes(),
        ]
    }

    fn inputs(&self) -> Inputs {
        let mut malformed = Vec::new();
        for (kind, errors) in [
            ("ConfigMap", self.config_maps.malformed()),
            ("Secret", self.own.malformed()),
            ("Secret", self.typed.malformed()),
        ] {
            for error in errors {
                malformed.push((format!("{kind} {}", error.id.name), error.error));
            }
        }
        Inputs {
            config_maps: match unreadable(&self.config_maps.state()) {
                Some(message) => Readable::Unreadable(message),
                None => Readable::Ready(objects(&self.config_maps)),
            },
            secrets: match unreadable(&self.own.state()).or(unreadable(&self.typed.state())) {
                Some(message) => Readable::Unreadable(message),
                None => Readable::Ready(merged(objects(&self.own), objects(&self.typed))),
            },
            malformed,
        }
    }
}

fn objects<T>(store: &Store<T>) -> Vec<Arc<T>>
where
    T: Clone + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    store
        .list()
        .iter()
        .map(|stored| Arc::new(stored.object.clone()))
        .collect()
}

/// Joins two lists without repeating an object, ordered by name.
fn merged(mut all: Vec<Arc<SecretObject>>, more: Vec<Arc<SecretObject>>) -> Vec<Arc<SecretObject>> {
    all.extend(more);
    all.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    all.dedup_by(|a, b| a.metadata.name == b.metadata.name);
    all
}

fn unreadable(state: &StoreState) -> Option<String> {
    match state {
        StoreState::Ready => None,
        StoreState::Loading => Some("no answer yet".to_owned()),
        StoreState::Unreadable(message) => Some(message.to_string()),
    }
}

async fn follow(stores: Stores, listeners: Listeners, sender: watch::Sender<Arc<Settings>>) {
    let [mut config_maps, mut own, mut typed] = listeners;
    loop {
        let change = tokio::select! {
            change = config_maps.next() => change,
            change = own.next() => change,
            change = typed.next() => change,
            () = sender.closed() => return,
        };
        if change.is_none() {
            return;
        }
        let previous = sender.borrow().clone();
        let Ok(next) = Settings::build(&stores.inputs(), Some(&previous)) else {
            continue;
        };
        if next != *previous {
            report(&previous.diagnostics, &next.diagnostics);
            sender.send_replace(Arc::new(next));
        }
    }
}

/// Logs what was not wrong before.
fn report(before: &[Diagnostic], now: &[Diagnostic]) {
    let known: BTreeSet<&Diagnostic> = before.iter().collect();
    for diagnostic in now.iter().filter(|diagnostic| !known.contains(diagnostic)) {
        tracing::warn!(
            obj = diagnostic.object,
            key = diagnostic.key,
            error = diagnostic.message,
            hint = diagnostic.hint,
            "Setting cannot be used"
        );
    }
}
