//! Routes by header and mirrors in live objects: what to write, and which ones an object has.
//!
//! They are rules of their own before the others: one for each rule that names the stable Service, so that paths,
//! rewrites and timeouts stay what they are. Which ones were asked for is in an annotation of the object; one counts as
//! there when all of its rules are as they would be written. Rules that send everything to the new version, or copies of
//! requests, are ours while the annotation is there, and go with it.

pub mod behind;

use serde_json::{Map, Value, json};

use crate::plan::{HeaderRoute, MirrorRoute, RouteMatch, Traffic};
use crate::route::{Error, Names, Router, Table, guard};

/// Annotation of a live object: the routes that were asked for.
pub const ROUTES: &str = "driftless.dev/routes";
/// Name of a rule that nobody asked for.
const STRAY: &str = "?";
const NGINX: &str = "nginx.ingress.kubernetes.io/canary-by-header";

impl Router {
    /// Returns how a live object splits traffic.
    pub fn read(self, live: &Value, names: &Names) -> Result<Traffic, Error> {
        let Some(asked) = asked(live) else {
            return Ok(Traffic {
                canary: self.weight(live, names)?,
                ..Traffic::default()
            });
        };
        match (self, self.table()) {
            (Self::HttpRoute | Self::VirtualService, Some(table)) => {
                read_rules(self, &table, live, names, &asked)
            }
            (Self::NginxCanary, _) => {
                let mut traffic = Traffic {
                    canary: self.weight(live, names)?,
                    ..Traffic::default()
                };
                let wanted = nginx(&asked)?;
                let is_as_asked = wanted.iter().all(|(name, value)| {
                    let annotations = live.pointer("/metadata/annotations");
                    let found = annotations.and_then(|all| all.get(name));
                    found.unwrap_or(&Value::Null) == value
                });
                if is_as_asked {
                    traffic.headers = asked.headers;
                } else {
                    traffic.headers.push(stray());
                }
                Ok(traffic)
            }
            _ => Ok(Traffic {
                canary: self.weight(live, names)?,
                ..Traffic::default()
            }),
        }
    }

    /// Returns the JSON merge patch that splits traffic so.
    pub fn write(self, live: &Value, names: &Names, traffic: &Traffic) -> Result<Value, Error> {
        let is_plain = traffic.headers.is_empty() && traffic.mirrors.is_empty();
        let was_plain = asked(live).is_none();
        if is_plain && was_plain {
            return self.patch(live, names, traffic.canary);
        }
        let mut patch = match (self, self.table()) {
            (Self::HttpRoute | Self::VirtualService, Some(table)) => {
                let mut bare = live.clone();
                if !was_plain {
                    drop_managed(&table, &mut bare, names);
                }
                let rules = table.write(&bare, names, traffic.canary.min(100))?;
                let mut all = rules_of(self, &table, &rules, names, traffic)?;
                all.extend(rules.as_array().cloned().unwrap_or_default());
                json!({ "spec": { table.list: all } })
            }
            (Self::NginxCanary, _) => {
                let mut patch = self.patch(live, names, traffic.canary)?;
                for (name, value) in nginx(traffic)? {
                    patch["metadata"]["annotations"][name] = value;
                }
                patch
            }
            _ => return Err(Error::Unsupported),
        };
        patch["metadata"]["annotations"][ROUTES] = if is_plain {
            Value::Null
        } else {
            let routes = json!({"headers": traffic.headers, "mirrors": traffic.mirrors});
            routes.to_string().into()
        };
        guard(&mut patch, live);
        Ok(patch)
    }
}

fn stray() -> HeaderRoute {
    HeaderRoute {
        rank: 0,
        name: STRAY.to_owned(),
        matches: Vec::new(),
    }
}

/// Returns the routes that an object was last given; an annotation that cannot be read stands for others than any.
fn asked(live: &Value) -> Option<Traffic> {
    let text = live.pointer("/metadata/annotations")?.get(ROUTES)?.as_str();
    let mut routes: Value = serde_json::from_str(text?).unwrap_or_default();
    if !routes.is_object() {
        routes = json!({});
    }
    routes["canary"] = 0.into();
    Some(serde_json::from_value(routes).unwrap_or_default())
}

