//! The state without a cluster: what is kept, what is told, what is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftless_core::{GroupKind, GroupVersionKind, ResourceKey};
use serde_json::{Value, json};

use super::{Effect, Exclusions, Found, MAX_FETCHES, ReaderId, State};
use crate::discovery::{Discovery, Resource};
use crate::live::change::{Change, Role};
use crate::live::compact::{self, Interner, Item, Projection, Reading};
use crate::live::object::ResourceVersion;
use crate::live::{KindState, Lookup};

struct Rules;

impl Exclusions for Rules {
    fn is_forbidden(&self, kind: &GroupKind) -> bool {
        &*kind.kind == "Forbidden"
    }
    fn is_skipped(&self, kind: &GroupKind) -> bool {
        &*kind.kind == "Lease"
    }
    fn is_bodiless(&self, kind: &GroupKind) -> bool {
        &*kind.kind == "EndpointSlice"
    }
}

fn discovery(kinds: &[&str]) -> Arc<Discovery> {
    let resources = kinds.iter().map(|kind| Resource {
        gvk: GroupVersionKind::new("", "v1", kind),
        plural: Arc::from(format!("{}s", kind.to_lowercase())),
        namespaced: true,
        verbs: vec![Arc::from("list"), Arc::from("watch")],
        subresources: Vec::new(),
    });
    Arc::new(Discovery::of(resources))
}

/// A state with readers that do what the effects ask for.
struct World {
    state: State,
    readers: BTreeMap<GroupKind, (u64, Projection)>,
    version: u64,
    interner: Interner,
}

const KINDS: [&str; 5] = [
    "Deployment",
    "ReplicaSet",
    "Pod",
    "ConfigMap",
    "EndpointSlice",
];

impl World {
    fn new(kinds: &[&str]) -> Self {
        let mut world = Self {
            state: State::new(Arc::new(Rules), Vec::new(), true),
            readers: BTreeMap::new(),
            version: 100,
            interner: Interner::default(),
        };
        world.state.discovered(&discovery(kinds));
        world.effects();
        world
    }

    /// All kinds listed, with nothing in them.
    fn empty() -> Self {
        let mut world = Self::new(&KINDS);
        for kind in KINDS {
            world.list(kind, &[]);
        }
        world
    }

    /// Starts and ends readers; returns what else is to be done.
    fn effects(&mut self) -> Vec<Effect> {
        let mut rest = Vec::new();
        for effect in std::mem::take(&mut self.state.effects) {
            match effect {
                Effect::Watch {
                    resource,
                    projection,
                    epoch,
                } => {
                    self.readers
                        .insert(resource.gvk.group_kind(), (epoch, projection));
                }
                Effect::Unwatch(kind) => {
                    self.readers.remove(&kind);
                }
                other => rest.push(other),
            }
        }
        rest
    }

    fn reader(&self, kind: &str) -> (ReaderId, Projection) {
        let kind = GroupKind::new("", kind);
        let (epoch, projection) = self.readers[&kind];
        let id = ReaderId {
            kind,
            namespace: Arc::from(""),
            epoch,
        };
        (id, projection)
    }

    fn item(&self, object: &Value, projection: Projection) -> Item {
        let gvk = GroupVersionKind::new("", "v1", object["kind"].as_str().unwrap());
        let json = serde_json::to_vec(object).unwrap();
        compact::read(&json, &gvk, projection, &Reading::default(), &self.interner).unwrap()
    }

    fn list(&mut self, kind: &str, objects: &[Value]) -> Vec<Change> {
        let (id, projection) = self.reader(kind);
        self.state.list_began(&id);
        let found = objects
            .iter()
            .map(|object| Found::Put(Box::new(self.item(object, projection))))
            .collect();
        let mut changes = self.state.found(&id, found);
        self.version += 1;
        changes.extend(
            self.state
                .listed(&id, &ResourceVersion::new(&self.version.to_string())),
        );
        changes
    }

