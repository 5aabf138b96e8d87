//! A control-plane call, read once: what it names, who makes it, what it asks.

use http::{HeaderMap, Method, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::fault::Fault;
use crate::resources::ids::shorten;

/// Query parameters in order. Names compare in any case. `Debug` shows no values: signatures travel in queries.
#[derive(Clone, Default, PartialEq)]
pub struct Query(Vec<(String, String)>);

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Query {
    /// Reads `a=b&c=d`; bytes that are not UTF-8 become replacement characters.
    pub fn parse(text: &str) -> Self {
        let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        };
        Self(text.split('&').filter(|part| !part.is_empty()).map(pair).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be a number; 400 that names it otherwise.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Fault> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            Fault::property(
                name,
                format!("The query parameter {name} must be a whole number, but it is \"{}\".", shorten(text)),
            )
        })
    }

    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// The same query with one parameter set, as text.
    pub fn with(&self, name: &str, value: &str) -> String {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let others = self.0.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(name));
        let mut parts: Vec<String> = others.map(|(n, v)| format!("{}={}", encode_name(n), encode(v))).collect();
        parts.push(format!("{}={}", encode_name(name), encode(value)));
        parts.join("&")
    }
}

/// Parameter names keep `$` and `-` readable: SDKs look for `api-version` literally.
fn encode_name(name: &str) -> String {
    const KEEP: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'$').remove(b'-').remove(b'_');
    utf8_percent_encode(name, KEEP).to_string()
}

/// A call without its body.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    /// As sent, still percent-encoded.
    pub path: String,
    pub query: Query,
    /// `console`, `cli`, `sdk` or the first word of the user agent.
    pub who: String,
    /// Identifies this call in answers and logs.
    pub request_id: String,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
}

impl Call {
    pub fn new(method: &Method, uri: &http::Uri, headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        Self {
            method: method.clone(),
            path: uri.path().to_owned(),
            query: Query::parse(uri.query().unwrap_or_default()),
            who: who(text(header::USER_AGENT).as_deref().unwrap_or_default()),
            request_id: uuid::Uuid::new_v4().to_string(),
            if_match: text(header::IF_MATCH),
            if_none_match: text(header::IF_NONE_MATCH),
        }
    }

    /// 405 that names the methods `what` knows.
    pub fn no_such_method(&self, what: &str, allow: &[&str]) -> Fault {
        Fault::method(&self.method, what, allow)
    }

    /// Whether the version `etag` satisfies `If-Match` and `If-None-Match`; `None` = the resource does not exist.
    pub fn check_version(&self, what: &str, etag: Option<u64>) -> Result<(), Fault> {
        let refuse =
            |message: String| Err(Fault::new(http::StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message));
        if let Some(wanted) = &self.if_match {
            let given = version(wanted);
            let same = etag.is_some_and(|etag| given == "*" || given == etag.to_string());
            if !same {
                let found = etag.map_or("it does not exist".to_owned(), |etag| format!("it is at version {etag} now"));
                return refuse(format!(
                    "{what} was changed in the meantime: this change was made for version {given}, {found}. Read it again and repeat the change."
                ));
            }
        }
        if self.if_none_match.as_deref().map(str::trim) == Some("*") && etag.is_some() {
            return refuse(format!("{what} exists already. Choose another name, or update it without If-None-Match."));
        }
        Ok(())
    }
}

/// The bare version in an entity tag: `W/"17"`, `"17"` and `17` are the same.
fn version(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
}

/// Who makes a call, from the user agent.
fn who(agent: &str) -> String {
    if agent.starts_with("mlconsole-console") {
        "console".into()
    } else if agent.starts_with("mlconsole-cli") {
        "cli".into()
    } else if agent.contains("azure-ai-ml") || agent.contains("azsdk") {
        "sdk".into()
    } else {
        let word = agent.split(['/', ' ', '(', ';']).next().unwrap_or_default();
        let word: String = word.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
        if word.is_empty() { "unknown".into() } else { word }
    }
}

