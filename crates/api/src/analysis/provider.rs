//! Where a metric's value comes from.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::meta::ObjectMeta;
use crate::object::object;
use crate::value::{IntOrString, RawObject};

object! {
    /// Where a metric's value comes from: exactly one is set.
    ///
    /// `plugin` with the key `driftless.dev/object` is the same as `object`: it survives Argo Rollouts' CRD.
    Provider {
        /// A Prometheus query.
        prometheus: Option<Box<Prometheus>>,
        /// An HTTP request and a path into its JSON answer.
        web: Option<Box<Web>>,
        /// A Job that succeeds or fails.
        job: Option<Box<Job>>,
        /// A field of a Kubernetes object. A provider of Driftless.
        object: Option<Box<ObjectField>>,
        /// A Datadog query.
        datadog: Option<Box<Datadog>>,
        /// A New Relic query.
        new_relic: Option<Box<NewRelic>>,
        /// Amazon CloudWatch queries.
        cloud_watch: Option<Box<CloudWatch>>,
        /// A Wavefront query.
        wavefront: Option<Box<AddressQuery>>,
        /// A Graphite query.
        graphite: Option<Box<AddressQuery>>,
        /// An InfluxDB query.
        influxdb: Option<Box<ProfileQuery>>,
        /// A SkyWalking query.
        skywalking: Option<Box<Skywalking>>,
        /// A Kayenta judgement.
        kayenta: Option<RawObject>,
        /// Providers by name.
        plugin: BTreeMap<String, RawObject>,
    }
}

impl Provider {
    /// Returns the names of the providers that are set, in the order of the fields.
    pub fn named(&self) -> Vec<&str> {
        let known = [
            ("prometheus", self.prometheus.is_some()),
            ("web", self.web.is_some()),
            ("job", self.job.is_some()),
            ("object", self.object.is_some()),
            ("datadog", self.datadog.is_some()),
            ("newRelic", self.new_relic.is_some()),
            ("cloudWatch", self.cloud_watch.is_some()),
            ("wavefront", self.wavefront.is_some()),
            ("graphite", self.graphite.is_some()),
            ("influxdb", self.influxdb.is_some()),
            ("skywalking", self.skywalking.is_some()),
            ("kayenta", self.kayenta.is_some()),
        ];
        let plugins = self.plugin.keys().map(String::as_str);
        let fields = known.into_iter().filter(|(_, set)| *set);
        fields.map(|(name, _)| name).chain(plugins).collect()
    }
}

object! {
    /// A Prometheus query.
    Prometheus {
        /// Address of the server.
        address: String,
        /// The query.
        query: String,
        /// Several queries by name instead of one, for `compare`: `canary.bad`, `canary.total`, `stable.bad`, `stable.total`.
        /// A field of Driftless.
        queries: BTreeMap<String, String>,
        /// Seconds after which an answer is given up; 30 when absent.
        timeout: Option<i64>,
        /// Does not check the server's certificate.
        insecure: bool,
        /// Headers of the request.
        headers: Vec<Header>,
        /// Credentials.
        authentication: Option<Box<Authentication>>,
        /// Asks for a range instead of a point.
        range_query: Option<Box<RangeQuery>>,
    }
}

object! {
    /// Start, end and step of a range query.
    RangeQuery {
        /// Expression for the start.
        start: String,
        /// Expression for the end.
        end: String,
        /// Step.
        step: String,
    }
}

object! {
    /// Credentials of a request.
    Authentication {
        /// AWS signature version 4.
        sigv4: Option<Box<Sigv4>>,
        /// OAuth 2 client credentials.
        oauth2: Option<Box<OAuth2>>,
    }
}

object! {
    /// AWS signature version 4.
    Sigv4 {
        /// Address.
        address: String,
        /// Region.
        region: String,
        /// Profile.
        profile: String,
        /// Role.
        role_arn: String,
    }
}