/// Says whether a rule is one of ours: it sends everything to the new version, or copies of requests.
fn is_managed(table: &Table, rule: &Value, names: &Names) -> bool {
    let backends = table.inner.and_then(|inner| rule.get(inner)?.as_array());
    let is_canary = |backend: &Value| table.name(backend) == Some(&names.canary);
    let sends_all = backends.is_some_and(|list| !list.is_empty() && list.iter().all(is_canary));
    let filters = rule.get("filters").and_then(Value::as_array);
    let mirrors = filters.into_iter().flatten().any(|filter| {
        filter.pointer("/requestMirror/backendRef/name") == Some(&json!(names.canary))
    });
    let host = rule.pointer("/mirror/host").and_then(Value::as_str);
    let copies = host.is_some_and(|host| host.split('.').next() == Some(&names.canary));
    sends_all || mirrors || copies
}

fn drop_managed(table: &Table, live: &mut Value, names: &Names) -> Vec<Value> {
    let Some(Value::Array(rules)) = live.pointer_mut(&format!("/spec/{}", table.list)) else {
        return Vec::new();
    };
    let (managed, rest) = std::mem::take(rules)
        .into_iter()
        .partition(|rule| is_managed(table, rule, names));
    *rules = rest;
    managed
}

fn read_rules(
    router: Router,
    table: &Table,
    live: &Value,
    names: &Names,
    asked: &Traffic,
) -> Result<Traffic, Error> {
    let mut bare = live.clone();
    let managed = drop_managed(table, &mut bare, names);
    let canary = table.read(&bare, names)?;
    let rules = bare
        .pointer(&format!("/spec/{}", table.list))
        .cloned()
        .unwrap_or_default();
    let mut traffic = Traffic {
        canary,
        ..Traffic::default()
    };
    let mut known = 0;
    let is_there = |one: &Traffic| {
        let wanted = rules_of(router, table, &rules, names, one).unwrap_or_default();
        let found = |wanted: &Value| managed.iter().any(|live| agrees(live, wanted));
        let is_there = !wanted.is_empty() && wanted.iter().all(found);
        is_there.then_some(wanted.len())
    };
    for route in &asked.headers {
        let one = Traffic {
            headers: vec![route.clone()],
            ..Traffic::default()
        };
        if let Some(number) = is_there(&one) {
            known += number;
            traffic.headers.push(route.clone());
        }
    }
    for route in &asked.mirrors {
        let one = Traffic {
            mirrors: vec![route.clone()],
            ..Traffic::default()
        };
        if let Some(number) = is_there(&one) {
            known += number;
            traffic.mirrors.push(route.clone());
        }
    }
    if managed.len() > known {
        traffic.headers.insert(0, stray());
    }
    Ok(traffic)
}

/// Returns our rules for all routes, those of the first rank first.
fn rules_of(
    router: Router,
    table: &Table,
    rules: &Value,
    names: &Names,
    traffic: &Traffic,
) -> Result<Vec<Value>, Error> {
    enum Route<'a> {
        Header(&'a HeaderRoute),
        Mirror(&'a MirrorRoute),
    }
    let headers = traffic.headers.iter();
    let headers = headers.map(|route| ((route.rank, 0, &route.name), Route::Header(route)));
    let mirrors = traffic.mirrors.iter();
    let mirrors = mirrors.map(|route| ((route.rank, 1, &route.name), Route::Mirror(route)));
    let mut routes: Vec<_> = headers.chain(mirrors).collect();
    routes.sort_by_key(|(rank, _)| *rank);
    let mut all = Vec::new();
    for ((_, _, name), route) in routes {
        let before = all.len();
        for rule in rules.as_array().into_iter().flatten() {
            let Some(inner) = table.inner else { continue };
            let backends = rule.get(inner).and_then(Value::as_array);
            let stable = backends.into_iter().flatten();
            let stable = stable
                .clone()
                .find(|backend| table.name(backend) == Some(&names.stable));
            let Some(stable) = stable else { continue };
            let mut canary = stable.clone();
            table.rename(&mut canary, &names.canary);
            let part = Part {
                router,
                route: name,
                rule,
                canary,
            };
            let rule = match route {
                Route::Header(route) => Some(part.by_header(route, inner)?),
                Route::Mirror(route) => part.mirrored(route)?,
            };
            if let Some(mut rule) = rule {
                if router == Router::VirtualService {
                    let number = all.len() - before;
                    rule["name"] = match number {
                        0 => name.clone(),
                        number => format!("{name}-{number}"),
                    }
                    .into();
                }
                all.push(rule);
            }
        }
        if all.len() == before {
            return Err(Error::NothingMatches {
                route: name.clone(),
            });
        }
    }
    Ok(all)
}

/// A rule of the live object, of which one of ours is made.
struct Part<'a> {
    router: Router,
    route: &'a str,
    rule: &'a Value,
    /// The backend of the new version, as that of the stable one is written.
    canary: Value,
}

