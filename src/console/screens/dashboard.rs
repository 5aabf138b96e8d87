//! All endpoints, what needs attention, and the course of the selected one.

mod view;

use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{Action, Scope};
use crate::console::app::call::{Answer, Call, Failure};
use crate::console::app::event::{Effect, Hit, Mouse};
use crate::console::app::list::List;
use crate::console::app::model::{Model, Subject};
use crate::console::app::nav::Place;
use crate::console::data::{EndpointView, Finding, Severity};
use crate::console::look::Ui;
use crate::console::widgets::table::Column;

/// The table's columns.
pub const COLUMNS: [Column; 9] = [
    Column::left("NAME", 13, 0).grow(2),
    Column::left("STATE", 10, 4),
    Column::left("TRAFFIC", 11, 3).grow(4),
    Column::right("REQ/S", 6, 0),
    Column::left("LAST 5 MIN", 10, 5).grow(1),
    Column::right("ERR %", 5, 2),
    Column::right("P50 MS", 6, 8),
    Column::right("P95 MS", 6, 7),
    Column::right("P99 MS", 6, 1),
];

const NAME: usize = 0;
const RATE: usize = 3;

/// Cursor, order and filter.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub list: List,
    pub findings: List,
    /// The findings have the focus.
    pub in_findings: bool,
    pub problems_only: bool,
    /// The endpoint that was selected the last time: taken up when it comes.
    pub wanted: Option<String>,
    /// The user chose a row; until then the cursor rests on the first one, the busiest.
    pub chosen: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            list: List::sorted(RATE, true),
            findings: List::default(),
            in_findings: false,
            problems_only: false,
            wanted: None,
            chosen: false,
        }
    }
}

/// The screen.
pub struct Dashboard;

/// The endpoint under the cursor.
pub fn selected(model: &Model) -> Option<&EndpointView> {
    model.data.endpoints.get(model.dashboard.list.selected()?)
}

/// The finding under the cursor, when the findings have the focus.
fn finding(model: &Model) -> Option<&Finding> {
    let state = &model.dashboard;
    if state.in_findings { model.data.findings.get(state.findings.cursor) } else { None }
}

/// Most actions need an endpoint.
pub fn nothing_selected(model: &Model) -> Option<String> {
    (selected(model).is_none() && finding(model).is_none()).then(|| "there is no endpoint here".into())
}

/// Logs need a deployment.
pub fn no_deployment(model: &Model) -> Option<String> {
    match selected(model) {
        None => nothing_selected(model),
        Some(view) if view.deployments.is_empty() => Some(format!("{} has no deployment yet", view.name)),
        Some(_) => None,
    }
}

/// Worst finding of an endpoint.
pub fn severity(model: &Model, endpoint: &str) -> Option<Severity> {
    model.shown().worst.get(endpoint).copied()
}

impl Dashboard {
    /// Puts the rows in order.
    fn arrange(model: &mut Model) {
        let data = &model.data;
        let state = &model.screens.dashboard;
        let mut views: Vec<&EndpointView> = data.endpoints.values().collect();
        let total = views.len();
        if state.problems_only {
            let severe =
                |view: &&EndpointView| data.worst.get(&view.name).is_some_and(|severity| *severity > Severity::Note);
            views.retain(severe);
        }
        if !state.list.filter.is_empty() {
            let found = state.list.filter.select(views.iter().map(|view| view.name.as_str()));
            views = found.into_iter().map(|at| views[at]).collect();
        }
        let number = |view: &EndpointView| -> f64 {
            let recent = || view.recent(data);
            match state.list.sort {
                2 => f64::from(view.traffic().values().map(|weight| weight.hundredths()).max().unwrap_or(0)),
                5 => recent().error_percent().unwrap_or(-1.0),
                6 => recent().p50.unwrap_or(-1.0),
                7 => recent().p95.unwrap_or(-1.0),
                8 => recent().p99.unwrap_or(-1.0),
                1 => data.worst.get(&view.name).map_or(0.0, |severity| f64::from(*severity as u8) + 1.0),
                _ => view.rate(),
            }
        };
        if state.list.sort == NAME {
            views.sort_by(|a, b| a.name.cmp(&b.name));
        } else {
            let mut keyed: Vec<(f64, &EndpointView)> = views.into_iter().map(|view| (number(view), view)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.name.cmp(&a.1.name)));
            views = keyed.into_iter().map(|(_, view)| view).collect();
        }
        if state.list.descending {
            views.reverse();
        }
        let keys = views.into_iter().map(|view| view.name.clone()).collect();
        let findings: Vec<String> = data
            .findings
            .iter()
            .map(|finding| {
                format!("{}/{}/{}", finding.endpoint, finding.deployment.as_deref().unwrap_or(""), finding.step)
            })
            .collect();
        let state = &mut model.screens.dashboard;
        state.list.set(keys, total);
        if !state.chosen {
            state.list.cursor = 0;
        }
        if let Some(name) = state.wanted.take_if(|name| state.list.keys.contains(name)) {
            state.list.select(&name);
            state.chosen = true;
        }
        let count = findings.len();
        state.findings.set(findings, count);
        if !state.in_findings {
            // whoever goes there begins with the worst
            state.findings.cursor = 0;
        }
        state.in_findings &= count > 0;
    }

    fn open(model: &mut Model, place: impl FnOnce(String) -> Place) -> Vec<Effect> {
        match selected(model).map(|view| view.name.clone()) {
            Some(name) => model.open(place(name)),
            None => Vec::new(),
        }
    }
}

