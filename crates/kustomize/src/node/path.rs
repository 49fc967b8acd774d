//! Field paths: splitting them, looking up, matching many places, creating what is missing.

use regex::Regex;

use super::write::scalar_text;
use super::{Kind, Map, Node, Scalar, first_document, to_text};
use crate::error::{Error, Result};

/// Splits at `delimiter`; a backslash before it keeps it.
pub(crate) fn split_path(path: &str, delimiter: char) -> Vec<String> {
    let mut parts = path.split(delimiter).peekable();
    let mut result: Vec<String> = Vec::new();
    // A leading delimiter is allowed.
    if path.starts_with(delimiter) {
        parts.next();
    }
    for part in parts {
        match result.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            _ => result.push(part.to_owned()),
        }
    }
    result
}

/// As [`split_path`], but keeps what is in brackets together.
pub(crate) fn split_smart(path: &str, delimiter: char) -> Vec<String> {
    let mut result = Vec::new();
    let mut parts = split_path(path, delimiter).into_iter();
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            result.push(part);
            continue;
        }
        let mut whole = part;
        for next in parts.by_ref() {
            whole.push(delimiter);
            whole.push_str(&next);
            if next.ends_with(']') {
                break;
            }
        }
        if whole.contains('=') {
            result.push(whole);
        } else {
            result.push(whole.trim_matches(['[', ']']).to_owned());
        }
    }
    result
}

fn is_list_index(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

fn index_number(part: &str) -> Option<usize> {
    let value: i64 = part.parse().ok()?;
    usize::try_from(value).ok()
}

fn split_condition(part: &str) -> Result<(&str, &str)> {
    let inner = part.strip_suffix(']').unwrap_or(part);
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    inner.split_once('=').ok_or_else(|| {
        Error::new("list path element must contain fieldName=fieldValue for element to match")
    })
}

/// Looks one place up; `None` when it is not there.
pub(crate) fn lookup<'a>(node: &'a Node, path: &[String]) -> Result<Option<&'a Node>> {
    let mut at = node;
    for part in path {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let found = step(at, part)?;
        match found {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn step<'a>(at: &'a Node, part: &str) -> Result<Option<&'a Node>> {
    if let Ok(index) = part.parse::<i64>() {
        let Ok(index) = usize::try_from(index) else {
            return Err(Error::new(format!(
                "array index {index} cannot be negative"
            )));
        };
        at.expect(Kind::Seq)?;
        return Ok(at.as_seq().and_then(|items| items.get(index)));
    }
    if part == "-" {
        at.expect(Kind::Seq)?;
        return Ok(at.as_seq().and_then(<[Node]>::last));
    }
    if part == "*" {
        return Err(Error::new("wildcard is not supported in PathGetter"));
    }
    if is_list_index(part) {
        let (name, value) = split_condition(part)?;
        at.expect(Kind::Seq)?;
        let mut items = at.as_seq().unwrap_or_default().iter();
        return Ok(items.find(|item| {
            if name.is_empty() {
                item.text() == value
            } else {
                item.get(name).is_some_and(|field| field.text() == value)
            }
        }));
    }
    if at.is_null() {
        return Ok(None);
    }
    at.expect(Kind::Map)?;
    Ok(at.get(part))
}

/// Whether missing places are made, and of which kind the last one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Create {
    /// Nothing is made.
    No,
    /// The last place is made of this kind.
    As(Kind),
}

/// Finds all places a path names, and lets `visit` change them.
pub(crate) struct Matcher<'v> {
    /// Whether missing places are made.
    pub(crate) create: Create,
    /// Called with each place.
    pub(crate) visit: &'v mut dyn FnMut(&mut Node) -> Result<()>,
    /// How many places were found.
    pub(crate) found: usize,
}

fn made(next: Option<&String>, create: Kind) -> Node {
    let kind = match next {
        None => create,
        Some(part) if is_list_index(part) || index_number(part).is_some() => Kind::Seq,
        Some(_) => Kind::Map,
    };
    match kind {
        Kind::Scalar => Node::untyped(""),
        Kind::Map => Node::Map(Map::default()),
        Kind::Seq => Node::Seq(Vec::new()),
    }
}

