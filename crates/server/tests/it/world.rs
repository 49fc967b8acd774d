//! The services behind the routes, in memory. They behave as the real ones where routes depend on it:
//! versions, preconditions, watches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use driftless_api::application::Condition;
use driftless_api::{AppProject, Application};
use driftless_appstate::ProjectRules;
use driftless_appstate::rules::Place;
use driftless_appstate::target;
use driftless_appstate::view::ParentRef;
use driftless_appstate::window::{Subject, Who};
use driftless_auth::account::Accounts;
use driftless_auth::policy::MatchMode;
use driftless_auth::{Account, Capability, Enforcer, Sessions, password, session};
use driftless_core::clock::ManualClock;
use driftless_core::{AppKey, GroupVersionKind, ResourceKey, Secret};
use driftless_engine::action::{self, Action, Actions, Change, Parameters};
use driftless_kube::Error;
use driftless_kube::live::{ResourceVersion, Uid};
use driftless_kube::log::{LogLine, LogOptions};
use driftless_kube::store::{NsName, StoreChange, StoreState, Stored};
use driftless_kube::write::{DeleteOptions, PatchType};
use driftless_manifest::{Object, merge_patch};
use driftless_server::deps::{
    AccountStore, AppEvent, AppViews, AuthMode, ClusterInfo, Config, ControlPlane, Destination,
    Destinations, EventStream, Events, HealthCheck, Inventory, ManagedResource, Node, Objects,
    RepositoryInfo, ResourceTree, RevisionMetadata, Settings, SettingsSource, Sources, Version,
};
use driftless_server::metrics::Metrics;
use driftless_server::{ApiError, Deps, Server};
use driftless_source::webhook::{self, Pushed};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tower::ServiceExt;

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
/// Planted wherever a secret might be; no answer may hold it.
pub(crate) const CANARY: &str = "c4n4ry-s3cr3t";

pub(crate) struct World {
    state: Mutex<State>,
    changes: broadcast::Sender<Vec<StoreChange>>,
    tree_changes: broadcast::Sender<Vec<AppKey>>,
    event_changes: broadcast::Sender<Vec<Value>>,
    pub(crate) settings: Mutex<Settings>,
}

#[derive(Default)]
struct State {
    version: u64,
    apps: BTreeMap<(String, String), Value>,
    projects: BTreeMap<String, AppProject>,
    tree: ResourceTree,
    events: Vec<(String, String)>,
    revoked: BTreeMap<String, i64>,
    nudged: Vec<String>,
    followed: usize,
    loading: bool,
    deleted: Vec<ResourceKey>,
}

/// What a test says to the router, and the world behind it.
pub(crate) struct Api {
    pub(crate) world: Arc<World>,
    pub(crate) server: Arc<Server>,
    pub(crate) clock: ManualClock,
    router: Router,
    run: tokio::task::JoinHandle<()>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.run.abort();
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()
    }

    /// Checks a refusal: HTTP status, gRPC code, and a part of the message.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: i64, part: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["error"], body["message"], "{body}");
        let message = body["message"].as_str().unwrap_or_default();
        assert!(
            message.contains(part),
            "{message:?} does not contain {part:?}"
        );
    }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

pub(crate) fn account(capabilities: &[Capability]) -> Account {
    static HASH: std::sync::LazyLock<Secret<String>> = std::sync::LazyLock::new(|| {
        password::hash(&Secret::new("password".to_owned())).expect("hash")
    });
    Account {
        enabled: true,
        capabilities: capabilities.to_vec(),
        password_hash: Some(HASH.clone()),
        password_mtime: None,
        tokens: Vec::new(),
    }
}

pub(crate) fn accounts() -> session::Config {
    let mut accounts = Accounts::new();
    for name in ["admin", "reader", "nobody", "team"] {
        accounts.insert(name.to_owned(), account(&[Capability::Login]));
    }
    session::Config {
        accounts,
        signing_key: Secret::new(KEY.to_vec()),
        session_duration: SignedDuration::from_hours(24),
        anonymous_enabled: false,
    }
}

const POLICY: &str = "g, reader, role:readonly\n\
    p, team, applications, *, team/*, allow\n\
    p, team, applications, action/*, team/*, allow\n\
    p, team, logs, get, team/*, allow\n";

pub(crate) struct Options {
    pub(crate) auth: AuthMode,
    pub(crate) recheck: Duration,
    pub(crate) refresh_timeout: Duration,
    pub(crate) base_href: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            auth: AuthMode::Enforced,
            recheck: Duration::from_secs(20),
            refresh_timeout: Duration::from_secs(55),
            base_href: "/".to_owned(),
        }
    }
}

