//! Reading files: which may be read, where a base is, and what comes from elsewhere.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use driftless_core::Tree;
use driftless_core::tree::{self, EntryKind, TreePath};

use crate::error::{Context as _, Error, Result};
use crate::remote::{RemoteBase, Remotes, RepoSpec};

/// Which files a kustomization may read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LoadRestrictor {
    /// Files in or below the folder of the kustomization that names them.
    #[default]
    RootOnly,
    /// Any file of the tree.
    None,
}

/// What one build may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files read.
    pub files: usize,
    /// Bytes read.
    pub bytes: u64,
    /// Largest file in bytes.
    pub file_bytes: u64,
    /// Bases within bases.
    pub depth: usize,
    /// Objects at any time.
    pub objects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 50_000,
            bytes: 512 << 20,
            file_bytes: 64 << 20,
            depth: 100,
            objects: 100_000,
        }
    }
}

/// A tree, ours or one that was fetched.
#[derive(Clone)]
enum Place<'a> {
    Given(&'a dyn Tree),
    Fetched(Arc<dyn Tree>),
}

impl Place<'_> {
    fn tree(&self) -> &dyn Tree {
        match self {
            Self::Given(tree) => *tree,
            Self::Fetched(tree) => &**tree,
        }
    }
}

/// What all loaders of a build share.
pub(crate) struct Budget {
    limits: Limits,
    files: Cell<usize>,
    bytes: Cell<u64>,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            files: Cell::new(0),
            bytes: Cell::new(0),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn spend(&self, bytes: u64) -> Result<()> {
        self.files.set(self.files.get() + 1);
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        if self.files.get() > self.limits.files {
            return Err(Error::limit(format!(
                "the build reads more than {} files",
                self.limits.files
            )));
        }
        if self.bytes.get() > self.limits.bytes {
            return Err(Error::limit(format!(
                "the build reads more than {} bytes",
                self.limits.bytes
            )));
        }
        Ok(())
    }
}

