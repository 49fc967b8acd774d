//! The order of keys: numbers inside them count as numbers, letters come after everything else.

use std::cmp::Ordering;

use super::Dialect;

/// Compares two keys as Go's libraries sort them.
pub fn key_order(a: &str, b: &str, dialect: Dialect) -> Ordering {
    if a == b {
        Ordering::Equal
    } else if less(a, b, dialect) {
        Ordering::Less
    } else if less(b, a, dialect) {
        Ordering::Greater
    } else {
        a.cmp(b)
    }
}

fn less(a: &str, b: &str, dialect: Dialect) -> bool {
    // Up to the first difference; on plain ASCII, bytes are characters.
    let (mut left, mut right) = (a.char_indices(), b.char_indices());
    let mut digits = false;
    loop {
        let (Some((at, x)), Some((_, y))) = (left.next(), right.next()) else {
            return a.chars().count() < b.chars().count();
        };
        if x == y {
            digits = is_digit(x);
            continue;
        }
        let (x_letter, y_letter) = (x.is_alphabetic(), y.is_alphabetic());
        if x_letter && y_letter {
            return x < y;
        }
        if x_letter || y_letter {
            return if digits && dialect == Dialect::Version3 {
                x_letter
            } else {
                y_letter
            };
        }
        // A zero counts when digits other than zero stand before it.
        let mut start = 0i64;
        if x == '0' || y == '0' {
            let before = a.get(..at).unwrap_or_default();
            let led = before
                .chars()
                .rev()
                .take_while(|c| is_digit(*c))
                .any(|c| c != '0');
            start = i64::from(led);
        }
        let (x_number, x_length) = number(a.get(at..).unwrap_or_default(), start);
        let (y_number, y_length) = number(b.get(at..).unwrap_or_default(), start);
        if x_number != y_number {
            return x_number < y_number;
        }
        if x_length != y_length {
            return x_length < y_length;
        }
        return x < y;
    }
}

fn number(text: &str, start: i64) -> (i64, usize) {
    let mut value = start;
    let mut length = 0;
    for character in text.chars().take_while(|c| is_digit(*c)) {
        let digit = i64::from(u32::from(character)) - i64::from(b'0');
        value = value.wrapping_mul(10).wrapping_add(digit);
        length += 1;
    }
    (value, length)
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit() || (!character.is_ascii() && character.is_numeric())
}
