//! The thread of a worker: takes its output into the log, looks after its memory and its time, and sees it to its end.

use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::process::{Child, ChildStderr, ChildStdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lines::Lines;
use super::state::{Order, Worker};
use super::{Script, memory, worker_timeout};
use crate::server::engine::Place;
use crate::server::telemetry::{Level, lock};

/// Where the system does not tell the end of a process at once.
const BLIND_TICK: Duration = Duration::from_millis(50);
/// The pause after a look at memory is at least so many times as long as the look, which takes longer the more processes there
/// are.
const LOOK_SHARE: u32 = 20;
/// So long holds what was found of shared pages: to find out takes long where much is used.
const SHARED_HOLDS: Duration = Duration::from_secs(1);
/// What a dead worker's children may still say.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Read in one go.
const CHUNK: usize = 64 * 1024;
/// A script that logs a line a request would wake this thread for each: it sleeps so long after having heard little.
const NAP: Duration = Duration::from_millis(10);
/// How such a warning begins.
const VERSIONS: &str = "InconsistentVersionWarning: ";
const LITTLE: usize = 8 * 1024;

/// A worker and what belongs to it.
pub struct Watch<'a> {
    pub script: &'a Arc<Script>,
    pub worker: &'a Worker,
    pub place: Place,
    pub number: u64,
    pub child: Child,
    pub guard: Option<Child>,
    pub stdout: Option<ChildStdout>,
    pub stderr: Option<ChildStderr>,
}

/// What the pages of a worker and its children count too much, as they share some.
#[derive(Default)]
struct Shared {
    bytes: u64,
    found: Option<Instant>,
}

/// Watches until the worker has ended, its output is read, and nothing of it is left.
pub fn watch(mut watch: Watch) {
    let pid = watch.child.id();
    let handle = process_handle(pid);
    prefer_as_victim(pid);
    let limit = worker_timeout(&watch.script.spec.variables);
    let (mut out, mut err) = (Lines::new(false), Lines::new(true));
    let mut looked = Instant::now();
    let mut heard = 0;
    let spec = &watch.script.spec;
    let mut shared = Shared::default();
    let mut tick = spec.memory.map_or(memory::RARELY, |limit| memory::pause(limit, spec.workers));
    loop {
        if handle.is_none() {
            tick = tick.min(BLIND_TICK);
        }
        let nap = (1..LITTLE).contains(&heard);
        let ended;
        (ended, heard) = if nap {
            (ready(&mut [entry(handle.as_ref())], NAP), 0)
        } else {
            watch.listen(&mut out, &mut err, handle.as_ref(), tick)
        };
        if looked.elapsed() >= tick {
            looked = Instant::now();
            watch.worker.look(limit);
            tick = watch.weigh(pid, &mut shared);
        }
        // Without a handle the process itself is asked; asked once too often it would only answer the same.
        if ended || (handle.is_none() && !matches!(watch.child.try_wait(), Ok(None))) {
            break;
        }
    }
    watch.worker.last_rites();
    let status = watch.child.wait().ok();
    let until = Instant::now() + LAST_WORDS;
    while (watch.stdout.is_some() || watch.stderr.is_some()) && Instant::now() < until {
        watch.listen(&mut out, &mut err, None, BLIND_TICK);
    }
    let (script, instance) = (watch.script, watch.place.instance);
    for lines in [&mut out, &mut err] {
        lines.finish(&mut |level, line| say(script, instance, level, line));
    }
    script.usage.forget(instance, watch.number);
    watch.worker.has_ended(status, err.reason().or(out.reason()));
    (watch.place.wake)();
    if let Some(mut guard) = watch.guard {
        // Killed with the group; the end of its input ends it where that came too early.
        drop(guard.stdin.take());
        let _ = guard.wait();
    }
}

fn say(script: &Script, instance: u32, level: Level, line: &str) {
    if line.contains(VERSIONS) {
        warn(script, line);
    }
    script.telemetry.log().push_raw(instance, level, line);
}

/// Keeps what scikit-learn says of a pickle made by another version: it goes on, but the answers may be wrong.
fn warn(script: &Script, line: &str) {
    let text: String = line[line.find(VERSIONS).unwrap_or(0)..].chars().take(300).collect();
    let mut warnings = lock(&script.spec.warnings);
    if warnings.len() < 3 && !warnings.contains(&text) {
        warnings.push(text);
    }
}

