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

fn text(value: &Json, key: &str) -> Result<String, String> {
    match value.get(key) {
        None | Some(Json::Null) => Ok(String::new()),
        Some(value) => scalar(value).ok_or_else(|| wrong(value, key, "string")),
    }
}

fn wrong(value: &Json, key: &str, target: &str) -> String {
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go struct field Metadata.{key} of type {target}"
    )
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

fn list<'a>(value: &'a Json, key: &str) -> Result<&'a [Json], String> {
    match value.get(key) {
        None | Some(Json::Null) => Ok(&[]),
        Some(Json::Array(items)) => Ok(items),
        Some(other) => Err(wrong(other, key, "[]string")),
    }
}

fn texts(value: &Json, key: &str) -> Result<Vec<String>, String> {
    list(value, key)?
        .iter()
        .map(|item| match item {
            Json::Null => Ok(String::new()),
            item => scalar(item).ok_or_else(|| wrong(item, key, "string")),
        })
        .collect()
}

fn flag(value: &Json, key: &str) -> Result<bool, String> {
    match value.get(key) {
        None | Some(Json::Null) => Ok(false),
        Some(Json::Bool(flag)) => Ok(*flag),
        Some(other) => Err(wrong(other, key, "bool")),
    }
}

impl Metadata {
    /// Reads `Chart.yaml`, or what `requirements.yaml` adds to it.
    pub(crate) fn read(&mut self, data: &[u8], limits: &Limits) -> Result<(), String> {
        let value = driftless_yaml::parse_first(data, limits, Duplicates::Last)
            .map_err(|error| format!("error converting YAML to JSON: {}", error.as_go()))?;
        match &value {
            Json::Null => return Ok(()),
            Json::Object(_) => {}
            other => {
                let kind = if other.is_array() { "array" } else { "string" };
                return Err(format!(
                    "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type chart.Metadata"
                ));
            }
        }
        let set = |field: &mut String, key: &str| -> Result<(), String> {
            if value.get(key).is_some_and(|value| !value.is_null()) {
                *field = text(&value, key)?;
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
            self.sources = texts(&value, "sources")?;
        }
        if value.get("keywords").is_some() {
            self.keywords = texts(&value, "keywords")?;
        }
        self.deprecated |= flag(&value, "deprecated")?;
        for maintainer in list(&value, "maintainers")? {
            self.maintainers.push([
                text(maintainer, "name")?,
                text(maintainer, "email")?,
                text(maintainer, "url")?,
            ]);
        }
        match value.get("annotations") {
            None | Some(Json::Null) => {}
            Some(Json::Object(entries)) => {
                let annotations = self.annotations.get_or_insert_default();
                for (key, value) in entries {
                    let value = match value {
                        Json::Null => String::new(),
                        value => {
                            scalar(value).ok_or_else(|| wrong(value, "annotations", "string"))?
                        }
                    };
                    annotations.insert(key.clone(), value);
                }
            }
            Some(other) => return Err(wrong(other, "annotations", "map[string]string")),
        }
        if let Some(Json::Array(items)) = value.get("dependencies") {
            let read: Result<Vec<Dependency>, String> = items
                .iter()
                .filter(|item| !item.is_null())
                .map(Dependency::read)
                .collect();
            self.dependencies = Some(read?);
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
    fn read(value: &Json) -> Result<Self, String> {
        Ok(Self {
            name: text(value, "name")?,
            version: text(value, "version")?,
            repository: text(value, "repository")?,
            condition: text(value, "condition")?,
            tags: texts(value, "tags")?,
            enabled: flag(value, "enabled")?,
            import_values: list(value, "import-values")?.to_vec(),
            alias: text(value, "alias")?,
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
