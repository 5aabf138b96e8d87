//! What can go wrong between a caller and a workspace.

use std::error::Error as _;

use crate::resources::{ArmError, ErrorBody};

/// The sort of failure: what a caller may do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No answer: nothing listens there, TLS is not trusted, the connection broke.
    Unreachable,
    /// An answer took longer than the caller wanted to wait.
    Timeout,
    /// 401 or 403.
    Unauthorized,
    /// 404.
    NotFound,
    /// 409 or 412: somebody else's change, or an operation in progress.
    Conflict,
    /// Any other 4xx: the request is wrong as it stands.
    Refused,
    /// 429 after all retries.
    Throttled,
    /// The workspace or an operation failed.
    Failed,
    /// The operation was cancelled.
    Canceled,
    /// This workspace does not offer that (an extension of local workspaces asked of Azure).
    NotSupported,
    /// An answer that does not follow the protocol.
    Protocol,
    /// Something on this machine: a file that cannot be read, a missing certificate.
    Local,
}

/// A failed call. `message` names the thing, the cause and the next step; it never holds a secret.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ClientError {
    pub kind: ErrorKind,
    /// HTTP status of the answer, when there was one.
    pub status: Option<u16>,
    /// ARM code, or the kind's name.
    pub code: String,
    pub message: String,
    /// Further errors of the same answer.
    pub details: Vec<ArmError>,
}

impl ClientError {
    /// An error that did not come from an answer.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, status: None, code: format!("{kind:?}"), message: message.into(), details: Vec::new() }
    }

    /// Something on this machine.
    pub fn local(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Local, message)
    }

    /// An answer that does not follow the protocol.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    /// The ARM error of a failed operation.
    pub fn from_operation(error: ArmError, kind: ErrorKind) -> Self {
        Self { kind, status: None, code: error.code, message: error.message, details: error.details }
    }

    /// Reads the body of an answer with status 400 or more: ARM's JSON, a blob store's XML, or plain text.
    pub fn from_answer(status: u16, body: &[u8], what: &str) -> Self {
        let kind = match status {
            401 | 403 => ErrorKind::Unauthorized,
            404 => ErrorKind::NotFound,
            408 => ErrorKind::Timeout,
            409 | 412 => ErrorKind::Conflict,
            429 => ErrorKind::Throttled,
            400..=499 => ErrorKind::Refused,
            _ => ErrorKind::Failed,
        };
        let error = parse_body(body).unwrap_or_else(|| ArmError::new(format!("Http{status}"), plain_text(body)));
        let mut message = error.message;
        if message.trim().is_empty() {
            message = format!("{what} was answered with status {status} and no explanation");
        }
        if kind == ErrorKind::Unauthorized && !message.contains("mlconsole") {
            message.push_str(" (the workspace did not accept this client's token: check the context's credentials)");
        }
        Self { kind, status: Some(status), code: error.code, message, details: error.details }
    }

    /// A request that got no answer. `what` says what was asked of whom, without query or credentials.
    pub(super) fn from_reqwest(error: &reqwest::Error, what: &str, address: &str) -> Self {
        let cause = root_cause(error);
        if error.is_timeout() && !error.is_connect() {
            return Self::new(ErrorKind::Timeout, format!("{what}: no answer in time from {address}"));
        }
        if error.is_builder() {
            return Self::new(ErrorKind::Protocol, format!("{what}: the address {address} is not usable: {cause}"));
        }
        let next = if cause.to_ascii_lowercase().contains("certificate") {
            "the certificate is not trusted: check the CA bundle of this context"
        } else if error.is_connect() {
            "is the workspace running? A local one starts with `mlconsole serve`"
        } else {
            "the connection broke; try again"
        };
        Self::new(ErrorKind::Unreachable, format!("{what}: cannot reach {address}: {cause} ({next})"))
    }

    /// Message and, indented below it, every detail that adds something.
    pub fn in_full(&self) -> String {
        let mut text = self.message.clone();
        let mut level: Vec<(&ArmError, usize)> = self.details.iter().rev().map(|detail| (detail, 1)).collect();
        while let Some((detail, depth)) = level.pop() {
            if !detail.message.is_empty() && !text.contains(&detail.message) {
                text.push_str(&format!("\n{}- {}", "  ".repeat(depth), detail.message));
            }
            if depth < 8 {
                level.extend(detail.details.iter().rev().map(|inner| (inner, depth + 1)));
            }
        }
        text
    }
}

/// The innermost cause: hyper and reqwest wrap "Connection refused" in several layers of "error sending request".
fn root_cause(error: &reqwest::Error) -> String {
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        last = inner.to_string();
        source = inner.source();
    }
    last
}

/// ARM's `{"error": {…}}`, a bare `{"code", "message"}`, a `{"message"}`, or XML `<Error><Code/><Message/></Error>`.
fn parse_body(body: &[u8]) -> Option<ArmError> {
    if let Ok(wrapped) = serde_json::from_slice::<ErrorBody>(body) {
        return Some(wrapped.error);
    }
    if let Ok(bare) = serde_json::from_slice::<ArmError>(body)
        && !bare.message.is_empty()
    {
        return Some(bare);
    }
    let text = std::str::from_utf8(body).ok()?;
    let code = between(text, "<Code>", "</Code>")?;
    let message = between(text, "<Message>", "</Message>").unwrap_or(code);
    Some(ArmError::new(code, message))
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let rest = &text[text.find(open)? + open.len()..];
    Some(&rest[..rest.find(close)?])
}

/// At most 400 characters of a body that is not an error document, on one line.
fn plain_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arm_errors_keep_code_message_and_details() {
        let body = br#"{"error":{"code":"UserError","message":"Endpoint named nope does not exist.","target":null,
            "details":[{"code":"Inner","message":"look at the name","details":null}],"additionalInfo":[]}}"#;
        let error = ClientError::from_answer(404, body, "GET endpoint");
        assert_eq!((error.kind, error.status, error.code.as_str()), (ErrorKind::NotFound, Some(404), "UserError"));
        assert_eq!(error.to_string(), "Endpoint named nope does not exist.");
        assert_eq!(error.in_full(), "Endpoint named nope does not exist.\n  - look at the name");
    }

    #[test]
    fn blob_errors_are_xml_and_gateways_answer_plain_text() {
        let xml = b"<?xml version=\"1.0\"?><Error><Code>BlobNotFound</Code><Message>no such blob</Message></Error>";
        let error = ClientError::from_answer(404, xml, "HEAD blob");
        assert_eq!((error.code.as_str(), error.message.as_str()), ("BlobNotFound", "no such blob"));
        let error = ClientError::from_answer(502, b"<html>bad\ngateway</html>", "GET x");
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Failed, "<html>bad gateway</html>"));
        assert!(ClientError::from_answer(500, b"", "GET x").message.contains("GET x was answered with status 500"));
    }

    proptest! {
        #[test]
        fn any_body_gives_a_message(status in 400u16..600, body in proptest::collection::vec(any::<u8>(), 0..600)) {
            let error = ClientError::from_answer(status, &body, "GET thing");
            prop_assert!(!error.message.trim().is_empty());
            prop_assert!(!error.in_full().is_empty());
        }
    }
}
