//! Request bodies made from what a model or a script says of its inputs: for the template of the request pane.

use serde_json::{Map, Value, json};

use super::mlmodel::{Inputs, Param, TensorInput};

/// Schemas refer to schemas; no deeper than this.
const DEPTH: u8 = 12;
/// Of an open dimension, and of the largest list that is written out.
const ROWS: usize = 2;
const MOST: usize = 64;

/// The body that an MLflow model's own example stands for: MLflow writes it for its own server, under other keys.
pub fn of_mlflow_example(example: &Value) -> Option<Value> {
    let input = ["dataframe_split", "inputs", "instances"].iter().find_map(|key| example.get(key))?;
    let mut body = json!({"input_data": input});
    if let Some(params) = example.get("params") {
        body["params"] = params.clone();
    }
    Some(body)
}

/// A body by an MLflow signature: a frame of one row, or tensors. `None` without a signature.
pub fn of_signature(inputs: &Inputs, params: &[Param]) -> Option<Value> {
    let input = match inputs {
        Inputs::Unknown => return None,
        Inputs::Columns(columns) => {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let row: Vec<Value> = columns.iter().map(|column| of_kind(&column.kind)).collect();
            json!({"columns": names, "index": [0], "data": [row]})
        }
        Inputs::Tensors(tensors) => match &tensors[..] {
            [TensorInput { name: None, dtype, shape }] => of_shape(dtype, shape),
            named => {
                let named = named.iter().enumerate();
                let value = |(at, tensor): (usize, &TensorInput)| {
                    (tensor.name.clone().unwrap_or_else(|| at.to_string()), of_shape(&tensor.dtype, &tensor.shape))
                };
                Value::Object(named.map(value).collect())
            }
        },
    };
    let mut body = json!({"input_data": input});
    if !params.is_empty() {
        body["params"] =
            Value::Object(params.iter().map(|param| (param.name.clone(), param.default.clone())).collect());
    }
    Some(body)
}

fn of_kind(kind: &str) -> Value {
    match kind {
        "boolean" => json!(false),
        "integer" | "long" => json!(0),
        "string" | "binary" => json!(""),
        "datetime" => json!("2026-01-01T00:00:00"),
        "array" => json!([]),
        "object" | "map" => json!({}),
        _ => json!(0.0),
    }
}

fn of_shape(dtype: &str, shape: &[i64]) -> Value {
    let Some((first, rest)) = shape.split_first() else {
        return match dtype {
            "bool" => json!(false),
            "object" | "str" => json!(""),
            kind if kind.contains("int") => json!(0),
            _ => json!(0.0),
        };
    };
    // The first open dimension is the batch: one row. A large dimension is the user's to fill in.
    let size = usize::try_from(*first).map_or(1, |size| if size > MOST { ROWS } else { size });
    Value::Array(vec![of_shape(dtype, rest); size])
}

/// A body by an OpenAPI document (2, 3 or 3.1): the example of what `POST /score` takes, or values by its schema. `None`
/// when it says nothing of the input.
pub fn of_swagger(document: &Value) -> Option<Value> {
    let post = document.pointer("/paths/~1score/post")?;
    let content = post.pointer("/requestBody/content/application~1json");
    let parameter = || {
        let parameters = post.get("parameters")?.as_array()?;
        parameters.iter().find(|parameter| parameter.get("in").and_then(Value::as_str) == Some("body"))
    };
    let place = content.or_else(parameter)?;
    let body = place.get("example").cloned().or_else(|| of_schema(document, place.get("schema")?, DEPTH))?;
    let says_something = match &body {
        Value::Object(fields) => !fields.is_empty(),
        Value::Null => false,
        _ => true,
    };
    says_something.then_some(body)
}

