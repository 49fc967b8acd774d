//! What the API server fills in inside parts that are owned as a whole.
//!
//! Elsewhere a default is a field that nobody owns and never counts. Inside a plain list or a selector there
//! is no ownership by field, so a default looks like a field that Git dropped. The table names those of
//! built-in types: `type field value`, where `*` is any value. It also holds the defaults of key fields.

use std::collections::HashMap;
use std::sync::OnceLock;

use driftless_manifest::schema::{Form, Schema};
use serde_json::Value;

const TABLE: &str = r#"
admissionregistration.v1.NamedRuleWithOperations scope "*"
admissionregistration.v1.RuleWithOperations scope "*"
batch.v1.PodFailurePolicyOnPodConditionsPattern status "True"
core.v1.ContainerPort protocol "TCP"
core.v1.EndpointPort protocol "TCP"
core.v1.LimitRangeItem default *
core.v1.LimitRangeItem defaultRequest *
core.v1.ObjectFieldSelector apiVersion "v1"
core.v1.PersistentVolumeClaim apiVersion "v1"
core.v1.PersistentVolumeClaim kind "PersistentVolumeClaim"
core.v1.PersistentVolumeClaim status *
core.v1.PersistentVolumeClaimSpec dataSource *
core.v1.PersistentVolumeClaimSpec dataSourceRef *
core.v1.PersistentVolumeClaimSpec volumeMode "Filesystem"
core.v1.ResourceFieldSelector divisor *
core.v1.ServiceAccountTokenProjection expirationSeconds 3600
core.v1.ServicePort protocol "TCP"
discovery.v1.EndpointPort name ""
discovery.v1.EndpointPort protocol "TCP"
networking.v1.NetworkPolicyPort protocol "TCP"
rbac.v1.RoleRef apiGroup "rbac.authorization.k8s.io"
rbac.v1.Subject apiGroup "rbac.authorization.k8s.io"
resource.v1.DeviceSubRequest allocationMode "ExactCount"
resource.v1.DeviceSubRequest count 1
resource.v1.DeviceToleration operator "Equal"
resource.v1.ExactDeviceRequest allocationMode "ExactCount"
resource.v1.ExactDeviceRequest count 1
"#;

type Table = HashMap<(&'static str, &'static str), Option<Value>>;

fn table() -> &'static Table {
    static PARSED: OnceLock<Table> = OnceLock::new();
    PARSED.get_or_init(|| {
        let lines = TABLE.lines().filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            let key = (words.next()?, words.next()?);
            let value = words.next()?;
            let value = (value != "*")
                .then(|| serde_json::from_str(value))
                .transpose();
            Some((key, value.ok()?))
        });
        lines.collect()
    })
}

/// Says whether the API server fills in `field` of a mapping of this form with `value`.
pub(super) fn fills_in(schema: &Schema, parent: Option<&Form>, field: &str, value: &Value) -> bool {
    let Some(Form::Object(id)) = parent else {
        return false;
    };
    let known = table()
        .iter()
        .find(|((name, known), _)| *name == schema.type_name(*id) && *known == field);
    known.is_some_and(|(_, default)| default.as_ref().is_none_or(|default| default == value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_manifest::schema::builtin;
    use serde_json::json;

    #[test]
    fn every_line_names_a_field_of_the_schema() {
        let schema = builtin();
        assert_eq!(
            table().len(),
            TABLE.lines().filter(|line| !line.is_empty()).count()
        );
        for line in TABLE.lines().filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            let shape = schema.named(words[0]).unwrap_or_else(|| panic!("{line}"));
            // Status is not in the table of kinds.
            assert!(
                words[1] == "status" || shape.field(schema, words[1]).is_some(),
                "{line}"
            );
        }
    }

    #[test]
    fn values_matter_unless_any_will_do() {
        let schema = builtin();
        let port = schema.named("networking.v1.NetworkPolicyPort").unwrap();
        assert!(fills_in(
            schema,
            Some(&port.form),
            "protocol",
            &json!("TCP")
        ));
        assert!(!fills_in(
            schema,
            Some(&port.form),
            "protocol",
            &json!("UDP")
        ));
        assert!(!fills_in(schema, None, "protocol", &json!("TCP")));
    }
}
