//! What users expect of a rollout, one behaviour per test.

use driftless_rollout::Value;
use driftless_rollout::expression::Expression;
use driftless_rollout::fit::Verdict;
use driftless_rollout::judge::{Analysis, Criterion, Metric};
use driftless_rollout::machine::{Command, Ending, Mode, Reason, Stage, Verb};
use driftless_rollout::plan::{
    Approval, BlueGreen, HeaderRoute, OnFailure, Plan, Scale, Step, Traffic, Warmup,
};
use driftless_rollout::simulate::{Event, Report, Scenario, World, run};
use jiff::{SignedDuration, Timestamp};

pub(crate) fn t(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(crate) fn s(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

pub(crate) fn metric(name: &str, success: &str, interval: i64, count: Option<u32>) -> Metric {
    let success = Some(Expression::parse(success).unwrap());
    Metric {
        interval: Some(s(interval)),
        count,
        ..Metric::new(
            name,
            Criterion::Conditions {
                success,
                failure: None,
            },
        )
    }
}

pub(crate) fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        scale_down_delay: s(30),
        progress_deadline: s(600),
        ..Plan::new(steps)
    }
}

fn usual() -> Plan {
    let errors = Analysis::new(vec![metric("errors", "result < 0.05", 30, None)]);
    Plan {
        background: Some((errors, None)),
        ..plan(vec![
            Step::Warmup(Warmup {
                requests: 50,
                success_rate: 0.99,
                timeout: s(300),
            }),
            Step::SetWeight(10),
            Step::Pause(Some(s(600))),
            Step::SetWeight(50),
            Step::Pause(None),
        ])
    }
}

/// v1 serves; after 60 s Git asks for v2.
fn scenario() -> Scenario {
    let mut world = World::new("v1", 4);
    world.ready_after = s(20);
    let mut scenario = Scenario::new(t(0), world);
    scenario.events.push((t(60), Event::Version("v2".into())));
    scenario
        .samples
        .insert("errors".into(), samples(0, 86_400, 0.01));
    scenario
}

fn samples(from: i64, to: i64, value: f64) -> Vec<(Timestamp, Value)> {
    (from..to)
        .step_by(30)
        .map(|at| (t(at), Value::Float(value)))
        .collect()
}

fn at(scenario: &mut Scenario, seconds: i64, event: Event) {
    scenario.events.push((t(seconds), event));
    scenario.events.sort_by_key(|(at, _)| *at);
}

fn says(scenario: &mut Scenario, seconds: i64, verb: Verb) {
    at(
        scenario,
        seconds,
        Event::Command(Command {
            verb,
            by: "anna".into(),
        }),
    );
}

fn reasons(report: &Report) -> Vec<Reason> {
    report
        .decisions
        .iter()
        .map(|decision| decision.reason)
        .collect()
}

fn has(report: &Report, reason: Reason) -> bool {
    reasons(report).contains(&reason)
}

fn stable(report: &Report) -> &str {
    &report.world.observed.stable.as_ref().unwrap().version
}

fn is_back(report: &Report) {
    assert_eq!(stable(report), "v1");
    assert_eq!(report.world.observed.traffic, Ok(Traffic::default()));
    assert_eq!(report.world.observed.canary, None);
}

#[test]
fn a_good_version_takes_all_traffic() {
    let mut scenario = scenario();
    says(&mut scenario, 2000, Verb::Promote);
    let report = run(&usual(), &scenario);
    assert_eq!(
        reasons(&report),
        [
            Reason::Started,
            Reason::CanaryNotReady,
            Reason::TrafficMoved,
            Reason::WarmingUp,
            Reason::StepCompleted,
            Reason::TrafficMoved,
            Reason::StepCompleted,
            Reason::Paused,
            Reason::StepCompleted,
            Reason::CanaryNotReady,
            Reason::TrafficMoved,
            Reason::StepCompleted,
            Reason::WaitingForApproval,
            Reason::Approved,
            Reason::StepCompleted,
            Reason::CanaryNotReady,
            Reason::TrafficMoved,
            Reason::OldVersionKept,
            Reason::Promoting,
            Reason::Promoted,
        ]
    );
    assert_eq!((stable(&report), report.state.phase()), ("v2", "Healthy"));
    // The pods that were warm serve on.
    assert_eq!(report.world.observed.stable.as_ref().unwrap().ready, 4);
}

