//! All settings at one moment, made by a pure function from the objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_core::{Class, Classify};

use crate::cluster::Clusters;
use crate::credential::{self, Credentials};
use crate::diagnostic::Diagnostic;
use crate::general::{self, General};
use crate::object::{ConfigMap, SecretObject};
use crate::params::{self, Params};
use crate::rbac::{self, Rbac};
use crate::reference::References;
use crate::repository::Repositories;
use crate::trust::{self, Trust};

/// A list of objects, or why there is none. "Could not read" is never "empty".
#[derive(Clone, Debug)]
pub enum Readable<T> {
    /// The objects, ordered by name.
    Ready(Vec<Arc<T>>),
    /// They could not be read.
    Unreadable(String),
}

/// The objects that settings are made from.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// ConfigMaps of the control plane.
    pub config_maps: Readable<ConfigMap>,
    /// Secrets of the control plane.
    pub secrets: Readable<SecretObject>,
    /// Objects that are not of the form of their kind: kind and name, and what is wrong.
    pub malformed: Vec<(String, String)>,
}

/// Settings could not be read and nothing is known from before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("settings cannot be read: {what}: {message}")]
pub struct NotReady {
    /// What could not be listed.
    pub what: &'static str,
    /// Why.
    pub message: String,
}

impl Classify for NotReady {
    fn class(&self) -> Class {
        Class::Transient
    }

    fn reason(&self) -> &'static str {
        "SettingsUnreadable"
    }
}

/// All settings at one moment. A part that did not change is shared with the snapshot before it,
/// so that `Arc::ptr_eq` tells what changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `argocd-cm`.
    pub general: Arc<General>,
    /// `argocd-cmd-params-cm`.
    pub params: Arc<Params>,
    /// `argocd-rbac-cm`.
    pub rbac: Arc<Rbac>,
    /// `argocd-secret`.
    pub credentials: Arc<Credentials>,
    /// Repositories and credentials for prefixes.
    pub repositories: Arc<Repositories>,
    /// Clusters.
    pub clusters: Arc<Clusters>,
    /// SSH host keys and certificates.
    pub trust: Arc<Trust>,
    /// Where `$key` leads.
    pub references: Arc<References>,
    /// What is wrong, ordered.
    pub diagnostics: Arc<Vec<Diagnostic>>,
}

impl Settings {
    /// Makes a snapshot. What cannot be read stays as it is in `previous`.
    pub fn build(inputs: &Inputs, previous: Option<&Self>) -> Result<Self, NotReady> {
        let mut next = previous.cloned().unwrap_or_default();
        let mut diagnostics: Vec<Diagnostic> = inputs
            .malformed
            .iter()
            .map(|(object, message)| Diagnostic {
                object: object.clone(),
                key: String::new(),
                message: message.clone(),
                hint: "it is left out until this is put right".to_owned(),
            })
            .collect();
        match &inputs.config_maps {
            Readable::Ready(objects) => next.read_config_maps(objects, previous, &mut diagnostics),
            Readable::Unreadable(message) => {
                diagnostics.push(unreadable("ConfigMaps", message, previous)?);
            }
        }
        match &inputs.secrets {
            Readable::Ready(objects) => next.read_secrets(objects, previous, &mut diagnostics),
            Readable::Unreadable(message) => {
                diagnostics.push(unreadable("Secrets", message, previous)?);
            }
        }
        diagnostics.sort();
        diagnostics.dedup();
        put(&mut next.diagnostics, diagnostics);
        Ok(next)
    }

    fn read_config_maps(
        &mut self,
        objects: &[Arc<ConfigMap>],
        previous: Option<&Self>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let none = BTreeMap::new();
        let data = |name: &str| {
            objects
                .iter()
                .find(|object| object.metadata.name == name)
                .map_or(&none, |object| &object.data)
        };
        let (value, problems) =
            General::read(data(general::NAME), previous.map(|old| &*old.general));
        put(&mut self.general, value);
        diagnostics.extend(problems);
        let (value, problems) = Params::read(data(params::NAME), previous.map(|old| &*old.params));
        put(&mut self.params, value);
        diagnostics.extend(problems);
        let (value, problems) = Rbac::read(data(rbac::NAME), previous.map(|old| &*old.rbac));
        put(&mut self.rbac, value);
        diagnostics.extend(problems);
        let (value, problems) = Trust::read(
            data(trust::KNOWN_HOSTS_NAME),
            data(trust::TLS_NAME),
            previous.map(|old| &*old.trust),
        );
        put(&mut self.trust, value);
        diagnostics.extend(problems);
    }

    /// Needs the ConfigMaps to be read first: whom to trust is part of every repository.
    fn read_secrets(
        &mut self,
        objects: &[Arc<SecretObject>],
        previous: Option<&Self>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let none = SecretObject::default();
        let own = objects
            .iter()
            .find(|object| object.metadata.name == credential::NAME)
            .map_or(&none, |object| object);
        let (value, problems) = Credentials::read(own, previous.map(|old| &*old.credentials));
        put(&mut self.credentials, value);
        diagnostics.extend(problems);
        let (value, problems) =
            Repositories::read(objects, &self.trust, previous.map(|old| &*old.repositories));
        put(&mut self.repositories, value);
        diagnostics.extend(problems);
        let (value, problems) = Clusters::read(
            objects,
            self.general.server.in_cluster,
            previous.map(|old| &*old.clusters),
        );
        put(&mut self.clusters, value);
        diagnostics.extend(problems);
        put(&mut self.references, References::new(objects));
    }
}

/// Keeps what is there when it is the same.
fn put<T: PartialEq>(place: &mut Arc<T>, value: T) {
    if **place != value {
        *place = Arc::new(value);
    }
}

fn unreadable(
    what: &'static str,
    message: &str,
    previous: Option<&Settings>,
) -> Result<Diagnostic, NotReady> {
    match previous {
        Some(_) => Ok(Diagnostic {
            object: what.to_owned(),
            key: String::new(),
            message: format!("cannot be read: {message}"),
            hint: "settings stay as they were".to_owned(),
        }),
        None => Err(NotReady {
            what,
            message: message.to_owned(),
        }),
    }
}
