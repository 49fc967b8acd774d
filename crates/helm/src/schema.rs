//! `values.schema.json`.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use driftless_gotemplate::{Map, Value, data};
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value as Json;

use crate::chart::Chart;

/// A schema; it is compiled once for all copies of its chart.
#[derive(Clone)]
pub struct Schema {
    text: Bytes,
    compiled: Arc<OnceLock<Result<Validator, String>>>,
}

impl Schema {
    pub(crate) fn new(text: Bytes) -> Self {
        Self {
            text,
            compiled: Arc::default(),
        }
    }

    fn compiled(&self) -> &Result<Validator, String> {
        self.compiled.get_or_init(|| {
            let schema: Json =
                serde_json::from_slice(&self.text).map_err(|error| format!("{error}\n"))?;
            jsonschema::options()
                .should_validate_formats(false)
                .build(&schema)
                .map_err(|error| format!("{error}\n"))
        })
    }
}

/// Checks values against the schemas of a chart and its subcharts; returns what does not fit.
pub(crate) fn validate(chart: &Chart, values: &Map) -> Result<(), String> {
    let mut problems = String::new();
    check(chart, &Value::Map(values.clone()), &mut problems);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

fn check(chart: &Chart, values: &Value, problems: &mut String) {
    if let Some(schema) = &chart.schema
        && let Err(message) = check_one(schema, values)
    {
        problems.push_str(chart.name());
        problems.push_str(":\n");
        problems.push_str(&message);
    }
    let Value::Map(map) = values else {
        return;
    };
    for subchart in &chart.dependencies {
        match map.get(subchart.name()) {
            None | Some(Value::Nil) => {}
            Some(inner @ Value::Map(_)) => check(subchart, &inner, problems),
            Some(_) => {
                problems.push_str(subchart.name());
                problems.push_str(":\ninvalid type for values: expected object (map)\n");
            }
        }
    }
}

fn check_one(schema: &Schema, values: &Value) -> Result<(), String> {
    let validator = schema.compiled().as_ref().map_err(Clone::clone)?;
    let values = data::to_serde(values);
    let errors: Vec<ValidationError<'_>> = validator.iter_errors(&values).collect();
    if errors.is_empty() {
        return Ok(());
    }
    let mut problems = String::new();
    for line in lines_of(&errors, 0, &values) {
        line.write(0, &mut problems);
    }
    Err(problems)
}

/// One line of what is told, with the lines below it.
struct Line {
    /// JSON pointer into the values.
    path: String,
    message: String,
    below: Vec<Line>,
}

impl Line {
    fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: message.into(),
            below: Vec::new(),
        }
    }

    fn write(&self, level: usize, out: &mut String) {
        let (indent, Self { path, message, .. }) = ("  ".repeat(level), self);
        out.push_str(&format!("{indent}- at '{path}': {message}\n"));
        for line in &self.below {
            line.write(level + 1, out);
        }
    }
}

/// Returns what is told of errors, in the words of the library that Helm uses. Its places in the schema begin at `base`.
fn lines(errors: &[&ValidationError<'_>], base: usize, values: &Json) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut told: BTreeSet<String> = BTreeSet::new();
    for error in errors {
        let place = Place::of(error, base);
        if let Some((end, at)) = place.all_of {
            let group = place.parts.get(..end).unwrap_or_default().join("/");
            if told.insert(format!("allOf {group}")) {
                let same = |other: &&&ValidationError<'_>| {
                    let other = Place::of(other, base);
                    other.parts.get(..end).map(|parts| parts.join("/")) == Some(group.clone())
                };
                let inside: Vec<_> = errors.iter().filter(same).copied().collect();
                let mut line = Line::new(&at, "'allOf' failed");
                line.below = all_of(&inside, base + end, values);
                lines.push(line);
            }
            continue;
        }
        let path = error.instance_path().as_str();
        let message = match error.kind() {
            // All properties that an object lacks for one reason are one problem.
            Kind::Required { .. } => {
                let reason = place.parts.join("/");
                if !told.insert(format!("required {path} {reason}")) {
                    continue;
                }
                let same = errors.iter().filter(|other| {
                    other.instance_path().as_str() == path
                        && Place::of(other, base).parts.join("/") == reason
                });
                let names: Vec<&str> = same
                    .filter_map(|other| match other.kind() {
                        Kind::Required { property } => property.as_str(),
                        _ => None,
                    })
                    .collect();
                required(&names, place.dependency())
            }
            Kind::UnevaluatedProperties { unexpected } => {
                let at = |name: &String| {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    Line::new(&format!("{path}/{name}"), "false schema")
                };
                lines.extend(unexpected.iter().map(at));
                continue;
            }
            Kind::FalseSchema if place.is_last("additionalProperties") => {
                let names = values.pointer(path).and_then(Json::as_object);
                let names = names.into_iter().flatten();
                let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
                format!("additional properties {} not allowed", quoted(&names))
            }
            _ => message(error),
        };
        let mut line = Line::new(path, message);
        match error.kind() {
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                let base = base + place.parts.len() + 1;
                line.below = context
                    .iter()
                    .flat_map(|branch| grouped(path, lines_of(branch, base, values)))
                    .collect();
            }
            Kind::PropertyNames { error } => {
                line.below = vec![Line::new(path, self::message(error))];
            }
            _ => {}
        }
        lines.push(line);
    }
    lines
}

