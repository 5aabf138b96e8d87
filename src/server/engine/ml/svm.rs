//! SVMRegressor and SVMClassifier, as libsvm computes them.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs;
use super::number::{distance, dot};
use super::op::{Fact, Kernel, doubles, matrix_of, only, rows_of};
use super::post::{Labels, PostTransform, largest, logistic, scores};

#[derive(Debug, Clone, Copy)]
enum Shape {
    Linear,
    Poly,
    Rbf,
    Sigmoid,
}

/// The kernel function with its parameters.
#[derive(Debug, Clone, Copy)]
struct Function {
    shape: Shape,
    gamma: f64,
    offset: f64,
    degree: i32,
}

impl Function {
    fn read(node: &NodeProto) -> TractResult<Self> {
        let shape = match attrs::text(node, "kernel_type")?.as_deref() {
            None | Some("LINEAR") => Shape::Linear,
            Some("POLY") => Shape::Poly,
            Some("RBF") => Shape::Rbf,
            Some("SIGMOID") => Shape::Sigmoid,
            Some(other) => bail!("kernel_type {other} is not defined"),
        };
        let of = |i: usize| attrs::floats(node, "kernel_params").get(i).copied().map_or(0.0, f64::from);
        Ok(Self { shape, gamma: of(0), offset: of(1), degree: of(2) as i32 })
    }

    fn of(&self, a: &[f64], b: &[f64]) -> f64 {
        match self.shape {
            Shape::Linear => dot(a, b),
            Shape::Poly => (dot(a, b) * self.gamma + self.offset).powi(self.degree),
            Shape::Sigmoid => (dot(a, b) * self.gamma + self.offset).tanh(),
            Shape::Rbf => (-self.gamma * distance(a, b)).exp(),
        }
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

#[derive(Debug)]
struct Regressor {
    function: Function,
    /// Support vectors in rows; none for a linear model, whose coefficients are the weights.
    vectors: Vec<f64>,
    coefficients: Vec<f64>,
    rho: f64,
    one_class: bool,
    features: usize,
}

impl Kernel for Regressor {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        Ok(tvec![(f32::datum_type(), tvec![rows_of(only(inputs)?)?, 1.to_dim()])])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, columns) = matrix_of(inputs[0])?;
        ensure!(columns == self.features, "expected {} features, given {columns}", self.features);
        let values = doubles(inputs[0])?;
        let result = values.chunks_exact(columns).map(|row| {
            let sum: f64 = if self.vectors.is_empty() {
                self.function.of(row, &self.coefficients)
            } else {
                let supports = self.vectors.chunks_exact(columns).zip(&self.coefficients);
                supports.map(|(vector, weight)| weight * self.function.of(row, vector)).sum()
            };
            let value = sum + self.rho;
            match (self.one_class, value > 0.0) {
                (false, _) => value,
                (true, true) => 1.0,
                (true, false) => -1.0,
            }
        });
        Ok(tvec![scores(rows, 1, &result.collect::<Vec<_>>())?])
    }
}

/// SVMRegressor.
pub fn regressor(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    ensure!(PostTransform::read(node)? == PostTransform::None, "post_transform is defined for NONE only");
    let supports = usize::try_from(attrs::int(node, "n_supports").unwrap_or(0))?;
    let coefficients = wide(attrs::floats(node, "coefficients"));
    let vectors = if supports > 0 { wide(attrs::floats(node, "support_vectors")) } else { vec![] };
    let mut function = Function::read(node)?;
    let features = if supports > 0 {
        ensure!(coefficients.len() == supports, "{} coefficients for {supports} support vectors", coefficients.len());
        ensure!(vectors.len().is_multiple_of(supports), "{} numbers for {supports} support vectors", vectors.len());
        vectors.len() / supports
    } else {
        function.shape = Shape::Linear;
        coefficients.len()
    };
    ensure!(features > 0, "there are no coefficients");
    let rho = attrs::floats(node, "rho").first().copied().map_or(0.0, f64::from);
    let one_class = attrs::int(node, "one_class").unwrap_or(0) != 0;
    Ok(Arc::new(Regressor { function, vectors, coefficients, rho, one_class, features }))
}

#[derive(Debug)]
struct Classifier {
    function: Function,
    vectors: Vec<f64>,
    /// First support vector of every class, and one past the last.
    starts: Vec<usize>,
    /// Rows of as many coefficients as there are support vectors (or features, for a linear model).
    coefficients: Vec<f64>,
    rho: Vec<f64>,
    prob_a: Vec<f64>,
    prob_b: Vec<f64>,
    labels: Labels,
    post: PostTransform,
    features: usize,
}

impl Classifier {
    fn classes(&self) -> usize {
        self.labels.len()
    }

    fn is_linear(&self) -> bool {
        self.vectors.is_empty()
    }

    fn columns(&self) -> usize {
        let classes = self.classes();
        if self.is_linear() || !self.prob_a.is_empty() {
            return classes;
        }
        // One score for two classes is given out for both.
        (classes * (classes - 1) / 2).max(2)
    }

    /// Scores of every pair of classes, and the votes they amount to.
    fn duel(&self, row: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let count = self.vectors.len() / self.features;
        let near: Vec<f64> = self.vectors.chunks_exact(self.features).map(|v| self.function.of(row, v)).collect();
        let classes = self.classes();
        let part = |line: usize, class: usize| -> f64 {
            (self.starts[class]..self.starts[class + 1]).map(|v| self.coefficients[line * count + v] * near[v]).sum()
        };
        let mut votes = vec![0.0; classes];
        let mut pairs = Vec::with_capacity(classes * (classes - 1) / 2);
        for i in 0..classes {
            for j in i + 1..classes {
                let score = self.rho[pairs.len()] + part(j - 1, i) + part(i, j);
                votes[if score > 0.0 { i } else { j }] += 1.0;
                pairs.push(score);
            }
        }
        (votes, pairs)
    }