impl Part<'_> {
    fn copy(&self) -> Value {
        let mut copy = self.rule.clone();
        if let Value::Object(map) = &mut copy {
            // Names of rules are unique.
            map.remove("name");
        }
        copy
    }

    /// Returns the rule's conditions; one that takes everything when there are none.
    fn matches(&self) -> Vec<Value> {
        let field = self.field();
        let list = self.rule.get(field).and_then(Value::as_array);
        match list.filter(|list| !list.is_empty()) {
            Some(list) => list.clone(),
            None if self.router == Router::HttpRoute => {
                vec![json!({"path": {"type": "PathPrefix", "value": "/"}})]
            }
            None => vec![json!({})],
        }
    }

    fn field(&self) -> &'static str {
        match self.router {
            Router::HttpRoute => "matches",
            _ => "match",
        }
    }

    fn by_header(&self, route: &HeaderRoute, inner: &str) -> Result<Value, Error> {
        let mut rule = self.copy();
        let mut matches = self.matches();
        for one in &mut matches {
            for header in &route.matches {
                self.add_header(one, header)?;
            }
        }
        rule[self.field()] = matches.into();
        let mut canary = self.canary.clone();
        canary["weight"] = match self.router {
            Router::HttpRoute => 1.into(),
            _ => 100.into(),
        };
        rule[inner] = json!([canary]);
        if let Value::Object(map) = &mut rule {
            map.remove("mirror");
            map.remove("mirrorPercentage");
        }
        Ok(rule)
    }

    /// Returns `None` when no request can match both.
    fn mirrored(&self, route: &MirrorRoute) -> Result<Option<Value>, Error> {
        let mut rule = self.copy();
        let mut matches = Vec::new();
        for base in self.matches() {
            if route.matches.is_empty() {
                matches.push(base);
                continue;
            }
            for wanted in &route.matches {
                matches.extend(self.both(&base, wanted)?);
            }
        }
        if matches.is_empty() {
            return Ok(None);
        }
        // A rule without conditions keeps none.
        if !(route.matches.is_empty() && self.rule.get(self.field()).is_none()) {
            rule[self.field()] = matches.into();
        }
        match self.router {
            Router::HttpRoute => {
                let mut mirror = json!({"backendRef": {
                    "group": self.canary.get("group").cloned().unwrap_or_else(|| "".into()),
                    "kind": self.canary.get("kind").cloned().unwrap_or_else(|| "Service".into()),
                    "name": self.canary.get("name"),
                }});
                for field in ["port", "namespace"] {
                    if let Some(value) = self.canary.get(field) {
                        mirror["backendRef"][field] = value.clone();
                    }
                }
                // What is not said means all, which every version of the API understands.
                if route.percentage < 100 {
                    mirror["percent"] = route.percentage.into();
                }
                let filter = json!({"type": "RequestMirror", "requestMirror": mirror});
                let mut filters = rule["filters"].as_array().cloned().unwrap_or_default();
                filters.push(filter);
                rule["filters"] = filters.into();
            }
            _ => {
                if rule.get("mirror").is_some() || rule.get("mirrors").is_some() {
                    return Err(Error::Mirrored {
                        route: self.route.to_owned(),
                    });
                }
                rule["mirror"] = self.canary.get("destination").cloned().unwrap_or_default();
                rule["mirrorPercentage"] = json!({"value": f64::from(route.percentage)});
            }
        }
        Ok(Some(rule))
    }

    /// Returns the condition that holds where both do; `None` when they exclude each other.
    fn both(&self, base: &Value, wanted: &RouteMatch) -> Result<Option<Value>, Error> {
        let mut both = base.clone();
        for header in &wanted.headers {
            self.add_header(&mut both, header)?;
        }
        if let Some((how, value)) = &wanted.method {
            let method = match self.router {
                Router::HttpRoute if how == "exact" => Value::from(value.as_str()),
                Router::HttpRoute => {
                    return Err(Error::Condition {
                        route: self.route.to_owned(),
                        what: "a method is compared as a whole: use exact",
                    });
                }
                _ => json!({how: value}),
            };
            if base.get("method").is_some_and(|known| *known != method) {
                return Ok(None);
            }
            both["method"] = method;
        }
        let Some((how, value)) = &wanted.path else {
            return Ok(Some(both));
        };
        let (field, path) = match self.router {
            Router::HttpRoute => {
                let kind = match how.as_str() {
                    "exact" => "Exact",
                    "prefix" => "PathPrefix",
                    _ => "RegularExpression",
                };
                ("path", json!({"type": kind, "value": value}))
            }
            _ => ("uri", json!({how: value})),
        };
        let covers = match base.get(field) {
            None => true,
            Some(known) if *known == path => true,
            Some(known) => prefix_of(known).is_some_and(|prefix| {
                prefix == "/" || (how != "regex" && value.starts_with(prefix))
            }),
        };
        if !covers {
            return Ok(None);
        }
        both[field] = path;
        Ok(Some(both))
    }

    fn add_header(&self, to: &mut Value, header: &(String, String, String)) -> Result<(), Error> {
        let (name, how, value) = header;
        let twice = || Error::Condition {
            route: self.route.to_owned(),
            what: "the route looks at this header already",
        };
        if self.router == Router::HttpRoute {
            let mut headers = to["headers"].as_array().cloned().unwrap_or_default();
            let is_same = |known: &Value| {
                let known = known.get("name").and_then(Value::as_str);
                known.is_some_and(|known| known.eq_ignore_ascii_case(name))
            };
            if headers.iter().any(is_same) {
                return Err(twice());
            }
            headers.push(match how.as_str() {
                "exact" => json!({"type": "Exact", "name": name, "value": value}),
                "prefix" => json!({"type": "RegularExpression", "name": name,
                    "value": format!("^{}.*$", regex::escape(value))}),
                _ => json!({"type": "RegularExpression", "name": name, "value": value}),
            });
            to["headers"] = headers.into();
            return Ok(());
        }
        let mut headers = to["headers"].as_object().cloned().unwrap_or_default();
        if headers.contains_key(&name.to_ascii_lowercase()) {
            return Err(twice());
        }
        headers.insert(name.to_ascii_lowercase(), json!({how: value}));
        to["headers"] = Value::Object(headers);
        Ok(())
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str)
}

