//! Weights in the objects that route traffic: what to write for a weight, and which weight an object has.
//!
//! Lists are written whole with the resource version they were read at: most of them are atomic to the API server, and a
//! write that does not know of another one would undo it. A weight that two rules disagree on, or that other backends
//! have a part in, is an error and not a guess.

use serde_json::{Value, json};

/// An object that routes traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Router {
    /// HTTPRoute of the Gateway API: `backendRefs` of the rules that name the stable Service.
    HttpRoute,
    /// VirtualService of Istio: destinations of the HTTP routes that name the stable Service.
    VirtualService,
    /// Ingress of the new version for NGINX: its annotations.
    NginxCanary,
    /// InferenceService in Serverless mode: `canaryTrafficPercent`; read from the status.
    KserveServerless,
    /// InferenceService in Standard mode: an entry of `spec.canary`. The live weight is in its HTTPRoute.
    KserveStandard,
    /// One LLMInferenceService of a group: its weight. Weights of a group are proportional.
    LlmInferenceService,
    /// SeldonDeployment (Seldon Core 1): `traffic` of the predictors.
    SeldonDeployment,
    /// Experiment (Seldon Core 2): `weight` of the candidates.
    SeldonExperiment,
}

/// Names of both versions where an object names them: Services, predictors or candidates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names {
    /// Of the stable version.
    pub stable: String,
    /// Of the new version.
    pub canary: String,
}

/// A weight cannot be read or written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Nothing in the object names a version.
    #[error("nothing at {path} names {name}")]
    Missing {
        /// Where it was looked for.
        path: &'static str,
        /// The version's name.
        name: String,
    },
    /// Others take part in the traffic.
    #[error("{path} sends traffic to {name}, too: a weight of one version says nothing")]
    Others {
        /// Where.
        path: &'static str,
        /// The other backend.
        name: String,
    },
    /// Rules give different weights.
    #[error("rules at {path} give the new version {first} % and {second} %")]
    Uneven {
        /// Where.
        path: &'static str,
        /// A weight.
        first: u32,
        /// Another one.
        second: u32,
    },
    /// A field has the wrong type.
    #[error("{path} is not what it should be")]
    Shape {
        /// Where.
        path: &'static str,
    },
    /// The object has no way to say it.
    #[error("routes by header and mirrors cannot be said in this object")]
    Unsupported,
    /// No rule that names the stable version takes requests that a route asks for.
    #[error("no rule for the stable version takes requests that the route {route} asks for")]
    NothingMatches {
        /// The route.
        route: String,
    },
    /// A rule has a mirror of its own.
    #[error(
        "a rule copies its requests already, so that the mirror {route} has no place: remove one of them"
    )]
    Mirrored {
        /// The route.
        route: String,
    },
    /// A condition cannot be written.
    #[error("route {route}: {what}")]
    Condition {
        /// The route.
        route: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Where an object keeps a list of backends with weights.
pub(crate) struct Table {
    /// Name of the list in `spec`.
    pub(crate) list: &'static str,
    /// Name of the backends in an item of the list, when the list is one of rules.
    pub(crate) inner: Option<&'static str>,
    /// Path to the name in a backend.
    name: &'static [&'static str],
    weight: &'static str,
    path: &'static str,
    /// Weight of a backend that does not say, when it is not alone.
    otherwise: i64,
    /// Whether a backend of the new version may be made after the stable one.
    copies: bool,
}

impl Router {
    pub(crate) fn table(self) -> Option<Table> {
        let table = |list, inner, name, weight, path| Table {
            list,
            inner,
            name,
            weight,
            path,
            otherwise: 0,
            copies: false,
        };
        Some(match self {
            Self::HttpRoute => Table {
                otherwise: 1,
                copies: true,
                ..table(
                    "rules",
                    Some("backendRefs"),
                    &["name"],
                    "weight",
                    "spec.rules[].backendRefs",
                )
            },
            Self::VirtualService => Table {
                copies: true,
                ..table(
                    "http",
                    Some("route"),
                    &["destination", "host"],
                    "weight",
                    "spec.http[].route",
                )
            },
            Self::SeldonDeployment => {
                table("predictors", None, &["name"], "traffic", "spec.predictors")
            }
            Self::SeldonExperiment => {
                table("candidates", None, &["name"], "weight", "spec.candidates")
            }
            _ => return None,
        })
    }

