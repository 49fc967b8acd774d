//! An application's health: that of its worst object.

use driftless_core::ResourceKey;

use super::{Health, Status};

/// How many objects the message names.
const NAMED: usize = 3;

/// What is known of one object's health.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ItemHealth {
    /// The object is not there.
    Missing,
    /// Its kind has no health.
    None,
    /// It has.
    Known(Health),
}

/// One managed object of an application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// The object.
    pub key: ResourceKey,
    /// Its health.
    pub health: ItemHealth,
    /// It does not count: a hook, the application itself, or asked to be left out.
    pub ignored: bool,
}

/// Sums up: the worst health counts. A missing object does not (being out of sync says so already) unless
/// all are missing; neither does a child Application that is missing or unknown.
pub fn aggregate(items: &[Item]) -> Health {
    let counted = || items.iter().filter(|item| !item.ignored);
    let missing = |item: &&Item| item.health == ItemHealth::Missing;
    if counted().next().is_some() && counted().all(|item| missing(&item)) {
        return Health::bare(Status::Missing);
    }
    let status = |item: &Item| match &item.health {
        ItemHealth::Known(health) if !is_child_unknown(item, health) => health.status,
        _ => Status::Healthy,
    };
    let worst = counted().map(status).max().unwrap_or(Status::Healthy);
    if worst == Status::Healthy {
        return Health::bare(worst);
    }
    let mut names: Vec<String> = counted()
        .filter(|item| status(item) == worst)
        .map(name)
        .collect();
    names.sort_unstable();
    let rest = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let listed = names.join(", ");
    let message = match rest {
        0 => format!("Caused by {listed}"),
        rest => format!("Caused by {listed} and {rest} more"),
    };
    Health::new(worst, message)
}

fn is_child_unknown(item: &Item, health: &Health) -> bool {
    let is_application = &*item.key.group == "argoproj.io" && &*item.key.kind == "Application";
    is_application && matches!(health.status, Status::Missing | Status::Unknown)
}

/// Writes `group/Kind:namespace/name`, leaving out what is empty.
fn name(item: &Item) -> String {
    let key = &item.key;
    let kind = key.group_kind();
    if key.namespace.is_empty() {
        format!("{kind}:{}", key.name)
    } else {
        format!("{kind}:{}/{}", key.namespace, key.name)
    }
}
