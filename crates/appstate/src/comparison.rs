//! Git beside the cluster, object by object (argocd-contract §4).
//!
//! A comparison is kept per Application and reused as far as nothing changed: the whole of it when the rendered set,
//! the spec and the cluster are the same, each object's verdict when its two sides are. What cannot be read makes the
//! comparison [`Comparison::complete`]` == false` and the status `Unknown`; nothing is pruned on its account.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_api::application::{Condition, ConditionType, SyncStatusCode};
use driftless_core::{AppKey, GroupKind, GroupVersionKind, ResourceKey};
use driftless_engine::annotation::{Annotations, COMPARE_OPTIONS, HookType};
use driftless_engine::diff::{self, IgnoreRule};
use driftless_engine::health::{self, Health};
use driftless_engine::sync::Governor;
use driftless_engine::sync::option::Guard;
use driftless_engine::sync::progress::images;
use driftless_kube::live::{Digests, LiveObject, Lookup, Readiness};
use driftless_kube::{Cluster, Live, Wanted};
use driftless_manifest::Object;
use driftless_rollout::version::Input;
use driftless_source::render::SetDigest;

use crate::config::Config;
use crate::desired::{Desired, DesiredObject, Prepared};
use crate::gate::ProjectGate;
use crate::handover::{Course, Governance, Release, Standing};
use crate::network::external_urls;
use crate::prediction::{Asks, Question};
use crate::target::Target;
use crate::{AppState, Metrics};

/// How long a pass waits for the cluster's objects to be loaded.
const LOAD_LIMIT: Duration = Duration::from_secs(20);

/// One object of an Application.
#[derive(Clone, Debug)]
pub struct ObjectStatus {
    /// Identity.
    pub key: ResourceKey,
    /// Kind at the version Git (or else the cluster) uses.
    pub gvk: GroupVersionKind,
    /// The verdict; `None` for objects that are not compared (hooks).
    pub status: Option<SyncStatusCode>,
    /// Whether it is in the cluster.
    pub is_live: bool,
    /// Whether it is in Git.
    pub is_desired: bool,
    /// Whether it is to be deleted.
    pub requires_pruning: bool,
    /// Whether it is extra and may be so (`IgnoreExtraneous`): the Application is not out of sync because of it.
    pub may_be_extra: bool,
    /// Whether its annotations want somebody to confirm its deletion.
    pub wants_confirmation: bool,
    /// Whether it is a hook.
    pub hook: bool,
    /// Whether Git says that it runs before (`.0`) or after (`.1`) the Application's objects are deleted.
    pub deletion_hook: (bool, bool),
    /// Its wave.
    pub wave: i32,
    /// Whether it is left out of the Application's health.
    pub ignore_health: bool,
    /// How it is.
    pub health: Option<Health>,
    /// Images it runs.
    pub images: Vec<String>,
    /// Addresses at which people reach it.
    pub external_urls: Vec<String>,
    /// Which fields differ, bounded, for logs and the API.
    pub differing: Vec<String>,
    /// What to tell when the live object belongs to another Application.
    shared: Option<String>,
    /// The rollout that moves it from version to version, and what has become of the desired one.
    pub release: Option<Release>,
    /// Whether it is not as what serves instead of a version that is kept out.
    drifted: bool,
    /// The two sides the verdict is about.
    sides: (Option<u64>, Option<Digests>),
}

/// The outcome for one Application.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// What the sources said.
    pub desired: Desired,
    /// Objects, sorted by key.
    pub objects: Vec<ObjectStatus>,
    /// The verdict.
    pub status: SyncStatusCode,
    /// The Application's health.
    pub health: Health,
    /// Things to tell.
    pub conditions: Vec<Condition>,
    /// Whether everything could be read.
    pub complete: bool,
    fingerprint: Fingerprint,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Fingerprint {
    digests: Vec<SetDigest>,
    spec: u64,
}

/// Whether the cluster may have changed since the last comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LiveState {
    /// No change was seen.
    Unchanged,
    /// Something changed, or nobody knows.
    MayHaveChanged,
}

