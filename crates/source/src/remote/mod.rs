//! What kustomizations name elsewhere: folders of other Git repositories, and files on web servers.
//!
//! Repositories come through [`Git`], so they have bare mirrors like those of sources. Everything that was fetched is a
//! [`Pin`]: which commit a reference was at, what a file held. A stored render counts only as long as its pins hold.
//! Who may be asked is for [`Hosts`] to say; machines that hand out credentials to whoever runs next to them are never
//! asked.

mod web;

use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use driftless_core::class::render_chain;
use driftless_core::{Class, Classify, SafeUrl, Tree};
use driftless_kustomize::{Error, RemoteBase, RepoSpec};
pub use driftless_outbound::Reach;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use url::Url;

use crate::git::{Commit, Freshness, Git};
use crate::repository::{Address, Repository, hex};
use crate::target::Target;

/// An answer about a branch may be this old.
const REF_AGE: Duration = Duration::from_secs(30);
/// What a file on a web server holds is looked at again after this long.
const FILE_AGE: Duration = Duration::from_secs(120);
/// Most files whose content is remembered by its hash.
const MAX_FILES: usize = 10_000;

/// An address that may be used.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The repository with the credentials meant for it, if any.
    pub repository: Repository,
    /// How far it may lead; a folder is on this machine.
    pub reach: Reach,
}

/// Says which addresses may be used.
pub trait Hosts: Send + Sync {
    /// Returns how to reach an address, or why it must not be used.
    fn admit(&self, url: &str) -> Result<Admitted, String>;
}

/// The way to what is elsewhere.
#[derive(Clone)]
pub struct Remotes {
    /// Fetches repositories.
    pub git: Git,
    /// Says which may be used.
    pub hosts: Arc<dyn Hosts>,
    /// How new answers have to be.
    pub age: Age,
}

/// Something that was fetched for a render.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pin {
    /// The address: of a repository, or of a file.
    pub url: String,
    /// What was asked of the repository, empty for its default branch; `None` for a file.
    pub reference: Option<String>,
    /// The commit, or the SHA-256 of the file.
    pub found: String,
}

impl Pin {
    /// Returns the ref to follow, when there is one that can move.
    pub fn target(&self) -> Option<Target> {
        let target = Target::parse(self.reference.as_deref()?, "").ok()?;
        (!target.is_fixed()).then_some(target)
    }
}

/// What files held when they were last looked at.
#[derive(Default)]
pub struct Files(Mutex<HashMap<String, (Instant, String)>>);

impl Files {
    fn known(&self, url: &str) -> Option<String> {
        let files = self.0.lock();
        let (at, hash) = files.get(url)?;
        (at.elapsed() <= FILE_AGE).then(|| hash.clone())
    }

    fn remember(&self, url: &str, hash: &str) {
        let mut files = self.0.lock();
        if files.len() >= MAX_FILES {
            files.clear();
        }
        files.insert(url.to_owned(), (Instant::now(), hash.to_owned()));
    }
}

/// How new what is fetched has to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Age {
    /// A recent answer will do.
    Recent,
    /// Everything is asked anew.
    Now,
}

/// Fetches for one render, and records what it fetched. Not to be used on a thread that drives the runtime alone.
pub struct Fetcher<'a> {
    remotes: &'a Remotes,
    files: &'a Files,
    handle: Handle,
    fetched: Mutex<Fetched>,
}

#[derive(Default)]
struct Fetched {
    pins: Vec<Pin>,
    bytes: HashMap<String, Bytes>,
}

impl<'a> Fetcher<'a> {
    /// Starts with nothing fetched.
    pub fn new(remotes: &'a Remotes, files: &'a Files, handle: Handle) -> Self {
        Self {
            remotes,
            files,
            handle,
            fetched: Mutex::default(),
        }
    }

    /// Returns what was fetched, in order.
    pub fn into_pins(self) -> Vec<Pin> {
        self.fetched.into_inner().pins
    }

    /// Says whether everything is still where it was. What cannot be told counts as moved: the render then says why.
    pub fn holds(&self, pins: &[Pin]) -> bool {
        pins.iter().all(|pin| self.is_at(pin).unwrap_or(false))
    }

    fn is_at(&self, pin: &Pin) -> Result<bool, Error> {
        let admitted = self.admit(&pin.url)?;
        let Some(reference) = &pin.reference else {
            if self.remotes.age == Age::Recent
                && let Some(known) = self.files.known(&pin.url)
            {
                return Ok(known == pin.found);
            }
            let bytes = self.get(&pin.url, admitted)?;
            let hash = hash(&bytes);
            self.files.remember(&pin.url, &hash);
            return Ok(hash == pin.found);
        };
        let target = target(reference)?;
        if target.is_fixed() {
            return Ok(true);
        }
        let (git, freshness) = (self.remotes.git.clone(), self.freshness());
        let repository = admitted.repository;
        let found = self.wait(async move {
            match git.resolve(&repository, &target, freshness).await {
                Ok(commit) => Some(commit),
                // A host that is away has not moved anything.
                Err(error) => error.last_known.map(|last| last.commit),
            }
        })?;
        Ok(found.is_some_and(|commit| commit.to_string() == pin.found))
    }

    fn freshness(&self) -> Freshness {
        match self.remotes.age {
            Age::Recent => Freshness::Within(REF_AGE),
            Age::Now => Freshness::Now,
        }
    }

    fn admit(&self, url: &str) -> Result<Admitted, Error> {
        self.remotes
            .hosts
            .admit(url)
            .map_err(|reason| refused(url, &reason))
    }

