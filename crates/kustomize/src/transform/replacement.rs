//! `replacements`: a value of one object copied into fields of others.

use serde_json::Value;

use super::select::{Patterns, Requirements};
use crate::decode::{At, Unknown};
use crate::error::{Context as _, Error, Result};
use crate::id::ResId;
use crate::kustomization::{
    FieldOptions, Replacement, ReplacementField, Source, Target, read_config, replacement,
};
use crate::load::Loader;
use crate::node::{Create, Matcher, Node, Scalar, first_document, lookup, split_smart};
use crate::node::{structured_text, to_json};
use crate::resource::Resource;
use crate::schema::Schemas;
use crate::set::Set;

const NAME: &str = "metadata.name";

/// Replacements, in order.
pub(crate) struct Replacements {
    all: Vec<Replacement>,
}

impl Replacements {
    /// Reads those that are in files.
    pub(crate) fn new(entries: Vec<ReplacementField>, loader: &Loader<'_>) -> Result<Self> {
        let mut all = Vec::new();
        for entry in entries {
            if entry.path.is_empty() {
                all.push(entry.replacement);
                continue;
            }
            let inline = &entry.replacement;
            if inline.source.is_some() || inline.targets.as_ref().is_some_and(|t| !t.is_empty()) {
                return Err(Error::new(
                    "cannot specify both path and inline replacement",
                ));
            }
            let value = read_config(&loader.load(&entry.path)?)?;
            let at = At::top("Replacement", Unknown::Ignore);
            let unmarshal = || "error unmarshaling JSON: while decoding JSON";
            match &value {
                Value::Array(items) => {
                    for item in items {
                        all.push(replacement(item, &at).context(unmarshal)?);
                    }
                }
                Value::Object(_) => all.push(replacement(&value, &at).context(unmarshal)?),
                other => {
                    let found = match other {
                        Value::String(_) => "string",
                        Value::Number(_) => "float64",
                        Value::Bool(_) => "bool",
                        _ => "invalid",
                    };
                    return Err(Error::new(format!(
                        "unsupported replacement type encountered within replacement path: {found}"
                    )));
                }
            }
        }
        Ok(Self { all })
    }

    pub(crate) fn run(&self, set: &mut Set, schemas: &mut Schemas) -> Result<()> {
        for one in &self.all {
            let targets = match (&one.source, &one.source_value, &one.targets) {
                (None, None, _) | (_, _, None) => {
                    return Err(Error::new(
                        "replacements must specify a source and at least one target",
                    ));
                }
                (_, _, Some(targets)) => targets,
            };
            let value = value_of(set, one)?;
            for target in targets {
                put(set, schemas, &value, target)?;
            }
        }
        Ok(())
    }
}

/// Returns all names of an object as replacements compare them.
fn ids(resource: &Resource) -> Vec<ResId> {
    let mut now = resource.id().clone();
    now.cluster = false;
    std::iter::once(now)
        .chain(resource.previous_ids())
        .collect()
}

fn value_of(set: &Set, one: &Replacement) -> Result<Node> {
    let Some(source) = &one.source else {
        return Ok(Node::untyped(one.source_value.clone().unwrap_or_default()));
    };
    if one.source_value.is_some() {
        return Err(Error::new(
            "value and resource selectors are mutually exclusive",
        ));
    }
    let mut found = None;
    for resource in &set.list {
        if ids(resource).iter().any(|id| id.is_selected_by(&source.id)) {
            if found.is_some() {
                return Err(Error::new(format!(
                    "multiple matches for selector {}",
                    shown(source)
                )));
            }
            found = Some(resource);
        }
    }
    let Some(resource) = found else {
        return Err(Error::new(format!("nothing selected by {}", shown(source))));
    };
    let path = if source.field_path.is_empty() {
        NAME
    } else {
        &source.field_path
    };
    let value = lookup(resource.node(), &split_smart(path, '.'))
        .context(|| "error looking up replacement source")?;
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Err(Error::new(format!(
            "fieldPath `{path}` is missing for replacement source {}",
            source.id
        )));
    };
    part_of(source.options.as_ref(), value)
}

