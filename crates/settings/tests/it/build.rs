//! Short ways to write objects, and the rules for lists that cannot be read.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driftless_settings::object::{ConfigMap, SecretObject};
use driftless_settings::{Diagnostic, Inputs, Readable, Settings};
use serde_json::{Value, json};

pub(crate) fn config_map(name: &str, data: Value) -> Arc<ConfigMap> {
    let object = json!({ "metadata": { "name": name }, "data": data });
    Arc::new(serde_json::from_value(object).unwrap())
}

/// A Secret of a type (`repository`, `cluster`, …), its values in the clear.
pub(crate) fn secret(name: &str, kind: &str, data: Value) -> Arc<SecretObject> {
    let data: serde_json::Map<String, Value> = data
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (key.clone(), STANDARD.encode(text).into())
        })
        .collect();
    let labels = if kind.is_empty() {
        json!({ "app.kubernetes.io/part-of": "argocd" })
    } else {
        json!({ "argocd.argoproj.io/secret-type": kind })
    };
    let object = json!({ "metadata": { "name": name, "labels": labels }, "data": data });
    Arc::new(serde_json::from_value(object).unwrap())
}

pub(crate) fn inputs(config_maps: Vec<Arc<ConfigMap>>, secrets: Vec<Arc<SecretObject>>) -> Inputs {
    Inputs {
        config_maps: Readable::Ready(config_maps),
        secrets: Readable::Ready(secrets),
        malformed: Vec::new(),
    }
}

pub(crate) fn build(config_maps: Vec<Arc<ConfigMap>>, secrets: Vec<Arc<SecretObject>>) -> Settings {
    Settings::build(&inputs(config_maps, secrets), None).unwrap()
}

pub(crate) fn after(
    previous: &Settings,
    config_maps: Vec<Arc<ConfigMap>>,
    secrets: Vec<Arc<SecretObject>>,
) -> Settings {
    Settings::build(&inputs(config_maps, secrets), Some(previous)).unwrap()
}

pub(crate) fn texts(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_control_plane_has_defaults() {
    let settings = build(Vec::new(), Vec::new());
    assert_eq!(settings, Settings::default());
    assert!(settings.diagnostics.is_empty());
}

#[test]
fn what_did_not_change_is_shared() {
    let first = build(
        vec![config_map("argocd-cm", json!({"url": "https://a"}))],
        Vec::new(),
    );
    let second = after(
        &first,
        vec![config_map("argocd-cm", json!({"url": "https://b"}))],
        Vec::new(),
    );
    assert_eq!(second.general.url, "https://b");
    assert!(!Arc::ptr_eq(&first.general, &second.general));
    assert!(Arc::ptr_eq(&first.rbac, &second.rbac));
    assert!(Arc::ptr_eq(&first.repositories, &second.repositories));
}

#[test]
fn a_list_that_cannot_be_read_is_not_empty() {
    let repo = secret(
        "r",
        "repository",
        json!({"url": "https://git/x", "password": "p"}),
    );
    let first = build(
        vec![config_map("argocd-cm", json!({"url": "https://a"}))],
        vec![repo],
    );
    let failed = Inputs {
        config_maps: Readable::Unreadable("no answer".to_owned()),
        secrets: Readable::Unreadable("forbidden".to_owned()),
        malformed: Vec::new(),
    };
    let second = Settings::build(&failed, Some(&first)).unwrap();
    assert_eq!(second.general.url, "https://a");
    assert_eq!(second.repositories.iter().count(), 1);
    assert_eq!(
        texts(&second.diagnostics),
        [
            "ConfigMaps: cannot be read: no answer (settings stay as they were)",
            "Secrets: cannot be read: forbidden (settings stay as they were)"
        ]
    );
    // Nothing known from before: there are no settings to work with.
    assert_eq!(
        Settings::build(&failed, None).unwrap_err().to_string(),
        "settings cannot be read: ConfigMaps: no answer"
    );
}
