//! What a render read, so that its result can be reused as long as that has not changed.
//!
//! [`TracedTree`] wraps a [`Tree`] and records every question asked of it with the answer's identity: paths
//! looked at, folders listed, paths found missing. [`Trace::holds`] asks another tree the same questions.
//! A render is a pure function of its parameters and these answers, so equal answers mean an equal result.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::tree::{ContentId, Entry, EntryKind, Error, FolderEntry, Tree, TreePath};

/// One recorded answer.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Answer {
    /// Nothing stood at the path.
    Missing,
    /// A folder stood there (its content was not asked for).
    Folder,
    /// A file or link with this content.
    Content(EntryKind, ContentId),
    /// The folder was listed: its id, and the hash of the names and kinds in it.
    Listing { folder: ContentId, names: ContentId },
}

/// The questions a render asked, with their answers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    answers: BTreeMap<TreePath, Answer>,
}

impl Trace {
    /// Says whether `tree` gives the same answers. A tree that cannot be read is an error, not a "no".
    pub fn holds(&self, tree: &dyn Tree) -> Result<bool, Error> {
        // A folder whose id is unchanged is unchanged all the way down: what was asked below it need not be
        // asked again.
        let mut unchanged: Option<&TreePath> = None;
        for (path, answer) in &self.answers {
            if unchanged.is_some_and(|folder| path.is_under(folder)) {
                continue;
            }
            let same = match (answer, tree.entry(path)?) {
                (Answer::Missing, None) => true,
                (Answer::Folder, Some(entry)) => entry.kind == EntryKind::Folder,
                (Answer::Content(kind, id), Some(entry)) => entry.kind == *kind && entry.id == *id,
                (Answer::Listing { folder, .. }, Some(entry)) if entry.id == *folder => {
                    unchanged = Some(path);
                    entry.kind == EntryKind::Folder
                }
                (Answer::Listing { names, .. }, Some(entry)) => {
                    entry.kind == EntryKind::Folder && hash_names(&tree.list(path)?) == *names
                }
                _ => false,
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes the trace as bytes, for a store that outlives the process.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.answers.len() * 80);
        for (path, answer) in &self.answers {
            bytes.extend_from_slice(&(path.as_str().len() as u32).to_le_bytes());
            bytes.extend_from_slice(path.as_str().as_bytes());
            let (tag, ids): (u8, [Option<&ContentId>; 2]) = match answer {
                Answer::Missing => (0, [None, None]),
                Answer::Folder => (1, [None, None]),
                Answer::Listing { folder, names } => (2, [Some(folder), Some(names)]),
                Answer::Content(EntryKind::File, id) => (3, [Some(id), None]),
                Answer::Content(EntryKind::Folder, id) => (4, [Some(id), None]),
                Answer::Content(EntryKind::Link, id) => (5, [Some(id), None]),
                Answer::Content(EntryKind::Other, id) => (6, [Some(id), None]),
            };
            bytes.push(tag);
            for id in ids.into_iter().flatten() {
                bytes.extend_from_slice(id.as_bytes());
            }
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` when it is something else.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut answers = BTreeMap::new();
        while !bytes.is_empty() {
            let length = u32::from_le_bytes(*bytes.split_off(..4)?.first_chunk()?);
            let path = std::str::from_utf8(bytes.split_off(..length as usize)?).ok()?;
            let path = TreePath::parse(path).ok()?;
            let tag = *bytes.split_off_first()?;
            let mut id = || Some(ContentId::from_hash(bytes.split_off(..32)?));
            let answer = match tag {
                0 => Answer::Missing,
                1 => Answer::Folder,
                2 => Answer::Listing {
                    folder: id()?,
                    names: id()?,
                },
                3 => Answer::Content(EntryKind::File, id()?),
                4 => Answer::Content(EntryKind::Folder, id()?),
                5 => Answer::Content(EntryKind::Link, id()?),
                6 => Answer::Content(EntryKind::Other, id()?),
                _ => return None,
            };
            answers.insert(path, answer);
        }
        Some(Self { answers })
    }

    /// Returns how many questions were recorded.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Says whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Iterates over the paths that were asked for.
    pub fn paths(&self) -> impl Iterator<Item = &TreePath> {
        self.answers.keys()
    }
}

fn hash_names(entries: &[FolderEntry]) -> ContentId {
    let mut hash = Sha256::new();
    for FolderEntry { name, entry } in entries {
        hash.update(name.as_bytes());
        hash.update([0, entry.kind as u8]);
    }
    ContentId::from_hash(&hash.finalize())
}

/// A tree that records what is asked of it.
pub struct TracedTree {
    inner: Arc<dyn Tree>,
    trace: Mutex<Trace>,
}

impl TracedTree {
    /// Starts with an empty trace.
    pub fn new(inner: Arc<dyn Tree>) -> Self {
        Self {
            inner,
            trace: Mutex::new(Trace::default()),
        }
    }

    /// Returns what was asked so far.
    pub fn into_trace(self) -> Trace {
        self.trace.into_inner()
    }

    fn record(&self, path: &TreePath, answer: Answer) {
        let mut trace = self.trace.lock();
        match trace.answers.get_mut(path) {
            // "It is a folder" says less than "it holds these names": keep the stronger answer.
            Some(known)
                if matches!((&*known, &answer), (Answer::Folder, Answer::Listing { .. })) =>
            {
                *known = answer;
            }
            Some(_) => {}
            None => {
                trace.answers.insert(path.clone(), answer);
            }
        }
    }
}

impl Tree for TracedTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Error> {
        let entry = self.inner.entry(path)?;
        let answer = match &entry {
            None => Answer::Missing,
            Some(entry) if entry.kind == EntryKind::Folder => Answer::Folder,
            Some(entry) => Answer::Content(entry.kind, entry.id.clone()),
        };
        self.record(path, answer);
        Ok(entry)
    }

    fn list(&self, path: &TreePath) -> Result<Arc<[FolderEntry]>, Error> {
        let entries = self.inner.list(path)?;
        if let Some(entry) = self.inner.entry(path)? {
            self.record(
                path,
                Answer::Listing {
                    folder: entry.id,
                    names: hash_names(&entries),
                },
            );
        }
        Ok(entries)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Bytes, Error> {
        self.entry(path)?;
        self.inner.read(path, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{MemoryTree, list_folder, read_file};

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn trace_of(listing: &str, ask: impl FnOnce(&dyn Tree)) -> Trace {
        let tree = TracedTree::new(Arc::new(MemoryTree::from_listing(listing).unwrap()));
        ask(&tree);
        tree.into_trace()
    }

    fn holds(trace: &Trace, listing: &str) -> bool {
        trace
            .holds(&MemoryTree::from_listing(listing).unwrap())
            .unwrap()
    }

    #[test]
    fn a_read_depends_on_that_file_alone() {
        let trace = trace_of("//- /a/x\n1\n//- /b\n2\n", |tree| {
            read_file(tree, &path("a/x"), 10).unwrap();
        });
        assert!(holds(
            &trace,
            "//- /a/x\n1\n//- /a/new\n1\n//- /b\nchanged\n"
        ));
        assert!(!holds(&trace, "//- /a/x\nchanged\n"));
        assert!(!holds(&trace, "//- /b\n2\n"));
    }

    #[test]
    fn a_listing_depends_on_names_not_on_content() {
        let trace = trace_of("//- /a/x\n1\n//- /a/y\n1\n", |tree| {
            list_folder(tree, &path("a")).unwrap();
        });
        assert!(holds(&trace, "//- /a/x\n2\n//- /a/y\n1\n"));
        assert!(!holds(&trace, "//- /a/x\n1\n"));
        assert!(!holds(&trace, "//- /a/x\n1\n//- /a/y\n1\n//- /a/z\n1\n"));
    }

    #[test]
    fn a_change_beside_an_unchanged_folder_is_noticed() {
        let trace = trace_of("//- /a/x\n1\n//- /a-b\n1\n//- /c\n1\n", |tree| {
            list_folder(tree, &path("a")).unwrap();
            read_file(tree, &path("a/x"), 10).unwrap();
            read_file(tree, &path("a-b"), 10).unwrap();
            read_file(tree, &path("c"), 10).unwrap();
        });
        assert!(holds(&trace, "//- /a/x\n1\n//- /a-b\n1\n//- /c\n1\n"));
        assert!(!holds(&trace, "//- /a/x\n2\n//- /a-b\n1\n//- /c\n1\n"));
        assert!(!holds(&trace, "//- /a/x\n1\n//- /a-b\n2\n//- /c\n1\n"));
        assert!(!holds(&trace, "//- /a/x\n1\n//- /a-b\n1\n//- /c\n2\n"));
    }

    #[test]
    fn bytes_keep_the_whole_trace() {
        let trace = trace_of("//- /a/x\n1\n//- /b\n2\n", |tree| {
            list_folder(tree, &path("a")).unwrap();
            read_file(tree, &path("b"), 10).unwrap();
            assert!(read_file(tree, &path("none"), 10).is_err());
        });
        let bytes = trace.to_bytes();
        assert_eq!(Trace::from_bytes(&bytes), Some(trace));
        for cut in 1..bytes.len() {
            // Whatever is read from part of it, it must not panic.
            let _ = Trace::from_bytes(&bytes[..cut]);
        }
        assert_eq!(Trace::from_bytes(b"nonsense"), None);
    }

    #[test]
    fn a_missing_path_that_appears_breaks_the_trace() {
        let trace = trace_of("//- /a/x\n1\n", |tree| {
            assert!(read_file(tree, &path("a/kustomization.yaml"), 10).is_err());
        });
        assert!(holds(&trace, "//- /a/x\n2\n"));
        assert!(!holds(&trace, "//- /a/x\n1\n//- /a/kustomization.yaml\n\n"));
    }
}
