//! One connection: handshake, requests, end.

use std::convert::Infallible;
use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::body::discard;
use super::http::{Request, Response, text};
use super::listen::{Limits, PeerInfo, Plane, Role, Stage};
use super::patience::{Allowance, Pulse, Verdict, Watched, look};
use super::scoring;
use super::target::{Asked, BadHost, sort};

/// First byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 22;
const NOT_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 60\r\n\r\n\
This port speaks https. Use https:// in the address instead.";

/// A fresh connection.
pub struct Accepted {
    pub stream: StdStream,
    pub peer: PeerInfo,
    /// The listener's.
    pub port: u16,
    pub tls: Option<TlsAcceptor>,
}

/// Serves a connection to its end.
pub async fn serve(accepted: Accepted, plane: Arc<Plane>, stage: watch::Receiver<Stage>) {
    let Accepted { stream, peer, port, tls } = accepted;
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    match tls {
        None => requests(stream, peer, port, plane, stage).await,
        Some(acceptor) => {
            let handshake = tokio::time::timeout(plane.limits.handshake, shake_hands(stream, acceptor));
            // Who does not finish the handshake gets no answer it could read.
            if let Ok(Some(stream)) = handshake.await {
                requests(stream, peer, port, plane, stage).await;
            }
        }
    }
}

async fn shake_hands(
    mut stream: TcpStream,
    acceptor: TlsAcceptor,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await.ok()? == 1 && first[0] != TLS_HANDSHAKE {
        // Plain http to a TLS port is a common slip: say so in the language it was asked.
        stream.write_all(NOT_TLS).await.ok()?;
        stream.shutdown().await.ok()?;
        return None;
    }
    acceptor.accept(stream).await.ok()
}

fn allowance(limits: &Limits) -> (Duration, Allowance) {
    let look = look(limits.head.min(limits.idle).min(limits.write));
    let looks = |time: Duration| u32::try_from(time.as_millis() / look.as_millis().max(1)).unwrap_or(u32::MAX);
    (look, Allowance { head: looks(limits.head), idle: looks(limits.idle), write: looks(limits.write) })
}

async fn requests<S>(stream: S, peer: PeerInfo, port: u16, plane: Arc<Plane>, mut stage: watch::Receiver<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pulse = Arc::new(Pulse::default());
    let (look, allowed) = allowance(&plane.limits);
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&pulse)));
    let service = service_fn(|request| {
        let (plane, pulse) = (Arc::clone(&plane), Arc::clone(&pulse));
        async move {
            pulse.handling();
            let response = answer(&plane, request, peer, port).await;
            pulse.handled();
            Ok::<_, Infallible>(response)
        }
    });
    // Our own pulse replaces hyper's header timer, which costs an allocation a request and ends idle connections too.
    let connection = http1::Builder::new().header_read_timeout(None).serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let mut looks = tokio::time::interval(look);
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            // Broken connections are the caller's affair: nothing to report, nobody to report to.
            _ = connection.as_mut() => return,
            changed = stage.changed(), if !draining => {
                draining = true;
                let stage = *stage.borrow_and_update();
                if changed.is_err() || stage == Stage::Abort {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            }
            _ = looks.tick() => match pulse.look(allowed) {
                Verdict::Fine => {}
                Verdict::Idle => connection.as_mut().graceful_shutdown(),
                Verdict::Stalled => return,
            },
        }
    }
}

async fn answer(plane: &Plane, request: Request, peer: PeerInfo, port: u16) -> Response {
    let port = (peer.role != Role::Scoring).then_some(port);
    let asked = match sort(request.uri(), request.headers(), port, &plane.limits.hosts) {
        Ok(asked) => asked,
        Err(bad) => {
            refuse_body(request);
            return bad_host(bad);
        }
    };
    match (asked, peer.role) {
        (Asked::Score { endpoint, path }, Role::Workspace | Role::Scoring | Role::Plain { scoring: true }) => {
            scoring::score(&plane.router, &plane.limits, &endpoint, path, request).await
        }
        (Asked::Control, Role::Workspace | Role::Plain { .. }) => {
            let handled = plane.control.spawn(Arc::clone(&plane.dispatch).handle(request, peer)).await;
            handled.unwrap_or_else(|error| {
                tracing::error!(%error, "a control-plane request panicked");
                text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The workspace failed while it answered this request; its log has the details.",
                )
            })
        }
        (_, role) => {
            refuse_body(request);
            let message = match role {
                Role::Scoring => "This address serves scoring requests only: /endpoints/{name}/score.",
                _ => {
                    "This address does not serve scoring. Use the workspace's https address, or start it with --plain-http."
                }
            };
            text(StatusCode::NOT_FOUND, message)
        }
    }
}

fn refuse_body(request: Request) {
    let (parts, body) = request.into_parts();
    discard(&parts.headers, body);
}

fn bad_host(bad: BadHost) -> Response {
    match bad {
        BadHost::Malformed => text(StatusCode::BAD_REQUEST, "The request has no valid Host header."),
        BadHost::Foreign(host) => {
            let message = format!(
                "The host '{host}' is not served here. Use localhost, 127.0.0.1, [::1] or NAME.localhost, with this port."
            );
            text(StatusCode::MISDIRECTED_REQUEST, message)
        }
    }
}
