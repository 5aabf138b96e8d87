//! Signing blob requests with an account's key, for datastores that hand out no shared-access signature.
//! Source: "Authorize with Shared Key", Azure Storage REST reference, version 2015-02-21 and later.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use ring::hmac;

use super::error::ClientError;

/// An account and its key. No `Debug`: the key opens the whole account.
pub(super) struct SharedKey {
    account: String,
    key: hmac::Key,
}

impl SharedKey {
    /// # Errors
    /// When the key is not Base64.
    pub(super) fn new(account: &str, key: &str) -> Result<Self, ClientError> {
        let bytes = BASE64_STANDARD
            .decode(key)
            .map_err(|_| ClientError::protocol(format!("the key of storage account {account} is not Base64")))?;
        Ok(Self { account: account.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })
    }

    /// Adds date and signature to the headers of a request. All other headers must be there already.
    pub(super) fn sign(
        &self,
        method: &Method,
        url: &str,
        headers: &mut HeaderMap,
        length: usize,
    ) -> Result<(), ClientError> {
        let unusable = |_| ClientError::protocol("a storage request cannot be signed: its headers are not text");
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT");
        let date = HeaderValue::from_str(&now.to_string()).map_err(unusable)?;
        headers.insert(HeaderName::from_static("x-ms-date"), date);
        let text = string_to_sign(&self.account, method, url, headers, length);
        let signature = BASE64_STANDARD.encode(hmac::sign(&self.key, text.as_bytes()));
        let value = format!("SharedKey {}:{signature}", self.account);
        let mut value = HeaderValue::from_str(&value).map_err(unusable)?;
        value.set_sensitive(true);
        headers.insert(http::header::AUTHORIZATION, value);
        Ok(())
    }
}

/// Method, standard headers, `x-ms-*` headers in order, path and query in order.
fn string_to_sign(account: &str, method: &Method, url: &str, headers: &HeaderMap, length: usize) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let length = if length == 0 { String::new() } else { length.to_string() };
    let standard = [
        method.as_str(),
        text("content-encoding"),
        text("content-language"),
        &length,
        text("content-md5"),
        text("content-type"),
        // The date goes by x-ms-date.
        "",
        text("if-modified-since"),
        text("if-match"),
        text("if-none-match"),
        text("if-unmodified-since"),
        text("range"),
    ];
    let mut signed = standard.join("\n");
    let mut own: Vec<String> = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-ms-"))
        .map(|(name, value)| format!("\n{name}:{}", value.to_str().unwrap_or("").trim()))
        .collect();
    own.sort();
    signed.extend(own);
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.find('/').map_or("/", |at| &path[at..]);
    signed.push_str(&format!("\n/{account}{path}"));
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut parameters: Vec<String> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            format!("\n{}:{}", decode(name).to_lowercase(), decode(value))
        })
        .collect();
    parameters.sort();
    signed.extend(parameters);
    signed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_string_to_sign_is_that_of_the_reference() {
        // The reference's own example: get container metadata.
        let headers = headers(&[("x-ms-version", "2015-02-21"), ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT")]);
        let url = "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata&timeout=20";
        assert_eq!(
            string_to_sign("myaccount", &Method::GET, url, &headers, 0),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n/myaccount/mycontainer\
             \ncomp:metadata\nrestype:container\ntimeout:20"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_address_panics(url in "(https://|)[ -~é]{0,60}", key in "[ -~]{0,20}") {
            let _ = string_to_sign("a", &Method::GET, &url, &HeaderMap::new(), 0);
            let _ = SharedKey::new("a", &key);
        }
    }

    #[test]
    fn a_signed_request_bears_account_date_and_signature() {
        let key = SharedKey::new("acc", &BASE64_STANDARD.encode("secret")).unwrap();
        let mut all = headers(&[("content-type", "text/plain"), ("x-ms-version", "2023-11-03")]);
        key.sign(&Method::PUT, "https://acc.blob.core.windows.net/c/a%20b", &mut all, 3).unwrap();
        let value = all["authorization"].to_str().unwrap();
        let signature = value.strip_prefix("SharedKey acc:").unwrap();
        assert_eq!(BASE64_STANDARD.decode(signature).unwrap().len(), 32);
        let text = string_to_sign("acc", &Method::PUT, "https://acc.blob.core.windows.net/c/a%20b", &all, 3);
        assert!(text.starts_with("PUT\n\n\n3\n\ntext/plain\n") && text.ends_with("\n/acc/c/a%20b"), "{text}");
        assert!(SharedKey::new("acc", "!").is_err());
    }
}
