//! The local copy of one repository: objects, nothing else. No refs, no configuration, no hooks.
//!
//! Invariant: whatever object is present, everything below it is present too (commits without their parents). Packs
//! are put in place whole, and a pack holds all that its commits need and the copy lacks. A copy found to break this
//! is thrown away and fetched again.

mod pack;
mod upkeep;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gix_hash::ObjectId;
use gix_object::{Exists as _, Find as _, Kind};
use parking_lot::{Mutex, RwLock};

use super::error::{Cause, Source};

pub(crate) use pack::{IncomingPack, PackWriter, closure};

/// How many packs a store can hold at once; upkeep merges them long before.
const SLOTS: u16 = 512;
/// Largest object that is read into memory.
const MAX_OBJECT: usize = 1 << 30;
/// How many commits are remembered to tell a host what we have.
const REMEMBERED: usize = 64;

/// How many of those survive when space is short.
const KEPT_RECENT: usize = 8;

pub(crate) type Handle = gix_odb::HandleArc;

/// One life of a local copy: replaced as a whole when it turns out to be damaged.
pub(crate) struct Generation {
    objects: PathBuf,
    store: Arc<gix_odb::Store>,
    idle: Mutex<Vec<Handle>>,
    damaged: AtomicBool,
    /// Replaced by a newer life: the folder goes when the last reader lets go.
    retired: AtomicBool,
}

impl Drop for Generation {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Relaxed) {
            fs::remove_dir_all(&self.objects).ok();
        }
    }
}

impl Generation {
    fn open(objects: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(objects.join("pack"))?;
        let options = gix_odb::store::init::Options {
            slots: gix_odb::store::init::Slots::Given(SLOTS),
            use_multi_pack_index: false,
            alloc_limit_bytes: Some(MAX_OBJECT),
            ..Default::default()
        };
        let store = gix_odb::Store::at_opts(
            objects.clone(),
            gix_hash::Kind::Sha1,
            &mut std::iter::empty(),
            options,
        )?;
        Ok(Self {
            objects,
            store: Arc::new(store),
            idle: Mutex::default(),
            damaged: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        })
    }

    /// Runs `work` with a handle of its own.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Handle) -> T) -> T {
        let idle = self.idle.lock().pop();
        let handle = idle.unwrap_or_else(|| self.store.to_cache_arc());
        let result = work(&handle);
        let mut idle = self.idle.lock();
        if idle.len() < 8 {
            idle.push(handle);
        }
        result
    }

    /// Reads an object of a known kind; nothing there is an error, since whoever asks was told that it is.
    pub(crate) fn read(&self, id: ObjectId, kind: Kind) -> Result<Vec<u8>, Source> {
        let mut buffer = Vec::new();
        let found = self.with(|handle| match handle.try_find(&id, &mut buffer) {
            Ok(Some(data)) if data.kind == kind => Ok(()),
            Ok(Some(data)) => Err(format!("object {id} is a {}, not a {kind}", data.kind).into()),
            Ok(None) => Err(format!("object {id} is missing").into()),
            Err(error) => Err(Box::from(error)),
        });
        found.map_err(|error: Box<dyn std::error::Error + Send + Sync>| {
            self.report_damage();
            Source::from(error)
        })?;
        Ok(buffer)
    }

    /// Returns the size of a blob.
    pub(crate) fn size(&self, id: ObjectId) -> Result<u64, Source> {
        let header = self.with(|handle| gix_odb::Header::try_header(handle, &id));
        match header {
            Ok(Some(header)) => Ok(header.size()),
            Ok(None) => {
                self.report_damage();
                Err(missing(id))
            }
            Err(error) => {
                self.report_damage();
                Err(Source::from(
                    Box::<dyn std::error::Error + Send + Sync>::from(error),
                ))
            }
        }
    }

    /// Puts a received pack in place.
    fn add(&self, pack: IncomingPack) -> Result<Option<PathBuf>, Cause> {
        self.with(|handle| pack.index_into(&self.objects.join("pack"), handle))
    }

    pub(crate) fn contains(&self, id: ObjectId) -> bool {
        self.with(|handle| handle.exists(&id))
    }

    /// Marks this life as one to be replaced. It serves what it still can until something better is there.
    pub(crate) fn report_damage(&self) {
        if !self.damaged.swap(true, Ordering::Relaxed) {
            let dir = self.objects.display();
            tracing::warn!(%dir, "Local copy is damaged, fetching it again");
        }
    }

    fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }
}

fn missing(id: ObjectId) -> Source {
    Source::from(Box::<dyn std::error::Error + Send + Sync>::from(format!(
        "object {id} is missing"
    )))
}

