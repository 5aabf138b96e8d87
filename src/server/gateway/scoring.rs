//! A scoring request from head to answer.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use uuid::Uuid;

use super::answer::{self, Answer};
use super::auth::{AuthFailure, bearer};
use super::body::{self, discard};
use super::early;
use super::http::{Request, Response, json, text};
use super::listen::Limits;
use super::mirror;
use super::pool::{Ending, Pool, Refusal};
use super::router::{Entry, Routed, Router, Unrouted};
use super::snapshot::Snapshot;
use crate::server::engine::ScoreRequest;
use crate::server::telemetry::{DeploymentTelemetry, Outcome, Record};

/// What `GET` on an endpoint's base URL answers while it can be routed to.
const ALIVE: &str = "Healthy";

/// Answers a scoring request: `path` is relative to the endpoint's base URL.
pub async fn score(router: &Router, limits: &Limits, endpoint: &str, path: String, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    let client_id = parts.headers.get(answer::CLIENT_REQUEST_ID).cloned();
    let mut response = match router.entry(endpoint) {
        Some(entry) => checked(&entry, limits, endpoint, path, parts, body, id).await,
        None => {
            discard(&parts.headers, body);
            // A stranger learns nothing, not even which names exist.
            match bearer(&parts.headers) {
                None => answer::unauthorized(&AuthFailure::bad_header()),
                Some(_) => answer::no_endpoint(endpoint),
            }
        }
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())) {
        // A model container answers with its own.
        headers.entry(answer::REQUEST_ID).or_insert_with(|| value.clone());
        headers.entry(answer::MS_REQUEST_ID).or_insert(value);
    }
    if let Some(value) = client_id {
        headers.insert(answer::CLIENT_REQUEST_ID, value);
    }
    response
}

async fn checked(
    entry: &Entry,
    limits: &Limits,
    endpoint: &str,
    path: String,
    mut parts: Parts,
    body: Incoming,
    id: Uuid,
) -> Response {
    let Some(snapshot) = entry.snapshot() else {
        discard(&parts.headers, body);
        return answer::no_endpoint(endpoint);
    };
    let refuse = |response| {
        snapshot.telemetry.refused.add(Outcome::ClientError);
        response
    };
    if let Err(failure) = snapshot.auth.check(&parts.headers) {
        discard(&parts.headers, body);
        return refuse(answer::unauthorized(&failure));
    }
    // Models see neither credentials nor a marker that only the gateway may set.
    parts.headers.remove(AUTHORIZATION);
    parts.headers.remove(answer::SHADOW);
    let pinned = match parts.headers.get(answer::DEPLOYMENT).map(HeaderValue::to_str) {
        None => None,
        Some(Ok(name)) => Some(name.trim().to_owned()),
        Some(Err(_)) => Some(String::new()),
    };
    if parts.method == Method::GET && matches!(path.as_str(), "/" | "/swagger.json") {
        discard(&parts.headers, body);
        return match describe(&snapshot, pinned.as_deref(), &path, parts.uri.query()) {
            Description::Known(response) => response,
            Description::Asked(target) => Box::pin(ask(&snapshot, target, path, parts, id)).await,
        };
    }
    // Before admission: a slow sender holds no slot.
    let body = match body::read(&parts.headers, body, limits.body_bytes, limits.body_idle).await {
        Ok(body) => body,
        Err(error) => return refuse(answer::bad_body(&error)),
    };
    drop(snapshot);
    routed(entry, endpoint, pinned.as_deref(), path, parts, body, id).await
}

/// What an endpoint says of itself.
enum Description {
    Known(Response),
    /// The container of this target says it.
    Asked(usize),
}

/// Liveness and the OpenAPI document: nothing is split or counted, and only a container is asked itself.
fn describe(snapshot: &Snapshot, pinned: Option<&str>, path: &str, query: Option<&str>) -> Description {
    let target = match pinned {
        Some(name) => snapshot.find(name),
        None => {
            let ready = snapshot.targets.iter().enumerate().filter(|(_, t)| t.weight > 0 && t.is_ready());
            ready.max_by_key(|(_, t)| t.weight).map(|(i, _)| i)
        }
    };
    let Some((at, target)) = target.and_then(|i| Some((i, snapshot.targets.get(i)?))) else {
        return Description::Known(if pinned.is_some() { unknown(snapshot) } else { answer::no_weight() });
    };
    let Some(pool) = target.pool.as_ref().filter(|pool| pool.is_ready()) else {
        let message = format!("Deployment '{}' is not ready.", target.name);
        return Description::Known(text(StatusCode::SERVICE_UNAVAILABLE, message));
    };
    if path != "/" && pool.servable().is_container() {
        return Description::Asked(at);
    }
    let mut response = if path == "/" {
        text(StatusCode::OK, ALIVE)
    } else {
        let version = query.and_then(|q| q.split('&').find_map(|pair| pair.strip_prefix("version="))).unwrap_or("3");
        match pool.servable().swagger(&snapshot.endpoint, version) {
            Some(document) => json(StatusCode::OK, &document),
            None => text(
                StatusCode::NOT_FOUND,
                format!("There is no OpenAPI document of version {version} here; try 2, 3 or 3.1."),
            ),
        }
    };
    response.headers_mut().insert(answer::DEPLOYMENT, target.header.clone());
    response.headers_mut().insert(answer::GENERATION, snapshot.generation_header.clone());
    Description::Known(response)
}

