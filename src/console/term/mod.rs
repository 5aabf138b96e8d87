//! The only module that touches the terminal.

mod canvas;
/// Editor and pager.
pub mod editor;

use std::io::{self, BufWriter, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange, Event, EventStream,
};
use crossterm::terminal::{self, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute};
use futures_util::StreamExt as _;

use super::app::model::Model;
use super::screens::Drawn;
use canvas::Canvas;

/// Button and drag reports with SGR coordinates; motion without a button is not asked for.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// Whether the terminal is ours now; the panic hook and signals ask.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours. Dropping it gives everything back.
pub struct Screen {
    canvas: Canvas<BufWriter<io::Stdout>>,
    /// Dropped while another program has the terminal: it would eat that program's keys.
    events: Option<EventStream>,
    mouse: bool,
}

impl Screen {
    /// Takes the terminal: raw mode, the alternate screen, pasted text in brackets, focus reports.
    pub fn take(mouse: bool) -> io::Result<Self> {
        // Colours are chosen by our themes; crossterm's own reaction to NO_COLOR would wipe bold and reverse.
        crossterm::style::force_color_output(true);
        install_panic_hook();
        enter(mouse).inspect_err(|_| restore())?;
        let canvas = Canvas::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        Ok(Self { canvas, events: Some(EventStream::new()), mouse })
    }

    /// Columns and rows.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        terminal::size()
    }

    /// The next thing the terminal has to say; `None` when it has gone.
    pub async fn next(&mut self) -> Option<io::Result<Event>> {
        match &mut self.events {
            Some(events) => events.next().await,
            None => std::future::pending().await,
        }
    }

    /// Draws the model in one synchronized update; a picture that is there already is not written again.
    pub fn draw(&mut self, model: &Model) -> io::Result<Drawn> {
        self.canvas.draw(model, terminal::size()?)
    }

    /// Paints everything anew with the next frame.
    pub fn repaint(&mut self) {
        self.canvas.forget();
    }

    /// Switches mouse reports.
    pub fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        let mut out = io::stdout();
        out.write_all(if on { MOUSE_ON } else { MOUSE_OFF })?;
        out.flush()
    }

    /// Puts text on the clipboard by OSC 52, through tmux and screen where they are in between.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(&osc52(text, std::env::var_os("TMUX").is_some()))?;
        out.flush()
    }

    /// Gives the terminal back and stops the process until it is continued.
    pub fn suspend(&mut self) -> io::Result<()> {
        self.lend(|| {
            // SAFETY: raise has no preconditions; it returns when the process is continued.
            unsafe { libc::raise(libc::SIGSTOP) };
        })
    }

    /// Gives the terminal back while another program uses it.
    pub fn lend<T>(&mut self, work: impl FnOnce() -> T) -> io::Result<T> {
        self.events = None;
        restore();
        let result = work();
        forget_wake_up();
        enter(self.mouse)?;
        self.repaint();
        self.events = Some(EventStream::new());
        Ok(result)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        tracing::debug!(frames = self.canvas.frames(), "the screen is given back");
        restore();
    }
}

/// Takes the wake-up that a dropped reader left behind. Met together with a key it would swallow that key, for the
/// terminal is watched for edges; so it is met here, where lines are still read as a whole. Entering raw mode then
/// announces anew what was typed meanwhile.
fn forget_wake_up() {
    // Nothing depends on the outcome: what is there is read by the next reader.
    let _ = crossterm::event::poll(Duration::ZERO);
}

fn enter(mouse: bool) -> io::Result<()> {
    terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = io::stdout();
    execute!(out, EnterAlternateScreen, cursor::Hide, EnableBracketedPaste, EnableFocusChange)?;
    if mouse {
        out.write_all(MOUSE_ON)?;
        out.flush()?;
    }
    Ok(())
}

/// Undoes everything that `enter` did; more than once does no harm.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    // Each step is tried whatever became of the others: half a restored terminal is better than none.
    let _ = out.write_all(MOUSE_OFF);
    let _ = execute!(out, EndSynchronizedUpdate, DisableFocusChange, DisableBracketedPaste);
    let _ = execute!(out, LeaveAlternateScreen, cursor::Show);
    let _ = terminal::disable_raw_mode();
}

fn install_panic_hook() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        let screen = std::thread::current().id();
        std::panic::set_hook(Box::new(move |info| {
            // A model that panics on a thread of the workspace is caught there: it must not take the screen along.
            if std::thread::current().id() != screen && TAKEN.load(Ordering::SeqCst) {
                tracing::error!("{info}");
                return;
            }
            restore();
            before(info);
        }));
    });
}

/// The escape sequence that copies; wrapped for tmux, which passes it on.
fn osc52(text: &str, tmux: bool) -> Vec<u8> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(text);
    let plain = format!("\x1b]52;c;{encoded}\x07");
    if tmux {
        format!("\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")).into_bytes()
    } else {
        plain.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copying_is_wrapped_for_tmux() {
        assert_eq!(osc52("hi", false), b"\x1b]52;c;aGk=\x07");
        assert_eq!(osc52("hi", true), b"\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\");
    }
}
