//! Keys that are in a mapping twice, told with the lines they have when the object is written in its own order.

use super::{Map, Node, Scalar, Style};

/// Returns what Go's library says of repeated keys, one line for each; nothing below a mapping that has some.
pub(super) fn repeated_keys(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    block(node, 1, Some(&mut found));
    found
}

/// Walks over a mapping or list that starts at this line; returns the line after it.
fn block(node: &Node, line: usize, mut found: Option<&mut Vec<String>>) -> usize {
    match node {
        Node::Scalar(scalar) => line + lines(scalar),
        Node::Seq(items) if items.is_empty() => line + 1,
        // The first line of an item follows its dash.
        Node::Seq(items) => items
            .iter()
            .fold(line, |line, item| block(item, line, found.as_deref_mut())),
        Node::Map(map) if map.0.is_empty() => line + 1,
        Node::Map(map) => {
            let starts = starts(map, line);
            let repeated = found.as_deref_mut().is_some_and(|found| {
                let before = found.len();
                tell(map, &starts, found);
                found.len() > before
            });
            if repeated {
                found = None;
            }
            let mut end = line;
            for ((_, value), start) in map.0.iter().zip(starts) {
                end = value_end(value, start, found.as_deref_mut());
            }
            end
        }
    }
}

/// Returns the line of each key.
fn starts(map: &Map, line: usize) -> Vec<usize> {
    let mut at = line;
    let entries = map.0.iter();
    entries
        .map(|(_, value)| {
            let start = at;
            at = value_end(value, start, None);
            start
        })
        .collect()
}

/// Returns the line after the value of a key at this line.
fn value_end(value: &Node, line: usize, found: Option<&mut Vec<String>>) -> usize {
    let is_block = match value {
        Node::Scalar(_) => false,
        Node::Seq(items) => !items.is_empty(),
        Node::Map(map) => !map.0.is_empty(),
    };
    block(value, line + usize::from(is_block), found)
}

fn tell(map: &Map, starts: &[usize], found: &mut Vec<String>) {
    let keys: Vec<(&str, usize)> = map
        .iter()
        .map(|(key, _)| key)
        .zip(starts.iter().copied())
        .collect();
    for (at, (key, first)) in keys.iter().enumerate() {
        for (other, second) in keys.iter().skip(at + 1) {
            if key == other {
                found.push(format!(
                    "  line {second}: mapping key {key:?} already defined at line {first}"
                ));
            }
        }
    }
}

fn lines(scalar: &Scalar) -> usize {
    match scalar.style {
        Style::Literal | Style::Folded => {
            1 + scalar.text.trim_end_matches('\n').split('\n').count()
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::repeated_keys;
    use crate::node::first_document;

    #[test]
    fn every_repeated_key_has_its_lines() {
        let text = "a: 1\nb:\n  - x: |\n      one\n      two\n    y: {}\n    x: 2\n  - []\na: 3\nc: {d: 1, d: 2}\n";
        let node = first_document(text.as_bytes(), &driftless_yaml::Limits::default());
        let node = node.unwrap().unwrap();
        assert_eq!(
            repeated_keys(&node),
            ["  line 9: mapping key \"a\" already defined at line 1"]
        );
        assert_eq!(
            repeated_keys(node.get("b").unwrap()),
            ["  line 5: mapping key \"x\" already defined at line 1"]
        );
    }
}
