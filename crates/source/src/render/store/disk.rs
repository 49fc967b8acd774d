//! Results on disk. Everything here may vanish or be damaged at any time: what does not verify is removed and counts
//! as absent.
//!
//! `entries/` by key, `sets/` by digest; `retained/<app>/` holds the releases of an app, with the sets as hard links,
//! so that clearing `sets/` does not touch them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use driftless_core::{AppKey, Revision, Trace};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::Error;
use super::super::options::Options;
use super::super::rendered::{PackedSet, Rendered, SetDigest};
use super::super::request::Key;
use super::Found;
use super::format::{Header, seal, unseal};
use crate::git::write_whole;
use crate::repository::hex;

/// Layout of the folder; another one starts anew.
const LAYOUT: &str = "render-1";
/// How many writes pass between two looks at the space in use.
const SWEEP_EVERY: u64 = 512;

/// Results on disk.
pub(in super::super) struct Disk {
    dir: PathBuf,
    budget: u64,
    releases: usize,
    writes: AtomicU64,
    retaining: Mutex<()>,
}

/// The releases of one app, oldest first.
#[derive(Default, Serialize, Deserialize)]
struct Releases {
    releases: Vec<Release>,
}

#[derive(Serialize, Deserialize)]
struct Release {
    name: String,
    sets: Vec<Header>,
}

impl Disk {
    /// Opens or creates the folder.
    pub(in super::super) fn open(options: &Options) -> Result<Self, Error> {
        let dir = options.data_dir.join(LAYOUT);
        for folder in ["entries", "sets", "retained"] {
            fs::create_dir_all(dir.join(folder)).map_err(|error| Error::store("opening", error))?;
        }
        let disk = Self {
            dir,
            budget: options.disk_bytes,
            releases: options.retained_per_app.max(1),
            writes: AtomicU64::new(0),
            retaining: Mutex::default(),
        };
        Ok(disk)
    }

    /// Returns the result stored last under a key.
    pub(in super::super) fn get(&self, key: &Key) -> Option<Found> {
        let path = self.entry_path(key);
        let content = read(&path)?;
        let found = self.open_entry(&content);
        if found.is_none() {
            tracing::warn!(path = %path.display(), "Removing a stored render that is damaged");
            fs::remove_file(&path).ok();
        }
        found
    }

    fn open_entry(&self, content: &[u8]) -> Option<Found> {
        let (header, trace) = unseal::<Header>(content)?;
        let digest = header.digest()?;
        Some(Found {
            source_type: header.source_type()?,
            diagnostics: header.diagnostics(),
            trace: Arc::new(Trace::from_bytes(trace)?),
            seen: header.seen.clone(),
            set: Arc::new(read_set(&self.set_path(digest), digest)?),
            pins: header.pins.into(),
        })
    }

