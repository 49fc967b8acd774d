//! Sync operations from the first step to the last, in a small world.

use std::sync::Arc;

use driftless_engine::sync::option::{AppOptions, Guard, Limits, Selector};
use driftless_engine::sync::plan::NamespaceTarget;
use driftless_engine::sync::{OperationPhase, Step, Strategy, Termination};
use jiff::SignedDuration;

use super::world::{App, Fate, Runner, World, object, start};

fn runner(app: App) -> Runner {
    Runner::new(app, World::default())
}

fn succeeded(runner: &mut Runner) -> String {
    let decision = runner.run();
    assert_eq!(
        decision.phase,
        OperationPhase::Succeeded,
        "{:?}",
        runner.results()
    );
    decision.message
}

fn failed(runner: &mut Runner) -> String {
    let decision = runner.run();
    assert_eq!(
        decision.phase,
        OperationPhase::Failed,
        "{:?}",
        runner.results()
    );
    decision.message
}

#[test]
fn one_step_without_hooks_ends_right_after_apply() {
    let mut app = App::of([
        object("Deployment", "api", &[]),
        object("ConfigMap", "b", &[]),
        object("ConfigMap", "a", &[]),
        object("Namespace", "web", &[]),
    ]);
    app.options.managed = 4;
    let mut runner = runner(app);
    runner.world.fates.insert("api".into(), Fate::Stuck);
    assert_eq!(
        succeeded(&mut runner),
        "successfully synced (all tasks run)"
    );
    assert_eq!(
        runner.world.log,
        ["create web", "create a", "create b", "create api"]
    );
    assert_eq!(
        runner.results()[3],
        "api Sync Synced Running: deployment/api created"
    );
}

#[test]
fn nothing_to_do_is_a_success() {
    assert_eq!(
        succeeded(&mut runner(App::of([]))),
        "successfully synced (no more tasks)"
    );
}

#[test]
fn a_wave_waits_for_the_health_of_the_one_before() {
    let mut runner = runner(App::of([
        object("Deployment", "db", &[("sync-wave", "-1")]),
        object("Deployment", "cache", &[("sync-wave", "-1")]),
        object("Deployment", "api", &[]),
    ]));
    runner.world.fates.insert("db".into(), Fate::Good(7));
    assert_eq!(
        succeeded(&mut runner),
        "successfully synced (all tasks run)"
    );
    assert!(
        runner
            .messages
            .contains(&"waiting for healthy state of apps/Deployment/db".to_owned()),
        "{:?}",
        runner.messages
    );
    assert!(runner.world.now >= 7);
    assert_eq!(
        runner.world.log,
        ["create cache", "create db", "create api"]
    );
}

#[test]
fn a_degraded_wave_fails_the_operation() {
    let mut runner = runner(App::of([
        object("Deployment", "db", &[("sync-wave", "-1")]),
        object("Deployment", "api", &[]),
    ]));
    runner.world.fates.insert("db".into(), Fate::Bad(3));
    assert_eq!(
        failed(&mut runner),
        "one or more synchronization tasks completed unsuccessfully, \
         reason: Deployment \"db\" exceeded its progress deadline"
    );
    assert!(!runner.world.has("api"));
}

#[test]
fn hooks_run_in_their_phases_and_are_released() {
    let mut runner = runner(App::of([
        object("Job", "migrate", &[("hook", "PreSync")]),
        object(
            "Job",
            "smoke",
            &[
                ("hook", "PostSync"),
                ("hook-delete-policy", "HookSucceeded"),
            ],
        ),
        object("Deployment", "api", &[]),
    ]));
    runner.world.fates.insert("migrate".into(), Fate::Good(4));
    runner.world.fates.insert("smoke".into(), Fate::Good(2));
    assert_eq!(
        succeeded(&mut runner),
        "successfully synced (no more tasks)"
    );
    assert_eq!(
        runner.world.log,
        [
            "create migrate",
            "create api",
            "create smoke",
            "delete smoke"
        ]
    );
    for message in [
        "waiting for completion of hook batch/Job/migrate",
        "waiting for completion of hook batch/Job/smoke",
    ] {
        assert!(
            runner.messages.iter().any(|known| known == message),
            "{message}"
        );
    }
    let migrate = runner
        .world
        .objects
        .values()
        .find(|object| object.name() == "migrate")
        .unwrap();
    assert_eq!(migrate.finalizers().count(), 0);
    assert_eq!(
        runner.results()[0],
        "migrate PreSync Synced Succeeded: done"
    );
}

