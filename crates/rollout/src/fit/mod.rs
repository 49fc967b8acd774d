//! Whether new pods fit, before anything is touched.
//!
//! A rollout that starts pods which find no GPU stands still with both versions half there. So nodes, taints, labels,
//! quota and gangs (pods that only work together) are looked at first, and the answer says which way is open: beside the
//! old pods, a few at a time, in their place, or not at all for now, and why.
//!
//! It is a check, not a scheduler: affinity between pods, topology spread, volumes and priorities are not looked at. A wrong *yes* ends at the
//! progress deadline with the traffic where it was.

mod affinity;

use std::collections::{BTreeMap, BTreeSet};

pub use self::affinity::{Operator, Requirement, Term};

/// Amounts in thousandths, by resource name (`cpu`, `memory`, `nvidia.com/gpu`).
pub type Resources = BTreeMap<String, i64>;

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// All new pods fit beside the old ones.
    Surge,
    /// Some do.
    Partial {
        /// How many.
        pods: u32,
        /// Why not more.
        reason: String,
    },
    /// They fit when the old ones stop first.
    InPlace {
        /// Why not beside them.
        reason: String,
    },
    /// They do not fit.
    Hold {
        /// Why.
        reason: String,
    },
}

/// A taint of a node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
    /// `NoSchedule`, `NoExecute` or `PreferNoSchedule`.
    pub effect: String,
}

/// A toleration of a pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Toleration {
    /// Key; `None` tolerates every one.
    pub key: Option<String>,
    /// Value; `None` tolerates every one.
    pub value: Option<String>,
    /// Effect; `None` tolerates every one.
    pub effect: Option<String>,
}

impl Toleration {
    fn covers(&self, taint: &Taint) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        is(&self.key, &taint.key)
            && is(&self.value, &taint.value)
            && is(&self.effect, &taint.effect)
    }
}

/// A node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Node {
    /// Name.
    pub name: String,
    /// What is left of its allocatable resources. `pods` counts too when it is there.
    pub free: Resources,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it takes no pods: cordoned, or not ready.
    pub closed: bool,
}

/// Equal pods of a gang.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shape {
    /// What one asks for.
    pub requests: Resources,
    /// Taints it tolerates.
    pub tolerations: Vec<Toleration>,
    /// Labels its node must have.
    pub selector: BTreeMap<String, String>,
    /// Terms of required node affinity, one of which must hold; `None` asks for nothing.
    pub affinity: Option<Vec<Term>>,
    /// How many of them a gang has.
    pub count: u32,
}

impl Shape {
    /// Returns the labels by which it chooses nodes.
    fn keys(&self) -> impl Iterator<Item = &str> {
        let required = self.affinity.iter().flatten().flatten();
        let selected = self.selector.keys().map(String::as_str);
        selected.chain(required.map(Requirement::key))
    }
}

/// A pod that runs: where it is and what it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Its node.
    pub node: String,
    /// What it holds.
    pub requests: Resources,
}

/// What a new version needs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ask {
    /// Namespace, for its quota.
    pub namespace: String,
    /// The pods of one replica; several or a count above 1 make a gang, which fits as a whole or not at all.
    pub gang: Vec<Shape>,
    /// Node label that all pods of a gang must share (a rack, an NVLink domain).
    pub together: Option<String>,
    /// Replicas wanted beside the old ones.
    pub replicas: u32,
    /// Pods of the old version.
    pub old: Vec<Held>,
}

