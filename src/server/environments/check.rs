//! Whether an environment could be built, without building it.

use super::build::write_files;
use super::child::{self, End};
use super::failure::{self, Kind};
use super::order::Order;
use super::tool::Tool;
use super::{Environments, Spec};
use crate::server::stop::Stop;

/// Whether an environment could be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The interpreter that would be used (`3.11.7 (/usr/bin/python3.11)`), or why there is none.
    pub python: Result<String, String>,
    pub packages: Packages,
    /// What is read differently from how it is written.
    pub notes: Vec<String>,
    /// What works here and not on Azure.
    pub warnings: Vec<String>,
    /// Whether it would be built by uv.
    pub uv: bool,
}

/// Whether the packages can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packages {
    /// The environment is there: nothing need be installed.
    Built(usize),
    /// So many would be installed.
    Resolved(usize),
    /// They cannot be had; why, and what to do.
    Impossible(String),
    /// Why nobody knows.
    NotChecked(String),
}

impl Environments {
    /// Finds out whether an environment could be built. Takes seconds; installs nothing.
    pub fn check(&self, spec: &Spec, stop: &Stop) -> Report {
        let mut report = Report {
            python: Err(String::new()),
            packages: Packages::NotChecked("there is no interpreter to check them for".into()),
            notes: spec.notes.clone(),
            warnings: Vec::new(),
            uv: false,
        };
        let tool = match self.tool() {
            Ok(tool) => tool,
            Err(error) => {
                report.packages = Packages::NotChecked(error.to_string());
                Tool::Pip
            }
        };
        report.uv = matches!(tool, Tool::Uv(_));
        let interpreter = match self.known.find(&self.settings.search_paths, &spec.pythons) {
            Ok(found) => found,
            Err(why) => {
                report.python = Err(why);
                return report;
            }
        };
        report.python = Ok(format!("{} ({})", interpreter.version, interpreter.path.display()));
        let order = Order::new(spec, interpreter, self.settings.mlflow_full);
        report.notes.clone_from(&order.notes);
        report.warnings = order.warnings();
        report.packages = match self.list().into_iter().find(|held| held.key == order.key() && !held.python.is_empty())
        {
            Some(held) => Packages::Built(held.packages.len()),
            None => {
                let (packages, warning) = resolve(&tool, &order, stop);
                if let Some(warning) = warning {
                    report.warnings = vec![warning];
                }
                packages
            }
        };
        report
    }
}

/// As a build does: with the official server, and if that does not go with the packages, without it and with a warning.
fn resolve(tool: &Tool, order: &Order<'_>, stop: &Stop) -> (Packages, Option<String>) {
    let together = resolve_list(tool, order, &order.wanted(true), stop);
    let Packages::Impossible(why) = &together else { return (together, None) };
    if !order.inject {
        return (together, None);
    }
    match resolve_list(tool, order, &order.wanted(false), stop) {
        alone @ Packages::Resolved(_) => (alone, Some(order.without_server(why))),
        alone => (alone, None),
    }
}

fn resolve_list(tool: &Tool, order: &Order<'_>, wanted: &[String], stop: &Stop) -> Packages {
    let not_checked = |why: String| Packages::NotChecked(why);
    if wanted.is_empty() {
        return Packages::Resolved(0);
    }
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return not_checked(format!("no temporary folder could be made: {error}")),
    };
    let files = match write_files(folder.path(), wanted, &order.spec.constraints) {
        Ok(files) => files,
        Err(error) => return not_checked(error.to_string()),
    };
    let mut command = tool.resolve(&order.interpreter, &files, &order.spec.options, false);
    if std::env::var_os("UV_HTTP_RETRIES").is_none() {
        command.env("UV_HTTP_RETRIES", "0");
    }
    command.current_dir(folder.path());
    let mut lines = Vec::new();
    match child::run(&mut command, stop, &mut |line| lines.push(line.to_owned())) {
        Ok(End::Stopped) => not_checked("it was stopped".into()),
        Ok(End::Exit(status)) if status.success() => Packages::Resolved(count(&lines)),
        Ok(End::Exit(_)) => {
            let failure = failure::explain(&lines, &order.python());
            match failure.kind {
                Kind::Network | Kind::Offline => not_checked(failure.message),
                Kind::Other if *tool == Tool::Pip => {
                    let advice = "`mlconsole environment install-uv` makes this quicker and surer";
                    not_checked(format!("{}; {advice}", failure.message))
                }
                _ => Packages::Impossible(failure.message),
            }
        }
        Err(error) => not_checked(format!("{} does not run: {error}", tool.name())),
    }
}

/// How many packages a resolution names.
fn count(lines: &[String]) -> usize {
    let would = lines.iter().find_map(|line| line.strip_prefix("Would install "));
    match would {
        Some(names) => names.split_whitespace().count(),
        None => lines.iter().filter(|line| line.contains("==") && !line.starts_with(['#', ' '])).count(),
    }
}