#[test]
fn a_failed_hook_runs_the_sync_fail_hooks() {
    let mut runner = runner(App::of([
        object(
            "Job",
            "migrate",
            &[("hook", "PreSync"), ("hook-delete-policy", "HookFailed")],
        ),
        object("Job", "tell", &[("hook", "SyncFail")]),
        object("ConfigMap", "a", &[]),
    ]));
    runner.world.fates.insert("migrate".into(), Fate::Bad(1));
    assert_eq!(
        failed(&mut runner),
        "one or more synchronization tasks completed unsuccessfully, reason: it broke"
    );
    assert_eq!(
        runner.world.log,
        ["create migrate", "create tell", "delete migrate"]
    );
}

#[test]
fn sync_fail_hooks_that_fail_are_told() {
    let mut runner = runner(App::of([
        object("ConfigMap", "a", &[]),
        object("ConfigMap", "b", &[]),
        object("Job", "tell", &[("hook", "SyncFail")]),
    ]));
    runner.world.refuse.insert("a".into());
    runner.world.fates.insert("tell".into(), Fate::Bad(1));
    assert_eq!(
        failed(&mut runner),
        "one or more objects failed to apply, reason: a is refused\n\
         one or more SyncFail hooks failed, reason: it broke"
    );
    // What else is in the wave is applied all the same.
    assert!(runner.world.has("b"));
}

#[test]
fn nothing_happens_when_the_dry_run_fails() {
    let mut runner = runner(App::of([
        object("ConfigMap", "a", &[]),
        object("ConfigMap", "b", &[]),
        object("Job", "tell", &[("hook", "SyncFail")]),
    ]));
    runner.world.refuse_dry_run.insert("b".into());
    assert_eq!(
        failed(&mut runner),
        "one or more objects failed to apply (dry run)"
    );
    assert_eq!(runner.world.log, [""; 0]);
    assert_eq!(
        runner.results(),
        ["b Sync SyncFailed Failed: b is not valid"]
    );
}

#[test]
fn an_unknown_kind_makes_the_plan_invalid() {
    let mut runner = runner(App::of([
        object("ConfigMap", "a", &[]),
        object("Widget", "w", &[]),
    ]));
    runner
        .world
        .missing_kinds
        .insert("example.com/Widget".into());
    assert_eq!(
        failed(&mut runner),
        "one or more synchronization tasks are not valid: The Kubernetes API could not find version \"v1\" of \
         example.com/Widget for requested resource web/w. Make sure the \"Widget\" CRD is installed on the \
         destination cluster."
    );
    assert_eq!(runner.world.log, [""; 0]);
}

#[test]
fn a_kind_that_comes_with_the_sync_is_valid_and_its_definition_goes_first() {
    let mut crd = object(
        "CustomResourceDefinition",
        "widgets.example.com",
        &[("sync-wave", "5")],
    );
    crd.as_map_mut().insert(
        "spec".into(),
        serde_json::json!({"group": "example.com", "names": {"kind": "Widget"}}),
    );
    let mut runner = runner(App::of([object("Widget", "w", &[]), crd]));
    runner
        .world
        .missing_kinds
        .insert("example.com/Widget".into());
    runner.world.refuse_dry_run.insert("w".into());
    succeeded(&mut runner);
    assert_eq!(runner.world.log, ["create widgets.example.com", "create w"]);
}

#[test]
fn a_namespace_goes_before_what_lives_in_it() {
    let mut runner = runner(App::of([
        object("Job", "migrate", &[("hook", "PreSync")]),
        object("Namespace", "web", &[]),
        object("ConfigMap", "a", &[]),
    ]));
    runner.world.refuse_dry_run.insert("a".into());
    succeeded(&mut runner);
    assert_eq!(
        runner.world.log,
        ["create web", "create migrate", "create a"]
    );
}

