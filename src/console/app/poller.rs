//! Keeps the model's picture of the workspace: the live feed, and resources whenever it says that they changed.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::event::{Event, Feed};
use crate::client::{ClientError, ErrorKind, JournalQuery, Workspace};
use crate::console::data::KEPT_S;

/// Waits between attempts to reach a workspace that does not answer, in milliseconds.
const BACK_OFF_MS: [i64; 6] = [500, 1_000, 2_000, 4_000, 8_000, 15_000];
/// Without a frame for so long the feed counts as broken.
const SILENCE: Duration = Duration::from_secs(5);
/// Deployments of so many endpoints are fetched at once.
const AT_ONCE: usize = 8;
/// Up to so many endpoints everything is fetched on any change; beyond, only what changed.
const FEW: usize = 32;
/// Between two looks at the workspace itself: its disk does not fill in a second.
const INFO_EVERY: Duration = Duration::from_secs(60);
/// Between two looks at a workspace without a live feed.
const REMOTE_EVERY: Duration = Duration::from_secs(5);

/// The poller of one context.
pub struct Poller {
    pub workspace: Workspace,
    pub epoch: u64,
    pub events: UnboundedSender<Event>,
    /// Wakes it: ask for everything now.
    pub nudge: Arc<Notify>,
}

/// Where the workspace stood at the last look.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct Seen {
    journal: u64,
    state: u64,
}

impl Poller {
    /// Runs until the console drops it.
    pub async fn run(self) {
        let mut attempt = 0;
        loop {
            let reason = match self.workspace.live(KEPT_S as u32).await {
                Ok(frames) => {
                    attempt = 0;
                    self.follow(frames).await
                }
                Err(error) if error.kind == ErrorKind::NotSupported => self.look().await,
                Err(error) => error.message,
            };
            let wait = BACK_OFF_MS[attempt.min(BACK_OFF_MS.len() - 1)];
            attempt += 1;
            self.tell(Feed::Lost { reason, retry_at: now_ms() + wait });
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait as u64)) => {}
                () = self.nudge.notified() => {}
            }
        }
    }

    fn tell(&self, feed: Feed) {
        // A closed channel means the console is on its way out.
        let _ = self.events.send(Event::Feed(self.epoch, feed));
    }

    /// Follows the feed to its end and gives the reason why it ended.
    async fn follow(&self, mut frames: crate::client::Feed<crate::resources::LiveFrame>) -> String {
        self.tell(Feed::Connected);
        let changed = Notify::new();
        let (fetcher, watcher) = (self.fetch_on(&changed), self.watch_over());
        tokio::pin!(fetcher, watcher);
        let mut seen = None;
        loop {
            tokio::select! {
                frame = tokio::time::timeout(SILENCE, frames.next()) => match frame {
                    Ok(Some(Ok(frame))) => {
                        let now = Seen { journal: frame.journal_seq, state: frame.state_seq };
                        self.tell(Feed::Frame(Box::new(frame)));
                        if seen.replace(now) != Some(now) {
                            changed.notify_one();
                        }
                    }
                    Ok(Some(Err(error))) => return error.message,
                    Ok(None) => return "the workspace closed the connection".into(),
                    Err(_) => return format!("nothing was heard for {} s", SILENCE.as_secs()),
                },
                () = self.nudge.notified() => changed.notify_one(),
                error = &mut fetcher => return error.message,
                never = &mut watcher => match never {},
            }
        }
    }

    /// Tells how the workspace itself is. That it cannot be told is no reason to lose the feed.
    async fn watch_over(&self) -> Infallible {
        loop {
            match self.workspace.workspace_info().await {
                Ok(info) => self.tell(Feed::Info(Box::new(info))),
                Err(error) => tracing::debug!("the workspace does not tell of itself: {error}"),
            }
            tokio::time::sleep(INFO_EVERY).await;
        }
    }

    /// Fetches resources whenever it is told to; ends with an error only.
    async fn fetch_on(&self, changed: &Notify) -> ClientError {
        let mut last = 0;
        loop {
            changed.notified().await;
            match self.fetch(last).await {
                Ok(seq) => last = seq,
                Err(error) => return error,
            }
        }
    }

    /// Fetches everything that changed after journal entry `last` (0 = everything); gives the newest entry.
    async fn fetch(&self, last: u64) -> Result<u64, ClientError> {
        let query = JournalQuery { limit: Some(300), ..JournalQuery::default() };
        let (endpoints, journal, operations) =
            tokio::try_join!(self.workspace.endpoints(), self.workspace.journal(&query), self.workspace.operations())?;
        let newest = journal.first().map_or(last, |entry| entry.seq);
        let mut wanted: BTreeSet<String> = endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
        if last > 0 && wanted.len() > FEW {
            let mut touched: BTreeSet<String> =
                journal.iter().filter(|entry| entry.seq > last).map(|entry| entry.endpoint.clone()).collect();
            touched.extend(
                operations.iter().filter_map(|operation| Some(operation.properties.as_ref()?.endpoint.clone())),
            );
            wanted.retain(|name| touched.contains(name));
        }
        self.tell(Feed::Endpoints(endpoints));
        self.tell(Feed::Journal(journal));
        self.tell(Feed::Operations(operations));
        let mut answers = futures_util::stream::iter(wanted)
            .map(|endpoint| async move { (self.workspace.deployments(&endpoint).await, endpoint) })
            .buffer_unordered(AT_ONCE);
        while let Some((answer, endpoint)) = answers.next().await {
            match answer {
                Ok(deployments) => self.tell(Feed::Deployments { endpoint, deployments }),
                // It was deleted between the two questions.
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(newest)
    }

    /// For workspaces without a live feed: looks every few seconds; gives the reason why it ended.
    async fn look(&self) -> String {
        loop {
            let endpoints = match self.workspace.endpoints().await {
                Ok(endpoints) => endpoints,
                Err(error) => return error.message,
            };
            let names: Vec<String> = endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
            self.tell(Feed::Connected);
            self.tell(Feed::Endpoints(endpoints));
            for endpoint in names {
                match self.workspace.deployments(&endpoint).await {
                    Ok(deployments) => self.tell(Feed::Deployments { endpoint, deployments }),
                    Err(error) => return error.message,
                }
            }
            tokio::select! {
                () = tokio::time::sleep(REMOTE_EVERY) => {}
                () = self.nudge.notified() => {}
            }
        }
    }
}

/// Unix milliseconds.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