fn shown(source: &Source) -> String {
    let mut parts = vec![source.id.to_string()];
    if !source.field_path.is_empty() {
        parts.push(source.field_path.clone());
    }
    if let Some(options) = &source.options
        && (!options.delimiter.is_empty() || options.create)
    {
        parts.push(format!(
            "{}({}), create={}",
            options.delimiter, options.index, options.create
        ));
    }
    parts.join(":")
}

fn part_of(options: Option<&FieldOptions>, value: &Node) -> Result<Node> {
    let Some(options) = options.filter(|options| !options.delimiter.is_empty()) else {
        return Ok(value.clone());
    };
    let Node::Scalar(scalar) = value else {
        return Err(Error::new(
            "delimiter option can only be used with scalar nodes",
        ));
    };
    let text = value.value();
    let part = usize::try_from(options.index)
        .ok()
        .and_then(|index| text.split(options.delimiter.as_str()).nth(index));
    let Some(part) = part else {
        return Err(Error::new(format!(
            "options.index {} is out of bounds for value {text}",
            options.index
        )));
    };
    let mut scalar = scalar.clone();
    scalar.set_text(part.to_owned());
    Ok(Node::Scalar(scalar))
}

fn put(set: &mut Set, schemas: &mut Schemas, value: &Node, target: &Target) -> Result<()> {
    let Some(select) = &target.select else {
        return Err(Error::new("target must specify resources to select"));
    };
    let compiled = || "error creating target selector";
    let patterns = Patterns::new(&select.id).context(compiled)?;
    let mut rejects = Vec::new();
    for reject in &target.reject {
        rejects.push((
            Patterns::new(&reject.id).context(compiled)?,
            Requirements::parse(&reject.labels)?,
            Requirements::parse(&reject.annotations)?,
        ));
    }
    let labels = Requirements::parse(&select.labels)?;
    let annotations = Requirements::parse(&select.annotations)?;
    let default = [NAME.to_owned()];
    let paths: &[String] = if target.field_paths.is_empty() {
        &default
    } else {
        &target.field_paths
    };
    for resource in &mut set.list {
        if !annotations.fit_annotations(resource) || !labels.fit_labels(resource) {
            continue;
        }
        let rejected = rejects.iter().any(|(_, labels, annotations)| {
            !(labels.is_empty() && annotations.is_empty())
                && labels.fit_labels(resource)
                && annotations.fit_annotations(resource)
        });
        let ids = ids(resource);
        let rejected = rejected
            || rejects.iter().any(|(patterns, _, _)| {
                !patterns.is_empty && ids.iter().any(|id| patterns.fits_id(id))
            });
        if rejected || !ids.iter().any(|id| patterns.fits_id(id)) {
            continue;
        }
        resource.edit(schemas, |node| {
            paths
                .iter()
                .try_for_each(|path| copy_to(node, value, path, target.options.as_ref()))
        })?;
    }
    Ok(())
}

fn copy_to(
    node: &mut Node,
    value: &Node,
    path: &str,
    options: Option<&FieldOptions>,
) -> Result<()> {
    let create = if options.is_some_and(|options| options.create) {
        Create::As(value.kind())
    } else {
        Create::No
    };
    let parts = split_smart(path, '.');
    if set_inside(node, value, &parts, create) {
        return Ok(());
    }
    let failed = || {
        let or_create = if create == Create::No {
            ""
        } else {
            " or create"
        };
        format!(
            "unable to find{or_create} field {} in replacement target",
            crate::error::quote(path)
        )
    };
    let mut problem = None;
    let mut matcher = Matcher {
        create,
        visit: &mut |place| {
            if problem.is_none() {
                problem = set_field(options, place, value).err();
            }
            Ok(())
        },
        found: 0,
    };
    matcher.run(node, &parts).context(failed)?;
    let found = matcher.found;
    match problem {
        Some(error) => Err(error),
        None if found == 0 => Err(Error::new(failed())),
        None => Ok(()),
    }
}

