//! One commit as a read-only tree, straight from the object database.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use driftless_core::tree::{ContentId, Entry, EntryKind, Error, FolderEntry, Tree, TreePath};
use gix_hash::ObjectId;
use gix_object::Kind;
use parking_lot::Mutex;

use super::error::Source;
use super::mirror::Generation;

/// What one decoded entry costs in memory, besides its name.
const ENTRY_COST: usize = 96;

type Folder = Arc<[FolderEntry]>;

/// Decoded folders, shared by all trees of all repositories: a folder's id says all about its content.
///
/// Two generations: what is used moves to the young one; when that is full, the old one is dropped.
pub(crate) struct FolderCache {
    budget: usize,
    state: Mutex<CacheState>,
}

#[derive(Default)]
struct CacheState {
    young: HashMap<ObjectId, Folder>,
    old: HashMap<ObjectId, Folder>,
    young_cost: usize,
}

impl FolderCache {
    /// Creates a cache of about `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            budget,
            state: Mutex::default(),
        }
    }

    fn get(&self, id: &ObjectId) -> Option<Folder> {
        let mut state = self.state.lock();
        if let Some(folder) = state.young.get(id) {
            return Some(folder.clone());
        }
        let folder = state.old.remove(id)?;
        self.put(&mut state, *id, folder.clone());
        Some(folder)
    }

    fn insert(&self, id: ObjectId, folder: Folder) {
        self.put(&mut self.state.lock(), id, folder);
    }

    fn put(&self, state: &mut CacheState, id: ObjectId, folder: Folder) {
        let names: usize = folder.iter().map(|entry| entry.name.len()).sum();
        let cost = ENTRY_COST * (1 + folder.len()) + names;
        if state.young_cost + cost > self.budget / 2 {
            state.old = std::mem::take(&mut state.young);
            state.young_cost = 0;
        }
        if cost <= self.budget / 2 && state.young.insert(id, folder).is_none() {
            state.young_cost += cost;
        }
    }
}

/// The files of one commit.
pub(crate) struct GitTree {
    generation: Arc<Generation>,
    folders: Arc<FolderCache>,
    root: ObjectId,
}

impl GitTree {
    /// Opens the tree object `root`.
    pub(crate) fn new(
        generation: Arc<Generation>,
        folders: Arc<FolderCache>,
        root: ObjectId,
    ) -> Self {
        Self {
            generation,
            folders,
            root,
        }
    }

    fn folder(&self, id: ObjectId, path: &TreePath) -> Result<Folder, Error> {
        if let Some(folder) = self.folders.get(&id) {
            return Ok(folder);
        }
        let data = self
            .generation
            .read(id, Kind::Tree)
            .map_err(|source| unreadable(path, source))?;
        let folder = decode(&data).map_err(|problem| {
            self.generation.report_damage();
            unreadable(path, Source::from(problem))
        })?;
        self.folders.insert(id, folder.clone());
        Ok(folder)
    }

    fn find(&self, path: &TreePath) -> Result<Option<Entry>, Error> {
        let mut entry = Entry {
            kind: EntryKind::Folder,
            id: ContentId::from_hash(self.root.as_slice()),
        };
        for part in path.parts() {
            if entry.kind != EntryKind::Folder {
                return Ok(None);
            }
            let folder = self.folder(object_id(&entry.id), path)?;
            let Ok(position) = folder.binary_search_by(|entry| (*entry.name).cmp(part)) else {
                return Ok(None);
            };
            match folder.get(position) {
                Some(found) => entry = found.entry.clone(),
                None => return Ok(None),
            }
        }
        Ok(Some(entry))
    }
}

impl Tree for GitTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Error> {
        self.find(path)
    }

    fn list(&self, path: &TreePath) -> Result<Arc<[FolderEntry]>, Error> {
        match self.find(path)? {
            None => Err(Error::Missing {
                path: path.to_string(),
            }),
            Some(entry) if entry.kind == EntryKind::Folder => {
                self.folder(object_id(&entry.id), path)
            }
            Some(_) => Err(Error::Unexpected {
                path: path.to_string(),
                expected: "folder",
            }),
        }
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Bytes, Error> {
        let id = match self.find(path)? {
            None => {
                return Err(Error::Missing {
                    path: path.to_string(),
                });
            }
            Some(entry) if matches!(entry.kind, EntryKind::File | EntryKind::Link) => {
                object_id(&entry.id)
            }
            Some(_) => {
                return Err(Error::Unexpected {
                    path: path.to_string(),
                    expected: "file",
                });
            }
        };
        let size = self
            .generation
            .size(id)
            .map_err(|source| unreadable(path, source))?;
        if size > limit {
            return Err(Error::TooLarge {
                path: path.to_string(),
                size,
                limit,
            });
        }
        let data = self
            .generation
            .read(id, Kind::Blob)
            .map_err(|source| unreadable(path, source))?;
        Ok(Bytes::from(data))
    }
}

fn unreadable(path: &TreePath, source: Source) -> Error {
    Error::Unreadable {
        path: path.to_string(),
        source: Box::new(source),
    }
}

fn object_id(id: &ContentId) -> ObjectId {
    let bytes = id.as_bytes();
    // invariant: ids of this tree are made of 20 bytes, padded.
    ObjectId::try_from(bytes.get(..20).unwrap_or_default())
        .unwrap_or_else(|_| ObjectId::null(gix_hash::Kind::Sha1))
}

/// Reads a tree object. Names that are not UTF-8 cannot be asked for; they are listed as unreadable entries, so that
/// they are noticed.
fn decode(data: &[u8]) -> Result<Folder, Box<dyn std::error::Error + Send + Sync>> {
    let mut entries = Vec::new();
    for entry in gix_object::TreeRefIter::from_bytes(data, gix_hash::Kind::Sha1) {
        let entry = entry?;
        let name = std::str::from_utf8(entry.filename);
        let kind = if name.is_err() || entry.mode.is_commit() {
            EntryKind::Other
        } else if entry.mode.is_tree() {
            EntryKind::Folder
        } else if entry.mode.is_link() {
            EntryKind::Link
        } else {
            EntryKind::File
        };
        let name: Arc<str> = match name {
            Ok(name) => Arc::from(name),
            Err(_) => Arc::from(String::from_utf8_lossy(entry.filename)),
        };
        entries.push(FolderEntry {
            name,
            entry: Entry {
                kind,
                id: ContentId::from_hash(entry.oid.as_bytes()),
            },
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries.into())
}