impl Comparison {
    /// Returns the objects that make the Application out of sync.
    pub fn differing(&self) -> impl Iterator<Item = &ObjectStatus> {
        self.objects
            .iter()
            .filter(|object| object.status == Some(SyncStatusCode::OutOfSync))
            .filter(|object| !object.may_be_extra)
    }

    /// Says whether nothing but versions that rollouts keep out makes the Application out of sync.
    pub fn is_held_by_rollouts(&self) -> bool {
        let mut differing = self.differing().peekable();
        differing.peek().is_some() && differing.all(ObjectStatus::is_quarantined)
    }

    /// Says whether Git has no object left although some are in the cluster.
    pub fn wipes_out(&self) -> bool {
        let compared = || self.objects.iter().filter(|object| !object.hook);
        compared().next().is_some() && compared().all(|object| object.requires_pruning)
    }

    /// Says whether Git has hooks that run before, and hooks that run after the Application's objects are deleted.
    pub fn deletion_hooks(&self) -> (bool, bool) {
        self.objects.iter().fold((false, false), |known, one| {
            (
                known.0 || one.deletion_hook.0,
                known.1 || one.deletion_hook.1,
            )
        })
    }

    /// Says whether an object was found in sync with these very sources.
    pub fn is_synced(&self, key: &ResourceKey, desired: &Desired) -> bool {
        desired.local.is_none()
            && self.fingerprint.digests == desired.digests()
            && self
                .objects
                .binary_search_by(|one| one.key.cmp(key))
                .ok()
                .and_then(|index| self.objects.get(index))
                .is_some_and(|one| one.status == Some(SyncStatusCode::Synced))
    }

    /// Returns what is known of an object.
    pub fn object(&self, key: &ResourceKey) -> Option<&ObjectStatus> {
        find(self, key)
    }

    /// Returns the images of all objects, sorted, each once.
    pub fn images(&self) -> Vec<String> {
        let mut images: Vec<String> = self
            .objects
            .iter()
            .flat_map(|object| object.images.iter().cloned())
            .collect();
        images.sort();
        images.dedup();
        images
    }

    /// Returns the addresses of all objects, sorted, each once.
    pub fn external_urls(&self) -> Vec<String> {
        let mut urls: Vec<String> = self
            .objects
            .iter()
            .flat_map(|object| object.external_urls.iter().cloned())
            .collect();
        urls.sort();
        urls.dedup();
        urls
    }
}

impl AppState {
    /// Compares what the sources said with the cluster, and remembers the outcome.
    pub async fn compare(
        &self,
        app: &Application,
        target: &Target,
        desired: Desired,
        live: LiveState,
    ) -> Result<Arc<Comparison>, crate::desired::Failure> {
        let key = app.key();
        let fingerprint = Fingerprint {
            digests: desired.digests(),
            spec: self.spec_hash(app, target),
        };
        let previous = self.last_comparison(&key);
        if let Some(previous) = &previous
            && live == LiveState::Unchanged
            && previous.complete
            && previous.fingerprint == fingerprint
        {
            let mut same = Comparison::clone(previous);
            same.conditions
                .retain(|condition| condition.kind != ConditionType::ComparisonError);
            same.conditions.extend(
                desired
                    .warnings
                    .iter()
                    .filter(|one| one.kind == ConditionType::ComparisonError)
                    .cloned(),
            );
            same.desired = desired;
            return Ok(self.remember(key, same));
        }
        let reusable = previous.filter(|previous| previous.fingerprint.spec == fingerprint.spec);
        let prepared = self.prepare(&key, target, &desired)?;
        let comparison = self
            .compare_with(app, target, desired, prepared, fingerprint, reusable)
            .await;
        Ok(self.remember(key, comparison))
    }

    /// Compares other revisions than the tracked ones with the cluster, without remembering the outcome.
    pub async fn compare_aside(
        &self,
        app: &Application,
        target: &Target,
        desired: Desired,
    ) -> Result<Arc<Comparison>, crate::desired::Failure> {
        let fingerprint = Fingerprint {
            digests: desired.digests(),
            spec: self.spec_hash(app, target),
        };
        let prepared = self.prepare(&app.key(), target, &desired)?;
        Ok(Arc::new(
            self.compare_with(app, target, desired, prepared, fingerprint, None)
                .await,
        ))
    }

