//! One target: what is there, what the state machine says about it, and what is stored of that.

mod decision;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_analysis::Lowered;
use driftless_api::ModelRollout;
use driftless_api::rollout::handover::{CommandVerb, ROLLOUT_LABEL, Wanted};
use driftless_api::rollout::status::{ModelRolloutStatus, TargetStatus};
use driftless_core::GroupVersionKind;
use driftless_rollout::fit::Verdict;
use driftless_rollout::machine::{
    self, Action, Answer, Command, Input, Observed, Outcome, Stage, State, Verb,
};
use driftless_rollout::plan::Plan;
use serde_json::Value;
use tokio::time::Instant;

use self::view::{View, note};
use super::{Commands, INVALID, LOOK_WITHIN, REST, Shared, Stopped, Worker};
use crate::capacity;
use crate::inputs::Unplanned;
use crate::runner::selects;
use crate::target::{self, Ctx, Owner, Promoted, Seen, Target, list};

/// Looks in one pass at most; the next pass follows at once.
const ROUNDS: usize = 24;
/// While a version is on its way it is looked at again after this time, though nothing was told to have changed.
const AT_WORK: Duration = Duration::from_secs(10);
/// The longest of these times: each look that finds nothing new doubles it. Watches tell of changes meanwhile.
const AT_WORK_QUIETLY: Duration = Duration::from_mins(1);
/// After an action whose outcome takes a moment.
const SOON: Duration = Duration::from_millis(250);
/// Places are looked for again after this time.
const NO_PLACE: Duration = Duration::from_secs(10);

/// What a look rests on.
pub(super) struct Job<'a> {
    pub(super) rollout: &'a ModelRollout,
    pub(super) name: &'a str,
    pub(super) commands: &'a Commands,
    pub(super) wanted: &'a Result<Wanted, String>,
    /// What is wrong with the spec.
    pub(super) problem: Option<&'a str>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) wait: Duration,
    pub(super) related: Vec<(GroupVersionKind, String)>,
}

/// Says whether a version is on its way.
pub(super) fn is_at_work(target: &TargetStatus) -> bool {
    state_of(target).is_some_and(|state| state.transition().is_some())
}

fn state_of(target: &TargetStatus) -> Option<State> {
    let state = target.state.as_ref()?;
    serde_json::from_value(state.0.clone()).ok()
}

