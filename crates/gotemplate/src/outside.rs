//! What a run may ask of the world around it: nothing, unless the embedding crate says otherwise.

use std::fmt;

use crate::value::Value;

/// Answers what a run cannot know by itself.
pub trait Outside {
    /// Says why the run has to end now; it is asked every now and then.
    fn stop(&self) -> Option<String> {
        None
    }

    /// Finds an object in a cluster; nil when there is none.
    ///
    /// # Errors
    /// Nothing is known about the object; the text says why.
    fn find(&self, object: Wanted<'_>) -> Result<Value, String>;
}

/// An object that a template asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// `v1`, `apps/v1`
    pub api_version: &'a str,
    /// `Secret`
    pub kind: &'a str,
    /// Its namespace, empty for kinds without.
    pub namespace: &'a str,
    /// Its name; empty for all of them.
    pub name: &'a str,
}

/// The seed of repeatable randomness.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Takes all of a seed. What is drawn from it is as hard to guess as it is.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl From<u64> for Seed {
    fn from(number: u64) -> Self {
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().zip(number.to_le_bytes()) {
            *place = byte;
        }
        Self(bytes)
    }
}

/// Passwords come from it, so that it is never shown.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}
