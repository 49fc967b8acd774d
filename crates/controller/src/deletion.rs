//! Deleting what an Application manages before the Application itself goes (argocd-contract §3.4).
//!
//! PreDelete hooks run first, PostDelete hooks last; a finalizer of its own holds the Application for each.
//! Objects go in reverse order of waves, one wave at a time. CRDs, objects that say `Delete=false` or Helm's `keep`, and objects
//! that something else owns stay. The finalizer is removed only when everything that must go is known to be gone: a kind
//! that cannot be read holds it back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_api::annotation::{self, Cascade};
use driftless_api::application::ConditionType;
use driftless_appstate::desired::Desired;
use driftless_appstate::{ProjectGate, Revisions, Target};
use driftless_core::GroupKind;
use driftless_core::class::render_chain;
use driftless_engine::annotation::{Annotations, HookType};
use driftless_engine::health::NoRules;
use driftless_engine::sync;
use driftless_engine::sync::deletion::{Deletion, DeletionHook, Next as HookStep};
use driftless_engine::sync::option::{AppOptions, Guard};
use driftless_kube::live::{LiveObject, Readiness, Tracked};
use driftless_kube::write::{ApplyOptions, DeleteOptions, Propagation};
use driftless_kube::{Cluster, Wanted, WriteCtx, Writer};
use driftless_source::Freshness;
use driftless_source::render::CacheUse;

use crate::Controller;
use crate::draft::Draft;
use crate::execute::Eyes;
use crate::queue::Next;

/// How long a pass waits for the cluster's objects to be loaded.
const LOAD_LIMIT: Duration = Duration::from_secs(20);
/// When to look again although no event said so.
const BACKSTOP: Duration = Duration::from_secs(10);
/// When to look again whether Applications that go first are gone.
const ORDER: Duration = Duration::from_secs(2);

/// One object that must go.
struct Doomed {
    live: Arc<LiveObject>,
    wave: i32,
    needs_confirmation: bool,
}

/// How far the deletion came.
enum Progress {
    /// The part is done.
    Done,
    /// Something is under way.
    Waiting,
    /// It cannot go on; the text is for people.
    Stuck(String),
}

impl Controller {
    /// Goes on with the deletion of an Application: PreDelete hooks, its objects, PostDelete hooks. Each part ends by
    /// taking its finalizer away, so that any process can go on from there.
    pub(crate) async fn finalize(&self, app: &Application) -> Next {
        let ours = |finalizer: &String| annotation::is_our_finalizer(finalizer);
        if !app.metadata.finalizers.iter().any(ours) {
            return Next::OnEvent;
        }
        let Ok(cluster) = self.state.destination_cluster(app) else {
            // The destination is not configured any more: nothing of it can be deleted, and nobody waits for it.
            return self.release(app, annotation::is_our_finalizer).await;
        };
        if let Some(why) = self.deletion_held(&app.key()) {
            let mut draft = Draft::new(app);
            draft.condition(ConditionType::DependencyWarning, why);
            self.patch(app, &mut draft).await;
            return Next::After(ORDER);
        }
        let has = |name: &str| app.metadata.finalizers.iter().any(|one| one == name);
        for (phase, run, clean_up) in [
            (
                HookType::PreDelete,
                annotation::FINALIZER_PRE_DELETE,
                annotation::FINALIZER_PRE_DELETE_CLEANUP,
            ),
            (
                HookType::PostDelete,
                annotation::FINALIZER_POST_DELETE,
                annotation::FINALIZER_POST_DELETE_CLEANUP,
            ),
        ] {
            if phase == HookType::PostDelete {
                let deleted = self.cascade(app, &cluster).await;
                if let Some(next) = self.tell_deletion(app, deleted).await {
                    return next;
                }
            }
            for name in [run, clean_up] {
                if !has(name) {
                    continue;
                }
                let part = if name == run {
                    self.run_deletion_hooks(app, &cluster, phase).await
                } else {
                    self.clean_deletion_hooks(app, &cluster, phase).await
                };
                let part = match part {
                    Progress::Stuck(why) => Progress::Stuck(format!(
                        "{why}; remove finalizer {name} to delete the application without its {} hooks",
                        phase.as_str()
                    )),
                    other => other,
                };
                if let Some(next) = self.tell_deletion(app, part).await {
                    return next;
                }
                // The part is recorded before the next one begins.
                let next = self.release(app, |one| one == name).await;
                return next.sooner(Next::After(Duration::from_millis(50)));
            }
        }
        self.release(app, annotation::is_our_finalizer).await
    }

