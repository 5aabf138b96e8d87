//! Decision trees in one flat array: built and checked once, walked fast.

use std::collections::HashMap;
use std::sync::OnceLock;

use tract_onnx::tract_hir::internal::*;

use super::number::Number;
use super::packed::Packed;

/// How a node decides between its branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Leq,
    Lt,
    Gte,
    Gt,
    Eq,
    Neq,
    /// Membership in a set of values (`TreeEnsemble`); the threshold is the set's number.
    Member,
}

/// Where a branch leads: an inner node, or (with the top bit set) a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch(u32);

const LEAF: u32 = 1 << 31;

impl Branch {
    pub fn node(index: usize) -> TractResult<Self> {
        Ok(Self(u32::try_from(index).ok().filter(|i| i & LEAF == 0).context("too many tree nodes")?))
    }

    pub fn leaf(index: usize) -> TractResult<Self> {
        Ok(Self(Self::node(index)?.0 | LEAF))
    }

    /// The inner node's number, unless it leads to a leaf.
    pub fn inner(self) -> Option<usize> {
        (self.0 & LEAF == 0).then_some(self.0 as usize)
    }

    /// The number of the node or leaf.
    pub fn index(self) -> usize {
        (self.0 & !LEAF) as usize
    }
}

/// An inner node.
#[derive(Debug, Clone, Copy)]
pub struct Node<F> {
    pub threshold: F,
    pub feature: u32,
    pub yes: Branch,
    pub no: Branch,
    pub mode: Mode,
    /// Where a missing value (NaN) goes, whatever the comparison says: to `yes` or to `no`.
    pub missing_is_yes: bool,
}

/// A weight a leaf adds to a target or class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    pub target: u32,
    pub value: f64,
}

/// A whole ensemble.
#[derive(Debug, Clone)]
pub struct Forest<F> {
    nodes: Vec<Node<F>>,
    roots: Vec<Branch>,
    /// Weights of leaf `i`: `weights[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    weights: Vec<Weight>,
    sets: Vec<Vec<f64>>,
    features: usize,
    /// The same trees for walking fast, made when they are first walked; nothing where they cannot be.
    packed: OnceLock<Option<Packed<F>>>,
}

impl<F: Number> Forest<F> {
    /// Checks that branches lead somewhere, that nothing leads back, and that weights go to one of `targets`.
    pub fn new(
        nodes: Vec<Node<F>>,
        roots: Vec<Branch>,
        leaves: Vec<Vec<Weight>>,
        sets: Vec<Vec<f64>>,
        targets: usize,
    ) -> TractResult<Self> {
        let inside = |b: Branch| {
            let (index, limit) = if b.0 & LEAF != 0 { (b.0 & !LEAF, leaves.len()) } else { (b.0, nodes.len()) };
            (index as usize) < limit
        };
        for branch in nodes.iter().flat_map(|n| [n.yes, n.no]).chain(roots.iter().copied()) {
            ensure!(inside(branch), "a tree branch leads to a node that is not there");
        }
        ensure!(!roots.is_empty(), "the ensemble has no trees");
        ensure_no_cycle(&nodes)?;
        let mut starts = vec![0];
        let mut weights = Vec::new();
        for leaf in leaves {
            ensure!(
                leaf.iter().all(|w| (w.target as usize) < targets),
                "a leaf's weight goes to a target that is not there"
            );
            weights.extend(leaf);
            starts.push(u32::try_from(weights.len())?);
        }
        let features = nodes.iter().map(|n| n.feature as usize + 1).max().unwrap_or(0);
        Ok(Self { nodes, roots, starts, weights, sets, features, packed: OnceLock::new() })
    }

    /// The same trees over another number type.
    pub fn convert<G: Number>(&self) -> Forest<G> {
        let nodes = self.nodes.iter().map(|n| Node {
            threshold: G::from_f64(n.threshold.to_f64()),
            feature: n.feature,
            yes: n.yes,
            no: n.no,
            mode: n.mode,
            missing_is_yes: n.missing_is_yes,
        });
        Forest {
            nodes: nodes.collect(),
            roots: self.roots.clone(),
            starts: self.starts.clone(),
            weights: self.weights.clone(),
            sets: self.sets.clone(),
            features: self.features,
            packed: OnceLock::new(),
        }
    }

    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Columns a row must have at least.
    pub fn features(&self) -> usize {
        self.features
    }

    pub fn weights(&self) -> &[Weight] {
        &self.weights
    }

    pub fn leaves(&self) -> usize {
        self.starts.len() - 1
    }

    /// What a leaf adds.
    pub fn weights_of(&self, leaf: usize) -> &[Weight] {
        &self.weights[self.starts[leaf] as usize..self.starts[leaf + 1] as usize]
    }

