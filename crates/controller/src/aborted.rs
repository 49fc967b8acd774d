//! Argo Rollouts that were aborted: the revision that brought the bad version is not deployed again by automation.
//!
//! An abort takes traffic back and leaves Git where it is. Without a record, the next drift or a deleted Rollout would
//! bring the bad version back without its steps. An abort counts for a revision only when it happened after that
//! revision was deployed and the Rollout has looked at what was deployed: what an older revision left behind does not.

use driftless_api::Application;
use driftless_api::annotation;
use driftless_api::application::{Status, SyncStatusCode};
use driftless_appstate::Target;
use driftless_appstate::comparison::{Comparison, ObjectStatus};
use driftless_engine::health;
use driftless_manifest::Object;
use jiff::Timestamp;
use serde_json::Value;

use crate::Controller;
use crate::draft::Draft;
use crate::operation::{subject_of, subject_of_history};
use crate::quarantine::{Entry, Quarantine};

/// Who quarantined a revision.
const BY: &str = "argo-rollouts";

/// An aborted Rollout.
#[derive(PartialEq, Debug)]
struct Abort {
    at: Timestamp,
    message: String,
}

impl Controller {
    /// Quarantines the compared revision when a Rollout of it was aborted, and lifts that when all of them got through
    /// after all.
    pub(crate) fn quarantine_aborted(
        &self,
        app: &Application,
        target: &Target,
        comparison: &Comparison,
        quarantine: Quarantine,
        draft: &mut Draft,
    ) -> Quarantine {
        let revisions = &comparison.desired.revisions;
        if quarantine.is_unreadable() || !comparison.complete || app.spec.automated().is_none() {
            return quarantine;
        }
        let rollouts: Vec<&ObjectStatus> = comparison
            .objects
            .iter()
            .filter(|one| &*one.key.kind == "Rollout" && &*one.key.group == "argoproj.io")
            .filter(|one| one.is_desired && !one.hook)
            .collect();
        if rollouts.is_empty() {
            return quarantine;
        }
        let known = quarantine.blocks(revisions);
        if known.is_some_and(|entry| entry.by == BY) {
            let is_through = rollouts.iter().all(|one| {
                let health = one.health.as_ref().map(|health| health.status);
                one.status == Some(SyncStatusCode::Synced)
                    && health == Some(health::Status::Healthy)
            });
            if !is_through {
                return quarantine;
            }
            tracing::info!(app = %app.key(), "Quarantine lifted: the rollout got through");
            return self.remember(quarantine.without(revisions), draft);
        }
        if known.is_some() {
            return quarantine;
        }
        let Some(since) = deployed_since(&draft.status, revisions) else {
            return quarantine;
        };
        let live = target.cluster.live();
        let found = rollouts
            .into_iter()
            .filter(|one| one.status == Some(SyncStatusCode::Synced))
            .find_map(|one| {
                let object = live.peek(&one.key)?.parse()?;
                let abort = abort_of(&object).filter(|abort| abort.at >= since)?;
                Some((one.key.name.to_string(), abort))
            });
        let Some((name, abort)) = found else {
            return quarantine;
        };
        let reason = format!("Rollout {name} was aborted: {}", abort.message);
        // Times have seconds: the next revision may be deployed in the one in which the last was aborted.
        if quarantine.has(BY, abort.at, &reason) {
            return quarantine;
        }
        let held = held_instead(&draft.status, revisions);
        tracing::info!(app = %app.key(), obj = name, "Revision quarantined: its rollout was aborted");
        let entry = Entry {
            revisions: revisions.clone(),
            held_revisions: held.0,
            history_id: held.1,
            at: abort.at,
            by: BY.to_owned(),
            reason,
        };
        self.remember(quarantine.with(entry), draft)
    }

    fn remember(&self, quarantine: Quarantine, draft: &mut Draft) -> Quarantine {
        draft.annotations.insert(
            annotation::QUARANTINE.to_owned(),
            quarantine.to_annotation(),
        );
        quarantine
    }
}

/// Returns when a Rollout was aborted and why; `None` when it is not, or when its status is about an older spec.
fn abort_of(rollout: &Object) -> Option<Abort> {
    let text = |path: &[&str]| rollout.str_at(path).unwrap_or_default();
    if rollout.at(&["status", "abort"]) != Some(&Value::Bool(true)) {
        return None;
    }
    let observed = text(&["status", "observedGeneration"])
        .parse::<i64>()
        .ok()?;
    if observed != rollout.generation() {
        return None;
    }
    let conditions = rollout
        .at(&["status", "conditions"])
        .and_then(Value::as_array);
    let condition = conditions
        .into_iter()
        .flatten()
        .find(|one| one["type"] == "Progressing" && one["reason"] == "RolloutAborted");
    let at = match text(&["status", "abortedAt"]) {
        "" => condition?["lastUpdateTime"].as_str()?,
        at => at,
    };
    let message = match text(&["status", "message"]) {
        "" => condition.and_then(|one| one["message"].as_str()),
        message => Some(message),
    };
    Some(Abort {
        at: at.parse().ok()?,
        message: message.unwrap_or("no reason given").to_owned(),
    })
}

