//! Waiting for the conversion of a model that was registered.

use std::time::Duration;

use super::Session;
use super::asset::name_of;
use super::error::CliError;
use super::output::{note, one_line};
use crate::resources::ModelVersion;
use crate::resources::asset::{CONVERSION, CONVERSION_REPORT, CONVERTED, CONVERTING};

const PAUSE: Duration = Duration::from_millis(500);

fn state(model: &ModelVersion) -> Option<&str> {
    model.properties.properties.get(CONVERSION).map(String::as_str)
}

/// Waits until the version's conversion, if there is one, has ended. ctrl-c stops waiting; the workspace goes on.
pub(super) async fn follow(session: &Session, mut model: ModelVersion) -> Result<ModelVersion, CliError> {
    let (name, asked) = (name_of(&model), session.interrupts.so_far());
    if state(&model) == Some(CONVERTING) {
        note("converting it in its own environment, which is built first if need be");
    }
    while state(&model) == Some(CONVERTING) {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => model = session.workspace.model(&name, &model.name).await?,
            () = session.interrupts.reached(asked + 1) => {
                note(&format!("the conversion goes on: `mlconsole model show {name}:{}` tells how it ends", model.name));
                break;
            }
        }
    }
    Ok(model)
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
