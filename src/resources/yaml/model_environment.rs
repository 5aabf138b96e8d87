//! Model and environment files, alone or inline in a deployment.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Origin;
use super::asset::AssetPath;
use super::conda::Conda;
use crate::resources::arm::StringMap;
use crate::resources::asset::{EnvironmentProperties, ModelProperties};
use crate::resources::document::{Fields, FileError, Node, Out, Value as Written};

/// A model as a file describes it. Without a name it is anonymous.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    pub name: Option<String>,
    /// `None`: the next one.
    pub version: Option<String>,
    pub description: Option<String>,
    pub tags: StringMap,
    pub properties: StringMap,
    /// `custom_model`, `mlflow_model` or `triton_model`.
    pub model_type: String,
    pub path: AssetPath,
    pub flavors: BTreeMap<String, Value>,
}

const MODEL_TYPES: &[(&str, &str)] =
    &[("custom_model", "custom_model"), ("mlflow_model", "mlflow_model"), ("triton_model", "triton_model")];

impl ModelFile {
    pub(super) fn read(origin: &Origin, mut fields: Fields<'_>) -> Result<Self, FileError> {
        fields.node("$schema");
        let file = Self {
            name: fields.text("name")?,
            version: fields.text("version")?,
            description: fields.text("description")?,
            tags: fields.texts("tags")?,
            properties: fields.texts("properties")?,
            model_type: fields.choice("type", MODEL_TYPES)?.unwrap_or("custom_model").to_owned(),
            path: AssetPath::read(origin, &fields.required("path")?),
            flavors: fields.each("flavors", "give a map", |node| Some(to_json(node)))?,
        };
        // Of Azure's schema, but without a meaning for serving.
        for key in ["stage", "datastore", "creation_context", "id"] {
            fields.node(key);
        }
        fields.finish()?;
        Ok(file)
    }

    /// What to register once the content lies at `model_uri`.
    pub fn to_properties(&self, model_uri: &str) -> ModelProperties {
        ModelProperties {
            description: self.description.clone(),
            tags: self.tags.clone(),
            properties: self.properties.clone(),
            model_type: self.model_type.clone(),
            model_uri: model_uri.to_owned(),
            flavors: self.flavors.clone(),
            is_anonymous: self.name.is_none(),
            ..ModelProperties::default()
        }
    }
}

/// An environment as a file describes it. Without a name it is anonymous.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentFile {
    pub name: Option<String>,
    /// `None`: the next one.
    pub version: Option<String>,
    pub description: Option<String>,
    pub tags: StringMap,
    pub properties: StringMap,
    pub image: Option<String>,
    pub conda: Option<Conda>,
    /// Folder of a container build, and the file in it.
    pub build: Option<(AssetPath, Option<String>)>,
    /// As the API takes it: `{"livenessRoute": {"port", "path"}, …}`.
    pub inference_config: Option<Value>,
    pub os_type: Option<String>,
}

impl EnvironmentFile {
    pub(super) fn read(origin: &Origin, mut fields: Fields<'_>) -> Result<Self, FileError> {
        fields.node("$schema");
        let file = Self {
            name: fields.text("name")?,
            version: fields.text("version")?,
            description: fields.text("description")?,
            tags: fields.texts("tags")?,
            properties: fields.texts("properties")?,
            image: fields.text("image")?,
            conda: conda(origin, &mut fields)?,
            build: build(origin, &mut fields)?,
            inference_config: inference_config(&mut fields)?,
            os_type: fields.choice("os_type", &[("linux", "Linux"), ("windows", "Windows")])?.map(str::to_owned),
        };
        for key in ["datastore", "creation_context", "id"] {
            fields.node(key);
        }
        fields.finish()?;
        Ok(file)
    }

