//! From every state, with any failures on the way, an abort ends at the earlier traffic.

use driftless_rollout::Value;
use driftless_rollout::fit::Verdict;
use driftless_rollout::judge::Analysis;
use driftless_rollout::machine::{
    Action, Answer, Command, Ending, Input, Observed, Stage, State, Verb, advance,
};
use driftless_rollout::plan::{HeaderRoute, MirrorRoute, Plan, Scale, Step, Traffic, Warmup};
use driftless_rollout::simulate::World;
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::machine::{metric, plan, s, t};

/// What happens in one round.
#[derive(Clone, Debug)]
enum Round {
    /// Time passes.
    Pass(i64),
    /// Actions are lost: the write failed, or the process died before it.
    Lose,
    /// The state of this round is lost: the process died after the write.
    Forget,
    /// Only the first actions are done.
    Half,
    Canary(bool),
    Stable(bool),
    Hand(u32),
    Blind(bool),
    Say(Verb),
    Commit(u8),
    Measure(Option<f64>),
    Replicas(u32),
}

fn round() -> impl Strategy<Value = Round> {
    prop_oneof![
        6 => (1..400_i64).prop_map(Round::Pass),
        1 => Just(Round::Lose),
        1 => Just(Round::Forget),
        1 => Just(Round::Half),
        1 => any::<bool>().prop_map(Round::Canary),
        1 => any::<bool>().prop_map(Round::Stable),
        1 => (0..=100_u32).prop_map(Round::Hand),
        1 => any::<bool>().prop_map(Round::Blind),
        1 => prop_oneof![Just(Verb::Pause), Just(Verb::Promote), Just(Verb::PromoteFull), Just(Verb::Retry), Just(Verb::Abort)]
            .prop_map(Round::Say),
        1 => (1..4_u8).prop_map(Round::Commit),
        3 => proptest::option::of(0.0..0.06_f64).prop_map(Round::Measure),
        1 => (1..6_u32).prop_map(Round::Replicas),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let header = |on: bool| {
        let matches = if on {
            vec![("h".to_owned(), "exact".to_owned(), "1".to_owned())]
        } else {
            vec![]
        };
        Step::SetHeaderRoute(HeaderRoute {
            rank: 0,
            name: "r".into(),
            matches,
        })
    };
    prop_oneof![
        4 => (0..=100_u32).prop_map(Step::SetWeight),
        1 => proptest::option::of(0..900_i64).prop_map(|length| Step::Pause(length.map(s))),
        1 => Just(Step::Analysis(Analysis::new(vec![metric("m", "result < 0.05", 30, Some(3))]))),
        1 => (0..5_u32).prop_map(|pods| Step::SetScale(Scale::Replicas(pods))),
        1 => Just(Step::SetScale(Scale::MatchTraffic)),
        1 => Just(Step::Warmup(Warmup { requests: 5, success_rate: 1.0, timeout: s(100) })),
        1 => any::<bool>().prop_map(header),
        1 => (0..50_u32).prop_map(|percentage| Step::SetMirrorRoute(MirrorRoute { rank: 0, name: "m".into(), percentage, matches: Vec::new() })),
    ]
}

struct Run {
    plan: Plan,
    world: World,
    state: State,
    now: i64,
    value: Option<f64>,
    blind: bool,
    /// The new version's pods died without us: whatever they have of traffic is not our doing.
    answers: Vec<Answer>,
}

impl Run {
    /// A look that finds nothing new leaves the state as it is: each change of it is stored, and wakes whoever watches.
    fn rests(&self, state: &State, observed: &Observed) {
        let look = |state: &State, later: i64| {
            let input = Input {
                observed,
                commands: &[],
                answers: &[],
                now: t(self.now) + SignedDuration::from_millis(later),
            };
            advance(&self.plan, state.clone(), input)
        };
        let second = look(state, 1);
        let third = look(&second.state, 2);
        if third.decisions.is_empty() {
            assert_eq!(third.state, second.state, "{observed:?}");
        }
    }

    /// Calls the machine once and checks what it asks for against what it saw.
    fn call(&mut self, commands: &[Command]) -> Vec<Action> {
        self.world.settle(t(self.now));
        let mut observed = self.world.observed.clone();
        if self.blind {
            observed.traffic = Err("down".into());
        }
        let answers = std::mem::take(&mut self.answers);
        let input = Input {
            observed: &observed,
            commands,
            answers: &answers,
            now: t(self.now),
        };
        let outcome = advance(&self.plan, self.state.clone(), input);
        self.rests(&outcome.state, &observed);
        let in_place = outcome
            .state
            .transition()
            .is_some_and(|transition| transition.mode == driftless_rollout::machine::Mode::InPlace);
        for action in &outcome.actions {
            if let Action::SetTraffic(traffic) = action {
                let canary = observed.canary.as_ref().map_or(0, |canary| canary.ready);
                let stable = observed.stable.as_ref().map_or(0, |stable| stable.ready);
                assert!(
                    !traffic.uses_canary() || canary > 0,
                    "traffic without pods: {action:?} {observed:?}"
                );
                assert!(!self.blind, "written unseen: {action:?}");
                let live = observed.traffic.as_ref().unwrap().canary;
                let gives_back = traffic.canary < live;
                assert!(
                    !gives_back || stable > 0 || canary == 0 || in_place,
                    "traffic without pods: {action:?} {observed:?}"
                );
            }
            if let Action::Promote { version } = action {
                let canary = observed.canary.as_ref().unwrap();
                assert_eq!(
                    (&canary.version, observed.traffic.as_ref().unwrap().canary),
                    (version, 100)
                );
                assert!(canary.ready > 0);
            }
            if let (Action::Measure { of, metric }, Some(transition)) =
                (action, outcome.state.transition())
            {
                self.answers.push(Answer {
                    of: *of,
                    version: transition.version.clone(),
                    metric: metric.clone(),
                    at: t(self.now),
                    value: Ok(self.value.map_or(Value::Null, Value::Float)),
                });
            }
        }
        self.state = outcome.state;
        outcome.actions
    }

    fn apply(&mut self, actions: &[Action]) {
        for action in actions {
            self.world.apply(action, t(self.now));
        }
    }

    fn round(&mut self, round: &Round) {
        let mut commands = Vec::new();
        match round {
            Round::Pass(seconds) => self.now += seconds,
            Round::Canary(ready) => {
                if let Some(canary) = &mut self.world.observed.canary {
                    canary.ready = if *ready { canary.replicas } else { 0 };
                }
            }
            Round::Stable(ready) => {
                if let Some(stable) = &mut self.world.observed.stable {
                    stable.ready = if *ready { stable.replicas } else { 0 };
                }
            }
            // Somebody edits a route that has something behind it.
            Round::Hand(weight) if self.world.observed.canary.is_some() => {
                self.world.observed.traffic = Ok(Traffic {
                    canary: *weight,
                    ..Traffic::default()
                });
            }
            Round::Blind(blind) => self.blind = *blind,
            Round::Say(verb) => commands.push(Command {
                verb: *verb,
                by: "p".into(),
            }),
            Round::Commit(version) => self.world.observed.wanted = Some(format!("v{version}")),
            Round::Measure(value) => self.value = *value,
            Round::Replicas(number) => self.world.observed.replicas = *number,
            _ => {}
        }
        let before = self.state.clone();
        let actions = self.call(&commands);
        match round {
            Round::Lose => {}
            Round::Half => self.apply(&actions[..actions.len() / 2]),
            Round::Forget => {
                self.apply(&actions);
                self.state = before;
            }
            _ => self.apply(&actions),
        }
    }

    /// Lets everything work again.
    fn heal(&mut self) {
        self.blind = false;
        if let Some(stable) = &mut self.world.observed.stable {
            stable.ready = stable.ready.max(stable.replicas);
        }
    }
}

fn check(steps: Vec<Step>, rounds: &[Round], ready_after: i64, fit: Verdict) {
    let mut world = World::new("v1", 3);
    world.ready_after = s(ready_after);
    world.observed.wanted = Some("v2".into());
    world.observed.fit = Some(fit);
    let background = Analysis::new(vec![metric("m", "result < 0.05", 60, None)]);
    let plan = Plan {
        background: Some((background, None)),
        allow_in_place: true,
        ..plan(steps)
    };
    let mut run = Run {
        plan,
        world,
        state: State::default(),
        now: 0,
        value: Some(0.01),
        blind: false,
        answers: vec![],
    };
    for round in rounds {
        run.round(round);
    }
    run.heal();
    let (stable, before) = match run.state.transition() {
        Some(transition) => (transition.stable.clone(), transition.baseline.clone()),
        None => (
            run.world.observed.stable.as_ref().unwrap().version.clone(),
            Traffic::default(),
        ),
    };
    let was_moving = run.state.transition().is_some();
    // The commit was the point of no return, if it has been written.
    let promoted = run.world.observed.stable.as_ref().unwrap().version != stable;
    let ready_at_abort = run
        .world
        .observed
        .stable
        .as_ref()
        .is_some_and(|stable| stable.ready > 0);
    let actions = run.call(&[Command {
        verb: Verb::Abort,
        by: "p".into(),
    }]);
    run.apply(&actions);
    if was_moving && !promoted && ready_at_abort {
        assert_eq!(
            run.world.observed.traffic,
            Ok(before.clone()),
            "one call is enough"
        );
    }
    // What Git asks for by then is settled: no further version begins.
    let stable_now = run.world.observed.stable.as_ref().unwrap().version.clone();
    run.world.observed.wanted = Some(match &run.state.stage {
        Stage::Restoring {
            transition, ending, ..
        } if !matches!(ending, Ending::Superseded | Ending::Reverted) => transition.version.clone(),
        Stage::Aborted { version } => version.clone(),
        _ => stable_now,
    });
    for _ in 0..40 {
        run.now += 60;
        let actions = run.call(&[]);
        run.apply(&actions);
        run.heal();
    }
    if was_moving && !promoted {
        assert_eq!(run.world.observed.traffic, Ok(before));
        assert_eq!(run.world.observed.stable.as_ref().unwrap().version, stable);
        assert!(
            matches!(run.state.stage, Stage::Aborted { .. } | Stage::Idle),
            "{:?}",
            run.state.stage
        );
        assert_eq!(run.world.observed.canary, None);
        assert!(run.world.observed.stable.as_ref().unwrap().ready > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400,
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_abort_ends_at_the_earlier_traffic(
        steps in proptest::collection::vec(step(), 1..7),
        rounds in proptest::collection::vec(round(), 0..60),
        ready_after in 0..100_i64,
    ) {
        check(steps, &rounds, ready_after, Verdict::Surge);
    }

    #[test]
    fn with_few_gpus_too(
        steps in proptest::collection::vec(step(), 1..7),
        rounds in proptest::collection::vec(round(), 0..60),
        ready_after in 0..100_i64,
        pods in 0..3_u32,
    ) {
        let reason = "few".to_owned();
        let fit = if pods == 0 { Verdict::InPlace { reason } } else { Verdict::Partial { pods, reason } };
        check(steps, &rounds, ready_after, fit);
    }

    #[test]
    fn good_metrics_and_approvals_always_end(steps in proptest::collection::vec(step(), 1..7), ready_after in 0..60_i64) {
        // Steps whose pods are taken away again are refused by validation.
        let mut world = World::new("v1", 3);
        world.ready_after = s(ready_after);
        world.observed.wanted = Some("v2".into());
        let mut run = Run { plan: plan(steps), world, state: State::default(), now: 0, value: Some(0.01), blind: false, answers: vec![] };
        for _ in 0..400 {
            run.now += 30;
            let approve = [Command { verb: Verb::Promote, by: "p".into() }];
            let waits = run.state.waiting.as_ref().is_some_and(|(reason, _)| *reason == driftless_rollout::machine::Reason::WaitingForApproval);
            let actions = run.call(if waits { &approve } else { &[] });
            run.apply(&actions);
            if run.world.observed.stable.as_ref().unwrap().version == "v2" {
                return Ok(());
            }
            prop_assert!(!matches!(run.state.stage, Stage::Aborted { .. }), "{:?}", run.state.decisions);
        }
        prop_assert!(false, "it has not ended: {:?}", run.state);
    }
}
