//! A person at a terminal: a pseudo-terminal, a screen read back by a terminal parser, and waiting for what is awaited.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longest wait for anything: a debug build on a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(120);

fn some(n: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(n).unwrap()
}

/// What has come out of the program.
struct Told {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    over: bool,
    /// When the last of it came.
    at: Instant,
}

type Shared = Arc<(Mutex<Told>, Condvar)>;

/// A program in a terminal.
pub struct Terminal {
    shared: Shared,
    writer: Box<dyn std::io::Write + Send>,
    master: Box<dyn MasterPty + Send>,
    pub child: Box<dyn Child + Send + Sync>,
}

impl Terminal {
    /// Starts `program` with its home in `home`.
    pub fn start(program: &str, args: &[&str], home: &Path, size: (u16, u16), env: &[(&str, &str)]) -> Self {
        let (columns, rows) = size;
        let pair =
            native_pty_system().openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.cwd(home);
        command.env_clear();
        command.env("PATH", std::env::var("PATH").unwrap_or_default());
        command.env("HOME", home);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        for (name, value) in env {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let parser = vt100::Parser::new(some(rows), some(columns), 0);
        let told = Told { parser, bytes: Vec::new(), over: false, at: Instant::now() };
        let shared: Shared = Arc::new((Mutex::new(told), Condvar::new()));
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            loop {
                let read = reader.read(&mut bytes);
                let at = Instant::now();
                let mut state = theirs.0.lock().unwrap();
                match read {
                    Ok(n) if n > 0 => {
                        state.parser.process(&bytes[..n]);
                        state.bytes.extend_from_slice(&bytes[..n]);
                        state.at = at;
                    }
                    _ => state.over = true,
                }
                let over = state.over;
                drop(state);
                theirs.1.notify_all();
                if over {
                    return;
                }
            }
        });
        Self { shared, writer, master: pair.master, child }
    }

    /// Every byte that was written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.0.lock().unwrap().bytes.clone()
    }

    /// Types bytes.
    pub fn send(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    /// Waits until `done` holds for the screen and the bytes so far; gives when the last of these came.
    pub fn when(&self, what: &str, done: impl Fn(&str, &[u8]) -> bool) -> (Instant, String) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.0.lock().unwrap();
        loop {
            let screen = state.parser.screen().contents();
            if done(&screen, &state.bytes) {
                return (state.at, screen);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.over {
                drop(state);
                panic!("waited for {what}; the screen is:\n{screen}");
            }
            state = self.shared.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until `done` holds for the screen.
    pub fn until(&self, what: &str, done: impl Fn(&str) -> bool) -> String {
        self.when(what, |screen, _| done(screen)).1
    }

    /// Waits until `text` is on the screen.
    pub fn wait(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Types, and waits for what comes of it.
    pub fn then(&mut self, keys: &str, text: &str) -> String {
        self.send(keys);
        self.wait(text)
    }

    /// Waits until nothing has been written for so long.
    pub fn rests(&self, length: Duration) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.0.lock().unwrap();
        loop {
            let quiet = state.at.elapsed();
            if quiet >= length {
                return;
            }
            assert!(Instant::now() < deadline, "no rest; the screen is:\n{}", state.parser.screen().contents());
            state = self.shared.1.wait_timeout(state, length - quiet).unwrap().0;
        }
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        self.shared.0.lock().unwrap().parser.screen_mut().set_size(some(rows), some(columns));
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Waits for the end of the program; gives whether it ended well.
    pub fn end(mut self) -> (bool, Vec<u8>) {
        {
            let deadline = Instant::now() + PATIENCE;
            let mut state = self.shared.0.lock().unwrap();
            while !state.over {
                let left = deadline.saturating_duration_since(Instant::now());
                let screen = state.parser.screen().contents();
                assert!(!left.is_zero(), "the program did not end; the screen is:\n{screen}");
                state = self.shared.1.wait_timeout(state, left).unwrap().0;
            }
        }
        let ended = self.child.wait().unwrap();
        (ended.success(), self.bytes())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves its program behind; this one is ours.
        let _ = self.child.kill();
    }
}
