//! Lists: associative ones item by item, sets by membership, others as a whole.

use std::borrow::Cow;

use driftless_manifest::fields::{Fields, Step, matches_key};
use driftless_manifest::schema::{Form, ListKind, PatchKind, Shape};
use serde_json::{Map, Value};

use super::walk::{Base, Keys, Label, Mode, Segment, Walk, Wrong, item_scalar};
use super::{defaults, scalar};

/// How the items of a list are told apart.
enum Kind {
    /// By these fields.
    Map(Keys),
    /// By value.
    Set,
    /// By place.
    Atomic,
}

/// Compares two lists.
pub(super) fn compare<'a>(
    walk: &mut Walk<'a>,
    desired: &'a [Value],
    live: &'a [Value],
    base: Base<'_>,
    shape: Option<&'static Shape>,
) {
    match kind(walk.mode, base, shape) {
        Kind::Map(keys) if desired.iter().all(Value::is_object) => {
            let item = shape.and_then(Shape::item);
            let items = Items {
                desired,
                live,
                item,
                keys,
            };
            items.compare(walk, base);
        }
        Kind::Set => members(walk, desired, live, base, shape),
        _ => whole(walk, desired, live, base, shape),
    }
}

/// Finds out how the items are told apart: what the API server recorded comes before the schema.
fn kind(mode: Mode, base: Base<'_>, shape: Option<&'static Shape>) -> Kind {
    if let Base::Fields(owned) = base {
        match owned.steps().next() {
            Some((Step::Key(key), _)) => return Kind::Map(key_fields(&key)),
            Some((Step::Member(_), _)) => return Kind::Set,
            _ if shape.is_none() => return Kind::Atomic,
            _ => {}
        }
    }
    let Some(Form::List { list, patch, .. }) = shape.map(|shape| &shape.form) else {
        return Kind::Atomic;
    };
    let merges = mode == Mode::ThreeWay;
    match (list, patch) {
        (ListKind::Map(keys), _) => Kind::Map(keys.iter().map(|key| Cow::Borrowed(*key)).collect()),
        (ListKind::Set, _) => Kind::Set,
        (ListKind::Atomic, PatchKind::MergeBy(key)) if merges => {
            Kind::Map([Cow::Borrowed(*key)].into())
        }
        (ListKind::Atomic, PatchKind::MergeSet) if merges => Kind::Set,
        _ => Kind::Atomic,
    }
}

fn key_fields(key: &Map<String, Value>) -> Keys {
    key.keys().map(|field| Cow::Owned(field.clone())).collect()
}

/// Two associative lists.
struct Items<'a> {
    desired: &'a [Value],
    live: &'a [Value],
    item: Option<&'static Shape>,
    keys: Keys,
}

impl<'a> Items<'a> {
    fn compare(&self, walk: &mut Walk<'a>, base: Base<'_>) {
        let owned = owned_items(base);
        let mut claimed = vec![false; self.live.len()];
        let mut places = Vec::with_capacity(self.desired.len());
        for (index, wanted) in self.desired.iter().enumerate() {
            let place = self.find(walk, wanted, index, &claimed);
            let found = place.and_then(|place| self.live.get(place));
            let below = self.base_of(base, &owned, found.unwrap_or(wanted));
            let label = Label::Keys(found.unwrap_or(wanted), self.keys.clone());
            let segment = Segment::Item(place.unwrap_or(self.live.len()), label);
            if let (Some(place), Some(found)) = (place, found) {
                if let Some(slot) = claimed.get_mut(place) {
                    *slot = true;
                }
                places.push(place);
                walk.within(segment, |walk| {
                    walk.values(wanted, Some(found), below, self.item);
                });
            } else {
                let excusable = matches!(base, Base::Whole);
                walk.within(segment, |walk| walk.note(Wrong::Missing(wanted), excusable));
            }
        }
        if !places.is_sorted() && !matches!(base, Base::Nothing) {
            walk.note(
                Wrong::Order(self.desired, self.keys.clone()),
                base.is_ours(),
            );
        }
        self.extras(walk, base, &owned, &claimed);
    }

    /// Returns who wrote an item.
    fn base_of<'b>(
        &self,
        base: Base<'b>,
        owned: &[(Map<String, Value>, Fields<'b>)],
        item: &Value,
    ) -> Base<'b> {
        match base {
            Base::Fields(_) => owned
                .iter()
                .find(|(key, _)| matches_key(item, key))
                .map_or(Base::Nothing, |(_, fields)| Base::Fields(*fields)),
            Base::Last(last) => last
                .as_array()
                .and_then(|last| last.iter().find(|last| self.same_keys(last, item)))
                .map_or(Base::Nothing, Base::Last),
            other => other,
        }
    }

    /// Says whether `found` has every key field that `wanted` names.
    fn same_keys(&self, wanted: &Value, found: &Value) -> bool {
        let has = |item: &Value| self.keys.iter().any(|key| named_by(item, key));
        let same = self.keys.iter().all(|key| {
            let pair = wanted.get(&**key).zip(found.get(&**key));
            !named_by(wanted, key) || pair.is_some_and(|(a, b)| scalar::same(a, b))
        });
        // An item without any name is the one without any name.
        same && (has(wanted) || !has(found))
    }

