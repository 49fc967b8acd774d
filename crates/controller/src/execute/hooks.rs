//! Deletes hooks: before they run again, and when they are done.

use driftless_engine::annotation::HOOK_FINALIZER;
use driftless_engine::health::NoRules;
use driftless_engine::sync::{self, Outcome, Task, TaskId};
use driftless_kube::write::{DeleteOptions, PatchType, Propagation, Target as WriteTarget};
use driftless_manifest::Object;

use super::eyes::Eyes;
use super::write::refused_or_interrupted;
use super::{Interruption, Walk};

impl Walk<'_> {
    pub(super) async fn delete_before(&mut self, tasks: &[TaskId]) -> Result<(), Interruption> {
        for id in tasks {
            let result = self.remove_hook(*id, true).await?;
            self.progress.record_delete(&self.plan, *id, result);
        }
        Ok(())
    }

    pub(super) async fn clean_up(
        &mut self,
        release: &[TaskId],
        delete: &[TaskId],
    ) -> Result<(), Interruption> {
        for (ids, and_delete) in [(release, false), (delete, true)] {
            for id in ids {
                let result = self.remove_hook(*id, and_delete).await?;
                if and_delete {
                    self.progress.record_clean_up(&self.plan, *id, result);
                } else {
                    self.progress.record_release(&self.plan, *id, &result);
                }
            }
        }
        Ok(())
    }

    /// Takes our finalizer from a hook's object and, where asked for, deletes it.
    async fn remove_hook(
        &self,
        id: TaskId,
        and_delete: bool,
    ) -> Result<Result<(), String>, Interruption> {
        let Some(task) = self.plan.task(id) else {
            return Ok(Ok(()));
        };
        let eyes = Eyes(self.target.cluster.live(), &NoRules);
        let object = match sync::Observe::live(&eyes, &task.key) {
            sync::Live::Missing => return Ok(Ok(())),
            sync::Live::Unknown(why) => return Err(Interruption(why)),
            sync::Live::Present(object) => object,
        };
        let outcome = self.release_and_delete(task, &object, and_delete).await;
        match outcome {
            Ok(()) | Err(driftless_kube::Error::NotFound { .. }) => Ok(Ok(())),
            Err(error) => match refused_or_interrupted(&error)? {
                Outcome::Failed(message) => Ok(Err(message)),
                _ => Ok(Ok(())),
            },
        }
    }

    async fn release_and_delete(
        &self,
        task: &Task,
        object: &Object,
        and_delete: bool,
    ) -> Result<(), driftless_kube::Error> {
        if object
            .finalizers()
            .any(|finalizer| finalizer == HOOK_FINALIZER)
        {
            let left: Vec<&str> = object
                .finalizers()
                .filter(|finalizer| *finalizer != HOOK_FINALIZER)
                .collect();
            let patch = serde_json::json!({"metadata": {"finalizers": left}}).to_string();
            self.writer
                .patch(
                    &self.ctx,
                    &object.gvk(),
                    &task.key,
                    &WriteTarget::Object,
                    PatchType::Merge,
                    bytes::Bytes::from(patch),
                )
                .await?;
        }
        if and_delete {
            let options = DeleteOptions {
                propagation: Propagation::Background,
                ..DeleteOptions::default()
            };
            self.writer.delete(&self.ctx, &task.key, &options).await?;
        }
        Ok(())
    }
}
