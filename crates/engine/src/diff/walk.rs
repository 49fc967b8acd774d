//! The walk over a desired and a live value, beside what is known of who wrote the live one.

use std::borrow::Cow;
use std::fmt::Write;
use std::rc::Rc;

use driftless_manifest::Object;
use driftless_manifest::fields::{Fields, Step};
use driftless_manifest::schema::{Form, Scalar, Schema, Shape, builtin};
use serde_json::{Map, Value};

use super::{Applied, Ctx, Difference, DifferenceKind, IgnoreStatus, defaults, list, scalar};

/// What a comparison goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Our field set.
    Ownership,
    /// What was applied last.
    ThreeWay,
    /// Desired fields only.
    TwoWay,
    /// Both values in full.
    Whole,
}

/// What is known of a place: who wrote it.
#[derive(Clone, Copy)]
pub(super) enum Base<'a> {
    /// We own these fields of it.
    Fields(Fields<'a>),
    /// This was applied last.
    Last(&'a Value),
    /// We own all of it, whatever it holds.
    Whole,
    /// It is compared in full although it is not known to be ours.
    Strict,
    /// Nothing.
    Nothing,
}

impl Base<'_> {
    fn field(self, name: &str) -> Self {
        match self {
            Self::Fields(fields) => fields.field(name).map_or(Self::Nothing, Self::Fields),
            Self::Last(last) => last.get(name).map_or(Self::Nothing, Self::Last),
            other => other,
        }
    }

    /// Says whether we are known to have written the place.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Fields(_) | Self::Whole)
    }
}

