//! Sending: once, again, several times, or to two deployments at once.

use std::collections::BTreeMap;

use super::words;
use super::{Draft, Face, Pane, Reading, State, deployments, template};
use crate::console::answer::diff::{self, Report, Tolerance};
use crate::console::answer::history::{History, Sent};
use crate::console::app::call::{Answer, Call, Failure, Score, Scored};
use crate::console::app::event::Effect;
use crate::console::app::model::Model;

/// A request under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Flight {
    pub task: u64,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// Of a comparison: which of the two.
    pub side: Option<usize>,
    /// What the history keeps, but for the answer.
    sent: Sent,
}

/// Several requests one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    pub wanted: u32,
    pub done: u32,
    /// 0 = no answer.
    pub statuses: BTreeMap<u16, u32>,
    pub by: BTreeMap<String, u32>,
    /// Of answered requests.
    pub times_ms: Vec<f64>,
}

impl Series {
    /// The time that half of the answers beat.
    pub fn middle_ms(&self) -> Option<f64> {
        let mut times = self.times_ms.clone();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    }
}

/// The answers of two deployments to one body.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Comparison {
    pub names: [String; 2],
    pub answers: [Option<Result<Scored, String>>; 2],
    pub report: Option<Report>,
    pub cursor: usize,
}

impl Comparison {
    /// Compares what came, once both have.
    pub fn judge(&mut self, tolerance: Tolerance) {
        if let [Some(Ok(first)), Some(Ok(second))] = &self.answers {
            let text = |scored: &Scored| String::from_utf8_lossy(&scored.body).into_owned();
            self.report = Some(diff::compare(&text(first), &text(second), tolerance));
        }
    }
}

/// The request in the editor, with its variables filled in.
pub fn request(state: &State, now: i64) -> Result<Score, String> {
    filled(state, &state.draft, now)
}

fn filled(state: &State, draft: &Draft, now: i64) -> Result<Score, String> {
    let source = template::Source { own: &state.vars, now, counter: state.counter + 1 };
    let fill = |text: &str| template::expand(text, &source);
    let headers = draft.headers.iter().map(|(name, value)| Ok((name.clone(), fill(value)?)));
    let body = if draft.method() == "GET" { String::new() } else { fill(&draft.text())? };
    Ok(Score {
        endpoint: state.endpoint.clone(),
        deployment: draft.target.clone(),
        method: draft.method().into(),
        path: draft.path().into(),
        headers: headers.collect::<Result<_, String>>()?,
        body,
        timeout_ms: 0,
    })
}

/// Sends what is in the editor; in the history, what the cursor is on.
pub fn send(model: &mut Model) -> Vec<Effect> {
    if model.test.pane == Pane::History && !model.test.editing {
        return resend(model);
    }
    model.test.editing = false;
    model.test.series = None;
    let draft = model.test.draft.clone();
    launch(model, None, &draft)
}

/// Sends a request of the history again: the chosen one, or the last. What is in the editor stays.
pub fn resend(model: &mut Model) -> Vec<Effect> {
    let at = if model.test.pane == Pane::History { model.test.list.cursor } else { 0 };
    let Some(sent) = entries(model).nth(at).cloned() else { return Vec::new() };
    if sent.body.is_none() && sent.request_bytes > 0 {
        model.toasts.bad(model.now, "its body was too long to keep: it cannot be sent again");
        return Vec::new();
    }
    let mut draft = model.test.draft.clone();
    draft.take(&sent);
    model.test.series = None;
    launch(model, None, &draft)
}

/// Sends the request so many times, one after the other.
pub fn repeat(model: &mut Model, text: &str) -> Vec<Effect> {
    match text.trim().parse::<u32>() {
        Ok(wanted) if (1..=1_000).contains(&wanted) => {
            model.test.series = Some(Series { wanted, ..Series::default() });
            let draft = model.test.draft.clone();
            launch(model, None, &draft)
        }
        _ => {
            model.toasts.bad(model.now, format!("{text} times: give 1 to 1000; l sends more"));
            Vec::new()
        }
    }
}

/// Sends the same body to two deployments.
pub fn compare(model: &mut Model) -> Vec<Effect> {
    let names = deployments(model);
    let first = names.iter().find(|name| *name == "blue").or(names.first()).cloned().unwrap_or_default();
    let chosen = model.test.draft.target.clone().filter(|name| *name != first);
    let others = || names.iter().filter(|name| **name != first);
    let green = others().find(|name| *name == "green").or(others().next()).cloned();
    let Some(second) = chosen.or(green) else { return Vec::new() };
    model.test.comparison = Some(Comparison { names: [first, second], ..Comparison::default() });
    model.test.face = Face::Diff;
    model.test.pane = Pane::Answer;
    model.test.series = None;
    let draft = model.test.draft.clone();
    let mut effects = launch(model, Some(0), &draft);
    if !effects.is_empty() {
        effects.extend(launch(model, Some(1), &draft));
    }
    effects
}

