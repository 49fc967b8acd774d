//! Whether automation starts a sync now (argocd-contract §3.2). A pure decision over what is known.

use std::time::Duration;

use driftless_api::application::{
    Automated, Condition, ConditionType, Initiator, Operation, OperationPhase, OperationState,
    RetryStrategy, Source, SyncOperation, SyncOperationResource, SyncStatusCode,
};
use jiff::Timestamp;

/// Retries of an automated sync whose spec names none.
const DEFAULT_RETRY_LIMIT: i64 = 5;

/// How self-heal spaces its attempts (contract §7.2 `self.heal.backoff.*`).
#[derive(Clone, Copy, Debug)]
pub struct HealBackoff {
    /// Wait before every attempt, the first one included; the others do not count then.
    pub fixed: Option<Duration>,
    /// Wait before the second attempt.
    pub first: Duration,
    /// Growth with each attempt.
    pub factor: u32,
    /// Longest wait.
    pub cap: Duration,
}

impl Default for HealBackoff {
    fn default() -> Self {
        Self {
            fixed: None,
            first: Duration::from_secs(2),
            factor: 3,
            cap: Duration::from_secs(300),
        }
    }
}

impl HealBackoff {
    /// Returns the wait after `attempts` attempts at the same revision.
    pub(crate) fn delay(&self, attempts: i64) -> Duration {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let Ok(steps) = u32::try_from(attempts.min(32)) else {
            return Duration::ZERO;
        };
        if steps == 0 {
            return Duration::ZERO;
        }
        self.first
            .saturating_mul(self.factor.saturating_pow(steps - 1))
            .min(self.cap)
    }
}

/// One object that differs from Git.
#[derive(Clone, Debug)]
pub struct Differing {
    /// The object, as a sync would select it.
    pub object: SyncOperationResource,
    /// Whether the only thing to do is delete it.
    pub requires_pruning: bool,
}

/// What the decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The automation of the spec.
    pub automated: &'a Automated,
    /// Verdict of the comparison.
    pub status: &'a SyncStatusCode,
    /// Revisions that were compared, one for each source.
    pub revisions: &'a [String],
    /// Sources that were compared.
    pub sources: &'a [Source],
    /// Whether the application has several sources.
    pub multi_source: bool,
    /// Objects that differ.
    pub differing: &'a [Differing],
    /// Whether the source has no object left although some are managed.
    pub wipes_out: bool,
    /// The latest operation.
    pub last: Option<&'a OperationState>,
    /// Retry policy of the spec.
    pub retry: Option<&'a RetryStrategy>,
    /// Sync options of the spec.
    pub sync_options: &'a [String],
    /// How self-heal spaces its attempts.
    pub backoff: HealBackoff,
    /// The current time.
    pub now: Timestamp,
}

/// What automation does.
#[derive(Clone, PartialEq, Debug)]
pub enum Decision {
    /// Start this operation.
    Sync(Box<Operation>),
    /// Nothing to do, for this reason.
    Skip(Skip),
    /// Look again after this long.
    Later(Duration),
    /// Nothing can be done until somebody acts; say so.
    Refuse(Condition),
}

/// Why automation does nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Skip {
    /// The application is not out of sync.
    NotOutOfSync,
    /// Only deletions are left and pruning is off.
    OnlyPruning,
    /// The revision was synced and self-heal is off.
    AlreadySynced,
}

impl Skip {
    /// Returns the stable name for logs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotOutOfSync => "NotOutOfSync",
            Self::OnlyPruning => "OnlyPruning",
            Self::AlreadySynced => "AlreadySynced",
        }
    }
}

