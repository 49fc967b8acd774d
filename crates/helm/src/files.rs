//! `.Files`: what templates may read of their chart.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use driftless_gotemplate::bytes::to_text;
use driftless_gotemplate::funcs::base;
use driftless_gotemplate::{Fault, Object, Str, Value, data};
use driftless_yaml::Dialect;
use regex::Regex;

use crate::chart::File;

/// Files by path.
pub(crate) struct Files(BTreeMap<Str, Bytes>);

impl Files {
    pub(crate) fn new(files: &[File]) -> Self {
        Self(
            files
                .iter()
                .map(|file| (file.name.clone(), file.data.clone()))
                .collect(),
        )
    }

    fn text(&self, name: &str) -> Value {
        match self.0.get(name) {
            Some(data) => Value::str(&to_text(data)),
            None => Value::str(""),
        }
    }

    fn glob(&self, pattern: &str) -> Value {
        let matcher = glob(pattern);
        let found = self.0.iter().filter(|(name, _)| {
            matcher
                .as_ref()
                .is_none_or(|matcher| matcher.is_match(name))
        });
        Value::Object(Rc::new(Self(
            found
                .map(|(name, data)| (name.clone(), data.clone()))
                .collect(),
        )))
    }

    /// The files as a YAML mapping by base name.
    fn as_yaml(&self, show: impl Fn(&Bytes) -> String) -> Value {
        let entries = self
            .0
            .iter()
            .map(|(name, data)| (Str::from(base(name)), Value::from(show(data))));
        let text = data::to_yaml(&Value::map(entries), Dialect::Kubernetes).unwrap_or_default();
        Value::str(text.strip_suffix('\n').unwrap_or(&text))
    }

    fn lines(&self, name: &str) -> Value {
        let Some(data) = self.0.get(name).filter(|data| !data.is_empty()) else {
            return Value::strings(std::iter::empty::<Str>());
        };
        let text = to_text(data);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Value::strings(text.split('\n'))
    }
}

impl Object for Files {
    fn type_name(&self) -> &'static str {
        "engine.files"
    }

    fn kind_name(&self) -> &'static str {
        "map"
    }

    fn field(&self, name: &str) -> Option<Value> {
        let data = self.0.get(name).map(|data| Arc::from(&data[..]));
        Some(Value::Bytes(data.unwrap_or_else(|| Arc::from([]))))
    }

    fn call(&self, name: &str, args: &[Value]) -> Option<Result<Value, Fault>> {
        let known = ["Get", "GetBytes", "Glob", "Lines", "AsConfig", "AsSecrets"];
        if !known.contains(&name) {
            return None;
        }
        let first = match args {
            [Value::Str(first)] => &**first,
            [] if name.starts_with("As") => "",
            [other] => {
                return Some(Err(Fault::new(format!(
                    "wrong type for value; expected string; got {}",
                    other.type_name()
                ))));
            }
            _ => {
                return Some(Err(Fault::new(format!(
                    "wrong number of args for {name}: want 1 got {}",
                    args.len()
                ))));
            }
        };
        Some(Ok(match name {
            "Get" => self.text(first),
            "GetBytes" => self.field(first).unwrap_or_default(),
            "Glob" => self.glob(first),
            "Lines" => self.lines(first),
            "AsConfig" => self.as_yaml(|data| to_text(data).into_owned()),
            _ => self.as_yaml(|data| STANDARD.encode(data)),
        }))
    }

    fn is_true(&self) -> bool {
        !self.0.is_empty()
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.len())
    }

    fn entries(&self) -> Option<Vec<(Str, Value)>> {
        let entries = self
            .0
            .iter()
            .map(|(name, data)| (name.clone(), Value::Bytes(Arc::from(&data[..]))));
        Some(entries.collect())
    }

    fn to_plain(&self) -> Value {
        Value::map(self.entries().unwrap_or_default())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Compiles a glob; `None` matches everything, as a pattern that makes no sense does.
fn glob(pattern: &str) -> Option<Regex> {
    let mut regex = String::from("(?s)^");
    let mut rest = pattern.chars().peekable();
    let mut braces = 0;
    while let Some(character) = rest.next() {
        match character {
            '*' if rest.peek() == Some(&'*') => {
                while rest.peek() == Some(&'*') {
                    rest.next();
                }
                regex.push_str(".*");
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '{' => {
                braces += 1;
                regex.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                regex.push(')');
            }
            ',' if braces > 0 => regex.push('|'),
            '[' => {
                regex.push('[');
                if rest.peek() == Some(&'!') {
                    rest.next();
                    regex.push('^');
                }
                for inner in rest.by_ref() {
                    if inner == ']' {
                        break;
                    }
                    if matches!(inner, '[' | '&' | '~' | '\\' | '^') {
                        regex.push('\\');
                    }
                    regex.push(inner);
                }
                regex.push(']');
            }
            '\\' => {
                if let Some(next) = rest.next() {
                    regex.push_str(&regex::escape(&next.to_string()));
                }
            }
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex.push('$');
    Regex::new(&regex).ok()
}
