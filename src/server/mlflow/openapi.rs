//! The OpenAPI documents of an MLflow model that Python serves, from its signature: staged beside the generated script,
//! where the server looks for a script's own.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::resources::mlmodel::{Inputs, MlModel, Param};
use crate::resources::template;
use crate::server::engine;

/// File names and the versions in them.
const FILES: [(&str, &str); 3] = [("swagger2.json", "2"), ("swagger3.json", "3"), ("swagger3.1.json", "3.1")];

/// The documents, each with the name it is staged under.
pub fn documents(name: &str, folder: &Path, model: &MlModel) -> Vec<(&'static str, String)> {
    let (inputs, params) = (model.inputs(), model.params());
    let mut body = json!({
        "type": "object",
        "required": ["input_data"],
        "properties": {"input_data": schema(&inputs), "params": of_params(&params)},
    });
    if let Some(example) = example(folder, model).or_else(|| template::of_signature(&inputs, &params)) {
        body["example"] = example;
    }
    let document = |version| engine::openapi(name, version, &body, &json!({})).map(|document| document.to_string());
    FILES.iter().filter_map(|(file, version)| Some((*file, document(version)?))).collect()
}

fn example(folder: &Path, model: &MlModel) -> Option<Value> {
    let text = std::fs::read(folder.join(model.serving_example()?)).ok()?;
    template::of_mlflow_example(&serde_json::from_slice(&text).ok()?)
}

fn schema(inputs: &Inputs) -> Value {
    match inputs {
        Inputs::Unknown => json!({}),
        Inputs::Columns(columns) => {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            json!({"type": "object", "required": ["columns", "data"], "properties": {
                "columns": {"type": "array", "items": {"type": "string", "enum": names}},
                "index": {"type": "array", "items": {}},
                "data": {"type": "array", "items": {"type": "array", "items": {}}},
            }})
        }
        Inputs::Tensors(tensors) => match &tensors[..] {
            [tensor] if tensor.name.is_none() => nested(&tensor.dtype, &tensor.shape),
            tensors => {
                let of =
                    |t: &crate::resources::mlmodel::TensorInput| Some((t.name.clone()?, nested(&t.dtype, &t.shape)));
                let properties: Map<String, Value> = tensors.iter().filter_map(of).collect();
                json!({"type": "object", "required": properties.keys().collect::<Vec<_>>(), "properties": properties})
            }
        },
    }
}

/// Lists as deep as the tensor has dimensions.
fn nested(dtype: &str, shape: &[i64]) -> Value {
    shape.iter().fold(scalar(dtype), |inner, _| json!({"type": "array", "items": inner}))
}

fn of_params(params: &[Param]) -> Value {
    let of = |param: &Param| {
        let one = scalar(&param.kind);
        let mut schema = if param.shape.is_some() { json!({"type": "array", "items": one}) } else { one };
        schema["default"] = param.default.clone();
        (param.name.clone(), schema)
    };
    json!({"type": "object", "properties": params.iter().map(of).collect::<Map<_, _>>()})
}

/// A value of a signature's or of numpy's type.
fn scalar(kind: &str) -> Value {
    json!({"type": match kind {
        "boolean" | "bool" => "boolean",
        "long" | "integer" => "integer",
        kind if kind.starts_with("int") || kind.starts_with("uint") => "integer",
        "double" => "number",
        kind if kind.starts_with("float") => "number",
        _ => "string",
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_becomes_a_document_of_each_version_with_an_example() {
        let text = r#"
flavors: {python_function: {}}
signature:
  inputs: '[{"type": "double", "name": "age"}, {"type": "string", "name": "city"}]'
  params: '[{"name": "times", "type": "long", "default": 1, "shape": null}]'
"#;
        let model = MlModel::parse(text).unwrap();
        let made = documents("guests", Path::new("/nowhere"), &model);
        assert_eq!(
            made.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["swagger2.json", "swagger3.json", "swagger3.1.json"]
        );
        let document: Value = serde_json::from_str(&made[1].1).unwrap();
        let input = &document["components"]["schemas"]["ServiceInput"];
        assert_eq!(input["properties"]["input_data"]["properties"]["columns"]["items"]["enum"], json!(["age", "city"]));
        assert_eq!(input["properties"]["params"]["properties"]["times"], json!({"type": "integer", "default": 1}));
        assert_eq!(input["example"]["input_data"]["columns"], json!(["age", "city"]));
        assert_eq!(
            nested("float32", &[-1, 3]),
            json!({"type": "array", "items": {"type": "array", "items": {"type": "number"}}})
        );
    }
}
