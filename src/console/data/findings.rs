//! What needs attention, ranked by severity, each with the place of its evidence.

use super::{Data, DeploymentView, Disk, EndpointView};
use crate::console::app::nav::Place;
use crate::console::look::numbers;
use crate::resources::deployment::ERROR;
use crate::resources::{AuthMode, ProvisioningState};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Getting worse, or wrong for some.
    Warning,
    /// Callers are failing now.
    Critical,
}

/// One thing that needs attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Empty when it is about the workspace itself.
    pub endpoint: String,
    pub deployment: Option<String>,
    /// A sentence in the user's words.
    pub text: String,
    /// What Enter does: "compare", "traffic".
    pub step: &'static str,
    pub place: Place,
}

/// Fewest requests before a share or a percentile is called a finding.
const FEWEST: u64 = 50;
/// Bytes below which a disk is nearly full, however small it is.
const LITTLE_FREE: u64 = 1_000_000_000;
/// The end of a token is announced so long before, in milliseconds.
const TOKEN_ENDS_MS: i64 = 300_000;
/// That it ended is said so long afterwards: later nobody waits for it any more.
const TOKEN_ENDED_MS: i64 = 3_600_000;

/// All findings, worst first, then by name.
pub fn find(data: &Data) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(data.disk.as_ref().and_then(of_disk));
    for endpoint in data.endpoints.values() {
        of_endpoint(endpoint, data.second * 1_000, &mut found);
        found.extend(of_token(data, endpoint));
    }
    found.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.endpoint.cmp(&b.endpoint)));
    found
}

/// A disk that is nearly full: with the last byte goes every change.
fn of_disk(disk: &Disk) -> Option<Finding> {
    let tight = disk.free < LITTLE_FREE || (disk.free < disk.total / 20 && disk.free < 10 * LITTLE_FREE);
    let severity = match disk.free {
        _ if !tight => return None,
        free if free < LITTLE_FREE / 5 => Severity::Critical,
        _ => Severity::Warning,
    };
    let of = if disk.total > 0 { format!(" of {}", numbers::bytes(disk.total)) } else { String::new() };
    let text =
        format!("disk nearly full: {}{of} free; once it is full, changes are refused", numbers::bytes(disk.free));
    let place = Place::Workspace;
    Some(Finding { severity, endpoint: String::new(), deployment: None, text, step: "look", place })
}

/// A token that was taken here and ends soon: whoever got it gets 401 from then on.
fn of_token(data: &Data, endpoint: &EndpointView) -> Option<Finding> {
    let ends = *data.tokens.get(&endpoint.name)?;
    endpoint.resource.as_ref().filter(|resource| resource.properties.auth_mode == AuthMode::AMLToken)?;
    let left = ends - data.second * 1_000;
    let text = match left {
        _ if !(-TOKEN_ENDED_MS..=TOKEN_ENDS_MS).contains(&left) => return None,
        1.. => {
            let left = numbers::minutes(left);
            format!("the token taken here expires in {left}: who uses it gets 401 from then on")
        }
        _ => format!("the token taken here expired {} ago: who still uses it gets 401", numbers::minutes(-left)),
    };
    let (severity, place) = (Severity::Warning, Place::Connect(endpoint.name.clone()));
    Some(Finding { severity, endpoint: endpoint.name.clone(), deployment: None, text, step: "new token", place })
}

fn of_endpoint(endpoint: &EndpointView, now: i64, found: &mut Vec<Finding>) {
    let name = &endpoint.name;
    let mut tell = |severity, deployment: Option<&str>, text: String, step, place| {
        found.push(Finding {
            severity,
            endpoint: name.clone(),
            deployment: deployment.map(String::from),
            text,
            step,
            place,
        });
    };
    let Some(_) = &endpoint.resource else { return };
    if endpoint.state() == ProvisioningState::Failed {
        tell(Severity::Critical, None, "could not be provisioned".into(), "activity", Place::Activity);
    }
    if endpoint.deployments.is_empty() {
        let place = Place::DeploymentForm { endpoint: name.clone(), name: None, model: None };
        tell(Severity::Note, None, "has no deployment yet: callers get 404".into(), "new deployment", place);
        return;
    }
    if endpoint.is_weightless() {
        let text = "traffic sums to 0: callers get 404 until a weight is set".into();
        tell(Severity::Warning, None, text, "traffic", Place::Traffic(name.clone()));
    }
    for deployment in endpoint.deployments.values() {
        for (severity, text, step, place) in of_deployment(endpoint, deployment, now) {
            tell(severity, Some(&deployment.name), text, step, place);
        }
    }
}

