//! What the UI shows: the live object without noise, and what it would become.

use std::borrow::Cow;
use std::collections::BTreeMap;

use driftless_manifest::Object;
use serde_json::{Map, Value};

use super::walk::{Found, Segment, Wrong};
use super::{Ctx, IgnoreStatus, LAST_APPLIED, find, normalise};

/// Live and predicted object; the values of a Secret are masked.
#[derive(Clone, PartialEq, Debug)]
pub struct View {
    /// The live object without what does not count.
    pub normalized_live: Value,
    /// What it would become when the desired object is applied.
    pub predicted_live: Value,
}

/// Returns live and predicted object. They are equal exactly when the object is in sync.
pub fn view(desired: &Object, live: &Object, cx: &Ctx<'_>) -> View {
    let prepared = normalise::prepare(desired, live, cx);
    let (_, found) = find(&prepared, desired, live, cx, usize::MAX);
    let mut normalized = prepared.live.to_value();
    let mut predicted = normalized.clone();
    apply(&mut predicted, &found);
    for value in [&mut normalized, &mut predicted] {
        strip(value, cx);
    }
    if desired.is("", "Secret") {
        mask_secrets(&mut [&mut normalized, &mut predicted]);
    }
    View {
        normalized_live: normalized,
        predicted_live: predicted,
    }
}

/// Takes away what never counts and only fills the screen.
fn strip(value: &mut Value, cx: &Ctx<'_>) {
    let Value::Object(map) = value else { return };
    let is_crd = map
        .get("kind")
        .is_some_and(|kind| kind == "CustomResourceDefinition");
    match cx.ignore_status {
        IgnoreStatus::All => drop(map.remove("status")),
        IgnoreStatus::Crd if is_crd => drop(map.remove("status")),
        _ => {}
    }
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        metadata.remove("managedFields");
        metadata.remove("creationTimestamp");
    }
}

/// Undoes the differences: removals last, so that places stay valid.
fn apply(live: &mut Value, found: &[Found<'_>]) {
    for change in found {
        match &change.wrong {
            Wrong::Changed(value) => put(live, &change.path, (*value).clone()),
            Wrong::ChangedList(list) => put(live, &change.path, Value::Array(list.to_vec())),
            Wrong::Missing(value) => add(live, &change.path, (*value).clone()),
            Wrong::Extra | Wrong::Order(..) => {}
        }
    }
    let mut removals: Vec<&Found<'_>> = found
        .iter()
        .filter(|found| matches!(found.wrong, Wrong::Extra))
        .collect();
    // From the last item to the first: a removal shifts what is behind it.
    removals.sort_by_key(|removal| std::cmp::Reverse(places(&removal.path)));
    for removal in removals {
        remove(live, &removal.path);
    }
    for order in found {
        if let (Wrong::Order(wanted, keys), Some(Value::Array(list))) =
            (&order.wrong, locate(live, &order.path))
        {
            reorder(list, wanted, keys);
        }
    }
}

fn places(path: &[Segment<'_>]) -> Vec<usize> {
    let place = |segment: &Segment<'_>| match segment {
        Segment::Item(place, _) => Some(*place),
        Segment::Field(_) => None,
    };
    path.iter().filter_map(place).collect()
}

fn locate<'v>(value: &'v mut Value, path: &[Segment<'_>]) -> Option<&'v mut Value> {
    path.iter()
        .try_fold(value, |value, segment| match (segment, value) {
            (Segment::Field(name), Value::Object(map)) => map.get_mut(*name),
            (Segment::Item(place, _), Value::Array(list)) => list.get_mut(*place),
            _ => None,
        })
}

fn put(value: &mut Value, path: &[Segment<'_>], wanted: Value) {
    if let Some(slot) = locate(value, path) {
        *slot = wanted;
    }
}

/// Adds a field, or an item at the end of its list.
fn add(value: &mut Value, path: &[Segment<'_>], wanted: Value) {
    let Some((leaf, parents)) = path.split_last() else {
        return;
    };
    match (leaf, locate(value, parents)) {
        (Segment::Field(name), Some(Value::Object(map))) => {
            map.insert((*name).to_owned(), wanted);
        }
        (Segment::Item(..), Some(Value::Array(list))) => list.push(wanted),
        _ => {}
    }
}

fn remove(value: &mut Value, path: &[Segment<'_>]) {
    let Some((leaf, parents)) = path.split_last() else {
        return;
    };
    match (leaf, locate(value, parents)) {
        (Segment::Field(name), Some(Value::Object(map))) => {
            map.remove(*name);
        }
        (Segment::Item(place, _), Some(Value::Array(list))) if *place < list.len() => {
            list.remove(*place);
        }
        _ => {}
    }
}

/// Puts items into the order of the desired list; items it does not have follow.
fn reorder(list: &mut [Value], wanted: &[Value], keys: &[Cow<'_, str>]) {
    let place = |item: &Value| {
        let same = |wanted: &&Value| {
            keys.iter().all(|key| {
                wanted
                    .get(&**key)
                    .is_none_or(|value| item.get(&**key) == Some(value))
            })
        };
        wanted
            .iter()
            .position(|wanted| same(&wanted))
            .unwrap_or(wanted.len())
    };
    list.sort_by_key(place);
}

/// Masks the data of Secrets that are shown side by side: each distinct value is a run of `+` of its own
/// length, so that equal values stay equal. What client-side apply kept of them is masked, too.
pub fn mask_secrets(secrets: &mut [&mut Value]) {
    const SHORTEST: usize = 8;
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    for secret in &mut *secrets {
        for field in ["data", "stringData"] {
            if let Some(Value::Object(data)) = secret.get_mut(field) {
                mask_data(data, &mut runs, SHORTEST);
            }
        }
        let annotations = secret
            .pointer_mut("/metadata/annotations")
            .and_then(Value::as_object_mut);
        if let Some(slot) = annotations.and_then(|annotations| annotations.get_mut(LAST_APPLIED)) {
            *slot = mask_last_applied(slot, &mut runs, SHORTEST);
        }
    }
}

fn mask_data(data: &mut Map<String, Value>, runs: &mut BTreeMap<String, usize>, shortest: usize) {
    for value in data.values_mut() {
        let text = match &*value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let next = shortest + runs.len();
        let length = *runs.entry(text).or_insert(next);
        *value = Value::String("+".repeat(length));
    }
}

fn mask_last_applied(slot: &Value, runs: &mut BTreeMap<String, usize>, shortest: usize) -> Value {
    let parsed = slot
        .as_str()
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(mut last) = parsed else {
        return Value::String("+".repeat(shortest));
    };
    for field in ["data", "stringData"] {
        if let Some(Value::Object(data)) = last.get_mut(field) {
            mask_data(data, runs, shortest);
        }
    }
    Value::String(last.to_string())
}