    fn remember(&self, key: AppKey, comparison: Comparison) -> Arc<Comparison> {
        let comparison = Arc::new(comparison);
        self.comparisons
            .write()
            .insert(key, Arc::clone(&comparison));
        comparison
    }

    async fn compare_with(
        &self,
        app: &Application,
        target: &Target,
        desired: Desired,
        prepared: Arc<Prepared>,
        fingerprint: Fingerprint,
        previous: Option<Arc<Comparison>>,
    ) -> Comparison {
        let instance = self.instance(&app.key());
        let live = target.cluster.live();
        let kinds = self.kinds_of(app);
        live.want(&instance, wanted(&prepared, kinds.clone()));
        let readiness = live.settled(&instance, LOAD_LIMIT).await;
        let config = self.config();
        let (ignore, warnings) = config.ignore_rules(app);
        let known = self.last_comparison(&app.key());
        let mut pass = Pass {
            app,
            asks: config.asks(app),
            ignore,
            live,
            config,
            instance: &instance,
            previous: previous.as_deref(),
            questions: Vec::new(),
            known: known
                .as_deref()
                .filter(|known| known.fingerprint.spec == fingerprint.spec),
            metrics: &self.metrics,
            problems: Vec::new(),
            objects: BTreeMap::new(),
            shared: warnings,
            kinds,
            governance: Governance::of(&prepared.objects, &self.config().tracking),
            gate: self.gate(app, &target.cluster),
            rollouts: HashMap::new(),
        };
        if readiness != Readiness::Settled {
            pass.problems.push(not_settled(&target.cluster, readiness));
        }
        for one in &prepared.objects {
            pass.compare_desired(one);
        }
        pass.add_extra();
        let Pass {
            ignore,
            mut problems,
            mut objects,
            shared,
            config,
            questions,
            ..
        } = pass;
        let cx = config.diff_ctx(&ignore);
        self.compare_held(&target.cluster, &prepared, &mut objects, &cx, &mut problems)
            .await;
        for (key, verdict) in self.ask(&target.cluster, questions, &cx).await {
            if let Some(status) = objects.get_mut(&key) {
                status.take(&verdict);
            }
        }
        let objects: Vec<ObjectStatus> = objects.into_values().collect();
        let complete = problems.is_empty();
        let mut conditions = desired.warnings.clone();
        conditions.extend(prepared.warnings.iter().cloned());
        conditions.extend(shared);
        conditions.extend(shared_warnings(&objects));
        conditions.extend(quarantines(&objects));
        conditions.extend(self.orphan_warning(target));
        let troubles = ignore.iter().flat_map(IgnoreRule::troubles);
        conditions.extend(troubles.map(|text| crate::config::warning(text.to_owned())));
        for problem in problems {
            conditions.push(Condition::new(ConditionType::ComparisonError, problem));
        }
        let health = aggregate(&objects);
        Comparison {
            status: overall(&objects, complete),
            desired,
            objects,
            health,
            conditions,
            complete,
            fingerprint,
        }
    }

    /// Returns the objects of the destination namespace that belong to no Application, where the project asks for them.
    pub(crate) fn orphans(&self, target: &Target) -> Vec<Arc<LiveObject>> {
        let Some(rules) = target.rules.orphans() else {
            return Vec::new();
        };
        let namespace = target.namespace.as_str();
        if namespace.is_empty() {
            return Vec::new();
        }
        let mut found = target.cluster.live().in_namespace(namespace);
        found.retain(|object| {
            let is_ours = |instance: &Arc<str>| self.app_of_instance(instance).is_some();
            object.owners.is_empty()
                && !object.instance.as_ref().is_some_and(is_ours)
                && rules.count(&object.key)
        });
        found
    }

    /// Returns how many such objects there are; `None` where the project does not ask for them.
    pub fn orphan_count(&self, target: &Target) -> Option<usize> {
        target.rules.orphans()?;
        Some(self.orphans(target).len())
    }

