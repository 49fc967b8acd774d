//! What people look at: the tree of an Application's objects, and each object as Git wants it beside what it is.
//!
//! Field names and shapes are the contract's (argocd-contract §1.1: tree types). Values of Secrets are masked here, before
//! anything leaves the process.

use std::collections::{BTreeMap, HashSet};

use driftless_api::application::SyncStatusCode;
use driftless_core::{AppKey, Class, ResourceKey};
use driftless_engine::diff;
use driftless_engine::health;
use driftless_engine::sync::progress::images;
use driftless_kube::Live;
use driftless_kube::live::{LiveObject, Lookup, Uid};
use driftless_manifest::Object;
use serde::Serialize;
use serde_json::Value;

use crate::AppState;
use crate::comparison::ObjectStatus;
use crate::config::Config;
use crate::desired::Revisions;
use crate::info;
use crate::network::{self, NetworkingInfo};

/// Most objects of one tree; a runaway controller must not take the API down.
const MAX_NODES: usize = 20_000;

/// Why a view cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such Application.
    #[error("application {0} does not exist")]
    Unknown(String),
    /// Its objects cannot be known now.
    #[error("{message}")]
    Unavailable {
        /// Why.
        message: String,
        /// Who can act.
        class: Class,
    },
}

/// An object named by another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Unique id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// A name and a value to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InfoItem {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Health as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeHealth {
    /// `Healthy`, `Progressing`, …
    pub status: &'static str,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One object of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// API version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Unique id; empty when the object is not in the cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Objects that own it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ParentRef>,
    /// Facts to show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<InfoItem>,
    /// How it is reached and what it leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networking_info: Option<NetworkingInfo>,
    /// Version of the live object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Images it runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// How it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<NodeHealth>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<jiff::Timestamp>,
}

/// An Application's objects and what controllers made of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceTree {
    /// The objects, ordered by key.
    pub nodes: Vec<Node>,
    /// Objects of the destination namespace that belong to no Application, where the project asks for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orphaned_nodes: Vec<Node>,
}

/// One object as Git wants it and as it is; each state is a JSON document, `null` when there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedResource {
    /// API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// As Git wants it.
    pub target_state: String,
    /// As it is.
    pub live_state: String,
    /// As it is, without what does not count.
    pub normalized_live_state: String,
    /// As it would become.
    pub predicted_live_state: String,
    /// Version of the live object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Whether it is a hook.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hook: bool,
    /// Whether a sync would change it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub modified: bool,
}

impl AppState {
    /// Returns the tree of an Application from its recorded objects and the live state. Works without Git and in
    /// processes that do not work on the Application.
    pub fn tree(&self, key: &AppKey) -> Result<ResourceTree, Error> {
        let stored = self
            .app(key)
            .ok_or_else(|| Error::Unknown(key.to_string()))?;
        let app = &stored.object;
        let cluster = self
            .destination_cluster(app)
            .map_err(|error| Error::Unavailable {
                message: error.to_string(),
                class: Class::User,
            })?;
        let live = cluster.live();
        let config = self.config();
        let looks = Looks {
            live,
            config: &config,
        };
        let mut nodes = BTreeMap::new();
        let mut seen = HashSet::new();
        let resources = app
            .status
            .as_deref()
            .map_or(&[][..], |status| &status.resources);
        for resource in resources {
            let key = resource.key();
            match live.peek(&key) {
                Some(object) => add_with_children(&looks, &object, &mut nodes, &mut seen, 0),
                None => {
                    let node = Node {
                        version: resource.version.to_string(),
                        health: Some(NodeHealth {
                            status: "Missing",
                            message: String::new(),
                        }),
                        ..named(&key)
                    };
                    nodes.insert(key, node);
                }
            }
        }
        let target = self.target(app).ok();
        let orphans = target.map_or_else(Vec::new, |target| self.orphans(&target));
        let orphans = orphans.iter().filter(|one| !nodes.contains_key(&one.key));
        let orphaned_nodes = orphans.map(|one| node(&looks, one, false)).collect();
        Ok(ResourceTree {
            nodes: nodes.into_values().collect(),
            orphaned_nodes,
        })
    }

    /// Returns an Application's objects, each as Git wants it beside what it is.
    pub async fn managed_resources(&self, key: &AppKey) -> Result<Vec<ManagedResource>, Error> {
        let stored = self
            .app(key)
            .ok_or_else(|| Error::Unknown(key.to_string()))?;
        let app = &stored.object;
        let target = self.target(app).map_err(|conditions| Error::Unavailable {
            message: conditions
                .into_iter()
                .map(|one| one.message)
                .collect::<Vec<_>>()
                .join("; "),
            class: Class::User,
        })?;
        let unavailable = |failure: crate::desired::Failure| Error::Unavailable {
            message: failure.condition.message,
            class: failure.class,
        };
        let revisions = Revisions::Tracked(driftless_source::Freshness::Cached);
        let cache = driftless_source::render::CacheUse::Use;
        let desired = self
            .desired(app, &target, &target.sources, revisions, cache)
            .await
            .map_err(unavailable)?;
        let prepared = self.prepare(key, &target, &desired).map_err(unavailable)?;
        let live = target.cluster.live();
        let config = self.config();
        let (ignore, _) = config.ignore_rules(app);
        let cx = config.diff_ctx(&ignore);
        let compared = self.last_comparison(key);
        let mut resources = Vec::with_capacity(prepared.objects.len());
        let mut seen = HashSet::new();
        for one in &prepared.objects {
            seen.insert(one.key.clone());
            let found = lookup(live, &one.key)?;
            let sides = (
                Some(one.fingerprint),
                live.peek(&one.key).map(|live| live.digests),
            );
            let known = compared.as_deref().and_then(|known| known.object(&one.key));
            // The API server may have been asked, who knows better.
            let is_known_to_agree = known.is_some_and(|known: &ObjectStatus| {
                known.status == Some(SyncStatusCode::Synced) && known.is_about(sides)
            });
            let mut resource = side_by_side(&one.key, Some(&one.object), found.as_ref(), &cx);
            if is_known_to_agree && resource.modified {
                resource.modified = false;
                resource
                    .predicted_live_state
                    .clone_from(&resource.normalized_live_state);
            }
            resources.push(resource);
        }
        for object in live.tracked(&self.instance(key)).objects {
            if seen.contains(&object.key) || !object.owners.is_empty() {
                continue;
            }
            let found = lookup(live, &object.key)?;
            resources.push(side_by_side(&object.key, None, found.as_ref(), &cx));
        }
        Ok(resources)
    }
}

