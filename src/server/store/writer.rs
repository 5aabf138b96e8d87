//! The one thread that writes: changes that wait together share one flush to disk.

use std::path::Path;

use crossbeam_channel::Receiver;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::change::{Change, Committed, Expect, Key, fold};
use super::error::StoreError;
use super::minutes::{self, MinuteRow};
use super::now_ms;
use super::place::Place;
use crate::resources::{JournalEntry, Operation};

/// At most so many changes share a transaction, so that the first of them does not wait for long.
const GROUP: usize = 64;
/// Finished operations beyond the newest so many are forgotten.
const KEEP_OPERATIONS: i64 = 2_000;
/// Entries of the journal kept: years of ordinary use, some ten megabytes.
const KEEP_JOURNAL: i64 = 100_000;

pub(super) enum Work {
    Commit(Box<Change>),
    Minutes { rows: Vec<MinuteRow>, forget_before: i64 },
}

pub(super) struct Job {
    pub work: Work,
    /// Called on the writer's thread, after the change is on disk (or was refused).
    pub answer: Box<dyn FnOnce(Result<Committed, StoreError>) + Send>,
}

/// Runs until every sender is gone; then folds the write-ahead log into the database.
/// `changed` hears the highest journal number after each group with at least one accepted change.
pub(super) fn run(mut connection: Connection, place: &Place, jobs: &Receiver<Job>, changed: impl Fn(u64)) {
    let dir = place.dir();
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = jobs.try_recv()
        {
            group.push(next);
        }
        if place.is_gone() {
            for job in group {
                (job.answer)(Err(place.gone()));
            }
            continue;
        }
        write_group(&mut connection, dir, group, &changed);
    }
    // A failure here costs nothing: the log is replayed at the next start.
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);");
}

fn write_group(connection: &mut Connection, dir: &Path, group: Vec<Job>, changed: &impl Fn(u64)) {
    match try_group(connection, dir, &group) {
        Ok(results) => {
            let journal = group.iter().zip(&results).filter(|(job, _)| matches!(job.work, Work::Commit(_)));
            if let Some(seq) = journal.filter_map(|(_, r)| r.as_ref().ok()).map(|c| c.journal_seq).max() {
                changed(seq);
            }
            for (job, result) in group.into_iter().zip(results) {
                (job.answer)(result);
            }
        }
        // One change too large for the disk must not take its neighbours with it: each alone.
        Err(error) => {
            let alone = group.len() == 1;
            for job in group {
                if alone {
                    (job.answer)(Err(error.clone()));
                } else {
                    write_group(connection, dir, vec![job], changed);
                }
            }
        }
    }
}

/// One transaction. The inner results are refusals of single changes; the outer error undoes the whole group.
fn try_group(
    connection: &mut Connection,
    dir: &Path,
    group: &[Job],
) -> Result<Vec<Result<Committed, StoreError>>, StoreError> {
    let sql = |e: rusqlite::Error| StoreError::from_sqlite(&e, dir);
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
    let mut results = Vec::with_capacity(group.len());
    for job in group {
        let savepoint = transaction.savepoint().map_err(sql)?;
        let applied = match &job.work {
            Work::Commit(change) => apply(&savepoint, change),
            Work::Minutes { rows, forget_before } => minutes::write(&savepoint, rows, *forget_before)
                .map(|()| Committed::default())
                .map_err(Refusal::Database),
        };
        match applied {
            Ok(committed) => {
                savepoint.commit().map_err(sql)?;
                results.push(Ok(committed));
            }
            Err(Refusal::Rule(refused)) => {
                savepoint.finish().map_err(sql)?;
                results.push(Err(refused));
            }
            Err(Refusal::Database(error)) => return Err(sql(error)),
        }
    }
    transaction.commit().map_err(sql)?;
    Ok(results)
}

