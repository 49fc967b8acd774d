//! Given a repository and an Application, when something happens, then something is expected.

use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::git::Change;
use crate::{ApiProxy, Devcluster, Driftless, Expectation, GitRepo, Kind, Serve, unique};

/// The directory of the repository that an Application uses unless it is told otherwise.
pub const APP_PATH: &str = "app";

/// What exists before anything happens.
#[derive(Debug)]
pub struct Given {
    name: String,
    binary: PathBuf,
    instance: Option<Arc<Driftless>>,
    own_instance: bool,
    proxy: Option<Arc<ApiProxy>>,
    settings: Vec<(String, String)>,
    cluster: &'static Devcluster,
    changes: Vec<Change>,
    source_url: Option<String>,
    repo: Option<Arc<GitRepo>>,
    spec: Value,
    metadata: Value,
    namespace: Option<String>,
    create_namespace: bool,
    create_app: bool,
}

/// Begins a story with a name, from which the names of the namespace and the Application are made.
pub fn given(binary: impl Into<PathBuf>, name: &str) -> Given {
    Given {
        name: name.into(),
        binary: binary.into(),
        instance: None,
        own_instance: false,
        proxy: None,
        settings: Vec::new(),
        cluster: Devcluster::shared(),
        changes: Vec::new(),
        source_url: None,
        repo: None,
        spec: json!({}),
        metadata: json!({}),
        namespace: None,
        create_namespace: true,
        create_app: true,
    }
}

impl Given {
    /// Adds a file to the Application's directory in the repository's first commit.
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.changes
            .push(Change::Write(format!("{APP_PATH}/{name}"), content.into()));
        self
    }

    /// Adds changes anywhere in the repository to its first commit.
    pub fn changes(mut self, changes: impl IntoIterator<Item = Change>) -> Self {
        self.changes.extend(changes);
        self
    }

    /// Merges fields into the Application's spec.
    pub fn spec(mut self, fields: Value) -> Self {
        merge(&mut self.spec, fields);
        self
    }

    /// Merges fields into the Application's metadata.
    pub fn metadata(mut self, fields: Value) -> Self {
        merge(&mut self.metadata, fields);
        self
    }

    /// Automates the Application, with these fields of `automated`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write the value in place"
    )]
    pub fn automated(self, fields: Value) -> Self {
        self.spec(json!({"syncPolicy": {"automated": fields}}))
    }

    /// Sets the Application's sync options.
    pub fn sync_options(self, options: &[&str]) -> Self {
        self.spec(json!({"syncPolicy": {"syncOptions": options}}))
    }

    /// Uses a repository that exists already.
    pub fn repo(mut self, repo: Arc<GitRepo>) -> Self {
        self.repo = Some(repo);
        self
    }

    /// Reaches the repository by this URL instead of its path.
    pub fn source_url(mut self, url: impl Into<String>) -> Self {
        self.source_url = Some(url.into());
        self
    }

    /// Starts a `driftless` process for this story alone, with a control namespace of its own.
    pub fn own_instance(mut self) -> Self {
        self.own_instance = true;
        self
    }

    /// Starts a process for this story alone that reaches the cluster by a proxy.
    pub fn through(mut self, proxy: &Arc<ApiProxy>) -> Self {
        self.proxy = Some(Arc::clone(proxy));
        self.own_instance()
    }

    /// Starts a process for this story alone, with this entry in its `argocd-cm`.
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.into(), value.into()));
        self.own_instance()
    }

    /// Uses another cluster than the shared one, with a process of its own.
    pub fn cluster(mut self, cluster: &'static Devcluster) -> Self {
        self.cluster = cluster;
        self.own_instance()
    }

    /// Uses a process that runs already.
    pub fn instance(mut self, instance: &Arc<Driftless>) -> Self {
        self.instance = Some(Arc::clone(instance));
        self
    }

    /// Deploys into a namespace that exists already.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Leaves the destination namespace to be created by the sync.
    pub fn without_namespace(mut self) -> Self {
        self.create_namespace = false;
        self
    }

    /// Leaves the Application to be created by the test.
    pub fn without_app(mut self) -> Self {
        self.create_app = false;
        self
    }

    /// Goes on with what happens.
    pub fn when(self) -> Story {
        Story {
            world: self.build().boxed(),
            steps: Vec::new(),
        }
    }

    /// Goes on with what is expected without anything happening.
    pub fn then(self) -> Story {
        self.when()
    }

    async fn build(self) -> World {
        let name = unique(&self.name);
        let client = self.cluster.client().await;
        let driftless = match self.instance {
            Some(instance) => instance,
            None if self.own_instance => {
                let control = format!("{name}-control");
                create_settings(&client, &control, &self.settings).await;
                let mut serve = Serve::on(self.cluster, self.binary, control);
                serve.kubeconfig = self.proxy.as_ref().map(|proxy| proxy.kubeconfig());
                Arc::new(Driftless::start(serve))
            }
            None => Driftless::shared(&self.binary),
        };
        let namespace = self.namespace.clone().unwrap_or_else(|| name.clone());
        if self.create_namespace && self.namespace.is_none() {
            let object =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            Kind::NAMESPACE.create(&client, "", object).await;
        }
        let repo = self.repo.unwrap_or_else(|| Arc::new(GitRepo::create()));
        if !self.changes.is_empty() {
            repo.commit(&self.changes);
        }
        let url = self.source_url.unwrap_or_else(|| repo.file_url());
        let mut app = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": driftless.namespace()},
            "spec": {
                "project": "default",
                "source": {"repoURL": url, "path": APP_PATH, "targetRevision": "HEAD"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            },
        });
        merge(&mut app["spec"], self.spec);
        merge(&mut app["metadata"], self.metadata);
        let cleanup = Arc::new(Cleanup {
            cluster: self.cluster,
            control: driftless.namespace().to_owned(),
            name: name.clone(),
        });
        let world = World {
            driftless,
            client,
            namespace,
            name,
            repo,
            manifest: app,
            operation: Arc::default(),
            _cleanup: cleanup,
        };
        if self.create_app {
            world.create_app().await;
        }
        world
    }
}

