//! Trees, walked node by node as they were thrown together.

use proptest::prelude::*;
use tract_onnx::pb::{AttributeProto, TensorProto};
use tract_onnx::tract_hir::internal::*;

use super::super::op::tensor_of;
use super::{ML, Value, attribute, node, operator};

/// Thresholds and values, which meet often; every sum of the weights below is exact in single precision.
const NUMBERS: [f32; 6] = [-1.0, -0.5, 0.0, 0.5, 1.0, f32::NAN];
const MODES: [&str; 6] = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
const COLUMNS: usize = 3;

enum Tree {
    /// Targets and their weights.
    Leaf(Vec<(usize, f32)>),
    Node {
        feature: usize,
        threshold: f32,
        mode: usize,
        set: Vec<f32>,
        missing: bool,
        yes: Box<Tree>,
        no: Box<Tree>,
    },
}

/// What makes trees.
struct Maker {
    random: fastrand::Rng,
    targets: usize,
    modes: usize,
    /// Each leaf has one weight, for this target.
    only: Option<usize>,
    least: i32,
}

impl Maker {
    fn leaf(&mut self) -> Tree {
        let weight = |random: &mut fastrand::Rng, least| random.i32(least..9) as f32 / 4.0;
        if let Some(target) = self.only {
            return Tree::Leaf(vec![(target, weight(&mut self.random, self.least))]);
        }
        let mut weights = Vec::new();
        for target in 0..self.targets {
            if self.random.u8(0..4) > 0 {
                weights.push((target, weight(&mut self.random, self.least)));
            }
        }
        Tree::Leaf(weights)
    }

    fn tree(&mut self, depth: u32) -> Tree {
        if depth == 0 || (depth < 4 && self.random.u8(0..4) == 0) {
            return self.leaf();
        }
        let (feature, mode) = (self.random.usize(0..COLUMNS), self.random.usize(0..self.modes));
        let set = NUMBERS[..5].iter().copied().filter(|_| self.random.bool()).collect();
        let (threshold, missing) = (NUMBERS[self.random.usize(0..5)], self.random.u8(0..3) == 0);
        let (yes, no) = (Box::new(self.tree(depth - 1)), Box::new(self.tree(depth - 1)));
        Tree::Node { feature, threshold, mode, set, missing, yes, no }
    }
}

/// The leaf of a row.
fn ends<'t>(tree: &'t Tree, row: &[f32]) -> &'t [(usize, f32)] {
    match tree {
        Tree::Leaf(weights) => weights,
        Tree::Node { feature, threshold, mode, set, missing, yes, no } => {
            let x = row[*feature];
            let holds = match mode {
                _ if x.is_nan() => *missing,
                0 => x <= *threshold,
                1 => x < *threshold,
                2 => x >= *threshold,
                3 => x > *threshold,
                4 => x == *threshold,
                5 => x != *threshold,
                _ => set.contains(&x),
            };
            ends(if holds { yes } else { no }, row)
        }
    }
}

/// All weights that a row meets for a target.
fn met(trees: &[Tree], row: &[f32], target: usize) -> Vec<f64> {
    let all = trees.iter().flat_map(|tree| ends(tree, row));
    all.filter(|(of, _)| *of == target).map(|(_, weight)| f64::from(*weight)).collect()
}

/// The attributes of opsets 1 and 3, `prefix` being `target` or `class`.
#[derive(Default)]
struct Lines {
    columns: [Vec<i64>; 6],
    thresholds: Vec<f32>,
    modes: Vec<String>,
    leaves: [Vec<i64>; 3],
    weights: Vec<f32>,
}

impl Lines {
    fn of(trees: &[Tree], prefix: &str) -> Vec<(String, Value)> {
        let mut lines = Self::default();
        for (number, tree) in trees.iter().enumerate() {
            lines.add(tree, number as i64, &mut 0);
        }
        let names = ["treeids", "nodeids", "featureids", "truenodeids", "falsenodeids", "missing_value_tracks_true"];
        let columns =
            names.iter().zip(lines.columns).map(|(name, column)| (format!("nodes_{name}"), Value::Ints(column)));
        let ends = ["treeids", "nodeids", "ids"].iter().zip(lines.leaves);
        let ends = ends.map(|(name, column)| (format!("{prefix}_{name}"), Value::Ints(column)));
        let rest = [
            ("nodes_values".to_owned(), Value::Floats(lines.thresholds)),
            ("nodes_modes".to_owned(), Value::Texts(lines.modes)),
            (format!("{prefix}_weights"), Value::Floats(lines.weights)),
        ];
        columns.chain(ends).chain(rest).collect()
    }