/// Nodes and quotas. Each answer that lets pods start sets their place aside for the next one.
#[derive(Clone, Debug)]
pub struct Cluster {
    names: Vec<String>,
    resources: Vec<String>,
    /// Free amounts, node after node.
    free: Vec<i64>,
    class_of: Vec<u32>,
    classes: Vec<Class>,
    by_name: BTreeMap<String, usize>,
    labels: Vec<BTreeMap<String, String>>,
    quota: BTreeMap<String, Resources>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Class {
    closed: bool,
    taints: Vec<Taint>,
    labels: BTreeMap<String, String>,
}

impl Class {
    fn refuses(&self, shape: &Shape) -> Option<&'static str> {
        if self.closed {
            return Some("cordoned or not ready");
        }
        let is_out = |taint: &&Taint| {
            taint.effect != "PreferNoSchedule"
                && !shape
                    .tolerations
                    .iter()
                    .any(|toleration| toleration.covers(taint))
        };
        if self.taints.iter().find(is_out).is_some() {
            return Some("tainted");
        }
        let lacks = shape
            .selector
            .iter()
            .any(|(key, value)| self.labels.get(key) != Some(value));
        if lacks {
            return Some("without the labels of the node selector");
        }
        let terms = shape.affinity.as_deref();
        let is_elsewhere = terms.is_some_and(|terms| !affinity::matches(terms, &self.labels));
        is_elsewhere.then_some("outside the required node affinity")
    }
}

/// Equal pods of a gang: amounts by resource, classes of nodes that take them, and how many there are.
type Equal = (Vec<(usize, i64)>, Vec<bool>, u32);

/// A pod placed for now: node, and the amounts it took.
type Placed = (usize, Vec<(usize, i64)>);

impl Cluster {
    /// Takes in nodes and what is left of quotas, by namespace. `asks` are all that will be checked: labels that none of
    /// them names do not tell nodes apart.
    pub fn new(nodes: Vec<Node>, quota: BTreeMap<String, Resources>, asks: &[Ask]) -> Self {
        let shapes = || asks.iter().flat_map(|ask| &ask.gang);
        let keys: BTreeSet<&str> = shapes().flat_map(Shape::keys).collect();
        let topologies: BTreeSet<&str> = asks
            .iter()
            .filter_map(|ask| ask.together.as_deref())
            .collect();
        let mut resources: BTreeSet<&str> = BTreeSet::from(["pods"]);
        resources.extend(
            shapes()
                .flat_map(|shape| shape.requests.keys())
                .map(String::as_str),
        );
        let resources: Vec<String> = resources.into_iter().map(str::to_owned).collect();
        let mut cluster = Self {
            names: Vec::with_capacity(nodes.len()),
            free: Vec::with_capacity(nodes.len() * resources.len()),
            class_of: Vec::with_capacity(nodes.len()),
            classes: Vec::new(),
            by_name: BTreeMap::new(),
            labels: Vec::with_capacity(nodes.len()),
            quota,
            resources,
        };
        let mut known: BTreeMap<Class, u32> = BTreeMap::new();
        for (index, node) in nodes.into_iter().enumerate() {
            for resource in &cluster.resources {
                // A node that does not tell how many pods it takes takes any number.
                let otherwise = if resource == "pods" { i64::MAX / 2 } else { 0 };
                cluster
                    .free
                    .push(node.free.get(resource).copied().unwrap_or(otherwise));
            }
            let kept = |wanted: &BTreeSet<&str>| {
                let labels = node
                    .labels
                    .iter()
                    .filter(|(key, _)| wanted.contains(key.as_str()));
                labels
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect::<BTreeMap<_, _>>()
            };
            let mut told_apart = kept(&keys);
            if keys.contains(affinity::NAME) {
                told_apart.insert(affinity::NAME.to_owned(), node.name.clone());
            }
            let class = Class {
                closed: node.closed,
                labels: told_apart,
                taints: node.taints,
            };
            let next = cluster.classes.len() as u32;
            let class_index = *known.entry(class.clone()).or_insert(next);
            if class_index == next {
                cluster.classes.push(class);
            }
            cluster.class_of.push(class_index);
            cluster.labels.push(kept(&topologies));
            cluster.by_name.insert(node.name.clone(), index);
            cluster.names.push(node.name);
        }
        cluster
    }

    /// Says which way is open for a new version, and sets its place aside when one is.
    pub fn check(&mut self, ask: &Ask) -> Verdict {
        if ask.replicas == 0 || ask.gang.is_empty() {
            return Verdict::Surge;
        }
        let (fitting, placed) = self.place(ask, ask.replicas);
        if fitting == ask.replicas {
            return Verdict::Surge;
        }
        let reason = self.reason(ask, fitting);
        if fitting > 0 {
            return Verdict::Partial {
                pods: fitting,
                reason,
            };
        }
        self.undo(&placed, ask);
        if ask.old.is_empty() {
            return Verdict::Hold { reason };
        }
        self.release(ask, 1);
        let (fitting, placed) = self.place(ask, ask.replicas);
        if fitting == ask.replicas {
            // The old pods' place is set aside for the new ones, which hold it from then on.
            return Verdict::InPlace { reason };
        }
        self.undo(&placed, ask);
        self.release(ask, -1);
        Verdict::Hold { reason }
    }

