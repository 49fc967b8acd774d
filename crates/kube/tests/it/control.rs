//! Stores, events, logs, and clusters one may see only a part of.

use std::collections::BTreeMap;
use std::time::Duration;

use driftless_core::{ClusterUrl, GroupKind, GroupVersionKind};
use driftless_kube::event::{EventType, ObjectReference};
use driftless_kube::live::{KindState, Readiness};
use driftless_kube::log::LogOptions;
use driftless_kube::store::StoreChange;
use driftless_kube::write::{PatchType, Target};
use driftless_kube::{
    ClusterConfig, ClusterState, Clusters, Event, EventRecorder, Lookup, Metrics, Options, Store,
    StoreScope, Wanted,
};
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::json;

use crate::dev::{Dev, config_map, ctx, eventually, key, object};

#[derive(Deserialize, Debug)]
struct Typed {
    data: Data,
}

#[derive(Deserialize, Debug)]
struct Data {
    key: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_follows_and_survives_malformed_objects() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("store").await;
    kube.apply(&config_map("x", &ns, "good", "1")).await;
    let bad = object(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "bad", "namespace": ns, "labels": {"x": "y"}}, "data": {"other": "1"}}));
    kube.apply(&bad).await;
    let gvk = GroupVersionKind::new("", "v1", "ConfigMap");
    let scope = StoreScope::namespaced(gvk.clone(), "configmaps", &ns);
    let store: Store<Typed> = Store::start(&kube.cluster, scope);
    assert!(store.ready(Duration::from_secs(20)).await);
    assert_eq!(store.get(&ns, "good").unwrap().object.data.key, "1");
    assert!(store.get(&ns, "bad").is_none());
    let malformed = store.malformed();
    let bad_one = malformed
        .iter()
        .find(|malformed| &*malformed.id.name == "bad")
        .unwrap();
    assert!(
        bad_one.error.contains("missing field `key`"),
        "{}",
        bad_one.error
    );

    // Our own write is there at once; somebody else's soon.
    let mut changes = store.changes();
    let written = kube
        .cluster
        .writer()
        .patch(
            &ctx(),
            &gvk,
            &key("ConfigMap", &ns, "good"),
            &Target::Object,
            PatchType::Merge,
            json!({"data": {"key": "2"}}).to_string().into(),
        )
        .await
        .unwrap();
    store.absorb(&written.body);
    assert_eq!(store.get(&ns, "good").unwrap().object.data.key, "2");
    let told = changes.next().await.unwrap();
    assert!(
        matches!(&told[..], [StoreChange::Changed(id)] if &*id.name == "good"),
        "{told:?}"
    );
    kube.apply(&config_map("x", &ns, "new", "3")).await;
    eventually("new object", || store.get(&ns, "new")).await;
    let options = driftless_kube::DeleteOptions::default();
    kube.cluster
        .writer()
        .delete(&ctx(), &key("ConfigMap", &ns, "new"), &options)
        .await
        .unwrap();
    eventually("gone object", || {
        store.get(&ns, "new").is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_written_merged_and_read() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("events").await;
    let applied = kube.apply(&config_map("x", &ns, "a", "1")).await;
    let recorder = EventRecorder::start(&kube.cluster, "argocd-application-controller");
    let event = |message: &str| Event {
        about: ObjectReference {
            gvk: applied.object.gvk(),
            namespace: ns.clone(),
            name: "a".to_owned(),
            uid: applied.object.uid.to_string(),
            resource_version: applied.object.resource_version.as_str().to_owned(),
        },
        event_type: EventType::Normal,
        reason: "OperationCompleted",
        message: message.to_owned(),
        annotations: BTreeMap::from([("user".to_owned(), "me".to_owned())]),
        labels: BTreeMap::new(),
    };
    for _ in 0..20 {
        recorder.record(event("Sync operation to abc succeeded"));
    }
    recorder.record(event("Sync operation to def succeeded"));
    let uid = applied.object.uid.to_string();
    let mut events = Vec::new();
    for _ in 0..100 {
        events = kube
            .cluster
            .events_about(&ns, "a", Some(&uid))
            .await
            .unwrap();
        if events.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(events.len(), 2, "{events:?}");
    let event = events.first().unwrap();
    assert_eq!(
        event.pointer("/source/component"),
        Some(&json!("argocd-application-controller"))
    );
    assert_eq!(
        event.pointer("/metadata/annotations/user"),
        Some(&json!("me"))
    );
    assert!(
        kube.cluster
            .events_about(&ns, "b", None)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_come_line_by_line() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("logs").await;
    let pod = object(
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": ns,
        "annotations": {"argocd.argoproj.io/tracking-id": format!("logs:/Pod:{ns}/p")}},
        "spec": {"containers": [{"name": "c", "image": "x"}]}}),
    );
    kube.want("logs", &[&pod]).await;
    kube.apply(&pod).await;
    let live = kube.cluster.live();
    eventually("running", || match live.lookup(&pod.key()) {
        Lookup::Found(found) => {
            (found.parse()?.str_at(&["status", "phase"]) == Some("Running")).then_some(())
        }
        _ => None,
    })
    .await;
    let options = LogOptions {
        tail_lines: Some(3),
        ..LogOptions::default()
    };
    let lines: Vec<_> = kube
        .cluster
        .logs(&ns, "p", &options)
        .await
        .unwrap()
        .collect()
        .await;
    assert!(!lines.is_empty() && lines.len() <= 3, "{lines:?}");
    assert!(lines.iter().all(Result::is_ok), "{lines:?}");
    let missing = kube.cluster.logs(&ns, "nope", &options).await;
    assert!(matches!(
        missing,
        Err(driftless_kube::Error::NotFound { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_unreadable_not_absent() {
    let dev = Dev::shared();
    let admin = dev.connect().await;
    let ns = admin.namespace("rights").await;
    let name = format!("partial-{ns}");
    let user = format!("user-{ns}");
    admin
        .apply(&object(
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name}, "rules": [{"apiGroups": [""], "resources": ["configmaps"],
            "verbs": ["get", "list", "watch"]}]}),
        ))
        .await;
    admin
        .apply(&object(
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]}),
        ))
        .await;
    let kube = dev.connect_as(&user).await;
    let wanted = config_map("rights", &ns, "a", "1");
    let secret = object(json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "s", "namespace": ns}}));
    let live = kube.cluster.live();
    let objects = [&wanted, &secret]
        .map(|object| (object.gvk(), object.key()))
        .to_vec();
    live.want(
        "rights",
        Wanted {
            objects,
            ..Wanted::default()
        },
    );
    assert_eq!(
        live.settled("rights", Duration::from_secs(30)).await,
        Readiness::Settled
    );
    assert!(matches!(live.lookup(&wanted.key()), Lookup::Missing));
    let Lookup::Unreadable(unreadable) = live.lookup(&secret.key()) else {
        panic!("unreadable")
    };
    assert!(
        unreadable.reason.contains("cannot list resource"),
        "{}",
        unreadable.reason
    );
    assert!(matches!(
        live.kind(&GroupKind::new("", "Secret")),
        KindState::Unreadable(_)
    ));
    assert!(!live.tracked("rights").unreadable.is_empty());
    let options = driftless_kube::ApplyOptions::default();
    let refused = kube.cluster.writer().apply(&ctx(), &wanted, &options).await;
    assert!(
        matches!(refused, Err(driftless_kube::Error::Forbidden { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_cluster_says_so_and_ends_when_removed() {
    let clusters = Clusters::new(Options::default(), Metrics::default());
    // Nothing listens on the discard port.
    let url = ClusterUrl::new("https://127.0.0.1:9");
    let cluster = clusters
        .set(ClusterConfig::new("dead", url.clone()))
        .unwrap();
    eventually("unreachable", || match cluster.state() {
        ClusterState::Unreachable { reason, .. } => (!reason.is_empty()).then_some(()),
        _ => None,
    })
    .await;
    let live = cluster.live();
    live.want("app", Wanted::default());
    let readiness = live.settled("app", Duration::from_secs(30)).await;
    assert_eq!(readiness, Readiness::Unreachable);
    assert!(matches!(
        live.lookup(&key("ConfigMap", "a", "b")),
        Lookup::NotLoaded
    ));
    assert!(clusters.remove(&url).is_some() && clusters.get(&url).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_is_listed_whole_or_not_at_all() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("list").await;
    for index in 0..503 {
        kube.apply(&config_map("x", &ns, &format!("m{index:03}"), "1"))
            .await;
    }
    let gvk = GroupVersionKind::new("", "v1", "ConfigMap");
    let all = kube.cluster.list(&gvk, &ns, 5_000).await.unwrap();
    let ours: Vec<&str> = all
        .iter()
        .map(driftless_manifest::Object::name)
        .filter(|name| name.starts_with('m'))
        .collect();
    assert_eq!(ours.len(), 503, "two pages");
    assert_eq!(all[0].kind(), "ConfigMap");
    let error = kube.cluster.list(&gvk, &ns, 100).await.unwrap_err();
    assert!(
        matches!(error, driftless_kube::Error::TooMany { .. }),
        "{error}"
    );
}