    /// Returns the share of the new version, 0 to 100, that a live object has.
    pub fn weight(self, live: &Value, names: &Names) -> Result<u32, Error> {
        if let Some(table) = self.table() {
            return table.read(live, names);
        }
        let number = |pointer: &str| live.pointer(pointer).and_then(Value::as_i64);
        match self {
            Self::NginxCanary => {
                let annotation = |name: &str| {
                    let annotations = live.pointer("/metadata/annotations")?;
                    annotations.get(format!("{NGINX}{name}"))?.as_str()
                };
                if annotation("canary") != Some("true") {
                    return Ok(0);
                }
                let weight = annotation("canary-weight").unwrap_or("0");
                weight
                    .parse()
                    .ok()
                    .filter(|weight| *weight <= 100)
                    .ok_or(Error::Shape {
                        path: "metadata.annotations: canary-weight",
                    })
            }
            Self::KserveServerless => {
                let path = "status.components.predictor.traffic";
                let traffic = live
                    .pointer("/status/components/predictor/traffic")
                    .and_then(Value::as_array);
                let traffic = traffic.ok_or(Error::Shape { path })?;
                let latest = traffic
                    .iter()
                    .filter(|entry| entry.get("latestRevision") == Some(&json!(true)));
                // One entry alone: all traffic is on one revision, and no canary is on its way.
                if traffic.len() == 1 {
                    return Ok(0);
                }
                let percent: i64 = latest
                    .filter_map(|entry| entry.get("percent").and_then(Value::as_i64))
                    .sum();
                u32::try_from(percent)
                    .ok()
                    .filter(|percent| *percent <= 100)
                    .ok_or(Error::Shape { path })
            }
            Self::KserveStandard => {
                let path = "spec.canary";
                let Some(entries) = live.pointer("/spec/canary") else {
                    return Ok(0);
                };
                let entries = entries.as_array().ok_or(Error::Shape { path })?;
                let mut weight = 0;
                for entry in entries {
                    let percent = entry
                        .get("trafficPercent")
                        .and_then(Value::as_i64)
                        .unwrap_or(0);
                    let name = entry
                        .pointer("/predictor/name")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    if name == names.canary {
                        weight = percent;
                    } else if percent > 0 {
                        return Err(Error::Others {
                            path,
                            name: name.to_owned(),
                        });
                    }
                }
                u32::try_from(weight)
                    .ok()
                    .filter(|weight| *weight <= 100)
                    .ok_or(Error::Shape { path })
            }
            // The weight of one member; a share takes both.
            _ => {
                let weight = number("/spec/router/route/weight").unwrap_or(0);
                u32::try_from(weight).map_err(|_| Error::Shape {
                    path: "spec.router.route.weight",
                })
            }
        }
    }

    /// Returns the JSON merge patch that gives the new version a share of the traffic.
    pub fn patch(self, live: &Value, names: &Names, weight: u32) -> Result<Value, Error> {
        let weight = weight.min(100);
        let mut patch = match self.table() {
            Some(table) => json!({ "spec": { table.list: table.write(live, names, weight)? } }),
            None => match self {
                Self::NginxCanary => json!({ "metadata": { "annotations": {
                    format!("{NGINX}canary"): "true",
                    format!("{NGINX}canary-weight"): weight.to_string(),
                } } }),
                Self::KserveServerless => {
                    json!({ "spec": { "predictor": { "canaryTrafficPercent": weight } } })
                }
                Self::KserveStandard => {
                    json!({ "spec": { "canary": standard(live, names, weight)? } })
                }
                _ => json!({ "spec": { "router": { "route": { "weight": weight } } } }),
            },
        };
        guard(&mut patch, live);
        Ok(patch)
    }
}

