//! The console on a real local workspace, keys in and text out: everything in between is the real thing, but for the
//! terminal.

mod journey;

use std::time::{Duration, Instant};

use mlconsole::client::Workspace;
use mlconsole::console::app::event::{Effect, Event};
use mlconsole::console::app::exec::Executor;
use mlconsole::console::app::model::Model;
use mlconsole::console::app::options::Access;
use mlconsole::console::app::update::update;
use mlconsole::server::{Options, Running, start};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::dump;
use crate::fixture;

/// Longest wait for anything: a debug build on a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// A person at the console of a workspace of their own.
struct Person {
    model: Model,
    executor: Executor,
    inbox: UnboundedReceiver<Event>,
    house: Running,
    _folder: tempfile::TempDir,
}

impl Person {
    /// An empty workspace, and the console open on it.
    async fn at_home() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let options = Options { listen: Some(([127, 0, 0, 1], 0).into()), ..Options::new(folder.path()) };
        let house = start(options).await.unwrap();
        let (events, inbox) = unbounded_channel();
        let mut executor = Executor::new(events, Access::Open);
        let mut model = fixture::fresh(120, 40);
        let workspace = Workspace::connect(house.connection(), "mlconsole-console/test").unwrap();
        executor.use_workspace(workspace, model.epoch);
        update(&mut model, Event::Opened(1, Ok(())));
        Self { model, executor, inbox, house, _folder: folder }
    }

    /// Somebody else who works on the same workspace.
    fn colleague(&self) -> Workspace {
        Workspace::connect(self.house.connection(), "azure-ai-ml/test").unwrap()
    }

    fn screen(&self) -> String {
        dump::glyphs(&dump::draw(&self.model))
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Call { epoch, task, call } => self.executor.call(epoch, task, *call),
                Effect::Abort(task) => self.executor.abort(task),
                Effect::Poll => self.executor.poll(),
                Effect::Recall => {
                    let effects = update(&mut self.model, Event::Recalled(String::new()));
                    self.carry_out(effects);
                }
                _ => {}
            }
        }
    }

    fn now(&mut self) {
        self.model.now = jiff::Timestamp::now().as_millisecond();
    }

    /// Presses keys by their names.
    fn press(&mut self, keys: &[&str]) {
        for key in keys {
            self.now();
            let effects = fixture::press(&mut self.model, key);
            self.carry_out(effects);
        }
    }

    fn write(&mut self, text: &str) {
        self.now();
        let effects = fixture::write(&mut self.model, text);
        self.carry_out(effects);
    }

    /// Takes in what happens until `done` holds.
    async fn until_that(&mut self, what: &str, done: impl Fn(&Model) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(&self.model) {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = tokio::time::timeout(left, self.inbox.recv()).await;
            let Ok(Some(event)) = event else { panic!("waited for {what}; the screen is:\n{}", self.screen()) };
            self.now();
            for event in [event, Event::Wake] {
                let effects = update(&mut self.model, event);
                self.carry_out(effects);
            }
        }
    }

    /// Takes in what happens until `done` holds for the screen, and gives it.
    async fn until(&mut self, what: &str, done: impl Fn(&str) -> bool) -> String {
        self.until_that(what, |model| done(&dump::glyphs(&dump::draw(model)))).await;
        self.screen()
    }

    /// Waits for text.
    async fn see(&mut self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text)).await
    }

    async fn leave(mut self) {
        self.executor.leave();
        self.house.shutdown().await;
    }
}
