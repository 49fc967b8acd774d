//! Revoked tokens, in a ConfigMap, until they would have ended by themselves.
//!
//! One key per token: replicas that revoke at once do not undo each other. Identifiers are no secrets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use driftless_auth::Sessions;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_kube::write::ApplyMode;
use driftless_kube::write::{PatchType, Target};
use driftless_kube::{ApplyOptions, Cluster, Error, Store, StoreScope};
use driftless_manifest::Object;
use driftless_settings::object::ConfigMap;
use serde_json::{Value, json};

use super::control::ctx;

const NAME: &str = "driftless-revoked-tokens";

pub(super) struct Revoked {
    control: Arc<Cluster>,
    namespace: String,
    store: Store<ConfigMap>,
}

impl Revoked {
    pub(super) fn start(control: &Arc<Cluster>, namespace: &str) -> Arc<Self> {
        let mut scope = StoreScope::namespaced(
            GroupVersionKind::new("", "v1", "ConfigMap"),
            "configmaps",
            namespace,
        );
        scope.field_selector = Some(format!("metadata.name={NAME}"));
        Arc::new(Self {
            control: Arc::clone(control),
            namespace: namespace.to_owned(),
            store: Store::start(control, scope),
        })
    }

    fn stored(&self) -> BTreeMap<String, i64> {
        let Some(stored) = self.store.get(&self.namespace, NAME) else {
            return BTreeMap::new();
        };
        let entries = stored.object.data.iter();
        entries
            .filter_map(|(key, end)| Some((id_of(key)?, end.parse().ok()?)))
            .collect()
    }

    /// Adds what was revoked here and drops what has ended.
    pub(super) async fn persist(&self, revoked: &BTreeMap<String, i64>) -> Result<(), Error> {
        let mut data: BTreeMap<String, Value> = BTreeMap::new();
        for id in self
            .stored()
            .into_keys()
            .filter(|id| !revoked.contains_key(id))
        {
            data.insert(key_of(&id), Value::Null);
        }
        data.extend(
            revoked
                .iter()
                .map(|(id, end)| (key_of(id), Value::from(end.to_string()))),
        );
        let gvk = GroupVersionKind::new("", "v1", "ConfigMap");
        let key = ResourceKey::new("", "ConfigMap", &self.namespace, NAME);
        let patch = Bytes::from(json!({ "data": data }).to_string());
        let writer = self.control.writer();
        let outcome = writer
            .patch(
                &ctx(),
                &gvk,
                &key,
                &Target::Object,
                PatchType::Merge,
                patch.clone(),
            )
            .await;
        let Err(Error::NotFound { .. }) = outcome else {
            return outcome.map(|_| ());
        };
        let empty = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": self.namespace, "labels": {"app.kubernetes.io/part-of": "argocd"}},
        });
        let object = Object::from_value(empty).map_err(|error| Error::BadObject {
            detail: error.to_string(),
        })?;
        let options = ApplyOptions {
            mode: ApplyMode::Create,
            ..ApplyOptions::default()
        };
        match writer.apply(&ctx(), &object, &options).await {
            Ok(_) | Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
        writer
            .patch(&ctx(), &gvk, &key, &Target::Object, PatchType::Merge, patch)
            .await
            .map(|_| ())
    }

    /// Takes over what earlier runs and other replicas revoked.
    pub(super) async fn follow(self: Arc<Self>, sessions: Arc<Sessions>) {
        let mut changes = self.store.changes();
        loop {
            sessions.revocations().merge(self.stored());
            if changes.next().await.is_none() {
                return;
            }
        }
    }
}

/// ConfigMap keys take letters, digits, `-`, `_` and `.`; other bytes are written as `_xx`.
fn key_of(id: &str) -> String {
    let mut key = String::new();
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.') {
            key.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(key, "_{byte:02x}");
        }
    }
    key
}

fn id_of(key: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = key.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'_' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = tail.get(2..)?;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{id_of, key_of};

    #[test]
    fn identifiers_come_back() {
        for id in [
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "a_b",
            "a/b:c",
            "é",
            "",
        ] {
            let key = key_of(id);
            assert!(
                key.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
                "{key}"
            );
            assert_eq!(id_of(&key).as_deref(), Some(id));
        }
        assert_eq!(id_of("_g"), None);
        assert_eq!(id_of("_"), None);
    }
}
