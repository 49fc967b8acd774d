//! Results, packed until somebody needs the objects.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Weak};

use driftless_core::{Revision, Trace};
use driftless_manifest::Object;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::{Error, SourceType};
use crate::remote::Pin;

/// Largest unpacked set; a stored one that claims more is corrupt.
const MAX_UNPACKED: u64 = 1 << 30;

/// How serious a diagnostic is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// Worth telling.
    Warning,
}

/// Something a render wants to tell that does not make it fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How serious.
    pub severity: Severity,
    /// File, relative to the application's folder; empty when it is about none.
    pub file: String,
    /// What it is about.
    pub message: String,
}

/// Identity of a set of rendered objects: equal for equal objects in equal order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetDigest(pub(super) [u8; 32]);

impl fmt::Display for SetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::repository::hex(&self.0))
    }
}

impl fmt::Debug for SetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Objects as compressed JSON, with the unpacked copy as long as somebody holds it.
pub(super) struct PackedSet {
    pub(super) digest: SetDigest,
    pub(super) bytes: Box<[u8]>,
    unpacked: Mutex<Weak<[Object]>>,
}

impl PackedSet {
    /// Packs objects; the unpacked copy lives as long as the second value.
    pub(super) fn pack(objects: Vec<Object>) -> Result<(Self, Arc<[Object]>), Error> {
        let failed = |error| Error::store("packing", error);
        let json = serde_json::to_vec(&objects).map_err(|error| failed(error.into()))?;
        let mut encoder =
            DeflateEncoder::new(Vec::with_capacity(json.len() / 3), Compression::new(3));
        encoder.write_all(&json).map_err(failed)?;
        let bytes = encoder.finish().map_err(failed)?.into_boxed_slice();
        let objects: Arc<[Object]> = objects.into();
        let set = Self {
            digest: SetDigest(Sha256::digest(&json).into()),
            bytes,
            unpacked: Mutex::new(Arc::downgrade(&objects)),
        };
        Ok((set, objects))
    }

    /// Takes over stored bytes, if they are what `digest` says.
    pub(super) fn verify(digest: SetDigest, bytes: Vec<u8>) -> Option<Self> {
        let set = Self {
            digest,
            bytes: bytes.into_boxed_slice(),
            unpacked: Mutex::new(Weak::<[Object; 0]>::new()),
        };
        let json = set.inflate().ok()?;
        (Sha256::digest(&json).as_slice() == digest.0).then_some(set)
    }

    fn inflate(&self) -> std::io::Result<Vec<u8>> {
        let mut json = Vec::with_capacity(self.bytes.len() * 4);
        DeflateDecoder::new(&*self.bytes)
            .take(MAX_UNPACKED)
            .read_to_end(&mut json)?;
        Ok(json)
    }

    fn objects(&self) -> Result<Arc<[Object]>, Error> {
        let mut unpacked = self.unpacked.lock();
        if let Some(objects) = unpacked.upgrade() {
            return Ok(objects);
        }
        let json = self
            .inflate()
            .map_err(|error| Error::store("unpacking", error))?;
        let objects: Vec<Object> = serde_json::from_slice(&json)
            .map_err(|error| Error::store("unpacking", error.into()))?;
        let objects: Arc<[Object]> = objects.into();
        *unpacked = Arc::downgrade(&objects);
        Ok(objects)
    }
}

/// What came out of a render. Cheap to clone; objects are kept packed until asked for.
#[derive(Clone)]
pub struct Rendered {
    /// The commit it was asked for.
    pub revision: Revision,
    /// The kind of source it turned out to be.
    pub source_type: SourceType,
    /// What the render wants to tell.
    pub diagnostics: Arc<[Diagnostic]>,
    /// What the render read.
    pub trace: Arc<Trace>,
    /// Whether an earlier result was used.
    pub cached: bool,
    /// What was fetched for it from elsewhere.
    pub pins: Arc<[Pin]>,
    pub(super) set: Arc<PackedSet>,
}

impl Rendered {
    /// Returns the identity of the objects: when it is that of the last reconcile, nothing has changed.
    pub fn digest(&self) -> SetDigest {
        self.set.digest
    }

    /// Unpacks the objects, in the order the source gave them. Concurrent callers share one unpacked copy.
    pub fn objects(&self) -> Result<Arc<[Object]>, Error> {
        self.set.objects()
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("revision", &self.revision)
            .field("source_type", &self.source_type)
            .field("digest", &self.set.digest)
            .field("cached", &self.cached)
            .finish_non_exhaustive()
    }
}
