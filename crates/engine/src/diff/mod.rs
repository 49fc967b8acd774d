//! Whether an object is what Git says, and where it is not.
//!
//! The API server records which manager owns which field. After a server-side apply our record is the set
//! of fields we wanted. So an object is in sync when the fields we own are the fields Git names, and their
//! values agree. Defaults and other controllers' fields are owned by others or by nobody: they never count,
//! and no schema of the kind is needed. What needs care:
//!
//! - A desired field that somebody else owns now: the value decides.
//! - A field we own that Git names no more: out of sync, if the live object has it.
//! - Parts that are owned as a whole (plain lists, selectors): everything inside counts, except what the
//!   API server fills in ([`defaults`]).
//! - The API server rewrites some values (`1000m` is `1`) and leaves some out (`false`, `{}`).
//! - A webhook may change a value on its way in. Seen from here this looks like a change in Git; a
//!   [`Comparison`] where all differences could be that is [`Comparison::doubtful`]. The caller can ask the
//!   server (dry run, then [`compare_predicted`]) or know better ([`Applied::SameAsDesired`]).
//!
//! Objects last written by client-side apply are compared three-way with what was applied last; others
//! two-way, where fields that only the live object has do not count.

mod defaults;
mod fingerprint;
pub mod ignore;
pub mod jq;
mod known;
mod list;
mod normalise;
mod scalar;
mod view;
mod walk;

use std::borrow::Cow;
use std::fmt;

use driftless_manifest::Object;
use driftless_manifest::fields::{ManagedFields, Operation};
use driftless_manifest::schema::{Shape, builtin};
use serde_json::Value;

pub use fingerprint::{fingerprint_desired, fingerprint_live};
pub use ignore::{IgnoreRule, keep_ignored};
pub use known::{Error as KnownTypeError, KnownType};
pub use normalise::desired as normalise_desired;
pub use view::{View, mask_secrets, view};

use crate::tracking::Tracking;

/// Field manager of everything that is applied.
pub const MANAGER: &str = "argocd-controller";
/// Annotation in which client-side apply keeps what it applied.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Most differences that a comparison lists.
pub const MAX_DIFFERENCES: usize = 20;

/// Whose `status` does not count (`ignoreResourceStatusField`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IgnoreStatus {
    /// That of every kind.
    #[default]
    All,
    /// That of CustomResourceDefinitions.
    Crd,
    /// None.
    None,
}

/// What the caller knows of the last apply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Applied {
    /// Nothing.
    #[default]
    Unknown,
    /// What was applied last is the desired object as it is now. Then a value that we own and that differs
    /// was changed by the API server or a webhook on the way in: applying it again changes nothing.
    SameAsDesired,
}

/// How objects are compared.
#[derive(Clone, Copy)]
pub struct Ctx<'a> {
    /// Our field manager.
    pub manager: &'a str,
    /// Rules for fields that do not count; those that do not match the object are passed over.
    pub ignore: &'a [IgnoreRule],
    /// Whose status does not count.
    pub ignore_status: IgnoreStatus,
    /// Rules of aggregated ClusterRoles do not count.
    pub ignore_aggregated_roles: bool,
    /// Fields of custom kinds whose type is known.
    pub known_types: &'a [KnownType],
    /// How objects are marked; an object still marked the old way by label is not out of sync for it.
    pub tracking: Option<&'a Tracking>,
    /// What is known of the last apply.
    pub applied: Applied,
}

impl Default for Ctx<'_> {
    fn default() -> Self {
        Self {
            manager: MANAGER,
            ignore: &[],
            ignore_status: IgnoreStatus::default(),
            ignore_aggregated_roles: false,
            known_types: &[],
            tracking: None,
            applied: Applied::default(),
        }
    }
}

/// What a comparison went by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// The fields we own.
    Ownership,
    /// What client-side apply applied last.
    ThreeWay,
    /// Desired fields only.
    TwoWay,
    /// What the server said it would become.
    Server,
}

/// What is the matter with a field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DifferenceKind {
    /// It has another value.
    Changed,
    /// It is desired and not there.
    Missing,
    /// It is there and not desired any more.
    Extra,
    /// Its items are in another order.
    Order,
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Order => "order",
        })
    }
}

/// One difference: where, never the value, which may be secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Difference {
    /// The field: `spec.template.spec.containers[name=app].image`.
    pub path: String,
    /// What is the matter.
    pub kind: DifferenceKind,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind)
    }
}

/// What came of comparing a desired object with its live one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// What the comparison went by.
    pub strategy: Strategy,
    /// Differences in stable order, at most [`MAX_DIFFERENCES`].
    pub differences: Vec<Difference>,
    /// Every difference lies where the API server or a webhook may have changed what we applied.
    pub doubtful: bool,
    /// Desired and live object are of different API versions: only what both have in common was
    /// compared. Read the live object in the desired version for a sure answer.
    pub version_differs: bool,
}

impl Comparison {
    /// Says whether the object is out of sync.
    pub fn is_modified(&self) -> bool {
        !self.differences.is_empty()
    }
}

/// Compares a desired object with its live one.
pub fn compare(desired: &Object, live: &Object, cx: &Ctx<'_>) -> Comparison {
    let prepared = normalise::prepare(desired, live, cx);
    let (strategy, found) = find(&prepared, desired, live, cx, MAX_DIFFERENCES);
    finish(
        strategy,
        &found,
        desired.api_version() != live.api_version(),
    )
}

