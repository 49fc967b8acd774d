//! Versions and constraints, as Masterminds' library reads them.

use std::any::Any;
use std::cmp::Ordering;
use std::rc::Rc;

use super::{Answer, arg, func, text};
use crate::error::Fault;
use crate::exec::Exec;
use crate::object::Object;
use crate::quote;
use crate::registry::{Func, Ty};
use crate::value::Value;

pub(super) const FUNCS: &[Func] = &[
    func("semver", &[Ty::Str], |_, args| {
        Ok(Value::Object(Rc::new(Version::parse(text(args, 0))?)))
    }),
    func("semverCompare", &[Ty::Str, Ty::Str], semver_compare),
];

fn semver_compare(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let constraint = Constraint::parse(text(args, 0))?;
    let version = Version::parse(text(args, 1))?;
    Ok(Value::Bool(constraint.check(&version)))
}

/// A semantic version; minor and patch may be missing in its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// Patch number.
    pub patch: u64,
    /// What follows `-`.
    pub pre: String,
    /// What follows `+`.
    pub metadata: String,
    original: String,
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

impl Version {
    /// Reads a version.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let invalid = || Fault::new("invalid semantic version");
        if text.len() > 256 {
            return Err(Fault::new("version string is too long (max 256 bytes)"));
        }
        let plain = text.strip_prefix('v').unwrap_or(text);
        let (rest, metadata) = match plain.split_once('+') {
            Some((rest, metadata)) if is_identifier(metadata) => (rest, metadata),
            Some(_) => return Err(invalid()),
            None => (plain, ""),
        };
        let (numbers, pre) = match rest.split_once('-') {
            Some((numbers, pre)) if is_identifier(pre) => (numbers, pre),
            Some(_) => return Err(invalid()),
            None => (rest, ""),
        };
        let mut parts = numbers.split('.');
        let mut number = |needed: bool| -> Result<u64, Fault> {
            match parts.next() {
                Some(part) if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => part
                    .parse()
                    .map_err(|_| Fault::new("error parsing version segment: value out of range")),
                None if !needed => Ok(0),
                _ => Err(invalid()),
            }
        };
        let version = Self {
            major: number(true)?,
            minor: number(false)?,
            patch: number(false)?,
            pre: pre.to_owned(),
            metadata: metadata.to_owned(),
            original: text.to_owned(),
        };
        if parts.next().is_some() {
            return Err(invalid());
        }
        let leading_zero = |part: &str| {
            part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit())
        };
        if pre.split('.').any(leading_zero) {
            return Err(Fault::new("version segment starts with 0"));
        }
        Ok(version)
    }

    /// Compares by number, then by prerelease.
    pub fn compare(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| compare_pre(&self.pre, &other.pre))
    }

    fn normal(&self) -> String {
        let mut text = format!("{}.{}.{}", self.major, self.minor, self.patch);
        if !self.pre.is_empty() {
            text.push('-');
            text.push_str(&self.pre);
        }
        if !self.metadata.is_empty() {
            text.push('+');
            text.push_str(&self.metadata);
        }
        text
    }

    fn increase(&self, what: &str) -> Self {
        let mut next = Self {
            original: String::new(),
            pre: String::new(),
            metadata: String::new(),
            ..self.clone()
        };
        match what {
            "IncMajor" => (next.major, next.minor, next.patch) = (self.major + 1, 0, 0),
            "IncMinor" => (next.minor, next.patch) = (self.minor + 1, 0),
            // A prerelease comes before its patch version.
            _ if self.pre.is_empty() => next.patch = self.patch + 1,
            _ => {}
        }
        next.original = if self.original.starts_with('v') {
            format!("v{}", next.normal())
        } else {
            next.normal()
        };
        next
    }
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        _ => {}
    }
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => match (x.parse::<u64>(), y.parse::<u64>()) {
                (Ok(x), Ok(y)) => x.cmp(&y),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => x.cmp(y),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

impl Object for Version {
    fn type_name(&self) -> &'static str {
        "*semver.Version"
    }

    fn kind_name(&self) -> &'static str {
        "ptr"
    }

    fn call(&self, name: &str, args: &[Value]) -> Option<Answer> {
        let other = |order: fn(Ordering) -> bool| -> Answer {
            match arg(args, 0) {
                Value::Object(object) => match object.as_any().downcast_ref::<Self>() {
                    Some(other) => Ok(Value::Bool(order(self.compare(other)))),
                    None => Err(Fault::new("expected a version")),
                },
                _ => Err(Fault::new("expected a version")),
            }
        };
        let number = |number: u64| Ok(Value::Int(number as i64));
        Some(match name {
            "Major" => number(self.major),
            "Minor" => number(self.minor),
            "Patch" => number(self.patch),
            "Prerelease" => Ok(Value::str(&self.pre)),
            "Metadata" => Ok(Value::str(&self.metadata)),
            "Original" => Ok(Value::str(&self.original)),
            "String" => Ok(self.normal().into()),
            "Equal" => other(|order| order == Ordering::Equal),
            "LessThan" => other(|order| order == Ordering::Less),
            "LessThanEqual" => other(|order| order != Ordering::Greater),
            "GreaterThan" => other(|order| order == Ordering::Greater),
            "GreaterThanEqual" => other(|order| order != Ordering::Less),
            "Compare" => match arg(args, 0) {
                Value::Object(object) => match object.as_any().downcast_ref::<Self>() {
                    Some(other) => Ok(Value::Int(self.compare(other) as i64)),
                    None => Err(Fault::new("expected a version")),
                },
                _ => Err(Fault::new("expected a version")),
            },
            "IncMajor" | "IncMinor" | "IncPatch" => Ok(Value::Object(Rc::new(self.increase(name)))),
            _ => return None,
        })
    }

    fn display(&self) -> String {
        self.normal()
    }

    fn to_plain(&self) -> Value {
        self.normal().into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

#[derive(Clone, Debug)]
struct Part {
    op: Op,
    version: Version,
    dirty: bool,
    minor_dirty: bool,
    patch_dirty: bool,
}

/// A constraint: alternatives of requirements that all hold.
#[derive(Clone, Debug)]
pub struct Constraint {
    alternatives: Vec<Vec<Part>>,
}

impl Constraint {
    /// Reads a constraint.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > 512 {
            return Err(Fault::new("constraint string is too long (max 512 bytes)"));
        }
        let rewritten = rewrite_range(text);
        let mut alternatives = Vec::new();
        for alternative in rewritten.split("||") {
            let improper = || {
                Fault::new(format!(
                    "improper constraint: {}",
                    quote::quote(alternative)
                ))
            };
            let mut parts = Vec::new();
            let mut rest = alternative;
            loop {
                let (part, tail) = read_part(rest).ok_or_else(improper)?;
                parts.push(part);
                let trimmed = tail.trim_start();
                if trimmed.is_empty() {
                    break;
                }
                rest = match trimmed.strip_prefix(',') {
                    Some(next) => next,
                    None if trimmed.len() < tail.len() => trimmed,
                    None => return Err(improper()),
                };
            }
            alternatives.push(parts);
        }
        if alternatives.len() > 32 {
            return Err(Fault::new("too many constraint groups (max 32)"));
        }
        Ok(Self { alternatives })
    }

    /// Says whether the version fits.
    pub fn check(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|parts| {
            let with_pre = parts.iter().any(|part| !part.version.pre.is_empty());
            if !version.pre.is_empty() && !with_pre {
                return false;
            }
            parts.iter().all(|part| part.check(version))
        })
    }
}

