//! Keeps what changes all the time from costing more than a bounded amount.
//!
//! Updates that the settings call irrelevant are passed over (`ignoreResourceUpdates`). Beyond that each application has
//! a bucket of tokens: an update of an object takes one, and without one the look at the application waits for the next.
//! Operations, refreshes and Git are not slowed down. Who talks most is a metric, `driftless_top_talkers`.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use driftless_core::{AppKey, ClusterUrl, ResourceKey};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::family::Family;
use tokio::time::Instant;

/// Looks that may follow each other without a pause.
const BURST: f64 = 30.0;
/// Looks per second in the long run.
const RATE: f64 = 0.5;
/// Objects that are counted; when there are more, the quietest makes room.
const COUNTED: usize = 200;
/// Objects that are shown.
const SHOWN: usize = 20;
/// Objects whose last relevant state is remembered.
const REMEMBERED: usize = 100_000;

/// Paces looks at applications.
#[derive(Default)]
pub(crate) struct Calm {
    buckets: Mutex<HashMap<AppKey, Bucket>>,
    seen: Mutex<HashMap<(ClusterUrl, ResourceKey), u64>>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Calm {
    /// Asks for a look at an application. Returns how long it must wait.
    pub(crate) fn wait(&self, app: &AppKey, now: Instant) -> Option<Duration> {
        let mut buckets = self.buckets.lock();
        let bucket = buckets.entry(app.clone()).or_insert(Bucket {
            tokens: BURST,
            at: now,
        });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * RATE).min(BURST);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return None;
        }
        Some(Duration::from_secs_f64((1.0 - bucket.tokens) / RATE))
    }

    /// Says whether an object's relevant part is what it was when it was last heard of.
    pub(crate) fn is_same(&self, cluster: &ClusterUrl, key: &ResourceKey, hash: u64) -> bool {
        let mut seen = self.seen.lock();
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert((cluster.clone(), key.clone()), hash) == Some(hash)
    }

    /// Forgets an application that is gone.
    pub(crate) fn forget(&self, app: &AppKey) {
        self.buckets.lock().remove(app);
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct TalkerLabels {
    group: String,
    kind: String,
    obj_ns: String,
    obj: String,
}

/// Counts updates of the objects that change most, in bounded memory.
#[derive(Default)]
pub(crate) struct Talkers(Mutex<HashMap<ResourceKey, u64>>);

impl fmt::Debug for Talkers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Talkers({})", self.0.lock().len())
    }
}

impl Talkers {
    /// Counts one update.
    pub(crate) fn heard(&self, key: &ResourceKey) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(key) {
            *count += 1;
            return;
        }
        // The newcomer takes over the count of the quietest: whoever talks most is never lost.
        let mut count = 0;
        if counts.len() >= COUNTED {
            let quietest = counts.iter().min_by(|a, b| a.1.cmp(b.1).then(a.0.cmp(b.0)));
            if let Some((key, least)) = quietest.map(|(key, least)| (key.clone(), *least)) {
                counts.remove(&key);
                count = least;
            }
        }
        counts.insert(key.clone(), count + 1);
    }

    /// Returns who talks most, the loudest first.
    fn top(&self) -> Vec<(ResourceKey, u64)> {
        let counts = self.0.lock();
        let mut all: Vec<(ResourceKey, u64)> = counts
            .iter()
            .map(|(key, count)| (key.clone(), *count))
            .collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(SHOWN);
        all
    }
}

/// The metric of the objects that change most.
#[derive(Debug)]
pub(crate) struct TalkersMetric(pub(crate) std::sync::Arc<Talkers>);

impl Collector for TalkersMetric {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let top = Family::<TalkerLabels, prometheus_client::metrics::gauge::Gauge>::default();
        for (key, count) in self.0.top() {
            let labels = TalkerLabels {
                group: key.group.to_string(),
                kind: key.kind.to_string(),
                obj_ns: key.namespace.to_string(),
                obj: key.name.to_string(),
            };
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            top.get_or_create(&labels).set(count);
        }
        let metric = encoder.encode_descriptor(
            "driftless_top_talkers",
            "Updates of the managed objects that change most",
            None,
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        top.encode(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ResourceKey {
        ResourceKey::new("", "ConfigMap", "ns", name)
    }

    #[test]
    fn a_burst_passes_and_a_flood_is_paced() {
        let calm = Calm::default();
        let app = AppKey::new("argocd", "web");
        let start = Instant::now();
        for _ in 0..30 {
            assert_eq!(calm.wait(&app, start), None);
        }
        assert_eq!(calm.wait(&app, start), Some(Duration::from_secs(2)));
        assert_eq!(calm.wait(&AppKey::new("argocd", "other"), start), None);
        assert_eq!(calm.wait(&app, start + Duration::from_secs(2)), None);
        assert!(calm.wait(&app, start + Duration::from_secs(2)).is_some());
    }

    #[test]
    fn an_object_that_stays_the_same_is_known() {
        let (calm, cluster) = (Calm::default(), ClusterUrl::in_cluster());
        assert!(!calm.is_same(&cluster, &key("a"), 1));
        assert!(calm.is_same(&cluster, &key("a"), 1));
        assert!(!calm.is_same(&cluster, &key("a"), 2));
        assert!(!calm.is_same(&cluster, &key("b"), 2));
    }

    #[test]
    fn the_loudest_is_never_lost() {
        let talkers = Talkers::default();
        for round in 0..1000 {
            talkers.heard(&key("loud"));
            talkers.heard(&key(&format!("quiet-{round}")));
        }
        let top = talkers.top();
        assert_eq!(top.first().map(|(key, _)| key.clone()), Some(key("loud")));
        assert!(top.len() <= SHOWN && talkers.0.lock().len() <= COUNTED);
    }
}
