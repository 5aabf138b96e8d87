//! Who may score: the endpoint's keys or its tokens.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

/// Checks a token: signature, endpoint, audience, expiry.
pub type TokenVerifier = Arc<dyn Fn(&str) -> Result<(), AuthFailure> + Send + Sync>;

/// Why a caller was refused, in the words of the response body (reference §7.4). Never holds the credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AuthFailure(pub String);

impl AuthFailure {
    /// No `Authorization: Bearer …` header, or one that cannot be read.
    pub fn bad_header() -> Self {
        Self("key_auth_bad_header_forbidden".into())
    }

    /// A credential that opens nothing here.
    pub fn denied() -> Self {
        Self("key_auth_access_denied".into())
    }
}

/// How callers of an endpoint prove themselves.
#[derive(Clone)]
pub enum AuthPolicy {
    /// Either key.
    Keys { primary: String, secondary: String },
    /// Tokens issued by the endpoint.
    AmlToken(TokenVerifier),
    /// Tokens of the identity provider.
    AadToken(TokenVerifier),
}

impl fmt::Debug for AuthPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keys { .. } => "Keys",
            Self::AmlToken(_) => "AmlToken",
            Self::AadToken(_) => "AadToken",
        })
    }
}

impl AuthPolicy {
    /// Lets the bearer of a valid credential pass.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), AuthFailure> {
        let token = bearer(headers).ok_or_else(AuthFailure::bad_header)?;
        match self {
            Self::Keys { primary, secondary } => {
                // Both comparisons always run; an empty key opens nothing.
                let same = |key: &str| {
                    difference(key.as_bytes(), token.as_bytes()).ct_eq(&0) & u8::from(!key.is_empty()).ct_eq(&1)
                };
                if bool::from(same(primary) | same(secondary)) { Ok(()) } else { Err(AuthFailure::denied()) }
            }
            Self::AmlToken(verify) | Self::AadToken(verify) => verify(token),
        }
    }
}

/// 0 for equal texts. Takes the same time for all texts of a length; eight bytes a step, as keys are long.
fn difference(a: &[u8], b: &[u8]) -> u64 {
    if a.len() != b.len() {
        return 1;
    }
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    a.chunks(8).zip(b.chunks(8)).fold(0, |all, (a, b)| std::hint::black_box(all | (word(a) ^ word(b))))
}

/// The bearer token, when there is exactly one well-formed `Authorization` header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (all.next()?.to_str().ok()?, all.next()) else { return None };
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn either_key_opens_and_nothing_else() {
        let policy = AuthPolicy::Keys { primary: "abcd".into(), secondary: "efgh".into() };
        for good in ["Bearer abcd", "bearer efgh", "Bearer  abcd "] {
            assert_eq!(policy.check(&headers(&[good])), Ok(()), "{good}");
        }
        for bad in ["Bearer abc", "Bearer abcde", "Bearer abcx"] {
            assert_eq!(policy.check(&headers(&[bad])), Err(AuthFailure::denied()), "{bad}");
        }
        for bad in ["abcd", "Basic abcd", "Bearer", "Bearer "] {
            assert_eq!(policy.check(&headers(&[bad])), Err(AuthFailure::bad_header()), "{bad}");
        }
        assert_eq!(policy.check(&headers(&[])), Err(AuthFailure::bad_header()));
        assert_eq!(policy.check(&headers(&["Bearer abcd", "Bearer abcd"])), Err(AuthFailure::bad_header()));
    }

    #[test]
    fn every_byte_of_a_key_counts() {
        let key: String = ('a'..='z').cycle().take(43).collect();
        let policy = AuthPolicy::Keys { primary: key.clone(), secondary: String::new() };
        let ask = |token: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
            policy.check(&headers)
        };
        assert_eq!(ask(&key), Ok(()));
        for at in 0..key.len() {
            let mut other = key.clone();
            other.replace_range(at..=at, "A");
            assert_eq!(ask(&other), Err(AuthFailure::denied()), "byte {at}");
        }
        assert_eq!(ask(&key[..40]), Err(AuthFailure::denied()));
    }

    #[test]
    fn an_endpoint_without_keys_is_closed_and_debug_shows_none() {
        let policy = AuthPolicy::Keys { primary: String::new(), secondary: "secret".into() };
        assert_eq!(policy.check(&headers(&["Bearer x"])), Err(AuthFailure::denied()));
        assert!(!format!("{policy:?}").contains("secret"));
    }
}
