//! What the trees of an ensemble say of each row, put together.

use std::sync::OnceLock;

use tract_onnx::tract_hir::internal::*;

use super::forest::{Forest, Weight};
use super::op::{doubles, matrix_of, slice};

/// An ensemble over f32 or f64 rows: each form is made when it is first met.
#[derive(Debug)]
pub struct Ensemble {
    /// The trees as the file has them.
    pub wide: Forest<f64>,
    narrow: OnceLock<Forest<f32>>,
    /// Thresholds are single precision, so that f32 rows may be compared as they are.
    single: bool,
    /// What each leaf adds, where all add one number each and sums are kept in single precision.
    plain: Option<Vec<Plain>>,
}

/// A [`Weight`] that single precision holds.
#[derive(Debug, Clone, Copy)]
struct Plain {
    target: u32,
    value: f32,
}

impl Plain {
    fn of(weights: &[Weight]) -> Option<Self> {
        let [Weight { target, value }] = *weights else { return None };
        let short = value as f32;
        (f64::from(short) == value).then_some(Self { target, value: short })
    }
}

impl Ensemble {
    pub fn new(wide: Forest<f64>, single: bool) -> Self {
        let plain = (0..wide.leaves()).map(|leaf| Plain::of(wide.weights_of(leaf)));
        let plain = if single { plain.collect() } else { None };
        Self { wide, narrow: OnceLock::new(), single, plain }
    }

    /// A sum as the definition keeps it: in single precision where weights and rows have it. Ties depend on it.
    pub fn rounded(&self, sum: f64) -> f64 {
        if self.single { f64::from(sum as f32) } else { sum }
    }

    /// Walks every row of the input: see [`Forest::walk`].
    fn walk(&self, input: &Tensor, visit: impl FnMut(usize, &[u32])) -> TractResult<()> {
        let (_, columns) = matrix_of(input)?;
        let needed = self.wide.features().max(1);
        ensure!(columns >= needed, "the trees look at {needed} features, given {columns}");
        if self.single && input.datum_type() == f32::datum_type() {
            self.narrow.get_or_init(|| self.wide.convert()).walk(slice(input)?, columns, visit);
        } else {
            self.wide.walk(&doubles(input)?, columns, visit);
        }
        Ok(())
    }

    /// The same with the weights of every leaf, one after the other.
    fn each(&self, input: &Tensor, mut visit: impl FnMut(usize, &Weight)) -> TractResult<()> {
        self.walk(input, |row, leaves| {
            leaves.iter().flat_map(|leaf| self.wide.weights_of(*leaf as usize)).for_each(|weight| visit(row, weight));
        })
    }

    /// The sums of each row: a value for each of `targets`.
    pub fn sums(&self, input: &Tensor, targets: usize) -> TractResult<Vec<f64>> {
        let (rows, _) = matrix_of(input)?;
        let Some(plain) = &self.plain else {
            let mut sums = vec![0.0; rows * targets];
            self.each(input, |row, weight| {
                let sum = &mut sums[row * targets + weight.target as usize];
                *sum = self.rounded(*sum + weight.value);
            })?;
            return Ok(sums);
        };
        let mut sums = vec![0f32; rows * targets];
        self.walk(input, |row, leaves| {
            let leaves = leaves.iter().map(|leaf| plain[*leaf as usize]);
            if targets == 1 {
                // Kept in a register: the additions wait for each other as it is.
                sums[row] = leaves.fold(sums[row], |sum, leaf| sum + leaf.value);
            } else {
                leaves.for_each(|leaf| sums[row * targets + leaf.target as usize] += leaf.value);
            }
        })?;
        Ok(sums.into_iter().map(f64::from).collect())
    }

    /// The smallest or largest value of each row and target; nothing where no leaf speaks of it.
    pub fn extremes(
        &self,
        input: &Tensor,
        targets: usize,
        chosen: fn(f64, f64) -> f64,
    ) -> TractResult<Vec<Option<f64>>> {
        let (rows, _) = matrix_of(input)?;
        let mut found = vec![None; rows * targets];
        self.each(input, |row, weight| {
            let best = &mut found[row * targets + weight.target as usize];
            *best = Some(best.map_or(weight.value, |best| chosen(best, weight.value)));
        })?;
        Ok(found)
    }
}