impl IntoFuture for Given {
    type Output = World;
    type IntoFuture = BoxFuture<'static, World>;

    fn into_future(self) -> Self::IntoFuture {
        self.build().boxed()
    }
}

/// The parts of one story.
#[derive(Clone)]
pub struct World {
    /// The process under test.
    pub driftless: Arc<Driftless>,
    /// A client with the administrator's rights.
    pub client: Client,
    /// The destination namespace.
    pub namespace: String,
    /// The Application's name.
    pub name: String,
    /// The repository.
    pub repo: Arc<GitRepo>,
    /// The Application as it was created.
    pub manifest: Value,
    operation: Arc<Mutex<Option<String>>>,
    _cleanup: Arc<Cleanup>,
}

/// Deletes the Application when the story is over, so that the shared process does not go on with it.
struct Cleanup {
    cluster: &'static Devcluster,
    control: String,
    name: String,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let (cluster, control, name) = (self.cluster, self.control.clone(), self.name.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async move {
                let client = cluster.client().await;
                let api = Kind::APPLICATION.api(&client, &control);
                let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
                let _ = api.patch(&name, &PatchParams::default(), &patch).await;
                let _ = api.delete(&name, &DeleteParams::default()).await;
            });
        });
        let _ = thread.join();
    }
}

async fn create_settings(client: &Client, control: &str, settings: &[(String, String)]) {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": control}});
    Kind::NAMESPACE.create(client, "", object).await;
    let data: Value = settings
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": data,
        "metadata": {"name": "argocd-cm", "labels": {"app.kubernetes.io/part-of": "argocd"}},
    });
    Kind::CONFIG_MAP.create(client, control, object).await;
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Goes on with what happens next.
    pub fn when(self) -> Story {
        Story {
            world: std::future::ready(self).boxed(),
            steps: Vec::new(),
        }
    }

    /// Goes on with what is expected next.
    pub fn then(self) -> Story {
        self.when()
    }

    /// Creates the Application of a story that began without it.
    pub async fn create_app(&self) {
        Kind::APPLICATION
            .create(&self.client, self.control(), self.manifest.clone())
            .await;
    }

    /// Reads the Application; `Null` when it does not exist.
    pub async fn app(&self) -> Value {
        Kind::APPLICATION
            .read(&self.client, self.control(), &self.name)
            .await
            .unwrap_or(Value::Null)
    }

    /// Reads an object of the destination namespace.
    pub async fn live(&self, kind: Kind, name: &str) -> Option<Value> {
        kind.read(&self.client, &self.namespace, name).await
    }

    /// Returns the namespace of the Application.
    pub fn control(&self) -> &str {
        self.driftless.namespace()
    }

    /// Returns the mark of the operation that the story asked for last.
    pub(crate) fn operation_mark(&self) -> Option<String> {
        self.operation.lock().clone()
    }

    /// Changes the Application with a merge patch.
    pub async fn patch_app(&self, patch: Value) {
        Kind::APPLICATION
            .merge(&self.client, self.control(), &self.name, patch)
            .await;
    }

    async fn request_sync(&self, sync: Value) {
        let mark = unique("story");
        *self.operation.lock() = Some(mark.clone());
        self.patch_app(json!({"operation": {
            "initiatedBy": {"username": "tester"},
            "info": [{"name": "story", "value": mark}],
            "sync": sync,
        }}))
        .await;
    }

    /// Returns what a person wants to see when an expectation was not met.
    pub(crate) async fn report(&self) -> String {
        let app = Kind::APPLICATION
            .api(&self.client, self.control())
            .get_opt(&self.name)
            .await;
        let app = match app {
            Ok(Some(app)) => serde_json::to_value(&app).unwrap_or_default(),
            Ok(None) => json!("the Application does not exist"),
            Err(error) => json!(format!("the Application cannot be read: {error}")),
        };
        let status = app.get("status").unwrap_or(&app);
        let operation = app.get("operation").unwrap_or(&Value::Null);
        format!(
            "application {}/{}, revision in Git {}\noperation: {operation:#}\nstatus: {status:#}\n{}",
            self.control(),
            self.name,
            self.repo.id("HEAD").unwrap_or_else(|| "(none)".into()),
            self.driftless.log_tail(40),
        )
    }
}

