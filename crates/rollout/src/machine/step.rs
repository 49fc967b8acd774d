//! A version on its way.

use jiff::Timestamp;

use super::settle::Settled;
use super::{Action, Ending, Flow, Machine, Mode, Reason, Stage, Transition, Which};
use crate::judge::{Analysis, Phase, Run};
use crate::plan::{Step, Warmup};

impl Transition {
    /// Goes to a step.
    pub(super) fn go_to(&mut self, index: usize, now: Timestamp) {
        self.index = index;
        self.verified = false;
        self.released = false;
        self.complete_since = None;
        self.again(now);
    }

    /// Begins the step at work again.
    pub(super) fn again(&mut self, now: Timestamp) {
        self.since = now;
        self.progressed = now;
        self.rests = false;
        self.run = None;
        self.warmed = None;
        self.lost = 0;
        if self.open.take().is_some() {
            self.background = None;
        }
    }
}

/// What a step says.
enum Verdict {
    Done(String),
    Wait(Reason, String),
    Fail(Reason, String),
}

impl Machine<'_> {
    pub(super) fn stepping(&mut self, mut transition: Box<Transition>) -> Flow {
        if self
            .observed
            .stable
            .as_ref()
            .is_some_and(|stable| stable.version == transition.version)
        {
            self.decide(
                Reason::Promoted,
                format!("{} is the stable version now", transition.version),
            );
            return Flow::Again;
        }
        if let Some(flow) = self.ends(&transition) {
            return flow;
        }
        if transition.fingerprint != self.plan.fingerprint() {
            transition.fingerprint = self.plan.fingerprint();
            transition.go_to(0, self.now);
            self.decide(
                Reason::StepsChanged,
                "the steps have changed: they begin again",
            );
        }
        transition.full = self.full();
        if let Some((reason, message)) = self.background(&mut transition) {
            transition.background = None;
            return self.fail(transition, reason, message);
        }
        let verdict = match self.settle(&mut transition) {
            Settled::Failed(reason, message) => Verdict::Fail(reason, message),
            Settled::NotYet(reason, message) => self.unless_late(&mut transition, reason, message),
            Settled::Yes => self.step(&mut transition),
        };
        match verdict {
            Verdict::Fail(reason, message) => self.fail(transition, reason, message),
            Verdict::Wait(reason, message) => {
                self.wait(reason, message);
                self.state.stage = Stage::Stepping(transition);
                Flow::Enough
            }
            Verdict::Done(text) => self.next(transition, text),
        }
    }

    /// Ends a transition that nobody asks for any more.
    fn ends(&mut self, transition: &Transition) -> Option<Flow> {
        let ending = match &self.observed.wanted {
            None => {
                self.decide(
                    Reason::TargetDeleted,
                    format!("the target is gone: {} is removed", transition.version),
                );
                if self.observed.canary.is_some() {
                    self.actions.push(Action::RemoveCanary);
                }
                return Some(Flow::Enough);
            }
            Some(wanted) if *wanted == transition.version => return None,
            Some(wanted) if *wanted == transition.stable => {
                let text = format!(
                    "Git asks for {wanted} again: {} is taken back",
                    transition.version
                );
                self.decide(Reason::Reverted, text);
                Ending::Reverted
            }
            Some(wanted) => {
                let text = format!(
                    "{wanted} is newer: {} is taken back, then {wanted} begins",
                    transition.version
                );
                self.decide(Reason::Superseded, text);
                Ending::Superseded
            }
        };
        self.undo(Box::new(transition.clone()), ending);
        Some(Flow::Again)
    }

    pub(super) fn held(&mut self, transition: Box<Transition>, why: String) -> Flow {
        if self
            .observed
            .stable
            .as_ref()
            .is_some_and(|stable| stable.version == transition.version)
        {
            self.decide(
                Reason::Promoted,
                format!("{} is the stable version now", transition.version),
            );
            return Flow::Again;
        }
        if let Some(flow) = self.ends(&transition) {
            return flow;
        }
        // A version that holds traffic without pods gives it back, held or not.
        let uses = self
            .observed
            .traffic
            .as_ref()
            .is_ok_and(super::Traffic::uses_canary);
        let has_pods = self
            .observed
            .canary
            .as_ref()
            .is_some_and(|canary| canary.ready > 0);
        if uses && !has_pods && self.stable_is_ready() {
            self.actions
                .push(Action::SetTraffic(transition.baseline.clone()));
        }
        self.wait(
            Reason::Held,
            format!("{why}; promote, retry or abort decides"),
        );
        self.state.stage = Stage::Held { transition, why };
        Flow::Enough
    }

    fn next(&mut self, mut transition: Box<Transition>, text: String) -> Flow {
        if let Some(why) = &transition.open {
            let text = format!("{why}; promote, retry or abort decides");
            transition.rests = true;
            self.wait(Reason::AnalysisInconclusive, text);
        } else if let Some(by) = self.paused_by() {
            let text = format!("paused by {by} after step {}", transition.index);
            transition.rests = true;
            self.wait(Reason::PausedByUser, text);
        } else if transition.index >= self.plan.steps.len() {
            return self.complete(transition);
        } else {
            let text = format!(
                "step {} of {}: {text}",
                transition.index + 1,
                self.plan.steps.len()
            );
            let was = transition.verified;
            let traffic = self.plan.traffic_at(transition.index);
            let next = transition.index + 1;
            transition.go_to(next, self.now);
            // The same traffic needs no second look.
            transition.verified = was && self.plan.traffic_at(next) == traffic;
            self.decide(Reason::StepCompleted, text);
            self.state.stage = Stage::Stepping(transition);
            return Flow::Again;
        }
        self.state.stage = Stage::Stepping(transition);
        Flow::Enough
    }

    /// All traffic has moved: the old version stays a while, then goes.
    fn complete(&mut self, mut transition: Box<Transition>) -> Flow {
        let since = *transition.complete_since.get_or_insert(self.now);
        let until = self.later(since, self.plan.scale_down_delay);
        if self.now < until {
            transition.rests = true;
            self.wake_at(until);
            let text = format!(
                "{} has all traffic; {} is kept until {until:.0}",
                transition.version, transition.stable
            );
            self.wait(Reason::OldVersionKept, text);
            self.state.stage = Stage::Stepping(transition);
            return Flow::Enough;
        }
        let text = format!("{} becomes the stable version", transition.version);
        match self.unless_late(&mut transition, Reason::Promoting, text) {
            Verdict::Fail(reason, message) => self.fail(transition, reason, message),
            _ => {
                self.actions.push(Action::Promote {
                    version: transition.version.clone(),
                });
                self.wait(
                    Reason::Promoting,
                    format!("{} becomes the stable version", transition.version),
                );
                self.state.stage = Stage::Stepping(transition);
                Flow::Enough
            }
        }
    }

    fn unless_late(
        &mut self,
        transition: &mut Transition,
        reason: Reason,
        message: String,
    ) -> Verdict {
        if std::mem::take(&mut transition.rests) {
            transition.progressed = self.now;
        }
        let deadline = self.later(transition.progressed, self.plan.progress_deadline);
        if self.now >= deadline {
            let seconds = self.plan.progress_deadline.as_secs();
            return Verdict::Fail(
                Reason::ProgressDeadlineExceeded,
                format!("no progress within {seconds} s: {message}"),
            );
        }
        self.wake_at(deadline);
        Verdict::Wait(reason, message)
    }

    /// Keeps the analysis beside the steps going. Returns why the version has failed.
    fn background(&mut self, transition: &mut Transition) -> Option<(Reason, String)> {
        if transition.background_off {
            return None;
        }
        let in_place = transition.mode == Mode::InPlace && transition.verified;
        let analysis = match self.plan.background_at(transition.index) {
            Some(analysis) => analysis,
            None if in_place => &self.plan.background.as_ref()?.0,
            None => return None,
        };
        if transition.background.is_none() && !transition.verified {
            // It is about traffic: none has been seen yet.
            return None;
        }
        let run = transition
            .background
            .get_or_insert_with(|| Run::new(analysis, self.now));
        match self.judge(run, analysis, Which::Background) {
            Judged::Running | Judged::Good => None,
            Judged::Open(why) => {
                transition.open.get_or_insert(why);
                None
            }
            Judged::Bad(why) => Some((Reason::AnalysisFailed, why)),
        }
    }

    fn judge(&mut self, run: &mut Run, analysis: &Analysis, of: Which) -> Judged {
        let due = run.ask(analysis, self.now);
        let (phase, metric) = run.phase(analysis);
        let name = metric.unwrap_or_default();
        let text = || format!("metric {name}: {}", run.message(name));
        let judged = match phase {
            Phase::Failed => Judged::Bad(text()),
            Phase::Inconclusive | Phase::Error => Judged::Open(text()),
            Phase::Successful => Judged::Good,
            Phase::Running => Judged::Running,
        };
        if matches!(judged, Judged::Running | Judged::Good) {
            // Metrics that do not count are measured as long as the others are.
            for metric in due {
                self.actions.push(Action::Measure { of, metric });
            }
        }
        if let (Judged::Running, Some(at)) = (&judged, run.next()) {
            self.wake_at(at);
        }
        judged
    }

    fn step(&mut self, transition: &mut Transition) -> Verdict {
        let Some(step) = self.plan.steps.get(transition.index) else {
            return Verdict::Done("all steps are done".into());
        };
        match step {
            Step::SetWeight(weight) => Verdict::Done(format!("weight {weight}")),
            Step::SetScale(_) => Verdict::Done("pods are there".into()),
            Step::SetHeaderRoute(route) => Verdict::Done(format!("route {}", route.name)),
            Step::SetMirrorRoute(route) => Verdict::Done(format!("mirror {}", route.name)),
            Step::Pause(None) | Step::Analysis(_) if transition.released => {
                Verdict::Done("approved".into())
            }
            Step::Pause(None) => {
                transition.rests = true;
                Verdict::Wait(
                    Reason::WaitingForApproval,
                    format!("{} waits for approval", transition.version),
                )
            }
            Step::Pause(Some(length)) => {
                let until = self.later(transition.since, *length);
                if transition.released || self.now >= until {
                    return Verdict::Done(format!("paused for {length:#}"));
                }
                transition.rests = true;
                self.wake_at(until);
                Verdict::Wait(Reason::Paused, format!("paused until {until:.0}"))
            }
            Step::Warmup(warmup) => self.warm(transition, *warmup),
            Step::Analysis(analysis) => {
                let mut run = transition
                    .run
                    .take()
                    .unwrap_or_else(|| Run::new(analysis, self.now));
                let judged = self.judge(&mut run, analysis, Which::Step(transition.index));
                let unfinished = unfinished(analysis, &run);
                transition.run = Some(run);
                match judged {
                    Judged::Good => Verdict::Done("the analysis is good".into()),
                    Judged::Bad(why) => Verdict::Fail(Reason::AnalysisFailed, why),
                    Judged::Open(why) => {
                        transition.rests = true;
                        transition.open = Some(why.clone());
                        Verdict::Wait(
                            Reason::AnalysisInconclusive,
                            format!("{why}; promote, retry or abort decides"),
                        )
                    }
                    Judged::Running => self.unless_late(
                        transition,
                        Reason::AnalysisRunning,
                        format!("waits for {unfinished}"),
                    ),
                }
            }
        }
    }

    fn warm(&mut self, transition: &mut Transition, warmup: Warmup) -> Verdict {
        let warmed = self
            .observed
            .warmed
            .as_ref()
            .filter(|warmed| warmed.version == transition.version);
        // Whoever goes on after us begins with what was answered until now.
        if let Some(warmed) = warmed {
            transition.warmed = Some((warmed.sent, warmed.succeeded));
        }
        let (sent, succeeded) = transition.warmed.unwrap_or_default();
        let text = format!(
            "{succeeded} of {sent} requests succeeded, {} wanted",
            warmup.requests
        );
        let needed = warmup.success_rate * f64::from(warmup.requests.max(1));
        if transition.released {
            return Verdict::Done(format!("approved; {text}"));
        }
        if sent >= warmup.requests {
            if f64::from(succeeded) + 1e-9 >= needed.max(warmup.success_rate * f64::from(sent)) {
                return Verdict::Done(text);
            }
            return Verdict::Fail(Reason::WarmupFailed, text);
        }
        let until = self.later(transition.since, warmup.timeout);
        if self.now >= until {
            return Verdict::Fail(
                Reason::WarmupFailed,
                format!("{text}, not within {:#}", warmup.timeout),
            );
        }
        self.wake_at(until);
        self.actions.push(Action::Warm {
            version: transition.version.clone(),
            requests: warmup.requests - sent,
        });
        Verdict::Wait(Reason::WarmingUp, text)
    }
}

/// Names the metrics that have no verdict, with how often they were measured.
fn unfinished(analysis: &Analysis, run: &Run) -> String {
    let open = analysis.metrics.iter().filter_map(|metric| {
        let progress = run.metrics.get(&metric.name)?;
        let is_open = progress.phase == Phase::Running;
        let measured = match (progress.count, metric.count) {
            (count, Some(all)) => format!("{count} of {all} measured"),
            (count, None) => format!("{count} measured"),
        };
        is_open.then(|| format!("{} ({measured})", metric.name))
    });
    open.collect::<Vec<_>>().join(", ")
}

enum Judged {
    Running,
    Good,
    Open(String),
    Bad(String),
}
