//! Planning a sync operation, and walking the plan step by step.
//!
//! [`plan::plan`] says what there is to do and in which order. [`step::step`] says what to do now, given
//! what was recorded ([`Progress`]) and what is seen in the cluster ([`Observe`]). The caller does it,
//! records what came of it, persists [`Progress::results`] and asks again, until the answer is
//! [`Step::Finish`].
//!
//! Nothing else has to survive: an operation is resumed by planning anew and rebuilding [`Progress`] from
//! the persisted results. Each step can be repeated without harm, so a process may die at any point.
//!
//! Upstream: gitops-engine/pkg/sync, differs: pure; waits have limits; hooks are recognised after a crash;
//! prunes that wait for confirmation do not hold back the objects.

pub mod deletion;
pub mod option;
pub mod order;
pub mod plan;
pub mod progress;
pub mod step;
pub mod task;

pub use option::{AppOptions, Options, Strategy};
pub use plan::{Input, Plan, Target, plan};
pub use progress::{OperationPhase, Outcome, Progress, ResourceResult, ResultCode, Termination};
pub use step::{Decision, Live, Observe, Step, step};
pub use task::{Action, Governor, Phase, Task, TaskId, TaskKey};
