//! The namespace of objects, and of what refers to them.

use std::collections::HashMap;

use super::fields::{Field, Make};
use crate::config::FieldSpec;
use crate::error::{Context as _, Error, Result};
use crate::id::ResId;
use crate::node::{Kind, Node, Scalar, Tag};
use crate::resource::Resource;
use crate::schema::Schemas;
use crate::set::Set;

/// Which subjects of role bindings get the namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Subjects {
    /// Those named `default`.
    #[default]
    DefaultOnly,
    /// All service accounts.
    ServiceAccounts,
    /// None.
    Nobody,
}

impl Subjects {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text {
            "" | "defaultOnly" => Ok(Self::DefaultOnly),
            "allServiceAccounts" => Ok(Self::ServiceAccounts),
            "none" => Ok(Self::Nobody),
            other => Err(Error::new(format!(
                "invalid value {other:?} for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \"allServiceAccounts\""
            ))),
        }
    }
}

/// A namespace, and the fields it goes to.
pub(crate) struct Namespace {
    namespace: String,
    fields: Vec<Field>,
    unset_only: bool,
    subjects: Subjects,
    own: Field,
}

const NAMESPACE_PATH: &str = "metadata/namespace";
const NAME_PATH: &str = "metadata/name";

/// Whether fields that have a value keep it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Existing {
    Replace,
    Keep,
}

impl Namespace {
    pub(crate) fn new(
        namespace: String,
        specs: &[FieldSpec],
        existing: Existing,
        subjects: Subjects,
    ) -> Self {
        Self {
            namespace,
            fields: Field::all(specs),
            unset_only: existing == Existing::Keep,
            subjects,
            own: Field::new(FieldSpec {
                path: NAMESPACE_PATH.to_owned(),
                create: true,
                ..FieldSpec::default()
            }),
        }
    }

    pub(crate) fn run(&self, set: &mut Set, schemas: &mut Schemas) -> Result<()> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        let mut counts: HashMap<String, usize> = HashMap::with_capacity(set.list.len());
        let key = |id: &ResId| format!("{}/{}/{}", id.gvk, id.name, id.effective_namespace());
        for resource in &set.list {
            *counts.entry(key(resource.id())).or_default() += 1;
        }
        for at in 0..set.list.len() {
            let Some(resource) = set.list.get_mut(at) else {
                continue;
            };
            if resource.node().is_empty() || resource.marks.helm {
                continue;
            }
            resource.store_previous();
            let before = key(resource.id());
            self.apply(resource, schemas)?;
            let after = key(resource.id());
            if after != before {
                if let Some(count) = counts.get_mut(&before) {
                    *count -= 1;
                }
                *counts.entry(after.clone()).or_default() += 1;
            }
            if counts.get(&after).copied().unwrap_or_default() != 1 {
                let same = set.list.iter().filter(|one| key(one.id()) == after);
                let shown: Vec<String> = same.map(Resource::shown_json).collect();
                return Err(Error::new(format!(
                    "namespace transformation produces ID conflict: [{}]",
                    shown.join(" ")
                )));
            }
        }
        Ok(())
    }

    /// Sets the namespace of one object.
    pub(crate) fn apply(&self, resource: &mut Resource, schemas: &mut Schemas) -> Result<()> {
        let id = resource.id().clone();
        let in_core_v1 = id.gvk.group.is_empty() && id.gvk.version == "v1";
        let is_binding = matches!(id.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
        resource.edit(schemas, |node| -> Result<()> {
            if !id.cluster {
                self.own
                    .visit(node, &Make::Scalar(Tag::None), &mut |place| self.set(place))?;
            }
            if is_binding {
                self.set_subjects(node)?;
            }
            for field in &self.fields {
                let spec = &field.spec;
                if spec.path == NAMESPACE_PATH
                    || (!in_core_v1 && spec.path == NAME_PATH)
                    || (is_binding
                        && spec.path == "subjects/namespace"
                        && matches!(spec.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding"))
                {
                    continue;
                }
                field
                    .apply(node, &Make::Scalar(Tag::Str), &mut |place| self.set(place))
                    .context(|| "namespace transformation failed")?;
            }
            Ok(())
        })
    }

    fn set(&self, place: &mut Node) -> Result<()> {
        if self.unset_only && !place.value().is_empty() {
            return Ok(());
        }
        place.set_scalar(&Scalar::string(self.namespace.as_str()))
    }

    fn set_subjects(&self, node: &mut Node) -> Result<()> {
        if self.subjects == Subjects::Nobody {
            return Ok(());
        }
        let Some(subjects) = node
            .get_mut("subjects")
            .filter(|subjects| !subjects.is_null())
        else {
            return Ok(());
        };
        subjects.expect(Kind::Seq)?;
        let Node::Seq(subjects) = subjects else {
            return Ok(());
        };
        let (field, wanted) = match self.subjects {
            Subjects::ServiceAccounts => ("kind", "ServiceAccount"),
            _ => ("name", "default"),
        };
        for subject in subjects {
            if subject
                .get(field)
                .is_none_or(|value| value.value() != wanted)
            {
                continue;
            }
            let map = subject.become_map();
            if map.get("namespace").is_none() {
                map.push("namespace", Node::untyped(""));
            }
            if let Some(place) = map.get_mut("namespace") {
                self.set(place)
                    .context(|| "setting namespace on (cluster)role binding subjects")?;
            }
        }
        Ok(())
    }
}
