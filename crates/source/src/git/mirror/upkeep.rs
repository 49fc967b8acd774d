//! Keeping a local copy small: few packs, and no objects that nobody can ask for any more.
//!
//! Readers go on while packs are merged: a merged pack is in place before the old ones are removed, and a store that
//! does not find an object looks at the folder again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use gix_hash::ObjectId;
use gix_object::Kind;

use super::pack::{PackWriter, closure};
use super::{Cause, Generation, Mirror, mirror_error};

/// More packs than this are merged.
const MAX_PACKS: usize = 24;
/// More packs than this, however large, are made one.
const MAX_LARGE_PACKS: usize = 128;
/// Packs above this size are left alone when merging.
const SMALL: u64 = 8 << 20;
/// Most objects of one local copy.
pub(super) const MAX_OBJECTS: usize = 20_000_000;

struct PackFile {
    index: PathBuf,
    size: u64,
}

impl Mirror {
    /// Merges small packs when there are many; drops what nobody keeps when the copy is larger than `quota`. Does
    /// nothing while something is being fetched: the next fetch will lead here again.
    pub(crate) fn tidy(&self, quota: u64) -> Result<(), Cause> {
        let Ok(_alone) = self.gate.clone().try_write_owned() else {
            return Ok(());
        };
        let _succession = self.succession.lock();
        let generation = self.generation();
        if generation.is_damaged() {
            return Ok(());
        }
        let packs = packs(&generation.objects.join("pack")).map_err(mirror_error("tidying"))?;
        let total: u64 = packs.iter().map(|pack| pack.size).sum();
        // What is kept may alone be more than the quota: then only growth is a reason to try again.
        let floor = self.floor.load(Ordering::Relaxed).saturating_mul(2);
        if total > quota.max(floor) || packs.len() > MAX_LARGE_PACKS {
            return self.compact(&generation);
        }
        if packs.len() > MAX_PACKS {
            merge(&generation, packs)
        } else {
            Ok(())
        }
    }

    /// Moves to a new life that holds only what is kept.
    fn compact(&self, generation: &Generation) -> Result<(), Cause> {
        let kept = self.kept().map_err(mirror_error("tidying"))?;
        let kept: Vec<ObjectId> = kept
            .into_iter()
            .filter(|commit| generation.contains(*commit))
            .collect();
        let mut find = |id, kind| {
            generation.read(id, kind).map_err(|source| Cause::Mirror {
                doing: "tidying",
                source,
            })
        };
        let ids = closure(&kept, &mut find, &mut |_| false, MAX_OBJECTS)?;
        self.succeed(|fresh| copy(generation, fresh, &ids))?;
        self.commits.lock().retain(|commit| kept.contains(commit));
        let now =
            packs(&self.generation().objects.join("pack")).map_err(mirror_error("tidying"))?;
        self.floor
            .store(now.iter().map(|pack| pack.size).sum(), Ordering::Relaxed);
        Ok(())
    }
}

/// Merges the small ones among `packs`.
fn merge(generation: &Generation, packs: Vec<PackFile>) -> Result<(), Cause> {
    let small: Vec<PackFile> = packs
        .into_iter()
        .filter(|pack| pack.size <= SMALL)
        .collect();
    let mut ids = Vec::new();
    for pack in &small {
        ids.extend(objects_of(generation, pack)?);
    }
    ids.sort_unstable();
    ids.dedup();
    let merged = write(generation, generation, &ids)?;
    // The merged pack may be one of them, when that already held all objects.
    for pack in small
        .iter()
        .filter(|pack| merged.as_ref() != Some(&pack.index))
    {
        fs::remove_file(&pack.index).map_err(mirror_error("tidying"))?;
        fs::remove_file(pack.index.with_extension("pack")).map_err(mirror_error("tidying"))?;
    }
    Ok(())
}

fn objects_of(generation: &Generation, pack: &PackFile) -> Result<Vec<(ObjectId, Kind)>, Cause> {
    let index = gix_pack::index::File::at(&pack.index, gix_hash::Kind::Sha1)
        .map_err(|error| mirror_error("tidying")(io::Error::other(error)))?;
    let mut ids = Vec::with_capacity(index.num_objects() as usize);
    for entry in index.iter() {
        let header = generation.with(|handle| gix_odb::Header::try_header(handle, &entry.oid));
        match header.map_err(|error| mirror_error("tidying")(io::Error::other(error)))? {
            Some(header) => ids.push((entry.oid, header.kind())),
            None => {
                return Err(Cause::Mirror {
                    doing: "tidying",
                    source: super::missing(entry.oid),
                });
            }
        }
    }
    Ok(ids)
}

/// Copies `ids` from one life to another as one pack.
pub(super) fn copy(
    from: &Generation,
    to: &Generation,
    ids: &[(ObjectId, Kind)],
) -> Result<(), Cause> {
    write(from, to, ids).map(drop)
}

/// Writes `ids` as one pack; returns the path of its index.
fn write(
    from: &Generation,
    to: &Generation,
    ids: &[(ObjectId, Kind)],
) -> Result<Option<PathBuf>, Cause> {
    let count = u32::try_from(ids.len()).map_err(|_| Cause::TooLarge {
        what: "the number of objects",
        limit: u64::from(u32::MAX),
    })?;
    let mut writer = PackWriter::new(count, u64::MAX, &to.objects)?;
    for (id, kind) in ids {
        let data = from.read(*id, *kind).map_err(|source| Cause::Mirror {
            doing: "tidying",
            source,
        })?;
        writer.push(*kind, &data)?;
    }
    to.add(writer.finish()?)
}

fn packs(folder: &Path) -> io::Result<Vec<PackFile>> {
    let mut packs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let index = entry?.path();
        if index
            .extension()
            .is_some_and(|extension| extension == "idx")
        {
            let size = fs::metadata(index.with_extension("pack"))?.len();
            packs.push(PackFile { index, size });
        }
    }
    packs.sort_by(|a, b| a.index.cmp(&b.index));
    Ok(packs)
}
