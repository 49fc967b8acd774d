//! Which styles can hold a text, and how it is escaped where only double quotes can.

use std::fmt::Write as _;

use super::Dialect;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// What libyaml's analysis of a scalar says about it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about one text"
)]
pub(super) struct Analysis {
    pub(super) multiline: bool,
    pub(super) plain_allowed: bool,
    pub(super) single_quoted_allowed: bool,
    pub(super) block_allowed: bool,
}

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about one text"
)]
struct Seen {
    indicators: bool,
    breaks: bool,
    special: bool,
    tabs: bool,
    edge_space: bool,
    trailing_space: bool,
    break_space: bool,
    space_break: bool,
}

pub(super) fn analyze(text: &str, dialect: Dialect) -> Analysis {
    let mut seen = Seen::default();
    if text.starts_with("---") || text.starts_with("...") {
        seen.indicators = true;
    }
    let mut previous_space = false;
    let mut previous_break = false;
    let mut after_white = true;
    let mut characters = text.chars().peekable();
    let mut first = true;
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        let before_white = matches!(next, None | Some(' ' | '\t'));
        seen.indicators |= match character {
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`' => first,
            '?' | '-' => first && before_white,
            ':' => before_white,
            '#' => first || after_white,
            _ => false,
        };
        if character == '\t' && dialect == Dialect::Version3 {
            seen.tabs = true;
        } else if !is_printable(character) {
            seen.special = true;
        }
        let (space, line_break) = (character == ' ', is_break(character));
        if space || line_break {
            seen.edge_space |= first || next.is_none();
            seen.trailing_space |= space && next.is_none();
            seen.break_space |= space && previous_break;
            seen.space_break |= line_break && previous_space;
            seen.breaks |= line_break;
        }
        previous_space = space;
        previous_break = line_break;
        after_white = space || line_break || character == '\t';
        first = false;
    }
    let odd = seen.space_break || seen.special;
    Analysis {
        multiline: seen.breaks,
        plain_allowed: !(odd
            || seen.tabs
            || seen.edge_space
            || seen.break_space
            || seen.breaks
            || seen.indicators),
        single_quoted_allowed: !(odd || seen.tabs || seen.break_space),
        block_allowed: !(odd || seen.trailing_space || text.is_empty()),
    }
}

pub(super) fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// libyaml's idea of printable, which ends with the basic plane.
fn is_printable(character: char) -> bool {
    matches!(character,
        '\n' | ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FEFE}' | '\u{FF00}'..='\u{FFFD}')
}

pub(super) fn must_escape(character: char) -> bool {
    matches!(character, '"' | '\\') || !is_printable(character) || is_break(character)
}

pub(super) fn escape(character: char) -> String {
    let short = match character {
        '\0' => '0',
        '\u{07}' => 'a',
        '\u{08}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{0B}' => 'v',
        '\u{0C}' => 'f',
        '\r' => 'r',
        '\u{1B}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{A0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(character);
            let mut text = String::new();
            let written = match code {
                0..=0xFF => write!(text, "\\x{code:02X}"),
                0x100..=0xFFFF => write!(text, "\\u{code:04X}"),
                _ => write!(text, "\\U{code:08X}"),
            };
            debug_assert!(written.is_ok());
            return text;
        }
    };
    format!("\\{short}")
}
