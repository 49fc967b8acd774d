//! A Job that succeeds or fails. `result` is true or false.
//!
//! The Job's name follows from the attempt, so that a process that was restarted finds the Job of the one before. It is
//! owned by the rollout and removes itself an hour after its end: until then its logs can be read.
//
// Upstream: argo-rollouts metricproviders/job/job.go (v1.8), differs: owned by the rollout; see above.

use std::time::Duration;

use driftless_api::analysis::provider::Job;
use driftless_core::class::render_chain;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_kube::write::{ApplyMode, Propagation};
use driftless_kube::{ApplyOptions, Cluster, DeleteOptions, Error};
use driftless_manifest::Object;
use driftless_rollout::Value;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::{Ctx, MeasureError, aws};

/// The object that owns what measurements create.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Owner {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// On a Job: uid of the rollout.
const LABEL: &str = "driftless.dev/rollout-uid";
/// On a Job: the attempt that it is.
const ATTEMPT: &str = "driftless.dev/attempt";
/// On a Job: name of the metric.
const METRIC: &str = "driftless.dev/metric";
/// Seconds for which a Job stays after its end.
const KEPT: i64 = 3600;
/// Time between two looks at a Job, at first and at most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// Says what is wrong with a source.
pub(super) fn check(spec: &Job) -> Result<(), String> {
    match spec.spec.0.get("template") {
        Some(template) if template.is_object() => Ok(()),
        _ => Err("job.spec.template: required".into()),
    }
}

fn gvk() -> GroupVersionKind {
    GroupVersionKind::new("batch", "v1", "Job")
}

/// Measures: makes the Job if it is not there, and waits for its end.
pub(super) async fn measure(spec: &Job, metric: &str, ctx: &Ctx) -> Result<Value, MeasureError> {
    let Some(cluster) = &ctx.cluster else {
        let message = "there is no cluster to run the Job in".into();
        return Err(MeasureError::Cluster(message));
    };
    let name = name(metric, ctx);
    let failed = |doing: &str, error: &Error| {
        MeasureError::Cluster(format!("{doing} the Job {name}: {}", render_chain(error)))
    };
    let mut wait = LOOKS.0;
    let mut created = false;
    loop {
        match cluster.get(&gvk(), &ctx.owner.namespace, &name).await {
            Ok(job) => {
                if job.label(LABEL) != Some(ctx.owner.uid.as_str()) {
                    let message = format!("the Job {name} is there and belongs to somebody else");
                    return Err(MeasureError::Cluster(message));
                }
                if let Some(value) = ended(&job) {
                    return Ok(value);
                }
                created = true;
            }
            Err(Error::NotFound { .. }) if created => {
                let message = format!("the Job {name} was deleted before its end");
                return Err(MeasureError::Answer(message));
            }
            Err(Error::NotFound { .. }) => {
                let job = manifest(spec, &name, metric, ctx)?;
                let options = ApplyOptions {
                    mode: ApplyMode::Create,
                    ..ApplyOptions::default()
                };
                match cluster.writer().apply(&ctx.write, &job, &options).await {
                    Ok(_) | Err(Error::AlreadyExists { .. }) => created = true,
                    Err(error) => return Err(failed("creating", &error)),
                }
            }
            Err(error) => return Err(failed("reading", &error)),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LOOKS.1);
    }
}

/// Returns how a Job ended; nothing while it is at work.
fn ended(job: &Object) -> Option<Value> {
    let conditions = job.at(&["status", "conditions"]).and_then(Json::as_array);
    for condition in conditions.into_iter().flatten() {
        let text = |name: &str| {
            condition
                .get(name)
                .and_then(Json::as_str)
                .unwrap_or_default()
        };
        if text("status") != "True" {
            continue;
        }
        match text("type") {
            "Complete" => return Some(Value::Bool(true)),
            // A suspended one waits for its turn.
            "Failed" => return Some(Value::Bool(false)),
            _ => {}
        }
    }
    None
}

/// Returns the name of the Job of an attempt.
fn name(metric: &str, ctx: &Ctx) -> String {
    let mut hash = Sha256::new();
    for part in [ctx.owner.uid.as_str(), &ctx.attempt, metric] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let digest = aws::hex(digest.get(..5).unwrap_or_default());
    let plain = |text: &str, most: usize| {
        let signs = text.chars().map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => c,
            _ => '-',
        });
        let name: String = signs.take(most).collect();
        name.trim_matches('-').to_owned()
    };
    // A pod's name and a label have 63 characters at most.
    let words = [plain(&ctx.owner.name, 24), plain(metric, 20), digest];
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join("-")
}

