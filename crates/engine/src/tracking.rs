//! How an object says which application manages it.

use driftless_core::{AppKey, ResourceKey};
use driftless_manifest::Object;

/// Annotation that names the managing application and the object itself.
pub const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// Annotation that names the installation, where several share a cluster.
pub const INSTALLATION_ID: &str = "argocd.argoproj.io/installation-id";
/// Default label that names the managing application.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Longest value of a label.
const LABEL_LIMIT: usize = 63;

/// Where the application's name is written (`application.resourceTrackingMethod`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Method {
    /// The tracking-id annotation.
    #[default]
    Annotation,
    /// The instance label.
    Label,
    /// The annotation decides, the label is written for others to read.
    AnnotationAndLabel,
}

impl Method {
    /// Reads the setting; empty is the default, an unknown word is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "annotation" => Some(Self::Annotation),
            "label" => Some(Self::Label),
            "annotation+label" => Some(Self::AnnotationAndLabel),
            _ => None,
        }
    }

    fn uses_annotation(self) -> bool {
        self != Self::Label
    }

    fn uses_label(self) -> bool {
        self != Self::Annotation
    }
}

/// How this installation marks its objects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracking {
    /// Where the name is written.
    pub method: Method,
    /// The label key (`application.instanceLabelKey`).
    pub label_key: String,
    /// Installation id, empty when the cluster is not shared.
    pub installation_id: String,
}

impl Default for Tracking {
    fn default() -> Self {
        Self {
            method: Method::default(),
            label_key: INSTANCE_LABEL.into(),
            installation_id: String::new(),
        }
    }
}

/// A parsed tracking id: `<instance>:<group>/<kind>:<namespace>/<name>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackingId {
    /// Instance name of the application.
    pub instance: String,
    /// The object the id was written for.
    pub key: ResourceKey,
}

impl TrackingId {
    /// Reads an id; `None` when the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (instance, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
        let (group, kind) = kind.split_once('/')?;
        let (namespace, name) = name.split_once('/')?;
        Some(Self {
            instance: instance.into(),
            key: ResourceKey::new(group, kind, namespace, name),
        })
    }
}

impl std::fmt::Display for TrackingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = &self.key;
        write!(
            f,
            "{}:{}/{}:{}/{}",
            self.instance, key.group, key.kind, key.namespace, key.name
        )
    }
}

impl Tracking {
    /// Returns the applications that share an object, as `namespace/this and another`, when it is marked as part of
    /// another than `instance`.
    pub fn sharers(&self, live: &Object, instance: &str, app: &AppKey) -> Option<String> {
        let owner = self.instance(live)?;
        // Instance names outside the control-plane namespace are `namespace_name`.
        (owner != instance).then(|| format!("{app} and {}", owner.replace('_', "/")))
    }

    /// Marks `object` as managed by `instance`. For cluster-scoped objects the id carries the destination
    /// namespace. CustomResourceDefinitions get no annotation.
    pub fn mark(&self, object: &mut Object, instance: &str, destination_namespace: &str) {
        let is_crd = object.is("apiextensions.k8s.io", "CustomResourceDefinition");
        if self.method.uses_annotation() && !is_crd {
            let mut key = object.key();
            if key.namespace.is_empty() {
                key.namespace = destination_namespace.into();
            }
            let id = TrackingId {
                instance: instance.into(),
                key,
            };
            object.set_annotation(TRACKING_ID, id.to_string());
            if !self.installation_id.is_empty() {
                object.set_annotation(INSTALLATION_ID, self.installation_id.clone());
            }
        }
        if self.method.uses_label() {
            object.set_label(&self.label_key, truncate(instance));
        }
    }

    /// Returns the instance that manages `object`, `None` when no application does. An id whose
    /// coordinates are another object's was copied and says nothing; the namespace is not compared for
    /// cluster-scoped objects.
    pub fn instance<'a>(&self, object: &'a Object) -> Option<&'a str> {
        if !self.method.uses_annotation() {
            return object
                .label(&self.label_key)
                .filter(|name| !name.is_empty());
        }
        let text = object.annotation(TRACKING_ID)?;
        let id = TrackingId::parse(text)?;
        let own = object.annotation(INSTALLATION_ID).unwrap_or_default();
        if own != self.installation_id {
            return None;
        }
        let same_place = object.namespace().is_empty() || *id.key.namespace == *object.namespace();
        let same = *id.key.group == *object.group()
            && *id.key.kind == *object.kind()
            && *id.key.name == *object.name()
            && same_place;
        same.then(|| text.split(':').next()).flatten()
    }

    /// Says whether `instance` manages `object`. Labels hold at most 63 characters, so a longer instance
    /// name is compared in its cut form.
    pub fn is_managed_by(&self, object: &Object, instance: &str) -> bool {
        match self.instance(object) {
            Some(found) if self.method.uses_annotation() => found == instance,
            Some(found) => found == truncate(instance),
            None => false,
        }
    }

    /// Returns every annotation and label key that tracking writes.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        [TRACKING_ID, INSTALLATION_ID, self.label_key.as_str()].into_iter()
    }
}