impl Api {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let world = Arc::new(World {
            state: Mutex::default(),
            changes: broadcast::channel(1000).0,
            tree_changes: broadcast::channel(100).0,
            event_changes: broadcast::channel(100).0,
            settings: Mutex::new(Settings::default()),
        });
        let anything =
            json!({"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]});
        world.project(
            json!({"metadata": {"name": "default", "namespace": "argocd"}, "spec": anything}),
        );
        let mut team = anything;
        team["sourceNamespaces"] = json!(["team-*"]);
        world.project(json!({"metadata": {"name": "team", "namespace": "argocd"}, "spec": team}));
        let clock = ManualClock::new(at(NOW));
        let enforcer = Enforcer::new();
        enforcer
            .reload(POLICY, MatchMode::Glob, "")
            .expect("policy");
        let deps = Deps {
            config: Config {
                auth: options.auth,
                recheck: options.recheck,
                refresh_timeout: options.refresh_timeout,
                base_href: options.base_href,
                ..Config::default()
            },
            clock: Arc::new(clock.clone()),
            apps: world.clone(),
            projects: world.clone(),
            control: world.clone(),
            views: world.clone(),
            destinations: Arc::new(Finder(world.clone())),
            sources: world.clone(),
            inventory: world.clone(),
            settings: world.clone(),
            sessions: Arc::new(Sessions::new(accounts(), Arc::new(clock.clone()))),
            enforcer: Arc::new(enforcer),
            accounts: world.clone(),
            events: world.clone(),
            health: world.clone(),
            version: Version {
                version: "v0.0.0-test".to_owned(),
                git_commit: "abc".to_owned(),
                ..Version::default()
            },
        };
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry, "v0.0.0-test");
        let server = Server::new(deps, metrics, Arc::new(registry));
        server.index().fill();
        let run = tokio::spawn(Arc::clone(&server).run());
        tokio::task::yield_now().await;
        Self {
            world,
            router: driftless_server::app(&server),
            server,
            clock,
            run,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible")
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.send(request).await;
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("body");
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    /// Sends a request as `user`; nobody where empty.
    pub(crate) async fn call(
        &self,
        user: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        self.answer(self.request(user, method, path, body).await)
            .await
    }

    pub(crate) async fn request(
        &self,
        user: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if method != "GET" {
            request = request.header("content-type", "application/json");
        }
        if !user.is_empty() {
            let token = self.token(user).await;
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        request.body(body).expect("request")
    }

    pub(crate) async fn token(&self, user: &str) -> String {
        let password = Secret::new("password".to_owned());
        self.server
            .deps()
            .sessions
            .login(user, password)
            .await
            .expect("login")
    }

    pub(crate) async fn get(&self, user: &str, path: &str) -> Answer {
        self.call(user, "GET", path, None).await
    }

    pub(crate) async fn post(&self, user: &str, path: &str, body: &Value) -> Answer {
        self.call(user, "POST", path, Some(body)).await
    }
}

pub(crate) fn app(name: &str, project: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "labels": {"stage": "dev"}},
        "spec": {
            "project": project,
            "source": {"repoURL": "https://git.example/x.git", "path": name, "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": name},
        },
    })
}

impl World {
    /// Stores an Application and tells everybody.
    pub(crate) fn put(&self, mut app: Value) {
        let mut state = self.state.lock();
        state.version += 1;
        let metadata = &mut app["metadata"];
        if metadata["namespace"].is_null() {
            metadata["namespace"] = json!("argocd");
        }
        metadata["resourceVersion"] = json!(state.version.to_string());
        if metadata["uid"].is_null() {
            metadata["uid"] = json!(format!("uid-{}", metadata["name"]));
        }
        let id = id(&app);
        state.apps.insert(id.clone(), app);
        drop(state);
        self.tell(StoreChange::Changed(NsName::new(&id.0, &id.1)));
    }

    pub(crate) fn remove(&self, name: &str) {
        self.state
            .lock()
            .apps
            .remove(&("argocd".to_owned(), name.to_owned()));
        self.tell(StoreChange::Removed(NsName::new("argocd", name)));
    }

    fn tell(&self, change: StoreChange) {
        let _ = self.changes.send(vec![change]);
    }

    pub(crate) fn project(&self, project: Value) {
        let project: AppProject = driftless_api::read::from_value(project).expect("project");
        let name = project.metadata.name.clone();
        self.state.lock().projects.insert(name.clone(), project);
        self.tell(StoreChange::Changed(NsName::new("argocd", &name)));
    }

