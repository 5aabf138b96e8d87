//! What changed just now: it stands out for a moment.

use crate::resources::{ProvisioningState, Weight};

use super::Severity;

/// How long a change stands out, in milliseconds.
pub const FRESH_MS: i64 = 2_000;

/// A value that changes by steps, and when it did last.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Watched<T> {
    seen: Option<T>,
    changed_ms: Option<i64>,
}

impl<T: PartialEq> Watched<T> {
    /// Looks at the value; true when it changed. What is seen for the first time did not.
    pub fn look(&mut self, value: T, now: i64) -> bool {
        let changed = self.seen.as_ref().is_some_and(|seen| *seen != value);
        if changed {
            self.changed_ms = Some(now);
        }
        self.seen = Some(value);
        changed
    }

    /// Whether it changed a moment ago.
    pub fn is_fresh(&self, now: i64) -> bool {
        self.changed_ms.is_some_and(|at| (0..FRESH_MS).contains(&(now - at)))
    }
}

/// What is watched of an endpoint.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OfEndpoint {
    /// Its own state, its worst finding, and whether it serves: together the word in the list.
    pub state: Watched<(ProvisioningState, Option<Severity>, bool)>,
}

/// What is watched of a deployment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OfDeployment {
    /// Its own state, and whether anything of it is ready.
    pub state: Watched<(ProvisioningState, bool)>,
    /// Ready and wanted.
    pub instances: Watched<(u32, u32)>,
    pub weight: Watched<Weight>,
    /// Copies, in hundredths of a percent.
    pub mirror: Watched<u16>,
    pub model: Watched<Option<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_fresh_for_two_seconds_and_a_first_look_is_none() {
        let mut watched = Watched::default();
        assert!(!watched.look(1, 1_000) && !watched.is_fresh(1_000));
        assert!(watched.look(2, 5_000) && watched.is_fresh(5_000) && watched.is_fresh(6_999));
        assert!(!watched.look(2, 6_000) && !watched.is_fresh(7_000), "staying the same does not prolong it");
    }
}
