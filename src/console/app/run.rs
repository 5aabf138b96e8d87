//! The loop: takes events, draws when something changed, carries out effects.

use std::collections::VecDeque;
use std::time::Duration;

use crossterm::event::{Event as TermEvent, KeyEventKind, MouseEvent, MouseEventKind};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::Instant;

use super::event::{Effect, Event, Hit, Mouse};
use super::exec::Executor;
use super::keep;
use super::model::Model;
use super::opening::Opener;
use super::options::{ConsoleOptions, Reach};
use super::poller::now_ms;
use super::update::update;
use crate::console::screens::Drawn;
use crate::console::term::{self, Screen};

/// Between two frames after input.
const INPUT_EVERY: Duration = Duration::from_millis(10);
/// Between two frames after news.
const NEWS_EVERY: Duration = Duration::from_millis(100);
/// Longest time news are taken in without a look at the keys.
const SLICE: Duration = Duration::from_millis(3);

/// The program: the model, and what carries out its effects.
pub(super) struct Program {
    pub(super) model: Model,
    pub(super) screen: Screen,
    pub(super) drawn: Drawn,
    pub(super) executor: Executor,
    pub(super) keeper: watch::Sender<String>,
    pub(super) opener: Opener,
    pub(super) ended: bool,
    pub(super) options: ConsoleOptions,
}

/// What woke the loop.
enum Woken {
    Terminal(Option<std::io::Result<TermEvent>>),
    News(Event),
    Opened(u64, color_eyre::Result<crate::client::Workspace>),
    Time,
    Stop,
    Suspend,
}

impl Program {
    /// Runs to the end; gives what is still being opened.
    pub(super) async fn run(mut self, mut inbox: UnboundedReceiver<Event>) -> (color_eyre::Result<()>, Opener) {
        let outcome = self.turn(&mut inbox).await;
        (outcome, self.opener)
    }

