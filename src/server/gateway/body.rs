//! Reading request bodies: whole, bounded, and never waiting for ever.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

/// Memory set aside on the word of a `content-length` alone.
const ON_TRUST: usize = 1024 * 1024;
/// What a refused caller may still send so that it gets to read its answer.
const DISCARD_BYTES: u64 = 256 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(15);

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the request body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the request body stopped arriving: nothing for {} s", .0.as_secs_f32())]
    Slow(Duration),
    #[error("the connection broke off in the request body: {0}")]
    Broken(#[from] hyper::Error),
}

/// The whole body, of at most `limit` bytes, giving up when nothing arrives for `idle`. `headers` are the request's.
pub async fn read(headers: &HeaderMap, mut body: Incoming, limit: usize, idle: Duration) -> Result<Bytes, BodyError> {
    let expected = body.size_hint();
    if expected.lower() > limit as u64 {
        discard(headers, body);
        return Err(BodyError::TooLarge { limit });
    }
    let mut whole = BytesMut::new();
    loop {
        let frame = match futures_util::FutureExt::now_or_never(body.frame()) {
            // Usually the body came with the head: no timer for it.
            Some(frame) => frame,
            None => tokio::time::timeout(idle, body.frame()).await.map_err(|_| BodyError::Slow(idle))?,
        };
        let Some(frame) = frame.transpose()? else { return Ok(whole.freeze()) };
        let Ok(data) = frame.into_data() else { continue };
        if whole.is_empty() && body.is_end_stream() && data.len() <= limit {
            return Ok(data);
        }
        if whole.len() + data.len() > limit {
            drain(body);
            return Err(BodyError::TooLarge { limit });
        }
        if whole.is_empty() {
            let length = usize::try_from(expected.lower()).unwrap_or(ON_TRUST);
            whole.reserve(length.min(ON_TRUST).max(data.len()));
        }
        whole.extend_from_slice(&data);
    }
}

/// Lets the caller finish sending what nobody wants, within bounds: many clients read the answer only then. One that
/// asked before sending (`Expect: 100-continue`) is simply not told to go on.
pub fn discard(headers: &HeaderMap, body: Incoming) {
    if !body.is_end_stream() && !headers.contains_key(EXPECT) {
        drain(body);
    }
}

fn drain(mut body: Incoming) {
    tokio::spawn(async move {
        let all = async {
            let mut seen = 0;
            while let Some(Ok(frame)) = body.frame().await {
                seen += frame.data_ref().map_or(0, |data| data.len() as u64);
                if seen > DISCARD_BYTES {
                    return;
                }
            }
        };
        // Running out of time is the other bound.
        let _ = tokio::time::timeout(DISCARD_TIME, all).await;
    });
}
