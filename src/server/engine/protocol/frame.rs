//! Frames: `columns` and `data`, read into a model's inputs.

use serde::de::{DeserializeSeed, Deserializer, Error};
use serde_json::value::RawValue;
use tract_onnx::prelude::Tensor;

use super::columns::{Frame, Wanted};
use super::maps;
use super::mlflow::Cast;
use super::nested::{Array, Given};
use super::score::InputData;
use crate::resources::mlmodel::{Column, Inputs};
use crate::server::engine::datatype::Datatype;

/// How a frame's `data` is read: as one matrix, or column by column.
pub enum Rows<'f> {
    Matrix(Array, &'f mut Option<Given>),
    Columns(&'f mut Frame),
}

impl Rows<'_> {
    pub fn read(self, raw: &RawValue) -> Result<(), String> {
        self.deserialize(&mut serde_json::Deserializer::from_str(raw.get())).map_err(|e| e.to_string())
    }
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self {
            Self::Matrix(array, into) => {
                *into = Some(array.deserialize(deserializer)?);
                Ok(())
            }
            Self::Columns(frame) => frame.deserialize(deserializer),
        }
    }
}

impl InputData<'_, '_> {
    /// A graph with one input takes the columns as one matrix: those of the signature in its order, or all in the frame's
    /// order. Else a column's name is its input's.
    pub fn frame<E: Error>(
        &mut self,
        columns: &[String],
        read: impl FnOnce(Rows<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let signature = match self.dialect.signature() {
            Some(Inputs::Columns(signature)) => Some(signature.as_slice()),
            _ => None,
        };
        if let Some(absent) = signature.and_then(|s| s.iter().find(|c| c.required && !columns.contains(&c.name))) {
            let Column { name, kind, .. } = absent;
            return Err(E::custom(format!(
                "column '{name}' is missing; the model's signature asks for {name} ({kind})"
            )));
        }
        match (self.slots.specs, signature) {
            ([_], None) => self.matrix(columns, read),
            ([_], Some(signature)) if is_as_signed(columns, signature) => self.matrix(columns, read),
            ([_], Some(signature)) => self.chosen(columns, signature, read),
            (_, signature) => self.by_name(columns, signature.unwrap_or_default(), read),
        }
    }

    /// All columns as the only input.
    fn matrix<E: Error>(&mut self, columns: &[String], read: impl FnOnce(Rows<'_>) -> Result<(), E>) -> Result<(), E> {
        let spec = &self.slots.specs[0];
        let mut given = None;
        let array = Array { datatype: spec.datatype, missing: true };
        read(Rows::Matrix(array, &mut given)).map_err(|e| E::custom(format!("input '{}': {e}", spec.name)))?;
        let Some(mut given) = given else { return Err(E::custom("'data' is missing")) };
        if let [0] = given.shape[..] {
            given.shape = vec![0, columns.len()];
            given.tensor.set_shape(&given.shape).map_err(E::custom)?;
        }
        if given.shape.get(1) != Some(&columns.len()) {
            let width = given.shape.get(1).copied().unwrap_or(1);
            return Err(E::custom(format!("ragged: rows have {width} values for {} columns", columns.len())));
        }
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        self.put_matrix(&names, given)
    }

    /// The only input, which may take maps: then the columns are keys.
    fn put_matrix<E: Error>(&mut self, columns: &[&str], given: Given) -> Result<(), E> {
        let given = maps::by_column(&self.slots.specs[0], columns, given).map_err(E::custom)?;
        self.slots.put(0, given).map_err(E::custom)
    }

    /// The signature's columns, cast and in its order, as the only input.
    fn chosen<E: Error>(
        &mut self,
        columns: &[String],
        signature: &[Column],
        read: impl FnOnce(Rows<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let datatype = self.slots.specs[0].datatype;
        let mut frame = Frame::new(columns.iter().map(|name| wanted(name, datatype, find(signature, name)?.into())));
        read(Rows::Columns(&mut frame))?;
        let rows = frame.rows();
        let mut given = frame.finish(|_| vec![rows, 1]).map_err(E::custom)?;
        given.sort_by_key(|(name, _)| signature.iter().position(|c| c.name == *name));
        if let Some([(twice, _), _]) = given.array_windows().find(|[(a, _), (b, _)]| a == b) {
            return Err(E::custom(format!("column '{twice}' is given twice")));
        }
        let (names, given): (Vec<String>, Vec<Given>) = given.into_iter().unzip();
        let tensors: Vec<Tensor> = given.into_iter().map(|given| given.tensor).collect();
        let tensor = Tensor::stack_tensors(1, &tensors).map_err(E::custom)?;
        let shape = tensor.shape().to_vec();
        self.put_matrix(&names.iter().map(String::as_str).collect::<Vec<_>>(), Given { tensor, shape })
    }

    /// Each column as the input of its name.
    fn by_name<E: Error>(
        &mut self,
        columns: &[String],
        signature: &[Column],
        read: impl FnOnce(Rows<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let specs = self.slots.specs;
        if let Some(absent) = specs.iter().find(|s| !columns.contains(&s.name)) {
            return Err(E::custom(format!("column '{}' is missing; the model asks for {absent}", absent.name)));
        }
        let asked =
            |name: &String| wanted(name, specs.iter().find(|s| s.name == *name)?.datatype, find(signature, name));
        let mut frame = Frame::new(columns.iter().map(asked));
        read(Rows::Columns(&mut frame))?;
        let rows = frame.rows();
        // A column is a vector, or a matrix of one column where the model declares that.
        let shape = |name: &str| match specs.iter().find(|s| s.name == name).and_then(|s| s.rank()) {
            Some(1) => vec![rows],
            _ => vec![rows, 1],
        };
        for (name, given) in frame.finish(shape).map_err(E::custom)? {
            let index = self.slots.find(&name).map_err(E::custom)?;
            self.slots.put(index, given).map_err(E::custom)?;
        }
        Ok(())
    }
}

fn find<'s>(signature: &'s [Column], name: &str) -> Option<&'s Column> {
    signature.iter().find(|column| column.name == name)
}

fn wanted(name: &str, datatype: Datatype, column: Option<&Column>) -> Option<Wanted> {
    let cast = column.map_or(Cast::None, |column| Cast::to(&column.kind, datatype == Datatype::Bool));
    Some(Wanted { name: name.to_owned(), datatype, cast })
}

/// Whether the frame has the signature's columns in its order, none more, all of real numbers: nothing to choose or cast.
fn is_as_signed(columns: &[String], signature: &[Column]) -> bool {
    columns.len() == signature.len()
        && columns.iter().zip(signature).all(|(name, c)| *name == c.name && Cast::to(&c.kind, true) == Cast::Number)
}
