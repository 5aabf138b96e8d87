//! Reading an ONNX file, and telling what is wrong with one that is not.

use std::path::Path;

use tract_onnx::pb::{GraphProto, ModelProto};
use tract_onnx::prelude::Framework;

use super::plan::deep;
use super::{inline, maps, support};
use crate::server::engine::LoadError;

/// Reads the file's graph, its own functions written out. Weights in files beside it are read when the graph is planned.
pub fn read(path: &Path) -> Result<ModelProto, LoadError> {
    let shown = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let length = std::fs::metadata(path)
        .map_err(|e| {
            LoadError::new(format!(
                "cannot read '{}': {e}; check that the file is in the registered model",
                path.display()
            ))
        })?
        .len();
    if length == 0 {
        return Err(LoadError::new(format!("'{shown}' is empty; register the model again with its file")));
    }
    let read = || {
        let mut model = support::reader().proto_model_for_path(path)?;
        inline::functions(&mut model);
        maps::as_matrices(&mut model, path)?;
        Ok(model)
    };
    let model = deep(read).map_err(|e| {
        LoadError::with_details(format!("'{shown}' is not an ONNX file, or it is damaged; export it again"), e)
    })?;
    let Some(graph) = &model.graph else {
        return Err(LoadError::new(format!(
            "'{shown}' holds no ONNX graph; it may be another kind of file with that ending"
        )));
    };
    if graph.output.is_empty() {
        return Err(LoadError::new(format!("the graph in '{shown}' has no outputs; export it again")));
    }
    if let Some(problem) =
        duplicate(model.graph.as_ref().map(|g| g.input.iter().map(|i| i.name.as_str()).collect()).unwrap_or_default())
    {
        return Err(LoadError::new(format!("'{shown}' names two inputs '{problem}'; export it again")));
    }
    if let Some(name) = graph.output.iter().map(|output| output.name.as_str()).find(|name| !is_made(graph, name)) {
        return Err(LoadError::new(format!("the graph in '{shown}' makes no '{name}', its output; export it again")));
    }
    Ok(model)
}

/// Whether a value of that name comes from a node, an input or a stored tensor.
fn is_made(graph: &GraphProto, name: &str) -> bool {
    graph.node.iter().any(|node| node.output.iter().any(|made| made == name))
        || graph.input.iter().any(|input| input.name == name)
        || graph.initializer.iter().any(|tensor| tensor.name == name)
        || graph
            .sparse_initializer
            .iter()
            .any(|tensor| tensor.values.as_ref().is_some_and(|values| values.name == name))
}

fn duplicate(mut names: Vec<&str>) -> Option<String> {
    names.sort_unstable();
    names.windows(2).find(|w| w[0] == w[1]).map(|w| w[0].to_owned())
}
