//! Which app an object belongs to, by its tracking annotation or label (argocd-contract §2.2).

/// How objects are marked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Method {
    /// The tracking-id annotation.
    #[default]
    Annotation,
    /// The instance label.
    Label,
    /// Both are written; the annotation decides.
    AnnotationAndLabel,
}

/// How apps and objects are tied together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracking {
    /// Marks that count.
    pub method: Method,
    /// Key of the instance label.
    pub label: String,
    /// Set where several control planes share a cluster: objects that carry another id are not ours.
    pub installation_id: Option<String>,
}

impl Default for Tracking {
    fn default() -> Self {
        Self {
            method: Method::Annotation,
            label: "app.kubernetes.io/instance".to_owned(),
            installation_id: None,
        }
    }
}

/// Annotation `<instance>:<group>/<kind>:<namespace>/<name>`.
pub const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// Annotation that names the control plane an object belongs to.
pub const INSTALLATION_ID: &str = "argocd.argoproj.io/installation-id";

/// The marks found on an object.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Marks<'a> {
    pub(super) tracking_id: Option<&'a str>,
    pub(super) label: Option<&'a str>,
    pub(super) installation_id: Option<&'a str>,
}

impl Tracking {
    /// Returns the instance the marks name, if they are this object's own: an annotation that was
    /// copied from another object names other coordinates and does not count.
    pub(super) fn instance<'a>(
        &self,
        marks: Marks<'a>,
        group: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Option<&'a str> {
        match self.method {
            Method::Label => marks.label.filter(|label| !label.is_empty()),
            Method::Annotation | Method::AnnotationAndLabel => {
                if marks.installation_id.unwrap_or_default()
                    != self.installation_id.as_deref().unwrap_or_default()
                {
                    return None;
                }
                let id = TrackingId::parse(marks.tracking_id?)?;
                // Cluster-scoped objects carry the app's destination namespace.
                let same_namespace = namespace.is_empty() || id.namespace == namespace;
                (id.group == group && id.kind == kind && id.name == name && same_namespace)
                    .then_some(id.instance)
            }
        }
    }
}

/// A tracking id taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrackingId<'a> {
    /// App name, or `<namespace>_<name>`.
    pub instance: &'a str,
    /// API group.
    pub group: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Name; may hold colons (RBAC names do).
    pub name: &'a str,
}

impl<'a> TrackingId<'a> {
    /// Reads an annotation's value.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let instance = parts.next().filter(|instance| !instance.is_empty())?;
        let (group, kind) = parts.next()?.split_once('/')?;
        let (namespace, name) = parts.next()?.split_once('/')?;
        Some(Self {
            instance,
            group,
            kind,
            namespace,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(
        tracking: &Tracking,
        marks: Marks<'static>,
        coordinates: [&str; 4],
    ) -> Option<&'static str> {
        let [group, kind, namespace, name] = coordinates;
        tracking.instance(marks, group, kind, namespace, name)
    }

    #[test]
    fn an_annotation_counts_only_on_its_own_object() {
        let tracking = Tracking::default();
        let marks = Marks {
            tracking_id: Some("shop:apps/Deployment:prod/web"),
            ..Marks::default()
        };
        assert_eq!(
            owner(&tracking, marks, ["apps", "Deployment", "prod", "web"]),
            Some("shop")
        );
        assert_eq!(
            owner(&tracking, marks, ["apps", "Deployment", "prod", "copy"]),
            None
        );
        assert_eq!(
            owner(&tracking, marks, ["apps", "ReplicaSet", "prod", "web"]),
            None
        );
        assert_eq!(
            owner(&tracking, marks, ["apps", "Deployment", "dev", "web"]),
            None
        );
        let role = Marks {
            tracking_id: Some("ns_shop:rbac.authorization.k8s.io/ClusterRole:prod/system:web"),
            ..Marks::default()
        };
        let coordinates = ["rbac.authorization.k8s.io", "ClusterRole", "", "system:web"];
        assert_eq!(owner(&tracking, role, coordinates), Some("ns_shop"));
    }

    #[test]
    fn labels_and_installations() {
        let tracking = Tracking {
            method: Method::Label,
            ..Tracking::default()
        };
        let marks = Marks {
            label: Some("shop"),
            ..Marks::default()
        };
        assert_eq!(owner(&tracking, marks, ["", "Pod", "a", "b"]), Some("shop"));
        // The label alone says nothing about the installation.
        let elsewhere = Marks {
            installation_id: Some("two"),
            ..marks
        };
        assert_eq!(
            owner(&tracking, elsewhere, ["", "Pod", "a", "b"]),
            Some("shop")
        );
    }

    #[test]
    fn ids_of_another_installation_are_not_ours() {
        let marks = |installation_id| Marks {
            tracking_id: Some("shop:/Pod:a/b"),
            installation_id,
            ..Marks::default()
        };
        let own = |id: Option<&str>| Tracking {
            installation_id: id.map(str::to_owned),
            ..Tracking::default()
        };
        for (ours, found, owned) in [
            (None, None, true),
            (Some("one"), Some("one"), true),
            (Some("one"), Some("two"), false),
            (Some("one"), None, false),
            (None, Some("one"), false),
        ] {
            let owner = owner(&own(ours), marks(found), ["", "Pod", "a", "b"]);
            assert_eq!(owner.is_some(), owned, "{ours:?} {found:?}");
        }
    }

    #[test]
    fn broken_ids_name_nobody() {
        for text in ["", "shop", "shop:apps/Deployment", ":a/b:c/d", "shop:x:y"] {
            assert_eq!(TrackingId::parse(text), None, "{text}");
        }
    }
}
