//! Go's `fmt`: `Print` and `Printf` over template values.

use std::fmt::Write as _;

use driftless_yaml::format_g;

use crate::quote;
use crate::value::Value;

/// Appends what `%v` prints.
pub fn print_value(out: &mut String, value: &Value) {
    match value {
        Value::Nil => out.push_str("<nil>"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) | Value::Int64(value) => push_int(out, *value),
        Value::Float(value) => out.push_str(&format_g(*value)),
        Value::Str(text) => out.push_str(text),
        Value::Bytes(bytes) => {
            out.push('[');
            for (index, byte) in bytes.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                push_int(out, i64::from(*byte));
            }
            out.push(']');
        }
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.items().iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                print_value(out, item);
            }
            out.push(']');
        }
        Value::Map(map) => map.with(|entries| {
            out.push_str("map[");
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                print_value(out, value);
            }
            out.push(']');
        }),
        Value::Object(object) => out.push_str(&object.display()),
    }
}

/// Returns what `%v` prints.
pub fn to_text(value: &Value) -> String {
    let mut out = String::new();
    print_value(&mut out, value);
    out
}

fn push_int(out: &mut String, value: i64) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{value}");
}

/// Go's `Sprint`: a space between operands when neither is a string.
pub fn sprint(args: &[Value]) -> String {
    let mut out = String::new();
    let mut previous_string = false;
    for (index, arg) in args.iter().enumerate() {
        let is_string = matches!(arg, Value::Str(_));
        if index > 0 && !is_string && !previous_string {
            out.push(' ');
        }
        print_value(&mut out, arg);
        previous_string = is_string;
    }
    out
}

/// Go's `Sprintln`.
pub fn sprintln(args: &[Value]) -> String {
    let mut out = String::new();
    for (index, arg) in args.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        print_value(&mut out, arg);
    }
    out.push('\n');
    out
}

/// Flags, width and precision of one verb.
#[derive(Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags of printf are independent"
)]
struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// What is longer than this is not finished.
const MAX_TEXT: usize = 64 << 20;

/// The widest padding Go accepts.
const MAX_WIDTH: usize = 1_000_000;

/// Go's `Sprintf`.
pub fn sprintf(format: &str, args: &[Value]) -> String {
    let mut out = String::with_capacity(format.len() + 16);
    let mut rest = format;
    let mut next = 0;
    let mut reordered = false;
    while let Some(at) = rest.find('%') {
        if out.len() > MAX_TEXT {
            // The caller refuses a text of this length.
            break;
        }
        let (text, tail) = rest.split_at(at);
        out.push_str(text);
        let mut verb = Verb {
            rest: tail.get(1..).unwrap_or_default(),
            spec: Spec::default(),
            args,
            next,
            reordered: false,
            bad_index: false,
        };
        verb.parse(&mut out);
        let Some(character) = verb.rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            next = verb.next;
            rest = "";
            continue;
        };
        rest = verb.rest.get(character.len_utf8()..).unwrap_or_default();
        reordered |= verb.reordered;
        next = verb.next;
        if character == '%' {
            out.push('%');
        } else if verb.bad_index {
            let _ = write!(out, "%!{character}(BADINDEX)");
        } else if let Some(arg) = args.get(next) {
            next += 1;
            print_verb(&mut out, character, verb.spec, arg);
        } else {
            let _ = write!(out, "%!{character}(MISSING)");
        }
    }
    out.push_str(rest);
    if !reordered && next < args.len() {
        out.push_str("%!(EXTRA ");
        for (index, arg) in args.iter().skip(next).enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            if arg.is_nil() {
                out.push_str("<nil>");
            } else {
                out.push_str(arg.type_name());
                out.push('=');
                print_value(&mut out, arg);
            }
        }
        out.push(')');
    }
    out
}

struct Verb<'a> {
    rest: &'a str,
    spec: Spec,
    args: &'a [Value],
    next: usize,
    reordered: bool,
    bad_index: bool,
}

