//! Functions that a file defines for itself, written out where they are called: the engine's reader knows none.

use std::collections::HashMap;

use tract_onnx::pb::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto};

use super::check::name_of;
use super::support::domain;

/// Functions may call functions, but not without end.
const DEPTH: usize = 32;
/// A file that grows beyond this is left as it is, and refused for its functions.
const NODES: usize = 1 << 20;

type Key = (String, String);

/// Writes out what can be; the rest stays a call, which the check then names.
pub fn functions(model: &mut ModelProto) {
    let mut known: HashMap<Key, Option<FunctionProto>> = HashMap::new();
    for function in std::mem::take(&mut model.functions) {
        let key = (domain(function.domain.as_deref().unwrap_or_default()).to_owned(), name(&function).to_owned());
        // Two of one name differ in what the reader does not see.
        let one = if known.contains_key(&key) || !same_versions(model, &function) { None } else { Some(function) };
        known.insert(key, one);
    }
    if known.is_empty() {
        return;
    }
    for function in known.values().flatten() {
        for import in &function.opset_import {
            let there = model.opset_import.iter().any(|o| domain(&o.domain) == domain(&import.domain));
            if !there {
                model.opset_import.push(import.clone());
            }
        }
    }
    let mut writer = Writer { known: &known, made: 0, calls: 0 };
    if let Some(graph) = &mut model.graph {
        writer.graph(graph, 0);
    }
    // What is left is looked for by name.
    model.functions = known
        .keys()
        .map(|(domain, name)| FunctionProto {
            domain: Some(domain.clone()),
            name: Some(name.clone()),
            ..FunctionProto::default()
        })
        .collect();
}

fn name(function: &FunctionProto) -> &str {
    function.name.as_deref().unwrap_or_default()
}

/// From this version of the standard on few operators changed their meaning: [`CHANGED`].
const STEADY: i64 = 13;
/// Operators that a later version than [`STEADY`] reads otherwise.
const CHANGED: [&str; 7] = ["Split", "Pad", "Resize", "BatchNormalization", "GroupNormalization", "GridSample", "DFT"];

/// Whether the function's nodes mean the same in the model.
fn same_versions(model: &ModelProto, function: &FunctionProto) -> bool {
    let changed = |op: &str| CHANGED.contains(&op) || (op.starts_with("Reduce") && op != "ReduceSum");
    function.opset_import.iter().all(|import| {
        let outer = model.opset_import.iter().find(|o| domain(&o.domain) == domain(&import.domain));
        let Some(outer) = outer.filter(|outer| outer.version != import.version) else { return true };
        domain(&import.domain).is_empty()
            && outer.version.min(import.version) >= STEADY
            && !function.node.iter().any(|n| changed(&n.op_type) || !n.attribute.iter().all(|a| a.g.is_none()))
    })
}

struct Writer<'k> {
    known: &'k HashMap<Key, Option<FunctionProto>>,
    made: usize,
    calls: usize,
}

impl Writer<'_> {
    fn graph(&mut self, graph: &mut GraphProto, depth: usize) {
        let nodes = std::mem::take(&mut graph.node);
        graph.node = self.nodes(nodes, depth);
    }

    fn nodes(&mut self, nodes: Vec<NodeProto>, depth: usize) -> Vec<NodeProto> {
        let mut out = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            for attribute in &mut node.attribute {
                for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                    if depth < DEPTH {
                        self.graph(graph, depth + 1);
                    }
                }
            }
            let key = (domain(&node.domain).to_owned(), node.op_type.clone());
            let function = self.known.get(&key).and_then(Option::as_ref).filter(|_| depth < DEPTH && self.made < NODES);
            match function.and_then(|function| self.call(&node, function)) {
                Some(body) => {
                    self.made += body.len();
                    out.extend(self.nodes(body, depth + 1));
                }
                None => out.push(node),
            }
        }
        out
    }

    /// The function's nodes with the call's names; nothing where an attribute's default would be needed, which the
    /// reader does not see.
    fn call(&mut self, node: &NodeProto, function: &FunctionProto) -> Option<Vec<NodeProto>> {
        self.calls += 1;
        let mut scope =
            Scope { names: HashMap::new(), prefix: format!("{}/{}/", name_of(node), self.calls), node, function };
        for (inner, outer) in
            function.input.iter().zip(node.input.iter().map(String::as_str).chain(std::iter::repeat("")))
        {
            scope.names.insert(inner.clone(), outer.to_owned());
        }
        let mut passed_on = Vec::new();
        for (inner, outer) in function.output.iter().zip(&node.output).filter(|(_, outer)| !outer.is_empty()) {
            // An input given straight back, or one value given out twice.
            if scope.names.contains_key(inner) {
                passed_on.push(NodeProto {
                    op_type: "Identity".to_owned(),
                    name: format!("{}{inner}", scope.prefix),
                    input: vec![scope.names[inner].clone()],
                    output: vec![outer.clone()],
                    ..NodeProto::default()
                });
            } else {
                scope.names.insert(inner.clone(), outer.clone());
            }
        }
        let mut body: Vec<NodeProto> = function.node.iter().map(|n| scope.node(n)).collect::<Option<_>>()?;
        body.append(&mut passed_on);
        Some(body)
    }
}

/// Names and attributes inside one call.
struct Scope<'c> {
    names: HashMap<String, String>,
    prefix: String,
    node: &'c NodeProto,
    function: &'c FunctionProto,
}

impl Scope<'_> {
    fn rename(&self, name: &mut String) {
        if !name.is_empty() {
            *name = self.names.get(name.as_str()).cloned().unwrap_or_else(|| format!("{}{name}", self.prefix));
        }
    }

    fn node(&self, node: &NodeProto) -> Option<NodeProto> {
        let mut node = node.clone();
        node.name = format!("{}{}", self.prefix, name_of(&node));
        node.input.iter_mut().chain(&mut node.output).for_each(|name| self.rename(name));
        let attributes = std::mem::take(&mut node.attribute);
        for attribute in attributes {
            match self.attribute(attribute)? {
                Some(attribute) => node.attribute.push(attribute),
                None => continue,
            }
        }
        Some(node)
    }

    /// An attribute as the call gives it; `Some(None)` for one that it leaves out.
    fn attribute(&self, mut attribute: AttributeProto) -> Option<Option<AttributeProto>> {
        if !attribute.ref_attr_name.is_empty() {
            let given = self.node.attribute.iter().find(|a| a.name == attribute.ref_attr_name);
            return match given {
                Some(given) => Some(Some(AttributeProto { name: attribute.name, ..given.clone() })),
                None => self.function.attribute.contains(&attribute.ref_attr_name).then_some(None),
            };
        }
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            self.graph(graph)?;
        }
        Some(Some(attribute))
    }

    fn graph(&self, graph: &mut GraphProto) -> Option<()> {
        let values = graph.input.iter_mut().chain(&mut graph.output).map(|v| &mut v.name);
        values.chain(graph.initializer.iter_mut().map(|t| &mut t.name)).for_each(|name| self.rename(name));
        graph.value_info.clear();
        graph.node = graph.node.iter().map(|n| self.node(n)).collect::<Option<_>>()?;
        Some(())
    }
}
