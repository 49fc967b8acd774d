//! The grammar of `--set` and its relatives: `a.b[0].c=value,d={x,y}`.

use driftless_gotemplate::{Map, Value, data};

const MAX_INDEX: usize = 65_536;
const MAX_NESTING: usize = 30;

/// What a value's text means.
#[derive(Clone, Copy)]
pub enum Reading<'a> {
    /// `--set`: booleans, null and whole numbers are what they look like.
    Typed,
    /// `--set-string`: everything is a string.
    Strings,
    /// `--set-json`: the value is JSON.
    Json,
    /// `--set-file`: the value is the content of the file it names.
    File(&'a dyn Fn(&str) -> Result<String, String>),
}

/// Parses an expression into `into`.
pub fn parse(text: &str, into: &Map, reading: &Reading<'_>) -> Result<(), String> {
    let mut parser = Parser {
        rest: text,
        reading,
        escapes: true,
    };
    while !parser.rest.is_empty() {
        parser.key(into, 0)?;
    }
    Ok(())
}

/// Parses `key=value` where everything after the first `=` is the value.
pub fn parse_literal(text: &str, into: &Map) -> Result<(), String> {
    let mut parser = Parser {
        rest: text,
        reading: &Reading::Strings,
        escapes: false,
    };
    while !parser.rest.is_empty() {
        parser.key(into, 0)?;
    }
    Ok(())
}

/// Returns the paths that `--set-file` expressions name, as far as they can be read.
pub fn named_files(texts: &[String]) -> Vec<String> {
    let named = std::cell::RefCell::new(Vec::new());
    let read = |path: &str| {
        named.borrow_mut().push(path.to_owned());
        Ok(String::new())
    };
    for text in texts {
        // What is wrong with an expression is told when it is applied.
        let _ = parse(text, &Map::default(), &Reading::File(&read));
    }
    named.into_inner()
}

struct Parser<'a> {
    rest: &'a str,
    reading: &'a Reading<'a>,
    /// Backslashes escape, commas separate, braces make lists.
    escapes: bool,
}

/// A value that is no table where a table was wanted.
fn not_a(value: &Value, what: &str) -> String {
    let found = match value {
        Value::Nil => "nil",
        other => other.type_name(),
    };
    format!("unable to parse key: interface conversion: interface {{}} is {found}, not {what}")
}

fn set(into: &Map, key: String, value: Value) {
    if !key.is_empty() {
        into.insert(key, value);
    }
}

