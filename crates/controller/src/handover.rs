//! Handing a new version of an object to the ModelRollout that moves it (`driftless_api::rollout::handover`).
//!
//! The desired object is stored in a ControllerRevision and named in an annotation of the rollout; the object itself is left
//! alone until the rollout says that this version serves. An object that is not there is created as always. Every step can
//! be repeated: the stored object is named after its content.

use driftless_api::rollout::handover::{
    OBJECT, ROLLOUT_LABEL, TARGET_LABEL, WANTED, Wanted, WantedVersion, controller_revision_name,
};
use driftless_appstate::as_served;
use driftless_appstate::handover::{Course, Standing, reason};
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_engine::health::NoRules;
use driftless_engine::sync::{self, Governor, Observe as _, Outcome, Task};
use driftless_kube::Error;
use driftless_kube::live::Uid;
use driftless_kube::live::{LiveObject, Lookup};
use driftless_kube::write::{ApplyOptions, DeleteOptions, DryRun, Migration, OnImmutable};
use driftless_manifest::Object;
use driftless_rollout::version::{self, Input};
use serde_json::{Value, json};

use crate::execute::{Eyes, Interruption, Walk, refused_or_interrupted};

/// Who owns the annotation: not the manager of what Git says, whose next apply would remove it.
const MANAGER: &str = "driftless-handover";

/// Stored versions of a target that are kept, besides those in use.
const KEPT: usize = 10;

/// Longest value of a label.
const LABEL_LIMIT: usize = 63;

/// A live rollout.
struct Rollout {
    object: Object,
    standing: Standing,
}

