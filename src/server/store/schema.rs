//! The database file: opening it safely and bringing its format up to date.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;

/// Format after each migration; `user_version` says how many have run.
const MIGRATIONS: &[&str] = &["
CREATE TABLE documents(
    kind TEXT NOT NULL, parent_key TEXT NOT NULL, name_key TEXT NOT NULL,
    parent TEXT NOT NULL, name TEXT NOT NULL,
    etag INTEGER NOT NULL, body TEXT NOT NULL, created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL,
    PRIMARY KEY(kind, parent_key, name_key)) WITHOUT ROWID;
CREATE TABLE secrets(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE operations(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, terminal INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX operations_open ON operations(terminal) WHERE terminal = 0;
CREATE TABLE journal(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
    endpoint TEXT NOT NULL, endpoint_key TEXT NOT NULL, deployment TEXT, state_from TEXT NOT NULL,
    state_to TEXT NOT NULL, outcome TEXT NOT NULL, operation TEXT);
CREATE INDEX journal_endpoint ON journal(endpoint_key, seq);
CREATE INDEX journal_operation ON journal(operation) WHERE operation IS NOT NULL;
CREATE TABLE minutes(
    endpoint_key TEXT NOT NULL, deployment_key TEXT NOT NULL, at INTEGER NOT NULL,
    endpoint TEXT NOT NULL, deployment TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY(endpoint_key, deployment_key, at)) WITHOUT ROWID;
CREATE INDEX minutes_at ON minutes(at);
CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES('etag', 0);
"];

/// Opens the database for its one writer and brings the format up to date.
pub(super) fn open_writer(dir: &Path) -> Result<Connection, StoreError> {
    let path = dir.join("workspace.db");
    make_private(&path)?;
    let sql = |e: rusqlite::Error| StoreError::from_sqlite(&e, dir);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags).map_err(sql)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(sql)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=1000; PRAGMA temp_store=MEMORY;",
        )
        .map_err(sql)?;
    migrate(&mut connection, dir)?;
    Ok(connection)
}

/// Opens the database for reading; sees every committed change.
pub(super) fn open_reader(dir: &Path) -> Result<Connection, StoreError> {
    let sql = |e: rusqlite::Error| StoreError::from_sqlite(&e, dir);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(dir.join("workspace.db"), flags).map_err(sql)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(sql)?;
    connection.execute_batch("PRAGMA query_only=ON;").map_err(sql)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, dir: &Path) -> Result<(), StoreError> {
    let sql = |e: rusqlite::Error| StoreError::from_sqlite(&e, dir);
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sql)?;
    if found > known {
        return Err(StoreError::TooNew { dir: dir.to_owned(), found, known });
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let transaction = connection.transaction().map_err(sql)?;
        transaction.execute_batch(migration).map_err(sql)?;
        transaction.execute_batch(&format!("PRAGMA user_version={}", index + 1)).map_err(sql)?;
        transaction.commit().map_err(sql)?;
    }
    Ok(())
}

/// Creates the file with mode 0600 before SQLite does: it holds secrets, and its side files inherit the mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let io = |e: std::io::Error| StoreError::from_io(&e, path, "opened");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(io)?;
    if file.metadata().map_err(io)?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(io)?;
    }
    Ok(())
}
