//! Text → nodes. Aliases and merge keys are gone afterwards.

use std::borrow::Cow;

use driftless_yaml::{Build, Duplicates, Form, Limits, Reader};

use super::{Map, Node, Scalar, Style, Tag};
use crate::error::{Error, Result};

/// The documents of a text.
pub(crate) struct Documents {
    /// Those with content.
    pub(crate) nodes: Vec<Node>,
    /// How many pieces the separators made, empty ones included.
    pub(crate) pieces: usize,
}

/// Reads the documents of a text the way kustomize cuts it: at lines that start with `---`; of each
/// piece the first document counts.
pub(crate) fn parse_documents(bytes: &[u8], limits: &Limits) -> Result<Documents> {
    let text = driftless_yaml::decode(bytes, limits).map_err(|error| malformed(&error))?;
    let text: Cow<'_, str> = if text.contains("\r\n") {
        Cow::Owned(text.replace("\r\n", "\n"))
    } else {
        text
    };
    let pieces = cut(&text)?;
    let mut nodes = Vec::with_capacity(pieces.len());
    for piece in &pieces {
        if let Some(node) = read_first(piece, limits).map_err(|error| malformed(&error))?
            && !node.is_null()
        {
            nodes.push(node);
        }
    }
    Ok(Documents {
        nodes,
        pieces: pieces.len(),
    })
}

/// Reads the first document; `None` for a text without content.
pub(crate) fn first_document(bytes: &[u8], limits: &Limits) -> Result<Option<Node>> {
    let text =
        driftless_yaml::decode(bytes, limits).map_err(|error| Error::new(error.as_go_v3()))?;
    read_first(&text, limits).map_err(|error| Error::new(error.as_go_v3()))
}

fn read_first(text: &str, limits: &Limits) -> Result<Option<Node>, driftless_yaml::Error> {
    let build = Raw::default();
    let mut reader = Reader::new(text, build, *limits, Duplicates::Last);
    reader.next_document()
}

fn malformed(error: &driftless_yaml::Error) -> Error {
    Error::malformed(format!("MalformedYAMLError: {}", error.as_go_v3()))
}

/// Cuts at `\n---…\n`.
fn cut(text: &str) -> Result<Vec<&str>> {
    let mut pieces = Vec::new();
    if text.is_empty() {
        return Ok(pieces);
    }
    let mut start = 0;
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find("\n---")) {
        let at = from + found;
        let after = text.get(at + 4..).unwrap_or_default();
        let Some(line_end) = after.find('\n') else {
            break;
        };
        let rest = after.get(..line_end).unwrap_or_default().trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            return Err(Error::new(format!("invalid document separator: ---{rest}")));
        }
        // All but the last piece keep their line end.
        pieces.push(text.get(start..=at).unwrap_or_default());
        start = at + 4 + line_end + 1;
        from = start;
    }
    pieces.push(text.get(start..).unwrap_or_default());
    Ok(pieces)
}

/// Builds nodes.
#[derive(Default)]
struct Raw {
    key: Scalar,
}

/// A mapping that is being read; what merge keys bring comes after its own entries.
#[derive(Default)]
struct Open {
    own: Vec<(Scalar, Node)>,
    merged: Vec<(Scalar, Node)>,
}

fn scalar(text: String, form: Form<'_>) -> Scalar {
    let (tag, style) = match form {
        Form::Plain => (Tag::Read, Style::Plain),
        Form::Single => (Tag::Str, Style::Single),
        Form::Double => (Tag::Str, Style::Double),
        Form::Literal => (Tag::Str, Style::Literal),
        Form::Folded => (Tag::Str, Style::Folded),
        Form::Tagged(tag) => (short_tag(tag), Style::Plain),
    };
    Scalar {
        text,
        tag,
        style,
        group: 0,
    }
}

fn short_tag(tag: &str) -> Tag {
    match tag.strip_prefix("tag:yaml.org,2002:") {
        Some("str") => Tag::Str,
        Some("null") => Tag::Null,
        Some("bool") => Tag::Bool,
        Some("int") => Tag::Int,
        Some("float") => Tag::Float,
        Some(other) => Tag::Other(format!("!!{other}").into()),
        None if tag == "!" => Tag::Str,
        None => Tag::Other(tag.into()),
    }
}

impl Build for Raw {
    type Value = Node;
    type Map = Open;
    const RAW: bool = true;

    fn raw(&mut self, text: Cow<'_, str>, form: Form<'_>) -> Node {
        Node::Scalar(scalar(text.into_owned(), form))
    }

    fn raw_key(&mut self, form: Form<'_>) {
        self.key = scalar(String::new(), form);
    }

    fn null(&mut self) -> Node {
        Node::Scalar(Scalar::default())
    }

    fn boolean(&mut self, value: bool) -> Node {
        Node::untyped(value.to_string())
    }

    fn integer(&mut self, value: i64) -> Node {
        Node::untyped(value.to_string())
    }

    fn unsigned(&mut self, value: u64) -> Node {
        Node::untyped(value.to_string())
    }

    fn float(&mut self, value: f64) -> Node {
        Node::untyped(value.to_string())
    }

    fn string(&mut self, value: Cow<'_, str>) -> Node {
        Node::string(value)
    }

    fn sequence(&mut self, items: Vec<Node>) -> Node {
        Node::Seq(items)
    }

    fn map(&mut self) -> Open {
        Open::default()
    }

    fn insert(&mut self, map: &mut Open, key: Cow<'_, str>, value: Node) -> bool {
        let mut written = std::mem::take(&mut self.key);
        written.text = key.into_owned();
        map.own.push((written, value));
        false
    }

    fn merge(&mut self, map: &mut Open, from: &Node) -> bool {
        let mut add = |entries: &Map| {
            for (key, value) in &entries.0 {
                if !map.merged.iter().any(|(known, _)| known.text == key.text) {
                    map.merged.push((key.clone(), value.clone()));
                }
            }
        };
        match from {
            Node::Map(entries) => add(entries),
            Node::Seq(items) if items.iter().all(|item| item.kind() == super::Kind::Map) => {
                items.iter().filter_map(Node::as_map).for_each(add);
            }
            _ => return false,
        }
        true
    }

    fn finish(&mut self, map: Open) -> Node {
        let mut entries = map.own;
        for (key, value) in map.merged {
            if !entries.iter().any(|(known, _)| known.text == key.text) {
                entries.push((key, value));
            }
        }
        Node::Map(Map(entries))
    }
}
