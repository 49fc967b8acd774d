//! Git repositories: resolving revisions, following refs, reading commits as trees.
//!
//! One bare mirror per repository, without a checkout, without hooks, without configuration: nothing in it is ever
//! executed. Refs are asked for once per repository, whoever asks; objects are fetched once per commit.

mod answer;
mod commit;
mod error;
mod files;
mod follow;
mod mirror;
mod options;
mod repo;
mod transport;
mod wire;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use driftless_core::{AppKey, Clock, SafeUrl, Tree, tree};
use driftless_outbound::Reach;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast;

use self::files::{FolderCache, GitTree};
pub(crate) use self::mirror::write_whole;
use self::mirror::{Generation, mirror_error};
use self::repo::{Extent, Repo, Shared};
use self::transport::{Clients, blocking};
use crate::metrics::Metrics;
use crate::repository::{Repository, RepositoryId, hex, same_repository};
use crate::target::Target;

pub use commit::{Commit, CommitMetadata, Freshness, LastKnown};
pub use error::{Cause, Error};
pub use follow::Tracked;
pub use options::Options;

/// A followed target moved.
#[derive(Clone, Debug)]
pub struct RefMove {
    /// The repository.
    pub repository: RepositoryId,
    /// Its address; prints without credentials.
    pub url: SafeUrl,
    /// What is followed.
    pub target: Target,
    /// Where it was; `None` when it is resolved for the first time or could not be resolved before.
    pub old: Option<Commit>,
    /// Where it is.
    pub new: Commit,
}

/// News about followed repositories.
#[derive(Clone, Debug)]
pub enum RefEvent {
    /// A followed target moved.
    Moved(RefMove),
    /// A followed target cannot be resolved any more, or its repository cannot be asked. Sent once, not per poll.
    Failed {
        /// The repository.
        repository: RepositoryId,
        /// What is followed.
        target: Target,
        /// Why.
        error: Arc<Error>,
    },
    /// A target that had failed is resolved again, at the commit it was at before.
    Recovered {
        /// The repository.
        repository: RepositoryId,
        /// What is followed.
        target: Target,
    },
}

/// Branches and tags of a repository, sorted by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RefNames {
    /// Branches, without `refs/heads/`.
    pub branches: Vec<String>,
    /// Tags, without `refs/tags/`.
    pub tags: Vec<String>,
}

/// The Git service. Cheap to clone; its methods need a tokio runtime.
#[derive(Clone)]
pub struct Git {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    folders: Arc<FolderCache>,
    repos: Mutex<HashMap<RepositoryId, Arc<Repo>>>,
    /// Held as long as the service lives: two processes must not tidy the same copies.
    _lock: fs::File,
}

