//! A context on its way. It is opened beside the screen, which goes on taking keys: starting a workspace makes keys,
//! opens a database and loads models.

use std::time::Duration;

use color_eyre::eyre::eyre;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::options::Opening;
use crate::client::Workspace;

/// How long the end of the program waits for an opening that was given up.
const PATIENCE: Duration = Duration::from_millis(50);

/// What is being opened, if anything. Starting another one, or dropping it, gives the one before up.
pub struct Opener {
    /// Where the work is done.
    there: Handle,
    work: Option<(u64, JoinHandle<color_eyre::Result<Workspace>>)>,
}

impl Opener {
    /// One that opens on the present runtime, wherever it is used.
    pub fn new() -> Self {
        Self { there: Handle::current(), work: None }
    }

    /// Opens a context for `epoch`.
    pub fn start(&mut self, epoch: u64, opening: Opening) {
        self.give_up();
        self.work = Some((epoch, self.there.spawn(opening)));
    }

    /// The end of the opening; never, when there is none.
    pub async fn next(&mut self) -> (u64, color_eyre::Result<Workspace>) {
        let Some((epoch, work)) = &mut self.work else { return std::future::pending().await };
        let epoch = *epoch;
        let outcome = work.await.unwrap_or_else(|error| Err(eyre!("the context could not be opened: {error}")));
        self.work = None;
        (epoch, outcome)
    }

    /// Gives it up, and waits a moment for it to let go of what it holds.
    pub async fn end(mut self) {
        if let Some((_, work)) = &mut self.work {
            work.abort();
            // Whatever became of it, nobody wants it any more.
            let _ = tokio::time::timeout(PATIENCE, work).await;
        }
    }

    fn give_up(&mut self) {
        if let Some((_, work)) = self.work.take() {
            work.abort();
        }
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.give_up();
    }
}
