//! Where manifests come from and how they are rendered (argocd-contract §1.1: source).

use std::collections::BTreeMap;

use crate::object::object;
use crate::value::{IntOrString, RawObject};

object! {
    /// One source of manifests: a Git, Helm or OCI repository and what to take from it.
    Source {
        required {
            /// Repository address: Git, Helm repository or `oci://…`.
            #[serde(rename = "repoURL")]
            repo_url: String,
        }
        /// Directory inside a Git or OCI artifact.
        path: String,
        /// Branch, tag, SHA, version, digest or constraint; empty means `HEAD`.
        target_revision: String,
        /// Chart name; present for Helm repositories.
        chart: String,
        /// Name by which other sources refer to this checkout (`$<ref>/path`).
        #[serde(rename = "ref")]
        reference: String,
        /// Label that the CLI and UI use for the source.
        name: String,
        /// Git tags with this prefix are compared with the constraint after it is stripped.
        tag_prefix: String,
        /// Helm options.
        helm: Option<Box<Helm>>,
        /// Kustomize options.
        kustomize: Option<Box<Kustomize>>,
        /// Plain directory options.
        directory: Option<Box<Directory>>,
        /// Config management plugin options.
        plugin: Option<Box<Plugin>>,
    }
}

object! {
    /// Helm options of a source.
    Helm {
        /// Values files, relative to the chart, or `$<ref>/path`.
        value_files: Vec<String>,
        /// Parameters, as `--set`.
        parameters: Vec<HelmParameter>,
        /// Parameters read from files, as `--set-file`.
        file_parameters: Vec<HelmFileParameter>,
        /// Release name; the Application's name when empty.
        release_name: String,
        /// Values as a block of YAML.
        values: String,
        /// Values as an object; wins over `values`.
        values_object: Option<Box<RawObject>>,
        /// Helm version, `v3`; ignored.
        version: String,
        /// Sends credentials to every host that a chart refers to.
        pass_credentials: bool,
        /// Ignores values files that do not exist.
        ignore_missing_value_files: bool,
        /// Leaves out the chart's `crds` folder.
        skip_crds: bool,
        /// Leaves out test hooks.
        skip_tests: bool,
        /// Does not check values against the chart's schema.
        skip_schema_validation: bool,
        /// Namespace to render with; the destination namespace when empty.
        namespace: String,
        /// Kubernetes version to render with; the cluster's when empty.
        kube_version: String,
        /// API versions to render with (`[group/]version/kind`); the cluster's when empty.
        api_versions: Vec<String>,
    }
}

object! {
    /// One Helm parameter.
    HelmParameter {
        /// Path of the value.
        name: String,
        /// Value.
        value: String,
        /// Keeps the value a text, as `--set-string`.
        force_string: bool,
    }
}

object! {
    /// One Helm parameter whose value is a file.
    HelmFileParameter {
        /// Path of the value.
        name: String,
        /// File.
        path: String,
    }
}

object! {
    /// Kustomize options of a source.
    Kustomize {
        /// Prefix for names.
        name_prefix: String,
        /// Suffix for names.
        name_suffix: String,
        /// Image overrides: `[old=]new[:tag][@digest]`.
        images: Vec<String>,
        /// Replica overrides.
        replicas: Vec<KustomizeReplica>,
        /// Labels for every object.
        common_labels: BTreeMap<String, String>,
        /// Annotations for every object.
        common_annotations: BTreeMap<String, String>,
        /// Replaces build variables in annotation values.
        common_annotations_envsubst: bool,
        /// Overwrites labels that exist.
        force_common_labels: bool,
        /// Overwrites annotations that exist.
        force_common_annotations: bool,
        /// Leaves selectors alone when adding labels.
        label_without_selector: bool,
        /// Adds labels to templates although selectors are left alone.
        label_include_templates: bool,
        /// Namespace for every object.
        namespace: String,
        /// Kustomize version to use.
        version: String,
        /// Patches.
        patches: Vec<KustomizePatch>,
        /// Components to add.
        components: Vec<String>,
        /// Ignores components that do not exist.
        ignore_missing_components: bool,
        /// Kubernetes version for charts that are inflated.
        kube_version: String,
        /// API versions for charts that are inflated.
        api_versions: Vec<String>,
    }
}

object! {
    /// One replica override.
    KustomizeReplica {
        required {
            /// Name of the workload.
            name: String,
            /// Number of replicas.
            count: IntOrString,
        }
    }
}

object! {
    /// One patch.
    KustomizePatch {
        /// File that holds the patch.
        path: String,
        /// The patch itself.
        patch: String,
        /// Which objects it applies to.
        target: Option<Box<KustomizeSelector>>,
        /// Options such as `allowNameChange`.
        options: BTreeMap<String, bool>,
    }
}

object! {
    /// Which objects a patch applies to.
    KustomizeSelector {
        /// API group.
        group: String,
        /// API version.
        version: String,
        /// Kind.
        kind: String,
        /// Name, a regular expression.
        name: String,
        /// Namespace, a regular expression.
        namespace: String,
        /// Annotation selector.
        annotation_selector: String,
        /// Label selector.
        label_selector: String,
    }
}

object! {
    /// Plain directory options of a source.
    Directory {
        /// Descends into folders.
        recurse: bool,
        /// Glob of files to take.
        include: String,
        /// Glob of files to leave out; wins over `include`.
        exclude: String,
        /// Takes files whatever their extension.
        disable_extension_filter: bool,
        /// Jsonnet options.
        jsonnet: Option<Box<Jsonnet>>,
    }
}

object! {
    /// Jsonnet options of a directory source.
    Jsonnet {
        /// External variables.
        ext_vars: Vec<JsonnetVariable>,
        /// Top-level arguments.
        tlas: Vec<JsonnetVariable>,
        /// Library folders.
        libs: Vec<String>,
    }
}

object! {
    /// One Jsonnet variable.
    JsonnetVariable {
        required {
            /// Name.
            name: String,
            /// Value.
            value: String,
        }
        /// Whether the value is Jsonnet code.
        code: bool,
    }
}

object! {
    /// Config management plugin options of a source.
    Plugin {
        /// Plugin name; discovered when empty.
        name: String,
        /// Environment.
        env: Vec<EnvEntry>,
        /// Parameters.
        parameters: Vec<PluginParameter>,
    }
}

object! {
    /// One environment variable.
    EnvEntry {
        required {
            /// Name.
            name: String,
            /// Value.
            value: String,
        }
    }
}

object! {
    /// One plugin parameter. Present but empty differs from absent.
    PluginParameter {
        /// Name.
        name: String,
        /// Text value.
        string: Option<String>,
        /// List value.
        array: Option<Vec<String>>,
        /// Map value.
        map: Option<BTreeMap<String, String>>,
    }
}

impl Source {
    /// Says whether the source is a chart of a Helm repository.
    pub fn is_helm_chart(&self) -> bool {
        !self.chart.is_empty()
    }

    /// Says whether other sources refer to this one.
    pub fn is_ref(&self) -> bool {
        !self.reference.is_empty()
    }

    /// Returns the revision to track: `HEAD` when none is named.
    pub fn effective_revision(&self) -> &str {
        if self.target_revision.is_empty() && self.chart.is_empty() {
            "HEAD"
        } else {
            &self.target_revision
        }
    }

    /// Returns the path without a leading `./` or surrounding slashes; `.` is the root.
    pub fn clean_path(&self) -> &str {
        let path = self.path.trim_matches('/');
        let path = path.strip_prefix("./").unwrap_or(path);
        if path == "." { "" } else { path }
    }
}
