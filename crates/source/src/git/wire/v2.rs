//! Protocol version 2.

use bytes::Bytes;
use tokio::io::AsyncRead;

use super::packet::{DELIMITER, FLUSH, Packet, Packets, write_line};
use super::{AGENT, FetchRequest, History, RefList, RemoteRef, malformed, object_id, read_pack};
use crate::git::error::Cause;
use crate::git::mirror::IncomingPack;

/// What the host can do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capabilities {
    fetch: Vec<String>,
}

impl Capabilities {
    /// Reads the rest of the greeting.
    pub(crate) async fn read<R: AsyncRead + Unpin>(
        packets: &mut Packets<R>,
    ) -> Result<Self, Cause> {
        let mut capabilities = Self::default();
        while let Some(line) = packets.line().await? {
            if let Some(features) = line.strip_prefix(b"fetch=") {
                let features = String::from_utf8_lossy(features);
                capabilities.fetch = features.split(' ').map(str::to_owned).collect();
            }
            if line
                .strip_prefix(b"object-format=")
                .is_some_and(|format| format != b"sha1")
            {
                return Err(malformed(
                    "the repository uses SHA-256 objects, which are not supported",
                ));
            }
        }
        Ok(capabilities)
    }

    fn can(&self, feature: &str) -> bool {
        self.fetch.iter().any(|known| known == feature)
    }
}

/// Asks for refs whose names start with one of `prefixes`; the host may send more.
pub(crate) fn ls_refs_request(prefixes: &[String]) -> Vec<u8> {
    let mut request = Vec::new();
    write_line(&mut request, "command=ls-refs");
    write_line(&mut request, &format!("agent={AGENT}"));
    write_line(&mut request, "object-format=sha1");
    request.extend_from_slice(DELIMITER);
    write_line(&mut request, "peel");
    write_line(&mut request, "symrefs");
    for prefix in prefixes {
        write_line(&mut request, &format!("ref-prefix {prefix}"));
    }
    request.extend_from_slice(FLUSH);
    request
}

/// Reads the answer.
pub(crate) async fn read_refs<R: AsyncRead + Unpin>(
    packets: &mut Packets<R>,
    max_refs: usize,
) -> Result<RefList, Cause> {
    let mut refs = RefList::new();
    loop {
        let line = match packets.next().await? {
            Packet::Data(line) => line,
            Packet::Flush | Packet::ResponseEnd => return Ok(refs),
            Packet::Delimiter | Packet::End => {
                return Err(malformed("the list of refs ends early"));
            }
        };
        let text = std::str::from_utf8(&line).map_err(|_| malformed("a ref is not UTF-8"))?;
        let mut parts = text.trim_end_matches('\n').split(' ');
        let (Some(id), Some(name)) = (parts.next(), parts.next()) else {
            return Err(malformed("a ref without name"));
        };
        if id == "unborn" {
            continue;
        }
        let mut found = RemoteRef {
            target: object_id(id.as_bytes())?,
            peeled: None,
        };
        for attribute in parts {
            if let Some(peeled) = attribute.strip_prefix("peeled:") {
                found.peeled = Some(object_id(peeled.as_bytes())?);
            }
        }
        if refs.len() >= max_refs {
            return Err(Cause::TooLarge {
                what: "the number of refs",
                limit: max_refs as u64,
            });
        }
        refs.insert(name.to_owned(), found);
    }
}

/// Asks for commits.
pub(crate) fn fetch_request(request: &FetchRequest, capabilities: &Capabilities) -> Vec<u8> {
    let mut out = Vec::new();
    write_line(&mut out, "command=fetch");
    write_line(&mut out, &format!("agent={AGENT}"));
    write_line(&mut out, "object-format=sha1");
    out.extend_from_slice(DELIMITER);
    write_line(&mut out, "thin-pack");
    write_line(&mut out, "no-progress");
    write_line(&mut out, "ofs-delta");
    let shallow = capabilities.can("shallow");
    for want in &request.wants {
        write_line(&mut out, &format!("want {want}"));
    }
    if shallow {
        for have in &request.haves {
            write_line(&mut out, &format!("shallow {have}"));
        }
        if request.history == History::None {
            write_line(&mut out, "deepen 1");
        }
        for have in &request.haves {
            write_line(&mut out, &format!("have {have}"));
        }
    }
    if request.history == History::Commits && capabilities.can("filter") {
        write_line(&mut out, "filter tree:0");
    }
    write_line(&mut out, "done");
    out.extend_from_slice(FLUSH);
    out
}

/// Reads the answer to a fetch into `pack`.
pub(crate) async fn read_fetch<R: AsyncRead + Unpin>(
    packets: &mut Packets<R>,
    pack: &mut IncomingPack,
) -> Result<(), Cause> {
    loop {
        let section: Bytes = match packets.next().await? {
            Packet::Data(line) => line,
            Packet::Flush | Packet::ResponseEnd | Packet::End => {
                return Err(malformed("the answer holds no pack"));
            }
            Packet::Delimiter => continue,
        };
        if section.starts_with(b"packfile") {
            return read_pack(packets, pack, None).await;
        }
        // Acknowledgements, shallow information and wanted refs tell nothing that we need.
        loop {
            match packets.next().await? {
                Packet::Data(_) => {}
                Packet::Delimiter => break,
                Packet::Flush | Packet::ResponseEnd | Packet::End => {
                    return Err(malformed("the answer holds no pack"));
                }
            }
        }
    }
}