    fn orphan_warning(&self, target: &Target) -> Option<Condition> {
        let count = self.orphans(target).len();
        let warns = target.rules.orphans().is_some_and(|rules| rules.warns);
        (warns && count > 0).then(|| {
            let message = format!("Application has {count} orphaned resources");
            Condition::new(ConditionType::OrphanedResourceWarning, message)
        })
    }

    /// Hashes everything besides sources and cluster that a verdict depends on.
    fn spec_hash(&self, app: &Application, target: &Target) -> u64 {
        let mut hash = DefaultHasher::new();
        let text = |value: serde_json::Result<String>| value.unwrap_or_default();
        text(serde_json::to_string(&app.spec.ignore_differences)).hash(&mut hash);
        text(serde_json::to_string(app.spec.sync_options())).hash(&mut hash);
        target.cluster.url().hash(&mut hash);
        target.namespace.hash(&mut hash);
        app.spec.project().hash(&mut hash);
        app.metadata.annotation(COMPARE_OPTIONS).hash(&mut hash);
        self.config().digest.hash(&mut hash);
        hash.finish()
    }
}

fn shared_warnings(objects: &[ObjectStatus]) -> impl Iterator<Item = Condition> {
    let messages = objects.iter().filter_map(|one| one.shared.clone());
    messages.map(|message| Condition::new(ConditionType::SharedResourceWarning, message))
}

/// Tells which versions rollouts keep out.
fn quarantines(objects: &[ObjectStatus]) -> impl Iterator<Item = Condition> {
    let releases = objects.iter();
    releases.filter_map(|one| one.release.as_ref()?.quarantine(&one.key))
}

fn aggregate(objects: &[ObjectStatus]) -> Health {
    let items: Vec<health::Item> = objects
        .iter()
        .filter(|one| !one.requires_pruning)
        .map(|one| health::Item {
            key: one.key.clone(),
            health: match (&one.health, one.is_live) {
                (_, false) => health::ItemHealth::Missing,
                (Some(health), true) => health::ItemHealth::Known(health.clone()),
                (None, true) => health::ItemHealth::None,
            },
            ignored: one.hook || one.ignore_health,
        })
        .collect();
    health::aggregate(&items)
}

struct Pass<'a, 'p> {
    app: &'a Application,
    ignore: Vec<diff::IgnoreRule>,
    live: &'a Live,
    config: Arc<Config>,
    instance: &'a str,
    previous: Option<&'a Comparison>,
    problems: Vec<String>,
    objects: BTreeMap<ResourceKey, ObjectStatus>,
    shared: Vec<Condition>,
    /// What the API server is asked about.
    asks: Asks,
    questions: Vec<Question<'p>>,
    /// The last comparison under the same rules, whatever the revision was.
    known: Option<&'a Comparison>,
    metrics: &'a Metrics,
    /// The kinds of which the Application has or had objects.
    kinds: BTreeSet<GroupKind>,
    governance: Governance,
    gate: ProjectGate,
    /// The rollouts that were read in this pass; `None` for one that is not there.
    rollouts: HashMap<ResourceKey, Option<Standing>>,
}

