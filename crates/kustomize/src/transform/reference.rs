//! References to objects whose names changed: every field that holds such a name follows.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::fields::{Field, Make};
use crate::config::{BackReference, Config};
use crate::error::{Context as _, Error, Result};
use crate::id::{Gvk, ResId};
use crate::node::{Map, Node, Scalar};
use crate::resource::Resource;
use crate::schema::Schemas;
use crate::set::Set;

/// Lets all references follow.
pub(crate) fn run(set: &mut Set, config: &Config, schemas: &mut Schemas) -> Result<()> {
    if config.name_reference.is_empty() {
        return Ok(());
    }
    let candidates = Candidates::new(set);
    let mut fields: HashMap<Gvk, Arc<Vec<(Field, Gvk)>>> = HashMap::new();
    for at in 0..set.list.len() {
        let Some(resource) = set.list.get_mut(at) else {
            continue;
        };
        let original = resource.original_id().gvk;
        let fields = fields
            .entry(original)
            .or_insert_with_key(|gvk| Arc::new(fields_of(&config.name_reference, gvk)))
            .clone();
        if fields.is_empty() {
            continue;
        }
        let referrer = Referrer::new(resource, &candidates)?;
        let choices = RefCell::new(Vec::new());
        for (field, target) in fields.iter() {
            // Most objects have few of the fields that their kind could have.
            if !has_start(resource.node(), field) {
                continue;
            }
            let done = resource.edit(schemas, |node| {
                let role = role_of(node, &field.spec.path);
                field
                    .visit(node, &Make::Nothing, &mut |place| {
                        let search = Search {
                            referrer: &referrer,
                            target,
                            role: role.as_ref(),
                            choices: &choices,
                        };
                        search.follow(place)
                    })
                    .context(|| {
                        let path = &field.spec.path;
                        let id = &referrer.id;
                        format!("updating name reference in '{path}' field of '{id}'")
                    })
            });
            if let Err(error) = done {
                return Err(with_choices(error, set, at, &choices.take()));
            }
        }
    }
    Ok(())
}

/// Adds the objects that could not be told apart to the message.
fn with_choices(error: Error, set: &Set, referrer: usize, choices: &[usize]) -> Error {
    use std::fmt::Write as _;
    if choices.is_empty() {
        return error;
    }
    let shown = |at: usize| set.list.get(at).map(Resource::shown).unwrap_or_default();
    let mut text = format!(
        "\n**** Too many possible referral targets to referrer:\n{}\n",
        shown(referrer)
    );
    for (number, at) in choices.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "--- possible referral {number}:\n{}\n", shown(*at));
    }
    error.followed_by(&text)
}

fn has_start(node: &Node, field: &Field) -> bool {
    let path = field.spec.path.trim_start_matches('/');
    let mut at = node;
    for part in path.split('/').take(4) {
        if part.ends_with('\\') {
            return true;
        }
        match at {
            Node::Map(map) => match map.get(part.trim_end_matches("[]")) {
                Some(next) => at = next,
                None => return false,
            },
            _ => return true,
        }
    }
    true
}

fn fields_of(references: &[BackReference], gvk: &Gvk) -> Vec<(Field, Gvk)> {
    let mut fields = Vec::new();
    for reference in references {
        for spec in &reference.referrers {
            if gvk.is_selected(&spec.gvk) {
                fields.push((Field::new(spec.clone()), reference.gvk.clone()));
            }
        }
    }
    fields
}

/// What can be referred to.
struct Candidate {
    id: ResId,
    previous: Vec<ResId>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    original_namespace: String,
    place: usize,
}

struct Candidates {
    all: Vec<Candidate>,
    /// By former names.
    by_name: HashMap<String, Vec<usize>>,
}

impl Candidates {
    fn new(set: &Set) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut all = Vec::with_capacity(set.list.len());
        for (at, resource) in set.list.iter().enumerate() {
            let previous: Vec<ResId> = resource.previous_ids().collect();
            let mut names: Vec<&str> = previous.iter().map(|id| id.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                by_name.entry(name.to_owned()).or_default().push(at);
            }
            all.push(Candidate {
                id: resource.id().clone(),
                previous,
                prefixes: resource.marks.prefixes.clone(),
                suffixes: resource.marks.suffixes.clone(),
                original_namespace: resource.original_namespace(),
                place: at,
            });
        }
        Self { all, by_name }
    }
}

