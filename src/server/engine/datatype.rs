//! Element types and their names in ONNX files, on the wire and in the runtime.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::{DatumType, TDim, f16};
use tract_onnx::tract_hir::internal::Datum;

/// An element type that can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Datatype {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    F32,
    F64,
    /// UTF-8 text, `BYTES` on the wire.
    Bytes,
}

impl Datatype {
    const ALL: [Self; 13] = [
        Self::Bool,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::F16,
        Self::F32,
        Self::F64,
        Self::Bytes,
    ];

    /// Open Inference Protocol name, such as `FP32`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::U8 => "UINT8",
            Self::U16 => "UINT16",
            Self::U32 => "UINT32",
            Self::U64 => "UINT64",
            Self::I8 => "INT8",
            Self::I16 => "INT16",
            Self::I32 => "INT32",
            Self::I64 => "INT64",
            Self::F16 => "FP16",
            Self::F32 => "FP32",
            Self::F64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }

    /// The type of an Open Inference Protocol name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// The type of an ONNX `TensorProto.DataType` number; none for those that cannot be served (bfloat16, float8, …).
    pub fn from_onnx(number: i32) -> Option<Self> {
        Some(match DataType::try_from(number).ok()? {
            DataType::Bool => Self::Bool,
            DataType::Uint8 => Self::U8,
            DataType::Uint16 => Self::U16,
            DataType::Uint32 => Self::U32,
            DataType::Uint64 => Self::U64,
            DataType::Int8 => Self::I8,
            DataType::Int16 => Self::I16,
            DataType::Int32 => Self::I32,
            DataType::Int64 => Self::I64,
            DataType::Float16 => Self::F16,
            DataType::Float => Self::F32,
            DataType::Double => Self::F64,
            DataType::String => Self::Bytes,
            _ => return None,
        })
    }

    /// The runtime's type.
    pub fn datum(self) -> DatumType {
        match self {
            Self::Bool => DatumType::Bool,
            Self::U8 => DatumType::U8,
            Self::U16 => DatumType::U16,
            Self::U32 => DatumType::U32,
            Self::U64 => DatumType::U64,
            Self::I8 => DatumType::I8,
            Self::I16 => DatumType::I16,
            Self::I32 => DatumType::I32,
            Self::I64 => DatumType::I64,
            Self::F16 => DatumType::F16,
            Self::F32 => DatumType::F32,
            Self::F64 => DatumType::F64,
            Self::Bytes => DatumType::String,
        }
    }

    /// The type of a runtime tensor; symbolic dimensions leave as `INT64`.
    pub fn from_datum(datum: DatumType) -> Option<Self> {
        if datum == TDim::datum_type() {
            return Some(Self::I64);
        }
        let plain = datum.unquantized();
        Self::ALL.into_iter().find(|t| t.datum() == plain)
    }

    /// Bytes an element takes in a binary tensor; none for `BYTES`, whose elements carry their length.
    pub fn width(self) -> Option<usize> {
        Some(match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
            Self::Bytes => return None,
        })
    }

    /// What a caller has to write, in words.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::F16 | Self::F32 | Self::F64 => "a number",
            Self::Bytes => "a string",
            _ => "a whole number",
        }
    }

    /// JSON type and format of an element, for OpenAPI documents.
    pub fn json_type(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Bool => ("boolean", None),
            Self::F16 | Self::F32 => ("number", Some("float")),
            Self::F64 => ("number", Some("double")),
            Self::Bytes => ("string", None),
            Self::I64 | Self::U64 | Self::U32 => ("integer", Some("int64")),
            _ => ("integer", Some("int32")),
        }
    }
}

/// A value that a JSON scalar can become. Errors are reasons in words.
pub trait Element: Datum {
    const TYPE: Datatype;

    fn from_float(value: f64) -> Result<Self, String>;
    fn from_signed(value: i64) -> Result<Self, String>;
    fn from_unsigned(value: u64) -> Result<Self, String>;
    fn from_truth(value: bool) -> Result<Self, String> {
        Err(refused::<Self>(value))
    }
    fn from_text(value: &str) -> Result<Self, String> {
        Err(refused::<Self>(format_args!("the string {}", shorten(value))))
    }
    /// JSON `null`: a missing value where the type has one.
    fn missing() -> Result<Self, String> {
        Err(refused::<Self>("null"))
    }
}

