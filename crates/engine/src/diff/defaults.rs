//! What the API server fills in inside parts that are owned as a whole.
//!
//! Elsewhere a default is a field that nobody owns and never counts. Inside a plain list or a selector there
//! is no ownership by field, so a default looks like a field that Git dropped. The table names those of
//! built-in types, whatever their version: `type field value`, where `*` is any value. It also holds the
//! defaults of key fields, and of lists that an empty list leaves to the API server.

use std::collections::HashMap;
use std::sync::OnceLock;

use driftless_manifest::schema::{Form, Schema};
use serde_json::Value;

const TABLE: &str = r#"
admissionregistration.MatchResources matchPolicy "Equivalent"
admissionregistration.MatchResources namespaceSelector {}
admissionregistration.MatchResources objectSelector {}
admissionregistration.NamedRuleWithOperations scope "*"
admissionregistration.RuleWithOperations scope "*"
autoscaling.HorizontalPodAutoscalerSpec metrics *
batch.PodFailurePolicyOnPodConditionsPattern status "True"
core.ContainerPort protocol "TCP"
core.EndpointPort protocol "TCP"
core.LimitRangeItem default *
core.LimitRangeItem defaultRequest *
core.ObjectFieldSelector apiVersion "v1"
core.PersistentVolumeClaim apiVersion "v1"
core.PersistentVolumeClaim kind "PersistentVolumeClaim"
core.PersistentVolumeClaim status *
core.PersistentVolumeClaimSpec dataSource *
core.PersistentVolumeClaimSpec dataSourceRef *
core.PersistentVolumeClaimSpec resources {}
core.PersistentVolumeClaimSpec volumeMode "Filesystem"
core.ResourceFieldSelector divisor *
core.ServiceAccountTokenProjection expirationSeconds 3600
core.ServicePort protocol "TCP"
core.ServiceSpec clusterIPs *
core.ServiceSpec ipFamilies *
discovery.EndpointPort name ""
discovery.EndpointPort protocol "TCP"
networking.NetworkPolicyPort protocol "TCP"
networking.NetworkPolicySpec policyTypes *
rbac.RoleRef apiGroup "rbac.authorization.k8s.io"
rbac.Subject apiGroup "rbac.authorization.k8s.io"
resource.DeviceSubRequest allocationMode "ExactCount"
resource.DeviceSubRequest count 1
resource.DeviceToleration operator "Equal"
resource.ExactDeviceRequest allocationMode "ExactCount"
resource.ExactDeviceRequest count 1
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
    let name = schema.type_name(*id);
    let (group, kind) = (name.split('.').next(), name.rsplit('.').next());
    let known = table().iter().find(|((known, known_field), _)| {
        *known_field == field && known.split_once('.') == group.zip(kind)
    });
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
        let lines = || TABLE.lines().filter(|line| !line.is_empty());
        assert_eq!(table().len(), lines().count());
        for line in lines() {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            let (group, kind) = words[0].split_once('.').unwrap();
            let known = ["v1", "v2"].iter().any(|version| {
                let shape = schema.named(&format!("{group}.{version}.{kind}"));
                // Status is not in the table of kinds.
                shape.is_some_and(|shape| {
                    words[1] == "status" || shape.field(schema, words[1]).is_some()
                })
            });
            assert!(known, "{line}");
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