type Step = Box<dyn FnOnce(World) -> BoxFuture<'static, ()> + Send>;

/// A sequence of happenings and expectations; awaiting it runs them in order.
pub struct Story {
    world: BoxFuture<'static, World>,
    steps: Vec<Step>,
}

impl std::fmt::Debug for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Story")
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}

impl Story {
    /// Reads well before a happening.
    pub fn when(self) -> Self {
        self
    }

    /// Reads well before an expectation.
    pub fn then(self) -> Self {
        self
    }

    /// Does anything that has no word of its own.
    pub fn act<F, Fut>(mut self, act: F) -> Self
    where
        F: FnOnce(World) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.steps.push(Box::new(move |world| act(world).boxed()));
        self
    }

    /// Waits until something is so.
    pub fn expect(self, expectation: Expectation) -> Self {
        self.act(move |world| async move { expectation.wait(&world).await })
    }

    /// Asks for a sync to the newest commit.
    pub fn sync(self) -> Self {
        self.sync_with(json!({}))
    }

    /// Asks for a sync with these fields of `operation.sync`.
    pub fn sync_with(self, sync: Value) -> Self {
        self.act(move |world| async move { world.request_sync(sync).await })
    }

    /// Asks for a refresh.
    pub fn refresh(self) -> Self {
        self.annotate("argocd.argoproj.io/refresh", "normal")
    }

    /// Asks for a refresh that forgets the caches.
    pub fn hard_refresh(self) -> Self {
        self.annotate("argocd.argoproj.io/refresh", "hard")
    }

    /// Sets an annotation of the Application.
    pub fn annotate(self, key: &str, value: &str) -> Self {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        self.patch_app(patch)
    }

    /// Changes the Application with a merge patch.
    pub fn patch_app(self, patch: Value) -> Self {
        self.act(move |world| async move { world.patch_app(patch).await })
    }

    /// Deletes the Application.
    pub fn delete_app(self) -> Self {
        self.act(|world| async move {
            Kind::APPLICATION
                .delete(&world.client, world.control(), &world.name)
                .await;
        })
    }

    /// Commits changes to `main`.
    pub fn commit(self, changes: Vec<Change>) -> Self {
        self.act(move |world| async move {
            world.repo.commit(&changes);
        })
    }

    /// Writes one file of the Application's directory and commits it to `main`.
    pub fn commit_file(self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.commit(vec![Change::Write(
            format!("{APP_PATH}/{name}"),
            content.into(),
        )])
    }

    /// Removes one file of the Application's directory and commits that to `main`.
    pub fn commit_removal(self, name: &str) -> Self {
        self.commit(vec![Change::Remove(format!("{APP_PATH}/{name}"))])
    }

    /// Changes a live object by hand, with a merge patch.
    pub fn change_live(self, kind: Kind, name: &str, patch: Value) -> Self {
        let name = name.to_owned();
        self.act(move |world| async move {
            kind.merge(&world.client, &world.namespace, &name, patch)
                .await;
        })
    }

    /// Deletes a live object by hand.
    pub fn delete_live(self, kind: Kind, name: &str) -> Self {
        let name = name.to_owned();
        self.act(move |world| async move {
            kind.delete(&world.client, &world.namespace, &name).await;
        })
    }

    /// Creates a live object by hand.
    pub fn create_live(self, kind: Kind, object: Value) -> Self {
        self.act(move |world| async move {
            kind.create(&world.client, &world.namespace, object).await;
        })
    }

    /// Sends a request to the REST API about the Application, which must succeed. The path continues
    /// `/api/v1/applications/<name>`.
    pub fn rest(self, method: http::Method, path: &str, body: Option<Value>) -> Self {
        let path = path.to_owned();
        self.act(move |world| async move {
            let path = format!("/api/v1/applications/{}{path}", world.name);
            let (code, answer) = world.driftless.rest(method, &path, body).await;
            assert!(
                code < 300,
                "{path} answered {code}: {answer}\n{}",
                world.report().await
            );
        })
    }

    /// Rolls back to an entry of the history.
    pub fn rollback(self, id: i64) -> Self {
        self.rest(http::Method::POST, "/rollback", Some(json!({"id": id})))
    }

    /// Terminates the running operation.
    pub fn terminate(self) -> Self {
        self.rest(http::Method::DELETE, "/operation", None)
    }

    /// Ends the process as `kill -9` does.
    pub fn kill(self) -> Self {
        self.act(|world| async move { world.driftless.kill() })
    }

    /// Starts the process again.
    pub fn restart(self) -> Self {
        self.act(|world| async move { world.driftless.restart() })
    }
}

impl IntoFuture for Story {
    type Output = World;
    type IntoFuture = BoxFuture<'static, World>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let world = self.world.await;
            for step in self.steps {
                step(world.clone()).await;
            }
            world
        }
        .boxed()
    }
}

/// Merges as RFC 7386 does, without the meaning of null.
fn merge(target: &mut Value, fields: Value) {
    match (target, fields) {
        (Value::Object(target), Value::Object(fields)) => {
            for (key, value) in fields {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, fields) => *target = fields,
    }
}
