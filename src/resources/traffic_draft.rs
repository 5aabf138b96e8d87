//! An edit of the traffic split that is not applied yet (`Draft`): whatever is moved, the sum stays 100 %.

use super::traffic::{TrafficMap, Weight};

/// A traffic split being edited. It sums to 100 % at every moment, except while traffic is off (everything 0).
///
/// Moving one deployment takes from, or gives to, the others that are not locked, in proportion to their weights
/// (equally when all of them are 0). Rounding is by largest remainder, ties by name: to whole percent as long as
/// everything is whole, as Azure demands, else to hundredths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    entries: Vec<DraftEntry>,
    /// Weights before each edit, oldest first.
    history: Vec<Vec<u16>>,
}

/// One deployment of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftEntry {
    pub name: String,
    /// Weight as drafted.
    pub weight: Weight,
    /// Weight in force when the draft was made.
    pub base: Weight,
    /// Other edits leave this one alone.
    pub locked: bool,
}

/// Why an edit did nothing. The text is for the person who made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftRefusal {
    #[error("there is no deployment {0}: pick one of this endpoint's deployments")]
    Unknown(String),
    #[error("{0} is locked: unlock it to move its weight")]
    Locked(String),
    #[error("{0} stays at {1} %: every other deployment is locked, so nothing can give or take the rest; unlock one")]
    NothingToTakeFrom(String, Weight),
    #[error("{0} is the only deployment: its weight is 100 % or traffic is off; add a deployment to split traffic")]
    Alone(String),
}

const FULL: u16 = Weight::FULL.hundredths();
/// More steps back than anybody wants; bounds memory while a slider is dragged.
const HISTORY: usize = 1_000;

