//! A position in the text: bytes for speed, characters for columns.

/// A place in the text: line and column from 0, index in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) index: u32,
}

/// Walks over checked text. Columns are counted only when somebody asks for them.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    line: u32,
    /// Characters before `counted_to`, and before the current line.
    counted: u32,
    counted_to: usize,
    line_index: u32,
    line_start: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            pos: 0,
            line: 0,
            counted: 0,
            counted_to: 0,
            line_index: 0,
            line_start: 0,
        }
    }

    /// Returns the byte `offset` after the position; 0 past the end (the text holds no zero byte).
    #[inline]
    pub(crate) fn at(&self, offset: usize) -> u8 {
        self.bytes
            .get(self.pos + offset)
            .copied()
            .unwrap_or_default()
    }

    #[inline]
    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    /// Returns the bytes from the position on.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.pos..).unwrap_or_default()
    }

    /// Returns the text between two positions that lie on character borders.
    #[inline]
    pub(crate) fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// Moves on by bytes that hold no line break.
    #[inline]
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.pos += bytes;
    }

    /// Moves over one character.
    #[inline]
    pub(crate) fn skip_char(&mut self) {
        self.pos += width(self.at(0));
    }

    #[inline]
    pub(crate) fn at_line_start(&self) -> bool {
        self.pos == self.line_start
    }

    /// Says whether the byte at `offset` is a space or a tab.
    #[inline]
    pub(crate) fn is_blank(&self, offset: usize) -> bool {
        matches!(self.at(offset), b' ' | b'\t')
    }

    /// Returns the length in bytes of the line break at `offset`, 0 when there is none.
    #[inline]
    pub(crate) fn break_len(&self, offset: usize) -> usize {
        match self.at(offset) {
            b'\r' if self.at(offset + 1) == b'\n' => 2,
            b'\n' | b'\r' => 1,
            0xC2 if self.at(offset + 1) == 0x85 => 2,
            0xE2 if self.at(offset + 1) == 0x80 && matches!(self.at(offset + 2), 0xA8 | 0xA9) => 3,
            _ => 0,
        }
    }

    #[inline]
    pub(crate) fn is_end(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    #[inline]
    pub(crate) fn is_breakz(&self, offset: usize) -> bool {
        self.pos + offset >= self.bytes.len() || self.break_len(offset) > 0
    }

    #[inline]
    pub(crate) fn is_blankz(&self, offset: usize) -> bool {
        self.is_blank(offset) || self.is_breakz(offset)
    }

    /// Moves over the line break at the position and returns what it counts as.
    pub(crate) fn take_break(&mut self) -> &'static str {
        let length = self.break_len(0);
        let folded = match (self.at(0), self.at(2)) {
            (0xE2, 0xA8) => "\u{2028}",
            (0xE2, 0xA9) => "\u{2029}",
            _ => "\n",
        };
        self.pos += length;
        self.count();
        self.line += 1;
        self.line_index = self.counted;
        self.line_start = self.pos;
        folded
    }

    /// Acts as if a line had ended (the end of the stream does so).
    pub(crate) fn end_line(&mut self) {
        if !self.at_line_start() {
            self.count();
            self.line += 1;
            self.line_index = self.counted;
            self.line_start = self.pos;
        }
    }

    /// Moves to the next line break or the end.
    pub(crate) fn skip_to_break(&mut self) {
        let rest = self.rest();
        let mut from = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        // NEL, LS and PS end a line too, and are rare enough for a second look.
        if let Some(early) = rare_break(rest.get(..from).unwrap_or_default()) {
            from = early;
        }
        self.pos += from;
    }

    pub(crate) fn column(&mut self) -> u32 {
        self.count();
        self.counted - self.line_index
    }

    pub(crate) fn mark(&mut self) -> Mark {
        self.count();
        Mark {
            line: self.line,
            column: self.counted - self.line_index,
            index: self.counted,
        }
    }

    fn count(&mut self) {
        let span = self
            .bytes
            .get(self.counted_to..self.pos)
            .unwrap_or_default();
        let characters = if span.is_ascii() {
            span.len()
        } else {
            span.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
        };
        self.counted += characters as u32;
        self.counted_to = self.pos;
    }
}

/// Returns the length in bytes of the character that starts with `byte`.
#[inline]
pub(crate) fn width(byte: u8) -> usize {
    match byte {
        0x00..=0xBF => 1,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xFF => 4,
    }
}

fn rare_break(span: &[u8]) -> Option<usize> {
    if span.is_ascii() {
        return None;
    }
    span.windows(2)
        .enumerate()
        .find_map(|(at, pair)| match pair {
            [0xC2, 0x85] => Some(at),
            [0xE2, 0x80] if matches!(span.get(at + 2), Some(0xA8 | 0xA9)) => Some(at),
            _ => None,
        })
}
