//! The hash of content that generated ConfigMaps and Secrets carry in their names.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::node::{Node, to_json};
use crate::schema::Schemas;
use crate::set::Set;

/// Appends the hash to the names of objects that want it.
pub(crate) fn run(set: &mut Set, schemas: &mut Schemas) -> Result<()> {
    for resource in &mut set.list {
        if !resource.marks.needs_hash {
            continue;
        }
        let hash = of(resource.node())?;
        resource.store_previous();
        let name = format!("{}-{hash}", resource.id().name);
        resource.set_name(&name, schemas)?;
    }
    Ok(())
}

fn of(node: &Node) -> Result<String> {
    let kind = node.get("kind").map_or("", Node::text);
    let mut parts = Map::new();
    let mut part = |key: &str, needed: bool| -> Result<()> {
        let value = match node.get(key) {
            None => Value::String(String::new()),
            Some(Node::Scalar(scalar)) => Value::String(scalar.text().to_owned()),
            Some(node) => to_json(node)?,
        };
        if needed || value.is_object() {
            parts.insert(key.to_owned(), value);
        }
        Ok(())
    };
    match kind {
        "ConfigMap" => {
            part("data", true)?;
            part("binaryData", false)?;
        }
        "Secret" => {
            part("data", true)?;
            part("stringData", false)?;
            part("type", true)?;
        }
        _ => {
            let text = go_json(&to_json(node)?);
            return Ok(encode(&text));
        }
    }
    parts.insert("kind".to_owned(), Value::from(kind));
    // The name is meant to take part, but upstream looks for it where it is not.
    parts.insert("name".to_owned(), Value::from(""));
    Ok(encode(&go_json(&Value::Object(parts))))
}

fn encode(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let hex = digest
        .iter()
        .take(5)
        .flat_map(|byte| [byte >> 4, byte & 15]);
    hex.map(|digit| match digit {
        0 => 'g',
        1 => 'h',
        3 => 'k',
        10 => 'm',
        14 => 't',
        2 | 4..=9 => char::from(b'0' + digit),
        _ => char::from(b'a' + digit - 10),
    })
    .collect()
}

/// Writes JSON as Go's `encoding/json` does: keys sorted, `<`, `>` and `&` escaped.
pub(crate) fn go_json(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (at, (key, value)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(out, key);
                out.push(':');
                write(out, value);
            }
            out.push('}');
        }
    }
}

fn write_text(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{08}' => out.push_str("\\b"),
            '\u{0C}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1F}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::node::first_document;

    #[test]
    fn known_hashes() {
        let limits = driftless_yaml::Limits::default();
        for (text, want) in [
            ("kind: ConfigMap\ndata: {x: \"1\", y: <&>}\n", "c9hgdm4882"),
            (
                "kind: Secret\ntype: Opaque\ndata: {x: MQ==}\n",
                "bf2648c599",
            ),
        ] {
            let node = first_document(text.as_bytes(), &limits).unwrap().unwrap();
            assert_eq!(of(&node).unwrap(), want);
        }
    }
}
