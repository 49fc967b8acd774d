//! Routes by header and mirrors in an HTTPRoute whose first rules somebody else keeps as they are (KServe does).
//!
//! Rules of ours come after all others here. Among rules that match a request the Gateway API takes the more specific
//! one before the earlier one, and a rule with one header more is that. A mirror of all requests would not be: it is a
//! filter of the others' rules instead, since what is added to them is left alone. The annotation notes how many
//! rules there were before ours.

use serde_json::{Value, json};

use super::{ROUTES, agrees, asked, rules_of, stray};
use crate::plan::{MirrorRoute, Traffic};
use crate::route::{Error, Names, Router, Table, guard};

/// Field of the annotation: how many rules are not ours.
const OTHERS: &str = "others";

/// The rules of a live route, taken apart.
struct Apart {
    /// The others' rules without our mirrors.
    others: Vec<Value>,
    /// Our mirrors in each of them.
    filters: Vec<Vec<Value>>,
    /// Our rules.
    ours: Vec<Value>,
}

impl Apart {
    fn of(live: &Value, names: &Names) -> Self {
        let rules = live.pointer("/spec/rules").and_then(Value::as_array);
        let mut others = rules.cloned().unwrap_or_default();
        let ours = others.split_off(count(live).min(others.len()));
        let filters = others
            .iter_mut()
            .map(|rule| take_mirrors(rule, names))
            .collect();
        Self {
            others,
            filters,
            ours,
        }
    }

    fn route(&self) -> Value {
        json!({"spec": {"rules": self.others}})
    }
}

/// Returns how many of the rules are the others': all of them where nothing of ours is noted.
fn count(live: &Value) -> usize {
    let note = live
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(ROUTES)?.as_str());
    let Some(note) = note else { return usize::MAX };
    let note: Option<Value> = serde_json::from_str(note).ok();
    let others = note.and_then(|note| note.get(OTHERS)?.as_u64());
    others.map_or(usize::MAX, |others| others as usize)
}

/// Takes the mirrors to the new version out of a rule.
fn take_mirrors(rule: &mut Value, names: &Names) -> Vec<Value> {
    let Some(Value::Array(filters)) = rule.get_mut("filters") else {
        return Vec::new();
    };
    let canary = json!(names.canary);
    let is_ours =
        |filter: &Value| filter.pointer("/requestMirror/backendRef/name") == Some(&canary);
    let (ours, rest) = std::mem::take(filters).into_iter().partition(is_ours);
    *filters = rest;
    let is_empty = filters.is_empty();
    if let (true, Value::Object(rule)) = (is_empty, rule) {
        rule.remove("filters");
    }
    ours
}

/// Returns how a live route splits traffic, as [`Router::read`] does.
pub fn read(live: &Value, names: &Names) -> Result<Traffic, Error> {
    let (Some(table), Some(asked)) = (Router::HttpRoute.table(), asked(live)) else {
        return Ok(Traffic {
            canary: Router::HttpRoute.weight(live, names)?,
            ..Traffic::default()
        });
    };
    let apart = Apart::of(live, names);
    let route = apart.route();
    let mut traffic = Traffic {
        canary: table.read(&route, names)?,
        ..Traffic::default()
    };
    let rules = route.pointer("/spec/rules").cloned().unwrap_or_default();
    let (mut rules_seen, mut filters_seen) = (0, 0);
    // How many of our rules make a route, when all of them are there.
    let in_rules = |one: &Traffic| {
        let wanted = rules_of(Router::HttpRoute, &table, &rules, names, one).unwrap_or_default();
        let found = |wanted: &Value| apart.ours.iter().any(|live| agrees(live, wanted));
        (!wanted.is_empty() && wanted.iter().all(found)).then_some(wanted.len())
    };
    for header in asked.headers {
        let one = Traffic {
            headers: vec![header.clone()],
            ..Traffic::default()
        };
        if let Some(number) = in_rules(&one) {
            rules_seen += number;
            traffic.headers.push(header);
        }
    }
    for mirror in asked.mirrors {
        if mirror.matches.is_empty() {
            let wanted = mirrors_of(&table, &apart.others, names, &mirror).unwrap_or_default();
            let mut pairs = wanted.iter().zip(&apart.filters);
            let is_there = pairs.all(|(wanted, live)| {
                let has = |wanted: &Value| live.iter().any(|live| agrees(live, wanted));
                wanted.as_ref().is_none_or(has)
            });
            let number = wanted.iter().flatten().count();
            if number > 0 && is_there {
                filters_seen += number;
                traffic.mirrors.push(mirror);
            }
            continue;
        }
        let one = Traffic {
            mirrors: vec![mirror.clone()],
            ..Traffic::default()
        };
        if let Some(number) = in_rules(&one) {
            rules_seen += number;
            traffic.mirrors.push(mirror);
        }
    }
    let filters: usize = apart.filters.iter().map(Vec::len).sum();
    if apart.ours.len() > rules_seen || filters > filters_seen {
        traffic.headers.insert(0, stray());
    }
    Ok(traffic)
}

