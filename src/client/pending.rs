//! Long-running operations, followed the way the service asks (reference §3 and §13).

use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;

use super::error::{ClientError, ErrorKind};
use super::transport::{Answer, Call, retry_delay};
use super::workspace::Workspace;
use crate::resources::{ArmError, Operation};

/// Between two polls when the service names no delay.
const DEFAULT_DELAY: Duration = Duration::from_secs(5);

/// What tells how far an operation is.
enum Follow {
    /// Over: nothing to ask.
    Nothing,
    /// The status route named by `Azure-AsyncOperation`.
    Operation(String),
    /// `Location`: 202 while it runs, anything else below 400 when done.
    Location(String),
    /// The resource itself, by its `provisioningState`.
    Resource(String),
}

/// An operation that goes on after the call that started it. Dropping it does not stop the operation.
pub struct Pending {
    workspace: Workspace,
    follow: Follow,
    operation: Operation,
    body: Value,
    delay: Duration,
    asked_at: Instant,
}

impl Pending {
    /// Reads the first answer: `Azure-AsyncOperation` first, else `Location`, else the resource's own state.
    pub(super) fn new(
        workspace: Workspace,
        method: &Method,
        url: String,
        answer: &Answer,
    ) -> Result<Self, ClientError> {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let state = provisioning_state(&body);
        let link = |name: &str| answer.header(name).map(str::to_owned);
        let follow = if let Some(status) = link("azure-asyncoperation") {
            Follow::Operation(status)
        } else if let Some(location) = link("location").filter(|_| answer.status == 202) {
            Follow::Location(location)
        } else if *method != Method::DELETE && state.is_some_and(|word| !is_terminal(word)) {
            Follow::Resource(url)
        } else {
            Follow::Nothing
        };
        let mut operation = Operation { status: "Succeeded".into(), percent_complete: 100.0, ..Operation::default() };
        if !matches!(follow, Follow::Nothing) {
            let running = if *method == Method::DELETE { "Deleting" } else { "Updating" };
            operation.status = state.filter(|word| !is_terminal(word)).unwrap_or(running).to_owned();
            operation.percent_complete = 0.0;
            if let Follow::Operation(status) = &follow {
                operation.name = operation_name(status);
            }
        } else if state.is_some_and(|word| word.eq_ignore_ascii_case("Failed")) {
            operation.status = "Failed".into();
        }
        let delay = retry_delay(&answer.headers).unwrap_or(DEFAULT_DELAY);
        Ok(Self { workspace, follow, operation, body, delay, asked_at: Instant::now() })
    }

    /// The last known state.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The body of the answer that started it: the resource as it was then, or null.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Whether it is over, one way or the other.
    pub fn is_done(&self) -> bool {
        self.operation.is_terminal()
    }

    /// Waits as long as the service asked, then asks how far it is.
    ///
    /// # Errors
    /// When the state cannot be read. An operation that failed is not an error here: see its `status`.
    pub async fn poll(&mut self) -> Result<Operation, ClientError> {
        if self.is_done() {
            return Ok(self.operation.clone());
        }
        tokio::time::sleep(self.delay.saturating_sub(self.asked_at.elapsed())).await;
        let (Follow::Operation(url) | Follow::Location(url) | Follow::Resource(url)) = &self.follow else {
            return Ok(self.operation.clone());
        };
        let answer = self.workspace.send(Call::new(Method::GET, url.as_str())).await?;
        self.asked_at = Instant::now();
        self.delay = retry_delay(&answer.headers).unwrap_or(DEFAULT_DELAY);
        match &self.follow {
            Follow::Operation(_) => self.operation = answer.parse("an operation's status")?,
            Follow::Location(_) => {
                if answer.status != 202 {
                    self.finish("Succeeded");
                }
            }
            _ => {
                let body: Value = answer.parse("a resource")?;
                match provisioning_state(&body) {
                    Some(word) if !is_terminal(word) => self.operation.status = word.to_owned(),
                    Some(word) => {
                        let word = word.to_owned();
                        self.finish(&word);
                    }
                    None => self.finish("Succeeded"),
                }
            }
        }
        Ok(self.operation.clone())
    }

    /// Polls until it is over. `progress` sees every state, the first one included.
    ///
    /// # Errors
    /// [`ErrorKind::Failed`] with the service's own cause, [`ErrorKind::Canceled`], or what a poll ran into.
    pub async fn wait(mut self, mut progress: impl FnMut(&Operation)) -> Result<Operation, ClientError> {
        progress(&self.operation);
        while !self.is_done() {
            let operation = self.poll().await?;
            progress(&operation);
        }
        self.into_result()
    }

    /// The end of a finished operation: itself when it succeeded, its cause otherwise.
    ///
    /// # Errors
    /// As [`Pending::wait`].
    pub fn into_result(self) -> Result<Operation, ClientError> {
        let word = self.operation.status.to_ascii_lowercase();
        if !matches!(word.as_str(), "failed" | "canceled") {
            return Ok(self.operation);
        }
        let (kind, fallback) = if word == "failed" {
            (ErrorKind::Failed, ArmError::new("OperationFailed", "the operation failed; the service gave no cause"))
        } else {
            (ErrorKind::Canceled, ArmError::new("OperationCanceled", "the operation was cancelled"))
        };
        let error = self.operation.error.filter(|error| !error.message.is_empty()).unwrap_or(fallback);
        Err(ClientError::from_operation(error, kind))
    }

    /// Asks the workspace to give the operation up.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] where that is not possible: the operation goes on.
    pub async fn cancel(&self) -> Result<(), ClientError> {
        if self.operation.name.is_empty() {
            return Err(ClientError::new(ErrorKind::NotSupported, "this operation cannot be cancelled: it goes on"));
        }
        self.workspace.cancel(&self.operation.name).await
    }

    fn finish(&mut self, word: &str) {
        self.operation.status = word.to_owned();
        self.operation.percent_complete = 100.0;
    }
}

fn provisioning_state(body: &Value) -> Option<&str> {
    body.pointer("/properties/provisioningState")?.as_str()
}

fn is_terminal(word: &str) -> bool {
    ["succeeded", "failed", "canceled"].iter().any(|end| word.eq_ignore_ascii_case(end))
}

/// `oe:…` in `…/mfeOperationsStatus/oe:…?api-version=…`.
fn operation_name(url: &str) -> String {
    let path = url.split('?').next().unwrap_or(url);
    let last = path.rsplit('/').next().unwrap_or("");
    percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operation_is_named_by_its_address() {
        let url = "https://h/subscriptions/s/providers/p/locations/l/mfeOperationsStatus/oe%3Aw%3Ag?api-version=1";
        assert_eq!(operation_name(url), "oe:w:g");
    }

    #[test]
    fn unknown_words_are_still_running() {
        assert!(!is_terminal("Reticulating"));
        assert!(is_terminal("SUCCEEDED") && is_terminal("canceled") && is_terminal("Failed"));
    }
}