    /// Runs something on the runtime while this thread waits.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Nobody waits any more when the render is gone.
            sender.send(work.await).ok();
        });
        receiver
            .recv()
            .map_err(|_| Error::remote("the fetch ended without an answer"))
    }

    fn get(&self, url: &str, admitted: Admitted) -> Result<Bytes, Error> {
        let (remotes, url) = (self.remotes.clone(), url.to_owned());
        self.wait(async move { web::get(&remotes, &url, admitted).await })?
    }

    fn record(&self, pin: Pin) {
        let mut fetched = self.fetched.lock();
        if !fetched.pins.contains(&pin) {
            fetched.pins.push(pin);
        }
    }

    /// Returns the commit that this render has already used for a reference.
    fn used(&self, spec: &RepoSpec) -> Option<Commit> {
        let fetched = self.fetched.lock();
        let pin = fetched.pins.iter().find(|pin| {
            pin.url == spec.clone && pin.reference.as_deref() == Some(spec.reference.as_str())
        })?;
        Commit::parse(&pin.found)
    }
}

impl driftless_kustomize::Remotes for Fetcher<'_> {
    fn file(&self, url: &str) -> Result<Bytes, Error> {
        if is_repository(url) {
            return Err(Error::new("URL is a git repository"));
        }
        if let Some(bytes) = self.fetched.lock().bytes.get(url) {
            return Ok(bytes.clone());
        }
        let bytes = self.get(url, self.admit(url)?)?;
        let found = hash(&bytes);
        self.files.remember(url, &found);
        self.record(Pin {
            url: url.to_owned(),
            reference: None,
            found,
        });
        let mut fetched = self.fetched.lock();
        fetched.bytes.insert(url.to_owned(), bytes.clone());
        Ok(bytes)
    }

    fn repository(&self, spec: &RepoSpec) -> Result<RemoteBase, Error> {
        let Admitted { repository, reach } = self.admit(&spec.clone)?;
        let name = SafeUrl::new(spec.clone.as_str()).to_string();
        let target = target(&spec.reference)?;
        let (git, freshness, used) = (self.remotes.git.clone(), self.freshness(), self.used(spec));
        let (limit, shown) = (spec.timeout, name.clone());
        let work = async move {
            check_host(&repository, reach)
                .await
                .map_err(|reason| refused(&shown, &reason))?;
            let fetch = async {
                let commit = match used {
                    Some(commit) => commit,
                    None => match git.resolve(&repository, &target, freshness).await {
                        Ok(commit) => commit,
                        Err(error) => match error.last_known {
                            Some(last) if error.class() == Class::Transient => last.commit,
                            _ => return Err(error),
                        },
                    },
                };
                Ok((commit, git.tree(&repository, commit).await?))
            };
            let fetched = match limit {
                Some(limit) => tokio::time::timeout(limit, fetch).await.map_err(|_| {
                    Error::remote(format!("fetching {shown}: hit {limit:?} timeout"))
                })?,
                None => fetch.await,
            };
            fetched.map_err(|error| {
                let text = render_chain(&error);
                match error.class() {
                    Class::Transient | Class::Internal => Error::remote(text),
                    _ => Error::new(text),
                }
            })
        };
        let (commit, tree): (Commit, Arc<dyn Tree>) = self.wait(work)??;
        self.record(Pin {
            url: spec.clone.clone(),
            reference: Some(spec.reference.clone()),
            found: commit.to_string(),
        });
        Ok(RemoteBase { tree, name })
    }
}

/// Says why a repository may not be asked.
async fn check_host(repository: &Repository, reach: Reach) -> Result<(), String> {
    let address = repository.address().map_err(|error| error.to_string())?;
    match &address {
        Address::Local(_) if reach == Reach::ThisMachine => Ok(()),
        Address::Local(_) => Err("it is a folder of this machine".to_owned()),
        Address::Http(url) => check_url(url, repository, reach).await,
        Address::Ssh { host, .. } => driftless_outbound::lookup(host, reach).await,
    }
}

/// Says why a host may not be asked. Names are for a proxy to look up where there is one.
async fn check_url(url: &Url, repository: &Repository, reach: Reach) -> Result<(), String> {
    driftless_outbound::check(url, reach).map_err(|why| why.to_string())?;
    match &repository.proxy {
        Some(_) => Ok(()),
        None => driftless_outbound::lookup(url.host_str().unwrap_or_default(), reach).await,
    }
}

fn refused(url: &str, reason: &str) -> Error {
    let url = SafeUrl::new(url);
    Error::refused(format!("remote resource '{url}' is refused: {reason}"))
}

fn target(reference: &str) -> Result<Target, Error> {
    Target::parse(reference, "").map_err(|error| Error::new(error.to_string()))
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Says whether an address can only be one of a repository: a file is not asked for then.
fn is_repository(url: &str) -> bool {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let path = address.split_once("://").map_or(address, |(_, rest)| rest);
    let marks = path.contains("//") || path.contains("_git/") || path.contains(".git/");
    let asks = query
        .split('&')
        .any(|pair| pair.starts_with("ref=") || pair.starts_with("version="));
    (marks || asks || path.strip_suffix(".git").is_some()) && RepoSpec::parse(url).is_some()
}

#[cfg(test)]
mod tests {
    use super::is_repository;

    #[test]
    fn addresses_that_are_repositories_without_asking() {
        for url in [
            "https://git.example/team/repo//base?ref=v1",
            "https://git.example/team/repo?ref=main",
            "https://git.example/team/repo.git/base",
            "https://git.example/team/repo.git",
        ] {
            assert!(is_repository(url), "{url}");
        }
        for url in [
            "https://files.example/team/repo/main/crds.yaml",
            "https://files.example/crds.yaml?token=x",
        ] {
            assert!(!is_repository(url), "{url}");
        }
    }
}