fn of_schema(document: &Value, schema: &Value, depth: u8) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return of_schema(document, document.pointer(reference.strip_prefix('#')?)?, depth);
    }
    if let Some(given) = schema.get("example").or_else(|| schema.get("default")) {
        return Some(given.clone());
    }
    if let Some(given) = schema.pointer("/examples/0").or_else(|| schema.pointer("/enum/0")) {
        return Some(given.clone());
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null")?.as_str()?,
        Some(kind) => kind.as_str()?,
        None => "object",
    };
    Some(match kind {
        "integer" => json!(0),
        "number" => json!(0.0),
        "boolean" => json!(false),
        "string" => json!(""),
        "array" => {
            Value::Array(schema.get("items").and_then(|items| of_schema(document, items, depth)).into_iter().collect())
        }
        _ => {
            let fields = schema.get("properties").and_then(Value::as_object);
            let field = |(name, schema): (&String, &Value)| Some((name.clone(), of_schema(document, schema, depth)?));
            Value::Object(fields.into_iter().flatten().filter_map(field).collect::<Map<_, _>>())
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resources::mlmodel::{Column, MlModel};

    #[test]
    fn an_mlflow_example_goes_under_azures_keys() {
        let split = json!({"columns": ["a"], "data": [[1]]});
        let example = json!({"dataframe_split": split, "params": {"times": 2}});
        assert_eq!(of_mlflow_example(&example), Some(json!({"input_data": split, "params": {"times": 2}})));
        assert_eq!(of_mlflow_example(&json!({"inputs": [[1.5]]})), Some(json!({"input_data": [[1.5]]})));
        assert_eq!(of_mlflow_example(&json!([1])), None);
    }

    #[test]
    fn a_signature_becomes_a_frame_or_tensors() {
        let column = |name: &str, kind: &str| Column { name: name.into(), kind: kind.into(), required: true };
        let columns = Inputs::Columns(vec![column("age", "double"), column("city", "string"), column("n", "long")]);
        let frame = json!({"input_data": {"columns": ["age", "city", "n"], "index": [0], "data": [[0.0, "", 0]]}});
        assert_eq!(of_signature(&columns, &[]), Some(frame));
        let tensor = |name: Option<&str>, dtype: &str, shape: &[i64]| TensorInput {
            name: name.map(String::from),
            dtype: dtype.into(),
            shape: shape.into(),
        };
        let one = Inputs::Tensors(vec![tensor(None, "float32", &[-1, 3])]);
        assert_eq!(of_signature(&one, &[]), Some(json!({"input_data": [[0.0, 0.0, 0.0]]})));
        let named = Inputs::Tensors(vec![tensor(Some("X"), "int64", &[-1]), tensor(Some("Y"), "object", &[-1, 2])]);
        assert_eq!(of_signature(&named, &[]), Some(json!({"input_data": {"X": [0], "Y": [["", ""]]}})));
        let times = Param { name: "times".into(), kind: "long".into(), default: json!(1), shape: None };
        assert_eq!(of_signature(&one, &[times]).unwrap()["params"], json!({"times": 1}));
        assert_eq!(of_signature(&Inputs::Unknown, &[]), None);
        let large = Inputs::Tensors(vec![tensor(None, "uint8", &[-1, 100_000])]);
        assert_eq!(of_signature(&large, &[]), Some(json!({"input_data": [[0, 0]]})));
    }

    #[test]
    fn an_openapi_document_gives_its_example_or_values_by_its_schema() {
        let three = |schema: Value| {
            json!({"paths": {"/score": {"post": {"requestBody": {"content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/ServiceInput"}}}}}}}, "components": {"schemas": {"ServiceInput": schema}}})
        };
        let given = json!({"data": [[1, 2]]});
        assert_eq!(of_swagger(&three(json!({"type": "object", "example": given}))), Some(given.clone()));
        let schema = json!({"type": "object", "required": ["data"], "properties": {
            "data": {"type": "array", "items": {"type": "array", "items": {"type": "integer", "format": "int64"}}},
            "method": {"type": ["string", "null"], "default": "predict"}, "p": {"type": "number"}}});
        assert_eq!(of_swagger(&three(schema)), Some(json!({"data": [[0]], "method": "predict", "p": 0.0})));
        assert_eq!(of_swagger(&three(json!({"type": "object"}))), None, "a script that says nothing");
        let two = json!({"paths": {"/score": {"post": {"parameters": [{"in": "header"}, {"in": "body", "schema":
            {"$ref": "#/definitions/ServiceInput"}}]}}}, "definitions": {"ServiceInput": {"type": "object", "example": given}}});
        assert_eq!(of_swagger(&two), Some(given));
        let round = json!({"$ref": "#/components/schemas/ServiceInput"});
        assert_eq!(of_swagger(&three(round)), None, "a schema that is itself");
    }

    proptest! {
        #[test]
        fn any_file_and_any_document_is_read_or_passed_over(text in "\\PC{0,200}", name in "[a-z/$#]{0,12}") {
            if let Ok(model) = MlModel::parse(&text) {
                let _ = of_signature(&model.inputs(), &model.params());
            }
            let _ = serde_json::from_str::<Value>(&text).map(|value| (of_mlflow_example(&value), of_swagger(&value)));
            let odd = json!({"paths": {"/score": {"post": {"parameters": [{"in": "body", "schema": {"$ref": name}}]}}}});
            let _ = of_swagger(&odd);
        }
    }
}
