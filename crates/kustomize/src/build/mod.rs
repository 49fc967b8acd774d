//! One build, from the folder of a kustomization to its objects.

mod built_in;

use std::sync::Arc;

use driftless_core::Tree;

use crate::config::{self, Config, merge_shared};
use crate::error::{Context as _, Error, Result, quote};
use crate::kustomization::{COMPONENT, Kustomization, SortOptions, Var};
use crate::load::{Budget, Loader};
use crate::options::{Edit, Options, Order, Services};
use crate::origin::Origin;
use crate::plugin;
use crate::resource::Resource;
use crate::schema::Schemas;
use crate::set::{Set, read_objects};
use crate::transform::label::Entries;
use crate::transform::patch::in_file;
use crate::transform::var::Vars;
use crate::transform::{Transformer, hash, order, reference};

/// File names of kustomizations; exactly one has to be there.
const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// The label by which validators may say that they were there.
const VALIDATED_BY: &str = "validated-by";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The version whose behaviour this is, as the label tells it.
const VERSION: &str = "kustomize-v5.8.1";

/// What accumulates from bases, files and generators.
#[derive(Default)]
struct Accumulator {
    set: Set,
    config: Arc<Config>,
    vars: Vars,
}

impl Accumulator {
    fn merge(&mut self, other: Accumulator) -> Result<()> {
        self.set.append_all(other.set.list)?;
        merge_shared(&mut self.config, &other.config)?;
        self.vars.merge(other.vars)
    }
}

/// One kustomization of a build.
struct Target<'a> {
    loader: Loader<'a>,
    kustomization: Kustomization,
    file: &'static str,
    /// Where this kustomization is, when the result shall tell.
    origin: Option<Origin>,
    /// The namespace charts of bases go to.
    chart_namespace: String,
}

