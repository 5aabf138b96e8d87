//! What a request line and Host header ask for.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// A request, sorted.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Scoring: endpoint and the path below its base URL, which starts with `/`.
    Score { endpoint: String, path: String },
    /// Anything else.
    Control,
}

/// Why a Host is refused.
#[derive(Debug, PartialEq, Eq)]
pub enum BadHost {
    /// None, several, or not a host.
    Malformed,
    /// Not one of ours: a web page that resolves its own name to this machine, or a tunnel.
    Foreign(String),
}

/// The host the caller thinks it speaks to: of the absolute URI if there is one (RFC 9112 §3.2.2), else of the header.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Authority, BadHost> {
    if let Some(authority) = uri.authority() {
        return Ok(authority.clone());
    }
    let mut all = headers.get_all(HOST).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return Err(BadHost::Malformed) };
    let host: Authority = value.as_bytes().try_into().map_err(|_| BadHost::Malformed)?;
    if host.as_str().contains('@') { Err(BadHost::Malformed) } else { Ok(host) }
}

/// The name in `NAME.localhost`, if the host has that form.
fn name_of_localhost(host: &str) -> Option<&str> {
    let name = host.len().checked_sub(".localhost".len()).and_then(|n| host.split_at_checked(n))?;
    (name.1.eq_ignore_ascii_case(".localhost") && !name.0.is_empty()).then_some(name.0)
}

/// Whether the one Host header says `localhost` or `127.0.0.1` and this port, as it nearly always does.
fn is_usual(headers: &HeaderMap, port: u16) -> bool {
    let mut all = headers.get_all(HOST).iter();
    let (Some(Ok(host)), None) = (all.next().map(|v| v.to_str()), all.next()) else { return false };
    host.rsplit_once(':').is_some_and(|(host, digits)| {
        matches!(host, "localhost" | "127.0.0.1")
            && digits.bytes().all(|b| b.is_ascii_digit())
            && digits.parse() == Ok(port)
    })
}

/// Checks the Host (`port` is the listener's; `None` lets any host pass) and sorts the request.
pub fn sort(uri: &Uri, headers: &HeaderMap, port: Option<u16>, extra: &[String]) -> Result<Asked, BadHost> {
    if let Some(port) = port
        && uri.authority().is_none()
        && is_usual(headers, port)
    {
        return Ok(by_path(uri.path()));
    }
    let authority = match (authority(uri, headers), port) {
        (Ok(authority), _) => Some(authority),
        (Err(_), None) => None,
        (Err(error), Some(_)) => return Err(error),
    };
    let mut by_host = None;
    if let Some(authority) = &authority {
        let host = authority.host();
        by_host = name_of_localhost(host);
        if let Some(port) = port {
            let ours = ["127.0.0.1", "localhost", "[::1]"].iter().any(|h| h.eq_ignore_ascii_case(host));
            let ours = ours || by_host.is_some() || extra.iter().any(|h| h.eq_ignore_ascii_case(host));
            // Without a port the scheme's own is meant, which is ours only if we listen there.
            let same_port = authority.port_u16().map_or(matches!(port, 80 | 443), |p| p == port);
            if !(ours && same_port) {
                return Err(BadHost::Foreign(authority.to_string()));
            }
        }
    }
    let path = uri.path();
    if let Some(endpoint) = by_host {
        return Ok(Asked::Score { endpoint: endpoint.to_owned(), path: path.to_owned() });
    }
    Ok(by_path(path))
}

fn by_path(path: &str) -> Asked {
    let Some(rest) = path.strip_prefix("/endpoints/") else { return Asked::Control };
    let (endpoint, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    Asked::Score { endpoint: endpoint.to_owned(), path: path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn ask(host: &str, path: &str) -> Result<Asked, BadHost> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        sort(&path.parse().unwrap(), &headers, Some(8443), &[])
    }

    fn score(endpoint: &str, path: &str) -> Result<Asked, BadHost> {
        Ok(Asked::Score { endpoint: endpoint.into(), path: path.into() })
    }

    #[test]
    fn scoring_is_found_by_path_and_by_host_name() {
        assert_eq!(ask("localhost:8443", "/endpoints/fraud/score?x=1"), score("fraud", "/score"));
        assert_eq!(ask("127.0.0.1:8443", "/endpoints/fraud"), score("fraud", "/"));
        assert_eq!(ask("[::1]:8443", "/endpoints/fraud/v2/models/m/infer"), score("fraud", "/v2/models/m/infer"));
        assert_eq!(ask("Fraud.LOCALHOST:8443", "/score"), score("Fraud", "/score"));
        assert_eq!(ask("localhost:8443", "/subscriptions"), Ok(Asked::Control));
        assert_eq!(ask("LOCALHOST:8443", "/endpoints/fraud/score"), score("fraud", "/score"));
    }

    #[test]
    fn foreign_hosts_are_refused() {
        for host in
            ["evil.example:8443", "localhost.evil.example:8443", "localhost:8444", "localhost", "169.254.1.1:8443"]
        {
            assert_eq!(ask(host, "/"), Err(BadHost::Foreign(host.into())));
        }
        assert_eq!(ask("a@localhost:8443", "/"), Err(BadHost::Malformed));
        assert_eq!(ask(".localhost:8443", "/"), Err(BadHost::Foreign(".localhost:8443".into())));
        assert_eq!(sort(&"/".parse().unwrap(), &HeaderMap::new(), Some(1), &[]), Err(BadHost::Malformed));
        assert_eq!(sort(&"/".parse().unwrap(), &HeaderMap::new(), None, &[]), Ok(Asked::Control));
    }

    proptest! {
        #[test]
        fn no_host_panics(host in "[ -~]{0,40}", path in "/[!-~]{0,40}") {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(&host).unwrap());
            if let Ok(uri) = path.parse() {
                let _ = sort(&uri, &headers, Some(8443), &[]);
            }
        }
    }
}
