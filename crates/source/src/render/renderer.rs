//! Choosing the kind, running it, reusing results.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_core::tree::{self, EntryKind};
use driftless_core::{AppKey, Trace, TracedTree, Tree, TreePath};
use tokio::sync::Semaphore;

use super::kind::{Ctx, SourceKind, Unsupported};
use super::rendered::PackedSet;
use super::request::{CacheUse, Key, Request, Source, SourceType};
use super::store::{Disk, Found, Memory};
use super::{Error, HelmCharts, Kustomizations, Options, PlainManifests, Rendered, overrides};
use crate::metrics::{CacheResult, Metrics};
use crate::remote::{Fetcher, Files};

/// Longer traces are checked off the async threads.
const INLINE_TRACE: usize = 4096;
/// Files that mark a kustomization, in the order they are looked for.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Renders, and remembers. Cheap to clone; its methods need a tokio runtime.
#[derive(Clone)]
pub struct Renderer {
    inner: Arc<Inner>,
}

struct Inner {
    kinds: BTreeMap<SourceType, Arc<dyn SourceKind>>,
    options: Options,
    metrics: Metrics,
    slots: Arc<Semaphore>,
    memory: Memory,
    disk: Disk,
    remote_files: Files,
}

impl Renderer {
    /// Opens the stored results under `options.data_dir`, with the kinds of sources that this crate renders.
    pub fn open(options: Options, metrics: Metrics) -> Result<Self, Error> {
        Self::open_with(options, metrics, [])
    }

    /// Opens with further kinds of sources, in place of those this crate has.
    pub fn open_with(
        options: Options,
        metrics: Metrics,
        kinds: impl IntoIterator<Item = Arc<dyn SourceKind>>,
    ) -> Result<Self, Error> {
        let mut known: BTreeMap<SourceType, Arc<dyn SourceKind>> = BTreeMap::new();
        for kind in SourceType::ALL {
            known.insert(kind, Arc::new(Unsupported(kind)));
        }
        known.insert(SourceType::Directory, Arc::new(PlainManifests));
        known.insert(SourceType::Helm, Arc::new(HelmCharts::default()));
        known.insert(SourceType::Kustomize, Arc::new(Kustomizations::default()));
        known.extend(kinds.into_iter().map(|kind| (kind.source_type(), kind)));
        let parallelism = match options.parallelism {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            set => set,
        };
        let inner = Inner {
            kinds: known,
            metrics,
            slots: Arc::new(Semaphore::new(parallelism)),
            memory: Memory::new(options.memory_bytes),
            disk: Disk::open(&options)?,
            remote_files: Files::default(),
            options,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Renders, or returns the earlier result when nothing it depends on has changed.
    pub async fn render(&self, request: Request) -> Result<Rendered, Error> {
        let key = request.key();
        // What was looked up in a cluster is asked for again, which may take its time.
        if request.cache == CacheUse::Use
            && !request.asks_cluster()
            && let Some(rendered) = self.inner.in_memory(&key, &request, INLINE_TRACE)?
        {
            return Ok(rendered);
        }
        let Ok(slot) = self.inner.slots.clone().acquire_owned().await else {
            return Err(Error::Lost("the renderer"));
        };
        let inner = self.inner.clone();
        let work = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            inner.render(&key, &request)
        });
        work.await.unwrap_or(Err(Error::Lost("a render")))
    }

    /// Stores what an app was synced to under a name of the caller's choice (its history id), so that it can be
    /// gone back to when the repository cannot be reached. The oldest releases of the app beyond
    /// `retained_per_app` are dropped.
    pub async fn retain(
        &self,
        app: &AppKey,
        release: &str,
        sets: &[Rendered],
    ) -> Result<(), Error> {
        let (app, release, sets) = (app.clone(), release.to_owned(), sets.to_vec());
        self.blocking(move |inner| inner.disk.retain(&app, &release, &sets))
            .await
    }

    /// Returns what was retained, in the order it was given; `None` when nothing (any more) is.
    pub async fn load(&self, app: &AppKey, release: &str) -> Result<Option<Vec<Rendered>>, Error> {
        let (app, release) = (app.clone(), release.to_owned());
        self.blocking(move |inner| inner.disk.load(&app, &release))
            .await
    }

    /// Drops what was retained for an app that is gone.
    pub async fn forget(&self, app: &AppKey) -> Result<(), Error> {
        let app = app.clone();
        self.blocking(move |inner| inner.disk.forget(&app)).await
    }

    /// Returns the memory that packed results take, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.inner.memory.bytes()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = self.inner.clone();
        let work = tokio::task::spawn_blocking(move || work(&inner));
        work.await
            .unwrap_or(Err(Error::Lost("the store of renders")))
    }
}

impl Inner {
    /// Returns a result in memory whose trace holds.
    fn in_memory(
        &self,
        key: &Key,
        request: &Request,
        longest: usize,
    ) -> Result<Option<Rendered>, Error> {
        for found in self.memory.get(key) {
            // What is elsewhere is asked for off the async threads.
            let inline = longest == usize::MAX || found.pins.is_empty();
            if inline && found.trace.len() <= longest && self.holds(&found, request)? {
                self.metrics.render(CacheResult::Hit);
                return Ok(Some(found.to_rendered(request)));
            }
        }
        Ok(None)
    }

