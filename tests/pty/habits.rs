//! Habits that only show at a real terminal: the mouse's bytes, the clipboard's, a restart, a workspace that dies.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;

use crate::MLCONSOLE;
use crate::driver::Terminal;

/// What a terminal sends for the mouse, in SGR coordinates; columns and rows count from 0.
fn mouse(button: u8, column: usize, row: usize, down: bool) -> String {
    format!("\x1b[<{button};{};{}{}", column + 1, row + 1, if down { 'M' } else { 'm' })
}

const LEFT: u8 = 0;
const DRAG: u8 = 32;
const WHEEL_DOWN: u8 = 65;

fn click(terminal: &mut Terminal, (column, row): (usize, usize)) {
    terminal.send(&mouse(LEFT, column, row, true));
    terminal.send(&mouse(LEFT, column, row, false));
}

/// Column and row of a text on the screen.
fn place(screen: &str, text: &str) -> (usize, usize) {
    let found = screen.lines().enumerate().find_map(|(row, line)| {
        let at = line.find(text)?;
        Some((unicode_width::UnicodeWidthStr::width(&line[..at]), row))
    });
    found.unwrap_or_else(|| panic!("{text} is not on the screen:\n{screen}"))
}

fn demo(home: &Path) -> Terminal {
    let terminal = Terminal::start(MLCONSOLE, &["--demo"], home, (140, 40), &[]);
    terminal.until("the dashboard", |screen| {
        ["restaurants", "review-mood", "image-tagger"].iter().all(|name| screen.contains(name))
            && screen.contains("▸ restaurants")
    });
    terminal
}

#[test]
fn a_workspace_at_rest_costs_its_terminal_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(MLCONSOLE, &["--data-dir", "data"], home.path(), (140, 40), &[]);
    terminal.wait("Install the sample endpoint");
    terminal.then("i", "requests/s");
    terminal.until("a chart and a histogram of nothing", |screen| screen.matches("no requests seen").count() == 2);
    // the message has gone, the states have settled, and charts of nothing stand still
    terminal.rests(std::time::Duration::from_secs(5));
    terminal.then("q", "Quit?");
    terminal.send("\t\r");
    assert!(terminal.end().0);
}

#[test]
fn the_mouse_clicks_drags_turns_and_is_released() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = demo(home.path());
    // the wheel goes down the list
    let screen = terminal.wait("review-mood");
    let (column, row) = place(&screen, "restaurants");
    terminal.send(&mouse(WHEEL_DOWN, column, row, true));
    terminal.until("the cursor on another row", |screen| !screen.contains("▸ restaurants"));
    // a click chooses a row, a second one opens it
    click(&mut terminal, (column, row));
    terminal.wait("▸ restaurants");
    click(&mut terminal, (column, row));
    let screen = terminal.until("the endpoint, down to its keys", |screen| {
        screen.contains("restaurant-recommender:2") && screen.contains("n new deployment")
    });
    // a click on a key of the footer presses it
    click(&mut terminal, place(&screen, "t traffic"));
    let screen = terminal.wait("If you apply");
    // green's slider is dragged from a tenth to the middle, and past it
    let (_, row) = place(&screen, "▲ green");
    let (zero, _) = place(&screen, "◇ in force");
    let (full, _) = place(&screen, " 100 ");
    let middle = (zero + full) / 2;
    terminal.send(&mouse(LEFT, middle, row, true));
    terminal.until("about a half", |screen| green(screen).is_some_and(|weight| (40.0..=60.0).contains(&weight)));
    terminal.send(&mouse(LEFT + DRAG, (middle + full) / 2, row, true));
    terminal.until("about three quarters", |screen| green(screen).is_some_and(|weight| weight > 65.0));
    terminal.send(&mouse(LEFT, (middle + full) / 2, row, false));
    // released: the terminal has its mouse back, and gets it again with the same key
    let off = |bytes: &[u8], code: &str| String::from_utf8_lossy(bytes).rfind(code);
    terminal.then("\x1bOR", "mouse: off");
    let (_, screen) = terminal.when("reports switched off", |_, bytes| {
        off(bytes, "\x1b[?1002l").is_some_and(|at| Some(at) > off(bytes, "\x1b[?1002h"))
    });
    assert!(screen.contains("the terminal selects text again"), "{screen}");
    terminal.send("\x1bOR");
    terminal.when("reports switched on", |_, bytes| {
        off(bytes, "\x1b[?1002h").is_some_and(|at| Some(at) > off(bytes, "\x1b[?1002l"))
    });
    terminal.send("\x03");
    assert!(terminal.end().0);
}

/// What green would get: the last number in its row.
fn green(screen: &str) -> Option<f64> {
    let row = screen.lines().find(|line| line.contains("▲ green"))?;
    row.trim_end().trim_end_matches('%').split_whitespace().last()?.parse().ok()
}

