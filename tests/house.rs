//! The order of the house: walls between rooms, the length of files, what may not be written outside tests, and that the
//! example configuration lists every key. Reads the source as text, so that it says what is wrong before anything compiles.

#[path = "house/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use source::{Source, blank, files, is_in, lines_with, rooms_used, root, sources, without_tests};

/// The longest a source file may be, in lines.
const LONGEST: usize = 400;

/// Each room and the rooms it may use. `main.rs` and `lib.rs` may use all.
const ROOMS: &[(&str, &[&str])] = &[
    ("resources", &[]),
    ("stats", &[]),
    ("client", &["resources"]),
    ("config", &["resources"]),
    ("load", &["stats", "resources"]),
    ("rollout", &["resources", "stats", "client"]),
    ("server", &["resources", "stats"]),
    ("console", &["resources", "stats", "client", "config", "load"]),
    ("cli", &["resources", "client", "load", "config"]),
];

/// Words that belong to one place: (word, where it may stand, why).
const AT_HOME: &[(&str, &[&str], &str)] = &[
    ("rusqlite", &["server/store"], "only the store knows SQL"),
    ("tract_onnx", &["server/engine"], "only the engine knows tract"),
    ("crossterm", &["console", "main.rs"], "only the console knows the terminal"),
    ("ratatui", &["console", "main.rs"], "only the console draws"),
    ("CrosstermBackend", TERMINAL, "only console/term touches the terminal"),
    ("DefaultTerminal", TERMINAL, "only console/term touches the terminal"),
    ("enable_raw_mode", TERMINAL, "only console/term touches the terminal"),
    ("disable_raw_mode", TERMINAL, "only console/term touches the terminal"),
    ("crossterm::terminal", TERMINAL, "only console/term touches the terminal"),
    ("crossterm::cursor", TERMINAL, "only console/term touches the terminal"),
    ("crossterm::execute", TERMINAL, "only console/term touches the terminal"),
    ("crossterm::queue", TERMINAL, "only console/term touches the terminal"),
    ("EventStream", TERMINAL, "only console/term reads the terminal"),
    ("ratatui::init", TERMINAL, "only console/term touches the terminal"),
    ("ratatui::restore", TERMINAL, "only console/term touches the terminal"),
    (
        "tokio",
        &["client", "load", "server", "console", "cli", "main.rs"],
        "the nouns and the mathematics have no runtime",
    ),
    ("hyper", &["client", "load", "server", "main.rs"], "only client and server speak HTTP"),
    ("reqwest", &["client", "load"], "calls go through the client"),
];

const TERMINAL: &[&str] = &["console/term", "main.rs"];

/// What may not be written outside tests: (text, where it may nevertheless stand, what to do instead).
const UNWANTED: &[(&str, &[&str], &str)] = &[
    (".unwrap()", &[], "return the error, or handle the case"),
    (".expect(", &[], "return the error, or handle the case"),
    (".unwrap_err()", &[], "handle the case"),
    ("todo!", &[], "write it, or leave it out"),
    ("unimplemented!", &[], "write it, or leave it out"),
    ("unreachable!", &[], "make the case impossible by types, or handle it"),
    ("panic!", &[], "return an error: bad input never panics"),
    ("dbg!", &[], "remove it, or use tracing"),
    ("#[allow(dead_code)]", &[], "remove what nobody uses"),
    ("println!", &["cli", "main.rs"], "only commands print; elsewhere return the text or use tracing"),
    ("eprintln!", &["cli", "main.rs"], "only commands print; elsewhere return the error or use tracing"),
    ("print!", &["cli", "main.rs"], "only commands print; elsewhere return the text or use tracing"),
    ("eprint!", &["cli", "main.rs"], "only commands print; elsewhere return the text or use tracing"),
];

fn verdict(problems: &[String], advice: &str) {
    let mut text = String::new();
    problems.iter().for_each(|problem| writeln!(text, "  {problem}").unwrap());
    assert!(problems.is_empty(), "\n{} found:\n{text}{advice}\n", problems.len());
}

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let mut problems = Vec::new();
    for source in sources() {
        let Some((room, allowed)) = ROOMS.iter().find(|(room, _)| is_in(&source.path, &[room])) else { continue };
        for (line, other) in rooms_used(&source) {
            if other != *room && ROOMS.iter().any(|(name, _)| *name == other) && !allowed.contains(&other.as_str()) {
                problems.push(format!("src/{}:{line}: {room} uses {other}; it may use {allowed:?}", source.path));
            }
        }
    }
    verdict(
        &problems,
        "Move what both need to a room both may use, or pass it in as data. The table stands in tests/house.rs.",
    );
}

#[test]
fn each_tool_stays_in_its_room() {
    let mut problems = Vec::new();
    for source in sources() {
        for (word, home, why) in AT_HOME.iter().filter(|(_, home, _)| !is_in(&source.path, home)) {
            for line in lines_with(&source.shipped, word) {
                problems.push(format!("src/{}:{line}: {word} belongs to {}: {why}", source.path, home.join(", ")));
            }
        }
    }
    verdict(&problems, "Put the call behind a function of that room.");
}

