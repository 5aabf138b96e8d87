//! A log file that turns over: `name.log`, `name.log.1`, `name.log.2`, a JSON line each.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::resources::LogLine;

/// Size at which the file turns over.
const FILE_BYTES: u64 = 10 * 1024 * 1024;
/// Files kept, the current one included.
const FILES: usize = 3;

#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    limit: u64,
    open: Option<(File, u64)>,
    failed: bool,
}

impl RotatingFile {
    /// Nothing is created before the first line.
    pub fn new(path: PathBuf) -> Self {
        Self { path, limit: FILE_BYTES, open: None, failed: false }
    }

    fn generation(path: &Path, n: usize) -> PathBuf {
        if n == 0 {
            return path.to_owned();
        }
        let mut name = OsString::from(path);
        name.push(format!(".{n}"));
        PathBuf::from(name)
    }

    /// The last `n` lines on disk, oldest first. Lines that a crash cut short are skipped.
    pub fn tail(&self, n: usize) -> Vec<LogLine> {
        let mut last: VecDeque<LogLine> = VecDeque::new();
        for generation in (0..FILES).rev() {
            let Ok(file) = File::open(Self::generation(&self.path, generation)) else { continue };
            for line in BufReader::new(file).split(b'\n').map_while(Result::ok) {
                if let Ok(line) = serde_json::from_slice(&line) {
                    if last.len() >= n {
                        last.pop_front();
                    }
                    last.push_back(line);
                }
            }
        }
        last.into()
    }

    /// Appends a line. A full or read-only disk is reported once; the log goes on in memory, and tries again at the
    /// next line.
    pub fn write(&mut self, line: &LogLine) {
        match self.try_write(line) {
            Ok(()) => self.failed = false,
            Err(error) => {
                self.open = None;
                if !std::mem::replace(&mut self.failed, true) {
                    tracing::warn!(path = %self.path.display(), %error, "log lines stay in memory: the file cannot be written");
                }
            }
        }
    }

    fn try_write(&mut self, line: &LogLine) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let length = text.len() as u64;
        if self.open.as_ref().is_some_and(|(_, size)| size + length > self.limit) {
            self.turn_over()?;
        }
        let (file, size) = match &mut self.open {
            Some(open) => open,
            None => {
                if let Some(folder) = self.path.parent() {
                    fs::create_dir_all(folder)?;
                }
                let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.path)?;
                let mut size = file.metadata()?.len();
                if size > 0 && !ends_a_line(&mut file)? {
                    // A crash cut the last line short; ours begins on a line of its own.
                    file.write_all(b"\n")?;
                    size += 1;
                }
                self.open.insert((file, size))
            }
        };
        file.write_all(&text)?;
        *size += length;
        Ok(())
    }

    fn turn_over(&mut self) -> std::io::Result<()> {
        self.open = None;
        for n in (1..FILES).rev() {
            let from = Self::generation(&self.path, n - 1);
            if from.exists() {
                fs::rename(from, Self::generation(&self.path, n))?;
            }
        }
        Ok(())
    }

    /// Deletes all files.
    pub fn remove(self) {
        for n in 0..FILES {
            // Absent is as good as removed.
            let _ = fs::remove_file(Self::generation(&self.path, n));
        }
        if let Some(folder) = self.path.parent() {
            // Only goes when it is empty.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn ends_a_line(file: &mut File) -> std::io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64) -> LogLine {
        LogLine { seq, text: format!("line {seq}"), container: "inference-server".into(), ..LogLine::default() }
    }

    #[test]
    fn the_file_turns_over_and_keeps_the_newest_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("endpoint/blue.log");
        let mut file = RotatingFile { limit: 1_000, ..RotatingFile::new(path.clone()) };
        for seq in 1..=200 {
            file.write(&line(seq));
        }
        for n in 0..FILES {
            assert!(fs::metadata(RotatingFile::generation(&path, n)).unwrap().len() <= 1_000);
        }
        assert!(!RotatingFile::generation(&path, FILES).exists());
        let tail = RotatingFile::new(path.clone()).tail(5);
        assert_eq!(tail.iter().map(|l| l.seq).collect::<Vec<_>>(), [196, 197, 198, 199, 200]);
        file.remove();
        assert!(!folder.path().join("endpoint").exists());
    }

    #[test]
    fn a_line_cut_short_by_a_crash_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blue.log");
        let mut file = RotatingFile::new(path.clone());
        file.write(&line(1));
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":2,\"te").unwrap();
        RotatingFile::new(path.clone()).write(&line(3));
        let seqs: Vec<u64> = RotatingFile::new(path).tail(10).iter().map(|l| l.seq).collect();
        assert_eq!(seqs, [1, 3]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_the_file_not_the_caller() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        fs::write(&blocked, "not a folder").unwrap();
        let mut file = RotatingFile::new(blocked.join("blue.log"));
        file.write(&line(1));
        assert!(file.failed);
    }
}
