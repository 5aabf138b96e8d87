//! Refusals of the control plane, in ARM's shape.

use http::StatusCode;

use crate::resources::ArmError;

/// Why a call is refused: a status and an ARM error that names the thing, the cause and the next step.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct Fault {
    pub status: StatusCode,
    /// Boxed so that a `Result` with it stays small.
    pub error: Box<ArmError>,
    /// Methods the resource knows, when the method was the fault.
    pub allow: Option<String>,
}

impl Fault {
    /// A refusal with a status, a code and a message.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, error: Box::new(ArmError::new(code, message)), allow: None }
    }

    /// 400 for what the caller sent.
    pub fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 400 that names the offending property.
    pub fn property(target: &str, message: impl Into<String>) -> Self {
        let mut fault = Self::bad("BadArgument", message);
        fault.error.target = Some(target.to_owned());
        fault
    }

    /// 401: nobody gets further without a credential.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "AuthenticationFailed", message)
    }

    /// 404 for a resource or a route that does not exist.
    pub fn missing(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409: something else stands in the way.
    pub fn conflict(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 500; `what` is what was being done.
    pub fn internal(what: &str, cause: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            format!(
                "{what} failed: {cause}. The server's log has more; read the resource again before repeating the call."
            ),
        )
    }

    /// 405 for a resource that exists but does not know the method.
    pub fn method(method: &http::Method, what: &str, allow: &[&str]) -> Self {
        let allow = allow.join(", ");
        let mut fault = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "HttpMethodNotAllowed",
            format!("{method} is not possible on {what}; use {allow}."),
        );
        fault.allow = Some(allow);
        fault
    }

    /// 400 from one of the rules of `resources`.
    pub fn rule(error: ArmError) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: Box::new(error), allow: None }
    }
}
