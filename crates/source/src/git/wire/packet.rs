//! Packets: four hexadecimal digits of length, then data.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::super::error::Cause;
use super::{malformed, refused};

/// Longest packet the protocol allows.
const MAX_PACKET: usize = 65_520;

/// Ends a request or a section.
pub(crate) const FLUSH: &[u8] = b"0000";
/// Separates sections.
pub(crate) const DELIMITER: &[u8] = b"0001";

/// One packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Packet {
    /// Data, as it came.
    Data(Bytes),
    /// `0000`.
    Flush,
    /// `0001`.
    Delimiter,
    /// `0002`.
    ResponseEnd,
    /// The stream ended between packets.
    End,
}

/// Appends a line with its length.
pub(crate) fn write_line(out: &mut Vec<u8>, line: &str) {
    // invariant: lines are object ids, ref names and capabilities; ref names are at most 1 KiB.
    let length = line.len() + 5;
    out.extend_from_slice(format!("{length:04x}").as_bytes());
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}

/// Reads packets from a stream.
pub(crate) struct Packets<R> {
    reader: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Packets<R> {
    /// Starts reading.
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: BytesMut::with_capacity(16 << 10),
        }
    }

    /// Returns the next packet. A packet in which the host reports an error is that error.
    pub(crate) async fn next(&mut self) -> Result<Packet, Cause> {
        if !self.fill(4).await? {
            return if self.buffer.is_empty() {
                Ok(Packet::End)
            } else {
                Err(malformed("the answer ends early"))
            };
        }
        let digits = self.buffer.split_to(4);
        let length = std::str::from_utf8(&digits)
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| usize::from_str_radix(digits, 16).ok())
            .ok_or_else(|| malformed("this is not a Git repository's answer"))?;
        let length = match length {
            0 => return Ok(Packet::Flush),
            1 => return Ok(Packet::Delimiter),
            2 => return Ok(Packet::ResponseEnd),
            4..=MAX_PACKET => length - 4,
            _ => return Err(malformed("a packet of impossible length")),
        };
        if !self.fill(length).await? {
            return Err(malformed("the answer ends early"));
        }
        let data = self.buffer.split_to(length).freeze();
        match data.strip_prefix(b"ERR ") {
            Some(message) => Err(refused(message)),
            None => Ok(Packet::Data(data)),
        }
    }

    /// Returns the next packet as a line without its end; `None` at a flush or the end.
    pub(crate) async fn line(&mut self) -> Result<Option<Bytes>, Cause> {
        match self.next().await? {
            Packet::Data(mut data) => {
                if data.last() == Some(&b'\n') {
                    data.truncate(data.len() - 1);
                }
                Ok(Some(data))
            }
            Packet::Flush | Packet::ResponseEnd | Packet::End => Ok(None),
            Packet::Delimiter => Err(malformed("unexpected delimiter")),
        }
    }

    /// Makes sure that `wanted` bytes are buffered; says no when the stream ends before.
    async fn fill(&mut self, wanted: usize) -> Result<bool, Cause> {
        while self.buffer.len() < wanted {
            self.buffer.reserve(16 << 10);
            let read = self
                .reader
                .read_buf(&mut self.buffer)
                .await
                .map_err(|error| Cause::Unreachable {
                    doing: "reading the host's answer",
                    detail: error.to_string(),
                })?;
            if read == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
