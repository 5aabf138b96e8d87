//! Two hundred changes while requests keep coming: nobody notices (DESIGN, guarantee 1).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use mlconsole::client::{ScoreCall, Workspace, sample};
use mlconsole::resources::{Deployment, IsoDuration, TrafficMap, Weight};
use mlconsole::server::{Options, start};

const CHANGES: usize = 200;
const CALLERS: usize = 4;
const ENDPOINT: &str = "restaurants";
const COLOURS: [&str; 2] = ["blue", "green"];

/// What callers and the one who changes things know of each other.
#[derive(Default)]
struct Notes {
    stop: AtomicBool,
    /// Deployments whose weight of 0 has been acknowledged, each with the number of that acknowledgement.
    closed: Mutex<HashMap<String, u64>>,
    acknowledgements: AtomicU64,
    answered: [AtomicU64; 2],
    wrong: Mutex<Vec<String>>,
}

impl Notes {
    fn close(&self, name: &str) {
        let number = self.acknowledgements.fetch_add(1, Ordering::SeqCst);
        self.closed.lock().unwrap().entry(name.to_owned()).or_insert(number);
    }

    fn open(&self, name: &str) {
        self.closed.lock().unwrap().remove(name);
    }

    fn closed(&self) -> HashMap<String, u64> {
        self.closed.lock().unwrap().clone()
    }

    fn answered(&self, name: &str) -> u64 {
        self.answered[usize::from(name == COLOURS[1])].load(Ordering::SeqCst)
    }
}

async fn call_until_stopped(workspace: Workspace, notes: Arc<Notes>) {
    let bodies = sample::requests();
    for (_, body) in bodies.iter().cycle() {
        if notes.stop.load(Ordering::SeqCst) {
            return;
        }
        let before = notes.closed();
        let answer = workspace.score(ENDPOINT, ScoreCall { body: body.clone(), ..ScoreCall::default() }).await;
        let after = notes.closed();
        let complaint = match &answer {
            Err(error) => Some(format!("no answer: {error}")),
            Ok(answer) if answer.status != 200 => Some(format!("{}: {:?}", answer.status, answer.text())),
            Ok(answer) => {
                let name = answer.deployment.clone().unwrap_or_default();
                notes.answered[usize::from(name == COLOURS[1])].fetch_add(1, Ordering::SeqCst);
                let all_the_time = before.get(&name).is_some_and(|since| after.get(&name) == Some(since));
                all_the_time.then(|| format!("{name} answered after its weight of 0 was acknowledged"))
            }
        };
        notes.wrong.lock().unwrap().extend(complaint);
    }
}

/// The one who changes things.
struct Operator {
    workspace: Workspace,
    notes: Arc<Notes>,
    random: fastrand::Rng,
    /// Percent of traffic to green; blue gets the rest.
    green: u16,
    /// The colour that was deleted, with what it was.
    missing: Option<Deployment>,
    models: Vec<String>,
}

impl Operator {
    async fn shift(&mut self, green: u16) {
        for (name, weight) in COLOURS.into_iter().zip([100 - green, green]) {
            if weight > 0 {
                self.notes.open(name);
            }
        }
        let map: TrafficMap =
            [("blue".into(), Weight::percent(100 - green)), ("green".into(), Weight::percent(green))].into();
        self.workspace.set_traffic(ENDPOINT, &map, None).await.unwrap().wait(|_| {}).await.unwrap();
        self.green = green;
        for (name, weight) in COLOURS.into_iter().zip([100 - green, green]) {
            if weight == 0 {
                self.notes.close(name);
            }
        }
    }