    /// Finds the live item that a desired one means. Key fields it leaves out have their default.
    fn find(
        &self,
        walk: &Walk<'_>,
        wanted: &Value,
        index: usize,
        claimed: &[bool],
    ) -> Option<usize> {
        let is_free = |place: usize| claimed.get(place) == Some(&false);
        let fits = |place: usize| {
            is_free(place)
                && self
                    .live
                    .get(place)
                    .is_some_and(|found| self.same_keys(wanted, found))
        };
        let is_default = |place: usize| {
            self.live.get(place).is_some_and(|found| {
                self.keys.iter().all(|key| match found.get(&**key) {
                    Some(value) if wanted.get(&**key).is_none_or(Value::is_null) => {
                        let parent = self.item.map(|item| &item.form);
                        defaults::fills_in(walk.schema, parent, key, value)
                    }
                    _ => true,
                })
            })
        };
        if fits(index) && is_default(index) {
            return Some(index);
        }
        let all = || (0..self.live.len()).filter(|place| fits(*place));
        all()
            .find(|place| is_default(*place))
            .or_else(|| all().next())
    }

    /// Notes items that we wrote and that are not desired any more.
    fn extras(
        &self,
        walk: &mut Walk<'a>,
        base: Base<'_>,
        owned: &[(Map<String, Value>, Fields<'_>)],
        claimed: &[bool],
    ) {
        for (place, found) in self.live.iter().enumerate() {
            if claimed.get(place) == Some(&true) {
                continue;
            }
            let (ours, excusable) = match base {
                Base::Fields(_) => (owned.iter().any(|(key, _)| matches_key(found, key)), false),
                Base::Last(_) => (
                    matches!(self.base_of(base, owned, found), Base::Last(_)),
                    false,
                ),
                Base::Whole => (true, true),
                Base::Strict => (true, false),
                Base::Nothing => (false, false),
            };
            if ours {
                let label = Label::Keys(found, self.keys.clone());
                walk.within(Segment::Item(place, label), |walk| {
                    walk.note(Wrong::Extra, excusable);
                });
            }
        }
    }
}

fn named_by(item: &Value, key: &str) -> bool {
    item.get(key)
        .is_some_and(|value| !value.is_null() && value != "")
}

fn owned_items(base: Base<'_>) -> Vec<(Map<String, Value>, Fields<'_>)> {
    let Base::Fields(owned) = base else {
        return Vec::new();
    };
    let steps = owned.steps();
    steps
        .filter_map(|(step, fields)| match step {
            Step::Key(key) => Some((key, fields)),
            _ => None,
        })
        .collect()
}

/// Notes the live items that a field set owns when the whole list is not desired any more.
pub(super) fn extra_items<'a>(walk: &mut Walk<'a>, live: &'a [Value], owned: Fields<'_>) {
    for (step, _) in owned.steps() {
        match step {
            Step::Key(key) => {
                let found = live
                    .iter()
                    .enumerate()
                    .find(|(_, item)| matches_key(item, &key));
                if let Some((place, item)) = found {
                    let label = Label::Keys(item, key_fields(&key));
                    walk.within(Segment::Item(place, label), |walk| {
                        walk.note(Wrong::Extra, false);
                    });
                }
            }
            Step::Member(member) => {
                if let Some((place, item)) =
                    live.iter().enumerate().find(|(_, item)| **item == member)
                {
                    let label = Label::Member(item);
                    walk.within(Segment::Item(place, label), |walk| {
                        walk.note(Wrong::Extra, false);
                    });
                }
            }
            _ => {}
        }
    }
}

/// Compares two sets.
fn members<'a>(
    walk: &mut Walk<'a>,
    desired: &'a [Value],
    live: &'a [Value],
    base: Base<'_>,
    shape: Option<&'static Shape>,
) {
    let known = item_scalar(shape);
    let same = |a: &Value, b: &Value| scalar::agree(a, b, known, false);
    for wanted in desired {
        if !live.iter().any(|found| same(wanted, found)) {
            let segment = Segment::Item(live.len(), Label::Member(wanted));
            let excusable = matches!(base, Base::Whole);
            walk.within(segment, |walk| walk.note(Wrong::Missing(wanted), excusable));
        }
    }
    for (place, found) in live.iter().enumerate() {
        if desired.iter().any(|wanted| same(wanted, found)) {
            continue;
        }
        let (ours, excusable) = match base {
            Base::Fields(owned) if owned.is_leaf() => (true, true),
            Base::Fields(owned) => {
                let member = Step::Member(found.clone());
                (owned.steps().any(|(step, _)| step == member), false)
            }
            Base::Last(last) => (
                last.as_array().is_some_and(|last| last.contains(found)),
                false,
            ),
            Base::Whole => (true, true),
            Base::Strict => (true, false),
            Base::Nothing => (false, false),
        };
        if ours {
            let segment = Segment::Item(place, Label::Member(found));
            walk.within(segment, |walk| walk.note(Wrong::Extra, excusable));
        }
    }
}

/// Compares two lists that are one value each.
fn whole<'a>(
    walk: &mut Walk<'a>,
    desired: &'a [Value],
    live: &'a [Value],
    base: Base<'_>,
    shape: Option<&'static Shape>,
) {
    let item = shape.and_then(Shape::item);
    let below = match base {
        Base::Fields(_) | Base::Whole => Base::Whole,
        // Somebody else took the list over: all of it must be as desired.
        Base::Nothing if walk.mode == Mode::Ownership => Base::Strict,
        // What was applied last is still desired: live-only fields were filled in.
        Base::Last(last) if last.as_array().is_some_and(|last| last == desired) => Base::Nothing,
        Base::Last(_) | Base::Strict => Base::Strict,
        Base::Nothing => Base::Nothing,
    };
    if desired.len() != live.len() {
        walk.note(Wrong::ChangedList(desired), below.is_ours());
        return;
    }
    for (place, (wanted, found)) in desired.iter().zip(live).enumerate() {
        walk.within(Segment::Item(place, Label::Place), |walk| {
            walk.values(wanted, Some(found), below, item);
        });
    }
}
