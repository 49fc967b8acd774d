//! A read-only file tree: one commit of a repository, one chart archive, one folder.
//!
//! Renders see files only through [`Tree`]. Paths are relative to the root, separated by `/`, without `.`
//! and `..` ([`TreePath`] guarantees it), so a path can never leave the tree. Symbolic links are entries;
//! [`resolve`] follows them inside the tree and refuses those that leave it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::class::{Class, Classify};

/// How many symbolic links one path may go through.
const MAX_LINKS: usize = 40;

/// A path inside a tree: no leading `/`, no empty, `.` or `..` parts. The root is the empty path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Arc<str>);

impl TreePath {
    /// Returns the root of a tree.
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    /// Reads `text` as a path from the root; a leading `/` means the root too.
    /// Fails with [`Error::Escapes`] when `..` parts lead out of the tree.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::root().join(text.trim_start_matches('/'))
    }

    /// Appends `relative`, resolving `.` and `..` parts.
    /// Fails with [`Error::Escapes`] when they lead out of the tree.
    pub fn join(&self, relative: &str) -> Result<Self, Error> {
        if relative.contains('\0') {
            return Err(Error::Escapes {
                path: relative.replace('\0', "\\0"),
            });
        }
        let mut parts: Vec<&str> = self.parts().collect();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return Err(Error::Escapes {
                            path: relative.to_owned(),
                        });
                    }
                }
                name => parts.push(name),
            }
        }
        Ok(Self(Arc::from(parts.join("/"))))
    }

    /// Returns the folder that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(Arc::from(
            self.0.rsplit_once('/').map_or("", |(parent, _)| parent),
        )))
    }

    /// Returns the last part; empty for the root.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Iterates over the parts from the root down.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// Returns the text, without a leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether `self` is `folder` or lies below it.
    pub fn is_under(&self, folder: &TreePath) -> bool {
        folder.is_root()
            || self
                .0
                .strip_prefix(&*folder.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Returns the path relative to `folder`, when it lies below it.
    pub fn relative_to(&self, folder: &TreePath) -> Option<&str> {
        if folder.is_root() {
            return Some(&self.0);
        }
        let rest = self.0.strip_prefix(&*folder.0)?;
        if rest.is_empty() {
            Some("")
        } else {
            rest.strip_prefix('/')
        }
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Identifies content: two entries with the same id hold the same bytes (files, links) or the same
/// entries all the way down (folders). Ids of different tree implementations are not comparable.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId([u8; 32]);

impl ContentId {
    /// Wraps a Git object id (20 or 32 bytes) or another content hash of at most 32 bytes.
    pub fn from_hash(hash: &[u8]) -> Self {
        let mut id = [0; 32];
        let length = hash.len().min(32);
        id[..length].copy_from_slice(&hash[..length]);
        Self(id)
    }

    /// Hashes bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Returns the raw id.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .take(6)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What stands at a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; its bytes are the target.
    Link,
    /// A Git submodule or anything else without readable content.
    Other,
}

/// What stands at a path, and the identity of its content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// File, folder or link.
    pub kind: EntryKind,
    /// Identity of the content.
    pub id: ContentId,
}

/// One name in a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FolderEntry {
    /// Name, without the folder.
    pub name: Arc<str>,
    /// What it is.
    pub entry: Entry,
}

/// Why a tree could not be read. "Nothing there" is not an error: it is `None`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path, or a symbolic link on it, leads out of the tree.
    #[error("path {path:?} leads out of the repository")]
    Escapes {
        /// The path as given.
        path: String,
    },
    /// Nothing stands at the path.
    #[error("no file or folder {path:?}")]
    Missing {
        /// The path as given.
        path: String,
    },
    /// Another kind of entry was expected.
    #[error("{path:?} is not a {expected}")]
    Unexpected {
        /// The path as given.
        path: String,
        /// `file` or `folder`.
        expected: &'static str,
    },
    /// The file is larger than the reader accepts.
    #[error("file {path:?} has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The path as given.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The largest accepted size in bytes.
        limit: u64,
    },
    /// Links that never end.
    #[error("too many symbolic links at {path:?}")]
    LinkLoop {
        /// The path as given.
        path: String,
    },
    /// The store behind the tree failed; nothing is known about the content.
    #[error("reading {path:?}")]
    Unreadable {
        /// The path as given.
        path: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Escapes { .. } => Class::Denied,
            Self::Missing { .. } => Class::Missing,
            Self::Unexpected { .. } | Self::TooLarge { .. } | Self::LinkLoop { .. } => Class::User,
            Self::Unreadable { .. } => Class::Transient,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Escapes { .. } => "PathEscapes",
            Self::Missing { .. } => "PathMissing",
            Self::Unexpected { .. } => "UnexpectedEntry",
            Self::TooLarge { .. } => "FileTooLarge",
            Self::LinkLoop { .. } => "LinkLoop",
            Self::Unreadable { .. } => "TreeUnreadable",
        }
    }
}