/// Returns the JSON merge patch that splits traffic so, as [`Router::write`] does.
pub fn write(live: &Value, names: &Names, traffic: &Traffic) -> Result<Value, Error> {
    let is_plain = traffic.headers.is_empty() && traffic.mirrors.is_empty();
    let table = match Router::HttpRoute.table() {
        Some(table) if !is_plain || asked(live).is_some() => table,
        _ => return Router::HttpRoute.patch(live, names, traffic.canary),
    };
    let apart = Apart::of(live, names);
    let rules = table.write(&apart.route(), names, traffic.canary.min(100))?;
    let (of_all, of_some) = traffic
        .mirrors
        .iter()
        .cloned()
        .partition(|mirror| mirror.matches.is_empty());
    let in_rules = Traffic {
        headers: traffic.headers.clone(),
        mirrors: of_some,
        ..Traffic::default()
    };
    let ours = rules_of(Router::HttpRoute, &table, &rules, names, &in_rules)?;
    let mut of_all: Vec<MirrorRoute> = of_all;
    of_all.sort_by(|a, b| (a.rank, &a.name).cmp(&(b.rank, &b.name)));
    let mut all = rules.as_array().cloned().unwrap_or_default();
    let others = all.len();
    for mirror in &of_all {
        let filters = mirrors_of(&table, &all, names, mirror)?;
        for (rule, filter) in all.iter_mut().zip(filters) {
            let Some(filter) = filter else { continue };
            let mut list = rule["filters"].as_array().cloned().unwrap_or_default();
            list.push(filter);
            rule["filters"] = list.into();
        }
    }
    all.extend(ours);
    let note = json!({"headers": traffic.headers, "mirrors": traffic.mirrors, OTHERS: others});
    let note = if is_plain {
        Value::Null
    } else {
        note.to_string().into()
    };
    let mut patch = json!({
        "metadata": {"annotations": {ROUTES: note}},
        "spec": {table.list: all},
    });
    guard(&mut patch, live);
    Ok(patch)
}

/// Returns the filter that copies all requests of a rule, for each rule; `None` for those without the stable version.
fn mirrors_of(
    table: &Table,
    rules: &[Value],
    names: &Names,
    mirror: &MirrorRoute,
) -> Result<Vec<Option<Value>>, Error> {
    let one = Traffic {
        mirrors: vec![mirror.clone()],
        ..Traffic::default()
    };
    let filter_of =
        |rule: &Value| match rules_of(Router::HttpRoute, table, &json!([rule]), names, &one) {
            Ok(copies) => {
                let filters = copies.first().and_then(|copy| copy["filters"].as_array());
                Ok(filters.and_then(|filters| filters.last().cloned()))
            }
            Err(Error::NothingMatches { .. }) => Ok(None),
            Err(error) => Err(error),
        };
    let filters: Vec<Option<Value>> = rules.iter().map(filter_of).collect::<Result<_, _>>()?;
    if filters.iter().all(Option::is_none) {
        return Err(Error::NothingMatches {
            route: mirror.name.clone(),
        });
    }
    Ok(filters)
}