    fn put(&mut self, object: &Value) -> Vec<Change> {
        let (id, projection) = self.reader(object["kind"].as_str().unwrap());
        let found = Found::Put(Box::new(self.item(object, projection)));
        self.state.found(&id, vec![found])
    }

    fn gone(&mut self, object: &Value) -> Vec<Change> {
        let (id, projection) = self.reader(object["kind"].as_str().unwrap());
        let item = self.item(object, projection);
        let found = Found::Gone {
            namespace: item.object.key.namespace,
            name: item.object.key.name,
            uid: item.object.uid,
        };
        self.state.found(&id, vec![found])
    }

    fn projection(&self, kind: &str) -> Projection {
        self.reader(kind).1
    }

    /// Lists every kind that is watched anew with what is given.
    fn relist(&mut self, objects: &[Value]) {
        self.effects();
        for kind in KINDS {
            let of_kind: Vec<Value> = objects
                .iter()
                .filter(|o| o["kind"] == kind)
                .cloned()
                .collect();
            self.list(kind, &of_kind);
        }
        self.effects();
    }
}

fn object(kind: &str, name: &str, version: u64) -> Value {
    json!({"kind": kind, "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}"),
        "resourceVersion": version.to_string()}, "spec": {"x": 1}})
}

fn tracked(kind: &str, name: &str, version: u64, app: &str) -> Value {
    let mut object = object(kind, name, version);
    let id = format!("{app}:/{kind}:ns/{name}");
    object["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": id});
    object
}

fn owned(kind: &str, name: &str, version: u64, owner: &str) -> Value {
    let mut object = object(kind, name, version);
    object["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "X", "name": owner, "uid": format!("uid-{owner}")}]);
    object
}

fn key(kind: &str, name: &str) -> ResourceKey {
    ResourceKey::new("", kind, "ns", name)
}

fn want(state: &mut State, app: &str, keys: &[ResourceKey]) -> Vec<Change> {
    let objects = keys
        .iter()
        .map(|key| (GroupVersionKind::new("", "v1", &key.kind), key.clone()))
        .collect::<Vec<_>>();
    state.want(app, objects, BTreeSet::new())
}

fn object_changes(changes: &[Change]) -> Vec<(String, Role, Vec<String>)> {
    changes
        .iter()
        .filter_map(|change| match change {
            Change::Object(change) => Some((
                change.key.name.to_string(),
                change.role,
                change.instances.iter().map(ToString::to_string).collect(),
            )),
            Change::Kind { .. } => None,
        })
        .collect()
}

#[test]
fn nothing_is_missing_before_it_was_looked_at() {
    let mut world = World::new(&KINDS);
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "a")),
        Lookup::NotLoaded
    ));
    assert!(!world.state.is_settled("app"));
    for kind in KINDS {
        world.list(kind, &[]);
    }
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "a")),
        Lookup::Missing
    ));
    assert!(matches!(
        world.state.lookup(&key("Nope", "a")),
        Lookup::UnknownKind
    ));
    assert!(world.state.is_settled("app"));
    let undiscovered = State::new(Arc::new(Rules), Vec::new(), true);
    assert!(matches!(
        undiscovered.lookup(&key("ConfigMap", "a")),
        Lookup::NotLoaded
    ));
    assert!(!undiscovered.is_settled("app"));
}

#[test]
fn a_kind_that_cannot_be_read_is_unreadable_and_keeps_what_was_seen() {
    let mut world = World::empty();
    want(&mut world.state, "app", &[key("ConfigMap", "a")]);
    world.relist(&[object("ConfigMap", "a", 5)]);
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "a")),
        Lookup::Found(_)
    ));
    let (id, _) = world.reader("ConfigMap");
    let changes = world.state.failed(&id, "forbidden");
    assert!(matches!(changes.as_slice(), [Change::Kind { instances, .. }] if instances.len() == 1));
    for name in ["a", "b"] {
        let Lookup::Unreadable(unreadable) = world.state.lookup(&key("ConfigMap", name)) else {
            panic!("unreadable")
        };
        assert_eq!(&*unreadable.reason, "forbidden");
        assert_eq!(unreadable.last.is_some(), name == "a");
    }
    assert_eq!(world.state.tracked("app").unreadable.len(), 1);
    world.state.recovered(&id);
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "b")),
        Lookup::Missing
    ));
}

