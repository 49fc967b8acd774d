//! Sequences and mappings, in blocks and in flow; merge keys and keys given twice.

use std::collections::HashSet;

use super::{Content, Duplicates, Node, NodeResult, Parser, Place, is_merge};
use crate::build::Build;
use crate::error::{Error, GoPlace};
use crate::scan::{Mark, Tok, at, parse_error};

impl<'a, B: Build> Parser<'a, B> {
    pub(super) fn block_sequence(&mut self, depth: usize, start: Mark) -> NodeResult<'a, B::Value> {
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

    pub(super) fn indentless_sequence(
        &mut self,
        depth: usize,
        start: Mark,
    ) -> NodeResult<'a, B::Value> {
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

    pub(super) fn flow_sequence(&mut self, depth: usize, start: Mark) -> NodeResult<'a, B::Value> {
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

    pub(super) fn flow_mapping(&mut self, depth: usize, start: Mark) -> NodeResult<'a, B::Value> {
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

    pub(super) fn block_mapping(&mut self, depth: usize, start: Mark) -> NodeResult<'a, B::Value> {
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
