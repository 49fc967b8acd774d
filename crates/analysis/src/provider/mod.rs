//! Where values come from: one trait, and a module for each provider.
//!
//! A source that is down, slow, or answers with something else gives an error; one that has nothing gives an empty
//! value, which no condition takes for good.

mod authentication;
mod aws;
mod cloud_watch;
mod datadog;
mod graphite;
mod influxdb;
mod job;
mod new_relic;
mod object;
mod prometheus;
mod range;
mod web;

use std::sync::Arc;

use async_trait::async_trait;
use driftless_core::{Class, Classify};
use driftless_kube::{Cluster, WriteCtx};
use driftless_rollout::Value;
use jiff::Timestamp;

pub use aws::{Aws, Credentials as AwsCredentials};
pub use job::Owner;

use crate::http::{Http, Reach};
use crate::source::{MetricSource, OBJECT_PLUGIN};

/// Why a metric could not be measured. No message holds a value of a Secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MeasureError {
    /// The source may not be asked, or cannot be asked like that.
    #[error("{0}")]
    Refused(String),
    /// The source does not answer, or not in time.
    #[error("{0}")]
    Unreachable(String),
    /// The source says no.
    #[error("the source answers {status}: {words}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The source's own words.
        words: String,
    },
    /// The source answers something that is no measurement.
    #[error("{0}")]
    Answer(String),
    /// The cluster could not be read or written.
    #[error("{0}")]
    Cluster(String),
}

impl Classify for MeasureError {
    fn class(&self) -> Class {
        match self {
            Self::Refused(_) | Self::Answer(_) => Class::User,
            Self::Status {
                status: 401 | 403, ..
            } => Class::Denied,
            Self::Status { status, .. } if *status < 500 && *status != 429 => Class::User,
            Self::Unreachable(_) | Self::Status { .. } | Self::Cluster(_) => Class::Transient,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Refused(_) => "MetricSourceRefused",
            Self::Unreachable(_) => "MetricSourceUnreachable",
            Self::Status { .. } => "MetricSourceStatus",
            Self::Answer(_) => "MetricSourceAnswer",
            Self::Cluster(_) => "MetricSourceCluster",
        }
    }
}

impl MeasureError {
    fn masked(self, source: &MetricSource) -> Self {
        match self {
            Self::Refused(text) => Self::Refused(source.masked(&text)),
            Self::Unreachable(text) => Self::Unreachable(source.masked(&text)),
            Self::Status { status, words } => Self::Status {
                status,
                words: source.masked(&words),
            },
            Self::Answer(text) => Self::Answer(source.masked(&text)),
            Self::Cluster(text) => Self::Cluster(source.masked(&text)),
        }
    }
}

/// On whose behalf a metric is measured.
#[derive(Clone)]
pub struct Ctx {
    /// The time.
    pub now: Timestamp,
    /// The cluster of the rollout, for Jobs and objects.
    pub cluster: Option<Arc<Cluster>>,
    /// Authorises writes: Jobs.
    pub write: WriteCtx,
    /// The rollout: it owns what is created, and its namespace is the only one that is read.
    pub owner: Owner,
    /// Names the attempt, the same after a restart: `target/version/analysis/metric/` and the number of measurements so far.
    pub attempt: String,
}

/// Measures metrics.
#[async_trait]
pub trait Measure: Send + Sync {
    /// Measures one metric once. It may take as long as a Job does: run it in a task of its own.
    async fn measure(&self, source: &MetricSource, ctx: &Ctx) -> Result<Value, MeasureError>;

    /// Ends what measurements left at work: Jobs of the rollout whose attempt begins with the one that is named.
    async fn stop(&self, ctx: &Ctx) -> Result<(), MeasureError>;
}

/// How metric sources are asked.
#[derive(Clone, Default, Debug)]
pub struct Options {
    /// Which hosts may be asked.
    pub reach: Reach,
    /// Prometheus for metrics that name none.
    pub prometheus: String,
    /// Region and credentials for CloudWatch and for requests signed for AWS.
    pub aws: Option<Aws>,
}

impl Options {
    /// Reads what the environment of the process says: `DRIFTLESS_PROMETHEUS` (or Argo Rollouts'
    /// `ARGO_ROLLOUTS_PROMETHEUS_ADDRESS`), `DRIFTLESS_LOCAL_METRIC_SOURCES`, and the variables of AWS' own tools.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let prometheus = variable("DRIFTLESS_PROMETHEUS")
            .or_else(|| variable("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS"));
        let local = variable("DRIFTLESS_LOCAL_METRIC_SOURCES");
        let reach = match local.as_deref() {
            Some("true" | "1") => Reach::ThisMachine,
            _ => Reach::Network,
        };
        Self {
            reach,
            prometheus: prometheus.unwrap_or_default(),
            aws: Aws::from_variables(variable),
        }
    }
}

