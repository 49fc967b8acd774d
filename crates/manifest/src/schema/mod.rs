//! The shape of Kubernetes' built-in kinds: field types, associative lists and their keys, atomic parts.
//!
//! The table `kubernetes.txt` is generated from Kubernetes' OpenAPI description (`cargo xtask schema`). A
//! line `kind <group|-> <version> <Kind> <type>` names the type of a kind, a line `type <name>
//! <field>:<shape>…` the fields of a type. A shape is one of
//!
//! | code | meaning |
//! |---|---|
//! | `s` `i` `n` `b` | string, integer, number, boolean |
//! | `q` `t` `x` `y` | quantity, time, int-or-string, base64 bytes |
//! | `o` | anything |
//! | `@type` | a mapping with known fields |
//! | `{}shape` | a mapping with free keys |
//! | `[keys~patch]shape` | a list. `keys`: empty = atomic, `=` = set, else the key fields of server-side apply; after `~` strategic merge's way: nothing = merged as a set, else its one merge key; no `~` = replaced |
//!
//! and may be preceded by `#` (atomic: owned and compared as a whole), `!` (strategic merge keeps only the
//! fields the patch names: `retainKeys`) or `%` (strategic merge replaces it).
//!
//! Kinds outside the table have [`Schema::other`]: metadata is known, the rest is not.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use driftless_core::GroupVersionKind;

const TABLE: &str = include_str!("kubernetes.txt");
const METADATA: &str = "meta.v1.ObjectMeta";

/// What kind of scalar a field holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scalar {
    /// Text.
    String,
    /// Whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A resource quantity.
    Quantity,
    /// RFC 3339.
    Time,
    /// A number or text.
    IntOrString,
    /// Base64.
    Bytes,
}

/// How server-side apply treats the items of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListKind {
    /// One value: replaced as a whole.
    Atomic,
    /// Scalars, each at most once.
    Set,
    /// Items told apart by these fields.
    Map(Vec<&'static str>),
}

/// How strategic merge treats the items of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatchKind {
    /// The list is replaced.
    Replace,
    /// Scalars are added unless they are there.
    MergeSet,
    /// Items are merged by this field.
    MergeBy(&'static str),
}

/// What a value looks like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Form {
    /// One scalar.
    Scalar(Scalar),
    /// Unknown: anything may stand here.
    Any,
    /// A mapping with known fields.
    Object(TypeId),
    /// A mapping with free keys.
    Map(Box<Shape>),
    /// A list.
    List {
        /// Server-side apply's way.
        list: ListKind,
        /// Strategic merge's way.
        patch: PatchKind,
        /// Shape of the items.
        item: Box<Shape>,
    },
}

/// The form of a value, and how merges treat it as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// What it looks like.
    pub form: Form,
    /// Server-side apply owns it as a whole.
    pub atomic: bool,
    /// Strategic merge drops fields that the patch does not name.
    pub retain_keys: bool,
    /// Strategic merge replaces it.
    pub replace: bool,
}

/// A type of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TypeId(u16);

/// A type's fields, sorted by name.
struct Type {
    name: &'static str,
    fields: Vec<(&'static str, Shape)>,
}

/// API versions of a kind and their shapes.
type Versions = Vec<(&'static str, Shape)>;

/// The table, parsed.
pub struct Schema {
    types: Vec<Type>,
    kinds: BTreeMap<&'static str, BTreeMap<&'static str, Versions>>,
    other: Shape,
}

/// Returns the table of built-in kinds.
pub fn builtin() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| parse(TABLE))
}

impl Schema {
    /// Returns the shape of a built-in kind. A version the table does not have is answered with the newest
    /// it has; kinds that moved out of `extensions` are found in their new group.
    pub fn kind(&self, gvk: &GroupVersionKind) -> Option<&Shape> {
        self.kind_of(&gvk.group, &gvk.version, &gvk.kind)
    }

    /// As [`Schema::kind`], from the three names.
    pub fn kind_of(&self, group: &str, version: &str, kind: &str) -> Option<&Shape> {
        let group = match (group, kind) {
            ("extensions", "Ingress" | "NetworkPolicy") => "networking.k8s.io",
            ("extensions", _) => "apps",
            _ => group,
        };
        let versions = self.kinds.get(group)?.get(kind)?;
        versions
            .iter()
            .find(|(known, _)| *known == version)
            .or_else(|| versions.iter().find(|(known, _)| !known.contains("alpha")))
            .or(versions.first())
            .map(|(_, shape)| shape)
    }

    /// Returns the shape of kinds outside the table: `metadata` is known, the rest may be anything.
    pub fn other(&self) -> &Shape {
        &self.other
    }

    /// Returns the shape of a kind, [`Schema::other`] where the table does not have it.
    pub fn kind_or_other(&self, gvk: &GroupVersionKind) -> &Shape {
        self.kind(gvk).unwrap_or(&self.other)
    }

