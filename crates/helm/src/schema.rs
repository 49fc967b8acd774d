//! `values.schema.json`.

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
    describe(&errors, 0, &mut problems);
    Err(problems)
}

/// Lists errors in the words of the library that Helm uses.
fn describe(errors: &[ValidationError<'_>], level: usize, out: &mut String) {
    let mut told: Vec<&str> = Vec::new();
    for error in errors {
        let path = error.instance_path().as_str();
        let missing = match error.kind() {
            // All properties that an object lacks are one problem.
            Kind::Required { .. } if told.contains(&path) => continue,
            Kind::Required { .. } => {
                told.push(path);
                let of_same = errors
                    .iter()
                    .filter(|other| other.instance_path().as_str() == path);
                of_same
                    .filter_map(|other| match other.kind() {
                        Kind::Required { property } => property.as_str(),
                        _ => None,
                    })
                    .collect()
            }
            _ => Vec::new(),
        };
        let message = message(error, &missing);
        out.push_str(&format!("{}- at '{path}': {message}\n", "  ".repeat(level)));
        if let Kind::AnyOf { context } | Kind::OneOfNotValid { context } = error.kind() {
            for branch in context {
                if branch.len() > 1 {
                    let indent = "  ".repeat(level + 1);
                    out.push_str(&format!("{indent}- at '{path}': validation failed\n"));
                    describe(branch, level + 2, out);
                } else {
                    describe(branch, level + 1, out);
                }
            }
        }
    }
}

fn message(error: &ValidationError<'_>, missing: &[&str]) -> String {
    let value = error.instance().as_ref();
    let bound =
        |name: &str, limit: &Json| format!("{name}: got {}, want {}", shown(value), shown(limit));
    let size = |name: &str, limit: u64| format!("{name}: got {}, want {limit}", length(value));
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
        Kind::Required { .. } if missing.len() > 1 => {
            format!("missing properties {}", quoted(missing))
        }
        Kind::Required { .. } => format!("missing property {}", quoted(missing)),
        Kind::AdditionalProperties { unexpected } => {
            let names: Vec<&str> = unexpected.iter().map(String::as_str).collect();
            format!("additional properties {} not allowed", quoted(&names))
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
        Kind::Constant { expected_value } => format!("value must be {}", shown(expected_value)),
        Kind::Pattern { pattern } => format!("{} does not match pattern '{pattern}'", shown(value)),
        Kind::Minimum { limit } => bound("minimum", limit),
        Kind::Maximum { limit } => bound("maximum", limit),
        Kind::ExclusiveMinimum { limit } => bound("exclusiveMinimum", limit),
        Kind::ExclusiveMaximum { limit } => bound("exclusiveMaximum", limit),
        Kind::MinLength { limit } => size("minLength", *limit),
        Kind::MaxLength { limit } => size("maxLength", *limit),
        Kind::MinItems { limit } => size("minItems", *limit),
        Kind::MaxItems { limit } => size("maxItems", *limit),
        Kind::MinProperties { limit } => size("minProperties", *limit),
        Kind::MaxProperties { limit } => size("maxProperties", *limit),
        Kind::AnyOf { .. } => "'anyOf' failed".to_owned(),
        Kind::OneOfNotValid { .. } => "'oneOf' failed, none matched".to_owned(),
        Kind::Not { .. } => "'not' failed".to_owned(),
        Kind::FalseSchema => "false schema".to_owned(),
        Kind::Contains => "no items match contains schema".to_owned(),
        _ => error.to_string(),
    }
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
