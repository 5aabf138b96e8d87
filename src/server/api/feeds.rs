//! What does not end by itself: the live feed and followed logs, as newline-delimited JSON.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::ControlPlane;
use super::answer::{ChannelBody, line, set};
use super::call::Call;
use super::context::now_ms;
use super::fault::Fault;
use super::logs::{MAX_TAIL, container};
use crate::resources::{LiveFrame, LogLine};
use crate::server::App;
use crate::server::gateway::http::Response;
use crate::server::telemetry::Subscription;

/// At least so often a frame is sent.
const BEAT: Duration = Duration::from_millis(1_000);
/// State changes are told at once, but no more often than this.
const PAUSE: Duration = Duration::from_millis(200);
/// Seconds of history that exist.
const MAX_HISTORY: i64 = 900;
/// Seconds of all deployments together that one frame may hold: 20 MB, rarely more than 40.
const MOST_SECONDS: i64 = 100_000;
/// Log lines sent in one piece, at most.
const PIECE: usize = 256;

impl ControlPlane {
    /// Frames of everything that serves: the first with history (less of it the more deployments there are), then one a second and one at each change.
    pub(super) fn live(&self, call: &Call) -> Result<Response, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("the live feed", &["GET"]));
        }
        let history = call.query.number::<i64>("history")?.unwrap_or(0).clamp(0, MAX_HISTORY);
        let deployments = i64::try_from(self.app.router.deployments()).unwrap_or(i64::MAX);
        let history = history.min((MOST_SECONDS / deployments.max(1)).max(1));
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(send_frames(self.app.clone(), self.app.closing.subscribe(), history, sender));
        Ok(feed(call, receiver))
    }

    /// The last lines of a deployment's log; with `follow=true` also those to come.
    pub(super) async fn log_feed(&self, call: &Call) -> Result<Response, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("a log", &["GET"]));
        }
        let wanted = |name: &str| {
            call.query.get(name).filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| {
                Fault::property(
                    name,
                    format!("The query parameter {name} is missing. Name the {name} whose log you want."),
                )
            })
        };
        let (endpoint, deployment) = (wanted("endpoint")?, wanted("deployment")?);
        let only = call.query.get("container").filter(|c| !c.is_empty()).map(|c| container(Some(c))).transpose()?;
        let tail = call.query.number::<usize>("tail")?.unwrap_or(200).min(MAX_TAIL);
        let app = self.app.clone();
        let doc = {
            let (endpoint, deployment) = (endpoint.clone(), deployment.clone());
            let key = crate::server::store::Key::deployment(endpoint, deployment);
            app.store.run(move |store| store.get(&key)).await?
        };
        let doc = doc.ok_or_else(|| {
            Fault::missing(
                "ResourceNotFound",
                format!("There is no deployment \"{deployment}\" under endpoint \"{endpoint}\". List the deployments."),
            )
        })?;
        let log = app.telemetry.deployment(&doc.key.parent, &doc.key.name);
        let (sender, receiver) = mpsc::channel(64);
        if call.query.is_true("follow") {
            let subscription = log.log().subscribe(only, tail);
            tokio::spawn(send_lines(subscription, self.app.closing.subscribe(), sender));
        } else {
            let lines: VecDeque<_> = log.log().tail(only, tail).into();
            tokio::spawn(async move {
                for one in lines {
                    if sender.send(Ok(line(&one))).await.is_err() {
                        return;
                    }
                }
            });
        }
        Ok(feed(call, receiver))
    }
}

pub(super) fn feed(call: &Call, receiver: mpsc::Receiver<io::Result<Bytes>>) -> Response {
    let mut response = http::Response::new(ChannelBody(receiver).boxed());
    *response.status_mut() = StatusCode::OK;
    set(response.headers_mut(), "content-type", "application/x-ndjson");
    set(response.headers_mut(), "cache-control", "no-store");
    set(response.headers_mut(), "x-ms-request-id", &call.request_id);
    response
}

async fn send_frames(
    app: std::sync::Arc<App>,
    mut closing: watch::Receiver<bool>,
    history: i64,
    sender: mpsc::Sender<io::Result<Bytes>>,
) {
    let mut changes = app.store.changes();
    let mut from = now_ms() / 1_000 - history;
    let mut history_s = Some(u32::try_from(history).unwrap_or(0));
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first beat is immediate.
    beat.tick().await;
    loop {
        changes.borrow_and_update();
        let sent = Instant::now();
        let (endpoints, next) = app.router.frame(from);
        from = next;
        let frame = LiveFrame {
            at_ms: now_ms(),
            journal_seq: app.store.journal_seq(),
            state_seq: app.store.state_seq(),
            history_s: history_s.take(),
            endpoints,
            process: app.telemetry.process(),
        };
        if sender.send(Ok(line(&frame))).await.is_err() {
            return;
        }
        let changed = async {
            let moved = changes.changed().await.is_ok();
            sleep_until(sent + PAUSE).await;
            // Without a store there is nothing to wait for but the end.
            if !moved {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = beat.tick() => {}
            () = changed => {}
            () = sender.closed() => return,
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

async fn send_lines(
    mut subscription: Subscription,
    mut closing: watch::Receiver<bool>,
    sender: mpsc::Sender<io::Result<Bytes>>,
) {
    for piece in subscription.backlog.chunks(PIECE) {
        if sender.send(Ok(joined(piece))).await.is_err() {
            return;
        }
    }
    let mut piece = Vec::new();
    loop {
        let taken = tokio::select! {
            taken = subscription.lines.recv_many(&mut piece, PIECE) => taken,
            () = sender.closed() => return,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        // The log ends when its deployment is deleted.
        if taken == 0 || sender.send(Ok(joined(&piece))).await.is_err() {
            return;
        }
        piece.clear();
    }
}

/// Lines that are there at once travel in one piece: each piece costs a record of TLS and a chunk of HTTP.
fn joined(lines: &[LogLine]) -> Bytes {
    lines.iter().map(line).collect::<Vec<_>>().concat().into()
}
