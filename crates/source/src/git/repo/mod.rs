//! One repository at work: asking for refs together, fetching commits once.

mod fetch;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use driftless_core::Clock;
use gix_hash::ObjectId;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio::time::Instant;

use crate::git::answer::{self, Answer};
use crate::git::error::{Cause, Error};
use crate::git::follow::Follows;
use crate::git::mirror::Mirror;
use crate::git::options::Options;
use crate::git::transport::{Clients, Transport};
use crate::git::wire::RefList;
use crate::git::{Commit, Freshness, LastKnown, RefEvent};
use crate::metrics::{Metrics, RequestType};
use crate::repository::{Address, Repository, RepositoryId};
use crate::target::Target;

/// A failure is repeated to those who do not insist on asking again, at most for this long.
const REPEAT_FAILURE: Duration = Duration::from_secs(10);
/// Answers nobody follows are forgotten when there are more.
const MAX_ANSWERS: usize = 4096;
/// How often confirmed answers are written down though nothing moved.
const STORE_INTERVAL: Duration = Duration::from_secs(300);
/// How long a list of tags serves for showing them.
const TAGS_FOR: Duration = Duration::from_secs(60);
/// Most fetches under way from one repository.
const MAX_FETCHES: usize = 4;
/// Longer lists are not kept in memory.
const MAX_TAGS: usize = 20_000;

/// What all repositories share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clients: Clients,
    pub(crate) events: broadcast::Sender<RefEvent>,
    /// Hosts that asked us to slow down, and until when.
    pub(crate) silenced: Mutex<HashMap<String, Instant>>,
}

/// The current settings of a repository, and the way to it.
struct Access {
    repository: Repository,
    transport: Transport,
    host: String,
}

/// What one round of asking brought.
pub(crate) struct Round {
    /// When it was asked.
    pub(crate) asked: Instant,
    /// The refs, of which at least those asked for.
    pub(crate) refs: Arc<RefList>,
    /// Whether the repository has any commit at all.
    empty: bool,
}

type Outcome = Result<Arc<Round>, Cause>;

/// Those who wait for the next round.
struct Waiting {
    targets: BTreeMap<String, Target>,
    everything: bool,
    done: watch::Sender<Option<Outcome>>,
}

#[derive(Default)]
struct Rounds {
    running: bool,
    next: Option<Waiting>,
    last_asked: Option<Instant>,
}

type Fetching = watch::Receiver<Option<Result<(), Cause>>>;

/// One repository.
pub(crate) struct Repo {
    pub(crate) id: RepositoryId,
    /// Address without credentials.
    pub(crate) label: String,
    pub(crate) shared: Arc<Shared>,
    pub(crate) mirror: Arc<Mirror>,
    pub(super) follows: Mutex<Follows>,
    pub(super) poke: Notify,
    access: Mutex<Arc<Access>>,
    rounds: Mutex<Rounds>,
    fetches: Mutex<HashMap<ObjectId, Fetching>>,
    answers: Mutex<HashMap<String, Answer>>,
    stored: Mutex<Option<Instant>>,
    tags: Mutex<Option<Tags>>,
    repair_failed: Mutex<Option<Instant>>,
    /// How many fetches may be under way.
    slots: Semaphore,
}

impl Repo {
    /// Opens the local copy.
    pub(crate) fn open(repository: &Repository, shared: Arc<Shared>) -> Result<Self, Cause> {
        let id = repository.id();
        let access = Access::open(repository, &shared)?;
        let mirror = Mirror::open(shared.options.data_dir.join(id.as_str()))?;
        Ok(Self {
            label: repository.url.to_string(),
            answers: Mutex::new(answer::load(mirror.dir())),
            id,
            mirror: Arc::new(mirror),
            access: Mutex::new(Arc::new(access)),
            shared,
            follows: Mutex::default(),
            poke: Notify::new(),
            rounds: Mutex::default(),
            fetches: Mutex::default(),
            stored: Mutex::default(),
            tags: Mutex::default(),
            repair_failed: Mutex::default(),
            slots: Semaphore::new(MAX_FETCHES),
        })
    }

    /// Takes over changed settings.
    pub(crate) fn update(&self, repository: &Repository) -> Result<(), Cause> {
        if self.access.lock().repository != *repository {
            let access = Access::open(repository, &self.shared)?;
            *self.access.lock() = Arc::new(access);
        }
        Ok(())
    }

    /// Returns the address as configured.
    pub(crate) fn url(&self) -> driftless_core::SafeUrl {
        self.access.lock().repository.url.clone()
    }