impl Verb<'_> {
    fn parse(&mut self, out: &mut String) {
        loop {
            match self.rest.as_bytes().first() {
                Some(b'+') => self.spec.plus = true,
                Some(b'-') => {
                    self.spec.minus = true;
                    self.spec.zero = false;
                }
                Some(b'#') => self.spec.sharp = true,
                Some(b' ') => self.spec.space = true,
                Some(b'0') => self.spec.zero = !self.spec.minus,
                _ => break,
            }
            self.advance(1);
        }
        self.index();
        if self.rest.starts_with('*') {
            self.advance(1);
            match self.star() {
                Some(width) => {
                    self.spec.width = Some(width.unsigned_abs() as usize);
                    if width < 0 {
                        self.spec.minus = true;
                        self.spec.zero = false;
                    }
                }
                None => out.push_str("%!(BADWIDTH)"),
            }
        } else {
            self.spec.width = self.number();
        }
        if self.rest.starts_with('.') {
            self.advance(1);
            self.index();
            if self.rest.starts_with('*') {
                self.advance(1);
                match self.star() {
                    Some(precision) if precision >= 0 => {
                        self.spec.precision = Some(precision as usize);
                    }
                    Some(_) => {}
                    None => out.push_str("%!(BADPREC)"),
                }
            } else {
                self.spec.precision = Some(self.number().unwrap_or(0));
            }
        }
        self.index();
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn number(&mut self) -> Option<usize> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let text = self.rest.get(..digits).filter(|text| !text.is_empty())?;
        let value = text.parse::<usize>().ok().filter(|n| *n <= MAX_WIDTH);
        self.advance(digits);
        value
    }

    fn star(&mut self) -> Option<i64> {
        let value = match self.args.get(self.next) {
            Some(Value::Int(value) | Value::Int64(value)) => Some(*value),
            _ => None,
        };
        self.next += 1;
        value.filter(|value| value.unsigned_abs() as usize <= MAX_WIDTH)
    }

    fn index(&mut self) {
        if !self.rest.starts_with('[') {
            return;
        }
        self.reordered = true;
        let Some(end) = self.rest.find(']') else {
            self.bad_index = true;
            self.advance(1);
            return;
        };
        let number: Option<usize> = self.rest.get(1..end).and_then(|text| text.parse().ok());
        match number {
            Some(number) if number >= 1 && number <= self.args.len() => self.next = number - 1,
            _ => self.bad_index = true,
        }
        self.advance(end + 1);
    }
}

/// Prints an entry of a list or map: nil is told in the same way whatever the verb is.
fn print_element(out: &mut String, verb: char, spec: Spec, item: &Value) {
    if item.is_nil() {
        out.push_str("<nil>");
    } else {
        print_verb(out, verb, spec, item);
    }
}

fn print_verb(out: &mut String, verb: char, mut spec: Spec, arg: &Value) {
    // A plus before `v` asks for names of fields, not for signs.
    spec.plus &= verb != 'v';
    match verb {
        'T' => return pad(out, spec, arg.type_name()),
        'v' if spec.sharp => return pad(out, spec, &go_syntax(arg)),
        _ => {}
    }
    if arg.is_nil() {
        if verb == 'v' {
            pad(out, spec, "<nil>");
        } else {
            let _ = write!(out, "%!{verb}(<nil>)");
        }
        return;
    }
    match arg {
        Value::Bool(value) if matches!(verb, 't' | 'v') => {
            pad(out, spec, if *value { "true" } else { "false" });
        }
        Value::Int(value) | Value::Int64(value) => print_int(out, verb, spec, *value, arg),
        Value::Float(value) => print_float(out, verb, spec, *value, arg),
        Value::Str(text) => print_str(out, verb, spec, text, arg),
        Value::Bytes(bytes) if matches!(verb, 's' | 'q' | 'x' | 'X') => {
            print_str(out, verb, spec, &String::from_utf8_lossy(bytes), arg);
        }
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.items().iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                print_element(out, verb, spec, item);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push_str("map[");
            for (index, (key, value)) in map.snapshot().into_iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                print_verb(out, verb, spec, &Value::Str(key));
                out.push(':');
                print_element(out, verb, spec, &value);
            }
            out.push(']');
        }
        Value::Object(object) if matches!(verb, 's' | 'v' | 'q') => {
            print_str(out, verb, spec, &object.display(), arg);
        }
        Value::Bytes(_) if matches!(verb, 'v' | 'd') => pad(out, spec, &to_text(arg)),
        _ => bad_verb(out, verb, arg),
    }
}

fn bad_verb(out: &mut String, verb: char, arg: &Value) {
    let _ = write!(out, "%!{verb}({}=", arg.type_name());
    print_value(out, arg);
    out.push(')');
}

fn pad(out: &mut String, spec: Spec, text: &str) {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if missing == 0 {
        out.push_str(text);
    } else if spec.minus {
        out.push_str(text);
        out.extend(std::iter::repeat_n(' ', missing));
    } else {
        let filler = if spec.zero { '0' } else { ' ' };
        out.extend(std::iter::repeat_n(filler, missing));
        out.push_str(text);
    }
}

/// Pads a number: zeroes go between sign and digits.
fn pad_number(out: &mut String, spec: Spec, sign: &str, digits: &str) {
    let length = sign.len() + digits.len();
    let missing = spec.width.unwrap_or(0).saturating_sub(length);
    if missing == 0 || spec.minus || !spec.zero {
        let plain = Spec {
            zero: false,
            ..spec
        };
        return pad(out, plain, &format!("{sign}{digits}"));
    }
    out.push_str(sign);
    out.extend(std::iter::repeat_n('0', missing));
    out.push_str(digits);
}

fn sign_of(spec: Spec, negative: bool) -> &'static str {
    if negative {
        "-"
    } else if spec.plus {
        "+"
    } else if spec.space {
        " "
    } else {
        ""
    }
}

