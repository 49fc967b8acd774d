//! Paths into JSON as Kubernetes writes them: `{$.data.items[0]['a.b']}`.
//
// Upstream: client-go util/jsonpath (v0.31), differs: one path in braces, no range, no text around it.

use serde_json::Value as Json;

/// A path.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Path(Vec<Part>);

#[derive(Clone, PartialEq, Debug)]
enum Part {
    /// Fields; several in a union.
    Fields(Vec<String>),
    /// Places in a list; negative from its end.
    Places(Vec<i64>),
    /// `[from:to:step]`.
    Slice(Option<i64>, Option<i64>, i64),
    /// `*`.
    All,
    /// `..name`.
    Deep(String),
    /// `[?(@.a == 1)]`.
    Filter(Path, Option<(Compare, Json)>),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Compare {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

const LONGEST: usize = 1024;
/// Values looked at for one path.
const BUDGET: usize = 200_000;

impl Path {
    /// Reads a path.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(format!("the path is longer than {LONGEST} characters"));
        }
        let inner = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .filter(|inner| !inner.contains(['{', '}']))
            .ok_or_else(|| format!("the path {text:?} is not written as {{$.a.b}}"))?;
        let (parts, rest) =
            parts(inner.trim()).map_err(|why| format!("the path {text:?}: {why}"))?;
        if !rest.trim().is_empty() {
            return Err(format!("the path {text:?}: {rest:?} is not understood"));
        }
        Ok(Self(parts))
    }

    /// Returns the first value at the path. One that is not there is an error, as a list without a match is.
    pub(crate) fn first<'a>(&self, value: &'a Json) -> Result<&'a Json, String> {
        let mut budget = BUDGET;
        let found = self.all(value, &mut budget)?;
        found
            .first()
            .copied()
            .ok_or_else(|| "no value at the path".into())
    }

    fn all<'a>(&self, value: &'a Json, budget: &mut usize) -> Result<Vec<&'a Json>, String> {
        let mut at = vec![value];
        for part in &self.0 {
            let mut next = Vec::new();
            for value in at {
                part.step(value, &mut next, budget)?;
            }
            at = next;
        }
        Ok(at)
    }
}

