//! Template values. Maps are shared: what `set` changes is seen through every name for the map, as in Go.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::object::Object;

/// The deepest value that is written, copied or compared.
const MAX_NESTING: usize = 512;

/// Text; shared, since values are handed around far more often than they are made.
pub type Str = Arc<str>;

/// What a template can hold.
#[derive(Clone, Default)]
pub enum Value {
    /// Go's nil interface.
    #[default]
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `int64`, which most of the arithmetic returns.
    Int64(i64),
    /// `float64`: every number that comes from YAML or JSON.
    Float(f64),
    /// `string`
    Str(Str),
    /// `[]byte`
    Bytes(Arc<[u8]>),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// Anything with fields or methods of its own.
    Object(Rc<dyn Object>),
}

/// The element type of a slice; it shows in `typeOf` and in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// `[]interface {}`
    Any,
    /// `[]string`
    Str,
    /// `[]int`
    Int,
}

/// A slice. Templates never change one in place.
#[derive(Clone)]
pub struct List {
    items: Rc<Vec<Value>>,
    kind: ListKind,
}

impl Drop for List {
    fn drop(&mut self) {
        if let Some(items) = Rc::get_mut(&mut self.items)
            && items.iter().any(Value::is_nested)
        {
            drop_nested(std::mem::take(items), drop_flat);
        }
    }
}

impl List {
    /// Makes a `[]interface {}`.
    pub fn new(items: Vec<Value>) -> Self {
        Self::of(ListKind::Any, items)
    }

    /// Makes a slice of a kind.
    pub fn of(kind: ListKind, items: Vec<Value>) -> Self {
        Self {
            items: Rc::new(items),
            kind,
        }
    }

    /// Returns the items.
    pub fn items(&self) -> &[Value] {
        &self.items
    }

    /// Returns the element type.
    pub fn kind(&self) -> ListKind {
        self.kind
    }
}

/// The Go type of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapKind {
    /// `map[string]interface {}`
    Any,
    /// `map[string]string`
    Str,
    /// Helm's named type for values.
    Values,
}

/// Entries in key order.
pub type Entries = BTreeMap<Str, Value>;

/// A map with reference semantics. Its Go type belongs to the name it is reached by, not to the entries.
#[derive(Clone)]
pub struct Map {
    entries: Rc<RefCell<Entries>>,
    kind: MapKind,
}

impl Default for Map {
    fn default() -> Self {
        Self::new(Entries::new())
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if Rc::strong_count(&self.entries) == 1
            && let Ok(mut entries) = self.entries.try_borrow_mut()
            && entries.values().any(Value::is_nested)
        {
            let entries = std::mem::take(&mut *entries);
            drop_nested(entries, |entries| {
                drop_flat(entries.into_values().collect());
            });
        }
    }
}

thread_local! {
    /// How many values that are being dropped are around the one that is dropped now.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Values that wait for their turn while something deep is dropped.
    static DROPPING: RefCell<Option<Vec<Value>>> = const { RefCell::new(None) };
}

/// How deep values are dropped inside each other.
const MAX_DROP_DEPTH: u32 = 64;

/// Drops what others are inside of, as usual when it does not nest deep.
fn drop_nested<T>(content: T, flat: impl FnOnce(T)) {
    let depth = DEPTH.try_with(Cell::get).unwrap_or(MAX_DROP_DEPTH);
    if depth >= MAX_DROP_DEPTH {
        flat(content);
        return;
    }
    let _ = DEPTH.try_with(|place| place.set(depth + 1));
    drop(content);
    let _ = DEPTH.try_with(|place| place.set(depth));
}

/// Drops values one after the other, not one inside the other: templates can nest them as deep as they have steps.
fn drop_flat(values: Vec<Value>) {
    let mut values = Some(values);
    let queued = DROPPING.try_with(|queue| match queue.borrow_mut().as_mut() {
        Some(queue) => {
            queue.extend(values.take().unwrap_or_default());
            true
        }
        None => false,
    });
    if !matches!(queued, Ok(false)) {
        return;
    }
    let _ = DROPPING.try_with(|queue| queue.replace(values));
    while let Ok(Some(value)) =
        DROPPING.try_with(|queue| queue.borrow_mut().as_mut().and_then(Vec::pop))
    {
        drop(value);
    }
    let _ = DROPPING.try_with(|queue| queue.replace(None));
}

impl Map {
    /// Makes a `map[string]interface {}`.
    pub fn new(entries: Entries) -> Self {
        Self::of(MapKind::Any, entries)
    }

    /// Makes a map of a kind.
    pub fn of(kind: MapKind, entries: Entries) -> Self {
        Self {
            entries: Rc::new(RefCell::new(entries)),
            kind,
        }
    }

    /// Returns the same map seen as another Go type.
    pub fn seen_as(&self, kind: MapKind) -> Self {
        Self {
            entries: self.entries.clone(),
            kind,
        }
    }

    /// Returns the Go type.
    pub fn kind(&self) -> MapKind {
        self.kind
    }

