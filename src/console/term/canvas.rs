//! The picture on the terminal and the way to the next one: only what differs is written, in one synchronized update,
//! and a picture that is already there costs no byte.

use std::io::{self, Write};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use crossterm::{execute, queue};
use ratatui::backend::{Backend as _, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::model::Model;
use crate::console::screens::{self, Drawn};

/// What was written to a terminal last, and what is to be written next.
pub struct Canvas<W: Write> {
    backend: CrosstermBackend<W>,
    shown: Buffer,
    next: Buffer,
    cursor: Option<Position>,
    /// What the terminal shows is not known: everything is painted.
    unknown: bool,
    /// Pictures written so far.
    frames: u64,
}

impl<W: Write> Canvas<W> {
    /// A canvas on a terminal of which nothing is known but that its cursor is hidden.
    pub fn new(out: W) -> Self {
        let backend = CrosstermBackend::new(out);
        Self { backend, shown: Buffer::default(), next: Buffer::default(), cursor: None, unknown: true, frames: 0 }
    }

    /// Somebody else wrote to the terminal, and hid its cursor: the next picture is painted whole.
    pub fn forget(&mut self) {
        self.unknown = true;
        self.cursor = None;
    }

    /// How many pictures differed from the one before and were written.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Draws the model on so many columns and rows.
    pub fn draw(&mut self, model: &Model, (width, height): (u16, u16)) -> io::Result<Drawn> {
        let area = Rect::new(0, 0, width, height);
        self.next.resize(area);
        self.next.reset();
        let drawn = screens::draw(model, &mut self.next);
        let whole = self.unknown || self.shown.area != area;
        if whole {
            self.shown.resize(area);
            self.shown.reset();
        }
        let changes = self.shown.diff(&self.next);
        if !whole && changes.is_empty() && self.cursor == drawn.cursor {
            return Ok(drawn);
        }
        queue!(self.backend, BeginSynchronizedUpdate)?;
        if self.cursor.is_some() {
            queue!(self.backend, Hide)?;
        }
        if whole {
            queue!(self.backend, Clear(ClearType::All))?;
        }
        if !changes.is_empty() {
            self.backend.draw(changes.into_iter())?;
        }
        if let Some(position) = drawn.cursor {
            queue!(self.backend, MoveTo(position.x, position.y), Show)?;
        }
        execute!(self.backend, EndSynchronizedUpdate)?;
        std::mem::swap(&mut self.shown, &mut self.next);
        (self.cursor, self.unknown) = (drawn.cursor, false);
        self.frames += 1;
        Ok(drawn)
    }
}