    async fn turn(&mut self, inbox: &mut UnboundedReceiver<Event>) -> color_eyre::Result<()> {
        let mut stops = [
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::quit())?,
        ];
        // SIGTSTP has no name of its own in tokio.
        let mut suspends = signal(SignalKind::from_raw(libc::SIGTSTP))?;
        let first = self.options.context.clone();
        let mut last_frame = self.draw()?;
        self.opener.start(self.model.epoch, (self.options.open)(&first));
        let mut due: Option<Instant> = None;
        loop {
            let wake = self
                .model
                .wake_at()
                .map(|at| Instant::now() + Duration::from_millis((at - now_ms()).clamp(10, 60_000) as u64));
            let alarm = [due, wake].into_iter().flatten().min();
            let woken = self.wait(inbox, &mut stops, &mut suspends, alarm).await;
            self.model.now = now_ms();
            let soon = match woken {
                Woken::Stop => return Ok(()),
                Woken::Suspend => {
                    self.screen.suspend()?;
                    Some(Duration::ZERO)
                }
                Woken::Terminal(None) => return Ok(()),
                Woken::Terminal(Some(event)) => self.typed(event?).then_some(INPUT_EVERY),
                Woken::News(event) => {
                    self.take(event);
                    // whatever else has come meanwhile, for the price of one frame
                    let until = Instant::now() + SLICE;
                    while Instant::now() < until
                        && let Ok(event) = inbox.try_recv()
                    {
                        self.take(event);
                    }
                    self.take(Event::Wake);
                    Some(NEWS_EVERY)
                }
                Woken::Opened(epoch, outcome) => {
                    self.opened(epoch, outcome);
                    Some(INPUT_EVERY)
                }
                Woken::Time => {
                    if due.is_none_or(|due| Instant::now() < due) {
                        self.take(Event::Wake);
                    }
                    Some(Duration::ZERO)
                }
            };
            if self.ended {
                return Ok(());
            }
            if let Some(gap) = soon {
                let at = last_frame + gap;
                due = Some(due.map_or(at, |due| due.min(at)));
            }
            if due.is_some_and(|due| due <= Instant::now()) {
                due = None;
                last_frame = self.draw()?;
            }
        }
    }

    async fn wait(
        &mut self,
        inbox: &mut UnboundedReceiver<Event>,
        stops: &mut [Signal; 4],
        suspends: &mut Signal,
        alarm: Option<Instant>,
    ) -> Woken {
        let (screen, opener) = (&mut self.screen, &mut self.opener);
        let [term, hup, int, quit] = stops;
        tokio::select! {
            biased;
            event = screen.next() => Woken::Terminal(event),
            _ = term.recv() => Woken::Stop,
            _ = hup.recv() => Woken::Stop,
            _ = int.recv() => Woken::Stop,
            _ = quit.recv() => Woken::Stop,
            _ = suspends.recv() => Woken::Suspend,
            () = sleep(alarm) => Woken::Time,
            Some(event) = inbox.recv() => Woken::News(event),
            (epoch, outcome) = opener.next() => Woken::Opened(epoch, outcome),
        }
    }

    fn draw(&mut self) -> std::io::Result<Instant> {
        self.drawn = self.screen.draw(&self.model)?;
        Ok(Instant::now())
    }

    /// Takes what the terminal says; false when nothing can have changed.
    fn typed(&mut self, event: TermEvent) -> bool {
        let event = match event {
            TermEvent::Key(key) if key.kind == KeyEventKind::Release => return false,
            TermEvent::Key(key) => Event::Key(key),
            TermEvent::Paste(text) => Event::Paste(text),
            TermEvent::Resize(width, height) => Event::Resize(width, height),
            TermEvent::Mouse(mouse) => match self.under(mouse) {
                Some(mouse) => Event::Mouse(mouse),
                None => return false,
            },
            TermEvent::FocusGained | TermEvent::FocusLost => return false,
        };
        self.take(event);
        true
    }

    /// What lies under the mouse in the picture the user sees.
    fn under(&self, mouse: MouseEvent) -> Option<Mouse> {
        let hit = self.drawn.at(mouse.column, mouse.row).map(|(area, hit)| exact(area, hit, mouse.column));
        match mouse.kind {
            MouseEventKind::Down(_) => hit.map(Mouse::Press),
            MouseEventKind::Drag(_) => hit.map(Mouse::Drag),
            MouseEventKind::Up(_) => Some(Mouse::Release),
            MouseEventKind::ScrollDown => Some(Mouse::Wheel { hit, down: true }),
            MouseEventKind::ScrollUp => Some(Mouse::Wheel { hit, down: false }),
            _ => None,
        }
    }

    fn take(&mut self, event: Event) {
        let mut effects: VecDeque<Effect> = update(&mut self.model, event).into();
        while let Some(effect) = effects.pop_front() {
            if let Some(event) = self.carry_out(effect) {
                effects.extend(update(&mut self.model, event));
            }
        }
    }

    fn opened(&mut self, epoch: u64, outcome: color_eyre::Result<crate::client::Workspace>) {
        let told = match outcome {
            Ok(workspace) => {
                let connection = workspace.connection();
                let ca_file = connection.ca_file.to_string_lossy().into_owned();
                self.model.reach = Some(Reach {
                    base_url: connection.base_url.clone(),
                    ca_file: (!ca_file.is_empty()).then_some(ca_file),
                    subscription_id: connection.subscription_id.clone(),
                    resource_group: connection.resource_group.clone(),
                    workspace: connection.workspace.clone(),
                });
                self.executor.use_workspace(workspace, epoch);
                Ok(())
            }
            Err(error) => Err(format!("{error:#}")),
        };
        self.take(Event::Opened(epoch, told));
    }

    /// Carries out an effect; some answer at once.
    fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        let failed =
            |what: &str, error: std::io::Error| Some(Event::Told { text: format!("{what}: {error}"), bad: true });
        match effect {
            Effect::Call { epoch, task, call } => self.executor.call(epoch, task, *call),
            Effect::Abort(task) => self.executor.abort(task),
            Effect::Poll => self.executor.poll(),
            Effect::Switch { epoch, context } => {
                self.executor.leave();
                self.executor.set_access(self.model.context.access);
                self.opener.start(epoch, (self.options.open)(&context));
            }
            Effect::Save(text) => {
                self.keeper.send_replace(text);
            }
            Effect::ReadConfig => {
                let outcome = match &self.options.reload {
                    Some(reload) => reload(),
                    None => Err("there is no configuration file to read again".into()),
                };
                return Some(Event::Config(outcome));
            }
            Effect::Open { tag, path } => return Some(Event::Edited { tag, text: keep::open(&path) }),
            Effect::Recall => return Some(Event::Recalled(keep::recall(self.options.state_file.as_deref()))),
            Effect::Remember(line) => keep::remember(self.options.state_file.as_deref(), &line),
            Effect::Write { path, text } => {
                let told = match std::fs::write(&path, text) {
                    Ok(()) => Event::Told { text: format!("written to {path}"), bad: false },
                    Err(error) => Event::Told { text: format!("cannot write {path}: {error}"), bad: true },
                };
                return Some(told);
            }
            Effect::Copy(text) => return self.screen.copy(&text).err().and_then(|e| failed("cannot copy", e)),
            Effect::Mouse(on) => return self.screen.set_mouse(on).err().and_then(|e| failed("mouse", e)),
            Effect::Redraw => self.screen.repaint(),
            Effect::Suspend => return self.screen.suspend().err().and_then(|e| failed("cannot suspend", e)),
            Effect::Edit { tag, text, suffix } => {
                let edited = self.screen.lend(|| term::editor::edit(&text, suffix));
                let text = edited.unwrap_or_else(|error| Err(error.to_string()));
                return Some(Event::Edited { tag, text });
            }
            Effect::Page(text) => {
                let paged = self.screen.lend(|| term::editor::page(&text));
                return match paged {
                    Ok(Ok(())) => None,
                    Ok(Err(why)) => Some(Event::Told { text: why, bad: true }),
                    Err(error) => failed("pager", error),
                };
            }
            Effect::Quit => {
                self.executor.leave();
                self.ended = true;
            }
        }
        None
    }
}

/// A slider's or chart's hit, made exact by the column.
fn exact(area: ratatui::layout::Rect, hit: &Hit, column: u16) -> Hit {
    let at = u64::from(column.saturating_sub(area.x));
    let last = u64::from(area.width.saturating_sub(1)).max(1);
    match hit {
        Hit::Slider { index, .. } => {
            // whole percents
            let percent = (at * 100 + last / 2) / last;
            Hit::Slider { index: *index, hundredths: (percent.min(100) * 100) as u16 }
        }
        Hit::Chart { ago } => Hit::Chart { ago: (u64::from(*ago) * (last - at.min(last)) / last) as u32 },
        other => other.clone(),
    }
}

async fn sleep(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
