//! The numbers that trees compare.

use tract_onnx::tract_hir::internal::*;

/// A number a tree can compare.
pub trait Number: Datum + Copy + PartialOrd {
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    fn is_nan(self) -> bool;
    /// The next smaller number; NaN, which nothing is at most, below the smallest.
    fn below(self) -> Self;
    /// The number with its sign turned where `flag` has its top bit set, unchanged where it is 0.
    fn negated(self, flag: u32) -> Self;
}

impl Number for f32 {
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn is_nan(self) -> bool {
        self.is_nan()
    }
    fn below(self) -> Self {
        if self == Self::NEG_INFINITY { Self::NAN } else { self.next_down() }
    }
    fn negated(self, flag: u32) -> Self {
        Self::from_bits(self.to_bits() ^ flag)
    }
}

impl Number for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn is_nan(self) -> bool {
        self.is_nan()
    }
    fn below(self) -> Self {
        if self == Self::NEG_INFINITY { Self::NAN } else { self.next_down() }
    }
    fn negated(self, flag: u32) -> Self {
        Self::from_bits(self.to_bits() ^ (u64::from(flag) << 32))
    }
}
