//! What an answer means, in a line, and what to do next.

/// A status in words: what it means here, and the next step when it is bad.
pub fn status(status: u16, by: Option<&str>) -> String {
    let who = by.unwrap_or("the gateway");
    match status {
        200 => format!("answered by {who}"),
        201..=299 => format!("accepted by {who}"),
        300..=399 => "the answer is elsewhere: see the headers (h)".into(),
        400 if by.is_some() => format!("{who} cannot read this request: compare it with the template (f)"),
        400 => "the request could not be read: check path, headers and body".into(),
        401 => "the credential was refused: the keys may have been regenerated; send again to fetch them anew".into(),
        403 => "the credential opens something else: this identity may not call the endpoint".into(),
        404 if by.is_some() => format!("{who} knows no such path: p chooses another"),
        404 => "nobody is served: no weight is set, or no such deployment; t on the endpoint moves traffic".into(),
        405 => "this path takes another method: p chooses".into(),
        408 => {
            format!("{who} took longer than its request timeout: raise it in the form (e), or look for what is slow")
        }
        413 => "the body is too large for this endpoint: send less at once".into(),
        415 => "the content type is not understood: H sets it".into(),
        424 => format!("the model of {who} failed: its log (L) has the traceback"),
        429 => format!("every slot of {who} is busy and its queue full: slow down, or scale it up (>)"),
        500 => format!("{who} broke: its log (L) says why"),
        502 | 503 => format!("no instance of {who} is ready: wait until it is, or look into its log (L)"),
        504 => format!("{who} did not answer in time"),
        _ => format!("status {status} from {who}"),
    }
}

/// The standard's own word for a status.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        424 => "Failed Dependency",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

/// The message inside an error body of the service, in a line.
pub fn message(body: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    let text = [value.get("message"), value.pointer("/error/message"), value.get("error"), value.get("detail")]
        .into_iter()
        .flatten()
        .find_map(|found| found.as_str())?;
    let line = text.lines().next().unwrap_or("").trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_says_what_it_means_and_what_to_do() {
        assert!(status(404, None).contains("no weight"));
        assert!(status(404, Some("blue")).contains("path"));
        assert!(status(424, Some("green")).contains("log"));
        for code in 100..=599 {
            let text = status(code, Some("green"));
            assert!(!text.is_empty() && text.len() < 120, "{code}: {text}");
        }
    }

    #[test]
    fn the_message_of_an_error_body_is_found() {
        assert_eq!(
            message(r#"{"error":{"code":"x","message":"input \"hour\" is missing\nmore"}}"#).unwrap(),
            "input \"hour\" is missing"
        );
        assert_eq!(message(r#"{"message":"a"}"#).unwrap(), "a");
        assert_eq!(message("[1]"), None);
        assert_eq!(message("no json"), None);
    }
}
