//! The order of tasks: phase, wave, kind, name; and what must come earlier than its wave says.

use std::collections::{BTreeMap, BTreeSet};

use crate::sync::task::{Phase, Task};

/// Kinds in the order they are applied; any other kind comes after.
const KINDS: [&str; 34] = [
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
];

/// Returns the place of a kind in the order; kinds without one share the last.
pub fn kind_rank(kind: &str) -> usize {
    if kind == "APIService" {
        return KINDS.len();
    }
    KINDS
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(KINDS.len() + 1)
}

/// Sorts tasks and pulls namespaces, CustomResourceDefinitions and rollouts ahead of the first task that needs them.
pub(crate) fn sort(tasks: &mut Vec<Task>) {
    tasks.sort_by(|a, b| {
        let rank = |task: &Task| (task.phase, task.wave, kind_rank(&task.key.kind));
        rank(a)
            .cmp(&rank(b))
            .then_with(|| a.key.name.cmp(&b.key.name))
            .then_with(|| a.key.namespace.cmp(&b.key.namespace))
            .then_with(|| a.key.group.cmp(&b.key.group))
            .then_with(|| a.key.kind.cmp(&b.key.kind))
    });
    pull_ahead(tasks, provided_namespace, |task| {
        Some(task.key.namespace.to_string())
    });
    let rollout = |task: &Task| task.governor.as_ref().map(|one| one.rollout.to_string());
    pull_ahead(tasks, provided_rollout, rollout);
    pull_ahead(tasks, provided_kind, |task| {
        Some(format!("{}/{}", task.gvk.group, task.gvk.kind))
    });
}

fn provided_rollout(task: &Task) -> Option<String> {
    let is_rollout = &*task.key.group == "driftless.dev" && &*task.key.kind == "ModelRollout";
    (is_rollout && !task.is_prune()).then(|| task.key.to_string())
}

fn provided_namespace(task: &Task) -> Option<String> {
    let is_namespace = task.key.group.is_empty() && &*task.key.kind == "Namespace";
    (is_namespace && !task.is_prune()).then(|| task.key.name.to_string())
}

fn provided_kind(task: &Task) -> Option<String> {
    let target = task.target.as_deref()?;
    if !target.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return None;
    }
    let group = target.str_at(&["spec", "group"])?;
    let kind = target.str_at(&["spec", "names", "kind"])?;
    Some(format!("{group}/{kind}"))
}

/// Moves each provider before the first task that needs it, into that task's phase and wave.
fn pull_ahead(
    tasks: &mut Vec<Task>,
    provides: impl Fn(&Task) -> Option<String>,
    needs: impl Fn(&Task) -> Option<String>,
) {
    let mut sources: BTreeMap<String, usize> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        if let Some(id) = provides(task) {
            sources.entry(id).or_insert(index);
        }
    }
    let mut moves: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        // Objects that are being deleted need nothing.
        let needed = needs(task).filter(|_| !task.is_prune());
        if let Some(provider) = needed.and_then(|id| sources.get(&id).copied())
            && provider > index
        {
            moves.entry(provider).or_insert(index);
        }
    }
    // Later moves shift earlier positions: rebuild the list instead of rotating in place.
    let mut before: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (provider, index) in &moves {
        before.entry(*index).or_default().push(*provider);
    }
    if before.is_empty() {
        return;
    }
    let mut slots: Vec<Option<Task>> = std::mem::take(tasks).into_iter().map(Some).collect();
    for index in 0..slots.len() {
        let place = slots
            .get(index)
            .and_then(Option::as_ref)
            .map(|task| (task.phase, task.wave));
        for provider in before.get(&index).into_iter().flatten() {
            if let (Some(mut moved), Some((phase, wave))) =
                (slots.get_mut(*provider).and_then(Option::take), place)
            {
                moved.phase = earlier(moved.phase, phase);
                moved.wave = wave;
                tasks.push(moved);
            }
        }
        tasks.extend(slots.get_mut(index).and_then(Option::take));
    }
}

fn earlier(a: Phase, b: Phase) -> Phase {
    a.min(b)
}

/// Returns the waves of the prunes among the tasks, in order.
pub(crate) fn prune_waves(tasks: &[Task]) -> Vec<i32> {
    let prunes = tasks.iter().filter(|task| task.is_prune());
    let waves: BTreeSet<i32> = prunes.map(|task| task.wave).collect();
    waves.into_iter().collect()
}

/// Mirrors the waves of prunes among `waves`, which are in order, so that what was created last is deleted first,
/// and puts those that come last behind the last wave of the Sync phase.
pub(crate) fn place_prunes(tasks: &mut [Task], waves: &[i32], is_last: impl Fn(&Task) -> bool) {
    for task in tasks.iter_mut().filter(|task| task.is_prune()) {
        // What became extra after the operation began goes with the wave below its own.
        let above = waves.partition_point(|wave| *wave <= task.wave).max(1);
        let mirrored = waves.len().checked_sub(above);
        task.wave = mirrored
            .and_then(|index| waves.get(index).copied())
            .unwrap_or(task.wave);
    }
    let last = tasks
        .iter()
        .filter(|task| task.phase == Phase::Sync)
        .map(|task| task.wave)
        .max()
        .unwrap_or_default()
        .saturating_add(1);
    for task in tasks.iter_mut().filter(|task| task.is_prune()) {
        if is_last(task) {
            task.wave = last;
        }
    }
}
