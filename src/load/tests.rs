//! Runs against a server whose slowness is known.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Answers every request after `delay`, one connection at a time being one request at a time.
async fn server(delay: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, delay));
        }
    });
    format!("http://{address}/score")
}

async fn serve(mut stream: TcpStream, delay: Duration) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        // The bodies of these tests are "{}": a request ends with them.
        while !seen.ends_with(b"{}") {
            match stream.read(&mut buffer).await {
                Ok(n @ 1..) => seen.extend_from_slice(&buffer[..n]),
                _ => return,
            }
        }
        seen.clear();
        tokio::time::sleep(delay).await;
        let answer = b"HTTP/1.1 200 OK\r\nazureml-model-deployment: blue\r\ncontent-length: 2\r\n\r\n[]";
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

fn plan(url: String, rate: f64, connections: usize) -> LoadPlan {
    crypto();
    LoadPlan {
        http: reqwest::Client::new(),
        method: Method::POST,
        url,
        headers: HeaderMap::new(),
        bodies: vec![Bytes::from_static(b"{}")],
        pace: Pace::Constant(rate),
        duration: Some(Duration::from_secs(1)),
        connections,
        timeout: Duration::from_secs(20),
        seed: 1,
    }
}

/// Even a client for plain http sets up TLS.
fn crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_intended_request_is_sent_and_counted_once() {
    let mut last = LoadProgress::default();
    let report =
        run(plan(server(Duration::ZERO).await, 200.0, 8), Stop::default(), |p| last = p.clone()).await.unwrap();
    assert_eq!((report.scheduled, report.answered, report.failed, report.not_sent), (200, 200, 0, 0));
    assert_eq!(report.deployments["blue"].answered, 200);
    assert!(report.all_ok() && !report.stopped_early);
    assert!(last.finished <= 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_makes_callers_wait_cannot_hide_it() {
    // One at a time, 25 ms each, where one every 5 ms is wanted: the backlog grows through the whole run. A generator that
    // waits for its answers would report 25 ms; here the wait before the start counts.
    let report = run(plan(server(Duration::from_millis(25)).await, 200.0, 1), Stop::default(), |_| {}).await.unwrap();
    let (latency, service) = (report.latency.clone().unwrap(), report.service_time.clone().unwrap());
    assert_eq!(report.scheduled, 200);
    assert_eq!(report.answered + report.not_sent, 200, "what was not sent is said");
    assert!(report.not_sent > 0 && !report.all_ok());
    assert!(latency.p50_ms > service.p50_ms.map(|ms| ms * 4.0), "{latency:?} {service:?}");
    assert!(report.latest_start_ms > service.mean_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_an_end_ends_when_it_is_stopped() {
    let mut endless = plan(server(Duration::ZERO).await, 50.0, 4);
    endless.duration = None;
    let stop = Stop::default();
    let stopper = stop.clone();
    let report = run(endless, stop, |progress| {
        if progress.finished > 0 {
            stopper.stop();
        }
    });
    let report = report.await.unwrap();
    assert!(report.stopped_early && report.answered == report.scheduled && report.answered > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_counted_by_kind() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let report = run(plan(format!("http://{closed}/score"), 20.0, 2), Stop::default(), |_| {}).await.unwrap();
    assert_eq!((report.answered, report.failed), (0, 20));
    assert_eq!(report.errors["connect"], 20);
    assert_eq!(report.latency, None);
}

#[tokio::test]
async fn a_plan_without_sense_is_refused_at_once() {
    let sane = plan("http://127.0.0.1:1/score".into(), 1.0, 1);
    for broken in [
        LoadPlan { bodies: Vec::new(), ..sane.clone() },
        LoadPlan { connections: 0, ..sane.clone() },
        LoadPlan { pace: Pace::Constant(0.0), ..sane.clone() },
        LoadPlan { pace: Pace::Poisson(f64::NAN), ..sane.clone() },
    ] {
        assert!(run(broken, Stop::default(), |_| {}).await.is_err());
    }
}