/// One deployment, as the status tells it.
struct Deployment {
    revisions: Vec<String>,
    started: Option<Timestamp>,
    automated: bool,
    id: i64,
}

/// Returns the deployments that the status knows, oldest first.
fn deployments(status: &Status) -> Vec<Deployment> {
    let mut list: Vec<Deployment> = status
        .history
        .iter()
        .map(|entry| Deployment {
            revisions: subject_of_history(entry).revisions,
            started: entry
                .deploy_started_at
                .or(entry.deployed_at)
                .map(driftless_api::Time::timestamp),
            automated: entry.initiated_by.as_ref().is_some_and(|by| by.automated),
            id: entry.id,
        })
        .collect();
    let state = status.operation_state.as_deref();
    if let Some(state) = state.filter(|state| !state.operation.is_dry_run())
        && let Some(subject) = subject_of(state)
    {
        let started = state.started_at.map(driftless_api::Time::timestamp);
        if list.last().is_none_or(|last| last.started < started) {
            list.push(Deployment {
                revisions: subject.revisions,
                started,
                automated: state.operation.is_automated(),
                id: list.last().map_or(0, |last| last.id),
            });
        }
    }
    list
}

/// Returns since when the revisions are deployed: the first time in a row, or the last time that a person asked for it,
/// who knows about an abort before.
fn deployed_since(status: &Status, revisions: &[String]) -> Option<Timestamp> {
    let mut since = None;
    for one in deployments(status).into_iter().rev() {
        if one.revisions != revisions {
            break;
        }
        since = one.started.or(since);
        if !one.automated {
            break;
        }
    }
    since
}

/// Returns the revisions that were deployed before these, with their number in the history; these where there were none.
fn held_instead(status: &Status, revisions: &[String]) -> (Vec<String>, i64) {
    let list = deployments(status);
    let before = list
        .into_iter()
        .rev()
        .find(|one| one.revisions != revisions);
    before.map_or((revisions.to_vec(), 0), |one| (one.revisions, one.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(entries: &[(&str, i64, bool)]) -> Status {
        let history: Vec<Value> = entries
            .iter()
            .enumerate()
            .map(|(id, (revision, second, automated))| {
                let at = Timestamp::from_second(*second).unwrap().to_string();
                json!({"id": id, "revision": revision, "deployedAt": at, "deployStartedAt": at,
                    "initiatedBy": {"automated": automated}, "source": {"repoURL": "r"}})
            })
            .collect();
        serde_json::from_value(json!({ "history": history })).unwrap()
    }

    fn since(entries: &[(&str, i64, bool)]) -> Option<i64> {
        deployed_since(&status(entries), &["b".to_owned()]).map(Timestamp::as_second)
    }

    #[test]
    fn a_revision_is_deployed_since_its_first_sync_or_a_persons_last() {
        assert_eq!(since(&[("a", 1, true)]), None);
        assert_eq!(
            since(&[("a", 1, true), ("b", 5, true), ("b", 9, true)]),
            Some(5)
        );
        assert_eq!(
            since(&[("a", 1, true), ("b", 5, true), ("b", 9, false)]),
            Some(9)
        );
        assert_eq!(
            since(&[("b", 1, true), ("a", 5, true), ("b", 9, true)]),
            Some(9)
        );
    }

    #[test]
    fn the_revision_before_runs_instead() {
        let held = |entries| held_instead(&status(entries), &["b".to_owned()]);
        let (revisions, id) = held(&[("z", 0, true), ("a", 1, true), ("b", 5, true)]);
        assert_eq!((revisions, id), (vec!["a".to_owned()], 1));
        assert_eq!(held(&[("b", 5, true)]).0, ["b"]);
    }

    #[test]
    fn an_abort_of_an_older_spec_does_not_count() {
        let rollout = |observed: &str| {
            let status = json!({"abort": true, "abortedAt": "2026-01-01T00:00:07Z",
                "observedGeneration": observed, "message": "RolloutAborted: metric failed"});
            let value = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
                "metadata": {"name": "r", "generation": 3}, "status": status});
            abort_of(&Object::from_value(value).unwrap())
        };
        assert_eq!(rollout("2"), None);
        let abort = rollout("3").unwrap();
        assert_eq!(abort.message, "RolloutAborted: metric failed");
        assert_eq!(abort.at.to_string(), "2026-01-01T00:00:07Z");
    }
}