impl Part {
    fn step<'a>(
        &self,
        value: &'a Json,
        into: &mut Vec<&'a Json>,
        budget: &mut usize,
    ) -> Result<(), String> {
        *budget = budget
            .checked_sub(1)
            .ok_or("the path takes too much work")?;
        match self {
            Self::Fields(names) => {
                for name in names {
                    let found = value.as_object().and_then(|map| map.get(name));
                    into.push(found.ok_or_else(|| format!("{name} is not found"))?);
                }
            }
            Self::Places(places) => {
                let items = list(value)?;
                for place in places {
                    let item = at(items.len(), *place).and_then(|at| items.get(at));
                    let missing =
                        || format!("the list has {} values, none at [{place}]", items.len());
                    into.push(item.ok_or_else(missing)?);
                }
            }
            Self::Slice(from, to, step) => {
                let items = list(value)?;
                let bound = |bound: Option<i64>, otherwise: usize| match bound {
                    None => otherwise,
                    Some(number) if number < 0 => {
                        items.len().saturating_sub(number.unsigned_abs() as usize)
                    }
                    Some(number) => (number as usize).min(items.len()),
                };
                let part = items.get(bound(*from, 0)..bound(*to, items.len()));
                let step = usize::try_from(*step).unwrap_or(1).max(1);
                into.extend(part.unwrap_or_default().iter().step_by(step));
            }
            Self::All => match value {
                Json::Array(items) => into.extend(items),
                Json::Object(map) => into.extend(map.values()),
                _ => {}
            },
            Self::Deep(name) => deep(value, name, into, budget)?,
            Self::Filter(path, test) => {
                for item in list(value)? {
                    let Ok(found) = path.all(item, budget) else {
                        continue;
                    };
                    let holds = match test {
                        None => !found.is_empty(),
                        Some((compare, with)) => found
                            .first()
                            .is_some_and(|found| compare.holds(found, with)),
                    };
                    if holds {
                        into.push(item);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Compare {
    fn holds(self, left: &Json, right: &Json) -> bool {
        let order = match (left, right) {
            (Json::Number(a), Json::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
            (Json::String(a), Json::String(b)) => Some(a.cmp(b)),
            (Json::Bool(a), Json::Bool(b)) => Some(a.cmp(b)),
            _ => None,
        };
        match self {
            Self::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
            Self::Unequal => order.is_none_or(std::cmp::Ordering::is_ne),
            Self::Less => order.is_some_and(std::cmp::Ordering::is_lt),
            Self::LessEqual => order.is_some_and(std::cmp::Ordering::is_le),
            Self::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
            Self::GreaterEqual => order.is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

fn list(value: &Json) -> Result<&[Json], String> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| "it is not a list where the path wants one".into())
}

fn at(length: usize, place: i64) -> Option<usize> {
    if place < 0 {
        length.checked_sub(place.unsigned_abs() as usize)
    } else {
        usize::try_from(place).ok()
    }
}

fn deep<'a>(
    value: &'a Json,
    name: &str,
    into: &mut Vec<&'a Json>,
    budget: &mut usize,
) -> Result<(), String> {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        *budget = budget
            .checked_sub(1)
            .ok_or("the path takes too much work")?;
        match value {
            Json::Object(map) => {
                into.extend(map.get(name));
                open.extend(map.values().rev());
            }
            Json::Array(items) => open.extend(items.iter().rev()),
            _ => {}
        }
    }
    Ok(())
}

type Parsed<'a> = (Vec<Part>, &'a str);

/// Reads parts until something that is none.
fn parts(text: &str) -> Result<Parsed<'_>, String> {
    let mut rest = text.strip_prefix(['$', '@']).unwrap_or(text);
    let mut parts = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix("..") {
            let (name, after) = name(after);
            if name.is_empty() {
                return Err("a name is missing after ..".into());
            }
            parts.push(Part::Deep(name));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            if let Some(after) = after.strip_prefix('*') {
                parts.push(Part::All);
                rest = after;
            } else if after.starts_with('[') {
                rest = after;
            } else {
                let (name, after) = name(after);
                if name.is_empty() {
                    // `{.}` and `{$.}` are the whole.
                    return Ok((parts, after));
                }
                parts.push(Part::Fields(vec![name]));
                rest = after;
            }
        } else if let Some(after) = rest.strip_prefix('[') {
            let (part, after) = bracket(after)?;
            parts.push(part);
            rest = after;
        } else {
            return Ok((parts, rest));
        }
    }
}

/// Reads a name; a backslash takes the sign after it as it is.
fn name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            c if c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | ':') => name.push(c),
            _ => return (name, text.get(at..).unwrap_or_default()),
        }
    }
    (name, "")
}

