//! Warm-ups outlive the process that sends their requests.

use driftless_rollout::fit::Verdict;
use driftless_rollout::machine::{Action, Input, Observed, State, Track, Warmed, advance};
use driftless_rollout::plan::{Step, Traffic, Warmup};

use crate::machine::{plan, s, t};

#[test]
fn a_warm_up_goes_on_where_it_was_when_the_process_restarts() {
    let plan = plan(vec![
        Step::Warmup(Warmup {
            requests: 50,
            success_rate: 1.0,
            timeout: s(300),
        }),
        Step::SetWeight(10),
        Step::Pause(None),
    ]);
    let track = |version: &str| Track {
        version: version.into(),
        replicas: 1,
        ready: 1,
    };
    let mut observed = Observed {
        blocked: None,
        wanted: Some("v2".into()),
        replicas: 1,
        stable: Some(track("v1")),
        canary: Some(track("v2")),
        traffic: Ok(Traffic::default()),
        fit: Some(Verdict::Surge),
        warmed: Some(Warmed {
            version: "v2".into(),
            sent: 40,
            succeeded: 40,
        }),
    };
    let step = |state: State, observed: &Observed, at: i64| {
        let input = Input {
            observed,
            commands: &[],
            answers: &[],
            now: t(at),
        };
        advance(&plan, state, input)
    };
    let begun = step(State::default(), &observed, 0);
    let stored = serde_json::to_value(&begun.state).unwrap();
    // Who goes on knows of no request.
    observed.warmed = None;
    let outcome = step(serde_json::from_value(stored).unwrap(), &observed, 1);
    let wanted = Action::Warm {
        version: "v2".into(),
        requests: 10,
    };
    assert_eq!(outcome.actions, [wanted]);
}
