//! Tokens → values: documents, nodes, anchors, merge keys and keys that are not strings.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Limits;
use crate::build::{Build, Form};
use crate::error::{Error, GoPlace};
use crate::resolve::{self, Scalar};
use crate::scan::{Mark, Scanner, Style, Tok, at, parse_error};

const CORE: &str = "tag:yaml.org,2002:";
/// How many values aliases may add, as Go's library scales it with the size of the document.
const ALIAS_LOW: f64 = 400_000.0;
const ALIAS_HIGH: f64 = 4_000_000.0;

/// What a key given twice in one mapping means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// It is an error.
    Refuse,
    /// The last one counts, as in Go's non-strict reading.
    Last,
}

/// Reads the documents of a stream one after the other.
pub struct Reader<'a, B: Build> {
    parser: Parser<'a, B>,
}

impl<'a, B: Build> Reader<'a, B> {
    /// Starts to read `text`, which [`crate::decode`] has checked.
    pub fn new(text: &'a str, build: B, limits: Limits, duplicates: Duplicates) -> Self {
        Self {
            parser: Parser {
                scanner: Scanner::new(text),
                build,
                limits,
                duplicates,
                anchors: HashMap::new(),
                tags: Vec::new(),
                nodes: 0,
                aliased: 0,
                first: true,
                done: false,
            },
        }
    }

    /// Returns the next document, `None` at the end of the stream. A document without content is null.
    pub fn next_document(&mut self) -> Result<Option<B::Value>, Error> {
        self.parser.next_document()
    }
}

enum Content<'a, V> {
    Scalar(Cow<'a, str>, Meaning),
    Mapping(V),
    Sequence(V),
}

#[derive(Clone)]
enum Meaning {
    /// Untagged and plain: the text decides.
    Plain,
    /// Untagged and quoted.
    Str(Style),
    Tagged(String),
}

impl Meaning {
    fn form(&self) -> Form<'_> {
        match self {
            Self::Plain | Self::Str(Style::Plain) => Form::Plain,
            Self::Str(Style::Single) => Form::Single,
            Self::Str(Style::Double) => Form::Double,
            Self::Str(Style::Literal) => Form::Literal,
            Self::Str(Style::Folded) => Form::Folded,
            Self::Tagged(tag) => Form::Tagged(tag),
        }
    }
}

struct Node<'a, V> {
    content: Content<'a, V>,
    mark: Mark,
    alias: bool,
    /// How many values are in it, and how deep they nest.
    size: usize,
    depth: usize,
}

enum Anchor<V> {
    /// Its node is not complete yet.
    Open,
    Scalar(String, Meaning),
    Mapping(V, usize, usize),
    Sequence(V, usize, usize),
}

struct Parser<'a, B: Build> {
    scanner: Scanner<'a>,
    build: B,
    limits: Limits,
    duplicates: Duplicates,
    anchors: HashMap<String, Anchor<B::Value>>,
    tags: Vec<(String, String)>,
    nodes: usize,
    aliased: usize,
    first: bool,
    done: bool,
}

/// Where a node stands: what may start it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Block,
    BlockOrIndentless,
    Flow,
}

type NodeResult<'a, V> = Result<Node<'a, V>, Error>;

