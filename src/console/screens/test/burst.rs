//! Load: the same request at a rate, seen as it runs.

use crate::console::app::call::{Answer, Burst, Call, Failure};
use crate::console::app::event::Effect;
use crate::console::app::model::Model;
use crate::load::{LoadProgress, LoadReport};
use crate::stats::histogram::Histogram;

use super::{Face, Pane, send, template};

/// A burst under way or ended.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// `None` when it ended.
    pub task: Option<u64>,
    pub rate: f64,
    pub seconds: u64,
    pub connections: usize,
    pub progress: LoadProgress,
    /// Latency so far, by deployment.
    pub latency: Vec<(String, Histogram)>,
    /// Requests finished in each second so far.
    pub pace: Vec<f64>,
    pub report: Option<Box<LoadReport>>,
    pub ended: Option<String>,
}

/// Starts one, from what was typed.
pub fn start(model: &mut Model, text: &str) -> Vec<Effect> {
    let (rate, seconds, connections) = match template::burst(text) {
        Ok(plan) => plan,
        Err(why) => {
            model.toasts.bad(model.now, why);
            return Vec::new();
        }
    };
    let request = match send::request(&model.test, model.now) {
        Ok(request) => request,
        Err(why) => {
            model.toasts.bad(model.now, why);
            return Vec::new();
        }
    };
    let title = format!("{rate} requests/s for {seconds} s to {}", request.endpoint);
    let effect = model.call(title, Call::Load(Box::new(Burst { request, rate, seconds, connections })));
    let task = match &effect {
        Effect::Call { task, .. } => Some(*task),
        _ => None,
    };
    model.test.load = Some(Load { task, rate, seconds, connections, ..Load::default() });
    model.test.face = Face::Load;
    model.test.pane = Pane::Answer;
    vec![effect]
}

/// News of a burst.
pub fn progressed(model: &mut Model, task: u64, progress: &LoadProgress) {
    let Some(load) = model.test.load.as_mut().filter(|load| load.task == Some(task)) else { return };
    load.pace.push(progress.per_second);
    load.latency = progress
        .latency
        .iter()
        .map(|(name, buckets)| {
            let mut histogram = Histogram::default();
            histogram.add_sparse(buckets);
            (name.clone(), histogram)
        })
        .collect();
    load.progress = progress.clone();
}

/// It ended, or was given up.
pub fn ended(model: &mut Model, task: u64, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
    let Some(load) = model.test.load.as_mut().filter(|load| load.task == Some(task)) else { return Vec::new() };
    load.task = None;
    match outcome {
        Ok(Answer::Load(report)) => load.report = Some(report.clone()),
        Ok(_) => {}
        Err(failure) => load.ended = Some(failure.message.clone()),
    }
    Vec::new()
}
