//! Trees laid out for speed: small nodes, children side by side, several walks at once and no branch to mispredict.
//!
//! Every decision becomes `value <= threshold` (or `-value <= threshold`), which leads to the second child; anything else,
//! a missing value too, leads to the first. A leaf compares with NaN and leads to itself, so that walks of different
//! length can take their steps together.
//!
//! Where some decision asks for a negated value, the rows are first copied with just the columns that the trees look at,
//! each as often and with the sign that they need it: a step then reads and compares, nothing else.

use std::borrow::Cow;
use std::collections::HashMap;

use super::forest::{Branch, Mode, Node};
use super::number::Number;

/// Walks taken at the same time: while one waits for memory the others go on.
const LANES: usize = 8;
/// Rows taken through all trees before the next ones, so that they stay in the cache.
const BLOCK: usize = 256;
/// Marks a column whose negated value is compared.
const NEGATED: u32 = 1 << 31;

#[derive(Debug, Clone, Copy)]
struct Step<F> {
    threshold: F,
    /// Column of the value.
    column: u32,
    /// The first child; the second follows it.
    child: u32,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Packed<F> {
    steps: Vec<Step<F>>,
    /// The leaf that a step stands for.
    leaves: Vec<u32>,
    roots: Vec<u32>,
    /// The trees' numbers from the shallowest to the deepest: those walked together end together.
    by_depth: Vec<u32>,
    /// Steps to the deepest leaf of each tree.
    depths: Vec<u32>,
    /// The columns of the rows that are walked, as those of the rows given, with [`NEGATED`]; empty where they are the same.
    columns: Vec<u32>,
}

impl<F: Number> Packed<F> {
    /// Lays the trees out; nothing when a node asks for more than order (equality, membership), or when trees share
    /// parts that would have to be written out many times.
    pub fn new(nodes: &[Node<F>], roots: &[Branch]) -> Option<Self> {
        let limit = nodes.len().checked_mul(32)?.checked_add(roots.len().checked_mul(2)?)?;
        let mut packed = Self {
            steps: Vec::new(),
            leaves: Vec::new(),
            roots: Vec::new(),
            by_depth: Vec::new(),
            depths: Vec::new(),
            columns: Vec::new(),
        };
        for root in roots {
            packed.roots.push(u32::try_from(packed.steps.len()).ok()?);
            packed.push();
            let (mut depth, mut waiting) = (0u32, vec![(packed.steps.len() - 1, *root)]);
            // Level by level: the nodes that most rows pass lie together.
            let mut next = Vec::new();
            while !waiting.is_empty() {
                for (at, branch) in waiting.drain(..) {
                    packed.place(nodes, at, branch, &mut next)?;
                }
                if packed.steps.len() > limit {
                    return None;
                }
                depth += 1;
                std::mem::swap(&mut waiting, &mut next);
            }
            // The last level holds leaves alone.
            packed.depths.push(depth - 1);
        }
        let mut by_depth: Vec<u32> = (0..u32::try_from(roots.len()).ok()?).collect();
        by_depth.sort_by_key(|tree| packed.depths[*tree as usize]);
        packed.by_depth = by_depth;
        packed.choose_columns()?;
        Some(packed)
    }

    /// Gives negated values columns of their own.
    fn choose_columns(&mut self) -> Option<()> {
        if self.steps.iter().all(|step| step.column & NEGATED == 0) {
            return Some(());
        }
        let mut places: HashMap<u32, u32> = HashMap::new();
        for step in &mut self.steps {
            let next = u32::try_from(self.columns.len()).ok()?;
            step.column = *places.entry(step.column).or_insert_with_key(|column| {
                self.columns.push(*column);
                next
            });
        }
        Some(())
    }

    /// Rows as they are walked, and how wide they are.
    fn rows<'v>(&self, values: &'v [F], width: usize) -> (Cow<'v, [F]>, usize) {
        if self.columns.is_empty() {
            return (Cow::Borrowed(values), width);
        }
        let row = |row: &'v [F]| self.columns.iter().map(move |c| row[(c & !NEGATED) as usize].negated(c & NEGATED));
        (Cow::Owned(values.chunks_exact(width).flat_map(row).collect()), self.columns.len())
    }

    fn push(&mut self) {
        self.steps.push(Step { threshold: F::from_f64(f64::NAN), column: 0, child: 0 });
        self.leaves.push(0);
    }

