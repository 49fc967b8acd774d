//! Hooks of a deletion, from the first to the last, in a small world.

use driftless_engine::annotation::{Annotations, HookType};
use driftless_engine::sync::Target;
use driftless_engine::sync::deletion::{
    Deletion, DeletionHook, Next, clean_up, hooks, is_deletion_hook, next,
};
use driftless_manifest::Object;
use jiff::SignedDuration;

use super::world::{Fate, World, object, start};

fn deletion() -> Deletion<'static> {
    Deletion {
        uid: "u1",
        since: start(),
        revision: "0123456789",
    }
}

fn list(objects: &[Object]) -> Vec<DeletionHook> {
    let targets: Vec<Target> = objects
        .iter()
        .map(|object| Target::new(std::sync::Arc::new(object.clone())))
        .collect();
    hooks(&targets, HookType::PreDelete, deletion())
}

fn hook(name: &str, more: &[(&str, &str)]) -> Object {
    let mut annotations = vec![("hook", "PreDelete")];
    annotations.extend_from_slice(more);
    object("Job", name, &annotations)
}

fn create(world: &mut World, hooks: &[DeletionHook], places: &[usize]) {
    for place in places {
        world.put(Object::clone(&hooks[*place].object));
    }
}

fn ask(world: &World, hooks: &[DeletionHook]) -> Next {
    next(
        hooks,
        world,
        Some(SignedDuration::from_secs(600)),
        world.time(),
    )
}

#[test]
fn hooks_run_wave_by_wave_and_end() {
    let hooks = list(&[
        hook("second", &[("sync-wave", "1")]),
        hook("first", &[]),
        object("ConfigMap", "ordinary", &[]),
        object("Job", "other", &[("hook", "PostDelete")]),
    ]);
    let mut world = World::default();
    world.fates.insert("first".into(), Fate::Good(10));
    assert_eq!(ask(&world, &hooks), Next::Create(vec![0]));
    create(&mut world, &hooks, &[0]);
    world.pass(1);
    assert_eq!(
        ask(&world, &hooks),
        Next::Wait("waiting for completion of hook batch/Job/first".into())
    );
    world.pass(10);
    assert_eq!(ask(&world, &hooks), Next::Create(vec![1]));
    create(&mut world, &hooks, &[1]);
    world.pass(1);
    assert_eq!(ask(&world, &hooks), Next::Done);
}

#[test]
fn a_failed_hook_is_told_and_tried_again_later() {
    let hooks = list(&[hook("drain", &[])]);
    let mut world = World::default();
    world.fates.insert("drain".into(), Fate::Bad(1));
    create(&mut world, &hooks, &[0]);
    world.pass(2);
    let Next::Failed { retry, message } = ask(&world, &hooks) else {
        panic!("it failed")
    };
    assert!(retry.is_empty(), "it stays for a while");
    assert!(
        message.starts_with("hook batch/Job/drain failed: "),
        "{message}"
    );
    world.pass(30);
    let Next::Failed { retry, .. } = ask(&world, &hooks) else {
        panic!("it failed")
    };
    assert_eq!(retry, [0]);
}

#[test]
fn a_hook_that_never_ends_fails_at_its_limit() {
    let hooks = list(&[hook("drain", &[])]);
    let mut world = World::default();
    world.fates.insert("drain".into(), Fate::Stuck);
    create(&mut world, &hooks, &[0]);
    world.pass(599);
    assert!(matches!(ask(&world, &hooks), Next::Wait(_)));
    world.pass(1);
    assert!(matches!(ask(&world, &hooks), Next::Failed { .. }));
}

#[test]
fn what_another_deletion_left_is_cleared_first() {
    let hooks = list(&[hook("drain", &[])]);
    let mut world = World::default();
    world.put(object("Job", "drain", &[("hook", "PreDelete")]));
    assert_eq!(ask(&world, &hooks), Next::Clear(vec![0]));
    let keeps = list(&[hook("drain", &[("hook-delete-policy", "HookSucceeded")])]);
    assert_eq!(ask(&world, &keeps), Next::Create(vec![0]));
}

#[test]
fn what_cannot_be_read_is_waited_for() {
    let hooks = list(&[hook("drain", &[])]);
    let mut world = World::default();
    world.unreadable.insert("drain".into());
    assert!(matches!(ask(&world, &hooks), Next::Wait(why) if why.contains("drain")));
}

#[test]
fn policies_decide_what_stays() {
    let hooks = list(&[
        hook("stays", &[]),
        hook("goes", &[("hook-delete-policy", "HookSucceeded")]),
        hook("failed", &[("hook-delete-policy", "HookFailed")]),
    ]);
    let mut world = World::default();
    create(&mut world, &hooks, &[0, 1, 2]);
    world.pass(1);
    let names: Vec<String> = clean_up(&hooks, &world)
        .map(|hook| hook.key().name.to_string())
        .collect();
    assert_eq!(names, ["goes"]);
}

#[test]
fn generated_names_are_the_same_each_time() {
    let mut generated = hook("drain", &[]);
    generated.metadata_mut().remove("name");
    generated
        .metadata_mut()
        .insert("generateName".into(), "drain-".into());
    let names = || list(std::slice::from_ref(&generated))[0].key().name;
    assert_eq!(&*names(), "drain-0123456-predelete-1767225600");
    assert_eq!(names(), names());
}

#[test]
fn deletion_hooks_are_told_from_others() {
    let is =
        |value: &str| is_deletion_hook(&Annotations::of(&object("Job", "j", &[("hook", value)])));
    assert!(is("PreDelete"));
    assert!(is("PostDelete,PostSync"));
    assert!(!is("PreSync"));
}