fn pruning(names: &[&str], annotations: &[(&str, &str)]) -> Runner {
    let mut app = App::of([object("ConfigMap", "kept", &[])]);
    app.options.prune = true;
    let objects = names
        .iter()
        .map(|name| object("ConfigMap", name, annotations));
    let mut world = World::with(objects);
    world.objects.insert(
        object("ConfigMap", "foreign", &[]).key(),
        object("ConfigMap", "foreign", &[]),
    );
    app.managed = names.iter().map(|name| (*name).to_owned()).collect();
    Runner::new(app, world)
}

#[test]
fn extra_objects_go_when_asked_and_stay_when_not() {
    let mut runner = pruning(&["old"], &[]);
    succeeded(&mut runner);
    assert_eq!(runner.world.log, ["delete old", "create kept"]);
    assert!(runner.world.has("foreign"));
    assert_eq!(runner.results()[0], "old Sync Pruned Succeeded: pruned");

    let mut runner = pruning(&["old"], &[]);
    runner.app.options.prune = false;
    succeeded(&mut runner);
    assert_eq!(
        runner.results()[0],
        "old Sync PruneSkipped Succeeded: ignored (requires pruning)"
    );

    let mut runner = pruning(&["old"], &[("sync-options", "Prune=false")]);
    succeeded(&mut runner);
    assert_eq!(
        runner.results()[0],
        "old Sync PruneSkipped Succeeded: ignored (no prune)"
    );
}

#[test]
fn what_was_created_last_is_pruned_first() {
    let mut runner = pruning(&[], &[]);
    for (name, wave) in [("one", "1"), ("two", "2"), ("three", "3")] {
        let object = object("ConfigMap", name, &[("sync-wave", wave)]);
        runner.world.objects.insert(object.key(), object);
        runner.app.managed.insert(name.into());
    }
    runner.world.deletion_takes = 3;
    succeeded(&mut runner);
    assert_eq!(
        runner.world.log,
        ["create kept", "delete three", "delete two", "delete one"]
    );
    assert!(
        runner
            .messages
            .contains(&"waiting for deletion of /ConfigMap/three".to_owned())
    );
}

#[test]
fn prunes_keep_their_waves_while_others_are_done() {
    let mut runner = pruning(&[], &[]);
    for (name, wave) in [("one", "1"), ("two", "2"), ("three", "3")] {
        let object = object("ConfigMap", name, &[("sync-wave", wave)]);
        runner.world.objects.insert(object.key(), object);
        runner.app.managed.insert(name.into());
    }
    let bad = object("Deployment", "bad", &[("sync-wave", "2")]);
    runner.app.targets.push(bad);
    runner.world.fates.insert("bad".into(), Fate::Bad(2));
    failed(&mut runner);
    assert_eq!(
        runner.world.log,
        ["create kept", "delete three", "delete two", "create bad"]
    );
    assert!(
        runner.world.has("one"),
        "its turn is after the wave that failed"
    );
}

#[test]
fn prune_last_comes_after_every_wave() {
    let mut runner = pruning(&["old"], &[("sync-options", "PruneLast=true")]);
    runner
        .app
        .targets
        .push(object("ConfigMap", "late", &[("sync-wave", "7")]));
    succeeded(&mut runner);
    assert_eq!(
        runner.world.log,
        ["create kept", "create late", "delete old"]
    );
}

#[test]
fn a_prune_that_needs_confirmation_waits_for_it_after_everything_else() {
    let mut runner = pruning(&["old", "older"], &[("sync-options", "Prune=confirm")]);
    let decision = runner.run_until(|runner| {
        runner
            .messages
            .last()
            .is_some_and(|m| m.contains("confirm"))
    });
    assert_eq!(
        decision.message,
        "waiting for pruning confirmation of /ConfigMap/old and 1 more resources"
    );
    assert_eq!(runner.world.log, ["create kept"]);
    runner.app.options.deletion_approved = Some(start());
    succeeded(&mut runner);
    assert_eq!(
        runner.world.log,
        ["create kept", "delete old", "delete older"]
    );
}