impl<'a, B: Build> Parser<'a, B> {
    fn next_document(&mut self) -> Result<Option<B::Value>, Error> {
        if self.done {
            return Ok(None);
        }
        self.anchors.clear();
        self.tags.clear();
        let implicit = self.first;
        self.first = false;
        if !implicit {
            while matches!(self.scanner.peek()?.tok, Tok::DocumentEnd) {
                self.scanner.next()?;
            }
        }
        let starts = matches!(
            self.scanner.peek()?.tok,
            Tok::VersionDirective(..) | Tok::TagDirective(_) | Tok::DocumentStart
        );
        if matches!(self.scanner.peek()?.tok, Tok::StreamEnd) {
            self.done = true;
            return Ok(None);
        }
        if starts || !implicit {
            self.directives()?;
            let token = self.scanner.next()?;
            if token.tok != Tok::DocumentStart {
                return Err(parse_error(
                    token.mark,
                    Mark::default(),
                    "did not find expected <document start>",
                ));
            }
        }
        let content = !matches!(
            self.scanner.peek()?.tok,
            Tok::VersionDirective(..)
                | Tok::TagDirective(_)
                | Tok::DocumentStart
                | Tok::DocumentEnd
                | Tok::StreamEnd
        );
        // A stream that starts with `...` has an empty node where none may be: the node says so.
        let value = if content || (implicit && !starts) {
            let node = self.node(Place::Block, 1)?;
            self.value(node)?
        } else {
            self.build.null()
        };
        if matches!(self.scanner.peek()?.tok, Tok::DocumentEnd) {
            self.scanner.next()?;
        }
        Ok(Some(value))
    }

    fn directives(&mut self) -> Result<(), Error> {
        let mut version = false;
        loop {
            match self.scanner.peek()?.tok {
                Tok::VersionDirective(..) | Tok::TagDirective(_) => {}
                _ => return Ok(()),
            }
            let token = self.scanner.next()?;
            let problem = match token.tok {
                Tok::VersionDirective(..) if version => Some("found duplicate %YAML directive"),
                Tok::VersionDirective(1, 1) => {
                    version = true;
                    None
                }
                Tok::VersionDirective(..) => Some("found incompatible YAML document"),
                Tok::TagDirective(directive) => {
                    let known = self.tags.iter().any(|(handle, _)| *handle == directive.0);
                    self.tags.push(*directive);
                    known.then_some("found duplicate %TAG directive")
                }
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(parse_error(token.mark, Mark::default(), problem));
            }
        }
    }

