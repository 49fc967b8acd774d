//! A folder on disk as a tree. The user who runs the command may read it anyway, so links lead wherever they lead.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use driftless_core::tree::{ContentId, Entry, EntryKind, Error, FolderEntry, Tree, TreePath};

/// A folder on disk.
#[derive(Clone, Debug)]
pub(super) struct LocalTree {
    root: PathBuf,
}

impl LocalTree {
    /// Opens a folder.
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn at(&self, path: &TreePath) -> PathBuf {
        self.root.join(path.as_str())
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::Unreadable {
        path: path.display().to_string(),
        source: Box::new(error),
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Content is never compared here, so the path is identity enough.
fn describe(path: &Path, kind: fs::FileType) -> Entry {
    let kind = if kind.is_dir() {
        EntryKind::Folder
    } else if kind.is_file() {
        EntryKind::File
    } else {
        EntryKind::Other
    };
    let mut id = [0; 32];
    for (place, byte) in id
        .iter_mut()
        .zip(path.as_os_str().as_encoded_bytes().iter().rev())
    {
        *place = *byte;
    }
    Entry {
        kind,
        id: ContentId::from_hash(&id),
    }
}

impl Tree for LocalTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Error> {
        let at = self.at(path);
        match fs::metadata(&at) {
            Ok(found) => Ok(Some(describe(&at, found.file_type()))),
            Err(error) if is_nothing(&error) => Ok(None),
            Err(error) => Err(unreadable(&at, error)),
        }
    }

    fn list(&self, path: &TreePath) -> Result<Arc<[FolderEntry]>, Error> {
        let at = self.at(path);
        let mut entries = Vec::new();
        for entry in fs::read_dir(&at).map_err(|error| unreadable(&at, error))? {
            let entry = entry.map_err(|error| unreadable(&at, error))?;
            let inside = entry.path();
            let mut kind = entry
                .file_type()
                .map_err(|error| unreadable(&inside, error))?;
            if kind.is_symlink() {
                kind = fs::metadata(&inside)
                    .map_err(|error| unreadable(&inside, error))?
                    .file_type();
            }
            entries.push(FolderEntry {
                name: entry.file_name().to_string_lossy().into(),
                entry: describe(&inside, kind),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries.into())
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<bytes::Bytes, Error> {
        let at = self.at(path);
        let size = fs::metadata(&at)
            .map_err(|error| unreadable(&at, error))?
            .len();
        if size > limit {
            return Err(Error::TooLarge {
                path: at.display().to_string(),
                size,
                limit,
            });
        }
        let bytes = fs::read(&at).map_err(|error| unreadable(&at, error))?;
        Ok(bytes.into())
    }
}
