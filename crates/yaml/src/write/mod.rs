//! Values → YAML, byte for byte as Go's libraries write it.
//!
//! The caller walks its own value type and says what it meets; mappings are to be given in
//! [`key_order`]. The layout follows libyaml's emitter: block style, two spaces, empty collections in
//! flow style.

mod order;
mod style;

pub use order::key_order;

use crate::float::format_g;
use crate::resolve::{self, Scalar};
use style::{Analysis, Style, analyze};

/// Which library's habits to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `sigs.k8s.io/yaml`: lists are not indented below their key, long lines fold at 80 columns.
    Kubernetes,
    /// `yaml.v3` with an indent of two: lists are indented, lines never fold.
    Version3,
}

const FOLD_AT: usize = 80;
const LONGEST_SIMPLE_KEY: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    Value,
}

/// Writes one document. Every value is either one call, or `begin_…`, its parts and `end_…`.
pub struct Writer {
    out: String,
    dialect: Dialect,
    column: usize,
    /// The last thing written was white space, or counts as such.
    whitespace: bool,
    /// Nothing but indentation (and `-`, `?`) is on the line so far.
    indention: bool,
    indent: i32,
    indents: Vec<i32>,
    place: Place,
}

impl Writer {
    /// Starts a document.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            out: String::new(),
            dialect,
            column: 0,
            whitespace: true,
            indention: true,
            indent: -1,
            indents: Vec::new(),
            place: Place::Root,
        }
    }

    /// Ends the document and returns its text with a line end.
    pub fn finish(mut self) -> String {
        self.write_indent();
        self.out
    }

    /// Writes null.
    pub fn null(&mut self) {
        self.bare("null");
    }

    /// Writes a boolean.
    pub fn boolean(&mut self, value: bool) {
        self.bare(if value { "true" } else { "false" });
    }

    /// Writes an integer.
    pub fn integer(&mut self, value: i64) {
        self.bare(&value.to_string());
    }

    /// Writes an unsigned integer.
    pub fn unsigned(&mut self, value: u64) {
        self.bare(&value.to_string());
    }

    /// Writes a float. `sigs.k8s.io/yaml` goes through JSON, where a float without a fraction becomes
    /// an integer again.
    pub fn float(&mut self, value: f64) {
        if self.dialect == Dialect::Kubernetes && value.fract() == 0.0 && value.abs() < 1e21 {
            // The shortest digits, filled up with zeroes: what Go's JSON holds in between.
            let text = format!("{value}");
            if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
                return self.bare(if text == "-0" { "0" } else { text.as_str() });
            }
        }
        let text = match format_g(value).as_str() {
            "+Inf" => ".inf".to_owned(),
            "-Inf" => "-.inf".to_owned(),
            "NaN" => ".nan".to_owned(),
            text => text.to_owned(),
        };
        self.bare(&text);
    }

    /// Writes a string.
    pub fn string(&mut self, value: &str) {
        let indent = if self.indent < 0 { 2 } else { self.indent + 2 };
        self.scalar(value, indent, false);
    }

    /// Writes a mapping without entries.
    pub fn empty_map(&mut self) {
        self.indicator("{", true, true, false);
        self.indicator("}", false, false, false);
    }

    /// Writes a sequence without items.
    pub fn empty_sequence(&mut self) {
        self.indicator("[", true, true, false);
        self.indicator("]", false, false, false);
    }

    /// Starts a mapping that has entries.
    pub fn begin_map(&mut self) {
        self.increase_indent(false);
    }

    /// Starts an entry; its value follows.
    pub fn key(&mut self, key: &str) {
        self.write_indent();
        let multiline = key.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
        if key.len() <= LONGEST_SIMPLE_KEY && !multiline {
            self.scalar(key, 0, true);
            self.indicator(":", false, false, false);
        } else {
            self.indicator("?", true, false, true);
            self.scalar(key, self.indent + 2, false);
            self.write_indent();
            self.indicator(":", true, false, true);
        }
        self.place = Place::Value;
    }

    /// Ends a mapping.
    pub fn end_map(&mut self) {
        self.indent = self.indents.pop().unwrap_or(-1);
    }

    /// Starts a sequence that has items.
    pub fn begin_sequence(&mut self) {
        let indentless =
            self.dialect == Dialect::Kubernetes && self.place == Place::Value && !self.indention;
        self.increase_indent(indentless);
    }

    /// Starts an item; its value follows.
    pub fn item(&mut self) {
        self.write_indent();
        self.indicator("-", true, false, true);
        self.place = Place::Item;
    }

    /// Ends a sequence.
    pub fn end_sequence(&mut self) {
        self.indent = self.indents.pop().unwrap_or(-1);
    }

    fn increase_indent(&mut self, indentless: bool) {
        self.indents.push(self.indent);
        if self.indent < 0 {
            self.indent = 0;
        } else if !indentless {
            self.indent += 2;
        }
    }

    fn bare(&mut self, text: &str) {
        self.space();
        self.put_str(text);
        self.whitespace = false;
        self.indention = false;
    }

    fn space(&mut self) {
        if !self.whitespace {
            self.put(' ');
        }
    }

    fn put(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    fn put_str(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += if text.is_ascii() {
            text.len()
        } else {
            text.chars().count()
        };
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
        if self.dialect == Dialect::Version3 {
            self.indention = true;
        }
    }

    fn indicator(&mut self, text: &str, need_space: bool, is_space: bool, is_indention: bool) {
        if need_space {
            self.space();
        }
        self.put_str(text);
        self.whitespace = is_space;
        self.indention = self.indention && is_indention;
    }

    fn write_indent(&mut self) {
        self.write_indent_to(self.indent);
    }

    fn write_indent_to(&mut self, indent: i32) {
        let indent = usize::try_from(indent).unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn scalar(&mut self, text: &str, indent: i32, simple_key: bool) {
        let analysis = analyze(text, self.dialect);
        match Self::choose(text, &analysis, simple_key) {
            Style::Plain => self.plain(text, indent, !simple_key),
            Style::Single => self.single_quoted(text, indent, !simple_key),
            Style::Double => self.double_quoted(text, indent, !simple_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    fn choose(text: &str, analysis: &Analysis, simple_key: bool) -> Style {
        let mut style = if text.contains('\n') {
            Style::Literal
        } else if means_string(text) {
            Style::Plain
        } else {
            Style::Double
        };
        if simple_key && analysis.multiline {
            style = Style::Double;
        }
        if style == Style::Plain && !analysis.plain_allowed {
            style = Style::Single;
        }
        if style == Style::Single && !analysis.single_quoted_allowed {
            style = Style::Double;
        }
        if style == Style::Literal && (!analysis.block_allowed || simple_key) {
            style = Style::Double;
        }
        style
    }

    fn folds(&self, may_break: bool) -> bool {
        may_break && self.dialect == Dialect::Kubernetes && self.column > FOLD_AT
    }

    fn plain(&mut self, text: &str, indent: i32, may_break: bool) {
        self.space();
        if !may_break || self.column + text.len() <= FOLD_AT || self.dialect == Dialect::Version3 {
            self.put_str(text);
        } else {
            let mut spaces = false;
            let mut characters = text.chars().peekable();
            while let Some(character) = characters.next() {
                if character == ' ' {
                    let more = characters.peek() == Some(&' ');
                    if self.folds(may_break) && !spaces && !more {
                        self.write_indent_to(indent);
                    } else {
                        self.put(' ');
                    }
                    spaces = true;
                } else {
                    self.put(character);
                    self.indention = false;
                    spaces = false;
                }
            }
        }
        self.whitespace = false;
        self.indention = false;
    }

    fn single_quoted(&mut self, text: &str, indent: i32, may_break: bool) {
        self.indicator("'", true, false, false);
        let mut spaces = false;
        let mut breaks = false;
        let last = text.len().saturating_sub(1);
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if character == ' ' {
                let more = characters.peek().is_some_and(|(_, next)| *next == ' ');
                if self.folds(may_break) && !spaces && at > 0 && at < last && !more {
                    self.write_indent_to(indent);
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else if style::is_break(character) {
                self.out.push(character);
                self.column = 0;
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent_to(indent);
                }
                if character == '\'' {
                    self.put('\'');
                }
                self.put(character);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
        self.indicator("'", false, false, false);
    }

    fn double_quoted(&mut self, text: &str, indent: i32, may_break: bool) {
        self.indicator("\"", true, false, false);
        let mut spaces = false;
        let last = text.len().saturating_sub(1);
        // Go asks whether the text, not the character, is a byte order mark.
        let marked = text.starts_with('\u{FEFF}');
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if marked || style::must_escape(character) {
                self.put_str(&style::escape(character));
                spaces = false;
            } else if character == ' ' {
                if self.folds(may_break) && !spaces && at > 0 && at < last {
                    self.write_indent_to(indent);
                    if characters.peek().is_some_and(|(_, next)| *next == ' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.put(character);
                spaces = false;
            }
        }
        self.indicator("\"", false, false, false);
    }

    fn literal(&mut self, text: &str, indent: i32) {
        self.indicator("|", true, false, false);
        if text.starts_with([' ', '\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            self.indicator("2", false, false, false);
        }
        let mut from_end = text.chars().rev();
        match (from_end.next(), from_end.next()) {
            (Some(last), _) if !style::is_break(last) => self.indicator("-", false, false, false),
            (Some(_), None) => self.indicator("+", false, false, false),
            (Some(_), Some(before)) if style::is_break(before) => {
                self.indicator("+", false, false, false);
            }
            _ => {}
        }
        self.put_break();
        self.indention = true;
        self.whitespace = true;
        for line in text.split_inclusive('\n') {
            let content = line.strip_suffix('\n').unwrap_or(line);
            if !content.is_empty() {
                self.write_indent_to(indent);
                self.put_str(content);
                self.indention = false;
            }
            if content.len() < line.len() {
                self.out.push('\n');
                self.column = 0;
                self.indention = true;
            }
        }
    }
}

/// Says whether a plain scalar with this text would be read back as a string.
fn means_string(text: &str) -> bool {
    matches!(resolve::plain(text), Scalar::Str | Scalar::Merge)
        && !resolve::is_timestamp(text)
        && !resolve::is_base_60(text)
}

/// Writes a JSON value as `sigs.k8s.io/yaml` does, with a line end.
pub fn to_string(value: &serde_json::Value) -> String {
    let mut writer = Writer::new(Dialect::Kubernetes);
    write_json(&mut writer, value);
    writer.finish()
}

fn write_json(writer: &mut Writer, value: &serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Null => writer.null(),
        Value::Bool(value) => writer.boolean(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => writer.integer(value),
            (None, Some(value), _) => writer.unsigned(value),
            (None, None, value) => writer.float(value.unwrap_or_default()),
        },
        Value::String(text) => writer.string(text),
        Value::Array(items) if items.is_empty() => writer.empty_sequence(),
        Value::Array(items) => {
            writer.begin_sequence();
            for item in items {
                writer.item();
                write_json(writer, item);
            }
            writer.end_sequence();
        }
        Value::Object(entries) if entries.is_empty() => writer.empty_map(),
        Value::Object(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|a, b| key_order(a.0, b.0, Dialect::Kubernetes));
            writer.begin_map();
            for (key, value) in sorted {
                writer.key(key);
                write_json(writer, value);
            }
            writer.end_map();
        }
    }
}

#[cfg(test)]
mod tests;
