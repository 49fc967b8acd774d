//! Cluster Secrets and what destinations mean.

use driftless_api::application::Destination;
use driftless_core::ClusterUrl;
use driftless_settings::Settings;
use serde_json::json;

use crate::build::{after, build, config_map, secret, texts};

fn settings() -> Settings {
    build(
        Vec::new(),
        vec![
            secret(
                "c-edge",
                "cluster",
                json!({"name": "edge", "server": "https://edge:6443/", "config": "{\"bearerToken\":\"t\"}"}),
            ),
            secret(
                "c-twin-1",
                "cluster",
                json!({"name": "twin", "server": "https://t1"}),
            ),
            secret(
                "c-twin-2",
                "cluster",
                json!({"name": "twin", "server": "https://t2", "project": "risk", "shard": "1"}),
            ),
        ],
    )
}

fn resolve(settings: &Settings, server: &str, name: &str) -> Result<ClusterUrl, String> {
    let destination = Destination {
        server: server.to_owned(),
        name: name.to_owned(),
        ..Destination::default()
    };
    settings
        .clusters
        .resolve(&destination)
        .map_err(|error| error.to_string())
}

#[test]
fn destinations() {
    let settings = settings();
    assert_eq!(texts(&settings.diagnostics), Vec::<String>::new());
    let here = ClusterUrl::in_cluster();
    assert_eq!(resolve(&settings, "", "in-cluster"), Ok(here.clone()));
    assert_eq!(
        resolve(&settings, "https://kubernetes.default.svc/", ""),
        Ok(here)
    );
    assert_eq!(
        resolve(&settings, "", "edge"),
        Ok("https://edge:6443".into())
    );
    assert_eq!(
        resolve(&settings, "https://edge:6443", ""),
        Ok("https://edge:6443".into())
    );
    assert_eq!(
        resolve(&settings, "", "twin"),
        Err("there are 2 clusters with the same name: [https://t1 https://t2]".to_owned())
    );
    assert_eq!(
        resolve(&settings, "", "moon"),
        Err("there are no clusters with this name: moon".to_owned())
    );
    assert!(resolve(&settings, "https://moon", "").is_err());
    let twin = settings.clusters.get(&"https://t2".into()).unwrap();
    assert_eq!(twin.shard, Some(1));
    assert_eq!(twin.project().unwrap().as_str(), "risk");
}

#[test]
fn the_own_cluster_can_be_switched_off() {
    let settings = build(
        vec![config_map(
            "argocd-cm",
            json!({"cluster.inClusterEnabled": "false"}),
        )],
        Vec::new(),
    );
    assert!(resolve(&settings, "", "in-cluster").is_err());
}

#[test]
fn a_broken_secret_keeps_its_cluster() {
    let first = settings();
    let second = after(
        &first,
        Vec::new(),
        vec![
            secret(
                "c-edge",
                "cluster",
                json!({"name": "edge", "server": "https://edge:6443", "config": "{\"bearerToken\":"}),
            ),
            secret(
                "c-twin-1",
                "cluster",
                json!({"name": "twin", "server": "https://t1", "shard": "x"}),
            ),
            secret("c-new", "cluster", json!({"name": "new"})),
        ],
    );
    assert_eq!(
        second.clusters.get(&"https://edge:6443".into()),
        first.clusters.get(&"https://edge:6443".into())
    );
    assert!(second.clusters.get(&"https://t1".into()).is_some());
    assert!(
        second.clusters.get(&"https://t2".into()).is_none(),
        "its Secret is gone"
    );
    let told = texts(&second.diagnostics);
    assert_eq!(told.len(), 3);
    assert!(
        told[0]
            .starts_with("Secret c-edge: 'config' of cluster https://edge:6443 is not valid JSON"),
        "{}",
        told[0]
    );
    assert!(
        told[1].contains("cluster Secret has no 'server'"),
        "{}",
        told[1]
    );
    assert!(
        told[2].starts_with("Secret c-twin-1, key shard"),
        "{}",
        told[2]
    );
}