fn print_int(out: &mut String, verb: char, spec: Spec, value: i64, arg: &Value) {
    let magnitude = value.unsigned_abs();
    let (prefix, digits) = match verb {
        'd' | 'v' => ("", magnitude.to_string()),
        'b' => ("0b", format!("{magnitude:b}")),
        'o' => ("0", format!("{magnitude:o}")),
        'O' => ("0o", format!("{magnitude:o}")),
        'x' => ("0x", format!("{magnitude:x}")),
        'X' => ("0X", format!("{magnitude:X}")),
        'c' | 'q' | 'U' => {
            let character = u32::try_from(value).ok().and_then(char::from_u32);
            let character = character.unwrap_or('\u{FFFD}');
            return match verb {
                'c' => pad(out, spec, &character.to_string()),
                'q' if spec.plus => pad(out, spec, &quote::quote_char_to_ascii(character)),
                'q' => pad(out, spec, &quote::quote_char(character)),
                'U' if spec.sharp && quote::is_print(character) => {
                    pad(out, spec, &format!("U+{value:04X} '{character}'"));
                }
                _ => pad(out, spec, &format!("U+{value:04X}")),
            };
        }
        _ => return bad_verb(out, verb, arg),
    };
    let mut digits = digits;
    if let Some(precision) = spec.precision {
        while digits.len() < precision {
            digits.insert(0, '0');
        }
    }
    if spec.sharp || verb == 'O' {
        digits.insert_str(0, prefix);
    }
    let spec = Spec {
        zero: spec.zero && spec.precision.is_none(),
        ..spec
    };
    pad_number(out, spec, sign_of(spec, value < 0), &digits);
}

fn print_float(out: &mut String, verb: char, spec: Spec, value: f64, arg: &Value) {
    let text = match (verb, spec.precision) {
        ('v' | 'g', None) => format_g(value.abs()),
        ('g' | 'G' | 'v', Some(precision)) => format_g_precision(value.abs(), precision),
        ('G', None) => format_g(value.abs()).to_uppercase(),
        ('f' | 'F', precision) => format!("{:.*}", precision.unwrap_or(6), value.abs()),
        ('e' | 'E', precision) => {
            let text = exponent_form(value.abs(), precision.unwrap_or(6));
            if verb == 'E' {
                text.to_uppercase()
            } else {
                text
            }
        }
        _ => return bad_verb(out, verb, arg),
    };
    let text = if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        let sign = if value < 0.0 { "-Inf" } else { "+Inf" };
        return pad(
            out,
            Spec {
                zero: false,
                ..spec
            },
            sign,
        );
    } else {
        text
    };
    pad_number(out, spec, sign_of(spec, value.is_sign_negative()), &text);
}

fn exponent_form(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn format_g_precision(value: f64, precision: usize) -> String {
    let precision = precision.max(1);
    let text = exponent_form(value, precision - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
    let power: i32 = exponent.parse().unwrap_or_default();
    let trim = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    if power < -4 || power >= precision as i32 {
        return format!("{}e{exponent}", trim(mantissa));
    }
    let decimals = usize::try_from(precision as i32 - 1 - power).unwrap_or(0);
    trim(&format!("{value:.decimals$}"))
}

fn print_str(out: &mut String, verb: char, spec: Spec, text: &str, arg: &Value) {
    let cut: String;
    let text = match spec.precision {
        Some(precision) if matches!(verb, 's' | 'v' | 'q') => {
            cut = text.chars().take(precision).collect();
            cut.as_str()
        }
        _ => text,
    };
    match verb {
        's' | 'v' => pad(out, spec, text),
        'q' if spec.sharp && quote::can_backquote(text) => pad(out, spec, &format!("`{text}`")),
        'q' if spec.plus => pad(out, spec, &quote::quote_to_ascii(text)),
        'q' => pad(out, spec, &quote::quote(text)),
        'x' | 'X' => pad(out, spec, &hexadecimal(text, verb, spec)),
        _ => bad_verb(out, verb, arg),
    }
}

/// `% x` sets bytes apart, `%#x` marks the text, `%# x` each byte.
fn hexadecimal(text: &str, verb: char, spec: Spec) -> String {
    let upper = verb == 'X';
    let prefix = match (spec.sharp, upper) {
        (false, _) => "",
        (true, false) => "0x",
        (true, true) => "0X",
    };
    let mut hex = String::new();
    for (index, byte) in text
        .bytes()
        .take(spec.precision.unwrap_or(usize::MAX))
        .enumerate()
    {
        if index > 0 && spec.space {
            hex.push(' ');
        }
        if index == 0 || spec.space {
            hex.push_str(prefix);
        }
        let _ = if upper {
            write!(hex, "{byte:02X}")
        } else {
            write!(hex, "{byte:02x}")
        };
    }
    hex
}

/// `%#v`
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".to_owned(),
        Value::Str(text) => quote::quote(text),
        Value::List(list) => {
            let items: Vec<String> = list.items().iter().map(go_syntax).collect();
            format!("{}{{{}}}", value.type_name(), items.join(", "))
        }
        Value::Map(map) => {
            let entries: Vec<String> = map
                .snapshot()
                .iter()
                .map(|(key, value)| format!("{}:{}", quote::quote(key), go_syntax(value)))
                .collect();
            format!("{}{{{}}}", value.type_name(), entries.join(", "))
        }
        other => to_text(other),
    }
}
