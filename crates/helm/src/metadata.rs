//! `Chart.yaml`.

use std::collections::BTreeMap;

use driftless_gotemplate::funcs::Version;
use driftless_gotemplate::{Map, MapKind, Str, Value};
use driftless_yaml::{Duplicates, Limits};
use serde_json::Value as Json;

/// What a chart says about itself.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// `name`
    pub name: String,
    /// `home`
    pub home: String,
    /// `sources`
    pub sources: Vec<String>,
    /// `version`
    pub version: String,
    /// `description`
    pub description: String,
    /// `keywords`
    pub keywords: Vec<String>,
    /// `maintainers`: name, email, url.
    pub maintainers: Vec<[String; 3]>,
    /// `icon`
    pub icon: String,
    /// `apiVersion`
    pub api_version: String,
    /// `condition`
    pub condition: String,
    /// `tags`
    pub tags: String,
    /// `appVersion`
    pub app_version: String,
    /// `deprecated`
    pub deprecated: bool,
    /// `annotations`
    pub annotations: Option<BTreeMap<String, String>>,
    /// `kubeVersion`
    pub kube_version: String,
    /// `dependencies`; `None` when there are none to process.
    pub dependencies: Option<Vec<Dependency>>,
    /// `type`
    pub kind: String,
    /// The first list that has an empty entry.
    has_null_node: Option<&'static str>,
}

/// One entry of `dependencies`.
#[derive(Clone, Debug, Default)]
pub struct Dependency {
    /// `name`
    pub name: String,
    /// `version`
    pub version: String,
    /// `repository`
    pub repository: String,
    /// `condition`
    pub condition: String,
    /// `tags`
    pub tags: Vec<String>,
    /// Whether conditions and tags let it take part.
    pub enabled: bool,
    /// `import-values`
    pub import_values: Vec<Json>,
    /// `alias`
    pub alias: String,
}

/// Texts as templates see them: a slice of anything.
fn texts_value(items: &[String]) -> Value {
    Value::list(items.iter().map(|item| Value::str(item)).collect())
}

/// A place in a document, for what is said when it holds something else than Go wants.
#[derive(Clone)]
struct At<'a> {
    value: &'a Json,
    path: String,
}

impl<'a> At<'a> {
    /// Returns a field; nothing for one that is missing or null.
    fn field(&self, key: &str) -> Option<At<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(At {
            value,
            path: format!("{}.{key}", self.path),
        })
    }

    fn item(&self, index: usize, value: &'a Json) -> At<'a> {
        At {
            value,
            path: format!("{}.{index}", self.path),
        }
    }

    fn wrong(&self, target: &str) -> String {
        let kind = match self.value {
            Json::Null => "null",
            Json::Bool(_) => "bool",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        };
        let last = self.path.rsplit('.').next().unwrap_or_default();
        let is_item = last.bytes().all(|byte| byte.is_ascii_digit());
        let of = if is_item { "" } else { "Go struct field " };
        let path = &self.path;
        format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into {of}{path} of type {target}"
        )
    }

    fn as_text(&self) -> Result<String, String> {
        if self.value.is_null() {
            return Ok(String::new());
        }
        scalar(self.value).ok_or_else(|| self.wrong("string"))
    }

    fn as_object(&self, target: &str) -> Result<(), String> {
        match self.value {
            Json::Object(_) => Ok(()),
            _ => Err(self.wrong(target)),
        }
    }

    fn text(&self, key: &str) -> Result<String, String> {
        self.field(key)
            .map_or_else(|| Ok(String::new()), |at| at.as_text())
    }

    fn list(&self, key: &str, target: &str) -> Result<Vec<At<'a>>, String> {
        let Some(at) = self.field(key) else {
            return Ok(Vec::new());
        };
        let Json::Array(items) = at.value else {
            return Err(at.wrong(target));
        };
        let items = items.iter().enumerate();
        Ok(items.map(|(index, item)| at.item(index, item)).collect())
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, String> {
        let items = self.list(key, "[]string")?;
        items.iter().map(At::as_text).collect()
    }

    fn flag(&self, key: &str) -> Result<bool, String> {
        match self.field(key) {
            None => Ok(false),
            Some(at) => at.value.as_bool().ok_or_else(|| at.wrong("bool")),
        }
    }
}