    fn place(&mut self, nodes: &[Node<F>], at: usize, branch: Branch, next: &mut Vec<(usize, Branch)>) -> Option<()> {
        let Some(node) = branch.inner().map(|index| &nodes[index]) else {
            self.leaves[at] = u32::try_from(branch.index()).ok()?;
            self.steps[at].child = u32::try_from(at).ok()?;
            return Some(());
        };
        if node.threshold.is_nan() || node.feature & NEGATED != 0 {
            return None;
        }
        // The second child's condition in the form `value <= threshold`, or `-value <= threshold`. What is less than a
        // number is at most the one directly below it.
        let yes_is_second = !node.missing_is_yes;
        let (threshold, negated) = match (node.mode, yes_is_second) {
            (Mode::Leq, true) | (Mode::Gt, false) => (node.threshold, false),
            (Mode::Lt, true) | (Mode::Gte, false) => (node.threshold.below(), false),
            (Mode::Gte, true) | (Mode::Lt, false) => (node.threshold.negated(NEGATED), true),
            (Mode::Gt, true) | (Mode::Leq, false) => (node.threshold.negated(NEGATED).below(), true),
            (Mode::Eq | Mode::Neq | Mode::Member, _) => return None,
        };
        let (first, second) = if yes_is_second { (node.no, node.yes) } else { (node.yes, node.no) };
        let flag = if negated { NEGATED } else { 0 };
        let child = self.steps.len();
        self.steps[at] = Step { threshold, column: node.feature | flag, child: u32::try_from(child).ok()? };
        self.push();
        self.push();
        next.extend([(child, first), (child + 1, second)]);
        Some(())
    }

    /// Calls `visit` with a row's number and the leaves that the next of its trees end in, in order, until all rows have
    /// met all trees. Each row has `width` values, among them every one that a tree looks at.
    pub fn walk(&self, values: &[F], width: usize, mut visit: impl FnMut(usize, &[u32])) {
        let width = width.max(1);
        let mut ends = vec![0; self.roots.len()];
        for (block, values) in values.chunks(BLOCK * width).enumerate() {
            let count = values.len() / width;
            let (rows, width) = self.rows(values, width);
            let row = |index: usize| &rows[index * width..(index + 1) * width];
            let together = count - count % LANES;
            for root in &self.roots {
                for first in (0..together).step_by(LANES) {
                    let lanes = std::array::from_fn(|lane| row(first + lane));
                    let found = self.descend([*root; LANES], lanes);
                    for (lane, leaf) in found.into_iter().enumerate() {
                        visit(block * BLOCK + first + lane, &[leaf]);
                    }
                }
            }
            // The rows left over: several trees at once instead.
            for index in together..count {
                for trees in self.by_depth.chunks(LANES) {
                    let lanes = std::array::from_fn(|lane| self.roots[*trees.get(lane).unwrap_or(&trees[0]) as usize]);
                    let deepest = trees.last().map_or(0, |tree| self.depths[*tree as usize]);
                    let found = self.descend_by(deepest, lanes, row(index));
                    trees.iter().zip(found).for_each(|(tree, leaf)| ends[*tree as usize] = leaf);
                }
                visit(block * BLOCK + index, &ends);
            }
        }
    }

    /// As many steps as the deepest of these trees has: they are of like depth, and nothing needs to be asked on the way.
    #[inline]
    fn descend_by(&self, count: u32, mut at: [u32; LANES], row: &[F]) -> [u32; LANES] {
        let steps = self.steps.as_slice();
        for _ in 0..count {
            for at in &mut at {
                let step = &steps[*at as usize];
                *at = step.child + u32::from(row[step.column as usize] <= step.threshold);
            }
        }
        at.map(|at| self.leaves[at as usize])
    }

