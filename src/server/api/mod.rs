//! The control plane: ARM routes, operations, uploads, metrics and the local extension routes.
//!
//! Every call goes the same way: who asks (401), what the path names (404), whether the method fits (405), what the body
//! says (400), then one durable change or one read. Refusals are ARM errors that name the cause and the next step.

mod answer;
mod asset_put;
mod assets;
mod autoscale;
pub mod blob;
mod call;
mod check;
mod context;
pub mod convert;
mod definitions;
mod deployment_put;
mod deployments;
mod endpoint_put;
mod endpoints;
mod environments;
mod fault;
mod feeds;
mod identity;
mod keys;
mod local;
mod logs;
mod metrics;
mod metrics_gauges;
mod metrics_query;
mod operations;
mod paging;
mod read;
mod reason;
mod route;
mod template;
pub mod tokens;
mod uploads;
mod workspace;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::server::App;
use crate::server::gateway::http::{Request, Response};
use crate::server::gateway::{Dispatch, PeerInfo, Role};
use answer::{Answer, set};
use blob::layout::Assets;
use call::{Call, bearer};
use context::Locks;
use fault::Fault;
use route::{LocalPlace, Place, Scope};

/// Longest body of an ARM call.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// Longest part of a path: no name is longer, and none is repeated at length in a refusal.
const MAX_SEGMENT: usize = 260;

/// The control plane of a running workspace.
pub struct ControlPlane {
    app: Arc<App>,
    assets: Assets,
    locks: Locks,
}

/// What a call is answered with: at once, or bit by bit.
enum Outcome {
    Whole(Answer),
    Feed(Response),
}

impl ControlPlane {
    /// The control plane of `app`.
    pub fn new(app: Arc<App>) -> Arc<Self> {
        let assets = Assets::new(&app.options.data_dir);
        blob::files::sweep(&assets);
        Arc::new(Self { app, assets, locks: Locks::default() })
    }

