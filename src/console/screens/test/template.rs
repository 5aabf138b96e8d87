//! What is typed around a body: variables in it, headers beside it, method and path, rate and duration.

use std::collections::BTreeMap;

/// Variables that are always there, and what they stand for.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("uuid", "a random identifier"),
    ("now", "the time in UTC, RFC 3339"),
    ("epoch", "the time in seconds since 1970"),
    ("counter", "1, 2, 3 … with each request"),
    ("random", "a number from 0 to 1"),
];

/// What variables are filled in from: the same values give the same text.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Set by the user.
    pub own: &'a BTreeMap<String, String>,
    /// Unix milliseconds.
    pub now: i64,
    /// Requests sent so far, this one included.
    pub counter: u64,
}

/// Fills in `{{name}}` and `${name}`; `\{{` and `\${` stand for themselves.
///
/// # Errors
/// A name that stands for nothing, or a brace that is not closed: what, where, and what to do.
pub fn expand(text: &str, source: &Source) -> Result<String, String> {
    let mut random = fastrand::Rng::with_seed((source.now as u64).rotate_left(20) ^ source.counter);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '$', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (open, close) = match rest {
            _ if rest.starts_with("\\{{") || rest.starts_with("\\${") => {
                out.push_str(&rest[1..3]);
                rest = &rest[3..];
                continue;
            }
            _ if rest.starts_with("{{") => ("{{", "}}"),
            _ if rest.starts_with("${") => ("${", "}"),
            _ => {
                out.push_str(&rest[..1]);
                rest = &rest[1..];
                continue;
            }
        };
        let inner = &rest[open.len()..];
        // `{{` of nested JSON objects is no variable: only a name makes it one
        let name = inner.find(close).map(|end| &inner[..end]).filter(|name| is_name(name.trim()));
        let Some(name) = name else {
            out.push_str(open);
            rest = inner;
            continue;
        };
        let value = value(name.trim(), source, &mut random).ok_or_else(|| {
            let line = text[..text.len() - rest.len()].matches('\n').count() + 1;
            format!("line {line}: nothing is called {}{name}{close}; v sets it", open)
        })?;
        out.push_str(&value);
        rest = &inner[name.len() + close.len()..];
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn value(name: &str, source: &Source, random: &mut fastrand::Rng) -> Option<String> {
    if let Some(own) = source.own.get(name) {
        return Some(own.clone());
    }
    let now = || jiff::Timestamp::from_millisecond(source.now).unwrap_or_default();
    Some(match name {
        "uuid" => uuid::Builder::from_random_bytes(random.u128(..).to_ne_bytes()).into_uuid().to_string(),
        "now" => now().to_string(),
        "epoch" => now().as_second().to_string(),
        "counter" => source.counter.to_string(),
        "random" => format!("{:.6}", random.f64()),
        _ => return None,
    })
}

/// Reads `name=value`; an empty value removes.
///
/// # Errors
/// It is no assignment, or the name cannot be one.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text} sets nothing: write name=value"))?;
    let name = name.trim();
    if !is_name(name) {
        return Err(format!("{name:?} cannot name a variable: letters, digits and _ . -, a letter first"));
    }
    Ok((name.into(), value.trim().into()))
}

/// Reads `Name: value`; an empty value removes.
///
/// # Errors
/// It is no header, or one that the console or the connection sets by itself.
pub fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("{text} is no header: write Name: value"))?;
    let (name, value) = (name.trim(), value.trim());
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Err(format!("{name:?} cannot name a header: letters, digits and dashes"));
    }
    if value.chars().any(|c| c.is_control()) {
        return Err(format!("the value of {name} holds a control character: take it out"));
    }
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "authorization" => Err("the console puts the endpoint's credential in by itself".into()),
        "azureml-model-deployment" => Err("b, g, a and t choose who answers".into()),
        "host" | "content-length" | "transfer-encoding" | "connection" => {
            Err(format!("{name} is set by the connection"))
        }
        _ => Ok((lower, value.into())),
    }
}

/// Reads `POST /v2/models/x/infer`; the method may be left out.
///
/// # Errors
/// No method the service knows, or a path that is none.
pub fn route(text: &str) -> Result<(String, String), String> {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or("/score");
    let (method, path) =
        if first.starts_with('/') { ("POST", first) } else { (first, words.next().unwrap_or("/score")) };
    let method = method.to_ascii_uppercase();
    if !["GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE"].contains(&method.as_str()) {
        return Err(format!("{method} is no method: write GET or POST, then the path"));
    }
    if !path.starts_with('/') || path.contains("..") || !path.chars().all(|c| c.is_ascii_graphic()) {
        return Err(format!("{path} is no path below the endpoint: start it with /"));
    }
    Ok((method, path.into()))
}

