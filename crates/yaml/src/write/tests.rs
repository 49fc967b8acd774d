//! The shapes of the output.

use serde_json::{Value, json};

use super::to_string;
use crate::{Limits, parse_documents};

#[test]
fn collections() {
    let value = json!({"b": [1, {"c": 2, "d": [3, [4, 5]]}], "a": {}, "e": [], "f": {"g": null}, "a10": 1, "a2": 2.5});
    assert_eq!(
        to_string(&value),
        "a: {}\na2: 2.5\na10: 1\nb:\n- 1\n- c: 2\n  d:\n  - 3\n  - - 4\n    - 5\ne: []\nf:\n  g: null\n"
    );
    assert_eq!(to_string(&json!([])), "[]\n");
    assert_eq!(to_string(&json!("x")), "x\n");
}

#[test]
fn strings() {
    for (text, want) in [
        ("", "\"\""),
        ("plain text", "plain text"),
        ("yes", "\"yes\""),
        ("1.5", "\"1.5\""),
        ("1e3", "\"1e3\""),
        ("null", "\"null\""),
        ("2024-01-01", "\"2024-01-01\""),
        ("2024-13-01", "2024-13-01"),
        ("12:30:45", "\"12:30:45\""),
        ("- x", "'- x'"),
        ("a: b", "'a: b'"),
        ("it's", "it's"),
        ("'q", "'''q'"),
        (" lead", "' lead'"),
        ("a #b", "'a #b'"),
        ("a#b", "a#b"),
        ("{{ x }}", "'{{ x }}'"),
        ("tab\there", "\"tab\\there\""),
        ("😀", "\"\\U0001F600\""),
        ("é", "é"),
        ("a\nb\n", "|\n  a\n  b"),
        ("a\n\nb", "|-\n  a\n\n  b"),
        ("a\n\n", "|+\n  a\n"),
        (" a\nb", "|2-\n   a\n  b"),
        ("a \nb", "\"a \\nb\""),
        ("<<", "<<"),
        ("=", "="),
        ("0x1F", "\"0x1F\""),
        ("~", "\"~\""),
        ("v1.2.3", "v1.2.3"),
    ] {
        let got = to_string(&json!({"k": text}));
        assert_eq!(got, format!("k: {want}\n"), "{text:?}");
        let read = parse_documents(got.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(read, vec![json!({"k": text})], "{got:?}");
    }
}

#[test]
fn long_lines_fold() {
    let words = "word ".repeat(30);
    let got = to_string(&json!({"k": words.trim()}));
    let lines: Vec<&str> = got.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines.iter().skip(1).all(|line| line.starts_with("  word")),
        "{got}"
    );
    assert_eq!(
        parse_documents(got.as_bytes(), &Limits::default()).unwrap(),
        vec![json!({"k": words.trim()})]
    );
    let long_key = "k".repeat(130);
    assert_eq!(
        to_string(&json!({&long_key: [1]})),
        format!("? {long_key}\n: - 1\n")
    );
}

#[test]
fn numbers() {
    let value: Value =
        serde_json::from_str("[1e6, 1.5e7, 1e21, 0.00001, 18446744073709551615]").unwrap();
    assert_eq!(
        to_string(&value),
        "- 1000000\n- 15000000\n- 1e+21\n- 1e-05\n- 18446744073709551615\n"
    );
}

proptest::proptest! {
    #[test]
    fn what_is_written_reads_back(value in crate::tests::json_value()) {
        let text = to_string(&value);
        let read = crate::parse_first(text.as_bytes(), &Limits::default(), crate::Duplicates::Refuse).unwrap();
        proptest::prop_assert_eq!(read, value, "{}", text);
    }
}
