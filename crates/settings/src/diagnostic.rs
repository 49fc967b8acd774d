//! What is wrong with the settings, told so that somebody can put it right.

use std::fmt;

/// One key or object that could not be used. Everything else is not affected.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Diagnostic {
    /// Kind and name of the object: `ConfigMap argocd-cm`.
    pub object: String,
    /// The key; empty for the object as a whole.
    pub key: String,
    /// What is wrong. Never holds a value of a Secret.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object)?;
        if !self.key.is_empty() {
            write!(f, ", key {}", self.key)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}
