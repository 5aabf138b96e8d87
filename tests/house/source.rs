//! Rust source as text: what is code, what is comment, what is only compiled for tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A source file below `src/`.
pub struct Source {
    /// Relative to `src/`, with forward slashes.
    pub path: String,
    pub text: String,
    /// The text with comments and the content of strings blanked out; same length, same lines.
    pub code: String,
    /// Like `code`, without anything that is only compiled for tests.
    pub shipped: String,
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn sources() -> Vec<Source> {
    let paths = files(&root().join("src"), &["rs"]);
    assert!(!paths.is_empty(), "no sources below {}", root().join("src").display());
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let code = blank(&text);
        let relative = path.strip_prefix(root().join("src")).unwrap().to_string_lossy().replace('\\', "/");
        Source { path: relative, shipped: code.clone(), code, text }
    };
    let mut sources: Vec<Source> = paths.iter().map(read).collect();
    let mut only_tests = BTreeSet::new();
    for source in &mut sources {
        let (shipped, files) = without_tests(source);
        source.shipped = shipped;
        only_tests.extend(files);
    }
    let of_tests = |path: &str| {
        only_tests
            .iter()
            .any(|file: &String| path == file || path.starts_with(&format!("{}/", file.trim_end_matches(".rs"))))
    };
    for source in sources.iter_mut().filter(|source| of_tests(&source.path)) {
        source.shipped = blank_all(&source.code);
    }
    sources
}

/// Files below `folder`, as far as there is one, that end in one of `extensions`.
pub fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extensions));
        } else if path.extension().is_some_and(|is| extensions.iter().any(|extension| is == *extension)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Blanks out comments and the content of string and character literals, keeping every line break.
pub fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let skip = |out: &mut String, from: usize, to: usize| {
        chars[from..to.min(chars.len())].iter().for_each(|c| out.push(if *c == '\n' { '\n' } else { ' ' }));
        to.min(chars.len())
    };
    let find = |from: usize, end: &str| {
        let end: Vec<char> = end.chars().collect();
        (from..chars.len()).find(|i| chars[*i..].starts_with(&end)).map_or(chars.len(), |i| i + end.len())
    };
    while at < chars.len() {
        let rest = &chars[at..];
        let word_before = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
        if rest.starts_with(&['/', '/']) {
            let end = find(at, "\n");
            at = skip(&mut out, at, if end == chars.len() && chars[end - 1] != '\n' { end } else { end - 1 });
        } else if rest.starts_with(&['/', '*']) {
            let (mut depth, mut end) = (1, at + 2);
            while depth > 0 && end < chars.len() {
                match (chars[end], chars.get(end + 1)) {
                    ('/', Some('*')) => (depth, end) = (depth + 1, end + 2),
                    ('*', Some('/')) => (depth, end) = (depth - 1, end + 2),
                    _ => end += 1,
                }
            }
            at = skip(&mut out, at, end);
        } else if let Some(hashes) = raw_string(rest).filter(|_| !word_before) {
            let open = rest.iter().position(|c| *c == '"').unwrap();
            let end = find(at + open + 1, &format!("\"{}", "#".repeat(hashes)));
            at = skip(&mut out, at, end);
        } else if rest[0] == '"' {
            let mut end = at + 1;
            while end < chars.len() && chars[end] != '"' {
                end += if chars[end] == '\\' { 2 } else { 1 };
            }
            at = skip(&mut out, at, end + 1);
        } else if rest[0] == '\'' && rest.get(1) == Some(&'\\') {
            let end = find(at + 3, "'");
            at = skip(&mut out, at, end);
        } else if rest[0] == '\'' && rest.get(2) == Some(&'\'') {
            at = skip(&mut out, at, at + 3);
        } else {
            out.push(rest[0]);
            at += 1;
        }
    }
    out
}

/// Number of hashes if a raw string (`r"`, `br##"`, …) starts here.
fn raw_string(rest: &[char]) -> Option<usize> {
    let rest = rest.strip_prefix(&['b']).or(rest.strip_prefix(&['c'])).unwrap_or(rest);
    let rest = rest.strip_prefix(&['r'])?;
    let hashes = rest.iter().take_while(|c| **c == '#').count();
    (rest.get(hashes) == Some(&'"')).then_some(hashes)
}