/// The object that refers.
struct Referrer<'a> {
    id: ResId,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    /// Namespaces of the service accounts a RoleBinding names.
    bound: Vec<String>,
    candidates: &'a Candidates,
}

impl<'a> Referrer<'a> {
    fn new(resource: &Resource, candidates: &'a Candidates) -> Result<Self> {
        let id = resource.id().clone();
        let bound = if id.cluster {
            Vec::new()
        } else {
            bound_namespaces(resource)?
        };
        Ok(Self {
            prefixes: resource.marks.prefixes.clone(),
            suffixes: resource.marks.suffixes.clone(),
            bound,
            candidates,
            id,
        })
    }

    /// Says whether the referrer can see a candidate at all.
    fn sees(&self, candidate: &Candidate) -> bool {
        self.id.cluster
            || candidate.id.cluster
            || candidate.id.same_namespace(&self.id)
            || self.bound.contains(&candidate.id.namespace)
    }
}

fn bound_namespaces(resource: &Resource) -> Result<Vec<String>> {
    if resource.id().gvk.kind != "RoleBinding" {
        return Ok(Vec::new());
    }
    let mut namespaces = Vec::new();
    let subjects = resource.node().get("subjects").and_then(Node::as_seq);
    for subject in subjects.unwrap_or_default() {
        let is_account = subject
            .get("kind")
            .is_some_and(|kind| kind.text() == "ServiceAccount");
        let Some(namespace) = subject.get("namespace").filter(|_| is_account) else {
            continue;
        };
        match namespace {
            Node::Scalar(scalar) if !scalar.is_null() && scalar.is_string() => {
                namespaces.push(scalar.text().to_owned());
            }
            _ => {
                let id = resource.id();
                return Err(Error::new(format!(
                    "Invalid Input: namespace is blank for resource \"{id}\"\n"
                )));
            }
        }
    }
    Ok(namespaces)
}

/// The kind a `roleRef` names.
fn role_of(node: &Node, path: &str) -> Option<Gvk> {
    if !path.ends_with("roleRef/name") {
        return None;
    }
    let role = node.get("roleRef")?;
    Some(Gvk {
        group: role.get("apiGroup")?.text().to_owned(),
        version: String::new(),
        kind: role.get("kind")?.text().to_owned(),
    })
}

struct Search<'a> {
    referrer: &'a Referrer<'a>,
    target: &'a Gvk,
    role: Option<&'a Gvk>,
    /// Where candidates are that could not be told apart.
    choices: &'a RefCell<Vec<usize>>,
}

/// What has to agree for two candidates to be as good as one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Same {
    Name,
    NameAndNamespace,
}