const NGINX: &str = "nginx.ingress.kubernetes.io/";

/// Lets the write fail when the object has changed since it was read.
pub(crate) fn guard(patch: &mut Value, live: &Value) {
    if let (Some(version), Value::Object(patch)) =
        (live.pointer("/metadata/resourceVersion"), patch)
    {
        let metadata = patch.entry("metadata").or_insert_with(|| json!({}));
        if let Value::Object(metadata) = metadata {
            metadata.insert("resourceVersion".to_owned(), version.clone());
        }
    }
}

fn standard(live: &Value, names: &Names, weight: u32) -> Result<Value, Error> {
    let path = "spec.canary";
    let mut entries = live
        .pointer("/spec/canary")
        .cloned()
        .unwrap_or_else(|| json!([]));
    let list = entries.as_array_mut().ok_or(Error::Shape { path })?;
    let mine = |entry: &&mut Value| {
        entry.pointer("/predictor/name").and_then(Value::as_str) == Some(&names.canary)
    };
    let Some(Value::Object(entry)) = list.iter_mut().find(mine) else {
        return Err(Error::Missing {
            path,
            name: names.canary.clone(),
        });
    };
    entry.insert("trafficPercent".to_owned(), weight.into());
    Ok(entries)
}

/// Returns the merge patch that makes the canary of an InferenceService in Standard mode its stable predictor: the
/// predictor takes the canary's name and spec, so that its pods are not restarted, and the entry goes.
pub fn promote_standard(live: &Value, names: &Names) -> Result<Value, Error> {
    let path = "spec.canary";
    let entries = live
        .pointer("/spec/canary")
        .and_then(Value::as_array)
        .ok_or(Error::Shape { path })?;
    let is_mine = |entry: &&Value| {
        entry.pointer("/predictor/name").and_then(Value::as_str) == Some(&names.canary)
    };
    let Some(predictor) = entries
        .iter()
        .find(is_mine)
        .and_then(|entry| entry.get("predictor"))
    else {
        return Err(Error::Missing {
            path,
            name: names.canary.clone(),
        });
    };
    let rest: Vec<&Value> = entries.iter().filter(|entry| !is_mine(entry)).collect();
    let mut wanted = live.clone();
    if let Some(Value::Object(spec)) = wanted.get_mut("spec") {
        spec.insert("predictor".to_owned(), predictor.clone());
        if rest.is_empty() {
            spec.remove("canary");
        } else {
            spec.insert("canary".to_owned(), json!(rest));
        }
    }
    // What only the old predictor says goes, at every depth.
    let mut patch = driftless_manifest::merge_patch::create(live, &wanted);
    guard(&mut patch, live);
    Ok(patch)
}

