//! `mlconsole deployment check`: whether a deployment would work, before it is made.

use std::path::Path;

use super::error::CliError;
use super::output::{Table, note, print_json};
use super::{Session, files};
use crate::client::{ErrorKind, check_upload};
use crate::resources::python::{CheckAnswer, CheckRequest, Finding, Verdict};
use crate::resources::rules::check_deployment;
use crate::resources::yaml::{DeploymentFile, ResolvedAssets};

pub(super) async fn run(session: &Session, file: &Path, set: &[String]) -> Result<(), CliError> {
    let mut answer = CheckAnswer::default();
    match files::deployment(file, set) {
        Ok(deployment) => look(session, file, &deployment, &mut answer).await?,
        Err(error) => answer.findings.push(Finding::new(Verdict::Failure, "file", error.to_string())),
    }
    if session.json() {
        print_json(&answer)?;
    } else {
        let mut table = Table::new(&["", "WHAT", "FINDING"]);
        for finding in &answer.findings {
            let (sign, word) = finding.verdict.sign();
            table.row([format!("{sign} {word}"), finding.subject.clone(), finding.text.clone()]);
        }
        table.print()?;
        let count = |verdict| answer.findings.iter().filter(|finding| finding.verdict == verdict).count();
        note(&match (count(Verdict::Failure), count(Verdict::Warning), count(Verdict::NotChecked)) {
            (0, 0, 0) => "it can be deployed".to_owned(),
            (0, warnings, 0) => format!("it can be deployed: {}", many(warnings, "warning")),
            (0, warnings, open) => format!("it can be deployed: {}, {open} not checked", many(warnings, "warning")),
            (failures, ..) => format!("it cannot be deployed as it is: {}", many(failures, "failure")),
        });
    }
    if answer.fails() { Err(CliError::Said) } else { Ok(()) }
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

async fn look(session: &Session, path: &Path, file: &DeploymentFile, answer: &mut CheckAnswer) -> Result<(), CliError> {
    let mut say = |verdict, subject, text: String| answer.findings.push(Finding::new(verdict, subject, text));
    let deployment = file.to_deployment("local", &ResolvedAssets::default());
    match check_deployment(&deployment, file.kubernetes) {
        Ok(()) => say(Verdict::Good, "file", format!("{} describes deployment {}", path.display(), file.name)),
        Err(error) => say(Verdict::Failure, "file", error.to_string()),
    }
    match session.workspace.endpoint(&file.endpoint_name).await {
        Ok(_) => say(Verdict::Good, "endpoint", format!("{} is there", file.endpoint_name)),
        Err(error) if error.kind == ErrorKind::NotFound => {
            let next = format!("create it first: `mlconsole endpoint create --name {}`", file.endpoint_name);
            say(Verdict::Warning, "endpoint", format!("{} is not there yet; {next}", file.endpoint_name));
        }
        Err(error) => return Err(error.into()),
    }
    match CheckRequest::of(file) {
        Ok(request) => {
            answer.findings.extend(session.workspace.check_deployment(&request).await?.findings);
            let sent = [("model", &request.model_path), ("script", &request.code_folder)];
            // What is not there at all has been told.
            for (subject, path) in sent.into_iter().filter_map(|(subject, path)| Some((subject, path.as_deref()?))) {
                if path.exists()
                    && let Err(error) = check_upload(path)
                {
                    answer.findings.push(Finding::new(Verdict::Failure, subject, error.message));
                }
            }
        }
        Err(error) => answer.findings.push(Finding::new(Verdict::Failure, "environment", error.to_string())),
    }
    Ok(())
}
