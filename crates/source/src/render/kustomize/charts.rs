//! Charts of `helmCharts`, rendered by the chart engine out of the same tree. The command line uses it too.

use driftless_core::class::render_chain;
use driftless_gotemplate::{Budget, bytes};
use driftless_helm::values::Overrides;
use driftless_helm::{Capabilities, Engine, KubeVersion, Options, Release, Show, load};
use driftless_kustomize::{ChartRequest, Charts, Error};

/// Renders charts that lie beside their kustomization.
#[derive(Default)]
pub struct LocalCharts {
    engine: Engine,
}

impl Charts for LocalCharts {
    fn render(&self, request: &ChartRequest<'_>) -> Result<String, Error> {
        if !request.is_local {
            return Err(Error::refused(format!(
                "chart '{}' of {} does not lie beside the kustomization, and charts are not fetched",
                request.name, request.repo
            )));
        }
        self.text(request)
            .map_err(|message| Error::new(format!("chart '{}': {message}", request.name)))
    }
}

impl LocalCharts {
    fn text(&self, request: &ChartRequest<'_>) -> Result<String, String> {
        let limits = load::Limits::default();
        let chart = load::from_tree(request.tree, &request.folder, &limits)
            .map_err(|error| render_chain(&error))?;
        let mut capabilities = Capabilities::default();
        if !request.kube_version.is_empty() {
            capabilities.kube_version = KubeVersion::parse(&request.kube_version)?;
        }
        capabilities
            .api_versions
            .extend(request.api_versions.iter().cloned());
        let overrides = Overrides {
            files: request
                .values
                .iter()
                .map(|text| ("values.yaml".to_owned(), text.clone().into_bytes()))
                .collect(),
            ..Overrides::default()
        };
        let values = overrides
            .to_map(&limits.yaml)
            .map_err(|error| error.to_string())?;
        let name = match (request.release, request.name_template) {
            ("", "") => "release-name".to_owned(),
            (name, "") => name.to_owned(),
            (_, template) => driftless_helm::release_name(template)?,
        };
        let options = Options {
            release: Release {
                name,
                namespace: if request.namespace.is_empty() {
                    "default".to_owned()
                } else {
                    request.namespace.to_owned()
                },
                revision: 1,
                is_upgrade: false,
            },
            capabilities,
            check_schema: true,
            budget: Budget::default(),
            seed: None,
            yaml: limits.yaml,
        };
        let rendered = driftless_helm::render(&self.engine, chart, &values, &options)
            .map_err(|error| render_chain(&error))?;
        let text = rendered.to_text(Show {
            crds: request.include_crds,
            no_hooks: request.skip_hooks,
            no_tests: request.skip_tests,
        });
        Ok(String::from_utf8_lossy(&bytes::of_text(&text)).into_owned())
    }
}
