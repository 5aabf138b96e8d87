//! `serve` in a process of its own, and what a process takes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use color_eyre::eyre::{Result, eyre};
use mlconsole::resources::Connection;

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A workspace in a process of its own, ended with it.
pub struct Serving {
    child: Child,
    pub connection: Connection,
    pub started: Instant,
}

impl Serving {
    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // SAFETY: a signal to the process this program started and has not waited for yet.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        let _ = self.child.wait();
    }
}

/// Starts `serve` on a data folder and waits until it answers.
pub fn serve(data: &Path) -> Result<Serving> {
    let ready = data.with_extension("ready");
    let _ = std::fs::remove_file(&ready);
    let started = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_mlconsole"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data)
        .arg("--ready-file")
        .arg(&ready)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    while started.elapsed() < PATIENCE {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            return Ok(Serving { child, connection: serde_json::from_str(&text)?, started });
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Err(eyre!("the workspace was not ready within {PATIENCE:?}"))
}

/// Resident KiB and processor seconds so far, from /proc.
pub fn usage(pid: u32) -> Result<(u64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or_else(|| eyre!("no VmRSS"))?;
    let kib = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).ok_or_else(|| eyre!("VmRSS is no number"))?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after = stat.rsplit_once(')').ok_or_else(|| eyre!("no name in stat"))?.1;
    let ticks: f64 = after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    Ok((kib, ticks / 100.0))
}