    pub(crate) fn stored(&self, name: &str) -> Value {
        let key = ("argocd".to_owned(), name.to_owned());
        self.state
            .lock()
            .apps
            .get(&key)
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn edit(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut app = self.stored(name);
        edit(&mut app);
        self.put(app);
    }

    pub(crate) fn set_tree(&self, app: &str, nodes: &Value) {
        let nodes: Vec<Node> = nodes.as_array().into_iter().flatten().map(node).collect();
        self.state.lock().tree.nodes = nodes;
        let _ = self.tree_changes.send(vec![AppKey::new("argocd", app)]);
    }

    pub(crate) fn tell_events(&self, events: Vec<Value>) {
        let _ = self.event_changes.send(events);
    }

    pub(crate) fn events(&self) -> Vec<(String, String)> {
        self.state.lock().events.clone()
    }

    pub(crate) fn revoked(&self) -> BTreeMap<String, i64> {
        self.state.lock().revoked.clone()
    }

    pub(crate) fn nudged(&self) -> Vec<String> {
        self.state.lock().nudged.clone()
    }

    pub(crate) fn follow_repositories(&self, count: usize) {
        self.state.lock().followed = count;
    }

    pub(crate) fn deleted(&self) -> Vec<ResourceKey> {
        self.state.lock().deleted.clone()
    }
}

fn node(value: &Value) -> Node {
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let parents = value["parentRefs"].as_array();
    Node {
        group: text("group"),
        version: text("version"),
        kind: text("kind"),
        namespace: text("namespace"),
        name: text("name"),
        uid: text("uid"),
        parent_refs: parents
            .into_iter()
            .flatten()
            .map(|parent| ParentRef {
                uid: parent["uid"].as_str().unwrap_or_default().to_owned(),
                ..ParentRef::default()
            })
            .collect(),
        ..Node::default()
    }
}

fn id(object: &Value) -> (String, String) {
    let text = |field: &str| {
        object["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    (text("namespace"), text("name"))
}

fn store<T: serde::de::DeserializeOwned>(value: &Value) -> Arc<Stored<T>> {
    let (namespace, name) = id(value);
    let text = |field: &str| {
        value["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    Arc::new(Stored {
        id: NsName::new(&namespace, &name),
        uid: Uid::new(&text("uid")),
        resource_version: ResourceVersion::new(&text("resourceVersion")),
        object: serde_json::from_value(value.clone()).expect("object"),
    })
}

fn listen<T: Clone + Send + 'static>(receiver: broadcast::Receiver<T>) -> BoxStream<'static, T> {
    stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.ok().map(|item| (item, receiver))
    })
    .boxed()
}

impl Objects<Application> for World {
    fn state(&self) -> StoreState {
        if self.state.lock().loading {
            StoreState::Loading
        } else {
            StoreState::Ready
        }
    }

    fn list(&self) -> Vec<Arc<Stored<Application>>> {
        self.state.lock().apps.values().map(store).collect()
    }

    fn get(&self, namespace: &str, name: &str) -> Option<Arc<Stored<Application>>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.state.lock().apps.get(&key).map(store)
    }

    fn changes(&self) -> BoxStream<'static, Vec<StoreChange>> {
        listen(self.changes.subscribe())
    }
}

impl Objects<AppProject> for World {
    fn state(&self) -> StoreState {
        StoreState::Ready
    }

    fn list(&self) -> Vec<Arc<Stored<AppProject>>> {
        self.state
            .lock()
            .projects
            .values()
            .map(|project| store(&json!(project)))
            .collect()
    }

    fn get(&self, _: &str, name: &str) -> Option<Arc<Stored<AppProject>>> {
        self.state
            .lock()
            .projects
            .get(name)
            .map(|project| store(&json!(project)))
    }

    fn changes(&self) -> BoxStream<'static, Vec<StoreChange>> {
        listen(self.changes.subscribe())
    }
}

fn missing(key: &ResourceKey) -> Error {
    Error::NotFound {
        message: format!("applications.argoproj.io {:?} not found", key.name),
    }
}

#[async_trait]
impl ControlPlane for World {
    async fn read(&self, _: &GroupVersionKind, key: &ResourceKey) -> Result<Value, Error> {
        let id = (key.namespace.to_string(), key.name.to_string());
        self.state
            .lock()
            .apps
            .get(&id)
            .cloned()
            .ok_or_else(|| missing(key))
    }

    async fn create(&self, object: &Value) -> Result<Value, Error> {
        let id = id(object);
        if self.state.lock().apps.contains_key(&id) {
            return Err(Error::AlreadyExists {
                message: format!("applications.argoproj.io {:?} already exists", id.1),
            });
        }
        self.put(object.clone());
        Ok(self.state.lock().apps[&id].clone())
    }

