//! What installs packages: uv where there is one, else pip (reference §3.3.2).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::child::{self, End};
use super::interpreter::{Interpreter, Known};
use super::{EnvironmentError, Settings, Step, failure};
use crate::server::stop::Stop;

const PATIENCE: Duration = Duration::from_secs(20);

/// What installs packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tool {
    Uv(PathBuf),
    Pip,
}

/// pip's variables that uv knows by another name.
const AS_UV: [(&str, &str); 5] = [
    ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
    ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
    ("PIP_FIND_LINKS", "UV_FIND_LINKS"),
    ("PIP_TRUSTED_HOST", "UV_INSECURE_HOST"),
    ("PIP_CERT", "SSL_CERT_FILE"),
];

impl Tool {
    /// The uv that was configured, the one in the data folder, the one on PATH or where its installers put it; else pip.
    ///
    /// # Errors
    /// The configured one does not run.
    pub fn find(settings: &Settings, own: &Path) -> Result<Self, EnvironmentError> {
        let runs = |path: &Path| child::output(child::command(path).arg("--version"), PATIENCE).is_some();
        if let Some(uv) = &settings.uv {
            if runs(uv) {
                return Ok(Self::Uv(uv.clone()));
            }
            let uv = uv.display();
            return Err(EnvironmentError::failed(format!(
                "the configured uv ({uv}) does not run: correct `uv` in the table [python] of the configuration, or leave it out"
            )));
        }
        let home = etcetera::home_dir().unwrap_or_default();
        let mut places = vec![own.to_owned()];
        places.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths).map(|folder| folder.join("uv")));
        places.extend([home.join(".local/bin/uv"), home.join(".cargo/bin/uv")]);
        let found = places.into_iter().filter(|path| path.is_absolute() && path.is_file()).find(|path| runs(path));
        Ok(found.map_or(Self::Pip, Self::Uv))
    }

    /// In a word or two, for the log.
    pub fn name(&self) -> String {
        match self {
            Self::Uv(path) => format!("uv ({})", path.display()),
            Self::Pip => "pip".to_owned(),
        }
    }

    /// Makes an empty environment.
    pub fn venv(&self, interpreter: &Interpreter, folder: &Path) -> Command {
        match self {
            Self::Uv(uv) => {
                let mut command = uv_command(uv);
                command.args(["venv", "--no-project", "--python"]).arg(&interpreter.path).arg(folder);
                command
            }
            Self::Pip => {
                let mut command = child::command(&interpreter.path);
                command.args(["-m", "venv"]).arg(folder);
                command
            }
        }
    }

    /// Installs into the environment at `folder`.
    pub fn install(&self, folder: &Path, files: &Files, options: &[String], offline: bool) -> Command {
        let python = folder.join("bin/python");
        let mut command = match self {
            Self::Uv(uv) => {
                let mut command = uv_command(uv);
                command.args(["pip", "install", "--compile-bytecode", "--python"]).arg(python);
                command
            }
            Self::Pip => {
                let mut command = child::command(python);
                command.args(["-m", "pip", "install", "--progress-bar", "off"]);
                command
            }
        };
        self.wishes(&mut command, files, options, offline);
        command
    }

    /// Finds out whether everything can be had, and installs nothing.
    pub fn resolve(&self, interpreter: &Interpreter, files: &Files, options: &[String], offline: bool) -> Command {
        let mut command = match self {
            Self::Uv(uv) => {
                let mut command = uv_command(uv);
                command.args(["pip", "compile", "--no-header", "--no-annotate", "--python"]).arg(&interpreter.path);
                command
            }
            Self::Pip => {
                let mut command = child::command(&interpreter.path);
                command.args(["-m", "pip", "install", "--dry-run", "--ignore-installed", "--progress-bar", "off"]);
                // Nobody waits minutes for a look.
                command.args(["--retries", "0", "--timeout", "5"]);
                command
            }
        };
        self.wishes(&mut command, files, options, offline);
        command
    }

    fn wishes(&self, command: &mut Command, files: &Files, options: &[String], offline: bool) {
        let uv = matches!(self, Self::Uv(_));
        match uv && command.get_args().nth(1) == Some("compile".as_ref()) {
            true => command.arg(&files.requirements),
            false => command.arg("-r").arg(&files.requirements),
        };
        if let Some(constraints) = &files.constraints {
            command.arg("-c").arg(constraints);
        }
        for option in options {
            let (name, value) = option.split_once(' ').unwrap_or((option, ""));
            match (uv, name) {
                // Neither changes what is installed in a way that uv would not do by itself.
                (true, "--prefer-binary") => continue,
                (true, "--trusted-host") => command.arg("--allow-insecure-host"),
                _ => command.arg(name),
            };
            if !value.is_empty() {
                command.arg(value);
            }
        }
        // pip takes the best version of any index; uv by itself only looks at the first that has the package.
        if uv && options.iter().any(|option| option.starts_with("--extra-index-url")) {
            command.args(["--index-strategy", "unsafe-best-match"]);
        }
        if uv && offline {
            command.arg("--offline");
        }
    }
}