impl Parser<'_> {
    /// Takes text up to one of `stops`; `None` is the end of the text.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut out = String::new();
        let mut characters = self.rest.chars();
        while let Some(character) = characters.next() {
            if stops.contains(&character) {
                self.rest = characters.as_str();
                return (out, Some(character));
            }
            if character == '\\' && self.escapes {
                match characters.next() {
                    Some(next) => out.push(next),
                    None => break,
                }
            } else {
                out.push(character);
            }
        }
        self.rest = "";
        (out, None)
    }

    fn key(&mut self, into: &Map, level: usize) -> Result<(), String> {
        let stops: &[char] = if self.escapes {
            &['=', '[', ',', '.']
        } else {
            &['=', '[', '.']
        };
        let (key, last) = self.until(stops);
        match last {
            None if key.is_empty() => Ok(()),
            None => Err(format!("key {key:?} has no value")),
            Some('[') => {
                let index = self.index()?;
                let list = match into.get(&key) {
                    None => Vec::new(),
                    Some(Value::List(list)) => list.items().to_vec(),
                    Some(other) => return Err(not_a(&other, "[]interface {}")),
                };
                let list = self.item(list, index, level)?;
                set(into, key, Value::list(list));
                Ok(())
            }
            Some('=') => {
                let value = self.value()?;
                set(into, key, value);
                Ok(())
            }
            Some(',') => {
                set(into, key.clone(), Value::str(""));
                Err(format!("key {key:?} has no value (cannot end with ,)"))
            }
            Some(_) => {
                if level + 1 > MAX_NESTING {
                    return Err(format!(
                        "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
                    ));
                }
                let inner = match into.get(&key) {
                    None => Map::default(),
                    Some(Value::Map(inner)) => inner,
                    Some(other) => return Err(not_a(&other, "map[string]interface {}")),
                };
                self.key(&inner, level + 1)?;
                if inner.is_empty() {
                    return Err(format!("key map {key:?} has no value"));
                }
                set(into, key, Value::Map(inner));
                Ok(())
            }
        }
    }

    fn index(&mut self) -> Result<usize, String> {
        let (text, last) = self.until(&[']']);
        if last.is_none() {
            return Err("error parsing index: EOF".to_owned());
        }
        let number: i64 = text.parse().map_err(|_| {
            format!("error parsing index: strconv.Atoi: parsing {text:?}: invalid syntax")
        })?;
        let index =
            usize::try_from(number).map_err(|_| format!("negative {number} index not allowed"))?;
        if index > MAX_INDEX {
            return Err(format!(
                "index of {index} is greater than maximum supported index of {MAX_INDEX}"
            ));
        }
        Ok(index)
    }

    fn item(
        &mut self,
        mut list: Vec<Value>,
        index: usize,
        level: usize,
    ) -> Result<Vec<Value>, String> {
        let (text, last) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            return Err(format!("unexpected data at end of array index: {text:?}"));
        }
        let known = list.get(index).cloned();
        let value = match last {
            None => return Ok(list),
            Some('=') => self.value()?,
            Some('[') => {
                if level > MAX_NESTING {
                    return Err("lists nest too deep".to_owned());
                }
                let next = self.index()?;
                let inner = match known {
                    Some(Value::List(inner)) => inner.items().to_vec(),
                    None | Some(Value::Nil) => Vec::new(),
                    Some(other) => return Err(not_a(&other, "[]interface {}")),
                };
                Value::list(self.item(inner, next, level + 1)?)
            }
            Some(_) => {
                let inner = match known {
                    Some(Value::Map(inner)) => inner,
                    _ => Map::default(),
                };
                self.key(&inner, level)?;
                Value::Map(inner)
            }
        };
        if list.len() <= index {
            list.resize(index + 1, Value::Nil);
        }
        if let Some(slot) = list.get_mut(index) {
            *slot = value;
        }
        Ok(list)
    }

    /// Takes the value after `=`, and the comma behind it.
    fn value(&mut self) -> Result<Value, String> {
        if !self.escapes {
            let text = std::mem::take(&mut self.rest);
            return Ok(Value::str(text));
        }
        if matches!(self.reading, Reading::Json) {
            return self.json();
        }
        if let Some(rest) = self.rest.strip_prefix('{') {
            self.rest = rest;
            return self.list();
        }
        if self.rest.is_empty() {
            return Ok(Value::str(""));
        }
        let (text, _) = self.until(&[',']);
        self.read(text)
    }

    fn list(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            let (text, last) = self.until(&[',', '}']);
            match last {
                None => return Err("list must terminate with '}'".to_owned()),
                Some(',') => items.push(self.read(text)?),
                Some(_) => {
                    self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
                    items.push(self.read(text)?);
                    return Ok(Value::list(items));
                }
            }
        }
    }

    fn json(&mut self) -> Result<Value, String> {
        let trimmed = self.rest.trim_start();
        if trimmed.is_empty() || trimmed.starts_with(',') {
            self.rest = trimmed.strip_prefix(',').unwrap_or_default();
            return Ok(Value::Nil);
        }
        let mut values =
            serde_json::Deserializer::from_str(trimmed).into_iter::<serde_json::Value>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err("EOF".to_owned()),
        };
        let rest = trimmed.get(values.byte_offset()..).unwrap_or_default();
        let rest = rest.trim_start();
        self.rest = rest.strip_prefix(',').unwrap_or(rest);
        Ok(data::from_serde(&value))
    }

    fn read(&self, text: String) -> Result<Value, String> {
        match self.reading {
            Reading::Strings | Reading::Json => Ok(Value::from(text)),
            Reading::File(read) => read(&text).map(Value::from),
            Reading::Typed => Ok(typed(text)),
        }
    }
}

fn typed(text: String) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Nil;
    }
    if text == "0" {
        return Value::Int64(0);
    }
    if !text.starts_with('0')
        && let Ok(number) = text.parse::<i64>()
    {
        return Value::Int64(number);
    }
    Value::from(text)
}

#[cfg(test)]
mod tests {
    use driftless_gotemplate::{Map, Value, fmt};

    use super::{Reading, parse, parse_literal};

    fn show(text: &str, reading: &Reading<'_>) -> String {
        let map = Map::default();
        match parse(text, &map, reading) {
            Ok(()) => fmt::to_text(&Value::Map(map)),
            Err(error) => error,
        }
    }

    #[test]
    fn typed_values() {
        for (text, want) in [
            ("a=1,b=x,c=true,d=null,e=", "map[a:1 b:x c:true d:<nil> e:]"),
            ("a.b.c=1", "map[a:map[b:map[c:1]]]"),
            ("a[1]=x", "map[a:[<nil> x]]"),
            ("a[0].b=x,a[0].c=y", "map[a:[map[b:x c:y]]]"),
            ("a={x,1,true}", "map[a:[x 1 true]]"),
            ("a={},b=1", "map[a:[] b:1]"),
            ("a\\.b=c\\,d", "map[a.b:c,d]"),
            ("a=007", "map[a:007]"),
            ("a=0", "map[a:0]"),
            ("a=-5", "map[a:-5]"),
            ("a", "key \"a\" has no value"),
            ("a=1,b", "key \"b\" has no value"),
            (
                "a[x]=1",
                "error parsing index: strconv.Atoi: parsing \"x\": invalid syntax",
            ),
            (
                "a[99999999]=1",
                "index of 99999999 is greater than maximum supported index of 65536",
            ),
        ] {
            assert_eq!(show(text, &Reading::Typed), want, "{text}");
        }
    }

    #[test]
    fn strings_json_and_literals() {
        assert_eq!(show("a=1,b=true", &Reading::Strings), "map[a:1 b:true]");
        assert_eq!(
            show("a={\"x\":[1,2]},b=null", &Reading::Json),
            "map[a:map[x:[1 2]] b:<nil>]"
        );
        let map = Map::default();
        parse_literal("a.b=x,y=z\\", &map).unwrap();
        assert_eq!(fmt::to_text(&Value::Map(map)), "map[a:map[b:x,y=z\\]]");
    }
}