    #[inline]
    fn descend(&self, mut at: [u32; LANES], rows: [&[F]; LANES]) -> [u32; LANES] {
        let steps = self.steps.as_slice();
        loop {
            let mut moved = 0;
            for lane in 0..LANES {
                let step = &steps[at[lane] as usize];
                let next = step.child + u32::from(rows[lane][step.column as usize] <= step.threshold);
                moved |= next ^ at[lane];
                at[lane] = next;
            }
            if moved == 0 {
                return at.map(|at| self.leaves[at as usize]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODES: [Mode; 4] = [Mode::Leq, Mode::Lt, Mode::Gte, Mode::Gt];
    /// Thresholds and values meet often, at the odd numbers too.
    const NUMBERS: [f64; 9] = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 1.0, 1.5, 3e38, f64::INFINITY, f64::NAN];

    /// A tree whose nodes hang anywhere below earlier ones, from random numbers.
    fn nodes(seeds: &[(usize, usize, usize, bool)]) -> Vec<Node<f64>> {
        let leaf = |n: usize| Branch::leaf(n).unwrap();
        let mut nodes: Vec<Node<f64>> = Vec::new();
        let mut free: Vec<(usize, bool)> = Vec::new();
        for (index, (mode, number, place, missing_is_yes)) in seeds.iter().enumerate() {
            // No node compares with NaN, which no order has.
            let threshold = NUMBERS[number % 8];
            let (yes, no) = (leaf(2 * index), leaf(2 * index + 1));
            nodes.push(Node {
                threshold,
                feature: (place % 3) as u32,
                yes,
                no,
                mode: MODES[mode % 4],
                missing_is_yes: *missing_is_yes,
            });
            if index > 0 {
                let (parent, yes) = free.swap_remove(place % free.len());
                let branch = Branch::node(index).unwrap();
                *(if yes { &mut nodes[parent].yes } else { &mut nodes[parent].no }) = branch;
            }
            free.extend([(index, true), (index, false)]);
        }
        nodes
    }

    /// The plain way down.
    fn plain<F: Number>(nodes: &[Node<F>], row: &[F]) -> usize {
        let mut at = Branch::node(0).unwrap();
        while let Some(index) = at.inner() {
            let node = &nodes[index];
            let value = row[node.feature as usize];
            let yes = match node.mode {
                _ if value.is_nan() => node.missing_is_yes,
                Mode::Leq => value <= node.threshold,
                Mode::Lt => value < node.threshold,
                Mode::Gte => value >= node.threshold,
                _ => value > node.threshold,
            };
            at = if yes { node.yes } else { node.no };
        }
        at.index()
    }

    fn check<F: Number>(nodes: &[Node<F>], values: &[F]) -> Result<(), TestCaseError> {
        let roots = vec![Branch::node(0).unwrap(); 11];
        let packed = Packed::new(nodes, &roots).unwrap();
        let mut ends = vec![Vec::new(); values.len() / 3];
        packed.walk(values, 3, |row, leaves| ends[row].extend(leaves.iter().map(|leaf| *leaf as usize)));
        for (row, ends) in values.chunks_exact(3).zip(ends) {
            prop_assert_eq!(ends, vec![plain(nodes, row); 11]);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn walks_end_where_the_plain_way_ends(
            seeds in proptest::collection::vec(any::<(usize, usize, usize, bool)>(), 1..40),
            values in proptest::collection::vec(0..9usize, 3..120),
        ) {
            let wide = nodes(&seeds);
            let values: Vec<f64> = values.iter().map(|v| NUMBERS[*v]).collect();
            let values = &values[..values.len() / 3 * 3];
            check(&wide, values)?;
            let narrow: Vec<Node<f32>> = wide.iter().map(|n| Node {
                threshold: n.threshold as f32, feature: n.feature, yes: n.yes, no: n.no, mode: n.mode,
                missing_is_yes: n.missing_is_yes,
            }).collect();
            check(&narrow, &values.iter().map(|v| *v as f32).collect::<Vec<_>>())?;
        }
    }

    #[test]
    fn what_no_order_tells_and_shared_parts_are_left_to_the_plain_way() {
        let mut odd = nodes(&[(0, 1, 0, false)]);
        odd[0].mode = Mode::Eq;
        assert!(Packed::new(&odd, &[Branch::node(0).unwrap()]).is_none());
        // Each node leads to the next one both ways: 2^40 leaves if written out.
        let mut chain = nodes(&vec![(0, 1, 0, false); 40]);
        for (index, node) in chain.iter_mut().enumerate() {
            let next = if index < 39 { Branch::node(index + 1) } else { Branch::leaf(0) }.unwrap();
            (node.yes, node.no) = (next, next);
        }
        assert!(Packed::new(&chain, &[Branch::node(0).unwrap()]).is_none());
    }
}
