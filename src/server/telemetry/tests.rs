use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::*;

fn record(outcome: Outcome) -> Record {
    let admitted = Instant::now();
    Record {
        id: Uuid::from_u128(7),
        outcome,
        status: 200,
        admitted,
        finished: admitted + Duration::from_micros(1_500),
        queued: Duration::from_micros(250),
        model: Duration::from_micros(1_000),
        request_bytes: 10,
        response_bytes: 20,
        generation: 3,
        probability: 0.25,
        pinned: false,
        mirrored: false,
        request_body: None,
        response_body: None,
    }
}

#[test]
fn names_compare_without_case_and_counts_add_up() {
    let telemetry = Telemetry::new(None);
    for outcome in Outcome::ALL {
        telemetry.deployment("Fraud", "blue").record(record(outcome));
    }
    telemetry.deployment("fraud", "BLUE").record(record(Outcome::Ok));
    let totals = telemetry.deployment("fraud", "blue").totals();
    assert_eq!((totals.total(), totals.ok, totals.abandoned), (8, 2, 1));
    assert_eq!(telemetry.endpoints().len(), 1);
}

#[test]
fn recent_requests_are_spelled_out_newest_first_and_bounded() {
    let telemetry = Telemetry::new(None);
    let blue = telemetry.deployment("fraud", "blue");
    for n in 0..500 {
        blue.record(Record { generation: n, ..record(Outcome::Ok) });
    }
    let samples = telemetry.requests(Some("FRAUD"), None, 10);
    assert_eq!(samples.len(), 10);
    assert_eq!(samples[0].id, Uuid::from_u128(7).to_string());
    assert_eq!((samples[0].total_ms, samples[0].queue_ms, samples[0].model_ms), (1.5, 0.25, 1.0));
    assert_eq!(telemetry.requests(None, None, usize::MAX).len(), 200);
    assert!(telemetry.requests(Some("other"), None, 10).is_empty());
}

#[test]
fn bodies_are_kept_in_part() {
    let blue = Telemetry::new(None).deployment("fraud", "blue");
    let body = Bytes::from(vec![b'x'; 100_000]);
    blue.record(Record { request_body: Some(body), ..record(Outcome::Ok) });
    assert_eq!(blue.samples()[0].request_body.as_ref().map(String::len), Some(16 * 1024));
}

#[test]
fn prometheus_text_names_every_deployment() {
    let telemetry = Telemetry::new(None);
    telemetry.deployment("fraud", "blue").record(record(Outcome::Ok));
    telemetry.endpoint("fraud").refused.add(Outcome::ClientError);
    let text = telemetry.prometheus();
    for line in [
        "# TYPE mlconsole_requests_total counter",
        "mlconsole_requests_total{endpoint=\"fraud\",deployment=\"blue\",outcome=\"ok\"} 1",
        "mlconsole_gateway_refused_total{endpoint=\"fraud\",outcome=\"client_error\"} 1",
        "mlconsole_mirrored_total{endpoint=\"fraud\",deployment=\"blue\",event=\"sent\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in:\n{text}");
    }
}

#[test]
fn forgetting_a_deployment_takes_its_log_along() {
    let folder = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::new(Some(folder.path().into()));
    telemetry.deployment("fraud", "blue").log().push(Container::InferenceServer, None, Level::Info, "hello");
    assert!(folder.path().join("fraud/blue.log").exists());
    telemetry.forget("FRAUD", Some("Blue"));
    assert!(!folder.path().join("fraud").exists());
    assert!(telemetry.find("fraud", "blue").is_none());
}

#[test]
fn minutes_travel_from_one_process_to_the_next() {
    let before = Telemetry::new(None);
    before.import_minutes(vec![MinuteRow {
        endpoint: "fraud".into(),
        deployment: "blue".into(),
        minute: Minute {
            codes: vec![(413, 1)],
            at: 600,
            counts: crate::resources::Counts { ok: 5, ..Default::default() },
            bytes: 9,
            latency: vec![(3, 5)],
        },
    }]);
    let rows = before.export_minutes(0);
    let after = Telemetry::new(None);
    after.import_minutes(rows.clone());
    assert_eq!(after.export_minutes(600), rows);
    assert_eq!(after.minutes("fraud", Some("blue"), 600..601), rows);
    assert!(after.minutes("fraud", None, 601..900).is_empty());
}

#[test]
fn the_process_is_measured() {
    let stats = Telemetry::new(None).process();
    assert_eq!(stats.pid, std::process::id());
    assert!(stats.rss_bytes > 0);
}