    /// Platt's probabilities of the pairs, joined into one for each class.
    fn probabilities(&self, pairs: &[f64]) -> Vec<f64> {
        let classes = self.classes();
        let mut joint = vec![0.0; classes * classes];
        let mut index = 0;
        for i in 0..classes {
            for j in i + 1..classes {
                let value = 1.0 - logistic(pairs[index] * self.prob_a[index] + self.prob_b[index]);
                let value = value.clamp(1e-7, 1.0 - 1e-7);
                joint[i * classes + j] = value;
                joint[j * classes + i] = 1.0 - value;
                index += 1;
            }
        }
        join(classes, &joint)
    }

    /// Position of the label, and the scores given out.
    fn row(&self, row: &[f64]) -> (usize, Vec<f64>) {
        if self.is_linear() {
            let weights = self.coefficients.chunks_exact(self.features);
            let mut values: Vec<f64> = weights.map(|w| self.function.of(row, w) + self.rho[0]).collect();
            let label = largest(&values);
            self.post.apply(&mut values);
            return (label, values);
        }
        let (votes, pairs) = self.duel(row);
        let label = largest(&votes);
        let mut values = if !self.prob_a.is_empty() {
            self.probabilities(&pairs)
        } else if let [score] = pairs[..] {
            vec![-score, score]
        } else {
            pairs
        };
        self.post.apply(&mut values);
        (label, values)
    }
}

/// libsvm's method of joining pairwise probabilities (Wu, Lin and Weng, second approach).
fn join(k: usize, r: &[f64]) -> Vec<f64> {
    let mut q = vec![0.0; k * k];
    for t in 0..k {
        for j in (0..k).filter(|j| *j != t) {
            q[t * k + t] += r[j * k + t] * r[j * k + t];
            q[t * k + j] = -r[j * k + t] * r[t * k + j];
        }
    }
    let mut p = vec![1.0 / k as f64; k];
    for _ in 0..k.max(100) {
        let mut qp: Vec<f64> = (0..k).map(|t| (0..k).map(|j| q[t * k + j] * p[j]).sum()).collect();
        let mut pqp: f64 = p.iter().zip(&qp).map(|(a, b)| a * b).sum();
        if qp.iter().all(|v| (v - pqp).abs() < 0.005 / k as f64) {
            break;
        }
        for t in 0..k {
            let step = (pqp - qp[t]) / q[t * k + t];
            p[t] += step;
            pqp = (pqp + step * (step * q[t * k + t] + 2.0 * qp[t])) / (1.0 + step) / (1.0 + step);
            for j in 0..k {
                qp[j] = (qp[j] + step * q[t * k + j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
    p
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
        let (rows, columns) = matrix_of(inputs[0])?;
        ensure!(columns == self.features, "expected {} features, given {columns}", self.features);
        let values = doubles(inputs[0])?;
        let (mut chosen, mut out) = (Vec::with_capacity(rows), Vec::with_capacity(rows * self.columns()));
        for row in values.chunks_exact(columns) {
            let (label, scores) = self.row(row);
            chosen.push(label);
            out.extend(scores);
        }
        Ok(tvec![self.labels.pick(&chosen)?, scores(rows, self.columns(), &out)?])
    }
}

/// SVMClassifier.
pub fn classifier(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let labels = Labels::read(node, "classlabels_ints", "classlabels_strings")?;
    let classes = labels.len();
    ensure!(classes >= 2, "an SVM classifier needs two class labels, found {classes}");
    let mut function = Function::read(node)?;
    let mut starts = vec![0];
    for count in attrs::ints(node, "vectors_per_class") {
        starts.push(starts[starts.len() - 1] + usize::try_from(*count)?);
    }
    let count = starts[starts.len() - 1];
    let coefficients = wide(attrs::floats(node, "coefficients"));
    let rho = wide(attrs::floats(node, "rho"));
    let (prob_a, prob_b) = (wide(attrs::floats(node, "prob_a")), wide(attrs::floats(node, "prob_b")));
    let pairs = classes * (classes - 1) / 2;
    let vectors = if count > 0 { wide(attrs::floats(node, "support_vectors")) } else { vec![] };
    let features = if count > 0 {
        ensure!(
            starts.len() == classes + 1,
            "vectors_per_class has {} entries for {classes} classes",
            starts.len() - 1
        );
        ensure!(
            !vectors.is_empty() && vectors.len().is_multiple_of(count),
            "{} numbers for {count} support vectors",
            vectors.len()
        );
        ensure!(
            coefficients.len() == (classes - 1) * count,
            "{} coefficients for {count} support vectors",
            coefficients.len()
        );
        ensure!(rho.len() >= pairs, "{} values of rho for {pairs} pairs of classes", rho.len());
        ensure!(
            prob_a.is_empty() || (prob_a.len() >= pairs && prob_b.len() >= pairs),
            "prob_a and prob_b are too short"
        );
        vectors.len() / count
    } else {
        function.shape = Shape::Linear;
        ensure!(
            !rho.is_empty() && coefficients.len().is_multiple_of(classes),
            "{} coefficients for {classes} classes",
            coefficients.len()
        );
        coefficients.len() / classes
    };
    ensure!(features > 0, "there are no coefficients");
    let post = PostTransform::read(node)?;
    Ok(Arc::new(Classifier { function, vectors, starts, coefficients, rho, prob_a, prob_b, labels, post, features }))
}
