//! Git beside the cluster, object by object (argocd-contract §4).
//!
//! A comparison is kept per Application and reused as far as nothing changed: the whole of it when the rendered set,
//! the spec and the cluster are the same, each object's verdict when its two sides are. What cannot be read makes the
//! comparison [`Comparison::complete`]` == false` and the status `Unknown`; nothing is pruned on its account.

mod orphans;
mod pass;
mod status;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_api::application::{Condition, ConditionType, SyncStatusCode};
use driftless_core::{AppKey, GroupKind, ResourceKey};
use driftless_engine::annotation::COMPARE_OPTIONS;
use driftless_engine::diff::IgnoreRule;
use driftless_engine::health::{self, Health};
use driftless_kube::live::Readiness;
use driftless_kube::{Cluster, Wanted};
use driftless_source::render::SetDigest;

use crate::AppState;
use crate::desired::{Desired, Prepared};
use crate::handover::Governance;
use crate::target::Target;

pub(crate) use self::pass::parse;
use self::pass::{Pass, find};
pub use self::status::ObjectStatus;

/// How long a pass waits for the cluster's objects to be loaded.
const LOAD_LIMIT: Duration = Duration::from_secs(20);

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

/// Says why the objects of a cluster are not known.
pub fn not_settled(cluster: &Cluster, readiness: Readiness) -> String {
    let url = cluster.url();
    match readiness {
        Readiness::Unreachable => format!("cluster {url} is unreachable"),
        _ => format!("the objects of cluster {url} are still being loaded"),
    }
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
