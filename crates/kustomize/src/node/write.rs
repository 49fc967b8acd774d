//! Nodes → YAML: as the result is printed, and as messages show a part of it.

use driftless_yaml::{Dialect, Writer, key_order};

use super::json::{Read, repeated_key};
use super::resolve::{Written, plain_tag};
use super::{Node, Scalar, Tag};
use crate::error::Result;

/// Writes an object as the result is printed: through JSON, keys sorted.
pub(crate) fn write_yaml(node: &Node) -> Result<String> {
    let mut writer = Writer::new(Dialect::Kubernetes);
    write(&mut writer, node, true)?;
    Ok(writer.finish())
}

fn write(writer: &mut Writer, node: &Node, top: bool) -> Result<()> {
    match node {
        Node::Scalar(scalar) => write_scalar(writer, scalar)?,
        Node::Seq(items) if items.is_empty() => writer.empty_sequence(),
        Node::Seq(items) => {
            writer.begin_sequence();
            for item in items {
                writer.item();
                write(writer, item, false)?;
            }
            writer.end_sequence();
        }
        Node::Map(map) if map.0.is_empty() => writer.empty_map(),
        Node::Map(map) => {
            let mut sorted: Vec<(&Scalar, &Node)> = map.0.iter().map(|(k, v)| (k, v)).collect();
            sorted.sort_by(|a, b| key_order(a.0.text(), b.0.text(), Dialect::Kubernetes));
            writer.begin_map();
            let mut last: Option<&str> = None;
            for (key, value) in sorted {
                if !top {
                    key.check_key()?;
                }
                if last == Some(key.text()) {
                    return Err(repeated_key(key.text()));
                }
                last = Some(key.text());
                writer.key(key.text());
                write(writer, value, false)?;
            }
            writer.end_map();
        }
    }
    Ok(())
}

fn write_scalar(writer: &mut Writer, scalar: &Scalar) -> Result<()> {
    match scalar.written_meaning()? {
        Read::Same => writer.string(scalar.text()),
        Read::Text(text) => writer.string(&text),
        Read::Null => writer.null(),
        Read::Bool(value) => writer.boolean(value),
        Read::Int(value) => writer.integer(value),
        Read::Uint(value) => writer.unsigned(value),
        Read::Float(value) => writer.float(value),
    }
    Ok(())
}

/// Writes a node in its own order, as messages show it.
pub(crate) fn to_text(node: &Node) -> String {
    if let Node::Scalar(scalar) = node {
        return scalar_text(scalar) + "\n";
    }
    let mut writer = Writer::new(Dialect::Version3);
    keep_order(&mut writer, node);
    writer.finish()
}

fn keep_order(writer: &mut Writer, node: &Node) {
    match node {
        Node::Scalar(scalar) => match scalar.written_meaning() {
            Ok(Read::Same | Read::Text(_)) | Err(_) => writer.string(scalar.text()),
            Ok(Read::Null) => writer.null(),
            Ok(Read::Bool(value)) => writer.boolean(value),
            Ok(Read::Int(value)) => writer.integer(value),
            Ok(Read::Uint(value)) => writer.unsigned(value),
            Ok(Read::Float(value)) => writer.float(value),
        },
        Node::Seq(items) if items.is_empty() => writer.empty_sequence(),
        Node::Seq(items) => {
            writer.begin_sequence();
            for item in items {
                writer.item();
                keep_order(writer, item);
            }
            writer.end_sequence();
        }
        Node::Map(map) if map.0.is_empty() => writer.empty_map(),
        Node::Map(map) => {
            writer.begin_map();
            for (key, value) in map.iter() {
                writer.key(key);
                keep_order(writer, value);
            }
            writer.end_map();
        }
    }
}

/// Returns a scalar as it is written on one line, quotes included.
pub(super) fn scalar_text(scalar: &Scalar) -> String {
    use super::Style;
    match (scalar.style, scalar.written()) {
        (Style::Double, Written::Text | Written::Plain) => format!("{:?}", scalar.text()),
        (Style::Single, Written::Text | Written::Plain) => {
            format!("'{}'", scalar.text().replace('\'', "''"))
        }
        (_, Written::Text) if plain_tag(scalar.text()) != Tag::Str => {
            format!("{:?}", scalar.text())
        }
        (_, Written::Tagged(tag)) => format!("{tag} {}", scalar.text()),
        _ => scalar.text().to_owned(),
    }
}