fn refused<T: Element>(given: impl std::fmt::Display) -> String {
    format!("expected {} for {}, given {given}", T::TYPE.expected(), T::TYPE.name())
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

fn overflow<T: Element>(given: impl std::fmt::Display) -> String {
    format!("{given} does not fit {}", T::TYPE.name())
}

macro_rules! float_element {
    ($t:ty, $tag:ident, $narrow:expr) => {
        impl Element for $t {
            const TYPE: Datatype = Datatype::$tag;

            fn from_float(value: f64) -> Result<Self, String> {
                let narrow: fn(f64) -> $t = $narrow;
                let result = narrow(value);
                if result.is_finite() { Ok(result) } else { Err(overflow::<Self>(value)) }
            }
            fn from_signed(value: i64) -> Result<Self, String> {
                Self::from_float(value as f64)
            }
            fn from_unsigned(value: u64) -> Result<Self, String> {
                Self::from_float(value as f64)
            }
            fn missing() -> Result<Self, String> {
                Ok(<$t>::NAN)
            }
        }
    };
}

float_element!(f32, F32, |v| v as f32);
float_element!(f64, F64, |v| v);
float_element!(f16, F16, f16::from_f64);

macro_rules! integer_element {
    ($t:ty, $tag:ident) => {
        impl Element for $t {
            const TYPE: Datatype = Datatype::$tag;

            fn from_float(value: f64) -> Result<Self, String> {
                if value.fract() != 0.0 || !value.is_finite() {
                    return Err(refused::<Self>(value));
                }
                // Both bounds are exact in f64; the upper one is the first value that does not fit.
                let (low, high) = (<$t>::MIN as f64, 2.0 * ((<$t>::MAX / 2 + 1) as f64));
                if value >= low && value < high { Ok(value as $t) } else { Err(overflow::<Self>(value)) }
            }
            fn from_signed(value: i64) -> Result<Self, String> {
                <$t>::try_from(value).map_err(|_| overflow::<Self>(value))
            }
            fn from_unsigned(value: u64) -> Result<Self, String> {
                <$t>::try_from(value).map_err(|_| overflow::<Self>(value))
            }
        }
    };
}

integer_element!(u8, U8);
integer_element!(u16, U16);
integer_element!(u32, U32);
integer_element!(u64, U64);
integer_element!(i8, I8);
integer_element!(i16, I16);
integer_element!(i32, I32);
integer_element!(i64, I64);

impl Element for bool {
    const TYPE: Datatype = Datatype::Bool;

    fn from_float(value: f64) -> Result<Self, String> {
        if value == 0.0 || value == 1.0 { Ok(value == 1.0) } else { Err(refused::<Self>(value)) }
    }
    fn from_signed(value: i64) -> Result<Self, String> {
        Self::from_float(value as f64)
    }
    fn from_unsigned(value: u64) -> Result<Self, String> {
        Self::from_float(value as f64)
    }
    fn from_truth(value: bool) -> Result<Self, String> {
        Ok(value)
    }
}

impl Element for String {
    const TYPE: Datatype = Datatype::Bytes;

    fn from_float(value: f64) -> Result<Self, String> {
        Err(refused::<Self>(value))
    }
    fn from_signed(value: i64) -> Result<Self, String> {
        Err(refused::<Self>(value))
    }
    fn from_unsigned(value: u64) -> Result<Self, String> {
        Err(refused::<Self>(value))
    }
    fn from_text(value: &str) -> Result<Self, String> {
        Ok(value.to_owned())
    }
}

/// Runs an expression with `$t` bound to the Rust type of a [`Datatype`].
macro_rules! with_element {
    ($datatype:expr, $t:ident => $body:expr) => {{
        use $crate::server::engine::datatype::Datatype as ElementType;
        match $datatype {
            ElementType::Bool => {
                type $t = bool;
                $body
            }
            ElementType::U8 => {
                type $t = u8;
                $body
            }
            ElementType::U16 => {
                type $t = u16;
                $body
            }
            ElementType::U32 => {
                type $t = u32;
                $body
            }
            ElementType::U64 => {
                type $t = u64;
                $body
            }
            ElementType::I8 => {
                type $t = i8;
                $body
            }
            ElementType::I16 => {
                type $t = i16;
                $body
            }
            ElementType::I32 => {
                type $t = i32;
                $body
            }
            ElementType::I64 => {
                type $t = i64;
                $body
            }
            ElementType::F16 => {
                type $t = tract_onnx::prelude::f16;
                $body
            }
            ElementType::F32 => {
                type $t = f32;
                $body
            }
            ElementType::F64 => {
                type $t = f64;
                $body
            }
            ElementType::Bytes => {
                type $t = String;
                $body
            }
        }
    }};
}
pub(crate) use with_element;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_refuse_fractions_and_what_does_not_fit() {
        assert_eq!(i32::from_float(7.0), Ok(7));
        assert_eq!(i64::from_float(-9.223_372_036_854_776e18), Ok(i64::MIN));
        assert!(i64::from_float(9.223_372_036_854_776e18).is_err());
        assert_eq!(u8::from_float(255.0), Ok(255));
        assert!(u8::from_float(256.0).unwrap_err().contains("does not fit UINT8"));
        assert!(i8::from_signed(-129).is_err());
        assert!(i32::from_float(1.5).unwrap_err().contains("whole number"));
        assert!(i32::missing().is_err());
        assert!(u64::from_unsigned(u64::MAX).is_ok());
    }

    #[test]
    fn floats_refuse_overflow_and_take_null_as_missing() {
        assert!(f32::from_float(1e39).unwrap_err().contains("does not fit FP32"));
        assert!(f16::from_float(70000.0).is_err());
        assert!(f32::missing().unwrap().is_nan());
        assert!(f32::from_text("abc").unwrap_err().contains("\"abc\""));
    }

    #[test]
    fn every_type_survives_the_round_through_its_names() {
        for t in Datatype::ALL {
            assert_eq!(Datatype::from_name(t.name()), Some(t));
            assert_eq!(Datatype::from_datum(t.datum()), Some(t));
        }
        assert_eq!(Datatype::from_name("fp32"), None);
        assert_eq!(Datatype::from_onnx(DataType::Bfloat16 as i32), None);
        assert_eq!(Datatype::from_onnx(9999), None);
    }
}
