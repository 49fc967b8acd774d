//! Field ownership as the API server records it: `metadata.managedFields` and its FieldsV1 sets.
//!
//! A set is a tree beside the object: `f:<name>` is a field, `k:{"name":"a"}` the item of an associative
//! list with that key, `v:"a"` a member of a set, `.` the parent itself. An empty node is a leaf: the whole
//! value, whatever it holds, is owned.

use serde_json::{Map, Value};

/// How a manager wrote the fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Server-side apply: the set is what the manager wants.
    Apply,
    /// Any other write: the set is what the manager changed last.
    Update,
}

/// One entry of `metadata.managedFields`.
#[derive(Clone, Copy, Debug)]
pub struct ManagedFields<'a> {
    /// Field manager.
    pub manager: &'a str,
    /// How it wrote.
    pub operation: Operation,
    /// API version in which the paths are expressed.
    pub api_version: &'a str,
    /// Subresource it wrote through, empty for the object itself.
    pub subresource: &'a str,
    /// The owned fields.
    pub fields: Fields<'a>,
}

impl<'a> ManagedFields<'a> {
    /// Reads an entry; `None` when it is not a FieldsV1 entry.
    pub(crate) fn from_value(value: &'a Value) -> Option<Self> {
        let text = |field: &str| value.get(field).and_then(Value::as_str);
        let operation = match text("operation")? {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        Some(Self {
            manager: text("manager").unwrap_or_default(),
            operation,
            api_version: text("apiVersion").unwrap_or_default(),
            subresource: text("subresource").unwrap_or_default(),
            fields: Fields(value.get("fieldsV1")?.as_object()?),
        })
    }
}

/// One step of a path in a field set.
#[derive(Clone, PartialEq, Debug)]
pub enum Step<'a> {
    /// A field of a mapping.
    Field(&'a str),
    /// The item of an associative list whose key fields have these values.
    Key(Map<String, Value>),
    /// A member of a set.
    Member(Value),
    /// An item by position.
    Index(usize),
}

impl<'a> Step<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest)),
            "k" => serde_json::from_str(rest).ok().map(Self::Key),
            "v" => serde_json::from_str(rest).ok().map(Self::Member),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }
}

/// A node of a FieldsV1 set, read in place.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// Reads a node; `None` when the value is not a mapping.
    pub fn from_value(value: &'a Value) -> Option<Self> {
        value.as_object().map(Self)
    }

    /// Says whether nothing below is recorded: the whole value is owned, or (with `.`) just its existence.
    pub fn is_leaf(self) -> bool {
        self.0.keys().all(|key| key == ".")
    }

    /// Says whether the value itself is owned, besides what is below it.
    pub fn owns_itself(self) -> bool {
        self.0.is_empty() || self.0.contains_key(".")
    }

    /// Returns the node of a field.
    pub fn field(self, name: &str) -> Option<Self> {
        let mut key = String::with_capacity(name.len() + 2);
        key.push_str("f:");
        key.push_str(name);
        self.0.get(&key)?.as_object().map(Self)
    }

    /// Returns the node of the item of an associative list.
    pub fn item(self, item: &Value) -> Option<Self> {
        self.steps().find_map(|(step, below)| match step {
            Step::Key(key) if matches_key(item, &key) => Some(below),
            _ => None,
        })
    }

    /// Feeds the whole set to a hasher.
    pub fn hash_into(self, hasher: &mut impl std::hash::Hasher) {
        std::hash::Hash::hash(self.0, hasher);
    }

    /// Returns the steps below, in stable order; steps that cannot be read are passed over.
    pub fn steps(self) -> impl Iterator<Item = (Step<'a>, Self)> {
        self.0
            .iter()
            .filter_map(|(key, node)| Some((Step::parse(key)?, Self(node.as_object()?))))
    }
}

/// Finds the item of an associative list that a key names. A key field that the item leaves out counts as
/// equal: the API server fills in defaults such as `protocol: TCP` before it records the key.
pub fn find_item<'a>(list: &'a [Value], key: &Map<String, Value>) -> Option<(usize, &'a Value)> {
    list.iter()
        .enumerate()
        .find(|(_, item)| matches_key(item, key))
}

