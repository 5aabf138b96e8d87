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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::console::app::event::{Event, Feed};
    use crate::console::app::options::{ContextEntry, Settings};
    use crate::console::app::saved::Saved;
    use crate::console::app::update::update;
    use crate::console::data::link::STALE_MS;
    use crate::resources::{
        Deployment, Endpoint, LiveDeployment, LiveEndpoint, LiveFrame, ProcessStats, ProvisioningState,
    };

    /// What a terminal would have got.
    #[derive(Clone, Default)]
    struct Wire(Rc<RefCell<Vec<u8>>>);

    impl Wire {
        fn len(&self) -> usize {
            self.0.borrow().len()
        }

        fn from(&self, at: usize) -> String {
            String::from_utf8_lossy(&self.0.borrow()[at..]).into_owned()
        }
    }

    impl Write for Wire {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const NOW: i64 = 1_795_349_200_000;
    const SIZE: (u16, u16) = (140, 40);

    fn told(model: &mut Model, feed: Feed) {
        for event in [Event::Feed(model.epoch, feed), Event::Wake] {
            drop(update(model, event));
        }
    }

    /// The frame of a second in which nothing was asked of anything.
    fn quiet(second: i64) -> LiveFrame {
        let deployments =
            vec![LiveDeployment { name: "blue".into(), ready: 1, wanted: 1, ..LiveDeployment::default() }];
        LiveFrame {
            at_ms: NOW + second * 1_000,
            endpoints: vec![LiveEndpoint { name: "restaurants".into(), deployments, ..LiveEndpoint::default() }],
            // of a process that goes on living, on a machine that goes on working
            process: ProcessStats {
                uptime_s: 900 + second as u64,
                rss_bytes: second as u64,
                ..ProcessStats::default()
            },
            ..LiveFrame::default()
        }
    }

    /// A workspace with so many endpoints, at rest.
    fn resting(endpoints: usize) -> Model {
        let context = ContextEntry { name: "local".into(), kind: "local workspace".into(), ..ContextEntry::default() };
        let mut model = Model::new(Settings::default(), context, Saved::default()).unwrap();
        (model.now, model.size) = (NOW, SIZE);
        told(&mut model, Feed::Connected);
        let mut endpoint = Endpoint { name: "restaurants".into(), ..Endpoint::default() };
        endpoint.properties.provisioning_state = ProvisioningState::Succeeded;
        let mut deployment = Deployment { name: "blue".into(), ..Deployment::default() };
        deployment.properties.provisioning_state = ProvisioningState::Succeeded;
        told(&mut model, Feed::Endpoints(vec![endpoint; endpoints]));
        told(&mut model, Feed::Deployments { endpoint: "restaurants".into(), deployments: vec![deployment] });
        let mut frame = quiet(0);
        frame.endpoints.truncate(endpoints);
        told(&mut model, Feed::Frame(Box::new(frame)));
        model
    }

    #[test]
    fn a_workspace_at_rest_costs_no_picture_and_no_byte() {
        for endpoints in [0, 1] {
            let mut model = resting(endpoints);
            let wire = Wire::default();
            let mut canvas = Canvas::new(wire.clone());
            canvas.draw(&model, SIZE).unwrap();
            let first = wire.len();
            assert!((1..30_000).contains(&first), "{first} bytes");
            // What is new is marked for a moment.
            const SETTLED: i64 = 10;
            let mut settled = (0, 0);
            for second in 1..=300 {
                model.now = NOW + second * 1_000;
                let mut frame = quiet(second);
                frame.endpoints.truncate(endpoints);
                told(&mut model, Feed::Frame(Box::new(frame)));
                canvas.draw(&model, SIZE).unwrap();
                if second == SETTLED {
                    settled = (canvas.frames(), wire.len());
                } else if second > SETTLED {
                    assert_eq!(model.wake_at(), Some(model.now + STALE_MS + 1), "woken only when the feed is late");
                }
            }
            assert_eq!((canvas.frames(), wire.from(settled.1).as_str()), (settled.0, ""));
        }
    }

    #[test]
    fn a_change_costs_what_differs_and_a_strange_terminal_everything() {
        let mut model = resting(1);
        let wire = Wire::default();
        let mut canvas = Canvas::new(wire.clone());
        canvas.draw(&model, SIZE).unwrap();
        let first = wire.len();
        model.toasts.good(model.now, "copied");
        canvas.draw(&model, SIZE).unwrap();
        let second = wire.len() - first;
        assert!(second > 0 && second < 200, "{second} bytes for a message");
        canvas.forget();
        canvas.draw(&model, SIZE).unwrap();
        assert!(wire.len() - first - second >= first);
        canvas.draw(&model, (100, 30)).unwrap();
        assert_eq!(canvas.frames(), 4);
    }

    #[test]
    fn the_cursor_moves_without_a_cell_that_changes() {
        let mut model = resting(1);
        let wire = Wire::default();
        let mut canvas = Canvas::new(wire.clone());
        canvas.draw(&model, SIZE).unwrap();
        drop(update(&mut model, Event::Key(crossterm::event::KeyCode::Char(':').into())));
        let drawn = canvas.draw(&model, SIZE).unwrap();
        assert!(drawn.cursor.is_some());
        assert!(wire.from(0).ends_with("\x1b[?25h\x1b[?2026l"), "the cursor is shown");
        drop(update(&mut model, Event::Key(crossterm::event::KeyCode::Esc.into())));
        canvas.draw(&model, SIZE).unwrap();
        let text = wire.from(0);
        assert!(text.rfind("\x1b[?25l") > text.rfind("\x1b[?25h"), "and hidden again");
    }
}
