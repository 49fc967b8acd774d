//! Any operation ends, whatever fails and whenever its process is killed; and it ends as if nobody had
//! been killed.

use std::collections::BTreeSet;

use driftless_engine::sync::option::Limits;
use driftless_engine::sync::{OperationPhase, Step, Termination};
use driftless_manifest::Object;
use jiff::SignedDuration;
use proptest::prelude::*;

use super::world::{App, Fate, Runner, World, object, start};

#[derive(Clone, Debug)]
struct Item {
    kind: &'static str,
    wave: i8,
    hook: Option<&'static str>,
    policy: Option<&'static str>,
    fate: Fate,
    refused: bool,
    leftover: bool,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => (0_i64..6).prop_map(Fate::Good),
        1 => (0_i64..6).prop_map(Fate::Bad),
        1 => Just(Fate::Stuck),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let kind = prop_oneof![Just("ConfigMap"), Just("Deployment"), Just("Job")];
    let hook = prop_oneof![
        4 => Just(None),
        1 => Just(Some("PreSync")),
        1 => Just(Some("Sync")),
        1 => Just(Some("PostSync")),
        1 => Just(Some("SyncFail")),
        1 => Just(Some("PreSync,PostSync")),
    ];
    let policy = prop_oneof![
        Just(None),
        Just(Some("HookSucceeded")),
        Just(Some("HookFailed")),
        Just(Some("HookSucceeded,HookFailed")),
    ];
    (
        kind,
        -1_i8..2,
        hook,
        policy,
        fate(),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(kind, wave, hook, policy, fate, refused, leftover)| Item {
            kind: if hook.is_some() { "Job" } else { kind },
            wave,
            hook,
            policy,
            fate,
            refused,
            leftover,
        })
}

#[derive(Clone, Debug)]
struct Case {
    items: Vec<Item>,
    extras: Vec<(i8, Option<&'static str>)>,
    prune: bool,
    deletion_takes: i64,
    delete_refused: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let option = prop_oneof![
        4 => Just(None),
        1 => Just(Some("Prune=false")),
        1 => Just(Some("PruneLast=true")),
    ];
    (
        prop::collection::vec(item(), 0..7),
        prop::collection::vec((-1_i8..2, option), 0..4),
        any::<bool>(),
        0_i64..4,
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |(items, extras, prune, deletion_takes, delete_refused)| Case {
                items,
                extras,
                prune,
                deletion_takes,
                delete_refused,
            },
        )
}

impl Case {
    fn runner(&self) -> Runner {
        let mut world = World::default();
        world.deletion_takes = self.deletion_takes;
        let mut targets = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            let name = format!("t{index}");
            let wave = item.wave.to_string();
            let mut annotations = vec![("sync-wave", wave.as_str())];
            annotations.extend(item.hook.map(|hook| ("hook", hook)));
            annotations.extend(item.policy.map(|policy| ("hook-delete-policy", policy)));
            let target = object(item.kind, &name, &annotations);
            if item.leftover {
                world.objects.insert(target.key(), target.clone());
            }
            world.fates.insert(name.clone(), item.fate);
            if item.refused {
                world.refuse.insert(name);
            }
            targets.push(target);
        }
        let mut app = App::of(targets);
        app.options.prune = self.prune;
        app.options.wave_delay = SignedDuration::from_secs(1);
        app.options.limits = Limits {
            operation: Some(start() + SignedDuration::from_secs(900)),
            hook: Some(SignedDuration::from_secs(60)),
            wave: Some(SignedDuration::from_secs(90)),
        };
        for (index, (wave, option)) in self.extras.iter().enumerate() {
            let name = format!("x{index}");
            let wave = wave.to_string();
            let mut annotations = vec![("sync-wave", wave.as_str())];
            annotations.extend(option.map(|option| ("sync-options", option)));
            let extra = object("ConfigMap", &name, &annotations);
            world.objects.insert(extra.key(), extra);
            if self.delete_refused {
                world.refuse_delete.insert(name.clone());
            }
            app.managed.insert(name);
        }
        let foreign = object("ConfigMap", "foreign", &[]);
        world.objects.insert(foreign.key(), foreign);
        Runner::new(app, world)
    }

