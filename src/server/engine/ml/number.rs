//! The numbers that trees compare, and sums over rows of them.

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

/// Sums that are added up side by side: one alone would wait for each addition.
const LANES: usize = 4;

/// The sum of what `term` makes of the pairs of two rows.
#[inline]
fn sum(a: &[f64], b: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += term(*a, *b));
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| term(*a, *b)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// The scalar product of two rows.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    sum(a, b, |a, b| a * b)
}

/// The square of the distance of two rows.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    sum(a, b, |a, b| (a - b) * (a - b))
}
