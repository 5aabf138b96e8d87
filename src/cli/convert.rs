//! Waiting for the conversion of a model that was registered.

use std::time::Duration;

use super::Session;
use super::asset::name_of;
use super::error::CliError;
use super::output::{note, one_line};
use super::progress::{self, Tell};
use crate::resources::ModelVersion;
use crate::resources::asset::{CONVERSION, CONVERSION_REPORT, CONVERSION_STEP, CONVERTED, CONVERTING};
use crate::resources::python::BuildStep;

const PAUSE: Duration = Duration::from_millis(500);

fn state(model: &ModelVersion) -> Option<&str> {
    model.properties.properties.get(CONVERSION).map(String::as_str)
}

/// Waits until the version's conversion, if there is one, has ended. ctrl-c stops waiting; the workspace goes on.
pub(super) async fn follow(session: &Session, mut model: ModelVersion) -> Result<ModelVersion, CliError> {
    let (name, asked) = (name_of(&model), session.interrupts.so_far());
    if state(&model) != Some(CONVERTING) {
        return Ok(model);
    }
    note("converting it in its own environment, which is built first if need be");
    let which = format!("{name}:{}", model.name);
    let wait = async |mut tell: Tell| {
        while state(&model) == Some(CONVERTING) {
            if let Some(step) = model.properties.properties.get(CONVERSION_STEP) {
                tell(&step_of(step));
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => model = session.workspace.model(&name, &model.name).await?,
                () = session.interrupts.reached(asked + 1) => break,
            }
        }
        Ok::<_, CliError>(model)
    };
    let model = progress::steps(&format!("convert {which}"), wait).await?;
    if state(&model) == Some(CONVERTING) {
        note(&format!("the conversion goes on: `mlconsole model show {which}` tells how it ends"));
    }
    Ok(model)
}

/// `installing 3 of 48 packages` as a step again.
fn step_of(text: &str) -> BuildStep {
    let mut words = text.split(' ');
    let phase = words.next().unwrap_or_default().to_owned();
    let done = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let total = words.nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    BuildStep::Progress { phase, done, total, bytes: 0 }
}

/// Says how a conversion ended.
///
/// # Errors
/// It was asked for and there is none, so that a script notices.
pub(super) fn outcome(model: &ModelVersion) -> Result<(), CliError> {
    let report = model.properties.properties.get(CONVERSION_REPORT).map(|report| one_line(report)).unwrap_or_default();
    match state(model) {
        Some(CONVERTED) => {
            note(&format!("native (converted): {report}"));
            Ok(())
        }
        None | Some(CONVERTING) => Ok(()),
        Some(_) => Err(CliError::failed(format!("registered, but not converted: {report}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_was_written_down_is_the_same_step_again() {
        for (phase, done, total) in [("resolving", 0, 0), ("installing", 3, 48), ("downloading", 7, 0)] {
            let step = BuildStep::Progress { phase: phase.into(), done, total, bytes: 0 };
            assert_eq!(step_of(&step.said().unwrap()).said(), step.said());
        }
        let step = BuildStep::Progress { phase: "downloading".into(), done: 1, total: 9, bytes: 5_000_000 };
        assert_eq!(step_of(&step.said().unwrap()).said().as_deref(), Some("downloading 1 of 9 packages"));
    }
}
