//! `driftless template kustomize`: kustomizations on disk, built as `kubectl kustomize` builds them.

mod disk;
mod remote;

use std::fmt::Write as _;
use std::path::Path;

use driftless_core::Tree;
use driftless_kustomize::{
    HelmOptions, LoadRestrictor, Objects, Options, Order, Outcome, Remotes as _, RepoSpec,
    Services, build,
};
use driftless_source::render::LocalCharts;

use super::Printed;
use super::flags::{self, Flag, Kind, Parsed, flag};
use disk::Disk;
use remote::OnDemand;

/// Arguments of `kustomize build`: `[DIR] [flags]`.
#[derive(clap::Args, Debug, Clone, Default)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Folder of the kustomization, and flags of `kustomize build`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "[DIR] [FLAGS]"
    )]
    pub words: Vec<String>,
}

#[rustfmt::skip]
const FLAGS: &[Flag] = &[
    flag("enable-helm", None, Kind::Switch, "render the charts of helmCharts, in process"),
    flag("helm-kube-version", None, Kind::Text, "Kubernetes version that charts see"),
    flag("helm-api-versions", None, Kind::List, "further API versions that charts see"),
    flag("load-restrictor", None, Kind::Text, "LoadRestrictionsRootOnly (default) or LoadRestrictionsNone"),
    flag("output", Some('o'), Kind::Text, "write to this file, or one file for each object into this folder"),
    flag("reorder", None, Kind::Text, "legacy or none; the kustomization's sortOptions count before it"),
    flag("enable-managedby-label", None, Kind::Switch, "label every object with app.kubernetes.io/managed-by"),
    flag("help", Some('h'), Kind::Switch, "print this text"),
    // No program is ever run.
    flag("helm-command", None, Kind::Text, "accepted, no effect: charts are rendered in process"),
    flag("helm-debug", None, Kind::Switch, "accepted, no effect"),
    flag("stack-trace", None, Kind::Switch, "accepted, no effect"),
    flag("env", Some('e'), Kind::Texts, "accepted, no effect: functions do not run"),
    flag("as-current-user", None, Kind::Switch, "accepted, no effect: functions do not run"),
    flag("mount", None, Kind::Texts, "accepted, no effect: functions do not run"),
    flag("network", None, Kind::Switch, "accepted, no effect: functions do not run"),
    flag("network-name", None, Kind::Text, "accepted, no effect: functions do not run"),
    flag("enable-alpha-plugins", None, Kind::Switch, "not supported: plugins are programs"),
    flag("enable-exec", None, Kind::Switch, "not supported: plugins are programs"),
    flag("enable-star", None, Kind::Switch, "not supported"),
];

/// Builds kustomizations; what charts need is kept between builds.
#[derive(Default)]
pub struct Renderer {
    charts: LocalCharts,
    disk: Disk,
    remotes: OnDemand,
}

impl Renderer {
    /// Runs `kustomize build` with these arguments in this folder.
    pub fn run(&mut self, dir: &Path, words: &[String]) -> Printed {
        let parsed = match flags::parse(words, FLAGS) {
            Ok(parsed) => parsed,
            Err(message) => return Printed::failed(format!("error: {message}\n")),
        };
        if parsed.is_on("help") {
            let usage = "Builds a kustomization as `kubectl kustomize` does.\n\nUsage: driftless template kustomize [DIR] [flags]\n\nFlags:\n";
            return Printed {
                stdout: format!("{usage}{}", flags::describe(FLAGS)).into_bytes(),
                stderr: String::new(),
                ok: true,
            };
        }
        let mut warnings = String::new();
        match self.try_run(dir, &parsed, &mut warnings) {
            Ok(text) => Printed {
                stdout: text.into_bytes(),
                stderr: warnings,
                ok: true,
            },
            Err(message) => Printed::failed(format!("{warnings}error: {message}\n")),
        }
    }

    fn try_run(
        &mut self,
        dir: &Path,
        parsed: &Parsed,
        warnings: &mut String,
    ) -> Result<String, String> {
        let folder = match parsed.positional.as_slice() {
            [] => ".",
            [folder] => folder,
            _ => return Err("specify one path to kustomization.yaml".to_owned()),
        };
        let options = options(parsed)?;
        for (flag, advice) in DEPRECATED {
            if parsed.text(flag).is_some() {
                let _ = writeln!(warnings, "Flag --{flag} has been deprecated, {advice}");
            }
        }
        let outcome = self.build(dir, folder, options)?;
        for warning in outcome.warnings {
            warnings.push_str(&warning);
            warnings.push('\n');
        }
        let objects = outcome.result.map_err(|error| error.to_string())?;
        match parsed.text("output").filter(|file| !file.is_empty()) {
            None => objects.to_yaml().map_err(|error| error.to_string()),
            Some(file) => write(&dir.join(file), &objects).map(|()| String::new()),
        }
    }

