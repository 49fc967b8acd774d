//! One comparison on its way: object by object, then what is extra.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use driftless_api::Application;
use driftless_api::application::{Condition, SyncStatusCode};
use driftless_core::{GroupKind, ResourceKey};
use driftless_engine::annotation::{Annotations, HookType};
use driftless_engine::diff::{self};
use driftless_engine::health::{self};
use driftless_engine::sync::Governor;
use driftless_engine::sync::progress::images;
use driftless_kube::Live;
use driftless_kube::live::{Digests, LiveObject, Lookup};
use driftless_manifest::Object;
use driftless_rollout::version::Input;

use super::Comparison;
use super::status::{ObjectStatus, base, wants_confirmation};
use crate::Metrics;
use crate::config::Config;
use crate::desired::DesiredObject;
use crate::gate::ProjectGate;
use crate::handover::{Course, Governance, Release, Standing};
use crate::network::external_urls;
use crate::prediction::{Asks, Question};

pub(super) struct Pass<'a, 'p> {
    pub(super) app: &'a Application,
    pub(super) ignore: Vec<diff::IgnoreRule>,
    pub(super) live: &'a Live,
    pub(super) config: Arc<Config>,
    pub(super) instance: &'a str,
    pub(super) previous: Option<&'a Comparison>,
    pub(super) problems: Vec<String>,
    pub(super) objects: BTreeMap<ResourceKey, ObjectStatus>,
    pub(super) shared: Vec<Condition>,
    /// What the API server is asked about.
    pub(super) asks: Asks,
    pub(super) questions: Vec<Question<'p>>,
    /// The last comparison under the same rules, whatever the revision was.
    pub(super) known: Option<&'a Comparison>,
    pub(super) metrics: &'a Metrics,
    /// The kinds of which the Application has or had objects.
    pub(super) kinds: BTreeSet<GroupKind>,
    pub(super) governance: Governance,
    pub(super) gate: ProjectGate,
    /// The rollouts that were read in this pass; `None` for one that is not there.
    pub(super) rollouts: HashMap<ResourceKey, Option<Standing>>,
}

impl<'p> Pass<'_, 'p> {
    pub(super) fn compare_desired(&mut self, one: &'p DesiredObject) {
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
    pub(super) fn concerned(&self) -> BTreeSet<GroupKind> {
        let mut kinds = self.kinds.clone();
        for key in self.objects.keys() {
            kinds.insert(key.group_kind());
        }
        kinds
    }

    /// Adds what the cluster has and Git has not.
    pub(super) fn add_extra(&mut self) {
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

pub(super) fn find<'a>(comparison: &'a Comparison, key: &ResourceKey) -> Option<&'a ObjectStatus> {
    let objects = &comparison.objects;
    let index = objects.binary_search_by(|one| one.key.cmp(key)).ok()?;
    objects.get(index)
}

/// Parses a live object; `None` when only its metadata is kept.
pub(crate) fn parse(live: &LiveObject) -> Option<Object> {
    live.parse()
}