    /// Returns the value of `key`.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.entries.borrow().get(key).cloned()
    }

    /// Says whether `key` is set.
    pub fn contains(&self, key: &str) -> bool {
        self.entries.borrow().contains_key(key)
    }

    /// Sets `key`.
    pub fn insert(&self, key: impl Into<Str>, value: Value) {
        self.entries.borrow_mut().insert(key.into(), value);
    }

    /// Removes `key`.
    pub fn remove(&self, key: &str) -> Option<Value> {
        self.entries.borrow_mut().remove(key)
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Says whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }

    /// Returns a copy of the entries as they are now, in key order.
    pub fn snapshot(&self) -> Vec<(Str, Value)> {
        self.entries
            .borrow()
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Runs `read` over the entries, which it must not change.
    pub fn with<R>(&self, read: impl FnOnce(&Entries) -> R) -> R {
        read(&self.entries.borrow())
    }

    /// Empties this map and every one that can be reached from it, so that maps that hold each other are given back.
    pub fn dissolve(&self) {
        let mut pending = vec![Value::Map(self.clone())];
        while let Some(value) = pending.pop() {
            match &value {
                Value::Map(map) => {
                    if let Ok(mut entries) = map.entries.try_borrow_mut() {
                        pending.extend(std::mem::take(&mut *entries).into_values());
                    }
                }
                Value::List(list) => {
                    let nested = list.items().iter().filter(|item| item.is_nested());
                    pending.extend(nested.cloned());
                }
                _ => {}
            }
        }
    }

    /// Returns a number that tells this map from every other one that lives.
    pub(crate) fn address(&self) -> usize {
        Rc::as_ptr(&self.entries).cast::<()>().addr()
    }

    /// Says whether both are the same map, not merely equal ones.
    pub fn is_same(&self, other: &Map) -> bool {
        Rc::ptr_eq(&self.entries, &other.entries)
    }
}

impl Value {
    /// Makes a string.
    pub fn str(text: &str) -> Self {
        Self::Str(Arc::from(text))
    }

    /// Makes a `[]interface {}`.
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(List::new(items))
    }

    /// Makes a `[]string`.
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        let items = items.into_iter().map(|text| Value::Str(text.into()));
        Self::List(List::of(ListKind::Str, items.collect()))
    }

    /// Makes a map of pairs.
    pub fn map<K: Into<Str>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value));
        Self::Map(Map::new(entries.collect()))
    }

    fn is_nested(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_) | Self::Object(_))
    }

    /// Returns how much there is to write, in values and bytes, as far as `most`; `None` when it is more, or nests
    /// deeper than anything a chart means to write. What is shared counts each time.
    pub fn weigh(&self, most: usize) -> Option<usize> {
        fn weigh(value: &Value, left: &mut usize, depth: usize) -> Option<()> {
            let own = match value {
                Value::Str(text) => text.len(),
                Value::Bytes(bytes) => bytes.len(),
                _ => 0,
            };
            *left = left.checked_sub(own + 1)?;
            let depth = depth.checked_sub(1)?;
            match value {
                Value::List(list) => {
                    for item in list.items() {
                        weigh(item, left, depth)?;
                    }
                    Some(())
                }
                Value::Map(map) => map.with(|entries| {
                    for (key, value) in entries {
                        *left = left.checked_sub(key.len())?;
                        weigh(value, left, depth)?;
                    }
                    Some(())
                }),
                _ => Some(()),
            }
        }
        let mut left = most;
        weigh(self, &mut left, MAX_NESTING)?;
        Some(most - left)
    }

    /// Says whether this is nil.
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// Returns the text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the map.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Go's truth: neither zero, empty nor nil.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Int64(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(object) => object.is_true(),
        }
    }

    /// Returns the Go type, as `%T` prints it.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Float(_) => "float64",
            Self::Str(_) => "string",
            Self::Bytes(_) => "[]uint8",
            Self::List(list) => match list.kind() {
                ListKind::Any => "[]interface {}",
                ListKind::Str => "[]string",
                ListKind::Int => "[]int",
            },
            Self::Map(map) => match map.kind() {
                MapKind::Any => "map[string]interface {}",
                MapKind::Str => "map[string]string",
                MapKind::Values => "common.Values",
            },
            Self::Object(object) => object.type_name(),
        }
    }

    /// Returns the Go kind, as `kindOf` prints it.
    pub fn kind_name(&self) -> &str {
        match self {
            Self::Nil => "invalid",
            Self::Bytes(_) | Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Object(object) => object.kind_name(),
            _ => self.type_name(),
        }
    }

    /// Go's `reflect.DeepEqual`: types count.
    pub fn deep_equal(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) | (Self::Int64(a), Self::Int64(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.kind() == b.kind()
                    && a.items().len() == b.items().len()
                    && a.items()
                        .iter()
                        .zip(b.items())
                        .all(|(a, b)| a.deep_equal(b))
            }
            (Self::Map(a), Self::Map(b)) => {
                a.is_same(b)
                    || a.kind() == b.kind()
                        && a.with(|a| {
                            b.with(|b| {
                                a.len() == b.len()
                                    && a.iter()
                                        .zip(b)
                                        .all(|((ak, av), (bk, bv))| ak == bk && av.deep_equal(bv))
                            })
                        })
            }
            (Self::Object(a), Self::Object(b)) => {
                Rc::ptr_eq(a, b)
                    || a.type_name() == b.type_name() && a.to_plain().deep_equal(&b.to_plain())
            }
            _ => false,
        }
    }

    /// Copies maps and lists all the way down.
    pub fn deep_copy(&self) -> Value {
        match self {
            Self::List(list) => Self::List(List::of(
                list.kind(),
                list.items().iter().map(Value::deep_copy).collect(),
            )),
            Self::Map(map) => Self::Map(Map::of(
                map.kind(),
                map.with(|entries| {
                    entries
                        .iter()
                        .map(|(key, value)| (key.clone(), value.deep_copy()))
                        .collect()
                }),
            )),
            other => other.clone(),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        crate::fmt::print_value(&mut text, self);
        write!(f, "{}({text})", self.type_name())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Str(Arc::from(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::str(value)
    }
}