/// The state of a build.
pub(crate) struct Build<'a> {
    options: &'a Options,
    services: Services<'a>,
    schemas: Schemas,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Build<'a> {
    pub(crate) fn new(options: &'a Options, services: Services<'a>) -> Self {
        Self {
            options,
            services,
            schemas: Schemas::default(),
            warnings: Vec::new(),
        }
    }

    /// Builds the kustomization in a folder of the tree.
    pub(crate) fn run(
        &mut self,
        tree: &dyn Tree,
        path: &str,
        budget: &Budget,
    ) -> Result<Vec<Resource>> {
        let options = self.options;
        let loader = Loader::new(
            tree,
            path,
            &options.root,
            options.load_restrictor,
            self.services.remotes,
            budget,
        )?;
        let mut target = self.load(loader, self.services.edit)?;
        self.choose_schema(&target, true)?;
        if !target.kustomization.build_metadata.is_empty() {
            target.origin = Some(Origin::default());
        }
        let mut all = self.accumulate(&mut target, Accumulator::default())?;
        hash::run(&mut all.set, &mut self.schemas)?;
        reference::run(&mut all.set, &all.config, &mut self.schemas)?;
        let unused =
            all.vars
                .resolve(&mut all.set, &all.config.var_reference, &mut self.schemas)?;
        if !unused.is_empty() {
            self.warnings.push(format!(
                "well-defined vars that were never replaced: {}",
                unused.join(",")
            ));
        }
        all.set.list.retain(|resource| !resource.is_local());
        self.sort(&mut all.set, target.kustomization.sort_options.as_ref())?;
        self.finish(all.set, &target.kustomization)
    }

    fn sort(&mut self, set: &mut Set, options: Option<&SortOptions>) -> Result<()> {
        match (options, self.options.order) {
            (Some(options), given) => {
                if given != Order::Unspecified {
                    self.warnings.push(
                        "Warning: Sorting order is set both in 'kustomization.yaml' ('sortOptions') and in a CLI flag ('--reorder'). Using the kustomization file over the CLI flag."
                            .to_owned(),
                    );
                }
                order::run(set, options)
            }
            (None, Order::None) => Ok(()),
            (None, Order::Legacy | Order::Unspecified) => {
                let legacy = SortOptions {
                    order: "legacy".to_owned(),
                    legacy: None,
                };
                order::run(set, &legacy)
            }
        }
    }

    fn finish(&mut self, mut set: Set, kustomization: &Kustomization) -> Result<Vec<Resource>> {
        let wants = |option: &str| {
            kustomization
                .build_metadata
                .iter()
                .any(|wanted| wanted == option)
        };
        if self.options.managed_by_label || wants("managedByLabel") {
            let spec = config::FieldSpec {
                path: "metadata/labels".to_owned(),
                create: true,
                ..config::FieldSpec::default()
            };
            let labels = [(MANAGED_BY.to_owned(), VERSION.to_owned())].into();
            Entries::new(labels, &[spec]).run(&mut set, &mut self.schemas)?;
        }
        let (origin, transformations) =
            (wants("originAnnotations"), wants("transformerAnnotations"));
        for resource in &mut set.list {
            resource.strip(origin, transformations)?;
        }
        Ok(set.list)
    }

    fn load<'l>(&mut self, loader: Loader<'l>, edit: Option<&dyn Edit>) -> Result<Target<'l>> {
        let root = loader.root();
        let mut found = None;
        for name in FILE_NAMES {
            if loader.has_file(name)? && found.replace(name).is_some() {
                return Err(Error::new(format!(
                    "Found multiple kustomization files under: {root}\n"
                )));
            }
        }
        let Some(file) = found else {
            return Err(Error::missing(format!(
                "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{root}'"
            )));
        };
        let kustomization = Kustomization::parse(&loader.load(file)?, edit)?;
        for warning in &kustomization.warnings {
            self.warnings.push((*warning).to_owned());
        }
        if kustomization.is_empty() {
            return Err(Error::new("kustomization.yaml is empty"));
        }
        let problems = kustomization.problems();
        if !problems.is_empty() {
            return Err(Error::new(format!(
                "Failed to read kustomization file under {root}:\n{}",
                problems.join("\n")
            )));
        }
        Ok(Target {
            loader,
            kustomization,
            file,
            origin: None,
            chart_namespace: String::new(),
        })
    }

    fn choose_schema(&mut self, target: &Target<'_>, first: bool) -> Result<()> {
        let openapi = &target.kustomization.openapi;
        let document = match openapi.get("path") {
            Some(path) => Some(target.loader.load(path)?),
            None => None,
        };
        let version = openapi.get("version").map(String::as_str);
        self.schemas.choose(version, document.as_deref(), first)
    }

    fn accumulate(&mut self, target: &mut Target<'_>, mut all: Accumulator) -> Result<Accumulator> {
        let resources = std::mem::take(&mut target.kustomization.resources);
        self.resources(target, &mut all, &resources)
            .context(|| "accumulating resources")?;
        let config = self.config(target)?;
        merge_shared(&mut all.config, &config)?;
        for path in &target.kustomization.crds {
            let failed = || format!("loading CRDs [{}]", target.kustomization.crds.join(" "));
            let bytes = target.loader.load(path).context(failed)?;
            let config = config::from_crds(&bytes, path).context(failed)?;
            merge_shared(&mut all.config, &Arc::new(config)).context(|| "merging CRDs")?;
        }
        self.generators(target, &mut all)?;
        let components = std::mem::take(&mut target.kustomization.components);
        for path in &components {
            all = self
                .component(target, all, path)
                .context(|| "accumulating components")?;
        }
        self.transformers(target, &mut all)?;
        self.validators(target, &mut all)?;
        let vars = std::mem::take(&mut target.kustomization.vars);
        all.vars.add_all(&vars, &mut all.set).context(|| {
            let shown: Vec<String> = vars.iter().map(Var::go_text).collect();
            format!("merging vars [{}]", shown.join(" "))
        })?;
        let limit = target.loader.budget().limits().objects;
        if all.set.list.len() > limit {
            return Err(Error::limit(format!(
                "the build has more than {limit} objects"
            )));
        }
        Ok(all)
    }

    fn config(&mut self, target: &Target<'_>) -> Result<Arc<Config>> {
        let defaults = config::defaults();
        let paths = &target.kustomization.configurations;
        if paths.is_empty() {
            return Ok(defaults);
        }
        let documents = paths.iter().map(|path| target.loader.load(path));
        let own = config::from_documents(documents)?;
        let mut merged = (*defaults).clone();
        merged.merge(&own)?;
        Ok(Arc::new(merged))
    }

    fn resources(
        &mut self,
        target: &mut Target<'_>,
        all: &mut Accumulator,
        paths: &[String],
    ) -> Result<()> {
        for path in paths {
            let Err(of_file) = self.file(target, all, path) else {
                continue;
            };
            if of_file.is_final() {
                return Err(of_file);
            }
            let failed = |error: Error| error.context(format!("accumulation err='{of_file}'"));
            let loader = match target.loader.base(path) {
                Ok(loader) => loader,
                Err(error) if error.is_final() => return Err(error),
                Err(_) if of_file.is_malformed() => return Err(of_file),
                Err(error) => return Err(failed(error)),
            };
            let base = self.base(target, loader, path, None).map_err(failed)?;
            let root = base.root;
            all.merge(base.all)
                .context(|| format!("recursed merging from path '{root}'"))
                .map_err(failed)?;
        }
        Ok(())
    }

    fn file(&mut self, target: &Target<'_>, all: &mut Accumulator, path: &str) -> Result<()> {
        let accumulating = || format!("accumulating resources from '{path}'");
        let bytes = target.loader.load(path).context(accumulating)?;
        let limits = driftless_yaml::Limits::default();
        let mut objects = read_objects(&bytes, &limits, &mut self.schemas)
            .map_err(|error| in_file(error, path))
            .context(accumulating)?;
        // The file itself must not hold an object twice.
        let mut own = Set::default();
        own.append_all(std::mem::take(&mut objects))
            .context(accumulating)?;
        if let Some(origin) = &target.origin {
            let origin = origin.join(path);
            for object in &mut own.list {
                origin.read(object)?;
            }
        }
        all.set
            .append_all(own.list)
            .context(|| format!("merging resources from '{path}'"))
    }

    fn component(
        &mut self,
        target: &mut Target<'_>,
        all: Accumulator,
        path: &str,
    ) -> Result<Accumulator> {
        let loader = target.loader.base(path).map_err(|error| {
            if error.is_final() {
                return error;
            }
            Error::new(format!("loader.New {}", quote(&error.to_string())))
        })?;
        let failed = |error: Error| {
            if error.is_final() {
                return error;
            }
            Error::new(format!(
                "accumulateDirectory: {}",
                quote(&error.to_string())
            ))
        };
        let base = self.base(target, loader, path, Some(all)).map_err(failed)?;
        let root = base.root;
        let mut merged = Accumulator::default();
        merged
            .merge(base.all)
            .context(|| format!("recursed merging from path '{root}'"))
            .map_err(failed)?;
        Ok(merged)
    }

    /// Accumulates a base; a component goes on with what is there.
    fn base(
        &mut self,
        parent: &Target<'_>,
        loader: Loader<'_>,
        path: &str,
        component: Option<Accumulator>,
    ) -> Result<Base> {
        let root = loader.root();
        let mut target = self
            .load(loader, None)
            .context(|| format!("couldn't make target for path '{root}'"))?;
        target
            .kustomization
            .build_metadata
            .clone_from(&parent.kustomization.build_metadata);
        target.origin = parent.origin.as_ref().map(|origin| origin.join(path));
        let namespace = &parent.kustomization.namespace;
        target.chart_namespace = if namespace.is_empty() {
            parent.chart_namespace.clone()
        } else {
            namespace.clone()
        };
        self.choose_schema(&target, false)?;
        let kind = &target.kustomization.kind;
        if component.is_some() && kind != COMPONENT {
            return Err(Error::new(format!(
                "expected kind '{COMPONENT}' for path '{root}' but got '{kind}'"
            )));
        }
        if component.is_none() && kind == COMPONENT {
            return Err(Error::new(format!(
                "expected kind != '{COMPONENT}' for path '{root}'"
            )));
        }
        let all = self
            .accumulate(&mut target, component.unwrap_or_default())
            .context(|| format!("recursed accumulation of path '{root}'"))?;
        Ok(Base { all, root })
    }

    fn generators(&mut self, target: &mut Target<'_>, all: &mut Accumulator) -> Result<()> {
        let mut generators = self.built_in_generators(target)?;
        let entries = std::mem::take(&mut target.kustomization.generators);
        let configs = self
            .plugin_configs(target, &entries, "generator")
            .context(|| "loading generator plugins")?;
        for config in &configs {
            let generator = plugin::generator(config, &self.options.helm, &target.loader)
                .context(|| "failed to load generator")
                .context(|| "loading generator plugins")?;
            generators.push((generator, Origin::plugin(config)));
        }
        for (generator, origin) in generators {
            let objects = generator.run(&target.loader, self.services.charts, &mut self.schemas)?;
            let mut own = Set::default();
            own.append_all(objects)?;
            for mut object in own.list {
                if let Some(origin) = &origin {
                    origin.made(&mut object)?;
                }
                all.set
                    .absorb(object, &mut self.schemas)
                    .context(|| "merging from generator &{0x0 <nil>}")?;
            }
        }
        Ok(())
    }

    /// Reads what configures plugins: texts, files, or kustomizations of their own.
    fn plugin_configs(
        &mut self,
        target: &mut Target<'_>,
        entries: &[String],
        what: &'static str,
    ) -> Result<Vec<Resource>> {
        let mut all = Accumulator::default();
        let mut paths = Vec::new();
        let limits = driftless_yaml::Limits::default();
        for entry in entries {
            let Ok(mut objects) = read_objects(entry.as_bytes(), &limits, &mut self.schemas) else {
                paths.push(entry.clone());
                continue;
            };
            if let Some(origin) = &target.origin {
                let origin = origin.join(target.file);
                for object in &mut objects {
                    origin.read(object)?;
                }
            }
            all.set
                .append_all(objects)
                .context(|| format!("configuring external {what}"))?;
        }
        self.resources(target, &mut all, &paths)?;
        Ok(all.set.list)
    }

    fn plugin_transformers(
        &mut self,
        target: &mut Target<'_>,
        entries: &[String],
    ) -> Result<Vec<(Transformer, Option<Origin>)>> {
        let configs = self.plugin_configs(target, entries, "transformer")?;
        let mut transformers = Vec::with_capacity(configs.len());
        for config in &configs {
            let transformer = plugin::transformer(config, &target.loader, &mut self.schemas)?;
            transformers.push((transformer, Origin::plugin(config)));
        }
        Ok(transformers)
    }

    fn transformers(&mut self, target: &mut Target<'_>, all: &mut Accumulator) -> Result<()> {
        let mut transformers = self.built_in_transformers(target, &all.config)?;
        let entries = std::mem::take(&mut target.kustomization.transformers);
        transformers.extend(self.plugin_transformers(target, &entries)?);
        for (transformer, origin) in transformers {
            transformer.run(&mut all.set, &mut self.schemas)?;
            all.set.drop_empty();
            if let Some(origin) = &origin {
                for resource in &mut all.set.list {
                    origin.changed(resource)?;
                }
            }
        }
        Ok(())
    }

    fn validators(&mut self, target: &mut Target<'_>, all: &mut Accumulator) -> Result<()> {
        let entries = std::mem::take(&mut target.kustomization.validators);
        for (validator, _) in self.plugin_transformers(target, &entries)? {
            let before = all.set.list.clone();
            validator.run(&mut all.set, &mut self.schemas)?;
            check_unchanged(&before, &all.set.list)
                .context(|| "validator shouldn't modify the resource map")?;
        }
        Ok(())
    }
}

