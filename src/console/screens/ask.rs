//! The words of confirmations.

use crate::console::actions::Question;
use crate::console::app::model::{Model, weights};
use crate::console::data::{DeploymentView, EndpointView};
use crate::console::look::numbers;

fn selected(model: &Model) -> Option<(&EndpointView, Option<&DeploymentView>)> {
    let subject = model.subject();
    let endpoint = model.data.endpoints.get(subject.endpoint.as_deref()?)?;
    let deployment = subject.deployment.and_then(|name| endpoint.deployments.get(&name));
    Some((endpoint, deployment))
}

/// Delete an endpoint.
pub fn delete_endpoint(model: &Model) -> Question {
    let Some((endpoint, _)) = selected(model) else { return Question::default() };
    let mut lines = vec![format!(
        "Endpoint {} goes away for good, with its keys and {} deployments: {}.",
        endpoint.name,
        endpoint.deployments.len(),
        if endpoint.deployments.is_empty() { "none".into() } else { endpoint.names().join(", ") }
    )];
    if endpoint.rate() > 0.0 {
        lines.push(format!("It serves {} req/s now: these callers get 404.", numbers::rate(endpoint.rate())));
    }
    Question { title: format!("Delete {}?", endpoint.name), lines, typed: Some(endpoint.name.clone()) }
}

/// Delete a deployment.
pub fn delete_deployment(model: &Model) -> Question {
    let Some((endpoint, Some(deployment))) = selected(model) else { return Question::default() };
    let name = &deployment.name;
    let model_name = deployment.model().map_or(String::new(), |model| format!(" ({model})"));
    let lines = vec![
        format!("Deployment {name}{model_name} of {} is drained, stopped and removed.", endpoint.name),
        "The registered model stays.".into(),
    ];
    Question { title: format!("Delete {name}?"), lines, typed: Some(name.clone()) }
}

/// Restart a deployment.
pub fn restart(model: &Model) -> Question {
    let Some((endpoint, Some(deployment))) = selected(model) else { return Question::default() };
    let lines = vec![format!(
        "New instances of {} / {} are started first, then the old ones are drained: no request is dropped.",
        endpoint.name, deployment.name
    )];
    Question { title: format!("Restart {}?", deployment.name), lines, typed: None }
}

/// One instance more.
pub fn scale_up(model: &Model) -> Question {
    scale(model, 1)
}

/// One instance less.
pub fn scale_down(model: &Model) -> Question {
    scale(model, -1)
}

fn scale(model: &Model, by: i64) -> Question {
    let Some((endpoint, Some(deployment))) = selected(model) else { return Question::default() };
    let now = i64::from(deployment.wanted());
    let lines = vec![format!("{} / {} goes from {now} to {} instances.", endpoint.name, deployment.name, now + by)];
    Question { title: format!("Scale {} to {}?", deployment.name, now + by), lines, typed: None }
}

/// Undo the last change of traffic.
pub fn undo(model: &Model) -> Question {
    let Some((endpoint, _)) = selected(model) else { return Question::default() };
    let Some(change) = super::traffic::undoable(model, &endpoint.name) else { return Question::default() };
    let lines = vec![format!(
        "Traffic of {} goes back from {} to {}.",
        endpoint.name,
        weights(&endpoint.traffic()),
        weights(&change)
    )];
    Question { title: "Undo the last change of traffic?".into(), lines, typed: None }
}