impl Walk<'_> {
    /// Writes an object that a rollout governs, or leaves it to the rollout.
    pub(crate) async fn release(
        &self,
        task: &Task,
        target: &Object,
        governor: &Governor,
        options: &ApplyOptions,
    ) -> Result<Outcome, Interruption> {
        let outcome = match options.dry_run {
            DryRun::Server => self.try_out(target, governor, options).await,
            DryRun::No => {
                let live = match Eyes(self.target.cluster.live(), &NoRules).live(&task.key) {
                    sync::Live::Unknown(why) => return Err(Interruption(why)),
                    sync::Live::Missing => None,
                    sync::Live::Present(live) => Some(live),
                };
                let _turn = self.handing_over.lock().await;
                match live.filter(|live| !live.is_deleting()) {
                    None => self.create(target, governor, options).await,
                    Some(_) => self.change(target, governor, options).await,
                }
            }
        };
        outcome.or_else(|error| refused_or_interrupted(&error))
    }

    /// Finds out whether the API server takes the version, before anybody moves traffic to it.
    async fn try_out(
        &self,
        target: &Object,
        governor: &Governor,
        options: &ApplyOptions,
    ) -> Result<Outcome, Error> {
        let applied = self.writer.apply(&self.ctx, target, options).await?;
        Ok(Outcome::Applied(format!(
            "{}; version {} of ModelRollout {}",
            applied.message, governor.version, governor.rollout.name
        )))
    }

    /// Creates an object that is not there: its first version, or else the one that served, before the new one goes its
    /// steps.
    async fn create(
        &self,
        target: &Object,
        governor: &Governor,
        options: &ApplyOptions,
    ) -> Result<Outcome, Error> {
        let Some(rollout) = self.rollout(governor).await? else {
            return Ok(missing(governor));
        };
        let stable = rollout.standing.stable(target.name());
        let earlier = match stable.filter(|stable| **stable != *governor.version) {
            Some(version) => self.stored(&rollout, target.name(), version).await?,
            None => None,
        };
        self.copy_inputs(&rollout, target).await?;
        self.hand_over(&rollout, target, governor).await?;
        let name = &governor.rollout.name;
        let version = &governor.version;
        if let Some((stable, earlier)) = earlier {
            let applied = self.writer.apply(&self.ctx, &earlier, options).await?;
            return Ok(Outcome::HandedOver(format!(
                "{} again as version {stable}; handed over to ModelRollout {name} as version {version}",
                applied.message
            )));
        }
        let applied = self.writer.apply(&self.ctx, target, options).await?;
        Ok(Outcome::Applied(format!(
            "{}; ModelRollout {name} knows it as version {version}",
            applied.message
        )))
    }

    /// Leaves a change of a live object to the rollout.
    async fn change(
        &self,
        target: &Object,
        governor: &Governor,
        options: &ApplyOptions,
    ) -> Result<Outcome, Error> {
        let Some(rollout) = self.rollout(governor).await? else {
            return Ok(missing(governor));
        };
        let (name, version) = (&governor.rollout.name, &governor.version);
        Ok(match rollout.standing.course(target.name(), governor) {
            Course::Settled => {
                self.copy_inputs(&rollout, target).await?;
                // What does not serve may have changed: then it is stored anew.
                self.hand_over(&rollout, target, governor).await?;
                let applied = self.writer.apply(&self.ctx, target, options).await?;
                Outcome::Applied(applied.message)
            }
            Course::New => {
                self.copy_inputs(&rollout, target).await?;
                self.hand_over(&rollout, target, governor).await?;
                tracing::info!(app = %self.app.key(), obj = %target.key(), revision = %version, "Handed over to a rollout");
                Outcome::HandedOver(format!(
                    "handed over to ModelRollout {name} as version {version}"
                ))
            }
            Course::Moving => Outcome::HandedOver(format!(
                "ModelRollout {name} is at work on version {version}"
            )),
            Course::Quarantined(verdict) => {
                self.hand_over(&rollout, target, governor).await?;
                let kept_out = format!(
                    "version {version} is quarantined by ModelRollout {name} ({}): commit another version, or run its \
                     action retry",
                    reason(&verdict.entry)
                );
                let stored = self
                    .stored(&rollout, target.name(), &verdict.stable)
                    .await?;
                let served = stored.and_then(|(_, stored)| as_served(target, &stored));
                match served {
                    Some(served) => {
                        let applied = self.writer.apply(&self.ctx, &served, options).await?;
                        let stable = &verdict.stable;
                        Outcome::HandedOver(format!(
                            "{} as version {stable} serves; {kept_out}",
                            applied.message
                        ))
                    }
                    None => Outcome::HandedOver(kept_out),
                }
            }
        })
    }

    /// Leaves a route or a Service as it is while a rollout moves traffic with it: as Git has it, all traffic would go back to
    /// the stable version in the middle of a step. It is as Git says again when the rollout ends.
    pub(crate) async fn left_to_rollout(
        &self,
        target: &Object,
        options: &ApplyOptions,
    ) -> Result<Option<Outcome>, Error> {
        let key = target.key();
        let Some(rollout) = self.governance.mover(&key) else {
            return Ok(None);
        };
        let is_there = !matches!(
            self.target.cluster.live().lookup(&key),
            Lookup::Missing | Lookup::UnknownKind
        );
        if options.dry_run != DryRun::No || !is_there {
            return Ok(None);
        }
        let moving = self.read_rollout(rollout).await?;
        let moving = moving.is_some_and(|rollout| rollout.standing.is_moving());
        Ok(moving.then(|| {
            let name = &rollout.name;
            Outcome::HandedOver(format!("left to ModelRollout {name}, which moves traffic"))
        }))
    }

    /// Reads a rollout as it is now: what was seen a moment ago may have moved.
    async fn rollout(&self, governor: &Governor) -> Result<Option<Rollout>, Error> {
        self.read_rollout(&governor.rollout).await
    }

    async fn read_rollout(&self, key: &ResourceKey) -> Result<Option<Rollout>, Error> {
        let gvk = GroupVersionKind::new(&*key.group, "v1alpha1", &*key.kind);
        match self
            .target
            .cluster
            .get(&gvk, &key.namespace, &key.name)
            .await
        {
            Ok(object) if object.is_deleting() => Ok(None),
            Ok(object) => Ok(Some(Rollout {
                standing: Standing::read(&object),
                object,
            })),
            Err(
                Error::NotFound { .. } | Error::NamespaceMissing { .. } | Error::UnknownKind { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores the desired object and names it to the rollout.
    async fn hand_over(
        &self,
        rollout: &Rollout,
        target: &Object,
        governor: &Governor,
    ) -> Result<(), Error> {
        let name = target.name();
        let known = rollout.standing.wanted.get(name);
        let stored = controller_revision_name(name, &governor.version);
        let is_known = |known: &WantedVersion| {
            known.version == governor.version && known.object == governor.object
        };
        if known.is_some_and(is_known) {
            return Ok(());
        }
        self.store(rollout, target, &stored).await?;
        let mut wanted = self.still_governed(rollout, &governor.rollout);
        let version = WantedVersion {
            version: governor.version.clone(),
            object: governor.object.clone(),
            controller_revision: stored,
            revision: self.plan.options().revision.clone(),
        };
        wanted.insert(name.to_owned(), version);
        self.write_wanted(&rollout.object, &wanted).await?;
        self.prune_stored(rollout, name, &governor.version).await;
        self.prune_copies(rollout, target).await;
        Ok(())
    }

    /// Makes the copies that a version refers to. They go with the rollout and the target, when both are gone.
    async fn copy_inputs(&self, rollout: &Rollout, target: &Object) -> Result<(), Error> {
        let Some(copies) = self.copies.get(&target.key()) else {
            return Ok(());
        };
        let live = match Eyes(self.target.cluster.live(), &NoRules).live(&target.key()) {
            sync::Live::Present(live) => Some(live),
            sync::Live::Missing | sync::Live::Unknown(_) => None,
        };
        let owners: Vec<Value> = std::iter::once(&rollout.object)
            .chain(live.as_deref())
            .map(|owner| {
                json!({"apiVersion": owner.api_version(), "kind": owner.kind(), "name": owner.name(),
                    "uid": owner.uid().unwrap_or_default()})
            })
            .collect();
        let options = ApplyOptions {
            migration: Migration::Leave,
            ..ApplyOptions::default()
        };
        for copy in copies {
            let mut copy = copy.to_value();
            copy["metadata"]["ownerReferences"] = json!(owners);
            self.writer
                .apply(&self.ctx, &as_object(copy)?, &options)
                .await?;
        }
        Ok(())
    }

    /// Deletes copies that no stored version refers to. What stays behind harms nobody, so a failure is only logged, and what
    /// cannot be read keeps all of them.
    async fn prune_copies(&self, rollout: &Rollout, target: &Object) {
        let uid = Uid::new(rollout.object.uid().unwrap_or_default());
        let children = self.target.cluster.live().children(&uid);
        let (stored, copies): (Vec<_>, Vec<_>) = children
            .iter()
            .filter(|one| &*one.key.kind == "ControllerRevision" || is_copy(one))
            .partition(|one| &*one.key.kind == "ControllerRevision");
        if copies.is_empty() {
            return;
        }
        let mut in_use = self.governance.inputs_in_use(self.target.cluster.live());
        let of = |object: &Value| -> Vec<ResourceKey> {
            let inputs = version::inputs(object).into_iter();
            let namespace = target.namespace();
            inputs
                .map(|(input, name)| ResourceKey::new("", input.kind(), namespace, &name))
                .collect()
        };
        in_use.extend(of(&target.to_value()));
        for one in stored {
            match self
                .target
                .cluster
                .get(&one.gvk(), &one.key.namespace, &one.key.name)
                .await
            {
                Ok(stored) => {
                    in_use.extend(stored.at(&["data", OBJECT]).map(of).into_iter().flatten());
                }
                Err(Error::NotFound { .. }) => {}
                Err(error) => {
                    tracing::debug!(app = %self.app.key(), obj = %one.key, %error, "Copies of inputs are kept");
                    return;
                }
            }
        }
        for one in copies.into_iter().filter(|one| !in_use.contains(&one.key)) {
            let options = DeleteOptions {
                uid: Some(one.uid.clone()),
                ..DeleteOptions::default()
            };
            if let Err(error) = self.writer.delete(&self.ctx, &one.key, &options).await {
                tracing::warn!(app = %self.app.key(), obj = %one.key, %error, "Copy of an input not deleted");
            }
        }
    }

    /// Takes those targets from a rollout that Git does not give it any more.
    pub(crate) async fn forget_targets(&self, key: &ResourceKey) -> Result<(), Error> {
        let _turn = self.handing_over.lock().await;
        let Some(rollout) = self.read_rollout(key).await? else {
            return Ok(());
        };
        let wanted = self.still_governed(&rollout, key);
        if wanted != rollout.standing.wanted {
            self.write_wanted(&rollout.object, &wanted).await?;
        }
        Ok(())
    }

    fn still_governed(&self, rollout: &Rollout, key: &ResourceKey) -> Wanted {
        let targets = self.governance.targets(key).unwrap_or_default();
        let mut wanted = rollout.standing.wanted.clone();
        wanted.retain(|name, _| targets.iter().any(|target| target == name));
        wanted
    }

    async fn write_wanted(&self, rollout: &Object, wanted: &Wanted) -> Result<(), Error> {
        let mut metadata = json!({"name": rollout.name(), "namespace": rollout.namespace()});
        if !wanted.is_empty() {
            // A map with text for keys is always JSON.
            let text = serde_json::to_string(wanted).unwrap_or_default();
            metadata["annotations"] = json!({(WANTED): text});
        }
        let object = as_object(json!({
            "apiVersion": rollout.api_version(), "kind": rollout.kind(), "metadata": metadata,
        }))?;
        let options = ApplyOptions {
            migration: Migration::Leave,
            field_manager: MANAGER,
            ..ApplyOptions::default()
        };
        self.writer.apply(&self.ctx, &object, &options).await?;
        Ok(())
    }

    /// Stores an object in a ControllerRevision, which goes with the rollout.
    async fn store(&self, rollout: &Rollout, target: &Object, name: &str) -> Result<(), Error> {
        let owner = &rollout.object;
        let object = as_object(json!({
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": name,
                "namespace": owner.namespace(),
                "labels": {(ROLLOUT_LABEL): label(owner.name()), (TARGET_LABEL): label(target.name())},
                "ownerReferences": [{
                    "apiVersion": owner.api_version(), "kind": owner.kind(), "name": owner.name(),
                    "uid": owner.uid().unwrap_or_default(), "controller": true,
                }],
            },
            "data": {(OBJECT): target.to_value()},
            "revision": self.controller.now().as_second(),
        }))?;
        let options = ApplyOptions {
            // The same content under other marks: what is stored cannot be changed.
            on_immutable: OnImmutable::Recreate,
            migration: Migration::Leave,
            ..ApplyOptions::default()
        };
        self.writer.apply(&self.ctx, &object, &options).await?;
        Ok(())
    }

    /// Reads a stored version; `None` when it is not kept any more.
    async fn stored(
        &self,
        rollout: &Rollout,
        target: &str,
        version: &str,
    ) -> Result<Option<(String, Object)>, Error> {
        let gvk = GroupVersionKind::new("apps", "v1", "ControllerRevision");
        let name = controller_revision_name(target, version);
        let namespace = rollout.object.namespace();
        match self.target.cluster.get(&gvk, namespace, &name).await {
            Ok(stored) => {
                let object = stored.at(&["data", OBJECT]).cloned().unwrap_or_default();
                Ok(Some((version.to_owned(), as_object(object)?)))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes old versions of a target. What stays behind harms nobody, so a failure is only logged.
    async fn prune_stored(&self, rollout: &Rollout, target: &str, version: &str) {
        let uid = Uid::new(rollout.object.uid().unwrap_or_default());
        let mut in_use = rollout.standing.in_use(target);
        in_use.push(version);
        let children = self.target.cluster.live().children(&uid);
        let mut stored: Vec<_> = children
            .iter()
            .filter_map(|one| Some((one, version_in(one, target)?)))
            .collect();
        stored.sort_by_key(|(one, _)| std::cmp::Reverse((one.created, one.key.name.clone())));
        let surplus = stored
            .into_iter()
            .filter(|(_, version)| !in_use.contains(version))
            .skip(KEPT.saturating_sub(in_use.len()));
        for (one, _) in surplus {
            let options = DeleteOptions {
                uid: Some(one.uid.clone()),
                ..DeleteOptions::default()
            };
            if let Err(error) = self.writer.delete(&self.ctx, &one.key, &options).await {
                tracing::warn!(app = %self.app.key(), obj = %one.key, %error, "Old version of a target not deleted");
            }
        }
    }
}

/// Says whether an object that belongs to a rollout is a copy of a ConfigMap or Secret.
fn is_copy(one: &LiveObject) -> bool {
    Input::of(&one.key.group, &one.key.kind).is_some()
}

/// Returns the version that a stored object of a target is.
fn version_in<'a>(one: &'a LiveObject, target: &str) -> Option<&'a str> {
    if &*one.key.kind != "ControllerRevision" {
        return None;
    }
    let (_, version) = one.key.name.rsplit_once('-')?;
    (*one.key.name == controller_revision_name(target, version)).then_some(version)
}

fn missing(governor: &Governor) -> Outcome {
    let name = &governor.rollout.name;
    Outcome::Failed(format!(
        "ModelRollout {name}, which moves it to version {}, is not in the cluster or is being deleted: sync it too",
        governor.version
    ))
}

/// Returns a name as the value of a label.
fn label(name: &str) -> String {
    let cut: String = name.chars().take(LABEL_LIMIT).collect();
    cut.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_owned()
}

fn as_object(value: Value) -> Result<Object, Error> {
    Object::from_value(value).map_err(|error| Error::BadObject {
        detail: error.to_string(),
    })
}
