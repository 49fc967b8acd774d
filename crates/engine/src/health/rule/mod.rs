//! Health rules as data: `crates/engine/rules/*.yaml`, one file per family of kinds.
//!
//! A file is a list of entries:
//!
//! ```yaml
//! - kinds: [example.com/Widget, "*.example.com/*"]   # group/Kind; a star stands for anything
//!   rules:                                            # the first that holds decides
//!     - Suspended: spec.paused                        # status: expression
//!       say: paused by {spec.pausedBy}                # message; expressions in braces
//!     - of: status.phase                              # a field and what its values mean
//!       Healthy: [Running]
//!       Degraded: [Failed, Error]
//!       say: "{status.message}"
//!     - each: status.conditions                       # the first element for which a rule holds
//!       rules:
//!         - Healthy: it.type == 'Ready' && it.status == 'True'
//!   else: Progressing                                 # when none holds
//!   say: waiting for its status
//! ```
//!
//! Without `say` the message is that of the element at hand (`it.message`), if any. An entry with the same
//! kind in a later file is a mistake; an exact kind comes before one with stars.

mod expression;
mod load;
mod parse;

use std::collections::HashMap;
use std::sync::LazyLock;

use driftless_core::Glob;
use driftless_manifest::Object;
use serde_json::Value;

use self::expression::{Expression, Scope};
use self::parse::Template;
use super::{Health, Status};

pub use load::Error;

/// What decides about the health of some kinds.
#[derive(Debug)]
struct Rule {
    steps: Vec<Step>,
    otherwise: Status,
    say: Template,
}

#[derive(Debug)]
enum Step {
    When {
        status: Status,
        test: Expression,
        say: Option<Template>,
    },
    Of {
        value: Expression,
        statuses: Vec<(Value, Status)>,
        say: Option<Template>,
    },
    Each {
        list: Expression,
        steps: Vec<Step>,
    },
}

/// A table of rules.
#[derive(Debug, Default)]
pub struct Table {
    rules: Vec<Rule>,
    exact: HashMap<(String, String), usize>,
    globs: Vec<(Glob, Glob, usize)>,
}

static BUILTIN: LazyLock<Table> =
    LazyLock::new(|| Table::builtin().expect("invariant: a test reads the whole table"));

/// Judges an object of a kind in the built-in table; `None` for any other.
pub(super) fn assess(object: &Object) -> Option<Health> {
    BUILTIN.assess(object)
}

/// A test of an object, in the language of the rules.
#[derive(Debug)]
pub(crate) struct Test(Expression);

/// Reads a test.
pub(crate) fn parse_test(text: &str) -> Result<Test, parse::Error> {
    parse::expression(text).map(Test)
}

impl Test {
    /// Says whether it holds for an object.
    pub(crate) fn holds(&self, object: &Object) -> bool {
        self.0.holds(Scope::of(object.as_map()))
    }
}

impl Table {
    /// Reads the table that is part of the program.
    pub fn builtin() -> Result<Self, Error> {
        load::table(load::FILES)
    }

    /// Judges an object; `None` when no rule speaks of its kind.
    pub fn assess(&self, object: &Object) -> Option<Health> {
        let rule = self.rule(object.group(), object.kind())?;
        let scope = Scope::of(object.as_map());
        let found = first(&rule.steps, scope);
        Some(found.unwrap_or_else(|| Health::new(rule.otherwise, rule.say.render(scope))))
    }

    fn rule(&self, group: &str, kind: &str) -> Option<&Rule> {
        let key = (group.to_owned(), kind.to_owned());
        let index = self.exact.get(&key).copied().or_else(|| {
            let matches = |(groups, kinds, _): &&(Glob, Glob, usize)| {
                groups.matches(group) && kinds.matches(kind)
            };
            self.globs.iter().find(matches).map(|(_, _, index)| *index)
        })?;
        self.rules.get(index)
    }
}

/// Returns what the first rule that holds says.
fn first<'a>(steps: &'a [Step], scope: Scope<'a>) -> Option<Health> {
    steps.iter().find_map(|step| match step {
        Step::When { status, test, say } => test
            .holds(scope)
            .then(|| Health::new(*status, message(say.as_ref(), scope))),
        Step::Of {
            value,
            statuses,
            say,
        } => {
            let value = value.value(scope);
            let (_, status) = statuses.iter().find(|(known, _)| *known == *value)?;
            Some(Health::new(*status, message(say.as_ref(), scope)))
        }
        Step::Each { list, steps } => {
            let mut items = list.items(scope).into_iter();
            items.find_map(|item| first(steps, scope.inside(item)))
        }
    })
}

fn message(say: Option<&Template>, scope: Scope<'_>) -> String {
    if let Some(say) = say {
        return say.render(scope);
    }
    let message = scope.item.and_then(|item| item.get("message"));
    message
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests;
