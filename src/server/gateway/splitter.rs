//! Which deployment a request goes to (reference: rollout semantics §1).

use fastrand::Rng;

/// Requests in a block.
pub const BLOCK: u32 = 1_000;
/// Blocks after which hundredths of a percent come out exactly.
const CYCLE: usize = 10;

/// How requests are dealt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Every aligned 1,000 requests hold each deployment exactly in proportion, in shuffled order.
    #[default]
    Block,
    /// An independent draw each.
    Random,
}

/// A draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Into the weights the splitter was made with.
    pub index: usize,
    /// Of this choice, given all choices before.
    pub probability: f64,
}

/// Deals requests to deployments by weights in hundredths of a percent that sum to 10,000.
///
/// In block mode tenths of a slot (a weight of 0.03 % is 0.3 slots in 1,000) are dealt over ten blocks by systematic
/// sampling: every block holds the share rounded up or down, every ten blocks (10,000 requests) hold it exactly.
#[derive(Debug)]
pub struct Splitter {
    mode: Mode,
    weights: Vec<u16>,
    total: u32,
    rng: Rng,
    /// Slots not yet dealt of the current block.
    left: Vec<u32>,
    left_total: u32,
    /// Offsets of the blocks to come in the current cycle.
    offsets: Vec<u8>,
}

impl Splitter {
    /// `weights` in hundredths of a percent; with a sum of 0 nothing is ever chosen.
    pub fn new(mode: Mode, weights: Vec<u16>) -> Self {
        Self::with_rng(mode, weights, Rng::new())
    }

    fn with_rng(mode: Mode, weights: Vec<u16>, rng: Rng) -> Self {
        let total = weights.iter().map(|w| u32::from(*w)).sum();
        let left = vec![0; weights.len()];
        Self { mode, weights, total, rng, left, left_total: 0, offsets: Vec::new() }
    }

