//! What makes objects: ConfigMaps and Secrets of files and literals, charts, service accounts for clouds.

pub(crate) mod cloud;
pub(crate) mod helm;
mod pairs;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Context as _, Error, Result};
use crate::kustomization::{GeneratorArgs, GeneratorOptions};
use crate::load::Loader;
use crate::node::{Map, Node, Scalar};
use crate::resource::{Behavior, Resource, boolean};
use crate::schema::Schemas;

/// Which kind is generated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// Lets the options of the kustomization fill in what a generator leaves out.
pub(crate) fn merge_options(
    own: Option<GeneratorOptions>,
    global: Option<&GeneratorOptions>,
) -> Option<GeneratorOptions> {
    let Some(global) = global else {
        return own;
    };
    let mut own = own.unwrap_or_default();
    for (key, value) in &global.labels {
        own.labels
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    for (key, value) in &global.annotations {
        own.annotations
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    own.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    own.immutable |= global.immutable;
    Some(own)
}

/// Makes a ConfigMap or a Secret.
pub(crate) fn generate(
    kind: Kind,
    args: &GeneratorArgs,
    loader: &Loader<'_>,
    schemas: &mut Schemas,
) -> Result<Resource> {
    let mut root = Map::default();
    root.push("apiVersion", Node::string("v1"));
    root.push(
        "kind",
        Node::string(match kind {
            Kind::ConfigMap => "ConfigMap",
            Kind::Secret => "Secret",
        }),
    );
    if args.name.is_empty() {
        return Err(Error::new("a configmap must have a name"));
    }
    let mut metadata = Map::default();
    metadata.push("name", Node::string(args.name.as_str()));
    if !args.namespace.is_empty() {
        metadata.push("namespace", Node::string(args.namespace.as_str()));
    }
    let options = args.options.clone().unwrap_or_default();
    for (field, entries) in [
        ("labels", &options.labels),
        ("annotations", &options.annotations),
    ] {
        if !entries.is_empty() {
            metadata.push(field, strings(entries));
        }
    }
    root.push("metadata", Node::Map(metadata));
    if kind == Kind::Secret {
        let kind = if args.secret_type.is_empty() {
            "Opaque"
        } else {
            &args.secret_type
        };
        root.push("type", Node::string(kind));
    }
    let data = unique(args, loader)?;
    match kind {
        Kind::ConfigMap => put_text(&mut root, data),
        Kind::Secret => put_encoded(&mut root, data),
    }
    if options.immutable {
        root.push("immutable", boolean(true));
    }
    let mut resource = Resource::new(Node::Map(root), schemas);
    resource.marks.needs_hash = !options.disable_name_suffix_hash;
    resource.marks.behavior = Some(Behavior::parse(&args.behavior));
    Ok(resource)
}

fn strings(entries: &BTreeMap<String, String>) -> Node {
    let entries = entries
        .iter()
        .map(|(key, value)| (Scalar::untyped(key.as_str()), Node::string(value.as_str())));
    Node::Map(Map(entries.collect()))
}

fn unique(args: &GeneratorArgs, loader: &Loader<'_>) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut data = BTreeMap::new();
    for (key, value) in pairs::load(args, loader).context(|| "loading KV pairs")? {
        if data.insert(key.clone(), value).is_some() {
            return Err(Error::new(format!(
                "configmap {} illegally repeats the key `{key}`",
                args.name
            )));
        }
    }
    Ok(data)
}

/// Text goes to `data`, anything else to `binaryData`.
fn put_text(root: &mut Map, data: BTreeMap<String, Vec<u8>>) {
    let (mut texts, mut binaries) = (Map::default(), Map::default());
    for (key, value) in data {
        match String::from_utf8(value) {
            Ok(text) => texts.push(&key, Node::string(text)),
            Err(error) => binaries.push(&key, Node::string(encoded(error.as_bytes()))),
        }
    }
    if !texts.0.is_empty() {
        root.push("data", Node::Map(texts));
    }
    if !binaries.0.is_empty() {
        root.push("binaryData", Node::Map(binaries));
    }
}

fn put_encoded(root: &mut Map, data: BTreeMap<String, Vec<u8>>) {
    let mut entries = Map::default();
    for (key, value) in data {
        entries.push(&key, Node::string(encoded(&value)));
    }
    root.push("data", Node::Map(entries));
}

const LINE: usize = 70;

/// Encodes in base 64, in lines when it is long.
fn encoded(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    if text.len() < LINE {
        return text;
    }
    let mut out = String::with_capacity(text.len() + text.len() / LINE + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest
            .split_at_checked(LINE.min(rest.len()))
            .unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out
}