    /// Tells what holds the deletion back. Returns when to look again; `None` when nothing does.
    async fn tell_deletion(&self, app: &Application, progress: Progress) -> Option<Next> {
        let mut draft = Draft::new(app);
        draft.evaluates(&[
            ConditionType::DeletionError,
            ConditionType::DependencyWarning,
        ]);
        match progress {
            Progress::Done => return None,
            Progress::Waiting => {}
            Progress::Stuck(message) => draft.condition(ConditionType::DeletionError, message),
        }
        self.patch(app, &mut draft).await;
        Some(Next::After(BACKSTOP))
    }

    /// Deletes the Application's objects, where its finalizers ask for that.
    async fn cascade(&self, app: &Application, cluster: &Arc<Cluster>) -> Progress {
        let propagation = match annotation::cascade(&app.metadata.finalizers) {
            Cascade::Orphan => return Progress::Done,
            Cascade::Foreground => Propagation::Foreground,
            Cascade::Background => Propagation::Background,
        };
        match self.delete_next_wave(app, cluster, propagation).await {
            Ok(true) => Progress::Done,
            Ok(false) => Progress::Waiting,
            Err(message) => Progress::Stuck(message),
        }
    }

    /// Returns the hooks of a deletion phase, as the newest readable revision has them, and what is needed to handle them.
    async fn deletion_hooks(
        &self,
        app: &Application,
        cluster: &Arc<Cluster>,
        phase: HookType,
    ) -> Result<(Vec<DeletionHook>, WriteCtx), String> {
        let target = self.state.target(app).map_err(|problems| {
            let texts = problems.into_iter().map(|one| one.message);
            texts.collect::<Vec<_>>().join("; ")
        })?;
        let desired = self.deletion_source(app, &target).await?;
        let key = app.key();
        let prepared = self
            .state
            .prepare(&key, &target, &desired)
            .map_err(|failure| failure.condition.message)?;
        let targets: Vec<sync::Target> = prepared
            .objects
            .iter()
            .map(|one| sync::Target::new(Arc::clone(&one.object)))
            .collect();
        let asked = app.metadata.deletion_timestamp;
        let deletion = Deletion {
            uid: &app.metadata.uid,
            since: asked.map_or_else(|| self.now(), driftless_api::Time::timestamp),
            revision: desired.revisions.first().map_or("", String::as_str),
        };
        let hooks = sync::deletion::hooks(&targets, phase, deletion);
        let ctx = self
            .state
            .write_ctx(app, cluster, self.fence.clone())
            .map_err(|error| error.to_string())?;
        let live = cluster.live();
        let instance = self.state.instance(&key);
        let objects = hooks.iter().map(|hook| (hook.object.gvk(), hook.key()));
        live.want(
            &instance,
            Wanted {
                objects: objects.collect(),
                kinds: self.state.kinds_of(app),
            },
        );
        match live.settled(&instance, LOAD_LIMIT).await {
            Readiness::Settled => Ok((hooks, ctx)),
            other => Err(driftless_appstate::comparison::not_settled(cluster, other)),
        }
    }

    /// Reads the tracked revisions, or else those that were deployed last, which are kept here.
    async fn deletion_source(&self, app: &Application, target: &Target) -> Result<Desired, String> {
        let render = |revisions| {
            self.state
                .desired(app, target, &target.sources, revisions, CacheUse::Use)
        };
        let failure = match render(Revisions::Tracked(Freshness::Cached)).await {
            Ok(desired) => return Ok(desired),
            Err(failure) => failure.condition.message,
        };
        let status = app.status.as_deref();
        let last = status.and_then(|status| status.history.last());
        let revisions = match last {
            Some(last) if !last.revisions.is_empty() => last.revisions.clone(),
            Some(last) => vec![last.revision.clone()],
            None => return Err(failure),
        };
        render(Revisions::Pinned(&revisions))
            .await
            .map_err(|_| failure)
    }