#[test]
fn whom_a_kind_concerns_hears_that_it_can_be_read_again() {
    let mut world = World::empty();
    let had = BTreeSet::from([GroupKind::new("", "ConfigMap")]);
    want(&mut world.state, "wants", &[key("ConfigMap", "a")]);
    want(&mut world.state, "stranger", &[key("Pod", "a")]);
    world.state.want("had", [], had);
    world.relist(&[
        object("ConfigMap", "a", 5),
        tracked("ConfigMap", "b", 6, "has"),
    ]);
    let (id, _) = world.reader("ConfigMap");
    world.state.failed(&id, "connection refused");
    let changes = world.state.recovered(&id);
    let [Change::Kind { instances, .. }] = changes.as_slice() else {
        panic!("one change of the kind, not {changes:?}")
    };
    let instances: Vec<&str> = instances.iter().map(|name| &**name).collect();
    assert_eq!(instances, ["had", "has", "wants"]);
}

#[test]
fn nobody_waits_for_kinds_that_are_no_concern_of_theirs() {
    let mut world = World::empty();
    world.relist(&[
        object("ConfigMap", "a", 5),
        tracked("Deployment", "d", 6, "has"),
    ]);
    want(&mut world.state, "wants", &[key("Deployment", "d")]);
    let had = BTreeSet::from([GroupKind::new("", "Deployment")]);
    world.state.want("had", [], had);
    want(&mut world.state, "stranger", &[key("ConfigMap", "a")]);
    world.relist(&[
        object("ConfigMap", "a", 5),
        tracked("Deployment", "d", 6, "has"),
    ]);
    // A kind is defined, and one is listed anew; neither is done.
    let mut kinds = KINDS.to_vec();
    kinds.push("New");
    world.state.stop_looking_around();
    world.state.discovered(&discovery(&kinds));
    world.state.restart(&GroupKind::new("", "Deployment"));
    for (app, settled) in [
        ("has", false),
        ("had", false),
        ("wants", false),
        ("stranger", true),
        ("nobody", true),
    ] {
        assert_eq!(world.state.is_settled(app), settled, "{app}");
    }
}

#[test]
fn after_a_start_all_kinds_are_looked_at_first() {
    let mut world = World::new(&KINDS);
    want(&mut world.state, "app", &[key("ConfigMap", "a")]);
    world.effects();
    let (slow, rest) = KINDS.split_first().unwrap();
    for kind in rest {
        world.list(kind, &[]);
    }
    assert!(
        !world.state.is_settled("app"),
        "{slow} may hold its objects"
    );
    assert!(world.state.stop_looking_around());
    assert!(world.state.is_settled("app"));
    // A new way to read objects: once more.
    world.state.restart_all();
    assert!(!world.state.is_settled("app"));
}

#[test]
fn a_tracked_object_makes_its_kind_watched_in_full() {
    let mut world = World::empty();
    assert_eq!(world.projection("ConfigMap"), Projection::Metadata);
    world.put(&tracked("ConfigMap", "a", 200, "app"));
    world.effects();
    assert_eq!(world.projection("ConfigMap"), Projection::Full);
    // While the kind is listed anew nothing absent is called missing.
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "b")),
        Lookup::NotLoaded
    ));
    world.list(
        "ConfigMap",
        &[
            tracked("ConfigMap", "a", 200, "app"),
            object("ConfigMap", "other", 3),
        ],
    );
    let Lookup::Found(found) = world.state.lookup(&key("ConfigMap", "a")) else {
        panic!("found")
    };
    assert!(found.parse().is_some());
    // Nobody's body is not kept.
    assert!(
        !world
            .state
            .peek(&key("ConfigMap", "other"))
            .unwrap()
            .has_body()
    );
    assert_eq!(world.state.size().bodies, 1);
}

