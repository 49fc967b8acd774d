//! Packs: receiving, writing, checking.

use std::fs;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix_hash::ObjectId;
use gix_object::Kind;
use tempfile::SpooledTempFile;

use super::{Cause, Handle, mirror_error};

/// Packs up to this size stay in memory until they are indexed.
const IN_MEMORY: usize = 4 << 20;
/// Largest single object accepted while indexing.
const MAX_OBJECT: usize = 512 << 20;
/// `PACK`, version and number of objects.
const HEADER: usize = 12;
const HASH: usize = 20;

/// A pack on its way in: collected first, indexed when it is whole.
pub(crate) struct IncomingPack {
    file: SpooledTempFile,
    length: u64,
    limit: u64,
    header: Vec<u8>,
}

impl IncomingPack {
    /// Starts a pack of at most `limit` bytes; a large one waits in `dir`.
    pub(crate) fn new(limit: u64, dir: &Path) -> Self {
        Self {
            file: SpooledTempFile::new_in(IN_MEMORY, dir),
            length: 0,
            limit,
            header: Vec::with_capacity(HEADER),
        }
    }

    /// Adds bytes.
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        self.length += bytes.len() as u64;
        if self.length > self.limit {
            return Err(Cause::TooLarge {
                what: "the pack",
                limit: self.limit,
            });
        }
        let wanted = HEADER.saturating_sub(self.header.len());
        self.header.extend(bytes.iter().take(wanted));
        self.file.write_all(bytes).map_err(mirror_error("writing"))
    }

    /// Checks the pack, writes it with its index into `folder`. Objects that it builds on are looked up in `known`.
    /// An empty pack is nothing. Returns the path of the index.
    pub(super) fn index_into(
        mut self,
        folder: &Path,
        known: &Handle,
    ) -> Result<Option<PathBuf>, Cause> {
        if self.header.get(..4) != Some(b"PACK") {
            return Err(Cause::Unreachable {
                doing: "fetching",
                detail: "the host's answer holds no pack".to_owned(),
            });
        }
        if self.header.get(8..) == Some(&[0; 4]) {
            return Ok(None);
        }
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(mirror_error("writing"))?;
        let options = gix_pack::bundle::write::Options {
            thread_limit: Some(1),
            alloc_limit_bytes: Some(MAX_OBJECT),
            ..Default::default()
        };
        let written = gix_pack::Bundle::write_to_directory(
            &mut BufReader::with_capacity(64 << 10, self.file),
            Some(folder),
            &mut gix_utils::progress::Discard,
            &AtomicBool::new(false),
            Some(known),
            gix_hash::Kind::Sha1,
            options,
        )
        .map_err(|error| Cause::Mirror {
            doing: "indexing a pack for",
            source: Arc::new(error),
        })?;
        if let Some(keep) = written.keep_path {
            fs::remove_file(keep).ok();
        }
        Ok(written.index_path)
    }
}

/// Writes objects as a pack, without deltas.
pub(crate) struct PackWriter {
    pack: IncomingPack,
    hasher: gix_hash::Hasher,
}

impl PackWriter {
    /// Starts a pack of exactly `count` objects.
    pub(crate) fn new(count: u32, limit: u64, dir: &Path) -> Result<Self, Cause> {
        let mut writer = Self {
            pack: IncomingPack::new(limit, dir),
            hasher: gix_hash::hasher(gix_hash::Kind::Sha1),
        };
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(b"PACK\0\0\0\x02");
        header.extend_from_slice(&count.to_be_bytes());
        writer.put(&header)?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        self.hasher.update(bytes);
        self.pack.extend(bytes)
    }

