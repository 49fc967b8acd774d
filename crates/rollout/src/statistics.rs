//! Sequential tests: evidence that may be looked at after every measurement.
//!
//! A test of fixed length is wrong as soon as somebody looks at it while data come in. These tests multiply up an
//! *e-value*: a number that stays below `1/alpha` for ever with probability `1 - alpha` when the new version is not worse
//! (Ville's inequality). Reaching `1/alpha` fails the version, at any time, however often one looked.
//!
//! - [`TwoSample`]: bad events of the new version against the stable one. Each block of `a` and `b` events multiplies the
//!   e-value by the likelihood of an alternative over that of the mean of both,
//!   after R. Turner, A. Ly, P. Grünwald: *Generic E-variables for exact sequential k-sample tests that allow for
//!   optional stopping* (2021). It is exact for every number of events, not an approximation for many. The sizes of the
//!   blocks may differ and follow the weight of traffic.
//! - [`OneSample`]: bad events against a fixed share. With *bad* = slower than a threshold and the share `1 - q` it tests
//!   whether the `q`-quantile is above the threshold.
//!
//! The alternative of a block is chosen from earlier blocks alone, as the theory asks for: the share seen so far, grown
//! by each of a few factors; the evidence is the mean over them. The first block is not bet on. Both tests are one-sided: a
//! better version never fails.

use serde::{Deserialize, Serialize};

/// Events of a block, or all events so far.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Count {
    /// Bad events.
    pub bad: f64,
    /// All events.
    pub total: f64,
}

impl Count {
    /// Makes a count; `None` when it makes no sense: negative, not finite, or more bad events than events.
    pub fn new(bad: f64, total: f64) -> Option<Self> {
        let is_sound = bad.is_finite() && total.is_finite() && bad >= 0.0 && bad <= total;
        is_sound.then_some(Self { bad, total })
    }

    fn good(self) -> f64 {
        self.total - self.bad
    }

    fn plus(self, other: Self) -> Self {
        Self {
            bad: self.bad + other.bad,
            total: self.total + other.total,
        }
    }

    /// Returns the share of bad events, drawn a little towards the middle so that it is never 0 or 1.
    fn share(self) -> f64 {
        (self.bad + 0.5) / (self.total + 1.0)
    }
}

/// Factors of the alternatives, relative to the one to detect.
const BETS: usize = 3;

fn ratios(detect: f64) -> [f64; BETS] {
    [detect.sqrt(), detect, detect * detect]
}

/// A share that a likelihood can be made of.
fn inside(share: f64) -> f64 {
    share.clamp(1e-9, 1.0 - 1e-9)
}

/// Logarithm of the likelihood of a count over that of another share.
fn log_ratio(count: Count, share: f64, base: f64) -> f64 {
    count.bad * (share / base).ln() + count.good() * ((1.0 - share) / (1.0 - base)).ln()
}

/// Logarithm of the mean of e-values given by their logarithms.
fn log_mean(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return largest;
    }
    let sum: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
    largest + (sum / logs.len() as f64).ln()
}

/// The new version against the stable one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TwoSample {
    canary: Count,
    stable: Count,
    logs: [f64; BETS],
    /// Largest logarithm of the e-value so far: evidence that was reached stays.
    best: f64,
}

impl Default for TwoSample {
    fn default() -> Self {
        Self {
            canary: Count::default(),
            stable: Count::default(),
            logs: [0.0; BETS],
            best: 0.0,
        }
    }
}

impl TwoSample {
    /// Takes in a block: the events since the block before.
    pub fn add(&mut self, canary: Count, stable: Count, detect: f64) {
        let before = self.canary.plus(self.stable);
        let events = canary.total + stable.total;
        // Without events of one side a block says nothing about the difference.
        if before.total > 0.0 && canary.total > 0.0 && stable.total > 0.0 {
            let part = canary.total / events;
            let base = if self.stable.total > 0.0 {
                self.stable
            } else {
                before
            };
            for (log, ratio) in self.logs.iter_mut().zip(ratios(detect)) {
                let low = inside(base.share());
                let high = inside(low * ratio);
                let mean = part * high + (1.0 - part) * low;
                *log += log_ratio(canary, high, mean) + log_ratio(stable, low, mean);
            }
        }
        self.canary = self.canary.plus(canary);
        self.stable = self.stable.plus(stable);
        self.best = self.best.max(log_mean(&self.logs));
    }

