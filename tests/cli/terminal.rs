//! What a person at a terminal sees: questions, and operations drawn in place.

use std::io::{Read, Write};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::support::Home;

/// The binary on a terminal of its own.
struct Terminal {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    reader: Box<dyn Read + Send>,
    writer: Box<dyn Write + Send>,
    seen: String,
}

impl Terminal {
    fn open(home: &Home, arguments: &[&str]) -> Self {
        let pty = native_pty_system();
        let pair = pty.openpty(PtySize { rows: 24, cols: 100, ..PtySize::default() }).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_mlconsole"));
        command.args(arguments);
        command.env("HOME", home.folder.path());
        command.env("MLCONSOLE_DATA_DIR", home.path("data"));
        command.env_remove("XDG_CONFIG_HOME");
        let child = pair.slave.spawn_command(command).unwrap();
        let (reader, writer) = (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
        Self { child, reader, writer, seen: String::new() }
    }

    /// Reads until `text` was shown.
    fn until(&mut self, text: &str) {
        let mut buffer = [0; 1024];
        while !self.seen.contains(text) {
            let n = self.reader.read(&mut buffer).unwrap_or(0);
            assert!(n > 0, "ended without {text:?}:\n{}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
    }

    fn type_line(&mut self, text: &str) {
        self.writer.write_all(format!("{text}\r").as_bytes()).unwrap();
    }

    /// The rest, and the exit code.
    fn end(mut self) -> (u32, String) {
        let mut buffer = [0; 1024];
        // A terminal whose other side is gone ends with an error on Linux.
        while let Ok(n @ 1..) = self.reader.read(&mut buffer) {
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
        (self.child.wait().unwrap().exit_code(), self.seen)
    }
}

#[test]
fn what_cannot_be_undone_is_asked_for_by_name() {
    let home = Home::new();
    let workspace = home.serve().with_sample();
    let mut mistaken = Terminal::open(&home, &["endpoint", "delete", "restaurants"]);
    mistaken.until("Type its name (restaurants) to go on: ");
    mistaken.type_line("yes");
    let (code, seen) = mistaken.end();
    assert_eq!(code, 1);
    assert!(seen.contains("nothing was done"), "{seen}");
    workspace.run(&["endpoint", "show", "restaurants"]).ok();

    let mut meant = Terminal::open(&home, &["endpoint", "delete", "restaurants"]);
    meant.until("to go on: ");
    meant.type_line("restaurants");
    let (code, seen) = meant.end();
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("endpoint restaurants is deleted"), "{seen}");
    assert_eq!(workspace.run(&["endpoint", "show", "restaurants"]).code, 1);
}

#[test]
fn an_operation_is_drawn_in_place_and_leaves_its_phases() {
    let home = Home::new();
    let workspace = home.serve();
    workspace.run(&["endpoint", "create", "-f", &crate::support::sample("endpoint.yml")]).ok();
    let file = crate::support::sample("blue-deployment.yml");
    let (code, seen) = Terminal::open(&home, &["deployment", "create", "-f", &file]).end();
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("\r\u{1b}[K"), "drawn over: {seen:?}");
    let mut screen = vt100::Parser::new(size(24), size(100), 0);
    screen.process(seen.as_bytes());
    let shown = screen.screen().contents();
    assert!(shown.contains("  load model  ") && shown.contains("Succeeded"), "{shown}");
    assert!(!shown.contains("create deployment blue:"), "no half-drawn line is left: {shown}");
}

fn size(cells: u16) -> std::num::NonZeroU16 {
    cells.try_into().unwrap()
}