object! {
    /// OAuth 2 client credentials.
    OAuth2 {
        /// Address of the token endpoint.
        token_url: String,
        /// Client id.
        client_id: String,
        /// Client secret, usually `{{args.…}}` from a Secret.
        client_secret: String,
        /// Scopes.
        scopes: Vec<String>,
    }
}

object! {
    /// A header of a request.
    Header {
        required {
            /// Name.
            key: String,
            /// Value.
            value: String,
        }
    }
}

object! {
    /// An HTTP request and a path into its JSON answer.
    Web {
        required {
            /// Address.
            url: String,
        }
        /// GET (default), POST or PUT.
        method: String,
        /// Headers.
        headers: Vec<Header>,
        /// Body as text.
        body: String,
        /// Body as a JSON object.
        json_body: Option<RawObject>,
        /// Seconds after which an answer is given up; 10 when absent.
        timeout_seconds: Option<i64>,
        /// Path into the answer, such as `{$.data.ok}`; absent means the whole answer.
        json_path: String,
        /// Does not check the server's certificate.
        insecure: bool,
        /// Credentials.
        authentication: Option<Box<Authentication>>,
    }
}

object! {
    /// A Job that succeeds or fails.
    Job {
        required {
            /// Its `spec`.
            spec: RawObject,
        }
        /// Labels and annotations for it.
        metadata: ObjectMeta,
    }
}

impl Default for RawObject {
    fn default() -> Self {
        Self(Value::Object(serde_json::Map::new()))
    }
}

object! {
    /// A field of a Kubernetes object in the rollout's namespace.
    ObjectField {
        required {
            /// Group and version of the object.
            api_version: String,
            /// Kind of the object.
            kind: String,
            /// Name of the object.
            name: String,
        }
        /// Path to the value, such as `{.status.score}`; absent means the whole object.
        json_path: String,
    }
}

object! {
    /// A Datadog query.
    Datadog {
        /// Time span of the query; 5m when absent.
        interval: String,
        /// The query.
        query: String,
        /// Several queries, by name.
        queries: BTreeMap<String, String>,
        /// Formula over several queries.
        formula: String,
        /// `v1` or `v2`.
        api_version: String,
        /// How points become one: avg, min, max, sum, last, percentile, mean, l2norm, area.
        aggregator: String,
        /// Secret with the keys.
        secret_ref: Option<DatadogSecret>,
    }
}

object! {
    /// Secret with Datadog's keys.
    DatadogSecret {
        required {
            /// Name.
            name: String,
        }
        /// Looks in the rollout's namespace.
        namespaced: bool,
    }
}

object! {
    /// A New Relic query.
    NewRelic {
        required {
            /// NRQL.
            query: String,
        }
        /// Name of the Secret with the credentials.
        profile: String,
        /// Seconds after which an answer is given up.
        timeout: Option<i64>,
    }
}

object! {
    /// Amazon CloudWatch queries.
    CloudWatch {
        /// Time span.
        interval: String,
        /// Queries.
        metric_data_queries: Vec<MetricDataQuery>,
    }
}

object! {
    /// One CloudWatch query.
    MetricDataQuery {
        /// Id.
        id: String,
        /// Metric maths.
        expression: String,
        /// Label.
        label: String,
        /// Metric and statistic.
        metric_stat: Option<RawObject>,
        /// Seconds per point.
        period: Option<IntOrString>,
        /// Whether values are returned.
        return_data: Option<bool>,
    }
}

object! {
    /// Address and query.
    AddressQuery {
        /// Address.
        address: String,
        /// Query.
        query: String,
    }
}

object! {
    /// Secret with the credentials, and query.
    ProfileQuery {
        /// Name of the Secret.
        profile: String,
        /// Query.
        query: String,
    }
}

object! {
    /// A SkyWalking query.
    Skywalking {
        /// Address.
        address: String,
        /// Query.
        query: String,
        /// Time span.
        interval: String,
    }
}
