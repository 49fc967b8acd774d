//! Conditions as templates write them.

use std::fmt::Write as _;

use serde_json::json;

use super::*;

fn judge(condition: &str, result: serde_json::Value) -> Verdict {
    let value = Value::from(result).with_special_numbers();
    Expression::parse(condition).unwrap().judge(&value)
}

fn holds(condition: &str, result: serde_json::Value) -> Option<bool> {
    match judge(condition, result) {
        Verdict::True => Some(true),
        Verdict::False => Some(false),
        Verdict::Unknown(_) => None,
    }
}

#[test]
fn conditions_of_templates() {
    let yes = Some(true);
    let no = Some(false);
    for (condition, result, wanted) in [
        ("result[0] >= 0.95", json!([0.97]), yes),
        ("result[0] >= 0.95", json!([0.5]), no),
        ("result >= 0.95", json!(1), yes),
        ("result == true", json!(true), yes),
        (
            "result.ok && result.successPercent >= 0.90",
            json!({"ok": true, "successPercent": 0.95}),
            yes,
        ),
        (
            "result['status'] == \"done\"",
            json!({"status": "done"}),
            yes,
        ),
        ("len(result) > 0 && result[0] < 5", json!([4]), yes),
        ("all(result, {# > 0.9})", json!([0.95, 0.99]), yes),
        ("all(result, # > 0.9)", json!([0.95, 0.5]), no),
        (
            "any(result, {.errors > 3})",
            json!([{"errors": 1}, {"errors": 4}]),
            yes,
        ),
        ("none(result, {# < 0})", json!([1]), yes),
        ("len(filter(result, {# > 1})) == 2", json!([1, 2, 3]), yes),
        ("count(result, {# > 1}) == 2", json!([1, 2, 3]), yes),
        ("sum(map(result, {# * 2})) == 12", json!([1, 2, 3]), yes),
        (
            "(result[0] / result[1]) <= 0.01 or result[1] == 0",
            json!([1, 200]),
            yes,
        ),
        ("result in ['a', 'b']", json!("b"), yes),
        ("result not in 1..3", json!(4), yes),
        (
            "result startsWith 'ab' and not (result contains 'z')",
            json!("abc"),
            yes,
        ),
        ("asFloat(result) < 0.5 ? true : false", json!("0.25"), yes),
        ("asInt(result) == 3", json!("3"), yes),
        (
            "max(result) < 10 && min(result) > 0 && mean(result) == 2.0",
            json!([1, 2, 3]),
            yes,
        ),
        (
            "-2 ** 2 == -4 && 2 + 3 * 4 == 14 && 7 % 4 == 3",
            json!(null),
            yes,
        ),
        (
            "result[-1] == 3 && result[1:] == [2, 3]",
            json!([1, 2, 3]),
            yes,
        ),
        ("result.a?.b ?? 7 == 7", json!({}), yes),
        ("first(result) < last(result)", json!([1, 2]), yes),
        (
            "abs(result) > 1.5 && round(result) == -2.0",
            json!(-1.6),
            yes,
        ),
    ] {
        assert_eq!(holds(condition, result), wanted, "{condition}");
    }
}

#[test]
fn missing_data_is_neither_good_nor_bad() {
    for (condition, result) in [
        ("result[0] >= 0.95", json!([])),
        ("result[0] >= 0.95", json!(["NaN"])),
        ("result < 0.05", json!("NaN")),
        ("!(result > 0.05)", json!("NaN")),
        ("result != 0", json!("NaN")),
        ("result.a.b < 1", json!({})),
        ("result >= 1", json!("three")),
        ("result >= 1", json!(null)),
        ("result >= 1", json!({"a": 1})),
        ("all(result, {# > 0.9})", json!([])),
        ("all(result, {# > 0.9})", json!([0.95, "NaN"])),
        ("sum(result) == 0", json!(["NaN"])),
        ("asFloat(result) > 0", json!("n/a")),
        ("result / 0 * 0 < 1", json!(0)),
        ("result", json!(1)),
    ] {
        assert_eq!(holds(condition, result), None, "{condition}");
    }
}

#[test]
fn a_condition_may_say_what_missing_data_means() {
    for (condition, result, wanted) in [
        ("isNaN(result) || result < 0.05", json!("NaN"), true),
        (
            "isNaN(result[0]) ? false : result[0] < 1",
            json!(["NaN"]),
            false,
        ),
        ("default(result, 0) < 0.05", json!("NaN"), true),
        ("default(result[0], 1) < 0.05", json!([]), false),
        ("len(result) == 0 || result[0] < 5", json!([]), true),
        ("len(result) > 0 && result[0] < 5", json!([]), false),
        ("isNil(result) || result > 1", json!(null), true),
        ("result == nil", json!(null), true),
        ("isInf(result)", json!("+Inf"), true),
        // What is known decides, whatever else is missing.
        ("result[0] < 5 || result[1] < 5", json!([1]), true),
        ("any(result, {# > 0.9})", json!([0.95, "NaN"]), true),
    ] {
        assert_eq!(holds(condition, result), Some(wanted), "{condition}");
    }
}