    async fn run_deletion_hooks(
        &self,
        app: &Application,
        cluster: &Arc<Cluster>,
        phase: HookType,
    ) -> Progress {
        let (hooks, ctx) = match self.deletion_hooks(app, cluster, phase).await {
            Ok(found) => found,
            Err(why) => return Progress::Stuck(why),
        };
        let settings = self.state.settings.current();
        let limit = settings.params.controller.hook_timeout;
        let limit = limit.and_then(|limit| jiff::SignedDuration::try_from(limit).ok());
        let config = self.state.config();
        let eyes = Eyes(cluster.live(), &*config);
        let next = sync::deletion::next(&hooks, &eyes, limit, self.now());
        let writer = cluster.writer();
        let chosen = |places: &[usize]| -> Vec<&DeletionHook> {
            places
                .iter()
                .filter_map(|place| hooks.get(*place))
                .collect()
        };
        match next {
            HookStep::Done => Progress::Done,
            HookStep::Wait(_) => Progress::Waiting,
            HookStep::Create(places) => {
                for hook in chosen(&places) {
                    let options = ApplyOptions::default();
                    if let Err(error) = writer.apply(&ctx, &hook.object, &options).await {
                        let key = hook.key();
                        return Progress::Stuck(format!(
                            "creating {} hook {key}: {}",
                            phase.as_str(),
                            render_chain(&error)
                        ));
                    }
                }
                Progress::Waiting
            }
            HookStep::Clear(places) => match delete_hooks(&writer, &ctx, chosen(&places)).await {
                Ok(()) => Progress::Waiting,
                Err(why) => Progress::Stuck(why),
            },
            HookStep::Failed { retry, message } => {
                match delete_hooks(&writer, &ctx, chosen(&retry)).await {
                    Ok(()) => Progress::Stuck(message),
                    Err(why) => Progress::Stuck(format!("{message}; {why}")),
                }
            }
        }
    }

    async fn clean_deletion_hooks(
        &self,
        app: &Application,
        cluster: &Arc<Cluster>,
        phase: HookType,
    ) -> Progress {
        let (hooks, ctx) = match self.deletion_hooks(app, cluster, phase).await {
            Ok(found) => found,
            Err(why) => return Progress::Stuck(why),
        };
        let eyes = Eyes(cluster.live(), &NoRules);
        let over: Vec<&DeletionHook> = sync::deletion::clean_up(&hooks, &eyes).collect();
        match delete_hooks(&cluster.writer(), &ctx, over).await {
            Ok(()) => Progress::Done,
            Err(why) => Progress::Stuck(why),
        }
    }

    /// Deletes the highest wave that is left. Returns whether nothing is left.
    async fn delete_next_wave(
        &self,
        app: &Application,
        cluster: &Arc<Cluster>,
        propagation: Propagation,
    ) -> Result<bool, String> {
        let key = app.key();
        let instance = self.state.instance(&key);
        let live = cluster.live();
        let concerned = self.state.kinds_of(app);
        live.want(
            &instance,
            Wanted {
                kinds: concerned.clone(),
                ..Wanted::default()
            },
        );
        let readiness = live.settled(&instance, LOAD_LIMIT).await;
        if readiness != Readiness::Settled {
            return Err(driftless_appstate::comparison::not_settled(
                cluster, readiness,
            ));
        }
        let tracked = live.tracked(&instance);
        if let Some((kind, reason)) = unknown(&tracked, &concerned) {
            return Err(format!(
                "objects of kind {kind} cannot be read, so it is not known whether all are deleted: {reason}"
            ));
        }
        let ctx = self
            .state
            .write_ctx(app, cluster, self.fence.clone())
            .map_err(|error| error.to_string())?;
        let gate = self.state.gate(app, cluster);
        let mut doomed = Vec::new();
        for object in tracked.objects {
            if let Some(one) = judge(app, &gate, object)? {
                doomed.push(one);
            }
        }
        let Some(wave) = doomed.iter().map(|one| one.wave).max() else {
            return Ok(true);
        };
        let waiting = doomed.iter().find(|one| one.needs_confirmation);
        if let Some(one) = waiting.filter(|_| !is_approved(app)) {
            return Err(format!(
                "waiting for deletion confirmation of {}: set annotation {} to the current time",
                one.live.key,
                annotation::DELETION_APPROVED
            ));
        }
        let writer = cluster.writer();
        for one in doomed
            .iter()
            .filter(|one| one.wave == wave && one.live.deleting.is_none())
        {
            let options = DeleteOptions {
                propagation,
                uid: Some(one.live.uid.clone()),
                ..DeleteOptions::default()
            };
            writer
                .delete(&ctx, &one.live.key, &options)
                .await
                .map_err(|error| format!("deleting {}: {}", one.live.key, render_chain(&error)))?;
        }
        // Deletions of objects without finalizers are in the live state already.
        let left = live.tracked(&instance).objects;
        let mut all_gone = true;
        for object in left {
            all_gone &= judge(app, &gate, object)?.is_none();
        }
        Ok(all_gone)
    }

