//! The newcomer's story: see which endpoint is busy, open it, send a request, move traffic from 90/10 to 10/90, see it
//! happen, undo it, quit. Nothing was read before.

use crate::MLCONSOLE;
use crate::driver::Terminal;

fn newcomer(size: (u16, u16)) {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(MLCONSOLE, &["--demo"], home.path(), size, &[]);
    terminal.until("the busy endpoint", |screen| {
        screen.lines().any(|line| line.contains("▸ restaurants") && line.contains("serving"))
    });
    terminal.then("\r", "restaurant-recommender:2");
    terminal.then("x", "POST");
    terminal.until("a template of the request", |screen| screen.contains("input_data") || screen.contains("{"));
    terminal.then("\x13", "200");
    terminal.then("\x1b", "p50 p95 p99");
    let screen = terminal.then("t", "If you apply");
    assert!(screen.contains("90 %") && screen.contains("10 %"), "{screen}");
    let screen = terminal.then("w", "move from blue to green");
    assert!(screen.contains("90 → 10 %") && screen.contains("10 → 90 %"), "{screen}");
    terminal.send("\r");
    terminal.until("the weights in force", |screen| {
        screen.contains("Nothing moves") && row(screen, "▲ green").is_some_and(|row| row.contains("90 %"))
    });
    terminal
        .until("measured shares that follow", |screen| measured(screen, "▲ green").is_some_and(|share| share > 70.0));
    terminal.send("u");
    terminal.until("the weights of before", |screen| {
        row(screen, "▲ green").is_some_and(|row| row.contains("10 %") && !row.contains('→'))
    });
    terminal.until("measured shares of before", |screen| measured(screen, "▲ green").is_some_and(|share| share < 30.0));
    terminal.then("\x1b", "p50 p95 p99");
    terminal.then("\x1b", "Needs attention");
    terminal.send("q");
    let (well, _) = terminal.end();
    assert!(well);
}

/// The first line that begins with a deployment's mark.
fn row<'s>(screen: &'s str, mark: &str) -> Option<&'s str> {
    screen.lines().find(|line| line.trim_start_matches(['▸', ' ']).starts_with(mark))
}

/// The measured share of a deployment, from the table below the sliders.
fn measured(screen: &str, mark: &str) -> Option<f64> {
    let below = &screen[screen.find("MEASURED %")?..];
    let row = row(below, mark)?;
    row.split_whitespace().nth(3)?.parse().ok()
}

#[test]
fn a_newcomer_finds_the_way_at_80_columns() {
    newcomer((80, 24));
}

#[test]
fn a_newcomer_finds_the_way_at_140_columns() {
    newcomer((140, 40));
}

#[test]
fn an_empty_workspace_offers_the_sample_on_one_key() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(MLCONSOLE, &[], home.path(), (100, 30), &[]);
    terminal.wait("Nothing is served here yet");
    terminal.send("i");
    terminal.until("the sample", |screen| screen.contains("restaurants") && screen.contains("serving"));
    terminal.then("q", "This console serves the workspace");
    terminal.send("\r");
    terminal.until("the question closed", |screen| !screen.contains("This console serves the workspace"));
    terminal.then("q", "This console serves the workspace");
    terminal.send("y");
    assert!(terminal.end().0);
}

#[test]
fn a_resize_is_followed_and_a_tiny_terminal_gets_a_line() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(MLCONSOLE, &[], home.path(), (100, 30), &[]);
    terminal.wait("Nothing is served here yet");
    terminal.resize(40, 10);
    terminal.wait("mlconsole needs 60x16");
    terminal.resize(100, 30);
    terminal.wait("Install the sample");
    terminal.send("\x03");
    assert!(terminal.end().0);
}

#[test]
fn without_colours_the_selected_row_is_still_marked() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(MLCONSOLE, &["--demo"], home.path(), (80, 24), &[("NO_COLOR", "1")]);
    terminal.until("the dashboard", |screen| screen.contains("serving"));
    let bytes = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    assert!(bytes.contains("\x1b[7m") || bytes.contains(";7m"), "nothing is reversed");
    let coloured = ["\x1b[31m", "\x1b[32m", "\x1b[34m", "\x1b[36m", "38;5;", "38;2;"];
    assert!(!coloured.iter().any(|code| bytes.contains(code)), "colours under NO_COLOR");
    terminal.send("q");
    assert!(terminal.end().0);
}