    /// Names that a sync may delete.
    fn deletable(&self) -> BTreeSet<String> {
        let hooks = self
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.hook.is_some());
        let mut names: BTreeSet<String> = hooks.map(|(index, _)| format!("t{index}")).collect();
        if self.prune {
            let extras = self.extras.iter().enumerate();
            let prunable = extras.filter(|(_, (_, option))| *option != Some("Prune=false"));
            names.extend(prunable.map(|(index, _)| format!("x{index}")));
        }
        names
    }
}

/// What is left when an operation is over, without what depends on when things happened.
fn remains(world: &World) -> BTreeSet<String> {
    let alive = world
        .objects
        .values()
        .filter(|object| !object.is_deleting());
    alive.map(Object::to_string).collect()
}

fn check_deletions(case: &Case, runner: &Runner) {
    let deletable = case.deletable();
    for line in &runner.world.log {
        if let Some(name) = line.strip_prefix("delete ") {
            assert!(deletable.contains(name), "{name} was deleted");
        }
    }
    assert!(runner.world.has("foreign"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_operation_ends_and_deletes_only_what_it_may(case in case()) {
        let mut runner = case.runner();
        let end = runner.run();
        prop_assert!(end.phase.is_final());
        check_deletions(&case, &runner);
        let ideal = case.items.iter().all(|item| matches!(item.fate, Fate::Good(_)) && !item.refused)
            && !(case.delete_refused && case.prune);
        if ideal {
            prop_assert_eq!(end.phase, OperationPhase::Succeeded, "{:?}", runner.results());
        }
        if end.phase == OperationPhase::Succeeded {
            for (index, item) in case.items.iter().enumerate().filter(|(_, item)| item.hook.is_none()) {
                prop_assert!(runner.world.has(&format!("t{index}")), "{:?} is missing", item);
            }
        }
        // Nothing is left that only the operation could let go of.
        for object in runner.world.objects.values().filter(|object| !object.is_deleting()) {
            let of_ours = runner.progress.results().iter().any(|result| result.key == object.key());
            prop_assert!(
                !of_ours || object.finalizers().next().is_none() || case.delete_refused,
                "{} keeps its finalizer: {:?}", object, runner.results()
            );
        }
    }

    #[test]
    fn being_killed_changes_nothing(case in case(), lives in prop::collection::vec(0_usize..6, 1..6)) {
        let mut calm = case.runner();
        let want = calm.run();
        let mut hunted = case.runner();
        let mut lives = lives.into_iter();
        hunted.lives = lives.next();
        let mut got = None;
        for _ in 0..5000 {
            match hunted.step() {
                Ok(decision) if matches!(decision.step, Step::Finish { .. }) => {
                    got = Some(decision);
                    break;
                }
                Ok(_) => {}
                Err(_) => {
                    hunted.resume();
                    hunted.lives = lives.next();
                }
            }
        }
        let got = got.expect("an end");
        check_deletions(&case, &hunted);
        prop_assert_eq!(got.phase, want.phase, "{} / {}", got.message, want.message);
        prop_assert_eq!(remains(&hunted.world), remains(&calm.world));
    }

    #[test]
    fn a_clock_that_jumps_neither_stops_it_nor_deletes_more(
        case in case(),
        jumps in prop::collection::vec((0_usize..20, -600_i64..100_000), 1..4),
    ) {
        let mut runner = case.runner();
        let mut end = None;
        for count in 0..3000 {
            let now = jumps.iter().filter(|(at, _)| *at == count);
            runner.world.skew += now.map(|(_, by)| by).sum::<i64>();
            let decision = runner.step().unwrap();
            if matches!(decision.step, Step::Finish { .. }) {
                end = Some(decision);
                break;
            }
        }
        let end = end.expect("an end");
        prop_assert!(end.phase.is_final());
        check_deletions(&case, &runner);
    }

    #[test]
    fn termination_ends_from_any_state(case in case(), after in 0_usize..25) {
        let mut runner = case.runner();
        for _ in 0..after {
            let decision = runner.step().unwrap();
            if matches!(decision.step, Step::Finish { .. }) {
                return Ok(());
            }
        }
        runner.progress.terminate(Termination::Requested);
        let mut steps = 0;
        loop {
            let decision = runner.step().unwrap();
            steps += 1;
            prop_assert!(steps < 10, "{:?}", runner.messages);
            if let Step::Finish { phase } = decision.step {
                prop_assert!(matches!(phase, OperationPhase::Failed | OperationPhase::Error));
                break;
            }
        }
        check_deletions(&case, &runner);
    }
}