    /// Places as many whole gangs as fit; returns their number and places.
    fn place(&mut self, ask: &Ask, replicas: u32) -> (u32, Vec<Placed>) {
        let mut all = Vec::new();
        let shapes: Vec<Equal> = ask
            .gang
            .iter()
            .map(|shape| {
                let open = self
                    .classes
                    .iter()
                    .map(|class| class.refuses(shape).is_none())
                    .collect();
                (self.amounts(shape), open, shape.count.max(1))
            })
            .collect();
        // Nodes before this one are known to be full, as long as all pods are equal.
        let mut first = 0;
        for done in 0..replicas {
            if !self.quota_allows(ask) {
                return (done, all);
            }
            let placed = match &ask.together {
                None => self.gang(&shapes, &mut first, None),
                Some(label) => {
                    let values: BTreeSet<String> = self
                        .labels
                        .iter()
                        .filter_map(|labels| labels.get(label).cloned())
                        .collect();
                    values
                        .iter()
                        .find_map(|value| self.gang(&shapes, &mut 0, Some((label, value))))
                }
            };
            match placed {
                Some(placed) => {
                    self.spend_quota(ask, 1);
                    all.extend(placed);
                }
                None => return (done, all),
            }
        }
        (replicas, all)
    }

    fn gang(
        &mut self,
        shapes: &[Equal],
        first: &mut usize,
        within: Option<(&str, &str)>,
    ) -> Option<Vec<Placed>> {
        let width = self.resources.len();
        let mut placed: Vec<Placed> = Vec::new();
        for (amounts, open, count) in shapes {
            let mut left = *count;
            let mut at = if shapes.len() == 1 { *first } else { 0 };
            while left > 0 && at < self.class_of.len() {
                let is_open = self
                    .class_of
                    .get(at)
                    .is_some_and(|class| open.get(*class as usize) == Some(&true));
                let is_within = || {
                    within.is_none_or(|(label, value)| {
                        self.labels
                            .get(at)
                            .and_then(|labels| labels.get(label))
                            .is_some_and(|found| found == value)
                    })
                };
                let base = at * width;
                let fits = is_open
                    && amounts.iter().all(|(resource, amount)| {
                        self.free
                            .get(base + resource)
                            .is_some_and(|free| free >= amount)
                    })
                    && is_within();
                if !fits {
                    at += 1;
                    continue;
                }
                for (resource, amount) in amounts {
                    if let Some(free) = self.free.get_mut(base + resource) {
                        *free -= amount;
                    }
                }
                placed.push((at, amounts.clone()));
                left -= 1;
            }
            if left > 0 {
                self.give_back(&placed);
                return None;
            }
            if shapes.len() == 1 && *count == 1 {
                *first = at;
            }
        }
        Some(placed)
    }

    fn amounts(&self, shape: &Shape) -> Vec<(usize, i64)> {
        let of = |resource: &String| match shape.requests.get(resource) {
            Some(amount) => *amount,
            None if resource == "pods" => 1000,
            None => 0,
        };
        let all = self
            .resources
            .iter()
            .enumerate()
            .map(|(index, resource)| (index, of(resource)));
        all.filter(|(_, amount)| *amount > 0).collect()
    }

    fn give_back(&mut self, placed: &[Placed]) {
        let width = self.resources.len();
        for (node, amounts) in placed {
            for (resource, amount) in amounts {
                if let Some(free) = self.free.get_mut(node * width + resource) {
                    *free += amount;
                }
            }
        }
    }

