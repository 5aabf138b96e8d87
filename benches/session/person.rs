//! Somebody at a terminal with a stopwatch: when the first picture is there, how long a key takes to show, and what the
//! program takes meanwhile.

use std::path::Path;
use std::time::{Duration, Instant};

use color_eyre::eyre::{Result, eyre};

use crate::driver::Terminal;
use crate::serving::usage;

/// The end of a picture: of the synchronized update that wrote it.
const PICTURE: &[u8] = b"\x1b[?2026l";
/// Letters that stand beside each other nowhere on the screen.
const LETTERS: &str = "zqxjkvwzqxjkvw";

/// The console in a terminal of its own.
pub struct Person {
    pub terminal: Terminal,
    started: Instant,
    random: fastrand::Rng,
}

/// What happened in a stretch of time.
pub struct Stretch {
    /// Percent of a core, the whole process.
    pub cpu: f64,
    /// Percent of a core, the thread of the screen alone.
    pub screen: f64,
    pub bytes: f64,
    pub pictures: f64,
}

/// Lets the threads of this program, which stand for a person's eyes, run before all others: on a machine whose cores are all
/// busy they would look up to 60 ms late. Needs the right to; without it the times contain these waits.
fn attentive() {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return };
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    for thread in threads.filter_map(name) {
        let priority = libc::sched_param { sched_priority: 1 };
        // What is started from here is ordinary again.
        let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
        // SAFETY: plain numbers and a struct that lives until the call returns.
        if unsafe { libc::sched_setscheduler(thread, policy, &priority) } != 0 {
            static TOLD: std::sync::Once = std::sync::Once::new();
            TOLD.call_once(|| {
                eprintln!("without the right to real-time priority: times contain this program's own waits")
            });
        }
    }
}

fn pictures(bytes: &[u8]) -> usize {
    bytes.windows(PICTURE.len()).filter(|part| *part == PICTURE).count()
}

fn millis(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1_000.0
}

/// Processor seconds of the thread of the screen.
fn screen_seconds(pid: u32) -> Result<f64> {
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == "screen" {
            let text = std::fs::read_to_string(task.join("schedstat"))?;
            let nanoseconds: Option<f64> = text.split_whitespace().next().and_then(|n| n.parse().ok());
            return Ok(nanoseconds.ok_or_else(|| eyre!("no time in {text:?}"))? / 1e9);
        }
    }
    Err(eyre!("the console has no thread for its screen"))
}

impl Person {
    /// Starts the console with a home of its own.
    pub fn sits_down(args: &[&str], home: &Path, size: (u16, u16)) -> Self {
        let started = Instant::now();
        let terminal = Terminal::start(env!("CARGO_BIN_EXE_mlconsole"), args, home, size, &[]);
        attentive();
        Self { terminal, started, random: fastrand::Rng::with_seed(1) }
    }

    /// From the start of the process to the end of its first picture, in milliseconds, and the bytes of it.
    pub fn first_picture(&self) -> (f64, usize) {
        let (at, _) = self.terminal.when("the first picture", |_, bytes| pictures(bytes) > 0);
        let bytes = self.terminal.bytes();
        let end = bytes.windows(PICTURE.len()).position(|part| part == PICTURE).unwrap_or(0);
        (millis(self.started, at), end + PICTURE.len())
    }

    /// From the start of the process to a text on the screen, in milliseconds.
    pub fn reads(&self, text: &str) -> f64 {
        let (at, _) = self.terminal.when(text, |screen, _| screen.contains(text));
        millis(self.started, at)
    }

    /// A key, and how long until what it does is shown, in milliseconds.
    pub fn key(&mut self, key: &str, what: &str, done: impl Fn(&str) -> bool) -> f64 {
        let at = Instant::now();
        self.terminal.send(key);
        millis(at, self.terminal.when(what, |screen, _| done(screen)).0)
    }

    /// The pause between two keys of somebody who types fast.
    pub fn pause(&mut self) {
        std::thread::sleep(Duration::from_micros(self.random.u64(25_000..60_000)));
    }

    /// Types into the palette and takes it back, so many keys in all; milliseconds of each.
    pub fn types(&mut self, keys: usize) -> Vec<f64> {
        self.key(":", "the palette", |screen| screen.contains("Go to, or do"));
        let mut times = Vec::with_capacity(keys);
        let (mut length, mut growing) = (0, true);
        while times.len() < keys {
            growing = length <= 1 || growing && length < LETTERS.len();
            self.pause();
            if growing {
                length += 1;
                let text = format!(": {}", &LETTERS[..length]);
                times.push(self.key(&LETTERS[length - 1..length], "a letter", |screen| screen.contains(&text)));
            } else {
                let longer = format!(": {}", &LETTERS[..length]);
                length -= 1;
                let text = format!(": {}", &LETTERS[..length]);
                let done = |screen: &str| screen.contains(&text) && !screen.contains(&longer);
                times.push(self.key("\x7f", "a letter taken back", done));
            }
        }
        self.key("\x1b", "the palette closed", |screen| !screen.contains("Go to, or do"));
        times
    }

    /// Moves the cursor of the list up and down, so many keys in all; milliseconds of each.
    pub fn moves(&mut self, keys: usize) -> Vec<f64> {
        let row = |screen: &str| screen.lines().position(|line| line.contains('▸'));
        let mut times = Vec::with_capacity(keys);
        for n in 0..keys {
            self.pause();
            let before = row(&self.terminal.until("the list", |screen| row(screen).is_some()));
            let key = if n.is_multiple_of(2) { "j" } else { "k" };
            times.push(self.key(key, "the cursor moved", |screen| row(screen).is_some_and(|now| Some(now) != before)));
        }
        times
    }

    /// Waits, and tells what was spent meanwhile, a second.
    pub fn watches(&self, length: Duration) -> Result<Stretch> {
        let pid = self.pid()?;
        let take = || -> Result<_> { Ok((Instant::now(), usage(pid)?.1, screen_seconds(pid)?, self.terminal.bytes())) };
        let (start, cpu, screen, bytes) = take()?;
        std::thread::sleep(length);
        let (end, cpu_after, screen_after, bytes_after) = take()?;
        let seconds = end.duration_since(start).as_secs_f64();
        let new = &bytes_after[bytes.len()..];
        Ok(Stretch {
            cpu: (cpu_after - cpu) * 100.0 / seconds,
            screen: (screen_after - screen) * 100.0 / seconds,
            bytes: new.len() as f64 / seconds,
            pictures: pictures(new) as f64 / seconds,
        })
    }

    fn pid(&self) -> Result<u32> {
        self.terminal.child.process_id().ok_or_else(|| eyre!("the console has no process number"))
    }

    /// Resident MiB.
    pub fn memory(&self) -> Result<f64> {
        Ok(usage(self.pid()?)?.0 as f64 / 1_024.0)
    }

    /// Types the key that always quits; milliseconds until the terminal is given back, and until the process has gone.
    pub fn leaves(mut self) -> (f64, f64) {
        let at = Instant::now();
        self.terminal.send("\x03");
        let back = |bytes: &[u8]| bytes.windows(8).any(|part| part == b"\x1b[?1049l");
        let (given_back, _) = self.terminal.when("the terminal given back", |_, bytes| back(bytes));
        self.terminal.end();
        (millis(at, given_back), millis(at, Instant::now()))
    }
}
