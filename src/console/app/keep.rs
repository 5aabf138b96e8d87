//! Requests that were sent, kept beside the state file for the next run; files read for a screen; and the configuration,
//! read again whenever it changes.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::UnboundedSender;

use super::event::Event;
use super::options::Reload;

use crate::console::answer::history::{History, MAX_ENTRIES};

/// Between two looks at the configuration's file.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The largest file that is read into a screen, in bytes.
const LARGEST: u64 = 16 << 20;

fn place(state_file: Option<&Path>) -> Option<PathBuf> {
    state_file.map(|path| path.with_file_name("requests.jsonl"))
}

/// Requests and bodies are the user's own: nobody else may read them.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

/// The requests of earlier runs; a file that has grown past what is kept is written anew.
pub fn recall(state_file: Option<&Path>) -> String {
    let Some(path) = place(state_file) else { return String::new() };
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    if text.lines().count() <= 2 * MAX_ENTRIES {
        return text;
    }
    let text = History::read(&text).text();
    let part = path.with_extension("part");
    let written = private().write(true).truncate(true).open(&part).and_then(|mut file| file.write_all(text.as_bytes()));
    if let Err(error) = written.and_then(|()| std::fs::rename(&part, &path)) {
        tracing::warn!("cannot shorten {}: {error}", path.display());
    }
    text
}

/// Adds a request.
pub fn remember(state_file: Option<&Path>, line: &str) {
    let Some(path) = place(state_file) else { return };
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| private().append(true).open(&path))
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        tracing::warn!("cannot keep the request in {}: {error}", path.display());
    }
}

/// A file as text.
pub fn open(path: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot read {path}: {error}");
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?;
    if !size.is_file() || size.len() > LARGEST {
        return Err(format!("{path} cannot be taken: a file of up to 16 MB is needed"));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Reads the configuration again whenever its file has changed since `seen` and come to rest; an editor writes in several
/// steps.
pub async fn watch(path: PathBuf, mut seen: Option<Stamp>, reload: Reload, events: UnboundedSender<Event>) {
    let mut restless = false;
    while !events.is_closed() {
        tokio::time::sleep(LOOK_EVERY).await;
        let looked = path.clone();
        let now = tokio::task::spawn_blocking(move || stamp(&looked)).await.ok().flatten();
        let changed = std::mem::replace(&mut seen, now) != now;
        if restless && !changed {
            // A closed channel means the console is on its way out.
            let _ = events.send(Event::Config(reload()));
        }
        restless = changed;
    }
}

/// When a file was changed, and its length.
pub type Stamp = (SystemTime, u64);

/// What tells one version of a file from the next; `None` while it is not there.
pub fn stamp(path: &Path) -> Option<Stamp> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::answer::history::Sent;

    #[tokio::test]
    async fn a_configuration_that_changes_is_read_again_once_it_rests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let (events, mut inbox) = tokio::sync::mpsc::unbounded_channel();
        let theirs = path.clone();
        let reload: Reload = std::sync::Arc::new(move || Err(std::fs::read_to_string(&theirs).unwrap_or_default()));
        let seen = stamp(&path);
        std::fs::write(&path, "#").unwrap();
        // changed before the first look
        let watcher = tokio::spawn(watch(path.clone(), seen, reload, events));
        let told = inbox.recv().await;
        let Some(Event::Config(Err(text))) = told else { panic!("{told:?}") };
        assert_eq!(text, "#");
        drop(inbox);
        watcher.await.unwrap();
    }

    #[test]
    fn requests_survive_a_restart_and_the_file_stays_short() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("sub/state.json");
        assert_eq!(recall(Some(&state)), "");
        for at_ms in 0..(2 * MAX_ENTRIES as i64 + 1) {
            remember(Some(&state), &History::line(&Sent { at_ms, ..Sent::default() }));
        }
        let history = History::read(&recall(Some(&state)));
        assert_eq!(history.len(), MAX_ENTRIES);
        assert_eq!(recall(Some(&state)).lines().count(), MAX_ENTRIES);
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join("sub/requests.jsonl")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(open(folder.path().to_str().unwrap()).is_err());
    }
}