/// A read-only file tree. Implementations do not follow symbolic links; [`resolve`] does.
pub trait Tree: Send + Sync {
    /// Returns what stands at `path`, `None` when nothing does (or a part of it is not a folder).
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Error>;

    /// Returns the entries of the folder at `path`, sorted by name (byte order).
    fn list(&self, path: &TreePath) -> Result<Arc<[FolderEntry]>, Error>;

    /// Returns the bytes of the file (or the target of the link) at `path`; more than `limit` bytes is
    /// [`Error::TooLarge`].
    fn read(&self, path: &TreePath, limit: u64) -> Result<Bytes, Error>;
}

/// Follows symbolic links on `path` and returns the path behind them with its entry, `None` when nothing
/// stands there. A link that is absolute or leaves the tree is [`Error::Escapes`].
pub fn resolve(tree: &dyn Tree, path: &TreePath) -> Result<Option<(TreePath, Entry)>, Error> {
    let mut links = 0;
    let mut pending: Vec<String> = path.parts().map(str::to_owned).rev().collect();
    let mut at = TreePath::root();
    let Some(mut entry) = tree.entry(&at)? else {
        return Ok(None);
    };
    while let Some(part) = pending.pop() {
        if entry.kind != EntryKind::Folder {
            return Ok(None);
        }
        if part == ".." {
            at = at.parent().ok_or_else(|| Error::Escapes {
                path: path.to_string(),
            })?;
            entry = tree.entry(&at)?.ok_or_else(|| Error::Missing {
                path: at.to_string(),
            })?;
            continue;
        }
        let next = at.join(&part)?;
        let Some(found) = tree.entry(&next)? else {
            return Ok(None);
        };
        if found.kind == EntryKind::Link {
            links += 1;
            if links > MAX_LINKS {
                return Err(Error::LinkLoop {
                    path: path.to_string(),
                });
            }
            let target = tree.read(&next, 4096)?;
            let escapes = || Error::Escapes {
                path: path.to_string(),
            };
            let target = std::str::from_utf8(&target).map_err(|_| escapes())?;
            if target.starts_with('/') || target.contains('\0') {
                return Err(escapes());
            }
            pending.extend(
                target
                    .split('/')
                    .filter(|part| !part.is_empty() && *part != ".")
                    .map(str::to_owned)
                    .rev(),
            );
        } else {
            at = next;
            entry = found;
        }
    }
    Ok(Some((at, entry)))
}

/// Reads the file at `path`, following symbolic links inside the tree.
pub fn read_file(tree: &dyn Tree, path: &TreePath, limit: u64) -> Result<Bytes, Error> {
    match resolve(tree, path)? {
        None => Err(Error::Missing {
            path: path.to_string(),
        }),
        Some((at, entry)) if entry.kind == EntryKind::File => tree.read(&at, limit),
        Some(_) => Err(Error::Unexpected {
            path: path.to_string(),
            expected: "file",
        }),
    }
}

/// Lists the folder at `path`, following symbolic links inside the tree.
pub fn list_folder(tree: &dyn Tree, path: &TreePath) -> Result<Arc<[FolderEntry]>, Error> {
    match resolve(tree, path)? {
        None => Err(Error::Missing {
            path: path.to_string(),
        }),
        Some((at, entry)) if entry.kind == EntryKind::Folder => tree.list(&at),
        Some(_) => Err(Error::Unexpected {
            path: path.to_string(),
            expected: "folder",
        }),
    }
}

/// Says whether a file stands at `path`, following symbolic links inside the tree.
pub fn is_file(tree: &dyn Tree, path: &TreePath) -> Result<bool, Error> {
    Ok(resolve(tree, path)?.is_some_and(|(_, entry)| entry.kind == EntryKind::File))
}

/// Says whether a folder stands at `path`, following symbolic links inside the tree.
pub fn is_folder(tree: &dyn Tree, path: &TreePath) -> Result<bool, Error> {
    Ok(resolve(tree, path)?.is_some_and(|(_, entry)| entry.kind == EntryKind::Folder))
}

