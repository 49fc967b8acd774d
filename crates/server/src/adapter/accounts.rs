//! Passwords, in `argocd-secret`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use driftless_core::{GroupVersionKind, ResourceKey, Secret};
use driftless_kube::write::{PatchType, Target};
use driftless_kube::{Cluster, Error};
use driftless_settings::credential;
use jiff::Timestamp;
use serde_json::json;

use super::control::ctx;
use super::revoked::Revoked;
use crate::deps::AccountStore;

pub(super) struct Stored {
    control: Arc<Cluster>,
    namespace: String,
    revoked: Arc<Revoked>,
}

impl Stored {
    pub(super) fn new(control: Arc<Cluster>, namespace: String, revoked: Arc<Revoked>) -> Self {
        Self {
            control,
            namespace,
            revoked,
        }
    }
}

#[async_trait]
impl AccountStore for Stored {
    async fn persist_revoked(&self, revoked: &BTreeMap<String, i64>) -> Result<(), Error> {
        self.revoked.persist(revoked).await
    }

    async fn set_password(
        &self,
        account: &str,
        hash: Secret<String>,
        at: Timestamp,
    ) -> Result<(), Error> {
        let prefix = if account == "admin" {
            "admin".to_owned()
        } else {
            format!("accounts.{account}")
        };
        // `stringData` is write-only: the API server encodes it.
        let patch = json!({"stringData": {
            format!("{prefix}.password"): hash.expose(),
            format!("{prefix}.passwordMtime"): format!("{at:.0}"),
        }});
        let gvk = GroupVersionKind::new("", "v1", "Secret");
        let key = ResourceKey::new("", "Secret", &self.namespace, credential::NAME);
        let body = Bytes::from(patch.to_string());
        let writer = self.control.writer();
        writer
            .patch(&ctx(), &gvk, &key, &Target::Object, PatchType::Merge, body)
            .await
            .map(|_| ())
    }
}