    async fn respond(self: Arc<Self>, request: Request, peer: PeerInfo) -> Response {
        let (parts, body) = request.into_parts();
        let call = Call::new(&parts.method, &parts.uri, &parts.headers);
        let under_blob = call.path.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("/blob/"));
        let mut response = if under_blob && peer.role == Role::Workspace {
            self.blob_call(&call, &parts.headers, body).await
        } else {
            let outcome =
                AssertUnwindSafe(self.clone().outcome(&call, &parts.headers, body, peer)).catch_unwind().await;
            match outcome
                .unwrap_or_else(|_| Err(Fault::internal("Answering the call", "a defect in mlconsole was met")))
            {
                Ok(Outcome::Whole(answer)) => answer.into_response(&call.request_id),
                Ok(Outcome::Feed(response)) => response,
                Err(fault) => self.refusal(&call, &fault).into_response(&call.request_id),
            }
        };
        if let Some(id) = parts.headers.get("x-ms-client-request-id").and_then(|v| v.to_str().ok()) {
            set(response.headers_mut(), "x-ms-client-request-id", id);
        }
        response
    }

    fn refusal(&self, call: &Call, fault: &Fault) -> Answer {
        if fault.status.is_server_error() {
            tracing::error!(method = %call.method, path = call.path, request_id = call.request_id, error = %fault, "refused");
        }
        let answer = Answer::fault(fault);
        if fault.status == StatusCode::UNAUTHORIZED {
            answer.with("www-authenticate", challenge(self.base()))
        } else {
            answer
        }
    }

    async fn outcome(
        self: Arc<Self>,
        call: &Call,
        headers: &HeaderMap,
        body: Incoming,
        peer: PeerInfo,
    ) -> Result<Outcome, Fault> {
        let segments = route::segments(&call.path).ok_or_else(|| Fault::bad("InvalidUri", "The path is not UTF-8."))?;
        if let Some(long) = segments.iter().map(|s| s.chars().count()).find(|count| *count > MAX_SEGMENT) {
            return Err(Fault::bad(
                "InvalidUri",
                format!("A part of the path has {long} characters; no name here is longer than {MAX_SEGMENT}."),
            ));
        }
        let words: Vec<String> = segments.iter().map(|s| s.to_ascii_lowercase()).collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["msi", "token"] => return self.identity(call, headers).map(Outcome::Whole),
            ["metadata", "endpoints"] if peer.role == Role::Workspace => {
                return self.metadata(call).map(Outcome::Whole);
            }
            _ => {}
        }
        if peer.role != Role::Workspace {
            return Err(Fault::missing(
                "RouteNotFound",
                format!("Without TLS only /msi/token is answered here. The control plane is at {}.", self.base()),
            ));
        }
        self.authorize(headers)?;
        let (place, scope) = route::place(&segments).ok_or_else(|| no_such_route(call))?;
        self.check_scope(&scope)?;
        match place {
            Place::Local(LocalPlace::Live) => return self.live(call).map(Outcome::Feed),
            Place::Local(LocalPlace::Logs) => return self.log_feed(call).await.map(Outcome::Feed),
            Place::Local(place @ (LocalPlace::BuildEnvironment | LocalPlace::InstallUv)) => {
                let body = read_body(call, body).await?;
                return self.build_feed(call, &place, &body).map(Outcome::Feed);
            }
            Place::Local(_) => {}
            _ => require_api_version(call)?,
        }
        let body = read_body(call, body).await?;
        let call = call.clone();
        tokio::task::spawn_blocking(move || self.dispatch(&call, place, &body))
            .await
            .unwrap_or_else(|_| Err(Fault::internal("Answering the call", "a defect in mlconsole was met")))
            .map(Outcome::Whole)
    }

    /// Every call past this point carries a token of this workspace's identity provider.
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let token = bearer(headers).ok_or_else(|| {
            Fault::unauthorized(
                "The call carries no bearer token. Get one from the identity endpoint (see: mlconsole env) and send it as Authorization: Bearer …",
            )
        })?;
        self.app.tokens.check_control_plane(token).map_err(|e| {
            Fault::unauthorized(format!(
                "The bearer token is refused: {e}. Get one from the identity endpoint for the resource {}.",
                self.base()
            ))
        })
    }

    /// The path must be about this workspace.
    fn check_scope(&self, scope: &Scope) -> Result<(), Fault> {
        let here = &self.app.connection;
        for (code, what, given, own) in [
            ("SubscriptionNotFound", "subscription", &scope.subscription, &here.subscription_id),
            ("ResourceGroupNotFound", "resource group", &scope.resource_group, &here.resource_group),
            ("ResourceNotFound", "workspace", &scope.workspace, &here.workspace),
        ] {
            if let Some(given) = given.as_ref().filter(|given| !given.eq_ignore_ascii_case(own)) {
                return Err(Fault::missing(
                    code,
                    format!("There is no {what} \"{given}\" here. This workspace's {what} is \"{own}\"."),
                ));
            }
        }
        Ok(())
    }

    fn dispatch(&self, call: &Call, place: Place, body: &Bytes) -> Result<Answer, Fault> {
        match place {
            Place::Workspaces => self.workspaces(call),
            Place::Workspace => self.workspace(call),
            Place::Endpoints => self.endpoints(call),
            Place::Endpoint(e) => self.endpoint(call, &e, body),
            Place::EndpointAction(e, action) => self.endpoint_action(call, &e, action, body),
            Place::Deployments(e) => self.deployments(call, &e),
            Place::Deployment(e, d) => self.deployment(call, &e, &d, body),
            Place::DeploymentLogs(e, d) => self.deployment_logs(call, &e, &d, body),
            Place::DeploymentSkus(e, d) => self.deployment_skus(call, &e, &d),
            Place::OperationStatus(id) => self.operation_status(call, &id),
            Place::OperationResult(id) => self.operation_result(call, &id),
            Place::Datastores => self.datastores(call),
            Place::Datastore(name) => self.datastore(call, &name),
            Place::DatastoreSecrets(name) => self.datastore_secrets(call, &name, body),
            Place::Containers(kind) => self.asset_containers(call, kind),
            Place::Container(kind, name) => self.asset_container(call, kind, &name, body),
            Place::Versions(kind, name) => self.asset_versions(call, kind, &name),
            Place::Version(kind, name, version) => self.asset_version(call, kind, &name, &version, body),
            Place::PendingUpload(kind, name, version) => self.start_pending_upload(call, kind, &name, &version),
            Place::VmSizes => self.vm_sizes(call),
            Place::Usages => self.usages(call),
            Place::Metrics(e, d) => self.metrics(call, &e, d.as_deref()),
            Place::MetricDefinitions(e, d) => self.metric_definitions(call, &e, d.as_deref()),
            Place::AutoscaleSettings => self.autoscale_settings(call),
            Place::AutoscaleSetting(name) => self.autoscale_setting(call, &name, body),
            Place::Local(place) => self.local(call, place, body),
        }
    }

    /// Puts what is stored of an endpoint into force, before the change is answered.
    fn publish(&self, endpoint: &str) -> Result<u64, Fault> {
        let published = tokio::runtime::Handle::current().block_on(self.app.reconciler.publish(endpoint));
        published.map_err(|error| {
            Fault::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerError",
                format!("The change is stored but could not be put into force: {error} Repeat it; if that fails, restart the workspace."),
            )
        })
    }
}

impl Dispatch for ControlPlane {
    fn handle(self: Arc<Self>, request: Request, peer: PeerInfo) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(self.respond(request, peer))
    }
}

/// What a 401 says about getting a token.
fn challenge(base: &str) -> String {
    format!("Bearer authorization_uri=\"{base}/aad/\", resource=\"{base}\"")
}

fn require_api_version(call: &Call) -> Result<(), Fault> {
    if call.query.get("api-version").is_some_and(|version| !version.is_empty()) {
        return Ok(());
    }
    Err(Fault::bad(
        "MissingApiVersionParameter",
        "The query parameter api-version is required, for example ?api-version=2024-10-01. Any version is accepted.",
    ))
}

async fn read_body(call: &Call, body: Incoming) -> Result<Bytes, Fault> {
    if call.method == Method::GET || call.method == Method::HEAD {
        return Ok(Bytes::new());
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            format!("The body is longer than {} MiB. Send files through an upload, not in a resource.", MAX_BODY >> 20),
        )),
        Err(_) => Err(Fault::bad("IncompleteBody", "The body broke off before its end. Send the request again.")),
    }
}

fn no_such_route(call: &Call) -> Fault {
    let path: String = call.path.chars().take(200).collect();
    Fault::missing(
        "RouteNotFound",
        format!(
            "Nothing is at {path}. A local workspace knows, under /subscriptions/{{id}}/resourceGroups/{{group}}/providers/Microsoft.MachineLearningServices/workspaces/{{name}}: onlineEndpoints, onlineEndpoints/{{e}}/deployments, models, environments, codes, data, datastores; under the subscription: locations/{{location}}/vmSizes, usages, mfeOperationsStatus; Microsoft.Insights metrics and autoscalesettings; and /metrics and /mlconsole/v1/."
        ),
    )
}