    /// Adds what is known besides to a failure.
    pub(crate) fn error(&self, cause: Cause, target: Option<&Target>) -> Error {
        let good = target.and_then(|target| self.answers.lock().get(&target.key())?.good);
        let now = self.shared.clock.now();
        let last_known = good.map(|(commit, at)| LastKnown {
            commit: Commit(commit),
            age: Duration::try_from(now.duration_since(at)).unwrap_or_default(),
        });
        Error {
            last_known,
            ..Error::new(&self.label, cause)
        }
    }

    /// Resolves a target and makes its commit readable.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        target: &Target,
        freshness: Freshness,
    ) -> Result<Commit, Cause> {
        let commit = match target.commit() {
            Some(commit) => commit,
            None => match self.find(target, freshness).await {
                Err(Cause::Unresolved { revision }) => match target.short_commit() {
                    Some(short) => self
                        .find_short(short)
                        .await?
                        .ok_or(Cause::Unresolved { revision })?,
                    None => return Err(Cause::Unresolved { revision }),
                },
                found => found?,
            },
        };
        self.ensure(commit).await?;
        Ok(Commit(commit))
    }

    async fn find(
        self: &Arc<Self>,
        target: &Target,
        freshness: Freshness,
    ) -> Result<ObjectId, Cause> {
        if let Some(known) = self.known(target, freshness) {
            return known;
        }
        let round = self.ask([target.clone()], Extent::Targets).await?;
        round.choose(target)
    }

    /// Returns the last answer when it is new enough.
    fn known(&self, target: &Target, freshness: Freshness) -> Option<Result<ObjectId, Cause>> {
        let answers = self.answers.lock();
        let answer = answers.get(&target.key())?;
        match (freshness, &answer.said) {
            (Freshness::Cached, Some((Ok(commit), _))) => Some(Ok(*commit)),
            (Freshness::Cached, _) => answer.good.map(|(commit, _)| Ok(commit)),
            (Freshness::Within(limit), Some((said, at))) => {
                let limit = if said.is_ok() {
                    limit
                } else {
                    limit.min(REPEAT_FAILURE)
                };
                (at.elapsed() <= limit).then(|| said.clone())
            }
            (Freshness::Now | Freshness::Within(_), _) => None,
        }
    }

    /// Asks together with everyone who asks before the next round starts. The answer is to a question put after
    /// this call.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        targets: impl IntoIterator<Item = Target>,
        extent: Extent,
    ) -> Outcome {
        let mut done = {
            let mut rounds = self.rounds.lock();
            let waiting = rounds.next.get_or_insert_with(|| Waiting {
                targets: BTreeMap::new(),
                everything: false,
                done: watch::Sender::new(None),
            });
            waiting
                .targets
                .extend(targets.into_iter().map(|target| (target.key(), target)));
            waiting.everything |= extent == Extent::Everything;
            let done = waiting.done.subscribe();
            if !rounds.running {
                rounds.running = true;
                tokio::spawn(self.clone().run_rounds());
            }
            done
        };
        match done
            .wait_for(Option::is_some)
            .await
            .map(|outcome| outcome.clone())
        {
            Ok(Some(outcome)) => outcome,
            _ => Err(Cause::Lost("a request for refs")),
        }
    }

    async fn run_rounds(self: Arc<Self>) {
        loop {
            let asked = Instant::now();
            let mut waiting = {
                let mut rounds = self.rounds.lock();
                let Some(waiting) = rounds.next.take() else {
                    rounds.running = false;
                    return;
                };
                rounds.last_asked = Some(asked);
                waiting
            };
            waiting.targets.extend(self.follows.lock().targets());
            let (this, targets) = (self.clone(), waiting.targets.clone());
            // A task of its own: a panic in it must not silence this repository for ever.
            let work =
                tokio::spawn(async move { this.list(&targets, waiting.everything, asked).await });
            let outcome = work.await.unwrap_or(Err(Cause::Lost("a request for refs")));
            self.record(&waiting.targets, &outcome, asked);
            waiting.done.send_replace(Some(outcome));
        }
    }

    async fn list(
        &self,
        targets: &BTreeMap<String, Target>,
        everything: bool,
        asked: Instant,
    ) -> Outcome {
        let all = || {
            vec![
                "HEAD".to_owned(),
                "refs/heads/".to_owned(),
                "refs/tags/".to_owned(),
            ]
        };
        let mut prefixes = answer::prefixes(targets.values());
        if everything {
            prefixes.extend(all());
            prefixes.sort_unstable();
            prefixes.dedup();
        }
        let access = self.access.lock().clone();
        let mut refs = self.request_refs(&access, &prefixes).await?;
        let mut empty = refs.is_empty();
        if empty && !everything {
            // Nothing of what was asked for: is there anything at all?
            empty = self.request_refs(&access, &all()).await?.is_empty();
            refs.clear();
        }
        Ok(Arc::new(Round {
            asked,
            refs: Arc::new(refs),
            empty,
        }))
    }

    async fn request_refs(&self, access: &Access, prefixes: &[String]) -> Result<RefList, Cause> {
        self.check_silence(access)?;
        let started = Instant::now();
        let result = access
            .transport
            .ls_refs(prefixes, &self.shared.options)
            .await;
        self.count(
            access,
            RequestType::LsRemote,
            started,
            result.as_ref().err(),
            "",
        );
        result
    }

    fn count(
        &self,
        access: &Access,
        kind: RequestType,
        started: Instant,
        failure: Option<&Cause>,
        revision: &str,
    ) {
        self.shared
            .metrics
            .request(&self.label, kind, started.elapsed());
        if let Some(cause) = failure {
            self.shared.metrics.failure(&self.label, kind, revision);
            if let Cause::RateLimited { retry_after } = cause {
                let until = Instant::now() + *retry_after;
                self.shared
                    .silenced
                    .lock()
                    .insert(access.host.clone(), until);
            }
        }
    }

    fn check_silence(&self, access: &Access) -> Result<(), Cause> {
        let mut silenced = self.shared.silenced.lock();
        let Some(until) = silenced.get(&access.host) else {
            return Ok(());
        };
        match until.checked_duration_since(Instant::now()) {
            Some(retry_after) if !retry_after.is_zero() => Err(Cause::RateLimited { retry_after }),
            _ => {
                silenced.remove(&access.host);
                Ok(())
            }
        }
    }

    /// Remembers what was said and tells those who follow.
    fn record(&self, targets: &BTreeMap<String, Target>, outcome: &Outcome, asked: Instant) {
        let now = self.shared.clock.now();
        let mut moved = false;
        let mut said = Vec::with_capacity(targets.len());
        {
            let mut answers = self.answers.lock();
            for (key, target) in targets {
                let result = match outcome {
                    Ok(round) => round.choose(target),
                    Err(cause) => Err(cause.clone()),
                };
                let answer = answers.entry(key.clone()).or_insert(Answer {
                    said: None,
                    good: None,
                });
                let before = answer.good.map(|(commit, _)| commit);
                if let Ok(commit) = &result {
                    moved |= before != Some(*commit);
                    answer.good = Some((*commit, now));
                }
                answer.said = Some((result.clone(), asked));
                said.push((key.clone(), result, before));
            }
            if answers.len() > MAX_ANSWERS {
                let follows = self.follows.lock();
                answers.retain(|key, _| follows.contains(key) || targets.contains_key(key));
            }
            let mut stored = self.stored.lock();
            if moved || stored.is_none_or(|at| at.elapsed() > STORE_INTERVAL) {
                *stored = Some(Instant::now());
                answer::store(self.mirror.dir(), &answers);
            }
        }
        self.announce(said);
    }

    /// Returns when refs were last asked for.
    pub(in crate::git) fn last_asked(&self) -> Option<Instant> {
        self.rounds.lock().last_asked
    }
}

