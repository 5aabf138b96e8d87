//! How endings become status codes, headers and words (reference: API §7.2 to §7.4).

use std::time::Duration;

use http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};

use super::auth::AuthFailure;
use super::body::BodyError;
use super::http::{Response, bytes, text};
use super::pool::{Ending, Refusal};
use crate::resources::ids::shorten;
use crate::server::engine::{OutOfMemory, ScoreResponse};
use crate::server::telemetry::Outcome;

pub const DEPLOYMENT: HeaderName = HeaderName::from_static("azureml-model-deployment");
pub const MODEL_TIME: HeaderName = HeaderName::from_static("ms-azureml-model-time");
pub const GENERATION: HeaderName = HeaderName::from_static("mlconsole-generation");
pub const QUEUE_MS: HeaderName = HeaderName::from_static("mlconsole-queue-ms");
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub const MS_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
pub const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// On copies only: tells a model that nobody waits for its answer.
pub const SHADOW: HeaderName = HeaderName::from_static("mlconsole-shadow");
const ERROR_STATUS: HeaderName = HeaderName::from_static("ms-azureml-model-error-statuscode");
const ERROR_REASON: HeaderName = HeaderName::from_static("ms-azureml-model-error-reason");

/// Of an answer, with some to spare: the map is made once at its size.
const HEADERS: usize = 12;

const NO_WEIGHT: &str = "No valid deployments to route to. Please check that the endpoint has at least one deployment with \
                         positive weight values or use a deployment specific header to route.";

/// An answer and what it counts as.
pub struct Answer {
    pub response: Response,
    pub outcome: Outcome,
    pub queued: Duration,
    pub model: Duration,
}

impl Answer {
    fn plain(outcome: Outcome, response: Response) -> Self {
        Self { response, outcome, queued: Duration::ZERO, model: Duration::ZERO }
    }
}

fn reason(mut response: Response, reason: &'static str) -> Response {
    response.headers_mut().insert(ERROR_REASON, HeaderValue::from_static(reason));
    response
}

/// Milliseconds with three decimals.
pub fn millis(duration: Duration) -> HeaderValue {
    if duration < Duration::from_micros(1) {
        return HeaderValue::from_static("0.000");
    }
    let mut micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    // Twenty digits and a point at most, written from the end: formatting costs as much as a small model.
    let (mut text, mut start, mut digits) = ([0; 24], 24, 0);
    while digits < 4 || micros > 0 {
        if digits == 3 {
            start -= 1;
            text[start] = b'.';
        }
        start -= 1;
        text[start] = b'0' + (micros % 10) as u8;
        micros /= 10;
        digits += 1;
    }
    HeaderValue::from_bytes(&text[start..]).unwrap_or(HeaderValue::from_static("0"))
}

