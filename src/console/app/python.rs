//! Calls about the Python environments of this machine.

use super::call::{Answer, Call};
use super::calls::Reporter;
use crate::client::{ClientError, Workspace};
use crate::resources::python::BuildStep;
use crate::resources::{Operation, OperationDetails, Phase};

/// Makes a call that changes the environments on disk; hands back all others.
pub(super) async fn write(w: &Workspace, call: Call, report: &Reporter) -> Result<Result<Answer, ClientError>, Call> {
    let mut tell = |step: &BuildStep| {
        if let Some(said) = step.said() {
            report.operation(&as_operation(step, said));
        }
    };
    let done = match call {
        Call::BuildEnvironment(request) => w.build_environment(&request, &mut tell).await,
        Call::InstallUv => w.install_uv(&mut tell).await,
        Call::CleanEnvironments(request) => {
            return Ok(w.clean_environments(&request).await.map(|answer| {
                let freed = crate::console::look::numbers::bytes(answer.freed());
                let kept = if answer.kept.is_empty() { "" } else { "; what is in use was kept" };
                made(format!("removed {} environments, {freed} are free again{kept}", answer.removed.len()))
            }));
        }
        other => return Err(other),
    };
    Ok(done.map(|done| match done {
        BuildStep::Done { warnings, packages, .. } => match warnings.first() {
            Some(warning) => made(format!("built, with {packages} packages; {warning}")),
            None => made(format!("done: {packages} packages installed")),
        },
        _ => Answer::Done,
    }))
}

fn made(text: String) -> Answer {
    Answer::Made { endpoint: String::new(), text }
}

/// A step as the phase of an operation, so that it is shown as all progress is.
fn as_operation(step: &BuildStep, said: String) -> Operation {
    let share = match step {
        BuildStep::Progress { done, total, .. } if *total > 0 => Some(f64::from(*done) / f64::from(*total)),
        _ => None,
    };
    let phase = Phase { name: said, started_ms: 1, share, ..Phase::default() };
    Operation {
        properties: Some(OperationDetails { phases: vec![phase], ..OperationDetails::default() }),
        ..Operation::default()
    }
}
