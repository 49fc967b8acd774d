//! The live state follows the cluster.

use std::time::Duration;

use driftless_core::GroupKind;
use driftless_kube::live::{Change, KindState, Role};
use driftless_kube::write::{DeleteOptions, Deleted};
use driftless_kube::{ClusterState, Lookup};
use serde_json::json;

use crate::dev::{Dev, config_map, ctx, eventually, key, object};

#[tokio::test(flavor = "multi_thread")]
async fn our_own_writes_are_seen_at_once() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("own").await;
    let desired = config_map("one", &ns, "a", "1");
    kube.want("one", &[&desired]).await;
    let live = kube.cluster.live();
    assert!(matches!(live.lookup(&desired.key()), Lookup::Missing));
    for round in 0..20 {
        let applied = kube
            .apply(&config_map("one", &ns, "a", &round.to_string()))
            .await;
        assert_eq!(applied.created, round == 0);
        let Lookup::Found(found) = live.lookup(&desired.key()) else {
            panic!("just applied")
        };
        assert_eq!(found.resource_version, applied.object.resource_version);
        let body = found.parse().unwrap();
        assert_eq!(
            body.str_at(&["data", "key"]),
            Some(round.to_string().as_str())
        );
        assert_eq!(found.instance.as_deref(), Some("one"));
    }
    let options = DeleteOptions::default();
    let writer = kube.cluster.writer();
    // Foreground deletion leaves the object until the collector has been there.
    let deleted = writer
        .delete(&ctx(), &desired.key(), &options)
        .await
        .unwrap();
    assert_ne!(deleted, Deleted::Absent);
    if deleted == Deleted::Terminating {
        let Lookup::Found(found) = live.lookup(&desired.key()) else {
            panic!("terminating")
        };
        assert!(found.deleting.is_some());
    }
    eventually("gone", || {
        matches!(live.lookup(&desired.key()), Lookup::Missing).then_some(())
    })
    .await;
    assert_eq!(
        writer
            .delete(&ctx(), &desired.key(), &options)
            .await
            .unwrap(),
        Deleted::Absent
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_by_others_reach_the_app_concerned() {
    let dev = Dev::shared();
    let (ours, theirs) = (dev.connect().await, dev.connect().await);
    let ns = ours.namespace("changes").await;
    let desired = config_map("app", &ns, "a", "1");
    ours.apply(&desired).await;
    ours.want("app", &[&desired]).await;
    let mut changes = ours.cluster.live().changes();
    theirs.apply(&config_map("app", &ns, "a", "2")).await;
    // Nobody's object: no change is told.
    theirs
        .apply(&object(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "other", "namespace": ns}})))
        .await;
    theirs.apply(&config_map("app", &ns, "b", "1")).await;
    let mut seen = Vec::new();
    while !seen.iter().any(|name| name == "b") {
        let batch = tokio::time::timeout(Duration::from_secs(60), changes.next()).await;
        for change in batch.expect("a change in time").unwrap() {
            if let Change::Object(change) = change
                && &*change.key.namespace == ns.as_str()
            {
                assert_eq!(change.role, Role::Managed);
                assert_eq!(change.instances.as_slice(), [std::sync::Arc::from("app")]);
                assert!(change.content_changed());
                seen.push(change.key.name.to_string());
            }
        }
    }
    assert!(
        seen.iter().any(|name| name == "a") && !seen.iter().any(|name| name == "other"),
        "{seen:?}"
    );
    let tracked = ours.cluster.live().tracked("app");
    assert_eq!(tracked.objects.len(), 2);
    assert!(tracked.objects.iter().all(|object| object.has_body()));
}

