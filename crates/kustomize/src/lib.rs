//! Kustomize in process: a kustomization in a file tree → Kubernetes objects, equal to `kustomize build` v5.8.
//!
//! A build is a pure function of a [`Tree`], a path and [`Options`]. It reads files through the tree only, runs
//! no program, and asks the network for nothing: charts and remote resources come through [`Services`], and are
//! refused without them. Exec and container functions never run.
//!
//! Reading order: [`build()`], `build` (one kustomization after the other), `kustomization` (the file's fields),
//! `load` (which files may be read), `node` (the tree that edits work on), `resource` and `set` (objects and
//! their names), `transform` and `generate` (one module per built-in), `merge` (strategic merge).

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

mod build;
mod config;
mod decode;
mod error;
mod generate;
mod id;
mod kustomization;
mod load;
mod merge;
mod node;
mod options;
mod origin;
mod pattern;
mod plugin;
mod remote;
mod resource;
mod schema;
mod set;
mod transform;

use driftless_core::Tree;
use serde_json::Value;

pub use error::Error;
pub use generate::helm::{ChartRequest, Charts, HelmOptions};
pub use load::{Limits, LoadRestrictor};
pub use options::{Edit, Options, Order, Services};
pub use remote::{RemoteBase, Remotes, RepoSpec};

/// What a build gives.
pub struct Outcome {
    /// What is worth telling, in order; also when the build failed.
    pub warnings: Vec<String>,
    /// The objects.
    pub result: Result<Objects, Error>,
}

/// The objects of a build, in order.
pub struct Objects(Vec<resource::Resource>);

impl Objects {
    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns them as one YAML stream.
    pub fn to_yaml(&self) -> Result<String, Error> {
        let mut out = String::new();
        for (at, resource) in self.0.iter().enumerate() {
            if at > 0 {
                out.push_str("---\n");
            }
            let text = node::write_yaml(resource.node()).map_err(|error| shown(resource, error))?;
            out.push_str(&text);
        }
        Ok(out)
    }

    /// Returns each as a file of its own, name and content, as kustomize writes them into a folder.
    pub fn to_files(&self) -> Result<Vec<(String, String)>, Error> {
        let namespaces: std::collections::BTreeSet<&str> = self
            .0
            .iter()
            .filter(|resource| !resource.id().cluster)
            .map(|resource| resource.id().effective_namespace())
            .collect();
        let mut files = Vec::with_capacity(self.0.len());
        for resource in &self.0 {
            let id = resource.id();
            let mut name = String::new();
            if namespaces.len() > 1 && !id.cluster {
                name.push_str(id.effective_namespace());
                name.push('_');
            }
            for part in [&id.gvk.group, &id.gvk.version, &id.gvk.kind] {
                if !part.is_empty() {
                    name.push_str(part);
                    name.push('_');
                }
            }
            name.push_str(&id.name);
            let text = node::write_yaml(resource.node()).map_err(|error| shown(resource, error))?;
            files.push((format!("{}.yaml", name.to_lowercase()), text));
        }
        Ok(files)
    }

    /// Returns them as JSON values.
    pub fn to_values(&self) -> Result<Vec<Value>, Error> {
        let mut out = Vec::with_capacity(self.0.len());
        for resource in &self.0 {
            out.push(node::to_json(resource.node()).map_err(|error| shown(resource, error))?);
        }
        Ok(out)
    }
}

fn shown(resource: &resource::Resource, error: Error) -> Error {
    let repeated = resource.node().repeated_keys();
    let error = if repeated.is_empty() {
        error
    } else {
        Error::new(format!("yaml: unmarshal errors:\n{}", repeated.join("\n")))
    };
    error.context("map[string]interface {}(nil)")
}

/// Builds the kustomization in the folder `path` of a tree.
pub fn build(tree: &dyn Tree, path: &str, options: &Options, services: Services<'_>) -> Outcome {
    let budget = load::Budget::new(options.limits);
    let mut build = build::Build::new(options, services);
    let result = build.run(tree, path, &budget).map(Objects);
    Outcome {
        warnings: std::mem::take(&mut build.warnings),
        result,
    }
}
