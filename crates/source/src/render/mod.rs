//! From a tree to objects, with a record of what was read.
//!
//! [`SourceKind`] is the seam between kinds of sources: tree in, objects and diagnostics out; what was read is
//! recorded by the tree itself. [`Renderer`] chooses the kind, runs it off the async threads and reuses results
//! whose trace still holds.

mod error;

use std::path::PathBuf;
use std::sync::Arc;

use driftless_core::{AppKey, Namespace, ProjectName, Revision, Tree};

use crate::metrics::Metrics;
use crate::repository::RepositoryId;

pub use error::Error;

/// One Kubernetes object.
pub type Object = serde_json::Value;

/// The kinds of sources (argocd-contract §6.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SourceType {
    /// Plain manifests.
    Directory,
    /// A Helm chart.
    Helm,
    /// A kustomization.
    Kustomize,
    /// A config management plugin.
    Plugin,
}

impl SourceType {
    /// Returns the name that `status.sourceType` carries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "Directory",
            Self::Helm => "Helm",
            Self::Kustomize => "Kustomize",
            Self::Plugin => "Plugin",
        }
    }
}

/// Settings of a directory source (`spec.source.directory`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Directory {
    /// Whether folders below are read too.
    pub recurse: bool,
    /// Glob of relative paths to read; empty for all.
    pub include: String,
    /// Glob of relative paths to leave out; wins over `include`.
    pub exclude: String,
    /// Whether files of any extension are read.
    pub disable_extension_filter: bool,
    /// The `jsonnet` section as it is, `Null` when not given.
    pub jsonnet: serde_json::Value,
}

/// Where in the tree an application is, and how it is made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Source {
    /// Folder inside the tree (`spec.source.path`).
    pub path: String,
    /// The kind the user named by giving its section; `None` to find out.
    pub explicit: Option<SourceType>,
    /// Settings for plain manifests.
    pub directory: Directory,
    /// The `helm`, `kustomize` or `plugin` section as it is, `Null` when not given.
    pub parameters: serde_json::Value,
}

/// Kinds of sources that the administrator switched off fall back to plain manifests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Enabled {
    /// `helm.enable`.
    pub helm: bool,
    /// `kustomize.enable`.
    pub kustomize: bool,
    /// `jsonnet.enable`.
    pub jsonnet: bool,
}

impl Default for Enabled {
    fn default() -> Self {
        Self {
            helm: true,
            kustomize: true,
            jsonnet: true,
        }
    }
}

/// Whether results of earlier renders may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CacheUse {
    /// Use a result whose trace still holds.
    #[default]
    Use,
    /// Render anew and replace what was stored (a hard refresh).
    Bypass,
}

/// Everything a render depends on. The tree's content is covered by the trace; all other fields are part of the key.
#[derive(Clone)]
pub struct Request {
    /// The repository that `tree` is of.
    pub repository: RepositoryId,
    /// The commit that `tree` is of. Not part of the key.
    pub revision: Revision,
    /// The files.
    pub tree: Arc<dyn Tree>,
    /// What to render.
    pub source: Source,
    /// The application.
    pub app: AppKey,
    /// Its instance name ([`AppKey::instance`]).
    pub instance: String,
    /// Its project.
    pub project: ProjectName,
    /// Namespace objects go to unless they name one.
    pub destination_namespace: Namespace,
    /// Version of the destination cluster, such as `1.37.2`.
    pub kube_version: Arc<str>,
    /// Its API versions (`apps/v1`, `apps/v1/Deployment`), sorted.
    pub api_versions: Arc<[String]>,
    /// Which kinds of sources are switched on.
    pub enabled: Enabled,
    /// Whether earlier results may be used.
    pub cache: CacheUse,
}

/// How serious a diagnostic is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// Worth telling.
    Warning,
}

/// Something a render wants to tell that does not make it fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How serious.
    pub severity: Severity,
    /// File in the tree; empty when it is about none.
    pub file: String,
    /// What it is about.
    pub message: String,
}

/// Identity of a set of rendered objects: equal for equal objects in equal order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetDigest([u8; 32]);

/// What came out of a render. Cheap to clone; objects are kept packed until asked for.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The commit it was asked for.
    pub revision: Revision,
    /// The kind of source it turned out to be.
    pub source_type: SourceType,
    /// What the render wants to tell.
    pub diagnostics: Arc<[Diagnostic]>,
    /// Identity of the objects: when it is that of the last reconcile, nothing has changed.
    pub digest: SetDigest,
    /// Whether an earlier result was used.
    pub cached: bool,
}

impl Rendered {
    /// Unpacks the objects, in the order the source gave them. Concurrent callers share one unpacked copy.
    pub fn objects(&self) -> Result<Arc<[Object]>, Error> {
        Err(Error::Lost("the renderer (not built yet)"))
    }
}

/// Limits and places of the renderer.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder for stored results; created when missing.
    pub data_dir: PathBuf,
    /// Memory for packed results.
    pub memory_bytes: usize,
    /// Disk space for packed results.
    pub disk_bytes: u64,
    /// Most bytes of all manifests of one directory source
    /// (`reposerver.max.combined.directory.manifests.size`).
    pub max_directory_bytes: u64,
    /// How many renders run at once; zero for one per processor.
    pub parallelism: usize,
    /// How many releases are retained per app.
    pub retained_per_app: usize,
}

impl Options {
    /// Returns the defaults, with results stored under `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            memory_bytes: 32 << 20,
            disk_bytes: 1 << 30,
            max_directory_bytes: 10 << 20,
            parallelism: 0,
            retained_per_app: 10,
        }
    }
}

/// Renders, and remembers.
#[derive(Clone)]
pub struct Renderer {}

impl Renderer {
    /// Opens the stored results under `options.data_dir`.
    pub fn open(_options: Options, _metrics: Metrics) -> Result<Self, Error> {
        Ok(Self {})
    }

    /// Renders, or returns the earlier result when nothing it depends on has changed.
    pub async fn render(&self, _request: Request) -> Result<Rendered, Error> {
        Err(Error::Lost("the renderer (not built yet)"))
    }

    /// Stores what an app was synced to under a name of the caller's choice (its history id), so that it can be
    /// gone back to when the repository cannot be reached. The oldest releases of the app beyond
    /// `retained_per_app` are dropped.
    pub async fn retain(
        &self,
        _app: &AppKey,
        _release: &str,
        _sets: &[Rendered],
    ) -> Result<(), Error> {
        Err(Error::Lost("the renderer (not built yet)"))
    }

    /// Returns what was retained, in the order it was given; `None` when nothing (any more) is.
    pub async fn load(
        &self,
        _app: &AppKey,
        _release: &str,
    ) -> Result<Option<Vec<Rendered>>, Error> {
        Err(Error::Lost("the renderer (not built yet)"))
    }

    /// Drops what was retained for an app that is gone.
    pub async fn forget(&self, _app: &AppKey) {}
}

impl std::fmt::Debug for SetDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::repository::hex(&self.0))
    }
}
