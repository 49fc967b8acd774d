//! Why a repository could not be asked, or what it does not have.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use driftless_core::{Class, Classify, tree};

use super::{Commit, LastKnown};
use crate::{repository, target};

/// An error below this crate, shared by everyone who waited for the same request.
pub(crate) type Source = Arc<dyn std::error::Error + Send + Sync>;

/// A failure, the repository it is about, and what was known before.
#[derive(Clone, Debug)]
pub struct Error {
    /// Address without credentials.
    pub repository: String,
    /// What happened.
    pub cause: Cause,
    /// The last commit the target was known to be at; local objects of it can still be read.
    pub last_known: Option<LastKnown>,
}

impl Error {
    pub(crate) fn new(repository: impl Into<String>, cause: Cause) -> Self {
        Self {
            repository: repository.into(),
            cause,
            last_known: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            // These name what is wrong without the repository's help.
            Cause::Address(_) | Cause::Target(_) => write!(f, "{}", self.cause),
            _ => write!(f, "repository {}: {}", self.repository, self.cause),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.cause)
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        self.cause.class()
    }

    fn reason(&self) -> &'static str {
        self.cause.reason()
    }
}

/// What happened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    /// The address cannot be used.
    #[error("{0}")]
    Address(repository::Error),
    /// The revision cannot be asked for.
    #[error("{0}")]
    Target(target::Error),
    /// Addresses of this kind are switched off.
    #[error("local repositories are switched off; set allow-file-urls to read them")]
    LocalDisabled,
    /// The host does not accept our credentials.
    #[error("authentication failed: {detail}")]
    Authentication {
        /// What the host said.
        detail: String,
    },
    /// There is no such repository (or the credentials do not show it).
    #[error("repository not found")]
    RepositoryNotFound,
    /// The repository has no commits.
    #[error("remote repository is empty")]
    Empty,
    /// The revision does not exist.
    #[error("unable to resolve '{revision}' to a commit SHA")]
    Unresolved {
        /// The revision as the user wrote it.
        revision: String,
    },
    /// A short SHA fits several commits.
    #[error("unable to resolve '{revision}' to a commit SHA: it is ambiguous")]
    Ambiguous {
        /// The revision as the user wrote it.
        revision: String,
    },
    /// The commit is neither local nor on the host.
    #[error("commit {commit} does not exist")]
    CommitNotFound {
        /// The commit.
        commit: Commit,
    },
    /// The host does not answer, or not as a Git host does.
    #[error("{doing}: {detail}")]
    Unreachable {
        /// What we were doing.
        doing: &'static str,
        /// What went wrong, without credentials.
        detail: String,
    },
    /// The host asked us to slow down.
    #[error("the host asks to slow down; next request in {} s", retry_after.as_secs())]
    RateLimited {
        /// How long it wants us to wait.
        retry_after: Duration,
    },
    /// An answer took too long.
    #[error("{doing}: no answer within {} s", limit.as_secs())]
    Timeout {
        /// What we were doing.
        doing: &'static str,
        /// How long we waited.
        limit: Duration,
    },
    /// The repository is larger than the limits allow.
    #[error("{what} is larger than the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The local copy cannot be written or read.
    #[error("{doing} the local copy")]
    Mirror {
        /// What we were doing.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: Source,
    },
    /// A tree could not be read.
    #[error("reading commit {commit}")]
    Tree {
        /// The commit.
        commit: Commit,
        /// What went wrong.
        #[source]
        source: Arc<tree::Error>,
    },
    /// Our bug: a task ended without an answer.
    #[error("{0} ended without an answer")]
    Lost(&'static str),
}

impl Classify for Cause {
    fn class(&self) -> Class {
        match self {
            Self::Address(error) => error.class(),
            Self::Target(error) => error.class(),
            Self::Ambiguous { .. } | Self::TooLarge { .. } => Class::User,
            Self::LocalDisabled | Self::Authentication { .. } => Class::Denied,
            Self::RepositoryNotFound
            | Self::Empty
            | Self::Unresolved { .. }
            | Self::CommitNotFound { .. } => Class::Missing,
            Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::Timeout { .. }
            | Self::Mirror { .. } => Class::Transient,
            Self::Tree { source, .. } => source.class(),
            Self::Lost(_) => Class::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Address(error) => error.reason(),
            Self::Target(error) => error.reason(),
            Self::LocalDisabled => "LocalRepositoriesDisabled",
            Self::Authentication { .. } => "AuthenticationFailed",
            Self::RepositoryNotFound => "RepositoryNotFound",
            Self::Empty => "RepositoryEmpty",
            Self::Unresolved { .. } => "RevisionNotFound",
            Self::Ambiguous { .. } => "RevisionAmbiguous",
            Self::CommitNotFound { .. } => "CommitNotFound",
            Self::Unreachable { .. } => "RepositoryUnreachable",
            Self::RateLimited { .. } => "RateLimited",
            Self::Timeout { .. } => "RepositoryTimeout",
            Self::TooLarge { .. } => "RepositoryTooLarge",
            Self::Mirror { .. } => "MirrorUnusable",
            Self::Tree { source, .. } => source.reason(),
            Self::Lost(_) => "TaskLost",
        }
    }
}