/// One step into a value.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Segment<'a> {
    /// A field.
    Field(&'a str),
    /// An item: its place in the live list, and how to name it.
    Item(usize, Label<'a>),
}

/// Key fields of an associative list.
pub(super) type Keys = Rc<[Cow<'static, str>]>;

/// How an item is named in a path.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Label<'a> {
    /// By place.
    Place,
    /// By the key fields of this item.
    Keys(&'a Value, Keys),
    /// By value.
    Member(&'a Value),
}

/// What is wrong at a place.
#[derive(Clone, Debug)]
pub(super) enum Wrong<'a> {
    /// Another value is desired.
    Changed(&'a Value),
    /// Another list is desired.
    ChangedList(&'a [Value]),
    /// A field or item is desired and not there.
    Missing(&'a Value),
    /// A field or item is not desired any more.
    Extra,
    /// The items are to be in the order of this list, told apart by these fields.
    Order(&'a [Value], Keys),
}

/// A difference, with what is needed to undo it.
#[derive(Clone, Debug)]
pub(super) struct Found<'a> {
    /// Where, in terms of the live object.
    pub(super) path: Vec<Segment<'a>>,
    /// What.
    pub(super) wrong: Wrong<'a>,
    /// The API server or a webhook may have changed what we applied.
    pub(super) excusable: bool,
}

impl Found<'_> {
    pub(super) fn to_difference(&self) -> Difference {
        let kind = match self.wrong {
            Wrong::Changed(_) | Wrong::ChangedList(_) => DifferenceKind::Changed,
            Wrong::Missing(_) => DifferenceKind::Missing,
            Wrong::Extra => DifferenceKind::Extra,
            Wrong::Order(..) => DifferenceKind::Order,
        };
        Difference {
            path: render(&self.path),
            kind,
        }
    }
}

fn render(path: &[Segment<'_>]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Field(name) if name.contains(['.', '[', '/']) => {
                let _ = write!(text, "[{name}]");
            }
            Segment::Field(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Segment::Item(place, Label::Place) => {
                let _ = write!(text, "[{place}]");
            }
            Segment::Item(_, Label::Keys(item, keys)) => {
                text.push('[');
                for (index, field) in keys.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    let value = item.get(&**field).map(key_text).unwrap_or_default();
                    let _ = write!(text, "{comma}{field}={value}");
                }
                text.push(']');
            }
            Segment::Item(_, Label::Member(value)) => {
                let _ = write!(text, "[={}]", key_text(value));
            }
        }
    }
    text
}

/// Fields of `metadata` that the API server or the request's address decide.
const SERVER_METADATA: [&str; 11] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generateName",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// A walk and what it found.
pub(super) struct Walk<'a> {
    pub(super) mode: Mode,
    pub(super) schema: &'static Schema,
    pub(super) found: Vec<Found<'a>>,
    path: Vec<Segment<'a>>,
    limit: usize,
    trusted: bool,
    ignore_status: IgnoreStatus,
    /// Whose record of ownership is asked where ours does not answer.
    record: Option<&'a Object>,
    /// Where set, only what this manager applied in either object counts.
    only: Option<(&'a str, [&'a Object; 2])>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(mode: Mode, cx: &Ctx<'_>, limit: usize) -> Self {
        Self {
            mode,
            schema: builtin(),
            found: Vec::new(),
            path: Vec::with_capacity(12),
            limit,
            trusted: cx.applied == Applied::SameAsDesired,
            ignore_status: cx.ignore_status,
            record: None,
            only: None,
        }
    }

    /// Counts only what the manager applied in one of the objects.
    pub(super) fn only_of(mut self, manager: &'a str, objects: [&'a Object; 2]) -> Self {
        self.only = Some((manager, objects));
        self
    }

    /// Says whether the place counts.
    fn counts(&self) -> bool {
        let Some((manager, objects)) = self.only else {
            return true;
        };
        let entries = objects.into_iter().flat_map(Object::managed_fields);
        entries
            .filter(|entry| entry.subresource.is_empty() && entry.manager == manager)
            .any(|entry| {
                let mut at = entry.fields;
                for (depth, segment) in self.path.iter().enumerate() {
                    // A part that is owned as a whole.
                    if depth > 0 && at.is_leaf() {
                        return true;
                    }
                    let below = match segment {
                        Segment::Field(name) => at.field(name),
                        Segment::Item(_, Label::Keys(item, _)) => at.item(item),
                        Segment::Item(_, Label::Member(item)) => {
                            let mut steps = at.steps();
                            let member = Step::Member((*item).clone());
                            steps.find_map(|(step, below)| (step == member).then_some(below))
                        }
                        Segment::Item(_, Label::Place) => None,
                    };
                    let Some(below) = below else {
                        return false;
                    };
                    at = below;
                }
                true
            })
    }

    /// Compares two whole objects.
    pub(super) fn objects(
        &mut self,
        desired: &'a Object,
        live: &'a Object,
        base: Base<'_>,
        shape: &'static Shape,
    ) {
        self.record = Some(live);
        self.maps(desired.as_map(), live.as_map(), base, Some(shape));
    }

    /// Says whether any manager's set names the place.
    fn is_recorded(&self) -> bool {
        let entries = self.record.into_iter().flat_map(Object::managed_fields);
        entries
            .filter(|entry| entry.subresource.is_empty())
            .any(|entry| {
                let mut at = Some(entry.fields);
                for segment in &self.path {
                    at = at.and_then(|fields| match segment {
                        Segment::Field(name) => fields.field(name),
                        Segment::Item(_, Label::Keys(item, _)) => fields.item(item),
                        Segment::Item(..) => None,
                    });
                }
                at.is_some()
            })
    }

    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }

    /// Notes a difference at the place.
    pub(super) fn note(&mut self, wrong: Wrong<'a>, excusable: bool) {
        if !(self.is_full() || excusable && self.trusted) && self.counts() {
            self.found.push(Found {
                path: self.path.clone(),
                wrong,
                excusable,
            });
        }
    }

    /// Runs `inner` one step further in.
    pub(super) fn within(&mut self, segment: Segment<'a>, inner: impl FnOnce(&mut Self)) {
        self.path.push(segment);
        inner(self);
        self.path.pop();
    }

    /// Says whether a field is none of our business: identity, what the server decides, status.
    fn is_outside(&self, name: &str, kind: Option<&Value>) -> bool {
        match self.path.as_slice() {
            [] => match name {
                "apiVersion" | "kind" => true,
                "status" => match self.ignore_status {
                    IgnoreStatus::All => true,
                    IgnoreStatus::Crd => {
                        kind.is_some_and(|kind| kind == "CustomResourceDefinition")
                    }
                    IgnoreStatus::None => false,
                },
                _ => false,
            },
            [Segment::Field("metadata")] => SERVER_METADATA.contains(&name),
            _ => false,
        }
    }

    pub(super) fn maps(
        &mut self,
        desired: &'a Map<String, Value>,
        live: &'a Map<String, Value>,
        base: Base<'_>,
        shape: Option<&'static Shape>,
    ) {
        let kind = desired.get("kind");
        for (name, wanted) in desired {
            if self.is_full() || self.is_outside(name, kind) {
                continue;
            }
            let below = base.field(name);
            let field = shape.and_then(|shape| shape.field(self.schema, name));
            let found = live.get(name).filter(|found| !found.is_null());
            if field.is_some() && self.is_unset(name, wanted, found, shape) {
                continue;
            }
            self.within(Segment::Field(name), |walk| {
                walk.values(wanted, found, below, field);
            });
        }
        self.extra_fields(desired, live, base, shape);
    }

    /// Says whether a desired value of a known field is the same as none, so that the API server fills it
    /// in: empty text, or emptiness where a default is known.
    fn is_unset(
        &self,
        name: &str,
        wanted: &Value,
        found: Option<&Value>,
        parent: Option<&Shape>,
    ) -> bool {
        let form = parent.map(|parent| &parent.form);
        if !matches!(form, Some(Form::Object(_))) {
            return false;
        }
        wanted == ""
            || is_hollow(wanted)
                && found.is_some_and(|found| defaults::fills_in(self.schema, form, name, found))
    }

    /// Notes live fields that we wrote and that are not desired any more.
    fn extra_fields(
        &mut self,
        desired: &Map<String, Value>,
        live: &'a Map<String, Value>,
        base: Base<'_>,
        shape: Option<&'static Shape>,
    ) {
        let kind = live.get("kind");
        // A desired null leaves the field to the API server: it fills in what it likes.
        let wanted = |name: &str| desired.contains_key(name);
        if matches!(base, Base::Nothing) {
            return;
        }
        for (name, found) in live {
            if self.is_full() || found.is_null() || wanted(name) || self.is_outside(name, kind) {
                continue;
            }
            let field = shape.and_then(|shape| shape.field(self.schema, name));
            let below = base.field(name);
            match below {
                Base::Nothing => {}
                Base::Fields(owned) => {
                    self.within(Segment::Field(name), |walk| walk.extra(found, owned, field));
                }
                Base::Last(_) => {
                    self.within(Segment::Field(name), |walk| walk.note(Wrong::Extra, false));
                }
                Base::Whole | Base::Strict => {
                    let parent = shape.map(|shape| &shape.form);
                    if !defaults::fills_in(self.schema, parent, name, found) {
                        let excusable = below.is_ours();
                        self.within(Segment::Field(name), |walk| {
                            walk.note(Wrong::Extra, excusable);
                        });
                    }
                }
            }
        }
    }

    /// Notes what we own of a live value of which nothing is desired any more.
    fn extra(&mut self, live: &'a Value, owned: Fields<'_>, shape: Option<&'static Shape>) {
        if owned.is_leaf() {
            // A built-in kind keeps some empty parts whoever wants them gone.
            if !(is_hollow(live) && shape.is_some()) {
                self.note(Wrong::Extra, false);
            }
            return;
        }
        match live {
            Value::Object(live) => {
                for (name, found) in live {
                    if let (Some(below), false) = (owned.field(name), found.is_null()) {
                        let field = shape.and_then(|shape| shape.field(self.schema, name));
                        self.within(Segment::Field(name), |walk| walk.extra(found, below, field));
                    }
                }
            }
            Value::Array(live) => list::extra_items(self, live, owned),
            _ => self.note(Wrong::Extra, false),
        }
    }

    /// Compares a desired value with a live one that may not be there.
    pub(super) fn values(
        &mut self,
        desired: &'a Value,
        live: Option<&'a Value>,
        base: Base<'_>,
        shape: Option<&'static Shape>,
    ) {
        if desired.is_null() {
            return;
        }
        let Some(live) = live else {
            self.absent(desired, base, shape);
            return;
        };
        match (desired, live) {
            (Value::Object(desired), Value::Object(live)) => {
                let base = self.base_of_map(base, desired, shape);
                self.maps(desired, live, base, shape);
            }
            (Value::Array(desired), Value::Array(live)) => {
                list::compare(self, desired, live, base, shape);
            }
            _ => {
                let known = shape.and_then(Shape::scalar);
                if !scalar::agree(desired, live, known, self.is_resource_amount()) {
                    self.note(Wrong::Changed(desired), base.is_ours());
                }
            }
        }
    }

    /// Returns how the fields of a mapping are judged: one at a time, or all of them together.
    fn base_of_map<'b>(
        &self,
        base: Base<'b>,
        desired: &Map<String, Value>,
        shape: Option<&Shape>,
    ) -> Base<'b> {
        let atomic = shape.is_some_and(|shape| shape.atomic);
        match base {
            Base::Fields(owned) if owned.is_leaf() && (atomic || !desired.is_empty()) => {
                if atomic || shape.is_none() {
                    Base::Whole
                } else {
                    Base::Nothing
                }
            }
            // Somebody else took it over: all of it must be as desired.
            Base::Nothing if atomic && self.mode == Mode::Ownership => Base::Strict,
            other => other,
        }
    }

    /// Judges a desired value that the live object does not have.
    fn absent(&mut self, desired: &'a Value, base: Base<'_>, shape: Option<&'static Shape>) {
        let ours = base.is_ours();
        let known = shape.is_some();
        // What is zero is left out when it is stored; who wrote it is still recorded.
        let zero = || ours || known && (self.mode != Mode::Ownership || self.is_recorded());
        let left_out = match desired {
            value if is_hollow(value) => known || ours || self.mode != Mode::Ownership,
            Value::String(text) if text.is_empty() => ours,
            Value::Bool(false) => zero(),
            Value::Number(number) if number.as_f64() == Some(0.0) => zero(),
            _ => false,
        };
        if !left_out {
            // Where we own it, the API server may not keep the field.
            self.note(Wrong::Missing(desired), ours);
        }
    }

    /// Says whether the place is a resource amount of a kind whose schema is not known.
    fn is_resource_amount(&self) -> bool {
        let [.., Segment::Field(parent), Segment::Field(_)] = self.path.as_slice() else {
            return false;
        };
        matches!(*parent, "limits" | "requests" | "capacity" | "hard")
    }
}

/// Says whether a value holds nothing: null, an empty mapping or list, or mappings of such.
pub(super) fn is_hollow(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.values().all(is_hollow),
        _ => false,
    }
}

/// Reads the text of a key field for a path.
fn key_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The scalar type of a list's items, where known.
pub(super) fn item_scalar(shape: Option<&Shape>) -> Option<Scalar> {
    shape.and_then(Shape::item).and_then(Shape::scalar)
}
