//! Deployment logs: a ring in memory, a rotating file, and followers who can never hold up a writer.

mod file;
mod sanitise;

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use self::file::RotatingFile;
use self::sanitise::lines;
use super::lock;
use crate::resources::LogLine;

/// Lines kept in memory for each deployment.
const KEPT: usize = 5_000;
/// Lines a follower may lag behind before it loses some.
const FOLLOWER: usize = 1_024;

/// Where a line comes from, as in Azure's log API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// The serving instances.
    InferenceServer,
    /// Fetching and loading of models, before instances exist.
    StorageInitializer,
}

impl Container {
    pub const fn name(self) -> &'static str {
        match self {
            Self::InferenceServer => "inference-server",
            Self::StorageInitializer => "storage-initializer",
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Container {
    type Err = String;

    /// Azure's spellings: `inference-server`, `InferenceServer`, `storage-initializer`, `StorageInitializer`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.replace('-', "").to_ascii_lowercase().as_str() {
            "inferenceserver" => Ok(Self::InferenceServer),
            "storageinitializer" => Ok(Self::StorageInitializer),
            _ => Err(format!("container `{text}` is unknown; there are inference-server and storage-initializer")),
        }
    }
}

/// Severity of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

impl Level {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A follower's view: what was there, then what comes.
#[derive(Debug)]
pub struct Subscription {
    /// The last lines before the subscription, oldest first; nothing is missing between them and `lines`.
    pub backlog: Vec<LogLine>,
    /// New lines; after a loss the next line says how many in `dropped`.
    pub lines: mpsc::Receiver<LogLine>,
}

#[derive(Debug)]
struct Follower {
    container: Option<Container>,
    sender: mpsc::Sender<LogLine>,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Inner {
    last_seq: u64,
    lines: VecDeque<LogLine>,
    file: Option<RotatingFile>,
    followers: Vec<Follower>,
}

/// The log of one deployment. Sequence numbers rise by one from line to line, across restarts too.
#[derive(Debug)]
pub struct DeploymentLog {
    inner: Mutex<Inner>,
}

impl DeploymentLog {
    /// Continues the log in `file`, when given. A file that cannot be read or written costs the file, not the log.
    pub fn open(file: Option<PathBuf>) -> Arc<Self> {
        let mut inner = Inner::default();
        if let Some(path) = file {
            let file = RotatingFile::new(path);
            inner.lines = file.tail(KEPT).into();
            inner.last_seq = inner.lines.back().map_or(0, |line| line.seq);
            inner.file = Some(file);
        }
        Arc::new(Self { inner: Mutex::new(inner) })
    }

    /// Adds text, a line of it at a time: control characters and terminal escapes removed, split at 64 kB.
    pub fn push(&self, container: Container, instance: Option<u32>, level: Level, text: &str) {
        self.add(container, instance, level, text, false);
    }

    /// The same with what a scoring script's process has written: no reader puts a stamp before it.
    pub fn push_raw(&self, instance: u32, level: Level, text: &str) {
        self.add(Container::InferenceServer, Some(instance), level, text, true);
    }

    fn add(&self, container: Container, instance: Option<u32>, level: Level, text: &str, raw: bool) {
        let at_ms = jiff::Timestamp::now().as_millisecond();
        let mut inner = lock(&self.inner);
        for text in lines(text) {
            inner.last_seq += 1;
            let line = LogLine {
                seq: inner.last_seq,
                at_ms,
                container: container.name().to_owned(),
                instance,
                level: level.name().to_owned(),
                text,
                raw,
                dropped: 0,
            };
            if let Some(file) = &mut inner.file {
                file.write(&line);
            }
            for follower in &mut inner.followers {
                follower.offer(container, &line);
            }
            if inner.lines.len() >= KEPT {
                inner.lines.pop_front();
            }
            inner.lines.push_back(line);
        }
        inner.followers.retain(|f| !f.sender.is_closed());
    }

