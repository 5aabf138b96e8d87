//! A workspace as the live feed would tell it, without one: deterministic, at a fixed time.

use std::sync::{LazyLock, Mutex, PoisonError};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mlconsole::console::actions::Action;
use mlconsole::console::app::event::{Effect, Event, Feed};
use mlconsole::console::app::model::Model;
use mlconsole::console::app::options::{Access, ContextEntry, Settings};
use mlconsole::console::app::saved::Saved;
use mlconsole::console::app::update::update;
use mlconsole::resources::{
    Counts, Deployment, Endpoint, JournalEntry, LiveDeployment, LiveEndpoint, LiveFrame, ProcessStats,
    ProvisioningState, Second, Sku, TrafficMap, Weight,
};
use mlconsole::stats::histogram::bucket;

/// 2026-11-22 12:06:40 UTC.
pub const NOW: i64 = 1_795_349_200_000;

/// How a deployment behaves.
pub struct Course {
    pub name: &'static str,
    pub weight: u16,
    /// Requests per second.
    pub rate: f64,
    /// Middle latency in microseconds.
    pub us: f64,
    /// Every so many requests fails; 0 = none.
    pub fails: u64,
    pub refused: u64,
    pub ready: u32,
    pub wanted: u32,
}

impl Course {
    pub fn new(name: &'static str, weight: u16, rate: f64, us: f64) -> Self {
        Self { name, weight, rate, us, fails: 0, refused: 0, ready: 2, wanted: 2 }
    }
}

pub fn settings() -> Settings {
    Settings { mouse: true, ..Settings::default() }
}

/// A model of a size that knows nothing yet.
pub fn fresh(width: u16, height: u16) -> Model {
    with_access(width, height, Access::Open)
}

pub fn with_access(width: u16, height: u16, access: Access) -> Model {
    let context = ContextEntry { name: "local".into(), kind: "local workspace".into(), access };
    let mut model = Model::new(settings(), context, Saved::default()).unwrap();
    model.now = NOW;
    model.size = (width, height);
    model
}

/// Three endpoints with traffic, journal and findings. Ten minutes of seconds are many: they are made once.
pub fn busy(width: u16, height: u16) -> Model {
    static BUSY: LazyLock<Mutex<Model>> = LazyLock::new(|| {
        let mut model = fresh(0, 0);
        fill(&mut model, &standard());
        Mutex::new(model)
    });
    // nothing is changed under the lock: a test that failed leaves it whole
    let model = BUSY.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Model { size: (width, height), ..model }
}

/// The same after a minute, for tests that need many of them.
pub fn young(width: u16, height: u16, access: Access) -> Model {
    let mut model = with_access(width, height, access);
    fill_for(&mut model, &standard(), 60);
    model
}

pub fn standard() -> Vec<(&'static str, Vec<Course>)> {
    let mut slow = Course::new("green", 50, 80.0, 12_000.0);
    slow.fails = 40;
    slow.refused = 60;
    slow.ready = 1;
    vec![
        ("restaurants", vec![Course::new("blue", 90, 434.0, 1_200.0), Course::new("green", 10, 48.0, 1_050.0)]),
        ("fraud-check", vec![Course::new("blue", 50, 80.0, 4_800.0), slow]),
        ("image-tagger", vec![Course::new("blue", 0, 0.0, 1.0)]),
    ]
}

pub fn fill(model: &mut Model, endpoints: &[(&str, Vec<Course>)]) {
    fill_for(model, endpoints, 600);
}

fn fill_for(model: &mut Model, endpoints: &[(&str, Vec<Course>)], seconds: i64) {
    feed(model, Feed::Connected);
    feed(model, Feed::Frame(Box::new(frame(endpoints, seconds))));
    feed(model, Feed::Endpoints(endpoints.iter().map(|(name, courses)| endpoint(name, courses)).collect()));
    for (name, courses) in endpoints {
        let deployments = courses.iter().map(|course| deployment(name, course)).collect();
        feed(model, Feed::Deployments { endpoint: (*name).to_string(), deployments });
    }
    feed(model, Feed::Frame(Box::new(frame(endpoints, 1))));
    feed(model, Feed::Journal(journal()));
}

pub fn feed(model: &mut Model, feed: Feed) -> Vec<Effect> {
    let epoch = model.epoch;
    update(model, Event::Feed(epoch, feed))
}