pub fn unauthorized(failure: &AuthFailure) -> Response {
    let mut response = text(StatusCode::UNAUTHORIZED, failure.0.clone());
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

pub fn no_endpoint(name: &str) -> Response {
    text(
        StatusCode::NOT_FOUND,
        format!("There is no endpoint '{}' in this workspace. Check the name in the scoring URI.", shorten(name)),
    )
}

pub fn no_weight() -> Response {
    text(StatusCode::NOT_FOUND, NO_WEIGHT)
}

pub fn unknown_deployment(endpoint: &str, deployments: &[&str]) -> Response {
    let message = format!(
        "The header azureml-model-deployment names no deployment of endpoint '{endpoint}'. It has: {}.",
        if deployments.is_empty() { "none".to_owned() } else { deployments.join(", ") }
    );
    text(StatusCode::NOT_FOUND, message)
}

pub fn bad_body(error: &BodyError) -> Response {
    let status = match error {
        BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::Slow(_) => StatusCode::REQUEST_TIMEOUT,
        BodyError::Broken(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = text(status, error.to_string());
    if !matches!(error, BodyError::TooLarge { .. }) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A request that was not admitted.
pub fn refused(refusal: Refusal, deployment: &str, kubernetes: bool) -> Answer {
    match refusal {
        Refusal::TooMany { retry_after } => {
            let status = if kubernetes { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::TOO_MANY_REQUESTS };
            let message =
                format!("Too many pending requests for deployment '{deployment}'. Try again in {retry_after} s.");
            let mut response = reason(text(status, message), "too_many_pending_request");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
            Answer::plain(Outcome::Refused, response)
        }
        Refusal::NotReady => not_ready(deployment),
    }
}

fn not_ready(deployment: &str) -> Answer {
    let message = format!("Deployment '{deployment}' has no instance that is ready. Its log says why.");
    let response = reason(text(StatusCode::SERVICE_UNAVAILABLE, message), "model_not_ready");
    Answer::plain(Outcome::ServerError, response)
}

/// An admitted request.
pub fn ended(ending: Ending, deployment: &str, timeout: Duration, kubernetes: bool) -> Answer {
    let failed = if kubernetes { StatusCode::BAD_GATEWAY } else { StatusCode::FAILED_DEPENDENCY };
    match ending {
        Ending::Answered { response, queued } => answered(response, queued, failed),
        Ending::Expired => {
            let status = if kubernetes { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::REQUEST_TIMEOUT };
            let ms = timeout.as_millis();
            let message = format!("Deployment '{deployment}' did not answer within its request_timeout_ms of {ms} ms.");
            Answer::plain(Outcome::Timeout, text(status, message))
        }
        Ending::Panicked => lost(failed, deployment, "stopped with a panic"),
        Ending::Lost(how) => lost(failed, deployment, &how),
        Ending::OutOfMemory(short) => out_of_memory(failed, deployment, &short),
        Ending::Hung => lost(failed, deployment, "did not come back"),
        Ending::Stopped => not_ready(deployment),
    }
}

fn lost(status: StatusCode, deployment: &str, how: &str) -> Answer {
    let message = format!(
        "The model of deployment '{deployment}' {how} while it answered this request. The instance is being replaced; the \
         deployment's log has the details."
    );
    let mut response = reason(text(status, message), "model_error");
    response.headers_mut().insert(ERROR_STATUS, HeaderValue::from_static("500"));
    Answer::plain(Outcome::ModelError, response)
}

/// The instance was stopped as a container is that the system kills for its memory.
fn out_of_memory(status: StatusCode, deployment: &str, short: &OutOfMemory) -> Answer {
    let mut answer = lost(status, deployment, &format!("was stopped ({short})"));
    let words = format!("OOMKilled: needs {} bytes, limit {} bytes", short.needed, short.limit);
    if let Ok(words) = HeaderValue::from_str(&words) {
        answer.response.headers_mut().insert(ERROR_REASON, words);
    }
    answer
}

fn answered(model: ScoreResponse, queued: Duration, failed: StatusCode) -> Answer {
    let own = StatusCode::from_u16(model.status).ok().filter(|s| s.as_u16() >= 200);
    let (status, outcome) = match own {
        // Any other success is a failure to Azure's proxy too.
        Some(StatusCode::OK) => (StatusCode::OK, Outcome::Ok),
        Some(status) if model.caller_fault => (status, Outcome::ClientError),
        _ => (failed, Outcome::ModelError),
    };
    let mut response = bytes(status, None, model.body);
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    if !model.content_type.is_empty() {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(model.content_type));
    }
    for (name, value) in model.headers {
        // A header that is none is the model's mistake, not a reason to withhold the answer.
        if let (Ok(name), Some(value)) = (HeaderName::from_bytes(name.as_bytes()), header_value(&value)) {
            headers.append(name, value);
        }
    }
    if outcome == Outcome::ModelError {
        headers.insert(ERROR_STATUS, HeaderValue::from(model.status));
        headers.insert(ERROR_REASON, HeaderValue::from_static("model_error"));
    }
    headers.insert(MODEL_TIME, millis(model.model_time));
    Answer { response, outcome, queued, model: model.model_time }
}

/// A header's value; other characters than ASCII travel as Latin-1, as in WSGI.
fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok().or_else(|| {
        let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
        HeaderValue::from_bytes(&bytes?).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn model(status: u16, caller_fault: bool) -> Ending {
        let response = ScoreResponse {
            status,
            headers: vec![("x-extra".into(), "1".into()), ("bad header".into(), "x".into())],
            content_type: "application/json",
            body: Bytes::from_static(b"{}"),
            model_time: Duration::from_micros(1_234),
            caller_fault,
        };
        Ending::Answered { response, queued: Duration::ZERO }
    }

    fn status(ending: Ending, kubernetes: bool) -> (u16, Outcome) {
        let answer = ended(ending, "blue", Duration::from_secs(5), kubernetes);
        (answer.response.status().as_u16(), answer.outcome)
    }

    #[test]
    fn endings_map_to_azure_codes() {
        assert_eq!(status(model(200, false), false), (200, Outcome::Ok));
        assert_eq!(status(model(201, false), false), (424, Outcome::ModelError));
        assert_eq!(status(model(204, false), false), (424, Outcome::ModelError));
        assert_eq!(status(Ending::Lost("exited with code 1".into()), false), (424, Outcome::ModelError));
        assert_eq!(status(model(400, true), false), (400, Outcome::ClientError));
        assert_eq!(status(model(500, false), false), (424, Outcome::ModelError));
        assert_eq!(status(model(77, true), false), (424, Outcome::ModelError));
        assert_eq!(status(Ending::Expired, false), (408, Outcome::Timeout));
        assert_eq!(status(Ending::Panicked, false), (424, Outcome::ModelError));
        assert_eq!(status(Ending::Hung, false), (424, Outcome::ModelError));
        assert_eq!(status(Ending::Stopped, false), (503, Outcome::ServerError));
    }

    #[test]
    fn times_are_milliseconds_with_three_decimals() {
        for (micros, text) in [(0, "0.000"), (7, "0.007"), (999, "0.999"), (1_000, "1.000"), (1_234_567, "1234.567")] {
            assert_eq!(millis(Duration::from_micros(micros)), text);
        }
        assert_eq!(millis(Duration::from_nanos(999)), "0.000");
        assert_eq!(millis(Duration::from_micros(u64::MAX)), "18446744073709551.615");
    }

    #[test]
    fn kubernetes_endpoints_have_their_own() {
        assert_eq!(status(model(500, false), true), (502, Outcome::ModelError));
        assert_eq!(status(Ending::Expired, true), (504, Outcome::Timeout));
        let full = refused(Refusal::TooMany { retry_after: 1 }, "blue", true);
        assert_eq!((full.response.status().as_u16(), full.outcome), (503, Outcome::Refused));
    }

    #[test]
    fn a_model_error_names_the_model_s_code_and_the_answer_its_time() {
        let answer = ended(model(418, false), "blue", Duration::ZERO, false);
        let headers = answer.response.headers();
        assert_eq!(headers["ms-azureml-model-error-statuscode"], "418");
        assert_eq!(headers["ms-azureml-model-error-reason"], "model_error");
        assert_eq!(headers["ms-azureml-model-time"], "1.234");
        assert_eq!(headers["x-extra"], "1");
    }

    #[test]
    fn a_full_deployment_says_when_to_come_back() {
        let answer = refused(Refusal::TooMany { retry_after: 3 }, "blue", false);
        assert_eq!(answer.response.status(), 429);
        assert_eq!(answer.response.headers()["retry-after"], "3");
        assert_eq!(answer.response.headers()["ms-azureml-model-error-reason"], "too_many_pending_request");
    }
}