#[test]
fn a_bad_version_goes_back_and_is_not_tried_again() {
    let mut scenario = scenario();
    scenario
        .samples
        .insert("errors".into(), samples(0, 86_400, 0.2));
    at(&mut scenario, 40_000, Event::Version("v3".into()));
    let report = run(&usual(), &scenario);
    is_back(&report);
    assert!(has(&report, Reason::AnalysisFailed) && has(&report, Reason::TrafficRestored));
    assert!(report.state.is_quarantined("v2"));
    // The next commit is tried by itself.
    assert_eq!(
        reasons(&report)
            .iter()
            .filter(|reason| **reason == Reason::Started)
            .count(),
        2
    );
    assert!(report.state.is_quarantined("v3"));
    let failed = report
        .decisions
        .iter()
        .find(|decision| decision.reason == Reason::AnalysisFailed)
        .unwrap();
    assert!(
        failed
            .message
            .contains("metric errors: 0.2: result < 0.05 does not hold"),
        "{}",
        failed.message
    );
    let restored = report
        .decisions
        .iter()
        .find(|decision| decision.reason == Reason::TrafficRestored)
        .unwrap();
    assert_eq!(failed.at, restored.at, "traffic is back at once");
}

#[test]
fn hold_waits_for_a_person() {
    let mut scenario = scenario();
    scenario
        .samples
        .insert("errors".into(), samples(0, 86_400, 0.2));
    let plan = Plan {
        on_failure: OnFailure::Hold,
        ..usual()
    };
    let report = run(&plan, &scenario);
    assert_eq!(report.state.phase(), "Held");
    assert_eq!(report.world.observed.traffic.as_ref().unwrap().canary, 10);
    says(&mut scenario, 5000, Verb::Abort);
    is_back(&run(&plan, &scenario));
}

#[test]
fn missing_metrics_pause_and_never_pass() {
    for value in [
        Value::Null,
        Value::Float(f64::NAN),
        Value::List(vec![]),
        Value::Text("n/a".into()),
    ] {
        let mut scenario = scenario();
        let series = (0..2000)
            .map(|index| (t(index * 30), value.clone()))
            .collect();
        scenario.samples.insert("errors".into(), series);
        let report = run(&usual(), &scenario);
        assert_eq!(report.state.phase(), "Paused", "{value}");
        assert!(has(&report, Reason::AnalysisInconclusive), "{value}");
        assert_eq!(
            report.world.observed.traffic.as_ref().unwrap().canary,
            10,
            "{value}"
        );
    }
    // A source that does not answer.
    let mut scenario = scenario();
    scenario.samples.clear();
    let report = run(&usual(), &scenario);
    assert_eq!(report.state.phase(), "Paused");
    says(&mut scenario, 9000, Verb::Abort);
    is_back(&run(&usual(), &scenario));
}

#[test]
fn a_newer_commit_replaces_the_one_on_its_way() {
    let mut scenario = scenario();
    at(&mut scenario, 300, Event::Version("v3".into()));
    says(&mut scenario, 3000, Verb::Promote);
    let report = run(&usual(), &scenario);
    assert!(has(&report, Reason::Superseded));
    assert_eq!(stable(&report), "v3");
    assert!(report.state.quarantined.is_empty());
}

#[test]
fn a_revert_ends_it_without_quarantine() {
    let mut scenario = scenario();
    at(&mut scenario, 300, Event::Version("v1".into()));
    let report = run(&usual(), &scenario);
    is_back(&report);
    assert!(has(&report, Reason::Reverted));
    assert_eq!(
        (report.state.phase(), report.state.quarantined.len()),
        ("Healthy", 0)
    );
}

#[test]
fn people_pause_retry_and_skip() {
    let mut scenario = scenario();
    says(&mut scenario, 100, Verb::Pause);
    let report = run(&usual(), &scenario);
    assert_eq!(report.state.phase(), "Paused");
    says(&mut scenario, 50_000, Verb::PromoteFull);
    assert_eq!(stable(&run(&usual(), &scenario)), "v2");

    let mut scenario = self::scenario();
    says(&mut scenario, 300, Verb::Abort);
    let report = run(&usual(), &scenario);
    is_back(&report);
    assert_eq!(report.state.phase(), "Degraded");
    says(&mut scenario, 400, Verb::Retry);
    says(&mut scenario, 3000, Verb::Promote);
    let report = run(&usual(), &scenario);
    assert_eq!(stable(&report), "v2");
    assert!(!report.state.is_quarantined("v2"));
}

#[test]
fn an_abort_with_nothing_on_its_way_changes_nothing() {
    let mut scenario = Scenario::new(t(0), World::new("v1", 3));
    says(&mut scenario, 10, Verb::Abort);
    let report = run(&usual(), &scenario);
    assert_eq!(reasons(&report), [Reason::NothingToDo]);
    assert_eq!(report.world.observed, World::new("v1", 3).observed);
}

