//! URLs.

use super::{Answer, func, map, text};
use crate::error::Fault;
use crate::exec::Exec;
use crate::registry::{Func, Ty};
use crate::value::{Map, Value};

pub(super) const FUNCS: &[Func] = &[
    func("urlParse", &[Ty::Str], url_parse),
    func("urlJoin", &[Ty::Map], url_join),
];

/// Go's `url.QueryEscape`.
pub(super) fn query_escape(text: &str) -> String {
    escape(text, |byte| {
        byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
    })
    .replace("%20", "+")
}

fn escape(text: &str, keep: impl Fn(u8) -> bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in crate::bytes::of_text(text).iter() {
        if keep(*byte) {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn unescape(text: &str) -> Result<String, Fault> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let pair = rest
            .get(..2)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = rest.get(2..).unwrap_or_default();
            }
            None => {
                let shown = format!(
                    "%{}",
                    String::from_utf8_lossy(rest.get(..2).unwrap_or(rest))
                );
                return Err(Fault::new(format!(
                    "unable to parse url: parse {}: invalid URL escape {}",
                    crate::quote::quote(text),
                    crate::quote::quote(&shown)
                )));
            }
        }
    }
    Ok(crate::bytes::to_text(&out).into_owned())
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    fits.then_some((scheme, rest))
}

fn url_parse(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let all = text(args, 0);
    if all.contains(|c: char| c < ' ' || c == '\u{7F}') {
        return Err(Fault::new(format!(
            "unable to parse url: parse {}: net/url: invalid control character in URL",
            crate::quote::quote(all)
        )));
    }
    let (rest, fragment) = all.split_once('#').unwrap_or((all, ""));
    let (scheme, rest) = match split_scheme(rest) {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None if rest.starts_with(':') => {
            return Err(Fault::new(format!(
                "unable to parse url: parse {}: missing protocol scheme",
                crate::quote::quote(all)
            )));
        }
        None => (String::new(), rest),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (mut opaque, mut authority, mut path) = ("", "", rest);
    if !scheme.is_empty() && !rest.starts_with('/') {
        (opaque, path) = (rest, "");
    } else if let Some(tail) = rest.strip_prefix("//")
        && (!scheme.is_empty() || !rest.starts_with("///"))
    {
        let end = tail.find('/').unwrap_or(tail.len());
        authority = tail.get(..end).unwrap_or_default();
        path = tail.get(end..).unwrap_or_default();
    }
    let (userinfo, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let hostname = match host
        .strip_prefix('[')
        .and_then(|inner| inner.split_once(']'))
    {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    Ok(Value::map([
        ("scheme", Value::from(scheme)),
        ("host", Value::from(unescape(host)?)),
        ("hostname", Value::from(unescape(hostname)?)),
        ("path", Value::from(unescape(path)?)),
        ("query", Value::str(query)),
        ("opaque", Value::str(opaque)),
        ("fragment", Value::from(unescape(fragment)?)),
        ("userinfo", Value::str(userinfo)),
    ]))
}

fn part(map: &Map, key: &str) -> Result<String, Fault> {
    match map.get(key) {
        None => Ok(String::new()),
        Some(Value::Str(text)) => Ok(text.to_string()),
        Some(other) => Err(Fault::new(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind_name()
        ))),
    }
}

fn url_join(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let map = map(args, 0);
    let (scheme, host, path) = (
        part(&map, "scheme")?,
        part(&map, "host")?,
        part(&map, "path")?,
    );
    let (query, opaque) = (part(&map, "query")?, part(&map, "opaque")?);
    let (fragment, userinfo) = (part(&map, "fragment")?, part(&map, "userinfo")?);
    let mut out = String::new();
    if !scheme.is_empty() {
        out.push_str(&scheme);
        out.push(':');
    }
    let path_bytes =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*".contains(&byte);
    if opaque.is_empty() {
        if !scheme.is_empty() || !host.is_empty() || !userinfo.is_empty() {
            if !host.is_empty() || !path.is_empty() || !userinfo.is_empty() {
                out.push_str("//");
            }
            if !userinfo.is_empty() {
                out.push_str(&userinfo);
                out.push('@');
            }
            out.push_str(&host);
        }
        if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
            out.push('/');
        }
        out.push_str(&escape(&path, path_bytes));
    } else {
        out.push_str(&opaque);
    }
    if !query.is_empty() {
        out.push('?');
        out.push_str(&query);
    }
    if !fragment.is_empty() {
        out.push('#');
        out.push_str(&escape(&fragment, |b| path_bytes(b) || b == b'?'));
    }
    Ok(out.into())
}
