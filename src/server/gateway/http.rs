//! Bodies and responses, as the control plane and the data plane build them.

use ::http::header::{CONTENT_TYPE, HeaderValue};
use ::http::{HeaderName, StatusCode};
use bytes::Bytes;
use futures_util::Stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde::Serialize;

/// All in memory, or a stream.
pub type Body = Either<Full<Bytes>, BoxBody<Bytes, std::io::Error>>;
pub type Request = ::http::Request<Incoming>;
pub type Response = ::http::Response<Body>;

/// A whole body.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Either::Left(Full::new(bytes.into()))
}

/// No body at all.
pub fn empty(status: StatusCode) -> Response {
    bytes(status, None, Bytes::new())
}

/// Bytes of some type.
pub fn bytes(status: StatusCode, content_type: Option<&str>, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    if let Some(value) = content_type.and_then(|t| HeaderValue::from_str(t).ok()) {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}

/// Plain text.
pub fn text(status: StatusCode, body: impl Into<String>) -> Response {
    bytes(status, Some("text/plain; charset=utf-8"), body.into())
}

/// A value as JSON; one that cannot be written (a map with non-string keys) becomes a 500.
pub fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => bytes(status, Some("application/json; charset=utf-8"), body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("the answer cannot be written as JSON: {error}")),
    }
}

/// A body that is produced as it goes; the stream ends when the client has gone.
pub fn stream<S>(status: StatusCode, content_type: &str, chunks: S) -> Response
where
    S: Stream<Item = std::io::Result<Bytes>> + Send + Sync + 'static,
{
    use futures_util::StreamExt as _;
    let body = StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data)));
    let mut response = Response::new(Either::Right(BodyExt::boxed(body)));
    *response.status_mut() = status;
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}

/// Sets a header from text; a value that is no header value (control characters) is left out.
pub fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
