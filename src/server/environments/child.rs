//! Running a tool to its end: its lines as they come, and its death when asked to stop.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::server::stop::Stop;

/// Longer lines are cut.
const LONGEST_LINE: usize = 16 * 1024;
const PAUSE: Duration = Duration::from_millis(5);

/// A command with an environment of its own: what the user set for proxies, certificates and indexes passes, what would
/// lead the tool astray (another Python's settings) or is none of its business (this program's, Azure's) does not.
pub(super) fn command(program: impl AsRef<OsStr>) -> Command {
    const FOREIGN: [&str; 9] =
        ["AML_", "AZUREML_", "AZURE_", "ARM_", "IDENTITY_", "MSI_", "PYTHON", "MLCONSOLE_", "CONDA_"];
    // They would install somewhere else than where they are told to.
    const ASTRAY: [&str; 12] = [
        "VIRTUAL_ENV",
        "__PYVENV_LAUNCHER__",
        "PIP_USER",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_REQUIRE_VIRTUALENV",
        "UV_PYTHON",
        "UV_SYSTEM_PYTHON",
        "UV_PROJECT_ENVIRONMENT",
        "UV_BREAK_SYSTEM_PACKAGES",
        "UV_PYTHON_DOWNLOADS",
    ];
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if FOREIGN.iter().any(|start| text.starts_with(start)) || ASTRAY.iter().any(|astray| text == *astray) {
            command.env_remove(&name);
        }
    }
    command
        .env("NO_COLOR", "1")
        .env("PYTHONUTF8", "1")
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_NO_INPUT", "1");
    command.stdin(Stdio::null());
    command
}

/// How a tool ended.
#[derive(Debug)]
pub(super) enum End {
    Exit(ExitStatus),
    /// It was asked to stop; it and its children are dead.
    Stopped,
}

/// Runs a command to its end and hands on its lines, of both streams in the order they come. It dies, with all it started,
/// when asked to stop, and when the calling thread dies.
pub(super) fn run(command: &mut Command, stop: &Stop, line: &mut dyn FnMut(&str)) -> io::Result<End> {
    let (mut reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer).process_group(0);
    die_with_us(command);
    let child = command.spawn();
    // The command keeps its ends of the pipe: without this the reader would never see the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = Arc::new(Mutex::new(child?));
    let killed = Arc::clone(&child);
    let hook = stop.when_asked(move || kill_group(&mut killed.lock().unwrap_or_else(PoisonError::into_inner)));
    let mut lines = Lines::default();
    let mut buffer = [0; 8192];
    let read = loop {
        match reader.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(n) => lines.push(&buffer[..n], line),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    lines.finish(line);
    let status = loop {
        if let Some(status) = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait()? {
            break status;
        }
        std::thread::sleep(PAUSE);
    };
    drop(hook);
    read?;
    Ok(if stop.is_asked() { End::Stopped } else { End::Exit(status) })
}

/// What a command prints on standard output, if it ends well within `limit`.
pub(super) fn output(command: &mut Command, limit: Duration) -> Option<String> {
    let (stop, done) = (Stop::new(), Stop::new());
    let (to_stop, waiting) = (stop.clone(), done.clone());
    let watch = std::thread::spawn(move || {
        if !waiting.wait(limit) {
            to_stop.ask();
        }
    });
    let mut text = String::new();
    let end = run(command, &stop, &mut |line| {
        text.push_str(line);
        text.push('\n');
    });
    done.ask();
    // The watch cannot panic; were it to, nothing would be lost.
    let _ = watch.join();
    matches!(end, Ok(End::Exit(status)) if status.success()).then_some(text)
}

/// Kills a child, as long as it lives, with everything it started.
fn kill_group(child: &mut Child) {
    if let (Ok(None), Ok(group)) = (child.try_wait(), i32::try_from(child.id())) {
        // SAFETY: a plain system call. The child leads its group and has not been waited for, so that the number is still
        // its own.
        unsafe {
            libc::kill(-group, libc::SIGKILL);
        }
    }
}

/// Makes the kernel kill the child when the calling thread ends, in whatever way.
fn die_with_us(command: &mut Command) {
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; prctl is a plain system call.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

/// Bytes cut into lines; a carriage return ends one as well, as progress bars use it.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], line: &mut dyn FnMut(&str)) {
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => self.finish(line),
                _ if self.begun.len() < LONGEST_LINE => self.begun.push(*byte),
                _ => {}
            }
        }
    }

    fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.begun);
        let text = text.trim_end();
        if !text.is_empty() {
            line(&super::redact(text));
        }
        self.begun.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = command("/bin/sh");
        command.arg("-c").arg(script);
        command
    }

    fn lines(script: &str) -> Vec<String> {
        let mut lines = Vec::new();
        run(&mut shell(script), &Stop::new(), &mut |line| lines.push(line.to_owned())).unwrap();
        lines
    }

    #[test]
    fn lines_come_from_both_streams_without_secrets() {
        assert_eq!(lines("echo a; echo b >&2; printf 'c\\rd'; printf '\\377' >&2"), ["a", "b", "c", "d\u{fffd}"]);
        assert_eq!(lines("echo https://me:secret@example.org/x"), ["https://****@example.org/x"]);
        assert_eq!(lines("head -c 100000 /dev/zero | tr '\\0' x")[0].len(), LONGEST_LINE);
        assert!(run(&mut command("/nonexistent"), &Stop::new(), &mut |_| {}).is_err());
    }

    #[test]
    fn stopping_kills_the_child_and_what_it_started() {
        let stop = Stop::new();
        let mut children = Vec::new();
        let end = run(&mut shell("sleep 600 & echo $!; wait"), &stop, &mut |line| {
            children.push(line.to_owned());
            let stop = stop.clone();
            std::thread::spawn(move || stop.ask());
        });
        assert!(matches!(end, Ok(End::Stopped)));
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", children[0]));
            stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z"))
        };
        let until = std::time::Instant::now() + Duration::from_secs(30);
        while !gone() {
            assert!(std::time::Instant::now() < until, "{children:?} lives on");
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_hangs_is_given_up() {
        assert_eq!(output(&mut shell("echo hello"), Duration::from_secs(60)).as_deref(), Some("hello\n"));
        assert_eq!(output(&mut shell("sleep 600"), Duration::from_millis(20)), None);
        assert_eq!(output(&mut shell("exit 127"), Duration::from_secs(60)), None);
    }
}
