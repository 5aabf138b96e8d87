//! TreeEnsembleRegressor, TreeEnsembleClassifier and TreeEnsemble (ml opset 5).

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs;
use super::ensemble::Ensemble;
use super::forest::{Branch, Forest, Line, Mode, Node, Weight, from_lines};
use super::op::{Fact, Kernel, matrix_of, only, rows_of, tensor_of};
use super::post::{Labels, PostTransform, largest, scores};

/// How the trees' values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Average,
    Sum,
    Min,
    Max,
}

fn lines(node: &NodeProto) -> TractResult<(Vec<Line>, bool)> {
    let trees = attrs::ints(node, "nodes_treeids");
    let thresholds = attrs::numbers(node, "nodes_values")?;
    let modes = attrs::strings(node, "nodes_modes")?;
    let missing = attrs::ints(node, "nodes_missing_value_tracks_true");
    let column = |name: &str| -> TractResult<&[i64]> {
        let values = attrs::ints(node, name);
        ensure!(values.len() == trees.len(), "{name} has {} entries, nodes_treeids {}", values.len(), trees.len());
        Ok(values)
    };
    let (ids, features) = (column("nodes_nodeids")?, column("nodes_featureids")?);
    let (yes, no) = (column("nodes_truenodeids")?, column("nodes_falsenodeids")?);
    ensure!(
        thresholds.len() == trees.len(),
        "nodes_values has {} entries, nodes_treeids {}",
        thresholds.len(),
        trees.len()
    );
    ensure!(modes.len() == trees.len(), "nodes_modes has {} entries, nodes_treeids {}", modes.len(), trees.len());
    let mode = |name: &str| {
        Ok(Some(match name {
            "LEAF" => return Ok(None),
            "BRANCH_LEQ" => Mode::Leq,
            "BRANCH_LT" => Mode::Lt,
            "BRANCH_GTE" => Mode::Gte,
            "BRANCH_GT" => Mode::Gt,
            "BRANCH_EQ" => Mode::Eq,
            "BRANCH_NEQ" => Mode::Neq,
            other => bail!("node mode {other} is not defined"),
        }))
    };
    let lines = (0..trees.len()).map(|i| {
        Ok(Line {
            tree: trees[i],
            id: ids[i],
            feature: features[i],
            threshold: thresholds[i],
            mode: mode(&modes[i])?,
            yes: yes[i],
            no: no[i],
            missing_is_yes: missing.get(i).is_some_and(|m| *m != 0),
        })
    });
    let single = attrs::find(node, "nodes_values_as_tensor").is_none();
    Ok((lines.collect::<TractResult<_>>()?, single))
}

fn ensemble(node: &NodeProto, prefix: &str, targets: usize) -> TractResult<Ensemble> {
    let (lines, single) = lines(node)?;
    let trees = attrs::ints(node, &format!("{prefix}_treeids"));
    let nodes = attrs::ints(node, &format!("{prefix}_nodeids"));
    let ids = attrs::ints(node, &format!("{prefix}_ids"));
    let values = attrs::numbers(node, &format!("{prefix}_weights"))?;
    ensure!(
        trees.len() == nodes.len() && nodes.len() == ids.len() && ids.len() == values.len(),
        "{prefix}_treeids, _nodeids, _ids and _weights differ in length"
    );
    let weights: Vec<_> = (0..ids.len()).map(|i| (trees[i], nodes[i], ids[i], values[i])).collect();
    Ok(Ensemble::new(from_lines(&lines, &weights, targets)?, single))
}

/// TreeEnsembleRegressor and TreeEnsemble: values by target.
#[derive(Debug)]
struct Regressor {
    ensemble: Ensemble,
    targets: usize,
    aggregate: Aggregate,
    base: Vec<f64>,
    post: PostTransform,
    /// `TreeEnsemble` gives out its input's type, the regressor always f32.
    as_input: bool,
}