impl<'p> Pass<'_, 'p> {
    fn compare_desired(&mut self, one: &'p DesiredObject) {
        let live = match self.live.lookup(&one.key) {
            Lookup::Found(live) => Some(live),
            Lookup::Missing | Lookup::UnknownKind => None,
            Lookup::NotLoaded => {
                self.problems.push(format!("{} is not loaded yet", one.key));
                None
            }
            Lookup::Unreadable(why) => {
                self.problems
                    .push(format!("{} cannot be read: {}", one.key, why.reason));
                why.last
            }
        };
        let sides = (
            Some(one.fingerprint),
            live.as_ref().map(|live| live.digests),
        );
        let release = self.release(&one.key);
        if let Some(known) = self.reuse(&one.key, sides, release.as_ref()) {
            self.objects.insert(one.key.clone(), known);
            return;
        }
        let annotations = Annotations::of(&one.object);
        let mut status = base(&one.key, one.object.gvk(), &annotations, sides);
        status.is_desired = true;
        status.release = release;
        let types = annotations.hook.types();
        status.deletion_hook = (
            types.contains(&HookType::PreDelete),
            types.contains(&HookType::PostDelete),
        );
        status.is_live = live.is_some();
        status.images = images(&one.object);
        let parsed = live.as_deref().and_then(parse);
        status.wants_confirmation |= parsed
            .as_ref()
            .is_some_and(|live| wants_confirmation(&Annotations::of(live)));
        status.health = parsed
            .as_ref()
            .and_then(|live| health::assess(live, &*self.config));
        status.external_urls = parsed.as_ref().map(external_urls).unwrap_or_default();
        if !annotations.hook.is_hook() {
            status.shared = self.shared_with(one, parsed.as_ref());
            match self.verdict_of(&one.key, sides, status.release.as_ref()) {
                // Only its status changed, which the verdict does not depend on.
                Some(known) => {
                    status.status.clone_from(&known.status);
                    status.differing.clone_from(&known.differing);
                }
                None => self.judge(one, parsed, &mut status),
            }
        }
        self.objects.insert(one.key.clone(), status);
    }

    /// Returns the rollout that moves an object, and what it says.
    fn release(&mut self, key: &ResourceKey) -> Option<Release> {
        if let Some(governor) = self.governance.governor(key).cloned() {
            let course = match self.standing(&governor.rollout) {
                Some(standing) => standing.course(&key.name, &governor),
                None => Course::New,
            };
            return Some(Release { governor, course });
        }
        // A route or a Service belongs to the rollout while traffic is on the move, and to Git at all other times.
        let rollout = self.governance.mover(key)?.clone();
        self.standing(&rollout)?.is_moving().then(|| Release {
            governor: Governor {
                rollout,
                version: String::new(),
                object: String::new(),
            },
            course: Course::Moving,
        })
    }

    /// Returns what a live rollout says; `None` when it is not there.
    fn standing(&mut self, rollout: &ResourceKey) -> Option<&Standing> {
        let live = self.live;
        self.rollouts
            .entry(rollout.clone())
            .or_insert_with(|| match live.lookup(rollout) {
                // What cannot be read is told where the rollout itself is compared.
                Lookup::Found(found) => parse(&found).as_ref().map(Standing::read),
                Lookup::Unreadable(why) => {
                    let last = why.last.as_deref().and_then(parse);
                    last.as_ref().map(Standing::read)
                }
                Lookup::Missing | Lookup::UnknownKind | Lookup::NotLoaded => None,
            })
            .as_ref()
    }

    /// Returns an earlier verdict about an object whose sides are the same but for the live one's status.
    fn verdict_of(
        &self,
        key: &ResourceKey,
        sides: (Option<u64>, Option<Digests>),
        release: Option<&Release>,
    ) -> Option<&ObjectStatus> {
        if self.config.ignore_status != diff::IgnoreStatus::All {
            return None;
        }
        find(self.previous?, key)
            .filter(|known| known.status.is_some() && known.is_about(sides))
            .filter(|known| known.release.as_ref() == release)
    }

    /// Says which other Application the live object belongs to.
    fn shared_with(&self, one: &DesiredObject, live: Option<&Object>) -> Option<String> {
        let tracking = &self.config.tracking;
        let sharers = tracking.sharers(live?, self.instance, &self.app.key())?;
        let (kind, name) = (&one.key.kind, &one.key.name);
        Some(format!("{kind}/{name} is part of applications {sharers}"))
    }

    fn judge(&mut self, one: &'p DesiredObject, live: Option<Object>, status: &mut ObjectStatus) {
        let Some(live) = live else {
            status.status = Some(SyncStatusCode::OutOfSync);
            return;
        };
        // While a rollout moves the object, it owns what it moves.
        let course = status.release.as_ref().map(|release| &release.course);
        if course.is_some_and(|course| *course != Course::Settled) {
            let difference = status.release.as_ref().and_then(Release::difference);
            status.status = Some(match difference {
                Some(_) => SyncStatusCode::OutOfSync,
                None => SyncStatusCode::Synced,
            });
            status.differing = difference.into_iter().collect();
            return;
        }
        self.metrics.comparisons.inc();
        let known = self.known.and_then(|known| find(known, &one.key));
        if known.is_some_and(|known| known.status.is_some() && known.sides == status.sides) {
            self.metrics.needless.inc();
        }
        let cx = self.config.diff_ctx(&self.ignore);
        let outcome = diff::compare(&one.object, &live, &cx);
        status.take(&outcome);
        if self.asks.about(&one.object, &outcome) {
            self.questions.push(Question {
                desired: one,
                live,
                local: outcome,
                asks: self.asks,
            });
        }
    }

    /// Returns the kinds of which the Application has, had or wants objects.
    fn concerned(&self) -> BTreeSet<GroupKind> {
        let mut kinds = self.kinds.clone();
        for key in self.objects.keys() {
            kinds.insert(key.group_kind());
        }
        kinds
    }

    /// Adds what the cluster has and Git has not.
    fn add_extra(&mut self) {
        let tracked = self.live.tracked(self.instance);
        let is_whole = tracked.unreadable.is_empty() && tracked.loading.is_empty();
        let concerned = if is_whole {
            BTreeSet::new()
        } else {
            self.concerned()
        };
        // A kind that the Application has nothing to do with may be unreadable for ever (rights, a broken
        // aggregated API): no object of it is missed, so none is pruned or reported by mistake.
        let mut unreadable = tracked.unreadable;
        unreadable.retain(|(kind, _)| concerned.contains(kind));
        for (kind, reason) in &unreadable {
            self.problems
                .push(format!("objects of kind {kind} cannot be read: {reason}"));
        }
        let mut loading = tracked.loading;
        // Without a name: no kind of the cluster is known yet.
        loading.retain(|kind| kind.kind.is_empty() || concerned.contains(kind));
        for kind in &loading {
            self.problems
                .push(format!("objects of kind {kind} are still being loaded"));
        }
        let in_use = self.governance.inputs_in_use(self.live);
        for live in tracked.objects {
            // What the project does not permit is none of the Application's business.
            if self.objects.contains_key(&live.key) || self.gate.check(&live.key).is_err() {
                continue;
            }
            let sides = (None, Some(live.digests));
            // Whether a version uses it depends on more than itself.
            let is_input = Input::of(&live.key.group, &live.key.kind).is_some();
            let known = self.reuse(&live.key, sides, None).filter(|_| !is_input);
            let status = match known {
                Some(known) => known,
                None => match parse(&live) {
                    Some(object) => {
                        let mut extra = self.extra(&live, &object, sides);
                        if in_use.contains(&live.key) {
                            extra.keep();
                        }
                        extra
                    }
                    None => {
                        self.problems
                            .push(format!("{} is not loaded yet", live.key));
                        continue;
                    }
                },
            };
            self.objects.insert(live.key.clone(), status);
        }
    }

    fn extra(
        &self,
        live: &LiveObject,
        object: &Object,
        sides: (Option<u64>, Option<Digests>),
    ) -> ObjectStatus {
        let annotations = Annotations::of(object);
        let mut status = base(&live.key, live.gvk(), &annotations, sides);
        status.is_live = true;
        status.health = health::assess(object, &*self.config);
        status.images = images(object);
        status.external_urls = external_urls(object);
        let is_namespace = &*live.key.kind == "Namespace"
            && live.key.group.is_empty()
            && *live.key.name == *self.app.spec.destination.namespace;
        // What other objects own (copied annotations) and the destination namespace are not extra.
        if annotations.hook.is_hook() || !live.owners.is_empty() || is_namespace {
            status.hook |= annotations.hook.is_hook();
        } else {
            status.status = Some(SyncStatusCode::OutOfSync);
            status.requires_pruning = true;
            status.may_be_extra = annotations.compare.ignore_extraneous;
        }
        status
    }

    fn reuse(
        &self,
        key: &ResourceKey,
        sides: (Option<u64>, Option<Digests>),
        release: Option<&Release>,
    ) -> Option<ObjectStatus> {
        find(self.previous?, key)
            .filter(|one| one.sides == sides && one.release.as_ref() == release)
            .cloned()
    }
}

