//! Fetching commits: one fetch for all who wait for a commit, deeper when its short name or its history is asked for.

use std::sync::Arc;

use gix_hash::ObjectId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Access, REPEAT_FAILURE, Repo};
use crate::git::Commit;
use crate::git::answer::Answer;
use crate::git::error::Cause;
use crate::git::mirror::{IncomingPack, Mirror};
use crate::git::transport::{Transport, blocking};
use crate::git::wire::{FetchRequest, History};
use crate::metrics::RequestType;

/// Most branches and tags fetched at once, when a host gives a commit no other way.
const MAX_TIPS: usize = 1000;

impl Repo {
    /// Makes a commit readable, fetching it once however many ask.
    pub(crate) async fn ensure(self: &Arc<Self>, commit: ObjectId) -> Result<(), Cause> {
        if self.mirror.has(commit) && !self.should_repair() {
            return Ok(());
        }
        let mut done = {
            let mut fetches = self.fetches.lock();
            if let Some(done) = fetches.get(&commit) {
                done.clone()
            } else {
                let (sender, receiver) = watch::channel(None);
                fetches.insert(commit, receiver.clone());
                tokio::spawn(self.clone().run_fetch(commit, sender));
                receiver
            }
        };
        match done
            .wait_for(Option::is_some)
            .await
            .map(|result| result.clone())
        {
            Ok(Some(result)) => result,
            _ => Err(Cause::Lost("a fetch")),
        }
    }

    async fn run_fetch(
        self: Arc<Self>,
        commit: ObjectId,
        done: watch::Sender<Option<Result<(), Cause>>>,
    ) {
        let this = self.clone();
        let work = tokio::spawn(async move { this.fetch(commit).await });
        let result = work.await.unwrap_or(Err(Cause::Lost("a fetch")));
        let fetched = result.is_ok();
        self.fetches.lock().remove(&commit);
        done.send_replace(Some(result));
        if fetched {
            let (mirror, quota) = (self.mirror.clone(), self.shared.options.mirror_quota_bytes);
            if let Err(error) = blocking(move || mirror.tidy(quota)).await {
                tracing::warn!(
                    repo = self.label,
                    error = driftless_core::class::render_chain(&error),
                    "Cannot tidy the local copy"
                );
            }
        }
    }

    /// Says whether to try and replace a damaged copy now.
    fn should_repair(&self) -> bool {
        self.mirror.is_damaged()
            && self
                .repair_failed
                .lock()
                .is_none_or(|at| at.elapsed() > REPEAT_FAILURE)
    }

    async fn fetch(&self, commit: ObjectId) -> Result<(), Cause> {
        let here = self.mirror.has(commit);
        if here && !self.should_repair() {
            return Ok(());
        }
        let access = self.access.lock().clone();
        self.check_silence(&access)?;
        let started = Instant::now();
        let mut result = self.fetch_once(&access, commit).await;
        if let Err(Cause::Mirror { .. }) = &result {
            // What we said to have may not be whole: start anew, once.
            self.mirror.generation().report_damage();
            result = self.fetch_once(&access, commit).await;
        }
        self.count(
            &access,
            RequestType::Fetch,
            started,
            result.as_ref().err(),
            &commit.to_string(),
        );
        tracing::debug!(
            repo = self.label,
            revision = %commit,
            elapsed_ms = started.elapsed().as_millis() as u64,
            ok = result.is_ok(),
            "Fetched a commit"
        );
        if here && result.is_err() {
            // A damaged copy is better than none.
            *self.repair_failed.lock() = Some(Instant::now());
            return Ok(());
        }
        result
    }

    async fn fetch_once(&self, access: &Access, commit: ObjectId) -> Result<(), Cause> {
        let Ok(_slot) = self.slots.acquire().await else {
            return Err(Cause::Lost("a fetch"));
        };
        let _gate = self.mirror.fetching().await;
        if let Some(copied) = access
            .transport
            .copy(commit, &self.mirror, &self.shared.options)
            .await
        {
            return copied;
        }
        let request = FetchRequest {
            wants: vec![commit],
            haves: self.mirror.haves(),
            history: History::None,
        };
        match access.transport.fetch(&request, &self.shared.options).await {
            Ok(pack) => self.add(pack, commit).await,
            Err(Cause::CommitNotFound { .. } | Cause::Unreachable { .. })
                if !access.transport.gives_any_commit() =>
            {
                let pack = self.fetch_tips(access, History::Full).await?;
                let added = self.add(pack, commit).await;
                added.map_err(|_| Cause::CommitNotFound {
                    commit: Commit(commit),
                })
            }
            Err(cause) => Err(cause),
        }
    }

    async fn add(&self, pack: IncomingPack, commit: ObjectId) -> Result<(), Cause> {
        let mirror = self.mirror.clone();
        blocking(move || mirror.add(pack, &[commit])).await
    }

    /// Fetches all branches and tags with their history.
    async fn fetch_tips(&self, access: &Access, history: History) -> Result<IncomingPack, Cause> {
        let prefixes = ["refs/heads/".to_owned(), "refs/tags/".to_owned()];
        let refs = self.request_refs(access, &prefixes).await?;
        let mut wants: Vec<ObjectId> = refs
            .iter()
            .filter(|(name, _)| name.starts_with("refs/heads/") || name.starts_with("refs/tags/"))
            .map(|(_, found)| found.commit())
            .collect();
        wants.sort_unstable();
        wants.dedup();
        if wants.is_empty() {
            return Err(Cause::Empty);
        }
        wants.truncate(MAX_TIPS);
        let request = FetchRequest {
            wants,
            haves: Vec::new(),
            history,
        };
        access.transport.fetch(&request, &self.shared.options).await
    }

    /// Finds the commit that an abbreviation means.
    pub(super) async fn find_short(
        self: &Arc<Self>,
        short: &str,
    ) -> Result<Option<ObjectId>, Cause> {
        let key = format!("short\0{short}");
        let known = self.answers.lock().get(&key).and_then(|answer| answer.good);
        if let Some((commit, _)) = known {
            return Ok(Some(commit));
        }
        let access = self.access.lock().clone();
        let found = match &access.transport {
            Transport::Local(local) => local.find_short(short).await?,
            _ => match self.mirror.find_short(short)? {
                Some(commit) => Some(commit),
                None => self.search_history(&access, short).await?,
            },
        };
        if let Some(commit) = found {
            let answer = Answer {
                said: None,
                good: Some((commit, self.shared.clock.now())),
            };
            self.answers.lock().insert(key, answer);
        }
        Ok(found)
    }

    /// Fetches the history into a place of its own and looks there.
    async fn search_history(
        &self,
        access: &Access,
        short: &str,
    ) -> Result<Option<ObjectId>, Cause> {
        let started = Instant::now();
        let pack = self.fetch_tips(access, History::Commits).await;
        self.count(
            access,
            RequestType::Fetch,
            started,
            pack.as_ref().err(),
            short,
        );
        let (pack, short) = (pack?, short.to_owned());
        blocking(move || Mirror::search(pack, &short)).await
    }
}
