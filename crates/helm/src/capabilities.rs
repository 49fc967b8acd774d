//! `.Capabilities`: what the cluster can do, as far as the render is told.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use driftless_gotemplate::{Fault, Object, Value};

/// The version this renderer behaves like.
pub(crate) const HELM_VERSION: &str = "v4.3.1";

/// API versions Helm assumes when it is told of no cluster.
const API_VERSIONS: [&str; 57] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

/// A Kubernetes version as templates see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeVersion {
    version: String,
    normalized: String,
    major: String,
    minor: String,
}

impl Default for KubeVersion {
    fn default() -> Self {
        Self {
            version: "v1.37.0".to_owned(),
            normalized: "v1.37.0".to_owned(),
            major: "1".to_owned(),
            minor: "37".to_owned(),
        }
    }
}

impl KubeVersion {
    /// Reads a version such as `v1.33.4-gke.1245000`; patch and what follows are optional.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fail = || format!("invalid kube version '{text}': could not parse {text:?} as version");
        let plain = text.trim_start();
        let plain = plain.strip_prefix('v').unwrap_or(plain);
        let end = plain
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(plain.len());
        let numbers = plain.get(..end).unwrap_or_default().trim_end_matches('.');
        let parts: Vec<&str> = numbers.split('.').collect();
        let leading_zero = |part: &&str| part.len() > 1 && part.starts_with('0');
        if parts.len() < 2
            || parts
                .iter()
                .any(|part| part.is_empty() || leading_zero(part))
        {
            return Err(fail());
        }
        let mut components: Vec<u64> = Vec::new();
        for part in &parts {
            components.push(part.parse().map_err(|_| fail())?);
        }
        let shown: Vec<String> = components.iter().map(ToString::to_string).collect();
        Ok(Self {
            version: if text.starts_with('v') {
                text.to_owned()
            } else {
                format!("v{text}")
            },
            normalized: format!("v{}", shown.join(".")),
            major: shown.first().cloned().unwrap_or_default(),
            minor: shown.get(1).cloned().unwrap_or_default(),
        })
    }

    /// Returns the version as given, with a `v`.
    pub fn as_str(&self) -> &str {
        &self.version
    }

    /// Returns the version for comparisons: numbers alone.
    pub(crate) fn normalized(&self) -> &str {
        &self.normalized
    }
}

/// What the cluster can do.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Its version.
    pub kube_version: KubeVersion,
    /// `group/version` and `group/version/Kind` it serves.
    pub api_versions: Vec<String>,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            kube_version: KubeVersion::default(),
            api_versions: API_VERSIONS.map(str::to_owned).to_vec(),
        }
    }
}

impl Capabilities {
    /// Returns `.Capabilities`, which notes what is asked of the API versions.
    pub(crate) fn to_value(&self, asked: &Rc<RefCell<Asked>>) -> Value {
        Value::Object(Rc::new(Whole {
            kube_version: Value::Object(Rc::new(self.kube_version.clone())),
            api_versions: Value::Object(Rc::new(VersionSet {
                versions: self.api_versions.clone(),
                asked: asked.clone(),
            })),
            helm_version: Value::Object(Rc::new(HelmVersion)),
        }))
    }
}

struct Whole {
    kube_version: Value,
    api_versions: Value,
    helm_version: Value,
}

impl Object for Whole {
    fn type_name(&self) -> &'static str {
        "*common.Capabilities"
    }

    fn kind_name(&self) -> &'static str {
        "ptr"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "KubeVersion" => Some(self.kube_version.clone()),
            "APIVersions" => Some(self.api_versions.clone()),
            "HelmVersion" => Some(self.helm_version.clone()),
            _ => None,
        }
    }

    fn to_plain(&self) -> Value {
        Value::map([
            ("KubeVersion", self.kube_version.clone()),
            ("APIVersions", self.api_versions.clone()),
            ("HelmVersion", self.helm_version.clone()),
        ])
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Object for KubeVersion {
    fn type_name(&self) -> &'static str {
        "common.KubeVersion"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Version" => Some(Value::str(&self.version)),
            "Major" => Some(Value::str(&self.major)),
            "Minor" => Some(Value::str(&self.minor)),
            _ => None,
        }
    }

    fn call(&self, name: &str, _args: &[Value]) -> Option<Result<Value, Fault>> {
        match name {
            "GitVersion" => Some(Ok(Value::str(&self.version))),
            "String" => Some(Ok(Value::str(&self.normalized))),
            _ => None,
        }
    }

    fn display(&self) -> String {
        format!(
            "{{{} {} {} {}}}",
            self.version, self.normalized, self.major, self.minor
        )
    }

    fn to_plain(&self) -> Value {
        Value::map([
            ("Version", Value::str(&self.version)),
            ("Major", Value::str(&self.major)),
            ("Minor", Value::str(&self.minor)),
        ])
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Which API versions the templates of a render asked for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Asked {
    /// Names given to `.Capabilities.APIVersions.Has`.
    pub names: BTreeSet<String>,
    /// Whether the list itself was looked at.
    pub all: bool,
}

struct VersionSet {
    versions: Vec<String>,
    asked: Rc<RefCell<Asked>>,
}

impl VersionSet {
    fn all(&self) -> &[String] {
        self.asked.borrow_mut().all = true;
        &self.versions
    }

    fn has(&self, wanted: &str) -> bool {
        let mut asked = self.asked.borrow_mut();
        if !asked.names.contains(wanted) {
            asked.names.insert(wanted.to_owned());
        }
        self.versions.iter().any(|known| known == wanted)
    }
}

impl Object for VersionSet {
    fn type_name(&self) -> &'static str {
        "common.VersionSet"
    }

    fn kind_name(&self) -> &'static str {
        "slice"
    }

    fn call(&self, name: &str, args: &[Value]) -> Option<Result<Value, Fault>> {
        if name != "Has" {
            return None;
        }
        Some(match args {
            [Value::Str(wanted)] => Ok(Value::Bool(self.has(wanted))),
            [other] => Err(Fault::new(format!(
                "wrong type for value; expected string; got {}",
                other.type_name()
            ))),
            _ => Err(Fault::new(format!(
                "wrong number of args for Has: want 1 got {}",
                args.len()
            ))),
        })
    }

    fn is_true(&self) -> bool {
        !self.all().is_empty()
    }

    fn len(&self) -> Option<usize> {
        Some(self.all().len())
    }

    fn to_plain(&self) -> Value {
        Value::strings(self.all().iter().map(String::as_str))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct HelmVersion;

impl Object for HelmVersion {
    fn type_name(&self) -> &'static str {
        "version.BuildInfo"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Version" => Some(Value::str(HELM_VERSION)),
            "GitCommit" | "GitTreeState" | "GoVersion" => Some(Value::str("")),
            "KubeClientVersion" => Some(Value::str("v1.37")),
            _ => None,
        }
    }

    fn display(&self) -> String {
        format!("{{{HELM_VERSION}    v1.37}}")
    }

    fn to_plain(&self) -> Value {
        Value::map([
            ("version", Value::str(HELM_VERSION)),
            ("kube_client_version", Value::str("v1.37")),
        ])
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