/// Rate, duration and connections of a burst: `200`, `200/s 30s`, `200 30 16`.
///
/// # Errors
/// What is no number, or too much of it.
pub fn burst(text: &str) -> Result<(f64, u64, usize), String> {
    let mut words = text.split_whitespace();
    let rate = words.next().ok_or("write requests per second and seconds, for example: 200 30")?;
    let rate: f64 = number(rate.trim_end_matches("/s"), "a rate")?;
    let seconds: f64 =
        words.next().map_or(Ok(10.0), |word| number(word.trim_end_matches('s'), "a number of seconds"))?;
    let connections: f64 = words.next().map_or(Ok(16.0), |word| number(word, "a number of connections"))?;
    if !(0.1..=100_000.0).contains(&rate) {
        return Err(format!("{rate} requests per second cannot be sent: 0.1 to 100 000"));
    }
    if !(1.0..=3_600.0).contains(&seconds) {
        return Err(format!("{seconds} seconds: give 1 to 3 600"));
    }
    if !(1.0..=1_024.0).contains(&connections) {
        return Err(format!("{connections} connections: give 1 to 1 024"));
    }
    Ok((rate, seconds as u64, connections as usize))
}

fn number(word: &str, what: &str) -> Result<f64, String> {
    word.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(|| format!("{word} is not {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> Result<String, String> {
        let own = BTreeMap::from([("user".to_string(), "1042".to_string())]);
        expand(text, &Source { own: &own, now: 1_795_349_200_000, counter: 7 })
    }

    #[test]
    fn variables_of_both_spellings_are_filled_in() {
        assert_eq!(
            filled(r#"{"u": {{user}}, "n": ${counter}, "x": "{{ user }}"}"#).unwrap(),
            r#"{"u": 1042, "n": 7, "x": "1042"}"#
        );
        assert_eq!(filled("{{now}} ${epoch}").unwrap(), "2026-11-22T12:06:40Z 1795349200");
        assert_eq!(filled("{{uuid}}").unwrap().len(), 36);
        assert_eq!(filled("{{uuid}}"), filled("{{uuid}}"), "the same moment and number give the same text");
        assert_ne!(filled("{{uuid}}").unwrap(), filled("{{uuid}}{{uuid}}").unwrap()[36..]);
    }

    #[test]
    fn what_is_no_variable_stays() {
        for text in [r#"{"a":{"b":{}}}"#, "{{}}", "$5", "${", "{{ not closed", r#"{"a":{{"b"}}}"#, "ü{{é}}"] {
            assert_eq!(filled(text).unwrap(), text);
        }
        assert_eq!(filled(r"\{{user}} \${user}").unwrap(), "{{user}} ${user}");
        let error = filled("{\n {{who}} }").unwrap_err();
        assert!(error.contains("line 2") && error.contains("{{who}}"), "{error}");
    }

    #[test]
    fn headers_are_checked_before_they_are_sent() {
        assert_eq!(header("X-Trace: a:b").unwrap(), ("x-trace".into(), "a:b".into()));
        for bad in
            ["nothing", ": x", "a b: c", "Authorization: Bearer x", "Host: evil", "azureml-model-deployment: green"]
        {
            assert!(header(bad).is_err(), "{bad}");
        }
        assert_eq!(assignment("user = 7").unwrap(), ("user".into(), "7".into()));
        assert!(assignment("7").is_err() && assignment("1x=2").is_err());
    }

    #[test]
    fn routes_and_bursts_are_read() {
        assert_eq!(route("/v2/models/m/infer").unwrap(), ("POST".into(), "/v2/models/m/infer".into()));
        assert_eq!(route("get /v2/health/ready").unwrap(), ("GET".into(), "/v2/health/ready".into()));
        assert!(route("/../x").is_err() && route("BREW /x").is_err() && route("POST x").is_err());
        assert_eq!(burst("200").unwrap(), (200.0, 10, 16));
        assert_eq!(burst("200/s 30s 4").unwrap(), (200.0, 30, 4));
        assert!(burst("").is_err() && burst("x").is_err() && burst("1 0").is_err() && burst("nan").is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_readers(text in "(\\PC|[{}$\\\\\n]){0,40}") {
            let _ = filled(&text);
            let _ = (header(&text), assignment(&text), route(&text), burst(&text));
        }
    }
}