    /// Returns a field of a type.
    pub fn field(&self, id: TypeId, name: &str) -> Option<&Shape> {
        let fields = &self.types.get(usize::from(id.0))?.fields;
        let index = fields
            .binary_search_by(|(known, _)| (*known).cmp(name))
            .ok()?;
        fields.get(index).map(|(_, shape)| shape)
    }

    /// Returns the name of a type: `core.v1.PodSpec`.
    pub fn type_name(&self, id: TypeId) -> &'static str {
        self.types
            .get(usize::from(id.0))
            .map_or("", |known| known.name)
    }

    /// Returns the shape of a type by its name.
    pub fn named(&self, name: &str) -> Option<Shape> {
        let index = self.types.iter().position(|known| known.name == name)?;
        Some(Shape::of(Form::Object(TypeId(index as u16))))
    }

    /// Returns all kinds of the table as group, version and kind, in stable order.
    pub fn kinds(&self) -> impl Iterator<Item = GroupVersionKind> {
        self.kinds.iter().flat_map(|(group, kinds)| {
            kinds.iter().flat_map(move |(kind, versions)| {
                let versions = versions.iter();
                versions.map(move |(version, _)| GroupVersionKind::new(group, version, kind))
            })
        })
    }
}

impl Shape {
    const fn of(form: Form) -> Self {
        Self {
            form,
            atomic: false,
            retain_keys: false,
            replace: false,
        }
    }

    /// Returns the shape of a field, `None` where nothing is known of it.
    pub fn field(&self, schema: &'static Schema, name: &str) -> Option<&Shape> {
        match &self.form {
            Form::Object(id) => schema.field(*id, name),
            Form::Map(item) => Some(item),
            _ => None,
        }
    }

    /// Returns the shape of the items of a list.
    pub fn item(&self) -> Option<&Shape> {
        match &self.form {
            Form::List { item, .. } => Some(item),
            _ => None,
        }
    }

