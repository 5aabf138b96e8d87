//! Minute series of telemetry: opaque rows, kept for a day.

use rusqlite::{Connection, params};

/// One minute of one deployment, in whatever form telemetry writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinuteRow {
    pub endpoint: String,
    pub deployment: String,
    /// Unix seconds of the minute's start.
    pub at: i64,
    pub body: Vec<u8>,
}

pub(super) fn write(connection: &Connection, rows: &[MinuteRow], forget_before: i64) -> Result<(), rusqlite::Error> {
    for row in rows {
        connection
            .prepare_cached(
                "INSERT INTO minutes(endpoint_key,deployment_key,at,endpoint,deployment,body) VALUES(?1,?2,?3,?4,?5,?6)
                 ON CONFLICT(endpoint_key,deployment_key,at) DO UPDATE SET body=?6",
            )?
            .execute(params![
                super::fold(&row.endpoint),
                super::fold(&row.deployment),
                row.at,
                row.endpoint,
                row.deployment,
                row.body
            ])?;
    }
    connection.prepare_cached("DELETE FROM minutes WHERE at < ?1")?.execute(params![forget_before])?;
    Ok(())
}

/// Oldest first.
pub(super) fn read(connection: &Connection, since: i64) -> Result<Vec<MinuteRow>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT endpoint,deployment,at,body FROM minutes WHERE at >= ?1 ORDER BY at")?
        .query_map(params![since], |row| {
            Ok(MinuteRow { endpoint: row.get(0)?, deployment: row.get(1)?, at: row.get(2)?, body: row.get(3)? })
        })?
        .collect()
}