    /// The weights it was made with.
    pub fn weights(&self) -> &[u16] {
        &self.weights
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The next request's deployment; `None` when the weights sum to 0.
    pub fn choose(&mut self) -> Option<Choice> {
        if self.total == 0 {
            return None;
        }
        // Shares that do not make up 100 % leave no whole blocks; they cannot be published, but cost nothing to serve.
        if self.mode == Mode::Random || self.total != 10_000 {
            let index = pick(self.weights.iter().map(|w| u32::from(*w)), self.rng.u32(..self.total))?;
            return Some(Choice { index, probability: f64::from(self.weights[index]) / f64::from(self.total) });
        }
        if self.left_total == 0 {
            self.deal_block();
        }
        let index = pick(self.left.iter().copied(), self.rng.u32(..self.left_total))?;
        let probability = f64::from(self.left[index]) / f64::from(self.left_total);
        self.left[index] -= 1;
        self.left_total -= 1;
        Some(Choice { index, probability })
    }

    /// True with a probability of `hundredths` of a percent, independent of everything else.
    pub fn draw(&mut self, hundredths: u16) -> bool {
        hundredths > 0 && self.rng.u32(..10_000) < u32::from(hundredths)
    }

    fn deal_block(&mut self) {
        if self.offsets.is_empty() {
            self.offsets = (0..CYCLE as u8).collect();
            self.rng.shuffle(&mut self.offsets);
        }
        let offset = u32::from(self.offsets.pop().unwrap_or_default());
        // Tenths of slots laid end to end; each block marks every tenth point from its own offset.
        let marks_below = |point: u32| (point + 9 - offset) / 10;
        let mut from = 0;
        for (left, weight) in self.left.iter_mut().zip(&self.weights) {
            let to = from + u32::from(*weight % 10);
            *left = u32::from(*weight / 10) + marks_below(to) - marks_below(from);
            from = to;
        }
        self.left_total = BLOCK;
    }
}

fn pick(shares: impl Iterator<Item = u32>, mut ticket: u32) -> Option<usize> {
    for (index, share) in shares.enumerate() {
        match ticket.checked_sub(share) {
            None => return Some(index),
            Some(rest) => ticket = rest,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;
    use proptest::prelude::*;

    fn deal(splitter: &mut Splitter, requests: usize) -> Vec<u32> {
        let mut counts = vec![0; splitter.weights().len()];
        for _ in 0..requests {
            counts[splitter.choose().unwrap().index] += 1;
        }
        counts
    }

    #[test]
    fn ninety_ten_is_nine_hundred_and_a_hundred_in_every_block() {
        let mut splitter = Splitter::new(Mode::Block, vec![9_000, 1_000]);
        for _ in 0..50 {
            assert_eq!(deal(&mut splitter, 1_000), [900, 100]);
        }
    }

    #[test]
    fn the_order_inside_a_block_is_shuffled() {
        let mut splitter = Splitter::with_rng(Mode::Block, vec![5_000, 5_000], Rng::with_seed(7));
        let order: Vec<usize> = (0..1_000).map(|_| splitter.choose().unwrap().index).collect();
        let runs = order.windows(2).filter(|w| w[0] != w[1]).count();
        assert!((400..600).contains(&runs), "{runs} changes in 999");
    }

    #[test]
    fn nothing_is_chosen_without_weight() {
        assert_eq!(Splitter::new(Mode::Block, vec![0, 0]).choose(), None);
        assert_eq!(Splitter::new(Mode::Random, vec![]).choose(), None);
    }

    #[test]
    fn three_hundredths_of_a_percent_arrive_exactly_after_ten_blocks() {
        let mut splitter = Splitter::new(Mode::Block, vec![9_997, 3]);
        for _ in 0..5 {
            assert_eq!(deal(&mut splitter, 10_000), [9_997, 3]);
        }
    }

    /// Weights that sum to 10,000: cuts of the line.
    fn weights() -> impl Strategy<Value = Vec<u16>> {
        prop::collection::vec(0u16..=10_000, 0..8).prop_map(|mut cuts| {
            cuts.sort_unstable();
            cuts.push(10_000);
            let mut from = 0;
            cuts.into_iter().map(|to| to - std::mem::replace(&mut from, to)).collect()
        })
    }

    proptest! {
        #[test]
        fn every_block_is_the_share_rounded_and_every_ten_are_exact(weights in weights(), seed: u64) {
            let mut splitter = Splitter::with_rng(Mode::Block, weights.clone(), Rng::with_seed(seed));
            let mut sum = vec![0; weights.len()];
            for _ in 0..10 {
                let counts = deal(&mut splitter, 1_000);
                prop_assert_eq!(counts.iter().sum::<u32>(), 1_000);
                for (i, count) in counts.iter().enumerate() {
                    let tenth = u32::from(weights[i]);
                    prop_assert!((tenth / 10..=tenth.div_ceil(10)).contains(count), "{} of {:?}", count, weights);
                    sum[i] += count;
                }
            }
            prop_assert_eq!(sum, weights.iter().map(|w| u32::from(*w)).collect::<Vec<_>>());
        }

        #[test]
        fn probabilities_are_those_of_the_past(weights in weights(), seed: u64, random: bool) {
            let mode = if random { Mode::Random } else { Mode::Block };
            let mut splitter = Splitter::with_rng(mode, weights, Rng::with_seed(seed));
            let mut left: Vec<u32> = Vec::new();
            for n in 0..2_000 {
                if !random && n % 1_000 == 0 {
                    splitter.deal_block();
                    left.clone_from(&splitter.left);
                }
                let choice = splitter.choose().unwrap();
                let (share, of) = match mode {
                    Mode::Block => (left[choice.index], left.iter().sum::<u32>()),
                    Mode::Random => (u32::from(splitter.weights[choice.index]), 10_000),
                };
                prop_assert!(share > 0);
                prop_assert_eq!(choice.probability, f64::from(share) / f64::from(of));
                if !random {
                    left[choice.index] -= 1;
                }
            }
        }
    }
}