pub fn journal() -> Vec<JournalEntry> {
    let entry = |seq: u64, minutes: i64, who: &str, from: &[(&str, u16)], to: &[(&str, u16)]| JournalEntry {
        seq,
        at_ms: NOW - minutes * 60_000,
        who: who.into(),
        action: "traffic".into(),
        endpoint: "restaurants".into(),
        from: serde_json::to_value(traffic(from)).unwrap(),
        to: serde_json::to_value(traffic(to)).unwrap(),
        outcome: "done".into(),
        ..JournalEntry::default()
    };
    vec![
        entry(12, 4, "console", &[("blue", 100)], &[("blue", 90), ("green", 10)]),
        entry(8, 11, "sdk", &[], &[("blue", 100)]),
    ]
}

pub fn traffic(parts: &[(&str, u16)]) -> TrafficMap {
    parts.iter().map(|(name, percent)| (name.to_string(), Weight::percent(*percent))).collect()
}

fn endpoint(name: &str, courses: &[Course]) -> Endpoint {
    let mut endpoint = Endpoint { name: name.into(), etag: Some("7".into()), ..Endpoint::default() };
    endpoint.properties.traffic = courses
        .iter()
        .filter(|course| course.weight > 0)
        .map(|course| (course.name.to_string(), Weight::percent(course.weight)))
        .collect();
    endpoint.properties.provisioning_state = ProvisioningState::Succeeded;
    endpoint.properties.scoring_uri = Some(format!("https://127.0.0.1:8443/endpoints/{name}/score"));
    endpoint
}

fn deployment(endpoint: &str, course: &Course) -> Deployment {
    let version = if course.name == "green" { 2 } else { 1 };
    let mut deployment = Deployment { name: course.name.into(), ..Deployment::default() };
    deployment.sku = Some(Sku { name: "Default".into(), tier: None, capacity: course.wanted });
    deployment.properties.model = Some(format!("/workspaces/local/models/{endpoint}/versions/{version}"));
    deployment.properties.instance_type = Some("Standard_DS3_v2".into());
    deployment.properties.provisioning_state = ProvisioningState::Succeeded;
    deployment
}

/// A frame with so many seconds of history.
pub fn frame(endpoints: &[(&str, Vec<Course>)], seconds: i64) -> LiveFrame {
    let last = NOW / 1_000 - 1;
    let mut random = fastrand::Rng::with_seed(7);
    let mut live_of = |course: &Course| {
        let mut live = LiveDeployment {
            name: course.name.into(),
            ready: course.ready,
            wanted: course.wanted,
            slots: course.ready * 4,
            in_flight: u32::from(course.rate > 0.0),
            weight: course.weight * 100,
            ..LiveDeployment::default()
        };
        for at in last - seconds + 1..=last {
            let wave = 1.0 + 0.35 * (at as f64 / 47.0).sin();
            let count = (course.rate * wave) as u64;
            let failed = count.checked_div(course.fails).unwrap_or(0);
            let refused = if at % 60 == 0 { course.refused } else { 0 };
            let counts = Counts { ok: count - failed, model_error: failed, refused, ..Counts::default() };
            let mut latency = std::collections::BTreeMap::<u16, u32>::new();
            for _ in 0..count.min(200) {
                let spread = (random.f64() + random.f64() + random.f64() - 1.5) * 0.7;
                let tail = if random.f64() > 0.985 { 3.0 } else { 1.0 };
                *latency.entry(bucket((course.us * spread.exp() * tail) as u64)).or_default() += 1;
            }
            live.totals.add(&counts);
            live.seconds.push(Second { at, counts, latency: latency.into_iter().collect() });
        }
        live
    };
    LiveFrame {
        at_ms: NOW,
        journal_seq: 12,
        state_seq: 3,
        endpoints: endpoints
            .iter()
            .map(|(name, courses)| LiveEndpoint {
                name: (*name).to_string(),
                generation: 5,
                deployments: courses.iter().map(&mut live_of).collect(),
                ..LiveEndpoint::default()
            })
            .collect(),
        process: ProcessStats { uptime_s: 900, ..ProcessStats::default() },
        ..LiveFrame::default()
    }
}

/// Presses a key by its name: `x`, `enter`, `ctrl-s`, `shift-left`.
pub fn press(model: &mut Model, key: &str) -> Vec<Effect> {
    let combination = crokey::parse(key).unwrap().normalized();
    let code = *combination.codes.first();
    update(model, Event::Key(KeyEvent::new(code, combination.modifiers)))
}

/// Types text, character by character.
pub fn write(model: &mut Model, text: &str) -> Vec<Effect> {
    text.chars().flat_map(|c| update(model, Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)))).collect()
}

/// Whether an effect changes the workspace.
pub fn is_write(effect: &Effect) -> bool {
    matches!(effect, Effect::Call { call, .. } if call.is_write())
}

/// Every action there is.
pub fn all_actions() -> Vec<Action> {
    let mut actions: Vec<Action> = mlconsole::console::actions::rows().map(|row| row.action).collect();
    actions.sort_unstable();
    actions.dedup();
    actions
}
