//! What to render, and everything that the result depends on.

use std::sync::Arc;

use driftless_core::{AppKey, Namespace, ProjectName, Revision, Tree};
use sha2::{Digest as _, Sha256};

use super::Facts;
use crate::remote::Remotes;
use crate::repository::RepositoryId;

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
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Directory, Self::Helm, Self::Kustomize, Self::Plugin];

    /// Returns the name that `status.sourceType` carries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "Directory",
            Self::Helm => "Helm",
            Self::Kustomize => "Kustomize",
            Self::Plugin => "Plugin",
        }
    }

    /// Reads what [`Self::as_str`] returns.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
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
    /// Folder inside the tree (`spec.source.path`); empty is the root.
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

/// Everything a render depends on. The tree's content is covered by the trace; the commit matters to nobody; all
/// other fields are part of the key.
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
    /// Options of kustomize that the administrator set (`kustomize.buildOptions`).
    pub kustomize_options: Arc<str>,
    /// The way to what kustomizations name elsewhere; `None` refuses it. Not part of the key: what was fetched is
    /// recorded, and asked for again before a result is reused.
    pub remotes: Option<Remotes>,
    /// Whether earlier results may be used.
    pub cache: CacheUse,
}

/// Identity of a render besides the content of its tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(pub(super) [u8; 32]);

impl Request {
    /// Returns the identity of what every kind of source depends on.
    pub(super) fn key(&self) -> Key {
        let Source {
            path,
            explicit,
            directory,
            parameters,
        } = &self.source;
        let mut hash = Hasher(Sha256::new());
        hash.text(env!("CARGO_PKG_VERSION"));
        hash.text(self.repository.as_str());
        hash.text(path);
        hash.text(explicit.map_or("", SourceType::as_str));
        hash.flags(&[directory.recurse, directory.disable_extension_filter]);
        hash.text(&directory.include);
        hash.text(&directory.exclude);
        hash.text(&directory.jsonnet.to_string());
        hash.text(&parameters.to_string());
        hash.text(self.app.namespace.as_str());
        hash.text(self.app.name.as_str());
        hash.text(&self.instance);
        hash.text(self.project.as_str());
        hash.text(self.destination_namespace.as_str());
        hash.flags(&[
            self.enabled.helm,
            self.enabled.kustomize,
            self.enabled.jsonnet,
        ]);
        hash.text(&self.kustomize_options);
        Key(hash.0.finalize().into())
    }

    /// Says whether the tree holds objects of a cluster, which take requests to read.
    pub(super) fn asks_cluster(&self) -> bool {
        self.source
            .parameters
            .get(Facts::KEY)
            .and_then(|facts| facts.get("lookup"))
            .is_some_and(|lookup| lookup == true)
    }
}

/// Hashes parts so that no two lists of parts look alike.
struct Hasher(Sha256);

impl Hasher {
    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn flags(&mut self, flags: &[bool]) {
        for flag in flags {
            self.0.update([u8::from(*flag)]);
        }
    }
}
