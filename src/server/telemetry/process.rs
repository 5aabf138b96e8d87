//! The process's own use of the machine.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::resources::ProcessStats;

/// Memory of the machine, or of the control group that holds this process, in bytes; `None` where nobody tells.
pub fn machine_memory() -> Option<u64> {
    static TOTAL: LazyLock<Option<u64>> = LazyLock::new(|| {
        let mut system = System::new().ok()?;
        system.refresh_memory();
        let group = system.cgroup_limits().map(|limits| limits.total_memory).filter(|total| *total > 0);
        let total = system.total_memory();
        Some(group.map_or(total, |group| group.min(total))).filter(|total| *total > 0)
    });
    *TOTAL
}

/// Measures at most once a second, however many ask.
#[derive(Debug)]
pub(super) struct Sampler {
    /// `None` where the system tells nothing of processes.
    system: Option<System>,
    started: Instant,
    measured: Option<(Instant, u64)>,
    last: ProcessStats,
}

impl Sampler {
    pub fn new() -> Self {
        let last = ProcessStats { pid: std::process::id(), ..ProcessStats::default() };
        Self { system: System::new().ok(), started: Instant::now(), measured: None, last }
    }

    pub fn sample(&mut self) -> ProcessStats {
        let now = Instant::now();
        self.last.uptime_s = (now - self.started).as_secs();
        if self.measured.is_some_and(|(at, _)| now - at < Duration::from_millis(950)) {
            return self.last.clone();
        }
        let Some(system) = &mut self.system else { return self.last.clone() };
        let pid = Pid::from_u32(self.last.pid);
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory().with_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
        if let Some(process) = system.process(pid) {
            let cpu_ms = process.accumulated_cpu_time();
            if let Some((at, before)) = self.measured {
                let wall = (now - at).as_secs_f32() * 1e3;
                self.last.cpu_percent = cpu_ms.saturating_sub(before) as f32 / wall * 100.0;
            }
            self.measured = Some((now, cpu_ms));
            self.last.rss_bytes = process.memory();
            let tasks = process.tasks().map_or(0, |tasks| tasks.len());
            self.last.threads = u32::try_from(tasks).unwrap_or(u32::MAX).max(1);
        }
        self.last.clone()
    }
}
