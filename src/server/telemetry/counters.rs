//! Requests by outcome, in atomics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::resources::Counts;

/// How a request ended; every request ends in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Outcome {
    /// 2xx, 3xx.
    Ok,
    /// The caller's fault.
    ClientError,
    /// Over the request timeout.
    Timeout,
    /// The model failed.
    ModelError,
    /// Too many pending requests.
    Refused,
    /// Nothing ready, or our own failure.
    ServerError,
    /// The caller went away first.
    Abandoned,
}

impl Outcome {
    /// All outcomes, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::ClientError,
        Self::Timeout,
        Self::ModelError,
        Self::Refused,
        Self::ServerError,
        Self::Abandoned,
    ];

    /// Name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientError => "client_error",
            Self::Timeout => "timeout",
            Self::ModelError => "model_error",
            Self::Refused => "refused",
            Self::ServerError => "server_error",
            Self::Abandoned => "abandoned",
        }
    }

    /// Outcomes whose latency says something about the model: not refusals, not callers who left.
    pub const fn is_answer(self) -> bool {
        !matches!(self, Self::Refused | Self::Abandoned)
    }
}

/// Number of outcomes.
pub(super) const OUTCOMES: usize = Outcome::ALL.len();

/// Builds `Counts` from numbers in the order of [`Outcome::ALL`].
pub(super) fn counts(n: [u64; OUTCOMES]) -> Counts {
    let [ok, client_error, timeout, model_error, refused, server_error, abandoned] = n;
    Counts { ok, client_error, timeout, model_error, refused, server_error, abandoned }
}

/// Totals since the process started.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; OUTCOMES]);

impl Counters {
    /// One more.
    pub fn add(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The totals now.
    pub fn get(&self) -> Counts {
        counts(std::array::from_fn(|i| self.0[i].load(Ordering::Relaxed)))
    }
}