/// Decides.
pub fn decide(situation: &Situation<'_>) -> Decision {
    if *situation.status != SyncStatusCode::OutOfSync {
        return Decision::Skip(Skip::NotOutOfSync);
    }
    let automated = situation.automated;
    let differing = situation.differing;
    if !automated.prunes()
        && !differing.is_empty()
        && differing.iter().all(|one| one.requires_pruning)
    {
        return Decision::Skip(Skip::OnlyPruning);
    }
    let revision = display(situation.revisions);
    let attempt = situation.last.filter(|last| attempted(last, situation));
    let mut heal = None;
    if let Some(last) = attempt {
        if last.phase != OperationPhase::Succeeded {
            let message = format!("Failed last sync attempt to {revision}: {}", last.message);
            return Decision::Refuse(Condition::new(ConditionType::SyncError, message));
        }
        if !automated.heals() {
            return Decision::Skip(Skip::AlreadySynced);
        }
        let attempts = last
            .operation
            .sync
            .as_ref()
            .map_or(0, |sync| sync.auto_heal_attempts_count);
        let wait = wait_left(last, situation.backoff.delay(attempts), situation.now);
        if !wait.is_zero() {
            return Decision::Later(wait);
        }
        heal = Some(attempts + 1);
    }
    if situation.wipes_out && automated.prunes() && !automated.allows_empty() {
        let message =
            format!("Skipping sync attempt to {revision}: auto-sync will wipe out all resources");
        return Decision::Refuse(Condition::new(ConditionType::SyncError, message));
    }
    Decision::Sync(Box::new(operation(situation, heal)))
}

/// Writes revisions as messages name them: `[a]`, `[a b]`.
pub fn display(revisions: &[String]) -> String {
    format!("[{}]", revisions.join(" "))
}

fn attempted(last: &OperationState, situation: &Situation<'_>) -> bool {
    if !last.phase.is_completed() {
        return false;
    }
    let Some(sync) = &last.operation.sync else {
        return false;
    };
    if sync.dry_run {
        return false;
    }
    let Some(result) = &last.sync_result else {
        let tried = if sync.revisions.is_empty() {
            std::slice::from_ref(&sync.revision)
        } else {
            &sync.revisions
        };
        return tried == situation.revisions;
    };
    if situation.multi_source {
        result.revisions == situation.revisions && result.sources == situation.sources
    } else {
        std::slice::from_ref(&result.revision) == situation.revisions
            && result
                .source
                .as_deref()
                .is_some_and(|source| situation.sources.first() == Some(source))
    }
}

fn wait_left(last: &OperationState, delay: Duration, now: Timestamp) -> Duration {
    let Some(finished) = last.finished_at else {
        return Duration::ZERO;
    };
    let elapsed = now.duration_since(finished.timestamp()).unsigned_abs();
    delay.saturating_sub(elapsed)
}

fn operation(situation: &Situation<'_>, heal: Option<i64>) -> Operation {
    let (revision, revisions) = if situation.multi_source {
        (String::new(), situation.revisions.to_vec())
    } else {
        (
            situation.revisions.first().cloned().unwrap_or_default(),
            Vec::new(),
        )
    };
    let resources = match heal {
        None => Vec::new(),
        Some(_) => situation
            .differing
            .iter()
            .filter(|one| situation.automated.prunes() || !one.requires_pruning)
            .map(|one| one.object.clone())
            .collect(),
    };
    let sync = SyncOperation {
        revision,
        revisions,
        prune: situation.automated.prunes(),
        sync_options: situation.sync_options.to_vec(),
        auto_heal_attempts_count: heal.unwrap_or(0),
        resources,
        ..SyncOperation::default()
    };
    let retry = situation.retry.cloned().unwrap_or_else(|| RetryStrategy {
        limit: Some(DEFAULT_RETRY_LIMIT),
        ..RetryStrategy::default()
    });
    Operation {
        sync: Some(Box::new(sync)),
        initiated_by: Some(Initiator {
            automated: true,
            ..Initiator::default()
        }),
        retry: Some(Box::new(retry)),
        ..Operation::default()
    }
}

#[cfg(test)]
mod tests;
