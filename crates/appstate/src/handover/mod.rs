//! Which objects a ModelRollout moves from version to version, and how far it says that it is.
//!
//! A sync does not change such an object itself (see `driftless_api::rollout::handover`): it names the desired version and
//! leaves the transition to the rollout. What Git says decides what is governed ([`Governance`]); the live rollout says
//! what has become of a version ([`Standing`], [`Course`]).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use driftless_api::ModelRollout;
use driftless_api::application::{Condition, ConditionType};
use driftless_api::rollout::handover::{WANTED, Wanted};
use driftless_api::rollout::status::{Quarantined, TargetStatus};
use driftless_api::rollout::strategy::RouteRef;
use driftless_api::rollout::{Strategy, TargetRef, TargetSelector, validate};
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_engine::annotation::Annotations;
use driftless_engine::sync::Governor;
use driftless_engine::tracking::Tracking;
use driftless_kube::Live;
use driftless_kube::live::{LiveObject, Lookup};
use driftless_manifest::Object;
use driftless_rollout::version;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::desired::DesiredObject;

/// Length of a version's name.
const VERSION_LENGTH: usize = 10;

/// Phases in which a rollout moves fields of its target.
const MOVING: [&str; 4] = ["Progressing", "Paused", "Held", "RollingBack"];

/// Says whether an object is a ModelRollout.
pub fn is_rollout(object: &Object) -> bool {
    object.is(ModelRollout::GROUP, ModelRollout::KIND)
}

/// Which of the desired objects a rollout governs.
#[derive(Clone, Debug, Default)]
pub struct Governance {
    governed: HashMap<ResourceKey, Governor>,
    refusals: HashMap<ResourceKey, String>,
    targets: BTreeMap<ResourceKey, Vec<String>>,
    /// Routes and Services that a rollout changes while it moves traffic.
    moved: HashMap<ResourceKey, ResourceKey>,
}

impl Governance {
    /// Finds the rollouts among the desired objects, and their targets.
    pub fn of(objects: &[DesiredObject], tracking: &Tracking) -> Self {
        let is_hook = |one: &DesiredObject| Annotations::of(&one.object).hook.is_hook();
        let rollouts: Vec<Rollout<'_>> = objects
            .iter()
            .filter(|one| is_rollout(&one.object) && !is_hook(one))
            .map(Rollout::read)
            .collect();
        let mut governance = Self::default();
        if rollouts.is_empty() {
            return governance;
        }
        for rollout in &rollouts {
            governance.targets.insert(rollout.key.clone(), Vec::new());
            let moved = rollout.moves.iter().cloned();
            governance
                .moved
                .extend(moved.map(|key| (key, rollout.key.clone())));
            if let Some(problem) = &rollout.problem {
                let why = format!(
                    "ModelRollout {} is not valid: {problem}; correct it in Git",
                    rollout.key.name
                );
                governance.refusals.insert(rollout.key.clone(), why);
            }
        }
        for one in objects {
            let mut found = rollouts.iter().filter(|rollout| rollout.governs(one));
            let Some(rollout) = found.next() else {
                continue;
            };
            if is_hook(one) {
                continue;
            }
            let label = format!("{} {}", one.key.kind, one.key.name);
            let why = match (found.next(), &rollout.problem) {
                (Some(other), _) => Some(format!(
                    "{label} is the target of ModelRollouts {} and {}: leave one of them in Git",
                    rollout.key.name, other.key.name
                )),
                (None, Some(problem)) => Some(format!(
                    "{label} is left as it is because its ModelRollout {} is not valid: {problem}; correct it in Git",
                    rollout.key.name
                )),
                (None, None) => None,
            };
            if let Some(why) = why {
                governance.refusals.insert(one.key.clone(), why);
            }
            if let Some(names) = governance.targets.get_mut(rollout.key) {
                names.push(one.key.name.to_string());
            }
            let governor = Governor {
                rollout: rollout.key.clone(),
                version: version_of(&one.object, tracking),
                object: digest_of(&one.object, tracking),
            };
            governance.governed.insert(one.key.clone(), governor);
        }
        governance
    }

    /// Returns the rollout of an object, if it has one.
    pub fn governor(&self, key: &ResourceKey) -> Option<&Governor> {
        self.governed.get(key)
    }

    /// Returns the rollout that changes a route or a Service while it moves traffic.
    pub fn mover(&self, key: &ResourceKey) -> Option<&ResourceKey> {
        self.moved.get(key)
    }

