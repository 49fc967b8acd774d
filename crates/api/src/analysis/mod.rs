//! AnalysisTemplate and ClusterAnalysisTemplate of `argoproj.io/v1alpha1`, as Argo Rollouts defines them.
//!
//! Their CRDs belong to Argo Rollouts and are not generated here. Fields that Driftless adds are ignored by Argo
//! Rollouts; where its CRD would drop them, `provider.plugin` carries them (see [`provider::Provider`]).

pub mod provider;

pub use provider::Provider;

use crate::meta::{ListMeta, ObjectMeta};
use crate::object::object;
use crate::value::IntOrString;

object! {
    /// Metrics that judge a new version, and how.
    AnalysisTemplate {
        required {
            /// Metadata.
            metadata: ObjectMeta,
            /// Metrics and arguments.
            spec: AnalysisTemplateSpec,
        }
        /// `argoproj.io/v1alpha1`.
        api_version: String,
        /// `AnalysisTemplate` or `ClusterAnalysisTemplate`.
        kind: String,
    }
}

object! {
    /// A list of templates.
    no_schema AnalysisTemplateList {
        required {
            /// Metadata of the list.
            metadata: ListMeta,
            /// The templates.
            items: Vec<AnalysisTemplate>,
        }
        /// `argoproj.io/v1alpha1`.
        api_version: String,
        /// `AnalysisTemplateList`.
        kind: String,
    }
}

impl AnalysisTemplate {
    /// Kind of a template of a namespace.
    pub const KIND: &'static str = "AnalysisTemplate";
    /// Kind of a template for every namespace.
    pub const CLUSTER_KIND: &'static str = "ClusterAnalysisTemplate";
}

object! {
    /// Metrics and arguments of a template.
    AnalysisTemplateSpec {
        /// Metrics.
        metrics: Vec<Metric>,
        /// Arguments, written `{{args.name}}` in texts of the metrics.
        args: Vec<Argument>,
        /// Metrics that are measured and do not count.
        dry_run: Vec<DryRun>,
        /// How many measurements are kept, by metric.
        measurement_retention: Vec<MeasurementRetention>,
        /// Further templates whose metrics and arguments are taken in.
        templates: Vec<TemplateRef>,
    }
}

object! {
    /// Names a template.
    TemplateRef {
        required {
            /// Name.
            template_name: String,
        }
        /// Takes the ClusterAnalysisTemplate of that name.
        cluster_scope: bool,
    }
}

object! {
    /// One metric: where it comes from and when it is good.
    Metric {
        required {
            /// Name, unique in an analysis.
            name: String,
        }
        /// Where the value comes from.
        provider: Provider,
        /// Time between measurements (`30s`); absent means one measurement.
        interval: String,
        /// Time before the first measurement.
        initial_delay: String,
        /// Number of measurements; absent with an interval means until the analysis ends.
        count: Option<IntOrString>,
        /// Expression over `result` that holds when a measurement is good.
        success_condition: String,
        /// Expression over `result` that holds when a measurement is bad.
        failure_condition: String,
        /// Number of bad measurements that are tolerated; 0 when absent.
        failure_limit: Option<IntOrString>,
        /// Number of inconclusive measurements that are tolerated; 0 when absent.
        inconclusive_limit: Option<IntOrString>,
        /// Number of failed attempts to measure in a row that are tolerated; 4 when absent.
        consecutive_error_limit: Option<IntOrString>,
        /// Number of good measurements in a row that end the metric early.
        consecutive_success_limit: Option<IntOrString>,
        /// What an attempt without data means: `inconclusive` (default) or `fail`. A field of Driftless.
        no_data: String,
        /// Sequential test instead of conditions. A field of Driftless.
        compare: Option<Box<Compare>>,
    }
}

object! {
    /// A sequential test that may be looked at after every measurement.
    ///
    /// The measurement is an object `{"canary": {"bad": 3, "total": 120}, "stable": {"bad": 9, "total": 1100}}`: events
    /// since the measurement before. With `limit`, `stable` is not needed.
    Compare {
        /// Probability of failing a version that is not worse; 0.05 when absent. Shared by all tests of an analysis.
        alpha: Option<f64>,
        /// Factor by which the share of bad events must have grown to be caught in the planned number; 2 when absent.
        detect: Option<f64>,
        /// Canary events before the test can pass; from the theory when absent.
        min_samples: Option<i64>,
        /// Tests against this share instead of against the stable version: `0.05` with bad = slower than the
        /// threshold says that the 95th percentile is below the threshold.
        limit: Option<f64>,
    }
}

object! {
    /// An argument of a template or of an analysis.
    Argument {
        required {
            /// Name.
            name: String,
        }
        /// Value.
        value: Option<String>,
        /// Where the value comes from.
        value_from: Option<Box<ArgumentSource>>,
    }
}

object! {
    /// Where an argument's value comes from.
    ArgumentSource {
        /// Key of a Secret.
        secret_key_ref: Option<SecretKeyRef>,
        /// Field of the rollout.
        field_ref: Option<FieldRef>,
        /// `Latest` for the new version's hash, `Stable` for the old one's.
        pod_template_hash_value: String,
    }
}

object! {
    /// Key of a Secret in the template's namespace.
    SecretKeyRef {
        required {
            /// Name of the Secret.
            name: String,
            /// Key.
            key: String,
        }
    }
}

object! {
    /// Field of an object.
    FieldRef {
        required {
            /// Path, such as `metadata.labels['team']`.
            field_path: String,
        }
    }
}

object! {
    /// A metric that is measured and does not count.
    DryRun {
        required {
            /// Name of the metric; a regular expression in Argo Rollouts, `*` and names here.
            metric_name: String,
        }
    }
}

object! {
    /// How many measurements of a metric are kept.
    MeasurementRetention {
        required {
            /// Name of the metric.
            metric_name: String,
            /// Number.
            limit: i64,
        }
    }
}