fn blank_all(code: &str) -> String {
    code.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

/// The code without items under `#[cfg(test)]`, and the files (relative to `src/`) of modules declared there.
pub fn without_tests(source: &Source) -> (String, Vec<String>) {
    let (code, text): (Vec<char>, Vec<char>) = (source.code.chars().collect(), source.text.chars().collect());
    let marker: Vec<char> = "#[cfg(test)]".chars().collect();
    let mut out = code.clone();
    let mut files = Vec::new();
    let mut at = 0;
    while at < code.len() {
        if !code[at..].starts_with(&marker) {
            at += 1;
            continue;
        }
        let (mut end, mut depth) = (at + marker.len(), 0);
        while end < code.len() {
            match code[end] {
                '{' | '(' | '[' => depth += 1,
                '}' if depth == 1 => break,
                '}' | ')' | ']' => depth -= 1,
                ';' if depth == 0 => break,
                _ => {}
            }
            end += 1;
        }
        let item: String = text[at..end.min(text.len())].iter().collect();
        if let Some((before, name)) = item.rsplit_once("mod ").filter(|_| code.get(end) == Some(&';')) {
            let folder = Path::new(&source.path).parent().unwrap_or(Path::new(""));
            let stem = Path::new(&source.path).file_stem().unwrap().to_string_lossy().into_owned();
            let own =
                if ["mod", "lib", "main"].contains(&stem.as_str()) { folder.to_owned() } else { folder.join(stem) };
            let file = match before.split_once("path = \"").and_then(|(_, rest)| rest.split_once('"')) {
                Some((path, _)) => folder.join(path),
                None => own.join(format!("{}.rs", name.trim())),
            };
            files.push(file.to_string_lossy().replace('\\', "/"));
        }
        let end = (end + 1).min(code.len());
        out[at..end].iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
        at = end;
    }
    (out.into_iter().collect(), files)
}

/// Every place where `word` stands as a word of its own, as line numbers.
pub fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (starts, ends) = (part(word.chars().next()), part(word.chars().last()));
    let alone = |at: &usize| {
        !(starts && part(code[..*at].chars().next_back()) || ends && part(code[at + word.len()..].chars().next()))
    };
    let places = code.match_indices(word).map(|(at, _)| at).filter(alone);
    places.map(|at| 1 + code[..at].matches('\n').count()).collect()
}

/// Whether a file (relative to `src/`) lies in one of `places`. `main.rs` stands for all of the binary's own files: those
/// directly in `src/` but for `lib.rs`.
pub fn is_in(path: &str, places: &[&str]) -> bool {
    let of_main = !path.contains('/') && path != "lib.rs";
    places.iter().any(|place| match path.strip_prefix(place) {
        Some(rest) => rest.is_empty() || rest.starts_with(['/', '.']),
        None => of_main && *place == "main.rs",
    })
}

/// Rooms named after `crate::` (or after as many `super::` as lead out of the file's own room), with their lines. Tests
/// count too: a wall with a door for tests is none.
pub fn rooms_used(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    let parts = source.path.trim_end_matches(".rs").split('/');
    let depth = parts.filter(|part| *part != "mod").count();
    let mut used = Vec::new();
    let mut note = |at: usize, rest: &str| {
        let line = 1 + code[..at].matches('\n').count();
        let ident = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.trim_start().strip_prefix('{') {
            // `crate::{a::b, c}`: the first word of every part at the first level.
            Some(group) => {
                let (mut depth, mut start) = (0_i32, true);
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            used.push((line, ident(&group[i..])));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => used.push((line, ident(rest.trim_start()))),
        }
    };
    for (at, _) in code.match_indices("crate::") {
        note(at, &code[at + "crate::".len()..]);
    }
    let out_of_room = "super::".repeat(depth);
    for (at, _) in code.match_indices(&out_of_room) {
        note(at, &code[at + out_of_room.len()..]);
    }
    used
}