type Tags = (Instant, Arc<RefList>);

impl Repo {
    /// Returns the tags at a commit, `None` when the repository cannot be asked.
    pub(crate) async fn tags_of(self: &Arc<Self>, commit: Commit) -> Option<Arc<[String]>> {
        let known = self
            .tags
            .lock()
            .clone()
            .filter(|(at, _)| at.elapsed() < TAGS_FOR);
        let refs = if let Some((_, refs)) = known {
            refs
        } else {
            let round = self.ask([], Extent::Everything).await.ok()?;
            if round.refs.len() <= MAX_TAGS {
                *self.tags.lock() = Some((round.asked, round.refs.clone()));
            }
            round.refs.clone()
        };
        let tags = refs.iter().filter(|(_, found)| found.commit() == commit.0);
        let tags: Vec<String> = tags
            .filter_map(|(name, _)| name.strip_prefix("refs/tags/"))
            .map(str::to_owned)
            .collect();
        Some(tags.into())
    }
}

/// How many refs to ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// Those that the targets need.
    Targets,
    /// All branches and tags.
    Everything,
}

impl Round {
    fn choose(&self, target: &Target) -> Result<ObjectId, Cause> {
        if self.empty {
            return Err(Cause::Empty);
        }
        answer::choose(target, &self.refs)
    }
}

impl Access {
    fn open(repository: &Repository, shared: &Shared) -> Result<Self, Cause> {
        let host = match repository.address().map_err(Cause::Address)? {
            Address::Http(url) => url.host_str().unwrap_or_default().to_owned(),
            Address::Ssh { host, .. } => host,
            Address::Local(_) => String::new(),
        };
        let transport = Transport::open(repository, &shared.options, &shared.clients)?;
        Ok(Self {
            repository: repository.clone(),
            transport,
            host,
        })
    }
}
