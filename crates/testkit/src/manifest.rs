//! Manifests in few words. Each returns YAML text for a file of a repository.

use serde_json::{Value, json};

/// Returns a ConfigMap with one entry, `value`.
pub fn config_map(name: &str, value: &str) -> String {
    text(&json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name}, "data": {"value": value},
    }))
}

/// Returns a ConfigMap with annotations, for waves and sync options.
pub fn annotated_config_map(name: &str, annotations: &[(&str, &str)]) -> String {
    let mut object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "annotations": {}}, "data": {"value": name},
    });
    annotate(&mut object, annotations);
    text(&object)
}

/// Returns a Deployment. The pod's annotations choose what the simulated pods do.
pub fn deployment(name: &str, replicas: u32, pod_annotations: &[(&str, &str)]) -> String {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": {}},
                "spec": {"containers": [{"name": "main", "image": "example.com/model:1",
                    "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}}}]},
            },
        },
    });
    annotate(&mut object["spec"]["template"], pod_annotations);
    text(&object)
}

/// Returns a Job that is a hook of the given phase. The pod's annotations choose how it ends.
pub fn hook_job(
    name: &str,
    phase: &str,
    annotations: &[(&str, &str)],
    pod_annotations: &[(&str, &str)],
) -> String {
    let mut object = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "annotations": {"argocd.argoproj.io/hook": phase}},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"annotations": {}},
                "spec": {"restartPolicy": "Never",
                    "containers": [{"name": "main", "image": "example.com/task:1"}]},
            },
        },
    });
    annotate(&mut object, annotations);
    annotate(&mut object["spec"]["template"], pod_annotations);
    text(&object)
}

/// Returns a CustomResourceDefinition without a schema worth the name.
pub fn crd(group: &str, kind: &str, plural: &str) -> String {
    text(&json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object",
                    "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    }))
}

/// Joins documents into one file.
pub fn documents(parts: &[String]) -> String {
    parts.join("---\n")
}

/// Returns any object as YAML (of which JSON is a part).
pub fn text(object: &Value) -> String {
    format!("{object:#}\n")
}

fn annotate(object: &mut Value, annotations: &[(&str, &str)]) {
    for (key, value) in annotations {
        object["metadata"]["annotations"][*key] = json!(value);
    }
}
