//! Template text → tokens.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    LeftDelim,
    RightDelim,
    Space,
    Field,
    Variable,
    Identifier,
    Bool,
    Number,
    Char,
    Str,
    RawStr,
    Pipe,
    LeftParen,
    RightParen,
    Declare,
    Assign,
    Comma,
    Dot,
    Nil,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
    Eof,
}

impl Kind {
    pub(crate) fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Dot
                | Self::Nil
                | Self::Block
                | Self::Break
                | Self::Continue
                | Self::Define
                | Self::Else
                | Self::End
                | Self::If
                | Self::Range
                | Self::Template
                | Self::With
        )
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    pub(crate) pos: usize,
    pub(crate) line: u32,
}

/// A failure of the lexer: line, message.
pub(crate) type LexError = (u32, String);

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

pub(crate) struct Lexer<'a> {
    input: &'a str,
    pos: usize,
    line: u32,
    tokens: Vec<Token<'a>>,
    depth: usize,
}

/// Splits a template into tokens. After an error the tokens before it are still returned, since Go's
/// parser meets them first.
pub(crate) fn tokenize(input: &str) -> (Vec<Token<'_>>, Option<LexError>) {
    let mut lexer = Lexer {
        input,
        pos: 0,
        line: 1,
        tokens: Vec::new(),
        depth: 0,
    };
    let error = lexer.run().err();
    (lexer.tokens, error)
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.input.get(self.pos..).unwrap_or_default()
    }

    fn emit(&mut self, kind: Kind, length: usize) {
        let text = self.rest().get(..length).unwrap_or_default();
        self.tokens.push(Token {
            kind,
            text,
            pos: self.pos,
            line: self.line,
        });
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        let text = self.rest().get(..length).unwrap_or_default();
        self.line += memchr_count(text);
        self.pos += length;
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, LexError> {
        Err((self.line, message.into()))
    }

    fn run(&mut self) -> Result<(), LexError> {
        loop {
            let Some(at) = self.rest().find("{{") else {
                let length = self.rest().len();
                if length > 0 {
                    self.emit(Kind::Text, length);
                }
                self.emit(Kind::Eof, 0);
                return Ok(());
            };
            let text = self.rest().get(..at).unwrap_or_default();
            let after = self.rest().get(at + 2..).unwrap_or_default();
            let trim = has_left_trim(after);
            let kept = if trim {
                text.trim_end_matches(SPACE).len()
            } else {
                at
            };
            if kept > 0 {
                self.emit(Kind::Text, kept);
            }
            self.skip(at - kept);
            let marker = if trim { 2 } else { 0 };
            if after
                .get(marker..)
                .is_some_and(|text| text.starts_with("/*"))
            {
                self.skip(2 + marker);
                self.comment()?;
                continue;
            }
            self.emit(Kind::LeftDelim, 2);
            self.skip(marker);
            self.depth = 0;
            self.action()?;
        }
    }

    fn comment(&mut self) -> Result<(), LexError> {
        let Some(end) = self.rest().find("*/") else {
            return self.fail("unclosed comment");
        };
        self.skip(end + 2);
        match self.right_delim() {
            None => self.fail("comment ends before closing delimiter"),
            Some(length) => {
                self.skip(length);
                if length > 2 {
                    self.trim_left();
                }
                Ok(())
            }
        }
    }

    /// Returns the length of `}}` or ` -}}` at the position.
    fn right_delim(&self) -> Option<usize> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            return Some(2);
        }
        let trimmed = rest.strip_prefix(SPACE)?;
        trimmed.starts_with("-}}").then_some(4)
    }

    fn trim_left(&mut self) {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches(SPACE).len();
        self.skip(length);
    }

    fn action(&mut self) -> Result<(), LexError> {
        loop {
            if let Some(length) = self.right_delim() {
                if self.depth > 0 {
                    return self.fail("unclosed left paren");
                }
                if length > 2 {
                    self.skip(2);
                }
                self.emit(Kind::RightDelim, 2);
                if length > 2 {
                    self.trim_left();
                }
                return Ok(());
            }
            let rest = self.rest();
            let Some(first) = rest.chars().next() else {
                return self.fail("unclosed action");
            };
            let second = rest.as_bytes().get(1).copied().unwrap_or_default();
            match first {
                ' ' | '\t' | '\r' | '\n' => self.space(),
                '=' => self.emit(Kind::Assign, 1),
                ':' if second == b'=' => self.emit(Kind::Declare, 2),
                ':' => return self.fail("expected :="),
                '|' => self.emit(Kind::Pipe, 1),
                ',' => self.emit(Kind::Comma, 1),
                '"' => self.quoted()?,
                '`' => self.raw()?,
                '\'' => self.character()?,
                '$' => self.variable()?,
                '.' if !second.is_ascii_digit() => self.field()?,
                '.' | '+' | '-' | '0'..='9' => self.number()?,
                '(' => {
                    self.emit(Kind::LeftParen, 1);
                    self.depth += 1;
                }
                ')' => {
                    if self.depth == 0 {
                        return self.fail("unexpected right paren");
                    }
                    self.emit(Kind::RightParen, 1);
                    self.depth -= 1;
                }
                _ if first == '_' || first.is_alphanumeric() => self.word()?,
                _ => {
                    let code = u32::from(first);
                    let shown = crate::quote::quote_char(first);
                    return self.fail(format!(
                        "unrecognized character in action: U+{code:04X} {shown}"
                    ));
                }
            }
        }
    }

    fn space(&mut self) {
        let rest = self.rest();
        let mut length = rest.len() - rest.trim_start_matches(SPACE).len();
        // The last space may belong to ` -}}`.
        if rest
            .get(length..)
            .is_some_and(|tail| tail.starts_with("-}}"))
        {
            length -= 1;
        }
        if length > 0 {
            self.emit(Kind::Space, length);
        }
    }

    fn quoted(&mut self) -> Result<(), LexError> {
        let bytes = self.rest().as_bytes();
        let mut at = 1;
        loop {
            match bytes.get(at) {
                Some(b'\\') if !matches!(bytes.get(at + 1), None | Some(b'\n')) => at += 2,
                None | Some(b'\n' | b'\\') => return self.fail("unterminated quoted string"),
                Some(b'"') => break,
                Some(_) => at += 1,
            }
        }
        self.emit(Kind::Str, at + 1);
        Ok(())
    }

    fn raw(&mut self) -> Result<(), LexError> {
        let body = self.rest().get(1..).unwrap_or_default();
        match body.find('`') {
            Some(end) => {
                self.emit(Kind::RawStr, end + 2);
                Ok(())
            }
            None => self.fail("unterminated raw quoted string"),
        }
    }

    fn character(&mut self) -> Result<(), LexError> {
        let bytes = self.rest().as_bytes();
        let mut at = 1;
        loop {
            match bytes.get(at) {
                Some(b'\\') if !matches!(bytes.get(at + 1), None | Some(b'\n')) => at += 2,
                None | Some(b'\n' | b'\\') => {
                    return self.fail("unterminated character constant");
                }
                Some(b'\'') => break,
                Some(_) => at += 1,
            }
        }
        self.emit(Kind::Char, at + 1);
        Ok(())
    }

    fn name_length(text: &str) -> usize {
        text.find(|c: char| !(c == '_' || c.is_alphanumeric()))
            .unwrap_or(text.len())
    }

    fn check_terminator(&self, length: usize) -> Result<(), LexError> {
        let tail = self.rest().get(length..).unwrap_or_default();
        let ends = tail.is_empty()
            || tail.starts_with(SPACE)
            || tail.starts_with(['.', ',', '|', ':', ')', '('])
            || tail.starts_with("}}");
        if ends {
            return Ok(());
        }
        let bad = tail.chars().next().unwrap_or_default();
        let code = u32::from(bad);
        let shown = crate::quote::quote_char(bad);
        self.fail(format!("bad character U+{code:04X} {shown}"))
    }

    fn field(&mut self) -> Result<(), LexError> {
        let length = 1 + Self::name_length(self.rest().get(1..).unwrap_or_default());
        self.check_terminator(length)?;
        let kind = if length == 1 { Kind::Dot } else { Kind::Field };
        self.emit(kind, length);
        Ok(())
    }

    fn variable(&mut self) -> Result<(), LexError> {
        let length = 1 + Self::name_length(self.rest().get(1..).unwrap_or_default());
        self.check_terminator(length)?;
        self.emit(Kind::Variable, length);
        Ok(())
    }

    fn word(&mut self) -> Result<(), LexError> {
        let length = Self::name_length(self.rest());
        self.check_terminator(length)?;
        let kind = match self.rest().get(..length).unwrap_or_default() {
            "block" => Kind::Block,
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "range" => Kind::Range,
            "nil" => Kind::Nil,
            "template" => Kind::Template,
            "with" => Kind::With,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind, length);
        Ok(())
    }

    fn number(&mut self) -> Result<(), LexError> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
        let mut end = usize::from(matches!(at(0), b'+' | b'-'));
        let (hex, digits): (bool, fn(u8) -> bool) = match (at(end), at(end + 1) | 0x20) {
            (b'0', b'x') => (true, |b| b.is_ascii_hexdigit() || b == b'_'),
            (b'0', b'o') => (false, |b| (b'0'..=b'7').contains(&b) || b == b'_'),
            (b'0', b'b') => (false, |b| matches!(b, b'0' | b'1' | b'_')),
            _ => (false, |b| b.is_ascii_digit() || b == b'_'),
        };
        let prefixed = at(end) == b'0' && matches!(at(end + 1) | 0x20, b'x' | b'o' | b'b');
        if prefixed {
            end += 2;
        }
        while digits(at(end)) {
            end += 1;
        }
        if at(end) == b'.' {
            end += 1;
            while digits(at(end)) {
                end += 1;
            }
        }
        let exponent = if hex { b'p' } else { b'e' };
        if (hex || !prefixed) && at(end) | 0x20 == exponent {
            end += 1;
            end += usize::from(matches!(at(end), b'+' | b'-'));
            while at(end).is_ascii_digit() || at(end) == b'_' {
                end += 1;
            }
        }
        end += usize::from(at(end) == b'i');
        let next = rest.get(end..).and_then(|tail| tail.chars().next());
        if next.is_some_and(|c| c == '_' || c.is_alphanumeric()) {
            let length = end + next.map_or(0, char::len_utf8);
            let shown = crate::quote::quote(rest.get(..length).unwrap_or_default());
            return self.fail(format!("bad number syntax: {shown}"));
        }
        self.emit(Kind::Number, end);
        Ok(())
    }
}

fn has_left_trim(text: &str) -> bool {
    text.strip_prefix('-')
        .is_some_and(|tail| tail.starts_with(SPACE))
}

fn memchr_count(text: &str) -> u32 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u32
}
