//! `values.schema.json`.

use driftless_gotemplate::{Map, Value, data};

use crate::chart::Chart;

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

fn check_one(schema: &[u8], values: &Value) -> Result<(), String> {
    let schema: serde_json::Value =
        serde_json::from_slice(schema).map_err(|error| format!("{error}\n"))?;
    let validator = jsonschema::options()
        .should_validate_formats(false)
        .build(&schema)
        .map_err(|error| format!("{error}\n"))?;
    let values = data::to_serde(values);
    let mut problems = String::new();
    for error in validator.iter_errors(&values) {
        problems.push_str(&format!("- at '{}': {error}\n", error.instance_path()));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}
