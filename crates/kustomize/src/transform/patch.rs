//! `patches`, `patchesStrategicMerge` and `patchesJson6902`.

use std::collections::BTreeMap;

use super::json_patch::JsonPatch;
use super::select::select;
use crate::error::{Context as _, Error, Result, quote};
use crate::kustomization::{Patch, Selector};
use crate::load::Loader;
use crate::node::{from_json, to_json};
use crate::resource::{Resource, set_strings};
use crate::schema::Schemas;
use crate::set::{Set, merge_patch, read_objects};

fn limits() -> driftless_yaml::Limits {
    driftless_yaml::Limits::default()
}

/// `patchesStrategicMerge`: each patch is for the object of its own name.
pub(crate) struct StrategicMerge {
    patches: Vec<Resource>,
}

impl StrategicMerge {
    /// Reads the entries, which are texts or paths, and a text of patches.
    pub(crate) fn new(
        paths: &[String],
        text: &str,
        loader: &Loader<'_>,
        schemas: &mut Schemas,
    ) -> Result<Self> {
        if paths.is_empty() && text.is_empty() {
            return Err(Error::new("empty file path and empty patch content"));
        }
        let mut patches = Vec::new();
        for path in paths {
            // An entry may be the patch itself.
            match read_objects(path.as_bytes(), &limits(), schemas) {
                Ok(found) => patches.extend(found),
                Err(_) => {
                    let bytes = loader.load(path)?;
                    let found = read_objects(&bytes, &limits(), schemas)
                        .map_err(|error| in_file(error, path))?;
                    patches.extend(found);
                }
            }
        }
        if !text.is_empty() {
            patches.extend(read_objects(text.as_bytes(), &limits(), schemas)?);
        }
        if patches.is_empty() {
            return Err(Error::new(format!(
                "patch appears to be empty; files=[{}], Patch={text}",
                paths.join(" ")
            )));
        }
        Ok(Self { patches })
    }

    pub(crate) fn run(&self, set: &mut Set, schemas: &mut Schemas) -> Result<()> {
        for patch in &self.patches {
            let target = set.only(&patch.original_id())?;
            set.apply_patch(&[target], patch, schemas)?;
        }
        Ok(())
    }
}

/// Says in which file a text is no YAML.
pub(crate) fn in_file(error: Error, path: &str) -> Error {
    if error.is_malformed() {
        return Error::malformed(format!("{error} in File: {path}"));
    }
    error
}

enum Content {
    Merge(Vec<Resource>),
    Json(JsonPatch),
}

/// An entry of `patches`.
pub(crate) struct PatchEntry {
    content: Content,
    target: Option<Selector>,
    source: String,
}

impl PatchEntry {
    pub(crate) fn new(
        entry: &Patch,
        loader: &Loader<'_>,
        schemas: &mut Schemas,
        config: impl Fn() -> String,
    ) -> Result<Self> {
        let inline = entry.patch.trim();
        let (text, source) = match (inline.is_empty(), entry.path.is_empty()) {
            (true, true) => {
                return Err(Error::new(format!(
                    "must specify one of patch and path in\n{}",
                    config()
                )));
            }
            (false, false) => {
                return Err(Error::new(format!(
                    "patch and path can't be set at the same time\n{}",
                    config()
                )));
            }
            (false, true) => (inline.to_owned(), format!("[patch: {}]", quote(inline))),
            (true, false) => {
                let path = &entry.path;
                let bytes = loader
                    .load(path)
                    .context(|| format!("failed to get the patch file from path({path})"))?;
                (
                    String::from_utf8_lossy(&bytes).into_owned(),
                    format!("[path: {}]", quote(path)),
                )
            }
        };
        let merge = read_objects(text.as_bytes(), &limits(), schemas);
        let json = JsonPatch::parse(&text);
        let content = match (merge, json) {
            (Ok(merge), Ok(json)) if !merge.is_empty() && !json.is_empty() => {
                return Err(Error::new(format!(
                    "illegally qualifies as both an SM and JSON patch: {source}"
                )));
            }
            (Ok(mut patches), _) => {
                for patch in &mut patches {
                    patch.marks.name_change |= entry.allow_name_change;
                    patch.marks.kind_change |= entry.allow_kind_change;
                }
                Content::Merge(patches)
            }
            (Err(_), Ok(json)) => Content::Json(json),
            (Err(_), Err(_)) => {
                return Err(Error::new(format!(
                    "unable to parse SM or JSON patch from {source}"
                )));
            }
        };
        Ok(Self {
            content,
            target: entry.target.clone(),
            source,
        })
    }

