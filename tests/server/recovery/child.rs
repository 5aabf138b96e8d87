//! This test binary in another role, in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use mlconsole::resources::{JournalEntry, Operation};
use mlconsole::server::store::files::Upload;
use mlconsole::server::store::{Change, Expect, Key, Store};

/// Writers at work at the same time, so that changes share transactions.
pub const LANES: usize = 3;
const ROLE: &str = "MLCONSOLE_TEST_ROLE";
const DIR: &str = "MLCONSOLE_TEST_DIR";

pub struct Child {
    process: std::process::Child,
    output: BufReader<ChildStdout>,
}

impl Child {
    pub fn start(role: &str, dir: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "recovery::child::role", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(DIR, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a line with this text.
    pub fn line(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the child ended before it said \"{text}\"");
        }
    }

    /// Says a word to it.
    pub fn tell(&mut self, word: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{word}").unwrap();
    }

    /// Waits for the next acknowledged change: its lane and its number.
    pub fn acknowledged(&mut self) -> (usize, u64) {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the writer ended by itself");
            if let Some(found) = acknowledgement(&line) {
                return found;
            }
        }
    }

    /// Kills it at once and returns what it had still acknowledged, oldest first.
    pub fn kill(mut self) -> Vec<(usize, u64)> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        rest.split_inclusive('\n').filter_map(acknowledgement).collect()
    }

    /// Everything it says until it ends by itself.
    pub fn answer(mut self) -> String {
        drop(self.process.stdin.take());
        let mut answer = String::new();
        self.output.read_to_string(&mut answer).unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}: {answer}");
        answer
    }
}

/// A whole line `ack LANE NUMBER`; a line cut off by the kill was not acknowledged.
fn acknowledgement(line: &str) -> Option<(usize, u64)> {
    let rest = line.strip_suffix('\n')?.split("ack ").nth(1)?;
    let (lane, n) = rest.split_once(' ')?;
    Some((lane.parse().ok()?, n.parse().ok()?))
}

/// Not a test: what a child does. Without the environment variable it is empty.
#[test]
fn role() {
    let (Ok(role), Some(dir)) = (std::env::var(ROLE), std::env::var_os(DIR)) else { return };
    let dir = Path::new(&dir);
    match role.as_str() {
        "writer" => write_for_ever(dir),
        "full-disk" => fill_the_disk(dir),
        "read-only" => open_read_only(dir),
        "owner" => own(dir),
        "owner without rights" => {
            give_up_rights();
            own(dir);
        }
        other => panic!("no role {other}"),
    }
    // Not back into the test harness: its summary is of no interest.
    std::process::exit(0);
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

fn write_for_ever(dir: &Path) {
    let store = Store::open(dir).unwrap();
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let store = store.clone();
            scope.spawn(move || {
                let key = |which| Key::endpoint(format!("{which}-{lane}"));
                let mut n = store.get(&key("first")).unwrap().map_or(0, |doc| doc.body.as_u64().unwrap());
                loop {
                    n += 1;
                    let entry =
                        JournalEntry { endpoint: format!("lane-{lane}"), to: n.into(), ..JournalEntry::default() };
                    let operation = Operation {
                        name: format!("op-{lane}-{n}"),
                        status: "Succeeded".into(),
                        ..Operation::default()
                    };
                    let change = Change::new()
                        .put(key("first"), &n, Expect::Any)
                        .put(key("second"), &n, Expect::Any)
                        .secret(format!("lane-{lane}"), n.to_string())
                        .operation(operation)
                        .journal(entry);
                    store.commit(change).unwrap();
                    say(&format!("ack {lane} {n}"));
                }
            });
        }
    });
}

fn fill_the_disk(dir: &Path) {
    let store = Store::open(dir).unwrap();
    store.commit(Change::new().put(Key::endpoint("e"), &1, Expect::Absent)).unwrap();
    limit_file_size(Some(200_000));
    let big = "x".repeat(1_000_000);
    let refused = store.commit(Change::new().put(Key::endpoint("e"), &big, Expect::Any)).unwrap_err();
    say(&format!("commit: {} {refused}", refused.code()));
    let mut upload = Upload::begin(&dir.join("assets/.tmp")).unwrap();
    let refused = upload.append(big.as_bytes()).and_then(|()| upload.commit(&dir.join("assets/big"))).unwrap_err();
    say(&format!("upload: {} {refused}", refused.code()));
    say(&format!("old state: {}", store.get(&Key::endpoint("e")).unwrap().unwrap().body));
    limit_file_size(None);
    let after = store.commit(Change::new().put(Key::endpoint("e"), &2, Expect::Present));
    say(&format!("after space was freed: {}", if after.is_ok() { "ok" } else { "refused" }));
}

/// From now on writes beyond this many bytes of a file fail (with an error, not a signal).
fn limit_file_size(bytes: Option<u64>) {
    // SAFETY: plain system calls on this process, with a properly initialised structure.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        assert_eq!(libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit), 0);
        limit.rlim_cur = bytes.unwrap_or(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
    }
}

/// Nobody, everywhere.
pub const NOBODY: u32 = 65534;

/// Root ignores permissions: this process is to feel them.
fn give_up_rights() {
    // SAFETY: plain system calls on this process.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!(libc::setgid(NOBODY), 0);
            assert_eq!(libc::setuid(NOBODY), 0);
        }
    }
}

fn open_read_only(dir: &Path) {
    give_up_rights();
    let refused = Store::open(dir).unwrap_err();
    say(&format!("{} {refused}", refused.code()));
}

fn own(dir: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _running = runtime.block_on(mlconsole::server::start(super::options(dir))).unwrap();
    say("ready");
    // Until killed, or the parent is gone.
    for word in std::io::stdin().lines() {
        match word.unwrap().as_str() {
            "fill the disk" => limit_file_size(Some(1)),
            "free the disk" => limit_file_size(None),
            other => panic!("\"{other}\" is not understood"),
        }
        say("done");
    }
}