    fn undo(&mut self, placed: &[Placed], ask: &Ask) {
        self.give_back(placed);
        let pods: u32 = ask.gang.iter().map(|shape| shape.count.max(1)).sum();
        for _ in 0..placed.len() as u32 / pods.max(1) {
            self.spend_quota(ask, -1);
        }
    }

    /// Frees what the old pods hold, or takes it again.
    fn release(&mut self, ask: &Ask, sign: i64) {
        let width = self.resources.len();
        for held in &ask.old {
            let Some(node) = self.by_name.get(&held.node).copied() else {
                continue;
            };
            for (index, resource) in self.resources.iter().enumerate() {
                let amount = match held.requests.get(resource) {
                    Some(amount) => *amount,
                    None if resource == "pods" => 1000,
                    None => 0,
                };
                if let Some(free) = self.free.get_mut(node * width + index) {
                    *free = free.saturating_add(sign * amount);
                }
            }
            if let Some(quota) = self.quota.get_mut(&ask.namespace) {
                for (resource, left) in quota.iter_mut() {
                    let one = if resource == "pods" { 1000 } else { 0 };
                    *left += sign * held.requests.get(resource).copied().unwrap_or(one);
                }
            }
        }
    }

    /// Returns what one replica takes of a resource.
    fn needs(ask: &Ask, resource: &str) -> i64 {
        let of = |shape: &Shape| {
            let one = if resource == "pods" { 1000 } else { 0 };
            shape.requests.get(resource).copied().unwrap_or(one) * i64::from(shape.count.max(1))
        };
        ask.gang.iter().map(of).sum()
    }

    fn short_quota(&self, ask: &Ask) -> Option<(&str, i64, i64)> {
        let quota = self.quota.get(&ask.namespace)?;
        quota.iter().find_map(|(resource, left)| {
            let needed = Self::needs(ask, resource);
            (needed > *left).then_some((resource.as_str(), needed, *left))
        })
    }

    fn quota_allows(&self, ask: &Ask) -> bool {
        self.short_quota(ask).is_none()
    }

    fn spend_quota(&mut self, ask: &Ask, sign: i64) {
        if let Some(quota) = self.quota.get_mut(&ask.namespace) {
            for (resource, left) in quota.iter_mut() {
                *left -= sign * Self::needs(ask, resource);
            }
        }
    }

    /// Says why no further replica fits.
    fn reason(&self, ask: &Ask, fitting: u32) -> String {
        let head = format!(
            "{fitting} of {} new replicas fit beside the old ones",
            ask.replicas
        );
        if let Some((resource, needed, left)) = self.short_quota(ask) {
            let (needed, left) = (shown(needed), shown(left));
            return format!(
                "{head}: the quota of {} leaves {left} {resource}, one replica needs {needed}",
                ask.namespace
            );
        }
        let width = self.resources.len();
        let mut causes: BTreeMap<String, usize> = BTreeMap::new();
        let Some(shape) = ask.gang.first() else {
            return head;
        };
        let amounts = self.amounts(shape);
        for (node, class) in self.class_of.iter().enumerate() {
            let refused = self
                .classes
                .get(*class as usize)
                .and_then(|class| class.refuses(shape));
            let short = amounts.iter().find(|(resource, amount)| {
                self.free
                    .get(node * width + resource)
                    .is_some_and(|free| free < amount)
            });
            let cause = match (refused, short) {
                (Some(why), _) => why.to_owned(),
                (None, Some((resource, amount))) => {
                    let name = self.resources.get(*resource).map_or("", String::as_str);
                    format!("without {} free {name}", shown(*amount))
                }
                (None, None) => "with room for a part of a gang".to_owned(),
            };
            *causes.entry(cause).or_default() += 1;
        }
        if causes.is_empty() {
            return format!("{head}: the cluster has no nodes");
        }
        let causes: Vec<String> = causes
            .into_iter()
            .map(|(cause, count)| format!("{count} {cause}"))
            .collect();
        format!(
            "{head}: of {} nodes {}",
            self.names.len(),
            causes.join(", ")
        )
    }
}

/// Writes an amount in thousandths.
fn shown(amount: i64) -> String {
    if amount % 1000 == 0 {
        (amount / 1000).to_string()
    } else {
        format!("{amount}m")
    }
}
