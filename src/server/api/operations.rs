//! Long-running operations: how they begin, how they are polled (reference §3).

use http::StatusCode;

use super::ControlPlane;
use super::answer::{Answer, POLL_MS};
use super::call::Call;
use super::context::{now_ms, rfc3339};
use super::fault::Fault;
use crate::resources::{Operation, OperationDetails, Phase};

/// API version named in the URLs of operations.
const API_VERSION: &str = "2023-04-01-preview";

impl ControlPlane {
    /// A new operation that has not been stored yet.
    pub fn new_operation(
        &self,
        status: &str,
        verb: &str,
        endpoint: &str,
        deployment: Option<&str>,
        who: &str,
    ) -> Operation {
        let prefix = if deployment.is_some() { "od" } else { "oe" };
        let name = format!("{prefix}:{}:{}", self.app.workspace_guid, uuid::Uuid::new_v4());
        Operation {
            id: format!("{}/mfeOperationsStatus/{name}", self.locations_id()),
            name,
            status: status.to_owned(),
            start_time: rfc3339(now_ms()),
            properties: Some(OperationDetails {
                verb: verb.to_owned(),
                endpoint: endpoint.to_owned(),
                deployment: deployment.map(str::to_owned),
                who: who.to_owned(),
                phases: Vec::new(),
                cancellable: deployment.is_some() && verb != "delete",
            }),
            ..Operation::default()
        }
    }

    /// An operation that was carried out before it is answered; `step` is what it did.
    pub fn finished_operation(
        &self,
        verb: &str,
        endpoint: &str,
        deployment: Option<&str>,
        who: &str,
        step: &str,
    ) -> Operation {
        let mut operation = self.new_operation("Succeeded", verb, endpoint, deployment, who);
        let now = now_ms();
        operation.end_time = Some(rfc3339(now));
        operation.percent_complete = 100.0;
        if let Some(details) = &mut operation.properties {
            details.cancellable = false;
            details.phases.push(Phase { name: step.to_owned(), started_ms: now, ended_ms: now, ..Phase::default() });
        }
        operation
    }

    /// The URL to poll.
    pub fn operation_url(&self, operation: &Operation) -> String {
        format!("{}{}?api-version={API_VERSION}", self.base(), operation.id)
    }

    /// Adds what a client needs to follow an operation. `location`: where the result will be; `None` for results that
    /// are no resource.
    pub fn following(&self, answer: Answer, operation: &Operation, location: Option<String>) -> Answer {
        let result = || {
            format!(
                "{}{}/mfeOperationResults/{}?api-version={API_VERSION}",
                self.base(),
                self.locations_id(),
                operation.name
            )
        };
        answer
            .with("azure-asyncoperation", self.operation_url(operation))
            .with("location", location.unwrap_or_else(result))
            .with("x-ms-async-operation-timeout", "PT30M")
            .with("retry-after-ms", POLL_MS)
            .with("x-ms-retry-after-ms", POLL_MS)
    }

    /// 409 while an operation is at work on an endpoint (`None`) or one of its deployments.
    pub fn refuse_while_busy(&self, endpoint: &str, deployment: Option<&str>) -> Result<(), Fault> {
        let Some(running) = self.app.store.operation_on(endpoint, deployment)? else { return Ok(()) };
        let verb = running.properties.as_ref().map_or("change", |details| details.verb.as_str());
        let what = match deployment {
            Some(deployment) => format!("Deployment \"{deployment}\" of endpoint \"{endpoint}\""),
            None => format!("Endpoint \"{endpoint}\""),
        };
        Err(Fault::conflict(
            "OperationInProgress",
            format!(
                "{what} is busy: an operation ({verb}) is in progress. Wait for it to end, or cancel it, then try again."
            ),
        ))
    }

    pub(super) fn operation_status(&self, call: &Call, name: &str) -> Result<Answer, Fault> {
        only_get(call)?;
        let operation = self.operation(name)?;
        let done = operation.is_terminal();
        let answer = Answer::ok(&operation)?;
        Ok(if done { answer } else { answer.with("retry-after-ms", POLL_MS).with("x-ms-retry-after-ms", POLL_MS) })
    }

    /// The result of an operation that answers no resource: 202 while it runs, then 204, or what went wrong.
    pub(super) fn operation_result(&self, call: &Call, name: &str) -> Result<Answer, Fault> {
        only_get(call)?;
        let operation = self.operation(name)?;
        if !operation.is_terminal() {
            return Ok(self.following(Answer::empty(StatusCode::ACCEPTED), &operation, None));
        }
        match operation.error {
            Some(error) => Err(Fault::rule(error)),
            None => Ok(Answer::empty(StatusCode::NO_CONTENT)),
        }
    }

    fn operation(&self, name: &str) -> Result<Operation, Fault> {
        self.app.store.operation(name)?.ok_or_else(|| {
            Fault::missing(
                "OperationNotFound",
                format!("There is no operation \"{name}\". Finished operations are kept for a while; read the resource itself."),
            )
        })
    }

    fn locations_id(&self) -> String {
        format!("{}/providers/{}/locations/local", self.subscription_id(), super::context::PROVIDER)
    }
}

fn only_get(call: &Call) -> Result<(), Fault> {
    if call.method == http::Method::GET { Ok(()) } else { Err(call.no_such_method("an operation", &["GET"])) }
}