    fn full_tag(&self, handle: &str, suffix: String, mark: Mark) -> Result<String, Error> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        let declared = self.tags.iter().find(|(known, _)| known == handle);
        let prefix = match (declared, handle) {
            (Some((_, prefix)), _) => prefix.as_str(),
            (None, "!") => "!",
            (None, "!!") => CORE,
            _ => return Err(parse_error(mark, mark, "found undefined tag handle")),
        };
        Ok(format!("{prefix}{suffix}"))
    }

    fn enter(&mut self, mark: Mark, depth: usize) -> Result<(), Error> {
        if depth > self.limits.depth {
            let message = format!("exceeded max depth of {}", self.limits.depth);
            return Err(at(mark, message));
        }
        self.spend(mark, 1)
    }

    fn spend(&mut self, mark: Mark, nodes: usize) -> Result<(), Error> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > self.limits.nodes {
            let message = format!("the text holds more than {} values", self.limits.nodes);
            return Err(at(mark, message));
        }
        Ok(())
    }

    fn node(&mut self, place: Place, depth: usize) -> NodeResult<'a, B::Value> {
        let start = self.scanner.peek()?.mark;
        self.enter(start, depth)?;
        if matches!(self.scanner.peek()?.tok, Tok::Alias(_)) {
            return self.alias(depth);
        }
        let mut anchor: Option<&'a str> = None;
        let mut tag: Option<String> = None;
        loop {
            match self.scanner.peek()?.tok {
                Tok::Anchor(_) if anchor.is_none() => {}
                Tok::Tag(_) if tag.is_none() => {}
                _ => break,
            }
            let token = self.scanner.next()?;
            match token.tok {
                Tok::Anchor(name) => anchor = Some(name),
                Tok::Tag(parts) => tag = Some(self.full_tag(&parts.0, parts.1, token.mark)?),
                _ => {}
            }
        }
        if let Some(name) = anchor {
            self.anchors.insert(name.to_owned(), Anchor::Open);
        }
        let node = self.content(place, depth, start, anchor.is_some(), tag)?;
        if let Some(name) = anchor {
            let kept = match &node.content {
                Content::Scalar(text, meaning) => {
                    Anchor::Scalar(text.clone().into_owned(), meaning.clone())
                }
                Content::Mapping(value) => Anchor::Mapping(value.clone(), node.size, node.depth),
                Content::Sequence(value) => Anchor::Sequence(value.clone(), node.size, node.depth),
            };
            self.anchors.insert(name.to_owned(), kept);
        }
        Ok(node)
    }

    fn content(
        &mut self,
        place: Place,
        depth: usize,
        start: Mark,
        anchored: bool,
        tag: Option<String>,
    ) -> NodeResult<'a, B::Value> {
        let token = self.scanner.peek()?;
        match token.tok {
            Tok::Scalar(..) => {
                let token = self.scanner.next()?;
                let Tok::Scalar(text, style) = token.tok else {
                    return Err(at(token.mark, "expected a scalar".to_owned()));
                };
                let meaning = match tag {
                    Some(tag) => Meaning::Tagged(tag),
                    None if style == Style::Plain => Meaning::Plain,
                    None => Meaning::Str(style),
                };
                Ok(scalar_node(text, meaning, start))
            }
            Tok::BlockEntry if place == Place::BlockOrIndentless => {
                self.indentless_sequence(depth, start)
            }
            Tok::FlowSequenceStart => self.flow_sequence(depth, start),
            Tok::FlowMappingStart => self.flow_mapping(depth, start),
            Tok::BlockSequenceStart if place != Place::Flow => self.block_sequence(depth, start),
            Tok::BlockMappingStart if place != Place::Flow => self.block_mapping(depth, start),
            _ if anchored || tag.is_some() => Ok(scalar_node(
                Cow::Borrowed(""),
                tag.map_or(Meaning::Plain, Meaning::Tagged),
                start,
            )),
            _ => {
                let mark = token.mark;
                Err(parse_error(
                    mark,
                    start,
                    "did not find expected node content",
                ))
            }
        }
    }

    fn alias(&mut self, depth: usize) -> NodeResult<'a, B::Value> {
        let token = self.scanner.next()?;
        let mark = token.mark;
        let Tok::Alias(name) = token.tok else {
            return Err(at(mark, "expected an alias".to_owned()));
        };
        let (content, size, height) = match self.anchors.get(name) {
            None => return Err(at(mark, format!("unknown anchor '{name}' referenced"))),
            Some(Anchor::Open) => {
                return Err(at(mark, format!("anchor '{name}' value contains itself")));
            }
            Some(Anchor::Scalar(text, meaning)) => (
                Content::Scalar(Cow::Owned(text.clone()), meaning.clone()),
                1,
                1,
            ),
            Some(Anchor::Mapping(value, size, height)) => {
                (Content::Mapping(value.clone()), *size, *height)
            }
            Some(Anchor::Sequence(value, size, height)) => {
                (Content::Sequence(value.clone()), *size, *height)
            }
        };
        if depth + height > self.limits.depth {
            let message = format!("exceeded max depth of {}", self.limits.depth);
            return Err(at(mark, message));
        }
        self.spend(mark, size)?;
        self.aliased = self.aliased.saturating_add(size);
        let (nodes, aliased) = (self.nodes as f64, self.aliased as f64);
        let scale = ((nodes - ALIAS_LOW) / (ALIAS_HIGH - ALIAS_LOW)).clamp(0.0, 1.0);
        if aliased > 100.0 && nodes > 1000.0 && aliased / nodes > 0.99 - 0.89 * scale {
            return Err(at(mark, "document contains excessive aliasing".to_owned()));
        }
        Ok(Node {
            content,
            mark,
            alias: true,
            size,
            depth: height,
        })
    }

    fn empty(&mut self, mark: Mark, depth: usize) -> NodeResult<'a, B::Value> {
        self.enter(mark, depth)?;
        Ok(scalar_node(Cow::Borrowed(""), Meaning::Plain, mark))
    }

    fn block_sequence(&mut self, depth: usize, start: Mark) -> NodeResult<'a, B::Value> {
        let open = self.scanner.next()?.mark;
        let mut list = List::new(start);
        loop {
            let token = self.scanner.next()?;
            match token.tok {
                Tok::BlockEntry => {
                    let empty = matches!(self.scanner.peek()?.tok, Tok::BlockEntry | Tok::BlockEnd);
                    let item = if empty {
                        self.empty(token.mark, depth + 1)?
                    } else {
                        self.node(Place::Block, depth + 1)?
                    };
                    self.push(&mut list, item)?;
                }
                Tok::BlockEnd => return Ok(self.end_list(list)),
                _ => {
                    let message = "did not find expected '-' indicator";
                    return Err(parse_error(token.mark, open, message));
                }
            }
        }
    }

    fn indentless_sequence(&mut self, depth: usize, start: Mark) -> NodeResult<'a, B::Value> {
        let mut list = List::new(start);
        while matches!(self.scanner.peek()?.tok, Tok::BlockEntry) {
            let mark = self.scanner.next()?.mark;
            let empty = matches!(
                self.scanner.peek()?.tok,
                Tok::BlockEntry | Tok::Key | Tok::Value | Tok::BlockEnd
            );
            let item = if empty {
                self.empty(mark, depth + 1)?
            } else {
                self.node(Place::Block, depth + 1)?
            };
            self.push(&mut list, item)?;
        }
        Ok(self.end_list(list))
    }

    fn flow_sequence(&mut self, depth: usize, start: Mark) -> NodeResult<'a, B::Value> {
        let open = self.scanner.next()?.mark;
        let mut list = List::new(start);
        let mut first = true;
        loop {
            if matches!(self.scanner.peek()?.tok, Tok::FlowSequenceEnd) {
                break;
            }
            if !first {
                let token = self.scanner.peek()?;
                let mark = token.mark;
                if token.tok != Tok::FlowEntry {
                    return Err(parse_error(mark, open, "did not find expected ',' or ']'"));
                }
                self.scanner.next()?;
                if matches!(self.scanner.peek()?.tok, Tok::FlowSequenceEnd) {
                    break;
                }
            }
            first = false;
            let item = if matches!(self.scanner.peek()?.tok, Tok::Key) {
                self.flow_pair(depth + 1)?
            } else {
                self.node(Place::Flow, depth + 1)?
            };
            self.push(&mut list, item)?;
        }
        self.scanner.next()?;
        Ok(self.end_list(list))
    }

    /// `[key: value]`: a mapping of one entry inside a flow sequence.
    fn flow_pair(&mut self, depth: usize) -> NodeResult<'a, B::Value> {
        let mark = self.scanner.next()?.mark;
        self.enter(mark, depth)?;
        let mut entries = Entries::new(self.build.map(), mark);
        let ends = |tok: &Tok<'_>| matches!(tok, Tok::FlowEntry | Tok::FlowSequenceEnd);
        let token = self.scanner.peek()?;
        let key = if ends(&token.tok) || token.tok == Tok::Value {
            let mark = token.mark;
            self.empty(mark, depth + 1)?
        } else {
            self.node(Place::Flow, depth + 1)?
        };
        let value = self.flow_value(depth, ends)?;
        self.entry(&mut entries, key, value)?;
        Ok(self.end_map(entries))
    }

    fn flow_value(
        &mut self,
        depth: usize,
        ends: impl Fn(&Tok<'_>) -> bool,
    ) -> NodeResult<'a, B::Value> {
        if matches!(self.scanner.peek()?.tok, Tok::Value) {
            self.scanner.next()?;
            if !ends(&self.scanner.peek()?.tok) {
                return self.node(Place::Flow, depth + 1);
            }
        }
        let mark = self.scanner.peek()?.mark;
        self.empty(mark, depth + 1)
    }

    fn flow_mapping(&mut self, depth: usize, start: Mark) -> NodeResult<'a, B::Value> {
        let open = self.scanner.next()?.mark;
        let mut entries = Entries::new(self.build.map(), start);
        let ends = |tok: &Tok<'_>| matches!(tok, Tok::FlowEntry | Tok::FlowMappingEnd);
        let mut first = true;
        loop {
            if matches!(self.scanner.peek()?.tok, Tok::FlowMappingEnd) {
                break;
            }
            if !first {
                let token = self.scanner.peek()?;
                let mark = token.mark;
                if token.tok != Tok::FlowEntry {
                    return Err(parse_error(mark, open, "did not find expected ',' or '}'"));
                }
                self.scanner.next()?;
            }
            first = false;
            let token = self.scanner.peek()?;
            let mark = token.mark;
            let (key, value) = match token.tok {
                Tok::FlowMappingEnd => break,
                Tok::Key => {
                    self.scanner.next()?;
                    let token = self.scanner.peek()?;
                    let key = if ends(&token.tok) || token.tok == Tok::Value {
                        self.empty(mark, depth + 1)?
                    } else {
                        self.node(Place::Flow, depth + 1)?
                    };
                    (key, self.flow_value(depth, ends)?)
                }
                _ => {
                    let key = self.node(Place::Flow, depth + 1)?;
                    let mark = self.scanner.peek()?.mark;
                    (key, self.empty(mark, depth + 1)?)
                }
            };
            self.entry(&mut entries, key, value)?;
        }
        self.scanner.next()?;
        Ok(self.end_map(entries))
    }

    fn block_mapping(&mut self, depth: usize, start: Mark) -> NodeResult<'a, B::Value> {
        let open = self.scanner.next()?.mark;
        let mut entries = Entries::new(self.build.map(), start);
        loop {
            let token = self.scanner.peek()?;
            let mark = token.mark;
            let key = match token.tok {
                Tok::Key => {
                    self.scanner.next()?;
                    let bare = matches!(
                        self.scanner.peek()?.tok,
                        Tok::Key | Tok::Value | Tok::BlockEnd
                    );
                    if bare {
                        self.empty(mark, depth + 1)?
                    } else {
                        self.node(Place::BlockOrIndentless, depth + 1)?
                    }
                }
                Tok::BlockEnd => {
                    self.scanner.next()?;
                    return Ok(self.end_map(entries));
                }
                _ => return Err(parse_error(mark, open, "did not find expected key")),
            };
            let token = self.scanner.peek()?;
            let mark = token.mark;
            let mut bare = true;
            if token.tok == Tok::Value {
                self.scanner.next()?;
                bare = matches!(
                    self.scanner.peek()?.tok,
                    Tok::Key | Tok::Value | Tok::BlockEnd
                );
            }
            let value = if bare {
                self.empty(mark, depth + 1)?
            } else {
                self.node(Place::BlockOrIndentless, depth + 1)?
            };
            self.entry(&mut entries, key, value)?;
        }
    }

    fn push(&mut self, list: &mut List<B::Value>, item: Node<'a, B::Value>) -> Result<(), Error> {
        list.size += item.size;
        list.depth = list.depth.max(item.depth + 1);
        let value = self.value(item)?;
        list.items.push(value);
        Ok(())
    }

    fn end_list(&mut self, list: List<B::Value>) -> Node<'a, B::Value> {
        Node {
            content: Content::Sequence(self.build.sequence(list.items)),
            mark: list.mark,
            alias: false,
            size: list.size,
            depth: list.depth,
        }
    }

    fn end_map(&mut self, entries: Entries<B::Map>) -> Node<'a, B::Value> {
        Node {
            content: Content::Mapping(self.build.finish(entries.map)),
            mark: entries.mark,
            alias: false,
            size: entries.size,
            depth: entries.depth,
        }
    }

    fn entry(
        &mut self,
        entries: &mut Entries<B::Map>,
        key: Node<'a, B::Value>,
        value: Node<'a, B::Value>,
    ) -> Result<(), Error> {
        entries.size += key.size + value.size;
        entries.depth = entries.depth.max(value.depth + 1);
        if is_merge(&key) {
            entries.seen.get_or_insert_default();
            return self.merge(&mut entries.map, &value);
        }
        let (key_mark, value_mark) = (key.mark, value.mark);
        let meaning = match &key.content {
            Content::Scalar(_, meaning) if B::RAW => Some(meaning.clone()),
            _ => None,
        };
        let key = Self::key(key)?;
        let value = self.value(value)?;
        if let Some(meaning) = meaning {
            self.build.raw_key(meaning.form());
        }
        if self.duplicates == Duplicates::Last {
            self.build.insert(&mut entries.map, key, value);
            return Ok(());
        }
        // A key that a merge brought may be given again; that is what merges are for.
        let repeated = entries
            .seen
            .as_mut()
            .map(|seen| !seen.insert(key.as_ref().to_owned()));
        let existed = self.build.insert(&mut entries.map, key.clone(), value);
        if repeated.unwrap_or(existed) {
            return Err(Error {
                go: GoPlace::List(value_mark.line as usize + 1),
                ..at(key_mark, format!("key {key:?} already set in map"))
            });
        }
        Ok(())
    }

    fn merge(&mut self, map: &mut B::Map, from: &Node<'a, B::Value>) -> Result<(), Error> {
        let merged = match &from.content {
            Content::Mapping(value) => self.build.merge(map, value),
            Content::Sequence(value) if !from.alias => self.build.merge(map, value),
            _ => false,
        };
        if merged {
            return Ok(());
        }
        let message = "map merge requires map or sequence of maps as the value";
        Err(at(from.mark, message.to_owned()))
    }

    fn key(node: Node<'a, B::Value>) -> Result<Cow<'a, str>, Error> {
        let mark = node.mark;
        let Content::Scalar(text, meaning) = node.content else {
            return Err(at(mark, "a mapping or sequence cannot be a key".to_owned()));
        };
        if B::RAW {
            return Ok(text);
        }
        let scalar = match resolve_scalar(&text, &meaning, mark)? {
            Resolved::Text(text) => return Ok(Cow::Owned(text)),
            Resolved::Scalar(scalar) => scalar,
        };
        Ok(match scalar {
            Scalar::Str | Scalar::Merge => text,
            Scalar::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Scalar::Int(value) => Cow::Owned(value.to_string()),
            Scalar::Float(value) => Cow::Owned(float_key(value)),
            Scalar::Uint(_) => return Err(json_error(mark, "unsupported map key of type: uint64")),
            Scalar::Null => return Err(json_error(mark, "unsupported map key of type: null")),
        })
    }

    fn value(&mut self, node: Node<'a, B::Value>) -> Result<B::Value, Error> {
        let mark = node.mark;
        let (text, meaning) = match node.content {
            Content::Mapping(value) | Content::Sequence(value) => return Ok(value),
            Content::Scalar(text, meaning) => (text, meaning),
        };
        if B::RAW {
            return Ok(self.build.raw(text, meaning.form()));
        }
        let scalar = match resolve_scalar(&text, &meaning, mark)? {
            Resolved::Text(text) => return Ok(self.build.string(Cow::Owned(text))),
            Resolved::Scalar(scalar) => scalar,
        };
        Ok(match scalar {
            Scalar::Null => self.build.null(),
            Scalar::Bool(value) => self.build.boolean(value),
            Scalar::Int(value) => self.build.integer(value),
            Scalar::Uint(value) => self.build.unsigned(value),
            Scalar::Float(value) if value.is_finite() => self.build.float(value),
            Scalar::Float(value) => {
                let name = if value.is_nan() {
                    "NaN"
                } else if value > 0.0 {
                    "+Inf"
                } else {
                    "-Inf"
                };
                return Err(json_error(
                    mark,
                    &format!("json: unsupported value: {name}"),
                ));
            }
            Scalar::Merge | Scalar::Str => self.build.string(text),
        })
    }
}