    /// Returns all events of the new version.
    pub fn canary(&self) -> Count {
        self.canary
    }

    /// Returns all events of the stable version.
    pub fn stable(&self) -> Count {
        self.stable
    }

    /// Returns the always-valid p-value: the smallest alpha at which the version would have failed by now.
    pub fn p_value(&self) -> f64 {
        (-self.best).exp().min(1.0)
    }

    /// Returns the number of events of the new version that the theory asks for, with the share seen so far.
    pub fn planned(&self, detect: f64, alpha: f64) -> f64 {
        let events = self.canary.total + self.stable.total;
        let part = if events > 0.0 {
            self.canary.total / events
        } else {
            0.5
        };
        expected_samples(self.stable.share(), detect, part, alpha)
    }
}

/// The new version against a fixed share.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct OneSample {
    canary: Count,
    logs: [f64; BETS],
    best: f64,
}

impl OneSample {
    /// Takes in a block. The alternatives are fixed, so the first block counts too.
    pub fn add(&mut self, canary: Count, limit: f64, detect: f64) {
        let base = inside(limit);
        for (log, ratio) in self.logs.iter_mut().zip(ratios(detect)) {
            *log += log_ratio(canary, inside(base * ratio), base);
        }
        self.canary = self.canary.plus(canary);
        self.best = self.best.max(log_mean(&self.logs));
    }

    /// Returns all events so far.
    pub fn canary(&self) -> Count {
        self.canary
    }

    /// Returns the always-valid p-value.
    pub fn p_value(&self) -> f64 {
        (-self.best).exp().min(1.0)
    }

    /// Returns the number of events that the theory asks for.
    pub fn planned(limit: f64, detect: f64, alpha: f64) -> f64 {
        let base = inside(limit);
        let worse = inside(base * detect);
        evidence(alpha) / divergence(worse, base)
    }
}

/// Evidence to gather: `ln(1/alpha)`, and what the spread of the bet over several factors costs at most.
fn evidence(alpha: f64) -> f64 {
    (BETS as f64 / alpha.clamp(1e-12, 1.0)).ln()
}

/// Kullback–Leibler divergence of two shares.
fn divergence(a: f64, b: f64) -> f64 {
    a * (a / b).ln() + (1.0 - a) * ((1.0 - a) / (1.0 - b)).ln()
}

/// Returns how many events of the new version are expected (Wald) until a share of bad events that grew from `share` by
/// the factor `detect` is caught, when the new version has the part `part` of all events.
///
/// Per event the evidence grows by `part·KL(high‖mean) + (1-part)·KL(low‖mean)` with `mean = part·high + (1-part)·low`; it has
/// to reach `ln(3/alpha)`, where 3 is the number of factors bet on.
pub fn expected_samples(share: f64, detect: f64, part: f64, alpha: f64) -> f64 {
    let low = inside(share);
    let high = inside(low * detect);
    let part = part.clamp(1e-6, 1.0 - 1e-6);
    let mean = part * high + (1.0 - part) * low;
    let growth = part * divergence(high, mean) + (1.0 - part) * divergence(low, mean);
    part * evidence(alpha) / growth.max(1e-300)
}

/// Returns an interval for a quantile from sorted values, valid with probability `1 - alpha` for one look (order
/// statistics with the Dvoretzky–Kiefer–Wolfowitz bound). `None` when there are too few values for any.
pub fn quantile_interval(sorted: &[f64], quantile: f64, alpha: f64) -> Option<(f64, f64)> {
    let count = sorted.len() as f64;
    let width = ((2.0 / alpha).ln() / (2.0 * count.max(1.0))).sqrt();
    let (low, high) = (quantile - width, quantile + width);
    if low <= 0.0 || high >= 1.0 {
        return None;
    }
    let at = |share: f64| sorted.get((share * count) as usize).copied();
    Some((at(low)?, at(high)?))
}
