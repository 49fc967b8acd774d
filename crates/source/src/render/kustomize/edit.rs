//! What the fields of a source change in the kustomization, as `kustomize edit` would.

use std::collections::BTreeMap;

use driftless_core::tree;
use driftless_kustomize::{Edit, Error as BuildError};
use serde_json::{Map, Value, json};

use super::section::Section;
use super::{Ctx, Error, wrong};

/// Keeps the part of an image that the kustomization has.
const KEEP: &str = "*";

/// Changes to make.
pub(super) struct Edits {
    section: Section,
    images: BTreeMap<String, Image>,
    replicas: BTreeMap<String, i64>,
    components: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Image {
    new_name: String,
    new_tag: String,
    digest: String,
}

impl Edits {
    pub(super) fn new(section: &Section, cx: &Ctx<'_>) -> Result<Self, Error> {
        let mut images = BTreeMap::new();
        for (index, text) in section.images.iter().enumerate() {
            let (name, image) = Image::parse(text).ok_or_else(|| {
                wrong(format!(
                    "images[{index}]: {text:?} is none of <image>=<newimage>:<newtag>, <image>=<newimage>@<digest>, <image>=<newimage>, <image>:<newtag>, <image>@<digest>"
                ))
            })?;
            images.insert(name, image);
        }
        let mut replicas = BTreeMap::new();
        for replica in &section.replicas {
            replicas.insert(replica.name.clone(), replica.count()?);
        }
        let mut components = Vec::new();
        for component in &section.components {
            if section.ignore_missing_components {
                let folder = cx.path.join(component).map_err(Error::from_tree)?;
                if !tree::is_folder(cx.tree, &folder).map_err(Error::from_tree)? {
                    continue;
                }
            }
            components.push(component.clone());
        }
        Ok(Self {
            section: section.clone(),
            images,
            replicas,
            components,
        })
    }
}

impl Edit for Edits {
    fn edit(&self, file: &mut Value) -> Result<(), BuildError> {
        if file.is_null() {
            *file = Value::Object(Map::new());
        }
        // Anything but a mapping is refused when the file is read.
        let Some(fields) = file.as_object_mut() else {
            return Ok(());
        };
        let section = &self.section;
        for (field, value) in [
            ("namePrefix", &section.name_prefix),
            ("nameSuffix", &section.name_suffix),
            ("namespace", &section.namespace),
        ] {
            if !value.is_empty() {
                fields.insert(field.to_owned(), value.clone().into());
            }
        }
        self.set_images(fields);
        self.set_replicas(fields);
        self.add_labels(fields)?;
        if !section.common_annotations.is_empty() {
            add_entries(
                entry(fields, "commonAnnotations"),
                &section.common_annotations,
                section.force_common_annotations,
                "annotation",
            )?;
        }
        append(fields, "patches", section.patches.iter().cloned());
        append(
            fields,
            "components",
            self.components.iter().cloned().map(Value::from),
        );
        Ok(())
    }
}

/// Returns a mapping in the file, made when it is missing.
fn entry<'a>(fields: &'a mut Map<String, Value>, name: &str) -> &'a mut Value {
    let value = fields.entry(name.to_owned()).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value
}

fn append(fields: &mut Map<String, Value>, name: &str, items: impl Iterator<Item = Value>) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    let list = fields.entry(name.to_owned()).or_insert(Value::Null);
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    if let Value::Array(list) = list {
        list.extend(items);
    }
}

/// Takes the named items of a list out, by name.
fn take_named(fields: &mut Map<String, Value>, name: &str) -> BTreeMap<String, Value> {
    let items = match fields.remove(name) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    items
        .into_iter()
        .map(|item| {
            let name = item.get("name").and_then(Value::as_str);
            (name.unwrap_or_default().to_owned(), item)
        })
        .collect()
}

fn add_entries(
    target: &mut Value,
    entries: &BTreeMap<String, String>,
    force: bool,
    kind: &str,
) -> Result<(), BuildError> {
    let Some(target) = target.as_object_mut() else {
        return Ok(());
    };
    for (key, value) in entries {
        if target.contains_key(key) && !force {
            return Err(BuildError::new(format!(
                "{kind} {key} already in kustomization file. Use --force to override."
            )));
        }
        target.insert(key.clone(), value.clone().into());
    }
    Ok(())
}