/// A tree held in memory: for tests, archives and local folders read up front.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    files: BTreeMap<TreePath, (EntryKind, Bytes)>,
    folders: BTreeSet<TreePath>,
}

impl MemoryTree {
    /// Returns an empty tree: a root folder with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file, creating the folders above it.
    pub fn insert(&mut self, path: &str, bytes: impl Into<Bytes>) -> Result<(), Error> {
        self.put(path, EntryKind::File, bytes.into())
    }

    /// Adds or replaces a symbolic link, creating the folders above it.
    pub fn insert_link(&mut self, path: &str, target: &str) -> Result<(), Error> {
        self.put(
            path,
            EntryKind::Link,
            Bytes::copy_from_slice(target.as_bytes()),
        )
    }

    /// Adds a folder and those above it.
    pub fn insert_folder(&mut self, path: &str) -> Result<(), Error> {
        let mut folder = Some(TreePath::parse(path)?);
        while let Some(at) = folder.filter(|at| !at.is_root()) {
            folder = at.parent();
            self.folders.insert(at);
        }
        Ok(())
    }

    /// Reads many small files written as one text, each after a line `//- /path`.
    pub fn from_listing(listing: &str) -> Result<Self, Error> {
        let mut tree = Self::new();
        for part in listing.split("//- ").skip(1) {
            let (path, content) = part.split_once('\n').unwrap_or((part, ""));
            tree.insert(path.trim(), content.to_owned())?;
        }
        Ok(tree)
    }

    fn put(&mut self, path: &str, kind: EntryKind, bytes: Bytes) -> Result<(), Error> {
        let path = TreePath::parse(path)?;
        if let Some(parent) = path.parent() {
            self.insert_folder(parent.as_str())?;
        }
        self.files.insert(path, (kind, bytes));
        Ok(())
    }

    fn folder_id(&self, path: &TreePath) -> ContentId {
        let mut hash = Sha256::new();
        for (file, (kind, bytes)) in &self.files {
            if let Some(relative) = file.relative_to(path).filter(|_| file.is_under(path)) {
                hash.update(relative.as_bytes());
                hash.update([0, u8::from(*kind == EntryKind::Link)]);
                hash.update(ContentId::of_bytes(bytes).as_bytes());
            }
        }
        for folder in self
            .folders
            .iter()
            .filter(|folder| folder.is_under(path) && *folder != path)
        {
            hash.update(folder.relative_to(path).unwrap_or_default().as_bytes());
            hash.update([1]);
        }
        ContentId(hash.finalize().into())
    }
}

impl Tree for MemoryTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Error> {
        if let Some((kind, bytes)) = self.files.get(path) {
            return Ok(Some(Entry {
                kind: *kind,
                id: ContentId::of_bytes(bytes),
            }));
        }
        let is_folder = path.is_root() || self.folders.contains(path);
        Ok(is_folder.then(|| Entry {
            kind: EntryKind::Folder,
            id: self.folder_id(path),
        }))
    }

    fn list(&self, path: &TreePath) -> Result<Arc<[FolderEntry]>, Error> {
        match self.entry(path)? {
            None => {
                return Err(Error::Missing {
                    path: path.to_string(),
                });
            }
            Some(entry) if entry.kind != EntryKind::Folder => {
                return Err(Error::Unexpected {
                    path: path.to_string(),
                    expected: "folder",
                });
            }
            Some(_) => {}
        }
        let children = self.files.keys().chain(&self.folders);
        let names: BTreeSet<&TreePath> = children
            .filter(|child| child.parent().as_ref() == Some(path))
            .collect();
        let mut entries = Vec::with_capacity(names.len());
        for child in names {
            if let Some(entry) = self.entry(child)? {
                entries.push(FolderEntry {
                    name: Arc::from(child.file_name()),
                    entry,
                });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries.into())
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Bytes, Error> {
        match self.files.get(path) {
            Some((_, bytes)) if bytes.len() as u64 > limit => Err(Error::TooLarge {
                path: path.to_string(),
                size: bytes.len() as u64,
                limit,
            }),
            Some((_, bytes)) => Ok(bytes.clone()),
            None if self.entry(path)?.is_some() => Err(Error::Unexpected {
                path: path.to_string(),
                expected: "file",
            }),
            None => Err(Error::Missing {
                path: path.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