impl Screen for Dashboard {
    fn scopes(&self, _: &Model) -> Vec<Scope> {
        vec![Scope::Dashboard, Scope::List, Scope::Chart]
    }

    fn update(&self, model: &mut Model, action: Action, _: Option<char>) -> Vec<Effect> {
        model.dashboard.chosen = true;
        match action {
            Action::Open => match finding(model).cloned() {
                Some(finding) => {
                    model.endpoint.deployment.clone_from(&finding.deployment);
                    model.jump(finding.place)
                }
                None => Self::open(model, Place::Endpoint),
            },
            Action::OpenTraffic => Self::open(model, Place::Traffic),
            Action::OpenTest => Self::open(model, |endpoint| Place::Test { endpoint, deployment: None }),
            Action::OpenLogs => {
                let busiest = selected(model)
                    .and_then(|view| view.deployments.values().max_by(|a, b| a.recent.rate.total_cmp(&b.recent.rate)));
                match busiest.map(|deployment| deployment.name.clone()) {
                    Some(deployment) => Self::open(model, |endpoint| Place::Logs { endpoint, deployment }),
                    None => Vec::new(),
                }
            }
            Action::OpenConnect => Self::open(model, Place::Connect),
            Action::NewEndpoint => model.open(Place::EndpointForm { name: None }),
            Action::EditEndpoint => Self::open(model, |name| Place::EndpointForm { name: Some(name) }),
            Action::NewDeployment => {
                Self::open(model, |endpoint| Place::DeploymentForm { endpoint, name: None, model: None })
            }
            Action::ProblemsOnly => {
                model.dashboard.problems_only = !model.dashboard.problems_only;
                Self::arrange(model);
                Vec::new()
            }
            Action::DeleteEndpoint => match selected(model).map(|view| view.name.clone()) {
                Some(endpoint) => {
                    vec![model.call(format!("delete endpoint {endpoint}"), Call::DeleteEndpoint { endpoint })]
                }
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn mouse(&self, model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
        model.dashboard.chosen |= matches!(mouse, Mouse::Press(Hit::Row { .. }) | Mouse::Wheel { .. });
        match mouse {
            Mouse::Press(Hit::Row { pane, index }) => {
                let state = &mut model.screens.dashboard;
                let list = if *pane == 0 { &mut state.list } else { &mut state.findings };
                let again = list.cursor == *index && state.in_findings == (*pane == 1);
                list.cursor = *index;
                state.in_findings = *pane == 1;
                if again {
                    return self.update(model, Action::Open, None);
                }
            }
            Mouse::Press(Hit::Column { column, .. }) => {
                let list = &mut model.screens.dashboard.list;
                list.descending = if list.sort == *column { !list.descending } else { *column != NAME };
                list.sort = *column;
                Self::arrange(model);
            }
            Mouse::Wheel { down, .. } => {
                let action = if *down { Action::Down } else { Action::Up };
                let columns = COLUMNS.len();
                if let Some(list) = self.list(model) {
                    list.update(action, 1, columns);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn list<'m>(&self, model: &'m mut Model) -> Option<&'m mut List> {
        let state = &mut model.screens.dashboard;
        Some(if state.in_findings { &mut state.findings } else { &mut state.list })
    }

    fn columns(&self, model: &Model) -> usize {
        if model.dashboard.in_findings { 0 } else { COLUMNS.len() }
    }

    fn resorted(&self, model: &mut Model) -> Vec<Effect> {
        Self::arrange(model);
        Vec::new()
    }

    fn selected(&self, model: &mut Model) -> Vec<Effect> {
        model.dashboard.chosen = true;
        Vec::new()
    }

    fn pane(&self, model: &mut Model, _: bool) -> Vec<Effect> {
        let some = !model.dashboard.findings.keys.is_empty();
        model.dashboard.in_findings = !model.dashboard.in_findings && some;
        Vec::new()
    }

    fn back(&self, model: &mut Model) -> Option<Vec<Effect>> {
        std::mem::take(&mut model.dashboard.in_findings).then(Vec::new)
    }

    fn entered(&self, model: &mut Model, _: &Place) -> Vec<Effect> {
        Self::arrange(model);
        Vec::new()
    }

    fn refreshed(&self, model: &mut Model) -> Vec<Effect> {
        Self::arrange(model);
        Vec::new()
    }

    fn answered(&self, model: &mut Model, _: u64, call: &Call, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
        if let (Call::InstallSample, Ok(Answer::Made { endpoint, .. })) = (call, outcome) {
            model.dashboard.wanted = Some(endpoint.clone());
        }
        Vec::new()
    }

    fn copied(&self, model: &Model) -> Option<(String, String)> {
        let view = selected(model)?;
        let uri = view.resource.as_ref().and_then(|resource| resource.properties.scoring_uri.clone());
        Some(match uri {
            Some(uri) => (format!("the scoring address of {}", view.name), uri),
            None => ("the name".into(), view.name.clone()),
        })
    }

    fn subject(&self, model: &Model) -> Subject {
        let found = finding(model);
        Subject {
            endpoint: found
                .map(|found| found.endpoint.clone())
                .filter(|name| !name.is_empty())
                .or_else(|| selected(model).map(|view| view.name.clone())),
            deployment: found.and_then(|found| found.deployment.clone()),
            weights: None,
        }
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        view::draw(model, ui, area);
    }
}
