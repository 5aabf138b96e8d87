//! Reading blobs and lists of them.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode, header};
use tokio::sync::mpsc;

use super::files::{self, Meta};
use super::{Target, blocking, list};
use crate::resources::ids::shorten;
use crate::server::api::answer::{Answer, ChannelBody, set};
use crate::server::api::call::Call;
use crate::server::api::fault::Fault;
use crate::server::gateway::http::Response;

/// Bytes read from disk at a time.
const PIECE: usize = 256 * 1024;

pub async fn list(target: Target, call: &Call) -> Result<Response, Fault> {
    let q = &call.query;
    let query = list::Query {
        prefix: q.get("prefix").unwrap_or_default().to_owned(),
        delimiter: q.get("delimiter").unwrap_or_default().to_owned(),
        metadata: q
            .get("include")
            .is_some_and(|i| i.split(',').any(|part| part.trim().eq_ignore_ascii_case("metadata"))),
        marker: q.get("marker").unwrap_or_default().to_owned(),
        max_results: q.number("maxresults")?.unwrap_or(0),
    };
    let xml = blocking(move || list::container(&target.assets, &target.container, &query)).await?;
    Ok(Answer::text("application/xml", xml).into_response(&call.request_id))
}

pub async fn head(target: Target, call: &Call) -> Result<Response, Fault> {
    let (len, meta) = look(target).await?;
    let mut response = Answer::empty(StatusCode::OK).into_response(&call.request_id);
    describe(response.headers_mut(), &meta, len);
    Ok(response)
}

pub async fn get(target: Target, headers: &HeaderMap) -> Result<Response, Fault> {
    let (len, meta) = look(target.clone()).await?;
    let asked = super::text(headers, "x-ms-range").or_else(|| super::text(headers, "range"));
    let range = asked.map(|text| parse_range(text, len)).transpose()?.flatten();
    let (start, end) = range.unwrap_or((0, len));
    let path = target.assets.blob(&target.container, &target.blob).map_err(files::bad_name)?;
    let root = target.assets.root().to_owned();
    let mut file = blocking(move || {
        let mut file = File::open(&path).map_err(|e| files::disk(&e, &root))?;
        file.seek(SeekFrom::Start(start)).map_err(|e| files::disk(&e, &root))?;
        Ok(file)
    })
    .await?;
    // Two pieces wait at most: a slow reader holds little memory.
    let (sender, receiver) = mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        let mut left = end - start;
        while left > 0 {
            let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
            let read = match file.read(&mut piece) {
                Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
                other => other,
            };
            let piece = read.map(|n| {
                piece.truncate(n);
                left -= n as u64;
                Bytes::from(piece)
            });
            let failed = piece.is_err();
            // The send fails when the client has gone.
            if sender.blocking_send(piece).is_err() || failed {
                return;
            }
        }
    });
    let mut response = http::Response::new(ChannelBody(receiver).boxed());
    describe(response.headers_mut(), &meta, end - start);
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let last = end.saturating_sub(1);
        set(response.headers_mut(), "content-range", &format!("bytes {start}-{last}/{len}"));
        // The MD5 is that of the whole blob.
        if let Some(md5) = response.headers_mut().remove("content-md5") {
            response.headers_mut().insert(HeaderName::from_static("x-ms-blob-content-md5"), md5);
        }
    }
    Ok(response)
}

async fn look(target: Target) -> Result<(u64, Meta), Fault> {
    let name = shorten(&target.blob);
    blocking(move || files::look(&target.assets, &target.container, &target.blob))
        .await?
        .ok_or_else(|| Fault::missing("BlobNotFound", format!("There is no blob \"{name}\" in this container.")))
}

fn describe(headers: &mut HeaderMap, meta: &Meta, len: u64) {
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    for (name, value) in [
        ("etag", meta.etag.as_str()),
        ("content-md5", meta.md5.as_str()),
        ("content-type", if meta.content_type.is_empty() { "application/octet-stream" } else { &meta.content_type }),
        ("last-modified", &list::http_date(meta.modified_s)),
        ("x-ms-blob-type", "BlockBlob"),
        ("x-ms-server-encrypted", "true"),
        ("x-ms-lease-status", "unlocked"),
        ("x-ms-lease-state", "available"),
    ] {
        if !value.is_empty() {
            set(headers, name, value);
        }
    }
    for (name, value) in &meta.metadata {
        let name = HeaderName::try_from(format!("x-ms-meta-{name}"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}

/// Start and end (exclusive) of `bytes=a-b`, `bytes=a-` or `bytes=-n`; `None` for a form that is to be ignored.
fn parse_range(text: &str, len: u64) -> Result<Option<(u64, u64)>, Fault> {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
        return Ok(None);
    };
    let unsatisfiable = || {
        Fault::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            format!("The range {text} is outside the blob, which has {len} bytes. Ask for a part of it."),
        )
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (start, end) = match (number(first), number(last)) {
        (Some(start), Some(last)) if start <= last => (start, last.saturating_add(1).min(len)),
        (Some(start), None) if last.trim().is_empty() => (start, len),
        (None, Some(count)) if first.trim().is_empty() => (len.saturating_sub(count), len),
        _ => return Ok(None),
    };
    if start >= len { Err(unsatisfiable()) } else { Ok(Some((start, end))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_blob() {
        assert_eq!(parse_range("bytes=0-33554431", 8).unwrap(), Some((0, 8)));
        assert_eq!(parse_range("bytes=2-3", 8).unwrap(), Some((2, 4)));
        assert_eq!(parse_range("bytes=5-", 8).unwrap(), Some((5, 8)));
        assert_eq!(parse_range("bytes=-3", 8).unwrap(), Some((5, 8)));
        assert_eq!(parse_range("bytes=-30", 8).unwrap(), Some((0, 8)));
        for ignored in ["bytes=3-2", "bytes=x-", "lines=1-2", "bytes=", "bytes=1-2,4-5"] {
            assert_eq!(parse_range(ignored, 8).unwrap(), None, "{ignored}");
        }
        assert_eq!(parse_range("bytes=8-", 8).unwrap_err().status, 416);
        assert_eq!(parse_range("bytes=0-1", 0).unwrap_err().error.code, "InvalidRange");
    }

    proptest::proptest! {
        #[test]
        fn no_range_panics_or_exceeds(text in "(bytes=)?[0-9-]{0,24}", len in 0u64..100) {
            if let Ok(Some((start, end))) = parse_range(&text, len) {
                proptest::prop_assert!(start < end && end <= len);
            }
        }
    }
}
