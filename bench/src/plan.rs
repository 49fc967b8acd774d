//! What the pure parts cost in one application of many objects: the plan of a sync, the first look of its step machine,
//! and the comparison of one object. No cluster takes part.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_engine::diff;
use driftless_engine::health::{Health, NoRules, assess};
use driftless_engine::sync::plan::{Cluster, KindFact};
use driftless_engine::sync::{Input, Live, Observe, Options, Progress, Target, plan, step};
use driftless_manifest::Object;
use serde_json::json;

use crate::report::Report;

/// How often each figure is taken; the median counts.
const ROUNDS: usize = 9;

struct World<'a>(&'a BTreeMap<ResourceKey, Arc<Object>>);

impl Cluster for World<'_> {
    fn kind(&self, _: &GroupVersionKind) -> KindFact {
        KindFact::Namespaced
    }
}

impl Observe for World<'_> {
    fn live(&self, key: &ResourceKey) -> Live {
        self.0
            .get(key)
            .cloned()
            .map_or(Live::Missing, Live::Present)
    }

    fn health(&self, object: &Object) -> Option<Health> {
        assess(object, &NoRules)
    }
}

fn deployment(index: usize, replicas: u32) -> Result<Object> {
    let wave = (index % 5).to_string();
    Object::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": format!("web-{index}"), "namespace": "bench",
            "annotations": {"argocd.argoproj.io/sync-wave": wave}},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
                {"name": "main", "image": "example.com/web:1", "env": [{"name": "A", "value": "1"}],
                    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}},
        },
    }))
    .context("building an object")
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    times.sort();
    times.get(ROUNDS / 2).copied().unwrap_or_default()
}

/// Measures with `count` objects.
pub(crate) fn measure(count: usize, report: &mut Report) -> Result<()> {
    let mut targets = Vec::with_capacity(count);
    let mut live = BTreeMap::new();
    for index in 0..count {
        targets.push(Target::new(Arc::new(deployment(index, 2)?)));
        let object = deployment(index, 1)?;
        live.insert(object.key(), Arc::new(object));
    }
    let mut options = Options::new(jiff::Timestamp::now());
    options.prune = true;
    options.managed = count as u64;
    let world = World(&live);
    let input = Input {
        targets: &targets,
        live: &live,
        extraneous: &[],
        namespace: None,
        options: &options,
        cluster: &world,
    };
    let made = median(|| {
        std::hint::black_box(plan(&input));
    });
    let name = format!("plan_{count}_objects_seconds");
    report.add(&name, made.as_secs_f64(), "s");
    let planned = plan(&input);
    let first = median(|| {
        let mut progress = Progress::new();
        let decision = step(&planned, &mut progress, &world, jiff::Timestamp::now());
        std::hint::black_box(decision);
    });
    let name = format!("first_step_{count}_objects_seconds");
    report.add(&name, first.as_secs_f64(), "s");
    let (desired, found) = (deployment(0, 2)?, deployment(0, 1)?);
    let cx = diff::Ctx::default();
    let compared = median(|| {
        std::hint::black_box(diff::compare(&desired, &found, &cx));
    });
    report.add("compare_one_object_seconds", compared.as_secs_f64(), "s");
    Ok(())
}