impl Kernel for Regressor {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        let datum = if self.as_input { input.0 } else { f32::datum_type() };
        Ok(tvec![(datum, tvec![rows_of(input)?, self.targets.to_dim()])])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, _) = matrix_of(inputs[0])?;
        let targets = self.targets;
        let found = |extremes: Vec<Option<f64>>| extremes.into_iter().map(Option::unwrap_or_default).collect();
        let mut sums: Vec<f64> = match self.aggregate {
            Aggregate::Sum | Aggregate::Average => self.ensemble.sums(inputs[0], targets)?,
            Aggregate::Min => found(self.ensemble.extremes(inputs[0], targets, f64::min)?),
            Aggregate::Max => found(self.ensemble.extremes(inputs[0], targets, f64::max)?),
        };
        let trees = self.ensemble.wide.trees() as f64;
        for row in sums.chunks_exact_mut(targets) {
            for (target, sum) in row.iter_mut().enumerate() {
                if self.aggregate == Aggregate::Average {
                    *sum /= trees;
                }
                *sum += self.base.get(target).copied().unwrap_or(0.0);
            }
            self.post.apply(row);
        }
        let output = tensor_of(&[rows, targets], sums)?;
        let datum = if self.as_input { inputs[0].datum_type() } else { f32::datum_type() };
        Ok(tvec![output.cast_to_dt(datum)?.into_owned()])
    }
}

/// TreeEnsembleRegressor.
pub fn regressor(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let targets = usize::try_from(attrs::int(node, "n_targets").context("n_targets is missing")?)?;
    ensure!(targets > 0, "n_targets is 0");
    let base = attrs::numbers(node, "base_values")?;
    ensure!(base.is_empty() || base.len() == targets, "base_values has {} entries, n_targets is {targets}", base.len());
    let aggregate = match attrs::text(node, "aggregate_function")?.as_deref() {
        None | Some("SUM") => Aggregate::Sum,
        Some("AVERAGE") => Aggregate::Average,
        Some("MIN") => Aggregate::Min,
        Some("MAX") => Aggregate::Max,
        Some(other) => bail!("aggregate_function {other} is not defined"),
    };
    let ensemble = ensemble(node, "target", targets)?;
    Ok(Arc::new(Regressor { ensemble, targets, aggregate, base, post: PostTransform::read(node)?, as_input: false }))
}

/// TreeEnsembleClassifier: a label and a row of scores.
#[derive(Debug)]
struct Classifier {
    ensemble: Ensemble,
    labels: Labels,
    base: Vec<f64>,
    post: PostTransform,
    /// The one class that all weights speak of, of two: the other's score follows from it.
    single: Option<usize>,
    positive: bool,
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
        let (rows, _) = matrix_of(inputs[0])?;
        let columns = self.columns();
        let mut sums = self.ensemble.sums(inputs[0], columns)?;
        let mut chosen = Vec::with_capacity(rows);
        for row in sums.chunks_exact_mut(columns) {
            chosen.push(self.finish(row));
        }
        Ok(tvec![self.labels.pick(&chosen)?, scores(rows, columns, &sums)?])
    }
}

impl Classifier {
    fn columns(&self) -> usize {
        // A single label stands for the positive class of two.
        self.labels.len().max(if self.single.is_some() { 2 } else { 1 })
    }

    /// Turns a row of sums into scores and gives the position of the label.
    fn finish(&self, row: &mut [f64]) -> usize {
        let Some(class) = self.single else {
            for (sum, base) in row.iter_mut().zip(&self.base) {
                *sum = self.ensemble.rounded(*sum + base);
            }
            let label = largest(row);
            self.post.apply(row);
            return label;
        };
        let base = if self.base.len() == 1 { self.base.first() } else { self.base.get(class) };
        let score = self.ensemble.rounded(row[class] + base.copied().unwrap_or(0.0));
        if self.post == PostTransform::None && self.positive {
            // The weights are probabilities of the second class.
            row.copy_from_slice(&[1.0 - score, score]);
            usize::from(score > 0.5)
        } else {
            row.copy_from_slice(&[-score, score]);
            self.post.apply(row);
            usize::from(score > 0.0)
        }
    }
}

/// TreeEnsembleClassifier.
pub fn classifier(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let labels = Labels::read(node, "classlabels_int64s", "classlabels_strings")?;
    ensure!(labels.len() > 0, "there are no class labels");
    let ensemble = ensemble(node, "class", labels.len().max(2))?;
    let base = attrs::numbers(node, "base_values")?;
    ensure!(base.len() <= labels.len().max(2), "base_values has {} entries for {} classes", base.len(), labels.len());
    let weights = ensemble.wide.weights();
    let first = weights.first().map_or(0, |w| w.target);
    let single = (labels.len() <= 2 && weights.iter().all(|w| w.target == first)).then_some(first as usize);
    ensure!(single.is_some() || weights.iter().all(|w| (w.target as usize) < labels.len()), "a class has no label");
    let positive = weights.iter().all(|w| w.value >= 0.0);
    Ok(Arc::new(Classifier { ensemble, labels, base, post: PostTransform::read(node)?, single, positive }))
}

