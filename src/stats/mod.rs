//! Histograms, quantiles and time series: pure mathematics, no clock, no input or output.

/// Latency histograms whose buckets the whole house shares.
pub mod histogram;
/// Values by second, with gaps.
pub mod series;

pub use histogram::Histogram;
pub use series::{Column, Merge, Series};