/// Says whether `item` is the one that `key` names; see [`find_item`].
pub fn matches_key(item: &Value, key: &Map<String, Value>) -> bool {
    let mut named = false;
    item.is_object()
        && key.iter().all(|(field, wanted)| match item.get(field) {
            Some(found) if !found.is_null() => {
                named = true;
                found == wanted
            }
            _ => true,
        })
        && named
}

/// Removes from `value` every field that the set owns as a leaf; mappings left empty go too.
pub fn remove_owned(value: &mut Value, owned: Fields<'_>) {
    for (step, below) in owned.steps() {
        match (&mut *value, step) {
            (Value::Object(map), Step::Field(name)) => {
                if below.is_leaf() {
                    map.remove(name);
                } else if let Some(child) = map.get_mut(name) {
                    remove_owned(child, below);
                    if is_hollow(child) {
                        map.remove(name);
                    }
                }
            }
            (Value::Array(list), Step::Key(key)) => {
                let Some((index, _)) = find_item(list, &key) else {
                    continue;
                };
                if below.is_leaf() {
                    list.remove(index);
                } else if let Some(item) = list.get_mut(index) {
                    // The key fields stay: without them the item could not be found again.
                    let mut rest = item.clone();
                    remove_owned(&mut rest, below);
                    if let Value::Object(rest) = &mut rest {
                        for (field, wanted) in key {
                            rest.entry(field).or_insert(wanted);
                        }
                    }
                    *item = rest;
                }
            }
            (Value::Array(list), Step::Member(member)) => list.retain(|item| *item != member),
            _ => {}
        }
    }
}

fn is_hollow(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_every_kind_of_step() {
        let set = json!({".": {}, "f:a": {}, "k:{\"name\":\"x\"}": {}, "v:\"m\"": {}, "i:3": {}, "?": {}});
        let fields = Fields::from_value(&set).unwrap();
        let steps: Vec<Step<'_>> = fields.steps().map(|(step, _)| step).collect();
        assert_eq!(
            steps,
            [
                Step::Field("a"),
                Step::Index(3),
                Step::Key(json!({"name": "x"}).as_object().unwrap().clone()),
                Step::Member(json!("m")),
            ]
        );
        assert!(!fields.is_leaf());
        assert!(fields.owns_itself());
        assert!(fields.field("a").unwrap().is_leaf());
        assert!(fields.field("b").is_none());
    }

    #[test]
    fn an_item_that_leaves_a_defaulted_key_out_is_found() {
        let list = [
            json!({"containerPort": 80}),
            json!({"containerPort": 80, "protocol": "UDP"}),
        ];
        let key = |value: Value| value.as_object().unwrap().clone();
        let tcp = key(json!({"containerPort": 80, "protocol": "TCP"}));
        let udp = key(json!({"containerPort": 80, "protocol": "UDP"}));
        assert_eq!(find_item(&list, &tcp).map(|(index, _)| index), Some(0));
        assert_eq!(find_item(&list[1..], &udp).map(|(index, _)| index), Some(0));
        assert_eq!(find_item(&[json!({})], &tcp), None);
    }

    #[test]
    fn owned_leaves_are_removed_and_keys_stay() {
        let mut value = json!({
            "spec": {"replicas": 3, "paused": true, "strategy": {"type": "x"},
                "containers": [{"name": "a", "image": "i", "tty": true}], "set": ["p", "q"]}
        });
        let set = json!({"f:spec": {
            "f:replicas": {}, "f:strategy": {"f:type": {}},
            "f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:image": {}}},
            "f:set": {"v:\"p\"": {}},
        }});
        remove_owned(&mut value, Fields::from_value(&set).unwrap());
        assert_eq!(
            value,
            json!({"spec": {"paused": true, "containers": [{"name": "a", "tty": true}], "set": ["q"]}})
        );
    }
}
