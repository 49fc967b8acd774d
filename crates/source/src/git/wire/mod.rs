//! The Git protocol as a client speaks it to `git-upload-pack`: version 2, and versions 0 and 1 for hosts that know
//! no better. One round of negotiation: what we have is named at once, the host decides.

pub(crate) mod packet;
pub(crate) mod v0;
pub(crate) mod v2;

use std::collections::BTreeMap;

use gix_hash::ObjectId;
use tokio::io::AsyncRead;

use super::error::Cause;
use super::mirror::IncomingPack;
use packet::{Packet, Packets};

/// How we introduce ourselves.
pub(crate) const AGENT: &str = concat!("driftless/", env!("CARGO_PKG_VERSION"));

/// One ref of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RemoteRef {
    /// What it points at: a commit, or an annotated tag.
    pub(crate) target: ObjectId,
    /// The commit behind an annotated tag, when the host said so.
    pub(crate) peeled: Option<ObjectId>,
}

impl RemoteRef {
    /// Returns the commit.
    pub(crate) fn commit(&self) -> ObjectId {
        self.peeled.unwrap_or(self.target)
    }
}

/// Refs by full name; symbolic refs are resolved.
pub(crate) type RefList = BTreeMap<String, RemoteRef>;

/// What to fetch.
#[derive(Clone, Debug, Default)]
pub(crate) struct FetchRequest {
    /// Commits to get.
    pub(crate) wants: Vec<ObjectId>,
    /// Commits we have, without their parents.
    pub(crate) haves: Vec<ObjectId>,
    /// Whether history is wanted too.
    pub(crate) history: History,
}

/// How much of the history of a commit to fetch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum History {
    /// The commit alone.
    #[default]
    None,
    /// All commits, with or without their content as the host offers.
    Commits,
    /// All commits with their content.
    Full,
}

/// What a host can do, and in which language.
#[derive(Clone, Debug)]
pub(crate) enum Greeting {
    /// Protocol version 2.
    V2(v2::Capabilities),
    /// Versions 0 and 1: the refs come with the greeting.
    V0(v0::Advertisement),
}

/// Reads the greeting of `git-upload-pack`.
pub(crate) async fn read_greeting<R: AsyncRead + Unpin>(
    packets: &mut Packets<R>,
    max_refs: usize,
) -> Result<Greeting, Cause> {
    loop {
        match packets.next().await? {
            Packet::Data(line) if line.starts_with(b"version 2") => {
                return Ok(Greeting::V2(v2::Capabilities::read(packets).await?));
            }
            Packet::Data(line)
                if line.starts_with(b"version 1") || line.starts_with(b"# service=") => {}
            Packet::Flush => {}
            Packet::Data(line) => {
                return Ok(Greeting::V0(
                    v0::Advertisement::read(&line, packets, max_refs).await?,
                ));
            }
            Packet::Delimiter | Packet::ResponseEnd => {
                return Err(malformed("unexpected delimiter"));
            }
            Packet::End => return Err(malformed("the answer ends before it begins")),
        }
    }
}

/// Reads a multiplexed pack up to its end.
pub(crate) async fn read_pack<R: AsyncRead + Unpin>(
    packets: &mut Packets<R>,
    pack: &mut IncomingPack,
    first: Option<bytes::Bytes>,
) -> Result<(), Cause> {
    let mut next = first.map(Packet::Data);
    loop {
        let packet = match next.take() {
            Some(packet) => packet,
            None => packets.next().await?,
        };
        match packet {
            Packet::Data(data) => match data.split_first() {
                Some((1, content)) => pack.extend(content)?,
                Some((2, _progress)) => {}
                Some((3, message)) => return Err(refused(message)),
                _ => return Err(malformed("unknown channel in the pack stream")),
            },
            Packet::Flush | Packet::ResponseEnd => return Ok(()),
            Packet::Delimiter => return Err(malformed("unexpected delimiter")),
            Packet::End => return Err(malformed("the pack ends early")),
        }
    }
}

/// An answer that is not Git's.
pub(crate) fn malformed(detail: &str) -> Cause {
    Cause::Unreachable {
        doing: "reading the host's answer",
        detail: detail.to_owned(),
    }
}

/// Turns what the host says into an error.
pub(crate) fn refused(message: &[u8]) -> Cause {
    let message = clean(message);
    let lower = message.to_ascii_lowercase();
    if let Some(commit) = message
        .rsplit_once("not our ref ")
        .and_then(|(_, commit)| crate::target::full_commit(commit.trim()))
    {
        return Cause::CommitNotFound {
            commit: super::Commit(commit),
        };
    }
    if lower.contains("repository not found") || lower.contains("does not exist") {
        return Cause::RepositoryNotFound;
    }
    if lower.contains("rate limit") || lower.contains("too many requests") {
        return Cause::RateLimited {
            retry_after: std::time::Duration::from_secs(60),
        };
    }
    Cause::Unreachable {
        doing: "the host refuses",
        detail: message,
    }
}

/// Keeps a message of a host short and printable.
pub(crate) fn clean(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let text: String = text
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .take(400)
        .collect();
    text.trim().to_owned()
}

/// Reads an object id in hexadecimal digits.
pub(crate) fn object_id(text: &[u8]) -> Result<ObjectId, Cause> {
    if text.len() == 64 {
        return Err(malformed(
            "the repository uses SHA-256 objects, which are not supported",
        ));
    }
    ObjectId::from_hex(text).map_err(|_| malformed("not an object id"))
}

#[cfg(test)]
mod tests;