impl Search<'_> {
    fn follow(&self, place: &mut Node) -> Result<()> {
        if place.is_null() {
            return Ok(());
        }
        match place {
            Node::Scalar(scalar) => self.scalar(scalar),
            Node::Map(map) => self.map(map),
            Node::Seq(items) => {
                for item in items {
                    match item {
                        item if item.is_null() => {}
                        Node::Scalar(scalar) => self.scalar(scalar)?,
                        Node::Map(map) => self.map(map)?,
                        Node::Seq(_) => {
                            return Err(Error::new(
                                "node is expected to be either a string or a map of string",
                            ));
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn scalar(&self, scalar: &mut Scalar) -> Result<()> {
        let found = self.find(scalar.text(), None, Same::Name)?;
        if let Some(candidate) = found
            && candidate.id.name != scalar.text()
        {
            scalar.assign(&Scalar::untyped(candidate.id.name.as_str()));
        }
        Ok(())
    }

    fn map(&self, map: &mut Map) -> Result<()> {
        let Some(name) = map.get("name") else {
            return Err(Error::new("path config error; no 'name' field in node"));
        };
        let name = name.text().to_owned();
        let namespace = map
            .get("namespace")
            .map(|namespace| namespace.text().to_owned());
        let found = self.find(&name, namespace.as_deref(), Same::NameAndNamespace)?;
        let Some(candidate) = found else {
            return Ok(());
        };
        let id = &candidate.id;
        if id.name == name && id.namespace.is_empty() {
            return Ok(());
        }
        set(map, "name", &id.name);
        if !id.namespace.is_empty() {
            set(map, "namespace", &id.namespace);
        }
        Ok(())
    }

    fn find(&self, name: &str, namespace: Option<&str>, same: Same) -> Result<Option<&Candidate>> {
        let all = self.referrer.candidates;
        let Some(places) = all.by_name.get(name) else {
            return Ok(None);
        };
        let visible: Vec<&Candidate> = all
            .all
            .iter()
            .filter(|_| namespace.is_some())
            .filter(|candidate| self.referrer.sees(candidate))
            .collect();
        let mut found: Vec<&Candidate> = places
            .iter()
            .filter_map(|at| all.all.get(*at))
            .filter(|candidate| self.referrer.sees(candidate))
            .collect();
        if let Some(namespace) = namespace {
            // Former namespaces count as long as anything was in that namespace.
            let original = |candidate: &&Candidate| {
                candidate.original_namespace == namespace && namespace != crate::id::NO_NAMESPACE
            };
            if visible.iter().any(&original) {
                found.retain(|candidate| original(candidate));
            } else {
                found.retain(|candidate| {
                    !candidate.id.cluster && candidate.id.effective_namespace() == namespace
                });
            }
        }
        let was = |candidate: &&Candidate, gvk: &Gvk| {
            candidate.previous.iter().any(|id| id.gvk.is_selected(gvk))
        };
        found.retain(|candidate| was(candidate, self.target));
        if let Some(role) = self.role {
            found.retain(|candidate| was(candidate, role));
        }
        if !self.referrer.id.cluster {
            found.retain(|candidate| {
                candidate.id.cluster
                    || candidate.id.gvk.kind == "ServiceAccount"
                    || self.referrer.id.same_namespace(&candidate.id)
            });
        }
        self.decide(found, same)
    }

    fn decide<'c>(
        &self,
        mut found: Vec<&'c Candidate>,
        same: Same,
    ) -> Result<Option<&'c Candidate>> {
        if let [one] = found.as_slice() {
            return Ok(Some(one));
        }
        let referrer = self.referrer;
        found.retain(|candidate| {
            let either = |a: &[String], b: &[String]| a.is_empty() || b.is_empty();
            (either(&candidate.prefixes, &referrer.prefixes)
                || same_end(&candidate.prefixes, &referrer.prefixes))
                && (either(&candidate.suffixes, &referrer.suffixes)
                    || same_end(&candidate.suffixes, &referrer.suffixes))
        });
        if found.len() > 1 {
            found.retain(|candidate| {
                same_end(&candidate.prefixes, &referrer.prefixes)
                    && same_end(&candidate.suffixes, &referrer.suffixes)
            });
        }
        let Some((first, rest)) = found.split_first() else {
            return Ok(None);
        };
        let identical = rest.iter().all(|candidate| {
            candidate.id.name == first.id.name
                && (same == Same::Name || candidate.id.namespace == first.id.namespace)
        });
        if identical {
            return Ok(Some(first));
        }
        Err(self.ambiguous(&found))
    }

    fn ambiguous(&self, found: &[&Candidate]) -> Error {
        let ids: Vec<String> = found.iter().map(|one| one.id.to_string()).collect();
        let text = format!("found multiple possible referrals: {}\n", ids.join(", "));
        self.choices
            .replace(found.iter().map(|one| one.place).collect());
        Error::new(text)
    }
}

fn set(map: &mut Map, key: &str, value: &str) {
    let scalar = Scalar::untyped(value);
    match map.get_mut(key) {
        Some(Node::Scalar(old)) => old.assign(&scalar),
        Some(place) => *place = Node::Scalar(scalar),
        None => map.push(key, Node::Scalar(scalar.quoted_if_needed())),
    }
}

/// Says whether the shorter list ends the longer one; an empty one ends only an empty one.
fn same_end(one: &[String], two: &[String]) -> bool {
    let (short, long) = if one.len() <= two.len() {
        (one, two)
    } else {
        (two, one)
    };
    if short.is_empty() {
        return long.is_empty();
    }
    long.ends_with(short)
}
