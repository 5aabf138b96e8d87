//! What a frame costs: CPU time of the drawing thread, p50 and p99, against the budgets of the console.
//!
//! `cargo bench --bench frames`

use mlconsole::console::app::event::{Event, Feed};
use mlconsole::console::app::model::Model;
use mlconsole::console::app::nav::Place;
use mlconsole::console::app::options::{ContextEntry, Settings};
use mlconsole::console::app::saved::Saved;
use mlconsole::console::app::update::update;
use mlconsole::console::screens;
use mlconsole::resources::{
    Counts, Deployment, Endpoint, LiveDeployment, LiveEndpoint, LiveFrame, ProcessStats, ProvisioningState, Second,
    Weight,
};
use mlconsole::stats::histogram::bucket;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const NOW: i64 = 1_795_349_200_000;

/// CPU time of this thread in microseconds.
fn cpu_us() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn frame(endpoints: usize, at: i64, seconds: i64) -> LiveFrame {
    let deployment = |name: &str, rate: u64| LiveDeployment {
        name: name.into(),
        ready: 2,
        wanted: 2,
        slots: 16,
        seconds: (at - seconds + 1..=at)
            .map(|at| Second {
                at,
                counts: Counts { ok: rate, ..Counts::default() },
                latency: (0..12)
                    .map(|k| (bucket(900 + k * 250 + (at as u64 % 7) * 40), 1 + (rate / 12) as u32))
                    .collect(),
            })
            .collect(),
        ..LiveDeployment::default()
    };
    LiveFrame {
        at_ms: (at + 1) * 1_000,
        journal_seq: 1,
        state_seq: 1,
        endpoints: (0..endpoints)
            .map(|n| LiveEndpoint {
                name: format!("endpoint-{n:04}"),
                deployments: vec![deployment("blue", 40 + n as u64 % 60), deployment("green", 5 + n as u64 % 9)],
                ..LiveEndpoint::default()
            })
            .collect(),
        process: ProcessStats { uptime_s: 900, ..ProcessStats::default() },
        ..LiveFrame::default()
    }
}

fn model(endpoints: usize, size: (u16, u16)) -> Model {
    let context = ContextEntry { name: "local".into(), kind: "local workspace".into(), ..ContextEntry::default() };
    let mut model = Model::new(Settings::default(), context, Saved::default()).expect("default keys");
    model.now = NOW;
    model.size = size;
    let mut feed = |feed| drop(update(&mut model, Event::Feed(1, feed)));
    feed(Feed::Connected);
    let all = (0..endpoints).map(|n| {
        let mut endpoint = Endpoint { name: format!("endpoint-{n:04}"), ..Endpoint::default() };
        endpoint.properties.provisioning_state = ProvisioningState::Succeeded;
        endpoint.properties.traffic.insert("blue".into(), Weight::percent(90));
        endpoint.properties.traffic.insert("green".into(), Weight::percent(10));
        endpoint
    });
    feed(Feed::Frame(Box::new(frame(endpoints, NOW / 1_000 - 2, 300))));
    feed(Feed::Endpoints(all.collect()));
    for n in 0..endpoints {
        let deployments = ["blue", "green"].map(|name| {
            let mut deployment = Deployment { name: name.into(), ..Deployment::default() };
            deployment.properties.provisioning_state = ProvisioningState::Succeeded;
            deployment
        });
        feed(Feed::Deployments { endpoint: format!("endpoint-{n:04}"), deployments: deployments.into() });
    }
    feed(Feed::Frame(Box::new(frame(endpoints, NOW / 1_000 - 1, 1))));
    model
}

fn measure(name: &str, rounds: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = cpu_us();
            work();
            cpu_us() - start
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (p50, p99) = (times[rounds / 2], times[rounds * 99 / 100]);
    println!("{name:<52} p50 {:>8.2} ms   p99 {:>8.2} ms", p50 / 1e3, p99 / 1e3);
    p50
}

fn main() {
    for (endpoints, size) in
        [(3, (80, 24)), (1_000, (80, 24)), (100, (200, 60)), (1_000, (200, 60)), (10_000, (200, 60))]
    {
        let mut model = model(endpoints, size);
        let mut buf = Buffer::empty(Rect::new(0, 0, size.0, size.1));
        for place in ["dashboard", "endpoint", "traffic"] {
            let first = "endpoint-0000".to_string();
            drop(match place {
                "endpoint" => model.jump(Place::Endpoint(first)),
                "traffic" => model.jump(Place::Traffic(first)),
                _ => model.jump(Place::Dashboard),
            });
            let name = format!("draw {place}, {endpoints} endpoints, {}x{}", size.0, size.1);
            measure(&name, 300, || {
                buf.reset();
                screens::draw(&model, &mut buf);
            });
        }
        let mut at = NOW / 1_000;
        let frames: Vec<LiveFrame> = (0..20).map(|n| frame(endpoints, at + n, 1)).collect();
        at += 20;
        let mut frames = frames.into_iter();
        let rounds = 20;
        measure(&format!("take in a second of {endpoints} endpoints"), rounds, || {
            if let Some(frame) = frames.next() {
                model.now = at * 1_000;
                drop(update(&mut model, Event::Feed(1, Feed::Frame(Box::new(frame)))));
            }
        });
    }
}