    /// What to register; reads the conda file. `build_uri` is where the build folder was uploaded to, if there is one.
    pub fn to_properties(&self, build_uri: Option<&str>) -> Result<EnvironmentProperties, FileError> {
        let build = self.build.as_ref().map(|(path, dockerfile)| {
            let context = match path {
                AssetPath::Remote(uri) => uri.as_str(),
                AssetPath::Local(_) => build_uri.unwrap_or_default(),
            };
            json!({"contextUri": context, "dockerfilePath": dockerfile.as_deref().unwrap_or("Dockerfile")})
        });
        Ok(EnvironmentProperties {
            description: self.description.clone(),
            tags: self.tags.clone(),
            properties: self.properties.clone(),
            image: self.image.clone(),
            conda_file: self.conda.as_ref().map(Conda::text).transpose()?,
            build,
            inference_config: self.inference_config.clone(),
            os_type: self.os_type.clone(),
            is_anonymous: self.name.is_none(),
            ..EnvironmentProperties::default()
        })
    }
}

fn conda(origin: &Origin, fields: &mut Fields<'_>) -> Result<Option<Conda>, FileError> {
    let Some(node) = fields.node("conda_file") else { return Ok(None) };
    match &node.value {
        Written::Map(_) => Ok(Some(Conda::Inline(to_out(node).to_yaml()))),
        _ => match node.as_text().map(|text| AssetPath::read(origin, text)) {
            Some(AssetPath::Local(path)) => Ok(Some(Conda::File(path))),
            _ => Err(fields.wrong("conda_file", node, "give the path of a conda file, or its content as keys below")),
        },
    }
}

fn build(origin: &Origin, fields: &mut Fields<'_>) -> Result<Option<(AssetPath, Option<String>)>, FileError> {
    let Some(mut map) = fields.map("build")? else { return Ok(None) };
    let path = AssetPath::read(origin, &map.required("path")?);
    let dockerfile = map.text("dockerfile_path")?;
    map.finish()?;
    Ok(Some((path, dockerfile)))
}

fn inference_config(fields: &mut Fields<'_>) -> Result<Option<Value>, FileError> {
    let Some(mut map) = fields.map("inference_config")? else { return Ok(None) };
    let mut config = serde_json::Map::new();
    for (key, name) in
        [("liveness_route", "livenessRoute"), ("readiness_route", "readinessRoute"), ("scoring_route", "scoringRoute")]
    {
        if let Some(mut route) = map.map(key)? {
            let port = route.whole("port", 1, 65_535)?.ok_or_else(|| route.missing("port"))?;
            let path = route.required("path")?;
            route.finish()?;
            config.insert(name.to_owned(), json!({"port": port, "path": path}));
        }
    }
    map.finish()?;
    Ok(Some(Value::Object(config)))
}

/// Free-form content as JSON.
pub(super) fn to_json(node: &Node) -> Value {
    match &node.value {
        Written::Null => Value::Null,
        Written::Bool(value, _) => json!(value),
        Written::Int(value, text) => i64::try_from(*value).map_or_else(|_| json!(text), |value| json!(value)),
        Written::Float(value, text) => serde_json::Number::from_f64(*value).map_or_else(|| json!(text), Value::Number),
        Written::Text(text) => json!(text),
        Written::List(items) => items.iter().map(to_json).collect(),
        Written::Map(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.clone(), to_json(&entry.node))).collect())
        }
    }
}

/// Free-form content as it will be written again, in the order of the file.
pub(super) fn to_out(node: &Node) -> Out {
    match &node.value {
        Written::Null => Out::Text(String::new()),
        Written::Bool(value, _) => Out::Bool(*value),
        Written::Int(value, text) => i64::try_from(*value).map_or_else(|_| Out::Text(text.clone()), Out::Int),
        // `python=3.10` is a text already, but a bare 3.10 must not become 3.1.
        Written::Float(_, text) | Written::Text(text) => Out::Text(text.clone()),
        Written::List(items) => Out::List(items.iter().map(to_out).collect()),
        Written::Map(entries) => {
            Out::Map(entries.iter().map(|entry| (entry.key.clone(), to_out(&entry.node))).collect())
        }
    }
}