#[tokio::test(flavor = "multi_thread")]
async fn children_of_managed_objects_come_with_their_bodies() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("tree").await;
    let deployment = object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": ns, "annotations":
            {"argocd.argoproj.io/tracking-id": format!("tree:apps/Deployment:{ns}/web")}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "x"}]}}},
    }));
    kube.want("tree", &[&deployment]).await;
    let applied = kube.apply(&deployment).await;
    let live = kube.cluster.live();
    eventually("two running pods with bodies", || {
        let all = live.descendants([&applied.object.uid]);
        let running = all
            .iter()
            .filter(|object| &*object.key.kind == "Pod")
            .filter_map(|pod| pod.parse())
            .filter(|pod| pod.str_at(&["status", "phase"]) == Some("Running"))
            .count();
        (running == 2).then_some(())
    })
    .await;
    let mut kinds: Vec<_> = live
        .descendants([&applied.object.uid])
        .iter()
        .map(|o| o.key.kind.to_string())
        .collect();
    kinds.dedup();
    assert_eq!(kinds, ["ReplicaSet", "Pod"]);
    // A later start finds the same.
    let again = Dev::shared().connect().await;
    again.want("tree", &[]).await;
    let live = again.cluster.live();
    eventually("bodies after a restart", || {
        let tracked = live.tracked("tree");
        let all = live.descendants(tracked.objects.iter().map(|object| &object.uid));
        (all.len() == 3 && all.iter().all(|object| object.has_body())).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_kind_is_noticed() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("crd").await;
    let group = format!("g{:06x}.example.com", rand::random_range(0..0xff_ffff));
    let thing = object(json!({"apiVersion": format!("{group}/v1"), "kind": "Thing",
        "metadata": {"name": "t", "namespace": ns}}));
    kube.want("crd", &[&thing]).await;
    let live = kube.cluster.live();
    assert!(matches!(live.lookup(&thing.key()), Lookup::UnknownKind));
    let mut changes = live.changes();
    kube.apply(&object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}")},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    })))
    .await;
    let kind = GroupKind::new(&group, "Thing");
    eventually("kind ready", || {
        (live.kind(&kind) == KindState::Ready).then_some(())
    })
    .await;
    assert!(matches!(live.lookup(&thing.key()), Lookup::Missing));
    let told = changes.take().into_iter().flatten().any(|change| {
        matches!(&change, Change::Kind { kind: told, instances } if *told == kind
            && instances.iter().any(|instance| &**instance == "crd"))
    });
    assert!(told, "the app that waits for the kind is told");
    kube.apply(&thing).await;
    assert!(matches!(live.lookup(&thing.key()), Lookup::Found(_)));
}

/// A definition of a kind `Thing<number>`.
fn definition(group: &str, number: usize) -> driftless_manifest::Object {
    let plural = format!("thing{number}s");
    object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"kind": format!("Thing{number}"), "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    }))
}

/// More kinds than an API server takes requests at once on one connection (100).
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_read_however_many_there_are() {
    // Definitions slow every other test on the cluster down.
    let dev = Dev::start();
    let kube = dev.connect().await;
    let ns = kube.namespace("many").await;
    let group = "many.example.com";
    let live = kube.cluster.live();
    // One after the other, while the others are being listed.
    for number in 0..90 {
        kube.apply(&definition(group, number)).await;
    }
    eventually("every kind is read", || {
        let ready = |number| {
            let kind = GroupKind::new(group, format!("Thing{number}"));
            live.kind(&kind) == KindState::Ready
        };
        (0..90).all(ready).then_some(())
    })
    .await;
    // And watched: another process writes, and each kind can still be listed anew.
    let theirs = dev.connect().await;
    for number in [0, 45, 89] {
        let thing = object(
            json!({"apiVersion": format!("{group}/v1"), "kind": format!("Thing{number}"),
            "metadata": {"name": "t", "namespace": ns}}),
        );
        kube.want(&format!("app-{number}"), &[&thing]).await;
        assert!(matches!(live.lookup(&thing.key()), Lookup::Missing));
        theirs.apply(&thing).await;
        eventually("the object is seen", || {
            matches!(live.lookup(&thing.key()), Lookup::Found(_)).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_goes_and_comes_back() {
    let dev = Dev::start();
    let kube = dev.connect().await;
    let ns = kube.namespace("restart").await;
    let desired = config_map("app", &ns, "a", "1");
    kube.apply(&desired).await;
    kube.want("app", &[&desired]).await;
    let live = kube.cluster.live();
    dev.command("stop-api");
    eventually("unreachable", || {
        matches!(kube.cluster.state(), ClusterState::Unreachable { .. }).then_some(())
    })
    .await;
    let error = kube
        .cluster
        .writer()
        .apply(&ctx(), &desired, &driftless_kube::ApplyOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(error, driftless_kube::Error::Unreachable { .. }),
        "{error:?}"
    );
    // Never "missing"; after a while "unreadable", with what was last seen.
    eventually("unreadable", || match live.lookup(&desired.key()) {
        Lookup::Unreadable(unreadable) => {
            assert!(unreadable.last.is_some());
            Some(())
        }
        Lookup::Found(_) => None,
        other => panic!("{other:?}"),
    })
    .await;
    dev.command("start-api");
    eventually("ready", || {
        (kube.cluster.state() == ClusterState::Ready).then_some(())
    })
    .await;
    eventually("found again", || {
        matches!(live.lookup(&desired.key()), Lookup::Found(_)).then_some(())
    })
    .await;
    let other = dev.connect().await;
    other.apply(&config_map("app", &ns, "a", "2")).await;
    eventually("watching again", || match live.lookup(&desired.key()) {
        Lookup::Found(found) => {
            (found.parse()?.str_at(&["data", "key"]) == Some("2")).then_some(())
        }
        _ => None,
    })
    .await;
    assert!(matches!(
        live.lookup(&key("ConfigMap", &ns, "nope")),
        Lookup::Missing
    ));
}
