//! Whether a deployment would work, before it is made.

use super::{Built, change};
use crate::console::app::call::Call;
use crate::console::app::event::Effect;
use crate::console::app::model::Model;
use crate::console::overlays::{Overlay, details};
use crate::resources::python::{CheckAnswer, CheckRequest};

/// Only deployments can be looked at, and only by a local workspace.
pub fn cannot_check(model: &Model) -> Option<String> {
    match &model.form.built {
        Some(Built::Deployment(..)) if model.context.kind.starts_with("Azure") => {
            Some("only a local workspace can look at a deployment beforehand".into())
        }
        Some(Built::Deployment(..)) => None,
        _ => Some("only deployments are looked at beforehand".into()),
    }
}

/// Asks the workspace to look.
pub fn ask(model: &mut Model) -> Vec<Effect> {
    change::check(model);
    let Some(Built::Deployment(endpoint, deployment)) = &model.form.built else { return Vec::new() };
    let request = CheckRequest::of_deployment(endpoint, deployment);
    let title = format!("check deployment {}", deployment.name);
    vec![model.call(title, Call::CheckDeployment(Box::new(request)))]
}

/// Shows what was found.
pub fn answered(model: &mut Model, answer: &CheckAnswer) -> Vec<Effect> {
    let title = if answer.fails() { "It would fail" } else { "It would work" };
    let text = answer.lines().join("\n");
    model.overlays.push(Overlay::Details(details::State::text(title, &text)));
    Vec::new()
}
