//! Following targets: who is interested in what, polling, telling.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use gix_hash::ObjectId;
use rand::RngExt as _;
use tokio::time::Instant;

use super::error::Cause;
use super::repo::{Extent, Repo};
use super::{Commit, RefEvent, RefMove};
use crate::target::Target;

/// A failing repository is asked this many times less often.
const MAX_BACKOFF: u32 = 4;

/// One followed target.
struct Follow {
    target: Target,
    followers: usize,
    last: Last,
}

/// What was told about a target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    At(ObjectId),
    Failed(Option<ObjectId>),
}

/// The followed targets of one repository.
#[derive(Default)]
pub(crate) struct Follows {
    targets: HashMap<String, Follow>,
    polling: bool,
}

impl Follows {
    /// Returns the targets by key.
    pub(crate) fn targets(&self) -> Vec<(String, Target)> {
        let mut targets: Vec<(String, Target)> = self
            .targets
            .iter()
            .map(|(key, follow)| (key.clone(), follow.target.clone()))
            .collect();
        targets.sort_by(|(a, _), (b, _)| a.cmp(b));
        targets
    }

    /// Says whether a target is followed.
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.targets.contains_key(key)
    }
}

/// Follows one target of one repository as long as it lives.
#[derive(Debug)]
pub struct Tracked {
    repo: Weak<Repo>,
    key: String,
}

impl Tracked {
    /// Starts following; a target that cannot move is followed by doing nothing.
    pub(super) fn start(repo: Option<&Arc<Repo>>, target: &Target) -> Self {
        let key = target.key();
        let Some(repo) = repo.filter(|_| !target.is_fixed()) else {
            return Self {
                repo: Weak::new(),
                key,
            };
        };
        let mut follows = repo.follows.lock();
        let follow = follows
            .targets
            .entry(key.clone())
            .or_insert_with(|| Follow {
                target: target.clone(),
                followers: 0,
                last: Last::Nothing,
            });
        follow.followers += 1;
        if !follows.polling {
            follows.polling = true;
            tokio::spawn(poll(Arc::downgrade(repo)));
        }
        Self {
            repo: Arc::downgrade(repo),
            key,
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let Some(repo) = self.repo.upgrade() else {
            return;
        };
        let mut follows = repo.follows.lock();
        if let Some(follow) = follows.targets.get_mut(&self.key) {
            follow.followers -= 1;
            if follow.followers == 0 {
                follows.targets.remove(&self.key);
            }
        }
    }
}

/// Asks a repository for its refs again and again, as long as anybody follows it.
async fn poll(repo: Weak<Repo>) {
    let mut failures = 0;
    loop {
        let Some(strong) = repo.upgrade() else {
            return;
        };
        let due = next(&strong, failures);
        let before = strong.last_asked();
        let poked = tokio::select! {
            () = strong.poke.notified() => true,
            () = sleep_until(due) => false,
        };
        {
            let mut follows = strong.follows.lock();
            if follows.targets.is_empty() {
                follows.polling = false;
                return;
            }
        }
        // Somebody else asked meanwhile: all followed targets were part of that.
        if !poked && strong.last_asked() != before {
            continue;
        }
        match strong.ask([], Extent::Targets).await {
            Ok(_) => failures = 0,
            Err(cause) => {
                failures = (failures + 1).min(MAX_BACKOFF);
                tracing::debug!(repo = strong.label, error = %cause, "Cannot poll a repository");
            }
        }
    }
}

/// Returns when to ask next; `None` for never.
fn next(repo: &Repo, failures: u32) -> Option<Instant> {
    let options = &repo.shared.options;
    if options.poll_interval.is_zero() {
        return None;
    }
    let interval = options.poll_interval.saturating_mul(1 + failures);
    let jitter = options
        .poll_jitter
        .mul_f64(rand::rng().random_range(0.0..=1.0));
    let since = repo.last_asked().unwrap_or_else(Instant::now);
    Some(since + interval + jitter)
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        // Often enough to notice that nobody follows any more.
        None => tokio::time::sleep(Duration::from_secs(60)).await,
    }
}

impl Repo {
    /// Tells those who follow what has changed: `(key, answer, commit known before)`.
    pub(super) fn announce(&self, said: Vec<(String, Result<ObjectId, Cause>, Option<ObjectId>)>) {
        let mut events = Vec::new();
        {
            let mut follows = self.follows.lock();
            for (key, result, before) in said {
                let Some(follow) = follows.targets.get_mut(&key) else {
                    continue;
                };
                let known = match follow.last {
                    Last::Nothing => before,
                    Last::At(commit) => Some(commit),
                    Last::Failed(commit) => commit,
                };
                let event = self.event(follow, known, result);
                events.extend(event);
            }
        }
        for event in events {
            // Nobody may be listening.
            self.shared.events.send(event).ok();
        }
    }

    fn event(
        &self,
        follow: &mut Follow,
        known: Option<ObjectId>,
        result: Result<ObjectId, Cause>,
    ) -> Option<RefEvent> {
        let had_failed = matches!(follow.last, Last::Failed(_));
        let target = follow.target.clone();
        match result {
            Ok(commit) => {
                follow.last = Last::At(commit);
                if known == Some(commit) {
                    return had_failed.then(|| RefEvent::Recovered {
                        repository: self.id.clone(),
                        target,
                    });
                }
                // The first answer is no move: whoever follows has just asked.
                if known.is_none() && !had_failed {
                    return None;
                }
                Some(RefEvent::Moved(RefMove {
                    repository: self.id.clone(),
                    url: self.url(),
                    target,
                    old: known.map(Commit),
                    new: Commit(commit),
                }))
            }
            Err(cause) => {
                follow.last = Last::Failed(known);
                if had_failed {
                    return None;
                }
                let error = Arc::new(self.error(cause, Some(&target)));
                Some(RefEvent::Failed {
                    repository: self.id.clone(),
                    target,
                    error,
                })
            }
        }
    }
}

impl std::fmt::Debug for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.label)
    }
}
