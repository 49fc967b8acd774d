//! Hooks that run before and after an application's objects are deleted.
//!
//! There is no operation while an application is deleted, so nothing is recorded: what was done is read from the cluster.
//! A hook that belongs to this deletion carries its mark; anything else at its place is a leftover.

use std::collections::BTreeSet;
use std::sync::Arc;

use driftless_core::ResourceKey;
use driftless_manifest::Object;
use jiff::{SignedDuration, Timestamp};

use crate::annotation::{Annotations, DeletePolicy, HookType};
use crate::health::Status;
use crate::sync::order::kind_rank;
use crate::sync::plan::{OPERATION_ANNOTATION, Target, hooks_at};
use crate::sync::step::{Live, Observe};

/// A failed hook stays this long at least, so that people can look at it and a hook that always fails is not created
/// over and over.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// One hook of a deletion.
#[derive(Clone, Debug)]
pub struct DeletionHook {
    /// The object to create: named, with the mark of this deletion.
    pub object: Arc<Object>,
    /// Its wave.
    pub wave: i32,
    /// When its object is deleted.
    pub policies: Vec<DeletePolicy>,
}

impl DeletionHook {
    /// Returns the identity of its object.
    pub fn key(&self) -> ResourceKey {
        self.object.key()
    }
}

/// Names one deletion of one application.
#[derive(Clone, Copy, Debug)]
pub struct Deletion<'a> {
    /// Unique id of the application.
    pub uid: &'a str,
    /// When its deletion was asked for.
    pub since: Timestamp,
    /// The revision the hooks come from, for generated names.
    pub revision: &'a str,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Create these, by their places in the list.
    Create(Vec<usize>),
    /// Delete what others left at the place of these.
    Clear(Vec<usize>),
    /// Wait, for this reason.
    Wait(String),
    /// These failed: tell, delete them, and they are tried again.
    Failed {
        /// Places in the list of those that may be deleted now.
        retry: Vec<usize>,
        /// Why.
        message: String,
    },
    /// All hooks succeeded.
    Done,
}

/// Returns the hooks of `targets` that run at `phase`, in order.
pub fn hooks(targets: &[Target], phase: HookType, deletion: Deletion<'_>) -> Vec<DeletionHook> {
    let mut hooks: Vec<DeletionHook> = hooks_at(targets, phase)
        .map(|target| {
            let mut object = Object::clone(&target.object);
            if object.name().is_empty() {
                let revision = deletion.revision.get(..7).unwrap_or(deletion.revision);
                let prefix = object.generate_name().unwrap_or_default();
                let seconds = deletion.since.as_second();
                let suffix = format!("{revision}-{}-{seconds}", phase.as_str()).to_lowercase();
                let name = format!("{prefix}{suffix}");
                object.set_name(&name);
            }
            object.set_annotation(OPERATION_ANNOTATION, mark(phase, deletion));
            DeletionHook {
                object: Arc::new(object),
                wave: target.annotations.wave,
                policies: target.annotations.delete_policies.clone(),
            }
        })
        .collect();
    hooks.sort_by(|a, b| {
        let rank = |hook: &DeletionHook| (hook.wave, kind_rank(hook.object.kind()));
        rank(a).cmp(&rank(b)).then_with(|| a.key().cmp(&b.key()))
    });
    hooks
}

fn mark(phase: HookType, deletion: Deletion<'_>) -> String {
    format!(
        "{}-{}/{}",
        deletion.uid,
        deletion.since.as_second(),
        phase.as_str()
    )
}

/// Says whether a live object is a hook of a deletion: such objects are no part of what is deleted.
pub fn is_deletion_hook(annotations: &Annotations) -> bool {
    let types = annotations.hook.types();
    types.contains(&HookType::PreDelete) || types.contains(&HookType::PostDelete)
}

/// Says what is to be done about the hooks now; `limit` is how long one may run.
pub fn next(
    hooks: &[DeletionHook],
    observe: &dyn Observe,
    limit: Option<SignedDuration>,
    now: Timestamp,
) -> Next {
    let waves: BTreeSet<i32> = hooks.iter().map(|hook| hook.wave).collect();
    for wave in waves {
        let mut seen = Seen::default();
        for (place, hook) in hooks.iter().enumerate().filter(|(_, one)| one.wave == wave) {
            seen.look(place, hook, observe, limit, now);
        }
        if let Some(next) = seen.decide() {
            return next;
        }
    }
    Next::Done
}

/// What is seen of the hooks of one wave.
#[derive(Default)]
struct Seen {
    create: Vec<usize>,
    clear: Vec<usize>,
    waiting: Vec<String>,
    failures: Vec<String>,
    retry: Vec<usize>,
}

impl Seen {
    fn look(
        &mut self,
        place: usize,
        hook: &DeletionHook,
        observe: &dyn Observe,
        limit: Option<SignedDuration>,
        now: Timestamp,
    ) {
        let key = hook.key();
        let label = format!("{}/{}/{}", key.group, key.kind, key.name);
        let live = match observe.live(&key) {
            Live::Unknown(why) => {
                self.waiting.push(format!("{label} ({why})"));
                return;
            }
            Live::Missing => {
                self.create.push(place);
                return;
            }
            Live::Present(live) => live,
        };
        let own = hook.object.annotation(OPERATION_ANNOTATION);
        if live.is_deleting() {
            self.waiting.push(label);
            return;
        }
        if live.annotation(OPERATION_ANNOTATION) != own {
            if hook.policies.contains(&DeletePolicy::BeforeHookCreation) {
                self.clear.push(place);
            } else {
                self.create.push(place);
            }
            return;
        }
        let age = live
            .creation_timestamp()
            .map_or(SignedDuration::ZERO, |at| now.duration_since(at));
        let failure = match observe.health(&live) {
            None => return,
            Some(health) => match health.status {
                Status::Healthy => return,
                Status::Degraded | Status::Unknown => health.message,
                _ if limit.is_some_and(|limit| age >= limit) => {
                    "it did not finish in time".to_owned()
                }
                _ => {
                    self.waiting.push(label);
                    return;
                }
            },
        };
        self.failures
            .push(format!("hook {label} failed: {failure}"));
        if age >= RETRY_AFTER {
            self.retry.push(place);
        }
    }

    fn decide(self) -> Option<Next> {
        if !self.failures.is_empty() {
            return Some(Next::Failed {
                retry: self.retry,
                message: self.failures.join("; "),
            });
        }
        if !self.clear.is_empty() {
            return Some(Next::Clear(self.clear));
        }
        if !self.create.is_empty() {
            return Some(Next::Create(self.create));
        }
        let waiting = || format!("waiting for completion of hook {}", self.waiting.join(", "));
        (!self.waiting.is_empty()).then(|| Next::Wait(waiting()))
    }
}

/// Returns the hooks whose objects their policies delete when the phase is over.
pub fn clean_up<'a>(
    hooks: &'a [DeletionHook],
    observe: &'a dyn Observe,
) -> impl Iterator<Item = &'a DeletionHook> {
    hooks.iter().filter(|hook| {
        let Live::Present(live) = observe.live(&hook.key()) else {
            return false;
        };
        let own = hook.object.annotation(OPERATION_ANNOTATION);
        if live.is_deleting() || live.annotation(OPERATION_ANNOTATION) != own {
            return false;
        }
        let failed = observe
            .health(&live)
            .is_some_and(|health| matches!(health.status, Status::Degraded | Status::Unknown));
        let policy = if failed {
            DeletePolicy::HookFailed
        } else {
            DeletePolicy::HookSucceeded
        };
        hook.policies.contains(&policy)
    })
}
