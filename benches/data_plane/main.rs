//! What the data plane costs, as ratios taken in one run:
//!
//!     cargo bench --bench data_plane [-- --seconds 2 --rounds 3 --connections 8 --only small]
//!
//! `--only` keeps the cases of a group: small, big or image. `-- --drive ADDRESS FILE` sends the bytes of a file to any
//! server instead, and prints median and 99th percentile of their times in µs, and how many answers came; `-- --model FILE`
//! writes the small model. Both are for `benches/peers`.
//!
//! Each server runs in a process of its own, loaded by this one over loopback; its CPU time is read before and after.
//! Cases take turns over several rounds and the median counts, so that a noisy neighbour spoils a round, not a ratio.

mod load;
mod models;
mod servers;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use load::{Measure, Request};
use servers::{Child, Kind, Server};

/// A server under a load.
struct Case {
    group: &'static str,
    name: &'static str,
    server: Server,
    request: Request,
    connections: usize,
}

struct Settings {
    seconds: f64,
    rounds: usize,
    connections: usize,
}

fn settings(arguments: &[String]) -> Settings {
    let value = |name: &str, default: f64| {
        let place = arguments.iter().position(|a| a == name);
        place.and_then(|p| arguments.get(p + 1)).map_or(default, |v| v.parse().expect("a number"))
    };
    Settings {
        seconds: value("--seconds", 2.0),
        rounds: value("--rounds", 3.0) as usize,
        connections: value("--connections", 8.0) as usize,
    }
}

fn cases(connections: usize) -> Vec<Case> {
    let small = models::small_request();
    let house = Server { kind: Kind::House, model: "small", instances: 1, concurrent: 4, split: false, tls: false };
    let echo = |kind| Server { kind, ..house.clone() };
    let case = |name: &'static str, server: Server, request: &Request, connections| {
        let group = if matches!(server.model, "big" | "image") { server.model } else { "small" };
        Case { group, name, server, request: request.clone(), connections }
    };
    let big = models::big_request();
    let one = Server { model: "big", concurrent: 1, ..house.clone() };
    let image = Server { model: "image", ..house.clone() };
    vec![
        case("bare hyper echo", echo(Kind::Hyper), &small, connections),
        case("bare axum echo", echo(Kind::Axum), &small, connections),
        case("endpoint without a model", Server { model: "echo", ..house.clone() }, &small, connections),
        case("same, handed to a thread", Server { model: "echo on its thread", ..house.clone() }, &small, connections),
        case("endpoint", house.clone(), &small, connections),
        case("endpoint, split 80/20", Server { split: true, ..house.clone() }, &small, connections),
        case("endpoint, TLS", Server { tls: true, ..house.clone() }, &small, connections),
        case("bare hyper echo, 1 connection", echo(Kind::Hyper), &small, 1),
        case("endpoint, 1 connection", house.clone(), &small, 1),
        case("big model, 1 connection", one.clone(), &big, 1),
        case("big model, 1 instance", one.clone(), &big, 2),
        case("big model, 2 instances", Server { instances: 2, ..one }, &big, 2),
        case("image as JSON", image.clone(), &models::image_json(), 4),
        case("image as binary tensor", image, &models::image_binary(), 4),
    ]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Medians of a case: requests a second and CPU µs a request.
fn summary(measures: &[Measure]) -> (f64, f64) {
    (median(measures.iter().map(|m| m.rate).collect()), median(measures.iter().map(|m| m.cpu_us).collect()))
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(server) = Server::from_arguments(&arguments) {
        return servers::serve(&server);
    }
    let Settings { seconds, rounds, connections } = settings(&arguments);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    if let Some(place) = arguments.iter().position(|a| a == "--drive") {
        let address = arguments[place + 1].parse().expect("an address");
        let wire = std::fs::read(&arguments[place + 2]).expect("a request").into();
        let times = runtime.block_on(load::drive(address, wire, connections, seconds));
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
        return println!("p50 {} p99 {} answers {}", at(50), at(99), times.len());
    }
    if let Some(place) = arguments.iter().position(|a| a == "--model") {
        return std::fs::write(&arguments[place + 1], models::small()).expect("a file");
    }
    let only = arguments.iter().position(|a| a == "--only").and_then(|place| arguments.get(place + 1));
    let mut cases = cases(connections);
    cases.retain(|case| only.is_none_or(|group| case.group == group));
    let mut measured: BTreeMap<&str, Vec<Measure>> = BTreeMap::new();
    for round in 0..rounds {
        for case in &cases {
            let mut child = Child::start(&case.server);
            let measure = runtime.block_on(load::run(&mut child, &case.request, case.connections, seconds));
            eprintln!("round {round}: {:32} {:9.0} req/s {:8.1} µs CPU", case.name, measure.rate, measure.cpu_us);
            measured.entry(case.name).or_default().push(measure);
        }
    }

    println!("{:34} {:>10} {:>14}", "", "requests/s", "CPU µs/request");
    for case in &cases {
        let (rate, cpu) = summary(&measured[case.name]);
        println!("{:34} {rate:>10.0} {cpu:>14.1}", case.name);
    }
    let figures = |name: &str| measured.get(name).map_or((f64::NAN, f64::NAN), |measures| summary(measures));
    let (rate, cpu) = (|name: &str| figures(name).0, |name: &str| figures(name).1);
    let engine_us = engine_loop("big");
    let ratios = [
        ("CPU/request, endpoint : bare hyper echo (budget 2.2)", cpu("endpoint") / cpu("bare hyper echo")),
        ("CPU/request, endpoint : bare axum echo", cpu("endpoint") / cpu("bare axum echo")),
        ("CPU/request, no model: bare hyper echo", cpu("endpoint without a model") / cpu("bare hyper echo")),
        (
            "CPU/request, no model: here : handed over",
            cpu("endpoint without a model") / cpu("same, handed to a thread"),
        ),
        ("CPU/request, split 80/20 : one deployment (budget 1.05)", cpu("endpoint, split 80/20") / cpu("endpoint")),
        ("CPU/request, TLS : plain", cpu("endpoint, TLS") / cpu("endpoint")),
        ("requests/s, binary : JSON, 224x224x3 (budget 5)", rate("image as binary tensor") / rate("image as JSON")),
        ("requests/s, 2 instances : 1, big model", rate("big model, 2 instances") / rate("big model, 1 instance")),
        (
            "time, big model kept busy : engine's own loop (budget 1.15)",
            1e6 / rate("big model, 1 instance") / engine_us,
        ),
        // With the four times that a sleeping core is woken for a request.
        ("time, big model for one caller : engine's own loop", 1e6 / rate("big model, 1 connection") / engine_us),
    ];
    println!("\nengine's own loop: big model {engine_us:.0} µs, small model {:.1} µs\n", engine_loop("small"));
    for (name, ratio) in ratios.into_iter().filter(|(_, ratio)| !ratio.is_nan()) {
        println!("{name:58} {ratio:6.2}");
    }
}

/// Time of one request in the engine alone, in µs: parse, run, write, on one warm thread.
fn engine_loop(model: &str) -> f64 {
    let servable = models::load(model);
    let mut instance = servable.clone().instance().expect("an instance");
    let request = if model == "big" { models::big_request() } else { models::small_request() };
    let request = models::score_request(&request);
    let mut one = || {
        let response = instance.score(&request);
        assert_eq!(response.status, 200, "{:?}", response.body);
    };
    (0..200).for_each(|_| one());
    let (start, mut n) = (Instant::now(), 0u32);
    while start.elapsed() < Duration::from_secs(1) {
        (0..100).for_each(|_| one());
        n += 100;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(n)
}
