//! The rules of automated sync, one by one.

use driftless_api::application::SyncResult;

use super::*;

struct Case {
    automated: Automated,
    status: SyncStatusCode,
    differing: Vec<Differing>,
    wipes_out: bool,
    last: Option<OperationState>,
    now: Timestamp,
}

const BEGIN: i64 = 1_800_000_000;

fn source() -> Source {
    Source {
        repo_url: "https://git.example/x".to_owned(),
        ..Source::default()
    }
}

fn differing(name: &str, requires_pruning: bool) -> Differing {
    let object = SyncOperationResource {
        kind: "ConfigMap".to_owned(),
        name: name.to_owned(),
        ..SyncOperationResource::default()
    };
    Differing {
        object,
        requires_pruning,
    }
}

impl Case {
    fn new() -> Self {
        Self {
            automated: Automated::default(),
            status: SyncStatusCode::OutOfSync,
            differing: vec![differing("a", false)],
            wipes_out: false,
            last: None,
            now: Timestamp::from_second(BEGIN).unwrap(),
        }
    }

    fn ended(
        mut self,
        revision: &str,
        phase: OperationPhase,
        heals: i64,
        seconds_ago: i64,
    ) -> Self {
        let sync = SyncOperation {
            auto_heal_attempts_count: heals,
            ..SyncOperation::default()
        };
        self.last = Some(OperationState {
            operation: Box::new(Operation {
                sync: Some(Box::new(sync)),
                ..Operation::default()
            }),
            phase,
            message: "it broke".to_owned(),
            sync_result: Some(Box::new(SyncResult {
                revision: revision.to_owned(),
                source: Some(Box::new(source())),
                ..SyncResult::default()
            })),
            finished_at: Some(Timestamp::from_second(BEGIN - seconds_ago).unwrap().into()),
            ..OperationState::default()
        });
        self
    }

    fn decide(&self) -> Decision {
        decide(&Situation {
            automated: &self.automated,
            status: &self.status,
            revisions: &["new".to_owned()],
            sources: &[source()],
            multi_source: false,
            differing: &self.differing,
            wipes_out: self.wipes_out,
            last: self.last.as_ref(),
            retry: None,
            sync_options: &[],
            backoff: HealBackoff::default(),
            now: self.now,
        })
    }

    fn operation(&self) -> SyncOperation {
        match self.decide() {
            Decision::Sync(operation) => *operation.sync.unwrap(),
            other => panic!("expected a sync, got {other:?}"),
        }
    }
}

#[test]
fn a_new_revision_is_synced_with_the_default_retries() {
    let Decision::Sync(operation) = Case::new()
        .ended("old", OperationPhase::Failed, 0, 1)
        .decide()
    else {
        panic!("expected a sync");
    };
    assert_eq!(operation.retry.and_then(|retry| retry.limit), Some(5));
    assert!(operation.initiated_by.is_some_and(|by| by.automated));
    assert_eq!(
        operation.sync.map(|sync| sync.revision),
        Some("new".to_owned())
    );
}

#[test]
fn a_failed_revision_is_not_tried_again_and_says_so() {
    let decision = Case::new()
        .ended("new", OperationPhase::Failed, 0, 1)
        .decide();
    let Decision::Refuse(condition) = decision else {
        panic!("expected a refusal, got {decision:?}")
    };
    assert_eq!(
        condition.message,
        "Failed last sync attempt to [new]: it broke"
    );
}

#[test]
fn drift_is_healed_only_when_asked_with_growing_waits() {
    let mut case = Case::new().ended("new", OperationPhase::Succeeded, 0, 0);
    assert_eq!(case.decide(), Decision::Skip(Skip::AlreadySynced));
    case.automated.self_heal = Some(true);
    let sync = case.operation();
    assert_eq!(
        (sync.resources.len(), sync.auto_heal_attempts_count),
        (1, 1)
    );
    let mut case = Case::new().ended("new", OperationPhase::Succeeded, 2, 1);
    case.automated.self_heal = Some(true);
    assert_eq!(case.decide(), Decision::Later(Duration::from_secs(5)));
}

#[test]
fn a_fixed_wait_replaces_the_backoff() {
    let fixed = HealBackoff {
        fixed: Some(Duration::from_secs(7)),
        ..HealBackoff::default()
    };
    assert_eq!(fixed.delay(0), Duration::from_secs(7));
    assert_eq!(fixed.delay(9), Duration::from_secs(7));
    assert_eq!(HealBackoff::default().delay(9), Duration::from_secs(300));
}

#[test]
fn nothing_is_pruned_unless_asked() {
    let mut case = Case::new();
    case.differing = vec![differing("gone", true)];
    assert_eq!(case.decide(), Decision::Skip(Skip::OnlyPruning));
    case.automated.prune = Some(true);
    assert!(case.operation().prune);
}

#[test]
fn an_empty_source_never_wipes_out_an_application_by_itself() {
    let mut case = Case::new();
    case.automated.prune = Some(true);
    case.wipes_out = true;
    let Decision::Refuse(condition) = case.decide() else {
        panic!("expected a refusal")
    };
    assert!(
        condition
            .message
            .ends_with("auto-sync will wipe out all resources")
    );
    case.automated.allow_empty = Some(true);
    assert!(matches!(case.decide(), Decision::Sync(_)));
}

#[test]
fn synced_and_unknown_applications_are_left_alone() {
    for status in [SyncStatusCode::Synced, SyncStatusCode::Unknown] {
        let mut case = Case::new();
        case.status = status;
        assert_eq!(case.decide(), Decision::Skip(Skip::NotOutOfSync));
    }
}
