//! The steps. Names are Argo Rollouts' own where the meaning is the same.

use std::collections::BTreeMap;

use crate::analysis::{Argument, DryRun, MeasurementRetention, Metric, TemplateRef};
use crate::object::object;
use crate::value::IntOrString;

object! {
    /// Canary or blue-green: exactly one is set.
    Strategy {
        /// Traffic moves in steps.
        canary: Option<Box<Canary>>,
        /// Traffic moves at once, after tests on a preview.
        blue_green: Option<Box<BlueGreen>>,
    }
}

object! {
    /// Traffic moves in steps. After the last one the new version takes everything.
    Canary {
        /// The steps.
        steps: Vec<Step>,
        /// Analysis in the background, from the first weight on, or from `startingStep`.
        analysis: Option<Box<BackgroundAnalysis>>,
        /// Service of the stable version, for plain workloads.
        stable_service: String,
        /// Service of the new version, for plain workloads.
        canary_service: String,
        /// What routes traffic; found from the target's kind when absent.
        traffic_routing: Option<Box<TrafficRouting>>,
        /// Seconds for which the old version stays after all traffic has moved; 30 when absent.
        scale_down_delay_seconds: Option<i64>,
        /// Seconds for which the new version stays after an abort; 0 when absent.
        abort_scale_down_delay_seconds: Option<i64>,
    }
}

object! {
    /// Traffic moves at once, after tests on a preview.
    BlueGreen {
        /// Service that users reach.
        active_service: String,
        /// Service of the preview.
        preview_service: String,
        /// Number of pods of the preview before the switch; as many as the active version has when absent.
        preview_replica_count: Option<i64>,
        /// Waits for a person before the switch when false.
        auto_promotion_enabled: Option<bool>,
        /// Seconds after which the switch happens by itself.
        auto_promotion_seconds: Option<i64>,
        /// Analysis before the switch.
        pre_promotion_analysis: Option<Box<Analysis>>,
        /// Analysis after the switch, while the old version is kept.
        post_promotion_analysis: Option<Box<Analysis>>,
        /// Seconds for which the old version stays after the switch; 30 when absent.
        scale_down_delay_seconds: Option<i64>,
        /// Seconds for which the new version stays after an abort; 0 when absent.
        abort_scale_down_delay_seconds: Option<i64>,
        /// What routes traffic; found from the target's kind when absent.
        traffic_routing: Option<Box<TrafficRouting>>,
    }
}

object! {
    /// One step: exactly one field is set.
    Step {
        /// Share of traffic for the new version, 0 to 100.
        set_weight: Option<i64>,
        /// A pause.
        pause: Option<Pause>,
        /// An analysis that must succeed.
        analysis: Option<Box<Analysis>>,
        /// Number of pods of the new version, apart from its weight.
        #[serde(alias = "setScale")]
        set_canary_scale: Option<SetScale>,
        /// Requests to the new version before it takes traffic.
        warmup: Option<Warmup>,
        /// Sends requests with certain headers to the new version.
        #[serde(alias = "setHeader")]
        set_header_route: Option<SetHeaderRoute>,
        /// Sends copies of requests to the new version; its answers are dropped.
        #[serde(alias = "mirror")]
        set_mirror_route: Option<SetMirrorRoute>,
    }
}

impl Step {
    /// Returns the names of the fields that are set.
    pub fn named(&self) -> Vec<&'static str> {
        [
            ("setWeight", self.set_weight.is_some()),
            ("pause", self.pause.is_some()),
            ("analysis", self.analysis.is_some()),
            ("setCanaryScale", self.set_canary_scale.is_some()),
            ("warmup", self.warmup.is_some()),
            ("setHeaderRoute", self.set_header_route.is_some()),
            ("setMirrorRoute", self.set_mirror_route.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, set)| set.then_some(name))
        .collect()
    }
}

object! {
    /// A pause, until a person approves when it has no duration.
    Pause {
        /// Seconds, or a text such as `10m`.
        duration: Option<IntOrString>,
    }
}

object! {
    /// Number of pods of the new version: one field is set.
    SetScale {
        /// Number of pods.
        replicas: Option<i64>,
        /// Share of the full number, 0 to 100.
        weight: Option<i64>,
        /// Follows the weight of traffic again.
        match_traffic_weight: bool,
    }
}

object! {
    /// Requests to the new version before it takes traffic.
    Warmup {
        /// Number of requests; 1 when absent.
        requests: Option<i64>,
        /// Share that must succeed; 1 when absent.
        success_rate: Option<f64>,
        /// Time after which the step has failed; 5m when absent.
        timeout: String,
        /// Path of the request; found from the target's kind when absent.
        path: String,
        /// Body of the request.
        body: String,
    }
}