    /// Says whether a result is what a render would give now.
    fn holds(&self, found: &Found, request: &Request) -> Result<bool, Error> {
        if !found.seen.holds(request) {
            return Ok(false);
        }
        if !found
            .trace
            .holds(&*request.tree)
            .map_err(Error::from_tree)?
        {
            return Ok(false);
        }
        if found.pins.is_empty() {
            return Ok(true);
        }
        Ok(self
            .fetcher(request)
            .is_some_and(|fetcher| fetcher.holds(&found.pins)))
    }

    /// Returns what fetches for a render, when anything may be fetched.
    fn fetcher<'a>(&'a self, request: &'a Request) -> Option<Fetcher<'a>> {
        let handle = tokio::runtime::Handle::try_current().ok()?;
        let remotes = request.remotes.as_ref()?;
        Some(Fetcher::new(remotes, &self.remote_files, handle))
    }

    fn render(&self, key: &Key, request: &Request) -> Result<Rendered, Error> {
        if request.cache == CacheUse::Use {
            if let Some(rendered) = self.in_memory(key, request, usize::MAX)? {
                return Ok(rendered);
            }
            if let Some(found) = self.disk.get(key)
                && self.holds(&found, request)?
            {
                let found = Arc::new(found);
                self.memory.put(*key, found.clone());
                self.metrics.render(CacheResult::Hit);
                return Ok(found.to_rendered(request));
            }
        }
        self.metrics.render(CacheResult::Miss);
        let found = Arc::new(self.run(request)?);
        self.memory.put(*key, found.clone());
        self.disk.put(key, &found);
        let mut rendered = found.to_rendered(request);
        rendered.cached = false;
        Ok(rendered)
    }

    fn run(&self, request: &Request) -> Result<Found, Error> {
        let tree = TracedTree::new(request.tree.clone());
        let path = app_folder(&tree, &request.source.path)?;
        let merged = overrides::apply(&tree, &path, &request.source, &request.instance)?;
        let source = merged.as_ref().unwrap_or(&request.source);
        let (source_type, evidence) = detect(&tree, &path, request, source)?;
        let Some(kind) = self.kinds.get(&source_type) else {
            return Err(Error::Unsupported {
                kind: source_type,
                evidence,
            });
        };
        let fetcher = self.fetcher(request);
        let cx = Ctx {
            request,
            source,
            tree: &tree,
            path,
            evidence: &evidence,
            max_bytes: self.options.max_directory_bytes,
            fetcher: fetcher.as_ref(),
        };
        let output = kind.render(&cx)?;
        let (set, _objects) = PackedSet::pack(output.objects)?;
        Ok(Found {
            source_type,
            diagnostics: output.diagnostics.into(),
            trace: Arc::new(tree.into_trace()),
            seen: output.seen,
            set: Arc::new(set),
            pins: fetcher.map(Fetcher::into_pins).unwrap_or_default().into(),
        })
    }
}

impl Found {
    fn to_rendered(&self, request: &Request) -> Rendered {
        Rendered {
            revision: request.revision.clone(),
            source_type: self.source_type,
            diagnostics: self.diagnostics.clone(),
            trace: self.trace.clone(),
            cached: true,
            set: self.set.clone(),
            pins: self.pins.clone(),
        }
    }
}

/// Returns the app's folder with links resolved.
fn app_folder(tree: &dyn Tree, path: &str) -> Result<TreePath, Error> {
    if path.starts_with('/') {
        return Err(Error::PathAbsolute {
            path: path.to_owned(),
        });
    }
    let outside = |error| match error {
        tree::Error::Escapes { .. } => Error::PathOutside {
            path: path.to_owned(),
        },
        other => Error::from_tree(other),
    };
    let parsed = TreePath::parse(path).map_err(outside)?;
    match tree::resolve(tree, &parsed).map_err(outside)? {
        None => Err(Error::PathMissing {
            path: path.to_owned(),
        }),
        Some((folder, entry)) if entry.kind == EntryKind::Folder => Ok(folder),
        Some(_) => Err(Error::PathNotFolder {
            path: path.to_owned(),
        }),
    }
}

/// Finds out the kind of a source, and what showed it.
fn detect(
    tree: &dyn Tree,
    path: &TreePath,
    request: &Request,
    source: &Source,
) -> Result<(SourceType, String), Error> {
    if let Some(explicit) = source.explicit {
        return Ok((
            explicit,
            format!("the section for {} in its source", explicit.as_str()),
        ));
    }
    let entries = tree.list(path).map_err(Error::from_tree)?;
    let has = |name: &str| {
        entries
            .iter()
            .any(|entry| &*entry.name == name && entry.entry.kind != EntryKind::Folder)
    };
    let (kind, enabled, evidence) = if has("Chart.yaml") {
        (SourceType::Helm, request.enabled.helm, "Chart.yaml")
    } else if let Some(name) = KUSTOMIZATIONS.into_iter().find(|name| has(name)) {
        (SourceType::Kustomize, request.enabled.kustomize, name)
    } else {
        (SourceType::Directory, true, "")
    };
    if !enabled {
        return Ok((SourceType::Directory, String::new()));
    }
    let evidence = if evidence.is_empty() {
        String::new()
    } else {
        format!("{path}/{evidence}")
    };
    Ok((kind, evidence.trim_start_matches("./").to_owned()))
}

/// Traces are shared by what is stored and what is handed out.
pub(super) type SharedTrace = Arc<Trace>;
