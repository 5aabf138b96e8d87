//! Pickles: files that run code when they are loaded (reference scoring-and-mlflow §5).

use std::fs;
use std::path::{Path, PathBuf};

/// Entries looked at in a model's folder, and how deep: a pickle that matters lies near the top.
const ENTRIES: usize = 2_000;
const DEPTH: usize = 4;

/// What whoever registers a pickle should know; `None` for a model without one. Nothing is loaded.
pub fn note(path: &Path) -> Option<String> {
    let file = find(path)?;
    Some(format!(
        "'{}' is a pickle: loading it runs whatever code is in it. To keep it is harmless; a deployment or a conversion of \
         it is a program that runs on this machine with your rights. Trust whom it comes from before either.",
        file.display()
    ))
}

/// The first pickle at or below a path, relative to it; its own name if it is the path itself.
fn find(path: &Path) -> Option<PathBuf> {
    if !path.is_dir() {
        return (is_pickle(path) && path.is_file()).then(|| path.file_name().map(PathBuf::from)).flatten();
    }
    let mut folders = vec![(path.to_owned(), 0)];
    let mut left = ENTRIES;
    while let Some((folder, depth)) = folders.pop() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(&folder).into_iter().flatten().flatten().take(left).map(|entry| entry.path()).collect();
        left = left.saturating_sub(entries.len());
        entries.sort();
        if let Some(file) = entries.iter().find(|entry| is_pickle(entry) && entry.is_file()) {
            return file.strip_prefix(path).map(Path::to_owned).ok();
        }
        if depth < DEPTH {
            folders.extend(entries.into_iter().filter(|entry| entry.is_dir()).map(|entry| (entry, depth + 1)));
        }
    }
    None
}

fn is_pickle(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    ["pkl", "pickle", "joblib"].contains(&extension.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pickle_is_found_near_the_top_and_named() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(note(place.path()), None);
        fs::write(place.path().join("notes.txt"), "x").unwrap();
        assert_eq!(note(&place.path().join("notes.txt")), None);
        fs::create_dir(place.path().join("model")).unwrap();
        fs::write(place.path().join("model").join("python_model.PKL"), "x").unwrap();
        let text = note(place.path()).unwrap();
        assert!(text.starts_with("'model/python_model.PKL' is a pickle"), "{text}");
        let file = note(&place.path().join("model").join("python_model.PKL")).unwrap();
        assert!(file.starts_with("'python_model.PKL'"), "{file}");
        assert_eq!(note(&place.path().join("gone.pkl")), None);
    }
}
