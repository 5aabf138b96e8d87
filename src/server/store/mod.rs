//! Where the workspace remembers: documents, secrets, operations, the journal and minute series in one SQLite file
//! (the only SQL of the house), and asset folders beside it.
//!
//! Every change is one transaction, on disk before it is acknowledged; readers see the last acknowledged state.

mod change;
mod error;
pub mod files;
mod minutes;
mod place;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

pub use change::{Change, Committed, Doc, Expect, JournalFilter, Key, Kind, fold};
pub use error::StoreError;
pub use minutes::MinuteRow;

use crate::resources::{EndpointKeys, JournalEntry, Operation};
use place::Place;
use writer::{Job, Work};

/// Answer of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// How long a query waits for a connection where no further one can be opened.
const PATIENCE: Duration = Duration::from_secs(5);

/// Name of the secret that signs scoring tokens.
pub const TOKEN_SIGNING_SECRET: &str = "token-signing";

/// The workspace's memory. Clones share it; the file closes with the last one.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    place: Place,
    /// `None` once closed.
    jobs: Mutex<Option<crossbeam_channel::Sender<Job>>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    readers: Mutex<Readers>,
    /// A lent reader has come back.
    returned: Condvar,
    journal_seq: Arc<AtomicU64>,
    changed: Arc<watch::Sender<u64>>,
}

/// Connections that only read.
struct Readers {
    free: Vec<Connection>,
    /// How many are at work.
    lent: usize,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.dir().display())
    }
}

impl Store {
    /// Opens the workspace in a folder, creating what is missing and bringing an older format up to date.
    ///
    /// # Errors
    /// The folder cannot be written, is damaged, or was written by a newer version.
    pub fn open(dir: &Path) -> Result<Self> {
        files::prepare(dir)?;
        let connection = schema::open_writer(dir)?;
        let place = Place::of(dir);
        // The database file may be new: its name must be as durable as what is acknowledged from here on.
        files::sync_dir(dir)?;
        let reader = schema::open_reader(dir)?;
        let seq = read::journal_seq(&reader).map_err(|e| StoreError::from_sqlite(&e, dir))?;
        let journal_seq = Arc::new(AtomicU64::new(seq));
        let changed = Arc::new(watch::Sender::new(0));
        let (jobs, receiver) = crossbeam_channel::unbounded();
        let (seq_of_writer, changed_of_writer) = (Arc::clone(&journal_seq), Arc::clone(&changed));
        let writer = writer::start(connection, place.clone(), receiver, move |seq| {
            seq_of_writer.store(seq, Ordering::Release);
            changed_of_writer.send_modify(|state| *state += 1);
        })
        .map_err(|e| StoreError::from_io(&e, dir, "opened"))?;
        Ok(Self {
            shared: Arc::new(Shared {
                place,
                jobs: Mutex::new(Some(jobs)),
                writer: Mutex::new(Some(writer)),
                readers: Mutex::new(Readers { free: vec![reader], lent: 0 }),
                returned: Condvar::new(),
                journal_seq,
                changed,
            }),
        })
    }

    /// The data folder.
    pub fn dir(&self) -> &Path {
        self.shared.place.dir()
    }

