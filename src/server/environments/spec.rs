//! What an environment must hold, wherever that was written.

use std::path::Path;

use super::EnvironmentError;
use crate::resources::EnvironmentVersion;

/// What an environment must hold, read from a conda file, requirements, `python_env.yaml` or a curated name
/// (reference §3.1, §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spec {
    /// For messages and the list, e.g. `sklearn-env:3`.
    pub name: String,
    /// Who it is for, e.g. `fraud/blue`: shown as long as it is in use. Set by the caller.
    pub user: Option<String>,
    /// Minor versions of Python that will do, the best first; empty: any.
    pub pythons: Vec<(u8, u8)>,
    /// Requirements as pip takes them (PEP 508, with options such as `--hash` behind), one an entry.
    pub requirements: Vec<String>,
    /// Options for the whole installation: `--extra-index-url …`, `--find-links …`, `--pre`.
    pub options: Vec<String>,
    /// What was read differently from how it was written: for the log, one a line.
    pub notes: Vec<String>,
    pub origin: Origin,
}

/// Where a [`Spec`] was read. It decides what is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// Files of the user: the hosted service takes them as they are, so what they lack is worth a warning.
    #[default]
    Files,
    /// A curated environment.
    Curated,
    /// The folder of an MLflow model: a pinned mlflow may be exchanged for mlflow-skinny (reference §4.1).
    Mlflow,
}

impl Spec {
    /// Of a registered environment. `name` is how messages call it (`sklearn-env:3`).
    ///
    /// # Errors
    /// It is defined by an image or a container build alone, or its conda file cannot be used here.
    pub fn of_environment(environment: &EnvironmentVersion, name: &str) -> Result<Self, EnvironmentError> {
        let _ = environment;
        Err(EnvironmentError::failed(format!("environment '{name}' cannot be built yet")))
    }

    /// Of the text of a conda file; `folder` is where its `-r` files are.
    ///
    /// # Errors
    /// The text is no conda file, or holds packages that exist only as conda packages.
    pub fn of_conda(text: &str, folder: Option<&Path>, name: &str) -> Result<Self, EnvironmentError> {
        let _ = (text, folder);
        Err(EnvironmentError::failed(format!("environment '{name}' cannot be built yet")))
    }

    /// Of an MLflow model's folder: `conda.yaml`, else `python_env.yaml` and `requirements.txt`.
    ///
    /// # Errors
    /// None of them is there, or they cannot be used here.
    pub fn of_mlflow(folder: &Path, name: &str) -> Result<Self, EnvironmentError> {
        let _ = folder;
        Err(EnvironmentError::failed(format!("environment '{name}' cannot be built yet")))
    }

    /// Of a curated environment, by any spelling of its name (reference §3.4).
    ///
    /// # Errors
    /// It is one of Azure's that needs its image.
    pub fn curated(name: &str) -> Option<Result<Self, EnvironmentError>> {
        let _ = name;
        None
    }
}
