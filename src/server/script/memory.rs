//! How much memory the processes of an instance take.
//!
//! A worker over its instance's memory is killed, as on Azure. The system's own limits would be another contract: RLIMIT_AS
//! and RLIMIT_DATA count what is reserved, which libraries do generously, and answer with MemoryError; a cgroup needs rights
//! that a program started from a shell seldom has. So memory is looked at, the sooner the less is left.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use crate::server::telemetry::lock;

/// Processes looked at below one; a script with more is not followed further.
const FAMILY: usize = 256;
/// Bytes that one process fills in a second at most: a thread filled 2.3 GiB where that was measured, and there are faster
/// machines and more threads.
const FASTEST: u64 = 16 << 30;
/// Between two looks, where much is left and where little is.
pub const RARELY: Duration = Duration::from_millis(200);
const OFTEN: Duration = Duration::from_millis(5);

/// Until the next look: before that what is left cannot be filled by so many processes, or little more than it.
pub fn pause(left: u64, processes: u32) -> Duration {
    let per_second = FASTEST.saturating_mul(u64::from(processes.max(1)));
    Duration::from_secs_f64(left as f64 / per_second as f64).clamp(OFTEN, RARELY)
}

/// What each process took when it was last looked at: by instance and number of the process.
#[derive(Debug, Default)]
pub struct Usage(Mutex<BTreeMap<(u32, u64), u64>>);

impl Usage {
    /// Notes what a process takes; the answer is what its instance takes, and whether it takes most of that.
    pub fn note(&self, instance: u32, process: u64, bytes: u64) -> (u64, bool) {
        let mut all = lock(&self.0);
        all.insert((instance, process), bytes);
        let mine = || all.range((instance, 0)..=(instance, u64::MAX)).map(|(_, bytes)| *bytes);
        (mine().sum(), mine().all(|other| other <= bytes))
    }

    pub fn forget(&self, instance: u32, process: u64) {
        lock(&self.0).remove(&(instance, process));
    }

    /// What the instance that takes most takes.
    pub fn largest(&self) -> u64 {
        let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
        lock(&self.0).iter().for_each(|((instance, _), bytes)| *sums.entry(*instance).or_default() += bytes);
        sums.into_values().max().unwrap_or(0)
    }
}

/// Bytes that a process and its children have in memory; pages that they share count for each of them. Nothing where the
/// system does not tell.
pub fn resident(pid: u32) -> u64 {
    family(pid).into_iter().filter_map(pages).sum::<u64>().saturating_mul(page_size())
}

/// The same with shared pages divided among those who share them. It costs more to find out.
pub fn proportional(pid: u32) -> Option<u64> {
    let of = |pid: u32| -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    };
    let all: Vec<u64> = family(pid).into_iter().filter_map(of).collect();
    (!all.is_empty()).then(|| all.iter().sum())
}

fn pages(pid: u32) -> Option<u64> {
    fs::read_to_string(format!("/proc/{pid}/statm")).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn page_size() -> u64 {
    // SAFETY: asks for a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

/// A process and all below it.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while at < all.len() && all.len() < FAMILY {
        let threads = fs::read_dir(format!("/proc/{}/task", all[at])).into_iter().flatten().flatten();
        for thread in threads {
            let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_takes_what_its_processes_take() {
        let usage = Usage::default();
        assert_eq!(usage.note(0, 1, 10), (10, true));
        assert_eq!(usage.note(0, 2, 30), (40, true));
        assert_eq!(usage.note(0, 1, 20), (50, false));
        assert_eq!(usage.note(1, 3, 5), (5, true));
        assert_eq!(usage.largest(), 50);
        usage.forget(0, 2);
        assert_eq!(usage.largest(), 20);
    }

    #[test]
    fn what_is_left_of_the_memory_cannot_be_filled_unseen() {
        for (left, processes) in [(0, 1), (1 << 20, 1), (1 << 30, 1), (1 << 30, 4), (1 << 32, 4), (1 << 40, 64)] {
            let filled = pause(left, processes).as_secs_f64() * FASTEST as f64 * f64::from(processes);
            let beyond = OFTEN.as_secs_f64() * FASTEST as f64 * f64::from(processes);
            assert!(filled <= (left as f64 * 1.001).max(beyond), "{left} {processes}: {filled}");
        }
        assert_eq!((pause(u64::MAX, 1), pause(0, 64)), (RARELY, OFTEN));
    }

    #[test]
    fn this_process_takes_some_memory_and_its_children_count() {
        let me = std::process::id();
        let mine = resident(me);
        assert!(mine > 1 << 20, "{mine}");
        assert!(proportional(me).is_none_or(|pss| pss <= mine.saturating_mul(2)));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(family(me).contains(&child.id()) || !std::path::Path::new("/proc/self/task").exists());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
