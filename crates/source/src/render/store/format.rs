//! The files of the store: a check sum, a header in JSON, then bytes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::Seen;
use super::super::rendered::{Diagnostic, SetDigest, Severity};
use super::super::request::SourceType;
use crate::remote::Pin;

const MAGIC: &[u8] = b"driftless render 2\n";
const HASH: usize = 32;

/// What is told about a set wherever it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Header {
    source_type: String,
    digest: String,
    #[serde(default)]
    diagnostics: Vec<(String, String)>,
    /// What was fetched from elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pins: Vec<Pin>,
    /// What was seen of the cluster.
    #[serde(default)]
    pub(super) seen: Seen,
    /// The commit, where it matters.
    #[serde(default)]
    pub(super) revision: String,
}

impl Header {
    /// Describes a set.
    pub(super) fn new(
        source_type: SourceType,
        digest: SetDigest,
        diagnostics: &[Diagnostic],
    ) -> Self {
        Self {
            source_type: source_type.as_str().to_owned(),
            digest: digest.to_string(),
            diagnostics: diagnostics
                .iter()
                .map(|told| (told.file.clone(), told.message.clone()))
                .collect(),
            pins: Vec::new(),
            seen: Seen::default(),
            revision: String::new(),
        }
    }

    /// Returns the kind of source.
    pub(super) fn source_type(&self) -> Option<SourceType> {
        SourceType::parse(&self.source_type)
    }

    /// Returns the identity of the set.
    pub(super) fn digest(&self) -> Option<SetDigest> {
        unhex(&self.digest).map(SetDigest)
    }

    /// Returns what the render told.
    pub(super) fn diagnostics(&self) -> Arc<[Diagnostic]> {
        let told = self.diagnostics.iter().map(|(file, message)| Diagnostic {
            severity: Severity::Warning,
            file: file.clone(),
            message: message.clone(),
        });
        told.collect()
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Writes a file's content: `header`, then `body`.
pub(super) fn seal(header: &impl Serialize, body: &[u8]) -> serde_json::Result<Vec<u8>> {
    let header = serde_json::to_vec(header)?;
    let mut content = Vec::with_capacity(MAGIC.len() + HASH + 4 + header.len() + body.len());
    content.extend_from_slice(MAGIC);
    content.extend_from_slice(&[0; HASH]);
    content.extend_from_slice(&(header.len() as u32).to_le_bytes());
    content.extend_from_slice(&header);
    content.extend_from_slice(body);
    let sum = Sha256::digest(content.get(MAGIC.len() + HASH..).unwrap_or_default());
    if let Some(place) = content.get_mut(MAGIC.len()..MAGIC.len() + HASH) {
        place.copy_from_slice(&sum);
    }
    Ok(content)
}

/// Reads a file's content; `None` when it is not whole.
pub(super) fn unseal<T: for<'de> Deserialize<'de>>(content: &[u8]) -> Option<(T, &[u8])> {
    let rest = content.strip_prefix(MAGIC)?;
    let (sum, rest) = rest.split_at_checked(HASH)?;
    if Sha256::digest(rest).as_slice() != sum {
        return None;
    }
    let (length, rest) = rest.split_at_checked(4)?;
    let length = u32::from_le_bytes(*length.first_chunk()?) as usize;
    let (header, body) = rest.split_at_checked(length)?;
    Some((serde_json::from_slice(header).ok()?, body))
}
