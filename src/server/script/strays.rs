//! What a script has started and let go of: processes in sessions of their own whose parents are gone. Neither a group nor
//! an ancestor tells whose they are; the environment they were born with does, unless the script gave them another one.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The variable that names a worker, to its children and theirs: its folder for temporary files, which is its own.
pub const MARK: &str = "MLCONSOLE_WORKER";
/// Looks in a row that find some before it is given up: a process that waits for a device cannot be ended.
const LOOKS: u32 = 20;

/// Ends a worker's strays. While they are looked for they may have children, so that it looks until there are none.
pub fn end(temporary: &Path) {
    let mark = [MARK.as_bytes(), b"=", temporary.as_os_str().as_bytes()].concat();
    for _ in 0..LOOKS {
        let found = bearers(&mark);
        if found.is_empty() {
            return;
        }
        for pid in found {
            // SAFETY: a number and a signal go to the system; the process bore the mark a moment ago.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
}

/// Processes with such a variable; none where the system does not tell.
fn bearers(mark: &[u8]) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let bears = |pid: &i32| {
        // Those of other users cannot be read; those that have ended have none.
        let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        variables.split(|byte| *byte == 0).any(|variable| variable == mark)
    };
    let number = |name: &OsStr| name.to_str()?.parse().ok();
    entries.filter_map(|entry| number(&entry.file_name())).filter(bears).collect()
}