fn find<'a>(comparison: &'a Comparison, key: &ResourceKey) -> Option<&'a ObjectStatus> {
    let objects = &comparison.objects;
    let index = objects.binary_search_by(|one| one.key.cmp(key)).ok()?;
    objects.get(index)
}

impl ObjectStatus {
    /// Says whether it runs another version than Git says because the rollout keeps that one out, and is otherwise as it
    /// should be.
    pub fn is_quarantined(&self) -> bool {
        let course = self.release.as_ref().map(|release| &release.course);
        self.is_live && matches!(course, Some(Course::Quarantined(_))) && !self.drifted
    }

    /// Takes over how it compares with what serves instead of a version that is kept out.
    pub(crate) fn take_held(&mut self, verdict: &diff::Comparison) {
        self.drifted = verdict.is_modified();
        let kept_out = self.release.as_ref().and_then(Release::difference);
        let differences = verdict.differences.iter().map(ToString::to_string);
        self.differing = kept_out.into_iter().chain(differences).collect();
    }

    /// Leaves it there although Git does not have it: pods of a rollout's target use it.
    fn keep(&mut self) {
        if self.requires_pruning {
            self.requires_pruning = false;
            self.status = Some(SyncStatusCode::Synced);
        }
    }

    /// Takes over a verdict.
    fn take(&mut self, verdict: &diff::Comparison) {
        let differences = verdict.differences.iter();
        self.differing = differences.map(ToString::to_string).collect();
        self.status = Some(if verdict.is_modified() {
            SyncStatusCode::OutOfSync
        } else {
            SyncStatusCode::Synced
        });
    }

