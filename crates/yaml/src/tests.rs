//! What the reader accepts, refuses and says.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(text: &str) -> Vec<Value> {
    parse_documents(text.as_bytes(), &Limits::default()).unwrap()
}

fn one(text: &str) -> Value {
    let documents = read(text);
    assert_eq!(documents.len(), 1, "{text:?}");
    documents.into_iter().next().unwrap()
}

fn refuse(text: &str) -> Error {
    parse_documents(text.as_bytes(), &Limits::default()).unwrap_err()
}

#[test]
fn block_and_flow_collections() {
    assert_eq!(
        one("a:\n- 1\n- b: c\n  d: [x, 'y', \"z\\n\"]\n-\n  - deep\ne: {f: g, h: , i}\n"),
        json!({"a": [1, {"b": "c", "d": ["x", "y", "z\n"]}, ["deep"]], "e": {"f": "g", "h": null, "i": null}})
    );
    assert_eq!(
        one("[a: b, {c: d}, ? e : f]"),
        json!([{"a": "b"}, {"c": "d"}, {"e": "f"}])
    );
    assert_eq!(one("? a\n: b\n? c\n"), json!({"a": "b", "c": null}));
    assert_eq!(
        one(r#"{"a":[1,2.5,-3,"x\u00e9\/",true,null]}"#),
        json!({"a": [1, 2.5, -3, "xé/", true, null]})
    );
    assert_eq!(
        one("a:\n  b: 1\n\n  # note\n  c: 2 # more\nd: x#y\n"),
        json!({"a": {"b": 1, "c": 2}, "d": "x#y"})
    );
}

#[test]
fn scalars() {
    assert_eq!(one("a: b\n  c\n\n  d\n"), json!({"a": "b c\nd"}));
    assert_eq!(
        one("a: 'it''s\n  folded\n\n  x'\n"),
        json!({"a": "it's folded\nx"})
    );
    assert_eq!(
        one("a: \"x\\\n   y  \\x41 \\u00e9\\U0001F600\"\n"),
        json!({"a": "xy  A é😀"})
    );
    assert_eq!(
        one("a: |\n  x\n   y\n\n  z\n\nb: 1\n"),
        json!({"a": "x\n y\n\nz\n", "b": 1})
    );
    assert_eq!(
        one("a: |-\n  x\nb: |+\n  y\n\nc: |2\n   z\n"),
        json!({"a": "x", "b": "y\n\n", "c": " z\n"})
    );
    assert_eq!(
        one("a: >\n  x\n  y\n\n  z\n   q\n  r\n"),
        json!({"a": "x y\nz\n q\nr\n"})
    );
    assert_eq!(one("a: |\n  no end"), json!({"a": "no end"}));
    assert_eq!(
        one("url: http://x:80/?a=b,c\nt: 12:30:45\n"),
        json!({"url": "http://x:80/?a=b,c", "t": "12:30:45"})
    );
    assert_eq!(
        one("a: 2001-01-01\nb: 2001-12-14t21:59:43.10-05:00\n"),
        json!({"a": "2001-01-01", "b": "2001-12-14t21:59:43.10-05:00"})
    );
    assert_eq!(
        one("a: !!str 1\nb: !!int \"2\"\nc: !!float 3\nd: !!binary aGk=\ne: !x y\nf: ! 12\n"),
        json!({"a": "1", "b": 2, "c": 3, "d": "hi", "e": "y", "f": "12"})
    );
    assert_eq!(
        one("a: 1e3\nb: 1.0\nc: 0.1\nd: 9223372036854775808\n"),
        json!({"a": 1000, "b": 1, "c": 0.1, "d": 9_223_372_036_854_775_808u64})
    );
}

#[test]
fn keys_become_strings() {
    assert_eq!(
        one("1: a\ntrue: b\n1.5: c\n0x10: d\n\"2\": e\n"),
        json!({"1": "a", "true": "b", "1.5": "c", "16": "d", "2": "e"})
    );
    assert_eq!(refuse("? [a]\n: b\n").line, 1);
    assert!(refuse("~: b\n").message.contains("null"));
}

#[test]
fn anchors_and_merges() {
    assert_eq!(
        one("base: &b {x: 1, z: 2}\nc:\n  <<: *b\n  z: 3\nd: [*b]\n"),
        json!({"base": {"x": 1, "z": 2}, "c": {"x": 1, "z": 3}, "d": [{"x": 1, "z": 2}]})
    );
    assert_eq!(
        one("a: &a {x: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b]}\n")["c"],
        json!({"x": 1, "z": 2})
    );
    // Go's library lets a merge overwrite what stands before it.
    assert_eq!(
        one("a: &a {x: 1}\nc:\n  x: 5\n  <<: *a\n")["c"],
        json!({"x": 1})
    );
    assert_eq!(one("'<<': a\n"), json!({"<<": "a"}));
    assert_eq!(one("&k a: *k\n"), json!({"a": "a"}));
    assert!(
        refuse("a: *nope\n")
            .message
            .contains("unknown anchor 'nope'")
    );
    assert!(refuse("a: &a [*a]\n").message.contains("contains itself"));
    assert!(
        refuse("a: &a [1]\nb: {<<: *a}\n")
            .message
            .contains("map merge")
    );
}

#[test]
fn documents() {
    assert_eq!(read("# only a comment\n"), Vec::<Value>::new());
    assert_eq!(read(""), Vec::<Value>::new());
    assert_eq!(
        read("---\n---\na: 1\n...\n---\n# none\n--- b\n--- |\n c\n"),
        vec![json!({"a": 1}), json!("b"), json!("c\n")]
    );
    assert_eq!(
        read("%YAML 1.1\n%TAG !e! tag:e,1:\n---\na: !e!x b\n"),
        vec![json!({"a": "b"})]
    );
    assert_eq!(
        read("\u{feff}a: 1\r\nb: 2\r\n"),
        vec![json!({"a": 1, "b": 2})]
    );
    assert_eq!(
        refuse("a: 1\n... \nb: 2\n").message,
        "did not find expected <document start>"
    );
}

#[test]
fn errors_have_places() {
    let error = refuse("a: 1\nb:\n  c: 2\n  c: 3\n");
    assert_eq!((error.line, error.column), (4, 3));
    assert_eq!(
        error.as_go(),
        "yaml: unmarshal errors:\n  line 4: key \"c\" already set in map"
    );
    let error = refuse("a: 1\n\tb: 2\n");
    assert_eq!(
        error.as_go(),
        "yaml: line 2: found a tab character that violates indentation"
    );
    let error = refuse("a: b: c\n");
    assert_eq!(
        error.as_go(),
        "yaml: mapping values are not allowed in this context"
    );
    let error = refuse("a: 1\nb\nc: 2\n");
    assert_eq!(error.as_go(), "yaml: line 3: could not find expected ':'");
    let error = refuse("a:\n  - b\n c: d\n");
    assert_eq!(error.message, "did not find expected key");
    assert!(
        refuse("a: [1\n")
            .message
            .starts_with("did not find expected ','")
    );
    assert_eq!(
        refuse("a: \u{1}\n").as_go(),
        "yaml: control characters are not allowed"
    );
    assert_eq!(
        parse_documents(b"a: \xff\n", &Limits::default())
            .unwrap_err()
            .line,
        1
    );
}

#[test]
fn bombs_end_within_limits() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let previous = format!("*a{}", level - 1);
        let items = [previous.as_str(); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{items}]").unwrap();
    }
    assert!(refuse(&text).message.contains("excessive aliasing"));
    assert!(refuse(&"[".repeat(100_000)).message.contains("max depth"));
    assert!(refuse(&"- ".repeat(100_000)).message.contains("max depth"));
    assert!(refuse(&"? ".repeat(100_000)).message.contains("max depth"));
    let mut chain = String::from("a0: &a0 [x]\n");
    for level in 1..1000 {
        writeln!(chain, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    assert!(parse_documents(chain.as_bytes(), &Limits::default()).is_err());
    let small = Limits {
        bytes: 3,
        ..Limits::default()
    };
    assert!(parse_documents(b"aaaa", &small).is_err());
}

proptest! {
    #[test]
    fn never_panics_on_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_documents(&bytes, &Limits::default());
    }

    #[test]
    fn never_panics_on_yaml_like_text(text in r#"([a-c0-9:\-?\[\]{},&*!|>'"%#\\ \t\n\r]|\u{85}|\u{2028}|é|: |- |\n  |---\n|<<: |&a |\*a |!!int ){0,60}"#) {
        let _ = parse_documents(text.as_bytes(), &Limits::default());
    }

    #[test]
    fn json_reads_as_json(value in json_value()) {
        let text = serde_json::to_vec(&json!([value])).unwrap();
        prop_assert_eq!(parse_first(&text, &Limits::default(), Duplicates::Refuse).unwrap(), json!([value]));
    }
}

pub(crate) fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[ -~é\n\"\\\\]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-z0-9 ]{0,6}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
