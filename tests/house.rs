//! The walls between the rooms, and the habits a machine can check. `src/lib.rs` has the map.

use std::fs;
use std::path::{Path, PathBuf};

/// A room and the rooms it may know.
const ROOMS: &[(&str, &[&str])] = &[
    ("resources", &[]),
    ("stats", &[]),
    ("config", &["resources"]),
    ("client", &["resources"]),
    ("load", &["stats", "resources"]),
    ("server", &["resources", "stats"]),
    ("cli", &["resources", "client", "load", "config"]),
    ("console", &["resources", "stats", "client", "config", "load"]),
];

/// A crate, or a part of one, and the only places that may name it.
const CRATES: &[(&str, &[&str])] = &[
    ("rusqlite", &["server/store/"]),
    ("tract_", &["server/engine/"]),
    ("ratatui", &["console/", "main.rs"]),
    ("crossterm", &["console/", "main.rs"]),
    ("enable_raw_mode", &["console/term/"]),
    ("EnterAlternateScreen", &["console/term/"]),
    ("reqwest", &["client/", "load/"]),
];

/// What a room of plain data or mathematics has no business with.
const PLAIN: &[(&str, &[&str])] = &[
    ("resources/", &["tokio", "hyper", "ratatui", "reqwest", "rusqlite"]),
    ("stats/", &["tokio", "hyper", "ratatui", "reqwest", "rusqlite"]),
];

const LONGEST: usize = 400;

/// A source file: its path under `src/` (or the repository) and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Lines of code with their numbers: no comments, and nothing from the file's tests on.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let ends = if self.path.contains("tests") { 0 } else { self.text.lines().count() };
        self.text
            .lines()
            .enumerate()
            .take(ends)
            .take_while(|(_, line)| !line.trim_start().starts_with("#[cfg(test)]"))
            .map(|(i, line)| (i + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(!found.is_empty() || folder != "src", "no sources under {}", root.display());
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|e| e == "rs" || e == "py") {
            let name = path.strip_prefix(root).expect("a path below the root").to_string_lossy().replace('\\', "/");
            found.push(Source { path: name, text: fs::read_to_string(&path).expect("a source file is text") });
        }
    }
}

/// The names that follow `prefix` in a line, as far as they are identifiers.
fn names_after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    line.match_indices(prefix)
        .map(|(at, found)| {
            let rest = &line[at + found.len()..];
            &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
        })
        .collect()
}

fn report(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn rooms_know_only_the_rooms_they_may() {
    let mut found = Vec::new();
    for source in sources("src") {
        let room = source.path.split(['/', '.']).next().unwrap_or_default();
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else { continue };
        // The whole file, tests included: a wall with a door for tests is none.
        for (i, line) in source.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for other in names_after(line, "crate::") {
                if other != room && ROOMS.iter().any(|(name, _)| *name == other) && !allowed.contains(&other) {
                    found.push(format!("src/{}:{} knows {other}", source.path, i + 1));
                }
            }
        }
    }
    report(found, "a room may know only those named beside it in ROOMS");
}

#[test]
fn every_room_is_on_the_map() {
    let lib = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).expect("src/lib.rs");
    let declared: Vec<&str> = lib.lines().flat_map(|line| names_after(line, "pub mod ")).collect();
    for room in &declared {
        assert!(ROOMS.iter().any(|(name, _)| name == room), "room {room} has no entry in tests/house.rs");
    }
}

#[test]
fn special_crates_stay_in_their_place() {
    let mut found = Vec::new();
    for source in sources("src") {
        for (number, line) in source.code() {
            for (name, places) in CRATES {
                if line.contains(name) && !places.iter().any(|place| source.path.starts_with(place)) {
                    found.push(format!("src/{}:{number} names {name}", source.path));
                }
            }
            for (room, strangers) in PLAIN {
                for stranger in strangers.iter().filter(|_| source.path.starts_with(room)) {
                    if line.contains(&format!("{stranger}::")) {
                        found.push(format!("src/{}:{number} names {stranger}", source.path));
                    }
                }
            }
        }
    }
    report(found, "one place for SQL, one for the engine, one for the terminal");
}

#[test]
fn files_are_short() {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches", "assets"] {
        for source in sources(folder) {
            let lines = source.text.lines().count();
            if lines > LONGEST {
                found.push(format!("{folder}/{} has {lines} lines", source.path));
            }
        }
    }
    report(found, "a file has at most 400 lines: split it by meaning");
}

#[test]
fn no_shortcuts_outside_tests() {
    let shortcuts = [".unwrap()", ".expect(", "todo!(", "unimplemented!(", "dbg!(", "#[allow(dead_code)]"];
    let mut found = Vec::new();
    for source in sources("src") {
        for (number, line) in source.code() {
            for shortcut in shortcuts {
                if line.contains(shortcut) {
                    found.push(format!("src/{}:{number} {}", source.path, line.trim()));
                }
            }
        }
    }
    report(found, "errors are handled, and nothing is left for later");
}