fn launch(model: &mut Model, side: Option<usize>, draft: &Draft) -> Vec<Effect> {
    let now = model.now;
    let state = &mut model.screens.test;
    let mut score = match filled(state, draft, now) {
        Ok(score) => score,
        Err(why) => {
            state.series = None;
            model.toasts.bad(now, why);
            return Vec::new();
        }
    };
    if let (Some(side), Some(comparison)) = (side, &state.comparison) {
        score.deployment = Some(comparison.names[side].clone());
    }
    // both sides of a comparison get the very same text
    if side != Some(0) {
        state.counter += 1;
    }
    let sent = Sent {
        at_ms: now,
        context: model.context.name.clone(),
        endpoint: score.endpoint.clone(),
        method: score.method.clone(),
        path: score.path.clone(),
        to: score.deployment.clone(),
        request_bytes: score.body.len() as u64,
        name: draft.name.clone(),
        body: Some(draft.text()),
        ..Sent::default()
    };
    let title = format!("{} {} of {}", score.method, score.path, score.endpoint);
    let effect = model.call(title, Call::Score(Box::new(score)));
    if let Effect::Call { task, .. } = &effect {
        model.test.flights.push(Flight { task: *task, at_ms: now, side, sent });
    }
    if side.is_none() && !matches!(model.test.face, Face::Headers) {
        model.test.face = Face::Body;
    }
    vec![effect]
}

/// Gives up what is under way.
pub fn give_up(model: &mut Model) -> Vec<Effect> {
    model.test.series = None;
    let flights = model.test.flights.iter().map(|flight| flight.task);
    let load = model.test.load.as_ref().and_then(|load| load.task);
    flights.chain(load).map(Effect::Abort).collect()
}

/// An answer came, or none.
pub fn answered(model: &mut Model, task: u64, score: &Score, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
    let Some(at) = model.test.flights.iter().position(|flight| flight.task == task) else { return Vec::new() };
    let flight = model.test.flights.remove(at);
    let mut sent = flight.sent;
    let outcome = match outcome {
        Ok(Answer::Score(scored)) => Ok((**scored).clone()),
        Ok(_) => Err("no answer".to_string()),
        Err(failure) if failure.code == "Aborted" => Err("given up".into()),
        Err(failure) => Err(failure.message.clone()),
    };
    match &outcome {
        Ok(scored) => {
            sent.status = Some(scored.status);
            sent.by.clone_from(&scored.deployment);
            sent.total_ms = scored.total_ms;
            sent.response_bytes = scored.body.len() as u64;
            if scored.status >= 400 {
                let told = std::str::from_utf8(&scored.body).ok().and_then(words::message);
                sent.note = told.or_else(|| Some(words::status(scored.status, scored.deployment.as_deref())));
            }
        }
        Err(why) => sent.note = why.lines().next().map(String::from),
    }
    let mut effects = vec![Effect::Remember(History::line(&sent))];
    model.test.history.push(sent);
    refresh(model);
    let state = &mut model.screens.test;
    if state.endpoint != score.endpoint {
        return effects;
    }
    if let Some(side) = flight.side {
        if let Some(comparison) = &mut state.comparison {
            comparison.answers[side] = Some(outcome);
            comparison.judge(state.tolerance);
        }
        return effects;
    }
    if let Some(series) = &mut state.series {
        series.count(&outcome);
        if series.done < series.wanted && outcome.is_ok() {
            let draft = state.draft.clone();
            effects.extend(launch(model, None, &draft));
        }
    }
    show(model, outcome);
    effects
}

impl Series {
    fn count(&mut self, outcome: &Result<Scored, String>) {
        self.done += 1;
        let status = outcome.as_ref().map_or(0, |scored| scored.status);
        *self.statuses.entry(status).or_default() += 1;
        if let Ok(scored) = outcome {
            let by = scored.deployment.clone().unwrap_or_else(|| "gateway".into());
            *self.by.entry(by).or_default() += 1;
            self.times_ms.push(scored.total_ms);
        }
    }
}

fn show(model: &mut Model, outcome: Result<Scored, String>) {
    let now = model.now;
    let state = &mut model.screens.test;
    match outcome {
        Ok(scored) => {
            let find = state.reading.as_ref().map(|reading| (reading.find.clone(), reading.only));
            let mut reading = Reading::new(scored, now);
            if let Some((find, only)) = find {
                reading.only = only;
                reading.set_find(&find);
            }
            state.reading = Some(reading);
            state.failure = None;
        }
        Err(why) => {
            state.reading = None;
            state.failure = Some(why);
        }
    }
}

/// Requests to this endpoint, newest first.
pub fn entries(model: &Model) -> impl Iterator<Item = &Sent> {
    model.test.history.of(&model.context.name, &model.test.endpoint)
}

/// Puts the history's rows in order: the cursor stays at the top, or on its row.
pub fn refresh(model: &mut Model) {
    let mut seen: BTreeMap<i64, u32> = BTreeMap::new();
    let keys: Vec<String> = entries(model)
        .map(|sent| {
            let again = seen.entry(sent.at_ms).or_default();
            *again += 1;
            format!("{}-{again}", sent.at_ms)
        })
        .collect();
    let top = model.test.list.cursor == 0;
    let total = keys.len();
    model.test.list.set(keys, total);
    if top {
        model.test.list.cursor = 0;
    }
}
