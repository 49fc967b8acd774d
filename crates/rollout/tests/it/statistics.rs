//! The promises of the sequential tests, on seeded runs.

use driftless_rollout::statistics::{
    Count, OneSample, TwoSample, expected_samples, quantile_interval,
};

/// A small generator (SplitMix64): the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn count(&mut self, total: u32, share: f64) -> Count {
        let bad = (0..total).filter(|_| self.next() < share).count();
        Count::new(bad as f64, f64::from(total)).unwrap()
    }
}

const ALPHA: f64 = 0.05;

#[test]
fn ten_thousand_equal_versions_fail_at_most_as_often_as_promised() {
    for (seed, share, canary, stable) in [(1, 0.02, 10, 90), (2, 0.2, 50, 50)] {
        let mut failed = 0;
        for run in 0..10_000_u64 {
            let mut random = Random(seed * 1_000_003 + run * 7919);
            let mut test = TwoSample::default();
            // Looked at after each of 40 blocks.
            for _ in 0..40 {
                test.add(
                    random.count(canary, share),
                    random.count(stable, share),
                    2.0,
                );
            }
            failed += u32::from(test.p_value() <= ALPHA);
        }
        println!(
            "A/A, share {share}: {failed} of 10000 false failures, {} allowed",
            10_000.0 * ALPHA
        );
        assert!(
            f64::from(failed) <= 10_000.0 * ALPHA,
            "{failed} of 10000 at {share}"
        );
    }
}

#[test]
fn a_doubled_error_rate_at_ten_percent_is_caught_as_the_theory_says() {
    for share in [0.05, 0.02] {
        let planned = expected_samples(share, 2.0, 0.1, ALPHA);
        let mut seen: Vec<f64> = Vec::new();
        let mut missed = 0;
        for run in 0..500_u64 {
            let mut random = Random(99_991 + run * 104_729);
            let mut test = TwoSample::default();
            while test.p_value() > ALPHA && test.canary().total < 4.0 * planned {
                test.add(random.count(10, 2.0 * share), random.count(90, share), 2.0);
            }
            missed += u32::from(test.p_value() > ALPHA);
            seen.push(test.canary().total);
        }
        let mean = seen.iter().sum::<f64>() / seen.len() as f64;
        println!(
            "doubled from {share}: {mean:.0} canary events on average, {planned:.0} planned, {missed} of 500 not within 4 times that"
        );
        assert!(mean <= 1.25 * planned, "{mean} against {planned}");
        assert!(missed <= 5, "{missed}");
    }
}

#[test]
fn a_better_version_never_fails() {
    let mut random = Random(5);
    let mut test = TwoSample::default();
    for _ in 0..500 {
        test.add(random.count(10, 0.01), random.count(90, 0.1), 2.0);
    }
    assert!(test.p_value() > 0.9, "{}", test.p_value());
}

#[test]
fn evidence_stays_once_it_is_there() {
    let mut test = TwoSample::default();
    let block = |bad, total| Count::new(bad, total).unwrap();
    test.add(block(1.0, 10.0), block(9.0, 90.0), 2.0);
    for _ in 0..30 {
        test.add(block(5.0, 10.0), block(9.0, 90.0), 2.0);
    }
    let p = test.p_value();
    assert!(p < 0.001);
    for _ in 0..100 {
        test.add(block(0.0, 10.0), block(9.0, 90.0), 2.0);
    }
    assert!(test.p_value() <= p);
}

#[test]
fn a_quantile_against_a_threshold() {
    // p95 at the threshold: 5 % are slower.
    let mut failed = 0;
    for run in 0..2_000_u64 {
        let mut random = Random(17 + run * 7919);
        let mut test = OneSample::default();
        for _ in 0..40 {
            test.add(random.count(25, 0.05), 0.05, 2.0);
        }
        failed += u32::from(test.p_value() <= ALPHA);
    }
    assert!(f64::from(failed) <= 2_000.0 * ALPHA, "{failed}");
    let mut random = Random(3);
    let mut test = OneSample::default();
    while test.p_value() > ALPHA {
        test.add(random.count(25, 0.15), 0.05, 2.0);
        assert!(test.canary().total < 1000.0);
    }
}

#[test]
fn odd_counts_are_refused_and_empty_blocks_say_nothing() {
    for (bad, total) in [
        (-1.0, 5.0),
        (6.0, 5.0),
        (f64::NAN, 5.0),
        (0.0, f64::INFINITY),
    ] {
        assert_eq!(Count::new(bad, total), None);
    }
    let mut test = TwoSample::default();
    let none = Count::default();
    let some = Count::new(5.0, 5.0).unwrap();
    for _ in 0..100 {
        test.add(some, none, 2.0);
        test.add(none, some, 2.0);
        test.add(none, none, 2.0);
    }
    assert!((test.p_value() - 1.0).abs() < 1e-9, "{}", test.p_value());
}

#[test]
fn intervals_of_quantiles() {
    let values: Vec<f64> = (0..10_000).map(f64::from).collect();
    let (low, high) = quantile_interval(&values, 0.95, 0.05).unwrap();
    assert!(
        low < 9500.0 && high > 9500.0 && high - low < 300.0,
        "{low} {high}"
    );
    assert_eq!(quantile_interval(&values[..20], 0.95, 0.05), None);
}
