//! What the state machine asks for is done.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use driftless_analysis::provider::Owner as MetricOwner;
use driftless_analysis::{Ctx as MeasureCtx, Lowered};
use driftless_rollout::Value;
use driftless_rollout::machine::{
    Action, Answer, Observed, Outcome, Stage, State, Transition, Warmed, Which,
};
use driftless_rollout::plan::Traffic;
use futures::FutureExt as _;

use super::look::{Job, entry};
use super::{Shared, Warming, Worker};
use crate::target::{Ctx, Promoted, Target};
use crate::warm;

/// A measurement may take this long: less than the state machine waits for an answer.
const MEASURED_WITHIN: Duration = Duration::from_secs(110);
/// A Job ends by its own deadline, or when the state machine stops waiting.
const JOB_WITHIN: Duration = Duration::from_hours(24);
/// First wait after a failed action, and the longest one.
const RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// A promotion is looked at again after this time.
const PROMOTING: Duration = Duration::from_millis(250);

/// What was done.
pub(super) enum Acted {
    /// Nothing that shows at once.
    Nothing,
    /// Something: it is worth a look.
    Done,
    /// It failed, or takes time.
    Later(Duration),
}

impl Worker {
    /// Does what was asked for, in order. What follows a failure is not done: pods come before traffic.
    pub(super) async fn act(
        &self,
        job: &Job<'_>,
        target: &dyn Target,
        ctx: &Ctx,
        lowered: &Lowered,
        outcome: &Outcome,
        status: &Shared,
    ) -> Acted {
        let mut acted = Acted::Nothing;
        for action in &outcome.actions {
            let done = match action {
                Action::ScaleCanary { replicas, .. } => target.scale_canary(ctx, *replicas).await,
                Action::ScaleStable { replicas } => target.scale_stable(ctx, *replicas).await,
                Action::SetTraffic(traffic) => target.set_traffic(ctx, traffic).await,
                Action::RemoveCanary => target.remove_canary(ctx).await,
                Action::Promote { version } => match target.promote(ctx).await {
                    Ok(Promoted::Done) => {
                        if let Some(entry) = entry(&mut status.lock(), job.name) {
                            version.clone_into(&mut entry.stable_version);
                        }
                        Ok(())
                    }
                    Ok(Promoted::NotYet(text)) => {
                        tracing::debug!(obj = %self.id, target = job.name, text, "A version is promoted");
                        return Acted::Later(PROMOTING);
                    }
                    Err(error) => Err(error),
                },
                Action::Warm { requests, .. } => {
                    match self.warm(job, target, ctx, &outcome.state, *requests).await {
                        Ok(()) => continue,
                        Err(error) => Err(error),
                    }
                }
                Action::Measure { of, metric } => {
                    if let Some(transition) = outcome.state.transition() {
                        self.measure(job, lowered, transition, *of, metric);
                    }
                    continue;
                }
            };
            match done {
                Ok(()) => acted = Acted::Done,
                Err(error) => {
                    let text = error.text();
                    tracing::debug!(obj = %self.id, target = job.name, ?action, error = text, "An action failed");
                    if let Some(entry) = entry(&mut status.lock(), job.name) {
                        entry.message = joined(&entry.message, &text);
                    }
                    self.errors.lock().insert(job.name.to_owned(), text);
                    return Acted::Later(self.failed(job.name));
                }
            }
        }
        self.failures.lock().remove(job.name);
        self.errors.lock().remove(job.name);
        acted
    }

    /// Counts a failed attempt and returns how long to wait before the next one.
    pub(super) fn failed(&self, name: &str) -> Duration {
        let mut failures = self.failures.lock();
        let failures = failures.entry(name.to_owned()).or_default();
        *failures += 1;
        (RETRY * 2_u32.saturating_pow(failures.saturating_sub(1).min(10))).min(LONGEST_RETRY)
    }

    /// Takes traffic back though nothing could be stored.
    pub(super) async fn act_in_need(
        &self,
        target: &dyn Target,
        ctx: &Ctx,
        actions: &[Action],
        observed: &Observed,
    ) {
        let live = observed
            .traffic
            .as_ref()
            .map_or(0, |traffic| traffic.canary);
        for action in actions {
            let Action::SetTraffic(traffic) = action else {
                continue;
            };
            if *traffic == Traffic::default()
                && live > 0
                && let Err(error) = target.set_traffic(ctx, traffic).await
            {
                tracing::warn!(obj = %self.id, error = error.text(), "Traffic was not taken back");
            }
        }
    }

    fn measure_ctx(&self, job: &Job<'_>, attempt: String) -> MeasureCtx {
        MeasureCtx {
            now: self.now(),
            cluster: Some(Arc::clone(&self.runner.cluster)),
            write: self.runner.delivery.write(),
            owner: MetricOwner {
                api_version: "driftless.dev/v1alpha1".to_owned(),
                kind: "ModelRollout".to_owned(),
                namespace: self.id.namespace.to_string(),
                name: self.id.name.to_string(),
                uid: job.rollout.metadata.uid.clone(),
            },
            attempt,
        }
    }

    /// Ends Jobs that measure for a version which is not on its way any more.
    pub(super) fn stop_measuring(&self, job: &Job<'_>, state: &State) {
        let current = match &state.stage {
            Stage::Stepping(transition) => Some(transition.version.as_str()),
            _ => None,
        };
        let mut left = Vec::new();
        self.signal.inbox.lock().jobs.retain(|(target, version)| {
            let is_left = target == job.name && Some(version.as_str()) != current;
            left.extend(is_left.then(|| version.clone()));
            !is_left
        });
        for version in left {
            let context = self.measure_ctx(job, format!("{}/{version}/", job.name));
            let delivery = Arc::clone(&self.runner.delivery);
            let obj = self.id.clone();
            tokio::spawn(async move {
                if let Err(error) = delivery.services.measure.stop(&context).await {
                    tracing::warn!(%obj, error = %error, "Jobs of a measurement were not ended");
                }
            });
        }
    }