    /// Adds a tree's nodes and gives the number of its root.
    fn add(&mut self, tree: &Tree, number: i64, next: &mut i64) -> i64 {
        let id = *next;
        *next += 1;
        let at = self.modes.len();
        let (line, threshold, mode) = match tree {
            Tree::Leaf(weights) => {
                for (target, weight) in weights {
                    for (column, value) in self.leaves.iter_mut().zip([number, id, *target as i64]) {
                        column.push(value);
                    }
                    self.weights.push(*weight);
                }
                ([number, id, 0, 0, 0, 0], 0.0, "LEAF")
            }
            Tree::Node { feature, threshold, mode, missing, .. } => {
                ([number, id, *feature as i64, 0, 0, i64::from(*missing)], *threshold, MODES[*mode])
            }
        };
        for (column, value) in self.columns.iter_mut().zip(line) {
            column.push(value);
        }
        self.thresholds.push(threshold);
        self.modes.push(mode.to_owned());
        if let Tree::Node { yes, no, .. } = tree {
            self.columns[3][at] = self.add(yes, number, next);
            self.columns[4][at] = self.add(no, number, next);
        }
        id
    }
}

/// The attributes of opset 5.
#[derive(Default)]
struct Arrays {
    /// Features, children (true, false), whether these are leaves, missing values.
    columns: [Vec<i64>; 6],
    splits: Vec<f32>,
    modes: Vec<u8>,
    sets: Vec<f32>,
    targets: Vec<i64>,
    weights: Vec<f32>,
}

impl Arrays {
    fn of(trees: &[Tree]) -> (Vec<(String, Value)>, Vec<AttributeProto>) {
        let mut arrays = Self::default();
        let roots = trees.iter().map(|tree| arrays.add(tree).0).collect();
        let names =
            ["featureids", "truenodeids", "falsenodeids", "trueleafs", "falseleafs", "missing_value_tracks_true"];
        let columns =
            names.iter().zip(arrays.columns).map(|(name, column)| (format!("nodes_{name}"), Value::Ints(column)));
        let rest =
            [("tree_roots".to_owned(), Value::Ints(roots)), ("leaf_targetids".to_owned(), Value::Ints(arrays.targets))];
        let floats = |values| TensorProto { data_type: 1, float_data: values, ..Default::default() };
        let bytes = TensorProto { data_type: 2, raw_data: arrays.modes, ..Default::default() };
        let tensor = |(name, tensor): (&str, TensorProto)| AttributeProto {
            name: name.to_owned(),
            t: Some(tensor),
            ..Default::default()
        };
        let tensors = [
            ("nodes_splits", floats(arrays.splits)),
            ("leaf_weights", floats(arrays.weights)),
            ("membership_values", floats(arrays.sets)),
            ("nodes_modes", bytes),
        ];
        (columns.chain(rest).collect(), tensors.into_iter().map(tensor).collect())
    }

    /// The place of a node, or of a leaf, and whether it is one.
    fn add(&mut self, tree: &Tree) -> (i64, bool) {
        match tree {
            Tree::Leaf(weights) => {
                self.targets.push(weights[0].0 as i64);
                self.weights.push(weights[0].1);
                (self.targets.len() as i64 - 1, true)
            }
            Tree::Node { feature, threshold, mode, set, missing, yes, no } => {
                let at = self.modes.len();
                let line = [*feature as i64, 0, 0, 0, 0, i64::from(*missing)];
                self.columns.iter_mut().zip(line).for_each(|(column, value)| column.push(value));
                self.splits.push(*threshold);
                self.modes.push(*mode as u8);
                if *mode == 6 {
                    self.sets.extend(set.iter().copied().chain([f32::NAN]));
                }
                for (side, child) in [(1, yes), (2, no)] {
                    let (place, leaf) = self.add(child);
                    (self.columns[side][at], self.columns[side + 2][at]) = (place, i64::from(leaf));
                }
                (at as i64, false)
            }
        }
    }
}

fn run(name: &str, attributes: Vec<(String, Value)>, tensors: Vec<AttributeProto>, input: &Tensor) -> TVec<Tensor> {
    let mut node = node(name, &[]);
    node.attribute = attributes.iter().map(|(name, value)| attribute(name, value)).chain(tensors).collect();
    (operator(ML, name).unwrap().make)(&node).unwrap().run(&[input]).unwrap()
}