impl Edits {
    fn set_images(&self, fields: &mut Map<String, Value>) {
        if self.images.is_empty() {
            return;
        }
        let mut all = take_named(fields, "images");
        if let Some(Value::Array(_)) = fields.get("imageTags") {
            all.append(&mut take_named(fields, "imageTags"));
        }
        for (name, image) in &self.images {
            let old = all.get(name);
            let part = |wanted: &String, field: &str| {
                if wanted != KEEP {
                    return wanted.clone();
                }
                let kept = old.and_then(|old| old.get(field)).and_then(Value::as_str);
                kept.unwrap_or_default().to_owned()
            };
            let changed = json!({
                "name": name,
                "newName": part(&image.new_name, "newName"),
                "newTag": part(&image.new_tag, "newTag"),
                "digest": part(&image.digest, "digest"),
            });
            all.insert(name.clone(), changed);
        }
        fields.insert("images".to_owned(), all.into_values().collect());
    }

    fn set_replicas(&self, fields: &mut Map<String, Value>) {
        if self.replicas.is_empty() {
            return;
        }
        let mut all = take_named(fields, "replicas");
        for (name, count) in &self.replicas {
            all.insert(name.clone(), json!({ "name": name, "count": count }));
        }
        fields.insert("replicas".to_owned(), all.into_values().collect());
    }

    fn add_labels(&self, fields: &mut Map<String, Value>) -> Result<(), BuildError> {
        let section = &self.section;
        if section.common_labels.is_empty() {
            return Ok(());
        }
        let force = section.force_common_labels;
        if !section.label_without_selector {
            let target = entry(fields, "commonLabels");
            return add_entries(target, &section.common_labels, force, "label");
        }
        let switch = |label: &Value, name: &str| {
            label.get(name).and_then(Value::as_bool).unwrap_or_default()
        };
        let list = fields.entry("labels".to_owned()).or_insert(Value::Null);
        if list.is_null() {
            *list = Value::Array(Vec::new());
        }
        let Value::Array(list) = list else {
            return Ok(());
        };
        let templates = section.label_include_templates;
        let place = list.iter().position(|label| {
            !switch(label, "includeSelectors") && switch(label, "includeTemplates") == templates
        });
        let place = place.unwrap_or_else(|| {
            list.push(json!({ "includeTemplates": templates, "pairs": {} }));
            list.len() - 1
        });
        match list.get_mut(place).and_then(Value::as_object_mut) {
            Some(label) => add_entries(
                entry(label, "pairs"),
                &section.common_labels,
                force,
                "label",
            ),
            None => Ok(()),
        }
    }
}

impl Image {
    /// Reads `[old=]new[:tag][@digest]`.
    fn parse(text: &str) -> Option<(String, Self)> {
        let (old, value) = match text.split_once('=') {
            Some((old, value)) => (Some(old), value),
            None => (None, text),
        };
        // A port belongs to the host, which ends with the first slash.
        let start = value.find('/').unwrap_or_default();
        let (rest, digest) = value.split_once('@').unwrap_or((value, ""));
        let colon = rest
            .get(start..)
            .and_then(|tail| tail.find(':'))
            .map(|at| at + start);
        let (name, tag) = match colon {
            Some(at) => (rest.get(..at)?, rest.get(at + 1..)?),
            None => (rest, ""),
        };
        if old.is_none() && tag.is_empty() && digest.is_empty() {
            return None;
        }
        let image = Self {
            new_name: if old.is_some() { name } else { "" }.to_owned(),
            new_tag: tag.to_owned(),
            digest: digest.to_owned(),
        };
        Some((old.unwrap_or(name).to_owned(), image))
    }
}

#[cfg(test)]
mod tests {
    use super::Image;

    #[test]
    fn images_as_kustomize_edit_reads_them() {
        let parsed = |text: &str| {
            Image::parse(text)
                .map(|(name, image)| (name, image.new_name, image.new_tag, image.digest))
        };
        let some = |parts: [&str; 4]| {
            let [name, new, tag, digest] = parts.map(str::to_owned);
            Some((name, new, tag, digest))
        };
        assert_eq!(parsed("a:2"), some(["a", "", "2", ""]));
        assert_eq!(parsed("a=h:5/b:2"), some(["a", "h:5/b", "2", ""]));
        assert_eq!(parsed("a=b"), some(["a", "b", "", ""]));
        assert_eq!(parsed("a@sha256:1"), some(["a", "", "", "sha256:1"]));
        assert_eq!(parsed("a=*:2"), some(["a", "*", "2", ""]));
        assert_eq!(parsed("a"), None);
    }
}