    /// Adds one object.
    pub(crate) fn push(&mut self, kind: Kind, data: &[u8]) -> Result<(), Cause> {
        let code: u8 = match kind {
            Kind::Commit => 1,
            Kind::Tree => 2,
            Kind::Blob => 3,
            Kind::Tag => 4,
        };
        let mut size = data.len() as u64;
        let mut entry = Vec::with_capacity(data.len() / 2 + 16);
        let mut byte = code << 4 | (size & 0xf) as u8;
        size >>= 4;
        while size > 0 {
            entry.push(byte | 0x80);
            byte = (size & 0x7f) as u8;
            size >>= 7;
        }
        entry.push(byte);
        let mut encoder = ZlibEncoder::new(entry, Compression::fast());
        encoder.write_all(data).map_err(mirror_error("packing"))?;
        let entry = encoder.finish().map_err(mirror_error("packing"))?;
        self.put(&entry)
    }

    /// Ends the pack.
    pub(crate) fn finish(mut self) -> Result<IncomingPack, Cause> {
        let hash = self
            .hasher
            .try_finalize()
            .map_err(|error| mirror_error("packing")(io::Error::other(error)))?;
        self.pack.extend(hash.as_slice())?;
        Ok(self.pack)
    }
}

/// Removes what a crash left half-written. Says whether all packs with an index are whole.
pub(super) fn sweep(folder: &Path) -> io::Result<bool> {
    let mut intact = true;
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    for entry in listing {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("idx") => {
                let pack = path.with_extension("pack");
                if !matches(&path, &pack)? {
                    intact = false;
                    fs::remove_file(&path).ok();
                    fs::remove_file(&pack).ok();
                }
            }
            Some("pack") if path.with_extension("idx").exists() => {}
            _ => {
                fs::remove_file(&path).ok();
            }
        }
    }
    Ok(intact)
}

/// Says whether the index was made for the pack as it stands: both end with the hash of the pack.
fn matches(index: &Path, pack: &Path) -> io::Result<bool> {
    let of_index = tail(index, 2 * HASH)?;
    let of_pack = tail(pack, HASH)?;
    Ok(match (of_index, of_pack) {
        (Some(index), Some(pack)) => index.get(..HASH) == Some(&pack),
        _ => false,
    })
}

fn tail(path: &Path, length: usize) -> io::Result<Option<Vec<u8>>> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() < length as u64 {
        return Ok(None);
    }
    file.seek(SeekFrom::End(-(length as i64)))?;
    let mut bytes = Vec::with_capacity(length);
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Collects, in the order children first, every object below `commits` for which `has` says no.
pub(crate) fn closure(
    commits: &[ObjectId],
    find: &mut dyn FnMut(ObjectId, Kind) -> Result<Vec<u8>, Cause>,
    has: &mut dyn FnMut(ObjectId) -> bool,
    limit: usize,
) -> Result<Vec<(ObjectId, Kind)>, Cause> {
    let mut seen = std::collections::HashSet::new();
    let mut ordered = Vec::new();
    for commit in commits {
        let data = find(*commit, Kind::Commit)?;
        let tree = gix_object::CommitRefIter::from_bytes(&data, gix_hash::Kind::Sha1)
            .tree_id()
            .map_err(|error| mirror_error("reading")(io::Error::other(error)))?;
        let mut pending = vec![(tree, Kind::Tree)];
        while let Some((id, kind)) = pending.pop() {
            if !seen.insert(id) || has(id) {
                continue;
            }
            if ordered.len() >= limit {
                return Err(Cause::TooLarge {
                    what: "the number of objects",
                    limit: limit as u64,
                });
            }
            ordered.push((id, kind));
            if kind == Kind::Tree {
                let data = find(id, Kind::Tree)?;
                for entry in gix_object::TreeRefIter::from_bytes(&data, gix_hash::Kind::Sha1) {
                    let entry =
                        entry.map_err(|error| mirror_error("reading")(io::Error::other(error)))?;
                    if entry.mode.is_tree() {
                        pending.push((entry.oid.to_owned(), Kind::Tree));
                    } else if !entry.mode.is_commit() {
                        pending.push((entry.oid.to_owned(), Kind::Blob));
                    }
                }
            }
        }
        if seen.insert(*commit) {
            ordered.push((*commit, Kind::Commit));
        }
    }
    Ok(ordered)
}