    /// Returns the ConfigMaps, Secrets and claims that the pods of targets use as they are now: what Git does not have any more
    /// is kept until no version uses it.
    pub fn inputs_in_use(&self, live: &Live) -> HashSet<ResourceKey> {
        let mut in_use = HashSet::new();
        let mut keys: Vec<&ResourceKey> = self.governed.keys().collect();
        keys.sort();
        for key in keys {
            let found = match live.lookup(key) {
                Lookup::Found(found) => Some(found),
                Lookup::Unreadable(why) => why.last,
                Lookup::Missing | Lookup::UnknownKind | Lookup::NotLoaded => None,
            };
            let Some(object) = found.as_deref().and_then(LiveObject::parse) else {
                continue;
            };
            for (input, name) in version::inputs(&object.to_value()) {
                in_use.insert(ResourceKey::new("", input.kind(), &key.namespace, &name));
            }
        }
        in_use
    }

    /// Returns why an object must not be written.
    pub fn refusal(&self, key: &ResourceKey) -> Option<&str> {
        self.refusals.get(key).map(String::as_str)
    }

    /// Returns the names of a desired rollout's targets; `None` when Git has no such rollout.
    pub fn targets(&self, rollout: &ResourceKey) -> Option<&[String]> {
        self.targets.get(rollout).map(Vec::as_slice)
    }
}

/// Returns the targets of valid rollouts whose inputs are versioned, by place, with their rollout.
pub(crate) fn versioned(objects: &[DesiredObject]) -> Vec<(usize, ResourceKey)> {
    let is_hook = |one: &DesiredObject| Annotations::of(&one.object).hook.is_hook();
    let rollouts: Vec<Rollout<'_>> = objects
        .iter()
        .filter(|one| is_rollout(&one.object) && !is_hook(one))
        .map(Rollout::read)
        .filter(|rollout| rollout.problem.is_none() && rollout.versions_inputs)
        .collect();
    if rollouts.is_empty() {
        return Vec::new();
    }
    let places = objects.iter().enumerate();
    places
        .filter_map(|(index, one)| {
            let rollout = rollouts.iter().find(|rollout| rollout.governs(one))?;
            (!is_hook(one)).then(|| (index, rollout.key.clone()))
        })
        .collect()
}

/// A desired rollout, as far as it can be read.
struct Rollout<'a> {
    key: &'a ResourceKey,
    by_name: Option<TargetRef>,
    by_label: Option<TargetSelector>,
    /// Routes and Services that it names.
    moves: Vec<ResourceKey>,
    /// Whether what its targets use is versioned with them.
    versions_inputs: bool,
    problem: Option<String>,
}

impl<'a> Rollout<'a> {
    fn read(one: &'a DesiredObject) -> Self {
        // The target is read apart from the rest, so that a mistake elsewhere does not set it free.
        fn part<T: serde::de::DeserializeOwned>(object: &Object, name: &str) -> Option<T> {
            let value = object.at(&["spec", name])?;
            serde_json::from_value(value.clone()).ok()
        }
        let problem = match serde_json::from_value::<ModelRollout>(one.object.to_value()) {
            Err(error) => Some(error.to_string()),
            Ok(rollout) => {
                let problems = validate(&rollout.spec);
                let more = problems.len().saturating_sub(1);
                problems.first().map(|first| match more {
                    0 => first.to_string(),
                    more => format!("{first} (and {more} more)"),
                })
            }
        };
        Self {
            key: &one.key,
            by_name: part(&one.object, "targetRef"),
            by_label: part(&one.object, "selector"),
            moves: part(&one.object, "strategy")
                .map(|strategy| moves(&strategy, &one.key.namespace))
                .unwrap_or_default(),
            versions_inputs: part(&one.object, "versionedInputs").unwrap_or(true),
            problem,
        }
    }

    fn governs(&self, one: &DesiredObject) -> bool {
        let is_of = |api_version: &str, kind: &str| {
            let gvk = GroupVersionKind::from_api_version(api_version, kind);
            gvk.group == one.key.group && gvk.kind == one.key.kind
        };
        let named = |target: &TargetRef| {
            is_of(&target.api_version, &target.kind) && *target.name == *one.key.name
        };
        let selected = |selector: &TargetSelector| {
            is_of(&selector.api_version, &selector.kind) && selects(selector, &one.object)
        };
        one.key.namespace == self.key.namespace
            && (self.by_name.as_ref().is_some_and(named)
                || self.by_label.as_ref().is_some_and(selected))
    }
}