/// Finds a live object; what cannot be read is an error, never "not there".
fn lookup(live: &Live, key: &ResourceKey) -> Result<Option<Object>, Error> {
    let unavailable = |message: String| Error::Unavailable {
        message,
        class: Class::Transient,
    };
    match live.lookup(key) {
        Lookup::Missing | Lookup::UnknownKind => Ok(None),
        Lookup::NotLoaded => Err(unavailable(format!("{key} is not loaded yet"))),
        Lookup::Unreadable(why) => {
            Err(unavailable(format!("{key} cannot be read: {}", why.reason)))
        }
        Lookup::Found(found) => match found.parse() {
            Some(object) => Ok(Some(object)),
            None => Err(unavailable(format!("{key} is not loaded yet"))),
        },
    }
}

fn side_by_side(
    key: &ResourceKey,
    desired: Option<&Object>,
    live: Option<&Object>,
    cx: &diff::Ctx<'_>,
) -> ManagedResource {
    let is_hook = |object: &Object| {
        driftless_engine::annotation::Annotations::of(object)
            .hook
            .is_hook()
    };
    let mut target_state = desired.map_or(Value::Null, Object::to_value);
    let mut live_state = live.map_or(Value::Null, Object::to_value);
    let (mut normalized, mut predicted, modified) = match (desired, live) {
        (Some(desired), Some(live)) => {
            let view = diff::view(desired, live, cx);
            (
                view.normalized_live,
                view.predicted_live,
                diff::compare(desired, live, cx).is_modified(),
            )
        }
        (Some(desired), None) => (Value::Null, desired.to_value(), true),
        (None, Some(live)) => (live.to_value(), Value::Null, true),
        (None, None) => (Value::Null, Value::Null, false),
    };
    if &*key.kind == "Secret" && key.group.is_empty() {
        diff::mask_secrets(&mut [&mut target_state, &mut live_state]);
        if desired.is_none() || live.is_none() {
            diff::mask_secrets(&mut [&mut normalized, &mut predicted]);
        }
    }
    ManagedResource {
        group: key.group.to_string(),
        kind: key.kind.to_string(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        target_state: target_state.to_string(),
        live_state: live_state.to_string(),
        normalized_live_state: normalized.to_string(),
        predicted_live_state: predicted.to_string(),
        resource_version: live
            .and_then(Object::resource_version)
            .unwrap_or_default()
            .to_owned(),
        hook: desired.or(live).is_some_and(is_hook),
        // What a hook left behind is nobody's drift.
        modified: modified && !desired.or(live).is_some_and(is_hook),
    }
}

fn named(key: &ResourceKey) -> Node {
    Node {
        group: key.group.to_string(),
        kind: key.kind.to_string(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        ..Node::default()
    }
}

/// What a tree is made from.
struct Looks<'a> {
    live: &'a Live,
    config: &'a Config,
}

fn add_with_children(
    looks: &Looks<'_>,
    object: &LiveObject,
    nodes: &mut BTreeMap<ResourceKey, Node>,
    seen: &mut HashSet<Uid>,
    depth: usize,
) {
    // Owner references of hostile objects may form circles or long chains.
    if depth > 16 || nodes.len() >= MAX_NODES || !seen.insert(object.uid.clone()) {
        return;
    }
    nodes.insert(object.key.clone(), node(looks, object, depth > 0));
    for child in looks.live.children(&object.uid) {
        add_with_children(looks, &child, nodes, seen, depth + 1);
    }
}

fn node(looks: &Looks<'_>, object: &LiveObject, is_child: bool) -> Node {
    let live = looks.live;
    let body = object.parse();
    let health = body
        .as_ref()
        .and_then(|body| health::assess(body, looks.config));
    let parent_refs = if is_child {
        object
            .owners
            .iter()
            .filter_map(|owner| {
                let parent = live.by_uid(&owner.uid)?;
                Some(ParentRef {
                    group: parent.key.group.to_string(),
                    kind: parent.key.kind.to_string(),
                    namespace: parent.key.namespace.to_string(),
                    name: parent.key.name.to_string(),
                    uid: owner.uid.to_string(),
                })
            })
            .collect()
    } else {
        Vec::new()
    };
    Node {
        version: object.version.to_string(),
        uid: object.uid.to_string(),
        parent_refs,
        info: body.as_ref().map(info::of).unwrap_or_default(),
        networking_info: body.as_ref().and_then(network::of),
        resource_version: object.resource_version.as_str().to_owned(),
        images: body.as_ref().map(images).unwrap_or_default(),
        health: health.map(|health| NodeHealth {
            status: health.status.as_str(),
            message: health.message,
        }),
        created_at: object.created,
        ..named(&object.key)
    }
}