    /// Stores a result. That it could not be stored is told to the log alone: the next process renders again.
    pub(in super::super) fn put(&self, key: &Key, found: &Found) {
        if let Err(error) = self.try_put(key, found) {
            tracing::warn!(dir = %self.dir.display(), %error, "Cannot store a render");
        }
        if self.writes.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.sweep();
        }
    }

    fn try_put(&self, key: &Key, found: &Found) -> io::Result<()> {
        self.write_set(&found.set)?;
        let mut header = Header::new(found.source_type, found.set.digest, &found.diagnostics);
        header.pins = found.pins.to_vec();
        header.seen = found.seen.clone();
        let path = self.entry_path(key);
        create_parent(&path)?;
        write_whole(&path, &seal(&header, &found.trace.to_bytes())?)
    }

    fn write_set(&self, set: &PackedSet) -> io::Result<PathBuf> {
        let path = self.set_path(set.digest);
        let length = fs::metadata(&path).map(|data| data.len());
        if length.is_ok_and(|length| length == set.bytes.len() as u64) {
            return Ok(path);
        }
        create_parent(&path)?;
        write_whole(&path, &set.bytes)?;
        Ok(path)
    }

    /// Stores the sets of a release.
    pub(in super::super) fn retain(
        &self,
        app: &AppKey,
        release: &str,
        sets: &[Rendered],
    ) -> Result<(), Error> {
        let failed = |error| Error::store("retaining", error);
        let _alone = self.retaining.lock();
        let folder = self.app_path(app);
        fs::create_dir_all(&folder).map_err(failed)?;
        let mut releases = read_releases(&folder)?;
        let mut headers = Vec::with_capacity(sets.len());
        for rendered in sets {
            let link = folder.join(rendered.set.digest.to_string());
            if read_set(&link, rendered.set.digest).is_none() {
                self.link_set(&rendered.set, &link).map_err(failed)?;
            }
            let mut header = Header::new(
                rendered.source_type,
                rendered.set.digest,
                &rendered.diagnostics,
            );
            rendered.revision.as_str().clone_into(&mut header.revision);
            headers.push(header);
        }
        releases.releases.retain(|known| known.name != release);
        releases.releases.push(Release {
            name: release.to_owned(),
            sets: headers,
        });
        let surplus = releases.releases.len().saturating_sub(self.releases);
        releases.releases.drain(..surplus);
        let content = seal(&releases, &[]).map_err(|error| failed(error.into()))?;
        write_whole(&folder.join("releases"), &content).map_err(failed)?;
        drop_unused(&folder, &releases).map_err(failed)
    }

    fn link_set(&self, set: &PackedSet, link: &Path) -> io::Result<()> {
        match fs::remove_file(link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let stored = self.write_set(set)?;
        // Where links do not work, a copy does.
        fs::hard_link(stored, link).or_else(|_| write_whole(link, &set.bytes))
    }

    /// Returns the sets of a release.
    pub(in super::super) fn load(
        &self,
        app: &AppKey,
        release: &str,
    ) -> Result<Option<Vec<Rendered>>, Error> {
        let folder = self.app_path(app);
        let releases = read_releases(&folder)?;
        let Some(release) = releases
            .releases
            .into_iter()
            .find(|known| known.name == release)
        else {
            return Ok(None);
        };
        let mut sets = Vec::with_capacity(release.sets.len());
        for header in release.sets {
            let opened =
                header
                    .digest()
                    .zip(header.source_type())
                    .and_then(|(digest, source_type)| {
                        let set = read_set(&folder.join(digest.to_string()), digest)?;
                        Some((source_type, set))
                    });
            let Some((source_type, set)) = opened else {
                tracing::warn!(app = %app, release = release.name, "A retained release is damaged");
                return Ok(None);
            };
            sets.push(Rendered {
                revision: Revision::new(&header.revision),
                source_type,
                diagnostics: header.diagnostics(),
                trace: Arc::default(),
                cached: true,
                set: Arc::new(set),
                pins: Arc::default(),
            });
        }
        Ok(Some(sets))
    }

    /// Drops the releases of an app.
    pub(in super::super) fn forget(&self, app: &AppKey) -> Result<(), Error> {
        let _alone = self.retaining.lock();
        match fs::remove_dir_all(self.app_path(app)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::store("forgetting", error))
            }
            _ => Ok(()),
        }
    }

    /// Removes what was written longest ago, when there is too much.
    fn sweep(&self) {
        let mut files = Vec::new();
        for folder in ["entries", "sets"] {
            collect(&self.dir.join(folder), &mut files);
        }
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        if total <= self.budget {
            return;
        }
        files.sort();
        for (_, size, path) in files {
            if total <= self.budget / 10 * 9 {
                return;
            }
            if fs::remove_file(path).is_ok() {
                total -= size;
            }
        }
    }

    fn entry_path(&self, key: &Key) -> PathBuf {
        spread(&self.dir.join("entries"), &hex(&key.0))
    }

    fn set_path(&self, digest: SetDigest) -> PathBuf {
        spread(&self.dir.join("sets"), &digest.to_string())
    }

    fn app_path(&self, app: &AppKey) -> PathBuf {
        // Names are chosen by users: a hash is a safe file name.
        let name = hex(&Sha256::digest(app.to_string().as_bytes()));
        self.dir
            .join("retained")
            .join(name.get(..32).unwrap_or_default())
    }
}

fn spread(folder: &Path, name: &str) -> PathBuf {
    folder.join(name.get(..2).unwrap_or_default()).join(name)
}

fn create_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    match fs::read(path) {
        Ok(content) => Some(content),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "Cannot read a stored render");
            }
            None
        }
    }
}

/// Reads a set that is what its digest says; anything else is removed.
fn read_set(path: &Path, digest: SetDigest) -> Option<PackedSet> {
    let set = PackedSet::verify(digest, read(path)?);
    if set.is_none() {
        tracing::warn!(path = %path.display(), "Removing a stored render that is damaged");
        fs::remove_file(path).ok();
    }
    set
}

/// Reads the releases of an app; a list that is damaged counts as none, one that cannot be read does not.
fn read_releases(folder: &Path) -> Result<Releases, Error> {
    let path = folder.join("releases");
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Releases::default()),
        Err(error) => return Err(Error::store("reading", error)),
    };
    let releases = unseal::<Releases>(&content).map(|(releases, _)| releases);
    if releases.is_none() {
        tracing::warn!(path = %path.display(), "A list of retained releases is damaged");
    }
    Ok(releases.unwrap_or_default())
}

/// Removes the links that no release names any more.
fn drop_unused(folder: &Path, releases: &Releases) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_named = name == "releases"
            || releases
                .releases
                .iter()
                .flat_map(|release| &release.sets)
                .any(|header| {
                    header
                        .digest()
                        .is_some_and(|digest| name == *digest.to_string())
                });
        if !is_named {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<(SystemTime, u64, PathBuf)>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let Ok(data) = entry.metadata() else {
            continue;
        };
        if data.is_dir() {
            collect(&entry.path(), files);
        } else {
            files.push((
                data.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                data.len(),
                entry.path(),
            ));
        }
    }
}