impl Matcher<'_> {
    /// Visits the places below `node`.
    pub(crate) fn run(&mut self, node: &mut Node, path: &[String]) -> Result<()> {
        let Some((part, rest)) = path.split_first() else {
            self.found += 1;
            return (self.visit)(node);
        };
        if let Some(index) = index_number(part) {
            return self.index(node, index, rest);
        }
        if is_list_index(part) {
            return self.condition(node, part, rest);
        }
        if part == "*" {
            node.expect(Kind::Seq)?;
            if let Node::Seq(items) = node {
                for item in items {
                    self.run(item, rest)?;
                }
            }
            return Ok(());
        }
        self.field(node, part, rest)
    }

    fn field(&mut self, node: &mut Node, part: &str, rest: &[String]) -> Result<()> {
        if node.is_null() && self.create == Create::No {
            return Ok(());
        }
        node.expect(Kind::Map)?;
        if node.get(part).is_none() {
            let Create::As(kind) = self.create else {
                return Ok(());
            };
            node.become_map().push(part, made(rest.first(), kind));
        }
        let Some(field) = node.get_mut(part) else {
            return Ok(());
        };
        if let (Node::Scalar(scalar), false) = (&*field, rest.is_empty()) {
            return self.inside(scalar.text().to_owned(), rest);
        }
        self.run(field, rest)
    }

    /// Goes on inside the text of a scalar; what is changed there is lost, as upstream.
    fn inside(&mut self, text: String, rest: &[String]) -> Result<()> {
        let limits = driftless_yaml::Limits::default();
        match first_document(text.as_bytes(), &limits)? {
            Some(mut inner) => self.run(&mut inner, rest),
            None => Ok(()),
        }
    }

    fn index(&mut self, node: &mut Node, index: usize, rest: &[String]) -> Result<()> {
        node.expect(Kind::Seq)?;
        if node.is_null() {
            *node = Node::Seq(Vec::new());
        }
        let Node::Seq(items) = node else {
            return Ok(());
        };
        if let (true, Create::As(kind)) = (items.len() == index, self.create) {
            items.push(made(rest.first(), kind));
        }
        let count = items.len();
        match items.get_mut(index) {
            Some(item) => self.run(item, rest),
            None => Err(Error::new(format!(
                "index {index} specified but only {count} elements found"
            ))),
        }
    }

    fn condition(&mut self, node: &mut Node, part: &str, rest: &[String]) -> Result<()> {
        let (name, value) = split_condition(part)?;
        node.expect(Kind::Seq)?;
        let regex = crate::pattern::compile(value)?;
        if node.is_null() {
            *node = Node::Seq(Vec::new());
        }
        let Node::Seq(items) = node else {
            return Ok(());
        };
        let before = self.found;
        for item in items.iter_mut() {
            if matches_item(item, name, &regex) {
                if name.is_empty() {
                    self.found += 1;
                    (self.visit)(item)?;
                } else {
                    self.run(item, rest)?;
                }
            }
        }
        let Create::As(_) = self.create else {
            return Ok(());
        };
        if self.found > before {
            return Ok(());
        }
        let mut item = if name.is_empty() {
            Node::untyped(value)
        } else {
            Node::Map(Map(vec![(Scalar::untyped(name), Node::untyped(value))]))
        };
        if !matches_item(&item, name, &regex) {
            return Err(Error::new(format!("failed to create element for {part:?}")));
        }
        if name.is_empty() {
            self.found += 1;
            (self.visit)(&mut item)?;
        } else {
            self.run(&mut item, rest)?;
        }
        items.push(item);
        Ok(())
    }
}

fn matches_item(item: &Node, name: &str, regex: &Regex) -> bool {
    let field = if name.is_empty() {
        Some(item)
    } else {
        item.get(name)
    };
    match field {
        None => false,
        Some(Node::Scalar(scalar)) => regex.is_match(scalar_text(scalar).trim()),
        Some(node) => regex.is_match(to_text(node).trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::{split_path, split_smart};

    #[test]
    fn paths_are_split_with_escapes_and_brackets() {
        assert_eq!(split_path("/a/b", '/'), ["a", "b"]);
        assert_eq!(split_path(r"a/b\/c", '/'), ["a", "b/c"]);
        assert_eq!(
            split_smart("metadata.annotations.[a.b/c]", '.'),
            ["metadata", "annotations", "a.b/c"]
        );
        assert_eq!(
            split_smart("spec.containers.[name=x.y].image", '.'),
            ["spec", "containers", "[name=x.y]", "image"]
        );
    }
}