/// The files of an installation.
pub(super) struct Files {
    pub requirements: PathBuf,
    pub constraints: Option<PathBuf>,
}

fn uv_command(uv: &Path) -> Command {
    let mut command = child::command(uv);
    command.env("UV_PYTHON_DOWNLOADS", "never").env("UV_NO_PROGRESS", "1");
    // Without a network one would else wait ten seconds before the cache is asked.
    if std::env::var_os("UV_HTTP_RETRIES").is_none() {
        command.env("UV_HTTP_RETRIES", "2");
    }
    for (pip, uv) in AS_UV {
        if let Some(value) = std::env::var_os(pip)
            && std::env::var_os(uv).is_none()
        {
            command.env(uv, value);
        }
    }
    command
}

/// Lets uv fetch an interpreter: only when the user allowed it.
pub(super) fn download(uv: &Path, minor: (u8, u8), tell: &dyn Fn(Step), stop: &Stop) -> Result<(), EnvironmentError> {
    let version = format!("{}.{}", minor.0, minor.1);
    tell(Step::Line(format!("Python {version} is downloaded, as allow_python_download = true permits")));
    let mut command = uv_command(uv);
    command.env("UV_PYTHON_DOWNLOADS", "manual").args(["python", "install", &version]);
    finish(&mut command, &format!("Python {version} cannot be downloaded"), &version, tell, stop)
}

/// Installs uv into a virtual environment of its own at `folder`, and answers its path.
pub(super) fn install_uv(
    folder: &Path,
    settings: &Settings,
    known: &Known,
    tell: &dyn Fn(Step),
    stop: &Stop,
) -> Result<PathBuf, EnvironmentError> {
    let interpreter = known.find(&settings.search_paths, &[]).map_err(EnvironmentError::failed)?;
    let parent = folder.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)
        .map_err(|e| EnvironmentError::file("the folder for tools cannot be made", parent, &e))?;
    let new = tempfile::Builder::new()
        .prefix(".uv-")
        .tempdir_in(parent)
        .map_err(|e| EnvironmentError::file("the folder for tools cannot be written", parent, &e))?;
    let python = format!("{}.{}", interpreter.minor.0, interpreter.minor.1);
    let what = "uv cannot be installed";
    finish(&mut Tool::Pip.venv(&interpreter, new.path()), what, &python, tell, stop)?;
    let mut pip = child::command(new.path().join("bin/python"));
    pip.args(["-m", "pip", "install", "--progress-bar", "off", "uv"]);
    finish(&mut pip, what, &python, tell, stop)?;
    // uv is one program without an interpreter: it runs wherever it lies.
    let old = folder.with_extension("old");
    let _ = std::fs::remove_dir_all(&old);
    let _ = std::fs::rename(folder, &old);
    let new = new.keep();
    std::fs::rename(&new, folder).map_err(|e| EnvironmentError::file(what, folder, &e))?;
    let _ = std::fs::remove_dir_all(&old);
    Ok(folder.join("bin/uv"))
}

/// Runs a tool that must end well.
fn finish(
    command: &mut Command,
    what: &str,
    python: &str,
    tell: &dyn Fn(Step),
    stop: &Stop,
) -> Result<(), EnvironmentError> {
    let mut lines = Vec::new();
    let end = child::run(command, stop, &mut |line| {
        tell(Step::Line(line.to_owned()));
        lines.push(line.to_owned());
    });
    match end {
        Ok(End::Exit(status)) if status.success() => Ok(()),
        Ok(End::Stopped) => Err(EnvironmentError::Stopped),
        Ok(End::Exit(_)) => Err(EnvironmentError::Failed {
            message: format!("{what}: {}", failure::explain(&lines, python).message),
            details: lines.join("\n"),
        }),
        Err(error) => Err(EnvironmentError::failed(format!("{what}: {error}"))),
    }
}