fn post(name: &str, row: &mut [f64]) {
    match name {
        "LOGISTIC" => row.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())),
        "SOFTMAX" => {
            let sum: f64 = row.iter().map(|v| v.exp()).sum();
            row.iter_mut().for_each(|v| *v = v.exp() / sum);
        }
        _ => {}
    }
}

const POSTS: [&str; 3] = ["NONE", "SOFTMAX", "LOGISTIC"];
const AGGREGATES: [&str; 4] = ["AVERAGE", "SUM", "MIN", "MAX"];

fn together(aggregate: &str, met: &[f64], trees: usize) -> f64 {
    match aggregate {
        "SUM" => met.iter().sum(),
        "AVERAGE" => met.iter().sum::<f64>() / trees as f64,
        _ if met.is_empty() => 0.0,
        "MIN" => met.iter().copied().fold(f64::MAX, f64::min),
        _ => met.iter().copied().fold(f64::MIN, f64::max),
    }
}

fn close(given: &Tensor, slow: &[Vec<f64>]) -> bool {
    let given = given.cast_to::<f64>().unwrap();
    let values = given.try_as_plain_ram().unwrap().as_slice::<f64>().unwrap();
    let slow = slow.concat();
    values.len() == slow.len() && values.iter().zip(slow).all(|(a, b)| (a - b).abs() <= 1e-5 * (1.0 + b.abs()))
}

/// Rows in single and in double precision.
fn inputs(rows: &[Vec<usize>]) -> (Vec<Vec<f32>>, [Tensor; 2]) {
    let rows: Vec<Vec<f32>> = rows.iter().map(|row| row.iter().map(|v| NUMBERS[*v]).collect()).collect();
    let narrow = tensor_of(&[rows.len(), COLUMNS], rows.concat()).unwrap();
    let wide = narrow.cast_to::<f64>().unwrap().into_owned();
    (rows, [narrow, wide])
}

fn rows() -> impl Strategy<Value = Vec<Vec<usize>>> {
    proptest::collection::vec(proptest::collection::vec(0usize..6, COLUMNS), 1..12)
}