#[test]
fn pods_that_never_come_end_at_the_deadline() {
    let mut scenario = scenario();
    scenario.world.canary_broken = true;
    let report = run(&usual(), &scenario);
    is_back(&report);
    assert!(has(&report, Reason::ProgressDeadlineExceeded));
    assert!(!has(&report, Reason::StepCompleted));
}

#[test]
fn a_version_that_loses_its_pods_gives_its_traffic_back() {
    let mut scenario = scenario();
    for round in 0..5 {
        at(
            &mut scenario,
            200 + round * 50,
            Event::Ready {
                canary: true,
                ready: false,
            },
        );
        at(
            &mut scenario,
            220 + round * 50,
            Event::Ready {
                canary: true,
                ready: true,
            },
        );
    }
    let report = run(&usual(), &scenario);
    is_back(&report);
    assert!(has(&report, Reason::CanaryLostPods));
    assert!(report.state.is_quarantined("v2"));
}

#[test]
fn a_hand_on_the_route_is_put_back() {
    let mut scenario = scenario();
    at(&mut scenario, 300, Event::Weight(77));
    let report = run(&usual(), &scenario);
    assert!(has(&report, Reason::TrafficChangedOutside));
    assert_eq!(report.world.observed.traffic.as_ref().unwrap().canary, 50);
}

#[test]
fn blue_green_switches_after_its_tests() {
    let spec = BlueGreen {
        preview_replicas: Some(1),
        pre: Some(Analysis::new(vec![metric(
            "smoke",
            "result == true",
            10,
            Some(3),
        )])),
        approval: Approval::Person,
        post: Some(Analysis::new(vec![metric(
            "errors",
            "result < 0.05",
            30,
            Some(5),
        )])),
    };
    let plan = plan(Plan::blue_green(spec));
    let mut scenario = scenario();
    let smoke = (0..3000)
        .map(|index| (t(index * 10), Value::Bool(true)))
        .collect();
    scenario.samples.insert("smoke".into(), smoke);
    let report = run(&plan, &scenario);
    assert_eq!(
        (report.state.phase(), report.world.observed.traffic.clone()),
        ("Paused", Ok(Traffic::default()))
    );
    assert_eq!(report.world.observed.canary.as_ref().unwrap().replicas, 1);
    says(&mut scenario, 5000, Verb::Promote);
    assert_eq!(stable(&run(&plan, &scenario)), "v2");
    // A bad one after the switch goes back to the old pods, which are still there.
    scenario
        .samples
        .insert("errors".into(), samples(0, 86_400, 0.5));
    let report = run(&plan, &scenario);
    is_back(&report);
    assert!(has(&report, Reason::AnalysisFailed));
}

#[test]
fn pods_that_do_not_fit_hold_the_start() {
    let mut scenario = scenario();
    scenario.world.observed.fit = Some(Verdict::InPlace {
        reason: "no free GPU".into(),
    });
    let report = run(&usual(), &scenario);
    assert_eq!(report.state.phase(), "Waiting");
    assert_eq!(report.world.observed.canary, None);
    assert!(
        report.decisions[0].message.contains("no free GPU"),
        "{}",
        report.decisions[0].message
    );
    at(&mut scenario, 7000, Event::Fit(Verdict::Surge));
    says(&mut scenario, 9000, Verb::Promote);
    assert_eq!(stable(&run(&usual(), &scenario)), "v2");
}

#[test]
fn in_place_and_partial_end_with_all_pods() {
    let mut scenario = scenario();
    says(&mut scenario, 3000, Verb::Promote);
    scenario.world.observed.fit = Some(Verdict::InPlace {
        reason: "no free GPU".into(),
    });
    let plan = Plan {
        allow_in_place: true,
        ..usual()
    };
    let report = run(&plan, &scenario);
    assert_eq!(
        (
            stable(&report),
            report.world.observed.stable.as_ref().unwrap().ready
        ),
        ("v2", 4)
    );
    scenario
        .samples
        .insert("errors".into(), samples(0, 86_400, 0.5));
    let report = run(&plan, &scenario);
    is_back(&report);
    assert_eq!(report.world.observed.stable.as_ref().unwrap().ready, 4);

    let mut scenario = self::scenario();
    says(&mut scenario, 3000, Verb::Promote);
    scenario.world.observed.fit = Some(Verdict::Partial {
        pods: 1,
        reason: "one free GPU".into(),
    });
    let report = run(&usual(), &scenario);
    assert_eq!(
        (
            stable(&report),
            report.world.observed.stable.as_ref().unwrap().ready
        ),
        ("v2", 4)
    );
    let started = report
        .decisions
        .iter()
        .find(|decision| decision.reason == Reason::Started)
        .unwrap();
    assert!(
        started.message.contains("1 new pods fit"),
        "{}",
        started.message
    );
    let _ = (Mode::InPlace, Ending::Reverted, Stage::Idle);
}

