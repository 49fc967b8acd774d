//! What the server stands on, as seen from here. The binary hands in the real services
//! ([`crate::adapter`] connects them); tests hand in small ones.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use driftless_api::application::Condition;
use driftless_api::{AppProject, Application};
pub use driftless_appstate::view::{ManagedResource, Node, ResourceTree};
use driftless_auth::{Enforcer, Sessions};
use driftless_core::{AppKey, Clock, GroupVersionKind, Namespace, ResourceKey, Secret};
use driftless_engine::action::{self, Action, Change, Parameters};
use driftless_kube::log::{LogLine, LogOptions};
use driftless_kube::store::{StoreChange, StoreState, Stored};
use driftless_kube::write::{DeleteOptions, PatchType};
use driftless_manifest::Object;
use driftless_source::webhook::Pushed;
use futures::stream::BoxStream;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ApiError;

/// A live, typed set of the control plane's own objects.
pub trait Objects<T>: Send + Sync + 'static {
    /// Says whether what [`Objects::list`] returns is complete.
    fn state(&self) -> StoreState;
    /// Returns all objects, ordered by namespace and name.
    fn list(&self) -> Vec<Arc<Stored<T>>>;
    /// Returns one object.
    fn get(&self, namespace: &str, name: &str) -> Option<Arc<Stored<T>>>;
    /// Streams changes from now on; ends when the set is gone.
    fn changes(&self) -> BoxStream<'static, Vec<StoreChange>>;
}

/// Reads and writes the control plane's own objects.
#[async_trait]
pub trait ControlPlane: Send + Sync + 'static {
    /// Reads an object from the API server, past every cache.
    async fn read(
        &self,
        gvk: &GroupVersionKind,
        key: &ResourceKey,
    ) -> Result<Value, driftless_kube::Error>;
    /// Creates an object.
    async fn create(&self, object: &Value) -> Result<Value, driftless_kube::Error>;
    /// Patches an object. A `metadata.resourceVersion` in the patch is a precondition.
    async fn patch(
        &self,
        gvk: &GroupVersionKind,
        key: &ResourceKey,
        patch_type: PatchType,
        patch: &Value,
    ) -> Result<Value, driftless_kube::Error>;
    /// Deletes an object.
    async fn delete(&self, key: &ResourceKey) -> Result<(), driftless_kube::Error>;
    /// Reads the Events about an object.
    async fn events(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<Vec<Value>, driftless_kube::Error>;
    /// Streams the Events about an object: all of them, whenever one is new or changed.
    fn follow_events(&self, namespace: &str, name: &str, uid: Option<&str>) -> EventStream;
}

/// All Events about an object, oldest first, again after every change.
pub type EventStream = BoxStream<'static, Result<Vec<Value>, ApiError>>;

/// What is known about an app beyond its object.
#[async_trait]
pub trait AppViews: Send + Sync + 'static {
    /// Returns what makes a spec one that is not worked on: its own mistakes, an unknown cluster, and what its project
    /// does not permit.
    fn problems(&self, app: &Application) -> Vec<Condition>;
    /// Returns the sync windows of an app as they are now.
    fn sync_windows(&self, app: &Application) -> driftless_appstate::window::State;
    /// Returns an app's tree; an error when it cannot be known, never an empty tree instead.
    async fn tree(&self, key: &AppKey) -> Result<ResourceTree, ApiError>;
    /// Returns an app's objects with what differs.
    async fn managed_resources(&self, key: &AppKey) -> Result<Vec<ManagedResource>, ApiError>;
    /// Returns what can be done to an object; the settings' own actions are programs, so it may fail.
    async fn actions(&self, object: &Object) -> Result<Vec<Action>, action::Error>;
    /// Says what an action makes of an object, and who asked for it.
    async fn run_action(
        &self,
        object: &Object,
        action: &str,
        parameters: &Parameters,
        user: &str,
    ) -> Result<Vec<Change>, action::Error>;
    /// Streams the apps whose tree changed, from now on.
    fn tree_changes(&self) -> BoxStream<'static, Vec<AppKey>>;
}

