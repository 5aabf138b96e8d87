//! Answers of the control plane.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body as HttpBody, Frame};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::fault::Fault;
use crate::server::gateway::http::{Body, Response};

/// How long a client should wait between polls of an operation, in milliseconds. Only this form is sent: SDKs let
/// `Retry-After` win, and that counts in whole seconds (reference §3.2).
pub const POLL_MS: &str = "200";

/// An answer that is complete when it is made. `Debug` does not show the body: it may be a key or a token.
#[derive(Clone, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: Vec<(&'static str, String)>,
    pub content_type: &'static str,
    pub body: Bytes,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl Answer {
    /// A JSON body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Fault> {
        let body = serde_json::to_vec(body).map_err(|e| Fault::internal("Writing the answer", e))?;
        Ok(Self { status, headers: Vec::new(), content_type: "application/json; charset=utf-8", body: body.into() })
    }

    /// 200 with a JSON body.
    pub fn ok(body: &impl Serialize) -> Result<Self, Fault> {
        Self::json(StatusCode::OK, body)
    }

    /// No body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), content_type: "", body: Bytes::new() }
    }

    /// Plain text.
    pub fn text(content_type: &'static str, text: String) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), content_type, body: text.into() }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The ARM body of a refusal.
    pub fn fault(fault: &Fault) -> Self {
        let error = &fault.error;
        let body = json!({"error": {
            "code": error.code, "message": error.message, "target": error.target, "details": error.details,
            "additionalInfo": [],
        }});
        let mut answer = Self {
            status: fault.status,
            headers: Vec::new(),
            content_type: "application/json; charset=utf-8",
            body: body.to_string().into(),
        };
        if let Some(allow) = &fault.allow {
            answer.headers.push(("allow", allow.clone()));
        }
        answer
    }

    /// The same refusal as Azure Storage writes it.
    pub fn storage_fault(fault: &Fault) -> Self {
        let escape = |text: &str| quick_xml::escape::escape(xml_text(text)).into_owned();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{}</Code><Message>{}</Message></Error>",
            escape(&fault.error.code),
            escape(&fault.error.message)
        );
        Self {
            status: fault.status,
            headers: vec![("x-ms-error-code", fault.error.code.clone())],
            content_type: "application/xml",
            body: body.into(),
        }
    }

    /// As an HTTP response.
    pub fn into_response(self, request_id: &str) -> Response {
        let length = self.body.len();
        let mut response = http::Response::new(Either::Left(Full::new(self.body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            set(headers, name, value);
        }
        if length > 0 && !self.content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        set(headers, "x-ms-request-id", request_id);
        response
    }
}

/// Whether XML 1.0 can carry a character, escaped or not.
pub fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// A text for XML: what XML cannot carry becomes the replacement character.
fn xml_text(text: &str) -> String {
    text.chars().map(|c| if is_xml_char(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Sets a header; a value that HTTP cannot carry is left out.
pub fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// A body that arrives piece by piece from somewhere else; ends when the sender is dropped.
pub struct ChannelBody(pub mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for ChannelBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

impl ChannelBody {
    pub fn boxed(self) -> Body {
        Either::Right(BodyExt::boxed(self))
    }
}

/// A line of newline-delimited JSON.
pub fn line(value: &impl Serialize) -> Bytes {
    let mut bytes = serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec());
    bytes.push(b'\n');
    bytes.into()
}