    /// Makes a change durable. Blocks until it is on disk: call it from a thread, or use [`Store::submit`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when an expectation does not hold; otherwise what is wrong with the folder. Nothing of
    /// the change has happened then.
    pub fn commit(&self, change: Change) -> Result<Committed> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.enqueue(Work::Commit(Box::new(change)), Box::new(move |result| drop(sender.send(result))))?;
        receiver.recv().unwrap_or_else(|_| Err(self.closed()))
    }

    /// [`Store::commit`] for asynchronous callers. The change happens even if the future is dropped.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn submit(&self, change: Change) -> Result<Committed> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.enqueue(Work::Commit(Box::new(change)), Box::new(move |result| drop(sender.send(result))))?;
        receiver.await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// Queues a change whose fate its sender does not need to know (progress of an operation). Changes happen in the
    /// order in which they were given to the store, from whichever of its methods.
    pub fn post(&self, change: Change) {
        let answer = |result: Result<Committed>| {
            if let Err(error) = result {
                tracing::warn!(%error, "progress was not written down");
            }
        };
        // A closed store needs no progress.
        let _ = self.enqueue(Work::Commit(Box::new(change)), Box::new(answer));
    }

    /// Runs a blocking piece of work (several reads, file operations) away from the asynchronous threads.
    ///
    /// # Errors
    /// The work's own, or [`StoreError::Closed`] when it was abandoned at shutdown.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> Result<T> + Send + 'static) -> Result<T> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || work(&store)).await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// A document, by its name in any case.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn get(&self, key: &Key) -> Result<Option<Doc>> {
        self.read(|connection| read::document(connection, key))
    }

    /// A document as one of the nouns.
    ///
    /// # Errors
    /// The database cannot be read, or the document does not have the noun's shape.
    pub fn get_as<T: serde::de::DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        self.get(key)?.map(|doc| doc.decode()).transpose()
    }

    /// All documents of a kind (under a parent), ordered by parent and name without regard to case.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn list(&self, kind: Kind, parent: Option<&str>) -> Result<Vec<Doc>> {
        self.read(|connection| read::documents(connection, kind, parent))
    }

    /// # Errors
    /// The database cannot be read.
    pub fn secret(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.read(|connection| read::secret(connection, name))
    }

    /// Both keys of an endpoint.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn endpoint_keys(&self, endpoint: &str) -> Result<Option<EndpointKeys>> {
        let key = |which| {
            let value = self.secret(&change::endpoint_secret(endpoint, which))?;
            Ok(value.and_then(|bytes| String::from_utf8(bytes).ok()))
        };
        let (primary, secondary) = (key("primary")?, key("secondary")?);
        Ok(primary.zip(secondary).map(|(primary_key, secondary_key)| EndpointKeys { primary_key, secondary_key }))
    }

    /// # Errors
    /// The database cannot be read.
    pub fn operation(&self, name: &str) -> Result<Option<Operation>> {
        self.read(|connection| read::operation(connection, name))
    }

    /// The newest operations, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn operations(&self) -> Result<Vec<Operation>> {
        self.read(|connection| read::operations(connection, false))
    }

    /// Operations that have not ended, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn open_operations(&self) -> Result<Vec<Operation>> {
        self.read(|connection| read::operations(connection, true))
    }

    /// The operation in progress on an endpoint itself (`deployment` = `None`) or on one of its deployments.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn operation_on(&self, endpoint: &str, deployment: Option<&str>) -> Result<Option<Operation>> {
        let same = |operation: &Operation| {
            operation.properties.as_ref().is_some_and(|details| {
                fold(&details.endpoint) == fold(endpoint)
                    && details.deployment.as_deref().map(fold) == deployment.map(fold)
            })
        };
        Ok(self.open_operations()?.into_iter().find(same))
    }

    /// Entries of the journal, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn journal(&self, filter: &JournalFilter) -> Result<Vec<JournalEntry>> {
        self.read(|connection| read::journal(connection, filter))
    }

    /// Highest sequence number of the journal.
    pub fn journal_seq(&self) -> u64 {
        self.shared.journal_seq.load(Ordering::Acquire)
    }

    /// Moves with every accepted change since the process started; also a way to wait for the next one.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// Moves with every accepted change since the process started, and whenever [`Store::touch`] is called.
    pub fn state_seq(&self) -> u64 {
        *self.shared.changed.borrow()
    }

    /// Tells those who wait on [`Store::changes`] that something not stored has changed (a pool became ready).
    pub fn touch(&self) {
        self.shared.changed.send_modify(|state| *state += 1);
    }

    /// Keeps minute series and forgets those that began before `forget_before` (Unix seconds).
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn put_minutes(&self, rows: Vec<MinuteRow>, forget_before: i64) -> Result<()> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let work = Work::Minutes { rows, forget_before };
        self.enqueue(work, Box::new(move |result| drop(sender.send(result))))?;
        receiver.recv().unwrap_or_else(|_| Err(self.closed())).map(drop)
    }

    /// Minute series since a point in time (Unix seconds), oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn minutes(&self, since: i64) -> Result<Vec<MinuteRow>> {
        self.read(|connection| minutes::read(connection, since))
    }

    /// Finishes what is queued and closes the database; later changes are refused with [`StoreError::Closed`].
    pub fn close(&self) {
        drop(self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A panic of the writer has been reported where it happened.
            let _ = writer.join();
        }
    }

    fn enqueue(&self, work: Work, answer: Box<dyn FnOnce(Result<Committed>) + Send>) -> Result<()> {
        let jobs = self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = jobs.as_ref().ok_or_else(|| self.closed())?;
        sender.send(Job { work, answer }).map_err(|_| self.closed())
    }

    fn closed(&self) -> StoreError {
        StoreError::Closed { dir: self.dir().to_owned() }
    }

    /// Lends a connection to a query; connections are made as needed and kept.
    fn read<T>(&self, query: impl FnOnce(&Connection) -> std::result::Result<T, rusqlite::Error>) -> Result<T> {
        let connection = self.borrow_reader()?;
        let result = query(&connection).map_err(|e| StoreError::from_sqlite(&e, self.dir()));
        let mut readers = self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.lent -= 1;
        readers.free.push(connection);
        self.shared.returned.notify_one();
        result
    }

    /// A free connection, else a new one, else, where none can be opened (too many files, the folder is gone), the
    /// first that comes back.
    fn borrow_reader(&self) -> Result<Connection> {
        let mut readers = self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.free.is_empty() {
            drop(readers);
            let place = &self.shared.place;
            let opened = if place.is_gone() { Err(place.gone()) } else { schema::open_reader(place.dir()) };
            readers = self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
            match opened {
                Ok(connection) => readers.free.push(connection),
                Err(error) => {
                    let idle = |readers: &mut Readers| readers.free.is_empty() && readers.lent > 0;
                    readers = self
                        .shared
                        .returned
                        .wait_timeout_while(readers, PATIENCE, idle)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                    if readers.free.is_empty() {
                        return Err(error);
                    }
                }
            }
        }
        // One was there, was opened or has come back, and nobody else held the lock since.
        let connection = readers.free.pop().ok_or_else(|| self.closed())?;
        readers.lent += 1;
        Ok(connection)
    }
}

/// Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
