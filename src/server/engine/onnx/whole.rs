//! Whether a file is whole: its graph has an order, and the weights it leaves to other files are there.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use tract_onnx::pb::{GraphProto, ModelProto};

use super::check::name_of;
use crate::server::engine::LoadError;

/// Refuses what the engine would follow for ever, or stumble over deep inside. `shown` is the file's name.
pub fn check(model: &ModelProto, shown: &str, folder: &Path) -> Result<(), LoadError> {
    let Some(graph) = &model.graph else { return Ok(()) };
    let circle = circle(graph);
    if !circle.is_empty() {
        let named: Vec<String> = circle.iter().take(8).map(|name| format!("'{name}'")).collect();
        return Err(LoadError::new(format!(
            "the graph in '{shown}' runs in a circle: {} wait for each other; export it again",
            named.join(", ")
        )));
    }
    for tensor in &graph.initializer {
        let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
        let Some(location) = entry("location") else { continue };
        let number = |key: &str| entry(key).and_then(|text| text.trim().parse::<u64>().ok());
        let wanted = number("offset").unwrap_or(0).saturating_add(number("length").unwrap_or(0));
        let there = folder.join(location).metadata().map(|m| m.len());
        let problem = match there {
            Err(error) => format!("it cannot be read ({error})"),
            Ok(length) if length < wanted => format!("it has {length} bytes where {wanted} are needed"),
            Ok(_) => continue,
        };
        return Err(LoadError::new(format!(
            "the weights '{}' of '{shown}' lie in the file '{location}' beside it, and {problem}; register the whole \
             folder with all its files",
            tensor.name
        )));
    }
    Ok(())
}

/// Nodes that cannot be put into an order.
fn circle(graph: &GraphProto) -> Vec<String> {
    let mut maker: HashMap<&str, usize> = HashMap::new();
    for (at, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            maker.insert(output, at);
        }
    }
    let given: Vec<&str> =
        graph.input.iter().map(|i| i.name.as_str()).chain(graph.initializer.iter().map(|i| i.name.as_str())).collect();
    for name in given {
        maker.remove(name);
    }
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); graph.node.len()];
    let mut waits: Vec<usize> = vec![0; graph.node.len()];
    for (at, node) in graph.node.iter().enumerate() {
        for source in node.input.iter().filter_map(|i| maker.get(i.as_str())) {
            readers[*source].push(at);
            waits[at] += 1;
        }
    }
    let mut free: VecDeque<usize> = (0..waits.len()).filter(|at| waits[*at] == 0).collect();
    while let Some(at) = free.pop_front() {
        for reader in &readers[at] {
            waits[*reader] -= 1;
            if waits[*reader] == 0 {
                free.push_back(*reader);
            }
        }
    }
    graph.node.iter().zip(waits).filter(|(_, waits)| *waits > 0).map(|(node, _)| name_of(node)).collect()
}