/// Returns the routes and Services that a strategy names.
fn moves(strategy: &Strategy, namespace: &str) -> Vec<ResourceKey> {
    let canary = strategy.canary.iter().map(|canary| {
        let services = [&canary.stable_service, &canary.canary_service];
        (services, &canary.traffic_routing)
    });
    let blue_green = strategy.blue_green.iter().map(|spec| {
        let services = [&spec.active_service, &spec.preview_service];
        (services, &spec.traffic_routing)
    });
    let mut keys = Vec::new();
    for (services, routing) in canary.chain(blue_green) {
        let services = services.into_iter().filter(|name| !name.is_empty());
        keys.extend(services.map(|name| ResourceKey::new("", "Service", namespace, name)));
        let Some(routing) = routing else {
            continue;
        };
        for (group, kind, route) in [
            (
                "gateway.networking.k8s.io",
                "HTTPRoute",
                &routing.http_route,
            ),
            (
                "networking.istio.io",
                "VirtualService",
                &routing.virtual_service,
            ),
        ] {
            let key = |route: &RouteRef| ResourceKey::new(group, kind, namespace, &route.name);
            keys.extend(route.as_ref().map(key));
        }
    }
    keys
}

fn selects(selector: &TargetSelector, object: &Object) -> bool {
    let equal = |(key, value): (&String, &String)| object.label(key) == Some(value.as_str());
    selector.match_labels.iter().all(equal)
        && selector.match_expressions.iter().all(|expression| {
            let value = object.label(&expression.key);
            let listed =
                value.is_some_and(|value| expression.values.iter().any(|one| one == value));
            match expression.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// Names the version of a desired object after what serves in it: the same content has the same name in every process,
/// whoever tracks it, whatever the number of pods is.
pub fn version_of(object: &Object, tracking: &Tracking) -> String {
    name_of(&version::serving(&unmarked(object, tracking)))
}

/// Names a whole desired object.
pub fn digest_of(object: &Object, tracking: &Tracking) -> String {
    name_of(&unmarked(object, tracking))
}

fn unmarked(object: &Object, tracking: &Tracking) -> Value {
    let mut object = object.clone();
    let keys: Vec<String> = tracking.keys().map(str::to_owned).collect();
    for key in &keys {
        object.remove_annotation(key);
        object.remove_label(key);
    }
    let mut map = object.into_map();
    map.remove("status");
    Value::Object(map)
}

pub(crate) fn name_of(value: &Value) -> String {
    let mut hash = Sha256::new();
    hash_value(value, &mut hash);
    let mut name = String::with_capacity(VERSION_LENGTH + 1);
    for byte in hash.finalize().iter().take(VERSION_LENGTH.div_ceil(2)) {
        let _ = write!(name, "{byte:02x}");
    }
    name.truncate(VERSION_LENGTH);
    name
}

/// Hashes a value with the fields of objects in order, and without empty maps of metadata that marks leave behind.
fn hash_value(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            hash.update(b"{");
            for (name, value) in fields {
                let is_empty_mark = matches!(name.as_str(), "annotations" | "labels")
                    && value.as_object().is_some_and(serde_json::Map::is_empty);
                if !is_empty_mark {
                    hash.update(Value::from(name.as_str()).to_string());
                    hash_value(value, hash);
                }
            }
            hash.update(b"}");
        }
        Value::Array(items) => {
            hash.update(b"[");
            for item in items {
                hash_value(item, hash);
                hash.update(b",");
            }
            hash.update(b"]");
        }
        scalar => hash.update(scalar.to_string()),
    }
}

/// What a live rollout was given and how far it is.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// What the sync handed over, by target.
    pub wanted: Wanted,
    targets: BTreeMap<String, TargetStatus>,
}