/// The cluster an app is deployed to, with what its project allows.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Reads an object; values of Secrets are masked by the caller.
    async fn read(&self, gvk: &GroupVersionKind, key: &ResourceKey) -> Result<Value, ApiError>;
    /// Patches an object.
    async fn patch(
        &self,
        gvk: &GroupVersionKind,
        key: &ResourceKey,
        patch_type: PatchType,
        patch: Bytes,
    ) -> Result<Value, ApiError>;
    /// Merges a patch into the `status` subresource of an object; `None` when it has none.
    async fn patch_status(
        &self,
        gvk: &GroupVersionKind,
        key: &ResourceKey,
        patch: Bytes,
    ) -> Result<Option<Value>, ApiError>;
    /// Creates an object.
    async fn create(&self, object: &Object) -> Result<(), ApiError>;
    /// Deletes an object.
    async fn delete(&self, key: &ResourceKey, options: &DeleteOptions) -> Result<(), ApiError>;
    /// Reads the Events about an object.
    async fn events(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<Vec<Value>, ApiError>;
    /// Streams the Events about an object: all of them, whenever one is new or changed.
    fn follow_events(&self, namespace: &str, name: &str, uid: Option<&str>) -> EventStream;
    /// Streams a container's log.
    async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: &LogOptions,
    ) -> Result<BoxStream<'static, Result<LogLine, driftless_kube::Error>>, ApiError>;
}

/// Finds destinations.
#[async_trait]
pub trait Destinations: Send + Sync + 'static {
    /// Returns the cluster an app is deployed to.
    async fn of(&self, app: &Application) -> Result<Arc<dyn Destination>, ApiError>;
}

/// What a commit says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionMetadata {
    /// `Name <address>`.
    pub author: String,
    /// When it was authored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<jiff::Timestamp>,
    /// Tags that point at it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The message.
    pub message: String,
}

/// Repositories and their pushes.
#[async_trait]
pub trait Sources: Send + Sync + 'static {
    /// Returns what a commit of one of an app's sources says of itself.
    async fn revision_metadata(
        &self,
        app: &Application,
        source: usize,
        revision: &str,
    ) -> Result<RevisionMetadata, ApiError>;
    /// Verifies and reads a webhook's payload.
    fn parse_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Vec<Pushed>, driftless_source::webhook::Error>;
    /// Asks followed repositories at this address for their refs now; returns how many there are.
    fn nudge(&self, url: &str) -> usize;
}

/// A cluster, as lists show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterInfo {
    /// Address.
    pub server: String,
    /// Name.
    pub name: String,
    /// Project that alone may use it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// Namespaces it is limited to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Labels.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub labels: std::collections::BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub annotations: std::collections::BTreeMap<String, String>,
    /// Kubernetes version, when known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_version: String,
    /// Whether it answers.
    pub connection_state: ConnectionState,
}

/// Whether something answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionState {
    /// `Successful`, `Failed` or `Unknown`.
    pub status: String,
    /// Why not.
    pub message: String,
}

/// A repository, as lists show it: the type has no room for credentials.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryInfo {
    /// Address, without credentials.
    pub repo: String,
    /// `git`, `helm` or `oci`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Project that alone may use it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// Whether it answers.
    pub connection_state: ConnectionState,
}

/// Configured clusters and repositories.
pub trait Inventory: Send + Sync + 'static {
    /// Returns all clusters, ordered by address.
    fn clusters(&self) -> Vec<ClusterInfo>;
    /// Returns all repositories, ordered by address.
    fn repositories(&self) -> Vec<RepositoryInfo>;
}

/// Settings the server reads, as of one moment.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub struct Settings {
    /// Address under which people reach the UI (`url`).
    pub url: String,
    /// Name of the tracking label.
    pub app_label_key: String,
    /// How objects are tracked.
    pub tracking_method: String,
    /// Banner text, address and whether it stays.
    pub banner: Banner,
    /// Whether anonymous callers get in.
    pub anonymous_enabled: bool,
    /// Whether `Replace=true` may be asked for in a sync.
    pub sync_with_replace_allowed: bool,
    /// Pods whose logs are shown together at most.
    pub max_pod_logs: usize,
    /// Whether rollback has a permission of its own.
    pub rollback_enforced: bool,
    /// Whether `update` and `delete` also cover single objects.
    pub fine_grained_inheritance: bool,
    /// Whether the status badge is served.
    pub badge_enabled: bool,
    /// Largest webhook body in bytes.
    pub max_webhook_body: usize,
    /// Namespaces besides the control plane's whose Applications are served; wildcards allowed.
    pub application_namespaces: Vec<String>,
}

