//! Carries out effects that need no terminal.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::call::{Call, Failure};
use super::calls::{self, Reporter};
use super::event::Event;
use super::options::Access;
use super::poller::Poller;
use crate::client::Workspace;

/// The executor: the workspace in use and what is in flight.
pub struct Executor {
    events: UnboundedSender<Event>,
    workspace: Option<Workspace>,
    access: Access,
    poller: Option<AbortHandle>,
    nudge: Arc<Notify>,
    running: HashMap<u64, (Call, AbortHandle)>,
    epoch: u64,
    /// Where the work is done.
    there: Handle,
}

impl Executor {
    /// One that works on the present runtime, wherever it is used.
    pub fn new(events: UnboundedSender<Event>, access: Access) -> Self {
        let nudge = Arc::new(Notify::new());
        Self {
            events,
            workspace: None,
            access,
            poller: None,
            nudge,
            running: HashMap::new(),
            epoch: 1,
            there: Handle::current(),
        }
    }

    /// A workspace was opened: its feed is followed from now on.
    pub fn use_workspace(&mut self, workspace: Workspace, epoch: u64) {
        self.leave();
        self.epoch = epoch;
        self.workspace = Some(workspace.clone());
        let poller = Poller { workspace, epoch, events: self.events.clone(), nudge: self.nudge.clone() };
        self.poller = Some(self.there.spawn(poller.run()).abort_handle());
    }

    /// Leaves the context: what is in flight is dropped.
    pub fn leave(&mut self) {
        self.workspace = None;
        self.poller.take().inspect(AbortHandle::abort);
        self.running.drain().for_each(|(_, (_, handle))| handle.abort());
    }

    /// Takes the access of the context that is opened next.
    pub fn set_access(&mut self, access: Access) {
        self.access = access;
    }

    /// Asks for everything again.
    pub fn poll(&self) {
        self.nudge.notify_one();
    }

    /// Makes a call. Writes are refused in read-only contexts here as well, whatever the screen thought.
    pub fn call(&mut self, epoch: u64, task: u64, call: Call) {
        let reply = |outcome| Event::Reply { epoch, task, call: Box::new(call.clone()), outcome };
        let refusal = match &self.workspace {
            _ if self.access.is_read_only() && call.is_write() => {
                Some(("ReadOnly", "this context is read-only: nothing was changed"))
            }
            None => Some(("NotOpen", "the workspace is not open yet: try again when it is")),
            Some(_) => None,
        };
        if let Some((code, message)) = refusal {
            let failure = Failure { code: code.into(), message: message.into(), changed: false };
            let _ = self.events.send(reply(Err(failure)));
            return;
        }
        let Some(workspace) = self.workspace.clone() else { return };
        let events = self.events.clone();
        let report = Reporter { events: events.clone(), epoch, task };
        let asked = call.clone();
        let work = async move {
            let outcome = calls::perform(&workspace, call.clone(), &report).await;
            // A closed channel means the console is on its way out.
            let _ = events.send(Event::Reply { epoch, task, call: Box::new(call), outcome });
        };
        self.running.retain(|_, (_, handle)| !handle.is_finished());
        self.running.insert(task, (asked, self.there.spawn(work).abort_handle()));
    }

    /// Gives up a call.
    pub fn abort(&mut self, task: u64) {
        if let Some((call, handle)) = self.running.remove(&task)
            && !handle.is_finished()
        {
            handle.abort();
            let failure = Failure { code: "Aborted".into(), message: "given up".into(), changed: false };
            let event = Event::Reply { epoch: self.epoch, task, call: Box::new(call), outcome: Err(failure) };
            let _ = self.events.send(event);
        }
    }
}

/// Writes the state file, in the order in which texts come, never half.
pub async fn keep(path: PathBuf, mut texts: tokio::sync::watch::Receiver<String>) {
    while texts.changed().await.is_ok() {
        let text = texts.borrow_and_update().clone();
        let part = path.with_extension("part");
        let written = async {
            if let Some(folder) = path.parent() {
                tokio::fs::create_dir_all(folder).await?;
            }
            tokio::fs::write(&part, text).await?;
            tokio::fs::rename(&part, &path).await
        };
        if let Err(error) = written.await {
            tracing::warn!("cannot remember the view in {}: {error}", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writes_are_refused_in_a_read_only_context_whatever_the_screen_thought() {
        let (events, mut inbox) = tokio::sync::mpsc::unbounded_channel();
        let mut executor = Executor::new(events, Access::ReadOnly);
        executor.call(1, 7, Call::DeleteEndpoint { endpoint: "restaurants".into() });
        let Some(Event::Reply { task: 7, outcome: Err(failure), .. }) = inbox.recv().await else {
            panic!("no refusal")
        };
        assert_eq!(failure.code, "ReadOnly");
    }

    #[tokio::test]
    async fn a_call_before_the_workspace_is_open_is_answered() {
        let (events, mut inbox) = tokio::sync::mpsc::unbounded_channel();
        Executor::new(events, Access::Open).call(1, 1, Call::Models);
        assert!(
            matches!(inbox.recv().await, Some(Event::Reply { outcome: Err(failure), .. }) if failure.code == "NotOpen")
        );
    }
}