#[test]
fn every_room_has_its_walls() {
    let map = sources().into_iter().find(|source| source.path == "lib.rs").unwrap();
    let mut problems = Vec::new();
    for (i, line) in map.code.lines().enumerate() {
        if let Some(room) = line.trim().strip_prefix("pub mod ").map(|room| room.trim_end_matches(';'))
            && !ROOMS.iter().any(|(name, _)| *name == room)
        {
            problems.push(format!("src/lib.rs:{}: {room}", i + 1));
        }
    }
    verdict(&problems, "Say in ROOMS of tests/house.rs what a new room may use.");
}

#[test]
fn no_file_is_too_long_to_read() {
    let mut problems = Vec::new();
    for path in
        ["src", "tests", "benches", "assets"].iter().flat_map(|folder| files(&root().join(folder), &["rs", "py"]))
    {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        if lines > LONGEST {
            problems.push(format!("{}: {lines} lines", path.strip_prefix(root()).unwrap().display()));
        }
    }
    verdict(&problems, &format!("{LONGEST} lines is the most: split the file by meaning, a sentence above each part."));
}

#[test]
fn nothing_shipped_panics_on_purpose_or_prints_in_passing() {
    let mut problems = Vec::new();
    for source in sources() {
        for (text, _, instead) in UNWANTED.iter().filter(|(_, home, _)| !is_in(&source.path, home)) {
            for line in lines_with(&source.shipped, text) {
                problems.push(format!("src/{}:{line}: {text} — {instead}", source.path));
            }
        }
    }
    verdict(&problems, "Code under #[cfg(test)] is free to.");
}

#[test]
fn nothing_is_left_for_later_without_saying_where() {
    let mut problems = Vec::new();
    for source in sources() {
        for (i, line) in source.text.lines().enumerate() {
            let marked = ["TODO", "FIXME", "XXX", "HACK"].iter().any(|word| !lines_with(line, word).is_empty());
            if marked && !line.contains('#') {
                problems.push(format!("src/{}:{}: {}", source.path, i + 1, line.trim()));
            }
        }
    }
    verdict(&problems, "Do it, or write it into an issue and name the issue (#12) here.");
}

/// Keys that `src/config` asks for: the first text in calls such as `fields.text("…")`.
fn configuration_keys() -> BTreeSet<String> {
    const READERS: [&str; 10] =
        [".text(", ".required(", ".bool(", ".choice(", ".whole(", ".count(", ".number(", ".map(", ".maps(", ".each("];
    const HELPERS: [&str; 2] = ["address(&mut fields, ", "path(folder, &mut fields, "];
    let mut keys = BTreeSet::new();
    for source in sources().iter().filter(|source| source.path.starts_with("config/read")) {
        for reader in READERS.iter().chain(&HELPERS) {
            for (at, _) in source.text.match_indices(reader) {
                let rest = source.text[at + reader.len()..].trim_start();
                let Some((key, _)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) else { continue };
                keys.insert(key.to_owned());
            }
        }
    }
    keys
}

#[test]
fn the_example_configuration_lists_every_key() {
    let example = fs::read_to_string(root().join("config.example.toml")).unwrap();
    let lines: Vec<&str> = example.lines().map(|line| line.trim_start_matches("# ").trim()).collect();
    let keys = configuration_keys();
    assert!(keys.len() > 20, "the reader of keys in this test has lost its way: {keys:?}");
    let listed = |key: &str| {
        let table = [format!("[{key}]"), format!("[{key}.")];
        lines.iter().any(|line| {
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
                || table.iter().any(|table| line.starts_with(table.as_str()))
        })
    };
    let problems: Vec<String> = keys.iter().filter(|key| !listed(key)).cloned().collect();
    verdict(&problems, "Add each to config.example.toml with its default (or commented out) and a plain sentence.");
}

#[test]
fn the_eyes_of_this_test_are_good() {
    let source = |text: &str| {
        let code = blank(text);
        let mut source = Source { path: "cli/run.rs".into(), text: text.into(), shipped: code.clone(), code };
        source.shipped = without_tests(&source).0;
        source
    };
    let text = "use crate::{client, server::App};\n// crate::console\nlet x = \"crate::console \\\" .unwrap()\"; 'a'; '\\'';\n\
                let y = r#\"x\".unwrap()\"#;\nfn f<'a>(x: &'a str) { super::super::stats::go(x).unwrap() }\n\
                #[cfg(test)]\nmod tests { fn g() { h().unwrap(); crate::load::x() } }\nfn k() {}\n";
    let source = source(text);
    assert_eq!(source.code.lines().count(), text.lines().count());
    let rooms: Vec<(usize, String)> = rooms_used(&source);
    let named = |line, name: &str| (line, name.to_owned());
    assert_eq!(rooms, [named(1, "client"), named(1, "server"), named(7, "load"), named(5, "stats")]);
    assert_eq!(lines_with(&source.shipped, ".unwrap()"), [5]);
    assert!(source.shipped.contains("fn k() {}") && !source.shipped.contains("fn g()"));
    let (_, declared) = without_tests(&Source {
        path: "a/b.rs".into(),
        text: "#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod more;".into(),
        code: blank("#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod more;"),
        shipped: String::new(),
    });
    assert_eq!(declared, ["a/b/tests.rs", "a/b_tests.rs"]);
    assert!(is_in("console/term/mod.rs", &["console/term"]) && !is_in("console/terms.rs", &["console/term"]));
    assert!(is_in("screen.rs", &["main.rs"]) && !is_in("lib.rs", &["main.rs"]) && !is_in("cli/x.rs", &["main.rs"]));
    assert!(lines_with("println!()", "print!").is_empty());
}
