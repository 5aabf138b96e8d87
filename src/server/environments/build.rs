//! From what is wanted to an environment on disk (reference §3.3).

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use super::child::{self, End};
use super::disk::{size_of, stamp};
use super::failure::{self, Failure, Kind};
use super::interpreter::Interpreter;
use super::keep::{Alone, Contents};
use super::progress::Meter;
use super::spec::{Origin, Spec};
use super::tool::{Files, Tool};
use super::{EnvironmentError, Progress, Step, requirements, skinny};
use crate::server::stop::Stop;

/// Changes when environments are built differently, so that older ones are not taken for the same.
const BUILDER: &str = "1";
/// The official server, whose behaviour the worker is to have.
pub(super) const SERVER: &str = "azureml-inference-server-http";
/// Versions that behave as the reference says.
const SERVER_REQUIREMENT: &str = "azureml-inference-server-http>=1.4";

/// All that decides what an environment is.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub spec: &'a Spec,
    pub interpreter: Interpreter,
    /// What is asked for, after the rule for mlflow.
    pub requirements: Vec<String>,
    /// The official server is added, since nothing asks for it.
    pub inject: bool,
    /// For the log.
    pub notes: Vec<String>,
}

impl<'a> Order<'a> {
    pub fn new(spec: &'a Spec, interpreter: Interpreter, mlflow_full: bool) -> Self {
        let mut notes = spec.notes.clone();
        if let Some(written) = &spec.python_written
            && *written != interpreter.version
            && written.matches('.').count() > 1
        {
            notes.push(format!("Python {written} is asked for, {} is used", interpreter.version));
        }
        let mut wanted = spec.requirements.clone();
        if spec.origin == Origin::Mlflow && !mlflow_full {
            skinny::exchange(&mut wanted, &mut notes);
        }
        let inject = !spec.asks_for(SERVER);
        Self { spec, interpreter, requirements: wanted, inject, notes }
    }

    /// `3.11`.
    pub fn python(&self) -> String {
        format!("{}.{}", self.interpreter.minor.0, self.interpreter.minor.1)
    }

