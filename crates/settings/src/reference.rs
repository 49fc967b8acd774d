//! `$key` and `$secret:key`: texts that stand for a value of a Secret (argocd-contract §7.1).

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_core::Secret;

use crate::credential;
use crate::object::SecretObject;

/// A reference leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The Secret is not there, or not labelled as part of the control plane.
    #[error(
        "{reference} refers to Secret {secret}, which does not exist or has no label app.kubernetes.io/part-of=argocd"
    )]
    Secret {
        /// The reference.
        reference: String,
        /// The Secret.
        secret: String,
    },
    /// The Secret has no such key.
    #[error(
        "{reference} refers to key {key} of Secret {secret}, which does not exist or is not a text"
    )]
    Key {
        /// The reference.
        reference: String,
        /// The Secret.
        secret: String,
        /// The key.
        key: String,
    },
}

/// The Secrets that references may lead to, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct References(BTreeMap<String, Arc<SecretObject>>);

impl References {
    /// Takes the Secrets that are part of the control plane.
    pub(crate) fn new(secrets: &[Arc<SecretObject>]) -> Self {
        let part_of = |secret: &&Arc<SecretObject>| {
            secret.metadata.name == credential::NAME
                || secret.label(driftless_api::annotation::LABEL_PART_OF)
                    == Some(driftless_api::annotation::PART_OF_VALUE)
        };
        Self(
            secrets
                .iter()
                .filter(part_of)
                .map(|secret| (secret.metadata.name.clone(), secret.clone()))
                .collect(),
        )
    }

    /// Returns the value a text stands for: of `argocd-secret` for `$key`, of another Secret for
    /// `$secret:key`, and the text itself for anything else.
    pub fn resolve(&self, text: &str) -> Result<Secret<String>, Error> {
        let Some(reference) = text.strip_prefix('$').filter(|rest| !rest.is_empty()) else {
            return Ok(Secret::new(text.to_owned()));
        };
        let (name, key) = reference
            .split_once(':')
            .unwrap_or((credential::NAME, reference));
        let secret = self.0.get(name).ok_or_else(|| Error::Secret {
            reference: text.to_owned(),
            secret: name.to_owned(),
        })?;
        secret
            .data
            .get(key)
            .and_then(|value| value.text())
            .map(|value| Secret::new(value.to_owned()))
            .ok_or_else(|| Error::Key {
                reference: text.to_owned(),
                secret: name.to_owned(),
                key: key.to_owned(),
            })
    }
}