#[test]
fn descendants_of_managed_objects_keep_their_bodies_whatever_comes_first() {
    let all = [
        tracked("Deployment", "d", 1, "app"),
        owned("ReplicaSet", "r", 2, "d"),
        owned("Pod", "p", 3, "r"),
        owned("Pod", "stranger", 3, "nobody"),
        owned("EndpointSlice", "e", 4, "d"),
    ];
    let mut world = World::empty();
    // Children before parents.
    for object in all.iter().rev() {
        world.put(object);
    }
    for _ in 0..4 {
        world.relist(&all);
    }
    for (kind, name, body) in [
        ("Deployment", "d", true),
        ("ReplicaSet", "r", true),
        ("Pod", "p", true),
        ("Pod", "stranger", false),
        ("EndpointSlice", "e", false),
    ] {
        let object = world.state.peek(&key(kind, name)).unwrap();
        assert_eq!(object.has_body(), body, "{kind} {name}");
    }
    let mut pod = owned("Pod", "p", 300, "r");
    pod["status"] = json!({"phase": "Running"});
    let changes = world.put(&pod);
    assert_eq!(
        object_changes(&changes),
        [("p".into(), Role::Child, vec!["app".into()])]
    );
    assert!(
        world
            .put(&owned("Pod", "stranger", 301, "nobody"))
            .is_empty()
    );
    // Released: bodies go.
    let mut released = object("Deployment", "d", 302);
    released["metadata"]["annotations"] = json!({});
    world.put(&released);
    assert_eq!(world.state.size().bodies, 0);
}

#[test]
fn changes_name_the_app_and_noise_is_not_told() {
    let mut world = World::empty();
    world.put(&tracked("ConfigMap", "a", 200, "app"));
    world.relist(&[tracked("ConfigMap", "a", 200, "app")]);
    // Only the version changed.
    assert!(world.put(&tracked("ConfigMap", "a", 201, "app")).is_empty());
    // An older event is passed over.
    let mut older = tracked("ConfigMap", "a", 199, "app");
    older["spec"]["x"] = json!(9);
    assert!(world.put(&older).is_empty());
    // The app that lost the object is told, and the one that got it.
    let changes = world.put(&tracked("ConfigMap", "a", 202, "other"));
    let want = (
        "a".into(),
        Role::Managed,
        vec!["other".into(), "app".into()],
    );
    assert_eq!(object_changes(&changes), [want]);
    let changes = world.gone(&tracked("ConfigMap", "a", 203, "other"));
    assert_eq!(
        object_changes(&changes),
        [("a".into(), Role::Managed, vec!["other".into()])]
    );
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "a")),
        Lookup::Missing
    ));
}

#[test]
fn wanted_keys_are_watched_without_any_mark() {
    let mut world = World::empty();
    world.put(&object("ConfigMap", "a", 150));
    want(
        &mut world.state,
        "app",
        &[key("ConfigMap", "a"), key("ConfigMap", "later")],
    );
    world.relist(&[object("ConfigMap", "a", 150)]);
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "a")),
        Lookup::Found(_)
    ));
    let changes = world.put(&object("ConfigMap", "later", 300));
    assert_eq!(
        object_changes(&changes),
        [("later".into(), Role::Managed, vec!["app".into()])]
    );
    // The kind is full already: another app's key is fetched alone.
    world.put(&object("ConfigMap", "third", 301));
    want(&mut world.state, "two", &[key("ConfigMap", "third")]);
    assert!(!world.state.is_settled("two"));
    let effects = world.effects();
    assert!(
        matches!(effects.as_slice(), [Effect::Fetch { keys, .. }] if keys.len() == 1),
        "{effects:?}"
    );
    let item = world.item(&object("ConfigMap", "third", 301), Projection::Full);
    world.state.written(item);
    assert!(world.state.is_settled("two"));
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "third")),
        Lookup::Found(_)
    ));
    // Forgotten: its body goes, nobody is told any more.
    want(&mut world.state, "two", &[]);
    assert!(
        !world
            .state
            .peek(&key("ConfigMap", "third"))
            .unwrap()
            .has_body()
    );
    assert!(world.put(&object("ConfigMap", "third", 302)).is_empty());
}

