//! One object as the live state keeps it: identity and tree data always, its body where somebody
//! needs it.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_manifest::Object;
use jiff::Timestamp;

/// An object's unique id. UUIDs, which all but a few are, take no allocation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(UidRepr);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum UidRepr {
    Uuid(u128),
    Other(Arc<str>),
}

impl Uid {
    /// Reads an id as objects carry it.
    pub fn new(text: &str) -> Self {
        match parse_uuid(text) {
            Some(number) => Self(UidRepr::Uuid(number)),
            None => Self(UidRepr::Other(Arc::from(text))),
        }
    }
}

/// Accepts only the canonical form, so that printing gives back the same text.
fn parse_uuid(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut number = 0_u128;
    for (index, byte) in bytes.iter().enumerate() {
        match (index, byte) {
            (8 | 13 | 18 | 23, b'-') => {}
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => number = number << 4 | u128::from(byte - b'0'),
            (_, b'a'..=b'f') => number = number << 4 | u128::from(byte - b'a' + 10),
            _ => return None,
        }
    }
    Some(number)
}

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            UidRepr::Other(text) => f.write_str(text),
            UidRepr::Uuid(n) => write!(
                f,
                "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                n >> 96,
                n >> 80 & 0xffff,
                n >> 64 & 0xffff,
                n >> 48 & 0xffff,
                n & 0xffff_ffff_ffff
            ),
        }
    }
}

impl std::fmt::Debug for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A version of an object. Versions of one kind are ordered by the API server's promise.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ResourceVersion(Box<str>);

impl ResourceVersion {
    /// Wraps the text.
    pub fn new(text: &str) -> Self {
        Self(Box::from(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether this version is later than `other`. Versions that are no numbers (some
    /// aggregated API servers) count as later whenever they differ.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        match (self.0.parse::<u64>(), other.0.parse::<u64>()) {
            (Ok(mine), Ok(theirs)) => mine > theirs,
            _ => self != other,
        }
    }
}

/// An entry of `metadata.ownerReferences`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// Id of the owner.
    pub uid: Uid,
    /// API version as written.
    pub api_version: Arc<str>,
    /// Kind.
    pub kind: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Whether the owner is the managing controller.
    pub controller: bool,
}

/// Hashes of an object's parts, to tell what changed without comparing bodies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Digests {
    /// Everything but status, `resourceVersion`, `generation` and times in `managedFields`.
    pub content: u64,
    /// `status`.
    pub status: u64,
}

/// An object as last seen. Cheap to clone behind its `Arc`; the body is parsed on demand.
#[derive(Clone, Debug)]
pub struct LiveObject {
    /// Identity.
    pub key: ResourceKey,
    /// API version it was read at, without the group.
    pub version: Arc<str>,
    /// Unique id.
    pub uid: Uid,
    /// Version.
    pub resource_version: ResourceVersion,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When its deletion was asked for.
    pub deleting: Option<Timestamp>,
    /// Owners.
    pub owners: Box<[Owner]>,
    /// The app that tracks it, by the tracking method in force.
    pub instance: Option<Arc<str>>,
    /// What changed, in short.
    pub digests: Digests,
    /// Whether a client-side apply owns fields, so that an apply must migrate them first.
    pub client_side_applied: bool,
    pub(crate) body: Option<Body>,
}

impl LiveObject {
    /// Returns group, version and kind.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind {
            group: self.key.group.clone(),
            version: self.version.clone(),
            kind: self.key.kind.clone(),
        }
    }

    /// Says whether the body is kept.
    pub fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Returns the object's JSON, or `None` where only metadata is kept. `managedFields` holds
    /// only what the diff needs (see `live::compact`).
    pub fn json(&self) -> Option<Vec<u8>> {
        self.body.as_ref().map(Body::to_bytes)
    }

    /// Parses the body; `None` where only metadata is kept.
    pub fn parse(&self) -> Option<Object> {
        let bytes = self.json()?;
        match serde_json::from_slice(&bytes) {
            Ok(object) => Some(object),
            Err(error) => {
                tracing::error!(obj = %self.key, %error, "Kept body cannot be parsed");
                debug_assert!(false, "kept body cannot be parsed: {error}");
                None
            }
        }
    }
}

/// A body as it is kept: plain when small, deflated otherwise.
#[derive(Clone)]
pub(crate) enum Body {
    Plain(Box<[u8]>),
    Deflated { bytes: Box<[u8]>, plain_len: u32 },
}

/// From this size on, compression pays for its time.
const DEFLATE_FROM: usize = 1024;

impl Body {
    pub(crate) fn plain(json: Vec<u8>) -> Self {
        Self::Plain(json.into_boxed_slice())
    }

    /// Compresses a body that is large enough to gain from it.
    pub(crate) fn compressed(self) -> Self {
        let Self::Plain(json) = &self else {
            return self;
        };
        if json.len() < DEFLATE_FROM {
            return self;
        }
        let mut encoder = flate2::write::DeflateEncoder::new(
            Vec::with_capacity(json.len() / 3),
            flate2::Compression::fast(),
        );
        match (
            u32::try_from(json.len()),
            encoder.write_all(json).and_then(|()| encoder.finish()),
        ) {
            (Ok(plain_len), Ok(bytes)) if bytes.len() < json.len() => Self::Deflated {
                bytes: bytes.into_boxed_slice(),
                plain_len,
            },
            _ => self,
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Plain(bytes) => bytes.to_vec(),
            Self::Deflated { bytes, plain_len } => {
                let mut plain = Vec::with_capacity(*plain_len as usize);
                let read = flate2::read::DeflateDecoder::new(&**bytes).read_to_end(&mut plain);
                debug_assert!(read.is_ok(), "invariant: we deflated it ourselves");
                plain
            }
        }
    }

    /// Bytes of memory the body takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Plain(bytes) | Self::Deflated { bytes, .. } => bytes.len(),
        }
    }
}

impl std::fmt::Debug for Body {
    /// Bodies may be Secrets: only the size is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes)", self.size())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_as_they_were_read() {
        for text in [
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "00000000-0000-0000-0000-000000000000",
            "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
            "not-a-uuid",
            "",
        ] {
            assert_eq!(Uid::new(text).to_string(), text);
        }
        assert_ne!(Uid::new("a"), Uid::new("b"));
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        let version = ResourceVersion::new;
        assert!(version("100").is_newer_than(&version("99")));
        assert!(!version("99").is_newer_than(&version("100")));
        assert!(!version("7").is_newer_than(&version("7")));
        assert!(version("b").is_newer_than(&version("a")));
    }

    #[test]
    fn bodies_come_back_byte_for_byte() {
        for size in [0, 10, DEFLATE_FROM - 1, DEFLATE_FROM, 50_000] {
            let json: Vec<u8> = (0..size).map(|i| b'a' + (i % 7) as u8).collect();
            let body = Body::plain(json.clone()).compressed();
            assert_eq!(body.to_bytes(), json);
            assert!(body.size() <= json.len());
        }
        assert!(Body::plain(vec![b'x'; 5000]).compressed().size() < 100);
    }
}
