//! What the console asks of a machine and of a person's patience: the real binary in a pseudo-terminal.
//!
//!     cargo bench --bench session            all
//!     cargo bench --bench session keys idle  some of: start keys loaded apply idle bytes many logs quit
//!
//! Every figure stands beside its budget. Times are from the key written to the terminal to the bytes read from it.

mod apply;
// Shared with programs that use more of them.
#[allow(dead_code)]
#[path = "../../tests/pty/driver.rs"]
mod driver;
mod house;
mod person;
#[allow(dead_code)]
#[path = "../start/serving.rs"]
mod serving;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use color_eyre::eyre::{Result, eyre};
use futures_util::StreamExt as _;
use mlconsole::client::{Workspace, sample};
use mlconsole::resources::Connection;

use house::House;
use person::{Person, Stretch};
use serving::{Serving, serve};

const ROUNDS: usize = 10;
const KEYS: usize = 300;
const SIZE: (u16, u16) = (140, 40);
const LARGE: (u16, u16) = (200, 60);

fn tell(what: &str, figure: &str, budget: &str) {
    println!("{what:<62} {figure:<34} {budget}");
}

/// Sorted, and a share of it.
fn at(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * share).round() as usize]
}

fn tell_keys(what: &str, mut times: Vec<f64>, budget: &str) {
    let (p50, p99, most) = (at(&mut times, 0.5), at(&mut times, 0.99), at(&mut times, 1.0));
    tell(what, &format!("p50 {p50:.1}  p99 {p99:.1}  most {most:.1} ms"), budget);
}

fn tell_stretch(what: &str, stretch: &Stretch, budget: &str) {
    let Stretch { cpu, screen, bytes, pictures } = stretch;
    let figure = format!("{cpu:.1} % of a core, screen {screen:.2} %, {bytes:.0} B/s, {pictures:.1} pictures/s");
    tell(what, &figure, budget);
}

/// A folder, a home in it, and a data folder in it with the sample.
struct Desk {
    folder: tempfile::TempDir,
    data: String,
}

impl Desk {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data").to_string_lossy().into_owned();
        Ok(Self { folder, data })
    }

    /// With the sample in the data folder.
    fn with_sample() -> Result<Self> {
        let desk = Self::new()?;
        let serving = desk.serve()?;
        block_on(async {
            let workspace = Workspace::connect(&serving.connection, "mlconsole-bench/1")?;
            Ok(sample::install_all(&workspace, &mut |_| {}).await?)
        })?;
        Ok(desk)
    }

    fn serve(&self) -> Result<Serving> {
        serve(Path::new(&self.data))
    }

    fn home(&self) -> &Path {
        self.folder.path()
    }

    fn console(&self, size: (u16, u16)) -> Person {
        Person::sits_down(&["--data-dir", &self.data], self.home(), size)
    }

    /// How to reach the workspace that the console under test serves.
    fn connection(&self) -> Result<Connection> {
        Ok(serde_json::from_slice(&std::fs::read(Path::new(&self.data).join("connection.json"))?)?)
    }
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn start() -> Result<()> {
    const BUDGET: &str = "budget 50 ms; 30 kB";
    let round = |args: &[&str], home: &Path, text: &str| {
        let person = Person::sits_down(args, home, LARGE);
        let (first, bytes) = person.first_picture();
        let read = person.reads(text);
        person.leaves();
        (first, bytes, read)
    };
    let rounds = |what: &str, text: &str, mut one: Box<dyn FnMut() -> Result<(f64, usize, f64)> + '_>| -> Result<()> {
        let all = (0..ROUNDS).map(|_| one()).collect::<Result<Vec<_>>>()?;
        let mut first: Vec<f64> = all.iter().map(|round| round.0).collect();
        let mut read: Vec<f64> = all.iter().map(|round| round.2).collect();
        let bytes = all.iter().map(|round| round.1).max().unwrap_or(0);
        let (median, most) = (at(&mut first, 0.5), at(&mut first, 1.0));
        tell(what, &format!("median {median:.0}  most {most:.0} ms; {bytes} B"), BUDGET);
        tell(&format!("  to \"{text}\""), &format!("median {:.0} ms", at(&mut read, 0.5)), "");
        Ok(())
    };
    let desk = Desk::with_sample()?;
    let serving = desk.serve()?;
    let (args, text) = (["--data-dir", &desk.data], sample::ENDPOINT);
    rounds("start to first picture, beside `serve`", text, Box::new(|| Ok(round(&args, desk.home(), text))))?;
    drop(serving);
    let text = "Nothing is served here yet";
    let alone = || {
        let desk = Desk::new()?;
        Ok(round(&["--data-dir", &desk.data], desk.home(), text))
    };
    rounds("start to first picture, alone on an empty folder", text, Box::new(alone))?;
    let text = sample::ENDPOINT;
    rounds("start to first picture, --demo", text, Box::new(|| Ok(round(&["--demo"], desk.home(), text))))
}

