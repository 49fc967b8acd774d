//! What the settings of a source may refer to as `$ARGOCD_APP_NAME` and the like.
//!
//! Upstream: argo-cd reposerver `newEnv` and `Env.Envsubst` (v3.1).

use driftless_api::Application;
use driftless_api::application::Source;

/// Names and values.
pub(crate) struct Environment(Vec<(&'static str, String)>);

impl Environment {
    /// Describes a source of an application at a revision.
    pub(crate) fn new(app: &Application, source: &Source, instance: &str, revision: &str) -> Self {
        let short = |length: usize| revision.get(..length).unwrap_or(revision).to_owned();
        Self(vec![
            ("ARGOCD_APP_NAME", instance.to_owned()),
            (
                "ARGOCD_APP_NAMESPACE",
                app.spec.destination.namespace.clone(),
            ),
            ("ARGOCD_APP_PROJECT_NAME", app.spec.project().to_owned()),
            ("ARGOCD_APP_REVISION", revision.to_owned()),
            ("ARGOCD_APP_REVISION_SHORT", short(7)),
            ("ARGOCD_APP_REVISION_SHORT_8", short(8)),
            ("ARGOCD_APP_SOURCE_REPO_URL", source.repo_url.clone()),
            ("ARGOCD_APP_SOURCE_PATH", source.path.clone()),
            (
                "ARGOCD_APP_SOURCE_TARGET_REVISION",
                source.target_revision.clone(),
            ),
        ])
    }

    /// Replaces `$NAME` and `${NAME}`; `$$` is a dollar. What is not known is nothing, as in a shell, unless it names
    /// a source (`$values/…`): that is for the reader of the path.
    pub(crate) fn substitute(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, tail) = rest.split_at(at);
            out.push_str(before);
            let tail = tail.get(1..).unwrap_or_default();
            if let Some(after) = tail.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let (name, after) = match tail.strip_prefix('{') {
                Some(braced) => braced.split_once('}').unwrap_or((braced, "")),
                None => {
                    let end = tail
                        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                        .unwrap_or(tail.len());
                    tail.split_at(end)
                }
            };
            match self.0.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => out.push_str(value),
                None if name.is_empty() => out.push('$'),
                None => {}
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// Replaces names in the settings of a chart: paths of values files and values of parameters.
    pub(crate) fn substitute_helm(&self, helm: &mut driftless_api::application::Helm) {
        for file in &mut helm.value_files {
            // A path that starts with the name of a source keeps it.
            let (prefix, path) = match driftless_source::render::ref_name(file) {
                Some(name) if !self.0.iter().any(|(known, _)| *known == name) => {
                    file.split_at(name.len() + 1)
                }
                _ => ("", file.as_str()),
            };
            *file = format!("{prefix}{}", self.substitute(path));
        }
        for parameter in &mut helm.parameters {
            parameter.value = self.substitute(&parameter.value);
        }
        for parameter in &mut helm.file_parameters {
            if driftless_source::render::ref_name(&parameter.path).is_none() {
                parameter.path = self.substitute(&parameter.path);
            }
        }
    }
}

impl Environment {
    /// Replaces names in the annotations of a kustomization, when it asks for that.
    pub(crate) fn substitute_kustomize(
        &self,
        kustomize: &mut driftless_api::application::Kustomize,
    ) {
        if !kustomize.common_annotations_envsubst {
            return;
        }
        for value in kustomize.common_annotations.values_mut() {
            *value = self.substitute(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_sources_kept() {
        let environment = Environment(vec![("ARGOCD_APP_NAME", "demo".to_owned())]);
        let replaced = |text: &str| environment.substitute(text);
        assert_eq!(replaced("a-$ARGOCD_APP_NAME.yaml"), "a-demo.yaml");
        assert_eq!(replaced("${ARGOCD_APP_NAME}x"), "demox");
        assert_eq!(replaced("$HOME/x $$5 $ 5"), "/x $5 $ 5");
        let mut helm = driftless_api::application::Helm {
            value_files: vec![
                "$values/$ARGOCD_APP_NAME.yaml".to_owned(),
                "$ARGOCD_APP_NAME/v.yaml".to_owned(),
            ],
            ..Default::default()
        };
        environment.substitute_helm(&mut helm);
        assert_eq!(helm.value_files, ["$values/demo.yaml", "demo/v.yaml"]);
    }
}
