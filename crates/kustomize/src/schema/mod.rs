//! What kustomize knows of kinds: their scope, and which lists a strategic merge merges by which keys.
//!
//! The table `kubernetes.txt` holds the part of Kubernetes' OpenAPI description that matters here. A line
//! `scope <apiVersion> <Kind> <namespace|cluster>` gives a scope, `kind <group|-> <version> <Kind> <type>` the
//! type of a kind, `type <name> <field>:<shape>…` the fields of a type that lead to a merged list. A shape is
//! `name` (that type), `{}name` (a mapping to it), `[-]name` (a replaced list of it) or `[keys]name` (a list
//! merged by these keys, by value without any).

mod custom;

use std::collections::HashMap;
use std::sync::OnceLock;

pub(crate) use custom::Custom;

use crate::error::{Error, Result};
use crate::id::Gvk;

const TABLE: &str = include_str!("kubernetes.txt");
/// The version of the built-in description.
const BUILT_IN: &str = "v1.21.2";

type TypeId = usize;

/// How a field continues.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Object(TypeId),
    Map(TypeId),
    List {
        item: Option<TypeId>,
        /// `None`: the list is replaced.
        keys: Option<Vec<&'static str>>,
    },
}

#[derive(Debug)]
struct Table {
    names: HashMap<&'static str, TypeId>,
    scopes: HashMap<(&'static str, &'static str), bool>,
    kinds: HashMap<(&'static str, &'static str, &'static str), TypeId>,
    types: Vec<HashMap<&'static str, Shape>>,
}

fn table() -> &'static Table {
    static TABLE_ONCE: OnceLock<Table> = OnceLock::new();
    TABLE_ONCE.get_or_init(|| read(TABLE))
}

fn read(text: &'static str) -> Table {
    let lines = || text.lines().filter(|line| !line.starts_with('#'));
    let names: HashMap<&'static str, TypeId> = lines()
        .filter_map(|line| line.strip_prefix("type ")?.split(' ').next())
        .zip(0..)
        .collect();
    let mut read = Table {
        scopes: HashMap::new(),
        kinds: HashMap::new(),
        types: Vec::with_capacity(names.len()),
        names: HashMap::new(),
    };
    for line in lines() {
        let words: Vec<&'static str> = line.split(' ').collect();
        match words.as_slice() {
            ["scope", version, kind, scope] => {
                read.scopes.insert((version, kind), *scope == "namespace");
            }
            ["kind", group, version, kind, name] => {
                let group = if *group == "-" { "" } else { group };
                if let Some(id) = names.get(name) {
                    read.kinds.insert((group, version, kind), *id);
                }
            }
            ["type", _, fields @ ..] => {
                let fields = fields.iter().filter_map(|field| {
                    let (name, code) = field.split_once(':')?;
                    Some((name, shape(code, &names)?))
                });
                read.types.push(fields.collect());
            }
            _ => {}
        }
    }
    read.names = names;
    read
}

/// Returns a built-in type by its name in OpenAPI documents: the last three parts tell it.
fn by_definition(name: &str) -> Option<TypeId> {
    let start = name.rmatch_indices('.').nth(2).map_or(0, |(at, _)| at + 1);
    let short = name.get(start..)?;
    table().names.get(short.trim_start_matches("api.")).copied()
}

fn shape(code: &'static str, names: &HashMap<&str, TypeId>) -> Option<Shape> {
    if let Some(name) = code.strip_prefix("{}") {
        return names.get(name).map(|id| Shape::Map(*id));
    }
    if let Some(rest) = code.strip_prefix('[') {
        let (keys, name) = rest.split_once(']')?;
        let keys = match keys {
            "-" => None,
            "" => Some(Vec::new()),
            keys => Some(keys.split(',').collect()),
        };
        let item = names.get(name).copied();
        return Some(Shape::List { item, keys });
    }
    names.get(code).map(|id| Shape::Object(*id))
}

