//! The OpenAPI document of a deployment, made from the model's inputs and outputs.

use serde_json::{Map, Value, json};

use super::onnx::model::OnnxModel;
use super::onnx::spec::Spec;

/// The document in OpenAPI 2, 3 or 3.1; none for other versions. `example` is a body that works.
pub fn document(endpoint: &str, version: &str, model: &OnnxModel, example: Option<Value>) -> Option<Value> {
    let input = object(model.inputs.iter());
    let mut body = json!({"type": "object", "required": ["input_data"], "properties": {"input_data": input}});
    if let Some(example) = example {
        body["example"] = example;
    }
    assemble(endpoint, version, &body, &object(model.outputs.iter().map(|o| &o.spec)))
}

/// A document from the schemas of the body (with its example) and of the answer.
pub fn assemble(endpoint: &str, version: &str, body: &Value, answer: &Value) -> Option<Value> {
    let error = json!({"type": "object", "properties": {"message": {"type": "string"}}});
    let info = json!({"title": endpoint, "version": "1.0", "description": format!("API specification for the endpoint {endpoint}")});
    let schemas = json!({"ServiceInput": body, "ServiceOutput": answer, "ErrorResponse": error});
    let operations = |reference: &str, wide: bool| {
        let name = |schema: &str| json!({"$ref": format!("{reference}{schema}")});
        let answer = |text: &str, schema: &str| match wide {
            true => json!({"description": text, "content": {"application/json": {"schema": name(schema)}}}),
            false => json!({"description": text, "schema": name(schema)}),
        };
        let mut score = json!({
            "operationId": "RunMLService",
            "description": "Run the model",
            "security": [{"Bearer": []}],
            "responses": {"200": answer("The model's answer", "ServiceOutput"), "default": answer("Error", "ErrorResponse")}
        });
        if wide {
            score["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": name("ServiceInput")}}});
        } else {
            score["parameters"] = json!([{"in": "body", "name": "serviceInputPayload", "required": true, "schema": name("ServiceInput")}]);
        }
        let health = match wide {
            true => json!({"description": "Healthy", "content": {"text/plain": {"schema": {"type": "string"}}}}),
            false => json!({"description": "Healthy", "schema": {"type": "string"}}),
        };
        let ping =
            json!({"operationId": "ServiceHealthCheck", "description": "Health check", "responses": {"200": health}});
        json!({"/": {"get": ping}, "/score": {"post": score}})
    };
    Some(match version {
        "2" => json!({
            "swagger": "2.0",
            "info": info,
            "schemes": ["https"],
            "consumes": ["application/json"],
            "produces": ["application/json"],
            "securityDefinitions": {"Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}},
            "paths": operations("#/definitions/", false),
            "definitions": schemas,
        }),
        "3" | "3.1" => json!({
            "openapi": if version == "3" { "3.0.3" } else { "3.1.0" },
            "info": info,
            "paths": operations("#/components/schemas/", true),
            "components": {"schemas": schemas, "securitySchemes": {"Bearer": {"type": "http", "scheme": "bearer"}}},
        }),
        _ => return None,
    })
}

fn object<'a>(specs: impl Iterator<Item = &'a Spec>) -> Value {
    let properties: Map<String, Value> = specs.map(|s| (s.name.clone(), array(s))).collect();
    let names: Vec<&String> = properties.keys().collect();
    json!({"type": "object", "required": names, "properties": properties})
}

/// Keys that are written out.
const KEYS: usize = 256;

/// Lists nested as deep as the tensor has dimensions; a list of objects for an input that takes maps.
fn array(spec: &Spec) -> Value {
    let (kind, format) = spec.datatype.json_type();
    let mut schema = json!({"type": kind});
    if let Some(format) = format {
        schema["format"] = json!(format);
    }
    if let Some(keyed) = &spec.keyed {
        let keys = keyed.names().into_iter().take(KEYS).map(|key| (key, schema.clone()));
        let properties: Map<String, Value> = keys.collect();
        let map = json!({"type": "object", "properties": properties, "additionalProperties": schema});
        return json!({"type": "array", "items": map});
    }
    for size in spec.shape.iter().flatten().rev() {
        schema = json!({"type": "array", "items": schema});
        if *size >= 0 {
            schema["minItems"] = json!(size);
            schema["maxItems"] = json!(size);
        }
    }
    schema
}
