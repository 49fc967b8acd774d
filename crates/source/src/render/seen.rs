//! What a render saw of its destination cluster, so that a result is reused while the answers are the same.
//!
//! A cluster gets new API versions with every CRD, among them those of the charts themselves. A chart that asks for
//! none of them does not care, and one that draws random values must not be rendered anew for their sake.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Request;
use crate::repository::hex;

/// What a render saw of its destination cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Its version; `None` when the render was told another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kube_version: Option<String>,
    /// API versions that were asked for, and whether the cluster has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    asked: Vec<(String, bool)>,
    /// Digest of all API versions, when all of them were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all: Option<String>,
}

impl Seen {
    /// The version was looked at, as every chart may.
    pub fn version(mut self, request: &Request) -> Self {
        self.kube_version = Some(request.kube_version.to_string());
        self
    }

    /// These API versions were asked for.
    pub fn asked(mut self, request: &Request, names: &BTreeSet<String>) -> Self {
        let answers = names.iter().map(|name| (name.clone(), has(request, name)));
        self.asked = answers.collect();
        self
    }

    /// All API versions were looked at.
    pub fn all(mut self, request: &Request) -> Self {
        self.all = Some(digest(request));
        self
    }

    /// Says whether a cluster would give the same answers.
    pub(super) fn holds(&self, request: &Request) -> bool {
        let mut asked = self.asked.iter();
        self.kube_version
            .as_ref()
            .is_none_or(|version| **version == *request.kube_version)
            && asked.all(|(name, answer)| has(request, name) == *answer)
            && self.all.as_ref().is_none_or(|all| *all == digest(request))
    }
}

fn has(request: &Request, name: &str) -> bool {
    request.api_versions.iter().any(|known| known == name)
}

fn digest(request: &Request) -> String {
    let mut hash = Sha256::new();
    for version in &*request.api_versions {
        hash.update((version.len() as u64).to_le_bytes());
        hash.update(version.as_bytes());
    }
    hex(&hash.finalize())
}
