//! `vars`: `$(NAME)` in certain fields.

use std::collections::BTreeMap;

use super::fields::{Field, Make};
use crate::config::FieldSpec;
use crate::error::{Error, Result};
use crate::id::ResId;
use crate::kustomization::Var;
use crate::node::{Node, Scalar, Style, Tag, lookup, split_smart};
use crate::schema::Schemas;
use crate::set::Set;

/// The vars of a kustomization and its bases, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vars(BTreeMap<String, Var>);

impl Vars {
    /// Adds those of another set; none may be there already.
    pub(crate) fn merge(&mut self, other: Vars) -> Result<()> {
        other.0.into_values().try_for_each(|var| self.add(var))
    }

    /// Adds those of a kustomization, and marks the objects they read.
    pub(crate) fn add_all(&mut self, vars: &[Var], set: &mut Set) -> Result<()> {
        for var in vars {
            let var = var.clone().with_reference();
            let gvk = &var.gvk;
            let target = ResId {
                cluster: false,
                gvk: gvk.clone(),
                name: var.object.clone(),
                namespace: var.namespace.clone(),
            };
            let exact = !target.namespace.is_empty();
            let mut found = Vec::new();
            for (at, resource) in set.list.iter().enumerate() {
                if resource.ever(|id| {
                    if exact {
                        target.equals(id)
                    } else {
                        target.same_name_and_kind(id)
                    }
                }) {
                    found.push(at);
                }
            }
            if found.len() > 1 {
                return Err(Error::new(format!(
                    "found {} resId matches for var {} (unable to disambiguate)",
                    found.len(),
                    var.go_text()
                )));
            }
            if let Some(resource) = found.first().and_then(|at| set.list.get_mut(*at)) {
                resource.var_names.push(var.name.clone());
            }
        }
        vars.iter().try_for_each(|var| self.add(var.clone()))
    }

    fn add(&mut self, var: Var) -> Result<()> {
        if self.0.contains_key(&var.name) {
            return Err(Error::new(format!(
                "var '{}' already encountered",
                var.name
            )));
        }
        self.0.insert(var.name.clone(), var.with_defaults());
        Ok(())
    }

    /// Puts the values in place. Returns the names of vars that nothing asks for.
    pub(crate) fn resolve(
        &self,
        set: &mut Set,
        specs: &[FieldSpec],
        schemas: &mut Schemas,
    ) -> Result<Vec<String>> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let mut values: BTreeMap<&str, (Value, usize)> = BTreeMap::new();
        for var in self.0.values() {
            values.insert(&var.name, (value_of(var, set)?, 0));
        }
        let fields = Field::all(specs);
        for resource in &mut set.list {
            for field in &fields {
                resource.edit(schemas, |node| {
                    field.apply(node, &Make::Nothing, &mut |place| {
                        replace(place, &mut values)
                    })
                })?;
            }
        }
        Ok(values
            .into_iter()
            .filter(|(_, (_, count))| *count == 0)
            .map(|(name, _)| name.to_owned())
            .collect())
    }
}

/// The value of a var.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Int(String),
    Float(f64),
    Bool(bool),
    /// A mapping or a list: cannot be put into a text.
    Other,
}

fn value_of(var: &Var, set: &Set) -> Result<Value> {
    let object = set
        .list
        .iter()
        .find(|resource| resource.var_names.contains(&var.name));
    let Some(object) = object else {
        return Err(Error::new(format!(
            "var '{}' cannot be mapped to a field in the set of known resources",
            var.go_text()
        )));
    };
    let missing = || {
        Error::new(format!(
            "field specified in var '{}' not found in corresponding resource",
            var.go_text()
        ))
    };
    let mut path = Vec::new();
    for part in split_smart(&var.field_path, '.') {
        // `ports[0]` is two steps.
        let index = part
            .strip_suffix(']')
            .and_then(|rest| rest.rsplit_once('['));
        match index {
            Some((name, index))
                if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) =>
            {
                if !name.is_empty() {
                    path.push(name.to_owned());
                }
                path.push(index.to_owned());
            }
            _ => path.push(part),
        }
    }
    let found = lookup(object.node(), &path).map_err(|_| missing())?;
    let Some(found) = found else {
        return Err(missing());
    };
    Ok(match found {
        Node::Scalar(scalar) => scalar_value(scalar),
        Node::Map(_) | Node::Seq(_) => Value::Other,
    })
}