proptest! {
    #[test]
    fn regressors_put_the_leaves_together(
        seed: u64, rows in rows(), count in 1usize..12, targets in 1usize..4, modes in 1usize..7, aggregate in 0usize..4,
        choice in 0usize..3, based: bool,
    ) {
        let only = (targets == 1).then_some(0);
        let mut maker = Maker { random: fastrand::Rng::with_seed(seed), targets, modes, only, least: -9 };
        let trees: Vec<Tree> = (0..count).map(|_| maker.tree(5)).collect();
        let base: Vec<f32> = (0..targets).map(|target| target as f32 - 0.5).collect();
        let mut attributes = Lines::of(&trees, "target");
        attributes.push(("n_targets".into(), Value::Int(targets as i64)));
        attributes.push(("aggregate_function".into(), Value::Text(AGGREGATES[aggregate].into())));
        attributes.push(("post_transform".into(), Value::Text(POSTS[choice].into())));
        if based {
            attributes.push(("base_values".into(), Value::Floats(base.clone())));
        }
        let (rows, inputs) = inputs(&rows);
        let slow: Vec<Vec<f64>> = rows.iter().map(|row| {
            let base = |target: usize| if based { f64::from(base[target]) } else { 0.0 };
            let of = |target| together(AGGREGATES[aggregate], &met(&trees, row, target), count) + base(target);
            let mut values: Vec<f64> = (0..targets).map(of).collect();
            post(POSTS[choice], &mut values);
            values
        }).collect();
        for input in &inputs {
            let given = run("TreeEnsembleRegressor", attributes.clone(), vec![], input).remove(0);
            prop_assert!(close(&given, &slow), "{given:?} {slow:?}");
        }
    }

    #[test]
    fn ensembles_by_position_do_the_same(
        seed: u64, rows in rows(), count in 1usize..9, targets in 1usize..4, modes in 1usize..8, aggregate in 0usize..4,
        choice in 0usize..3,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let trees: Vec<Tree> = (0..count).map(|_| {
            let only = Some(random.usize(0..targets));
            Maker { random: random.fork(), targets, modes, only, least: -9 }.tree(5)
        }).collect();
        let (mut attributes, tensors) = Arrays::of(&trees);
        attributes.push(("n_targets".into(), Value::Int(targets as i64)));
        attributes.push(("aggregate_function".into(), Value::Int(aggregate as i64)));
        attributes.push(("post_transform".into(), Value::Int(choice as i64)));
        let (rows, inputs) = inputs(&rows);
        let slow: Vec<Vec<f64>> = rows.iter().map(|row| {
            let of = |target| together(AGGREGATES[aggregate], &met(&trees, row, target), count);
            let mut values: Vec<f64> = (0..targets).map(of).collect();
            post(["NONE", "SOFTMAX", "LOGISTIC"][choice], &mut values);
            values
        }).collect();
        for input in &inputs {
            let given = run("TreeEnsemble", attributes.clone(), tensors.clone(), input).remove(0);
            prop_assert!(close(&given, &slow), "{given:?} {slow:?}");
        }
    }

    #[test]
    fn classifiers_choose_the_first_of_the_best(
        seed: u64, rows in rows(), count in 1usize..12, modes in 1usize..7, choice in 0usize..3, based: bool, texts: bool,
    ) {
        let mut maker = Maker { random: fastrand::Rng::with_seed(seed), targets: 3, modes, only: None, least: -9 };
        // Each class is spoken of.
        let mut trees: Vec<Tree> = (0..count).map(|_| maker.tree(5)).collect();
        trees.push(Tree::Leaf(vec![(0, 0.25), (1, 0.25), (2, 0.25)]));
        let base = [0.5f32, 0.0, -0.25];
        let mut attributes = Lines::of(&trees, "class");
        attributes.push(("post_transform".into(), Value::Text(POSTS[choice].into())));
        attributes.push(match texts {
            true => ("classlabels_strings".into(), Value::Texts(["a", "b", "c"].map(str::to_owned).to_vec())),
            false => ("classlabels_int64s".into(), Value::Ints(vec![7, 5, 9])),
        });
        if based {
            attributes.push(("base_values".into(), Value::Floats(base.to_vec())));
        }
        let (rows, inputs) = inputs(&rows);
        let mut best = Vec::new();
        let slow: Vec<Vec<f64>> = rows.iter().map(|row| {
            let base = |class: usize| if based { f64::from(base[class]) } else { 0.0 };
            let mut values: Vec<f64> = (0..3).map(|class| met(&trees, row, class).iter().sum::<f64>() + base(class)).collect();
            best.push((0..3).rev().fold(0, |best, class| if values[class] >= values[best] { class } else { best }));
            post(POSTS[choice], &mut values);
            values
        }).collect();
        let labels = match texts {
            true => tensor_of(&[rows.len()], best.iter().map(|class| ["a", "b", "c"][*class].to_owned()).collect()).unwrap(),
            false => tensor_of(&[rows.len()], best.iter().map(|class| [7i64, 5, 9][*class]).collect()).unwrap(),
        };
        for input in &inputs {
            let given = run("TreeEnsembleClassifier", attributes.clone(), vec![], input);
            prop_assert_eq!(&given[0], &labels);
            prop_assert!(close(&given[1], &slow), "{:?} {:?}", given[1], slow);
        }
    }

    #[test]
    fn one_score_speaks_for_two_classes(seed: u64, rows in rows(), count in 1usize..12, modes in 1usize..7, logistic: bool, shares: bool) {
        let least = if shares { 0 } else { -9 };
        let mut maker = Maker { random: fastrand::Rng::with_seed(seed), targets: 1, modes, only: Some(1), least };
        let mut trees: Vec<Tree> = (0..count).map(|_| maker.tree(4)).collect();
        // A weight below nought says that the scores are no shares.
        trees.push(Tree::Leaf(vec![(1, if shares { 0.0 } else { -0.25 })]));
        let mut attributes = Lines::of(&trees, "class");
        attributes.push(("classlabels_int64s".into(), Value::Ints(vec![3, 4])));
        attributes.push(("post_transform".into(), Value::Text(if logistic { "LOGISTIC" } else { "NONE" }.into())));
        let (rows, inputs) = inputs(&rows);
        let mut labels = Vec::new();
        let slow: Vec<Vec<f64>> = rows.iter().map(|row| {
            let score: f64 = met(&trees, row, 1).iter().sum();
            let limit = if shares && !logistic { 0.5 } else { 0.0 };
            labels.push(if score > limit { 4i64 } else { 3 });
            match (logistic, shares) {
                (true, _) => vec![1.0 / (1.0 + score.exp()), 1.0 / (1.0 + (-score).exp())],
                (false, true) => vec![1.0 - score, score],
                (false, false) => vec![-score, score],
            }
        }).collect();
        for input in &inputs {
            let given = run("TreeEnsembleClassifier", attributes.clone(), vec![], input);
            prop_assert_eq!(&given[0], &tensor_of(&[rows.len()], labels.clone()).unwrap());
            prop_assert!(close(&given[1], &slow), "{:?} {:?}", given[1], slow);
        }
    }
}
