//! What can be rolled out. A target knows where its kind keeps versions, pods and traffic; it decides nothing.

mod cx;
pub(crate) mod json;
mod kinds;
mod kserve;
mod seldon;
mod workload;

use std::collections::BTreeMap;

use async_trait::async_trait;
use driftless_api::rollout::Problem;
use driftless_core::GroupVersionKind;
use driftless_rollout::machine::Track;
use driftless_rollout::plan::Traffic;
use serde_json::Value;

use self::workload::Workload;

pub(crate) use cx::list;
pub use cx::{Ctx, Owner, VERSION, Version};

/// Something about a target could not be read or written, or is not as it must be. Nothing was decided on its account.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// A request failed.
    #[error("{doing}")]
    Request {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: driftless_kube::Error,
    },
    /// What was found does not allow it. The text says what to do.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Returns the whole text, with what caused it.
    pub fn text(&self) -> String {
        match self {
            Self::Request { doing, source } => format!("{doing}: {source}"),
            Self::Refused(text) => text.clone(),
        }
    }

    /// Says whether somebody else changed the object first: the change can be tried again on what is there now.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::Request {
                source: driftless_kube::Error::Conflict { .. },
                ..
            }
        )
    }
}

/// Result of looking at a target or acting on it.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Pods of the stable version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stable {
    /// Pods asked for.
    pub replicas: u32,
    /// Pods that are ready.
    pub ready: u32,
    /// Digest of the live spec: the version when nothing else is known of it.
    pub digest: String,
    /// The live object is as the wanted one asks, apart from the number of pods, and no promotion is on its way.
    pub is_wanted: bool,
}

/// Equal pods that one replica has.
#[derive(Clone, PartialEq, Debug)]
pub struct PodShape {
    /// A pod's `spec`.
    pub spec: Value,
    /// How many of them a replica has.
    pub count: u32,
}

/// What the check of free places needs.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Pods {
    /// Pods of one replica of the new version; several make a gang. Empty: nothing is checked.
    pub gang: Vec<PodShape>,
    /// Node label that all pods of a gang must share.
    pub together: Option<String>,
    /// Label selector of the stable version's pods; without one nothing is known of their place.
    pub old: Option<String>,
}

/// What was seen of a target.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    /// The full number of pods of one version.
    pub replicas: u32,
    /// The version that serves; `None` when the target is not there.
    pub stable: Option<Stable>,
    /// The version beside it, as far as a rollout made it. Its version is the one that [`Target::scale_canary`] was
    /// given.
    pub canary: Option<Track>,
    /// The live route, or why it could not be read.
    pub traffic: std::result::Result<Traffic, String>,
    /// Labels of the target, for rollouts that choose by label.
    pub labels: BTreeMap<String, String>,
    /// For the check of free places.
    pub pods: Pods,
    /// A version whose promotion cannot be taken back any more, since the old pods are gone: it is carried to its end
    /// before anything else is decided.
    pub finishing: Option<String>,
}

impl Seen {
    /// The target is not there; so many pods would be one version.
    fn nothing(replicas: u32) -> Self {
        Self {
            replicas,
            stable: None,
            canary: None,
            traffic: Ok(Traffic::default()),
            labels: BTreeMap::new(),
            pods: Pods::default(),
            finishing: None,
        }
    }
}

/// Passes traffic that weights alone make.
fn weights_only(traffic: &Traffic) -> Result<()> {
    if traffic.headers.is_empty() && traffic.mirrors.is_empty() {
        return Ok(());
    }
    Err(Error::Refused(
        "routes by header and mirrors are not carried out for this kind".to_owned(),
    ))
}

/// Passes traffic that can be had without a new version: none for it.
fn without_canary(traffic: &Traffic) -> Result<()> {
    if traffic.uses_canary() {
        return Err(Error::Refused(
            "the new version is not there: it gets no traffic".to_owned(),
        ));
    }
    Ok(())
}

/// How far a promotion is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Promoted {
    /// The target is what Git says, and serves.
    Done,
    /// Not yet: it goes on when it is asked for again.
    NotYet(String),
}

/// One kind of target. Every action can be repeated without harm, in whatever state it was left the last time, and is
/// quick: what takes time is begun, and looked at by the next call.
#[async_trait]
pub trait Target: Send + Sync {
    /// Looks at the target, its canary and its route. An error blocks the rollout until the next look.
    async fn observe(&self, cx: &Ctx) -> Result<Seen>;

    /// Runs the wanted version beside the stable one with so many pods, without traffic of its own.
    async fn scale_canary(&self, cx: &Ctx, replicas: u32) -> Result<()>;

    /// Sets the number of pods of the stable version.
    async fn scale_stable(&self, cx: &Ctx, replicas: u32) -> Result<()>;

    /// Writes the route.
    async fn set_traffic(&self, cx: &Ctx, traffic: &Traffic) -> Result<()>;

    /// Makes the wanted version the stable one: warm pods are not restarted, the old ones go, traffic is the stable
    /// version's alone, and the object ends as Git says.
    async fn promote(&self, cx: &Ctx) -> Result<Promoted>;

    /// Removes the version beside the stable one. It has no traffic.
    async fn remove_canary(&self, cx: &Ctx) -> Result<()>;

    /// Returns Service and port at which the new version takes requests before it has traffic, for warm-up.
    async fn endpoint(&self, cx: &Ctx) -> Result<(String, u16)>;

    /// Returns the objects whose changes concern the target, by kind and name.
    fn related(&self, cx: &Ctx) -> Vec<(GroupVersionKind, String)>;

    /// Returns what of a spec this kind of target cannot carry out.
    fn problems(&self, cx: &Ctx) -> Vec<Problem>;
}

/// Returns the target for a kind.
pub fn of(kind: &GroupVersionKind) -> Option<Box<dyn Target>> {
    match (kind.group.as_ref(), kind.kind.as_ref()) {
        ("apps", "Deployment") => Some(Box::new(Workload::Deployment)),
        ("apps", "StatefulSet") => Some(Box::new(Workload::StatefulSet)),
        ("serving.kserve.io", "InferenceService") => Some(Box::new(kserve::InferenceService)),
        ("serving.kserve.io", "LLMInferenceService") => Some(Box::new(kserve::LlmInferenceService)),
        ("machinelearning.seldon.io", "SeldonDeployment") => {
            Some(Box::new(seldon::SeldonDeployment))
        }
        ("mlops.seldon.io", "Model") => Some(Box::new(seldon::Model)),
        _ => None,
    }
}