/// Why a change was not applied: it broke a rule, or the database failed.
enum Refusal {
    Rule(StoreError),
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

fn apply(connection: &Connection, change: &Change) -> Result<Committed, Refusal> {
    if let Some(broken) = &change.broken {
        return Err(Refusal::Rule(StoreError::Invalid(broken.clone())));
    }
    let now = now_ms();
    let mut etags = Vec::with_capacity(change.puts.len());
    for put in &change.puts {
        check(connection, &put.key, put.expect)?;
        etags.push(write_document(connection, &put.key, &put.body.to_string(), now)?);
    }
    for delete in &change.deletes {
        check(connection, &delete.key, delete.expect)?;
        let (kind, parent, name) = delete.key.folded();
        connection
            .prepare_cached("DELETE FROM documents WHERE kind=?1 AND parent_key=?2 AND name_key=?3")?
            .execute(params![kind, parent, name])?;
    }
    for (kind, parent) in &change.delete_children {
        connection
            .prepare_cached("DELETE FROM documents WHERE kind=?1 AND parent_key=?2")?
            .execute(params![kind.tag(), fold(parent)])?;
    }
    for (name, value) in &change.secrets {
        match value {
            Some(value) => connection
                .prepare_cached("INSERT INTO secrets VALUES(?1,?2) ON CONFLICT(name) DO UPDATE SET value=?2")?
                .execute(params![name, value])?,
            None => connection.prepare_cached("DELETE FROM secrets WHERE name=?1")?.execute(params![name])?,
        };
    }
    for operation in &change.operations {
        write_operation(connection, operation)?;
    }
    for (operation, entry) in &change.journal {
        write_entry(connection, operation.as_deref(), entry, now)?;
    }
    for (operation, outcome) in &change.outcomes {
        connection
            .prepare_cached("UPDATE journal SET outcome=?2 WHERE operation=?1")?
            .execute(params![operation, outcome])?;
    }
    let seq: Option<i64> =
        connection.prepare_cached("SELECT max(seq) FROM journal")?.query_row([], |row| row.get(0))?;
    Ok(Committed { etags, journal_seq: unsigned(seq.unwrap_or(0)) })
}

fn check(connection: &Connection, key: &Key, expected: Expect) -> Result<(), Refusal> {
    if expected == Expect::Any {
        return Ok(());
    }
    let (kind, parent, name) = key.folded();
    let found: Option<i64> = connection
        .prepare_cached("SELECT etag FROM documents WHERE kind=?1 AND parent_key=?2 AND name_key=?3")?
        .query_row(params![kind, parent, name], |row| row.get(0))
        .optional()?;
    let found = found.map(unsigned);
    let holds = match expected {
        Expect::Any => true,
        Expect::Absent => found.is_none(),
        Expect::Present => found.is_some(),
        Expect::Etag(etag) => found == Some(etag),
    };
    if holds {
        return Ok(());
    }
    Err(Refusal::Rule(StoreError::Conflict { key: Box::new(key.clone()), expected, found }))
}

fn write_document(connection: &Connection, key: &Key, body: &str, now: i64) -> Result<u64, rusqlite::Error> {
    let etag: i64 = connection
        .prepare_cached("UPDATE counters SET value=value+1 WHERE name='etag' RETURNING value")?
        .query_row([], |row| row.get(0))?;
    let (kind, parent, name) = key.folded();
    connection
        .prepare_cached(
            "INSERT INTO documents(kind,parent_key,name_key,parent,name,etag,body,created_ms,modified_ms)
             VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?8)
             ON CONFLICT(kind,parent_key,name_key) DO UPDATE SET etag=?6, body=?7, modified_ms=?8",
        )?
        .execute(params![kind, parent, name, key.parent, key.name, etag, body, now])?;
    Ok(unsigned(etag))
}

fn write_operation(connection: &Connection, operation: &Operation) -> Result<(), rusqlite::Error> {
    let body = serde_json::to_string(operation).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    let terminal = operation.is_terminal();
    connection
        .prepare_cached(
            "INSERT INTO operations(name,terminal,body) VALUES(?1,?2,?3)
             ON CONFLICT(name) DO UPDATE SET terminal=?2, body=?3",
        )?
        .execute(params![operation.name, terminal, body])?;
    if terminal {
        connection
            .prepare_cached("DELETE FROM operations WHERE terminal AND id <= (SELECT max(id) FROM operations) - ?1")?
            .execute(params![KEEP_OPERATIONS])?;
    }
    Ok(())
}

fn write_entry(
    connection: &Connection,
    operation: Option<&str>,
    entry: &JournalEntry,
    now: i64,
) -> Result<(), rusqlite::Error> {
    let at = if entry.at_ms == 0 { now } else { entry.at_ms };
    connection
        .prepare_cached(
            "INSERT INTO journal(at_ms,who,action,endpoint,endpoint_key,deployment,state_from,state_to,outcome,operation)
             VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
        )?
        .execute(params![
            at,
            entry.who,
            entry.action,
            entry.endpoint,
            fold(&entry.endpoint),
            entry.deployment,
            entry.from.to_string(),
            entry.to.to_string(),
            entry.outcome,
            operation
        ])?;
    let seq = connection.last_insert_rowid();
    if seq % 256 == 0 {
        connection.prepare_cached("DELETE FROM journal WHERE seq <= ?1")?.execute(params![seq - KEEP_JOURNAL])?;
    }
    Ok(())
}

/// Etags and sequence numbers are never negative in the database.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Opens the database's folder for the writer's thread and starts it.
pub(super) fn start(
    connection: Connection,
    place: Place,
    jobs: Receiver<Job>,
    changed: impl Fn(u64) + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("store-writer".into()).spawn(move || run(connection, &place, &jobs, changed))
}
