//! From a script to a worker that is ready, or to the reason why not.

use std::io::{self, BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Script;
use super::child::{Launched, launch};
use super::frame::{self, Ready};
use super::instance::Conversation;
use super::lines::quoted;
use super::state::{Order, Worker};
use crate::server::engine::{Instance, LoadError, Place};
use crate::server::telemetry::{Container, Level};

/// Times a script that fails at once is started before its deployment is given up.
const ATTEMPTS: u32 = 3;
/// In which a worker's output is read, and a little.
const CATCH_UP: Duration = Duration::from_millis(15);
/// From an end to its being known.
const FUNERAL: Duration = Duration::from_secs(5);

/// Why a worker is not ready.
enum Unready {
    /// Another attempt may go better.
    Failed(String),
    /// It will not, or is not wanted.
    Final(String),
}

/// Starts a worker, three times if it fails; in place of a lost one once, as its keeper tries again.
pub fn start(script: &Arc<Script>, place: &Place) -> Result<Box<dyn Instance>, LoadError> {
    let failed = |message: String| LoadError { code: "ResourceNotReady", ..LoadError::new(message) };
    let attempts = if place.replacement { 1 } else { ATTEMPTS };
    let mut attempt = 1;
    loop {
        let why = match once(script, place) {
            Ok(instance) => return Ok(instance),
            Err(Unready::Final(why)) => return Err(failed(why)),
            Err(Unready::Failed(why)) => why,
        };
        if attempt >= attempts {
            let times = if attempts > 1 { format!(" It was started {attempts} times; the") } else { " The".to_owned() };
            return Err(failed(format!("{why}.{times} log of the container inference-server has the details.")));
        }
        let pause = Duration::from_secs(1 << (attempt - 1));
        let text = format!("{why}. Attempt {} of {attempts} follows in {} s.", attempt + 1, pause.as_secs());
        say(script, place, Level::Warning, &text);
        (script.spec.tell)(&text);
        if script.spec.stop.wait(pause) || place.leave.is_asked() {
            return Err(failed("stopped while starting".to_owned()));
        }
        attempt += 1;
    }
}

fn say(script: &Script, place: &Place, level: Level, text: &str) {
    script.telemetry.log().push(Container::InferenceServer, Some(place.instance), level, text);
}

fn once(script: &Arc<Script>, place: &Place) -> Result<Box<dyn Instance>, Unready> {
    let began = Instant::now();
    let launched = launch(script, place);
    let launched = launched.map_err(|why| Unready::Final(format!("The scoring script's process cannot be had: {why}")));
    let Launched { worker, socket, number } = launched?;
    let hook = |worker: &Arc<Worker>| {
        let worker = Arc::clone(worker);
        move || worker.retire()
    };
    // Before it is ready both mean to end it at once; afterwards only its place may send it away.
    let leave = place.leave.when_asked(hook(&worker));
    let stop = script.spec.stop.when_asked(hook(&worker));
    let mut input = BufReader::with_capacity(64 * 1024, socket);
    let ready = await_ready(script, place, &worker, &mut input, began);
    drop(stop);
    match ready {
        Ok(ready) if ready.ready => {
            worker.ready();
            // What init() has said comes on another way; in the log, and in what is made of it, it comes first.
            script.spec.stop.wait(CATCH_UP);
            let pid = worker.pid().unwrap_or_default();
            let text = format!(
                "Worker {number} (process {pid}, {}) is ready after {} ms.",
                ready.engine,
                began.elapsed().as_millis()
            );
            say(script, place, Level::Info, &text);
            Ok(Box::new(Conversation { worker, input, last_id: 0, _leave: leave }))
        }
        Ok(told) => {
            let end = worker.end(FUNERAL);
            worker.close();
            let what = if told.stage == "init" { "failed in init()" } else { "could not be loaded" };
            let ending = end.map(|end| end.words()).unwrap_or_default();
            let code = ending.split(':').next().filter(|words| words.starts_with("exited")).unwrap_or("was stopped");
            let why = if told.error.is_empty() { "no reason was told".to_owned() } else { quoted(&told.error) };
            Err(Unready::Failed(format!("The scoring script '{}' {what}: {why} (the worker {code})", script.name())))
        }
        Err(error) => {
            let end = worker.end(FUNERAL);
            worker.close();
            let name = script.name();
            Err(match end {
                Some(end) if end.was_told_to_leave() => Unready::Final("The start was stopped.".to_owned()),
                Some(end) if error.kind() == io::ErrorKind::TimedOut => {
                    Unready::Final(format!("The scoring script '{name}': its worker {}", end.words()))
                }
                Some(end) => {
                    Unready::Failed(format!("The scoring script '{name}' is not ready: its worker {}", end.words()))
                }
                None => Unready::Failed(format!("The scoring script '{name}' is not ready: {error}")),
            })
        }
    }
}

/// Waits for the first frame as readiness probes would: each period without it is a probe missed.
fn await_ready(
    script: &Script,
    place: &Place,
    worker: &Worker,
    input: &mut BufReader<UnixStream>,
    began: Instant,
) -> io::Result<Ready> {
    let limit = script.spec.start;
    let mut missed = 0;
    loop {
        let next = began + limit.initial_delay + limit.period * (missed + 1);
        let wait = next.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        input.get_ref().set_read_timeout(Some(wait))?;
        match input.fill_buf() {
            Ok([]) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => break,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                missed += 1;
                let text = format!("starting, {missed} of {} probes missed", limit.failure_threshold);
                say(script, place, Level::Warning, &text);
                (script.spec.tell)(&format!("instance {}: {text}", place.instance));
                if missed >= limit.failure_threshold {
                    worker.kill(Order::NotReady(limit.total()));
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    input.get_ref().set_read_timeout(None)?;
    frame::read(input).map(|(ready, _)| ready)
}
