//! What an input or output is: name, element type, shape.

use std::fmt;
use std::sync::Arc;

use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dimension;
use tract_onnx::pb::{GraphProto, ModelProto, ValueInfoProto, type_proto};

use crate::resources::{Signature, TensorSpec};
use crate::server::engine::datatype::Datatype;
use crate::server::engine::ml::{self, Keyed};

/// An input or output of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    pub name: String,
    pub datatype: Datatype,
    /// −1 = any size; `None` when the file does not even say how many dimensions there are.
    pub shape: Option<Vec<i64>>,
    /// A name for each dimension where the file gives one; empty strings otherwise.
    pub dim_names: Vec<String>,
    /// The rows stand for maps, and come as such.
    pub keyed: Option<Arc<Keyed>>,
}

impl Spec {
    pub fn from_proto(value: &ValueInfoProto) -> Option<Self> {
        let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
        let mut spec = Self {
            name: value.name.clone(),
            datatype: Datatype::from_onnx(tensor.elem_type)?,
            shape: None,
            dim_names: vec![],
            keyed: None,
        };
        if let Some(shape) = &tensor.shape {
            let dims = shape.dim.iter().map(|d| match &d.value {
                Some(Dimension::DimValue(size)) if *size >= 0 => (*size, String::new()),
                Some(Dimension::DimParam(name)) => (-1, name.clone()),
                _ => (-1, String::new()),
            });
            let (sizes, names): (Vec<i64>, Vec<String>) = dims.unzip();
            spec.shape = Some(sizes);
            spec.dim_names = names;
        }
        Some(spec)
    }

    /// Number of dimensions, where the file says.
    pub fn rank(&self) -> Option<usize> {
        self.shape.as_ref().map(Vec::len)
    }

    /// Whether a tensor of this shape may be given.
    pub fn accepts(&self, shape: &[usize]) -> bool {
        self.shape.as_ref().is_none_or(|declared| {
            declared.len() == shape.len()
                && declared.iter().zip(shape).all(|(d, s)| *d < 0 || usize::try_from(*d) == Ok(*s))
        })
    }

    /// Whether every dimension is a number.
    pub fn is_static(&self) -> bool {
        self.shape.as_ref().is_some_and(|s| s.iter().all(|d| *d >= 0))
    }

    /// The smallest plausible shape: 1 for every open dimension.
    pub fn sample_shape(&self, open: usize) -> Vec<usize> {
        self.shape.iter().flatten().map(|d| usize::try_from(*d).unwrap_or(open)).collect()
    }

    /// As it appears in metadata; an unknown rank shows as no dimensions.
    pub fn to_tensor_spec(&self) -> TensorSpec {
        TensorSpec {
            name: self.name.clone(),
            datatype: self.datatype.name().to_owned(),
            shape: self.shape.clone().unwrap_or_default(),
            dim_names: if self.dim_names.iter().all(String::is_empty) { vec![] } else { self.dim_names.clone() },
            keys: self.keyed.as_ref().map(|keyed| keyed.names()),
        }
    }
}

/// `'x' FP32 [batch, 4]`
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' {} {}", self.name, self.datatype.name(), Shown(self))
    }
}

/// The shape of a [`Spec`] alone: `[batch, 4]`, `[-1, 4]`, or `of any shape`.
pub struct Shown<'a>(pub &'a Spec);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(shape) = &self.0.shape else { return f.write_str("of any shape") };
        f.write_str("[")?;
        for (i, size) in shape.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            match self.0.dim_names.get(i) {
                Some(name) if !name.is_empty() => f.write_str(name)?,
                _ => write!(f, "{size}")?,
            }
        }
        f.write_str("]")
    }
}

/// The inputs a caller gives: those without a value in the file.
pub fn inputs(graph: &GraphProto) -> Vec<Spec> {
    let given = |name: &str| graph.initializer.iter().any(|t| t.name == name);
    let keyed = |name: &str| ml::keyed(graph, name).map(Arc::new);
    let specs = graph.input.iter().filter(|i| !given(&i.name)).filter_map(Spec::from_proto);
    specs.map(|spec| Spec { keyed: keyed(&spec.name), ..spec }).collect()
}

/// Declared outputs, by position; `None` where the file gives no tensor type.
pub fn outputs(graph: &GraphProto) -> Vec<(String, Option<Spec>)> {
    graph.output.iter().map(|o| (o.name.clone(), Spec::from_proto(o))).collect()
}

/// Declared inputs and outputs of a model, for reports.
pub fn signature(model: &ModelProto) -> Signature {
    let Some(graph) = &model.graph else { return Signature::default() };
    let outputs = outputs(graph).into_iter().map(|(name, spec)| match spec {
        Some(spec) => spec.to_tensor_spec(),
        None => TensorSpec { name, ..Default::default() },
    });
    Signature { inputs: inputs(graph).iter().map(Spec::to_tensor_spec).collect(), outputs: outputs.collect() }
}
