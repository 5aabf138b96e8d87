//! Rows of cells, read into one typed buffer a column.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::mlflow::Cast;
use super::nested::{Flat, Given};
use super::scan::{Cursor, Number};
use crate::server::engine::datatype::{Datatype, Element, with_element};

/// One JSON scalar.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Null,
    Truth(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(Cow<'a, str>),
}

impl Cell<'_> {
    /// The value as an element of a tensor; `missing` says whether null stands for a missing number.
    pub fn element<T: Element>(&self, missing: bool) -> Result<T, String> {
        match self {
            Self::Null if missing => T::missing(),
            Self::Null => Err("null is not a value here".to_owned()),
            Self::Truth(v) => T::from_truth(*v),
            Self::Signed(v) => T::from_signed(*v),
            Self::Unsigned(v) => T::from_unsigned(*v),
            Self::Float(v) => T::from_float(*v),
            Self::Text(v) => T::from_text(v),
        }
    }

    /// The name of a column: frames may number their columns.
    pub fn into_name(self) -> String {
        match self {
            Self::Text(name) => name.into_owned(),
            Self::Signed(n) => n.to_string(),
            Self::Unsigned(n) => n.to_string(),
            Self::Float(n) => n.to_string(),
            Self::Truth(b) => b.to_string(),
            Self::Null => String::new(),
        }
    }
}

impl<'de> Deserialize<'de> for Cell<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;

        impl<'de> Visitor<'de> for Scalar {
            type Value = Cell<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a single value in a cell")
            }
            fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
                Ok(Cell::Null)
            }
            fn visit_bool<E>(self, v: bool) -> Result<Cell<'de>, E> {
                Ok(Cell::Truth(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Cell<'de>, E> {
                Ok(Cell::Signed(v))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Cell<'de>, E> {
                Ok(Cell::Unsigned(v))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Cell<'de>, E> {
                Ok(Cell::Float(v))
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Cell<'de>, E> {
                Ok(Cell::Text(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Cell<'de>, E> {
                Ok(Cell::Text(Cow::Owned(v.to_owned())))
            }
        }

        deserializer.deserialize_any(Scalar)
    }
}

/// A column being filled, whatever its type.
trait Column {
    fn push(&mut self, cell: &Cell<'_>) -> Result<(), String>;
    fn finish(self: Box<Self>, shape: Vec<usize>) -> Result<Given, String>;
}

impl<T: Element> Column for Flat<T> {
    fn push(&mut self, cell: &Cell<'_>) -> Result<(), String> {
        self.push(cell.element(self.allows_missing()))
    }

    fn finish(self: Box<Self>, shape: Vec<usize>) -> Result<Given, String> {
        Ok(Given { tensor: self.into_tensor(&shape)?, shape })
    }
}

/// Where each cell of a row goes: one entry a column of the frame, `None` for columns that nothing asks for.
pub struct Frame {
    columns: Vec<Option<Filling>>,
    rows: usize,
}

/// A column that is asked for: its name, its type, and what a signature makes of its cells.
pub struct Wanted {
    pub name: String,
    pub datatype: Datatype,
    pub cast: Cast,
}

struct Filling {
    name: String,
    cast: Cast,
    column: Box<dyn Column>,
}

impl Filling {
    fn push(&mut self, cell: Cell<'_>) -> Result<(), String> {
        self.cast.apply(cell).and_then(|cell| self.column.push(&cell))
    }
}

impl Frame {
    /// `wanted` gives what is asked of each column of the frame, in order.
    pub fn new(wanted: impl Iterator<Item = Option<Wanted>>) -> Self {
        let column =
            |datatype: Datatype| -> Box<dyn Column> { with_element!(datatype, T => Box::new(Flat::<T>::new(true))) };
        let filling = |w: Wanted| Filling { name: w.name, cast: w.cast, column: column(w.datatype) };
        Self { columns: wanted.map(|w| w.map(filling)).collect(), rows: 0 }
    }

    /// Number of rows read.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns that were asked for, in the frame's order. `shape` gives the tensor's shape for a column's name.
    pub fn finish(self, shape: impl Fn(&str) -> Vec<usize>) -> Result<Vec<(String, Given)>, String> {
        let asked = self.columns.into_iter().flatten();
        asked
            .map(|filling| {
                let shape = shape(&filling.name);
                Ok((filling.name, filling.column.finish(shape)?))
            })
            .collect()
    }
}

impl Frame {
    /// Reads rows of numbers; `None` where the general parser has to look.
    pub fn scan(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.rows = cursor.list(|cursor| {
            let mut columns = self.columns.iter_mut();
            cursor.list(|cursor| {
                let cell = match cursor.number()? {
                    Number::Unsigned(v) => Cell::Unsigned(v),
                    Number::Signed(v) => Cell::Signed(v),
                    Number::Float(v) => Cell::Float(v),
                };
                match columns.next()? {
                    Some(filling) => filling.push(cell).ok(),
                    None => Some(()),
                }
            })?;
            columns.next().is_none().then_some(())
        })?;
        Some(())
    }
}

/// Reads the frame's `data`: a list of rows.
impl<'de> DeserializeSeed<'de> for &mut Frame {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut Frame {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'data' as a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(Row(self))?.is_some() {
            self.rows += 1;
        }
        Ok(())
    }
}

struct Row<'a>(&'a mut Frame);

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} as a list with a value for each column", self.0.rows)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<(), A::Error> {
        let (row, wanted) = (self.0.rows, self.0.columns.len());
        let mut count = 0;
        while let Some(cell) = cells.next_element::<Cell<'de>>()? {
            if let Some(Some(filling)) = self.0.columns.get_mut(count) {
                let pushed = filling.push(cell);
                pushed.map_err(|why| A::Error::custom(format!("column '{}': {why}", filling.name)))?;
            }
            count += 1;
        }
        if count != wanted {
            return Err(A::Error::custom(format!("ragged: row {row} has {count} values for {wanted} columns")));
        }
        Ok(())
    }
}