fn is_wild(text: &str) -> bool {
    matches!(text, "x" | "X" | "*")
}

/// Reads one `op version`; returns what follows.
fn read_part(text: &str) -> Option<(Part, &str)> {
    let text = text.trim_start();
    let (op, length) = match text.as_bytes() {
        [b'!', b'=', ..] => (Op::NotEqual, 2),
        [b'>', b'=', ..] | [b'=', b'>', ..] => (Op::GreaterEqual, 2),
        [b'<', b'=', ..] | [b'=', b'<', ..] => (Op::LessEqual, 2),
        [b'~', b'>', ..] => (Op::Tilde, 2),
        [b'=', ..] => (Op::Equal, 1),
        [b'>', ..] => (Op::Greater, 1),
        [b'<', ..] => (Op::Less, 1),
        [b'~', ..] => (Op::Tilde, 1),
        [b'^', ..] => (Op::Caret, 1),
        _ => (Op::Equal, 0),
    };
    let text = text.get(length..)?.trim_start();
    let text = text.strip_prefix('v').unwrap_or(text);
    let number = |text: &str| {
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, 'x' | 'X' | '*')))
            .unwrap_or(text.len())
    };
    let mut rest = text;
    let mut numbers: Vec<&str> = Vec::new();
    for index in 0..3 {
        let body = if index == 0 {
            rest
        } else {
            match rest.strip_prefix('.') {
                Some(body) if number(body) > 0 => body,
                _ => break,
            }
        };
        let (head, tail) = body.split_at_checked(number(body))?;
        if head.is_empty() {
            return None;
        }
        numbers.push(head);
        rest = tail;
    }
    let suffix = |rest: &str, mark: char| -> usize {
        let Some(body) = rest.strip_prefix(mark) else {
            return 0;
        };
        let end = body
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.')))
            .unwrap_or(body.len());
        let body = body.get(..end).unwrap_or_default().trim_end_matches('.');
        if is_identifier(body) {
            body.len() + 1
        } else {
            0
        }
    };
    let (pre, tail) = rest.split_at_checked(suffix(rest, '-'))?;
    let (metadata, tail) = tail.split_at_checked(suffix(tail, '+'))?;
    let part = make_part(op, &numbers, pre, metadata)?;
    Some((part, tail))
}

