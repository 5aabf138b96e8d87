//! How far a build is, from what uv and pip say.

use super::Progress;

/// Reads the lines of a build and knows how far it is.
#[derive(Debug, Default)]
pub(super) struct Meter {
    progress: Progress,
}

impl Meter {
    /// Takes a line; how far it is now, when the line tells anything of it.
    pub fn line(&mut self, line: &str) -> Option<Progress> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let progress = &mut self.progress;
        match words.as_slice() {
            // uv
            ["Resolved", count, ..] => {
                *progress = Progress { phase: "downloading", total: count.parse().ok()?, ..Progress::default() };
            }
            ["Downloading", _, size] if size.starts_with('(') => {
                progress.phase = "downloading";
                progress.bytes = progress.bytes.saturating_add(bytes(size)?);
            }
            ["Downloaded" | "Built", ..] => progress.done = (progress.done + 1).min(progress.total),
            ["Building", ..] => progress.phase = "building",
            ["Prepared", _, "package" | "packages", ..] => {
                progress.phase = "installing";
                progress.done = progress.total;
            }
            ["Installed", count, "package" | "packages", ..] => {
                progress.phase = "compiling";
                progress.total = count.parse().ok()?;
                progress.done = progress.total;
            }
            // pip
            ["Collecting", ..] => {
                progress.phase = "downloading";
                progress.done += 1;
            }
            ["Downloading", _, number, unit] if number.starts_with('(') => {
                progress.bytes = progress.bytes.saturating_add(bytes(&format!("{number}{unit}"))?);
            }
            ["Installing", "collected", "packages:", names @ ..] => {
                progress.phase = "installing";
                progress.total = u32::try_from(names.len()).ok()?;
                progress.done = 0;
            }
            ["Successfully", "installed", names @ ..] => {
                progress.total = u32::try_from(names.len()).ok()?;
                progress.done = progress.total;
            }
            _ => return None,
        }
        Some(progress.clone())
    }
}

/// `(35.9MiB)` or `(103kB)` in bytes.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim_matches(['(', ')', ',']);
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let unit = match text[at..].to_ascii_lowercase().as_str() {
        "b" | "bytes" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        _ => return None,
    };
    let bytes = text[..at].parse::<f64>().ok()? * unit;
    // Far beyond any package; a float that does not fit is cut off.
    Some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn last(lines: &str) -> Progress {
        let mut meter = Meter::default();
        lines.lines().filter_map(|line| meter.line(line)).last().unwrap_or_default()
    }

    #[test]
    fn the_lines_of_uv_tell_how_far_it_is() {
        let (resolved, loading) = (
            "Resolved 4 packages in 243ms\n",
            "   Building six==1\nDownloading numpy (15.9MiB)\n Downloading scipy (1.5KiB)\n Downloaded numpy\n",
        );
        assert_eq!(last(resolved), Progress { phase: "downloading", total: 4, ..Progress::default() });
        let now = last(&format!("{resolved}{loading}"));
        assert_eq!((now.phase, now.done, now.total, now.bytes), ("downloading", 1, 4, 16_672_358 + 1_536));
        let now = last(&format!("{resolved}{loading}Prepared 4 packages in 12ms\nInstalled 4 packages in 7ms"));
        assert_eq!((now.phase, now.done, now.total), ("compiling", 4, 4));
    }

    #[test]
    fn the_lines_of_pip_tell_how_far_it_is() {
        let now = last("Collecting flask\n  Downloading flask-3.1.3-py3-none-any.whl (103 kB)\nCollecting six");
        assert_eq!((now.phase, now.done, now.total, now.bytes), ("downloading", 2, 0, 103_000));
        let now = last("Collecting flask\nInstalling collected packages: six, flask");
        assert_eq!((now.phase, now.done, now.total), ("installing", 0, 2));
    }

    proptest! {
        #[test]
        fn no_line_panics(any in "\\PC{0,60}", near in "(Resolved|Downloading|Installed|Collecting) [0-9a-z.(]{0,12} [0-9.kMB()i]{0,20}") {
            let mut meter = Meter::default();
            let _ = (meter.line(&any), meter.line(&near), meter.line(&near));
        }
    }
}
