//! Writing blobs, whole or in blocks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use md5::{Digest, Md5};
use tokio::sync::mpsc::{self, Sender};

use super::files::{self, Meta, Piece, Upload};
use super::{Target, blocking, content_type, describe, list, metadata_of, text};
use crate::server::api::answer::Answer;
use crate::server::api::call::Call;
use crate::server::api::fault::Fault;
use crate::server::gateway::http::Response;

/// Most blocks a blob can have, as on Azure.
const MAX_BLOCKS: usize = 50_000;
/// Longest block list that is read: room for `MAX_BLOCKS` ids of 64 bytes.
const MAX_LIST_BYTES: usize = 8 * 1024 * 1024;

pub async fn blob(target: Target, call: &Call, headers: &HeaderMap, body: Incoming) -> Result<Response, Fault> {
    // Says no before the bytes travel.
    let path = target.assets.blob(&target.container, &target.blob).map_err(files::bad_name)?;
    let kind = text(headers, "x-ms-blob-type").unwrap_or("BlockBlob");
    if !kind.eq_ignore_ascii_case("BlockBlob") {
        return Err(Fault::bad(
            "UnsupportedHeader",
            format!("A {kind} cannot be stored; only block blobs can. Leave x-ms-blob-type at BlockBlob."),
        ));
    }
    // An empty blob in place of the copy would look like success.
    if headers.contains_key("x-ms-copy-source") {
        return Err(Fault::bad(
            "UnsupportedHeader",
            "Blobs are not copied here. Send the bytes in the body of the call.",
        ));
    }
    let only_new = call.if_none_match.as_deref().map(str::trim) == Some("*");
    if only_new && blocking(move || Ok(path.is_file())).await? {
        return Err(Fault::conflict("BlobAlreadyExists", format!("A blob named \"{}\" exists already.", target.blob)));
    }
    let meta = Meta {
        name: target.blob.clone(),
        content_type: content_type(headers),
        metadata: metadata_of(headers),
        ..Meta::default()
    };
    let expected = text(headers, "content-md5").map(str::to_owned);
    let meta = received(target, body, expected, move |target, upload| {
        let meta = Meta { md5: STANDARD.encode(upload.md5), ..meta };
        files::place(&target.assets, &target.container, upload, only_new, meta)
    })
    .await?;
    Ok(describe(Answer::empty(StatusCode::CREATED), &meta).into_response(&call.request_id))
}

pub async fn block(target: Target, call: &Call, headers: &HeaderMap, body: Incoming) -> Result<Response, Fault> {
    target.assets.blob(&target.container, &target.blob).map_err(files::bad_name)?;
    let id = call.query.get("blockid").filter(|id| !id.is_empty() && id.len() <= 128).map(str::to_owned).ok_or_else(
        || {
            Fault::bad(
                "InvalidQueryParameterValue",
                "The query parameter blockid is missing or longer than 128 bytes. Give each block an id.",
            )
        },
    )?;
    let expected = text(headers, "content-md5").map(str::to_owned);
    let md5 = received(target, body, expected, move |target, upload| {
        // A space in a query can only have been a plus sign of base64.
        files::place_block(&target.assets, &target.container, &target.blob, &id.replace(' ', "+"), upload)?;
        Ok(STANDARD.encode(upload.md5))
    })
    .await?;
    let answer =
        Answer::empty(StatusCode::CREATED).with("content-md5", md5).with("x-ms-request-server-encrypted", "true");
    Ok(answer.into_response(&call.request_id))
}

pub async fn block_list(target: Target, call: &Call, headers: &HeaderMap, body: Incoming) -> Result<Response, Fault> {
    let too_long = |_| Fault::bad("RequestBodyTooLarge", "The block list is too long or broke off. Use larger blocks.");
    let xml: Bytes = Limited::new(body, MAX_LIST_BYTES).collect().await.map_err(too_long)?.to_bytes();
    // Azure's MD5 of this call is that of the list, not of the blob (reference §6.4).
    let md5 = STANDARD.encode(Md5::digest(&xml));
    if text(headers, "content-md5").is_some_and(|expected| expected != md5) {
        return Err(Fault::bad(
            "Md5Mismatch",
            "The MD5 of the received block list differs from the header Content-MD5. Send it again.",
        ));
    }
    let ids = list::parse_blocks(&xml)?;
    if ids.len() > MAX_BLOCKS {
        return Err(Fault::bad(
            "BlockListTooLong",
            format!("The list names {} blocks; {MAX_BLOCKS} is the most. Use larger blocks.", ids.len()),
        ));
    }
    let only_new = call.if_none_match.as_deref().map(str::trim) == Some("*");
    let meta = Meta {
        name: target.blob.clone(),
        content_type: text(headers, "x-ms-blob-content-type").unwrap_or("application/octet-stream").to_owned(),
        metadata: metadata_of(headers),
        ..Meta::default()
    };
    let meta = blocking(move || {
        let upload = files::join_blocks(&target.assets, &target.container, &target.blob, &ids)?;
        let meta = files::place(&target.assets, &target.container, &upload, only_new, meta)?;
        files::forget_blocks(&target.assets, &target.container, &target.blob);
        Ok(meta)
    })
    .await?;
    let answer = describe(Answer::empty(StatusCode::CREATED), &meta).with("content-md5", md5);
    Ok(answer.into_response(&call.request_id))
}

pub async fn metadata(target: Target, call: &Call, headers: &HeaderMap) -> Result<Response, Fault> {
    let (name, metadata) = (target.blob.clone(), metadata_of(headers));
    let meta = blocking(move || files::set_metadata(&target.assets, &target.container, &target.blob, metadata))
        .await?
        .ok_or_else(|| {
            Fault::missing("BlobNotFound", format!("There is no blob \"{name}\" in this container. Upload it first."))
        })?;
    let answer = Answer::empty(StatusCode::OK)
        .with("etag", meta.etag.clone())
        .with("last-modified", list::http_date(meta.modified_s))
        .with("x-ms-request-server-encrypted", "true");
    Ok(answer.into_response(&call.request_id))
}

/// Streams a body to disk on a thread of its own and hands the finished upload to `finish` there.
async fn received<T: Send + 'static>(
    target: Target,
    body: Incoming,
    expected_md5: Option<String>,
    finish: impl FnOnce(&Target, &Upload) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (sender, receiver) = mpsc::channel(16);
    let writing = blocking(move || {
        let upload = files::receive(&target.assets, receiver, expected_md5.as_deref())?;
        finish(&target, &upload)
    });
    let (result, ()) = futures_util::future::join(writing, pump(body, sender)).await;
    result
}

/// Passes a body on, piece by piece. When it breaks off, no end is passed on.
async fn pump(mut body: Incoming, sender: Sender<Piece>) {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return };
        if let Ok(data) = frame.into_data()
            && sender.send(Piece::Data(data)).await.is_err()
        {
            // The writer has given up and answers why; the rest of the body is not read.
            return;
        }
    }
    // The writer may have given up meanwhile; its answer says so.
    let _ = sender.send(Piece::End).await;
}
