//! Tokens that were ended before their time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use parking_lot::RwLock;

/// Identifiers of revoked tokens, each kept until the token would have ended by itself.
#[derive(Debug, Default)]
pub struct Revocations {
    ends: RwLock<BTreeMap<String, i64>>,
}

impl Revocations {
    /// Says whether a token was revoked.
    pub fn contains(&self, id: &str) -> bool {
        self.ends.read().contains_key(id)
    }

    /// Revokes a token until `end`, in seconds since 1970.
    pub fn insert(&self, id: &str, end: i64) {
        self.ends.write().insert(id.to_owned(), end);
    }

    /// Takes over what another replica or an earlier run persisted; nothing is forgotten.
    pub fn merge(&self, persisted: impl IntoIterator<Item = (String, i64)>) {
        self.ends.write().extend(persisted);
    }

    /// Drops what has ended and returns the rest, to be persisted.
    pub fn snapshot(&self, now: Timestamp) -> BTreeMap<String, i64> {
        let mut ends = self.ends.write();
        ends.retain(|_, end| *end > now.as_second());
        ends.clone()
    }
}