/// All providers.
pub struct Providers {
    pub(crate) http: Http,
    pub(crate) options: Options,
    tokens: authentication::Tokens,
}

impl Providers {
    /// Makes the providers of a process.
    pub fn new(options: Options) -> Self {
        Self {
            http: Http::new(options.reach),
            options,
            tokens: authentication::Tokens::default(),
        }
    }

    async fn ask(&self, source: &MetricSource, ctx: &Ctx) -> Result<Value, MeasureError> {
        let spec = source.spec.expose();
        if let Some(spec) = &spec.prometheus {
            return prometheus::measure(self, spec, ctx).await;
        }
        if let Some(spec) = &spec.web {
            return web::measure(self, spec, ctx.now).await;
        }
        if let Some(spec) = &spec.job {
            return job::measure(spec, &source.metric, ctx).await;
        }
        if let Some(spec) = &spec.datadog {
            return datadog::measure(self, spec, &source.keys, ctx.now).await;
        }
        if let Some(spec) = &spec.new_relic {
            return new_relic::measure(self, spec, &source.keys).await;
        }
        if let Some(spec) = &spec.cloud_watch {
            return cloud_watch::measure(self, spec, ctx.now).await;
        }
        if let Some(spec) = &spec.graphite {
            return graphite::measure(self, spec).await;
        }
        if let Some(spec) = &spec.influxdb {
            return influxdb::measure(self, spec, &source.keys).await;
        }
        if let Some(spec) = object::spec(spec).map_err(MeasureError::Refused)? {
            return object::measure(&spec, ctx).await;
        }
        let message = format!("the provider {} is not supported", source.provider);
        Err(MeasureError::Refused(message))
    }
}

#[async_trait]
impl Measure for Providers {
    async fn measure(&self, source: &MetricSource, ctx: &Ctx) -> Result<Value, MeasureError> {
        match self.ask(source, ctx).await {
            Ok(value) => Ok(masked(source, value)),
            Err(error) => Err(error.masked(source)),
        }
    }

    async fn stop(&self, ctx: &Ctx) -> Result<(), MeasureError> {
        job::stop(ctx).await
    }
}

/// Hides values of Secrets that a source sends back.
fn masked(source: &MetricSource, value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(source.masked(&text)),
        Value::List(items) => {
            Value::List(items.into_iter().map(|item| masked(source, item)).collect())
        }
        Value::Map(map) => {
            let entries = map.into_iter();
            Value::Map(
                entries
                    .map(|(key, item)| (source.masked(&key), masked(source, item)))
                    .collect(),
            )
        }
        other => other,
    }
}

/// Says what is wrong with a source, as far as that can be known without asking it.
pub(crate) fn check(source: &MetricSource) -> Result<(), String> {
    let spec = source.spec.expose();
    let name = source.provider.as_str();
    if let Some(spec) = &spec.prometheus {
        return prometheus::check(spec, source.counts);
    }
    if let Some(spec) = &spec.web {
        return web::check(spec);
    }
    if let Some(spec) = &spec.job {
        return job::check(spec);
    }
    if let Some(spec) = &spec.datadog {
        return datadog::check(spec);
    }
    if let Some(spec) = &spec.new_relic {
        return new_relic::check(spec);
    }
    if let Some(spec) = &spec.cloud_watch {
        return cloud_watch::check(spec);
    }
    if let Some(spec) = &spec.graphite {
        return graphite::check(spec);
    }
    if let Some(spec) = &spec.influxdb {
        return influxdb::check(spec);
    }
    if let Some(spec) = object::spec(spec)? {
        return object::check(&spec);
    }
    Err(match name {
        "kayenta" | "wavefront" | "skywalking" => format!(
            "the provider {name} is not supported: use prometheus, or ask another system with web or job"
        ),
        _ => format!(
            "the provider plugin {name} is not supported: programs are not loaded; use {OBJECT_PLUGIN}, web or job"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_process() {
        let options = Options::from_variables(|name| match name {
            "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS" => Some("http://prometheus:9090".to_owned()),
            "DRIFTLESS_LOCAL_METRIC_SOURCES" => Some("true".to_owned()),
            _ => None,
        });
        assert_eq!(options.prometheus, "http://prometheus:9090");
        assert_eq!(options.reach, Reach::ThisMachine);
        assert!(options.aws.is_none());
        let nothing = Options::from_variables(|_| None);
        assert_eq!(nothing.reach, Reach::Network);
    }
}
