//! The only module that touches the terminal.

/// Editor and pager.
pub mod editor;

use std::io::{self, BufWriter, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use crossterm::event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange};
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;

use super::app::model::Model;
use super::screens::{self, Drawn};

/// Button and drag reports with SGR coordinates; motion without a button is not asked for.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// Whether the terminal is ours now; the panic hook and signals ask.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours. Dropping it gives everything back.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<io::Stdout>>>,
    mouse: bool,
}

impl Screen {
    /// Takes the terminal: raw mode, the alternate screen, pasted text in brackets, focus reports.
    pub fn take(mouse: bool) -> io::Result<Self> {
        // Colours are chosen by our themes; crossterm's own reaction to NO_COLOR would wipe bold and reverse.
        crossterm::style::force_color_output(true);
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        enter(mouse)?;
        install_panic_hook();
        match Terminal::new(backend) {
            Ok(terminal) => Ok(Self { terminal, mouse }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Columns and rows.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        terminal::size()
    }

    /// Draws the model in one synchronized update.
    pub fn draw(&mut self, model: &Model) -> io::Result<Drawn> {
        let mut drawn = Drawn::default();
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| {
            drawn = screens::draw(model, frame.buffer_mut());
            if let Some(position) = drawn.cursor {
                frame.set_cursor_position(position);
            }
        })?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Ok(drawn)
    }

    /// Paints everything anew with the next frame.
    pub fn repaint(&mut self) -> io::Result<()> {
        let (width, height) = terminal::size()?;
        self.terminal.resize(Rect::new(0, 0, width, height))
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
        restore();
        let result = work();
        enter(self.mouse)?;
        self.repaint()?;
        Ok(result)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
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
