//! Git repositories: resolving revisions, following refs, reading commits as trees.
//!
//! One bare mirror per repository, without a checkout, without hooks, without configuration: nothing in it is ever
//! executed. Refs are asked for once per repository, whoever asks; objects are fetched once per commit.

mod commit;
mod error;
mod options;

use std::sync::Arc;

use driftless_core::{AppKey, Clock, SafeUrl, Tree};
use tokio::sync::broadcast;

use crate::metrics::Metrics;
use crate::repository::{Repository, RepositoryId};
use crate::target::Target;

pub use commit::{Commit, CommitMetadata, Freshness, LastKnown};
pub use error::{Cause, Error};
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

/// Follows one target of one repository as long as it lives.
#[derive(Debug)]
pub struct Tracked {}

/// Branches and tags of a repository, sorted by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RefNames {
    /// Branches, without `refs/heads/`.
    pub branches: Vec<String>,
    /// Tags, without `refs/tags/`.
    pub tags: Vec<String>,
}

/// The Git service. Cheap to clone; needs a tokio runtime.
#[derive(Clone)]
pub struct Git {
    _clock: Arc<dyn Clock>,
    events: broadcast::Sender<RefEvent>,
}

impl Git {
    /// Opens the local copies under `options.data_dir`.
    pub fn open(options: Options, _metrics: Metrics, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Ok(Self {
            _clock: clock,
            events: broadcast::channel(options.watch_capacity).0,
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
        _target: &Target,
        _freshness: Freshness,
    ) -> Result<Commit, Error> {
        Err(not_yet(repository))
    }

    /// Opens a commit as a tree, fetching it when it is not local. Cheap when it is.
    pub async fn tree(
        &self,
        repository: &Repository,
        _commit: Commit,
    ) -> Result<Arc<dyn Tree>, Error> {
        Err(not_yet(repository))
    }

    /// Returns author, date, message and tags of a commit.
    pub async fn metadata(
        &self,
        repository: &Repository,
        _commit: Commit,
    ) -> Result<CommitMetadata, Error> {
        Err(not_yet(repository))
    }

    /// Lists branches and tags.
    pub async fn ref_names(
        &self,
        repository: &Repository,
        _freshness: Freshness,
    ) -> Result<RefNames, Error> {
        Err(not_yet(repository))
    }

    /// Follows a target: its repository is polled, and its moves are told to every [`Self::watch`]er. The settings
    /// of the newest call for a repository are those that are used from then on.
    pub fn track(&self, _repository: &Repository, _target: &Target) -> Tracked {
        Tracked {}
    }

    /// Returns the news about followed targets from now on. A reader that falls behind gets
    /// [`broadcast::error::RecvError::Lagged`] and must look at all its targets again.
    pub fn watch(&self) -> broadcast::Receiver<RefEvent> {
        self.events.subscribe()
    }

    /// Asks a followed repository for its refs now, without waiting for the answer. `url` is matched as webhooks
    /// name repositories. Returns how many followed repositories it fits.
    pub fn nudge(&self, _url: &str) -> usize {
        0
    }

    /// Keeps these commits readable for `owner` (its history), in place of those named before.
    pub async fn keep(
        &self,
        repository: &Repository,
        _owner: &AppKey,
        _commits: &[Commit],
    ) -> Result<(), Error> {
        Err(not_yet(repository))
    }
}

fn not_yet(repository: &Repository) -> Error {
    Error::new(
        repository.url.to_string(),
        Cause::Lost("the Git service (not built yet)"),
    )
}
