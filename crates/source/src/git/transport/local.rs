//! A repository on this machine: refs and objects are read where they are, no process is started.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix_hash::ObjectId;
use gix_object::{Find as _, Kind};

use crate::git::Commit;
use crate::git::error::{Cause, Source};
use crate::git::mirror::{Handle, Mirror, PackWriter, closure, find_short};
use crate::git::options::Options;
use crate::git::wire::{RefList, RemoteRef, malformed};

/// Most objects copied at once.
const MAX_OBJECTS: usize = 20_000_000;
/// Longest chain of tags that point at tags, or refs that point at refs.
const MAX_CHAIN: usize = 8;

/// A repository on this machine.
#[derive(Clone)]
pub(crate) struct Local {
    path: PathBuf,
}

/// The folders of a repository.
struct Layout {
    git: PathBuf,
    shared: PathBuf,
}

impl Local {
    /// Remembers the path.
    pub(crate) fn open(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) async fn ls_refs(
        &self,
        prefixes: &[String],
        options: &Options,
    ) -> Result<RefList, Cause> {
        let (this, prefixes, max_refs) = (self.clone(), prefixes.to_vec(), options.max_refs);
        blocking(move || this.list(&prefixes, max_refs)).await
    }

    pub(super) async fn copy(
        &self,
        commit: ObjectId,
        mirror: &Arc<Mirror>,
        options: &Options,
    ) -> Result<(), Cause> {
        let (this, mirror, limit) = (self.clone(), mirror.clone(), options.max_pack_bytes);
        blocking(move || this.copy_now(commit, &mirror, limit)).await
    }

    /// Finds a commit by the start of its id.
    pub(crate) async fn find_short(&self, prefix: &str) -> Result<Option<ObjectId>, Cause> {
        let (this, prefix) = (self.clone(), prefix.to_owned());
        blocking(move || find_short(&Self::objects(&this.layout()?)?, &prefix)).await
    }

    fn layout(&self) -> Result<Layout, Cause> {
        let is_git_dir = |dir: &Path| dir.join("HEAD").is_file() && dir.join("objects").is_dir();
        let nested = self.path.join(".git");
        let git = if nested.is_file() {
            let text = fs::read_to_string(&nested).map_err(unreadable)?;
            let target = text
                .trim()
                .strip_prefix("gitdir:")
                .ok_or(Cause::RepositoryNotFound)?
                .trim();
            self.path.join(target)
        } else if is_git_dir(&nested) {
            nested
        } else {
            self.path.clone()
        };
        let shared = match fs::read_to_string(git.join("commondir")) {
            Ok(text) => git.join(text.trim()),
            Err(_) => git.clone(),
        };
        if !git.join("HEAD").is_file() || !shared.join("objects").is_dir() {
            return Err(Cause::RepositoryNotFound);
        }
        if shared.join("reftable").is_dir() {
            return Err(malformed(
                "the repository keeps its refs as reftable, which is not supported",
            ));
        }
        Ok(Layout { git, shared })
    }

    fn objects(layout: &Layout) -> Result<Handle, Cause> {
        let options = gix_odb::store::init::Options {
            use_multi_pack_index: true,
            ..Default::default()
        };
        let store = gix_odb::Store::at_opts(
            layout.shared.join("objects"),
            gix_hash::Kind::Sha1,
            &mut std::iter::empty(),
            options,
        )
        .map_err(unreadable)?;
        Ok(Arc::new(store).to_cache_arc())
    }

    fn list(&self, prefixes: &[String], max_refs: usize) -> Result<RefList, Cause> {
        let layout = self.layout()?;
        let objects = Self::objects(&layout)?;
        let store = gix_ref::file::Store::for_linked_worktree(
            layout.git.clone(),
            layout.shared.clone(),
            gix_hash::Kind::Sha1,
        );
        let mut refs = RefList::new();
        for prefix in prefixes {
            if prefix.ends_with('/') {
                let wanted: &gix_ref::bstr::BStr = prefix.as_str().into();
                let platform = store.iter().map_err(unreadable_error)?;
                for found in platform.all().map_err(unreadable)? {
                    let found = found.map_err(unreadable_error)?;
                    if !found.name.as_bstr().starts_with(wanted) {
                        continue;
                    }
                    if refs.len() >= max_refs {
                        return Err(Cause::TooLarge {
                            what: "the number of refs",
                            limit: max_refs as u64,
                        });
                    }
                    Self::add(&mut refs, &store, &objects, found)?;
                }
            } else if let Some(found) = find(&store, prefix)? {
                Self::add(&mut refs, &store, &objects, found)?;
            }
        }
        Ok(refs)
    }