/// The local copy of one repository.
pub(crate) struct Mirror {
    dir: PathBuf,
    generation: RwLock<Arc<Generation>>,
    /// Commits fetched, newest last: what we can tell a host that we have.
    commits: Mutex<Vec<ObjectId>>,
    /// Held shared while fetching, alone while replacing objects: what a host was told that we have must still be
    /// there when its answer arrives.
    gate: Arc<tokio::sync::RwLock<()>>,
    /// Held while one life is followed by another.
    succession: Mutex<()>,
    /// Size after the last compaction: what is kept may be larger than the quota.
    floor: AtomicU64,
}

impl Mirror {
    /// Opens or creates the local copy in `dir`. What a crash left half-written is removed; when something of value
    /// is missing then, reading it reports the damage.
    pub(crate) fn open(dir: PathBuf) -> Result<Self, Cause> {
        fs::create_dir_all(&dir).map_err(mirror_error("creating"))?;
        let mut lives = generations(&dir).map_err(mirror_error("opening"))?;
        let newest = lives.pop_last().unwrap_or(0);
        for old in lives {
            fs::remove_dir_all(generation_dir(&dir, old)).ok();
        }
        let objects = generation_dir(&dir, newest);
        let intact = pack::sweep(&objects.join("pack")).map_err(mirror_error("checking"))?;
        let generation = Generation::open(objects).map_err(mirror_error("opening"))?;
        if !intact {
            generation.report_damage();
        }
        Ok(Self {
            commits: Mutex::new(read_commits(&dir)),
            dir,
            generation: RwLock::new(Arc::new(generation)),
            gate: Arc::default(),
            succession: Mutex::default(),
            floor: AtomicU64::new(0),
        })
    }