impl Draft {
    /// A draft of `map` over the deployments `names` (any others in the map are kept, so that nothing is lost from
    /// sight). A map that sums to neither 0 nor 100 is brought to 100 in proportion.
    pub fn new<S: AsRef<str>>(map: &TrafficMap, names: impl IntoIterator<Item = S>) -> Self {
        let mut entries: Vec<DraftEntry> = Vec::new();
        let wanted = map.iter().map(|(name, weight)| (name.clone(), *weight));
        let named = names.into_iter().map(|name| (name.as_ref().to_owned(), Weight::ZERO));
        for (name, weight) in wanted.chain(named) {
            match entries.iter_mut().find(|entry| entry.name.eq_ignore_ascii_case(&name)) {
                // The second mention is the deployment's own spelling.
                Some(known) => known.name = name,
                None => entries.push(DraftEntry { name, weight, base: weight, locked: false }),
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut draft = Self { entries, history: Vec::new() };
        draft.normalise();
        draft
    }

    /// Sets `name` to `weight`, as near as locked ones allow, and rebalances the rest. Answers the weight it got.
    pub fn set(&mut self, name: &str, weight: Weight) -> Result<Weight, DraftRefusal> {
        let at = self.editable(name)?;
        if weight.is_zero() && self.sum() == 0 {
            return Ok(Weight::ZERO);
        }
        let others: Vec<usize> = (0..self.entries.len()).filter(|i| *i != at && !self.entries[*i].locked).collect();
        let locked: u16 = self.entries.iter().filter(|entry| entry.locked).map(|entry| entry.weight.hundredths()).sum();
        let free = FULL - locked;
        let wanted = weight.hundredths().min(free);
        let given = if others.is_empty() { free } else { wanted };
        if self.entries[at].weight.hundredths() == given && self.sum() == u32::from(FULL) {
            return match (given == wanted, self.entries.len()) {
                (true, _) => Ok(self.entries[at].weight),
                (false, 1) => Err(DraftRefusal::Alone(self.entries[at].name.clone())),
                (false, _) => {
                    Err(DraftRefusal::NothingToTakeFrom(self.entries[at].name.clone(), self.entries[at].weight))
                }
            };
        }
        self.remember();
        let whole = self.is_whole() && given.is_multiple_of(100);
        self.entries[at].weight = hundredths(given);
        self.share(free - given, &others, if whole { 100 } else { 1 });
        Ok(self.entries[at].weight)
    }

    /// Moves `name` by `by` hundredths of a percent, stopping at the ends. Answers the weight it got.
    pub fn nudge(&mut self, name: &str, by: i32) -> Result<Weight, DraftRefusal> {
        let at = self.editable(name)?;
        let wanted = i32::from(self.entries[at].weight.hundredths()).saturating_add(by).clamp(0, i32::from(FULL));
        self.set(name, hundredths(u16::try_from(wanted).unwrap_or(FULL)))
    }

    /// Locks or unlocks `name`. Answers whether it is locked now; `None` for an unknown name.
    pub fn toggle_lock(&mut self, name: &str) -> Option<bool> {
        let at = self.position(name)?;
        self.entries[at].locked = !self.entries[at].locked;
        Some(self.entries[at].locked)
    }

    /// Exchanges the weights of two deployments.
    pub fn swap(&mut self, a: &str, b: &str) -> Result<(), DraftRefusal> {
        let (a, b) = (self.editable(a)?, self.editable(b)?);
        if self.entries[a].weight != self.entries[b].weight {
            self.remember();
            let weight = self.entries[a].weight;
            self.entries[a].weight = self.entries[b].weight;
            self.entries[b].weight = weight;
        }
        Ok(())
    }

    /// Sets `name` to whole percent: the presets 0, 10, 50, 90, 100.
    pub fn preset(&mut self, name: &str, percent: u16) -> Result<Weight, DraftRefusal> {
        self.set(name, Weight::percent(percent))
    }

    /// Takes all traffic away: callers will get 404 until weight is given again.
    pub fn turn_off(&mut self) {
        if self.sum() != 0 {
            self.remember();
            self.entries.iter_mut().for_each(|entry| entry.weight = Weight::ZERO);
        }
    }

    /// Takes back the last edit of weights. Answers whether there was one.
    pub fn undo(&mut self) -> bool {
        let Some(weights) = self.history.pop() else { return false };
        for (entry, weight) in self.entries.iter_mut().zip(weights) {
            entry.weight = hundredths(weight);
        }
        true
    }

    /// Back to the weights in force when the draft was made; itself an edit that can be undone.
    pub fn reset(&mut self) {
        if self.is_changed() {
            self.remember();
            self.entries.iter_mut().for_each(|entry| entry.weight = entry.base);
            self.normalise();
        }
    }

    /// Whether applying the draft would change anything.
    pub fn is_changed(&self) -> bool {
        self.entries.iter().any(|entry| entry.weight != entry.base)
    }

    /// The map to send: deployments with weight. Absent means 0.
    pub fn map(&self) -> TrafficMap {
        let with_weight = self.entries.iter().filter(|entry| !entry.weight.is_zero());
        with_weight.map(|entry| (entry.name.clone(), entry.weight)).collect()
    }

    /// Sum of all weights in hundredths of a percent: 10 000, or 0 while traffic is off.
    pub fn sum(&self) -> u32 {
        self.entries.iter().map(|entry| u32::from(entry.weight.hundredths())).sum()
    }

    /// The deployments by name.
    pub fn entries(&self) -> &[DraftEntry] {
        &self.entries
    }

    /// Weight of `name` as drafted; 0 for unknown names.
    pub fn weight(&self, name: &str) -> Weight {
        self.position(name).map_or(Weight::ZERO, |at| self.entries[at].weight)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    fn editable(&self, name: &str) -> Result<usize, DraftRefusal> {
        let at = self.position(name).ok_or_else(|| DraftRefusal::Unknown(name.to_owned()))?;
        if self.entries[at].locked { Err(DraftRefusal::Locked(self.entries[at].name.clone())) } else { Ok(at) }
    }

    fn is_whole(&self) -> bool {
        self.entries.iter().all(|entry| entry.weight.hundredths().is_multiple_of(100))
    }

    /// Brings a sum that is neither 0 nor 100 % to 100 % in proportion.
    fn normalise(&mut self) {
        if ![0, u32::from(FULL)].contains(&self.sum()) {
            let all: Vec<usize> = (0..self.entries.len()).collect();
            self.share(FULL, &all, if self.is_whole() { 100 } else { 1 });
        }
    }

    fn remember(&mut self) {
        if self.history.len() == HISTORY {
            self.history.remove(0);
        }
        self.history.push(self.entries.iter().map(|entry| entry.weight.hundredths()).collect());
    }

    /// Gives `total` to the entries `to` in proportion to their present weights, in multiples of `unit`
    /// (of which `total` is one).
    fn share(&mut self, total: u16, to: &[usize], unit: u16) {
        if to.is_empty() {
            return;
        }
        let present: Vec<u64> = to.iter().map(|i| u64::from(self.entries[*i].weight.hundredths())).collect();
        let weights = if present.iter().all(|w| *w == 0) { vec![1; to.len()] } else { present };
        let sum: u64 = weights.iter().sum();
        let units = u64::from(total / unit);
        let mut shares: Vec<u64> = weights.iter().map(|w| units * w / sum).collect();
        let mut order: Vec<usize> = (0..to.len()).collect();
        // Entries are in order of name, and the sort is stable: ties go by name.
        order.sort_by_key(|i| std::cmp::Reverse(units * weights[*i] % sum));
        let short = units - shares.iter().sum::<u64>();
        for i in order.into_iter().take(usize::try_from(short).unwrap_or(usize::MAX)) {
            shares[i] += 1;
        }
        for (i, share) in to.iter().zip(shares) {
            self.entries[*i].weight = hundredths(u16::try_from(share).unwrap_or(FULL).saturating_mul(unit));
        }
    }
}

fn hundredths(n: u16) -> Weight {
    Weight::from_hundredths(n).unwrap_or(Weight::FULL)
}

#[cfg(test)]
#[path = "traffic_draft_tests.rs"]
mod tests;