object! {
    /// Sends requests with certain headers to the new version. Without `match` the route of that name ends.
    SetHeaderRoute {
        required {
            /// Name.
            name: String,
        }
        /// All of these must match.
        r#match: Vec<HeaderMatch>,
    }
}

object! {
    /// A header and its value.
    HeaderMatch {
        required {
            /// Name of the header.
            header_name: String,
        }
        /// Value.
        header_value: StringMatch,
    }
}

object! {
    /// A text to compare with: one field is set.
    StringMatch {
        /// The whole text.
        exact: String,
        /// Its beginning.
        prefix: String,
        /// A regular expression.
        regex: String,
    }
}

object! {
    /// Sends copies of requests to the new version; its answers are dropped. With neither `percentage` nor `match`, or with
    /// `percentage` 0, the route of that name ends.
    SetMirrorRoute {
        required {
            /// Name.
            name: String,
        }
        /// Share of requests that are copied, 0 to 100; all of them when absent.
        percentage: Option<i64>,
        /// Requests that are copied: those for which one of these holds; all when absent.
        r#match: Vec<RouteMatch>,
    }
}

impl SetMirrorRoute {
    /// Returns the share of requests that are copied; 0 ends the route.
    pub fn share(&self) -> i64 {
        let all = if self.r#match.is_empty() { 0 } else { 100 };
        self.percentage.unwrap_or(all)
    }
}

object! {
    /// What a request looks like: all that is set must hold.
    RouteMatch {
        /// Its method.
        method: Option<StringMatch>,
        /// Its path.
        path: Option<StringMatch>,
        /// Its headers, by name.
        headers: BTreeMap<String, StringMatch>,
    }
}

object! {
    /// Names a route that a rollout makes.
    ManagedRoute {
        required {
            /// Name.
            name: String,
        }
    }
}

object! {
    /// An analysis that must succeed.
    Analysis {
        /// Templates whose metrics are measured.
        templates: Vec<TemplateRef>,
        /// Metrics written in place. A field of Driftless.
        metrics: Vec<Metric>,
        /// Values for the templates' arguments.
        args: Vec<Argument>,
        /// Metrics that are measured and do not count.
        dry_run: Vec<DryRun>,
        /// How many measurements are kept, by metric.
        measurement_retention: Vec<MeasurementRetention>,
    }
}

object! {
    /// An analysis beside the steps.
    BackgroundAnalysis {
        /// Templates whose metrics are measured.
        templates: Vec<TemplateRef>,
        /// Metrics written in place. A field of Driftless.
        metrics: Vec<Metric>,
        /// Values for the templates' arguments.
        args: Vec<Argument>,
        /// Metrics that are measured and do not count.
        dry_run: Vec<DryRun>,
        /// How many measurements are kept, by metric.
        measurement_retention: Vec<MeasurementRetention>,
        /// First step with which it runs; from the first weight on when absent.
        starting_step: Option<i64>,
    }
}

impl BackgroundAnalysis {
    /// Returns it without its first step.
    pub fn to_analysis(&self) -> Analysis {
        Analysis {
            templates: self.templates.clone(),
            metrics: self.metrics.clone(),
            args: self.args.clone(),
            dry_run: self.dry_run.clone(),
            measurement_retention: self.measurement_retention.clone(),
            ..Analysis::default()
        }
    }
}

object! {
    /// What routes traffic: at most one is set.
    TrafficRouting {
        /// A Gateway API HTTPRoute.
        http_route: Option<RouteRef>,
        /// An Istio VirtualService.
        virtual_service: Option<RouteRef>,
        /// An ingress of NGINX.
        nginx: Option<NginxRouting>,
        /// By the number of pods behind one Service.
        replicas: Option<crate::value::RawObject>,
        /// Routes of `setHeaderRoute` and `setMirrorRoute`: the first one that matches takes a request, and all of them come
        /// before other rules. In the order of the steps when absent.
        managed_routes: Vec<ManagedRoute>,
    }
}

object! {
    /// Names a route object.
    RouteRef {
        required {
            /// Name.
            name: String,
        }
        /// Routes inside it; all that name the stable service when empty.
        routes: Vec<String>,
    }
}

object! {
    /// An ingress of NGINX.
    NginxRouting {
        required {
            /// The ingress of the stable version.
            stable_ingress: String,
        }
    }
}