fn scalar_value(scalar: &Scalar) -> Value {
    let text = scalar.text().to_owned();
    match scalar.tag_now() {
        Tag::Int => Value::Int(text),
        Tag::Float => text.parse().map_or(Value::Text(text), Value::Float),
        Tag::Bool => Value::Bool(text.eq_ignore_ascii_case("true")),
        _ => Value::Text(text),
    }
}

type Values<'a> = BTreeMap<&'a str, (Value, usize)>;

fn replace(place: &mut Node, values: &mut Values<'_>) -> Result<()> {
    if place.is_null() {
        return Ok(());
    }
    match place {
        Node::Scalar(scalar) => {
            if scalar.is_string() {
                expand(scalar, values);
            }
            Ok(())
        }
        Node::Map(map) => {
            for (key, value) in &mut map.0 {
                if !key.is_string() {
                    return Err(Error::new(format!(
                        "invalid map key: value='{}', tag='{}'",
                        key.text(),
                        key.tag_name()
                    )));
                }
                if let Node::Scalar(scalar) = value
                    && scalar.is_string()
                {
                    expand(scalar, values);
                }
            }
            Ok(())
        }
        Node::Seq(items) => {
            for item in items {
                match item {
                    Node::Scalar(scalar) if scalar.is_string() => expand(scalar, values),
                    _ => return Err(Error::new("invalid value type expect a string")),
                }
            }
            Ok(())
        }
    }
}

/// Replaces what is asked for; a text that is nothing but one var takes over its type.
fn expand(scalar: &mut Scalar, values: &mut Values<'_>) {
    let input = scalar.text().to_owned();
    let mut out = String::with_capacity(input.len());
    let mut rest = input.as_str();
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let tail = after.get(1..).unwrap_or_default();
        if tail.is_empty() {
            break;
        }
        out.push_str(before);
        if let Some(escaped) = tail.strip_prefix('$') {
            out.push('$');
            rest = escaped;
        } else if let Some((name, after)) = tail
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            let value = take(name, values);
            if input == format!("$({name})") {
                set(scalar, value.unwrap_or(Value::Text(input.clone())));
                return;
            }
            match value {
                Some(value) => out.push_str(&shown(&value)),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = after;
        } else {
            let mut characters = tail.chars();
            out.push('$');
            out.extend(characters.next());
            rest = characters.as_str();
        }
    }
    out.push_str(rest);
    scalar.set(out, Tag::Str, Style::Plain);
    scalar.fit_lines();
}

fn take(name: &str, values: &mut Values<'_>) -> Option<Value> {
    let (value, count) = values.get_mut(name)?;
    if matches!(value, Value::Other) {
        return None;
    }
    *count += 1;
    Some(value.clone())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Int(text) => text.clone(),
        Value::Float(value) => driftless_yaml::format_g(*value),
        Value::Bool(value) => value.to_string(),
        Value::Other => String::new(),
    }
}

fn set(scalar: &mut Scalar, value: Value) {
    match value {
        Value::Text(text) => {
            scalar.set(text, Tag::Str, Style::Plain);
            scalar.fit_lines();
        }
        Value::Int(text) => {
            let text = driftless_yaml::resolve::go_int(&text).map_or(text, |n| n.to_string());
            scalar.set(text, Tag::Int, Style::Plain);
        }
        Value::Float(value) => scalar.set(value.to_string(), Tag::Float, Style::Plain),
        Value::Bool(value) => scalar.set(value.to_string(), Tag::Bool, Style::Plain),
        Value::Other => {}
    }
}
