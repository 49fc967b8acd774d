//! What the tests share.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_analysis::lower::{self, Lowered, SecretName, SecretPlace, Values};
use driftless_analysis::provider::Owner;
use driftless_analysis::{Ctx, MetricSource, Options, Providers, Reach};
use driftless_api::{ModelRollout, read};
use driftless_core::Secret;
use driftless_kube::{Cluster, Fence, WriteCtx};
use driftless_rollout::machine::Which;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

/// Lowers one metric.
pub(crate) fn lowered(metric: Json, values: &Values) -> Result<Lowered, String> {
    let rollout: ModelRollout = read::from_value(json!({
        "apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout",
        "metadata": {"name": "fraud", "namespace": "models"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"},
            "strategy": {"canary": {"steps": [{"analysis": {
                "metrics": [metric],
                "args": [{"name": "token", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}],
            }}]}},
        },
    }))
    .unwrap();
    lower::plan(&rollout.spec, &[], values).map_err(|problem| problem.to_string())
}

/// Values with the Secrets of the tests.
pub(crate) fn values() -> Values {
    let keys = |place, name: &str, pairs: &[(&str, String)]| {
        let name = SecretName {
            place,
            name: name.to_owned(),
        };
        let pairs = pairs.iter();
        let pairs = pairs.map(|(key, value)| ((*key).to_owned(), Secret::new(value.clone())));
        (name, pairs.collect::<BTreeMap<_, _>>())
    };
    Values {
        secrets: BTreeMap::from([keys(
            SecretPlace::Rollout,
            "keys",
            &[("token", "hunter2-token".to_owned())],
        )]),
        ..Values::default()
    }
}

/// Returns the source of one metric.
pub(crate) fn source(provider: Json) -> MetricSource {
    source_of(json!({"name": "m", "provider": provider}), &values())
}

/// Returns the source of one metric with values of one's own.
pub(crate) fn source_of(metric: Json, values: &Values) -> MetricSource {
    let mut lowered = lowered(metric, values).unwrap();
    lowered
        .metrics
        .remove(&(Which::Step(0), "m".to_owned()))
        .unwrap()
}

/// Providers that may ask this machine.
pub(crate) fn providers() -> Providers {
    Providers::new(Options {
        reach: Reach::ThisMachine,
        ..Options::default()
    })
}

/// A context without a cluster.
pub(crate) fn ctx() -> Ctx {
    in_cluster(None, "models", "uid")
}

/// A context in a cluster.
pub(crate) fn in_cluster(cluster: Option<Arc<Cluster>>, namespace: &str, uid: &str) -> Ctx {
    Ctx {
        now: now(),
        cluster,
        write: WriteCtx::internal(Fence::unfenced()),
        owner: Owner {
            api_version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            namespace: namespace.to_owned(),
            name: "fraud".to_owned(),
            uid: uid.to_owned(),
        },
        attempt: "first".to_owned(),
    }
}

/// The time, as a process reads it.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