#[test]
fn a_deleted_target_leaves_nothing() {
    let mut scenario = scenario();
    scenario.end = t(300);
    let mut report = run(&usual(), &scenario);
    report.world.observed.wanted = None;
    let rest = Scenario {
        world: report.world,
        start: t(300),
        end: t(400),
        events: vec![],
        ..scenario
    };
    let report = driftless_rollout::simulate::run_from(&usual(), &rest, report.state);
    assert_eq!(
        (report.world.observed.canary, report.state.stage),
        (None, Stage::Idle)
    );
}

#[test]
fn routes_by_header_come_and_go() {
    let route = |matches: Vec<(String, String, String)>| {
        Step::SetHeaderRoute(HeaderRoute {
            rank: 0,
            name: "testers".into(),
            matches,
        })
    };
    let on = route(vec![("x-tester".into(), "exact".into(), "yes".into())]);
    let plan = plan(vec![
        Step::SetScale(Scale::Replicas(1)),
        on,
        Step::SetWeight(10),
        route(vec![]),
    ]);
    assert_eq!(plan.traffic_at(0), Traffic::default());
    assert_eq!(plan.traffic_at(1).headers.len(), 1);
    assert_eq!(
        (plan.traffic_at(2).canary, plan.traffic_at(2).headers.len()),
        (10, 1)
    );
    assert_eq!(
        plan.traffic_at(3),
        Traffic {
            canary: 10,
            ..Traffic::default()
        }
    );
    assert_eq!((plan.replicas_at(2, 40), plan.replicas_at(4, 40)), (1, 40));
    assert_eq!(stable(&run(&plan, &scenario())), "v2");
}

#[test]
fn changed_steps_begin_again() {
    let mut scenario = scenario();
    scenario.end = t(300);
    let report = run(&usual(), &scenario);
    let rest = Scenario {
        world: report.world,
        start: t(300),
        end: t(90_000),
        events: vec![],
        ..scenario
    };
    let changed = plan(vec![Step::SetWeight(5), Step::Pause(None)]);
    let report = driftless_rollout::simulate::run_from(&changed, &rest, report.state);
    assert!(has(&report, Reason::StepsChanged));
    assert_eq!(report.world.observed.traffic.as_ref().unwrap().canary, 5);
}

#[test]
fn the_same_inputs_give_the_same_decisions() {
    let scenario = scenario();
    let (first, second) = (run(&usual(), &scenario), run(&usual(), &scenario));
    assert_eq!(first.digest(), second.digest());
    // A day is replayed, the state is small and goes through storage.
    assert!(first.calls > 2000, "{}", first.calls);
    let text = serde_json::to_string(&first.state).unwrap();
    assert!(text.len() < 20_000, "{}", text.len());
    let again: driftless_rollout::machine::State = serde_json::from_str(&text).unwrap();
    assert_eq!(again, first.state);
}

#[test]
fn a_target_that_was_never_there_is_not_called_deleted() {
    use driftless_rollout::machine::{Input, Observed, State, Track, advance};
    let plan = plan(vec![Step::SetWeight(10)]);
    let track = Track {
        version: "v1".into(),
        replicas: 1,
        ready: 1,
    };
    let mut observed = Observed {
        blocked: None,
        wanted: None,
        replicas: 1,
        stable: None,
        canary: None,
        traffic: Ok(Traffic::default()),
        fit: None,
        warmed: None,
    };
    let look = |state: State, observed: &Observed, at: i64| {
        let input = Input {
            observed,
            commands: &[],
            answers: &[],
            now: t(at),
        };
        advance(&plan, state, input)
    };
    let waiting = |state: &State| state.waiting.as_ref().map(|(reason, _)| *reason);
    let first = look(State::default(), &observed, 0);
    assert_eq!(waiting(&first.state), Some(Reason::TargetMissing));
    let second = look(first.state, &observed, 1);
    assert_eq!(waiting(&second.state), Some(Reason::TargetMissing));
    observed.wanted = Some("v1".into());
    let begun = look(second.state, &observed, 2);
    assert_eq!(waiting(&begun.state), Some(Reason::FirstVersion));
    observed.stable = Some(track);
    let serves = look(begun.state, &observed, 3);
    (observed.stable, observed.wanted) = (None, None);
    let gone = look(serves.state, &observed, 4);
    assert_eq!(waiting(&gone.state), Some(Reason::TargetDeleted));
}