/// Loads files for one kustomization.
#[derive(Clone)]
pub(crate) struct Loader<'a> {
    place: Place<'a>,
    root: TreePath,
    /// How the root of the tree is called in messages: empty, or a path without a `/` at its end.
    prefix: Arc<str>,
    /// Roots of the kustomizations that led here, in this tree.
    visited: Vec<TreePath>,
    /// Repositories that led here.
    repos: Vec<String>,
    restrictor: LoadRestrictor,
    remotes: Option<&'a dyn Remotes>,
    budget: &'a Budget,
    depth: usize,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(
        tree: &'a dyn Tree,
        path: &str,
        prefix: &str,
        restrictor: LoadRestrictor,
        remotes: Option<&'a dyn Remotes>,
        budget: &'a Budget,
    ) -> Result<Self> {
        let mut loader = Self {
            place: Place::Given(tree),
            root: TreePath::root(),
            prefix: prefix.trim_end_matches('/').into(),
            visited: Vec::new(),
            repos: Vec::new(),
            restrictor,
            remotes,
            budget,
            depth: 0,
        };
        let start = TreePath::parse(path).map_err(|_| Error::denied(outside(path)))?;
        loader.root = loader
            .folder(&start)
            .context(|| "must build at directory")?;
        Ok(loader)
    }

    /// Returns the folder of the kustomization, as messages show it.
    pub(crate) fn root(&self) -> String {
        self.shown(&self.root)
    }

    fn shown(&self, path: &TreePath) -> String {
        if path.is_root() && !self.prefix.is_empty() {
            return self.prefix.to_string();
        }
        format!("{}/{}", self.prefix, path.as_str())
    }

    /// Returns the path from the root of the tree, links resolved.
    fn folder(&self, path: &TreePath) -> Result<TreePath> {
        match tree::resolve(self.place.tree(), path).map_err(|error| self.tree_error(error))? {
            None => Err(self.no_such(path).context("not a valid directory")),
            Some((path, entry)) if entry.kind == EntryKind::Folder => Ok(path),
            Some(_) => {
                let shown = self.shown(path);
                Err(Error::new(format!("'{shown}': file is not directory")))
            }
        }
    }

    fn tree_error(&self, error: tree::Error) -> Error {
        match &error {
            tree::Error::Escapes { path } => Error::denied(outside(path)),
            tree::Error::Unreadable { source, .. } => {
                Error::unreadable(format!("{error}: {source}"))
            }
            tree::Error::TooLarge { .. } | tree::Error::LinkLoop { .. } => {
                Error::limit(error.to_string())
            }
            tree::Error::Missing { .. } | tree::Error::Unexpected { .. } => {
                Error::missing(error.to_string())
            }
        }
    }

    /// The first part of the path that is not there is what the system names.
    fn no_such(&self, path: &TreePath) -> Error {
        let shown = self.shown(path);
        let mut missing = shown.clone();
        let mut problem = "no such file or directory";
        let mut at = TreePath::root();
        for part in path.parts() {
            let Ok(next) = at.join(part) else { break };
            match tree::resolve(self.place.tree(), &next) {
                Ok(Some((_, entry))) => {
                    if entry.kind != EntryKind::Folder && next != *path {
                        missing = self.shown(&next);
                        problem = "not a directory";
                        break;
                    }
                    at = next;
                }
                _ => {
                    missing = self.shown(&next);
                    break;
                }
            }
        }
        Error::missing(format!(
            "evalsymlink failure on '{shown}' : lstat {missing}: {problem}"
        ))
    }

    /// Returns where a path as written in the kustomization leads.
    fn target(&self, path: &str) -> Result<TreePath> {
        if path.starts_with('/') {
            let below = path
                .strip_prefix(&*self.prefix)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'));
            return below
                .and_then(|rest| TreePath::parse(rest).ok())
                .ok_or_else(|| Error::denied(outside(path)));
        }
        self.root
            .join(path)
            .map_err(|_| Error::denied(outside(path)))
    }

    /// Reads a file.
    pub(crate) fn load(&self, path: &str) -> Result<Bytes> {
        if is_remote_file(path) {
            let Some(remotes) = self.remotes else {
                return Err(no_remotes(path));
            };
            let bytes = remotes.file(path)?;
            self.budget.spend(bytes.len() as u64)?;
            return Ok(bytes);
        }
        let wanted = self.target(path)?;
        let shown = self.shown(&wanted);
        let found =
            tree::resolve(self.place.tree(), &wanted).map_err(|error| self.tree_error(error))?;
        let Some((real, entry)) = found else {
            return Err(match self.restrictor {
                LoadRestrictor::RootOnly => self.no_such(&wanted),
                LoadRestrictor::None => {
                    Error::missing(format!("open {shown}: no such file or directory"))
                }
            });
        };
        if entry.kind == EntryKind::Folder {
            return Err(Error::new(match self.restrictor {
                LoadRestrictor::RootOnly => format!("'{shown}' must resolve to a file"),
                LoadRestrictor::None => format!("read {shown}: is a directory"),
            }));
        }
        let folder = real.parent().unwrap_or_else(TreePath::root);
        if self.restrictor == LoadRestrictor::RootOnly && !folder.is_under(&self.root) {
            let root = self.root();
            return Err(Error::new(format!(
                "security; file '{shown}' is not in or below '{root}'"
            )));
        }
        let bytes = self
            .place
            .tree()
            .read(&real, self.budget.limits.file_bytes)
            .map_err(|error| self.tree_error(error))?;
        self.budget.spend(bytes.len() as u64)?;
        Ok(bytes)
    }

    /// Says whether a file of this name is in the folder of the kustomization.
    pub(crate) fn has_file(&self, name: &str) -> Result<bool> {
        let path = self
            .root
            .join(name)
            .map_err(|error| self.tree_error(error))?;
        tree::is_file(self.place.tree(), &path).map_err(|error| self.tree_error(error))
    }

    /// Returns a loader for a base, component or remote repository.
    pub(crate) fn base(&self, path: &str) -> Result<Loader<'a>> {
        if path.is_empty() {
            return Err(Error::new("new root cannot be empty"));
        }
        if self.depth >= self.budget.limits.depth {
            return Err(Error::limit(format!(
                "bases are nested more than {} deep",
                self.budget.limits.depth
            )));
        }
        if let Some(spec) = RepoSpec::parse(path) {
            return self.repository(path, &spec);
        }
        if path.starts_with('/') {
            return Err(Error::new(format!("new root '{path}' cannot be absolute")));
        }
        let wanted = self.target(path)?;
        let root = self.folder(&wanted).context(|| "must build at directory")?;
        for visited in std::iter::once(&self.root).chain(self.visited.iter().rev()) {
            if visited.is_under(&root) {
                return Err(Error::new(format!(
                    "cycle detected: candidate root '{}' contains visited root '{}'",
                    self.shown(&root),
                    self.shown(visited)
                )));
            }
        }
        let mut visited = self.visited.clone();
        visited.push(self.root.clone());
        Ok(Self {
            root,
            visited,
            depth: self.depth + 1,
            ..self.clone()
        })
    }

    fn repository(&self, path: &str, spec: &RepoSpec) -> Result<Loader<'a>> {
        if let Some(earlier) = self.repos.iter().rev().find(|repo| repo.starts_with(path)) {
            return Err(Error::new(format!(
                "cycle detected: URI '{path}' referenced by previous URI '{earlier}'"
            )));
        }
        let Some(remotes) = self.remotes else {
            return Err(no_remotes(path));
        };
        let RemoteBase { tree, name } = remotes.repository(spec)?;
        let mut repos = self.repos.clone();
        repos.push(path.to_owned());
        let mut loader = Self {
            place: Place::Fetched(tree),
            root: TreePath::root(),
            prefix: name.trim_end_matches('/').into(),
            visited: Vec::new(),
            repos,
            restrictor: LoadRestrictor::RootOnly,
            depth: self.depth + 1,
            ..self.clone()
        };
        let inner = TreePath::parse(&spec.path).map_err(|_| Error::denied(outside(path)))?;
        loader.root = loader.folder(&inner)?;
        Ok(loader)
    }

    pub(crate) fn budget(&self) -> &'a Budget {
        self.budget
    }

    /// Returns the tree and the folder, for those who read charts.
    pub(crate) fn tree_at(&self, path: &str) -> Result<(&dyn Tree, TreePath)> {
        Ok((self.place.tree(), self.target(path)?))
    }

    /// Returns the name of the folder of the kustomization.
    pub(crate) fn root_name(&self) -> String {
        if self.root.is_root() {
            let name = self.prefix.rsplit('/').next().unwrap_or_default();
            return if name.is_empty() { "/" } else { name }.to_owned();
        }
        self.root.file_name().to_owned()
    }
}

fn outside(path: &str) -> String {
    format!("security; '{path}' leads out of the repository")
}

fn no_remotes(path: &str) -> Error {
    Error::refused(format!(
        "remote resource '{path}' is refused: remote resources are not allowed here"
    ))
}

fn is_remote_file(path: &str) -> bool {
    let scheme = path.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    })
}
