//! LinearRegressor and LinearClassifier.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs;
use super::number::dot;
use super::op::{Fact, Kernel, doubles, matrix_of, only, rows_of};
use super::post::{Labels, PostTransform, largest, scores};

/// A row-major matrix of coefficients: one row for each target or class.
#[derive(Debug)]
struct Linear {
    coefficients: Vec<f64>,
    intercepts: Vec<f64>,
    targets: usize,
}

impl Linear {
    fn read(node: &NodeProto, targets: usize) -> TractResult<Self> {
        let coefficients: Vec<f64> = attrs::floats(node, "coefficients").iter().map(|f| f64::from(*f)).collect();
        let intercepts: Vec<f64> = attrs::floats(node, "intercepts").iter().map(|f| f64::from(*f)).collect();
        ensure!(
            targets > 0 && !coefficients.is_empty() && coefficients.len().is_multiple_of(targets),
            "{} coefficients for {targets} targets",
            coefficients.len()
        );
        ensure!(
            intercepts.is_empty() || intercepts.len() == targets,
            "{} intercepts for {targets} targets",
            intercepts.len()
        );
        Ok(Self { coefficients, intercepts, targets })
    }

    /// Scores of all rows, row by row.
    fn run(&self, input: &Tensor) -> TractResult<(usize, Vec<f64>)> {
        let (rows, columns) = matrix_of(input)?;
        let wanted = self.coefficients.len() / self.targets;
        ensure!(columns == wanted, "expected {wanted} features, given {columns}");
        let values = doubles(input)?;
        let mut out = Vec::with_capacity(rows * self.targets);
        for row in values.chunks_exact(columns) {
            for (target, weights) in self.coefficients.chunks_exact(columns).enumerate() {
                out.push(dot(row, weights) + self.intercepts.get(target).copied().unwrap_or(0.0));
            }
        }
        Ok((rows, out))
    }
}

#[derive(Debug)]
struct Regressor {
    linear: Linear,
    post: PostTransform,
}

impl Kernel for Regressor {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        Ok(tvec![(f32::datum_type(), tvec![rows_of(only(inputs)?)?, self.linear.targets.to_dim()])])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, mut values) = self.linear.run(inputs[0])?;
        values.chunks_exact_mut(self.linear.targets).for_each(|row| self.post.apply(row));
        Ok(tvec![scores(rows, self.linear.targets, &values)?])
    }
}

/// LinearRegressor.
pub fn regressor(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let targets = usize::try_from(attrs::int(node, "targets").unwrap_or(1))?;
    Ok(Arc::new(Regressor { linear: Linear::read(node, targets)?, post: PostTransform::read(node)? }))
}

#[derive(Debug)]
struct Classifier {
    linear: Linear,
    labels: Labels,
    post: PostTransform,
}

impl Classifier {
    /// One score for two classes is that of the second; the first has its negative.
    fn mirrored(&self) -> bool {
        self.linear.targets == 1 && self.labels.len() == 2
    }

    fn columns(&self) -> usize {
        if self.mirrored() { 2 } else { self.linear.targets }
    }
}

impl Kernel for Classifier {
    fn outputs(&self) -> usize {
        2
    }

    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        let rows = rows_of(only(inputs)?)?;
        Ok(tvec![(self.labels.datum(), tvec![rows.clone()]), (f32::datum_type(), tvec![rows, self.columns().to_dim()])])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, mut values) = self.linear.run(inputs[0])?;
        if self.mirrored() {
            values = values.iter().flat_map(|score| [-score, *score]).collect();
        }
        let columns = self.columns();
        let mut chosen = Vec::with_capacity(rows);
        for row in values.chunks_exact_mut(columns) {
            chosen.push(largest(row));
            self.post.apply(row);
        }
        Ok(tvec![self.labels.pick(&chosen)?, scores(rows, columns, &values)?])
    }
}

/// LinearClassifier.
pub fn classifier(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let labels = Labels::read(node, "classlabels_ints", "classlabels_strings")?;
    let intercepts = attrs::floats(node, "intercepts").len();
    let targets = if intercepts > 0 { intercepts } else { labels.len() };
    ensure!(
        targets == labels.len() || (targets == 1 && labels.len() == 2),
        "{targets} scores for {} classes",
        labels.len()
    );
    Ok(Arc::new(Classifier { linear: Linear::read(node, targets)?, labels, post: PostTransform::read(node)? }))
}
