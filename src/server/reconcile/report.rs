//! What happened to a deployment's containers, in the words and shape of Azure's logs (reference §5.4).

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Reconciler, Slot, lock};
use crate::server::store::{Change, Expect, Key, Kind, now_ms};

/// A step every deployment goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    SystemSetup,
    ImagePull,
    ModelDownload,
    ContainerStart,
}

const STEPS: [(Step, &str); 4] = [
    (Step::SystemSetup, "SystemSetup"),
    (Step::ImagePull, "UserContainerImagePull"),
    (Step::ModelDownload, "ModelDownload"),
    (Step::ContainerStart, "UserContainerStart"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum State {
    #[default]
    Waiting,
    InProgress,
    Succeeded,
    Failed,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::InProgress => "InProgress",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Event {
    name: Cow<'static, str>,
    normal: bool,
    at_ms: i64,
    message: String,
}

/// Steps of the latest attempt to bring a deployment up, and the events up to now.
/// Kept in the store from one operation to the next, so that a restart forgets nothing of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Report {
    states: [State; 4],
    events: Vec<Event>,
}

/// Events kept; a deployment that is scaled for ever must not grow for ever.
const KEEP: usize = 200;

impl Report {
    /// Another attempt begins; what happened before stays told.
    pub fn begin(&mut self) {
        self.states = Default::default();
    }

    /// Moves a step on, with the event that says so.
    pub fn step(&mut self, step: Step, state: State, event: &'static str, message: impl Into<String>) {
        self.states[step as usize] = state;
        self.event(event, state != State::Failed, message);
    }

    pub fn event(&mut self, name: &'static str, normal: bool, message: impl Into<String>) {
        let beyond = (self.events.len() + 1).saturating_sub(KEEP);
        self.events.drain(..beyond);
        self.events.push(Event { name: name.into(), normal, at_ms: now_ms(), message: message.into() });
    }

    /// What was under way has failed.
    pub fn failed(&mut self, message: &str) {
        let running = self.states.iter().position(|s| matches!(s, State::InProgress));
        let at = running.or_else(|| self.states.iter().position(|s| matches!(s, State::Waiting)));
        if let Some(state) = at.and_then(|at| self.states.get_mut(at)) {
            *state = State::Failed;
        }
        self.event("Failed", false, message);
    }

    /// The head of the log: status of the steps, then the events.
    pub fn text(&self) -> String {
        let mut text = String::from("Instance status:\n");
        for (step, name) in STEPS {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}: {}", self.states[step as usize].word());
        }
        text.push_str("\nContainer events:\n");
        for event in &self.events {
            let kind = if event.normal { "Normal" } else { "Warning" };
            let message = event.message.replace('\n', " ");
            let _ = writeln!(
                text,
                "Kind: Pod, Name: {}, Type: {kind}, Time: {}, Message: {message}",
                event.name,
                time(event.at_ms)
            );
        }
        text
    }
}

impl Reconciler {
    pub(super) fn report(&self, slot: &Slot, edit: impl FnOnce(&mut Report)) {
        let mut report = self.report_of(slot);
        edit(&mut report);
        lock(&self.reports).insert(slot.clone(), report);
    }

    /// What is told of a deployment: in this process, else by the one before.
    pub(super) fn report_of(&self, slot: &Slot) -> Report {
        if let Some(report) = lock(&self.reports).get(slot) {
            return report.clone();
        }
        // Losing the tale of what happened is better than not doing what is to be done.
        self.store.get_as(&Key::new(Kind::Report, slot.0.as_str(), slot.1.as_str())).ok().flatten().unwrap_or_default()
    }

    /// Writes down what is told of a deployment.
    pub(super) fn keep_report(&self, slot: &Slot) -> Change {
        Change::new().put(Key::new(Kind::Report, slot.0.as_str(), slot.1.as_str()), &self.report_of(slot), Expect::Any)
    }
}

fn time(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m%d-%H:%M:%S%.6f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_reads_as_azures() {
        let mut report = Report::default();
        report.step(Step::SystemSetup, State::Succeeded, "Scheduled", "local engine");
        report.step(Step::ModelDownload, State::InProgress, "Pulling", "fetching\nm:1");
        report.failed("no such file");
        report.events[1].at_ms = 1_652_929_919_750;
        let text = report.text();
        assert!(text.starts_with("Instance status:\nSystemSetup: Succeeded\nUserContainerImagePull: Waiting\nModelDownload: Failed\nUserContainerStart: Waiting\n\nContainer events:\n"), "{text}");
        assert!(
            text.contains(
                "Kind: Pod, Name: Pulling, Type: Normal, Time: 20220519-03:11:59.750000, Message: fetching m:1\n"
            ),
            "{text}"
        );
        assert!(text.contains("Name: Failed, Type: Warning"), "{text}");
        let stored = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&stored).unwrap(), report);
    }

    #[test]
    fn another_attempt_begins_with_the_steps_and_keeps_a_bounded_past() {
        let mut report = Report::default();
        for n in 0..KEEP + 5 {
            report.event("Scaled", true, n.to_string());
        }
        report.step(Step::SystemSetup, State::Succeeded, "Scheduled", "again");
        report.begin();
        let text = report.text();
        assert!(text.contains("SystemSetup: Waiting") && text.contains("Message: again"), "{text}");
        assert_eq!(text.matches("Kind: Pod").count(), KEEP);
        assert!(!text.contains("Message: 5\n") && text.contains("Message: 6\n"), "the oldest go first");
    }
}
