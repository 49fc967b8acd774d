//! Required node affinity (`requiredDuringSchedulingIgnoredDuringExecution`) as the scheduler reads it.

use std::collections::BTreeMap;

/// The one field of a node that terms may match, `metadata.name`, kept beside its labels. No label can have this key.
pub(super) const NAME: &str = "metadata.name()";

/// How a requirement holds values against a label.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Operator {
    /// The label is there and has one of the values.
    In,
    /// The label is not there, or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
    /// The label is a whole number greater than the one value.
    Gt,
    /// The label is a whole number less than the one value.
    Lt,
}

impl Operator {
    /// Reads a Kubernetes node selector operator.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "In" => Self::In,
            "NotIn" => Self::NotIn,
            "Exists" => Self::Exists,
            "DoesNotExist" => Self::DoesNotExist,
            "Gt" => Self::Gt,
            "Lt" => Self::Lt,
            _ => return None,
        })
    }
}

/// One requirement of a term.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

impl Requirement {
    /// Asks for a label of the node.
    pub fn label(key: impl Into<String>, operator: Operator, values: Vec<String>) -> Self {
        Self {
            key: key.into(),
            operator,
            values,
        }
    }

    /// Asks for the node's name (`matchFields` with `metadata.name`).
    pub fn name(operator: Operator, values: Vec<String>) -> Self {
        Self::label(NAME, operator, values)
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let found = labels.get(&self.key);
        let is_named = || found.is_some_and(|found| self.values.contains(found));
        let numbers = || {
            let found: i64 = found?.parse().ok()?;
            let bound: i64 = self.values.first()?.parse().ok()?;
            Some((found, bound))
        };
        match self.operator {
            Operator::In => is_named(),
            Operator::NotIn => !is_named(),
            Operator::Exists => found.is_some(),
            Operator::DoesNotExist => found.is_none(),
            Operator::Gt => numbers().is_some_and(|(found, bound)| found > bound),
            Operator::Lt => numbers().is_some_and(|(found, bound)| found < bound),
        }
    }
}

/// Requirements that must all hold; a term without any matches no node.
pub type Term = Vec<Requirement>;

/// Says whether one of the terms holds.
pub(super) fn matches(terms: &[Term], labels: &BTreeMap<String, String>) -> bool {
    let holds = |term: &Term| !term.is_empty() && term.iter().all(|one| one.holds(labels));
    terms.iter().any(holds)
}