impl Standing {
    /// Reads a live rollout. An annotation that is no record is like none: it is written again.
    pub fn read(rollout: &Object) -> Self {
        let wanted = rollout
            .annotation(WANTED)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let targets = rollout
            .at(&["status", "targets"])
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|one| serde_json::from_value::<TargetStatus>(one.clone()).ok())
            .map(|one| (one.name.clone(), one))
            .collect();
        Self { wanted, targets }
    }

    /// Says whether traffic of some target is on the move.
    pub fn is_moving(&self) -> bool {
        self.targets.values().any(|target| {
            let is_beside =
                !target.canary_version.is_empty() && target.canary_version != target.stable_version;
            is_beside || MOVING.contains(&&*target.phase)
        })
    }

    /// Returns the version of a target that serves, when that is known.
    pub fn stable(&self, target: &str) -> Option<&str> {
        let status = self.targets.get(target)?;
        Some(status.stable_version.as_str()).filter(|version| !version.is_empty())
    }

    /// Returns the versions of a target whose objects may still be needed.
    pub fn in_use(&self, target: &str) -> Vec<&str> {
        let status = self.targets.get(target);
        let wanted = self.wanted.get(target).map(|one| one.version.as_str());
        let moving = status.map(|one| [one.stable_version.as_str(), &one.canary_version]);
        wanted
            .into_iter()
            .chain(moving.into_iter().flatten())
            .filter(|version| !version.is_empty())
            .collect()
    }

    /// Says what has become of the desired version of a target.
    pub fn course(&self, target: &str, desired: &Governor) -> Course {
        let version = desired.version.as_str();
        let wanted = self.wanted.get(target);
        let Some(wanted) = wanted.filter(|wanted| wanted.version == version) else {
            return Course::New;
        };
        let is_told = wanted.object.is_empty() || wanted.object == desired.object;
        let moving = if is_told { Course::Moving } else { Course::New };
        let Some(status) = self.targets.get(target) else {
            return moving;
        };
        let is_other = |other: &str| !other.is_empty() && other != status.stable_version;
        if is_other(&status.canary_version) || MOVING.contains(&&*status.phase) {
            return moving;
        }
        if status.stable_version == version {
            return Course::Settled;
        }
        let quarantined = status.quarantined.iter().find(|one| one.version == version);
        match quarantined {
            Some(entry) => Course::Quarantined(Box::new(Verdict {
                entry: entry.clone(),
                stable: status.stable_version.clone(),
            })),
            None => moving,
        }
    }
}

/// What has become of the desired version of an object that a rollout governs.
#[derive(Clone, PartialEq, Debug)]
pub enum Course {
    /// The rollout was not told of it yet, or not of all that changed beside what serves.
    New,
    /// The rollout works on it, or has yet to begin.
    Moving,
    /// It was judged bad and is not tried again.
    Quarantined(Box<Verdict>),
    /// It serves, and nothing is moved.
    Settled,
}

/// A version that was judged bad.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// What the rollout says about it.
    pub entry: Quarantined,
    /// The version that serves instead.
    pub stable: String,
}

/// An object's rollout and what has become of its desired version there.
#[derive(Clone, PartialEq, Debug)]
pub struct Release {
    /// The rollout, and the version.
    pub governor: Governor,
    /// What has become of it.
    pub course: Course,
}

impl Release {
    /// Says in one sentence that the version of an object is kept out, if it is.
    pub(crate) fn quarantine(&self, key: &ResourceKey) -> Option<Condition> {
        let Course::Quarantined(verdict) = &self.course else {
            return None;
        };
        let since = verdict
            .entry
            .at
            .map(|at| format!(" at {at}"))
            .unwrap_or_default();
        let serves = match verdict.stable.as_str() {
            "" => String::new(),
            stable => format!(", version {stable} serves"),
        };
        let message = format!(
            "version {} of {} {} was rolled back{since} and is quarantined ({}){serves}: commit another version, or run \
             action retry of ModelRollout {}",
            self.governor.version,
            key.kind,
            key.name,
            reason(&verdict.entry),
            self.governor.rollout.name
        );
        Some(Condition::new(
            ConditionType::QuarantinedVersionWarning,
            message,
        ))
    }

    /// Says why the object is not as Git wants it, where the rollout decides about that.
    pub(crate) fn difference(&self) -> Option<String> {
        let (version, rollout) = (&self.governor.version, &self.governor.rollout.name);
        match &self.course {
            Course::New => Some(format!(
                "version {version} is not handed over to ModelRollout {rollout} as Git has it now"
            )),
            Course::Quarantined(verdict) => Some(format!(
                "version {version} is quarantined by ModelRollout {rollout}: {}",
                reason(&verdict.entry)
            )),
            Course::Moving | Course::Settled => None,
        }
    }
}

/// Returns why a version is quarantined.
pub fn reason(entry: &Quarantined) -> &str {
    if entry.reason.is_empty() {
        "no reason given"
    } else {
        &entry.reason
    }
}

#[cfg(test)]
mod tests;
