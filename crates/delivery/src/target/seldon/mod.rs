//! Seldon Core: SeldonDeployments of version 1, Models of version 2.

mod deployment;
mod model;

pub(super) use self::deployment::SeldonDeployment;
pub(super) use self::model::Model;
