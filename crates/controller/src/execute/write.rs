//! Carries out one task of a plan through the writer.

use std::time::Duration;

use driftless_api::Application;
use driftless_api::annotation;
use driftless_appstate::handover::is_rollout;
use driftless_core::GroupVersionKind;
use driftless_core::class::render_chain;
use driftless_engine::sync::{self, Action, Outcome, Task, TaskId};
use driftless_kube::Resolved;
use driftless_kube::write::{
    ApplyMode, ApplyOptions, Conflicts, DeleteOptions, Deleted, DryRun, Migration, OnImmutable,
    Propagation, Validation,
};
use driftless_manifest::Object;

use super::{Interruption, Walk};

impl Walk<'_> {
    /// Writes or deletes one object.
    pub(super) async fn carry_out(
        &self,
        id: TaskId,
        dry_run: DryRun,
    ) -> Result<Outcome, Interruption> {
        let Some(task) = self.plan.task(id) else {
            return Ok(Outcome::Failed("the task is not in the plan".to_owned()));
        };
        let outcome = match (&task.action, task.target.as_deref()) {
            (Action::CreateNamespace, Some(target)) => {
                let metadata = target.at(&["metadata"]).filter(|_| {
                    self.app
                        .spec
                        .sync_policy
                        .as_deref()
                        .is_some_and(|policy| policy.managed_namespace_metadata.is_some())
                });
                let created = self
                    .writer
                    .create_namespace(&self.ctx, &task.key.name, metadata, dry_run)
                    .await;
                created.map(|new| {
                    let what = if new { "created" } else { "configured" };
                    Outcome::Applied(format!("namespace/{} {what}", task.key.name))
                })
            }
            (Action::Apply(write), Some(target)) => {
                let options = self.apply_options(*write, dry_run);
                match &task.governor {
                    Some(governor) => return self.release(task, target, governor, &options).await,
                    None => self.apply(target, &options).await,
                }
            }
            (Action::Prune { propagation, .. }, _) => self.prune(task, *propagation, dry_run).await,
            _ => return Ok(Outcome::Failed("nothing to apply".to_owned())),
        };
        outcome.or_else(|error| refused_or_interrupted(&error))
    }

    async fn apply(
        &self,
        target: &Object,
        options: &ApplyOptions,
    ) -> Result<Outcome, driftless_kube::Error> {
        if let Some(left) = self.left_to_rollout(target, options).await? {
            return Ok(left);
        }
        let applied = self.writer.apply(&self.ctx, target, options).await?;
        if is_rollout(target) && options.dry_run == DryRun::No {
            self.forget_targets(&target.key()).await?;
        }
        Ok(Outcome::Applied(applied.message))
    }

    fn apply_options(&self, write: sync::task::Write, dry_run: DryRun) -> ApplyOptions {
        ApplyOptions {
            dry_run,
            conflicts: Conflicts::Force,
            validation: if write.validate {
                Validation::Strict
            } else {
                Validation::Ignore
            },
            mode: match write.method {
                sync::task::Method::Replace => ApplyMode::Replace,
                sync::task::Method::ServerSideApply => ApplyMode::ServerSide,
                sync::task::Method::ClientSideApply => ApplyMode::ClientSide,
            },
            on_immutable: if write.force {
                OnImmutable::Recreate
            } else {
                OnImmutable::Fail
            },
            migration: if write.migrate_client_side {
                self.migration.clone()
            } else {
                Migration::Leave
            },
            ..ApplyOptions::default()
        }
    }

    async fn prune(
        &self,
        task: &Task,
        propagation: sync::option::Propagation,
        dry_run: DryRun,
    ) -> Result<Outcome, driftless_kube::Error> {
        // Only the very object that was planned for: one that was made anew meanwhile is not ours to delete.
        let uid = task
            .live
            .as_deref()
            .and_then(Object::uid)
            .map(driftless_kube::live::Uid::new);
        let propagation = match propagation {
            sync::option::Propagation::Foreground => Propagation::Foreground,
            sync::option::Propagation::Background => Propagation::Background,
            sync::option::Propagation::Orphan => Propagation::Orphan,
        };
        let options = DeleteOptions {
            propagation,
            uid,
            dry_run,
            ..DeleteOptions::default()
        };
        self.writer
            .delete(&self.ctx, &task.key, &options)
            .await
            .map(|deleted| match deleted {
                Deleted::Gone | Deleted::Terminating | Deleted::Absent => Outcome::Pruned,
            })
    }

    /// Waits until the API serves the kinds of new CRDs, 3 s at most.
    pub(super) async fn await_new_kinds(&self, group: &[TaskId]) {
        let kinds: Vec<GroupVersionKind> = group
            .iter()
            .filter_map(|id| self.plan.task(*id)?.target.as_deref())
            .flat_map(served_kinds)
            .collect();
        for _ in 0..15 {
            let known = self
                .target
                .cluster
                .refresh_discovery()
                .await
                .is_ok_and(|discovery| {
                    kinds
                        .iter()
                        .all(|gvk| matches!(discovery.resolve(gvk), Resolved::Known(_)))
                });
            if known {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn served_kinds(crd: &Object) -> Vec<GroupVersionKind> {
    let group = crd.str_at(&["spec", "group"]).unwrap_or_default();
    let kind = crd.str_at(&["spec", "names", "kind"]).unwrap_or_default();
    let versions = crd
        .at(&["spec", "versions"])
        .and_then(serde_json::Value::as_array);
    versions
        .into_iter()
        .flatten()
        .filter(|version| version["served"].as_bool() == Some(true))
        .filter_map(|version| {
            Some(GroupVersionKind::new(
                group,
                version["name"].as_str()?,
                kind,
            ))
        })
        .collect()
}

/// Tells a refusal, which is the object's result, from a cluster or lease that is away, which is not.
pub(crate) fn refused_or_interrupted(
    error: &driftless_kube::Error,
) -> Result<Outcome, Interruption> {
    use driftless_kube::Error;
    match error {
        Error::Fenced { .. }
        | Error::Unreachable { .. }
        | Error::Timeout { .. }
        | Error::TooManyRequests { .. } => Err(Interruption(render_chain(error))),
        _ => Ok(Outcome::Failed(render_chain(error))),
    }
}

/// Returns whose fields are taken over from client-side apply.
pub(super) fn migration(app: &Application) -> Migration {
    let manager = app
        .metadata
        .annotation(annotation::CLIENT_SIDE_APPLY_MIGRATION_MANAGER);
    Migration::TakeOver(manager.map(str::to_owned).into_iter().collect())
}