/// What the UI shows on top of every page.
#[derive(Clone, Debug, Default)]
pub struct Banner {
    /// Text.
    pub content: String,
    /// Address it leads to.
    pub url: String,
    /// Whether it cannot be closed.
    pub permanent: bool,
    /// `top`, `bottom` or `both`.
    pub position: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            app_label_key: "app.kubernetes.io/instance".to_owned(),
            tracking_method: "annotation".to_owned(),
            banner: Banner::default(),
            anonymous_enabled: false,
            sync_with_replace_allowed: true,
            max_pod_logs: 10,
            rollback_enforced: false,
            fine_grained_inheritance: false,
            badge_enabled: false,
            max_webhook_body: 50 << 20,
            application_namespaces: Vec::new(),
        }
    }
}

/// Live settings.
pub trait SettingsSource: Send + Sync + 'static {
    /// Returns the settings as of now.
    fn current(&self) -> Arc<Settings>;
}

/// Changes accounts; the change shows in [`Sessions`] when the settings are read again.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Persists revoked tokens: identifier and end, in seconds since 1970.
    async fn persist_revoked(
        &self,
        revoked: &std::collections::BTreeMap<String, i64>,
    ) -> Result<(), driftless_kube::Error>;
    /// Sets an account's password hash and the moment it was set.
    async fn set_password(
        &self,
        account: &str,
        hash: Secret<String>,
        at: jiff::Timestamp,
    ) -> Result<(), driftless_kube::Error>;
}

/// An event about an Application (argocd-contract §11).
#[derive(Clone, Debug)]
pub struct AppEvent {
    /// Stable name.
    pub reason: &'static str,
    /// Text.
    pub message: String,
    /// Who did it.
    pub user: String,
}

/// Records Kubernetes Events.
pub trait Events: Send + Sync + 'static {
    /// Records an event about an Application.
    fn record(&self, app: &Application, event: AppEvent);
}

/// What the build says of itself.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    /// Version.
    pub version: String,
    /// When it was built.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub build_date: String,
    /// Commit it was built from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// Platform it was built for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub platform: String,
}

/// Checks what a full health check asks for.
#[async_trait]
pub trait HealthCheck: Send + Sync + 'static {
    /// Returns what is wrong, if anything.
    async fn check(&self) -> Result<(), String>;
}

/// Whether callers are asked who they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthMode {
    /// They are.
    Enforced,
    /// Everybody may do everything (`--disable-auth`).
    Disabled,
}

/// How the server presents itself.
#[derive(Clone, Debug)]
pub struct Config {
    /// Namespace of the control plane.
    pub control_namespace: Namespace,
    /// Whether callers are asked who they are.
    pub auth: AuthMode,
    /// Path the UI is mounted at, with slashes at both ends.
    pub base_href: String,
    /// Whether cookies are limited to encrypted connections.
    pub secure_cookies: bool,
    /// Time an ordinary call may take.
    pub request_timeout: Duration,
    /// Time a call waits for a refresh.
    pub refresh_timeout: Duration,
    /// Silence after which a stream shows that it is alive.
    pub heartbeat: Duration,
    /// How often a stream asks again whether its reader may still read.
    pub recheck: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            control_namespace: Namespace::new("argocd"),
            auth: AuthMode::Enforced,
            base_href: "/".to_owned(),
            secure_cookies: false,
            request_timeout: Duration::from_secs(60),
            refresh_timeout: Duration::from_secs(55),
            heartbeat: Duration::from_secs(15),
            recheck: Duration::from_secs(20),
        }
    }
}

/// Everything the server stands on.
pub struct Deps {
    /// How the server presents itself.
    pub config: Config,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Applications.
    pub apps: Arc<dyn Objects<Application>>,
    /// Projects.
    pub projects: Arc<dyn Objects<AppProject>>,
    /// The control plane's own objects.
    pub control: Arc<dyn ControlPlane>,
    /// Trees and differences.
    pub views: Arc<dyn AppViews>,
    /// Destination clusters.
    pub destinations: Arc<dyn Destinations>,
    /// Repositories.
    pub sources: Arc<dyn Sources>,
    /// Clusters and repositories, for lists.
    pub inventory: Arc<dyn Inventory>,
    /// Settings.
    pub settings: Arc<dyn SettingsSource>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Permissions.
    pub enforcer: Arc<Enforcer>,
    /// Accounts.
    pub accounts: Arc<dyn AccountStore>,
    /// Kubernetes Events.
    pub events: Arc<dyn Events>,
    /// Full health check.
    pub health: Arc<dyn HealthCheck>,
    /// What the build says of itself.
    pub version: Version,
}