/// Fails when a validator changed more than the label that says it was there.
fn check_unchanged(before: &[Resource], after: &[Resource]) -> Result<()> {
    if before.len() != after.len() {
        return Err(Error::new("lists have different number of entries"));
    }
    for one in before {
        let id = one.id();
        let same: Vec<&Resource> = after.iter().filter(|other| other.id().equals(id)).collect();
        let [other] = same.as_slice() else {
            return Err(Error::new(match same.len() {
                0 => format!("id in self missing from other; id: {id}"),
                count => format!("id in self matches {count} in other; id: {id}"),
            }));
        };
        let mut other = (*other).clone();
        let mut labels = other.labels();
        if labels.remove(VALIDATED_BY).is_some() {
            other.set_labels(labels)?;
        }
        let (one, other) = (one.shown_json(), other.shown_json());
        if one != other {
            // Upstream goes on with where both are in memory.
            let place = "&resource.Resource{RNode:yaml.RNode{fieldPath:[]string(nil), value:(*yaml.Node)(0x0), ShouldKeep:false, Match:[]string(nil)}, refVarNames:[]string(nil)}";
            return Err(Error::new(format!(
                "nodes unequal: \n -- {one},\n -- {other}\n\n--\n{place}\n------\n{place}\n"
            )));
        }
    }
    Ok(())
}

/// A base that was accumulated.
struct Base {
    all: Accumulator,
    root: String,
}
