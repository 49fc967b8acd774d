//! Kustomizations in Git (argocd-contract §6.4), built in this process.
//!
//! Upstream: argo-cd util/kustomize (v3.1), differs: nothing is written to disk, the fields of the source change the
//! kustomization as it is read; remote bases come through mirrors, and what was fetched is recorded; plugins that are
//! programs never run.

mod charts;
mod edit;
mod section;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use driftless_kustomize::{HelmOptions, LoadRestrictor, Options, Services, build};
use driftless_manifest::Object;

use super::{Ctx, Diagnostic, Error, Output, Seen, Severity, SourceKind, SourceType};
pub use charts::LocalCharts;
use edit::Edits;
use section::Section;

/// The kind for kustomizations.
#[derive(Default)]
pub struct Kustomizations {
    charts: LocalCharts,
}

/// Options of `kustomize build` that the administrator set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct BuildOptions {
    enable_helm: bool,
    load_restrictor: LoadRestrictor,
}

impl BuildOptions {
    /// Reads `kustomize.buildOptions`. Options that would run programs are refused.
    fn read(text: &str) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            match name {
                "--enable-helm" => options.enable_helm = value != Some("false"),
                "--load-restrictor" => {
                    let value = value.or_else(|| words.next()).unwrap_or_default();
                    options.load_restrictor = match value {
                        "LoadRestrictionsNone" => LoadRestrictor::None,
                        "LoadRestrictionsRootOnly" => LoadRestrictor::RootOnly,
                        other => return Err(refused(&format!("--load-restrictor {other}"))),
                    };
                }
                "--helm-command" if value.is_none() => drop(words.next()),
                "--helm-command" => {}
                other => return Err(refused(other)),
            }
        }
        Ok(options)
    }
}

fn refused(option: &str) -> Error {
    wrong(format!("kustomize.buildOptions: {option} is not supported"))
}

/// A setting that cannot be used.
fn wrong(problem: String) -> Error {
    Error::Section {
        kind: SourceType::Kustomize,
        problem,
    }
}

impl SourceKind for Kustomizations {
    fn source_type(&self) -> SourceType {
        SourceType::Kustomize
    }

    fn render(&self, cx: &Ctx<'_>) -> Result<Output, Error> {
        let section = Section::read(&cx.source.parameters)?;
        let edits = Edits::new(&section, cx)?;
        let given = BuildOptions::read(&cx.request.kustomize_options)?;
        let options = Options {
            load_restrictor: given.load_restrictor,
            helm: HelmOptions {
                enabled: given.enable_helm,
                kube_version: if section.kube_version.is_empty() {
                    cx.request.kube_version.to_string()
                } else {
                    section.kube_version.clone()
                },
                api_versions: if section.api_versions.is_empty() {
                    cx.request.api_versions.to_vec()
                } else {
                    section.api_versions.clone()
                },
            },
            limits: driftless_kustomize::Limits {
                file_bytes: cx.max_bytes,
                ..driftless_kustomize::Limits::default()
            },
            ..Options::default()
        };
        let services = Services {
            charts: Some(&self.charts),
            remotes: cx.fetcher.map(|fetcher| fetcher as _),
            edit: Some(&edits),
        };
        let outcome = build(cx.tree, cx.path.as_str(), &options, services);
        let failed = |source: driftless_kustomize::Error| Error::Kustomize {
            path: cx.path.to_string(),
            source: Arc::new(source),
        };
        let objects = outcome.result.map_err(failed)?;
        let mut output = Output::default();
        if given.enable_helm {
            // Charts see the cluster's versions; nothing else does.
            output.seen = Seen::default().version(cx.request).all(cx.request);
        }
        for (index, value) in objects.to_values().map_err(failed)?.into_iter().enumerate() {
            let object = Object::from_value(value).map_err(|error| Error::NotAnObject {
                file: cx.path.to_string(),
                document: index + 1,
                problem: error.to_string(),
            })?;
            output.objects.push(object);
        }
        let mut warnings: Vec<String> = outcome.warnings;
        warnings.dedup();
        output
            .diagnostics
            .extend(warnings.into_iter().map(|message| Diagnostic {
                severity: Severity::Warning,
                file: cx.path.to_string(),
                message: message.trim_start_matches("# Warning: ").to_owned(),
            }));
        Ok(output)
    }
}
