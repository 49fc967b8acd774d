//! Text → tokens, with libyaml's rules, since those are what Go's library follows.
//!
//! A `:` turns what stands before it into a key, so tokens wait in a queue until it is certain that
//! the one at its head is no such key.

mod cursor;
mod scalar;
mod tag;

use std::borrow::Cow;
use std::collections::VecDeque;

use cursor::Cursor;
pub(crate) use cursor::Mark;

use crate::error::{Error, GoPlace};

/// Deeper than this is an error before it is a problem.
const MAX_NESTING: usize = 10_000;
/// A key that needs no `?` ends within this many characters.
const MAX_SIMPLE_KEY: u32 = 1024;

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tok<'a> {
    StreamEnd,
    VersionDirective(u8, u8),
    TagDirective(Box<(String, String)>),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    /// Handle and suffix.
    Tag(Box<(String, String)>),
    Scalar(Cow<'a, str>, Style),
}

#[derive(Clone, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) tok: Tok<'a>,
    pub(crate) mark: Mark,
}

#[derive(Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token_number: usize,
    mark: Mark,
}

pub(crate) struct Scanner<'a> {
    cursor: Cursor<'a>,
    tokens: VecDeque<Token<'a>>,
    /// How many tokens have left the queue.
    taken: usize,
    /// Whether the head of the queue is certain.
    ready: bool,
    indent: i64,
    indents: Vec<i64>,
    flow_level: usize,
    simple_key_allowed: bool,
    /// One per flow level; token numbers never decrease.
    simple_keys: Vec<SimpleKey>,
    ended: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            cursor: Cursor::new(text),
            tokens: VecDeque::with_capacity(16),
            taken: 0,
            ready: false,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
            ended: false,
        }
    }

    /// Returns the next token without taking it.
    pub(crate) fn peek(&mut self) -> Result<&Token<'a>, Error> {
        if !self.ready {
            self.fetch_more()?;
        }
        self.tokens
            .front()
            .ok_or_else(|| at(Mark::default(), "the scanner has no token".to_owned()))
    }

    /// Takes the next token.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, Error> {
        self.peek()?;
        self.ready = false;
        self.taken += 1;
        self.tokens
            .pop_front()
            .ok_or_else(|| at(Mark::default(), "the scanner has no token".to_owned()))
    }

    fn fetch_more(&mut self) -> Result<(), Error> {
        while self.tokens.is_empty() || self.head_may_be_key()? {
            if self.ended {
                // Everything has been taken; the end stays the end.
                let mark = self.cursor.mark();
                self.push(Tok::StreamEnd, mark);
                break;
            }
            self.fetch_next()?;
        }
        self.ready = true;
        Ok(())
    }

    fn head_may_be_key(&mut self) -> Result<bool, Error> {
        let taken = self.taken;
        let from = self
            .simple_keys
            .partition_point(|key| key.token_number < taken);
        for level in from..self.simple_keys.len() {
            let Some(key) = self.simple_keys.get(level).copied() else {
                break;
            };
            if key.token_number != taken {
                break;
            }
            if key.possible {
                return self.is_key_valid(level);
            }
        }
        Ok(false)
    }

    fn is_key_valid(&mut self, level: usize) -> Result<bool, Error> {
        let here = self.cursor.mark();
        let Some(key) = self.simple_keys.get_mut(level) else {
            return Ok(false);
        };
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < here.line || key.mark.index.saturating_add(MAX_SIMPLE_KEY) < here.index {
            if key.required {
                let mark = key.mark;
                return Err(scan_error(here, mark, "could not find expected ':'"));
            }
            key.possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_key(&mut self) -> Result<(), Error> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let mark = self.cursor.mark();
        let required = self.flow_level == 0 && self.indent == i64::from(mark.column);
        self.remove_key()?;
        let token_number = self.taken + self.tokens.len();
        if let Some(key) = self.simple_keys.last_mut() {
            *key = SimpleKey {
                possible: true,
                required,
                token_number,
                mark,
            };
        }
        Ok(())
    }

    fn remove_key(&mut self) -> Result<(), Error> {
        let Some(key) = self.simple_keys.last_mut() else {
            return Ok(());
        };
        if key.possible && key.required {
            let mark = key.mark;
            return Err(scan_error(
                self.cursor.mark(),
                mark,
                "could not find expected ':'",
            ));
        }
        key.possible = false;
        Ok(())
    }

    fn push(&mut self, tok: Tok<'a>, mark: Mark) {
        self.tokens.push_back(Token { tok, mark });
    }

    fn roll_indent(
        &mut self,
        column: u32,
        number: Option<usize>,
        tok: Tok<'a>,
        mark: Mark,
    ) -> Result<(), Error> {
        if self.flow_level > 0 || self.indent >= i64::from(column) {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = i64::from(column);
        if self.indents.len() > MAX_NESTING {
            let here = self.cursor.mark();
            return Err(scan_error(here, here, "exceeded max depth of 10000"));
        }
        match number {
            Some(number) => {
                let at = number.saturating_sub(self.taken).min(self.tokens.len());
                self.tokens.insert(at, Token { tok, mark });
            }
            None => self.push(tok, mark),
        }
        Ok(())
    }

    fn unroll_indent(&mut self, column: i64) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            let mark = self.cursor.mark();
            self.push(Tok::BlockEnd, mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_next(&mut self) -> Result<(), Error> {
        self.skip_to_token();
        let column = self.cursor.column();
        self.unroll_indent(i64::from(column));
        if self.cursor.is_end() {
            return self.fetch_stream_end();
        }
        let first = self.cursor.at(0);
        if column == 0 {
            if first == b'%' {
                self.reset_line()?;
                return self.scan_directive();
            }
            if let Some(tok) = self.document_indicator() {
                self.reset_line()?;
                let mark = self.cursor.mark();
                self.cursor.skip(3);
                self.push(tok, mark);
                return Ok(());
            }
        }
        match first {
            b'[' => self.fetch_flow_start(Tok::FlowSequenceStart),
            b'{' => self.fetch_flow_start(Tok::FlowMappingStart),
            b']' => self.fetch_flow_end(Tok::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(Tok::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'-' if self.cursor.is_blankz(1) => self.fetch_block_entry(),
            b'?' if self.flow_level > 0 || self.cursor.is_blankz(1) => self.fetch_key(),
            b':' if self.flow_level > 0 || self.cursor.is_blankz(1) => self.fetch_value(),
            b'*' | b'&' => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.scan_anchor()
            }
            b'!' => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.scan_tag()
            }
            b'|' | b'>' if self.flow_level == 0 => {
                self.remove_key()?;
                self.simple_key_allowed = true;
                self.scan_block(first == b'|')
            }
            b'\'' | b'"' => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.scan_quoted(first)
            }
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => Err(self.no_token()),
            _ => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.scan_plain()
            }
        }
    }

    fn no_token(&mut self) -> Error {
        let here = self.cursor.mark();
        scan_error(here, here, "found character that cannot start any token")
    }

    fn document_indicator(&self) -> Option<Tok<'a>> {
        let tok = match (self.cursor.at(0), self.cursor.at(1), self.cursor.at(2)) {
            (b'-', b'-', b'-') => Tok::DocumentStart,
            (b'.', b'.', b'.') => Tok::DocumentEnd,
            _ => return None,
        };
        self.cursor.is_blankz(3).then_some(tok)
    }

    fn reset_line(&mut self) -> Result<(), Error> {
        self.unroll_indent(-1);
        self.remove_key()?;
        self.simple_key_allowed = false;
        Ok(())
    }

    fn fetch_stream_end(&mut self) -> Result<(), Error> {
        self.cursor.end_line();
        self.reset_line()?;
        let mark = self.cursor.mark();
        self.push(Tok::StreamEnd, mark);
        self.ended = true;
        Ok(())
    }

    fn fetch_flow_start(&mut self, tok: Tok<'a>) -> Result<(), Error> {
        self.save_key()?;
        let mark = self.cursor.mark();
        self.simple_keys.push(SimpleKey {
            token_number: self.taken + self.tokens.len(),
            mark,
            ..SimpleKey::default()
        });
        self.flow_level += 1;
        if self.flow_level > MAX_NESTING {
            return Err(scan_error(mark, mark, "exceeded max depth of 10000"));
        }
        self.simple_key_allowed = true;
        self.cursor.skip(1);
        self.push(tok, mark);
        Ok(())
    }

    fn fetch_flow_end(&mut self, tok: Tok<'a>) -> Result<(), Error> {
        self.remove_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            self.simple_keys.pop();
        }
        self.simple_key_allowed = false;
        let mark = self.cursor.mark();
        self.cursor.skip(1);
        self.push(tok, mark);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<(), Error> {
        self.remove_key()?;
        self.simple_key_allowed = true;
        let mark = self.cursor.mark();
        self.cursor.skip(1);
        self.push(Tok::FlowEntry, mark);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), Error> {
        let mark = self.cursor.mark();
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                let message = "block sequence entries are not allowed in this context";
                return Err(scan_error(mark, mark, message));
            }
            self.roll_indent(mark.column, None, Tok::BlockSequenceStart, mark)?;
        }
        self.remove_key()?;
        self.simple_key_allowed = true;
        self.cursor.skip(1);
        self.push(Tok::BlockEntry, mark);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Error> {
        let mark = self.cursor.mark();
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                let message = "mapping keys are not allowed in this context";
                return Err(scan_error(mark, mark, message));
            }
            self.roll_indent(mark.column, None, Tok::BlockMappingStart, mark)?;
        }
        self.remove_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.cursor.skip(1);
        self.push(Tok::Key, mark);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Error> {
        let mark = self.cursor.mark();
        let level = self.simple_keys.len().saturating_sub(1);
        if self.is_key_valid(level)? {
            let key = self.simple_keys.get(level).copied().unwrap_or_default();
            let at = key
                .token_number
                .saturating_sub(self.taken)
                .min(self.tokens.len());
            let token = Token {
                tok: Tok::Key,
                mark: key.mark,
            };
            self.tokens.insert(at, token);
            self.roll_indent(
                key.mark.column,
                Some(key.token_number),
                Tok::BlockMappingStart,
                key.mark,
            )?;
            if let Some(key) = self.simple_keys.get_mut(level) {
                key.possible = false;
            }
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    let message = "mapping values are not allowed in this context";
                    return Err(scan_error(mark, mark, message));
                }
                self.roll_indent(mark.column, None, Tok::BlockMappingStart, mark)?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.cursor.skip(1);
        self.push(Tok::Value, mark);
        Ok(())
    }

    fn scan_anchor(&mut self) -> Result<(), Error> {
        let mark = self.cursor.mark();
        let alias = self.cursor.at(0) == b'*';
        self.cursor.skip(1);
        let from = self.cursor.pos();
        while is_alpha(self.cursor.at(0)) {
            self.cursor.skip(1);
        }
        let name = self.cursor.slice(from, self.cursor.pos());
        let ends = self.cursor.is_blankz(0) || b"?:,]}%@`".contains(&self.cursor.at(0));
        if name.is_empty() || !ends {
            let message = "did not find expected alphabetic or numeric character";
            return Err(scan_error(self.cursor.mark(), mark, message));
        }
        self.push(
            if alias {
                Tok::Alias(name)
            } else {
                Tok::Anchor(name)
            },
            mark,
        );
        Ok(())
    }

    fn skip_to_token(&mut self) {
        loop {
            if self.cursor.at_line_start() && self.cursor.rest().starts_with(b"\xEF\xBB\xBF") {
                self.cursor.skip(3);
            }
            while self.cursor.at(0) == b' '
                || (self.cursor.at(0) == b'\t' && (self.flow_level > 0 || !self.simple_key_allowed))
            {
                self.cursor.skip(1);
            }
            if self.cursor.at(0) == b'#' {
                self.cursor.skip_to_break();
            }
            if self.cursor.break_len(0) == 0 {
                return;
            }
            self.cursor.take_break();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }
}

/// Letters, digits, `_` and `-`.
pub(crate) fn is_alpha(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// An error of the scanner: Go names the line of the problem, or of its context on the first line.
pub(crate) fn scan_error(here: Mark, context: Mark, message: &str) -> Error {
    let mut error = at(here, message.to_owned());
    error.go = GoPlace::Lines {
        v2: match here.line {
            0 => context.line as usize,
            line => line as usize + 1,
        },
        v3: match (context.line, here.line) {
            (0, 0) => 0,
            (0, line) | (line, _) => line as usize + 1,
        },
    };
    error
}

/// An error of the parser: Go counts its lines from zero, and leaves out line zero.
pub(crate) fn parse_error(here: Mark, context: Mark, message: &str) -> Error {
    let mut error = at(here, message.to_owned());
    let place = |first: Mark, second: Mark| match first.line {
        0 => second.line as usize,
        line => line as usize,
    };
    error.go = GoPlace::Lines {
        v2: place(here, context),
        v3: place(context, here),
    };
    error
}

pub(crate) fn at(mark: Mark, message: String) -> Error {
    Error {
        line: mark.line as usize + 1,
        column: mark.column as usize + 1,
        message,
        go: GoPlace::Line(0),
    }
}