fn set_field(options: Option<&FieldOptions>, place: &mut Node, value: &Node) -> Result<()> {
    let mut value = value.clone();
    if let Some(options) = options.filter(|options| !options.delimiter.is_empty()) {
        let Node::Scalar(old) = &*place else {
            return Err(Error::new(
                "delimiter option can only be used with scalar nodes",
            ));
        };
        let mut parts: Vec<String> = old
            .text()
            .split(options.delimiter.as_str())
            .map(str::to_owned)
            .collect();
        let new = value.value().to_owned();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, new),
            Ok(index) => match parts.get_mut(index) {
                Some(part) => *part = new,
                None => parts.push(new),
            },
        }
        let joined = parts.join(&options.delimiter);
        match &mut value {
            Node::Scalar(scalar) => scalar.set_text(joined),
            Node::Map(_) | Node::Seq(_) => {}
        }
    }
    match place {
        // Of a scalar only the text is copied: a number stays one.
        Node::Scalar(scalar) => scalar.set_text(value.text().to_owned()),
        place => *place = value,
    }
    Ok(())
}

/// Sets a place inside a text that holds YAML or JSON; `false` when the path is none into such a text.
fn set_inside(node: &mut Node, value: &Node, parts: &[String], create: Create) -> bool {
    let limits = driftless_yaml::Limits::default();
    for length in 1..parts.len() {
        let (Some(outer), Some(inner)) = (parts.get(..length), parts.get(length..)) else {
            return false;
        };
        let Ok(Some(Node::Scalar(scalar))) = lookup(node, outer) else {
            continue;
        };
        let text = scalar.text().to_owned();
        let Ok(Some(mut document)) = first_document(text.as_bytes(), &limits) else {
            continue;
        };
        let mut matcher = Matcher {
            create,
            visit: &mut |place: &mut Node| {
                match place {
                    Node::Scalar(old) => old.set_text(value.text().to_owned()),
                    place => *place = value.clone(),
                }
                Ok(())
            },
            found: 0,
        };
        if matcher.run(&mut document, inner).is_err() || matcher.found == 0 {
            return false;
        }
        let Some(written) = serialize(&document, &text) else {
            return false;
        };
        let Some(scalar) = scalar_at(node, outer) else {
            return false;
        };
        scalar.set_text(written);
        return true;
    }
    false
}

fn scalar_at<'a>(node: &'a mut Node, path: &[String]) -> Option<&'a mut Scalar> {
    let mut at = node;
    for part in path {
        at = match at {
            Node::Map(map) => map.get_mut(part)?,
            Node::Seq(items) => match part.parse::<usize>() {
                Ok(index) => items.get_mut(index)?,
                Err(_) => {
                    let (name, value) =
                        part.strip_prefix('[')?.strip_suffix(']')?.split_once('=')?;
                    items.iter_mut().find(|item| {
                        if name.is_empty() {
                            item.text() == value
                        } else {
                            item.get(name).is_some_and(|field| field.text() == value)
                        }
                    })?
                }
            },
            Node::Scalar(_) => return None,
        };
    }
    match at {
        Node::Scalar(scalar) => Some(scalar),
        _ => None,
    }
}

fn serialize(document: &Node, original: &str) -> Option<String> {
    if !original.trim_start().starts_with(['{', '[']) {
        return Some(structured_text(document).trim().to_owned());
    }
    let json = to_json(document).ok()?;
    if original.contains('\n') && original.contains("  ") {
        return serde_json::to_string_pretty(&sorted(json)).ok();
    }
    Some(super::hash::go_json(&json))
}

/// Go writes the keys of JSON sorted.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut pairs: Vec<(String, Value)> = entries.into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                pairs
                    .into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        value => value,
    }
}
