//! Trees and pipelines against ONNX Runtime on one thread: the same files, the same rows, in turns.
//!
//! The other side runs its bare session on a tensor that lies there. Here whole requests are timed, from the body's bytes to
//! those of the answer, and inside each the model's own run, which is what compares like for like.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use mlconsole::server::engine::Instance;

use super::{binary, loaded};

const FEATURES: usize = 64;
const ROUNDS: usize = 5;
const SECONDS: f64 = 0.1;

/// The other side: a process that answers with its own times.
struct Other {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Other {
    fn start(python: &Path, script: &Path, folder: &Path) -> std::io::Result<Self> {
        let mut command = Command::new(python);
        command.arg(script).arg("time").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (asks, answers) = (child.stdin.take(), child.stdout.take());
        let (asks, answers) = (asks.expect("a pipe in"), BufReader::new(answers.expect("a pipe out")));
        Ok(Self { child, asks, answers })
    }

    fn time(&mut self, model: &str, rows: usize) -> f64 {
        writeln!(self.asks, "{model} {rows} {SECONDS}").expect("the other side listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the other side answers");
        line.trim().parse().expect("microseconds")
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The packages of the exports' tests, and the models, made at the first run.
fn prepare() -> Result<(PathBuf, PathBuf, PathBuf), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (venv, folder) = (root.join("target/test-venv/exports"), root.join("target/bench-models"));
    let (python, script) = (venv.join("bin/python"), root.join("benches/engine/trees.py"));
    let run = |command: &mut Command| match command.status() {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("{command:?}: {other:?}")),
    };
    if !python.is_file() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        let requirements = root.join("tests/engine/exports-requirements.txt");
        run(Command::new(&python).args(["-m", "pip", "install", "-q", "-r"]).arg(requirements))?;
    }
    if !folder.join("models.txt").is_file() {
        println!("making the models (once, about three minutes)");
        run(Command::new(&python).arg(&script).arg("make").arg(&folder))?;
    }
    Ok((python, script, folder))
}

/// Time of a request, and of the model's run in it, in microseconds.
fn own(instance: &mut dyn Instance, rows: &[f32]) -> (f64, f64) {
    let request = binary(&[rows.len() / FEATURES, FEATURES], rows);
    let (start, mut calls, mut inside) = (Instant::now(), 0u32, Duration::ZERO);
    while start.elapsed() < Duration::from_secs_f64(SECONDS) {
        for _ in 0..4 {
            let answer = instance.score(&request);
            assert_eq!(answer.status, 200);
            inside += answer.model_time;
        }
        calls += 4;
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(calls);
    (each(start.elapsed()), each(inside))
}

/// Prints each model's time for 1 and for 256 rows: runs and whole requests here, runs there, and their ratios.
pub fn compare() {
    let (python, script, folder) = match prepare() {
        Ok(ready) => ready,
        Err(why) => return println!("trees: SKIPPED, there is no ONNX Runtime to compare with: {why}"),
    };
    let mut other = Other::start(&python, &script, &folder).expect("Python runs");
    let rows = std::fs::read(folder.join("rows.f32")).expect("rows");
    let rows: Vec<f32> = rows.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    println!(
        "{:<24} {:>4} {:>10} {:>10} {:>10} {:>8} {:>9}",
        "µs", "rows", "there run", "run", "request", "run", "request"
    );
    for model in std::fs::read_to_string(folder.join("models.txt")).expect("a list").lines() {
        let mut instance = loaded(folder.join(format!("{model}.onnx")));
        for count in [1, 256] {
            let (mut request, mut run, mut there) = (f64::MAX, f64::MAX, f64::MAX);
            for _ in 0..ROUNDS {
                let here = own(instance.as_mut(), &rows[..count * FEATURES]);
                (request, run) = (request.min(here.0), run.min(here.1));
                there = there.min(other.time(model, count));
            }
            let (runs, requests) = (run / there, request / there);
            println!(
                "{model:<24} {count:>4} {there:>10.2} {run:>10.2} {request:>10.2} {runs:>6.2} × {requests:>7.2} ×"
            );
        }
    }
}