/// What counts of a prediction beside the fields that are applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mutations {
    /// What webhooks and other managers would change does not count.
    #[default]
    Pass,
    /// Everything counts.
    Count,
}

/// Compares a live object with what the server says it would become (the answer of a dry run).
pub fn compare_predicted(
    predicted: &Object,
    live: &Object,
    cx: &Ctx<'_>,
    mutations: Mutations,
) -> Comparison {
    let prepared = normalise::prepare(predicted, live, cx);
    let shape = builtin().kind_or_other(&predicted.gvk());
    let mut walk = walk::Walk::new(walk::Mode::Whole, cx, MAX_DIFFERENCES);
    if mutations == Mutations::Pass {
        walk = walk.only_of(cx.manager, [predicted, live]);
    }
    walk.objects(&prepared.desired, &prepared.live, walk::Base::Whole, shape);
    finish(Strategy::Server, &walk.found, false)
}

/// Returns what is left of doubtful differences when the server has said what would become of the object:
/// those that it sees, too.
pub fn confirm(local: &Comparison, server: Comparison) -> Comparison {
    if local.differences.len() >= MAX_DIFFERENCES {
        return server;
    }
    let seen_by_server: Vec<String> = server
        .differences
        .iter()
        .map(|other| unlabelled(&other.path))
        .collect();
    let seen = |one: &&Difference| {
        let path = unlabelled(&one.path);
        server.differences.len() >= MAX_DIFFERENCES
            || seen_by_server
                .iter()
                .any(|other| is_within(&path, other) || is_within(other, &path))
    };
    Comparison {
        strategy: Strategy::Server,
        differences: local.differences.iter().filter(seen).cloned().collect(),
        doubtful: false,
        version_differs: false,
    }
}

/// Returns a path without what tells the items of its lists apart: the server's answer says nothing of who owns which item,
/// so the items of a custom kind have a number there and a name here.
fn unlabelled(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        let (label, after) = after.split_once(']').unwrap_or((after, ""));
        let is_item = label.contains('=') || label.chars().all(|c| c.is_ascii_digit());
        plain.push_str(before);
        plain.push('[');
        plain.push_str(if is_item { "" } else { label });
        plain.push(']');
        rest = after;
    }
    plain + rest
}

/// Says whether a path is another one or leads into it.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn finish(strategy: Strategy, found: &[walk::Found<'_>], version_differs: bool) -> Comparison {
    let mut differences: Vec<Difference> = found.iter().map(walk::Found::to_difference).collect();
    differences.sort();
    differences.dedup();
    Comparison {
        strategy,
        doubtful: !found.is_empty() && found.iter().all(|found| found.excusable),
        differences,
        version_differs,
    }
}

/// Both objects with what does not count taken away.
struct Prepared<'a> {
    desired: Cow<'a, Object>,
    live: Cow<'a, Object>,
}

/// Finds at most `limit` differences.
fn find<'a>(
    prepared: &'a Prepared<'_>,
    desired: &Object,
    live: &'a Object,
    cx: &Ctx<'a>,
    limit: usize,
) -> (Strategy, Vec<walk::Found<'a>>) {
    let shape = builtin().kind_or_other(&desired.gvk());
    if desired.api_version() != live.api_version() {
        return (Strategy::TwoWay, find_in_common(prepared, shape, cx, limit));
    }
    let owned =
        own_entry(live, cx.manager).filter(|entry| entry.api_version == desired.api_version());
    if let Some(owned) = owned {
        let mut walk = walk::Walk::new(walk::Mode::Ownership, cx, limit);
        let base = walk::Base::Fields(owned.fields);
        walk.objects(&prepared.desired, &prepared.live, base, shape);
        return (Strategy::Ownership, walk.found);
    }
    let last: Option<Value> = live
        .annotation(LAST_APPLIED)
        .and_then(|text| serde_json::from_str(text).ok());
    if let Some(last) = last.filter(|last| last["apiVersion"] == desired.api_version()) {
        let mut walk = walk::Walk::new(walk::Mode::ThreeWay, cx, limit);
        walk.objects(
            &prepared.desired,
            &prepared.live,
            walk::Base::Last(&last),
            shape,
        );
        let found = walk.found;
        return (Strategy::ThreeWay, found);
    }
    let mut walk = walk::Walk::new(walk::Mode::TwoWay, cx, limit);
    walk.objects(
        &prepared.desired,
        &prepared.live,
        walk::Base::Nothing,
        shape,
    );
    (Strategy::TwoWay, walk.found)
}

/// Finds what differs among the fields that both API versions have: the other fields may have moved.
fn find_in_common<'a>(
    prepared: &'a Prepared<'_>,
    shape: &'static Shape,
    cx: &Ctx<'a>,
    limit: usize,
) -> Vec<walk::Found<'a>> {
    let mut walk = walk::Walk::new(walk::Mode::TwoWay, cx, limit);
    walk.objects(
        &prepared.desired,
        &prepared.live,
        walk::Base::Nothing,
        shape,
    );
    let mut found = walk.found;
    found.retain(|found| matches!(found.wrong, walk::Wrong::Changed(_)));
    for found in &mut found {
        found.excusable = true;
    }
    found
}

/// Returns our own entry of server-side apply.
fn own_entry<'a>(live: &'a Object, manager: &str) -> Option<ManagedFields<'a>> {
    live.managed_fields().find(|entry| {
        entry.manager == manager
            && entry.operation == Operation::Apply
            && entry.subresource.is_empty()
    })
}

#[cfg(test)]
mod tests;