impl Watch<'_> {
    /// Waits for output, and takes what there is: whether the process has ended, and how many bytes were read.
    fn listen(&mut self, out: &mut Lines, err: &mut Lines, handle: Option<&OwnedFd>, limit: Duration) -> (bool, usize) {
        let mut watched = [entry(self.stdout.as_ref()), entry(self.stderr.as_ref()), entry(handle)];
        if !ready(&mut watched, limit) {
            return (false, 0);
        }
        let (script, instance) = (self.script, self.place.instance);
        let mut emit = |level, line: &str| say(script, instance, level, line);
        let mut read = 0;
        if watched[0].revents != 0 {
            match take(self.stdout.as_mut(), out, &mut emit) {
                Some(bytes) => read += bytes,
                None => self.stdout = None,
            }
        }
        if watched[1].revents != 0 {
            match take(self.stderr.as_mut(), err, &mut emit) {
                Some(bytes) => read += bytes,
                None => self.stderr = None,
            }
        }
        (watched[2].revents != 0, read)
    }

    /// Ends the worker if its instance takes more memory than it has, and the worker most of it; the answer is when to look
    /// again.
    fn weigh(&self, pid: u32, shared: &mut Shared) -> Duration {
        let Some(limit) = self.script.spec.memory else { return memory::RARELY };
        let (instance, number, usage) = (self.place.instance, self.number, &self.script.usage);
        let began = Instant::now();
        let mine = memory::resident(pid);
        let least = began.elapsed() * LOOK_SHARE;
        let (mut used, mut largest) = usage.note(instance, number, mine.saturating_sub(shared.bytes));
        // Pages that parent and children share were counted for each of them.
        if used > limit
            && shared.found.is_none_or(|at| at.elapsed() > SHARED_HOLDS)
            && let Some(exact) = memory::proportional(pid).filter(|exact| *exact < mine)
        {
            *shared = Shared { bytes: mine - exact, found: Some(Instant::now()) };
            (used, largest) = usage.note(instance, number, exact);
        }
        if used > limit && largest {
            self.worker.kill(Order::Memory { used, limit });
        }
        let pause = limit.checked_sub(used).map(|left| memory::pause(left, self.script.spec.workers));
        pause.map_or(memory::RARELY, |pause| pause.max(least).min(memory::RARELY))
    }
}

/// What to wait for; a stream that has ended is passed over.
fn entry(of: Option<&impl AsRawFd>) -> libc::pollfd {
    libc::pollfd { fd: of.map_or(-1, AsRawFd::as_raw_fd), events: libc::POLLIN, revents: 0 }
}

/// Waits until one of them has something to tell, at most so long; whether one has.
fn ready(watched: &mut [libc::pollfd], limit: Duration) -> bool {
    let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the array is ours, and its length is told.
    unsafe { libc::poll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, limit) > 0 }
}

/// Reads once: how much; `None` at the end of the stream.
fn take(from: Option<&mut impl Read>, lines: &mut Lines, emit: &mut impl FnMut(Level, &str)) -> Option<usize> {
    let from = from?;
    let mut bytes = vec![0; CHUNK];
    match from.read(&mut bytes) {
        Ok(0) => None,
        Ok(read) => {
            lines.feed(&bytes[..read], emit);
            Some(read)
        }
        Err(error) => (error.kind() == std::io::ErrorKind::Interrupted).then_some(0),
    }
}

/// Something to wait on for the end of a process, where the system has it.
#[cfg(target_os = "linux")]
fn process_handle(pid: u32) -> Option<OwnedFd> {
    // SAFETY: asks for a descriptor of our own child, which has not been reaped.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid), 0) };
    let descriptor = RawFd::try_from(descriptor).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the descriptor is new, and nobody else has it.
    Some(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[cfg(not(target_os = "linux"))]
fn process_handle(_: u32) -> Option<OwnedFd> {
    None
}

/// A machine that runs out of memory ends a worker rather than the workspace.
fn prefer_as_victim(pid: u32) {
    // Where the system has no such thing, or does not allow it, it decides by itself.
    let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), "500");
}