/// Writes a document in its own order, quotes kept and lists not indented below their key.
pub(crate) fn structured_text(node: &Node) -> String {
    let mut out = String::new();
    block(&mut out, node, 0, Start::Line);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Where a block starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// On a line of its own.
    Line,
    /// After `- `.
    Item,
    /// After a key and its colon.
    Key,
}

fn block(out: &mut String, node: &Node, indent: usize, start: Start) {
    match node {
        Node::Map(map) if !map.0.is_empty() => {
            if start == Start::Key {
                out.push('\n');
            }
            for (at, (key, value)) in map.0.iter().enumerate() {
                if at > 0 || start != Start::Item {
                    pad(out, indent);
                }
                out.push_str(&inline(key));
                out.push(':');
                // Lists stand below their key without an indent of their own.
                let inner = match value {
                    Node::Seq(_) => indent,
                    _ => indent + 2,
                };
                block(out, value, inner, Start::Key);
            }
        }
        Node::Seq(items) if !items.is_empty() => {
            if start == Start::Key {
                out.push('\n');
            }
            for (at, item) in items.iter().enumerate() {
                if at > 0 || start != Start::Item {
                    pad(out, indent);
                }
                out.push_str("- ");
                block(out, item, indent + 2, Start::Item);
            }
        }
        node => {
            if start == Start::Key {
                out.push(' ');
            }
            match node {
                Node::Map(_) => out.push_str("{}"),
                Node::Seq(_) => out.push_str("[]"),
                Node::Scalar(scalar) => lines(out, scalar, indent),
            }
            out.push('\n');
        }
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn lines(out: &mut String, scalar: &Scalar, indent: usize) {
    use super::Style;
    let text = scalar.text();
    let literal = text.contains('\n') && !matches!(scalar.style, Style::Double | Style::Single);
    if !literal {
        out.push_str(&inline(scalar));
        return;
    }
    out.push('|');
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    match text.strip_suffix('\n') {
        None => out.push('-'),
        Some(rest) if rest.ends_with('\n') || rest.is_empty() => out.push('+'),
        Some(_) => {}
    }
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(out, indent.max(2));
            out.push_str(line);
        }
    }
}

fn inline(scalar: &Scalar) -> String {
    use super::Style;
    if scalar.style != Style::Plain || !matches!(scalar.written(), Written::Text | Written::Plain) {
        return scalar_text(scalar);
    }
    match scalar.written_meaning() {
        Ok(Read::Same) => {
            let mut writer = Writer::new(Dialect::Version3);
            writer.string(scalar.text());
            writer.finish().trim_end_matches('\n').to_owned()
        }
        _ => scalar.text().to_owned(),
    }
}

/// Returns what a folded text reads as after it was written: line ends before an indented line double.
pub(super) fn folded_again(text: &str) -> String {
    let is_break = |character: char| character == '\n';
    let odd = text.is_empty()
        || text.ends_with(' ')
        || text.contains(" \n")
        || text.chars().any(|c| c.is_control() && c != '\n');
    if odd {
        // Such a text is written in double quotes.
        return text.to_owned();
    }
    let starts_blank = text.starts_with([' ', '\n']);
    let mut out = String::from(">");
    if starts_blank {
        out.push('2');
    }
    if !text.ends_with('\n') {
        out.push('-');
    } else if text == "\n" || text.ends_with("\n\n") {
        out.push('+');
    }
    out.push('\n');
    let (mut breaks, mut leading) = (true, true);
    for character in text.chars() {
        if is_break(character) {
            // The library looks at the start of the text where it means the next line.
            if !breaks && !leading && !starts_blank {
                out.push('\n');
            }
            out.push('\n');
            breaks = true;
        } else {
            if breaks {
                out.push_str("  ");
                leading = character == ' ' || character == '\t';
            }
            out.push(character);
            breaks = false;
        }
    }
    let limits = driftless_yaml::Limits::default();
    match super::first_document(out.as_bytes(), &limits) {
        Ok(Some(Node::Scalar(scalar))) => scalar.text,
        _ => text.to_owned(),
    }
}