/// Reads what stands in brackets.
fn bracket(text: &str) -> Result<(Part, &str), String> {
    if let Some(filter) = text.strip_prefix("?(") {
        let (left, rest) = parts(filter.trim_start())?;
        let rest = rest.trim_start();
        let operators = [
            ("==", Compare::Equal),
            ("!=", Compare::Unequal),
            ("<=", Compare::LessEqual),
            (">=", Compare::GreaterEqual),
            ("<", Compare::Less),
            (">", Compare::Greater),
        ];
        let found = operators
            .into_iter()
            .find_map(|(sign, compare)| Some((compare, rest.strip_prefix(sign)?)));
        let (test, rest) = match found {
            None => (None, rest),
            Some((compare, rest)) => {
                let (value, rest) = literal(rest.trim_start())?;
                (Some((compare, value)), rest)
            }
        };
        let rest = rest.trim_start().strip_prefix(")]");
        let rest = rest.ok_or("a condition in [?( ) ] has no end")?;
        return Ok((Part::Filter(Path(left), test), rest));
    }
    if text.starts_with(['\'', '"']) {
        let mut names = Vec::new();
        let mut rest = text;
        loop {
            let (value, after) = literal(rest.trim_start())?;
            let Json::String(name) = value else {
                return Err("only names can stand beside names in [ ]".into());
            };
            names.push(name);
            let after = after.trim_start();
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    let rest = after.strip_prefix(']').ok_or("[ without ]")?;
                    return Ok((Part::Fields(names), rest));
                }
            }
        }
    }
    let (inner, rest) = text.split_once(']').ok_or("[ without ]")?;
    let number = |text: &str| match text.trim() {
        "" => Ok(None),
        text => match text.parse::<i64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("[{inner}] is not understood")),
        },
    };
    if inner.trim() == "*" {
        return Ok((Part::All, rest));
    }
    if inner.contains(':') {
        let mut bounds = inner.splitn(3, ':');
        let mut next = || number(bounds.next().unwrap_or_default());
        let (from, to, step) = (next()?, next()?, next()?);
        return Ok((Part::Slice(from, to, step.unwrap_or(1)), rest));
    }
    let places = inner
        .split(',')
        .map(|text| number(text)?.ok_or_else(|| "[] names no place".to_owned()));
    Ok((Part::Places(places.collect::<Result<_, _>>()?), rest))
}

/// Reads a text in quotes, a number, or true and false.
fn literal(text: &str) -> Result<(Json, &str), String> {
    let mut chars = text.char_indices();
    if let Some((_, quote @ ('\'' | '"'))) = chars.next() {
        let mut out = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => out.extend(chars.next().map(|(_, c)| c)),
                c if c == quote => {
                    let rest = text.get(at + 1..).unwrap_or_default();
                    return Ok((Json::String(out), rest));
                }
                c => out.push(c),
            }
        }
        return Err("a text has no end".into());
    }
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '+')))
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    match serde_json::from_str(word) {
        Ok(value) => Ok((value, rest)),
        Err(_) => Err(format!("{word:?} is neither a text in quotes nor a number")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find_values() {
        let value = json!({
            "data": {"ok": true, "a.b": 2, "items": [{"n": 1, "k": "x"}, {"n": 3, "k": "y"}]},
            "series": [{"pointlist": [[1, 0.5], [2, 0.75]]}],
        });
        for (path, wanted) in [
            ("{$.data.ok}", json!(true)),
            ("{.data.ok}", json!(true)),
            ("{ $.data['a.b'] }", json!(2)),
            ("{.data.a\\.b}", json!(2)),
            ("{$.data.items[0].n}", json!(1)),
            ("{$.data.items[-1].n}", json!(3)),
            ("{$.data.items[*].n}", json!(1)),
            ("{$.data.items[1:].n}", json!(3)),
            ("{$.data.items[?(@.k == 'y')].n}", json!(3)),
            ("{$.data.items[?(@.n > 1)].k}", json!("y")),
            ("{$..k}", json!("x")),
            ("{.series[0].pointlist[-1:][1]}", json!(0.75)),
            ("{$}", value.clone()),
            ("{.}", value.clone()),
        ] {
            let found = Path::parse(path).unwrap();
            assert_eq!(found.first(&value), Ok(&wanted), "{path}");
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        let value = json!({"a": [], "b": null});
        for (path, words) in [
            ("{$.c}", "c is not found"),
            ("{$.a[0]}", "0 values"),
            ("{$.a[*]}", "no value"),
            ("{$.b.c}", "c is not found"),
            ("{$.b[0]}", "not a list"),
        ] {
            let error = Path::parse(path).unwrap().first(&value).unwrap_err();
            assert!(error.contains(words), "{path}: {error}");
        }
        for path in [
            "$.a",
            "a",
            "{$.a",
            "{$.a[}",
            "{$.a[?(@.b}",
            "{.a}{.b}",
            "{.a['x}",
            "{$.a b}",
            "{..}",
        ] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
    }
}
