//! How an object is reached and what it leads to (argocd-contract §1.1: `networkingInfo`).

use std::collections::{BTreeMap, BTreeSet};

use driftless_manifest::Object;
use serde::Serialize;
use serde_json::Value;

use crate::view::ParentRef;

/// Annotations that add an address to any object: `url` or `title|url`.
const LINK_PREFIX: &str = "link.argocd.argoproj.io/";
/// Leaves only the addresses that annotations name.
const IGNORE_DEFAULT_LINKS: &str = "argocd.argoproj.io/ignore-default-links";
/// Addresses of one object at most: repository content decides how many there are.
const MAX_URLS: usize = 100;

/// How an object is reached and what it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkingInfo {
    /// Labels of the objects that traffic goes to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub target_labels: BTreeMap<String, String>,
    /// Objects that traffic goes to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target_refs: Vec<ParentRef>,
    /// Labels by which others find it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Entry points of the load balancer, as its controller wrote them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<Value>,
    /// Addresses people can open.
    #[serde(rename = "externalURLs", skip_serializing_if = "Vec::is_empty")]
    pub external_urls: Vec<String>,
}

/// Returns what is known of a live object; `None` when there is nothing to say.
pub fn of(object: &Object) -> Option<NetworkingInfo> {
    let mut info = NetworkingInfo::default();
    match (object.group(), object.kind()) {
        ("", "Pod") => info.labels = texts(object, &["metadata", "labels"]),
        ("", "Service") => {
            info.target_labels = texts(object, &["spec", "selector"]);
            info.ingress = balancer(object).to_vec();
        }
        ("networking.k8s.io" | "extensions", "Ingress") => {
            info.target_refs = services(object);
            info.ingress = balancer(object).to_vec();
            if object.annotation(IGNORE_DEFAULT_LINKS) != Some("true") {
                info.external_urls = addresses(object);
            }
        }
        _ => {}
    }
    info.external_urls.extend(linked(object));
    info.external_urls.truncate(MAX_URLS);
    (info != NetworkingInfo::default()).then_some(info)
}

/// Returns the addresses of a live object alone.
pub fn external_urls(object: &Object) -> Vec<String> {
    of(object)
        .map(|info| info.external_urls)
        .unwrap_or_default()
}

fn linked(object: &Object) -> impl Iterator<Item = String> {
    let is_link = |(key, value): &(&str, &str)| key.starts_with(LINK_PREFIX) && !value.is_empty();
    let links: BTreeMap<&str, &str> = object.annotations().filter(is_link).collect();
    links.into_values().map(str::to_owned)
}

