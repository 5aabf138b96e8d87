//! Open Inference Protocol v2: which resource a path names, and the documents about server and models.

use serde_json::{Value, json};

use crate::server::engine::onnx::model::OnnxModel;
use crate::server::engine::onnx::spec::Spec;

/// What a path under `/v2` names.
#[derive(Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    Server,
    Live,
    Ready,
    /// `POST /v2/repository/index`
    Index,
    Model {
        name: &'a str,
        version: Option<&'a str>,
        what: About,
    },
}

/// What about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Metadata,
    Ready,
    Config,
    Infer,
}

/// Of the longest path.
const SEGMENTS: usize = 6;

/// Reads a path. Segments are as sent: the caller has decoded percent signs.
pub fn resource(path: &str) -> Option<Resource<'_>> {
    let mut segments = [""; SEGMENTS];
    let mut count = 0;
    for segment in path.trim_matches('/').split('/') {
        *segments.get_mut(count)? = segment;
        count += 1;
    }
    Some(match segments[..count] {
        ["v2"] => Resource::Server,
        ["v2", "health", "live"] => Resource::Live,
        ["v2", "health", "ready"] => Resource::Ready,
        ["v2", "repository", "index"] => Resource::Index,
        ["v2", "models", name] => Resource::Model { name, version: None, what: About::Metadata },
        ["v2", "models", name, "versions", version] => {
            Resource::Model { name, version: Some(version), what: About::Metadata }
        }
        ["v2", "models", name, what] => Resource::Model { name, version: None, what: about(what)? },
        ["v2", "models", name, "versions", version, what] => {
            Resource::Model { name, version: Some(version), what: about(what)? }
        }
        _ => return None,
    })
}

fn about(segment: &str) -> Option<About> {
    Some(match segment {
        "ready" => About::Ready,
        "config" => About::Config,
        "infer" => About::Infer,
        _ => return None,
    })
}

/// `GET /v2`
pub fn server() -> Value {
    json!({"name": "mlconsole", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data", "model_configuration"]})
}

fn tensor(spec: &Spec) -> Value {
    let mut tensor =
        json!({"name": spec.name, "datatype": spec.datatype.name(), "shape": spec.shape.clone().unwrap_or_default()});
    if let Some(keyed) = &spec.keyed {
        // Rows hold the values in the order of these.
        tensor["parameters"] = json!({"keys": keyed.names()});
    }
    tensor
}

/// `GET /v2/models/{name}`
pub fn metadata(model: &OnnxModel, name: &str, version: &str) -> Value {
    let inputs: Vec<Value> = model.inputs.iter().map(tensor).collect();
    let outputs: Vec<Value> = model.outputs.iter().map(|o| tensor(&o.spec)).collect();
    json!({"name": name, "versions": [version], "platform": model.core.platform(), "inputs": inputs, "outputs": outputs})
}

/// `GET /v2/models/{name}/config`: the part of Triton's configuration that clients read.
pub fn config(model: &OnnxModel, name: &str) -> Value {
    let tensor = |spec: &Spec| {
        let kind = if spec.datatype.name() == "BYTES" { "STRING" } else { spec.datatype.name() };
        json!({"name": spec.name, "data_type": format!("TYPE_{kind}"), "dims": spec.shape.clone().unwrap_or_default()})
    };
    let inputs: Vec<Value> = model.inputs.iter().map(tensor).collect();
    let outputs: Vec<Value> = model.outputs.iter().map(|o| tensor(&o.spec)).collect();
    let platform = model.core.platform();
    let backend = if platform == "onnx_tract" { "tract" } else { "onnxruntime" };
    json!({"name": name, "platform": platform, "backend": backend, "max_batch_size": 0, "input": inputs, "output": outputs})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_their_resources() {
        assert_eq!(resource("/v2"), Some(Resource::Server));
        assert_eq!(resource("/v2/"), Some(Resource::Server));
        assert_eq!(resource("/v2/health/ready"), Some(Resource::Ready));
        assert_eq!(
            resource("/v2/models/m/infer"),
            Some(Resource::Model { name: "m", version: None, what: About::Infer })
        );
        assert_eq!(
            resource("/v2/models/m/versions/3/ready"),
            Some(Resource::Model { name: "m", version: Some("3"), what: About::Ready })
        );
        assert_eq!(
            resource("/v2/models/m/versions/3"),
            Some(Resource::Model { name: "m", version: Some("3"), what: About::Metadata })
        );
        assert_eq!(resource("/v2/models/m/other"), None);
        assert_eq!(resource("/v2/models"), None);
    }
}