/// TreeEnsemble of ml opset 5: children and leaves by position.
pub fn ensemble_v5(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let targets = usize::try_from(attrs::int(node, "n_targets").unwrap_or(1))?;
    ensure!(targets > 0, "n_targets is 0");
    let features = attrs::ints(node, "nodes_featureids");
    let tensor = |name: &str| attrs::tensor(node, name)?.with_context(|| format!("{name} is missing"));
    let splits = tensor("nodes_splits")?.into_floats()?;
    let modes = tensor("nodes_modes")?.into_ints()?;
    let leaf_values = tensor("leaf_weights")?.into_floats()?;
    let leaf_targets = attrs::ints(node, "leaf_targetids");
    ensure!(leaf_values.len() == leaf_targets.len(), "leaf_weights and leaf_targetids differ in length");
    let missing = attrs::ints(node, "nodes_missing_value_tracks_true");
    let column = |name: &str| -> TractResult<&[i64]> {
        let values = attrs::ints(node, name);
        ensure!(
            values.len() == features.len(),
            "{name} has {} entries, nodes_featureids {}",
            values.len(),
            features.len()
        );
        Ok(values)
    };
    ensure!(
        splits.len() == features.len() && modes.len() == features.len(),
        "nodes_splits, nodes_modes and nodes_featureids differ in length"
    );
    let (yes, yes_leaf) = (column("nodes_truenodeids")?, column("nodes_trueleafs")?);
    let (no, no_leaf) = (column("nodes_falsenodeids")?, column("nodes_falseleafs")?);
    let branch = |index: i64, leaf: i64| {
        let index = usize::try_from(index)?;
        if leaf != 0 { Branch::leaf(index) } else { Branch::node(index) }
    };
    let members = attrs::tensor(node, "membership_values")?.map_or(Ok(vec![]), attrs::Values::into_floats)?;
    // Sets follow each other in the order of the nodes that use them, each ended by a NaN.
    let sets: Vec<Vec<f64>> = members.split(|v| v.is_nan()).map(<[f64]>::to_vec).collect();
    let mut next_set = 0;
    let mut nodes = Vec::with_capacity(features.len());
    for i in 0..features.len() {
        let mode = match modes[i] {
            0 => Mode::Leq,
            1 => Mode::Lt,
            2 => Mode::Gte,
            3 => Mode::Gt,
            4 => Mode::Eq,
            5 => Mode::Neq,
            6 => Mode::Member,
            other => bail!("node mode {other} is not defined"),
        };
        let threshold = if mode == Mode::Member {
            ensure!(next_set < sets.len(), "membership_values has too few sets");
            next_set += 1;
            (next_set - 1) as f64
        } else {
            splits[i]
        };
        nodes.push(Node {
            threshold,
            feature: u32::try_from(features[i]).context("a feature number is out of range")?,
            yes: branch(yes[i], yes_leaf[i])?,
            no: branch(no[i], no_leaf[i])?,
            mode,
            missing_is_yes: missing.get(i).is_some_and(|m| *m != 0),
        });
    }
    let roots = attrs::ints(node, "tree_roots").iter().map(|r| Branch::node(usize::try_from(*r)?));
    let leaf = |(target, value): (&i64, &f64)| Ok(vec![Weight { target: u32::try_from(*target)?, value: *value }]);
    let leaves = leaf_targets.iter().zip(&leaf_values).map(leaf).collect::<TractResult<_>>()?;
    let forest = Forest::new(nodes, roots.collect::<TractResult<_>>()?, leaves, sets, targets)?;
    let aggregate = match attrs::int(node, "aggregate_function").unwrap_or(1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => bail!("aggregate_function {other} is not defined"),
    };
    let post = PostTransform::from_number(attrs::int(node, "post_transform").unwrap_or(0))?;
    // The splits have the input's own type.
    let single = splits.iter().all(|s| f64::from(*s as f32) == *s || s.is_nan());
    let ensemble = Ensemble::new(forest, single);
    Ok(Arc::new(Regressor { ensemble, targets, aggregate, base: vec![], post, as_input: true }))
}
