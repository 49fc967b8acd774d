//! Protocol versions 0 and 1, for hosts that do not speak version 2.

use std::sync::Arc;

use tokio::io::AsyncRead;

use super::packet::{FLUSH, Packet, Packets, write_line};
use super::{AGENT, FetchRequest, History, RefList, RemoteRef, malformed, object_id, read_pack};
use crate::git::error::Cause;
use crate::git::mirror::IncomingPack;

/// What the host can do, and all of its refs.
#[derive(Clone, Debug)]
pub(crate) struct Advertisement {
    /// The refs.
    pub(crate) refs: Arc<RefList>,
    capabilities: Vec<String>,
}

impl Advertisement {
    /// Reads the rest of the greeting, of which `first` is the first line.
    pub(crate) async fn read<R: AsyncRead + Unpin>(
        first: &[u8],
        packets: &mut Packets<R>,
        max_refs: usize,
    ) -> Result<Self, Cause> {
        let mut refs = RefList::new();
        let mut parts = first.splitn(2, |byte| *byte == 0);
        let (line, capabilities) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        add(&mut refs, line)?;
        while let Some(line) = packets.line().await? {
            if line.starts_with(b"shallow ") {
                continue;
            }
            if refs.len() >= max_refs {
                return Err(Cause::TooLarge {
                    what: "the number of refs",
                    limit: max_refs as u64,
                });
            }
            add(&mut refs, &line)?;
        }
        let capabilities = String::from_utf8_lossy(capabilities);
        let capabilities: Vec<String> =
            capabilities.split_whitespace().map(str::to_owned).collect();
        Ok(Self {
            refs: Arc::new(refs),
            capabilities,
        })
    }

    fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }

    /// Says whether the host gives commits that no ref points at.
    pub(crate) fn allows_any_commit(&self) -> bool {
        self.can("allow-reachable-sha1-in-want") || self.can("allow-any-sha1-in-want")
    }
}

fn add(refs: &mut RefList, line: &[u8]) -> Result<(), Cause> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| malformed("a ref is not UTF-8"))?;
    let (id, name) = text
        .split_once(' ')
        .ok_or_else(|| malformed("this is not a Git repository's answer"))?;
    let target = object_id(id.as_bytes())?;
    if let Some(tag) = name.strip_suffix("^{}") {
        // An empty repository greets with `capabilities^{}`.
        if let Some(found) = refs.get_mut(tag) {
            found.peeled = Some(target);
        }
        return Ok(());
    }
    refs.insert(
        name.to_owned(),
        RemoteRef {
            target,
            peeled: None,
        },
    );
    Ok(())
}

/// Asks for commits.
pub(crate) fn fetch_request(request: &FetchRequest, host: &Advertisement) -> Vec<u8> {
    let mut capabilities = String::new();
    for capability in [
        "multi_ack_detailed",
        "side-band-64k",
        "thin-pack",
        "ofs-delta",
        "no-progress",
        "shallow",
    ] {
        if host.can(capability) {
            capabilities.push(' ');
            capabilities.push_str(capability);
        }
    }
    let filter = request.history == History::Commits && host.can("filter");
    if filter {
        capabilities.push_str(" filter");
    }
    let mut out = Vec::new();
    for (index, want) in request.wants.iter().enumerate() {
        let capabilities = if index == 0 {
            format!("{capabilities} agent={AGENT}")
        } else {
            String::new()
        };
        write_line(&mut out, &format!("want {want}{capabilities}"));
    }
    let shallow = host.can("shallow");
    if shallow {
        for have in &request.haves {
            write_line(&mut out, &format!("shallow {have}"));
        }
        if request.history == History::None {
            write_line(&mut out, "deepen 1");
        }
    }
    if filter {
        write_line(&mut out, "filter tree:0");
    }
    out.extend_from_slice(FLUSH);
    if shallow {
        for have in &request.haves {
            write_line(&mut out, &format!("have {have}"));
        }
    }
    write_line(&mut out, "done");
    out
}

/// Reads the answer to a fetch into `pack`.
pub(crate) async fn read_fetch<R: AsyncRead + Unpin>(
    packets: &mut Packets<R>,
    pack: &mut IncomingPack,
) -> Result<(), Cause> {
    loop {
        match packets.next().await? {
            Packet::Data(line)
                if [&b"shallow "[..], b"unshallow ", b"ACK ", b"NAK"]
                    .iter()
                    .any(|word| line.starts_with(word)) => {}
            Packet::Data(first) => return read_pack(packets, pack, Some(first)).await,
            Packet::Flush => {}
            Packet::Delimiter | Packet::ResponseEnd | Packet::End => {
                return Err(malformed("the answer holds no pack"));
            }
        }
    }
}