/// Where Go wants a string, it takes numbers and booleans too.
fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Number(number) => Some(match number.as_i64() {
            Some(number) => number.to_string(),
            None => driftless_yaml::format_g(number.as_f64().unwrap_or_default()),
        }),
        _ => None,
    }
}

/// Reads the one document of a file; `None` when there is nothing in it.
fn document(data: &[u8], limits: &Limits) -> Result<Option<Json>, String> {
    let value = driftless_yaml::parse_first(data, limits, Duplicates::Last)
        .map_err(|error| format!("error converting YAML to JSON: {}", error.as_go()))?;
    match &value {
        Json::Null => Ok(None),
        Json::Object(_) => Ok(Some(value)),
        other => {
            let kind = match other {
                Json::Array(_) => "array",
                Json::Bool(_) => "bool",
                Json::Number(_) => "number",
                _ => "string",
            };
            Err(format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type loader.chartBase"
            ))
        }
    }
}

impl Metadata {
    /// Reads `Chart.yaml`, or what `requirements.yaml` adds to it.
    pub(crate) fn read(&mut self, data: &[u8], limits: &Limits) -> Result<(), String> {
        let Some(value) = document(data, limits)? else {
            return Ok(());
        };
        let top = At {
            value: &value,
            path: String::new(),
        };
        let set = |field: &mut String, key: &str| -> Result<(), String> {
            if let Some(at) = top.field(key) {
                *field = at.as_text()?;
            }
            Ok(())
        };
        set(&mut self.name, "name")?;
        set(&mut self.home, "home")?;
        set(&mut self.version, "version")?;
        set(&mut self.description, "description")?;
        set(&mut self.icon, "icon")?;
        set(&mut self.api_version, "apiVersion")?;
        set(&mut self.condition, "condition")?;
        set(&mut self.tags, "tags")?;
        set(&mut self.app_version, "appVersion")?;
        set(&mut self.kube_version, "kubeVersion")?;
        set(&mut self.kind, "type")?;
        if value.get("sources").is_some() {
            self.sources = top.texts("sources")?;
        }
        if value.get("keywords").is_some() {
            self.keywords = top.texts("keywords")?;
        }
        self.deprecated |= top.flag("deprecated")?;
        for maintainer in top.list("maintainers", "[]*v2.Maintainer")? {
            if maintainer.value.is_null() {
                self.has_null_node.get_or_insert("maintainers");
                continue;
            }
            maintainer.as_object("v2.Maintainer")?;
            self.maintainers.push([
                maintainer.text("name")?,
                maintainer.text("email")?,
                maintainer.text("url")?,
            ]);
        }
        if let Some(at) = top.field("annotations") {
            let Json::Object(entries) = at.value else {
                return Err(at.wrong("map[string]string"));
            };
            let annotations = self.annotations.get_or_insert_default();
            for (key, value) in entries {
                let at = At {
                    value,
                    path: format!("{}.{key}", at.path),
                };
                annotations.insert(key.clone(), at.as_text()?);
            }
        }
        if top.field("dependencies").is_some() {
            let mut dependencies = Vec::new();
            for item in top.list("dependencies", "[]*v2.Dependency")? {
                if item.value.is_null() {
                    self.has_null_node.get_or_insert("dependencies");
                    continue;
                }
                dependencies.push(Dependency::read(&item)?);
            }
            self.dependencies = Some(dependencies);
        }
        Ok(())
    }

