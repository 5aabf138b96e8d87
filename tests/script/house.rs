//! A gateway on a real socket, with a scoring script for a model.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlconsole::resources::{TrafficMap, Weight};
use mlconsole::server::engine::{LoadError, Servable};
use mlconsole::server::gateway::{
    AuthPolicy, Dispatch, EndpointRoute, Gateway, Limits, Listener, Mode, PeerInfo, Pool, PoolSettings, Request,
    Response, Role, Router, bind, http, listen,
};
use mlconsole::server::script::{ScriptSpec, StartLimit, servable, worker_count};
use mlconsole::server::stop::Stop;
use mlconsole::server::telemetry::{Container, DeploymentTelemetry, Telemetry};

pub const KEY: &str = "primary-key-of-the-test";
pub const ENDPOINT: &str = "fraud";

/// A script and what surrounds it.
pub struct Script {
    pub source: String,
    /// Files beside it.
    pub files: Vec<(&'static str, String)>,
    pub variables: BTreeMap<String, String>,
    pub memory: Option<u64>,
    pub start: StartLimit,
    pub stop: Stop,
}

impl Script {
    pub fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            files: Vec::new(),
            variables: BTreeMap::new(),
            memory: None,
            start: StartLimit {
                initial_delay: Duration::from_secs(10),
                period: Duration::from_secs(10),
                failure_threshold: 30,
            },
            stop: Stop::new(),
        }
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Staged as a deployment's is.
    pub fn servable(self, python: &Path, telemetry: Arc<DeploymentTelemetry>) -> Arc<dyn Servable> {
        let home = tempfile::tempdir().unwrap();
        let code = home.path().join("code");
        std::fs::create_dir(&code).unwrap();
        std::fs::write(code.join("score.py"), &self.source).unwrap();
        for (name, text) in &self.files {
            std::fs::write(code.join(name), text).unwrap();
        }
        let model = home.path().join("azureml-models/m/3");
        std::fs::create_dir_all(&model).unwrap();
        std::fs::write(model.join("model.pkl"), "a model").unwrap();
        let spec = ScriptSpec {
            python: python.to_owned(),
            script: code.join("score.py"),
            code,
            model_dir: Some(model),
            workers: worker_count(&self.variables),
            variables: self.variables,
            memory: self.memory,
            start: self.start,
            stop: self.stop,
            tell: Arc::new(|_| {}),
            warnings: Arc::default(),
            home,
            lease: None,
        };
        servable(spec, telemetry).unwrap()
    }
}

/// How a script's pool runs.
pub fn settings(workers: u32, concurrent: u32) -> PoolSettings {
    PoolSettings {
        max_concurrent_per_instance: concurrent,
        processes: Some(workers),
        request_timeout: Duration::from_secs(30),
        hang_limit: Some(Duration::from_secs(600)),
        stack_bytes: 1 << 20,
        ..PoolSettings::default()
    }
}

struct Control;

impl Dispatch for Control {
    fn handle(self: Arc<Self>, _: Request, _peer: PeerInfo) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async { http::text(::http::StatusCode::NOT_FOUND, "no control plane here".to_owned()) })
    }
}

/// Everything between the socket and the script.
pub struct House {
    pub router: Arc<Router>,
    pub telemetry: Arc<Telemetry>,
    pub gateway: Gateway,
    pub client: reqwest::Client,
}

impl House {
    pub fn open() -> Self {
        let telemetry = Telemetry::new(None);
        let router = Router::new(Arc::clone(&telemetry));
        let bound = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = Listener { bound, role: Role::Workspace, tls: None };
        let control = tokio::runtime::Handle::current();
        let limits = Limits::default();
        let gateway = listen(vec![listener], Arc::clone(&router), Arc::new(Control), control, limits).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { router, telemetry, gateway, client }
    }

    /// `http://host:port/endpoints/fraud`
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}/endpoints/{ENDPOINT}", self.gateway.addresses()[0].port())
    }

    /// Starts a script as deployment `blue`, with all traffic.
    pub async fn serve(&self, python: &Path, script: Script, settings: PoolSettings) -> Result<Arc<Pool>, LoadError> {
        let telemetry = self.telemetry.deployment(ENDPOINT, "blue");
        let servable = script.servable(python, Arc::clone(&telemetry));
        let start = move || Pool::start("fraud/blue", servable, settings, telemetry);
        let pool = tokio::task::spawn_blocking(start).await.unwrap()?;
        self.router.publish(EndpointRoute {
            name: ENDPOINT.into(),
            auth: AuthPolicy::Keys { primary: KEY.into(), secondary: "secondary".into() },
            weights: TrafficMap::from([("blue".to_owned(), Weight::percent(100))]),
            mirror: TrafficMap::new(),
            deployments: vec![("blue".to_owned(), Some(Arc::clone(&pool)))],
            starting: Vec::new(),
            mode: Mode::Block,
            kubernetes: false,
        });
        Ok(pool)
    }

    /// A scoring request with the key.
    pub fn score(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}/score", self.base())).bearer_auth(KEY);
        request.header("content-type", "application/json").body(body)
    }

    /// Status and text of an answer.
    pub async fn ask(&self, body: &str) -> (u16, String) {
        let answer = self.score(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The script's log as one text.
    pub fn log(&self) -> String {
        let lines = self.telemetry.deployment(ENDPOINT, "blue").log().tail(Some(Container::InferenceServer), 5_000);
        lines.iter().map(|line| format!("{} {}\n", line.level, line.text)).collect()
    }
}

/// Waits for a condition; a test that waits in vain fails here.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < patience, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
