//! Statuses that fit into the API server (argocd-contract §3.3).
//!
//! etcd takes 1.5 MiB for one object. An Application of some 5,000 objects is past that: each of them is named in
//! `status.resources` and in the results of the last sync. Such a status is cut to what people look for: what failed, what
//! is not in sync or not healthy, and one object of each kind, since a kind that was never heard of is not waited for.

use std::collections::HashSet;

use serde_json::Value;

/// Statuses up to this many bytes of JSON are left alone; the rest of an object's share is for its spec and its managed fields.
const MOST: usize = 1 << 20;
/// Bytes of `status.resources`, where a status is cut. Fixed shares, so that what is left does not change with the length of
/// some other text.
const RESOURCES: usize = 640 << 10;
/// Bytes of the results of the last sync, where a status is cut.
const RESULTS: usize = 256 << 10;

/// Cuts a status that is too large. Returns what to say when objects are left out of `status.resources`.
pub(crate) fn fit(status: &mut Value) -> Option<String> {
    if size(status) <= MOST {
        return None;
    }
    if let Some(results) = list_at(status, "/operationState/syncResult/resources") {
        cut(results, RESULTS, |one| {
            let is = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
            is("hookType").is_empty()
                && matches!(is("status"), "Synced" | "Pruned" | "PruneSkipped")
        });
    }
    let resources = list_at(status, "/resources")?;
    let all = resources.len();
    cut(resources, RESOURCES, |one| {
        let is = |path: &str| one.pointer(path).and_then(Value::as_str);
        is("/status") == Some("Synced")
            && matches!(is("/health/status"), None | Some("Healthy"))
            && one.get("requiresPruning").is_none()
    });
    let left = resources.len();
    (left < all).then(|| {
        format!(
            "status.resources names {left} of {all} objects, those that are not in sync or not healthy first: the others \
             do not fit into one object of the API server; all of them are in the resource tree"
        )
    })
}

fn list_at<'v>(status: &'v mut Value, path: &str) -> Option<&'v mut Vec<Value>> {
    status.pointer_mut(path)?.as_array_mut()
}

/// Keeps one entry of each kind, then those that tell something, then the others, as many as there is room for, in
/// their order.
fn cut(list: &mut Vec<Value>, room: usize, is_plain: impl Fn(&Value) -> bool) {
    let sizes: Vec<usize> = list.iter().map(|one| size(one) + 1).collect();
    let mut total: usize = sizes.iter().sum();
    if total <= room {
        return;
    }
    total = 0;
    let mut kinds = HashSet::new();
    let mut kept: Vec<bool> = Vec::with_capacity(list.len());
    for (one, size) in list.iter().zip(&sizes) {
        let part = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        let is_first = kinds.insert((part("group").to_owned(), part("kind").to_owned()));
        total += if is_first { *size } else { 0 };
        kept.push(is_first);
    }
    for plain in [false, true] {
        for ((one, size), kept) in list.iter().zip(&sizes).zip(&mut kept) {
            if !*kept && is_plain(one) == plain && total + size <= room {
                *kept = true;
                total += size;
            }
        }
    }
    let mut kept = kept.into_iter();
    list.retain(|_| kept.next().unwrap_or(true));
}

/// Counts the bytes of a value as JSON.
fn size(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        // A value of nothing but JSON can always be written.
        Err(_) => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource(kind: &str, number: usize, status: &str) -> Value {
        json!({"version": "v1", "kind": kind, "namespace": "large", "name": format!("object-{number}"), "status": status})
    }

    fn result(number: usize, status: &str) -> Value {
        json!({
            "version": "v1", "kind": "ConfigMap", "namespace": "large", "name": format!("object-{number}"),
            "status": status, "message": format!("configmap/object-{number} created"), "syncPhase": "Sync",
        })
    }

    fn status(count: usize) -> Value {
        let mut resources: Vec<Value> = (0..count)
            .map(|number| resource("ConfigMap", number, "Synced"))
            .collect();
        let mut results: Vec<Value> = (0..count).map(|number| result(number, "Synced")).collect();
        resources.push(resource("ConfigMap", count, "OutOfSync"));
        resources.push(resource("Secret", 0, "Synced"));
        results.push(result(count, "SyncFailed"));
        json!({
            "sync": {"status": "OutOfSync"},
            "resources": resources,
            "operationState": {"syncResult": {"resources": results}},
        })
    }

    #[test]
    fn what_fits_is_left_alone() {
        let mut small = status(2_000);
        let before = small.clone();
        assert_eq!(fit(&mut small), None);
        assert_eq!(small, before);
    }

    #[test]
    fn what_tells_something_stays_and_each_kind_once() {
        let mut large = status(10_000);
        let words = fit(&mut large).unwrap();
        assert!(size(&large) < MOST);
        let resources = large["resources"].as_array().unwrap();
        assert!(
            words.contains(&format!("{} of 10002 objects", resources.len())),
            "{words}"
        );
        assert!(resources.len() > 4_000);
        assert!(resources.contains(&resource("ConfigMap", 10_000, "OutOfSync")));
        assert!(resources.contains(&resource("Secret", 0, "Synced")));
        let results = large
            .pointer("/operationState/syncResult/resources")
            .unwrap();
        assert!(
            results
                .as_array()
                .unwrap()
                .contains(&result(10_000, "SyncFailed"))
        );
        // The same again, whatever else is said.
        let mut other = status(10_000);
        other["operationState"]["message"] = "some other text".into();
        fit(&mut other);
        assert_eq!(other["resources"], large["resources"]);
    }

    #[test]
    fn nothing_is_too_large_to_be_cut() {
        let resources: Vec<Value> = (0..20_000)
            .map(|number| resource("ConfigMap", number, "OutOfSync"))
            .collect();
        let mut large = json!({"resources": resources});
        fit(&mut large).unwrap();
        assert!(size(&large) < MOST);
    }
}