    async fn patch(
        &self,
        _: &GroupVersionKind,
        key: &ResourceKey,
        kind: PatchType,
        patch: &Value,
    ) -> Result<Value, Error> {
        assert_eq!(kind, PatchType::Merge);
        let id = (key.namespace.to_string(), key.name.to_string());
        let mut app = self
            .state
            .lock()
            .apps
            .get(&id)
            .cloned()
            .ok_or_else(|| missing(key))?;
        let precondition = &patch["metadata"]["resourceVersion"];
        if precondition.is_string() && *precondition != app["metadata"]["resourceVersion"] {
            return Err(Error::Conflict {
                message: "the object has been modified".to_owned(),
            });
        }
        merge_patch::apply(&mut app, patch);
        self.put(app);
        Ok(self.state.lock().apps[&id].clone())
    }

    async fn delete(&self, key: &ResourceKey) -> Result<(), Error> {
        self.remove(&key.name);
        Ok(())
    }

    async fn events(&self, _: &str, name: &str, _: Option<&str>) -> Result<Vec<Value>, Error> {
        Ok(vec![
            json!({"metadata": {"name": format!("{name}.1"), "managedFields": [{}]}, "reason": "ResourceUpdated"}),
        ])
    }

    fn follow_events(&self, _: &str, name: &str, _: Option<&str>) -> EventStream {
        let first = json!({"metadata": {"name": format!("{name}.1"), "managedFields": [{}]}});
        stream::iter([vec![first]])
            .chain(listen(self.event_changes.subscribe()))
            .map(Ok)
            .boxed()
    }
}

#[async_trait]
impl AppViews for World {
    fn problems(&self, app: &Application) -> Vec<Condition> {
        let state = self.state.lock();
        let destination = &app.spec.destination;
        let place = Place {
            server: &destination.server,
            name: &destination.name,
            namespace: &destination.namespace,
            ..Place::default()
        };
        let rules = ProjectRules::from_project(&state.projects[app.spec.project()]);
        target::problems(&app.spec, &rules, place)
    }

    fn sync_windows(&self, app: &Application) -> driftless_appstate::window::State {
        let state = self.state.lock();
        let rules = ProjectRules::from_project(&state.projects[app.spec.project()]);
        let subject = Subject {
            app: &app.metadata.name,
            namespace: &app.spec.destination.namespace,
            cluster_name: &app.spec.destination.name,
            server: &app.spec.destination.server,
        };
        let (assigned, now) = (rules.windows().assigned(subject), jiff::Timestamp::now());
        driftless_appstate::window::State {
            assigned: assigned.specs().cloned().collect(),
            active: assigned.active(now).cloned().collect(),
            manual: assigned.judge(Who::Person, None, now),
        }
    }

    async fn tree(&self, _: &AppKey) -> Result<ResourceTree, ApiError> {
        Ok(self.state.lock().tree.clone())
    }

    async fn actions(&self, object: &Object) -> Result<Vec<Action>, action::Error> {
        Actions::default().list(object)
    }

    async fn run_action(
        &self,
        object: &Object,
        action: &str,
        parameters: &Parameters,
        user: &str,
    ) -> Result<Vec<Change>, action::Error> {
        let occasion = action::Occasion {
            now: at(NOW),
            id: "id",
            user,
        };
        Actions::default().run(object, action, parameters, &occasion)
    }

    async fn managed_resources(&self, _: &AppKey) -> Result<Vec<ManagedResource>, ApiError> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"data\":\"{CANARY}\"}}")}},
            "data": {"password": CANARY},
        })
        .to_string();
        Ok(vec![ManagedResource {
            kind: "Secret".to_owned(),
            name: "s".to_owned(),
            target_state: secret.clone(),
            live_state: secret.clone(),
            normalized_live_state: secret.clone(),
            predicted_live_state: secret,
            ..ManagedResource::default()
        }])
    }

    fn tree_changes(&self) -> BoxStream<'static, Vec<AppKey>> {
        listen(self.tree_changes.subscribe())
    }
}

struct Finder(Arc<World>);

#[async_trait]
impl Destinations for Finder {
    async fn of(&self, _: &Application) -> Result<Arc<dyn Destination>, ApiError> {
        Ok(self.0.clone())
    }
}