impl Worker {
    /// Returns the names of a rollout's targets.
    pub(super) async fn names(
        &self,
        rollout: &ModelRollout,
        wanted: Option<&Wanted>,
    ) -> Result<Vec<String>, String> {
        if let Some(target) = &rollout.spec.target_ref {
            return Ok(vec![target.name.clone()]);
        }
        let Some(selector) = &rollout.spec.selector else {
            return Ok(Vec::new());
        };
        let gvk = GroupVersionKind::from_api_version(&selector.api_version, &selector.kind);
        let query: Vec<String> = selector
            .match_labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let found: Vec<Value> = list(
            &self.runner.cluster,
            &gvk,
            &self.id.namespace,
            &query.join(","),
        )
        .await
        .map_err(|error| error.text())?;
        let mut names: Vec<String> = found
            .iter()
            .filter(|object| {
                let labels = target::json::labels(object);
                selects(selector, &labels) && !labels.contains_key(ROLLOUT_LABEL)
            })
            .filter_map(|object| object.pointer("/metadata/name")?.as_str())
            .map(str::to_owned)
            .collect();
        names.extend(wanted.into_iter().flatten().map(|(name, _)| name.clone()));
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Looks at one target until there is nothing to do but wait.
    pub(super) async fn target(&self, job: &Job<'_>, status: &Shared) -> Looked {
        let mut looked = Looked {
            wait: REST,
            related: Vec::new(),
        };
        let Some((version, target_kind)) = job.rollout.spec.target_kind() else {
            self.invalid(job, status, job.problem.unwrap_or("spec: names no target"));
            return looked;
        };
        let gvk = GroupVersionKind::from_api_version(version, target_kind);
        let Some(target) = target::of(&gvk) else {
            let text =
                format!("spec.targetRef.kind: {target_kind} is not carried out by this version");
            self.invalid(job, status, job.problem.unwrap_or(&text));
            return looked;
        };
        let mut last: Vec<Action> = Vec::new();
        for _ in 0..ROUNDS {
            match self
                .round(job, status, target.as_ref(), &gvk, &mut last)
                .await
            {
                Ok(Round::Again) => {}
                Ok(Round::Wait(wait, related)) => {
                    looked.wait = wait;
                    looked.related = related;
                    return looked;
                }
                Err(Stopped(wait)) => {
                    looked.wait = wait;
                    looked.related = target.related(&self.ctx(job, &gvk, None, None));
                    return looked;
                }
            }
        }
        looked.wait = Duration::ZERO;
        looked.related = target.related(&self.ctx(job, &gvk, None, None));
        looked
    }

    /// Looks at one of several targets. One that does not answer is left alone for a while.
    pub(super) async fn target_in_time(&self, job: &Job<'_>, status: &Shared) -> Looked {
        let until = self.slow.lock().get(job.name).copied();
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(wait) = left.filter(|left| !left.is_zero()) {
            return Looked {
                wait,
                related: self.related(job),
            };
        }
        match tokio::time::timeout(LOOK_WITHIN, self.target(job, status)).await {
            Ok(looked) => {
                self.slow.lock().remove(job.name);
                looked
            }
            Err(_) => {
                let wait = self.failed(job.name).max(LOOK_WITHIN);
                let until = Instant::now() + wait;
                self.slow.lock().insert(job.name.to_owned(), until);
                if let Some(entry) = entry(&mut status.lock(), job.name) {
                    let seconds = LOOK_WITHIN.as_secs();
                    entry.message = format!("no answer within {seconds} s: it is looked at again");
                }
                Looked {
                    wait,
                    related: self.related(job),
                }
            }
        }
    }

    /// Returns the objects that concern a target.
    fn related(&self, job: &Job<'_>) -> Vec<(GroupVersionKind, String)> {
        let Some((version, kind)) = job.rollout.spec.target_kind() else {
            return Vec::new();
        };
        let gvk = GroupVersionKind::from_api_version(version, kind);
        let target = target::of(&gvk);
        target.map_or_else(Vec::new, |target| {
            target.related(&self.ctx(job, &gvk, None, None))
        })
    }

    fn ctx(
        &self,
        job: &Job<'_>,
        gvk: &GroupVersionKind,
        wanted: Option<target::Version>,
        stable: Option<String>,
    ) -> Ctx {
        Ctx {
            cluster: Arc::clone(&self.runner.cluster),
            write: self.runner.delivery.write(),
            owner: Owner {
                namespace: job.rollout.metadata.namespace.clone(),
                name: job.rollout.metadata.name.clone(),
                uid: job.rollout.metadata.uid.clone(),
            },
            spec: Arc::new(job.rollout.spec.clone()),
            gvk: gvk.clone(),
            name: job.name.to_owned(),
            wanted,
            stable,
        }
    }

    fn invalid(&self, job: &Job<'_>, status: &Shared, problem: &str) {
        if let Some(entry) = entry(&mut status.lock(), job.name) {
            "Invalid".clone_into(&mut entry.phase);
            "InvalidSpec".clone_into(&mut entry.waiting_for);
            problem.clone_into(&mut entry.message);
        }
    }

    async fn round(
        &self,
        job: &Job<'_>,
        status: &Shared,
        target: &dyn Target,
        gvk: &GroupVersionKind,
        last: &mut Vec<Action>,
    ) -> Result<Round, Stopped> {
        let known = entry(&mut status.lock(), job.name).cloned();
        let Some(known) = known else {
            return Err(Stopped(REST));
        };
        let state = state_of(&known).unwrap_or_default();
        let (object, unread) = self.object(job).await;
        let memory = (!known.stable_version.is_empty()).then(|| known.stable_version.clone());
        let ctx = self.ctx(job, gvk, object, memory);
        let related = target.related(&ctx);
        let seen = target.observe(&ctx).await;
        if let Ok(Seen {
            finishing: Some(version),
            ..
        }) = &seen
        {
            return self.finish(job, status, target, &ctx, version).await;
        }
        let view = View::new(job, &known, &ctx, seen, unread);
        let lowered = self.lowered(job, &state, &view, target, &ctx).await;
        let command = job.commands.open(&known).cloned();
        let lowered = match lowered {
            Ok(lowered) => lowered,
            Err(problem) => {
                match self.without_plan(job, status, &state, command.as_ref(), problem) {
                    Some(lowered) => lowered,
                    None => return Ok(Round::Wait(INVALID, related)),
                }
            }
        };
        let observed = self.observed(job, &state, &view, &lowered, status).await;
        let answers = self.answers(job.name);
        let commands: Vec<Command> = command.iter().map(lower_command).collect();
        let input = Input {
            observed: &observed,
            commands: &commands,
            answers: &answers,
            now: self.now(),
        };
        let outcome = machine::advance(&lowered.plan, state, input);
        let is_planned = !lowered.plan.steps.is_empty();
        if let Some(entry) = entry(&mut status.lock(), job.name) {
            view.note(entry);
            note(entry, &lowered, &outcome, &answers, is_planned);
            if let Some(error) = self.errors.lock().get(job.name) {
                entry.message = super::act::joined(&entry.message, error);
            }
            if let Some(command) = &command {
                entry.last_command.clone_from(&command.id);
            }
        }
        // Stored before it is acted upon: whoever goes on after us knows what we knew.
        let stored = self.persist(job.rollout, status).await;
        if stored.is_err() {
            // Taking traffic back is right whatever is remembered.
            self.act_in_need(target, &ctx, &outcome.actions, &observed)
                .await;
        }
        stored?;
        self.tell(job, &outcome.decisions);
        self.stop_measuring(job, &outcome.state);
        if outcome.state.transition().is_some() {
            self.hold(job.rollout, true).await?;
        }
        let acted = self
            .act(job, target, &ctx, &lowered, &outcome, status)
            .await;
        let wake = self.wake(&outcome);
        let is_repeated = *last == outcome.actions;
        *last = outcome.actions;
        Ok(match acted {
            super::act::Acted::Nothing => Round::Wait(wake, related),
            super::act::Acted::Done if is_repeated => Round::Wait(SOON.min(wake), related),
            super::act::Acted::Done => Round::Again,
            super::act::Acted::Later(wait) => Round::Wait(wait.min(wake), related),
        })
    }

    /// Reads the object that was handed over, or says why it cannot be read.
    async fn object(&self, job: &Job<'_>) -> (Option<target::Version>, Option<String>) {
        let named = match job.wanted {
            Ok(wanted) => wanted.get(job.name),
            Err(_) => None,
        };
        let Some(named) = named else {
            return (None, None);
        };
        let runner = Arc::clone(&self.runner);
        let namespace = &self.id.namespace;
        let mut inputs = self.inputs.lock().await;
        let version = inputs.version(&runner, namespace, job.name, named);
        match version.await {
            Ok(version) => (Some(version), None),
            Err(error) => (None, Some(error)),
        }
    }

    /// Returns a plan that is good enough to go back; without one, says what is wrong.
    fn without_plan(
        &self,
        job: &Job<'_>,
        status: &Shared,
        state: &State,
        command: Option<&driftless_api::rollout::handover::Command>,
        problem: Unplanned,
    ) -> Option<Lowered> {
        let is_back = matches!(state.stage, Stage::Restoring { .. })
            || job.rollout.metadata.is_deleting()
            || command.is_some_and(|command| command.verb == CommandVerb::Abort);
        if is_back && state.transition().is_some() {
            return Some(Lowered {
                plan: Plan::new(Vec::new()),
                metrics: BTreeMap::new(),
            });
        }
        match problem {
            Unplanned::Invalid(problem) => self.invalid(job, status, &problem.to_string()),
            Unplanned::Unread(error) => {
                if let Some(entry) = entry(&mut status.lock(), job.name) {
                    entry.message = error;
                    if entry.phase.is_empty() {
                        "Waiting".clone_into(&mut entry.phase);
                    }
                }
            }
        }
        None
    }

    /// Carries a promotion to its end that cannot be taken back.
    async fn finish(
        &self,
        job: &Job<'_>,
        status: &Shared,
        target: &dyn Target,
        ctx: &Ctx,
        version: &str,
    ) -> Result<Round, Stopped> {
        match target.promote(ctx).await {
            Ok(Promoted::Done) => {
                if let Some(entry) = entry(&mut status.lock(), job.name) {
                    version.clone_into(&mut entry.stable_version);
                }
                self.persist(job.rollout, status).await?;
                Ok(Round::Again)
            }
            Ok(Promoted::NotYet(_)) => Ok(Round::Wait(SOON, target.related(ctx))),
            Err(error) => {
                if let Some(entry) = entry(&mut status.lock(), job.name) {
                    entry.message =
                        format!("{version} becomes the stable version: {}", error.text());
                }
                let wait = self.failed(job.name);
                Ok(Round::Wait(wait, target.related(ctx)))
            }
        }
    }

    async fn lowered(
        &self,
        job: &Job<'_>,
        state: &State,
        view: &View,
        target: &dyn Target,
        ctx: &Ctx,
    ) -> Result<Lowered, Unplanned> {
        let problem = |text: &str| {
            let (at, message) = text.split_once(": ").unwrap_or(("spec", text));
            Unplanned::Invalid(driftless_api::rollout::Problem {
                at: at.to_owned(),
                message: message.to_owned(),
            })
        };
        if let Some(text) = job.problem {
            return Err(problem(text));
        }
        if let Some(found) = target.problems(ctx).into_iter().next() {
            return Err(Unplanned::Invalid(found));
        }
        let canary = state
            .transition()
            .map(|transition| transition.version.clone())
            .or_else(|| view.wanted.clone())
            .unwrap_or_default();
        let runner = Arc::clone(&self.runner);
        let versions = (view.stable_version.as_str(), canary.as_str());
        let index = state.transition().map_or(0, |transition| transition.index);
        let place = (job.name, index);
        let mut inputs = self.inputs.lock().await;
        inputs.plan(&runner, job.rollout, place, versions).await
    }

    async fn observed(
        &self,
        job: &Job<'_>,
        state: &State,
        view: &View,
        lowered: &Lowered,
        status: &Shared,
    ) -> Observed {
        let mut observed = view.observed.clone();
        if let Some(older) = self
            .runner
            .older(job.rollout, &view.gvk, job.name, &view.labels)
        {
            observed.blocked = Some(format!(
                "the ModelRollout {older} is older and has the same target: delete one of them"
            ));
        }
        if let Err(error) = job.wanted {
            observed.blocked.get_or_insert(error.clone());
        }
        observed.warmed = self.warmed(job.name, state);
        let is_to_begin = matches!(
            state.stage,
            Stage::Idle | Stage::Waiting { .. } | Stage::Aborted { .. }
        ) && observed.stable.is_some()
            && observed.wanted.as_ref() != observed.stable.as_ref().map(|stable| &stable.version);
        let checks = job
            .rollout
            .spec
            .capacity
            .as_ref()
            .and_then(|capacity| capacity.check);
        let fit = if !is_to_begin {
            None
        } else if checks == Some(false) {
            Some((Some(Verdict::Surge), String::new()))
        } else {
            let replicas = lowered.plan.most_replicas(observed.replicas.max(1));
            let checked = self
                .runner
                .capacity
                .check(
                    &self.runner.cluster,
                    (
                        &self.id.namespace,
                        &format!("{}/{}", self.id.name, job.name),
                    ),
                    &view.pods,
                    replicas,
                )
                .await;
            Some(match checked {
                Ok(verdict) => {
                    let words = capacity::words(&verdict);
                    (Some(verdict), words)
                }
                Err(error) => (None, format!("not known: {error}")),
            })
        };
        if let (Some((verdict, words)), Some(entry)) = (fit, entry(&mut status.lock(), job.name)) {
            observed.fit = verdict;
            entry.fit = words;
        }
        observed
    }

    /// Takes the measurements that came in.
    fn answers(&self, name: &str) -> Vec<Answer> {
        let mut inbox = self.signal.inbox.lock();
        let (mine, others) = std::mem::take(&mut inbox.answers)
            .into_iter()
            .partition(|(target, _)| target == name);
        inbox.answers = others;
        let mine: Vec<(String, Answer)> = mine;
        mine.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Returns when to look again.
    fn wake(&self, outcome: &Outcome) -> Duration {
        let rest = match &outcome.state.stage {
            Stage::Idle | Stage::Aborted { .. } => REST,
            Stage::Waiting { .. } => NO_PLACE,
            _ => AT_WORK_QUIETLY.min(AT_WORK * 2_u32.pow(self.quiet.min(8))),
        };
        let until = outcome.wake.map(|at| {
            let left = at.duration_since(self.now());
            // A moment later rather than earlier: then it is due.
            Duration::try_from(left).unwrap_or(Duration::ZERO) + Duration::from_millis(5)
        });
        until.map_or(rest, |until| until.min(rest))
    }
}

enum Round {
    Again,
    Wait(Duration, Vec<(GroupVersionKind, String)>),
}

pub(super) fn entry<'a>(
    status: &'a mut ModelRolloutStatus,
    name: &str,
) -> Option<&'a mut TargetStatus> {
    status.targets.iter_mut().find(|target| target.name == name)
}

fn lower_command(command: &driftless_api::rollout::handover::Command) -> Command {
    Command {
        verb: match command.verb {
            CommandVerb::Pause => Verb::Pause,
            CommandVerb::Promote => Verb::Promote,
            CommandVerb::PromoteFull => Verb::PromoteFull,
            CommandVerb::Abort => Verb::Abort,
            CommandVerb::Retry => Verb::Retry,
        },
        by: if command.by.is_empty() {
            "somebody".to_owned()
        } else {
            command.by.clone()
        },
    }
}