#[test]
fn many_missing_bodies_are_listed_not_fetched() {
    let mut world = World::empty();
    want(&mut world.state, "app", &[key("ConfigMap", "x")]);
    world.relist(&[]);
    let names: Vec<String> = (0..=MAX_FETCHES).map(|n| format!("o{n}")).collect();
    for name in &names {
        world.put(&object("ConfigMap", name, 500));
    }
    let (before, _) = world.reader("ConfigMap");
    let keys: Vec<_> = names.iter().map(|name| key("ConfigMap", name)).collect();
    want(&mut world.state, "app", &keys);
    world.effects();
    assert_ne!(world.reader("ConfigMap").0.epoch, before.epoch);
    // What the old reader still says is not listened to.
    let item = world.item(&object("ConfigMap", "ghost", 501), Projection::Full);
    assert!(
        world
            .state
            .found(&before, vec![Found::Put(Box::new(item))])
            .is_empty()
    );
    assert!(world.state.peek(&key("ConfigMap", "ghost")).is_none());
}

#[test]
fn a_late_answer_to_a_deletion_brings_nothing_back() {
    let mut world = World::empty();
    want(&mut world.state, "app", &[key("ConfigMap", "a")]);
    world.relist(&[tracked("ConfigMap", "a", 900, "app")]);
    // The answer says that the object is being deleted; the watch was faster and said that it is gone.
    let answer = world.item(&tracked("ConfigMap", "a", 901, "app"), Projection::Full);
    world.gone(&tracked("ConfigMap", "a", 902, "app"));
    assert!(world.state.written(answer).is_empty());
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "a")),
        Lookup::Missing
    ));
}

#[test]
fn our_own_writes_win_over_late_events() {
    let mut world = World::empty();
    want(&mut world.state, "app", &[key("ConfigMap", "a")]);
    world.relist(&[]);
    let written = world.item(&tracked("ConfigMap", "a", 900, "app"), Projection::Full);
    assert_eq!(world.state.written(written).len(), 1);
    let mut late = tracked("ConfigMap", "a", 899, "app");
    late["spec"]["x"] = json!("old");
    assert!(world.put(&late).is_empty());
    // A list that began before our write does not remove its object …
    world.version = 800;
    world.list("ConfigMap", &[]);
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "a")),
        Lookup::Found(_)
    ));
    // … and after our deletion late events do not bring it back.
    assert_eq!(world.state.deleted(&key("ConfigMap", "a"), None).len(), 1);
    assert!(world.put(&tracked("ConfigMap", "a", 901, "app")).is_empty());
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "a")),
        Lookup::Missing
    ));
    world.gone(&tracked("ConfigMap", "a", 902, "app"));
    let mut again = tracked("ConfigMap", "a", 903, "app");
    again["metadata"]["uid"] = json!("another");
    assert_eq!(world.put(&again).len(), 1);
    // A late event about the deleted one does not take the new one away.
    assert!(
        world
            .gone(&tracked("ConfigMap", "a", 902, "app"))
            .is_empty()
    );
    assert!(matches!(
        world.state.lookup(&key("ConfigMap", "a")),
        Lookup::Found(_)
    ));
}