    pub(crate) fn run(&self, set: &mut Set, schemas: &mut Schemas) -> Result<()> {
        match &self.content {
            Content::Merge(patches) => self.merge(patches, set, schemas),
            Content::Json(patch) if patch.is_empty() => Ok(()),
            Content::Json(patch) => {
                let Some(target) = &self.target else {
                    return Err(Error::new(format!(
                        "must specify a target for JSON patch {}",
                        self.source
                    )));
                };
                for at in select(set, target)? {
                    if let Some(resource) = set.list.get_mut(at) {
                        resource.store_previous();
                        apply_json(resource, patch, schemas)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn merge(&self, patches: &[Resource], set: &mut Set, schemas: &mut Schemas) -> Result<()> {
        let Some(target) = &self.target else {
            for patch in patches {
                let id = patch.original_id();
                let at = set.only(&id).context(|| {
                    format!(
                        "no resource matches strategic merge patch {}",
                        quote(&id.to_string())
                    )
                })?;
                if let Some(resource) = set.list.get_mut(at) {
                    merge_patch(resource, patch, schemas)?;
                }
            }
            return Ok(());
        };
        let [patch] = patches else {
            if patches.is_empty() {
                return Ok(());
            }
            return Err(Error::new(format!(
                "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {}",
                self.source
            )));
        };
        let selected = select(set, target).context(|| {
            let shown = format!("{}:a={}:l={}", target.id, target.annotations, target.labels);
            format!(
                "unable to find patch target {} in `resources`",
                quote(&shown)
            )
        })?;
        set.apply_patch(&selected, patch, schemas)
    }
}

/// `patchesJson6902`.
pub(crate) struct JsonPatches {
    patch: JsonPatch,
    target: Option<Selector>,
}

impl JsonPatches {
    pub(crate) fn new(
        target: Option<Selector>,
        path: &str,
        text: &str,
        loader: &Loader<'_>,
    ) -> Result<Self> {
        if target
            .as_ref()
            .is_none_or(|target| target.id.name.is_empty())
        {
            return Err(Error::new("must specify the target name"));
        }
        let text = match (path.is_empty(), text.is_empty()) {
            (true, true) => return Err(Error::new("empty file path and empty jsonOp")),
            (false, false) => {
                return Err(Error::new("must specify a file path or jsonOp, not both"));
            }
            (false, true) => {
                let bytes = loader.load(path)?;
                if bytes.is_empty() {
                    return Err(Error::new(format!(
                        "patch file '{path}' empty seems to be empty"
                    )));
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
            (true, false) => text.to_owned(),
        };
        let patch = JsonPatch::parse(&text)?;
        if patch.is_empty() {
            return Err(Error::new(format!(
                "patch appears to be empty; file={path}, JsonOp={text}"
            )));
        }
        Ok(Self { patch, target })
    }

    pub(crate) fn run(&self, set: &mut Set, schemas: &mut Schemas) -> Result<()> {
        let Some(target) = &self.target else {
            return Ok(());
        };
        for at in select(set, target)? {
            if let Some(resource) = set.list.get_mut(at) {
                apply_json(resource, &self.patch, schemas)?;
            }
        }
        Ok(())
    }
}

/// Patches one object as JSON. Internal annotations are there while the patch runs, as upstream: a patch may
/// count on `metadata.annotations`.
fn apply_json(resource: &mut Resource, patch: &JsonPatch, schemas: &mut Schemas) -> Result<()> {
    let internal = resource.marks.annotations();
    let mut node = resource.take();
    if !internal.is_empty() {
        let metadata = node.field_map("metadata")?;
        let annotations = metadata.field_map("annotations")?;
        for (key, value) in &internal {
            annotations.set_field(key, crate::node::Scalar::string(value.as_str()))?;
        }
    }
    let mut json = to_json(&node)?;
    patch.apply(&mut json)?;
    if !json.is_object() {
        return Err(Error::new(
            "json: cannot unmarshal array into Go value of type map[string]interface {}",
        ));
    }
    let mut node = from_json(&json);
    let mut annotations: BTreeMap<String, String> = BTreeMap::new();
    let written = node
        .get("metadata")
        .and_then(|metadata| metadata.get("annotations"));
    for (key, value) in written
        .and_then(crate::node::Node::as_map)
        .into_iter()
        .flat_map(crate::node::Map::iter)
    {
        if !internal.contains_key(key) {
            annotations.insert(key.to_owned(), value.text().to_owned());
        }
    }
    set_strings(&mut node, "annotations", annotations)?;
    resource.replace_node(node, schemas);
    Ok(())
}