    fn add(
        refs: &mut RefList,
        store: &gix_ref::file::Store,
        objects: &Handle,
        mut found: gix_ref::Reference,
    ) -> Result<(), Cause> {
        let Ok(name) = std::str::from_utf8(found.name.as_bstr()).map(str::to_owned) else {
            return Ok(());
        };
        let known = found.peeled;
        for _ in 0..MAX_CHAIN {
            let next = match &found.target {
                gix_ref::Target::Object(target) => {
                    let peeled = match known {
                        Some(peeled) => Some(peeled),
                        None if name.starts_with("refs/tags/") => peel(objects, *target)?,
                        None => None,
                    };
                    refs.insert(
                        name,
                        RemoteRef {
                            target: *target,
                            peeled,
                        },
                    );
                    return Ok(());
                }
                gix_ref::Target::Symbolic(next) => next.to_string(),
            };
            // A symbolic ref to nothing is the HEAD of a repository without commits.
            match find(store, &next)? {
                Some(next) => found = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn copy_now(&self, commit: ObjectId, mirror: &Mirror, limit: u64) -> Result<(), Cause> {
        let source = Self::objects(&self.layout()?)?;
        let mut find = |id: ObjectId, kind: Kind| {
            let mut buffer = Vec::new();
            match source.try_find(&id, &mut buffer) {
                Ok(Some(data)) if data.kind == kind => Ok(buffer),
                Ok(None) if kind == Kind::Commit => Err(Cause::CommitNotFound {
                    commit: Commit(commit),
                }),
                Ok(_) => Err(malformed(&format!(
                    "object {id} of commit {commit} is missing or no {kind}"
                ))),
                Err(error) => Err(unreadable_error(error)),
            }
        };
        let mut has = |id: ObjectId| mirror.has_for_good(id);
        let ids = closure(&[commit], &mut find, &mut has, MAX_OBJECTS)?;
        let count = u32::try_from(ids.len()).map_err(|_| Cause::TooLarge {
            what: "the number of objects",
            limit: MAX_OBJECTS as u64,
        })?;
        let mut writer = PackWriter::new(count, limit, mirror.dir())?;
        for (id, kind) in ids {
            writer.push(kind, &find(id, kind)?)?;
        }
        mirror.add(writer.finish()?, &[commit])
    }
}

fn find(store: &gix_ref::file::Store, name: &str) -> Result<Option<gix_ref::Reference>, Cause> {
    // A name that no ref can have names no ref.
    let Ok(name) = gix_ref::FullName::try_from(name) else {
        return Ok(None);
    };
    // The store tries `refs/<name>` and others as well; only the name itself is meant here.
    let found = store.try_find(name.as_ref()).map_err(unreadable_error)?;
    Ok(found.filter(|found| found.name == name))
}

/// Returns the commit behind an annotated tag; `None` for anything else.
fn peel(objects: &Handle, target: ObjectId) -> Result<Option<ObjectId>, Cause> {
    let mut id = target;
    for _ in 0..MAX_CHAIN {
        let mut buffer = Vec::new();
        match objects.try_find(&id, &mut buffer) {
            Ok(Some(data)) if data.kind == Kind::Tag => {
                id = gix_object::TagRefIter::from_bytes(data.data, gix_hash::Kind::Sha1)
                    .target_id()
                    .map_err(unreadable_error)?;
            }
            Ok(_) => return Ok((id != target).then_some(id)),
            Err(error) => return Err(unreadable_error(error)),
        }
    }
    Ok(None)
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn unreadable(error: io::Error) -> Cause {
    if error.kind() == io::ErrorKind::NotFound {
        return Cause::RepositoryNotFound;
    }
    Cause::Unreachable {
        doing: "reading the local repository",
        detail: error.to_string(),
    }
}

fn unreadable_error(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Cause {
    let error: Box<dyn std::error::Error + Send + Sync> = error.into();
    let detail = driftless_core::class::render_chain(&*error);
    Cause::Unreachable {
        doing: "reading the local repository",
        detail,
    }
}

/// Runs file work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Cause> + Send + 'static,
) -> Result<T, Cause> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Cause::Mirror {
            doing: "working on",
            source: Source::from(Box::<dyn std::error::Error + Send + Sync>::from(error)),
        }),
    }
}