fn prefix_of(path: &Value) -> Option<&str> {
    // A path of the Gateway API is a prefix unless it says something else.
    let kind = path.get("type").and_then(Value::as_str);
    if let (None | Some("PathPrefix"), Some(value)) = (kind, path.get("value")) {
        return value.as_str();
    }
    // As KServe writes a rule for every path.
    if let (Some("RegularExpression"), Some("^/.*$")) = (kind, text(path.get("value"))) {
        return Some("/");
    }
    path.get("prefix").and_then(Value::as_str)
}

/// Returns the annotations of NGINX for a route by header, null where there is none.
fn nginx(traffic: &Traffic) -> Result<Map<String, Value>, Error> {
    if !traffic.mirrors.is_empty() {
        return Err(Error::Unsupported);
    }
    let mut annotations = Map::new();
    for tail in ["", "-value", "-pattern"] {
        annotations.insert(format!("{NGINX}{tail}"), Value::Null);
    }
    let header = match traffic.headers.as_slice() {
        [] => return Ok(annotations),
        [route] => match route.matches.as_slice() {
            [header] => header,
            _ => return Err(Error::Unsupported),
        },
        _ => return Err(Error::Unsupported),
    };
    let (name, how, value) = header;
    annotations.insert(NGINX.to_owned(), name.as_str().into());
    let (tail, value) = match how.as_str() {
        "exact" => ("value", value.clone()),
        "prefix" => ("pattern", format!("^{}", regex::escape(value))),
        _ => ("pattern", value.clone()),
    };
    annotations.insert(format!("{NGINX}-{tail}"), value.into());
    Ok(annotations)
}

/// Says whether a live value has all that a written one says: what only the live one has was filled in.
fn agrees(live: &Value, written: &Value) -> bool {
    match (live, written) {
        (Value::Object(live), Value::Object(written)) => written
            .iter()
            .all(|(key, written)| live.get(key).is_some_and(|live| agrees(live, written))),
        (Value::Array(live), Value::Array(written)) => {
            let pairs = live.iter().zip(written);
            live.len() == written.len() && { pairs }.all(|(live, written)| agrees(live, written))
        }
        (Value::Number(live), Value::Number(written)) => live.as_f64() == written.as_f64(),
        (live, written) => live == written,
    }
}
