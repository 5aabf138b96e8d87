//! Operations while they run, on standard error: in place when a person watches, else a line a phase.

use std::io::Write as _;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::CliError;
use super::output::{note, one_line};
use super::{Session, person_watches};
use crate::client::Pending;
use crate::resources::python::BuildStep;
use crate::resources::{Operation, Phase};

const REDRAW: Duration = Duration::from_millis(100);
/// Columns of a bar.
const BAR: usize = 20;
const SPINNER: [&str; 8] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧"];

/// Follows an operation to its end. `what` names it: "create deployment blue".
///
/// The first ctrl-c asks the workspace to give it up, or says that it goes on.
///
/// # Errors
/// The operation's own cause when it failed.
pub(super) async fn follow(session: &Session, mut pending: Pending, what: &str) -> Result<Operation, CliError> {
    let mut view = View::new(what);
    let asked_before = session.interrupts.so_far();
    let mut cancelling = false;
    let mut ticks = tokio::time::interval(REDRAW);
    view.update(pending.operation());
    while !pending.is_done() {
        let interrupted = {
            let mut poll = pin!(pending.poll());
            loop {
                tokio::select! {
                    operation = &mut poll => {
                        match operation {
                            Ok(operation) => view.update(&operation),
                            Err(error) => {
                                view.clear();
                                return Err(error.into());
                            }
                        }
                        break false;
                    }
                    _ = ticks.tick() => view.draw(),
                    () = session.interrupts.reached(asked_before + 1), if !cancelling => break true,
                }
            }
        };
        if interrupted {
            cancelling = true;
            view.clear();
            match pending.cancel().await {
                Ok(()) => note("asked the workspace to cancel; ctrl-c again stops waiting"),
                Err(error) => {
                    return Err(CliError::failed(format!("stopped waiting; {what} goes on: {}", error.message)));
                }
            }
        }
    }
    view.clear();
    match pending.into_result() {
        Ok(operation) => Ok(operation),
        Err(error) => Err(CliError::failed(format!("{what} failed: {}", error.in_full()))),
    }
}

/// Takes the steps of a build.
pub(super) type Tell = Box<dyn FnMut(&BuildStep) + Send>;

/// Shows the steps of a build until it ends; `work` hands them to what it is given. The first ctrl-c drops `work`.
pub(super) async fn steps<T, F: Future<Output = T>>(what: &str, work: impl FnOnce(Tell) -> F) -> T {
    let view = std::sync::Arc::new(Mutex::new(View::new(what)));
    let told = std::sync::Arc::clone(&view);
    let lock =
        |view: &Mutex<View>, act: &dyn Fn(&mut View)| act(&mut view.lock().unwrap_or_else(PoisonError::into_inner));
    let mut work = pin!(work(Box::new(move |step| lock(&told, &|view| view.step(step)))));
    let mut ticks = tokio::time::interval(REDRAW);
    loop {
        tokio::select! {
            result = &mut work => {
                lock(&view, &View::clear);
                return result;
            }
            _ = ticks.tick() => lock(&view, &View::draw),
        }
    }
}

/// Bytes of uploads, on standard error.
pub(super) fn uploads() -> impl FnMut(&str, u64, u64) + Send {
    let watched = person_watches();
    let mut drawn = Instant::now();
    move |what: &str, sent, total| {
        let over = sent >= total;
        if watched && (over || drawn.elapsed() >= REDRAW) {
            drawn = Instant::now();
            let percent = (sent * 100).checked_div(total).unwrap_or(100);
            let _ = write!(
                std::io::stderr(),
                "\r\x1b[Kupload {} {percent} % of {}",
                one_line(what),
                super::output::bytes(total)
            );
            if over {
                let _ = write!(std::io::stderr(), "\r\x1b[K");
            }
        }
    }
}

/// A phase, with a bar when it tells how far it is.
fn said(phase: &Phase) -> String {
    let Some(share) = phase.share else { return phase.name.clone() };
    let done = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    format!("{} {}{} {:.0} %", phase.name, "━".repeat(done), "─".repeat(BAR - done), share * 100.0)
}

/// What has been shown so far.
struct View {
    what: String,
    watched: bool,
    begun: Instant,
    /// Phases already written for good.
    written: usize,
    running: String,
    /// What the running phase says of itself.
    note: String,
    frame: usize,
    drawn: bool,
}

impl View {
    fn new(what: &str) -> Self {
        Self {
            what: one_line(what),
            watched: person_watches(),
            begun: Instant::now(),
            written: 0,
            running: String::new(),
            note: String::new(),
            frame: 0,
            drawn: false,
        }
    }

    /// A step of a build: drawn in place for a person, else a line for each phase.
    fn step(&mut self, step: &BuildStep) {
        match step {
            BuildStep::Line { text } => self.note = one_line(text.trim()),
            BuildStep::Progress { phase, done, total, .. } => {
                let share = (*total > 0).then(|| f64::from(*done) / f64::from(*total));
                let before = std::mem::take(&mut self.running);
                self.running = said(&Phase { name: step.said().unwrap_or_default(), share, ..Phase::default() });
                if !self.watched && !before.starts_with(phase.as_str()) {
                    note(&format!("  {}", one_line(&step.said().unwrap_or_default())));
                }
            }
            BuildStep::Done { .. } | BuildStep::Failed { .. } => {}
        }
    }

    fn update(&mut self, operation: &Operation) {
        let phases: &[Phase] = operation.properties.as_ref().map_or(&[], |details| &details.phases);
        let ended: Vec<&Phase> = phases.iter().filter(|phase| phase.ended_ms > 0).collect();
        for phase in ended.iter().skip(self.written) {
            let seconds = phase.ended_ms.saturating_sub(phase.started_ms).max(0) as f64 / 1000.0;
            let remark = phase.note.as_deref().map(|text| format!("  {}", one_line(text))).unwrap_or_default();
            self.clear();
            note(&format!("  {}  {seconds:.1} s{remark}", one_line(&phase.name)));
        }
        self.written = self.written.max(ended.len());
        let running = operation.running();
        self.running = running.map_or_else(|| operation.status.clone(), said);
        self.note = running.and_then(|phase| phase.note.as_deref()).map(one_line).unwrap_or_default();
        if !operation.is_terminal() {
            self.draw();
        }
    }

    fn draw(&mut self) {
        if !self.watched {
            return;
        }
        self.frame = (self.frame + 1) % SPINNER.len();
        // Without wrapping: a line that wraps cannot be taken back.
        let _ = write!(
            std::io::stderr(),
            "\r\x1b[K\x1b[?7l{} {}: {} {:.1} s  {}\x1b[?7h",
            SPINNER[self.frame],
            self.what,
            one_line(&self.running),
            self.begun.elapsed().as_secs_f64(),
            self.note
        );
        let _ = std::io::stderr().flush();
        self.drawn = true;
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// What was interrupted leaves no half line.
impl Drop for View {
    fn drop(&mut self) {
        self.clear();
    }
}