impl Git {
    /// Opens the local copies under `options.data_dir`.
    pub fn open(options: Options, metrics: Metrics, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let dir = options.data_dir.clone();
        let lock = lock(&dir).map_err(|error| {
            Error::new(
                dir.display().to_string(),
                mirror_error("locking the folder of")(error),
            )
        })?;
        let shared = Shared {
            metrics,
            clock,
            clients: Clients::default(),
            events: broadcast::channel(options.watch_capacity.max(1)).0,
            silenced: Mutex::default(),
            options,
        };
        let inner = Inner {
            folders: Arc::new(FolderCache::new(shared.options.tree_cache_bytes)),
            shared: Arc::new(shared),
            repos: Mutex::default(),
            _lock: lock,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Resolves a target to a commit and makes sure that the commit can be read locally.
    ///
    /// Requests for one repository are answered together; a request that arrives while one is under way waits for
    /// the next, so that the answer is as new as [`Freshness`] demands. When the repository cannot be asked, the
    /// error carries the last known commit.
    pub async fn resolve(
        &self,
        repository: &Repository,
        target: &Target,
        freshness: Freshness,
    ) -> Result<Commit, Error> {
        let repo = self.repo(repository)?;
        repo.resolve(target, freshness)
            .await
            .map_err(|cause| repo.error(cause, Some(target)))
    }

    /// Opens a commit as a tree, fetching it when it is not local. Cheap when it is.
    pub async fn tree(
        &self,
        repository: &Repository,
        commit: Commit,
    ) -> Result<Arc<dyn Tree>, Error> {
        let repo = self.repo(repository)?;
        let (generation, data) = read_commit(&repo, commit).await?;
        let root = gix_object::CommitRefIter::from_bytes(&data, gix_hash::Kind::Sha1).tree_id();
        let root = root.map_err(|error| damaged(&repo, &generation, commit, error))?;
        Ok(Arc::new(GitTree::new(
            generation,
            self.inner.folders.clone(),
            root,
        )))
    }

    /// Returns author, date, message and tags of a commit.
    pub async fn metadata(
        &self,
        repository: &Repository,
        commit: Commit,
    ) -> Result<CommitMetadata, Error> {
        let repo = self.repo(repository)?;
        let (generation, data) = read_commit(&repo, commit).await?;
        let parsed = commit::parse(commit, &data);
        let mut metadata = parsed.map_err(|error| damaged(&repo, &generation, commit, error))?;
        metadata.tags = repo.tags_of(commit).await;
        Ok(metadata)
    }

    /// Lists branches and tags.
    pub async fn ref_names(&self, repository: &Repository) -> Result<RefNames, Error> {
        let repo = self.repo(repository)?;
        let round = repo
            .ask([], Extent::Everything)
            .await
            .map_err(|cause| repo.error(cause, None))?;
        let names = |prefix: &str| {
            round
                .refs
                .keys()
                .filter_map(|name| name.strip_prefix(prefix))
                .map(str::to_owned)
                .collect()
        };
        Ok(RefNames {
            branches: names("refs/heads/"),
            tags: names("refs/tags/"),
        })
    }

    /// Asks the repository for its default branch: shows whether address and credentials are right.
    pub async fn test(&self, repository: &Repository) -> Result<(), Error> {
        let repo = self.repo(repository)?;
        repo.ask([Target::head()], Extent::Targets)
            .await
            .map(drop)
            .map_err(|cause| repo.error(cause, None))
    }

    /// Follows a target: its repository is polled, and its moves are told to every [`Self::watch`]er. The settings
    /// of the newest call for a repository are those that are used from then on.
    pub fn track(&self, repository: &Repository, target: &Target) -> Tracked {
        // An address that cannot be used is told by `resolve`, and there is nothing to follow.
        Tracked::start(self.repo(repository).ok().as_ref(), target)
    }

    /// Returns the news about followed targets from now on. A reader that falls behind gets
    /// [`broadcast::error::RecvError::Lagged`] and must look at all its targets again.
    pub fn watch(&self) -> broadcast::Receiver<RefEvent> {
        self.inner.shared.events.subscribe()
    }

    /// Asks followed repositories for their refs now, without waiting for the answer. `url` is matched as webhooks
    /// name repositories. Returns how many followed repositories it fits.
    pub fn nudge(&self, url: &str) -> usize {
        let repos: Vec<Arc<Repo>> = self.inner.repos.lock().values().cloned().collect();
        let mut fitting = 0;
        for repo in repos {
            let followed = !repo.follows.lock().targets().is_empty();
            if followed && same_repository(repo.url().expose(), url) {
                repo.poke.notify_one();
                fitting += 1;
            }
        }
        fitting
    }

    /// Keeps these commits readable for `owner` (its history), in place of those named before; none forgets it.
    pub async fn keep(
        &self,
        repository: &Repository,
        owner: &AppKey,
        commits: &[Commit],
    ) -> Result<(), Error> {
        let repo = self.repo(repository)?;
        let owner = hex(&Sha256::digest(owner.to_string().as_bytes())[..16]);
        let commits: Vec<_> = commits.iter().map(|commit| commit.0).collect();
        let mirror = repo.mirror.clone();
        let kept = blocking(move || {
            mirror
                .keep(&owner, &commits)
                .map_err(mirror_error("writing"))
        })
        .await;
        kept.map_err(|cause| repo.error(cause, None))
    }

    /// Returns a client for files of a web server, with the settings that a repository there has.
    pub(crate) fn web_client(
        &self,
        repository: &Repository,
        reach: Reach,
    ) -> Result<reqwest::Client, Cause> {
        transport::web_client(repository, &self.inner.shared.options, reach)
    }

    fn repo(&self, repository: &Repository) -> Result<Arc<Repo>, Error> {
        let failed = |cause| Error::new(repository.url.to_string(), cause);
        let id = repository.id();
        let mut repos = self.inner.repos.lock();
        if let Some(repo) = repos.get(&id) {
            let repo = repo.clone();
            drop(repos);
            repo.update(repository).map_err(failed)?;
            return Ok(repo);
        }
        let repo = Arc::new(Repo::open(repository, self.inner.shared.clone()).map_err(failed)?);
        repos.insert(id, repo.clone());
        Ok(repo)
    }
}

async fn read_commit(
    repo: &Arc<Repo>,
    commit: Commit,
) -> Result<(Arc<Generation>, Vec<u8>), Error> {
    let failed = |cause| repo.error(cause, None);
    repo.ensure(commit.0).await.map_err(failed)?;
    let generation = repo.mirror.generation();
    let data = generation
        .read(commit.0, gix_object::Kind::Commit)
        .map_err(|source| {
            failed(Cause::Mirror {
                doing: "reading a commit from",
                source,
            })
        })?;
    Ok((generation, data))
}

fn damaged(
    repo: &Repo,
    generation: &Generation,
    commit: Commit,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    generation.report_damage();
    let source = tree::Error::Unreadable {
        path: String::new(),
        source: error.into(),
    };
    repo.error(
        Cause::Tree {
            commit,
            source: Arc::new(source),
        },
        None,
    )
}

/// Makes sure that no other process works on the same folder. A process that is just ending (or a child that one is
/// just starting) may hold the lock for a moment.
fn lock(dir: &Path) -> io::Result<fs::File> {
    fs::create_dir_all(dir)?;
    let file = fs::File::create(dir.join("lock"))?;
    for _ in 0..50 {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::Error(error)) => return Err(error),
            Err(fs::TryLockError::WouldBlock) => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
    Err(io::Error::other("another process uses this data directory"))
}
