//! Python environments of this machine: `mlconsole environment list --built | build | clean | install-uv`.

use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::output::{Table, bytes, note, one_line, print, print_json, time};
use super::{Session, confirm, progress};
use crate::resources::brief::few;
use crate::resources::python::{BuildRequest, BuildStep, CleanRequest, HeldEnvironment};

/// Flags of `environment build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// `NAME`, `NAME:VERSION` or `NAME@latest` of a registered one, or a curated name such as `sklearn-1.5`
    #[arg(required_unless_present = "file")]
    environment: Option<String>,
    /// Conda file, `python_env.yaml` or requirements file to build instead
    #[arg(long, short, value_name = "FILE", conflicts_with = "environment")]
    file: Option<PathBuf>,
}

pub(super) async fn list(session: &Session) -> Result<(), CliError> {
    let held = session.workspace.held_environments().await?;
    if session.json() {
        return print_json(&held);
    }
    if held.value.is_empty() {
        note(
            "no environments are built yet: a deployment with a scoring script builds what it needs, `mlconsole environment build NAME` ahead of it",
        );
    } else {
        let mut table = Table::new(&["KEY", "STATE", "PYTHON", ">PACKAGES", ">SIZE", "LAST USED", "FOR", "USED BY"]);
        for held in &held.value {
            table.row(row(held));
        }
        table.print()?;
        let total: u64 = held.value.iter().map(|held| held.size_bytes).sum();
        note(&format!("{} in all; `mlconsole environment clean` removes those that are not in use", bytes(total)));
    }
    if held.uv.is_none() {
        note("pip builds them; with uv it takes a fraction of the time: `mlconsole environment install-uv`");
    }
    Ok(())
}

fn row(held: &HeldEnvironment) -> [String; 8] {
    let dash = |text: String| if text.is_empty() { "–".to_owned() } else { text };
    [
        held.key.get(..12).unwrap_or(&held.key).to_owned(),
        held.state.clone(),
        dash(held.python.clone()),
        held.packages.len().to_string(),
        bytes(held.size_bytes),
        time(held.last_used_ms),
        dash(few(&held.names)),
        dash(few(&held.used_by)),
    ]
}

pub(super) async fn build(session: &Session, args: BuildArgs) -> Result<(), CliError> {
    let file = args.file.map(std::path::absolute).transpose();
    let file = file.map_err(|e| CliError::failed(format!("the file's path cannot be used: {e}")))?;
    let shown = args.environment.clone().or_else(|| file.as_ref().map(|file| file.display().to_string()));
    let what = format!("build {}", shown.unwrap_or_default());
    let request = BuildRequest { environment: args.environment, file };
    let workspace = session.workspace.clone();
    let done =
        progress::steps(&what, |mut tell| async move { workspace.build_environment(&request, &mut *tell).await });
    ended(session, done.await?, "built")
}

pub(super) async fn install_uv(session: &Session) -> Result<(), CliError> {
    let workspace = session.workspace.clone();
    let done = progress::steps("install uv", |mut tell| async move { workspace.install_uv(&mut *tell).await });
    ended(session, done.await?, "installed")
}

fn ended(session: &Session, done: BuildStep, word: &str) -> Result<(), CliError> {
    let BuildStep::Done { text, warnings, packages } = &done else { return Ok(()) };
    if session.json() {
        return print_json(&done);
    }
    for warning in warnings {
        note(&format!("warning: {}", one_line(warning)));
    }
    let count = if *packages == 1 { "1 package".to_owned() } else { format!("{packages} packages") };
    print(&format!("{word} {} ({count})", one_line(text)))
}

pub(super) async fn clean(session: &Session, keys: Vec<String>, unused_for: Option<u32>) -> Result<(), CliError> {
    let seconds = u64::from(unused_for.unwrap_or_default()) * 86_400;
    let which = match (keys.is_empty(), unused_for) {
        (false, _) => format!("removes the built environments {}", keys.join(", ")),
        (true, Some(days)) => format!("removes all built environments that were not used for {days} days"),
        (true, None) => "removes all built environments that no deployment uses".to_owned(),
    };
    confirm::by_yes(&which, session.yes)?;
    let request = CleanRequest { keys, unused_for_s: seconds };
    let answer = session.workspace.clean_environments(&request).await?;
    if session.json() {
        print_json(&answer)?;
    } else {
        let count = answer.removed.len();
        let noun = if count == 1 { "environment" } else { "environments" };
        print(&format!("removed {count} {noun}, {} are free again", bytes(answer.freed())))?;
    }
    match answer.kept.as_slice() {
        [] => Ok(()),
        kept => Err(CliError::failed(format!(
            "in use, and kept: {}; delete the deployments that use them first",
            kept.join(", ")
        ))),
    }
}