fn texts(object: &Object, path: &[&str]) -> BTreeMap<String, String> {
    let map = object.at(path).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn balancer(object: &Object) -> &[Value] {
    items(object.at(&["status", "loadBalancer", "ingress"]))
}

/// Returns the names by which the load balancer itself is reached.
fn entry_points(object: &Object) -> Vec<&str> {
    balancer(object)
        .iter()
        .filter_map(|entry| {
            let name = |field: &str| entry[field].as_str().filter(|name| !name.is_empty());
            name("hostname").or_else(|| name("ip"))
        })
        .collect()
}

/// Returns the rules' paths.
fn paths(rule: &Value) -> &[Value] {
    items(rule["http"].get("paths"))
}

fn services(ingress: &Object) -> Vec<ParentRef> {
    let backends = items(ingress.at(&["spec", "rules"]))
        .iter()
        .flat_map(paths)
        .map(|path| &path["backend"]);
    let fallback = ["defaultBackend", "backend"];
    let fallback = fallback.iter().filter_map(|at| ingress.at(&["spec", at]));
    let names: BTreeSet<&str> = backends
        .chain(fallback)
        .filter_map(|backend| {
            // The second form is that of `extensions/v1beta1`.
            let name = backend["service"]["name"].as_str();
            name.or_else(|| backend["serviceName"].as_str())
        })
        .collect();
    names
        .into_iter()
        .map(|name| ParentRef {
            kind: "Service".to_owned(),
            namespace: ingress.namespace().to_owned(),
            name: name.to_owned(),
            ..ParentRef::default()
        })
        .collect()
}

fn addresses(ingress: &Object) -> Vec<String> {
    let tls = items(ingress.at(&["spec", "tls"]));
    let mut urls = BTreeSet::new();
    for rule in items(ingress.at(&["spec", "rules"])) {
        let host = rule["host"].as_str().filter(|host| !host.is_empty());
        // A wildcard is no address: nobody knows which of its names exist.
        let hosts = match host {
            Some(host) if host.starts_with('*') => Vec::new(),
            Some(host) => vec![host],
            None => entry_points(ingress),
        };
        for host in hosts {
            let scheme = if is_secured(tls, host) {
                "https"
            } else {
                "http"
            };
            // An address that is no literal path would not be the one that is served.
            let subpaths = paths(rule).iter().map(|path| {
                let path = path["path"].as_str().unwrap_or_default();
                path.strip_suffix('*').unwrap_or(path)
            });
            let mut any = false;
            for path in subpaths.take(MAX_URLS) {
                any = true;
                let slash = if path.is_empty() || path.starts_with('/') {
                    ""
                } else {
                    "/"
                };
                urls.insert(format!("{scheme}://{host}{slash}{path}"));
            }
            if !any {
                urls.insert(format!("{scheme}://{host}"));
            }
        }
    }
    urls.into_iter().take(MAX_URLS).collect()
}

/// Says whether one of the certificates is for a host; an entry without hosts is for all of them.
fn is_secured(tls: &[Value], host: &str) -> bool {
    tls.iter().any(|entry| {
        let hosts = items(entry.get("hosts"));
        hosts.is_empty()
            || hosts.iter().filter_map(Value::as_str).any(|named| {
                let covers =
                    |domain: &str| host.split_once('.').is_some_and(|(_, rest)| rest == domain);
                named == host || named.strip_prefix("*.").is_some_and(covers)
            })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn info(object: Value) -> NetworkingInfo {
        of(&Object::from_value(object).expect("object")).unwrap_or_default()
    }

    fn ingress(metadata: &Value, spec: &Value, status: &Value) -> NetworkingInfo {
        info(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec, "status": status,
        }))
    }

    fn backend(service: &str) -> Value {
        json!({"service": {"name": service, "port": {"number": 80}}})
    }

    #[test]
    fn an_ingress_has_an_address_for_each_host_and_path() {
        let found = ingress(
            &json!({"name": "i", "namespace": "serving"}),
            &json!({
                "tls": [{"hosts": ["safe.example.com", "*.wild.example.com"]}],
                "defaultBackend": backend("fallback"),
                "rules": [
                    {"host": "safe.example.com", "http": {"paths": [
                        {"path": "/v1/*", "backend": backend("model")},
                        {"path": "/", "backend": backend("model")}]}},
                    {"host": "a.wild.example.com"},
                    {"host": "plain.example.com", "http": {"paths": [{"backend": backend("other")}]}},
                    {"host": "*.example.com", "http": {"paths": [{"backend": backend("other")}]}},
                ],
            }),
            &json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}),
        );
        assert_eq!(
            found.external_urls,
            [
                "http://plain.example.com",
                "https://a.wild.example.com",
                "https://safe.example.com/",
                "https://safe.example.com/v1/",
            ]
        );
        let names: Vec<&str> = found
            .target_refs
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        assert_eq!(names, ["fallback", "model", "other"]);
        assert_eq!(found.target_refs[0].namespace, "serving");
        assert_eq!(found.ingress, [json!({"ip": "10.0.0.1"})]);
    }

    #[test]
    fn a_rule_without_host_is_reached_at_the_load_balancer() {
        let rules =
            json!({"rules": [{"http": {"paths": [{"path": "/model", "backend": backend("m")}]}}]});
        let entry = json!({"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}, {"ip": "10.0.0.2"}, {}]}});
        let found = ingress(&json!({"name": "i"}), &rules, &entry);
        assert_eq!(
            found.external_urls,
            ["http://10.0.0.2/model", "http://lb.example.com/model"]
        );
        let unserved = ingress(&json!({"name": "i"}), &rules, &json!({}));
        assert!(unserved.external_urls.is_empty());
        let secured = json!({"tls": [{"secretName": "s"}], "rules": rules["rules"]});
        let found = ingress(&json!({"name": "i"}), &secured, &entry);
        assert_eq!(found.external_urls[0], "https://10.0.0.2/model");
    }

    #[test]
    fn annotations_add_addresses_and_switch_the_others_off() {
        let annotations = json!({
            "link.argocd.argoproj.io/b": "Dashboard|https://grafana.example.com/d/1",
            "link.argocd.argoproj.io/a": "https://docs.example.com",
            "link.argocd.argoproj.io/empty": "",
            "argocd.argoproj.io/ignore-default-links": "true",
        });
        let rules = json!({"rules": [{"host": "x.example.com"}]});
        let metadata = json!({"name": "i", "annotations": annotations});
        let want = [
            "https://docs.example.com",
            "Dashboard|https://grafana.example.com/d/1",
        ];
        assert_eq!(ingress(&metadata, &rules, &json!({})).external_urls, want);
        let deployment =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata});
        assert_eq!(info(deployment).external_urls, want);
    }

    #[test]
    fn services_and_pods_find_each_other_by_labels() {
        let service = info(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"app": "m"}},
            "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.3"}]}},
        }));
        assert_eq!(service.target_labels["app"], "m");
        assert_eq!(service.ingress, [json!({"ip": "10.0.0.3"})]);
        let pod = info(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"app": "m"}}}),
        );
        assert_eq!(pod.labels["app"], "m");
        assert_eq!(json!(pod), json!({"labels": {"app": "m"}}));
        let config = Object::from_value(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}),
        );
        assert_eq!(of(&config.expect("object")), None);
    }

    #[test]
    fn nonsense_is_passed_over() {
        let spec = json!({"rules": [7, {"host": 3, "http": []}, {"http": {"paths": "x"}}], "tls": {"hosts": 1}});
        let found = ingress(
            &json!({"name": "i"}),
            &spec,
            &json!({"loadBalancer": {"ingress": [null, 4]}}),
        );
        assert!(found.external_urls.is_empty() && found.target_refs.is_empty());
    }
}