/// Cuts an instance name to what a label holds; a cut must not end in punctuation.
fn truncate(instance: &str) -> &str {
    let end = instance
        .char_indices()
        .map(|(index, c)| index + c.len_utf8())
        .take_while(|end| *end <= LABEL_LIMIT)
        .last()
        .unwrap_or_default();
    let cut = instance.get(..end).unwrap_or(instance);
    if end < instance.len() {
        cut.trim_end_matches(['-', '_', '.'])
    } else {
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(namespace: &str) -> Object {
        let mut object = Object::from_value(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}
        }))
        .unwrap();
        object.set_namespace(namespace);
        object
    }

    fn with(method: Method) -> Tracking {
        Tracking {
            method,
            ..Tracking::default()
        }
    }

    #[test]
    fn the_id_names_app_and_object() {
        let mut object = service("web");
        Tracking::default().mark(&mut object, "team_shop", "web");
        let id = object.annotation(TRACKING_ID).unwrap();
        assert_eq!(id, "team_shop:/Service:web/s");
        assert_eq!(TrackingId::parse(id).unwrap().to_string(), id);
        assert_eq!(Tracking::default().instance(&object), Some("team_shop"));
        assert_eq!(object.label(INSTANCE_LABEL), None);
    }

    #[test]
    fn a_copied_id_is_ignored() {
        let mut object = service("web");
        Tracking::default().mark(&mut object, "shop", "web");
        for change in ["group", "name", "namespace", "kind"] {
            let mut copy = object.clone();
            match change {
                "group" => drop(
                    copy.as_map_mut()
                        .insert("apiVersion".into(), "x.io/v1".into()),
                ),
                "kind" => drop(copy.as_map_mut().insert("kind".into(), "Other".into())),
                "name" => copy.set_name("t"),
                _ => copy.set_namespace("elsewhere"),
            }
            assert_eq!(Tracking::default().instance(&copy), None, "{change}");
        }
    }

    #[test]
    fn cluster_scoped_objects_carry_the_destination_namespace() {
        let mut object = service("");
        Tracking::default().mark(&mut object, "shop", "web");
        assert_eq!(object.annotation(TRACKING_ID), Some("shop:/Service:web/s"));
        assert_eq!(Tracking::default().instance(&object), Some("shop"));
    }

    #[test]
    fn another_installation_is_not_ours() {
        let ours = Tracking {
            installation_id: "one".into(),
            ..Tracking::default()
        };
        let mut object = service("web");
        ours.mark(&mut object, "shop", "web");
        assert_eq!(ours.instance(&object), Some("shop"));
        assert_eq!(Tracking::default().instance(&object), None);
    }

    #[test]
    fn labels_are_cut_to_what_they_hold() {
        let name = format!("{}-tail", "a".repeat(62));
        let tracking = with(Method::Label);
        let mut object = service("web");
        tracking.mark(&mut object, &name, "web");
        assert_eq!(object.label(INSTANCE_LABEL).map(str::len), Some(62));
        assert!(tracking.is_managed_by(&object, &name));
        assert!(!tracking.is_managed_by(&object, "other"));
        assert_eq!(object.annotation(TRACKING_ID), None);
    }

    #[test]
    fn both_writes_both_and_the_annotation_decides() {
        let tracking = with(Method::AnnotationAndLabel);
        let mut object = service("web");
        tracking.mark(&mut object, "shop", "web");
        assert_eq!(object.label(INSTANCE_LABEL), Some("shop"));
        object.set_label(INSTANCE_LABEL, "other");
        assert_eq!(tracking.instance(&object), Some("shop"));
        object.remove_annotation(TRACKING_ID);
        assert_eq!(tracking.instance(&object), None);
    }

    #[test]
    fn settings_words_are_known() {
        assert_eq!(Method::parse(""), Some(Method::Annotation));
        assert_eq!(
            Method::parse("annotation+label"),
            Some(Method::AnnotationAndLabel)
        );
        assert_eq!(Method::parse("labels"), None);
    }
}