    /// Calls `visit` with a row's number and the leaves that the next of its trees end in, in order, until all rows have
    /// met all trees. `values` holds rows of `columns` values, at least [`Self::features`] each.
    pub fn walk(&self, values: &[F], columns: usize, mut visit: impl FnMut(usize, &[u32])) {
        if let Some(packed) = self.packed.get_or_init(|| Packed::new(&self.nodes, &self.roots)) {
            return packed.walk(values, columns, visit);
        }
        for (index, row) in values.chunks_exact(columns.max(1)).enumerate() {
            for root in &self.roots {
                visit(index, &[self.descend(*root, row)]);
            }
        }
    }

    fn descend(&self, root: Branch, row: &[F]) -> u32 {
        let mut at = root.0;
        while at & LEAF == 0 {
            let node = &self.nodes[at as usize];
            let value = row[node.feature as usize];
            let yes = match node.mode {
                Mode::Leq => value <= node.threshold,
                Mode::Lt => value < node.threshold,
                Mode::Gte => value >= node.threshold,
                Mode::Gt => value > node.threshold,
                Mode::Eq => value == node.threshold,
                Mode::Neq => value != node.threshold,
                Mode::Member => {
                    let set = self.sets.get(node.threshold.to_f64() as usize);
                    set.is_some_and(|set| set.contains(&value.to_f64()))
                }
            };
            let yes = if value.is_nan() { node.missing_is_yes } else { yes };
            at = if yes { node.yes.0 } else { node.no.0 };
        }
        at & !LEAF
    }
}

/// A tree with a way back to itself would be walked forever.
fn ensure_no_cycle<F>(nodes: &[Node<F>]) -> TractResult<()> {
    // Children are usually listed behind their parents; only what is not needs a search.
    let forward = |from: usize, to: Branch| to.0 & LEAF != 0 || to.0 as usize > from;
    if nodes.iter().enumerate().all(|(i, n)| forward(i, n.yes) && forward(i, n.no)) {
        return Ok(());
    }
    let mut parents = vec![0u32; nodes.len()];
    for branch in nodes.iter().flat_map(|n| [n.yes, n.no]).filter(|b| b.0 & LEAF == 0) {
        parents[branch.0 as usize] += 1;
    }
    let mut free: Vec<usize> = (0..nodes.len()).filter(|i| parents[*i] == 0).collect();
    let mut seen = 0;
    while let Some(index) = free.pop() {
        seen += 1;
        for branch in [nodes[index].yes, nodes[index].no].into_iter().filter(|b| b.0 & LEAF == 0) {
            let left = &mut parents[branch.0 as usize];
            *left -= 1;
            if *left == 0 {
                free.push(branch.0 as usize);
            }
        }
    }
    ensure!(seen == nodes.len(), "a tree leads back to itself");
    Ok(())
}

/// One line of the attributes `nodes_*`; leaves have no mode.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub tree: i64,
    pub id: i64,
    pub feature: i64,
    pub threshold: f64,
    pub mode: Option<Mode>,
    pub yes: i64,
    pub no: i64,
    pub missing_is_yes: bool,
}

/// Builds a forest from lines that name their children by id, and weights by (tree, node, target, value).
pub fn from_lines(lines: &[Line], weights: &[(i64, i64, i64, f64)], targets: usize) -> TractResult<Forest<f64>> {
    let mut branches: HashMap<(i64, i64), Branch> = HashMap::with_capacity(lines.len());
    let (mut inner, mut leaves) = (0, 0);
    for line in lines {
        let count = if line.mode.is_some() { &mut inner } else { &mut leaves };
        let branch = if line.mode.is_some() { Branch::node(*count)? } else { Branch::leaf(*count)? };
        *count += 1;
        ensure!(
            branches.insert((line.tree, line.id), branch).is_none(),
            "tree {} has two nodes {}",
            line.tree,
            line.id
        );
    }
    let find = |tree: i64, id: i64| {
        branches.get(&(tree, id)).copied().with_context(|| format!("tree {tree} has no node {id}"))
    };
    let mut nodes = Vec::with_capacity(inner);
    for line in lines {
        if let Some(mode) = line.mode {
            nodes.push(Node {
                threshold: line.threshold,
                feature: u32::try_from(line.feature).context("a feature number is out of range")?,
                yes: find(line.tree, line.yes)?,
                no: find(line.tree, line.no)?,
                mode,
                missing_is_yes: line.missing_is_yes,
            });
        }
    }
    let mut of_leaf = vec![Vec::new(); leaves];
    for (tree, id, target, value) in weights {
        let branch = find(*tree, *id)?;
        ensure!(branch.0 & LEAF != 0, "node {id} of tree {tree} has a weight but is not a leaf");
        let target = u32::try_from(*target).context("a target number is out of range")?;
        of_leaf[(branch.0 & !LEAF) as usize].push(Weight { target, value: *value });
    }
    let roots = roots(lines).into_iter().map(|(tree, id)| find(tree, id)).collect::<TractResult<_>>()?;
    Forest::new(nodes, roots, of_leaf, vec![], targets)
}

