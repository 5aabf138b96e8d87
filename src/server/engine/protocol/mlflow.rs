//! What an MLflow signature asks of a request: its form, its shapes, and what becomes of a cell (reference
//! scoring-and-mlflow §4.2, §4.4).

use std::borrow::Cow;

use super::columns::Cell;
use crate::resources::mlmodel::Inputs;

/// Why a list, tensors by name or a frame are not the form that a model takes.
fn expected(inputs: &Inputs) -> String {
    match inputs {
        Inputs::Columns(columns) => {
            let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            format!(
                "this model has a signature of columns: give {{\"columns\": [\"{}\"], \"data\": [[…]]}}",
                names.join("\", \"")
            )
        }
        Inputs::Tensors(tensors) => match tensors.iter().map(|t| t.name.as_deref()).collect::<Option<Vec<_>>>() {
            Some(names) => {
                format!("this model has a tensor signature: give {{\"{}\": [[…]]}}", names.join("\": …, \""))
            }
            None => "this model has a tensor signature without names: give a nested list".to_owned(),
        },
        Inputs::Unknown => {
            "this model has no signature: give a list, tensors by name, or a frame with columns, index and data"
                .to_owned()
        }
    }
}

/// Whether a bare list is taken.
pub fn list_allowed(inputs: &Inputs) -> Result<(), String> {
    match inputs {
        Inputs::Unknown => Ok(()),
        Inputs::Tensors(tensors) if tensors.iter().any(|t| t.name.is_none()) => Ok(()),
        _ => Err(expected(inputs)),
    }
}

/// Whether tensors by name are taken.
pub fn names_allowed(inputs: &Inputs) -> Result<(), String> {
    match inputs {
        Inputs::Unknown => Ok(()),
        Inputs::Tensors(tensors) if tensors.iter().all(|t| t.name.is_some()) => Ok(()),
        _ => Err(expected(inputs)),
    }
}

/// Whether a frame is taken, with or without an index.
pub fn frame_allowed(inputs: &Inputs, has_index: bool) -> Result<(), String> {
    match inputs {
        Inputs::Columns(_) => Ok(()),
        Inputs::Unknown if has_index => Ok(()),
        _ => Err(expected(inputs)),
    }
}

/// Checks a tensor against the signature's shape, which may be narrower than the graph's.
pub fn check_shape(inputs: &Inputs, name: &str, shape: &[usize]) -> Result<(), String> {
    let Inputs::Tensors(tensors) = inputs else { return Ok(()) };
    let Some(tensor) = tensors.iter().find(|t| t.name.as_deref().is_none_or(|n| n == name)) else { return Ok(()) };
    let fits = |(wanted, given): (&i64, &usize)| *wanted < 0 || i64::try_from(*given) == Ok(*wanted);
    if tensor.shape.len() == shape.len() && tensor.shape.iter().zip(shape).all(fits) {
        return Ok(());
    }
    Err(format!("input '{name}': the signature asks for shape {:?}, given {shape:?}", tensor.shape))
}

/// What a column's type makes of a cell, as pandas casts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    /// Left to the graph's own type.
    None,
    /// `float`, `double`: truth values and numbers in text are numbers.
    Number,
    /// `long`: fractions are cut.
    Whole,
    /// `integer`: fractions are cut, numbers beyond 32 bits wrapped.
    Wrapped,
    /// `boolean`: everything but nought and nothing is true.
    Truth,
    /// The same as one or nought, for a graph that takes numbers.
    TruthAsNumber,
}

impl Cast {
    /// The cast to a type of the signature; `truths` says whether the graph takes truth values themselves.
    pub fn to(kind: &str, truths: bool) -> Self {
        match kind {
            "boolean" if !truths => Self::TruthAsNumber,
            "double" | "float" => Self::Number,
            "long" => Self::Whole,
            "integer" => Self::Wrapped,
            "boolean" => Self::Truth,
            _ => Self::None,
        }
    }