/// The token of `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(if_match: Option<&str>, if_none_match: Option<&str>) -> Call {
        let mut headers = HeaderMap::new();
        if let Some(tag) = if_match {
            headers.insert(header::IF_MATCH, tag.parse().unwrap());
        }
        if let Some(tag) = if_none_match {
            headers.insert(header::IF_NONE_MATCH, tag.parse().unwrap());
        }
        Call::new(&Method::PUT, &"/x?a=1".parse().unwrap(), &headers)
    }

    #[test]
    fn a_change_for_an_old_version_is_refused_with_both_versions() {
        for tag in ["17", "\"17\"", "W/\"17\"", "*"] {
            assert!(call(Some(tag), None).check_version("endpoint \"e\"", Some(17)).is_ok(), "{tag}");
        }
        let fault = call(Some("\"16\""), None).check_version("endpoint \"e\"", Some(17)).unwrap_err();
        assert_eq!(fault.status, 412);
        assert!(fault.error.message.contains("16") && fault.error.message.contains("17"));
        assert_eq!(call(Some("*"), None).check_version("e", None).unwrap_err().status, 412);
        assert_eq!(call(None, Some("*")).check_version("e", Some(1)).unwrap_err().status, 412);
        assert!(call(None, Some("*")).check_version("e", None).is_ok());
    }

    #[test]
    fn callers_are_known_by_their_agent() {
        assert_eq!(who("mlconsole-console/0.1"), "console");
        assert_eq!(who("mlconsole-cli/0.1"), "cli");
        assert_eq!(who("azure-ai-ml/1.35.2 azsdk-python-mgmt/1"), "sdk");
        assert_eq!(who("curl/8.0"), "curl");
        assert_eq!(who(""), "unknown");
    }

    #[test]
    fn signatures_in_queries_are_not_shown() {
        assert_eq!(format!("{:?}", Query::parse("sp=r&sig=secret")), r#"{"sp", "sig"}"#);
    }

    #[test]
    fn queries_are_read_in_any_case_and_written_back() {
        let q = Query::parse("API-Version=1&$orderBy=createdtime%20desc&x=a+b&flag");
        assert_eq!(q.get("api-version"), Some("1"));
        assert_eq!(q.get("$orderby"), Some("createdtime desc"));
        assert_eq!(q.get("x"), Some("a b"));
        assert_eq!(Query::parse(&q.with("$skip", "5")).get("$skip"), Some("5"));
        assert_eq!(Query::parse(&q.with("x", "ü&=")).get("x"), Some("ü&="));
        assert!(q.number::<u32>("x").is_err());
        assert_eq!(q.number::<u32>("flag").unwrap(), None);
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60), scheme in "(Bearer |bearer|BEARER  |Basic |)") {
            let value = [scheme.as_bytes(), &bytes].concat();
            let Ok(value) = http::HeaderValue::from_bytes(&value) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            for name in [header::AUTHORIZATION, header::USER_AGENT, header::IF_MATCH, header::IF_NONE_MATCH] {
                headers.insert(name, value.clone());
            }
            if let Some(token) = bearer(&headers) {
                proptest::prop_assert!(scheme.to_lowercase().starts_with("bearer") && token.trim() == token);
            }
            let call = Call::new(&Method::PUT, &"/x".parse().unwrap(), &headers);
            proptest::prop_assert!((1..=40).contains(&call.who.chars().count()));
            let _ = (call.check_version("it", Some(1)), call.check_version("it", None));
        }

        #[test]
        fn what_is_put_into_a_query_is_read_back(name in "[a-zA-Z$_-]{1,12}", value in proptest::collection::vec(proptest::prelude::any::<char>(), 0..20), others in "[ -~]{0,40}") {
            let value: String = value.into_iter().collect();
            let text = Query::parse(&others).with(&name, &value);
            let read = Query::parse(&text);
            proptest::prop_assert_eq!(read.get(&name), Some(value.as_str()));
        }

        #[test]
        fn no_query_panics(text in ".{0,80}") {
            let q = Query::parse(&text);
            let _ = (q.get("a"), q.with("b", "c"));
        }
    }
}