/// The root of a tree is the node that is nobody's child; the first listed where that is not unique.
fn roots(lines: &[Line]) -> Vec<(i64, i64)> {
    let children: std::collections::HashSet<(i64, i64)> =
        lines.iter().filter(|l| l.mode.is_some()).flat_map(|l| [(l.tree, l.yes), (l.tree, l.no)]).collect();
    let mut order: Vec<i64> = Vec::new();
    let mut found: HashMap<i64, (i64, Vec<i64>)> = HashMap::new();
    for line in lines {
        let (_, free) = found.entry(line.tree).or_insert_with(|| {
            order.push(line.tree);
            (line.id, Vec::new())
        });
        if !children.contains(&(line.tree, line.id)) {
            free.push(line.id);
        }
    }
    let root = |tree: i64| {
        let (first, free) = &found[&tree];
        (tree, if let [only] = free[..] { only } else { *first })
    };
    order.into_iter().map(root).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: i64, mode: Option<Mode>, feature: i64, threshold: f64, yes: i64, no: i64) -> Line {
        Line { tree: 0, id, feature, threshold, mode, yes, no, missing_is_yes: false }
    }

    fn value<F: Number>(forest: &Forest<F>, row: &[F]) -> f64 {
        let mut sum = 0.0;
        let of = |leaf: &u32| forest.weights_of(*leaf as usize).iter().map(|w| w.value).sum::<f64>();
        forest.walk(row, row.len(), |_, leaves| sum += leaves.iter().map(of).sum::<f64>());
        sum
    }

    #[test]
    fn every_mode_decides_as_its_name_says() {
        let cases = [
            (Mode::Leq, [true, true, false]),
            (Mode::Lt, [true, false, false]),
            (Mode::Gte, [false, true, true]),
            (Mode::Gt, [false, false, true]),
            (Mode::Eq, [false, true, false]),
            (Mode::Neq, [true, false, true]),
        ];
        for (mode, wanted) in cases {
            let lines = [line(0, Some(mode), 0, 2.0, 1, 2), line(1, None, 0, 0.0, 0, 0), line(2, None, 0, 0.0, 0, 0)];
            let forest = from_lines(&lines, &[(0, 1, 0, 1.0), (0, 2, 0, 0.0)], 1).unwrap();
            for (x, yes) in [1.0, 2.0, 3.0].into_iter().zip(wanted) {
                assert_eq!(value(&forest, &[x]) == 1.0, yes, "{mode:?} at {x}");
                assert_eq!(value(&forest.convert::<f32>(), &[x as f32]) == 1.0, yes, "{mode:?} at {x} in f32");
            }
        }
    }

    #[test]
    fn missing_values_go_where_the_node_says() {
        let mut root = line(0, Some(Mode::Leq), 0, 2.0, 1, 2);
        let leaves = [line(1, None, 0, 0.0, 0, 0), line(2, None, 0, 0.0, 0, 0)];
        let weights = [(0, 1, 0, 1.0), (0, 2, 0, 5.0)];
        let forest = from_lines(&[root, leaves[0], leaves[1]], &weights, 1).unwrap();
        assert_eq!(value(&forest, &[f64::NAN]), 5.0);
        root.missing_is_yes = true;
        let forest = from_lines(&[root, leaves[0], leaves[1]], &weights, 1).unwrap();
        assert_eq!(value(&forest, &[f64::NAN]), 1.0);
    }

    #[test]
    fn broken_trees_are_refused_not_walked() {
        let cycle = [line(0, Some(Mode::Leq), 0, 0.0, 1, 1), line(1, Some(Mode::Leq), 0, 0.0, 0, 0)];
        assert!(from_lines(&cycle, &[], 1).unwrap_err().to_string().contains("back to itself"));
        let gap = [line(0, Some(Mode::Leq), 0, 0.0, 7, 1), line(1, None, 0, 0.0, 0, 0)];
        assert!(from_lines(&gap, &[], 1).unwrap_err().to_string().contains("no node 7"));
        let twice = [line(0, None, 0, 0.0, 0, 0), line(0, None, 0, 0.0, 0, 0)];
        assert!(from_lines(&twice, &[], 1).is_err());
        let far = [line(0, None, 0, 0.0, 0, 0)];
        assert!(from_lines(&far, &[(0, 0, 3, 1.0)], 1).unwrap_err().to_string().contains("target"));
        assert!(from_lines(&[], &[], 1).is_err());
    }

    #[test]
    fn a_tree_may_be_a_single_leaf_or_list_its_root_last() {
        let forest = from_lines(&[line(0, None, 0, 0.0, 0, 0)], &[(0, 0, 0, 4.0)], 1).unwrap();
        assert_eq!(value(&forest, &[0.0]), 4.0);
        let lines = [line(5, None, 0, 0.0, 0, 0), line(6, None, 0, 0.0, 0, 0), line(9, Some(Mode::Leq), 0, 0.0, 5, 6)];
        let forest = from_lines(&lines, &[(0, 5, 0, 1.0), (0, 6, 0, 2.0)], 1).unwrap();
        assert_eq!((value(&forest, &[-1.0]), value(&forest, &[1.0])), (1.0, 2.0));
    }
}