/// What is known of the value at some place.
#[derive(Clone, Debug)]
pub(crate) enum Schema<'a> {
    Built(&'static Shape),
    Root(TypeId),
    Custom(&'a Custom, &'a serde_json::Value),
}

impl<'a> Schema<'a> {
    /// Returns what is known of a field.
    pub(crate) fn field(&self, name: &str) -> Option<Schema<'a>> {
        let id = match self {
            Self::Custom(custom, value) => return custom.field(value, name),
            Self::Built(Shape::Object(id)) | Self::Root(id) => *id,
            Self::Built(Shape::Map(id)) => return Some(Schema::Root(*id)),
            Self::Built(Shape::List { .. }) => return None,
        };
        table()
            .types
            .get(id)
            .and_then(|fields| fields.get(name))
            .map(Schema::Built)
    }

    /// Returns what is known of the items of a list.
    pub(crate) fn item(&self) -> Option<Schema<'a>> {
        match self {
            Self::Custom(custom, value) => custom.item(value),
            Self::Built(Shape::List { item, .. }) => item.map(Schema::Root),
            Self::Built(_) | Self::Root(_) => None,
        }
    }

    /// Returns the keys a list is merged by; `None` when it is replaced.
    pub(crate) fn merge_keys(&self) -> Option<Vec<String>> {
        match self {
            Self::Custom(_, value) => Custom::merge_keys(value),
            Self::Built(Shape::List { keys, .. }) => keys
                .as_ref()
                .map(|keys| keys.iter().map(|key| (*key).to_owned()).collect()),
            Self::Built(_) | Self::Root(_) => None,
        }
    }
}

/// The description that one build works with.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    chosen: bool,
    custom: Option<Custom>,
    /// A kind was looked up before a description of the user's own was given: both count.
    built_in_too: bool,
}

impl Schemas {
    /// Takes the `openapi` field of a kustomization into account; the first one counts.
    pub(crate) fn choose(
        &mut self,
        version: Option<&str>,
        document: Option<&[u8]>,
        first: bool,
    ) -> Result<()> {
        if self.chosen && !first {
            return Ok(());
        }
        if let Some(document) = document {
            if version.is_some() {
                return Err(Error::new(
                    "builtin version and custom schema provided, cannot use both",
                ));
            }
            self.custom = Some(Custom::parse(document, self.built_in_too)?);
            self.chosen = true;
            return Ok(());
        }
        match version {
            None | Some("") => Ok(()),
            Some(BUILT_IN) => {
                self.chosen = true;
                Ok(())
            }
            Some(_) => Err(Error::new("the specified OpenAPI version is not built in")),
        }
    }

    /// Says whether a kind is known to be outside of namespaces.
    pub(crate) fn is_cluster_scoped(&mut self, group: &str, version: &str, kind: &str) -> bool {
        let joined;
        let api_version = if group.is_empty() {
            version
        } else {
            joined = format!("{group}/{version}");
            joined.as_str()
        };
        if let Some(namespaced) = table().scopes.get(&(api_version, kind)) {
            return !namespaced;
        }
        if let Some(custom) = &self.custom {
            return custom.is_namespaced(api_version, kind) == Some(false);
        }
        self.built_in_too = true;
        false
    }

    /// Returns what is known of a kind.
    pub(crate) fn of(&self, gvk: &Gvk) -> Option<Schema<'_>> {
        self.of_names(&gvk.group, &gvk.version, &gvk.kind)
    }

    fn of_names(&self, group: &str, version: &str, kind: &str) -> Option<Schema<'_>> {
        let built_in = || {
            let kinds = &table().kinds;
            kinds
                .get(&(group, version, kind) as &(&str, &str, &str))
                .map(|id| Schema::Root(*id))
        };
        let Some(custom) = &self.custom else {
            return built_in();
        };
        if custom.built_in_too
            && let Some(found) = built_in()
        {
            return Some(found);
        }
        let found = custom.kind(group, version, kind)?;
        Some(Schema::Custom(custom, found))
    }
}