    /// The same content has the same key.
    pub fn key(&self) -> String {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let mut add = |part: &str| {
            digest.update(part.as_bytes());
            digest.update(&[0]);
        };
        for part in [BUILDER, std::env::consts::OS, std::env::consts::ARCH, &self.python()] {
            add(part);
        }
        add(&self.interpreter.path.to_string_lossy());
        let sorted = |lines: &[String]| {
            let mut lines: Vec<String> = lines.iter().map(|line| same_spelling(line)).collect();
            lines.sort();
            lines.dedup();
            lines
        };
        for list in [sorted(&self.requirements), sorted(&self.spec.constraints), self.spec.options.clone()] {
            list.iter().for_each(|line| add(line));
            add("");
        }
        add(if self.inject { SERVER_REQUIREMENT } else { "" });
        // Files of this machine count by what is in them.
        for path in self.requirements.iter().filter(|line| line.starts_with('/')) {
            stamp(Path::new(path.split_whitespace().next().unwrap_or(path)), &mut digest);
        }
        digest.finish().as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn warnings(&self) -> Vec<String> {
        let asked = self.spec.asks_for("azureml-defaults");
        if self.inject && self.spec.origin == Origin::Files && !asked {
            return vec![format!(
                "{SERVER} is not among the packages of '{}': it was added here, but on Azure the deployment would stop \
                 with exit code 100. Add it to the conda file, below `- pip:`",
                self.spec.name
            )];
        }
        Vec::new()
    }
}

/// A requirement without what makes no difference: blanks, and the spelling of its name.
fn same_spelling(line: &str) -> String {
    let Some(project) = requirements::project(line) else { return line.to_owned() };
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
    let rest = &line[end..];
    // In a marker or behind an option blanks mean something.
    match rest.contains([';', '@']) || rest.contains("--") {
        true => format!("{project}{rest}"),
        false => format!("{project}{}", rest.split_whitespace().collect::<String>()),
    }
}

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
        let mut failed = self.install(order.inject, false);
        if let Err(Failed::Explained(failure, _)) = &failed
            && failure.kind == Kind::Network
            && matches!(self.tool, Tool::Uv(_))
        {
            self.line(format!("{}; trying with what the package cache holds", failure.message));
            failed = self.install(order.inject, true);
        }
        if let Err(Failed::Explained(failure, _)) = &failed
            && order.inject
            && matches!(failure.kind, Kind::Resolution | Kind::Build)
        {
            let why = failure.message.clone();
            self.line(format!("without {SERVER}, which does not go with these packages"));
            failed = self.install(false, false);
            if failed.is_ok() {
                warnings = vec![format!(
                    "{SERVER} does not go with the packages asked for ({why}). The environment is built without it, and a \
                     stand-in serves the script: Azure would refuse this environment"
                )];
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
        let mut wanted = order.requirements.clone();
        if with_server {
            wanted.push(SERVER_REQUIREMENT.to_owned());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn order(spec: &Spec, full: bool) -> Order<'_> {
        let interpreter = Interpreter { path: "/usr/bin/python3.11".into(), minor: (3, 11), version: "3.11.4".into() };
        Order::new(spec, interpreter, full)
    }

    fn spec(origin: Origin, requirements: &[&str]) -> Spec {
        let requirements = requirements.iter().map(|&line| line.to_owned()).collect();
        Spec { name: "m:1".into(), origin, requirements, ..Spec::default() }
    }

    #[test]
    fn mlflow_models_get_mlflow_skinny_unless_told_otherwise() {
        let model = spec(Origin::Mlflow, &["mlflow==3.1.0", "scikit-learn==1.7.2", "numpy==2.1.0"]);
        let small = order(&model, false);
        assert_eq!(small.requirements, ["mlflow-skinny==3.1.0", "scikit-learn==1.7.2", "numpy==2.1.0", "pandas"]);
        assert!(small.notes[0].contains("mlflow==3.1.0 is installed as mlflow-skinny==3.1.0"), "{:?}", small.notes);
        assert_eq!(order(&model, true).requirements, model.requirements);
        assert_ne!(small.key(), order(&model, true).key());
        for kept in ["mlflow[extras]==3.1.0", "mlflow @ https://example.org/mlflow.whl", "mlflow-skinny==3.1.0"] {
            let model = spec(Origin::Mlflow, &[kept]);
            assert_eq!(order(&model, false).requirements, [kept]);
        }
        let own = spec(Origin::Files, &["mlflow==3.1.0"]);
        assert_eq!(order(&own, false).requirements, ["mlflow==3.1.0"], "what a user wrote for a script stays");
    }

    #[test]
    fn the_key_is_the_content_however_it_is_spelled() {
        let key = |requirements: &[&str]| order(&spec(Origin::Files, requirements), false).key();
        let one = key(&["Scikit_Learn == 1.5.2", "numpy>=1,<2"]);
        assert_eq!(one, key(&["numpy>=1, <2", "scikit-learn==1.5.2", "numpy>=1,<2"]));
        assert!(super::super::keep::is_key(&one), "{one}");
        assert_ne!(one, key(&["scikit-learn==1.5.2", "numpy>=1"]));
        let named = Spec { name: "other:9".into(), user: Some("a/b".into()), ..spec(Origin::Files, &["six"]) };
        assert_eq!(order(&named, false).key(), key(&["six"]), "names do not count");
        let mut indexed = spec(Origin::Files, &["six"]);
        indexed.options = vec!["--extra-index-url https://example.org".into()];
        assert_ne!(order(&indexed, false).key(), key(&["six"]));
        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("x-1-py3-none-any.whl");
        std::fs::write(&wheel, "a").unwrap();
        let local = [wheel.to_str().unwrap()];
        let before = key(&local);
        std::fs::write(&wheel, "b").unwrap();
        assert_ne!(before, key(&local), "files of this machine count by what is in them");
    }

    #[test]
    fn another_patch_level_of_python_is_noted_and_a_missing_server_warned_of() {
        let mut model = spec(Origin::Files, &["six"]);
        model.python_written = Some("3.11.7".into());
        let order_of = order(&model, false);
        assert_eq!(order_of.notes, ["Python 3.11.7 is asked for, 3.11.4 is used"]);
        assert!(order_of.warnings()[0].contains("exit code 100") && order_of.inject);
        for (origin, line) in [(Origin::Files, "azureml-defaults"), (Origin::Curated, "six"), (Origin::Mlflow, "six")] {
            let spec = spec(origin, &[line]);
            assert!(order(&spec, false).warnings().is_empty(), "{line}");
        }
        let own = spec(Origin::Files, &["azureml_inference_server_http==1.4.0"]);
        assert!(!order(&own, false).inject && order(&own, false).warnings().is_empty());
    }
}