    /// Checks what Helm checks when it loads a chart.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let invalid = |message: String| Err(format!("validation: {message}"));
        if self.api_version.is_empty() {
            return invalid("chart.metadata.apiVersion is required".to_owned());
        }
        if self.name.is_empty() {
            return invalid("chart.metadata.name is required".to_owned());
        }
        if self.name.contains('/') || matches!(self.name.as_str(), "." | "..") {
            return invalid(format!("chart.metadata.name {:?} is invalid", self.name));
        }
        if self.version.is_empty() {
            return invalid("chart.metadata.version is required".to_owned());
        }
        if Version::parse(&self.version).is_err() {
            return invalid(format!(
                "chart.metadata.version {:?} is invalid",
                self.version
            ));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return invalid("chart.metadata.type must be application or library".to_owned());
        }
        if let Some(list) = self.has_null_node {
            return invalid(format!("{list} must not contain empty or null nodes"));
        }
        let mut seen: Vec<&str> = Vec::new();
        for dependency in self.dependencies.iter().flatten() {
            let name = if dependency.alias.is_empty() {
                &dependency.name
            } else {
                &dependency.alias
            };
            let alias_fits = dependency
                .alias
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            if !alias_fits {
                return invalid(format!(
                    "dependency {:?} has disallowed characters in the alias",
                    dependency.name
                ));
            }
            if seen.contains(&name.as_str()) {
                return invalid(format!(
                    "more than one dependency with name or alias {name:?}"
                ));
            }
            seen.push(name);
        }
        Ok(())
    }

    /// Returns `.Chart`, with Go's names for the fields.
    pub(crate) fn to_value(&self, is_root: bool) -> Value {
        let maintainers = self.maintainers.iter().map(|[name, email, url]| {
            Value::map([
                ("Name", Value::str(name)),
                ("Email", Value::str(email)),
                ("URL", Value::str(url)),
            ])
        });
        let annotations = self.annotations.iter().flatten();
        Value::map([
            ("Name", Value::str(&self.name)),
            ("Home", Value::str(&self.home)),
            ("Sources", texts_value(&self.sources)),
            ("Version", Value::str(&self.version)),
            ("Description", Value::str(&self.description)),
            ("Keywords", texts_value(&self.keywords)),
            ("Maintainers", Value::list(maintainers.collect())),
            ("Icon", Value::str(&self.icon)),
            ("APIVersion", Value::str(&self.api_version)),
            ("Condition", Value::str(&self.condition)),
            ("Tags", Value::str(&self.tags)),
            ("AppVersion", Value::str(&self.app_version)),
            ("Deprecated", Value::Bool(self.deprecated)),
            (
                "Annotations",
                // The only field that keeps its Go type: a key that is missing is an empty text.
                Value::Map(Map::of(
                    MapKind::Str,
                    annotations
                        .map(|(key, value)| (Str::from(key.as_str()), Value::str(value)))
                        .collect(),
                )),
            ),
            ("KubeVersion", Value::str(&self.kube_version)),
            (
                "Dependencies",
                Value::list(
                    self.dependencies
                        .iter()
                        .flatten()
                        .map(Dependency::to_value)
                        .collect(),
                ),
            ),
            ("Type", Value::str(&self.kind)),
            ("IsRoot", Value::Bool(is_root)),
        ])
    }
}

impl Dependency {
    fn read(at: &At<'_>) -> Result<Self, String> {
        at.as_object("v2.Dependency")?;
        let imports = at.list("import-values", "[]interface {}")?;
        Ok(Self {
            name: at.text("name")?,
            version: at.text("version")?,
            repository: at.text("repository")?,
            condition: at.text("condition")?,
            tags: at.texts("tags")?,
            enabled: at.flag("enabled")?,
            import_values: imports.iter().map(|import| import.value.clone()).collect(),
            alias: at.text("alias")?,
        })
    }

    fn to_value(&self) -> Value {
        Value::map([
            ("Name", Value::str(&self.name)),
            ("Version", Value::str(&self.version)),
            ("Repository", Value::str(&self.repository)),
            ("Condition", Value::str(&self.condition)),
            ("Tags", texts_value(&self.tags)),
            ("Enabled", Value::Bool(self.enabled)),
            (
                "ImportValues",
                Value::list(
                    self.import_values
                        .iter()
                        .map(driftless_gotemplate::data::from_serde)
                        .collect(),
                ),
            ),
            ("Alias", Value::str(&self.alias)),
        ])
    }
}
