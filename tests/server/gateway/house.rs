//! A gateway on real sockets with an actor for a model.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mlconsole::resources::{Signature, TrafficMap, Weight};
use mlconsole::server::engine::{Instance, LoadError, ScoreRequest, ScoreResponse, Servable};
use mlconsole::server::gateway::{
    AuthPolicy, Dispatch, EndpointRoute, Gateway, Limits, Listener, Mode, PeerInfo, Pool, PoolSettings, Request,
    Response, Role, Router, bind, http, listen,
};
use mlconsole::server::telemetry::Telemetry;

pub const KEY: &str = "primary-key-of-the-test";
pub const ENDPOINT: &str = "fraud";

/// What the actor remembers and is told; shared by all its instances.
#[derive(Default)]
pub struct Stage {
    /// Calls that reached the model.
    pub started: AtomicUsize,
    /// Calls inside the model now.
    pub inside: AtomicUsize,
    /// Calls that carried the shadow marker.
    pub shadows: AtomicUsize,
    /// Set when a header appeared that no model may see.
    pub leaked: AtomicBool,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Stage {
    /// Lets everything that hangs go on, and nothing hang any more.
    pub fn release(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn hang(&self) {
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
    }
}

/// A model that does what the body says: `panic`, `hang`, `wrong` (the caller's fault), `fail`, `garbage`, or echoes.
/// As a shadow it does what `as_shadow` says instead, if anything.
pub struct Actor {
    pub stage: Arc<Stage>,
    pub as_shadow: Option<&'static str>,
    /// Calls may run on connections' threads; then it must not hang.
    pub bounded: bool,
}

impl Actor {
    pub fn new() -> Self {
        Self { stage: Arc::default(), as_shadow: None, bounded: false }
    }
}

struct Player(Arc<Actor>);

impl Servable for Actor {
    fn instance(self: Arc<Self>) -> Result<Box<dyn Instance>, LoadError> {
        Ok(Box::new(Player(self)))
    }

    fn signature(&self) -> Option<Signature> {
        None
    }

    fn swagger(&self, endpoint: &str, version: &str) -> Option<serde_json::Value> {
        matches!(version, "2" | "3" | "3.1").then(|| serde_json::json!({"openapi": version, "title": endpoint}))
    }

    fn sample(&self) -> Option<ScoreRequest> {
        None
    }

    fn is_bounded(&self) -> bool {
        self.bounded
    }
}

struct Inside<'a>(&'a Stage);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Instance for Player {
    fn score(&mut self, request: &ScoreRequest) -> ScoreResponse {
        let stage = &self.0.stage;
        stage.started.fetch_add(1, Ordering::SeqCst);
        stage.inside.fetch_add(1, Ordering::SeqCst);
        let _inside = Inside(stage);
        if request.headers.contains_key("authorization") {
            stage.leaked.store(true, Ordering::SeqCst);
        }
        let shadow = request.headers.contains_key("mlconsole-shadow");
        if shadow {
            stage.shadows.fetch_add(1, Ordering::SeqCst);
        }
        let mut response = ScoreResponse {
            status: 200,
            headers: Vec::new(),
            content_type: "application/json",
            body: request.body.clone(),
            model_time: Duration::from_micros(7),
            caller_fault: false,
        };
        let told = self.0.as_shadow.filter(|_| shadow).map_or(request.body.as_ref(), str::as_bytes);
        match told {
            b"panic" => panic!("the actor was told to"),
            b"hang" => stage.hang(),
            b"wrong" => (response.status, response.caller_fault) = (400, true),
            b"fail" => response.status = 500,
            b"garbage" => {
                response.status = 7;
                response.headers =
                    vec![("not a header name".into(), "x".into()), ("x-control".into(), "a\r\nb: c".into())];
            }
            _ => {}
        }
        response
    }
}

/// A control plane that names the path it was asked for, and panics on `/panic`.
struct Control;

impl Dispatch for Control {
    fn handle(self: Arc<Self>, request: Request, _peer: PeerInfo) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            assert_ne!(path, "/panic");
            http::text(::http::StatusCode::OK, format!("control {path}"))
        })
    }
}

/// Everything between the socket and the model.
pub struct House {
    pub router: Arc<Router>,
    pub telemetry: Arc<Telemetry>,
    pub gateway: Gateway,
    pub client: reqwest::Client,
}

impl House {
    pub fn open(limits: Limits) -> Self {
        Self::open_as(Role::Workspace, limits)
    }

    pub fn open_as(role: Role, limits: Limits) -> Self {
        let telemetry = Telemetry::new(None);
        let router = Router::new(Arc::clone(&telemetry));
        let bound = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = Listener { bound, role, tls: None };
        let control = tokio::runtime::Handle::current();
        let gateway = listen(vec![listener], Arc::clone(&router), Arc::new(Control), control, limits).unwrap();
        // Any provider will do: the tests that use the client speak plain http.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { router, telemetry, gateway, client }
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.gateway.addresses()[0].port())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Starts a deployment of the endpoint.
    pub async fn pool(&self, deployment: &str, actor: Actor, settings: PoolSettings) -> Arc<Pool> {
        let telemetry = self.telemetry.deployment(ENDPOINT, deployment);
        let name = format!("{ENDPOINT}/{deployment}");
        tokio::task::spawn_blocking(move || Pool::start(&name, Arc::new(actor), settings, telemetry).unwrap())
            .await
            .unwrap()
    }

    /// The route of the endpoint with live weights in percent.
    pub fn route(&self, deployments: &[(&str, &Arc<Pool>, u16)]) -> EndpointRoute {
        let weights: TrafficMap =
            deployments.iter().map(|(name, _, percent)| ((*name).to_owned(), Weight::percent(*percent))).collect();
        EndpointRoute {
            name: ENDPOINT.into(),
            auth: AuthPolicy::Keys { primary: KEY.into(), secondary: "secondary".into() },
            weights,
            mirror: TrafficMap::new(),
            deployments: deployments
                .iter()
                .map(|(name, pool, _)| ((*name).to_owned(), Some(Arc::clone(pool))))
                .collect(),
            starting: Vec::new(),
            mode: Mode::Block,
            kubernetes: false,
        }
    }

    /// A scoring request with the key.
    pub fn score(&self, body: impl Into<Bytes>) -> reqwest::RequestBuilder {
        let url = self.url(&format!("/endpoints/{ENDPOINT}/score"));
        self.client.post(url).bearer_auth(KEY).body(body.into())
    }
}

/// Waits for a condition; a test that waits in vain fails here.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < patience, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