struct List<V> {
    items: Vec<V>,
    mark: Mark,
    size: usize,
    depth: usize,
}

impl<V> List<V> {
    fn new(mark: Mark) -> Self {
        Self {
            items: Vec::new(),
            mark,
            size: 1,
            depth: 1,
        }
    }
}

struct Entries<M> {
    map: M,
    mark: Mark,
    size: usize,
    depth: usize,
    /// Keys given since a merge; `None` without one.
    seen: Option<HashSet<String>>,
}

impl<M> Entries<M> {
    fn new(map: M, mark: Mark) -> Self {
        Self {
            map,
            mark,
            size: 1,
            depth: 1,
            seen: None,
        }
    }
}

fn scalar_node<V>(text: Cow<'_, str>, meaning: Meaning, mark: Mark) -> Node<'_, V> {
    Node {
        content: Content::Scalar(text, meaning),
        mark,
        alias: false,
        size: 1,
        depth: 1,
    }
}

fn is_merge<V>(node: &Node<'_, V>) -> bool {
    match &node.content {
        Content::Scalar(text, meaning) if text == "<<" && !node.alias => match meaning {
            Meaning::Plain => true,
            Meaning::Str(_) => false,
            Meaning::Tagged(tag) => tag == "!" || tag.strip_prefix(CORE) == Some("merge"),
        },
        _ => false,
    }
}

enum Resolved {
    /// A string other than the text itself.
    Text(String),
    /// What the text means; [`Scalar::Str`] is the text itself.
    Scalar(Scalar),
}

fn resolve_scalar(text: &str, meaning: &Meaning, mark: Mark) -> Result<Resolved, Error> {
    let tag = match meaning {
        Meaning::Plain => return Ok(Resolved::Scalar(resolve::plain(text))),
        Meaning::Str(_) => return Ok(Resolved::Scalar(Scalar::Str)),
        Meaning::Tagged(tag) => tag,
    };
    let Some(kind) = tag.strip_prefix(CORE) else {
        return Ok(Resolved::Scalar(Scalar::Str));
    };
    let found = resolve::plain(text);
    let fits = match (kind, found) {
        ("bool", Scalar::Bool(_))
        | ("int", Scalar::Int(_) | Scalar::Uint(_))
        | ("float", Scalar::Float(_))
        | ("null", Scalar::Null) => found,
        ("float", Scalar::Int(value)) => Scalar::Float(value as f64),
        ("float", Scalar::Uint(value)) => Scalar::Float(value as f64),
        ("bool" | "int" | "float" | "null", _) => {
            let message = format!("cannot decode {} `{text}` as a !!{kind}", short_name(found));
            return Err(at(mark, message));
        }
        ("binary", _) => {
            let joined: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            let bytes = STANDARD.decode(joined).map_err(|_| {
                at(
                    mark,
                    "!!binary value contains invalid base64 data".to_owned(),
                )
            })?;
            return Ok(Resolved::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        _ => Scalar::Str,
    };
    Ok(Resolved::Scalar(fits))
}

fn short_name(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Null => "!!null",
        Scalar::Bool(_) => "!!bool",
        Scalar::Int(_) | Scalar::Uint(_) => "!!int",
        Scalar::Float(_) => "!!float",
        Scalar::Merge => "!!merge",
        Scalar::Str => "!!str",
    }
}

fn json_error(mark: Mark, message: &str) -> Error {
    Error {
        go: GoPlace::Json,
        ..at(mark, message.to_owned())
    }
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`, which the conversion to JSON uses for keys.
fn float_key(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    crate::float::shortest_g(f64::from(value as f32), &format!("{:e}", value as f32))
}
