//! The file system from its root as a tree, links included: kustomize tells what is behind a link from what is not.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use driftless_core::tree::{ContentId, Entry, EntryKind, Error, FolderEntry, Tree, TreePath};
use parking_lot::Mutex;

/// The file system. What stands where is asked once for each build.
#[derive(Debug, Default)]
pub(super) struct Disk {
    known: Mutex<HashMap<TreePath, Option<EntryKind>>>,
}

fn on_disk(path: &TreePath) -> PathBuf {
    Path::new("/").join(path.as_str())
}

fn unreadable(path: &TreePath, error: io::Error) -> Error {
    Error::Unreadable {
        path: on_disk(path).display().to_string(),
        source: Box::new(error),
    }
}

fn kind_of(kind: fs::FileType) -> EntryKind {
    if kind.is_dir() {
        EntryKind::Folder
    } else if kind.is_symlink() {
        EntryKind::Link
    } else if kind.is_file() {
        EntryKind::File
    } else {
        EntryKind::Other
    }
}

fn entry(kind: EntryKind) -> Entry {
    // Content is never compared here.
    Entry {
        kind,
        id: ContentId::from_hash(&[]),
    }
}

impl Disk {
    /// Looks anew from here on.
    pub(super) fn forget(&mut self) {
        self.known.get_mut().clear();
    }

    fn look(path: &TreePath) -> Result<Option<EntryKind>, Error> {
        match fs::symlink_metadata(on_disk(path)) {
            Ok(found) => Ok(Some(kind_of(found.file_type()))),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            // A name that no file can have is the name of none.
            Err(error) if error.kind() == io::ErrorKind::InvalidFilename => Ok(None),
            Err(error) => Err(unreadable(path, error)),
        }
    }
}

impl Tree for Disk {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Error> {
        let mut known = self.known.lock();
        if let Some(kind) = known.get(path) {
            return Ok(kind.map(entry));
        }
        let kind = Self::look(path)?;
        known.insert(path.clone(), kind);
        Ok(kind.map(entry))
    }

    fn list(&self, path: &TreePath) -> Result<Arc<[FolderEntry]>, Error> {
        let mut entries = Vec::new();
        for found in fs::read_dir(on_disk(path)).map_err(|error| unreadable(path, error))? {
            let found = found.map_err(|error| unreadable(path, error))?;
            let kind = found.file_type().map_err(|error| unreadable(path, error))?;
            entries.push(FolderEntry {
                name: found.file_name().to_string_lossy().into(),
                entry: entry(kind_of(kind)),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries.into())
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<bytes::Bytes, Error> {
        let at = on_disk(path);
        if self
            .entry(path)?
            .is_some_and(|entry| entry.kind == EntryKind::Link)
        {
            let target = fs::read_link(&at).map_err(|error| unreadable(path, error))?;
            let text = target.to_string_lossy().into_owned();
            // From the root of the file system an absolute target is a relative one.
            let text = match text.strip_prefix('/') {
                Some(rest) => {
                    let depth = path.parts().count().saturating_sub(1);
                    format!("{}{rest}", "../".repeat(depth))
                }
                None => text,
            };
            return Ok(text.into());
        }
        let size = fs::metadata(&at)
            .map_err(|error| unreadable(path, error))?
            .len();
        if size > limit {
            return Err(Error::TooLarge {
                path: at.display().to_string(),
                size,
                limit,
            });
        }
        let bytes = fs::read(&at).map_err(|error| unreadable(path, error))?;
        Ok(bytes.into())
    }
}