fn manifest(spec: &Job, name: &str, metric: &str, ctx: &Ctx) -> Result<Object, MeasureError> {
    let mut job_spec = spec.spec.0.clone();
    if let Json::Object(map) = &mut job_spec {
        // A measurement fails once; whoever wants more says so.
        map.entry("backoffLimit").or_insert(json!(0));
        map.entry("ttlSecondsAfterFinished").or_insert(json!(KEPT));
    }
    let label: String = metric.chars().take(63).collect();
    let is_label = label
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let mut labels = serde_json::Map::new();
    for (key, value) in &spec.metadata.labels {
        labels.insert(key.clone(), json!(value));
    }
    labels.insert(LABEL.to_owned(), json!(ctx.owner.uid));
    if is_label {
        labels.insert(METRIC.to_owned(), json!(label));
    }
    let mut annotations = serde_json::Map::new();
    for (key, value) in &spec.metadata.annotations {
        annotations.insert(key.clone(), json!(value));
    }
    annotations.insert(ATTEMPT.to_owned(), json!(ctx.attempt));
    let owner = &ctx.owner;
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid,
                "controller": true, "blockOwnerDeletion": false,
            }],
        },
        "spec": job_spec,
    });
    Object::from_value(job)
        .map_err(|error| MeasureError::Refused(format!("the Job cannot be made: {error}")))
}

/// Ends the Jobs of a rollout that are still at work, those whose attempt begins with the one of the context.
pub(super) async fn stop(ctx: &Ctx) -> Result<(), MeasureError> {
    let Some(cluster) = &ctx.cluster else {
        return Ok(());
    };
    for name in running(cluster, ctx).await? {
        let key = ResourceKey::new("batch", "Job", &ctx.owner.namespace, &name);
        let options = DeleteOptions {
            propagation: Propagation::Background,
            ..DeleteOptions::default()
        };
        let deleted = cluster.writer().delete(&ctx.write, &key, &options).await;
        deleted.map_err(|error| {
            MeasureError::Cluster(format!("deleting the Job {name}: {}", render_chain(&error)))
        })?;
    }
    Ok(())
}

/// Returns the names of a rollout's Jobs without an end.
async fn running(cluster: &Cluster, ctx: &Ctx) -> Result<Vec<String>, MeasureError> {
    let failed = |why: String| MeasureError::Cluster(format!("listing Jobs: {why}"));
    let (namespace, uid) = (&ctx.owner.namespace, &ctx.owner.uid);
    let address =
        format!("/apis/batch/v1/namespaces/{namespace}/jobs?labelSelector={LABEL}%3D{uid}");
    let request = http::Request::get(address)
        .body(Vec::new())
        .map_err(|error| failed(error.to_string()))?;
    let list: Json = cluster
        .client()
        .request(request)
        .await
        .map_err(|error| failed(render_chain(&error)))?;
    let items = list
        .get("items")
        .and_then(Json::as_array)
        .ok_or_else(|| failed("the answer has no items".into()))?;
    let mut names = Vec::new();
    for item in items {
        let mut item = item.clone();
        if let Json::Object(map) = &mut item {
            // Items of a list do not repeat their kind.
            map.insert("apiVersion".to_owned(), json!("batch/v1"));
            map.insert("kind".to_owned(), json!("Job"));
        }
        let job = Object::from_value(item).map_err(|error| failed(error.to_string()))?;
        let attempt = job.annotation(ATTEMPT).unwrap_or_default();
        if ended(&job).is_none() && attempt.starts_with(&ctx.attempt) {
            names.push(job.name().to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use driftless_kube::{Fence, WriteCtx};
    use jiff::Timestamp;

    use super::*;

    fn ctx(attempt: &str) -> Ctx {
        Ctx {
            now: Timestamp::UNIX_EPOCH,
            cluster: None,
            write: WriteCtx::internal(Fence::unfenced()),
            owner: Owner {
                api_version: "driftless.dev/v1alpha1".to_owned(),
                kind: "ModelRollout".to_owned(),
                namespace: "models".to_owned(),
                name: "fraud.v2".to_owned(),
                uid: "1-2".to_owned(),
            },
            attempt: attempt.to_owned(),
        }
    }

    #[test]
    fn the_name_is_the_same_for_the_same_attempt_alone() {
        let first = name("Load Test!", &ctx("step 1, 0"));
        assert_eq!(first, name("Load Test!", &ctx("step 1, 0")));
        assert_ne!(first, name("Load Test!", &ctx("step 1, 1")));
        assert!(
            first.starts_with("fraud-v2-load-test-") && first.len() <= 63,
            "{first}"
        );
    }

    #[test]
    fn a_job_is_owned_and_goes_by_itself() {
        let spec = Job {
            spec: driftless_api::value::RawObject(
                json!({"template": {"spec": {}}, "backoffLimit": 2}),
            ),
            ..Job::default()
        };
        let job = manifest(&spec, "x", "load", &ctx("a")).unwrap();
        assert_eq!(job.at(&["spec", "backoffLimit"]), Some(&json!(2)));
        assert_eq!(
            job.at(&["spec", "ttlSecondsAfterFinished"]),
            Some(&json!(KEPT))
        );
        assert_eq!(job.label(LABEL), Some("1-2"));
        assert_eq!(job.label(METRIC), Some("load"));
        assert_eq!(job.owner_references().count(), 1);
        assert_eq!(ended(&job), None);
    }
}
