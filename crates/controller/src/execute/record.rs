//! An operation's results as its Application's status keeps them.

use driftless_api::application::{
    OperationPhase as ApiPhase, OperationState, ResourceResult as ApiResult, ResultCode as ApiCode,
    SyncPhase as ApiSyncPhase,
};
use driftless_engine::annotation::HookType;
use driftless_engine::sync::{self, Phase, Progress, ResourceResult, ResultCode};

/// Rebuilds what an operation has done from its record.
pub(crate) fn progress_of(state: &OperationState) -> Progress {
    let results = state
        .sync_result
        .as_deref()
        .map_or(&[][..], |result| &result.resources);
    Progress::from_results(results.iter().filter_map(result_from_api))
}

pub(super) fn result_to_api(result: &ResourceResult) -> ApiResult {
    ApiResult {
        group: (&result.key.group).into(),
        version: (&result.version).into(),
        kind: (&result.key.kind).into(),
        namespace: (&result.key.namespace).into(),
        name: (&result.key.name).into(),
        status: result
            .status
            .map(|code| ApiCode::from(code.as_str()))
            .unwrap_or_default(),
        message: result.message.as_str().into(),
        hook_type: result
            .hook_type
            .map(|hook| ApiSyncPhase::from(hook.as_str()))
            .unwrap_or_default(),
        hook_phase: result.hook_phase.map(phase_to_api).unwrap_or_default(),
        sync_phase: ApiSyncPhase::from(result.sync_phase.as_str()),
        images: result.images.clone(),
        ..ApiResult::default()
    }
}

fn result_from_api(result: &ApiResult) -> Option<ResourceResult> {
    Some(ResourceResult {
        key: result.key(),
        version: result.version.as_arc().clone(),
        sync_phase: Phase::parse(result.sync_phase.as_str())?,
        status: ResultCode::parse(result.status.as_str()),
        message: result.message.as_str().to_owned(),
        hook_type: HookType::parse(result.hook_type.as_str()),
        hook_phase: sync::OperationPhase::parse(result.hook_phase.as_str()),
        images: result.images.clone(),
    })
}

pub(super) fn phase_to_api(phase: sync::OperationPhase) -> ApiPhase {
    ApiPhase::from(phase.as_str())
}