#[test]
fn kinds_come_and_go_with_discovery() {
    let mut world = World::empty();
    want(&mut world.state, "app", &[key("Thing", "t")]);
    assert_eq!(world.effects(), [Effect::Rediscover]);
    assert!(matches!(
        world.state.lookup(&key("Thing", "t")),
        Lookup::UnknownKind
    ));
    let mut kinds = KINDS.to_vec();
    kinds.extend(["Thing", "Lease", "Forbidden"]);
    let changes = world.state.discovered(&discovery(&kinds));
    assert!(matches!(changes.as_slice(), [Change::Kind { instances, .. }] if instances.len() == 1));
    world.effects();
    assert_eq!(world.projection("Thing"), Projection::Full);
    world.list("Thing", &[tracked("Thing", "t", 5, "app")]);
    assert_eq!(
        world.state.kind(&GroupKind::new("", "Lease")),
        KindState::Excluded
    );
    // An app that wants a skipped kind gets it; a forbidden one stays forbidden.
    want(
        &mut world.state,
        "two",
        &[key("Lease", "l"), key("Forbidden", "f")],
    );
    world.effects();
    assert_eq!(
        world.state.kind(&GroupKind::new("", "Lease")),
        KindState::Loading
    );
    assert!(matches!(
        world.state.lookup(&key("Forbidden", "f")),
        Lookup::Unreadable(_)
    ));
    // The kind is gone, and its objects with it.
    let changes = world.state.discovered(&discovery(&KINDS));
    assert_eq!(object_changes(&changes).len(), 1);
    assert!(matches!(
        world.state.lookup(&key("Thing", "t")),
        Lookup::UnknownKind
    ));
}

#[test]
fn only_managed_namespaces_are_looked_at() {
    let namespaces = vec![Arc::from("ns"), Arc::from("two")];
    let mut state = State::new(Arc::new(Rules), namespaces, false);
    state.discovered(&discovery(&["ConfigMap"]));
    let Some(Effect::Watch { epoch, .. }) = state.effects.pop() else {
        panic!("watched")
    };
    let reader = |namespace: &str| ReaderId {
        kind: GroupKind::new("", "ConfigMap"),
        namespace: Arc::from(namespace),
        epoch,
    };
    for namespace in ["ns", "two"] {
        assert!(matches!(
            state.lookup(&key("ConfigMap", "a")),
            Lookup::NotLoaded
        ));
        state.list_began(&reader(namespace));
        state.listed(&reader(namespace), &ResourceVersion::new("1"));
    }
    assert!(matches!(
        state.lookup(&key("ConfigMap", "a")),
        Lookup::Missing
    ));
    let elsewhere = ResourceKey::new("", "ConfigMap", "elsewhere", "a");
    assert!(matches!(state.lookup(&elsewhere), Lookup::Unreadable(_)));
}

#[test]
fn new_marks_are_read_by_listing_anew() {
    let mut world = World::empty();
    world.put(&tracked("ConfigMap", "a", 200, "app"));
    world.relist(&[tracked("ConfigMap", "a", 200, "app")]);
    world.state.restart_all();
    world.effects();
    let (id, projection) = world.reader("ConfigMap");
    let mut item = world.item(&tracked("ConfigMap", "a", 200, "app"), projection);
    item.object.instance = Some(Arc::from("renamed"));
    world.state.list_began(&id);
    world.state.found(&id, vec![Found::Put(Box::new(item))]);
    world.state.listed(&id, &ResourceVersion::new("201"));
    assert_eq!(world.state.tracked("renamed").objects.len(), 1);
    assert!(world.state.tracked("app").objects.is_empty());
}

#[test]
fn owner_cycles_end() {
    let mut world = World::empty();
    world.put(&owned("ConfigMap", "a", 200, "b"));
    world.put(&owned("ConfigMap", "b", 201, "a"));
    want(&mut world.state, "app", &[key("ConfigMap", "a")]);
    world.relist(&[
        owned("ConfigMap", "a", 200, "b"),
        owned("ConfigMap", "b", 201, "a"),
    ]);
    assert_eq!(world.state.size().bodies, 2);
}
