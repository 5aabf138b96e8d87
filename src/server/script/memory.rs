//! How much memory the processes of an instance take.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;

use crate::server::telemetry::lock;

/// Processes looked at below one; a script with more is not followed further.
const FAMILY: usize = 256;

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