    /// Removes finalizers; Kubernetes deletes the Application when none is left.
    async fn release(&self, app: &Application, which: impl Fn(&str) -> bool) -> Next {
        let left: Vec<&String> = app
            .metadata
            .finalizers
            .iter()
            .filter(|finalizer| !which(finalizer))
            .collect();
        let patch = serde_json::json!({
            "metadata": {"finalizers": left, "resourceVersion": app.metadata.resource_version}
        });
        match self.patch_app(app, &patch).await {
            Ok(_) => Next::OnEvent,
            Err(error) if error.is_missing() => Next::OnEvent,
            Err(error) => {
                tracing::warn!(app = %app.key(), error = %error, "Finalizer not removed, trying again");
                Next::After(Duration::from_secs(1))
            }
        }
    }
}

async fn delete_hooks(
    writer: &Writer,
    ctx: &WriteCtx,
    hooks: Vec<&DeletionHook>,
) -> Result<(), String> {
    for hook in hooks {
        let key = hook.key();
        let options = DeleteOptions {
            propagation: Propagation::Background,
            ..DeleteOptions::default()
        };
        writer
            .delete(ctx, &key, &options)
            .await
            .map_err(|error| format!("deleting hook {key}: {}", render_chain(&error)))?;
    }
    Ok(())
}

/// Returns a kind that the Application has to do with and whose objects are not known. One that it never had anything
/// to do with may be unreadable for ever.
fn unknown<'a>(
    tracked: &'a Tracked,
    concerned: &BTreeSet<GroupKind>,
) -> Option<(&'a GroupKind, &'a str)> {
    let unreadable = tracked.unreadable.iter().map(|(kind, why)| (kind, &**why));
    let loading = tracked
        .loading
        .iter()
        .map(|kind| (kind, "it is still being loaded"));
    unreadable
        .chain(loading)
        .find(|(kind, _)| kind.kind.is_empty() || concerned.contains(*kind))
}

/// Says whether an object must go with its Application.
fn judge(
    app: &Application,
    gate: &ProjectGate,
    live: Arc<LiveObject>,
) -> Result<Option<Doomed>, String> {
    let is_crd = &*live.key.kind == "CustomResourceDefinition";
    let is_itself = &*live.key.kind == Application::KIND
        && *live.key.name == *app.metadata.name
        && *live.key.namespace == *app.metadata.namespace;
    // What the project does not permit is left in the cluster.
    let is_forbidden = gate.check(&live.key).is_err();
    if is_crd || is_itself || is_forbidden || !live.owners.is_empty() {
        return Ok(None);
    }
    let Some(object) = live.parse() else {
        return Err(format!("{} is not loaded yet", live.key));
    };
    let annotations = Annotations::of(&object);
    if sync::deletion::is_deletion_hook(&annotations) {
        return Ok(None);
    }
    // The Application's own option guards every object; the stricter of both holds.
    let list = app.spec.sync_options().iter().map(String::as_str);
    let guard = AppOptions::parse(list)
        .0
        .delete
        .max(annotations.options.delete);
    if annotations.keep_on_delete || guard == Guard::Never {
        return Ok(None);
    }
    let needs_confirmation = guard == Guard::Confirm;
    Ok(Some(Doomed {
        live,
        wave: annotations.wave,
        needs_confirmation,
    }))
}

fn is_approved(app: &Application) -> bool {
    let approved = app.metadata.annotation(annotation::DELETION_APPROVED);
    let approved = approved.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let asked = app
        .metadata
        .deletion_timestamp
        .map(driftless_api::Time::timestamp);
    matches!((approved, asked), (Some(approved), Some(asked)) if approved >= asked)
}
