//! A walk over a graph and its subgraphs before tract sees it: what it uses, and everything of it that cannot run.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto, type_proto};

use super::{deny, support};
use crate::resources::OperatorUse;
use crate::server::engine::LoadError;
use crate::server::engine::datatype::Datatype;
use crate::server::engine::ml;

/// What a graph uses.
#[derive(Debug, Default)]
pub struct Findings {
    /// Every operator, by domain and name.
    pub operators: Vec<OperatorUse>,
    /// What cannot run, each with its reason.
    pub unsupported: Vec<OperatorUse>,
    /// Domain ("" = ai.onnx) and version.
    pub opsets: Vec<(String, i64)>,
}

#[derive(Default)]
struct Walk<'a> {
    half: bool,
    opsets: BTreeMap<String, i64>,
    local: HashSet<(&'a str, &'a str)>,
    /// Inputs that take maps.
    maps: HashSet<&'a str>,
    operators: BTreeMap<(String, String), OperatorUse>,
    unsupported: BTreeMap<(String, String, String), OperatorUse>,
}

/// Walks the whole model. Never fails: what is odd shows up as unsupported.
pub fn check(model: &ModelProto) -> Findings {
    let mut walk = Walk { half: deny::uses_half(model), ..Walk::default() };
    for import in &model.opset_import {
        walk.opsets.insert(support::domain(&import.domain).to_owned(), import.version);
    }
    for function in &model.functions {
        let domain = support::domain(function.domain.as_deref().unwrap_or_default());
        walk.local.insert((domain, function.name.as_deref().unwrap_or_default()));
    }
    if let Some(graph) = &model.graph {
        let fed: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
        for input in graph.input.iter().filter(|i| !fed.contains(i.name.as_str())) {
            walk.value(input, "input");
            if ml::keyed(graph, &input.name).is_some() {
                walk.maps.insert(&input.name);
            }
        }
        let zipped = ml::zipped_outputs(graph);
        for output in graph.output.iter().filter(|o| !zipped.contains_key(o.name.as_str())) {
            walk.value(output, "output");
        }
        walk.graph(graph, 0);
    }
    Findings {
        operators: walk.operators.into_values().collect(),
        unsupported: walk.unsupported.into_values().collect(),
        opsets: walk.opsets.into_iter().collect(),
    }
}

