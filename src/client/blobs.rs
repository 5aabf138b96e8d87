//! A container of a blob store, opened by a shared-access signature or an account key (reference §6.4).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use md5::{Digest as _, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::AsyncReadExt as _;

use super::error::{ClientError, ErrorKind};
use super::files::{LocalFile, Upload};
use super::shared_key::SharedKey;
use super::transport::{Answer, Call, Transport};

/// Up to this a file goes in one request; the SDK's own limit.
const SINGLE_PUT: u64 = 64 << 20;
const BLOCK: usize = 4 << 20;
const VERSION: &str = "2023-11-03";

/// What a blob's path may hold unescaped.
const BLOB_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Where files go. What opens it is a secret: no `Debug`.
pub(super) struct Container {
    /// `https://…/container`, without query.
    pub url: String,
    /// The query that opens it, without `?`; empty with a key.
    pub sas: String,
    pub key: Option<SharedKey>,
}

impl Container {
    /// From a container address with its signature in the query.
    pub(super) fn from_sas_uri(uri: &str) -> Self {
        let (url, sas) = uri.split_once('?').unwrap_or((uri, ""));
        Self { url: url.trim_end_matches('/').to_owned(), sas: sas.to_owned(), key: None }
    }

    fn address(&self, path: &str, query: &str) -> String {
        let query: Vec<&str> = [query, self.sas.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/{}{mark}{}", self.url, utf8_percent_encode(path, BLOB_PATH), query.join("&"))
    }

    fn call(&self, method: Method, path: &str, query: &str) -> Result<Call, ClientError> {
        let mut call = Call::new(method, self.address(path, query));
        call.arm_token = false;
        // A block of 64 MiB over a slow line takes its time.
        call.timeout = Some(std::time::Duration::from_secs(600));
        call.header(HeaderName::from_static("x-ms-version"), VERSION)
    }

    async fn send(&self, transport: &Transport, mut call: Call) -> Result<Answer, ClientError> {
        if let Some(key) = &self.key {
            key.sign(&call.method, &call.url, &mut call.headers, call.body.len())?;
        }
        transport.send(call).await
    }

    /// Metadata of a blob; `None` when there is no such blob.
    pub(super) async fn head(&self, transport: &Transport, path: &str) -> Result<Option<HeaderMap>, ClientError> {
        match self.send(transport, self.call(Method::HEAD, path, "")?).await {
            Ok(answer) => Ok(Some(answer.headers)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Marks an upload as finished on its indicator file, the way the SDK does.
    pub(super) async fn mark_complete(
        &self,
        transport: &Transport,
        path: &str,
        name: &str,
        version: &str,
    ) -> Result<(), ClientError> {
        let call = self
            .call(Method::PUT, path, "comp=metadata")?
            .header(HeaderName::from_static("x-ms-meta-upload_status"), "completed")?
            .header(HeaderName::from_static("x-ms-meta-name"), name)?
            .header(HeaderName::from_static("x-ms-meta-version"), version)?;
        self.send(transport, call).await.map(|_| ())
    }

    /// Sends every file of `upload` under `prefix` (empty, or with a `/` at its end). `sent` hears bytes done of all.
    pub(super) async fn put_all(
        &self,
        transport: &Transport,
        prefix: &str,
        upload: &Upload,
        sent: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<(), ClientError> {
        let total = upload.bytes();
        let mut done = 0;
        sent(0, total);
        for file in &upload.files {
            let path = format!("{prefix}{}", upload.blob_path(file));
            self.put_file(transport, &path, file, &mut |n| {
                done += n;
                sent(done, total);
            })
            .await?;
        }
        Ok(())
    }

    async fn put_file(
        &self,
        transport: &Transport,
        path: &str,
        file: &LocalFile,
        sent: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), ClientError> {
        let unreadable = |e: std::io::Error| ClientError::local(format!("cannot read {}: {e}", file.path.display()));
        if file.size <= SINGLE_PUT {
            let body = Bytes::from(tokio::fs::read(&file.path).await.map_err(unreadable)?);
            let call = self
                .call(Method::PUT, path, "")?
                .header(HeaderName::from_static("x-ms-blob-type"), "BlockBlob")?
                .header(HeaderName::from_static("content-type"), "application/octet-stream")?
                .header(HeaderName::from_static("content-md5"), &BASE64_STANDARD.encode(Md5::digest(&body)))?;
            let size = body.len() as u64;
            self.send(transport, Call { body, ..call }).await?;
            sent(size);
            return Ok(());
        }
        let mut reader = tokio::fs::File::open(&file.path).await.map_err(unreadable)?;
        let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        for index in 0_u32.. {
            let mut block = Vec::with_capacity(BLOCK);
            (&mut reader).take(BLOCK as u64).read_to_end(&mut block).await.map_err(unreadable)?;
            if block.is_empty() {
                break;
            }
            // Ids of one blob must have the same length.
            let id = BASE64_STANDARD.encode(format!("{index:08}"));
            let escaped = utf8_percent_encode(&id, NON_ALPHANUMERIC);
            let size = block.len() as u64;
            let call = self.call(Method::PUT, path, &format!("comp=block&blockid={escaped}"))?;
            self.send(transport, Call { body: block.into(), ..call }).await?;
            list.push_str(&format!("<Latest>{id}</Latest>"));
            sent(size);
        }
        list.push_str("</BlockList>");
        let call = self
            .call(Method::PUT, path, "comp=blocklist")?
            .header(HeaderName::from_static("content-type"), "application/xml")?;
        self.send(transport, Call { body: list.into(), ..call }).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_the_signature_and_escape_names() {
        let container = Container::from_sas_uri("https://h/blob/local/c1?sv=1&sig=a%2Bb");
        assert_eq!(
            container.address("code/my file.py", ""),
            "https://h/blob/local/c1/code/my%20file.py?sv=1&sig=a%2Bb"
        );
        assert_eq!(
            container.address("a/b", "comp=metadata"),
            "https://h/blob/local/c1/a/b?comp=metadata&sv=1&sig=a%2Bb"
        );
        let bare = Container::from_sas_uri("https://h/c/");
        assert_eq!(bare.address("é#?", ""), "https://h/c/%C3%A9%23%3F");
    }
}
