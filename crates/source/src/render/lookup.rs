//! Objects of a cluster as files beside a source, so that the trace of a render records which of them it saw.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use driftless_core::tree::{ContentId, Entry, EntryKind, Error, FolderEntry, Tree, TreePath};
use driftless_gotemplate::Wanted;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::repository::hex;

/// Name under which objects are put beside a source ([`super::RefTree`]); no source can have it.
pub const LOOKUP: &str = "driftless:lookup";
/// Name under which files of URLs are put beside a source.
pub const FETCHED: &str = "driftless:url";

/// One object that a chart looks up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// `v1`, `apps/v1`
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty for kinds without.
    pub namespace: String,
    /// Its name; empty for all of them.
    pub name: String,
}

/// Reads objects of a cluster. It is called on a thread that may block.
pub trait Objects: Send + Sync {
    /// Returns an object, or a list of objects, as JSON; `None` when there certainly is none.
    fn read(
        &self,
        object: &ObjectName,
    ) -> Result<Option<Bytes>, Box<dyn std::error::Error + Send + Sync>>;
}

/// The objects of a cluster as a tree: `apps~v1/Deployment/namespace/name`, `~` in place of the name for all of them.
/// Each is read once.
pub struct LookupTree<O> {
    objects: O,
    known: Mutex<HashMap<TreePath, Option<Bytes>>>,
}

impl<O: Objects> LookupTree<O> {
    /// Makes the tree for one render.
    pub fn new(objects: O) -> Self {
        Self {
            objects,
            known: Mutex::default(),
        }
    }

    fn find(&self, path: &TreePath) -> Result<Option<Bytes>, Error> {
        if let Some(known) = self.known.lock().get(path) {
            return Ok(known.clone());
        }
        let parts: Vec<&str> = path.parts().collect();
        let [api_version, kind, namespace, name] = parts.as_slice() else {
            return Ok(None);
        };
        let object = ObjectName {
            api_version: api_version.replace('~', "/"),
            kind: (*kind).to_owned(),
            namespace: namespace.trim_end_matches('~').to_owned(),
            name: name.trim_end_matches('~').to_owned(),
        };
        let found = self
            .objects
            .read(&object)
            .map_err(|source| Error::Unreadable {
                path: path.to_string(),
                source,
            })?;
        self.known.lock().insert(path.clone(), found.clone());
        Ok(found)
    }
}

impl<O: Objects> Tree for LookupTree<O> {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Error> {
        if path.parts().count() < 4 {
            return Ok(Some(Entry {
                kind: EntryKind::Folder,
                id: ContentId::of_bytes(b""),
            }));
        }
        Ok(self.find(path)?.map(|content| Entry {
            kind: EntryKind::File,
            id: ContentId::of_bytes(&content),
        }))
    }

    fn list(&self, path: &TreePath) -> Result<Arc<[FolderEntry]>, Error> {
        Err(Error::Unexpected {
            path: path.to_string(),
            expected: "folder",
        })
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Bytes, Error> {
        let content = self.find(path)?.ok_or_else(|| Error::Missing {
            path: path.to_string(),
        })?;
        if content.len() as u64 > limit {
            return Err(Error::TooLarge {
                path: path.to_string(),
                size: content.len() as u64,
                limit,
            });
        }
        Ok(content)
    }
}

/// Returns where an object lies; `None` when the names are none.
pub(super) fn lookup_path(wanted: &Wanted<'_>) -> Option<TreePath> {
    let fits = |text: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
    };
    let version = wanted.api_version.replacen('/', "~", 1);
    let namespace = if wanted.namespace.is_empty() {
        "~"
    } else {
        wanted.namespace
    };
    let name = if wanted.name.is_empty() {
        "~"
    } else {
        wanted.name
    };
    let all = fits(&version.replacen('~', "", 1))
        && fits(wanted.kind)
        && (namespace == "~" || fits(namespace))
        && (name == "~" || fits(name));
    if !all {
        return None;
    }
    let path = format!("${LOOKUP}/{version}/{}/{namespace}/{name}", wanted.kind);
    TreePath::parse(&path).ok()
}

/// Returns the name of the file that holds what a URL gave, below [`FETCHED`].
pub fn fetched_name(url: &str) -> String {
    format!("{}.yaml", hex(&Sha256::digest(url.as_bytes())))
}

pub(super) fn fetched_path(url: &str) -> TreePath {
    let path = format!("${FETCHED}/{}", fetched_name(url));
    TreePath::parse(&path).unwrap_or_else(|_| TreePath::root())
}
