//! More than anybody can read: logs that pour in, and endpoints by the thousand.

use mlconsole::console::app::call::Item;
use mlconsole::console::app::event::{Event, Feed};
use mlconsole::console::app::model::Model;
use mlconsole::console::app::nav::Place;
use mlconsole::console::app::update::update;
use mlconsole::console::data::{KEPT_S, RECENT_S, Series};
use mlconsole::resources::{Counts, LogLine};

use crate::dump;
use crate::fixture::{Course, NOW, busy, feed, fill, frame, fresh, press};

/// The picture, with plain blanks in its numbers.
fn screen(model: &Model) -> String {
    dump::glyphs(&dump::draw(model)).replace(|c: char| c != '\n' && c.is_whitespace(), " ")
}

fn pour(model: &mut Model, from: u64, lines: u64, dropped: u64) {
    let line = |seq: u64| LogLine {
        seq,
        at_ms: NOW + seq as i64 / 10,
        level: "info".into(),
        text: format!("POST /score 200 line {seq}"),
        dropped: if seq == from { dropped } else { 0 },
        ..LogLine::default()
    };
    let (epoch, task) = (model.epoch, model.logs.task.unwrap());
    for start in (from..from + lines).step_by(1_000) {
        let item = Item::Logs((start..(start + 1_000).min(from + lines)).map(line).collect());
        drop(update(model, Event::Piece { epoch, task, item }));
    }
}

#[test]
fn logs_that_pour_in_are_bounded_and_what_is_missing_is_told() {
    let mut model = busy(140, 40);
    drop(model.open(Place::Logs { endpoint: "restaurants".into(), deployment: "blue".into() }));
    pour(&mut model, 1, 30_000, 0);
    pour(&mut model, 30_001 + 77, 30_000, 77);
    assert_eq!(model.logs.buffer.len(), 10_000);
    let text = screen(&model);
    assert!(text.contains("line 60077"), "{text}");
    assert!(text.contains("10 000 lines, 50 000 older let go, 77 dropped"), "{text}");
    // Whoever reads an old line keeps his place as long as the line is kept, and can still type.
    press(&mut model, "k");
    let kept = model.logs.at;
    pour(&mut model, 60_078, 5_000, 0);
    assert_eq!(model.logs.at, kept);
    assert!(screen(&model).contains("paused, 5 001 newer lines below"), "{}", screen(&model));
    press(&mut model, "f");
    assert!(screen(&model).contains("line 65077"));
}

#[test]
fn lines_of_the_inference_server_are_not_stamped_twice() {
    let mut model = busy(100, 30);
    drop(model.open(Place::Logs { endpoint: "restaurants".into(), deployment: "blue".into() }));
    let line = |(seq, text): (u64, &str)| LogLine {
        seq,
        at_ms: NOW,
        level: "info".into(),
        text: text.into(),
        raw: true,
        ..LogLine::default()
    };
    let texts =
        ["2026-01-31 10:00:00,123 I [42] azmlinfsrv - POST /score 200 41.8ms 8", "2026-01-31 is a line without stamp"];
    let item = Item::Logs((1..).zip(texts).map(line).collect());
    let (epoch, task) = (model.epoch, model.logs.task.unwrap());
    drop(update(&mut model, Event::Piece { epoch, task, item }));
    let text = screen(&model);
    assert!(text.contains("[42] azmlinfsrv - POST /score 200 41.8ms 8") && !text.contains("10:00:00,123"), "{text}");
    assert!(text.contains("2026-01-31 is a line without stamp"), "{text}");
    assert!(!model.logs.buffer.text().contains("10:00:00,123"), "{}", model.logs.buffer.text());
}

#[test]
fn a_thousand_busy_endpoints_shorten_the_past_instead_of_filling_the_memory() {
    let names: Vec<String> = (0..1_000).map(|n| format!("endpoint-{n:04}")).collect();
    let names: &'static [String] = names.leak();
    let courses = || vec![Course::new("blue", 100, 3.0, 900.0)];
    let all: Vec<(&'static str, Vec<Course>)> = names.iter().map(|name| (name.as_str(), courses())).collect();
    let mut model = fresh(140, 40);
    fill(&mut model, &all);
    let kept = |model: &Model| -> usize {
        model.data.endpoints.values().flat_map(|view| view.deployments.values()).map(|view| view.series.len()).sum()
    };
    for n in 1..=5 {
        let mut next = frame(&all, 1);
        next.at_ms = NOW + n * 1_000;
        for second in next.endpoints.iter_mut().flat_map(|e| &mut e.deployments).flat_map(|d| &mut d.seconds) {
            second.at += n;
        }
        feed(&mut model, Feed::Frame(Box::new(next)));
    }
    assert!(kept(&model) <= 200_000 + 1_000, "{} seconds", kept(&model));
    let data = &model.data;
    assert!(data.cut_s > 0 && data.coverage.count(data.second - KEPT_S, data.second) >= RECENT_S);
    assert!(!data.coverage.has(data.second - KEPT_S + data.cut_s - 2), "what was given up is a gap, not a zero");
    let first = &data.endpoints["endpoint-0000"];
    let series: Vec<&Series> = first.deployments.values().map(|view| &view.series).collect();
    let exact = Series::summary_of(&series, data.second, RECENT_S, &data.coverage);
    assert_ne!(exact.counts, Counts::default());
    assert_eq!(first.recent(data), exact);
}