#[test]
fn what_cannot_be_parsed_is_pointed_at() {
    for (condition, at, part) in [
        ("result[0 >= 1", 14, "] is missing"),
        ("resutl > 1", 1, "resutl is not known"),
        ("result >", 9, "a value is missing at the end"),
        ("result > 1 1", 12, "1 is not expected here"),
        ("shell('x')", 1, "shell is not a function here"),
        ("len()", 1, "len takes 1 to 1 arguments"),
        ("result ~ 1", 8, "is not understood"),
        ("'abc", 1, "the text has no end"),
    ] {
        let error = Expression::parse(condition).unwrap_err();
        assert_eq!(error.at, at, "{condition}: {error}");
        assert!(error.message.contains(part), "{condition}: {error}");
    }
}

#[test]
fn work_is_bounded() {
    let deep = format!("{}result{}", "(".repeat(500), ")".repeat(500));
    assert!(
        Expression::parse(&deep)
            .unwrap_err()
            .message
            .contains("nested too deeply")
    );
    let deep = format!("{}result", "!".repeat(500));
    assert!(Expression::parse(&deep).is_err());
    let deep = format!("1{}", "**1".repeat(500));
    assert!(Expression::parse(&deep).is_err());
    assert!(Expression::parse(&"1+".repeat(5000)).is_err());
    assert!(Expression::parse(&format!("{}1", "1+".repeat(1000))).is_err());
    assert!(Expression::parse(&format!("result{}", ".a".repeat(1000))).is_err());
    assert_eq!(holds("len(0..100000000) > 1", json!(1)), None);
    let squared = "all(1..1000, {all(1..1000, {# > 0})})";
    assert_eq!(holds(squared, json!(1)), None);
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in ".{0,60}") {
        if let Ok(expression) = Expression::parse(&text) {
            let _ = expression.judge(&Value::Int(1));
        }
    }

    #[test]
    fn no_likely_text_panics(parts in proptest::collection::vec(proptest::sample::select(vec![
        "result", "[", "]", "0", "1.5", "(", ")", "&&", "||", "!", "-", "len(", "all(", "#", ".a", "{", "}", ",", "'x'",
        "..", "??", "?", ":", ">=", "==", "in", "not", "**", "%", "/", "default(", "nil",
    ]), 0..24)) {
        if let Ok(expression) = Expression::parse(&parts.join(" ")) {
            for value in [Value::Null, Value::Float(f64::NAN), Value::List(vec![Value::Int(1)])] {
                let _ = expression.judge(&value);
            }
        }
    }
}

#[test]
fn the_number_a_condition_compares_with() {
    for (condition, wanted) in [
        ("result[0] <= 0.05", Some(0.05)),
        ("0.95 < result", Some(0.95)),
        ("len(result) == 0 || result[0] < -3", Some(-3.0)),
        ("len(result) > 0 && result[0] < 5", Some(5.0)),
        ("all(result, {# > 0.9})", Some(0.9)),
        ("result < 1 && result > 0", None),
        ("result", None),
    ] {
        let condition = Expression::parse(condition).unwrap();
        assert_eq!(condition.threshold(), wanted, "{}", condition.text());
    }
}

#[test]
fn patterns_and_names() {
    let (yes, no) = (Some(true), Some(false));
    for (condition, result, wanted) in [
        ("result matches '^v[0-9]+$'", json!("v12"), yes),
        (
            "result.state matches \"(?i)^ready\" && true",
            json!({"state": "Ready!"}),
            yes,
        ),
        ("not (result matches 'err')", json!("an error"), no),
        ("result[0] matches result[1]", json!(["abc", "^a"]), yes),
        ("result matches 'x'", json!(null), None),
        ("!(result matches 'x')", json!(3), None),
        ("result[0] matches result[1]", json!(["abc", "("]), None),
        (
            "let rate = result[0] / result[1]; rate < 0.05",
            json!([1, 100]),
            yes,
        ),
        ("let a = 1; let b = a + 1; result == b", json!(2), yes),
        ("let x = result[5]; true", json!([]), yes),
        ("let x = result[5]; x < 1", json!([]), None),
        (
            "all(result, {let twice = # * 2; twice > 3})",
            json!([2, 3]),
            yes,
        ),
        ("(let x = result; x > 1) && true", json!(0), no),
    ] {
        assert_eq!(holds(condition, result), wanted, "{condition}");
    }
    for (condition, words) in [
        ("result matches '('", "no regular expression"),
        ("let result = 1; result", "a meaning already"),
        ("let x = 1; let x = 2; x", "a meaning already"),
        ("let x = 1", "; is missing"),
        ("let = 1; 2", "a name is missing"),
        ("(let x = 1; x) > x", "x is not known"),
    ] {
        let error = Expression::parse(condition).unwrap_err().to_string();
        assert!(error.contains(words), "{condition}: {error}");
    }
}

#[test]
fn names_that_double_each_other_end() {
    let mut condition = "let a0 = [1, 2]; ".to_owned();
    for number in 1..28 {
        let before = number - 1;
        let _ = write!(condition, "let a{number} = [a{before}, a{before}]; ");
    }
    condition += "len(a27) == 2";
    assert_eq!(holds(&condition, json!(null)), None);
}