    /// A colour that exists.
    fn colour(&mut self) -> &'static str {
        let choice = COLOURS[self.random.usize(0..2)];
        match &self.missing {
            Some(missing) if missing.name == choice => COLOURS[usize::from(choice == COLOURS[0])],
            _ => choice,
        }
    }

    async fn update(&mut self) {
        let name = self.colour();
        let mut deployment = self.workspace.deployment(ENDPOINT, name).await.unwrap();
        deployment.properties.model = Some(self.models[self.random.usize(0..2)].clone());
        self.put(&deployment).await;
    }

    async fn put(&self, deployment: &Deployment) {
        self.workspace.put_deployment(ENDPOINT, deployment).await.unwrap().wait(|_| {}).await.unwrap();
    }

    async fn scale(&mut self) {
        let (name, instances) = (self.colour(), self.random.u32(1..=3));
        self.workspace.scale(ENDPOINT, name, instances).await.unwrap().wait(|_| {}).await.unwrap();
    }

    /// Deletes the idle colour, or brings the deleted one back.
    async fn delete_or_create(&mut self) {
        if let Some(missing) = self.missing.take() {
            return self.put(&missing).await;
        }
        if ![0, 100].contains(&self.green) {
            let all_or_nothing = if self.random.bool() { 0 } else { 100 };
            self.shift(all_or_nothing).await;
        }
        let idle = COLOURS[usize::from(self.green == 0)];
        // Its measurements go with it: they must be complete before.
        self.counts_agree(idle).await;
        self.missing = Some(self.workspace.deployment(ENDPOINT, idle).await.unwrap());
        self.workspace.delete_deployment(ENDPOINT, idle).await.unwrap().wait(|_| {}).await.unwrap();
        self.notes.answered[usize::from(idle == COLOURS[1])].store(0, Ordering::SeqCst);
    }

    /// Waits until as many requests are counted for a colour as callers got answers from it. Counting more is an error
    /// at once; counting less is one when it stays so.
    async fn counts_agree(&self, name: &str) {
        let mut feed = self.workspace.live(0).await.unwrap();
        for _ in 0..50 {
            let frame = feed.next().await.unwrap().unwrap();
            let endpoint = frame.endpoints.into_iter().find(|e| e.name == ENDPOINT).unwrap();
            let deployment = endpoint.deployments.into_iter().find(|d| d.name == name).unwrap();
            let answered = self.notes.answered(name);
            if deployment.in_flight == 0 && deployment.totals.total() == answered {
                return;
            }
        }
        panic!("{name}: {} answers were received, others were counted", self.notes.answered(name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_changes_under_load_fail_no_request_and_misroute_none() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { listen: Some(([127, 0, 0, 1], 0).into()), ..Options::new(dir.path()) };
    let running = start(options).await.unwrap();
    let workspace = Workspace::connect(running.connection(), "mlconsole-cli/test").unwrap();
    sample::install(&workspace, &mut |_| {}).await.unwrap();
    let mut models = Vec::new();
    for name in COLOURS {
        let mut deployment = workspace.deployment(ENDPOINT, name).await.unwrap();
        models.push(deployment.properties.model.clone().unwrap());
        // A busy machine must not look like a slow model.
        let settings = deployment.properties.request_settings.get_or_insert_default();
        settings.request_timeout = IsoDuration::from_millis(120_000);
        workspace.put_deployment(ENDPOINT, &deployment).await.unwrap().wait(|_| {}).await.unwrap();
    }
    let notes = Arc::new(Notes::default());
    let callers: Vec<_> =
        (0..CALLERS).map(|_| tokio::spawn(call_until_stopped(workspace.clone(), Arc::clone(&notes)))).collect();
    let random = fastrand::Rng::with_seed(77);
    let mut operator = Operator { workspace, notes: Arc::clone(&notes), random, green: 10, missing: None, models };
    for _ in 0..CHANGES {
        match operator.random.u8(0..10) {
            0 => operator.update().await,
            1 | 2 => operator.scale().await,
            3 => operator.delete_or_create().await,
            _ => {
                let green = match operator.missing.as_ref().map(|missing| missing.name.as_str()) {
                    Some("green") => 0,
                    Some(_) => 100,
                    None => [0, 100, operator.random.u16(0..=100)][operator.random.usize(0..3)],
                };
                operator.shift(green).await;
            }
        }
        let wrong = notes.wrong.lock().unwrap().clone();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    notes.stop.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    let wrong = notes.wrong.lock().unwrap().clone();
    assert!(wrong.is_empty(), "{wrong:?}");
    for name in COLOURS {
        if operator.missing.as_ref().is_none_or(|missing| missing.name != name) {
            operator.counts_agree(name).await;
        }
    }
    running.shutdown().await;
}