    /// The last `n` lines (of one container), oldest first.
    pub fn tail(&self, container: Option<Container>, n: usize) -> Vec<LogLine> {
        tail(&lock(&self.inner).lines, container, n)
    }

    /// The last `n` lines and, from there on, every new one.
    pub fn subscribe(&self, container: Option<Container>, n: usize) -> Subscription {
        let (sender, lines) = mpsc::channel(FOLLOWER);
        let mut inner = lock(&self.inner);
        inner.followers.push(Follower { container, sender, dropped: 0 });
        Subscription { backlog: tail(&inner.lines, container, n), lines }
    }

    /// Deletes the files of a deleted deployment; lines still written afterwards stay in memory.
    pub(super) fn remove_files(&self) {
        if let Some(file) = lock(&self.inner).file.take() {
            file.remove();
        }
    }
}

impl Follower {
    fn offer(&mut self, container: Container, line: &LogLine) {
        if self.container.is_some_and(|wanted| wanted != container) {
            return;
        }
        let line = LogLine { dropped: self.dropped, ..line.clone() };
        match self.sender.try_send(line) {
            Ok(()) => self.dropped = 0,
            Err(_) => self.dropped += 1,
        }
    }
}

fn tail(lines: &VecDeque<LogLine>, container: Option<Container>, n: usize) -> Vec<LogLine> {
    let fits = |line: &&LogLine| container.is_none_or(|c| line.container == c.name());
    let mut last: Vec<LogLine> = lines.iter().rev().filter(fits).take(n).cloned().collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Container = Container::InferenceServer;

    #[test]
    fn a_log_continues_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e/blue.log");
        DeploymentLog::open(Some(path.clone())).push(SERVER, Some(0), Level::Info, "one\ntwo");
        let log = DeploymentLog::open(Some(path));
        log.push(Container::StorageInitializer, None, Level::Error, "three");
        let lines = log.tail(None, 10);
        let seen: Vec<_> =
            lines.iter().map(|l| (l.seq, l.container.as_str(), l.level.as_str(), l.text.as_str())).collect();
        assert_eq!(
            seen,
            [
                (1, "inference-server", "info", "one"),
                (2, "inference-server", "info", "two"),
                (3, "storage-initializer", "error", "three")
            ]
        );
        assert_eq!(log.tail(Some(SERVER), 1)[0].text, "two");
    }

    #[test]
    fn a_slow_follower_loses_lines_and_is_told_how_many() {
        let log = DeploymentLog::open(None);
        log.push(SERVER, None, Level::Info, "before");
        let mut follower = log.subscribe(Some(SERVER), 10);
        assert_eq!(follower.backlog.len(), 1);
        for n in 0..FOLLOWER + 7 {
            log.push(SERVER, None, Level::Info, &format!("{n}"));
        }
        for n in 0..FOLLOWER {
            let line = follower.lines.try_recv().unwrap();
            assert_eq!((line.text, line.dropped), (format!("{n}"), 0));
        }
        log.push(SERVER, None, Level::Info, "after");
        let line = follower.lines.try_recv().unwrap();
        assert_eq!((line.text.as_str(), line.dropped), ("after", 7));
    }

    #[test]
    fn memory_is_bounded_and_followers_that_leave_are_forgotten() {
        let log = DeploymentLog::open(None);
        drop(log.subscribe(None, 0));
        for n in 0..KEPT + 10 {
            log.push(SERVER, None, Level::Debug, &n.to_string());
        }
        assert_eq!(log.tail(None, usize::MAX).len(), KEPT);
        assert!(lock(&log.inner).followers.is_empty());
    }

    #[test]
    fn azure_spellings_of_containers_are_understood() {
        assert_eq!("InferenceServer".parse(), Ok(SERVER));
        assert_eq!("storage-initializer".parse(), Ok(Container::StorageInitializer));
        assert!("model".parse::<Container>().is_err());
    }
}