#[test]
fn what_is_copied_arrives_at_the_terminal() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = demo(home.path());
    let screen = terminal.then("y", "copied the scoring address of restaurants");
    assert!(screen.contains("▸ restaurants"));
    let (_, _) = terminal.when("the clipboard's bytes", |_, bytes| clipboard(bytes).is_some());
    let copied = clipboard(&terminal.bytes()).unwrap();
    let screen = terminal.then("\r", "POST https://");
    let shown = screen.split("POST ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert_eq!(copied, shown, "what is copied is what is shown");
    terminal.send("\x03");
    assert!(terminal.end().0);
}

/// The text of the last OSC 52 sequence.
fn clipboard(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text.rsplit_once("\x1b]52;c;")?;
    let (encoded, _) = rest.split_once('\x07')?;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).ok()?).ok()
}

/// A workspace of its own process, killed by its handle when dropped.
struct Served(Child);

impl Served {
    /// Starts it and waits until it answers.
    fn start(home: &Path, listen: &str) -> Self {
        let ready = home.join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let mut child = Command::new(MLCONSOLE)
            .args(["serve", "--listen", listen, "--ready-file"])
            .arg(&ready)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = std::time::Instant::now();
        while std::fs::read_to_string(&ready).map_or(true, |text| !text.trim_end().ends_with('}')) {
            assert!(child.try_wait().unwrap().is_none(), "serve ended");
            assert!(started.elapsed().as_secs() < 120, "serve is not ready");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Self(child)
    }

    /// `127.0.0.1:PORT`.
    fn address(home: &Path) -> String {
        let text = std::fs::read_to_string(home.join("ready.json")).unwrap();
        let about: serde_json::Value = serde_json::from_str(&text).unwrap();
        about["base_url"].as_str().unwrap().trim_start_matches("https://").to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The workspace is killed under the console: the last picture stays, with a banner that counts down; when it is back,
/// the console is too, by itself.
#[test]
fn a_workspace_that_dies_and_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let served = Served::start(home.path(), "127.0.0.1:0");
    let listen = Served::address(home.path());
    let mut terminal = Terminal::start(MLCONSOLE, &[], home.path(), (120, 40), &[]);
    terminal.wait("Nothing is served here yet");
    terminal.send("i");
    terminal.until("the sample", |screen| screen.contains("restaurants") && screen.contains("serving"));
    drop(served);
    let screen = terminal.wait("no answer; next try in");
    assert!(screen.contains("restaurants") && screen.contains("disconnected"), "the last data is kept:\n{screen}");
    terminal.send("D");
    terminal.wait("nothing can be changed until it does");
    let _again = Served::start(home.path(), &listen);
    terminal.until("the workspace again", |screen| screen.contains("● live") && !screen.contains("no answer"));
    terminal.until("the sample again", |screen| screen.contains("restaurants") && screen.contains("serving"));
    terminal.send("q");
    assert!(terminal.end().0);
}

/// The order that was chosen is written down at once: not even a kill forgets it.
#[test]
fn the_order_of_yesterday_is_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let _served = Served::start(home.path(), "127.0.0.1:0");
    let mut terminal = Terminal::start(MLCONSOLE, &[], home.path(), (120, 40), &[]);
    terminal.wait("Nothing is served here yet");
    terminal.send("i");
    terminal.wait("by req/s ▼");
    terminal.then("sss", "by p50 ms ▼");
    terminal.then("S", "by p50 ms ▲");
    let kept = home.path().join(".local/state/mlconsole/console.json");
    let started = std::time::Instant::now();
    while std::fs::read_to_string(&kept).map_or(true, |text| !text.contains("\"sort\": 6")) {
        assert!(started.elapsed().as_secs() < 60, "the order was not written down");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // killed, not asked to leave
    drop(terminal);
    let mut terminal = Terminal::start(MLCONSOLE, &[], home.path(), (120, 40), &[]);
    terminal.wait("by p50 ms ▲");
    terminal.send("q");
    assert!(terminal.end().0);
}

/// The configuration is edited while the console runs: keys change under the fingers, and a conflict is told.
#[test]
fn an_edited_configuration_is_in_force_without_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.toml");
    std::fs::write(&config, "[keys]\n").unwrap();
    let args = ["--demo", "--config", config.to_str().unwrap()];
    let mut terminal = Terminal::start(MLCONSOLE, &args, home.path(), (140, 40), &[]);
    terminal.wait("x test");
    std::fs::write(&config, "[keys]\n\"open.test\" = \"z\"\n").unwrap();
    terminal.wait("z test");
    std::fs::write(&config, "[keys]\n\"open.test\" = \"t\"\n").unwrap();
    let screen = terminal.wait("is bound to both");
    assert!(screen.contains("open.traffic") && screen.contains("open.test"), "{screen}");
    assert!(screen.contains("z test"), "the keys of before stay in force");
    terminal.send("q");
    assert!(terminal.end().0);
}
