//! Test, logs, models, forms, activity and workspace.

use super::table::Row;

/// The rows.
pub const ROWS: &[Row] = &[];
