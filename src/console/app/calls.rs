//! Calls of the console as calls of the client: the only road to the workspace.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::call::{Answer, Burst, Call, Failure, Item, Score, Scored};
use super::event::Event;
use crate::client::{ClientError, ErrorKind, KeyKind, NewModel, Pending, ScoreCall, Workspace, sample};
use crate::load::{self, LoadPlan, Pace, Stop};
use crate::resources::{Deployment, Endpoint, Operation, Phase, Sku, TrafficMap, Weight};

/// Lines of a log are gathered for so long before they are handed over.
const BATCH: Duration = Duration::from_millis(50);
/// Lines handed over at once, at most.
const BATCH_LINES: usize = 2_000;

/// Tells the model how far a call is.
#[derive(Clone)]
pub struct Reporter {
    pub events: UnboundedSender<Event>,
    pub epoch: u64,
    pub task: u64,
}

impl Reporter {
    fn say(&self, text: impl Into<String>) {
        let event = Event::Progress { epoch: self.epoch, task: self.task, text: text.into(), operation: None };
        // A closed channel means the console is on its way out: there is nobody left to tell.
        let _ = self.events.send(event);
    }

    pub(super) fn operation(&self, operation: &Operation) {
        let text = operation.running().map_or_else(|| operation.status.to_lowercase(), Phase::said);
        let operation = Some(Box::new(operation.clone()));
        let _ = self.events.send(Event::Progress { epoch: self.epoch, task: self.task, text, operation });
    }

    fn piece(&self, item: Item) -> bool {
        self.events.send(Event::Piece { epoch: self.epoch, task: self.task, item }).is_ok()
    }

    async fn wait(&self, pending: Pending) -> Result<Answer, ClientError> {
        pending.wait(|operation| self.operation(operation)).await.map(|_| Answer::Done)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let changed = error.status == Some(412);
        Self { code: error.code.clone(), message: error.in_full(), changed }
    }
}

/// Makes a call and gives its answer.
pub async fn perform(workspace: &Workspace, call: Call, report: &Reporter) -> Result<Answer, Failure> {
    match write(workspace, call, report).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(call) => read(workspace, call, report).await.map_err(Failure::from),
    }
}

/// Calls that change something; hands back those that do not.
async fn write(w: &Workspace, call: Call, report: &Reporter) -> Result<Result<Answer, ClientError>, Call> {
    Ok(match call {
        Call::SetTraffic { endpoint, map, mirror, if_match } => set_traffic(w, &endpoint, map, mirror, if_match).await,
        Call::PutEndpoint { endpoint, if_match } => {
            started(w.put_endpoint(&endpoint, if_match.as_deref()).await, report).await
        }
        Call::DeleteEndpoint { endpoint } => started(w.delete_endpoint(&endpoint).await, report).await,
        Call::PutDeployment { endpoint, deployment, if_match } => {
            put_deployment(w, &endpoint, *deployment, if_match, report).await
        }
        Call::Scale { endpoint, deployment, instances } => {
            started(w.scale(&endpoint, &deployment, instances).await, report).await
        }
        Call::Restart { endpoint, deployment } => started(w.restart(&endpoint, &deployment).await, report).await,
        Call::DeleteDeployment { endpoint, deployment } => {
            started(w.delete_deployment(&endpoint, &deployment).await, report).await
        }
        Call::RegenerateKey { endpoint, primary } => {
            let which = if primary { KeyKind::Primary } else { KeyKind::Secondary };
            started(w.regenerate_key(&endpoint, which).await, report).await
        }
        Call::RegisterModel { name, version, model_type, path } => {
            let model =
                NewModel { name: Some(name), version, path: PathBuf::from(path), model_type, ..NewModel::default() };
            register(w, &model, report).await.map(|text| Answer::Made { endpoint: String::new(), text })
        }
        Call::ArchiveModel { model, version } => w.archive_model(&model, &version, true).await.map(|_| Answer::Done),
        Call::CancelOperation { operation } => w.cancel(&operation).await.map(|()| Answer::Done),
        Call::InstallSample => sample::install(w, &mut |text| report.say(text)).await.map(|()| Answer::Made {
            endpoint: sample::ENDPOINT.into(),
            text: format!("endpoint {} answers: blue 90, green 10", sample::ENDPOINT),
        }),
        Call::ServeFile { path } => serve_file(w, &path, report).await,
        Call::ApplyYaml { path } => {
            super::apply::file(w, &path, |text| report.say(text), |operation| report.operation(operation)).await
        }
        other => return super::python::write(w, other, report).await,
    })
}