fn lines_of(errors: &[ValidationError<'_>], base: usize, values: &Json) -> Vec<Line> {
    lines(&errors.iter().collect::<Vec<_>>(), base, values)
}

/// Several lines of one branch stand below a line of their own.
fn grouped(path: &str, mut lines: Vec<Line>) -> Vec<Line> {
    if lines.len() > 1 {
        let mut line = Line::new(path, "validation failed");
        line.below = std::mem::take(&mut lines);
        lines.push(line);
    }
    lines
}

/// Returns the lines of the branches of an `allOf` that ends at `base`.
fn all_of(errors: &[&ValidationError<'_>], base: usize, values: &Json) -> Vec<Line> {
    let mut branches: Vec<(String, Vec<&ValidationError<'_>>)> = Vec::new();
    for error in errors {
        let branch = Place::of(error, base)
            .parts
            .first()
            .cloned()
            .unwrap_or_default();
        match branches.iter_mut().find(|(known, _)| *known == branch) {
            Some((_, inside)) => inside.push(error),
            None => branches.push((branch, vec![error])),
        }
    }
    let branches = branches.iter();
    branches
        .flat_map(|(_, inside)| {
            let path = inside
                .first()
                .map_or("", |error| error.instance_path().as_str());
            grouped(path, lines(inside, base + 1, values))
        })
        .collect()
}

/// Where an error stands in a schema.
struct Place {
    /// Keywords and names, from a base on.
    parts: Vec<String>,
    /// Where the first `allOf` ends among them, and which value it is about.
    all_of: Option<(usize, String)>,
}

impl Place {
    fn of(error: &ValidationError<'_>, base: usize) -> Self {
        let all: Vec<&str> = error
            .evaluation_path()
            .as_str()
            .split('/')
            .skip(1)
            .collect();
        let instance: Vec<&str> = error.instance_path().as_str().split('/').skip(1).collect();
        let (mut at, mut inside, mut all_of) = (0, 0, None);
        while let Some(part) = all.get(at) {
            let next_is_number = all
                .get(at + 1)
                .is_some_and(|next| next.parse::<u32>().is_ok());
            let (steps, values) = match *part {
                "allOf" if at >= base => {
                    let mut path = String::new();
                    for part in instance.iter().take(inside) {
                        path.push('/');
                        path.push_str(part);
                    }
                    all_of = Some((at + 1 - base, path));
                    break;
                }
                "allOf" | "anyOf" | "oneOf" | "dependentSchemas" | "dependencies" => (2, 0),
                "properties" | "patternProperties" | "prefixItems" => (2, 1),
                "items" if next_is_number => (2, 1),
                "items" | "additionalProperties" | "additionalItems" | "contains" => (1, 1),
                _ => (1, 0),
            };
            at += steps;
            inside += values;
        }
        let parts = all.get(base..).unwrap_or_default();
        Self {
            parts: parts.iter().map(|part| (*part).to_owned()).collect(),
            all_of,
        }
    }

    fn is_last(&self, keyword: &str) -> bool {
        self.parts.last().is_some_and(|last| last == keyword)
    }

    /// Returns the property whose presence asks for others.
    fn dependency(&self) -> Option<&str> {
        let parts = self
            .parts
            .split_last()
            .filter(|(last, _)| *last == "required");
        let parts = parts.map_or(self.parts.as_slice(), |(_, before)| before);
        let [.., keyword, property] = parts else {
            return None;
        };
        matches!(keyword.as_str(), "dependentRequired" | "dependencies").then_some(property)
    }
}

fn required(names: &[&str], dependency: Option<&str>) -> String {
    let list = quoted(names);
    match (dependency, names.len()) {
        (Some(property), _) => format!("properties {list} required, if '{property}' exists"),
        (None, 1) => format!("missing property {list}"),
        (None, _) => format!("missing properties {list}"),
    }
}

fn message(error: &ValidationError<'_>) -> String {
    let value = error.instance().as_ref();
    match error.kind() {
        Kind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(wanted) => wanted.to_string(),
                TypeKind::Multiple(set) => {
                    let all: Vec<String> = set.iter().map(|wanted| wanted.to_string()).collect();
                    all.join(" or ")
                }
            };
            format!("got {}, want {wanted}", type_of(value))
        }
        Kind::Required { property } => required(&[property.as_str().unwrap_or_default()], None),
        Kind::AdditionalProperties { unexpected } => {
            let names: Vec<&str> = unexpected.iter().map(String::as_str).collect();
            format!("additional properties {} not allowed", quoted(&names))
        }
        Kind::AdditionalItems { limit } => {
            let more = length(value).saturating_sub(*limit);
            format!("last {more} additionalItem(s) not allowed")
        }
        Kind::Enum { options } => match options.as_array() {
            Some(options) if options.iter().any(|one| one.is_array() || one.is_object()) => {
                "'enum' failed".to_owned()
            }
            Some(options) => {
                let all: Vec<String> = options.iter().map(shown).collect();
                let of = if all.len() == 1 { "" } else { "one of " };
                format!("value must be {of}{}", all.join(", "))
            }
            None => "'enum' failed".to_owned(),
        },
        Kind::Constant { expected_value }
            if expected_value.is_array() || expected_value.is_object() =>
        {
            "'const' failed".to_owned()
        }
        Kind::Constant { expected_value } => format!("value must be {}", shown(expected_value)),
        Kind::Pattern { pattern } => format!("{} does not match pattern '{pattern}'", shown(value)),
        Kind::PropertyNames { error } => {
            format!("invalid propertyName {}", shown(error.instance().as_ref()))
        }
        Kind::UniqueItems => {
            let (first, second) = equal_items(value);
            format!("items at {first} and {second} are equal")
        }
        Kind::AnyOf { .. } => "'anyOf' failed".to_owned(),
        Kind::OneOfNotValid { .. } => "'oneOf' failed, none matched".to_owned(),
        Kind::OneOfMultipleValid { context } => {
            let matched = context
                .iter()
                .enumerate()
                .filter(|(_, errors)| errors.is_empty());
            let matched: Vec<String> = matched
                .take(2)
                .map(|(index, _)| index.to_string())
                .collect();
            format!("'oneOf' failed, subschemas {} matched", matched.join(", "))
        }
        Kind::Not { .. } => "'not' failed".to_owned(),
        Kind::FalseSchema => "false schema".to_owned(),
        Kind::Contains => "no items match contains schema".to_owned(),
        _ => limit(error).unwrap_or_else(|| error.to_string()),
    }
}

/// Words about a number or a length that is out of bounds.
fn limit(error: &ValidationError<'_>) -> Option<String> {
    let value = error.instance().as_ref();
    let bound =
        |name: &str, limit: &Json| format!("{name}: got {}, want {}", shown(value), shown(limit));
    let size = |name: &str, limit: u64| format!("{name}: got {}, want {limit}", length(value));
    Some(match error.kind() {
        Kind::Minimum { limit } => bound("minimum", limit),
        Kind::Maximum { limit } => bound("maximum", limit),
        Kind::ExclusiveMinimum { limit } => bound("exclusiveMinimum", limit),
        Kind::ExclusiveMaximum { limit } => bound("exclusiveMaximum", limit),
        Kind::MultipleOf { multiple_of } => format!(
            "multipleOf: got {}, want {}",
            shown(value),
            driftless_yaml::format_g(*multiple_of)
        ),
        Kind::MinLength { limit } => size("minLength", *limit),
        Kind::MaxLength { limit } => size("maxLength", *limit),
        Kind::MinItems { limit } => size("minItems", *limit),
        Kind::MaxItems { limit } => size("maxItems", *limit),
        Kind::MinProperties { limit } => size("minProperties", *limit),
        Kind::MaxProperties { limit } => size("maxProperties", *limit),
        _ => return None,
    })
}

fn equal_items(value: &Json) -> (usize, usize) {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    for (second, item) in items.iter().enumerate() {
        if let Some(first) = items.iter().take(second).position(|other| other == item) {
            return (first, second);
        }
    }
    (0, 0)
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    names.join(", ")
}

fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => format!("'{text}'"),
        Json::Array(_) | Json::Object(_) => "value".to_owned(),
        Json::Number(number) => driftless_yaml::format_g(number.as_f64().unwrap_or_default()),
        Json::Null => "<nil>".to_owned(),
        Json::Bool(value) => value.to_string(),
    }
}

fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn length(value: &Json) -> usize {
    match value {
        Json::String(text) => text.chars().count(),
        Json::Array(items) => items.len(),
        Json::Object(fields) => fields.len(),
        _ => 0,
    }
}