    /// Returns the scalar type, `None` when it is no scalar.
    pub fn scalar(&self) -> Option<Scalar> {
        match self.form {
            Form::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }
}

fn parse(table: &'static str) -> Schema {
    let lines = || table.lines().filter(|line| !line.starts_with('#'));
    let names: HashMap<&str, u16> = lines()
        .filter_map(|line| line.strip_prefix("type ")?.split(' ').next())
        .zip(0..)
        .collect();
    let mut types = Vec::with_capacity(names.len() + 1);
    let mut kinds: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
    for line in lines() {
        let mut words = line.split(' ');
        match words.next() {
            Some("type") => types.push(Type {
                name: words.next().unwrap_or_default(),
                fields: words
                    .filter_map(|word| {
                        let (field, code) = word.split_once(':')?;
                        Some((field, parse_shape(code, &names)))
                    })
                    .collect(),
            }),
            Some("kind") => {
                let mut word = || words.next().unwrap_or_default();
                let (group, version, kind, name) = (word(), word(), word(), word());
                let group = if group == "-" { "" } else { group };
                if let Some(index) = names.get(name) {
                    let shape = Shape::of(Form::Object(TypeId(*index)));
                    let versions = kinds.entry(group).or_default().entry(kind).or_default();
                    versions.push((version, shape));
                }
            }
            _ => {}
        }
    }
    let metadata = names
        .get(METADATA)
        .map_or(Form::Any, |index| Form::Object(TypeId(*index)));
    types.push(Type {
        name: "other",
        fields: vec![
            ("apiVersion", Shape::of(Form::Scalar(Scalar::String))),
            ("kind", Shape::of(Form::Scalar(Scalar::String))),
            ("metadata", Shape::of(metadata)),
        ],
    });
    let other = Shape::of(Form::Object(TypeId(types.len() as u16 - 1)));
    Schema {
        types,
        kinds,
        other,
    }
}

fn parse_shape(mut code: &'static str, names: &HashMap<&str, u16>) -> Shape {
    let mut shape = Shape::of(Form::Any);
    while let Some(flag) = code.chars().next().filter(|c| "#!%".contains(*c)) {
        match flag {
            '#' => shape.atomic = true,
            '!' => shape.retain_keys = true,
            _ => shape.replace = true,
        }
        code = &code[1..];
    }
    shape.form = match code {
        "s" => Form::Scalar(Scalar::String),
        "i" => Form::Scalar(Scalar::Integer),
        "n" => Form::Scalar(Scalar::Number),
        "b" => Form::Scalar(Scalar::Boolean),
        "q" => Form::Scalar(Scalar::Quantity),
        "t" => Form::Scalar(Scalar::Time),
        "x" => Form::Scalar(Scalar::IntOrString),
        "y" => Form::Scalar(Scalar::Bytes),
        _ => parse_composite(code, names),
    };
    shape
}

fn parse_composite(code: &'static str, names: &HashMap<&str, u16>) -> Form {
    if let Some(name) = code.strip_prefix('@') {
        return names
            .get(name)
            .map_or(Form::Any, |index| Form::Object(TypeId(*index)));
    }
    if let Some(item) = code.strip_prefix("{}") {
        return Form::Map(Box::new(parse_shape(item, names)));
    }
    let Some((list, item)) = code.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
        return Form::Any;
    };
    let (keys, patch) = match list.split_once('~') {
        None => (list, PatchKind::Replace),
        Some((keys, "")) => (keys, PatchKind::MergeSet),
        Some((keys, key)) => (keys, PatchKind::MergeBy(key)),
    };
    Form::List {
        list: match keys {
            "" => ListKind::Atomic,
            "=" => ListKind::Set,
            keys => ListKind::Map(keys.split(',').collect()),
        },
        patch,
        item: Box::new(parse_shape(item, names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(kind: (&str, &str, &str), path: &[&str]) -> Shape {
        let schema = builtin();
        let start = schema
            .kind_of(kind.0, kind.1, kind.2)
            .expect("a known kind");
        let found = path.iter().fold(start, |shape, field| match *field {
            "[]" => shape.item().expect("a list"),
            field => shape
                .field(schema, field)
                .unwrap_or_else(|| panic!("field {field}")),
        });
        found.clone()
    }

    const DEPLOYMENT: (&str, &str, &str) = ("apps", "v1", "Deployment");

    #[test]
    fn containers_merge_by_name_and_ports_by_number_and_protocol() {
        let containers = shape(DEPLOYMENT, &["spec", "template", "spec", "containers"]);
        assert!(
            matches!(&containers.form, Form::List { list: ListKind::Map(keys), patch: PatchKind::MergeBy("name"), .. } if keys == &["name"])
        );
        let ports = shape(
            DEPLOYMENT,
            &["spec", "template", "spec", "containers", "[]", "ports"],
        );
        assert!(
            matches!(&ports.form, Form::List { list: ListKind::Map(keys), patch: PatchKind::MergeBy("containerPort"), .. }
            if keys == &["containerPort", "protocol"])
        );
    }

    #[test]
    fn scalars_and_whole_parts_are_told() {
        let limits = shape(
            DEPLOYMENT,
            &[
                "spec",
                "template",
                "spec",
                "containers",
                "[]",
                "resources",
                "limits",
                "cpu",
            ],
        );
        assert_eq!(limits.scalar(), Some(Scalar::Quantity));
        assert!(shape(DEPLOYMENT, &["spec", "selector"]).atomic);
        assert!(shape(DEPLOYMENT, &["spec", "strategy"]).retain_keys);
        assert!(
            shape(
                ("policy", "v1", "PodDisruptionBudget"),
                &["spec", "selector"]
            )
            .replace
        );
        assert_eq!(
            shape(("", "v1", "Secret"), &["data", "x"]).scalar(),
            Some(Scalar::Bytes)
        );
        let finalizers = shape(DEPLOYMENT, &["metadata", "finalizers"]);
        assert!(matches!(
            finalizers.form,
            Form::List {
                list: ListKind::Set,
                patch: PatchKind::MergeSet,
                ..
            }
        ));
    }

    #[test]
    fn old_versions_are_answered_with_the_newest_known() {
        let schema = builtin();
        let known = schema.kind_of("apps", "v1", "Deployment");
        assert_eq!(schema.kind_of("apps", "v1beta2", "Deployment"), known);
        assert_eq!(schema.kind_of("extensions", "v1beta1", "Deployment"), known);
        assert_eq!(schema.kind_of("example.com", "v1", "Deployment"), None);
    }

    #[test]
    fn other_kinds_have_metadata_only() {
        let schema = builtin();
        let other = schema.other();
        assert!(other.field(schema, "metadata").is_some());
        assert!(other.field(schema, "spec").is_none());
    }

    #[test]
    fn every_shape_of_the_table_is_understood() {
        fn check(shape: &Shape, code: &str) {
            match &shape.form {
                Form::Any => assert!(code.ends_with('o'), "{code}"),
                Form::Map(item) | Form::List { item, .. } => check(item, code),
                _ => {}
            }
        }
        let schema = builtin();
        assert!(schema.kinds().count() > 90);
        for (line, known) in TABLE
            .lines()
            .filter(|line| line.starts_with("type "))
            .zip(&schema.types)
        {
            let codes: Vec<&str> = line.split(' ').skip(2).collect();
            assert_eq!(codes.len(), known.fields.len(), "{line}");
            assert!(known.fields.is_sorted_by_key(|(name, _)| *name), "{line}");
            for (code, (_, shape)) in codes.iter().zip(&known.fields) {
                check(shape, code);
            }
        }
    }
}