    /// The cell after the cast.
    pub fn apply(self, cell: Cell<'_>) -> Result<Cell<'_>, String> {
        let refuse = |text: Cow<'_, str>| Err(format!("the text {text:?} is not a number"));
        match (self, cell) {
            (Self::Number, Cell::Truth(v)) => Ok(Cell::Float(f64::from(u8::from(v)))),
            (Self::Number, Cell::Text(text)) => text.trim().parse().map(Cell::Float).or_else(|_| refuse(text)),
            (Self::Whole | Self::Wrapped, Cell::Null) => Err("null is not a whole number".to_owned()),
            (Self::Whole | Self::Wrapped, cell) => {
                let whole = match cell {
                    Cell::Truth(v) => i64::from(v),
                    Cell::Float(v) if v.is_finite() => v as i64,
                    Cell::Float(v) => return Err(format!("{v} is not a whole number")),
                    Cell::Text(text) => match text.trim().parse() {
                        Ok(whole) => whole,
                        Err(_) => return refuse(text),
                    },
                    Cell::Unsigned(v) if i64::try_from(v).is_err() => return Err(format!("{v} does not fit 64 bits")),
                    Cell::Unsigned(v) => v as i64,
                    Cell::Signed(v) => v,
                    Cell::Null => 0,
                };
                Ok(Cell::Signed(if self == Self::Wrapped { i64::from(whole as i32) } else { whole }))
            }
            (Self::Truth, cell) => Ok(Cell::Truth(is_true(&cell))),
            (Self::TruthAsNumber, cell) => Ok(Cell::Unsigned(is_true(&cell).into())),
            (_, cell) => Ok(cell),
        }
    }
}

fn is_true(cell: &Cell<'_>) -> bool {
    match cell {
        Cell::Null => false,
        Cell::Truth(v) => *v,
        Cell::Signed(v) => *v != 0,
        Cell::Unsigned(v) => *v != 0,
        Cell::Float(v) => *v != 0.0,
        Cell::Text(text) => !text.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::mlmodel::{Column, TensorInput};

    fn text(value: &str) -> Cell<'_> {
        Cell::Text(Cow::Borrowed(value))
    }

    #[test]
    fn cells_are_cast_as_pandas_casts_them() {
        let wrapped = Cast::to("integer", true);
        assert_eq!(wrapped.apply(Cell::Unsigned((1 << 32) + 5)), Ok(Cell::Signed(5)));
        assert_eq!(Cast::to("long", true).apply(Cell::Float(-2.75)), Ok(Cell::Signed(-2)));
        assert_eq!(Cast::to("double", true).apply(Cell::Truth(true)), Ok(Cell::Float(1.0)));
        assert_eq!(Cast::to("double", true).apply(Cell::Null), Ok(Cell::Null));
        assert_eq!(Cast::to("boolean", true).apply(text("true")), Ok(Cell::Truth(true)));
        assert_eq!(Cast::to("boolean", true).apply(Cell::Unsigned(0)), Ok(Cell::Truth(false)));
        assert_eq!(Cast::to("boolean", false).apply(Cell::Truth(true)), Ok(Cell::Unsigned(1)));
        assert_eq!(Cast::to("string", true).apply(text("7")), Ok(text("7")));
        for (kind, cell) in [("long", Cell::Null), ("double", text("old")), ("integer", text("x"))] {
            assert!(Cast::to(kind, true).apply(cell).is_err(), "{kind}");
        }
    }

    #[test]
    fn a_signature_takes_one_form() {
        let column = Column { name: "a".to_owned(), kind: "double".to_owned(), required: true };
        let tensor = |name: Option<&str>| TensorInput {
            name: name.map(str::to_owned),
            dtype: "float32".to_owned(),
            shape: vec![-1, 4],
        };
        let (columns, list) = (Inputs::Columns(vec![column]), Inputs::Tensors(vec![tensor(None)]));
        let named = Inputs::Tensors(vec![tensor(Some("x"))]);
        let taken = |inputs| {
            [list_allowed(inputs), names_allowed(inputs), frame_allowed(inputs, false)].map(|result| result.is_ok())
        };
        assert_eq!(taken(&columns), [false, false, true]);
        assert_eq!(taken(&list), [true, false, false]);
        assert_eq!(taken(&named), [false, true, false]);
        assert_eq!(taken(&Inputs::Unknown), [true, true, false]);
        assert!(frame_allowed(&Inputs::Unknown, true).is_ok());
        assert!(check_shape(&named, "x", &[7, 4]).is_ok() && check_shape(&named, "y", &[1]).is_ok());
        for shape in [&[7, 3][..], &[4]] {
            assert!(check_shape(&named, "x", shape).is_err() && check_shape(&list, "any", shape).is_err());
        }
    }
}
