//! What lists need of an Application.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use driftless_api::Application;
use driftless_core::Namespace;
use driftless_kube::store::Stored;

use super::query::Facet;
use crate::ctx::app_object;

/// Name and namespace, ordered by name first.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AppId {
    /// Name.
    pub name: Arc<str>,
    /// Namespace.
    pub namespace: Arc<str>,
}

impl AppId {
    /// Builds an id.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            name: Arc::from(name),
            namespace: Arc::from(namespace),
        }
    }
}

impl Ord for AppId {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.name, &self.namespace).cmp(&(&other.name, &other.namespace))
    }
}

impl PartialOrd for AppId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A text that many Applications share.
pub type Symbol = u32;

/// Texts and their numbers.
#[derive(Default)]
pub(super) struct Symbols {
    numbers: HashMap<Arc<str>, Symbol>,
    texts: Vec<Arc<str>>,
}

impl Symbols {
    fn intern(&mut self, text: &str) -> Symbol {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as Symbol;
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// Returns the number of a text that was seen.
    pub(super) fn find(&self, text: &str) -> Option<Symbol> {
        self.numbers.get(text).copied()
    }

    /// Returns the text of a number.
    pub(super) fn text(&self, symbol: Symbol) -> &str {
        self.texts.get(symbol as usize).map_or("", |text| text)
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }
}

/// What lists need of an Application, and the Application itself.
pub struct Summary {
    app: Arc<Stored<Application>>,
    id: AppId,
    object: Box<str>,
    search: Box<str>,
    facets: [Symbol; Facet::COUNT],
    activity: i64,
    created: i64,
    health_rank: u8,
    sync_rank: u8,
    version: u64,
}

impl Summary {
    pub(super) fn new(
        app: Arc<Stored<Application>>,
        control: &Namespace,
        symbols: &mut Symbols,
    ) -> Self {
        let object = &app.object;
        let id = AppId {
            name: Arc::clone(&app.id.name),
            namespace: Arc::clone(&app.id.namespace),
        };
        let cluster = cluster_of(object);
        let sources = object.spec.effective_sources();
        let repo = sources
            .first()
            .map_or("", |source| source.repo_url.as_str());
        let facets = [
            symbols.intern(object.health_status().as_str()),
            symbols.intern(object.sync_status().as_str()),
            symbols.intern(object.spec.project()),
            symbols.intern(cluster),
            symbols.intern(&object.spec.destination.namespace),
            symbols.intern(repo),
        ];
        Self {
            object: app_object(object.spec.project(), &id.namespace, &id.name, control).into(),
            search: search_text(object, &id, cluster).into(),
            facets,
            activity: activity_of(object),
            created: object
                .metadata
                .creation_timestamp
                .map_or(0, |time| time.timestamp().as_second()),
            health_rank: health_rank(object.health_status().as_str()),
            sync_rank: sync_rank(object.sync_status().as_str()),
            version: app.resource_version.as_str().parse().unwrap_or(0),
            id,
            app,
        }
    }

    /// Returns the Application.
    pub fn app(&self) -> &Application {
        &self.app.object
    }

    /// Returns name and namespace.
    pub fn id(&self) -> &AppId {
        &self.id
    }

    /// Returns the name policies know it by.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// Returns the version as a number.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Says whether both are the same version of the same object.
    pub fn is_same_version(&self, other: &Self) -> bool {
        self.app.uid == other.app.uid && self.app.resource_version == other.app.resource_version
    }

    pub(super) fn facet(&self, facet: Facet) -> Symbol {
        self.facets.get(facet as usize).copied().unwrap_or(0)
    }

    pub(super) fn search(&self) -> &str {
        &self.search
    }

    pub(super) fn ranks(&self) -> (u8, u8) {
        (self.health_rank, self.sync_rank)
    }

    pub(super) fn activity(&self) -> i64 {
        self.activity
    }

    pub(super) fn created(&self) -> i64 {
        self.created
    }
}

/// Returns how people name an app's cluster.
pub fn cluster_of(app: &Application) -> &str {
    let destination = &app.spec.destination;
    match (
        destination.name.as_str(),
        destination.server.trim_end_matches('/'),
    ) {
        ("", "" | "https://kubernetes.default.svc") => "in-cluster",
        ("", server) => server,
        (name, _) => name,
    }
}

fn search_text(app: &Application, id: &AppId, cluster: &str) -> String {
    let sources = app.spec.effective_sources();
    let source = sources.first();
    let part = |field: fn(&driftless_api::application::Source) -> &str| source.map_or("", field);
    let fixed = [
        &*id.namespace,
        &*id.name,
        app.spec.project(),
        &app.spec.destination.namespace,
        cluster,
        part(|source| &source.repo_url),
        part(|source| &source.path),
        part(|source| &source.chart),
        part(|source| &source.target_revision),
    ];
    let mut text = fixed.join(" ");
    for (key, value) in &app.metadata.labels {
        text.extend([" ", key, "=", value]);
    }
    text.make_ascii_lowercase();
    if text.is_ascii() {
        text
    } else {
        text.to_lowercase()
    }
}

fn activity_of(app: &Application) -> i64 {
    let status = app.status.as_ref();
    let state = app.operation_state();
    state
        .and_then(|state| state.finished_at.or(state.started_at))
        .or_else(|| status.and_then(|status| status.reconciled_at))
        .or(app.metadata.creation_timestamp)
        .map_or(0, |time| time.timestamp().as_second())
}

fn health_rank(health: &str) -> u8 {
    match health {
        "Degraded" => 0,
        "Missing" => 1,
        "Progressing" => 3,
        "Suspended" => 4,
        "Healthy" => 5,
        _ => 2,
    }
}

fn sync_rank(sync: &str) -> u8 {
    match sync {
        "OutOfSync" => 0,
        "Synced" => 2,
        _ => 1,
    }
}
