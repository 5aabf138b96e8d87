//! From the key that applies a draft of the weights to the first answer given under them, to a caller who never pauses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use color_eyre::eyre::{Result, ensure, eyre};
use mlconsole::client::{ScoreCall, Workspace, sample};
use mlconsole::resources::Connection;

use crate::person::Person;

const CHANGES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(10);

/// One request after the other on one connection, until dropped; tells when each generation of the routing first answered.
struct Caller {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<u64>>>,
    generations: Receiver<(u64, Instant)>,
}

impl Caller {
    fn of(connection: Connection) -> Result<Self> {
        let (_, body) = sample::requests().into_iter().next().ok_or_else(|| eyre!("the sample has no request"))?;
        let (tell, generations) = mpsc::channel();
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        let calls = async move {
            let workspace = Workspace::connect(&connection, "mlconsole-bench/1")?;
            let (mut last, mut requests) = (0, 0);
            while !until.load(Ordering::Relaxed) {
                let call = ScoreCall { body: Bytes::clone(&body), ..ScoreCall::default() };
                let answer = workspace.score(sample::ENDPOINT, call).await?;
                ensure!(answer.status == 200, "request {requests} was answered {}", answer.status);
                let generation = answer.generation.ok_or_else(|| eyre!("an answer without its generation"))?;
                ensure!(generation >= last, "generation {generation} answered after {last}");
                if generation > last && tell.send((generation, Instant::now())).is_err() {
                    break;
                }
                last = generation;
                requests += 1;
            }
            Ok(requests)
        };
        let thread = std::thread::spawn(move || crate::block_on(calls));
        Ok(Self { ended, thread: Some(thread), generations })
    }

    /// When the next generation first answered.
    fn next(&self) -> Result<Instant> {
        Ok(self.generations.recv_timeout(PATIENCE).map_err(|_| eyre!("no answer under new weights"))?.1)
    }

    /// Requests in all, none of which failed.
    fn ends(mut self) -> Result<u64> {
        self.ended.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(requests)) => requests,
            _ => Err(eyre!("the caller stopped")),
        }
    }
}

/// Milliseconds of each change, and the requests that were answered meanwhile.
pub fn changes(person: &mut Person, connection: Connection) -> Result<(Vec<f64>, u64)> {
    let caller = Caller::of(connection)?;
    caller.next()?;
    person.key(":", "the palette", |screen| screen.contains("Go to, or do"));
    let traffic = format!("{} traffic", sample::ENDPOINT);
    person.key(&traffic, "the endpoint's traffic", |screen| screen.contains(&format!(": {traffic}")));
    person.key("\r", "the sliders", |screen| screen.contains("If you apply"));
    let drafted = |screen: &str| screen.contains("Enter applies");
    let mut times = Vec::with_capacity(CHANGES);
    for _ in 0..CHANGES {
        person.key("w", "a draft", drafted);
        person.pause();
        let pressed = Instant::now();
        person.terminal.send("\r");
        times.push(caller.next()?.saturating_duration_since(pressed).as_secs_f64() * 1_000.0);
        person.terminal.until("the draft applied", |screen| screen.contains("Nothing moves"));
        person.pause();
    }
    Ok((times, caller.ends()?))
}
