//! How long decisions take: from the measurement to the live route, on a cluster with nothing else to do.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::dev::{World, workload};

/// Returns the times of the decisions for a reason, oldest first.
async fn times(world: &World, reason: &str) -> Vec<Timestamp> {
    let target = world.target().await;
    let decisions = target.pointer("/state/decisions").and_then(Value::as_array);
    let decisions = decisions.cloned().unwrap_or_default();
    let of_reason = decisions.iter().filter(|one| one["reason"] == reason);
    of_reason
        .map(|one| one["at"].as_str().unwrap().parse().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures: cargo test -p driftless-delivery --test it -- --ignored figures --nocapture"]
async fn from_the_measurement_to_the_live_route() {
    let world = World::new("figures").await;
    let metric = json!({"name": "errors", "count": 1, "successCondition": "result < 0.05",
        "provider": {"web": {"url": "http://metrics.example", "jsonPath": "{$}"}}});
    let steps = json!([{"setWeight": 50}, {"analysis": {"metrics": [metric]}}, {"setWeight": 80}, {"pause": {}}]);
    world.model("Deployment", steps).await;
    let (mut steps, mut aborts) = (Vec::new(), Vec::new());
    for round in 2..14 {
        let is_good = round % 2 == 0;
        let value = if is_good { 0.01 } else { 0.5 };
        let known = ("errors".to_owned(), Ok(json!(value)));
        world.fake.0.lock().extend([known]);
        let version = format!("v{round}");
        let object = workload("Deployment", &version, 2);
        world.hand_over("fraud", &version, &object).await;
        if is_good {
            world.status("/weight", json!(80)).await;
            world.awaits_approval().await;
            let moved = times(&world, "TrafficMoved").await;
            steps.push((moved, *world.fake.1.lock()));
            world.command("abort").await;
        } else {
            world
                .until("the version is kept out", async || {
                    let target = world.target().await;
                    target["wantedVersion"] == *version && target["phase"] == "Degraded"
                })
                .await;
        }
        world.status("/phase", json!("Degraded")).await;
        if !is_good {
            let restored = times(&world, "TrafficRestored").await;
            aborts.push((restored, *world.fake.1.lock()));
        }
    }
    for (what, samples) in [("weight step", steps), ("abort", aborts)] {
        let lasted = samples.iter().filter_map(|(times, measured)| {
            let last = times.last()?;
            last.duration_since(*measured).as_millis().try_into().ok()
        });
        let mut lasted: Vec<i64> = lasted.collect();
        lasted.sort_unstable();
        println!(
            "{what}: median {} ms, most {} ms of {}",
            lasted[lasted.len() / 2],
            lasted[lasted.len() - 1],
            lasted.len()
        );
    }
}