fn make_part(op: Op, numbers: &[&str], pre: &str, metadata: &str) -> Option<Part> {
    let get = |index: usize| numbers.get(index).copied().unwrap_or_default();
    let wild = |index: usize| get(index).is_empty() || is_wild(get(index));
    let (mut dirty, mut minor_dirty, mut patch_dirty) = (true, false, false);
    let text = if wild(0) {
        format!("0.0.0{pre}")
    } else if wild(1) {
        minor_dirty = true;
        format!("{}.0.0{pre}", get(0))
    } else if wild(2) {
        patch_dirty = true;
        format!("{}.{}.0{pre}", get(0), get(1))
    } else {
        dirty = false;
        format!("{}.{}.{}{pre}{metadata}", get(0), get(1), get(2))
    };
    Some(Part {
        op,
        version: Version::parse(&text).ok()?,
        dirty,
        minor_dirty,
        patch_dirty,
    })
}

impl Part {
    fn check(&self, version: &Version) -> bool {
        let mine = &self.version;
        let order = version.compare(mine);
        match self.op {
            Op::Equal if self.dirty => self.tilde(version, order),
            Op::Equal => order == Ordering::Equal,
            Op::NotEqual => self.differs(version, order),
            Op::Greater => {
                if !self.dirty {
                    order == Ordering::Greater
                } else if version.major != mine.major {
                    version.major > mine.major
                } else if self.minor_dirty {
                    false
                } else if self.patch_dirty {
                    version.minor > mine.minor
                } else {
                    order == Ordering::Greater
                }
            }
            Op::Less => order == Ordering::Less,
            Op::GreaterEqual => order != Ordering::Less,
            Op::LessEqual if !self.dirty => order != Ordering::Greater,
            Op::LessEqual => {
                version.major < mine.major
                    || version.major == mine.major
                        && (version.minor <= mine.minor || self.minor_dirty)
            }
            Op::Tilde => self.tilde(version, order),
            Op::Caret => self.caret(version, order),
        }
    }

    fn differs(&self, version: &Version, order: Ordering) -> bool {
        let mine = &self.version;
        if self.dirty {
            if mine.major != version.major {
                return true;
            }
            if mine.minor != version.minor && !self.minor_dirty {
                return true;
            }
            if self.minor_dirty {
                return false;
            }
            if mine.patch != version.patch && !self.patch_dirty {
                return true;
            }
            if self.patch_dirty {
                return mine.pre != version.pre;
            }
        }
        order != Ordering::Equal
    }

    fn tilde(&self, version: &Version, order: Ordering) -> bool {
        let mine = &self.version;
        if order == Ordering::Less {
            return false;
        }
        let zero = (mine.major, mine.minor, mine.patch) == (0, 0, 0);
        if zero && !self.minor_dirty && !self.patch_dirty {
            return true;
        }
        version.major == mine.major && (version.minor == mine.minor || self.minor_dirty)
    }

    fn caret(&self, version: &Version, order: Ordering) -> bool {
        let mine = &self.version;
        if order == Ordering::Less {
            return false;
        }
        if mine.major > 0 || self.minor_dirty {
            return version.major == mine.major;
        }
        if version.major > 0 {
            return false;
        }
        if mine.minor > 0 || self.patch_dirty {
            return version.minor == mine.minor;
        }
        version.minor == 0 && version.patch == mine.patch
    }
}

/// `1.2 - 1.4` is `>= 1.2, <= 1.4`.
fn rewrite_range(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if !words.contains(&"-") {
        return text.to_owned();
    }
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match (words.get(at + 1), words.get(at + 2)) {
            (Some(&"-"), Some(to)) => {
                out.push(format!(">= {word}, <= {to}"));
                at += 3;
            }
            _ => {
                out.push((*word).to_owned());
                at += 1;
            }
        }
    }
    out.join(" ")
}
