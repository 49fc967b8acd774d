//! What people ask for, and measurements that arrive.

use super::{Answer, Command, Ending, Machine, Reason, Stage, Verb, Which};

impl Machine<'_> {
    pub(super) fn answer(&mut self, answer: &Answer) {
        let Stage::Stepping(transition) = &mut self.state.stage else {
            return;
        };
        if answer.version != transition.version {
            return;
        }
        let (analysis, run) = match answer.of {
            Which::Background => {
                let analysis = self.plan.background.as_ref().map(|(analysis, _)| analysis);
                (analysis, transition.background.as_mut())
            }
            Which::Step(index) if index == transition.index => {
                let analysis = match self.plan.steps.get(index) {
                    Some(crate::plan::Step::Analysis(analysis)) => Some(analysis),
                    _ => None,
                };
                (analysis, transition.run.as_mut())
            }
            Which::Step(_) => return,
        };
        if let (Some(analysis), Some(run)) = (analysis, run) {
            run.record(analysis, &answer.metric, answer.at, &answer.value);
            // An analysis that gets answers is no standstill.
            transition.progressed = self.now;
        }
    }

    pub(super) fn command(&mut self, command: &Command) {
        let by = command.by.as_str();
        match command.verb {
            Verb::Pause => {
                self.state.paused = Some(by.to_owned());
                self.decide(
                    Reason::PausedByUser,
                    format!("{by} pauses before the next step"),
                );
            }
            Verb::Abort => self.abort(by),
            Verb::Retry => self.retry(by),
            Verb::Promote => self.promote(by),
            Verb::PromoteFull => self.promote_full(by),
        }
    }

    fn nothing(&mut self, by: &str, what: &str) {
        self.decide(
            Reason::NothingToDo,
            format!("{by} asked to {what}, and there is nothing to {what}"),
        );
    }

    fn abort(&mut self, by: &str) {
        let why = format!("aborted by {by}");
        match std::mem::take(&mut self.state.stage) {
            Stage::Stepping(transition) | Stage::Held { transition, .. } => {
                self.decide(
                    Reason::Aborted,
                    format!("{by} aborts {}", transition.version),
                );
                self.quarantine(&transition.version, &why);
                self.undo(transition, Ending::Aborted(by.to_owned()));
            }
            Stage::Waiting { version } => {
                self.decide(
                    Reason::Aborted,
                    format!("{by} aborts {version} before it began"),
                );
                self.quarantine(&version, &why);
                self.state.stage = Stage::Aborted { version };
            }
            other => {
                self.state.stage = other;
                self.nothing(by, "abort");
            }
        }
    }

    fn retry(&mut self, by: &str) {
        match std::mem::take(&mut self.state.stage) {
            Stage::Aborted { version } => {
                self.state
                    .quarantined
                    .retain(|entry| entry.version != version);
                self.decide(Reason::Retried, format!("{by} tries {version} again"));
                self.state.stage = Stage::Waiting { version };
            }
            Stage::Held { mut transition, .. } => {
                let text = format!("{by} tries step {} again", transition.index);
                transition.again(self.now);
                self.state.stage = Stage::Stepping(transition);
                self.decide(Reason::Retried, text);
            }
            Stage::Stepping(mut transition) if transition.open.is_some() => {
                let text = format!("{by} measures again in step {}", transition.index);
                transition.again(self.now);
                self.state.stage = Stage::Stepping(transition);
                self.decide(Reason::Retried, text);
            }
            other => {
                self.state.stage = other;
                self.nothing(by, "retry");
            }
        }
    }

    fn promote(&mut self, by: &str) {
        let resumed = self.state.paused.take().is_some();
        if resumed {
            self.decide(Reason::Resumed, format!("{by} lets it go on"));
        }
        match std::mem::take(&mut self.state.stage) {
            Stage::Held {
                mut transition,
                why,
            } => {
                let text = format!("{by} goes on in spite of: {why}");
                transition.again(self.now);
                transition.released = true;
                self.state.stage = Stage::Stepping(transition);
                self.decide(Reason::Approved, text);
            }
            Stage::Stepping(mut transition) if !resumed || transition.open.is_some() => {
                let text = match transition.open.take() {
                    Some(why) => format!("{by} goes on in spite of: {why}"),
                    None => format!("{by} approves step {}", transition.index),
                };
                if transition.background.is_some() {
                    transition.background = None;
                }
                transition.released = true;
                transition.progressed = self.now;
                self.state.stage = Stage::Stepping(transition);
                self.decide(Reason::Approved, text);
            }
            other => {
                self.state.stage = other;
                if !resumed {
                    self.nothing(by, "promote");
                }
            }
        }
    }

    fn promote_full(&mut self, by: &str) {
        self.state.paused = None;
        match std::mem::take(&mut self.state.stage) {
            Stage::Stepping(mut transition) | Stage::Held { mut transition, .. } => {
                let text = format!(
                    "{by} skips what is left of the steps for {}",
                    transition.version
                );
                transition.go_to(self.plan.steps.len(), self.now);
                transition.background_off = true;
                self.state.stage = Stage::Stepping(transition);
                self.decide(Reason::PromotedFully, text);
            }
            other => {
                self.state.stage = other;
                self.nothing(by, "promote");
            }
        }
    }
}
