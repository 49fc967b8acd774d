//! The tree that a build edits: mappings keep their order and repeated keys, scalars the text and the
//! style they were written in, since both decide what a value means after it was edited.

mod edit;
mod json;
mod parse;
mod path;
mod repeated;
mod resolve;
mod write;

use std::fmt;

pub(crate) use json::{from_json, to_json};
pub(crate) use parse::{Documents, first_document, parse_documents};
pub(crate) use path::{Create, Matcher, lookup, split_path, split_smart};
pub(crate) use resolve::is_yaml_1_1_non_string;
pub(crate) use write::{structured_text, to_text, write_yaml};

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Scalar(Scalar),
    Map(Map),
    Seq(Vec<Node>),
}

/// Entries in the order they were written. A key may be there twice: the first counts, until the text is
/// written, which refuses it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map(pub(crate) Vec<(Scalar, Node)>);

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Style {
    #[default]
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

/// What is known of a scalar's type.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Tag {
    /// Read from a text without a tag: the text as it was read decides.
    #[default]
    Read,
    /// Made by an edit: the text decides when it is written.
    None,
    Null,
    Bool,
    Int,
    Float,
    Str,
    Timestamp,
    Merge,
    /// Written with this tag (its short form, such as `!!binary`).
    Other(Box<str>),
}

/// A leaf.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scalar {
    text: String,
    tag: Tag,
    style: Style,
    /// Scalars of one object with the same number, zero excepted, change together.
    group: u32,
}

/// What kind of node is expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Scalar,
    Map,
    Seq,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "ScalarNode",
            Self::Map => "MappingNode",
            Self::Seq => "SequenceNode",
        })
    }
}

impl Scalar {
    /// Returns a scalar whose text decides what it is.
    pub(crate) fn untyped(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tag: Tag::None,
            ..Self::default()
        }
    }

    /// Returns a string.
    pub(crate) fn string(text: impl Into<String>) -> Self {
        let text = text.into();
        let style = if text.contains('\n') {
            Style::Literal
        } else {
            Style::Plain
        };
        Self {
            text,
            tag: Tag::Str,
            style,
            group: 0,
        }
    }

    /// Returns a scalar with a tag, unquoted.
    pub(crate) fn tagged(text: impl Into<String>, tag: Tag) -> Self {
        Self {
            text: text.into(),
            tag,
            ..Self::default()
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn with_style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    pub(crate) fn group(&self) -> u32 {
        self.group
    }

    pub(crate) fn in_group(mut self, group: u32) -> Self {
        self.group = group;
        self
    }

    /// Replaces text and type in place; the style stays, as does the group.
    pub(crate) fn assign(&mut self, value: &Scalar) {
        self.text.clone_from(&value.text);
        self.tag = value.kept_tag();
    }

    /// Replaces everything but the group.
    pub(crate) fn overwrite(&mut self, value: &Scalar) {
        self.assign(value);
        self.style = value.style;
    }

    /// Changes the text and nothing else: the type stays what the former text made it.
    pub(crate) fn set_text(&mut self, text: String) {
        self.tag = self.kept_tag();
        self.text = text;
    }

    /// Changes text, type and style.
    pub(crate) fn set(&mut self, text: String, tag: Tag, style: Style) {
        self.text = text;
        self.tag = tag;
        self.style = style;
    }

    /// Keeps lines apart where the text has several.
    pub(crate) fn fit_lines(&mut self) {
        if self.text.contains('\n') {
            self.style = Style::Literal;
        }
    }

    /// Returns the type as edits see it.
    pub(crate) fn tag_now(&self) -> Tag {
        self.kept_tag()
    }

    /// Returns the name of the type.
    pub(crate) fn tag_name(&self) -> String {
        self.kept_tag().name().to_owned()
    }

    /// Says whether both have the same text, type and style.
    pub(crate) fn same(&self, other: &Scalar) -> bool {
        self.text == other.text && self.tag == other.tag && self.style == other.style
    }
}

impl Node {
    pub(crate) fn string(text: impl Into<String>) -> Self {
        Self::Scalar(Scalar::string(text))
    }

    pub(crate) fn untyped(text: impl Into<String>) -> Self {
        Self::Scalar(Scalar::untyped(text))
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Scalar(_) => Kind::Scalar,
            Self::Map(_) => Kind::Map,
            Self::Seq(_) => Kind::Seq,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(scalar) if scalar.is_null())
    }

    /// Says whether it is null, `{}` or `[]`.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(scalar) => scalar.is_null(),
            Self::Map(map) => map.0.is_empty(),
            Self::Seq(items) => items.is_empty(),
        }
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_map_mut(&mut self) -> Option<&mut Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_seq(&self) -> Option<&[Node]> {
        match self {
            Self::Seq(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Returns what is to be told of keys that are there twice; empty when there are none.
    pub(crate) fn repeated_keys(&self) -> Vec<String> {
        repeated::repeated_keys(self)
    }

    /// Returns the field of a mapping; `None` also when it is none.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.as_map_mut()?.get_mut(key)
    }

    /// Returns the text of a scalar; mappings and lists have none.
    pub(crate) fn text(&self) -> &str {
        self.as_scalar().map_or("", Scalar::text)
    }

    /// Returns the text of a scalar that is not null.
    pub(crate) fn value(&self) -> &str {
        match self {
            Self::Scalar(scalar) if !scalar.is_null() => scalar.text(),
            _ => "",
        }
    }
}

impl Map {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let mut entries = self.0.iter();
        entries
            .find(|(known, _)| known.text == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let mut entries = self.0.iter_mut();
        entries
            .find(|(known, _)| known.text == key)
            .map(|(_, value)| value)
    }

    /// Takes the first entry with this key out.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Node> {
        let at = self.0.iter().position(|(known, _)| known.text == key)?;
        Some(self.0.remove(at).1)
    }

    /// Appends an entry without looking whether the key is there.
    pub(crate) fn push(&mut self, key: &str, value: Node) {
        self.0.push((Scalar::untyped(key), value));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(key, value)| (key.text(), value))
    }
}