    /// Returns the life to read from.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.generation.read().clone()
    }

    /// Says whether objects turned out to be missing or unreadable.
    pub(crate) fn is_damaged(&self) -> bool {
        self.generation().is_damaged()
    }

    /// Replaces the current life by a new one that `fill` puts objects into. Readers of the old one go on.
    fn succeed(&self, fill: impl FnOnce(&Generation) -> Result<(), Cause>) -> Result<(), Cause> {
        let lives = generations(&self.dir).map_err(mirror_error("rebuilding"))?;
        let next = lives.last().map_or(0, |newest| newest + 1);
        let fresh = Generation::open(generation_dir(&self.dir, next))
            .map_err(mirror_error("rebuilding"))?;
        if let Err(error) = fill(&fresh) {
            fresh.retired.store(true, Ordering::Relaxed);
            return Err(error);
        }
        let old = std::mem::replace(&mut *self.generation.write(), Arc::new(fresh));
        old.retired.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until no upkeep is under way, and keeps it away.
    pub(crate) async fn fetching(&self) -> tokio::sync::OwnedRwLockReadGuard<()> {
        self.gate.clone().read_owned().await
    }

    /// Says whether a commit can be read here.
    pub(crate) fn has(&self, commit: ObjectId) -> bool {
        self.generation().contains(commit)
    }

    /// Returns commits to name to a host as ours, newest first. Of a damaged copy we claim nothing.
    pub(crate) fn haves(&self) -> Vec<ObjectId> {
        if self.is_damaged() {
            return Vec::new();
        }
        self.commits.lock().iter().rev().copied().collect()
    }

    /// Says whether an object need not be copied again.
    pub(crate) fn has_for_good(&self, id: ObjectId) -> bool {
        let generation = self.generation();
        !generation.is_damaged() && generation.with(|handle| handle.exists_without_refresh(&id))
    }

    /// Returns the only commit whose id starts with `prefix`: `Err` when there are several.
    pub(crate) fn find_short(&self, prefix: &str) -> Result<Option<ObjectId>, Cause> {
        self.generation().with(|handle| find_short(handle, prefix))
    }

    /// Looks for a commit by the start of its id in a pack that is then thrown away.
    pub(crate) fn search(pack: IncomingPack, prefix: &str) -> Result<Option<ObjectId>, Cause> {
        let place = tempfile::tempdir().map_err(mirror_error("searching"))?;
        let generation =
            Generation::open(place.path().join("objects")).map_err(mirror_error("searching"))?;
        generation.with(|handle| {
            pack.index_into(&generation.objects.join("pack"), handle)?;
            find_short(handle, prefix)
        })
    }

    /// Puts a received pack in place and remembers the commits it was for. When the copy is damaged, the pack (which
    /// builds on nothing then, see [`Self::haves`]) begins a new one, together with what can be saved.
    pub(crate) fn add(&self, pack: IncomingPack, commits: &[ObjectId]) -> Result<(), Cause> {
        let succession = self.succession.lock();
        let generation = self.generation();
        if generation.is_damaged() {
            let saved = self.salvage(&generation);
            self.succeed(|fresh| {
                fresh.add(pack)?;
                upkeep::copy(&generation, fresh, &saved)
            })?;
            self.commits.lock().clear();
        } else {
            drop(succession);
            generation.add(pack)?;
        }
        let generation = self.generation();
        if let Some(missing) = commits.iter().find(|commit| !generation.contains(**commit)) {
            let detail = format!("the host sent a pack without commit {missing}");
            return Err(Cause::Unreachable {
                doing: "fetching",
                detail,
            });
        }
        self.remember(commits).map_err(mirror_error("writing"))
    }

    /// Returns the objects of those kept commits that are still whole.
    fn salvage(&self, generation: &Generation) -> Vec<(ObjectId, Kind)> {
        let mut saved = BTreeSet::new();
        for commit in self.kept().unwrap_or_default() {
            let ids = closure(
                &[commit],
                &mut |id, kind| {
                    generation.read(id, kind).map_err(|source| Cause::Mirror {
                        doing: "saving",
                        source,
                    })
                },
                &mut |_| false,
                upkeep::MAX_OBJECTS,
            );
            // Files are looked at too: a pack is no better than its worst object.
            if let Ok(ids) = ids
                && ids
                    .iter()
                    .all(|(id, kind)| generation.read(*id, *kind).is_ok())
            {
                saved.extend(ids);
            }
        }
        saved.into_iter().collect()
    }

    fn remember(&self, commits: &[ObjectId]) -> io::Result<()> {
        let mut known = self.commits.lock();
        known.retain(|commit| !commits.contains(commit));
        known.extend_from_slice(commits);
        let surplus = known.len().saturating_sub(REMEMBERED);
        known.drain(..surplus);
        write_commits(&self.dir, &known)
    }

    /// Keeps `commits` for `owner`, in place of those kept before; none forgets the owner.
    pub(crate) fn keep(&self, owner: &str, commits: &[ObjectId]) -> io::Result<()> {
        let file = self.dir.join("keep").join(owner);
        if commits.is_empty() {
            return match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        fs::create_dir_all(self.dir.join("keep"))?;
        write_whole(&file, lines(commits).as_bytes())
    }

    /// Returns every commit that some owner keeps, and the few fetched last.
    fn kept(&self) -> io::Result<BTreeSet<ObjectId>> {
        let mut kept: BTreeSet<ObjectId> = self
            .commits
            .lock()
            .iter()
            .rev()
            .take(KEPT_RECENT)
            .copied()
            .collect();
        let folder = match fs::read_dir(self.dir.join("keep")) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(kept),
            Err(error) => return Err(error),
        };
        for entry in folder {
            kept.extend(parse_lines(&fs::read_to_string(entry?.path())?));
        }
        Ok(kept)
    }

    /// Returns the folder for small files about this repository.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Looks up a commit by the start of its id.
pub(crate) fn find_short(handle: &Handle, prefix: &str) -> Result<Option<ObjectId>, Cause> {
    let ambiguous = || Cause::Ambiguous {
        revision: prefix.to_owned(),
    };
    let Ok(parsed) = gix_hash::Prefix::from_hex(prefix) else {
        return Ok(None);
    };
    let mut candidates = std::collections::HashSet::new();
    handle
        .lookup_prefix(parsed, Some(&mut candidates))
        .map_err(|error| mirror_error("searching")(io::Error::other(error)))?;
    let mut commits = candidates.into_iter().filter(|id| {
        let header = gix_odb::Header::try_header(handle, id);
        header.is_ok_and(|header| header.is_some_and(|header| header.kind() == Kind::Commit))
    });
    match (commits.next(), commits.next()) {
        (Some(_), Some(_)) => Err(ambiguous()),
        (found, _) => Ok(found),
    }
}

/// Adds what we were doing to an error of the file system.
pub(crate) fn mirror_error(doing: &'static str) -> impl Fn(io::Error) -> Cause {
    move |error| Cause::Mirror {
        doing,
        source: Arc::new(error),
    }
}

/// Replaces a file in one step.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, content)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn generation_dir(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("objects-{number}"))
}

fn generations(dir: &Path) -> io::Result<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("objects-"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    Ok(numbers)
}

fn lines(commits: &[ObjectId]) -> String {
    let lines: Vec<String> = commits.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn parse_lines(text: &str) -> Vec<ObjectId> {
    text.lines()
        .filter_map(crate::target::full_commit)
        .collect()
}

fn read_commits(dir: &Path) -> Vec<ObjectId> {
    parse_lines(&fs::read_to_string(dir.join("commits")).unwrap_or_default())
}

fn write_commits(dir: &Path, commits: &[ObjectId]) -> io::Result<()> {
    write_whole(&dir.join("commits"), lines(commits).as_bytes())
}
