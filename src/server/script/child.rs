//! Starting a worker: its own process group, a clean environment, a private folder for temporary files, and an end that is
//! certain, however the workspace ends.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::disk::Disk;
use super::state::Worker;
use super::watch::{Watch, watch};
use super::{Script, environment, strays, worker_folder};
use crate::server::engine::Place;
use crate::server::telemetry::lock;

/// Ends a worker's process group and its strays when the workspace is gone, however it went: then nobody holds the other end
/// of its input.
const GUARD: &str = "read _
for look in 1 2 3 4 5 6 7 8 9; do
    found=$(grep -lzxF \"$1\" /proc/[0-9]*/environ 2>/dev/null)
    [ \"$found\" ] || break
    for file in $found; do file=${file%/environ}; kill -9 \"${file#/proc/}\"; done
done
kill -9 0";

/// A started worker: its state, its number, and our end of its socket.
pub struct Launched {
    pub worker: Arc<Worker>,
    pub socket: UnixStream,
    pub number: u64,
}

/// Starts a worker.
///
/// # Errors
/// It cannot be started at all; the text says why.
pub fn launch(script: &Arc<Script>, place: &Place) -> Result<Launched, String> {
    let number = script.started.fetch_add(1, Ordering::Relaxed);
    let temporary = script.spec.home.path().join("tmp").join(number.to_string());
    fs::create_dir_all(&temporary)
        .map_err(|error| format!("its temporary folder '{}' cannot be made: {error}", temporary.display()))?;
    let (socket, theirs) = UnixStream::pair().map_err(|error| format!("there is no socket for it: {error}"))?;
    let ours = socket.try_clone().map_err(|error| format!("there is no socket for it: {error}"))?;
    let worker = Arc::new(Worker::new(ours));
    let (sender, receiver) = mpsc::channel();
    let (watched, script_of, place) = (Arc::clone(&worker), Arc::clone(script), place.clone());
    // The system ends a worker with the thread that started it: that is the one which watches it to its end.
    std::thread::Builder::new()
        .name(format!("worker {}", script.name()))
        .spawn(move || {
            match spawn(&script_of, place.instance, theirs, &temporary) {
                Ok((mut child, disk)) => {
                    let pid = child.id();
                    watched.started(pid);
                    *lock(&script_of.alive) += 1;
                    // The one who waits is there until it has heard.
                    let _ = sender.send(Ok(()));
                    let guard = guard(pid, &temporary);
                    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
                    let _ended = Ended(&script_of);
                    watch(Watch { script: &script_of, worker: &watched, place, number, child, guard, stdout, stderr });
                    strays::end(&temporary);
                    disk.leave(watched.end(Duration::ZERO).is_none_or(|end| end.was_told_to_leave()));
                }
                Err(error) => drop(sender.send(Err(error))),
            }
            // Left behind it would only take space.
            let _ = fs::remove_dir_all(&temporary);
        })
        .map_err(|error| format!("the system refused a thread: {error}"))?;
    match receiver.recv() {
        Ok(Ok(())) => Ok(Launched { worker, socket, number }),
        Ok(Err(why)) => Err(why),
        Err(_) => Err("its thread ended".to_owned()),
    }
}

/// Counts a process out.
struct Ended<'a>(&'a Script);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        *lock(&self.0.alive) -= 1;
        self.0.ended.notify_all();
    }
}

/// The process, and the disk it runs on.
fn spawn<'a>(
    script: &'a Script,
    instance: u32,
    theirs: UnixStream,
    temporary: &Path,
) -> Result<(Child, Disk<'a>), String> {
    let spec = &script.spec;
    let disk = Disk::of(script, instance);
    let disk = disk.map_err(|error| format!("the code of instance {instance} cannot be copied: {error}"))?;
    let own = disk.scoring_script();
    let mut command = Command::new(&spec.python);
    command
        .args(["-X", "faulthandler"])
        .arg(worker_folder(spec.home.path()).join("worker.py"))
        .current_dir(own.parent().unwrap_or(Path::new("/")))
        .env_clear()
        .envs(environment::of(spec, &own, temporary))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    die_with_us(&mut command);
    match command.spawn() {
        Ok(child) => Ok((child, disk)),
        Err(error) => {
            disk.leave(false);
            Err(format!("the interpreter '{}' cannot be started: {error}", spec.python.display()))
        }
    }
}

#[cfg(target_os = "linux")]
fn die_with_us(command: &mut Command) {
    let us = std::process::id();
    let tell = move || {
        // Whatever this process has inherited itself, and left open, is no business of a script.
        // SAFETY: marks descriptors to be closed when the program is exchanged; older systems do not know the call.
        let _ = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        // SAFETY: both calls only ask the system, between fork and exec, and take no memory.
        let (told, parent) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), libc::getppid()) };
        let orphaned = u32::try_from(parent) != Ok(us);
        if told != 0 || orphaned { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: what runs in the child calls nothing but the system.
    unsafe { command.pre_exec(tell) };
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_: &mut Command) {}

/// The guard of a group; without one (no shell) the worker itself still ends with us, only its children might not.
fn guard(group: u32, temporary: &Path) -> Option<Child> {
    let mut mark = OsString::from(strays::MARK);
    mark.push("=");
    mark.push(temporary);
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", GUARD, "guard"])
        .arg(mark)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .process_group(i32::try_from(group).ok()?);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(guard) => Some(guard),
        Err(error) => {
            tracing::debug!(%error, group, "a worker has no guard");
            None
        }
    }
}