impl<'a> Walk<'a> {
    fn value(&mut self, value: &ValueInfoProto, role: &str) {
        let reason = match &value.r#type {
            Some(TypeProto { value: Some(type_proto::Value::TensorType(t)), .. }) => {
                if t.elem_type == 0 || Datatype::from_onnx(t.elem_type).is_some() {
                    return;
                }
                format!(
                    "{role} '{}' has element type {}, which cannot be served; cast it inside the model",
                    value.name,
                    type_name(t.elem_type)
                )
            }
            None if role == "output" => return,
            _ if role == "input" => format!(
                "input '{}' is not a tensor (a sequence, an optional, or a map that is for more than one DictVectorizer or CastMap); export with tensors",
                value.name
            ),
            _ => format!("{role} '{}' is not a tensor (a sequence, map or optional); export with tensors", value.name),
        };
        self.refuse("", "(type)", &value.name, reason);
    }

    fn tensor(&mut self, tensor: &TensorProto) {
        if Datatype::from_onnx(tensor.data_type).is_none() {
            let reason = format!(
                "constant '{}' has element type {}, which cannot be served; convert the weights to float32, float16 or an 8-bit or wider integer type",
                tensor.name,
                type_name(tensor.data_type)
            );
            self.refuse("", "(type)", &tensor.name, reason);
        }
    }

    fn graph(&mut self, graph: &'a GraphProto, depth: usize) {
        if depth > 64 {
            self.refuse("", "(subgraph)", &graph.name, "subgraphs nest deeper than 64 levels".to_owned());
            return;
        }
        for tensor in &graph.initializer {
            self.tensor(tensor);
        }
        if let Some(sparse) = graph.sparse_initializer.first() {
            let name = sparse.values.as_ref().map(|v| v.name.clone()).unwrap_or_default();
            self.refuse(
                "",
                "(sparse constant)",
                &name,
                "sparse weights cannot be served; store them densely".to_owned(),
            );
        }
        for node in &graph.node {
            self.node(node, depth);
        }
    }

    fn node(&mut self, node: &'a NodeProto, depth: usize) {
        let domain = support::domain(&node.domain);
        let first = name_of(node);
        let opset = self.opsets.get(domain).copied().unwrap_or(1);
        let entry = self.operators.entry((domain.to_owned(), node.op_type.clone())).or_insert_with(|| OperatorUse {
            operator: node.op_type.clone(),
            domain: domain.to_owned(),
            opset,
            first_node: first.clone(),
            ..Default::default()
        });
        entry.count += 1;
        if self.local.contains(&(domain, node.op_type.as_str())) {
            let hint = "a function defined in the file: inline it (onnx.inliner.inline_local_functions)".to_owned();
            self.refuse(domain, &node.op_type, &first, hint);
        } else if !support::is_known(domain, &node.op_type) || !self.gives_maps(node) {
            self.refuse(domain, &node.op_type, &first, support::hint(domain, &node.op_type).to_owned());
        } else if let Some(reason) = deny::reason(node, self.half) {
            self.refuse(domain, &node.op_type, &first, reason.to_owned());
        } else if let Some(reason) = ml::refusal(domain, node, opset) {
            self.refuse(domain, &node.op_type, &first, reason);
        }
        for attribute in &node.attribute {
            if let Some(tensor) = &attribute.t {
                self.tensor(tensor);
            }
            for graph in attribute.g.iter().chain(&attribute.graphs) {
                self.graph(graph, depth + 1);
            }
        }
    }

    /// Whether a node that takes maps has them from the caller: inside the graph there are none.
    fn gives_maps(&self, node: &NodeProto) -> bool {
        !ml::takes_maps(node) || node.input.first().is_some_and(|input| self.maps.contains(input.as_str()))
    }

    fn refuse(&mut self, domain: &str, operator: &str, node: &str, reason: String) {
        let key = (
            domain.to_owned(),
            operator.to_owned(),
            if operator == "(type)" { node.to_owned() } else { reason.clone() },
        );
        let entry = self.unsupported.entry(key).or_insert_with(|| OperatorUse {
            operator: operator.to_owned(),
            domain: domain.to_owned(),
            opset: if operator.starts_with('(') { 0 } else { self.opsets.get(domain).copied().unwrap_or(1) },
            first_node: node.to_owned(),
            hint: reason,
            ..Default::default()
        });
        entry.count += 1;
    }
}

/// A node's name, or its first output where it has none.
pub fn name_of(node: &NodeProto) -> String {
    if !node.name.is_empty() {
        return node.name.clone();
    }
    node.output.iter().find(|o| !o.is_empty()).cloned().unwrap_or_else(|| "(unnamed)".to_owned())
}

fn type_name(number: i32) -> String {
    use tract_onnx::pb::tensor_proto::DataType;
    DataType::try_from(number).map_or_else(|_| format!("number {number}"), |t| t.as_str_name().to_lowercase())
}

/// One message with everything that cannot run: operator, domain and opset, number of nodes, first node, what to do.
pub fn refusal(file: &str, findings: Findings) -> LoadError {
    let mut message = format!("'{file}' uses what the built-in engine does not run:");
    for used in &findings.unsupported {
        let domain = if used.domain.is_empty() { "ai.onnx" } else { &used.domain };
        if used.operator.starts_with('(') {
            message.push_str(&format!("\n  {} {}: {}", used.operator, used.first_node, used.hint));
            continue;
        }
        let nodes = if used.count == 1 { "1 node".to_owned() } else { format!("{} nodes, first", used.count) };
        message.push_str(&format!(
            "\n  {} ({domain} opset {}; {nodes} '{}'): {}",
            used.operator, used.opset, used.first_node, used.hint
        ));
    }
    LoadError { unsupported: findings.unsupported, ..LoadError::new(message) }
}

/// Names of the files beside the model that hold weights.
pub fn external_files(model: &ModelProto) -> BTreeSet<String> {
    let tensors = model.graph.iter().flat_map(|g| &g.initializer);
    let entries = tensors.flat_map(|t| &t.external_data).filter(|e| e.key == "location");
    entries.map(|e| e.value.clone()).collect()
}