type Told = (Severity, String, &'static str, Place);

fn of_deployment(endpoint: &EndpointView, deployment: &DeploymentView, now: i64) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    let weight = endpoint.weight(&deployment.name);
    let open = || Place::Endpoint(endpoint.name.clone());
    let logs = || Place::Logs { endpoint: endpoint.name.clone(), deployment: deployment.name.clone() };
    let (ready, wanted) = (deployment.ready(), deployment.wanted());
    if let Some(trouble) = deployment.live.as_ref().and_then(|live| live.trouble.as_ref()) {
        let severity = if ready == 0 && !weight.is_zero() { Severity::Critical } else { Severity::Warning };
        let wait = (trouble.retry_ms - now).max(0);
        let next = if wait == 0 { "now".to_owned() } else { format!("in {}", numbers::span_ms(wait)) };
        told.push((severity, format!("{}, next try {next}: {}", trouble.kind, trouble.reason), "logs", logs()));
    }
    match deployment.state() {
        ProvisioningState::Failed => {
            let why = deployment.resource.as_ref().and_then(|resource| resource.properties.properties.get(ERROR));
            let why = why.map_or_else(String::new, |why| format!(": {}", why.lines().next().unwrap_or_default()));
            told.push((Severity::Critical, format!("could not be provisioned{why}"), "logs", logs()));
        }
        ProvisioningState::Succeeded if ready == 0 && !weight.is_zero() => {
            let text = format!("has no ready instance: its {weight} % of callers get 503");
            told.push((Severity::Critical, text, "logs", logs()));
        }
        ProvisioningState::Succeeded if ready == 0 => {
            told.push((Severity::Warning, "has no ready instance".into(), "logs", logs()));
        }
        ProvisioningState::Succeeded if ready < wanted => {
            told.push((Severity::Warning, format!("{ready} of {wanted} instances are ready"), "look", open()));
        }
        _ => {}
    }
    let counts = deployment.recent.counts;
    let total = counts.total();
    if counts.refused > 0 && total > 0 {
        let slots = deployment.live.as_ref().map_or(0, |live| live.slots);
        let served = (total - counts.refused).max(1);
        let needed = (u64::from(ready.max(1)) * total).div_ceil(served).max(u64::from(ready) + 1);
        let text = format!(
            "{} of {} were refused (429): all {slots} slots busy; needs ≥ {needed} instances at this rate",
            numbers::count(counts.refused),
            numbers::count(total),
        );
        let severity = if counts.refused * 10 > total { Severity::Critical } else { Severity::Warning };
        told.push((severity, text, "scale", open()));
    }
    if total >= FEWEST && counts.errors() * 100 >= total {
        let share = counts.errors() as f64 * 100.0 / total as f64;
        let severity = if share >= 10.0 { Severity::Critical } else { Severity::Warning };
        let kinds = [
            (counts.model_error, "by the model"),
            (counts.timeout, "over the time limit"),
            (counts.server_error, "server errors"),
        ];
        let kinds: Vec<String> =
            kinds.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", numbers::count(*n))).collect();
        let text =
            format!("{} % of {} requests failed: {}", numbers::figure(share), numbers::count(total), kinds.join(", "));
        told.push((severity, text, "logs", logs()));
    }
    let rival = endpoint
        .deployments
        .values()
        .filter(|other| other.name != deployment.name && other.recent.counts.total() >= FEWEST)
        .filter_map(|other| Some((other.name.as_str(), other.recent.p99?)))
        .min_by(|a, b| a.1.total_cmp(&b.1));
    if let (Some(mine), Some((other, theirs))) = (deployment.recent.p99, rival)
        && total >= FEWEST
        && mine > 2.0 * theirs
        && mine > 1.0
    {
        let text = format!(
            "p99 {} ms is {} × {other}'s {} ms, over {} requests",
            numbers::figure(mine),
            numbers::figure(mine / theirs.max(0.001)),
            numbers::figure(theirs),
            numbers::count(total)
        );
        told.push((Severity::Warning, text, "compare", open()));
    }
    let restarts = deployment.live.as_ref().map_or(0, |live| live.restarts);
    if restarts > 0 {
        let times = if restarts == 1 { "once".into() } else { format!("{restarts} times") };
        told.push((Severity::Note, format!("an instance was replaced {times} since the start"), "logs", logs()));
    }
    told
}
