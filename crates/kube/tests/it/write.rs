//! Writes, their refusals and their speed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftless_kube::write::{
    ApplyMode, ApplyOptions, Authorise, DeleteOptions, DryRun, OnImmutable, Verb, WriteRequest,
};
use driftless_kube::{Error, Lease, LeaseOptions, Lookup, WriteCtx};
use futures::StreamExt as _;
use parking_lot::Mutex;
use serde_json::json;

use crate::dev::{Dev, config_map, ctx, eventually, key, object};

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_typed() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("refusals").await;
    let writer = kube.cluster.writer();
    let options = ApplyOptions::default();
    let ctx = ctx();
    let apply = async |value| writer.apply(&ctx, &object(value), &options).await;

    let unknown = apply(json!({"apiVersion": "nope.example/v1", "kind": "X",
        "metadata": {"name": "x", "namespace": ns}}))
    .await;
    assert!(
        matches!(unknown, Err(Error::UnknownKind { .. })),
        "{unknown:?}"
    );

    let invalid = apply(json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "x", "namespace": ns},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": []}}}})).await;
    assert!(
        matches!(&invalid, Err(Error::Invalid { causes, .. }) if !causes.is_empty()),
        "{invalid:?}"
    );

    let field = apply(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": ns}, "dta": {}}))
    .await;
    assert!(
        field.as_ref().unwrap_err().to_string().contains("dta"),
        "{field:?}"
    );

    let missing = apply(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": "no-such-namespace"}}))
    .await;
    assert!(
        matches!(&missing, Err(Error::NamespaceMissing { namespace, .. })
        if namespace == "no-such-namespace"),
        "{missing:?}"
    );

    let secret = apply(json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "x", "namespace": ns}, "data": {"a": "hunter2-is-not-base64"}}))
    .await;
    let text = format!("{:?}", secret.unwrap_err());
    assert!(!text.contains("hunter2"), "{text}");

    let outside = apply(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "../secrets/x", "namespace": ns}}))
    .await;
    assert!(
        matches!(outside, Err(Error::BadObject { .. })),
        "{outside:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminating_namespace_says_so() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("terminating").await;
    let mut held = config_map("x", &ns, "held", "1");
    held.add_finalizer("driftless.dev/test");
    kube.apply(&held).await;
    kube.cluster
        .writer()
        .delete(
            &ctx(),
            &key("Namespace", "", &ns),
            &DeleteOptions::default(),
        )
        .await
        .unwrap();
    let options = ApplyOptions::default();
    let refused = kube
        .cluster
        .writer()
        .apply(&ctx(), &config_map("x", &ns, "new", "1"), &options)
        .await;
    assert!(
        matches!(&refused, Err(Error::NamespaceTerminating { namespace, .. }) if *namespace == ns),
        "{refused:?}"
    );
    held.remove_finalizer("driftless.dev/test");
    kube.apply(&held).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_deny_are_named() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("policy").await;
    let name = format!("deny-{ns}");
    kube.apply(&object(json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]},
            "validations": [{"expression": "!has(object.data) || !('forbidden' in object.data)",
                "message": "no forbidden things"}]},
    })))
    .await;
    kube.apply(&object(json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}}}},
    }))).await;
    let forbidden = object(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": ns}, "data": {"forbidden": "yes"}}));
    let writer = kube.cluster.writer();
    for _ in 0..100 {
        match writer
            .apply(&ctx(), &forbidden, &ApplyOptions::default())
            .await
        {
            Err(Error::Webhook { webhook, message }) => {
                assert_eq!(webhook, name);
                assert!(message.contains("no forbidden things"), "{message}");
                return;
            }
            // The policy is not in force yet.
            Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("the policy never came into force");
}

#[derive(Default)]
struct Recorder {
    asked: Mutex<Vec<(Verb, String)>>,
    refuse: Option<Verb>,
}

impl Authorise for Recorder {
    fn authorise(&self, request: &WriteRequest<'_>) -> Result<(), String> {
        self.asked
            .lock()
            .push((request.verb, request.key.to_string()));
        if self.refuse == Some(request.verb) {
            return Err("not in this project".to_owned());
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_authorised() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("authorise").await;
    let writer = kube.cluster.writer();
    let recorder = Arc::new(Recorder {
        refuse: Some(Verb::Delete),
        ..Recorder::default()
    });
    let ctx = WriteCtx {
        authorise: recorder.clone(),
        ..ctx()
    };
    let desired = config_map("x", &ns, "a", "1");
    writer
        .apply(&ctx, &desired, &ApplyOptions::default())
        .await
        .unwrap();
    let refused = writer
        .delete(&ctx, &desired.key(), &DeleteOptions::default())
        .await;
    assert_eq!(
        refused,
        Err(Error::Denied {
            message: "not in this project".to_owned()
        })
    );
    let asked: Vec<Verb> = recorder
        .asked
        .lock()
        .iter()
        .map(|(verb, _)| *verb)
        .collect();
    assert_eq!(asked, [Verb::Apply, Verb::Delete]);
    assert!(kube.cluster.get(&desired.gvk(), &ns, "a").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lease_stops_writes() {
    let dev = Dev::shared();
    let (first, second) = (dev.connect().await, dev.connect().await);
    let ns = first.namespace("lease").await;
    let options = LeaseOptions {
        // Longer than any wait below, so that nothing here happens because time ran out.
        duration: Duration::from_secs(300),
        renew: Duration::from_secs(2),
        ..LeaseOptions::new(&ns, "shard", "one")
    };
    let lease = Lease::start(&first.cluster, options.clone());
    lease.held().await;
    let ctx = WriteCtx::internal(lease.fence());
    let desired = config_map("x", &ns, "a", "1");
    let writer = first.cluster.writer();
    writer
        .apply(&ctx, &desired, &ApplyOptions::default())
        .await
        .unwrap();

    // Another identity has to wait; the same identity (we, restarted) takes over at once.
    let other = Lease::start(
        &second.cluster,
        LeaseOptions {
            identity: "two".to_owned(),
            ..options.clone()
        },
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!other.fence().is_open() && lease.fence().is_open());
    let restarted = Lease::start(&second.cluster, options);
    tokio::time::timeout(Duration::from_secs(60), restarted.held())
        .await
        .expect("before the lease runs out");
    eventually("the older process steps down", || {
        (!lease.fence().is_open()).then_some(())
    })
    .await;
    let refused = writer.apply(&ctx, &desired, &ApplyOptions::default()).await;
    assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");

    // Given back, it goes to whoever waits.
    drop(lease);
    restarted.release().await;
    tokio::time::timeout(Duration::from_secs(60), other.held())
        .await
        .expect("given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_client_side_applies_are_taken_over() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("migrate").await;
    let client = kube.cluster.client();
    let api: kube::Api<kube::api::DynamicObject> = kube::Api::namespaced_with(
        client,
        &ns,
        &kube::api::ApiResource::erase::<k8s_openapi::api::core::v1::ConfigMap>(&()),
    );
    let old = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
        "data": {"stays": "1", "goes": "1"}});
    let parameters = kube::api::PostParams {
        field_manager: Some("kubectl-client-side-apply".to_owned()),
        ..Default::default()
    };
    api.create(&parameters, &serde_json::from_value(old).unwrap())
        .await
        .unwrap();
    let desired = object(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": ns}, "data": {"stays": "1"}}));
    kube.want("migrate", &[&desired]).await;
    let Lookup::Found(before) = kube.cluster.live().lookup(&desired.key()) else {
        panic!("there")
    };
    assert!(before.client_side_applied);
    let applied = kube.apply(&desired).await;
    assert!(!applied.object.client_side_applied);
    assert_eq!(applied.message, "configmap/a serverside-applied");
    let now = kube.cluster.get(&desired.gvk(), &ns, "a").await.unwrap();
    assert_eq!(now.at(&["data"]), Some(&json!({"stays": "1"})));
    assert_eq!(now.annotations().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_create_and_recreate() {
    let kube = Dev::shared().connect().await;
    let ns = kube.namespace("replace").await;
    let writer = kube.cluster.writer();
    let with = |mode| ApplyOptions {
        mode,
        ..ApplyOptions::default()
    };
    let desired = config_map("x", &ns, "a", "1");
    let first = writer
        .apply(&ctx(), &desired, &with(ApplyMode::Replace))
        .await
        .unwrap();
    assert_eq!(
        (first.created, first.message.as_str()),
        (true, "configmap/a created")
    );
    let second = writer
        .apply(&ctx(), &desired, &with(ApplyMode::Replace))
        .await
        .unwrap();
    assert_eq!(
        (second.created, second.message.as_str()),
        (false, "configmap/a replaced")
    );
    let third = writer
        .apply(&ctx(), &desired, &with(ApplyMode::Create))
        .await;
    assert!(
        matches!(third, Err(Error::AlreadyExists { .. })),
        "{third:?}"
    );

    let job = |image: &str| {
        object(json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "j", "namespace": ns},
        "spec": {"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": image}]}}}}))
    };
    let job_one = kube.apply(&job("one")).await;
    let changed = writer
        .apply(&ctx(), &job("two"), &ApplyOptions::default())
        .await;
    assert!(changed.as_ref().unwrap_err().is_immutable(), "{changed:?}");
    let force = ApplyOptions {
        on_immutable: OnImmutable::Recreate,
        ..ApplyOptions::default()
    };
    let again = writer.apply(&ctx(), &job("two"), &force).await.unwrap();
    assert_ne!(again.object.uid, job_one.object.uid);

    let dry = ApplyOptions {
        dry_run: DryRun::Server,
        ..ApplyOptions::default()
    };
    let shown = writer
        .apply(&ctx(), &config_map("x", &ns, "dry", "1"), &dry)
        .await
        .unwrap();
    assert_eq!(
        shown.message,
        "configmap/dry serverside-applied (server dry run)"
    );
    let absent = kube.cluster.get(&desired.gvk(), &ns, "dry").await;
    assert!(matches!(absent, Err(Error::NotFound { .. })), "{absent:?}");
}

/// Prints what can be compared with other runs; asserts only that nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_objects() {
    let dev = Dev::start();
    let kube = dev.connect().await;
    let ns = kube.namespace("many").await;
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or(0)
    };
    kube.want("many", &[&config_map("many", &ns, "o0", "v")])
        .await;
    let before = memory();
    let writer = kube.cluster.writer();
    let count = 5010;
    let started = Instant::now();
    futures::stream::iter(0..count)
        .for_each_concurrent(64, |index| {
            let (writer, ns) = (writer.clone(), ns.clone());
            async move {
                let desired = config_map("many", &ns, &format!("o{index}"), "v");
                writer
                    .apply(&ctx(), &desired, &ApplyOptions::default())
                    .await
                    .unwrap();
            }
        })
        .await;
    let elapsed = started.elapsed();
    println!(
        "applied {count} in {elapsed:?}: {:.0}/s",
        f64::from(count) / elapsed.as_secs_f64()
    );
    let live = kube.cluster.live();
    assert_eq!(live.tracked("many").objects.len(), count as usize);
    println!(
        "memory {} KiB → {} KiB, {:?}",
        before,
        memory(),
        live.size()
    );
    drop(kube);
    let again = dev.connect().await;
    let started = Instant::now();
    again.want("many", &[]).await;
    println!("listed again in {:?}", started.elapsed());
    assert_eq!(
        again.cluster.live().tracked("many").objects.len(),
        count as usize
    );
}