fn keys() -> Result<()> {
    const BUDGET: &str = "budget p50 5, p99 25 ms";
    let desk = Desk::with_sample()?;
    let serving = desk.serve()?;
    let mut person = desk.console(SIZE);
    person.reads(sample::ENDPOINT);
    tell_keys("key to paint, typing, at rest", person.types(KEYS), BUDGET);
    tell_keys("key to paint, moving, at rest", person.moves(KEYS), BUDGET);
    person.leaves();
    drop(serving);
    let mut person = Person::sits_down(&["--demo"], desk.home(), SIZE);
    person.reads("serving");
    tell_keys("key to paint, typing, --demo", person.types(KEYS), BUDGET);
    person.leaves();
    Ok(())
}

/// `mlconsole load` at full speed, ended when dropped.
struct Load(Child);

impl Load {
    fn on(desk: &Desk) -> Result<Self> {
        let (_, body) = sample::requests().into_iter().next().ok_or_else(|| eyre!("the sample has no request"))?;
        let file = desk.home().join("request.json");
        std::fs::write(&file, body)?;
        let load = ["load", sample::ENDPOINT, "--rate", "100000", "--connections", "64", "--duration", "10m"];
        // The callers would be elsewhere. Here they are a session of their own, and Linux is told to let the others go first.
        const GIVE_WAY: &str = "echo 19 > /proc/self/autogroup; exec \"$0\" \"$@\"";
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", GIVE_WAY, env!("CARGO_BIN_EXE_mlconsole")]);
        command.args(load).args(["--data-dir", &desk.data, "--request-file"]).arg(file).env("HOME", desk.home());
        Ok(Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn loaded() -> Result<()> {
    const BUDGET: &str = "budget p50 5, p99 25 ms";
    let desk = Desk::with_sample()?;
    let mut person = desk.console(SIZE);
    person.reads("serving");
    let load = Load::on(&desk)?;
    std::thread::sleep(Duration::from_secs(3));
    tell_stretch("serving at full load", &person.watches(Duration::from_secs(5))?, "");
    tell_keys("key to paint, typing, own engine at full load", person.types(KEYS), BUDGET);
    tell_keys("key to paint, moving, own engine at full load", person.moves(KEYS), BUDGET);
    drop(load);
    person.leaves();
    Ok(())
}

fn weights() -> Result<()> {
    const BUDGET: &str = "budget p99 10 ms";
    let desk = Desk::with_sample()?;
    let change = |what: &str| -> Result<()> {
        let mut person = desk.console(SIZE);
        person.reads("serving");
        let (times, requests) = apply::changes(&mut person, desk.connection()?)?;
        tell_keys(&format!("apply to first answer under new weights, {what}"), times, BUDGET);
        tell("  requests meanwhile, none failed", &requests.to_string(), "");
        person.leaves();
        Ok(())
    };
    change("served by the console")?;
    let serving = desk.serve()?;
    change("beside `serve`")?;
    drop(serving);
    Ok(())
}

fn idle() -> Result<()> {
    const BUDGET: &str = "budget under 1 %, no bytes, no pictures";
    /// Until messages have gone and the picture has settled.
    const SETTLED: Duration = Duration::from_secs(6);
    const LENGTH: Duration = Duration::from_secs(15);
    let empty = Desk::new()?;
    let filled = Desk::with_sample()?;
    for (what, desk, text) in [
        ("idle, empty workspace", &empty, "Nothing is served here yet"),
        ("idle, two endpoints at rest", &filled, sample::ENDPOINT),
    ] {
        let serving = desk.serve()?;
        let person = desk.console(SIZE);
        person.reads(text);
        std::thread::sleep(SETTLED);
        tell_stretch(&format!("{what}, beside `serve`"), &person.watches(LENGTH)?, BUDGET);
        if desk.data == filled.data {
            tell("memory with two endpoints, beside `serve`", &format!("{:.1} MiB", person.memory()?), "budget 40 MiB");
        }
        person.leaves();
        drop(serving);
        let person = desk.console(SIZE);
        person.reads(text);
        std::thread::sleep(SETTLED);
        tell_stretch(&format!("{what}, served by the console"), &person.watches(LENGTH)?, BUDGET);
        person.leaves();
    }
    Ok(())
}

fn bytes() -> Result<()> {
    let desk = Desk::with_sample()?;
    let mut person = Person::sits_down(&["--demo"], desk.home(), LARGE);
    person.reads("serving");
    std::thread::sleep(Duration::from_secs(5));
    tell_stretch("dashboard of --demo, 200x60", &person.watches(Duration::from_secs(20))?, "budget 10 kB/s");
    tell("memory of --demo, engine and models included", &format!("{:.1} MiB", person.memory()?), "");
    person.key("\r", "the endpoint", |screen| screen.contains("restaurant-recommender:2"));
    tell_stretch("charts of --demo, 200x60", &person.watches(Duration::from_secs(10))?, "budget 10 kB/s");
    person.leaves();
    let serving = desk.serve()?;
    let mut person = desk.console(LARGE);
    person.reads("serving");
    std::thread::sleep(Duration::from_secs(6));
    for (what, keys) in [("typing", 100), ("moving", 101)] {
        let before = person.terminal.bytes().len();
        let times = if keys == 100 { person.types(keys) } else { person.moves(keys) };
        let all = person.terminal.bytes().len() - before;
        tell(&format!("bytes a key, {what}"), &format!("{} B", all / times.len()), "");
    }
    person.leaves();
    drop(serving);
    Ok(())
}

fn many() -> Result<()> {
    let largest = std::env::var("ENDPOINTS").ok().and_then(|n| n.parse().ok());
    for (endpoints, rate) in [(2, 20), (largest.unwrap_or(1_000), 0), (largest.unwrap_or(1_000), 20)] {
        let desk = Desk::new()?;
        let house = House::new(Path::new(&desk.data), endpoints)?;
        house.rate.store(rate, Ordering::Relaxed);
        let mut person = desk.console(LARGE);
        let shown = person.reads("endpoint-0001");
        let what = format!("{endpoints} endpoints, {} requests/s", endpoints as u64 * 2 * rate);
        tell(&format!("{what}: start to the list"), &format!("{shown:.0} ms"), "");
        std::thread::sleep(Duration::from_secs(12));
        tell_stretch(&what, &person.watches(Duration::from_secs(10))?, "");
        let budget = "budget p50 5, p99 25 ms";
        tell_keys(&format!("{what}: typing"), person.types(KEYS), budget);
        tell_keys(&format!("{what}: moving"), person.moves(KEYS), budget);
        let mut memory = vec![person.memory()?];
        for _ in 0..3 {
            std::thread::sleep(Duration::from_secs(20));
            memory.push(person.memory()?);
        }
        tell(&format!("{what}: memory, every 20 s"), &format!("{memory:.1?} MiB"), "");
        person.leaves();
    }
    Ok(())
}

fn logs() -> Result<()> {
    let desk = Desk::new()?;
    let house = House::new(Path::new(&desk.data), 2)?;
    house.rate.store(20, Ordering::Relaxed);
    let mut person = desk.console(SIZE);
    person.reads("endpoint-0000");
    house.lines.store(10_000, Ordering::Relaxed);
    person.key(":", "the palette", |screen| screen.contains("Go to, or do"));
    person.terminal.send("endpoint-0000 logs blue");
    person.terminal.until("the words", |screen| screen.contains(": endpoint-0000 logs blue"));
    person.key("\r", "the log", |screen| screen.contains("quick brown fox"));
    std::thread::sleep(Duration::from_secs(3));
    tell_stretch("10 000 log lines a second, followed", &person.watches(Duration::from_secs(10))?, "");
    let young = person.memory()?;
    tell_keys("key to paint, typing, 10 000 log lines a second", person.types(KEYS), "budget p50 5, p99 50 ms");
    person.key("k", "the pause", |screen| screen.contains("paused"));
    tell_stretch("10 000 log lines a second, paused", &person.watches(Duration::from_secs(10))?, "");
    let screen = person.terminal.until("the status", |screen| screen.contains(" lines"));
    let status = screen.lines().rev().find(|line| line.contains(" lines")).unwrap_or_default();
    tell("what the log says of itself", status.trim(), "bounded, and what is missing told");
    tell("memory, and 30 s later", &format!("{young:.1}, {:.1} MiB", person.memory()?), "flat");
    person.leaves();
    Ok(())
}

fn quit() -> Result<()> {
    const BUDGET: &str = "budget 100 ms";
    let told = |what: &str, (given_back, gone): (f64, f64)| {
        tell(what, &format!("terminal {given_back:.0} ms, process {gone:.0} ms"), BUDGET);
    };
    let desk = Desk::with_sample()?;
    let serving = desk.serve()?;
    let person = desk.console(SIZE);
    person.reads("serving");
    told("quit, beside `serve`", person.leaves());
    drop(serving);
    let person = desk.console(SIZE);
    person.reads("serving");
    told("quit, serving itself", person.leaves());

    let person = desk.console(SIZE);
    person.reads("serving");
    let workspace = Workspace::connect(&desk.connection()?, "mlconsole-bench/1")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // A caller that sends the head of its request and half of its body, and then nothing any more.
    let sent = runtime.block_on(async {
        let access = workspace.scoring_access(sample::ENDPOINT).await?;
        let (started, half) = tokio::sync::oneshot::channel();
        let body = futures_util::stream::once(async { Ok::<_, std::io::Error>("{\"input") }).chain(
            futures_util::stream::once(async move {
                let _ = started.send(());
                std::future::pending().await
            }),
        );
        let call = workspace.http().post(access.url("/score")).header("authorization", &access.authorization);
        let call = call.body(reqwest::Body::wrap_stream(body));
        let call = tokio::spawn(call.send());
        half.await.map_err(|_| eyre!("the request was not sent"))?;
        Ok::<_, color_eyre::Report>(call)
    })?;
    std::thread::sleep(Duration::from_millis(300));
    told("quit, serving itself, a caller's request hangs", person.leaves());
    let _ = runtime.block_on(sent)?;

    let desk = Desk::new()?;
    let _house = House::new(Path::new(&desk.data), 2)?;
    let mut person = desk.console(SIZE);
    person.reads("endpoint-0000");
    person.key("x", "the request pane", |screen| screen.contains("POST"));
    person.terminal.send("\x13");
    person.terminal.until("the request on its way", |screen| screen.contains("gives up"));
    told("quit, own request hangs", person.leaves());
    let person = Person::sits_down(&["--demo"], desk.home(), SIZE);
    person.reads("serving");
    told("quit, --demo", person.leaves());
    Ok(())
}

fn main() -> Result<()> {
    type Part = (&'static str, fn() -> Result<()>);
    let parts: [Part; 9] = [
        ("start", start),
        ("keys", keys),
        ("loaded", loaded),
        ("apply", weights),
        ("idle", idle),
        ("bytes", bytes),
        ("many", many),
        ("logs", logs),
        ("quit", quit),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            part()?;
        }
    }
    Ok(())
}
