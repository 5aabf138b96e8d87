//! `mlconsole endpoint invoke`

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::Session;
use super::error::CliError;
use super::output::{many_lines, millis, note, one_line, print, print_bytes, print_json};
use crate::client::{ScoreAnswer, ScoreCall};

/// Flags of `endpoint invoke`.
#[derive(Debug, Args)]
pub struct InvokeArgs {
    /// Endpoint
    name: String,
    /// Body of the request; `-` reads standard input
    #[arg(long, short, value_name = "FILE")]
    request_file: Option<PathBuf>,
    /// Ask this deployment, past the traffic split
    #[arg(long, short, visible_alias = "deployment-name", value_name = "NAME")]
    deployment: Option<String>,
    /// Below the endpoint's address: `/v2/health/ready`
    #[arg(long, value_name = "PATH", default_value = "/score")]
    path: String,
    /// By default POST with a body, GET without
    #[arg(long, short = 'X')]
    method: Option<Method>,
    /// A header: `-H 'Content-Type: application/octet-stream'`
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// How long to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 310.0)]
    timeout: f64,
}

pub(super) async fn run(args: InvokeArgs, session: &Session) -> Result<(), CliError> {
    let body = args.request_file.as_deref().map(read_body).transpose()?;
    let method =
        args.method.unwrap_or(if body.is_some() || args.path == "/score" { Method::POST } else { Method::GET });
    let timeout = Duration::try_from_secs_f64(args.timeout)
        .map_err(|_| CliError::usage(format!("--timeout {}: give a positive number of seconds", args.timeout)))?;
    let call = ScoreCall {
        deployment: args.deployment,
        path: args.path,
        method,
        headers: parse_headers(&args.header)?,
        body: body.unwrap_or_default(),
        timeout,
    };
    let answer = session.workspace.score(&args.name, call).await?;
    if session.json() {
        print_json(&as_json(&answer))?;
    } else {
        // As it is for a file or a pipe. On a terminal it must drive nothing, and the prompt must not stick to it.
        if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            print(many_lines(&String::from_utf8_lossy(&answer.body)).trim_end_matches('\n'))?;
        } else {
            print_bytes(&answer.body)?;
        }
        note(&summary(&answer));
    }
    if answer.status < 400 { Ok(()) } else { Err(CliError::Said) }
}

/// The largest `max_body_mib` there is, in bytes.
const LARGEST_BODY: u64 = 4096 << 20;

/// A request's body from a file, or from standard input for `-`.
pub(super) fn read_body(path: &Path) -> Result<Bytes, CliError> {
    if path == Path::new("-") {
        return bounded(std::io::stdin().lock(), "standard input");
    }
    let name = format!("the request file {}", path.display());
    let file = std::fs::File::open(path);
    bounded(file.map_err(|e| CliError::failed(format!("{name} cannot be read: {e}")))?, &name)
}

/// What `from` holds, which may be a device that never ends.
fn bounded(from: impl std::io::Read, name: &str) -> Result<Bytes, CliError> {
    let mut body = Vec::new();
    let read = from.take(LARGEST_BODY + 1).read_to_end(&mut body);
    read.map_err(|e| CliError::failed(format!("{name} cannot be read: {e}")))?;
    if body.len() as u64 > LARGEST_BODY {
        let most = LARGEST_BODY >> 20;
        return Err(CliError::failed(format!("{name} holds more than {most} MiB, more than any workspace takes")));
    }
    Ok(body.into())
}

fn parse_headers(lines: &[String]) -> Result<HeaderMap, CliError> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let wrong = || CliError::usage(format!("--header {line:?}: give it as 'Name: value'"));
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// `200  blue  1.31 ms  (model 0.20, queue 0.01)`.
fn summary(answer: &ScoreAnswer) -> String {
    let who = answer.deployment.as_deref().map_or_else(|| "(gateway)".to_owned(), one_line);
    let mut text = format!("{}  {who}  {} ms", answer.status, millis(Some(answer.total.as_secs_f64() * 1e3)));
    let parts: Vec<String> = [("model", answer.model_ms), ("queue", answer.queue_ms)]
        .into_iter()
        .filter_map(|(name, ms)| ms.map(|ms| format!("{name} {}", millis(Some(ms)))))
        .collect();
    if !parts.is_empty() {
        text.push_str(&format!("  ({})", parts.join(", ")));
    }
    text
}

fn as_json(answer: &ScoreAnswer) -> Value {
    let body = serde_json::from_slice(&answer.body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&answer.body).into_owned()));
    json!({
        "status": answer.status, "deployment": answer.deployment, "ms": answer.total.as_secs_f64() * 1e3,
        "modelMs": answer.model_ms, "queueMs": answer.queue_ms, "generation": answer.generation,
        "requestId": answer.request_id, "body": body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_written_as_everywhere() {
        let headers = parse_headers(&["Content-Type: text/plain".into(), "x-a:1".into()]).unwrap();
        assert_eq!(
            (&headers["content-type"], &headers["x-a"]),
            (&"text/plain".parse().unwrap(), &"1".parse().unwrap())
        );
        for wrong in ["no colon", ": empty", "a b: c", "a: b\nc"] {
            assert!(parse_headers(&[wrong.into()]).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics(line in proptest::collection::vec(proptest::prelude::any::<char>(), 0..40)) {
            let _ = parse_headers(&[line.into_iter().collect()]);
        }
    }
}
