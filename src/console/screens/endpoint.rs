//! An endpoint: its deployments side by side, their courses and latencies.

mod view;

use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{Action, Scope};
use crate::console::app::call::Call;
use crate::console::app::event::{Effect, Hit, Mouse};
use crate::console::app::model::{Model, Subject};
use crate::console::app::nav::Place;
use crate::console::data::{DeploymentView, EndpointView};
use crate::console::look::Ui;

/// The selected deployment, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub endpoint: String,
    pub deployment: Option<String>,
    /// The second set of pictures is shown, where there is no room for all.
    pub second: bool,
}

/// The screen.
pub struct EndpointScreen;

/// The endpoint and the selected deployment, as they are now.
pub fn selected(model: &Model) -> Option<(&EndpointView, Option<&DeploymentView>)> {
    let view = model.data.endpoints.get(model.nav.here().endpoint()?)?;
    let wanted = model.endpoint.deployment.as_deref();
    let deployment = wanted.and_then(|name| view.deployments.get(name)).or_else(|| view.deployments.values().next());
    Some((view, deployment))
}

fn deployment(model: &Model) -> Option<&DeploymentView> {
    selected(model)?.1
}

/// Most actions need a deployment.
pub fn no_deployment(model: &Model) -> Option<String> {
    deployment(model).is_none().then(|| "there is no deployment yet".into())
}

fn busy(deployment: &DeploymentView) -> Option<String> {
    let state = deployment.state();
    (!state.is_terminal()).then(|| format!("{} is {}", deployment.name, format!("{state:?}").to_lowercase()))
}

/// Scaling up needs a deployment at rest.
pub fn cannot_scale_up(model: &Model) -> Option<String> {
    deployment(model).map_or_else(|| no_deployment(model), busy)
}

/// Scaling down needs two instances.
pub fn cannot_scale_down(model: &Model) -> Option<String> {
    let Some(deployment) = deployment(model) else { return no_deployment(model) };
    if deployment.wanted() < 2 {
        return Some("one instance is the least".into());
    }
    busy(deployment)
}

/// Deleting needs weight 0.
pub fn cannot_delete(model: &Model) -> Option<String> {
    let Some((view, Some(deployment))) = selected(model) else { return no_deployment(model) };
    let weight = view.weight(&deployment.name);
    (!weight.is_zero()).then(|| format!("{} has {weight} % of the traffic: move it away first", deployment.name))
}

impl EndpointScreen {
    fn step(model: &mut Model, by: isize) -> Vec<Effect> {
        let Some((view, now)) = selected(model) else { return Vec::new() };
        let names = view.names();
        let at = now.and_then(|now| names.iter().position(|name| *name == now.name)).unwrap_or(0);
        let at = at.saturating_add_signed(by).min(names.len().saturating_sub(1));
        model.endpoint.deployment = names.get(at).cloned();
        Vec::new()
    }

    fn with_deployment(model: &mut Model, call: impl FnOnce(String, &DeploymentView) -> (String, Call)) -> Vec<Effect> {
        let Some((view, Some(deployment))) = selected(model) else { return Vec::new() };
        let (title, call) = call(view.name.clone(), deployment);
        vec![model.call(title, call)]
    }

    fn scale(model: &mut Model, by: i64) -> Vec<Effect> {
        Self::with_deployment(model, |endpoint, deployment| {
            let instances = (i64::from(deployment.wanted()) + by).max(1) as u32;
            let title = format!("scale {endpoint} / {} to {instances}", deployment.name);
            (title, Call::Scale { endpoint, deployment: deployment.name.clone(), instances })
        })
    }
}

impl Screen for EndpointScreen {
    fn scopes(&self, _: &Model) -> Vec<Scope> {
        vec![Scope::Endpoint, Scope::Chart, Scope::List]
    }

    fn update(&self, model: &mut Model, action: Action, _: Option<char>) -> Vec<Effect> {
        let Some(endpoint) = model.nav.here().endpoint().map(String::from) else { return Vec::new() };
        let name = deployment(model).map(|deployment| deployment.name.clone());
        match action {
            Action::PreviousColour => Self::step(model, -1),
            Action::NextColour => Self::step(model, 1),
            Action::OpenTraffic => model.open(Place::Traffic(endpoint)),
            Action::OpenTest => {
                // The split would not lead to one without weight.
                let deployment =
                    name.filter(|name| selected(model).is_some_and(|(view, _)| view.weight(name).is_zero()));
                model.open(Place::Test { endpoint, deployment })
            }
            Action::OpenLogs => match name {
                Some(deployment) => model.open(Place::Logs { endpoint, deployment }),
                None => Vec::new(),
            },
            Action::OpenConnect => model.open(Place::Connect(endpoint)),
            Action::EditEndpoint => model.open(Place::EndpointForm { name: Some(endpoint) }),
            Action::NewDeployment => model.open(Place::DeploymentForm { endpoint, name: None, model: None }),
            Action::EditDeployment => model.open(Place::DeploymentForm { endpoint, name, model: None }),
            Action::ScaleUp => Self::scale(model, 1),
            Action::ScaleDown => Self::scale(model, -1),
            Action::RestartDeployment => Self::with_deployment(model, |endpoint, deployment| {
                let title = format!("restart {endpoint} / {}", deployment.name);
                (title, Call::Restart { endpoint, deployment: deployment.name.clone() })
            }),
            Action::DeleteDeployment => Self::with_deployment(model, |endpoint, deployment| {
                let title = format!("delete {endpoint} / {}", deployment.name);
                (title, Call::DeleteDeployment { endpoint, deployment: deployment.name.clone() })
            }),
            Action::UndoTraffic => super::traffic::Traffic.update(model, action, None),
            _ => Vec::new(),
        }
    }

    fn mouse(&self, model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
        if let Mouse::Press(Hit::Spot(at)) = mouse {
            let names = selected(model).map(|(view, _)| view.names()).unwrap_or_default();
            model.endpoint.deployment = names.get(*at as usize).cloned();
        }
        Vec::new()
    }

    fn moved(&self, model: &mut Model, action: Action) -> Vec<Effect> {
        match action {
            Action::Up => Self::step(model, -1),
            Action::Down => Self::step(model, 1),
            _ => Vec::new(),
        }
    }

    fn pane(&self, model: &mut Model, _: bool) -> Vec<Effect> {
        model.endpoint.second = !model.endpoint.second;
        Vec::new()
    }

    fn entered(&self, model: &mut Model, place: &Place) -> Vec<Effect> {
        if let Place::Endpoint(name) = place
            && model.endpoint.endpoint != *name
        {
            let deployment = model.endpoint.deployment.take();
            model.endpoint = State { endpoint: name.clone(), deployment, second: false };
        }
        Vec::new()
    }

    fn copied(&self, model: &Model) -> Option<(String, String)> {
        let uri = selected(model)?.0.resource.as_ref()?.properties.scoring_uri.clone()?;
        Some(("the scoring address".into(), uri))
    }

    fn subject(&self, model: &Model) -> Subject {
        Subject {
            endpoint: model.nav.here().endpoint().map(String::from),
            deployment: deployment(model).map(|deployment| deployment.name.clone()),
            weights: None,
        }
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        view::draw(model, ui, area);
    }
}