    /// Says whether the verdict is about these sides, the live one's status apart.
    pub(crate) fn is_about(&self, sides: (Option<u64>, Option<Digests>)) -> bool {
        let content = |side: Option<Digests>| side.map(|digests| digests.content);
        self.sides.0 == sides.0 && content(self.sides.1) == content(sides.1)
    }
}

/// Says whether an object's annotations want somebody to confirm its deletion.
fn wants_confirmation(annotations: &Annotations) -> bool {
    let options = &annotations.options;
    options.prune == Guard::Confirm || options.delete == Guard::Confirm
}

fn base(
    key: &ResourceKey,
    gvk: GroupVersionKind,
    annotations: &Annotations,
    sides: (Option<u64>, Option<Digests>),
) -> ObjectStatus {
    ObjectStatus {
        key: key.clone(),
        gvk,
        status: None,
        is_live: false,
        is_desired: false,
        requires_pruning: false,
        may_be_extra: false,
        wants_confirmation: wants_confirmation(annotations),
        hook: annotations.hook.is_hook(),
        deletion_hook: (false, false),
        wave: annotations.wave,
        ignore_health: annotations.ignore_healthcheck,
        health: None,
        images: Vec::new(),
        external_urls: Vec::new(),
        differing: Vec::new(),
        shared: None,
        release: None,
        drifted: false,
        sides,
    }
}

/// Says why the objects of a cluster are not known.
pub fn not_settled(cluster: &Cluster, readiness: Readiness) -> String {
    let url = cluster.url();
    match readiness {
        Readiness::Unreachable => format!("cluster {url} is unreachable"),
        _ => format!("the objects of cluster {url} are still being loaded"),
    }
}

/// Parses a live object; `None` when only its metadata is kept.
pub(crate) fn parse(live: &LiveObject) -> Option<Object> {
    live.parse()
}

/// The objects that Git names: the live state looks for them wherever they are.
fn wanted(prepared: &Prepared, kinds: BTreeSet<GroupKind>) -> Wanted {
    let named = prepared
        .objects
        .iter()
        .filter(|one| !one.key.name.is_empty());
    Wanted {
        objects: named
            .map(|one| (one.object.gvk(), one.key.clone()))
            .collect(),
        kinds,
    }
}

/// The sync status of all objects together; what is not complete is unknown.
fn overall(objects: &[ObjectStatus], complete: bool) -> SyncStatusCode {
    let counted = || objects.iter().filter(|one| !one.may_be_extra);
    let any = |code: SyncStatusCode| counted().any(|one| one.status.as_ref() == Some(&code));
    if !complete || any(SyncStatusCode::Unknown) {
        SyncStatusCode::Unknown
    } else if any(SyncStatusCode::OutOfSync) {
        SyncStatusCode::OutOfSync
    } else {
        SyncStatusCode::Synced
    }
}
