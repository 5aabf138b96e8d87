//! From what is wanted to an environment on disk (reference §3.3).

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use super::child::{self, End};
use super::disk::size_of;
use super::failure::{self, Failure, Kind};
use super::keep::{Alone, Contents};
use super::order::{Order, SERVER};
use super::progress::Meter;
use super::tool::{Files, Tool};
use super::{EnvironmentError, Progress, Step, requirements};
use crate::server::stop::Stop;

/// Builds an environment of which nobody else knows; nothing is left of one that fails.
pub(super) fn build(
    alone: &Alone,
    order: &Order<'_>,
    tool: &Tool,
    tell: &dyn Fn(Step),
    stop: &Stop,
) -> Result<Contents, EnvironmentError> {
    let built = Builder { alone, order, tool, tell, stop }.build();
    if built.is_err() {
        // The reason it failed is worth more than that something is left.
        let _ = alone.remove();
    }
    built
}

struct Builder<'a> {
    alone: &'a Alone,
    order: &'a Order<'a>,
    tool: &'a Tool,
    tell: &'a dyn Fn(Step),
    stop: &'a Stop,
}

impl Builder<'_> {
    fn build(&self) -> Result<Contents, EnvironmentError> {
        let (order, folder) = (self.order, &self.alone.folder);
        let (path, version) = (order.interpreter.path.display(), &order.interpreter.version);
        self.line(format!(
            "building environment '{}' with {}: Python {version} ({path})",
            order.spec.name,
            self.tool.name()
        ));
        if *self.tool == Tool::Pip {
            self.line(
                "pip takes its time: `mlconsole environment install-uv` installs uv, which is many times faster".into(),
            );
        }
        (self.tell)(Step::Progress(Progress { phase: "resolving", ..Progress::default() }));
        self.run(&mut self.tool.venv(&order.interpreter, folder)).map_err(|failed| self.no_venv(failed))?;
        let mut warnings = order.warnings();
        let mut failed = self.install(true, false);
        if let Err(Failed::Explained(failure, _)) = &failed
            && failure.kind == Kind::Network
            && matches!(self.tool, Tool::Uv(_))
        {
            self.line(format!("{}; trying with what the package cache holds", failure.message));
            failed = self.install(true, true);
        }
        if let Err(Failed::Explained(failure, _)) = &failed
            && order.inject
            && matches!(failure.kind, Kind::Resolution | Kind::Build)
        {
            let why = failure.message.clone();
            self.line(format!("without {SERVER}, which does not go with these packages"));
            failed = self.install(false, false);
            if failed.is_ok() {
                warnings = vec![order.without_server(&why)];
            }
        }
        failed.map_err(|failed| self.not_installed(failed))?;
        let contents = Contents {
            python: version.clone(),
            packages: installed(folder),
            warnings,
            size: size_of(folder),
            built_ms: jiff::Timestamp::now().as_millisecond(),
        };
        self.alone.complete(&contents)?;
        Ok(contents)
    }

    fn install(&self, with_server: bool, offline: bool) -> Result<(), Failed> {
        let (order, folder) = (self.order, &self.alone.folder);
        let wanted = order.wanted(with_server);
        if wanted.is_empty() {
            return Ok(());
        }
        let files = write_files(folder, &wanted, &order.spec.constraints)?;
        let mut command = self.tool.install(folder, &files, &order.spec.options, offline);
        let result = self.run(&mut command);
        // Addresses in them may hold passwords.
        let _ = std::fs::remove_file(&files.requirements);
        files.constraints.iter().for_each(|file| drop(std::fs::remove_file(file)));
        result
    }

    fn run(&self, command: &mut Command) -> Result<(), Failed> {
        let lock = self.alone.lock().map_err(|e| Failed::File(self.unusable(&e)))?;
        // A child that outlives this process keeps the lock: nobody begins anew while it still writes.
        command.stdin(lock).current_dir(self.alone.folder.parent().unwrap_or(&self.alone.folder));
        let (mut lines, mut meter) = (Vec::new(), Meter::default());
        let end = child::run(command, self.stop, &mut |line| {
            self.line(line.to_owned());
            if let Some(progress) = meter.line(line) {
                (self.tell)(Step::Progress(progress));
            }
            lines.push(line.to_owned());
        });
        match end {
            Ok(End::Exit(status)) if status.success() => Ok(()),
            Ok(End::Stopped) => Err(Failed::Stopped),
            Ok(End::Exit(_)) => Err(Failed::Explained(failure::explain(&lines, &self.order.python()), lines)),
            Err(error) => Err(Failed::File(self.unusable(&error))),
        }
    }

    fn line(&self, line: String) {
        (self.tell)(Step::Line(line));
    }

    fn unusable(&self, error: &std::io::Error) -> EnvironmentError {
        let what = format!("environment '{}' cannot be built: {} does not run", self.order.spec.name, self.tool.name());
        EnvironmentError::file(&what, &self.alone.folder, error)
    }

    fn no_venv(&self, failed: Failed) -> EnvironmentError {
        let Failed::Explained(failure, lines) = failed else { return self.not_installed(failed) };
        let (python, path) = (self.order.python(), self.order.interpreter.path.display());
        let missing = lines.iter().any(|line| line.contains("ensurepip") || line.contains("No module named venv"));
        let message = match missing {
            true => format!(
                "Python {python} ({path}) comes without venv and pip: install them (python{python}-venv on Debian), or put uv on PATH"
            ),
            false => failure.message,
        };
        self.not_installed(Failed::Explained(Failure { message, ..failure }, lines))
    }

    fn not_installed(&self, failed: Failed) -> EnvironmentError {
        match failed {
            Failed::Stopped => EnvironmentError::Stopped,
            Failed::File(error) => error,
            Failed::Explained(failure, lines) => {
                let last = lines.len().saturating_sub(60);
                let (name, python) = (&self.order.spec.name, self.order.python());
                EnvironmentError::Failed {
                    message: format!(
                        "environment '{name}' cannot be built for Python {python}: {}.",
                        failure.message.trim_end_matches('.')
                    ),
                    details: lines[last..].join("\n"),
                }
            }
        }
    }
}

enum Failed {
    Stopped,
    File(EnvironmentError),
    Explained(Failure, Vec<String>),
}

/// Writes what is wanted into files that only the owner reads.
pub(super) fn write_files(folder: &Path, wanted: &[String], limits: &[String]) -> Result<Files, EnvironmentError> {
    let write = |name: &str, lines: &[String]| {
        let path = folder.join(name);
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        let text = lines.join("\n") + "\n";
        file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
            .map_err(|e| EnvironmentError::file("the list of packages cannot be written", &path, &e))?;
        Ok(path)
    };
    let constraints = if limits.is_empty() { None } else { Some(write("constraints.txt", limits)?) };
    Ok(Files { requirements: write("requirements.txt", wanted)?, constraints })
}

impl From<EnvironmentError> for Failed {
    fn from(error: EnvironmentError) -> Self {
        Self::File(error)
    }
}

/// What is installed, as `name==version`, from the folders that every installer writes.
fn installed(folder: &Path) -> Vec<String> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let libraries = entries(&folder.join("lib")).map(|python| python.join("site-packages"));
    let mut packages: Vec<String> = libraries
        .flat_map(|library| entries(&library).collect::<Vec<_>>())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".dist-info")?.to_owned();
            let (name, version) = name.split_once('-')?;
            Some(format!("{}=={version}", requirements::normal(name)))
        })
        .collect();
    packages.sort();
    packages
}
