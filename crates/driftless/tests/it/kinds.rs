//! Kinds that cannot be read: the Applications that have objects of them say so, and nobody else notices.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use driftless_testkit::expect::{
    condition, no_condition, still_exists, succeeded, sync_status, synced, value,
};
use driftless_testkit::manifest::config_map;
use driftless_testkit::{Devcluster, Kind};
use kube::Client;
use serde_json::{Value, json};

use crate::given;

const GROUP: &str = "slow.example.com";
const WIDGET: Kind = Kind::custom(GROUP, "v1", "Widget", "widgets");

/// Takes connections and never says a word.
fn silent_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the process.
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            held.push(stream);
        }
    });
    address
}

/// Versions of the definition; objects are written in the last one. The first one may be taken out of service.
fn versions(names: &[&str], first_served: bool) -> Value {
    let last = names.len() - 1;
    let version = |(index, name): (usize, &&str)| {
        json!({"name": name, "served": index > 0 || first_served, "storage": index == last,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}})
    };
    names.iter().enumerate().map(version).collect()
}

fn definition(plural: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
            "versions": versions(&["v1"], true)},
    })
}

fn conversion(address: SocketAddr) -> Value {
    json!({"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"],
        "clientConfig": {"url": format!("https://{address}/convert")},
    }})
}

/// Definitions that come one after the other, and an API group without a server.
async fn commotion(client: &Client) {
    let service = Kind::custom("apiregistration.k8s.io", "v1", "APIService", "apiservices");
    let object = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1.gone.example.com"},
        "spec": {"group": "gone.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": {"name": "nobody", "namespace": "default"}},
    });
    service.cluster_scoped().create(client, "", object).await;
    for number in 0..25 {
        let object = definition(&format!("part{number}s"), &format!("Part{number}"));
        Kind::CRD.create(client, "", object).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one run, told in order")]
async fn a_kind_that_cannot_be_converted_concerns_only_those_that_have_objects_of_it() {
    // The definitions would slow every other test on the cluster down.
    static CLUSTER: std::sync::OnceLock<Devcluster> = std::sync::OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| Devcluster::start("kinds", &[]));
    let client = cluster.client().await;
    Kind::CRD
        .create(&client, "", definition("widgets", "Widget"))
        .await;
    let widget = json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Widget",
        "metadata": {"name": "w"}, "spec": {"size": 1}});
    let with = given("kind-with")
        .cluster(cluster)
        .own_instance()
        .file("w.yaml", widget.to_string())
        .file("a.yaml", config_map("a", "1"))
        .sync_options(&["SkipDryRunOnMissingResource=true"])
        .when()
        .sync()
        .then()
        .expect(synced())
        .await;
    let without = given("kind-without")
        .cluster(cluster)
        .instance(&with.driftless)
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({"prune": true, "selfHeal": true}))
        .then()
        .expect(synced())
        .await;

    // What is stored has to be converted from now on, by somebody who does not answer.
    let address = silent_server();
    let broken = json!({"spec": {"versions": versions(&["v1", "v2"], false),
        "conversion": conversion(address)}});
    Kind::CRD
        .merge(&client, "", "widgets.slow.example.com", broken)
        .await;
    commotion(&client).await;
    let without = without
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .refresh()
        .then()
        .expect(value("a", "2").within(Duration::from_secs(15)))
        .expect(synced().within(Duration::from_secs(15)))
        .expect(no_condition("ComparisonError"))
        .await;
    let with = with
        .when()
        .hard_refresh()
        .then()
        .expect(condition("ComparisonError", "Widget"))
        .expect(sync_status("Unknown"))
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .await;
    let without = without
        .when()
        .change_live(Kind::CONFIG_MAP, "a", json!({"data": {"value": "by hand"}}))
        .then()
        .expect(value("a", "2"))
        .await;

    // Neither does a process that starts wait for ever.
    let without = without
        .when()
        .restart()
        .commit_file("a.yaml", config_map("a", "3"))
        .refresh()
        .then()
        .expect(value("a", "3"))
        .expect(synced())
        .await;
    drop(without);

    let repaired = json!({"spec": {"versions": versions(&["v1", "v2"], true),
        "conversion": {"strategy": "None", "webhook": null}}});
    Kind::CRD
        .merge(&client, "", "widgets.slow.example.com", repaired)
        .await;
    with.when()
        .hard_refresh()
        .then()
        .expect(no_condition("ComparisonError"))
        .expect(synced())
        .expect(still_exists(WIDGET, "w"))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .await;
}