#[async_trait]
impl Destination for World {
    async fn read(&self, gvk: &GroupVersionKind, key: &ResourceKey) -> Result<Value, ApiError> {
        Ok(json!({
            "apiVersion": gvk.api_version(), "kind": &*gvk.kind,
            "metadata": {"name": &*key.name, "namespace": &*key.namespace, "managedFields": [{}]},
            "data": {"password": CANARY},
        }))
    }

    async fn patch(
        &self,
        gvk: &GroupVersionKind,
        key: &ResourceKey,
        _: PatchType,
        patch: Bytes,
    ) -> Result<Value, ApiError> {
        let mut object = Destination::read(self, gvk, key).await?;
        merge_patch::apply(&mut object, &serde_json::from_slice(&patch).expect("patch"));
        Ok(object)
    }

    async fn patch_status(
        &self,
        _: &GroupVersionKind,
        _: &ResourceKey,
        _: Bytes,
    ) -> Result<Option<Value>, ApiError> {
        Ok(None)
    }

    async fn create(&self, _: &Object) -> Result<(), ApiError> {
        Ok(())
    }

    async fn delete(&self, key: &ResourceKey, _: &DeleteOptions) -> Result<(), ApiError> {
        self.state.lock().deleted.push(key.clone());
        Ok(())
    }

    async fn events(&self, _: &str, name: &str, _: Option<&str>) -> Result<Vec<Value>, ApiError> {
        Ok(vec![
            json!({"metadata": {"name": format!("{name}.1")}, "reason": "Started"}),
        ])
    }

    fn follow_events(&self, _: &str, name: &str, _: Option<&str>) -> EventStream {
        let first = json!({"metadata": {"name": format!("{name}.object")}});
        stream::iter([Ok(vec![first])])
            .chain(stream::pending())
            .boxed()
    }

    async fn logs(
        &self,
        _: &str,
        pod: &str,
        options: &LogOptions,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, ApiError> {
        let line = |number: i64| LogLine {
            time: Some(at(NOW + number)),
            text: format!("{pod} line {number}"),
        };
        let lines: Vec<_> = (1..=3).map(|number| Ok(line(number))).collect();
        let lines = stream::iter(lines);
        Ok(if options.follow {
            lines.chain(stream::pending()).boxed()
        } else {
            lines.boxed()
        })
    }
}

#[async_trait]
impl Sources for World {
    async fn revision_metadata(
        &self,
        _: &Application,
        _: usize,
        revision: &str,
    ) -> Result<RevisionMetadata, ApiError> {
        Ok(RevisionMetadata {
            author: "Ada <ada@example.com>".to_owned(),
            message: format!("commit {revision}"),
            ..RevisionMetadata::default()
        })
    }

    fn parse_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Vec<Pushed>, webhook::Error> {
        let secrets = webhook::Secrets::default();
        webhook::parse(headers, body, &secrets, webhook::DEFAULT_MAX_BODY)
    }

    fn nudge(&self, url: &str) -> usize {
        let mut state = self.state.lock();
        state.nudged.push(url.to_owned());
        state.followed
    }
}

impl Inventory for World {
    fn clusters(&self) -> Vec<ClusterInfo> {
        vec![ClusterInfo {
            server: "https://kubernetes.default.svc".to_owned(),
            name: "in-cluster".to_owned(),
            ..ClusterInfo::default()
        }]
    }

    fn repositories(&self) -> Vec<RepositoryInfo> {
        ["", "team"]
            .map(|project| RepositoryInfo {
                repo: format!("https://git.example/{project}x.git"),
                kind: "git".to_owned(),
                project: project.to_owned(),
                ..RepositoryInfo::default()
            })
            .to_vec()
    }
}

impl SettingsSource for World {
    fn current(&self) -> Arc<Settings> {
        Arc::new(self.settings.lock().clone())
    }
}

#[async_trait]
impl AccountStore for World {
    async fn persist_revoked(&self, revoked: &BTreeMap<String, i64>) -> Result<(), Error> {
        self.state.lock().revoked.clone_from(revoked);
        Ok(())
    }

    async fn set_password(&self, _: &str, _: Secret<String>, _: Timestamp) -> Result<(), Error> {
        Ok(())
    }
}

impl Events for World {
    fn record(&self, _: &Application, event: AppEvent) {
        self.state
            .lock()
            .events
            .push((event.reason.to_owned(), event.message));
    }
}

#[async_trait]
impl HealthCheck for World {
    async fn check(&self) -> Result<(), String> {
        if self.state.lock().loading {
            Err(format!("secret detail {CANARY}"))
        } else {
            Ok(())
        }
    }
}

impl World {
    pub(crate) fn set_loading(&self) {
        self.state.lock().loading = true;
    }
}
