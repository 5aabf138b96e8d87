//! The frames between a worker and the workspace: two lengths of four bytes, big endian, a JSON header, a body.

use std::borrow::Cow;
use std::io::{self, BufRead, Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::server::engine::{ScoreRequest, ScoreResponse};

/// Longest header and body taken from a worker, in bytes: what is longer is no frame.
const HEADER_LIMIT: u32 = 4 << 20;
const BODY_LIMIT: u32 = 1 << 30;
/// Bodies up to this size travel with their header in one write.
const TOGETHER: usize = 16 * 1024;

#[derive(Serialize)]
struct Request<'a> {
    id: u64,
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: Vec<(&'a str, Cow<'a, str>)>,
    deadline_ms: u64,
}

/// What a worker says first.
#[derive(Debug, Deserialize)]
pub struct Ready {
    pub ready: bool,
    #[serde(default)]
    pub engine: String,
    /// `import` or `init`, when it is not ready.
    #[serde(default)]
    pub stage: String,
    #[serde(default)]
    pub error: String,
}

/// Header of an answer, or of the answer to a ping.
#[derive(Debug, Deserialize)]
pub struct Answer {
    pub id: u64,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
}

/// Sends a request; the body is not copied unless it is small.
pub fn send_request(to: &mut impl Write, id: u64, request: &ScoreRequest) -> io::Result<()> {
    // Header values are bytes, as WSGI has them.
    let text = |value: &[u8]| match str::from_utf8(value) {
        Ok(text) if text.is_ascii() => text.to_owned(),
        _ => value.iter().copied().map(char::from).collect(),
    };
    let left = request.deadline.saturating_duration_since(Instant::now());
    let header = Request {
        id,
        method: request.method.as_str(),
        path: &request.path,
        query: &request.query,
        headers: request.headers.iter().map(|(name, value)| (name.as_str(), text(value.as_bytes()).into())).collect(),
        deadline_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
    };
    send(to, &serde_json::to_vec(&header)?, &request.body)
}

/// Asks for a sign of life.
pub fn send_ping(to: &mut impl Write, id: u64) -> io::Result<()> {
    send(to, format!("{{\"id\":{id},\"ping\":true}}").as_bytes(), &[])
}

fn send(to: &mut impl Write, header: &[u8], body: &[u8]) -> io::Result<()> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|_| io::Error::other("the request is too long"));
    let mut head = Vec::with_capacity(8 + header.len() + if body.len() <= TOGETHER { body.len() } else { 0 });
    head.extend(length(header)?.to_be_bytes());
    head.extend(length(body)?.to_be_bytes());
    head.extend(header);
    if body.len() <= TOGETHER {
        head.extend(body);
        return to.write_all(&head);
    }
    to.write_all(&head)?;
    to.write_all(body)
}

/// The next frame. An end between two frames is an error too: `UnexpectedEof`.
pub fn read<T: for<'de> Deserialize<'de>>(from: &mut impl BufRead) -> io::Result<(T, Bytes)> {
    let mut lengths = [0; 8];
    from.read_exact(&mut lengths)?;
    let [a, b, c, d, e, f, g, h] = lengths;
    let (header, body) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    if header > HEADER_LIMIT || body > BODY_LIMIT {
        let text = format!("an answer of {header} and {body} bytes is too long");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let header = read_bytes(from, header)?;
    let body = read_bytes(from, body)?;
    Ok((serde_json::from_slice(&header)?, Bytes::from(body)))
}

fn read_bytes(from: &mut impl BufRead, length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length as usize);
    from.take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// An answer as the gateway takes it; `took` stands for the time in run() where the worker does not tell.
pub fn response(answer: Answer, body: Bytes, took: Duration) -> ScoreResponse {
    let told = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("x-ms-run-fn-exec-ms").then(|| value.parse::<f64>().ok())?
    };
    let run = answer.headers.iter().find_map(told).filter(|ms| (0.0..1e9).contains(ms));
    // The length is the transport's to say.
    let kept = answer.headers.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
    ScoreResponse {
        status: answer.status,
        headers: kept.map(|(name, value)| (name.into(), value)).collect(),
        content_type: "",
        body,
        model_time: run.map_or(took, |ms| Duration::from_secs_f64(ms / 1e3)),
        caller_fault: false,
    }
}
