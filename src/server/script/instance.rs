//! One worker as the pool sees it: requests, probes, the end.

use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::frame::{self, Answer};
use super::state::{Order, Worker};
use crate::server::engine::{Instance, Lost, ProbeKind, ScoreRequest, ScoreResponse};
use crate::server::stop::Hook;

/// From the end of a conversation to that of the process.
const FUNERAL: Duration = Duration::from_secs(5);
/// A worker that does not answer a ping within this answers none.
const PING: Duration = Duration::from_secs(2);

/// See the module.
pub struct Conversation {
    pub worker: Arc<Worker>,
    pub input: BufReader<UnixStream>,
    pub last_id: u64,
    /// Told when the instance is not wanted any more.
    pub _leave: Hook,
}

impl Conversation {
    /// The answer to frame `id`; what comes for earlier ones has nobody waiting for it.
    fn answer(&mut self, id: u64) -> io::Result<(Answer, Bytes)> {
        loop {
            let (answer, body) = frame::read::<Answer>(&mut self.input)?;
            if answer.id == id {
                return Ok((answer, body));
            }
        }
    }

    /// What the end of a conversation means.
    fn lost(&self, error: &io::Error, began: bool) -> Lost {
        if error.kind() == io::ErrorKind::InvalidData {
            self.worker.kill(Order::Gibberish(error.to_string()));
        }
        let end = self.worker.end(FUNERAL);
        let end = end.or_else(|| {
            self.worker.kill(Order::Gibberish("it closed its connection to the workspace".to_owned()));
            self.worker.end(FUNERAL)
        });
        end.map_or_else(|| Lost::During("cannot be reached any more".to_owned()), |end| end.lost(began))
    }
}

impl Instance for Conversation {
    fn score(&mut self, request: &ScoreRequest) -> ScoreResponse {
        self.attempt(request).unwrap_or_else(|lost| ScoreResponse {
            status: 500,
            headers: Vec::new(),
            content_type: "text/plain",
            body: Bytes::from(lost.to_string()),
            model_time: Duration::ZERO,
            caller_fault: false,
        })
    }

    fn attempt(&mut self, request: &ScoreRequest) -> Result<ScoreResponse, Lost> {
        let began = Instant::now();
        self.last_id += 1;
        let id = self.last_id;
        let alive = self.worker.begin();
        let sent = if alive {
            frame::send_request(self.input.get_mut(), id, request)
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        };
        let answer = match sent {
            // The system says so when it ended with something unread: the request never reached run().
            Ok(()) => {
                self.answer(id).map_err(|error| self.lost(&error, error.kind() != io::ErrorKind::ConnectionReset))
            }
            // It had ended before it could read the request; of a large one it may have read a part.
            Err(error) => Err(self.lost(&error, false)),
        };
        self.worker.done();
        let (answer, body) = answer?;
        let response = frame::response(answer, body, began.elapsed());
        // A route of MLflow's own, not of the hosted service: there the caller learns what was wrong.
        let caller_fault = request.path == "/invocations" && (400..500).contains(&response.status);
        Ok(ScoreResponse { caller_fault, ..response })
    }

    fn probe(&mut self, _: ProbeKind) -> Result<(), String> {
        self.last_id += 1;
        let id = self.last_id;
        let mut ping = || {
            frame::send_ping(self.input.get_mut(), id)?;
            self.input.get_ref().set_read_timeout(Some(PING))?;
            let answer = self.answer(id);
            self.input.get_ref().set_read_timeout(None)?;
            answer.map(drop)
        };
        ping().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("the worker did not answer within {} s", PING.as_secs())
            }
            _ => format!("the worker cannot be reached: {error}"),
        })
    }

    fn gone(&mut self) -> Option<Lost> {
        self.worker.end(Duration::ZERO).map(|end| end.lost(false))
    }

    fn process(&self) -> Option<u32> {
        self.worker.pid()
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.worker.close();
    }
}
