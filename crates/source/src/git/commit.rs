//! Commits, and what people want to know about one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use driftless_core::Revision;
use gix_hash::ObjectId;
use jiff::Timestamp;

use crate::target::full_commit;

/// A full commit id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit(pub(crate) ObjectId);

impl Commit {
    /// Reads 40 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        full_commit(text).map(Self)
    }

    /// Returns the revision as status fields carry it.
    pub fn to_revision(self) -> Revision {
        Revision::from(self.to_string())
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where a target was when the repository last answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastKnown {
    /// The commit.
    pub commit: Commit,
    /// How long ago the repository said so.
    pub age: Duration,
}

/// How new an answer must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// The last answer will do, however old; the repository is asked only when there is none.
    Cached,
    /// An answer at most this old.
    Within(Duration),
    /// An answer to a question asked from now on.
    Now,
}

/// What people want to know about a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitMetadata {
    /// The commit.
    pub commit: Commit,
    /// `Name <address>`.
    pub author: String,
    /// When it was authored.
    pub date: Option<Timestamp>,
    /// The whole message, at most 64 KiB of it.
    pub message: String,
    /// Tags that point at it, sorted; `None` when the repository could not be asked.
    pub tags: Option<Arc<[String]>>,
}

/// Longest message kept.
const MAX_MESSAGE: usize = 64 << 10;

/// Reads a commit object, without tags.
pub(super) fn parse(
    commit: Commit,
    data: &[u8],
) -> Result<CommitMetadata, Box<dyn std::error::Error + Send + Sync>> {
    let fields = gix_object::CommitRefIter::from_bytes(data, gix_hash::Kind::Sha1);
    let author = fields.author()?;
    let message = fields.message()?;
    let message: &[u8] = message.get(..MAX_MESSAGE).unwrap_or(message);
    Ok(CommitMetadata {
        commit,
        author: format!("{} <{}>", author.name, author.email),
        date: author
            .time()
            .ok()
            .and_then(|time| Timestamp::from_second(time.seconds).ok()),
        message: String::from_utf8_lossy(message).trim_end().to_owned(),
        tags: None,
    })
}
