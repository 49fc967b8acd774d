//! ConfigMaps and Secrets as they arrive. Printing one never prints a value.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driftless_core::Secret;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// The part of `metadata` that settings need.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Name.
    pub name: String,
    /// Time of creation, as text; orders duplicates.
    pub creation_timestamp: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A ConfigMap.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct ConfigMap {
    /// Metadata.
    pub metadata: Meta,
    /// Texts by key.
    pub data: BTreeMap<String, String>,
}

impl fmt::Debug for ConfigMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A ConfigMap may hold an OIDC client secret.
        f.debug_struct("ConfigMap")
            .field("name", &self.metadata.name)
            .field("keys", &self.data.keys())
            .finish()
    }
}

/// A Secret, its values decoded.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(default)]
pub struct SecretObject {
    /// Metadata.
    pub metadata: Meta,
    /// Values by key.
    pub data: BTreeMap<String, Value>,
}

/// One value of a Secret.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Value(Secret<Vec<u8>>);

impl Value {
    /// Wraps bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Secret::new(bytes.into()))
    }

    /// Returns the bytes, for the one call that needs them.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// Returns the text without surrounding white space, unless it is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.0.expose()).ok().map(str::trim)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD
            .decode(text.as_bytes())
            .map(Self::new)
            .map_err(|_| D::Error::custom("the value is not base64"))
    }
}

impl SecretObject {
    /// Returns a text, unless it is absent, empty or not UTF-8.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.data
            .get(key)
            .and_then(Value::text)
            .filter(|text| !text.is_empty())
    }

    /// Returns a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata.labels.get(key).map(String::as_str)
    }
}
