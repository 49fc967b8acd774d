//! Scalars: plain, quoted and block. Those on one line without escapes are borrowed from the text.

use std::borrow::Cow;

use super::{Mark, Scanner, Style, Tok, scan_error};
use crate::error::Error;

/// What a run of line breaks between two parts of a scalar folds to.
#[derive(Default)]
struct Fold {
    leading: &'static str,
    trailing: String,
}

impl Fold {
    fn push_to(&mut self, text: &mut String) {
        if self.leading == "\n" {
            if self.trailing.is_empty() {
                text.push(' ');
            } else {
                text.push_str(&self.trailing);
            }
        } else {
            text.push_str(self.leading);
            text.push_str(&self.trailing);
        }
        self.leading = "";
        self.trailing.clear();
    }

    fn add(&mut self, line_break: &'static str) {
        if self.leading.is_empty() {
            self.leading = line_break;
        } else {
            self.trailing.push_str(line_break);
        }
    }

    fn any(&self) -> bool {
        !self.leading.is_empty()
    }
}

impl Scanner<'_> {
    pub(super) fn scan_plain(&mut self) -> Result<(), Error> {
        let mark = self.cursor.mark();
        let indent = self.indent + 1;
        let mut folded: Option<String> = None;
        let mut fold = Fold::default();
        // The part since the last line break: blanks inside it are kept as they are.
        let mut from = self.cursor.pos();
        let mut to = from;
        loop {
            if self.cursor.at_line_start() && self.document_indicator().is_some() {
                break;
            }
            if self.cursor.at(0) == b'#' {
                break;
            }
            if !self.cursor.is_blankz(0) && !self.ends_plain() {
                if fold.any() {
                    let text = folded.get_or_insert_default();
                    text.push_str(self.cursor.slice(from, to));
                    fold.push_to(text);
                    from = self.cursor.pos();
                }
                self.skip_plain_run();
                to = self.cursor.pos();
            }
            if !self.cursor.is_blank(0) && self.cursor.break_len(0) == 0 {
                break;
            }
            self.skip_plain_blanks(&mut fold, indent, mark)?;
            if self.flow_level == 0 && i64::from(self.cursor.column()) < indent {
                break;
            }
        }
        if fold.any() {
            self.simple_key_allowed = true;
        }
        let last = self.cursor.slice(from, to);
        let value = match folded {
            None => Cow::Borrowed(last),
            Some(mut text) => {
                text.push_str(last);
                Cow::Owned(text)
            }
        };
        self.push(Tok::Scalar(value, Style::Plain), mark);
        Ok(())
    }

    /// Says whether a plain scalar ends at the position, which is not blank.
    fn ends_plain(&self) -> bool {
        match self.cursor.at(0) {
            b':' => self.cursor.is_blankz(1),
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => self.flow_level > 0,
            _ => false,
        }
    }

    fn skip_plain_run(&mut self) {
        loop {
            let run = self
                .cursor
                .rest()
                .iter()
                .take_while(|byte| {
                    !matches!(
                        byte,
                        b' ' | b'\t'
                            | b'\n'
                            | b'\r'
                            | b':'
                            | b','
                            | b'?'
                            | b'['
                            | b']'
                            | b'{'
                            | b'}'
                            | 0xC2
                            | 0xE2
                    )
                })
                .count();
            self.cursor.skip(run);
            if self.cursor.is_blankz(0) || self.ends_plain() {
                return;
            }
            self.cursor.skip_char();
        }
    }

    fn skip_plain_blanks(&mut self, fold: &mut Fold, indent: i64, mark: Mark) -> Result<(), Error> {
        loop {
            if self.cursor.is_blank(0) {
                if self.cursor.at(0) == b'\t'
                    && fold.any()
                    && i64::from(self.cursor.column()) < indent
                {
                    let message = "found a tab character that violates indentation";
                    return Err(scan_error(self.cursor.mark(), mark, message));
                }
                self.cursor.skip(1);
            } else if self.cursor.break_len(0) > 0 {
                fold.add(self.cursor.take_break());
            } else {
                return Ok(());
            }
        }
    }

    pub(super) fn scan_quoted(&mut self, quote: u8) -> Result<(), Error> {
        let mark = self.cursor.mark();
        let style = if quote == b'"' {
            Style::Double
        } else {
            Style::Single
        };
        self.cursor.skip(1);
        // Most quoted scalars are one line without escapes.
        let rest = self.cursor.rest();
        let end = if quote == b'"' {
            memchr::memchr3(b'"', b'\\', b'\n', rest)
        } else {
            memchr::memchr2(b'\'', b'\n', rest)
        };
        if let Some(end) = end
            && rest.get(end) == Some(&quote)
            && (quote == b'"' || rest.get(end + 1) != Some(&b'\''))
        {
            let from = self.cursor.pos();
            let text = self.cursor.slice(from, from + end);
            if text.is_ascii() && !text.contains('\r') {
                self.cursor.skip(end + 1);
                self.push(Tok::Scalar(Cow::Borrowed(text), style), mark);
                return Ok(());
            }
        }
        let text = self.quoted_text(quote, mark)?;
        self.push(Tok::Scalar(Cow::Owned(text), style), mark);
        Ok(())
    }

    fn quoted_text(&mut self, quote: u8, mark: Mark) -> Result<String, Error> {
        let mut text = String::new();
        loop {
            if self.cursor.at_line_start() && self.document_indicator().is_some() {
                let message = "found unexpected document indicator";
                return Err(scan_error(self.cursor.mark(), mark, message));
            }
            if self.cursor.is_end() {
                let message = "found unexpected end of stream";
                return Err(scan_error(self.cursor.mark(), mark, message));
            }
            let mut broken = false;
            while !self.cursor.is_blankz(0) {
                let byte = self.cursor.at(0);
                if byte == b'\'' && quote == b'\'' {
                    if self.cursor.at(1) != b'\'' {
                        break;
                    }
                    text.push('\'');
                    self.cursor.skip(2);
                } else if byte == quote {
                    break;
                } else if quote == b'"' && byte == b'\\' {
                    if self.cursor.break_len(1) > 0 {
                        self.cursor.skip(1);
                        self.cursor.take_break();
                        broken = true;
                        break;
                    }
                    self.escape(&mut text, mark)?;
                } else {
                    let from = self.cursor.pos();
                    self.cursor.skip_char();
                    text.push_str(self.cursor.slice(from, self.cursor.pos()));
                }
            }
            if self.cursor.at(0) == quote {
                self.cursor.skip(1);
                return Ok(text);
            }
            self.quoted_blanks(&mut text, broken);
        }
    }

    fn quoted_blanks(&mut self, text: &mut String, escaped_break: bool) {
        let mut fold = Fold::default();
        let mut broken = escaped_break;
        let from = self.cursor.pos();
        let mut to = from;
        loop {
            if self.cursor.is_blank(0) {
                self.cursor.skip(1);
                if !broken {
                    to = self.cursor.pos();
                }
            } else if self.cursor.break_len(0) > 0 {
                let line_break = self.cursor.take_break();
                if broken && !fold.any() {
                    // After an escaped break the first real one counts as a further one.
                    fold.trailing.push_str(line_break);
                } else {
                    fold.add(line_break);
                }
                broken = true;
            } else {
                break;
            }
        }
        if !broken {
            text.push_str(self.cursor.slice(from, to));
        } else if fold.any() {
            fold.push_to(text);
        } else {
            text.push_str(&fold.trailing);
        }
    }

    fn escape(&mut self, text: &mut String, mark: Mark) -> Result<(), Error> {
        let digits = match self.cursor.at(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            simple => {
                let character = match simple {
                    b'0' => '\0',
                    b'a' => '\u{07}',
                    b'b' => '\u{08}',
                    b't' | b'\t' => '\t',
                    b'n' => '\n',
                    b'v' => '\u{0B}',
                    b'f' => '\u{0C}',
                    b'r' => '\r',
                    b'e' => '\u{1B}',
                    b' ' => ' ',
                    b'"' => '"',
                    b'\'' => '\'',
                    b'/' => '/',
                    b'\\' => '\\',
                    b'N' => '\u{85}',
                    b'_' => '\u{A0}',
                    b'L' => '\u{2028}',
                    b'P' => '\u{2029}',
                    _ => {
                        let message = "found unknown escape character";
                        return Err(scan_error(self.cursor.mark(), mark, message));
                    }
                };
                text.push(character);
                self.cursor.skip(2);
                return Ok(());
            }
        };
        self.cursor.skip(2);
        let mut code = 0u32;
        for offset in 0..digits {
            let Some(digit) = (self.cursor.at(offset) as char).to_digit(16) else {
                let message = "did not find expected hexdecimal number";
                return Err(scan_error(self.cursor.mark(), mark, message));
            };
            code = code.wrapping_shl(4) | digit;
        }
        let Some(character) = char::from_u32(code) else {
            let message = "found invalid Unicode character escape code";
            return Err(scan_error(self.cursor.mark(), mark, message));
        };
        text.push(character);
        self.cursor.skip(digits);
        Ok(())
    }

    pub(super) fn scan_block(&mut self, literal: bool) -> Result<(), Error> {
        let mark = self.cursor.mark();
        self.cursor.skip(1);
        let (chomp, increment) = self.block_header(mark)?;
        let mut indent = increment.map_or(0, |increment| self.indent.max(0) + increment);
        let mut text = String::new();
        let mut leading = "";
        let mut trailing = String::new();
        self.block_breaks(&mut indent, &mut trailing, mark)?;
        let mut leading_blank = false;
        while i64::from(self.cursor.column()) == indent && !self.cursor.is_end() {
            let blank = self.cursor.is_blank(0);
            if !literal && !leading_blank && !blank && leading == "\n" {
                if trailing.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(leading);
            }
            text.push_str(&trailing);
            trailing.clear();
            leading_blank = blank;
            let from = self.cursor.pos();
            self.cursor.skip_to_break();
            text.push_str(self.cursor.slice(from, self.cursor.pos()));
            leading = if self.cursor.is_end() {
                ""
            } else {
                self.cursor.take_break()
            };
            self.block_breaks(&mut indent, &mut trailing, mark)?;
        }
        if chomp != Chomp::Strip {
            text.push_str(leading);
        }
        if chomp == Chomp::Keep {
            text.push_str(&trailing);
        }
        let style = if literal {
            Style::Literal
        } else {
            Style::Folded
        };
        self.push(Tok::Scalar(Cow::Owned(text), style), mark);
        Ok(())
    }

    fn block_header(&mut self, mark: Mark) -> Result<(Chomp, Option<i64>), Error> {
        let mut chomp = Chomp::Clip;
        let mut increment = None;
        for _ in 0..2 {
            match self.cursor.at(0) {
                b'+' if chomp == Chomp::Clip => chomp = Chomp::Keep,
                b'-' if chomp == Chomp::Clip => chomp = Chomp::Strip,
                b'0' if increment.is_none() => {
                    let message = "found an indentation indicator equal to 0";
                    return Err(scan_error(self.cursor.mark(), mark, message));
                }
                digit @ b'1'..=b'9' if increment.is_none() => {
                    increment = Some(i64::from(digit - b'0'));
                }
                _ => break,
            }
            self.cursor.skip(1);
        }
        while self.cursor.is_blank(0) {
            self.cursor.skip(1);
        }
        if self.cursor.at(0) == b'#' {
            self.cursor.skip_to_break();
        }
        if !self.cursor.is_breakz(0) {
            let message = "did not find expected comment or line break";
            return Err(scan_error(self.cursor.mark(), mark, message));
        }
        if !self.cursor.is_end() {
            self.cursor.take_break();
        }
        Ok((chomp, increment))
    }

    /// Reads the indentation and the empty lines before a line of a block scalar.
    fn block_breaks(
        &mut self,
        indent: &mut i64,
        breaks: &mut String,
        mark: Mark,
    ) -> Result<(), Error> {
        let mut deepest = 0;
        loop {
            // At most the indentation was passed on this line, so columns are spaces.
            let mut column = i64::from(self.cursor.column());
            while (*indent == 0 || column < *indent) && self.cursor.at(0) == b' ' {
                self.cursor.skip(1);
                column += 1;
            }
            deepest = deepest.max(column);
            if (*indent == 0 || column < *indent) && self.cursor.at(0) == b'\t' {
                let message = "found a tab character where an indentation space is expected";
                return Err(scan_error(self.cursor.mark(), mark, message));
            }
            if self.cursor.break_len(0) == 0 {
                break;
            }
            breaks.push_str(self.cursor.take_break());
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent + 1).max(1);
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomp {
    Clip,
    Keep,
    Strip,
}
