//! Admission, deadlines, body limits and slow clients.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mlconsole::server::gateway::{EndpointRoute, Limits, PoolSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::house::{Actor, ENDPOINT, House, KEY, until};

fn patient() -> PoolSettings {
    PoolSettings { request_timeout: Duration::from_secs(60), ..PoolSettings::default() }
}

#[tokio::test]
async fn as_many_wait_as_run_and_one_more_is_refused() {
    let house = House::open(Limits::default());
    let actor = Actor::new();
    let stage = Arc::clone(&actor.stage);
    let settings = PoolSettings { instances: 1, max_concurrent_per_instance: 2, ..patient() };
    let blue = house.pool("blue", actor, settings).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let waiting: Vec<_> = (0..4).map(|_| tokio::spawn(house.score("hang").send())).collect();
    until("two run and two wait", || {
        let status = blue.status();
        (status.in_flight, status.queued, status.slots) == (2, 2, 2)
    })
    .await;

    let refused = house.score("x").send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["ms-azureml-model-error-reason"], "too_many_pending_request");
    assert_eq!(refused.headers()["azureml-model-deployment"], "blue");
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    house.router.publish(EndpointRoute { kubernetes: true, ..house.route(&[("blue", &blue, 100)]) });
    assert_eq!(house.score("x").send().await.unwrap().status(), 503);

    stage.release();
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(house.score("x").send().await.unwrap().status(), 200);
    let counts = house.telemetry.deployment(ENDPOINT, "blue").totals();
    assert_eq!((counts.ok, counts.refused, counts.total()), (5, 2, 7));
}

#[tokio::test]
async fn a_late_answer_is_408_and_expired_work_is_never_started() {
    let house = House::open(Limits::default());
    let actor = Actor::new();
    let stage = Arc::clone(&actor.stage);
    let settings = PoolSettings { request_timeout: Duration::from_millis(700), ..PoolSettings::default() };
    let blue = house.pool("blue", actor, settings).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let running = tokio::spawn(house.score("hang").send());
    until("the model has it", || stage.inside.load(Ordering::SeqCst) == 1).await;
    let queued = house.score("x").send().await.unwrap();
    assert_eq!(queued.status(), 408);
    assert!(queued.text().await.unwrap().contains("request_timeout_ms of 700 ms"));
    assert_eq!(running.await.unwrap().unwrap().status(), 408);
    // The queue is free again although the model still hangs; its slot is not.
    assert_eq!((blue.status().in_flight, blue.status().queued), (1, 0));
    stage.release();
    until("the slot is free", || blue.status().in_flight == 0).await;
    assert_eq!(stage.started.load(Ordering::SeqCst), 1, "expired work was started");
    let counts = house.telemetry.deployment(ENDPOINT, "blue").totals();
    assert_eq!((counts.timeout, counts.total()), (2, 2));
}

#[tokio::test]
async fn kubernetes_endpoints_say_504_and_502() {
    let house = House::open(Limits::default());
    let actor = Actor::new();
    let stage = Arc::clone(&actor.stage);
    let settings = PoolSettings { request_timeout: Duration::from_millis(700), ..PoolSettings::default() };
    let blue = house.pool("blue", actor, settings).await;
    house.router.publish(EndpointRoute { kubernetes: true, ..house.route(&[("blue", &blue, 100)]) });
    assert_eq!(house.score("fail").send().await.unwrap().status(), 502);
    assert_eq!(house.score("hang").send().await.unwrap().status(), 504);
    stage.release();
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_however_it_comes() {
    let house = House::open(Limits { body_bytes: 1_000, ..Limits::default() });
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    assert_eq!(house.score(vec![b'x'; 1_000]).send().await.unwrap().status(), 200);
    assert_eq!(house.score(vec![b'x'; 1_001]).send().await.unwrap().status(), 413);
    assert_eq!(house.score(vec![b'x'; 20_000_000]).send().await.unwrap().status(), 413);
    let chunks = futures_util::stream::iter((0..30).map(|_| std::io::Result::Ok(vec![b'x'; 100])));
    let chunked = house.score("").body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
    assert_eq!(chunked.status(), 413);
    assert!(chunked.text().await.unwrap().contains("1000 bytes"));
    assert_eq!(house.score("x").send().await.unwrap().status(), 200);
    assert_eq!(house.telemetry.endpoint(ENDPOINT).refused.get().client_error, 3);
}

/// The head of a scoring request that announces `length` bytes.
fn head(house: &House, length: usize) -> String {
    format!(
        "POST /endpoints/{ENDPOINT}/score HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {KEY}\r\ncontent-length: {length}\r\n\r\n",
        house.address()
    )
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4_096];
    while !text.windows(4).any(|w| w == b"\r\n\r\n") {
        let n = stream.read(&mut buffer).await.unwrap();
        if n == 0 {
            break;
        }
        text.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn who_asks_before_sending_is_told_whether_to_go_on() {
    let house = House::open(Limits { body_bytes: 10, ..Limits::default() });
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let asking = |length| head(&house, length).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    stream.write_all(asking(11).as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 413"));
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    stream.write_all(asking(4).as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 100"));
    stream.write_all(b"okay").await.unwrap();
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_slow_sender_holds_no_slot_and_is_let_go() {
    let house = House::open(Limits { body_idle: Duration::from_millis(200), ..Limits::default() });
    let blue = house.pool("blue", Actor::new(), patient()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let mut slow = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(house.address()).await.unwrap();
        stream.write_all(head(&house, 100).as_bytes()).await.unwrap();
        stream.write_all(b"half").await.unwrap();
        slow.push(stream);
    }
    for _ in 0..20 {
        assert_eq!(house.score("x").send().await.unwrap().status(), 200);
    }
    for mut stream in slow {
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 408"));
    }
    assert_eq!(house.telemetry.deployment(ENDPOINT, "blue").totals().total(), 20);
}

#[tokio::test]
async fn a_head_that_never_ends_and_a_silent_connection_are_closed() {
    let short = Duration::from_millis(100);
    let house = House::open(Limits { head: short, idle: short * 2, ..Limits::default() });
    let mut trickle = TcpStream::connect(house.address()).await.unwrap();
    trickle.write_all(b"POST /endpoints/").await.unwrap();
    let mut silent = TcpStream::connect(house.address()).await.unwrap();
    assert_eq!(trickle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
    until("nobody is connected", || house.telemetry.process().connections == 0).await;
}

#[tokio::test]
async fn a_caller_who_leaves_counts_as_abandoned_and_hurts_nobody() {
    let house = House::open(Limits::default());
    let actor = Actor::new();
    let stage = Arc::clone(&actor.stage);
    let blue = house.pool("blue", actor, patient()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let mut callers = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(house.address()).await.unwrap();
        stream.write_all(format!("{}hang", head(&house, 4)).as_bytes()).await.unwrap();
        callers.push(stream);
    }
    until("one runs, one waits", || (blue.status().in_flight, blue.status().queued) == (1, 1)).await;
    drop(callers);
    let counts = || house.telemetry.deployment(ENDPOINT, "blue").totals();
    until("both are counted", || counts().abandoned == 2).await;
    assert_eq!((blue.status().in_flight, blue.status().queued), (1, 0));
    stage.release();
    until("the slot is free", || blue.status().in_flight == 0).await;
    assert_eq!(house.score("x").send().await.unwrap().status(), 200);
    assert_eq!(stage.started.load(Ordering::SeqCst), 2, "abandoned work was started");
    assert_eq!((counts().total(), blue.status().restarts), (3, 0));
}