/// Has a container describe itself; not counted as a scoring request.
async fn ask(snapshot: &Snapshot, target: usize, path: String, parts: Parts, id: Uuid) -> Response {
    let target = &snapshot.targets[target];
    let admission = target.pool.as_ref().map_or(Err(Refusal::NotReady), |pool| Ok((pool, pool.admit()?)));
    let answer = match admission {
        Ok((pool, permit)) => {
            let request = score_request(pool, Instant::now(), path, parts, Bytes::new(), id);
            let ending = pool.call(permit, request).await;
            answer::ended(ending, &target.name, pool.settings().request_timeout, snapshot.kubernetes)
        }
        Err(refusal) => answer::refused(refusal, &target.name, snapshot.kubernetes),
    };
    let mut response = answer.response;
    response.headers_mut().insert(answer::DEPLOYMENT, target.header.clone());
    response.headers_mut().insert(answer::GENERATION, snapshot.generation_header.clone());
    response
}

fn unknown(snapshot: &Snapshot) -> Response {
    let names: Vec<&str> = snapshot.targets.iter().map(|t| t.name.as_str()).collect();
    answer::unknown_deployment(&snapshot.endpoint, &names)
}

/// Counts the request exactly once: as it ended, or as abandoned when the caller went away.
struct Tally {
    telemetry: Arc<DeploymentTelemetry>,
    record: Option<Record>,
}

impl Tally {
    fn close(mut self, finish: impl FnOnce(&mut Record)) {
        if let Some(mut record) = self.record.take() {
            record.finished = Instant::now();
            finish(&mut record);
            self.telemetry.record(record);
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.finished = Instant::now();
            record.outcome = Outcome::Abandoned;
            self.telemetry.record(record);
        }
    }
}

async fn routed(
    entry: &Entry,
    endpoint: &str,
    pinned: Option<&str>,
    path: String,
    parts: Parts,
    body: Bytes,
    id: Uuid,
) -> Response {
    let admitted = Instant::now();
    let mut route = entry.route(pinned);
    if early::is_early(&route) {
        // In a box: no other request carries this along.
        route = Box::pin(early::wait(entry, pinned, route, admitted)).await;
    }
    let Routed { snapshot, target, probability, pinned, admission, mirrors } = match route {
        Ok(routed) => routed,
        Err((_, None)) => return answer::no_endpoint(endpoint),
        Err((why, Some(snapshot))) => {
            snapshot.telemetry.refused.add(Outcome::ClientError);
            return if why == Unrouted::NoWeight { answer::no_weight() } else { unknown(&snapshot) };
        }
    };
    let target = &snapshot.targets[target];
    let wants_bodies = target.telemetry.wants_bodies();
    let record = Record {
        id,
        outcome: Outcome::Abandoned,
        status: 0,
        admitted,
        finished: admitted,
        queued: std::time::Duration::ZERO,
        model: std::time::Duration::ZERO,
        request_bytes: body.len() as u64,
        response_bytes: 0,
        generation: snapshot.generation,
        probability,
        pinned,
        mirrored: !mirrors.is_empty(),
        request_body: wants_bodies.then(|| body.clone()),
        response_body: None,
    };
    let tally = Tally { telemetry: Arc::clone(&target.telemetry), record: Some(record) };
    let (mut response_bytes, mut response_body) = (0, wants_bodies.then(Bytes::new));
    let answer = match (admission, &target.pool) {
        (Ok(permit), Some(pool)) => {
            let request = score_request(pool, admitted, path, parts, body, id);
            if !mirrors.is_empty() {
                mirror::send(&snapshot, &mirrors, &request);
            }
            let ending = pool.call(permit, request).await;
            if let Ending::Answered { response, .. } = &ending {
                response_bytes = response.body.len() as u64;
                response_body = wants_bodies.then(|| response.body.clone());
            }
            answer::ended(ending, &target.name, pool.settings().request_timeout, snapshot.kubernetes)
        }
        (Ok(_), None) => answer::refused(Refusal::NotReady, &target.name, snapshot.kubernetes),
        (Err(refusal), _) => answer::refused(refusal, &target.name, snapshot.kubernetes),
    };
    let Answer { mut response, outcome, queued, model } = answer;
    let headers = response.headers_mut();
    headers.insert(answer::DEPLOYMENT, target.header.clone());
    headers.insert(answer::GENERATION, snapshot.generation_header.clone());
    headers.insert(answer::QUEUE_MS, answer::millis(queued));
    let status = response.status().as_u16();
    tally.close(|record| {
        record.outcome = outcome;
        record.status = status;
        record.queued = queued;
        record.model = model;
        record.response_bytes = response_bytes;
        record.response_body = response_body;
    });
    response
}

fn score_request(
    pool: &Pool,
    admitted: Instant,
    path: String,
    mut parts: Parts,
    body: Bytes,
    id: Uuid,
) -> ScoreRequest {
    if pool.servable().is_container()
        && let Ok(value) = HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    {
        parts.headers.entry(answer::REQUEST_ID).or_insert(value);
    }
    ScoreRequest {
        method: parts.method,
        path,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
        deadline: pool.deadline(admitted),
    }
}
