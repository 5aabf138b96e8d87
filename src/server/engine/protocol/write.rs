//! Tensors as JSON and as binary tensors.

use std::io::Write;

use tract_onnx::prelude::{Datum, Tensor, f16};

use crate::server::engine::datatype::{Datatype, with_element};
use crate::server::engine::ml::Labels;

/// A value's JSON. Numbers that JSON does not know (NaN, infinities) become `null`.
trait Show: Datum {
    fn show(&self, out: &mut Vec<u8>);
}

macro_rules! show_with_serde {
    ($($t:ty),*) => {$(
        impl Show for $t {
            fn show(&self, out: &mut Vec<u8>) {
                // Writing to a vector cannot fail.
                let _ = serde_json::to_writer(out, self);
            }
        }
    )*};
}

show_with_serde!(bool, u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, String);

impl Show for f16 {
    fn show(&self, out: &mut Vec<u8>) {
        self.to_f32().show(out);
    }
}

fn slice<T: Datum>(tensor: &Tensor) -> &[T] {
    tensor.as_plain_ram().and_then(|plain| plain.as_slice::<T>().ok()).unwrap_or_default()
}

/// The tensor as nested lists; a scalar stands alone.
pub fn nested(out: &mut Vec<u8>, tensor: &Tensor, datatype: Datatype) {
    with_element!(datatype, T => lists(out, tensor.shape(), slice::<T>(tensor)));
}

/// The tensor as one list in row-major order.
pub fn flat(out: &mut Vec<u8>, tensor: &Tensor, datatype: Datatype) {
    with_element!(datatype, T => lists(out, &[tensor.len()], slice::<T>(tensor)));
}

/// A single element by its position in row-major order.
pub fn element(out: &mut Vec<u8>, tensor: &Tensor, datatype: Datatype, index: usize) {
    with_element!(datatype, T => match slice::<T>(tensor).get(index) {
        Some(value) => value.show(out),
        None => out.extend_from_slice(b"null"),
    });
}

fn lists<T: Show>(out: &mut Vec<u8>, shape: &[usize], values: &[T]) {
    let Some((length, inner)) = shape.split_first() else {
        match values.first() {
            Some(value) => value.show(out),
            None => out.extend_from_slice(b"null"),
        }
        return;
    };
    let step: usize = inner.iter().product();
    out.push(b'[');
    for index in 0..*length {
        if index > 0 {
            out.push(b',');
        }
        if inner.is_empty() {
            values[index].show(out);
        } else {
            lists(out, inner, &values[index * step..(index + 1) * step]);
        }
    }
    out.push(b']');
}

/// A matrix of scores as one object a row: label to score.
pub fn zipped(out: &mut Vec<u8>, tensor: &Tensor, datatype: Datatype, labels: &Labels) {
    out.push(b'[');
    for row in 0..zipped_rows(tensor) {
        if row > 0 {
            out.push(b',');
        }
        zipped_row(out, tensor, datatype, labels, row);
    }
    out.push(b']');
}

/// Rows that [`zipped`] makes objects of.
pub fn zipped_rows(tensor: &Tensor) -> usize {
    tensor.len() / tensor.shape().last().copied().unwrap_or(1).max(1)
}

/// One row of [`zipped`].
pub fn zipped_row(out: &mut Vec<u8>, tensor: &Tensor, datatype: Datatype, labels: &Labels, row: usize) {
    let columns = tensor.shape().last().copied().unwrap_or(1).max(1);
    out.push(b'{');
    for column in 0..columns {
        if column > 0 {
            out.push(b',');
        }
        text(out, &labels.text(column));
        out.push(b':');
        element(out, tensor, datatype, row * columns + column);
    }
    out.push(b'}');
}

/// A JSON string.
pub fn text(out: &mut Vec<u8>, value: &str) {
    let _ = serde_json::to_writer(out, value);
}

/// A number of things.
pub fn size(out: &mut Vec<u8>, value: usize) {
    let _ = serde_json::to_writer(out, &value);
}

/// A shape.
pub fn sizes(out: &mut Vec<u8>, values: &[usize]) {
    out.push(b'[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        size(out, *value);
    }
    out.push(b']');
}

/// Appends the tensor's bytes, little-endian; strings with their length before them.
pub fn binary(out: &mut Vec<u8>, tensor: &Tensor, datatype: Datatype) {
    if datatype != Datatype::Bytes {
        out.extend_from_slice(tensor.as_bytes());
        return;
    }
    for value in slice::<String>(tensor) {
        // A string beyond 4 GiB cannot come out of a request that is capped far below.
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        let _ = out.write_all(&length.to_le_bytes());
        out.extend_from_slice(&value.as_bytes()[..length as usize]);
    }
}

/// Bytes [`binary`] will append.
pub fn binary_size(tensor: &Tensor, datatype: Datatype) -> usize {
    match datatype.width() {
        Some(width) => width * tensor.len(),
        None => slice::<String>(tensor).iter().map(|s| 4 + s.len()).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::prelude::{tensor0, tensor1, tensor2};

    fn json(tensor: &Tensor, datatype: Datatype) -> String {
        let mut out = Vec::new();
        nested(&mut out, tensor, datatype);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn tensors_become_nested_lists() {
        assert_eq!(json(&tensor2(&[[1f32, 2.5], [3.0, -4.0]]), Datatype::F32), "[[1.0,2.5],[3.0,-4.0]]");
        assert_eq!(json(&tensor0(7i64), Datatype::I64), "7");
        assert_eq!(json(&tensor1(&["a\"b".to_owned(), "ü".to_owned()]), Datatype::Bytes), r#"["a\"b","ü"]"#);
        assert_eq!(json(&tensor1(&[true, false]), Datatype::Bool), "[true,false]");
        assert_eq!(json(&tensor1(&[f32::NAN, f32::INFINITY]), Datatype::F32), "[null,null]");
        assert_eq!(json(&tensor1::<f32>(&[]), Datatype::F32), "[]");
        assert_eq!(json(&Tensor::zero::<f32>(&[2, 0]).unwrap(), Datatype::F32), "[[],[]]");
    }

    #[test]
    fn shapes_look_as_they_are_debugged() {
        for shape in [&[][..], &[7], &[1, 3, 224]] {
            let mut out = Vec::new();
            sizes(&mut out, shape);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{shape:?}"));
        }
    }

    #[test]
    fn zipped_scores_carry_their_labels() {
        let mut out = Vec::new();
        zipped(
            &mut out,
            &tensor2(&[[0.25f32, 0.75]]),
            Datatype::F32,
            &Labels::Strings(vec!["no".into(), "yes".into()]),
        );
        assert_eq!(String::from_utf8(out).unwrap(), r#"[{"no":0.25,"yes":0.75}]"#);
    }

    #[test]
    fn binary_strings_carry_their_length() {
        let tensor = tensor1(&["ab".to_owned(), String::new()]);
        let mut out = Vec::new();
        binary(&mut out, &tensor, Datatype::Bytes);
        assert_eq!(out, [2, 0, 0, 0, b'a', b'b', 0, 0, 0, 0]);
        assert_eq!(binary_size(&tensor, Datatype::Bytes), out.len());
    }
}
