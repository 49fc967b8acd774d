//! Encodings, digests and paths.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{Answer, func, text};
use crate::bytes;
use crate::exec::Exec;
use crate::registry::{Func, Ty};
use crate::value::{Str, Value};

pub(super) const FUNCS: &[Func] = &[
    func("b64enc", &[Ty::Str], |_, args| {
        Ok(STANDARD.encode(bytes::of_text(text(args, 0))).into())
    }),
    func("b64dec", &[Ty::Str], b64dec),
    func("b32enc", &[Ty::Str], |_, args| {
        Ok(base32(&bytes::of_text(text(args, 0))).into())
    }),
    func("b32dec", &[Ty::Str], b32dec),
    func("sha1sum", &[Ty::Str], |_, args| digest::<Sha1>(args)),
    func("sha256sum", &[Ty::Str], |_, args| digest::<Sha256>(args)),
    func("sha512sum", &[Ty::Str], |_, args| digest::<Sha512>(args)),
    func("adler32sum", &[Ty::Str], |_, args| {
        let (mut a, mut b) = (1u32, 0u32);
        for byte in bytes::of_text(text(args, 0)).iter() {
            a = (a + u32::from(*byte)) % 65_521;
            b = (b + a) % 65_521;
        }
        Ok((b << 16 | a).to_string().into())
    }),
    func("base", &[Ty::Str], |_, args| Ok(base(text(args, 0)).into())),
    func("dir", &[Ty::Str], |_, args| Ok(dir(text(args, 0)).into())),
    func("clean", &[Ty::Str], |_, args| {
        Ok(clean(text(args, 0)).into())
    }),
    func("ext", &[Ty::Str], |_, args| Ok(ext(text(args, 0)).into())),
    func("isAbs", &[Ty::Str], |_, args| {
        Ok(Value::Bool(text(args, 0).starts_with('/')))
    }),
    func("osBase", &[Ty::Str], |_, args| {
        Ok(base(text(args, 0)).into())
    }),
    func("osDir", &[Ty::Str], |_, args| Ok(dir(text(args, 0)).into())),
    func("osClean", &[Ty::Str], |_, args| {
        Ok(clean(text(args, 0)).into())
    }),
    func("osExt", &[Ty::Str], |_, args| Ok(ext(text(args, 0)).into())),
    func("osIsAbs", &[Ty::Str], |_, args| {
        Ok(Value::Bool(text(args, 0).starts_with('/')))
    }),
];

/// Returns bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn digest<D: Digest>(args: &[Value]) -> Answer {
    Ok(hex(&D::digest(bytes::of_text(text(args, 0)))).into())
}

fn b64dec(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let joined: String = text(args, 0)
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n'))
        .collect();
    Ok(match STANDARD.decode(&joined) {
        Ok(decoded) => Value::Str(Str::from(bytes::to_text(&decoded).as_ref())),
        Err(_) => Value::from(format!(
            "illegal base64 data at input byte {}",
            bad_base64(text(args, 0).as_bytes())
        )),
    })
}

/// Where Go's decoder stops.
pub(super) fn bad_base64(input: &[u8]) -> usize {
    let skip = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut quantum = 0;
    let mut iter = input.iter().enumerate().filter(|(_, byte)| !skip(byte));
    while let Some((at, byte)) = iter.next() {
        let valid = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        if valid {
            quantum = (quantum + 1) % 4;
            continue;
        }
        if *byte != b'=' || quantum < 2 {
            return at;
        }
        if quantum == 2 {
            match iter.next() {
                None => return input.len(),
                Some((_, b'=')) => {}
                Some((at, _)) => return at.saturating_sub(1),
            }
        }
        return iter.next().map_or(at, |(at, _)| at);
    }
    input.len() - quantum.min(input.len())
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(input: &[u8]) -> String {
    let mut out = String::new();
    for chunk in input.chunks(5) {
        let mut block = [0u8; 5];
        for (slot, byte) in block.iter_mut().zip(chunk) {
            *slot = *byte;
        }
        let bits = block
            .iter()
            .fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        let used = (chunk.len() * 8).div_ceil(5);
        for index in 0..8 {
            let five = (bits >> (35 - index * 5) & 31) as usize;
            let digit = BASE32.get(five).copied().unwrap_or(b'=');
            out.push(if index < used { char::from(digit) } else { '=' });
        }
    }
    out
}

fn b32dec(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let input = text(args, 0);
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for (at, byte) in input.bytes().enumerate() {
        if matches!(byte, b'\r' | b'\n') {
            continue;
        }
        if byte == b'=' {
            break;
        }
        let Some(five) = BASE32.iter().position(|digit| *digit == byte) else {
            return Ok(format!("illegal base32 data at input byte {at}").into());
        };
        bits = bits << 5 | five as u32;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    if !input.trim_end_matches(['\r', '\n']).len().is_multiple_of(8) {
        return Ok(format!("illegal base32 data at input byte {}", input.len()).into());
    }
    Ok(Value::Str(Str::from(bytes::to_text(&out).as_ref())))
}

/// Go's `path.Clean`.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(last) if *last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            name => parts.push(name),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Go's `path.Base`.
pub fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

fn dir(path: &str) -> String {
    clean(
        path.rfind('/')
            .map_or("", |at| path.get(..=at).unwrap_or_default()),
    )
}

fn ext(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rfind('.')
        .and_then(|at| name.get(at..))
        .unwrap_or_default()
}