impl Table {
    pub(crate) fn name<'a>(&self, backend: &'a Value) -> Option<&'a str> {
        let found = self
            .name
            .iter()
            .try_fold(backend, |value, key| value.get(key));
        let name = found?.as_str()?;
        // Istio names a Service by its first label or in full.
        Some(if self.name.len() > 1 {
            name.split('.').next().unwrap_or(name)
        } else {
            name
        })
    }

    fn weight(&self, backend: &Value, alone: bool) -> i64 {
        let given = backend.get(self.weight).and_then(Value::as_i64);
        given
            .unwrap_or(if alone { 100 } else { self.otherwise })
            .max(0)
    }

    fn lists<'a>(&self, live: &'a Value) -> Result<Vec<&'a Vec<Value>>, Error> {
        let shape = || Error::Shape { path: self.path };
        let outer = live
            .pointer(&format!("/spec/{}", self.list))
            .and_then(Value::as_array)
            .ok_or_else(shape)?;
        match self.inner {
            None => Ok(vec![outer]),
            // A rule that redirects has no backends.
            Some(inner) => Ok(outer
                .iter()
                .filter_map(|rule| rule.get(inner)?.as_array())
                .collect()),
        }
    }

    pub(crate) fn read(&self, live: &Value, names: &Names) -> Result<u32, Error> {
        let mut found: Option<u32> = None;
        for backends in self.lists(live)? {
            let names_stable = backends
                .iter()
                .any(|backend| self.name(backend) == Some(&names.stable));
            let names_canary = backends
                .iter()
                .any(|backend| self.name(backend) == Some(&names.canary));
            if !names_stable && !names_canary {
                continue;
            }
            let share = self.share(backends, names)?;
            match found {
                Some(first) if first != share => {
                    return Err(Error::Uneven {
                        path: self.path,
                        first,
                        second: share,
                    });
                }
                _ => found = Some(share),
            }
        }
        found.ok_or_else(|| Error::Missing {
            path: self.path,
            name: names.stable.clone(),
        })
    }

    fn share(&self, backends: &[Value], names: &Names) -> Result<u32, Error> {
        let (mut stable, mut canary) = (0, 0);
        for backend in backends {
            let weight = self.weight(backend, backends.len() == 1);
            match self.name(backend) {
                Some(name) if name == names.stable => stable += weight,
                Some(name) if name == names.canary => canary += weight,
                // A shadow gets copies only.
                _ if backend.get("shadow") == Some(&json!(true)) || weight == 0 => {}
                other => {
                    let name = other.unwrap_or("a backend without a name").to_owned();
                    return Err(Error::Others {
                        path: self.path,
                        name,
                    });
                }
            }
        }
        let total = stable + canary;
        Ok(if total == 0 {
            0
        } else {
            ((200 * canary + total) / (2 * total)) as u32
        })
    }

    pub(crate) fn write(&self, live: &Value, names: &Names, weight: u32) -> Result<Value, Error> {
        let shape = || Error::Shape { path: self.path };
        let mut outer = live
            .pointer(&format!("/spec/{}", self.list))
            .cloned()
            .ok_or_else(shape)?;
        let list = outer.as_array_mut().ok_or_else(shape)?;
        let mut written = false;
        match self.inner {
            None => written = self.write_list(list, names, weight)?,
            Some(inner) => {
                for rule in list {
                    if let Some(backends) = rule.get_mut(inner).and_then(Value::as_array_mut) {
                        written |= self.write_list(backends, names, weight)?;
                    }
                }
            }
        }
        if written {
            return Ok(outer);
        }
        Err(Error::Missing {
            path: self.path,
            name: names.stable.clone(),
        })
    }

    /// Says whether the list names the stable version.
    fn write_list(
        &self,
        backends: &mut Vec<Value>,
        names: &Names,
        weight: u32,
    ) -> Result<bool, Error> {
        let Some(stable) = backends
            .iter()
            .find(|backend| self.name(backend) == Some(&names.stable))
            .cloned()
        else {
            return Ok(false);
        };
        // Others would keep a part that nobody asked for.
        self.share(backends, names)?;
        if !backends
            .iter()
            .any(|backend| self.name(backend) == Some(&names.canary))
        {
            if !self.copies {
                return Err(Error::Missing {
                    path: self.path,
                    name: names.canary.clone(),
                });
            }
            let mut copy = stable;
            self.rename(&mut copy, &names.canary);
            backends.push(copy);
        }
        for backend in backends.iter_mut() {
            let share = match self.name(backend) {
                Some(name) if name == names.stable => 100 - weight,
                Some(name) if name == names.canary => weight,
                _ => continue,
            };
            if let Value::Object(map) = backend {
                map.insert(self.weight.to_owned(), share.into());
            }
        }
        Ok(true)
    }

    pub(crate) fn rename(&self, backend: &mut Value, name: &str) {
        let Some((last, path)) = self.name.split_last() else {
            return;
        };
        let found = path
            .iter()
            .try_fold(backend, |value, key| value.get_mut(key));
        if let Some(Value::Object(map)) = found {
            let old = map.get(*last).and_then(Value::as_str).unwrap_or_default();
            // The rest of a full host name stays.
            let tail = match old.split_once('.') {
                Some((_, tail)) if self.name.len() > 1 => format!(".{tail}"),
                _ => String::new(),
            };
            map.insert((*last).to_owned(), format!("{name}{tail}").into());
        }
    }
}
