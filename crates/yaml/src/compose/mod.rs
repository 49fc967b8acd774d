//! Tokens → values: documents, nodes, anchors, merge keys and keys that are not strings.

mod collection;
mod scalar;

use std::borrow::Cow;
use std::collections::HashMap;

use crate::Limits;
use crate::build::{Build, Form};
use crate::error::Error;
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