/// Calls that only read.
async fn read(w: &Workspace, call: Call, report: &Reporter) -> Result<Answer, ClientError> {
    match call {
        Call::Keys { endpoint } => w.keys(&endpoint).await.map(Answer::Keys),
        Call::Token { endpoint } => w.token(&endpoint).await.map(Answer::Token),
        Call::Models => w.models(false).await.map(Answer::Models),
        Call::ModelVersions { model } => w.model_versions(&model, false).await.map(Answer::ModelVersions),
        Call::Inspect { model, version } => {
            w.inspect_model(&model, &version).await.map(|report| Answer::Report(Box::new(report)))
        }
        Call::Environments => {
            let mut all = BTreeMap::new();
            for environment in w.environments(false).await? {
                let versions = w.environment_versions(&environment.name, false).await?;
                all.insert(environment.name, versions);
            }
            Ok(Answer::Environments(all))
        }
        Call::CheckDeployment(request) => {
            w.check_deployment(&request).await.map(|answer| Answer::Checked(Box::new(answer)))
        }
        Call::HeldEnvironments => w.held_environments().await.map(|held| Answer::Held(Box::new(held))),
        Call::Requests { endpoint, deployment, limit } => {
            w.requests(&endpoint, deployment.as_deref(), limit).await.map(Answer::Requests)
        }
        Call::Info => w.workspace_info().await.map(|info| Answer::Info(Box::new(info))),
        Call::Sample { endpoint, deployment } => {
            w.sample(&endpoint, &deployment).await.map(|sample| Answer::Sample(Box::new(sample)))
        }
        Call::Score(score) => self::score(w, *score).await.map(|scored| Answer::Score(Box::new(scored))),
        Call::Load(burst) => self::burst(w, *burst, report).await,
        Call::FollowLogs { endpoint, deployment, container, tail } => {
            follow(w, &endpoint, &deployment, &container, tail, report).await
        }
        _ => Ok(Answer::Done),
    }
}

async fn started(pending: Result<Pending, ClientError>, report: &Reporter) -> Result<Answer, ClientError> {
    report.wait(pending?).await
}

/// A code folder on this machine is uploaded first.
async fn put_deployment(
    w: &Workspace,
    endpoint: &str,
    mut deployment: Deployment,
    if_match: Option<String>,
    report: &Reporter,
) -> Result<Answer, ClientError> {
    if let Some(code) = &mut deployment.properties.code_configuration
        && let Some(folder) = code.code_id.clone()
        && !is_asset(&folder)
    {
        let told = &mut |sent, all| report.say(format!("upload code: {sent} of {all} bytes"));
        code.code_id = Some(w.register_code(&PathBuf::from(&folder), told).await?);
    }
    started(w.put_deployment_of(endpoint, &deployment, if_match.as_deref()).await, report).await
}

/// Whether a code reference names a registered asset rather than a folder.
fn is_asset(code: &str) -> bool {
    code.starts_with("azureml:") || code.starts_with("/subscriptions/")
}

/// Weights and mirroring in one change, guarded by the version the draft was drawn from.
async fn set_traffic(
    w: &Workspace,
    name: &str,
    map: TrafficMap,
    mirror: Option<TrafficMap>,
    if_match: Option<String>,
) -> Result<Answer, ClientError> {
    let mut endpoint = w.endpoint(name).await?;
    let etag = if_match.or_else(|| endpoint.etag.clone());
    endpoint.properties.traffic = map;
    if let Some(mirror) = mirror {
        endpoint.properties.mirror_traffic = mirror;
    }
    let pending = w.put_endpoint(&endpoint, etag.as_deref()).await?;
    pending.wait(|_| {}).await?;
    Ok(Answer::Endpoint(Box::new(w.endpoint(name).await?)))
}

async fn register(w: &Workspace, model: &NewModel, report: &Reporter) -> Result<String, ClientError> {
    let name = model.name.clone().unwrap_or_default();
    let registered = w
        .register_model(model, &mut |sent, all| {
            report.say(format!(
                "upload {} of {}",
                crate::console::look::numbers::bytes(sent),
                crate::console::look::numbers::bytes(all)
            ));
        })
        .await?;
    Ok(format!("model {name} version {} is registered", registered.name))
}

