//! TLS, shutdown, and the sharing of ports.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mlconsole::server::gateway::{
    Dispatch, Limits, Listener, PeerInfo, PoolSettings, Request, Response, Role, Router, bind, http, listen,
};
use mlconsole::server::telemetry::Telemetry;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::house::{Actor, House, until};

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_closes_idle_connections() {
    let house = House::open(Limits::default());
    let actor = Actor::new();
    let stage = Arc::clone(&actor.stage);
    let blue = house.pool("blue", actor, PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let mut idle = TcpStream::connect(house.address()).await.unwrap();
    let running = tokio::spawn(house.score("hang").send());
    until("the model has it", || stage.inside.load(Ordering::SeqCst) == 1).await;
    let address = house.address();
    let ending = tokio::spawn(house.gateway.shutdown(Duration::from_secs(60)));
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    stage.release();
    assert_eq!(running.await.unwrap().unwrap().status(), 200);
    ending.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "somebody still listens");
}

#[tokio::test]
async fn a_shutdown_waits_no_longer_than_it_may() {
    let house = House::open(Limits::default());
    let actor = Actor::new();
    let stage = Arc::clone(&actor.stage);
    let blue = house.pool("blue", actor, PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let running = tokio::spawn(house.score("hang").send());
    until("the model has it", || stage.inside.load(Ordering::SeqCst) == 1).await;
    house.gateway.shutdown(Duration::from_millis(50)).await;
    assert!(running.await.unwrap().is_err(), "the connection was not closed");
    stage.release();
}

#[tokio::test]
async fn a_pool_drains_before_it_stops() {
    let house = House::open(Limits::default());
    let actor = Actor::new();
    let stage = Arc::clone(&actor.stage);
    let blue = house.pool("blue", actor, PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let waiting: Vec<_> = (0..2).map(|_| tokio::spawn(house.score("hang").send())).collect();
    until("one runs, one waits", || (blue.status().in_flight, blue.status().queued) == (1, 1)).await;
    house.router.publish(house.route(&[("blue", &blue, 0)]));
    let mut drained = std::pin::pin!(blue.drain(Duration::from_secs(60)));
    assert!(futures_util::FutureExt::now_or_never(drained.as_mut()).is_none());
    stage.release();
    drained.await;
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!((blue.status().in_flight, blue.status().queued, blue.status().slots), (0, 0, 0));
}

#[test]
fn a_port_belongs_to_one_process() {
    let first = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let second = bind(first.address()).unwrap_err();
    assert_eq!(second.kind(), std::io::ErrorKind::AddrInUse);
}

struct Hello;

impl Dispatch for Hello {
    fn handle(self: Arc<Self>, _: Request, peer: PeerInfo) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { http::text(::http::StatusCode::OK, format!("tls {}", peer.tls)) })
    }
}

#[tokio::test]
async fn tls_is_spoken_and_plain_http_on_its_port_is_explained() {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let bound = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listeners = vec![Listener { bound, role: Role::Workspace, tls: Some(Arc::new(config)) }];
    let router = Router::new(Telemetry::new(None));
    let limits = Limits { handshake: Duration::from_millis(200), ..Limits::default() };
    let gateway = listen(listeners, router, Arc::new(Hello), tokio::runtime::Handle::current(), limits).unwrap();
    let address = gateway.addresses()[0];

    let ca = reqwest::Certificate::from_der(signed.cert.der()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([ca]).build().unwrap();
    let answer = client.get(format!("https://localhost:{}/", address.port())).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "tls true");

    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut text = String::new();
    plain.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 400") && text.ends_with("Use https:// in the address instead."), "{text}");

    // Who never shakes hands is let go.
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
    gateway.shutdown(Duration::from_secs(5)).await;
}