    /// Builds a folder on disk, or of a repository.
    fn build(&mut self, dir: &Path, folder: &str, options: Options) -> Result<Outcome, String> {
        self.disk.forget();
        let services = Services {
            charts: Some(&self.charts),
            remotes: Some(&self.remotes),
            ..Services::default()
        };
        if let Some(spec) = RepoSpec::parse(folder) {
            let base = self.remotes.repository(&spec);
            let base = base.map_err(|error| error.to_string())?;
            let options = Options {
                root: base.name,
                ..options
            };
            let tree: &dyn Tree = &*base.tree;
            return Ok(build(tree, &spec.path, &options, services));
        }
        let absolute = std::path::absolute(dir.join(folder))
            .map_err(|error| format!("abs path error on '{folder}' : {error}"))?;
        let path = absolute.to_string_lossy();
        Ok(build(&self.disk, &path, &options, services))
    }
}

/// Flags that kustomize advises against, and what it says.
const DEPRECATED: [(&str, &str); 2] = [
    (
        "reorder",
        "use the new 'sortOptions' field in kustomization.yaml instead.",
    ),
    (
        "enable-managedby-label",
        "The flag `enable-managedby-label` has been deprecated. Use the `managedByLabel` option in the `buildMetadata` field instead.",
    ),
];

/// Writes one file, or one for each object where the path is a folder.
fn write(path: &Path, objects: &Objects) -> Result<(), String> {
    let put = |path: &Path, text: String| {
        std::fs::write(path, text).map_err(|error| format!("open {}: {error}", path.display()))
    };
    if !path.is_dir() {
        return put(path, objects.to_yaml().map_err(|error| error.to_string())?);
    }
    let files = objects.to_files().map_err(|error| error.to_string())?;
    for (name, text) in files {
        // Names of objects come from the kustomization: they stay in the folder.
        let name = name.replace(['/', '\\'], "_");
        put(&path.join(name), text)?;
    }
    Ok(())
}

fn options(parsed: &Parsed) -> Result<Options, String> {
    for name in ["enable-alpha-plugins", "enable-exec", "enable-star"] {
        if parsed.is_on(name) {
            return Err(format!(
                "--{name} is not supported: generators and transformers that are programs never run here"
            ));
        }
    }
    let load_restrictor = match parsed.text("load-restrictor") {
        None | Some("" | "LoadRestrictionsRootOnly") => LoadRestrictor::RootOnly,
        Some("LoadRestrictionsNone") => LoadRestrictor::None,
        Some(other) => {
            return Err(format!(
                "illegal flag value --load-restrictor {other}; legal values: [LoadRestrictionsRootOnly LoadRestrictionsNone]"
            ));
        }
    };
    let order = match parsed.text("reorder") {
        None | Some("" | "unspecified") => Order::Unspecified,
        Some("legacy") => Order::Legacy,
        Some("none") => Order::None,
        Some(other) => {
            return Err(format!(
                "illegal flag value --reorder {other}; legal values: [\"legacy\" \"none\"]"
            ));
        }
    };
    Ok(Options {
        load_restrictor,
        order,
        managed_by_label: parsed.is_on("enable-managedby-label"),
        helm: HelmOptions {
            enabled: parsed.is_on("enable-helm"),
            kube_version: parsed
                .text("helm-kube-version")
                .unwrap_or_default()
                .to_owned(),
            api_versions: parsed.texts("helm-api-versions").to_vec(),
        },
        ..Options::default()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Renderer;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_folder_is_built_and_links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("base")).unwrap();
        std::fs::create_dir_all(at("overlay")).unwrap();
        std::fs::write(at("base/kustomization.yaml"), "resources: [a.yaml]\n").unwrap();
        std::fs::write(
            at("base/real.yaml"),
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        )
        .unwrap();
        std::os::unix::fs::symlink("real.yaml", at("base/a.yaml")).unwrap();
        std::fs::write(
            at("overlay/kustomization.yaml"),
            "resources: [../base]\nnamePrefix: x-\n",
        )
        .unwrap();
        let mut renderer = Renderer::default();
        let printed = renderer.run(folder.path(), &words("overlay"));
        assert_eq!(
            String::from_utf8(printed.stdout).unwrap(),
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x-a\n",
            "{}",
            printed.stderr
        );
        assert!(printed.ok);
    }

    #[test]
    fn failures_have_the_words_of_kustomize() {
        let folder = tempfile::tempdir().unwrap();
        let mut renderer = Renderer::default();
        let printed = renderer.run(folder.path(), &[]);
        let shown = folder.path().display();
        assert_eq!(
            printed.stderr,
            format!(
                "error: unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{shown}'\n"
            )
        );
        assert!(!printed.ok);
        let refused = renderer.run(Path::new("/"), &words("--enable-exec"));
        assert!(
            refused.stderr.contains("never run here"),
            "{}",
            refused.stderr
        );
        let unknown = renderer.run(Path::new("/"), &words("--frob"));
        assert_eq!(unknown.stderr, "error: unknown flag: --frob\n");
    }
}