#[test]
fn a_prune_above_its_budget_waits_for_confirmation() {
    let names: Vec<String> = (0..12).map(|index| format!("old-{index:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut runner = pruning(&names, &[]);
    let decision = runner.run_until(|runner| {
        runner
            .messages
            .last()
            .is_some_and(|m| m.contains("confirm"))
    });
    assert_eq!(
        decision.message,
        "waiting for pruning confirmation: 12 of 12 objects would be deleted, more than the budget of 50% and 10"
    );
    assert!(runner.world.has("kept") && runner.world.has("old-11"));
    runner.app.options.deletion_approved = Some(start());
    succeeded(&mut runner);
    assert!(!runner.world.has("old-00"));
}

#[test]
fn leftovers_of_a_hook_go_before_it_runs_again() {
    let mut app = App::of([object("Job", "migrate", &[("hook", "PreSync")])]);
    app.options.operation_id = "op-2".into();
    let mut old = object("Job", "migrate", &[("hook", "PreSync")]);
    old.add_finalizer(driftless_engine::annotation::HOOK_FINALIZER);
    let mut runner = Runner::new(app, World::with([old]));
    runner.world.deletion_takes = 3;
    succeeded(&mut runner);
    assert_eq!(runner.world.log, ["delete migrate", "create migrate"]);
    assert!(
        runner
            .messages
            .contains(&"waiting for deletion of hook batch/Job/migrate".to_owned())
    );
}

#[test]
fn a_generated_name_tells_revision_phase_and_time() {
    let mut hook = object("Job", "x", &[("hook", "PreSync,PostSync")]);
    hook.metadata_mut().remove("name");
    hook.metadata_mut()
        .insert("generateName".into(), "migrate-".into());
    let mut runner = runner(App::of([hook, object("ConfigMap", "a", &[])]));
    succeeded(&mut runner);
    let seconds = start().as_second();
    assert_eq!(
        runner.world.log,
        [
            format!("create migrate-0123456-presync-{seconds}"),
            "create a".into(),
            format!("create migrate-0123456-postsync-{seconds}")
        ]
    );
}

#[test]
fn hooks_are_skipped_by_strategy_and_selection() {
    let targets = [
        object("Job", "migrate", &[("hook", "PreSync")]),
        object("ConfigMap", "a", &[]),
        object("ConfigMap", "b", &[]),
        object("ConfigMap", "skipped", &[("hook", "Skip")]),
    ];
    let mut app = App::of(targets.clone());
    app.options.strategy = Strategy::Apply;
    let mut all = runner(app);
    succeeded(&mut all);
    assert_eq!(all.world.log, ["create a", "create b"]);

    let mut app = App::of(targets);
    app.options.selected = vec![Selector {
        group: String::new(),
        kind: "ConfigMap".into(),
        namespace: String::new(),
        name: "b".into(),
    }];
    let mut some = runner(app);
    succeeded(&mut some);
    assert_eq!(some.world.log, ["create b"]);
}

#[test]
fn only_what_is_out_of_sync_is_applied_when_asked() {
    let mut app = App::of([object("ConfigMap", "a", &[]), object("ConfigMap", "b", &[])]);
    app.options.app.apply_out_of_sync_only = true;
    app.in_sync.insert("a".into());
    let mut runner = runner(app);
    succeeded(&mut runner);
    assert_eq!(runner.world.log, ["create b"]);
}

#[test]
fn the_destination_namespace_is_created_before_the_dry_run() {
    let mut app = App::of([object("ConfigMap", "a", &[])]);
    app.namespace = Some(NamespaceTarget {
        object: Arc::new(object("Namespace", "web", &[])),
        managed_metadata: false,
    });
    let mut new = runner(app.clone());
    assert!(matches!(new.step().unwrap().step, Step::Run { .. }));
    assert!(matches!(new.step().unwrap().step, Step::DryRun { .. }));
    succeeded(&mut new);
    assert_eq!(new.world.log, ["create web", "create a"]);

    let mut known = Runner::new(app, World::with([object("Namespace", "web", &[])]));
    succeeded(&mut known);
    assert_eq!(known.world.log, ["create a"]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let mut runner = pruning(&["old"], &[]);
    runner.app.options.dry_run = true;
    runner
        .app
        .targets
        .push(object("Job", "migrate", &[("hook", "PreSync")]));
    runner
        .app
        .targets
        .push(object("Deployment", "api", &[("sync-wave", "3")]));
    succeeded(&mut runner);
    assert_eq!(runner.world.log, [""; 0]);
    assert!(
        runner
            .results()
            .contains(&"old Sync Pruned Succeeded: pruned (dry run)".to_owned())
    );
    assert_eq!(runner.results().len(), 4);
}

#[test]
fn termination_deletes_hooks_at_work() {
    let mut runner = runner(App::of([
        object("Job", "migrate", &[("hook", "PreSync")]),
        object("ConfigMap", "a", &[]),
    ]));
    runner.world.fates.insert("migrate".into(), Fate::Stuck);
    runner.run_until(|runner| runner.world.now > 10);
    runner.progress.terminate(Termination::Requested);
    let terminating = runner.step().unwrap();
    assert_eq!(terminating.phase, OperationPhase::Terminating);
    assert_eq!(failed(&mut runner), "Operation terminated");
    assert_eq!(
        runner.results(),
        ["migrate PreSync Synced Succeeded: Deleted"]
    );
    assert!(!runner.world.has("migrate") && !runner.world.has("a"));
}

#[test]
fn termination_ends_even_when_nothing_can_be_deleted() {
    let mut runner = runner(App::of([object("Job", "migrate", &[("hook", "Sync")])]));
    runner.world.fates.insert("migrate".into(), Fate::Stuck);
    runner.run_until(|runner| runner.world.now > 3);
    runner.world.refuse_delete.insert("migrate".into());
    runner
        .progress
        .terminate(Termination::Superseded("abc".into()));
    let decision = runner.run();
    assert_eq!(decision.phase, OperationPhase::Error);
    assert_eq!(decision.message, "Operation termination had errors");
}

#[test]
fn an_operation_has_a_deadline() {
    let mut app = App::of([object("Job", "migrate", &[("hook", "PreSync")])]);
    app.options.limits = Limits {
        operation: Some(start() + SignedDuration::from_secs(30)),
        ..Limits::default()
    };
    let mut runner = runner(app);
    runner.world.fates.insert("migrate".into(), Fate::Stuck);
    assert_eq!(failed(&mut runner), "Operation terminated (timed out)");
    assert!(
        runner
            .messages
            .contains(&"operation is terminating due to timeout".to_owned())
    );
}

#[test]
fn hooks_and_waves_have_limits_of_their_own() {
    let mut app = App::of([
        object("Job", "migrate", &[("hook", "PreSync")]),
        object("Deployment", "db", &[("sync-wave", "-1")]),
        object("Deployment", "api", &[]),
    ]);
    app.options.limits = Limits {
        hook: Some(SignedDuration::from_secs(20)),
        wave: Some(SignedDuration::from_secs(40)),
        ..Limits::default()
    };
    let mut hooks = runner(app.clone());
    hooks.world.fates.insert("migrate".into(), Fate::Stuck);
    assert_eq!(
        failed(&mut hooks),
        "one or more synchronization tasks completed unsuccessfully, \
         reason: hook batch/Job/migrate did not finish within 20s"
    );
    let mut waves = runner(app);
    waves.world.fates.insert("db".into(), Fate::Stuck);
    assert_eq!(
        failed(&mut waves),
        "one or more synchronization tasks completed unsuccessfully, \
         reason: apps/Deployment/db did not become healthy in time"
    );
}

#[test]
fn an_unreadable_object_is_waited_for_and_never_taken_for_missing() {
    let mut runner = runner(App::of([
        object("Job", "migrate", &[("hook", "PreSync")]),
        object("ConfigMap", "a", &[]),
    ]));
    runner.world.unreadable.insert("migrate".into());
    let decision = runner.run_until(|runner| runner.world.now > 300);
    assert_eq!(decision.phase, OperationPhase::Running);
    assert_eq!(runner.world.log, [""; 0]);
    runner.world.unreadable.clear();
    succeeded(&mut runner);
}

#[test]
fn a_hook_that_somebody_deletes_is_a_failure() {
    let mut runner = runner(App::of([object("Job", "migrate", &[("hook", "PreSync")])]));
    runner.world.fates.insert("migrate".into(), Fate::Stuck);
    runner.run_until(|runner| runner.world.now > 3);
    runner.world.objects.clear();
    assert_eq!(
        failed(&mut runner),
        "one or more synchronization tasks completed unsuccessfully, \
         reason: batch/Job/migrate was deleted while it was waited for"
    );
}

#[test]
fn a_resumed_operation_knows_the_hook_it_created() {
    for lives in 0..4 {
        let mut runner = runner(App::of([
            object("Job", "migrate", &[("hook", "PreSync,PostSync")]),
            object("ConfigMap", "a", &[]),
        ]));
        runner.world.fates.insert("migrate".into(), Fate::Good(5));
        runner.lives = Some(lives);
        succeeded(&mut runner);
        let created = runner
            .world
            .log
            .iter()
            .filter(|line| *line == "create migrate")
            .count();
        assert_eq!(
            created, 2,
            "killed after {lives} actions: {:?}",
            runner.world.log
        );
    }
}

#[test]
fn guards_of_the_application_hold_for_every_object() {
    let mut runner = pruning(&["old"], &[]);
    runner.app.options.app = AppOptions {
        prune: Guard::Never,
        ..AppOptions::default()
    };
    succeeded(&mut runner);
    assert!(runner.world.has("old"));
}

/// Found by the property tests: the limit of a wave ended the operation before its finished hooks were
/// let go.
#[test]
fn a_wave_that_takes_too_long_lets_finished_hooks_go() {
    let mut app = App::of([
        object("Job", "migrate", &[("hook", "Sync")]),
        object("Deployment", "db", &[]),
        object("ConfigMap", "late", &[("sync-wave", "1")]),
    ]);
    app.options.limits.wave = Some(SignedDuration::from_secs(40));
    let mut runner = runner(app);
    runner.world.fates.insert("db".into(), Fate::Stuck);
    failed(&mut runner);
    let held = |object: &driftless_manifest::Object| object.finalizers().next().is_some();
    assert!(runner.world.has("migrate"));
    assert!(!runner.world.objects.values().any(held));
}

/// Found by the property tests: a hook whose object is deleted as its policy says must be known to be over
/// by its persisted result, or the next process takes it for deleted by somebody.
#[test]
fn a_process_killed_while_it_deletes_hooks_is_resumed() {
    for lives in 0..8 {
        let mut runner = runner(App::of([
            object(
                "Job",
                "smoke",
                &[
                    ("hook", "Sync,PostSync"),
                    ("hook-delete-policy", "HookSucceeded"),
                ],
            ),
            object("ConfigMap", "a", &[]),
        ]));
        runner.lives = Some(lives);
        succeeded(&mut runner);
        assert!(!runner.world.has("smoke"), "killed after {lives} actions");
    }
}

/// Found by the property tests: the time that the failed wave used up was taken from the SyncFail hooks.
#[test]
fn sync_fail_hooks_have_a_time_of_their_own() {
    let mut app = App::of([
        object("Job", "tell", &[("hook", "SyncFail")]),
        object("Deployment", "db", &[]),
        object("ConfigMap", "late", &[("sync-wave", "1")]),
    ]);
    app.options.limits.wave = Some(SignedDuration::from_secs(40));
    let world = World::with([object("Job", "tell", &[])]);
    let mut runner = Runner::new(app, world);
    runner.world.fates.insert("db".into(), Fate::Stuck);
    runner.world.deletion_takes = 3;
    failed(&mut runner);
    assert_eq!(
        runner.world.log,
        ["create db", "delete tell", "create tell"]
    );
}

#[test]
fn what_another_application_manages_fails_the_sync_when_asked() {
    let theirs = object("ConfigMap", "a", &[("test/owner", "other")]);
    let app = App::of([object("ConfigMap", "a", &[]), object("ConfigMap", "b", &[])]);
    let mut tolerant = Runner::new(app.clone(), World::with([theirs.clone()]));
    succeeded(&mut tolerant);

    let mut strict = Runner::new(app, World::with([theirs]));
    strict.app.options.app.fail_on_shared_resource = true;
    assert_eq!(
        failed(&mut strict),
        "Shared resource found: ConfigMap/a is part of applications argocd/app and other"
    );
    assert_eq!(strict.world.log, [""; 0]);
}