/// From a model file to an endpoint that answers.
async fn serve_file(w: &Workspace, path: &str, report: &Reporter) -> Result<Answer, ClientError> {
    let path = PathBuf::from(path);
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.trim_matches('-').to_string();
    let letter = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let mut name = if letter { name } else { format!("model-{name}") };
    name.truncate(32);
    let name = name.trim_end_matches('-').to_string();
    report.say(format!("register {name}"));
    let model = NewModel { name: Some(name.clone()), path, ..NewModel::default() };
    let registered = w.register_model(&model, &mut |_, _| {}).await?;
    report.say(format!("create endpoint {name}"));
    let endpoint = Endpoint { name: name.clone(), ..Endpoint::default() };
    w.put_endpoint(&endpoint, None).await?.wait(|_| {}).await?;
    let mut deployment = Deployment { name: "blue".into(), ..Deployment::default() };
    deployment.sku = Some(Sku { name: "Default".into(), tier: None, capacity: 1 });
    deployment.properties.model = Some(registered.id.clone());
    deployment.properties.instance_type = Some("Standard_DS3_v2".into());
    let pending = w.put_deployment(&name, &deployment).await?;
    pending.wait(|operation| report.operation(operation)).await?;
    report.say("send all traffic to blue");
    let map = TrafficMap::from([("blue".to_string(), Weight::FULL)]);
    w.set_traffic(&name, &map, None).await?.wait(|_| {}).await?;
    Ok(Answer::Made { text: format!("endpoint {name} answers"), endpoint: name })
}

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, ClientError> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let bad =
            |what: &str| ClientError::local(format!("{what} of header {name:?} cannot be sent: check its characters"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("the name"))?;
        map.append(name, HeaderValue::from_str(value).map_err(|_| bad("the value"))?);
    }
    Ok(map)
}

fn method(word: &str) -> Result<Method, ClientError> {
    let word = if word.is_empty() { "POST" } else { word };
    Method::from_bytes(word.as_bytes())
        .map_err(|_| ClientError::local(format!("{word:?} is not a method: use GET or POST")))
}

async fn score(w: &Workspace, score: Score) -> Result<Scored, ClientError> {
    let mut call = ScoreCall {
        deployment: score.deployment,
        method: method(&score.method)?,
        headers: headers(&score.headers)?,
        body: Bytes::from(score.body),
        ..ScoreCall::default()
    };
    if !score.path.is_empty() {
        call.path = score.path;
    }
    if score.timeout_ms > 0 {
        call.timeout = Duration::from_millis(score.timeout_ms);
    }
    let answer = w.score(&score.endpoint, call).await?;
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Scored {
        status: answer.status,
        headers: answer.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: answer.body,
        total_ms: answer.total.as_secs_f64() * 1_000.0,
        queue_ms: answer.queue_ms,
        model_ms: answer.model_ms,
        deployment: answer.deployment,
        generation: answer.generation,
        request_id: answer.request_id,
    })
}

/// Stops the load when the call is given up.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

async fn burst(w: &Workspace, burst: Burst, report: &Reporter) -> Result<Answer, ClientError> {
    let access = w.scoring_access(&burst.request.endpoint).await?;
    let mut headers = headers(&burst.request.headers)?;
    let authorization = HeaderValue::from_str(&access.authorization)
        .map_err(|_| ClientError::new(ErrorKind::Local, "the endpoint's credential cannot be sent as a header"))?;
    headers.insert(http::header::AUTHORIZATION, authorization);
    headers.entry(http::header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    if let Some(deployment) = &burst.request.deployment
        && let Ok(value) = HeaderValue::from_str(deployment)
    {
        headers.insert("azureml-model-deployment", value);
    }
    let plan = LoadPlan {
        http: w.http(),
        method: method(&burst.request.method)?,
        url: access.url(&burst.request.path),
        headers,
        bodies: vec![Bytes::from(burst.request.body)],
        pace: Pace::Poisson(burst.rate),
        duration: Some(Duration::from_secs(burst.seconds)),
        connections: burst.connections.max(1),
        timeout: Duration::from_secs(60),
        seed: fastrand::u64(..),
    };
    let stop = StopOnDrop(Stop::default());
    let told = load::run(plan, stop.0.clone(), |progress| {
        report.piece(Item::Load(Box::new(progress.clone())));
    });
    told.await.map(|report| Answer::Load(Box::new(report))).map_err(ClientError::local)
}

async fn follow(
    w: &Workspace,
    endpoint: &str,
    deployment: &str,
    container: &str,
    tail: u32,
    report: &Reporter,
) -> Result<Answer, ClientError> {
    let container = (!container.is_empty()).then_some(container);
    let mut feed = w.follow_logs(endpoint, deployment, container, tail).await?.fuse();
    while let Some(first) = feed.next().await {
        let mut lines = vec![first?];
        let until = Instant::now() + BATCH;
        // Whatever comes meanwhile. Not only what is there: between two lines the connection may want its turn.
        while lines.len() < BATCH_LINES
            && let Ok(Some(line)) = tokio::time::timeout_at(until, feed.next()).await
        {
            lines.push(line?);
        }
        if !report.piece(Item::Logs(lines)) {
            break;
        }
    }
    Ok(Answer::Done)
}
