//! Plain `/score` bodies, read without the general parser.
//!
//! Everything here gives up (`None`) where [`super::score::read`] has to look; what it reads means the same there.

use serde::de::Error as _;
use serde::de::value::Error;
use tract_onnx::prelude::{TValue, TVec};

use super::frame::Rows;
use super::nested::Array;
use super::scan::Cursor;
use super::score::{Dialect, Form, InputData};
use super::v2_input::Entry;
use super::{Slots, mlflow};
use crate::server::engine::onnx::model::OnnxModel;

/// Reads `{"input_data": …}` or `{"inputs": …}`, of numbers.
pub fn read(model: &OnnxModel, dialect: &Dialect, body: &[u8]) -> Option<(TVec<TValue>, Form)> {
    let mut cursor = Cursor::new(body);
    let mut slots = Slots::new(&model.inputs);
    cursor.demand(b'{')?;
    let form = match cursor.key()? {
        "input_data" if cursor.peek()? == b'[' => {
            dialect.allows(mlflow::list_allowed).ok()?;
            only(&mut slots, &mut cursor)?
        }
        "input_data" => input_data(&mut slots, dialect, &mut cursor)?,
        "inputs" if *dialect == Dialect::Custom => inputs(&mut slots, &mut cursor)?,
        _ => return None,
    };
    cursor.demand(b'}')?;
    cursor.end()?;
    Some((slots.finish().ok()?, form))
}

/// The only input's value.
fn only(slots: &mut Slots<'_>, cursor: &mut Cursor<'_>) -> Option<Form> {
    let [_] = slots.specs else { return None };
    value(slots, 0, cursor)?;
    Some(Form::Tensors)
}

fn value(slots: &mut Slots<'_>, index: usize, cursor: &mut Cursor<'_>) -> Option<()> {
    let spec = &slots.specs[index];
    if spec.keyed.is_some() {
        return None;
    }
    let given = Array { datatype: spec.datatype, missing: true }.scan(cursor)?;
    slots.put(index, given).ok()
}

fn inputs(slots: &mut Slots<'_>, cursor: &mut Cursor<'_>) -> Option<Form> {
    match cursor.peek()? {
        b'{' => cursor.object(|cursor, name| {
            let index = slots.position(name)?;
            value(slots, index, cursor)
        })?,
        b'[' if cursor.second()? == b'{' => {
            cursor.list(|cursor| {
                let (index, given) = Entry::scan(slots, cursor)?.without_binary().ok()?;
                slots.put(index, given).ok()
            })?;
        }
        _ => return only(slots, cursor),
    }
    Some(Form::Tensors)
}

/// A frame, or an object by input name.
fn input_data(slots: &mut Slots<'_>, dialect: &Dialect, cursor: &mut Cursor<'_>) -> Option<Form> {
    let mut columns: Option<Vec<String>> = None;
    let (mut form, mut named, mut index) = (Form::Tensors, false, false);
    // A model may have an input of such a name: for the general parser to sort out.
    let free = |slots: &Slots<'_>| ["columns", "index", "data"].iter().all(|name| slots.position(name).is_none());
    free(slots).then_some(())?;
    cursor.object(|cursor, key| match (key, &columns) {
        ("columns", None) if !named => {
            let mut names = Vec::with_capacity(slots.specs.len());
            cursor.list(|cursor| {
                names.push(cursor.text()?.to_owned());
                Some(())
            })?;
            columns = Some(names);
            Some(())
        }
        ("index", Some(_)) => {
            index = true;
            cursor.list(|cursor| cursor.number().map(|_| ())).map(|_| ())
        }
        ("data", Some(names)) if form == Form::Tensors => {
            form = Form::Frame;
            let mut data = InputData { slots: &mut *slots, dialect };
            let read = |rows: Rows<'_>| {
                let read = match rows {
                    Rows::Matrix(array, into) => array.scan(cursor).map(|given| *into = Some(given)),
                    Rows::Columns(frame) => frame.scan(cursor),
                };
                read.ok_or_else(|| Error::custom("not plain"))
            };
            data.frame(names, read).ok()
        }
        (name, None) => {
            dialect.allows(mlflow::names_allowed).ok()?;
            named = true;
            let index = slots.position(name)?;
            value(slots, index, cursor)
        }
        _ => None,
    })?;
    if form == Form::Frame {
        dialect.allows(|inputs| mlflow::frame_allowed(inputs, index)).ok()?;
    }
    (columns.is_some() == (form == Form::Frame)).then_some(form)
}