    /// Measures in the background.
    fn measure(
        &self,
        job: &Job<'_>,
        lowered: &Lowered,
        transition: &Transition,
        of: Which,
        metric: &str,
    ) {
        let key = (job.name.to_owned(), of, metric.to_owned());
        let signal = Arc::clone(&self.signal);
        if !signal.inbox.lock().measuring.insert(key.clone()) {
            return;
        }
        let runs = transition.runs();
        let progress = runs
            .iter()
            .find(|(known, _)| *known == of)
            .and_then(|(_, run)| run.metrics.get(metric));
        let number = progress.map_or(0, |progress| progress.count + progress.errors);
        let version = transition.version.clone();
        let label = crate::status::label(of);
        let attempt = format!("{}/{version}/{label}/{metric}/{number}", job.name);
        let context = self.measure_ctx(job, attempt);
        let source = lowered.metrics.get(&(of, metric.to_owned())).cloned();
        if source
            .as_ref()
            .is_some_and(|source| source.provider == "job")
        {
            let jobs = &mut self.signal.inbox.lock().jobs;
            jobs.insert((job.name.to_owned(), version.clone()));
        }
        let delivery = Arc::clone(&self.runner.delivery);
        tokio::spawn(async move {
            let value = match &source {
                None => Err(format!("nothing is known of the metric {}", key.2)),
                Some(source) => {
                    let within = if source.provider == "job" {
                        JOB_WITHIN
                    } else {
                        MEASURED_WITHIN
                    };
                    let measured = delivery.services.measure.measure(source, &context);
                    let measured = AssertUnwindSafe(measured).catch_unwind();
                    match tokio::time::timeout(within, measured).await {
                        Ok(Ok(value)) => value.map_err(|error| error.to_string()),
                        Ok(Err(_)) => Err("the measurement broke off".to_owned()),
                        Err(_) => Err(format!("no answer within {} s", within.as_secs())),
                    }
                }
            };
            delivery.services.metrics.measured(match &value {
                Ok(Value::Null) => "no-data",
                Ok(_) => "ok",
                Err(_) => "error",
            });
            let mut inbox = signal.inbox.lock();
            inbox.measuring.remove(&key);
            let (target, of, metric) = key;
            let answer = Answer {
                of,
                version,
                metric,
                at: delivery.services.clock.now(),
                value,
            };
            inbox.answers.push((target, answer));
            signal.notify.notify_one();
        });
    }

    /// Sends requests of a warm-up in the background.
    async fn warm(
        &self,
        job: &Job<'_>,
        target: &dyn Target,
        ctx: &Ctx,
        state: &State,
        requests: u32,
    ) -> crate::target::Result<()> {
        let Some(transition) = state.transition() else {
            return Ok(());
        };
        let (step, since) = (transition.index, transition.since);
        let is_of = move |known: &Warming| known.step == step && known.since == since;
        let is_running = |known: &Warming| known.is_running && is_of(known);
        if self
            .signal
            .inbox
            .lock()
            .warming
            .get(job.name)
            .is_some_and(is_running)
        {
            return Ok(());
        }
        let (service, port) = target.endpoint(ctx).await?;
        let steps = ctx
            .spec
            .strategy
            .canary
            .as_ref()
            .map(|canary| &canary.steps);
        let spec = steps.and_then(|steps| steps.get(step)?.warmup.as_ref());
        let request = warm::Request {
            namespace: ctx.owner.namespace.clone(),
            service,
            port,
            path: spec.map(|spec| spec.path.clone()).unwrap_or_default(),
            body: spec.map(|spec| spec.body.clone()).unwrap_or_default(),
        };
        let number = requests.min(warm::BATCH);
        let version = transition.version.clone();
        {
            let mut inbox = self.signal.inbox.lock();
            // What was answered before a restart is in the state.
            let (sent, succeeded) = transition.warmed.unwrap_or_default();
            let begun = || Warming {
                step,
                since,
                done: Warmed {
                    version: version.clone(),
                    sent,
                    succeeded,
                },
                is_running: false,
            };
            let known = inbox
                .warming
                .entry(job.name.to_owned())
                .or_insert_with(begun);
            if !is_of(known) || known.done.version != version {
                *known = begun();
            }
            known.is_running = true;
        }
        let signal = Arc::clone(&self.signal);
        let cluster = Arc::clone(&self.runner.cluster);
        let name = job.name.to_owned();
        tokio::spawn(async move {
            let succeeded = warm::send(&cluster, &request, number).await;
            let mut inbox = signal.inbox.lock();
            if let Some(known) = inbox.warming.get_mut(&name).filter(|known| is_of(known)) {
                known.done.sent += number;
                known.done.succeeded += succeeded;
                known.is_running = false;
            }
            signal.notify.notify_one();
        });
        Ok(())
    }

    /// Returns how far the warm-up of the step at work is.
    pub(super) fn warmed(&self, name: &str, state: &State) -> Option<Warmed> {
        let transition = state.transition()?;
        let inbox = self.signal.inbox.lock();
        let known = inbox.warming.get(name)?;
        let is_it = known.step == transition.index && known.since == transition.since;
        is_it.then(|| known.done.clone())
    }
}

/// Returns what is done, with what stands in its way.
pub(super) fn joined(message: &str, error: &str) -> String {
    if message.is_empty() {
        error.to_owned()
    } else {
        format!("{message}: {error}")
    }
}
