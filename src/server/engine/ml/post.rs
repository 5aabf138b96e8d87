//! Post-transforms of scores and class labels, shared by all classifiers and regressors of `ai.onnx.ml`.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs;
use super::op::tensor_of;

/// What is done to a row of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostTransform {
    None,
    Softmax,
    Logistic,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub fn read(node: &NodeProto) -> TractResult<Self> {
        Ok(match attrs::text(node, "post_transform")?.as_deref() {
            None | Some("NONE" | "") => Self::None,
            Some("SOFTMAX") => Self::Softmax,
            Some("LOGISTIC") => Self::Logistic,
            Some("SOFTMAX_ZERO") => Self::SoftmaxZero,
            Some("PROBIT") => Self::Probit,
            Some(other) => bail!("post_transform {other} is not defined"),
        })
    }

    /// The numbering of `TreeEnsemble`.
    pub fn from_number(number: i64) -> TractResult<Self> {
        Ok(match number {
            0 => Self::None,
            1 => Self::Softmax,
            2 => Self::Logistic,
            3 => Self::SoftmaxZero,
            4 => Self::Probit,
            other => bail!("post_transform {other} is not defined"),
        })
    }

    /// Transforms one row in place.
    pub fn apply(self, row: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Logistic => row.iter_mut().for_each(|v| *v = logistic(*v)),
            Self::Probit => row.iter_mut().for_each(|v| *v = probit(*v)),
            Self::Softmax => {
                let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                row.iter_mut().for_each(|v| *v = (*v - largest).exp());
                normalise(row);
            }
            Self::SoftmaxZero => {
                let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let damp = (-largest).exp();
                // The definition's threshold for "zero".
                row.iter_mut().for_each(|v| *v = if v.abs() > 1e-7 { (*v - largest).exp() } else { *v * damp });
                if row.iter().sum::<f64>() == 0.0 { row.fill(0.5) } else { normalise(row) }
            }
        }
    }
}

fn normalise(row: &mut [f64]) {
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|v| *v /= sum);
}

pub fn logistic(value: f64) -> f64 {
    let v = 1.0 / (1.0 + (-value.abs()).exp());
    if value < 0.0 { 1.0 - v } else { v }
}

/// The inverse of the normal distribution by the approximation that all implementations of the operator use.
fn probit(value: f64) -> f64 {
    let x = value * 2.0 - 1.0;
    let sign = if x < 0.0 { -1.0 } else { 1.0 };
    let y = (1.0 - x) * (1.0 + x);
    if y == 0.0 {
        return 0.0;
    }
    let log = y.ln();
    let v = 2.0 / (std::f64::consts::PI * 0.147) + 0.5 * log;
    let inner = -v + (v * v - log / 0.147).sqrt();
    std::f64::consts::SQRT_2 * sign * inner.sqrt()
}

/// Position of the largest value; the first of several, 0 for an empty row.
pub fn largest(row: &[f64]) -> usize {
    let mut best = 0;
    for (i, v) in row.iter().enumerate() {
        if *v > row[best] {
            best = i;
        }
    }
    best
}

/// The class labels of a classifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labels {
    Ints(Vec<i64>),
    Strings(Vec<String>),
}

impl Labels {
    /// Reads the labels from the attributes of these names.
    pub fn read(node: &NodeProto, ints: &str, strings: &str) -> TractResult<Self> {
        let texts = attrs::strings(node, strings)?;
        if !texts.is_empty() {
            return Ok(Self::Strings(texts));
        }
        Ok(Self::Ints(attrs::ints(node, ints).to_vec()))
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Ints(labels) => labels.len(),
            Self::Strings(labels) => labels.len(),
        }
    }

    pub fn datum(&self) -> DatumType {
        match self {
            Self::Ints(_) => i64::datum_type(),
            Self::Strings(_) => String::datum_type(),
        }
    }

    /// The label at a position, as text.
    pub fn text(&self, index: usize) -> String {
        match self {
            Self::Ints(labels) => labels.get(index).map_or_else(|| index.to_string(), i64::to_string),
            Self::Strings(labels) => labels.get(index).cloned().unwrap_or_else(|| index.to_string()),
        }
    }

    /// A vector of labels by position. Positions past the end stand for themselves (or for no text).
    pub fn pick(&self, indices: &[usize]) -> TractResult<Tensor> {
        let shape = [indices.len()];
        match self {
            Self::Ints(labels) => {
                tensor_of(&shape, indices.iter().map(|i| labels.get(*i).copied().unwrap_or(*i as i64)).collect())
            }
            Self::Strings(labels) => {
                tensor_of(&shape, indices.iter().map(|i| labels.get(*i).cloned().unwrap_or_default()).collect())
            }
        }
    }
}

/// Scores as the definition gives them out: single precision.
pub fn scores(rows: usize, columns: usize, values: &[f64]) -> TractResult<Tensor> {
    tensor_of(&[rows, columns], values.iter().map(|v| *v as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(post: PostTransform, row: &[f64]) -> Vec<f64> {
        let mut row = row.to_vec();
        post.apply(&mut row);
        row
    }

    #[test]
    fn transforms_follow_their_definitions() {
        assert_eq!(applied(PostTransform::None, &[1.0, -2.0]), [1.0, -2.0]);
        let soft = applied(PostTransform::Softmax, &[1.0, 2.0, 1e4]);
        assert!((soft.iter().sum::<f64>() - 1.0).abs() < 1e-12 && soft[2] > 0.99);
        let zero = applied(PostTransform::SoftmaxZero, &[0.0, 1.0, 2.0]);
        assert_eq!(zero[0], 0.0);
        assert!((zero[2] / zero[1] - 1f64.exp()).abs() < 1e-9);
        let logistic = applied(PostTransform::Logistic, &[0.0, 1e3, -1e3]);
        assert_eq!(logistic, [0.5, 1.0, 0.0]);
        let probit = applied(PostTransform::Probit, &[0.5, 0.975, 0.025]);
        assert!(probit[0].abs() < 1e-9 && (probit[1] - 1.96).abs() < 0.01 && (probit[2] + 1.96).abs() < 0.01);
    }

    #[test]
    fn ties_go_to_the_first_class() {
        assert_eq!(largest(&[0.5, 0.5]), 0);
        assert_eq!(largest(&[0.1, 0.7, 0.2]), 1);
    }
}
