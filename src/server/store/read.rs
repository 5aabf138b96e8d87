//! Queries. Each sees the state after the last acknowledged change.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::change::{Doc, JournalFilter, Key, Kind, fold};
use super::writer::unsigned;
use crate::resources::{JournalEntry, Operation};

type Sql<T> = Result<T, rusqlite::Error>;

pub(super) fn document(connection: &Connection, key: &Key) -> Sql<Option<Doc>> {
    let (kind, parent, name) = key.folded();
    connection
        .prepare_cached(
            "SELECT parent,name,etag,body,created_ms,modified_ms FROM documents
             WHERE kind=?1 AND parent_key=?2 AND name_key=?3",
        )?
        .query_row(params![kind, parent, name], |row| read_document(key.kind, row))
        .optional()
}

pub(super) fn documents(connection: &Connection, kind: Kind, parent: Option<&str>) -> Sql<Vec<Doc>> {
    let columns = "SELECT parent,name,etag,body,created_ms,modified_ms FROM documents WHERE kind=?1";
    match parent {
        Some(parent) => connection
            .prepare_cached(&format!("{columns} AND parent_key=?2 ORDER BY name_key"))?
            .query_map(params![kind.tag(), fold(parent)], |row| read_document(kind, row))?
            .collect(),
        None => connection
            .prepare_cached(&format!("{columns} ORDER BY parent_key, name_key"))?
            .query_map(params![kind.tag()], |row| read_document(kind, row))?
            .collect(),
    }
}

fn read_document(kind: Kind, row: &Row<'_>) -> Sql<Doc> {
    Ok(Doc {
        key: Key { kind, parent: row.get(0)?, name: row.get(1)? },
        etag: unsigned(row.get(2)?),
        body: json(row, 3)?,
        created_ms: row.get(4)?,
        modified_ms: row.get(5)?,
    })
}

pub(super) fn secret(connection: &Connection, name: &str) -> Sql<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM secrets WHERE name=?1")?
        .query_row(params![name], |row| row.get(0))
        .optional()
}

pub(super) fn operation(connection: &Connection, name: &str) -> Sql<Option<Operation>> {
    connection
        .prepare_cached("SELECT body FROM operations WHERE name=?1")?
        .query_row(params![name], |row| json(row, 0))
        .optional()
}

/// Newest first.
pub(super) fn operations(connection: &Connection, open_only: bool) -> Sql<Vec<Operation>> {
    let query = if open_only {
        "SELECT body FROM operations WHERE terminal=0 ORDER BY id DESC"
    } else {
        "SELECT body FROM operations ORDER BY id DESC LIMIT 500"
    };
    connection.prepare_cached(query)?.query_map([], |row| json(row, 0))?.collect()
}

pub(super) fn journal(connection: &Connection, filter: &JournalFilter) -> Sql<Vec<JournalEntry>> {
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let before = filter.before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT seq,at_ms,who,action,endpoint,deployment,state_from,state_to,outcome FROM journal
             WHERE seq < ?1 AND (?2 IS NULL OR endpoint_key = ?2)
               AND (?3 IS NULL OR action = ?3 OR substr(action, 1, length(?3) + 1) = ?3 || '.')
             ORDER BY seq DESC LIMIT ?4",
        )?
        .query_map(params![before, filter.endpoint.as_deref().map(fold), filter.action, limit], |row| {
            Ok(JournalEntry {
                seq: unsigned(row.get(0)?),
                at_ms: row.get(1)?,
                who: row.get(2)?,
                action: row.get(3)?,
                endpoint: row.get(4)?,
                deployment: row.get(5)?,
                from: json(row, 6)?,
                to: json(row, 7)?,
                outcome: row.get(8)?,
            })
        })?
        .collect()
}

pub(super) fn journal_seq(connection: &Connection) -> Sql<u64> {
    let seq: Option<i64> = connection.query_row("SELECT max(seq) FROM journal", [], |row| row.get(0))?;
    Ok(unsigned(seq.unwrap_or(0)))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> Sql<T> {
    let text: String = row.get(column)?;
    serde_json::from_str::<T>(&text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e)))
}
