//! What an environment must hold, wherever that was written.

use std::path::Path;

use super::{EnvironmentError, conda, curated, requirements};
use crate::resources::EnvironmentVersion;
use crate::resources::document::read_text;

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
    /// The version of Python as it was written, where it was written exactly: `3.11.7`.
    pub python_written: Option<String>,
    /// Requirements as pip takes them (PEP 508, with options such as `--hash` behind), one an entry.
    pub requirements: Vec<String>,
    /// Limits on what is installed, of `-c` files.
    pub constraints: Vec<String>,
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

/// The name of environments that were written inside a deployment.
const INLINE: &str = "inline";

impl Spec {
    /// Of a registered environment. `name` is how messages call it (`sklearn-env:3`).
    ///
    /// # Errors
    /// It is defined by an image or a container build alone, or its conda file cannot be used here.
    pub fn of_environment(environment: &EnvironmentVersion, name: &str) -> Result<Self, EnvironmentError> {
        let properties = &environment.properties;
        // What was written inside a deployment's file was named by its content, which says nothing to anybody.
        let name = if properties.is_anonymous { INLINE } else { name };
        let image = properties.image.as_deref().filter(|image| !image.trim().is_empty());
        if let Some(text) = properties.conda_file.as_deref().filter(|text| !text.trim().is_empty()) {
            let mut spec = Self::of_conda(text, None, name)?;
            if let Some(image) = image {
                spec.notes.push(format!("the image {image} is ignored: the conda file says what is installed"));
            }
            return Ok(spec);
        }
        // A curated environment is an image too, but one whose content is known.
        if let Some(Ok(spec)) = curated::spec(name) {
            return Ok(Self { name: name.to_owned(), ..spec });
        }
        let by = match (image, &properties.build) {
            (Some(image), _) => format!("image '{image}'"),
            (None, Some(build)) => {
                let text = |key: &str| build.get(key).and_then(serde_json::Value::as_str);
                format!("container build '{}'", text("dockerfilePath").unwrap_or("Dockerfile"))
            }
            (None, None) => "name".to_owned(),
        };
        Err(EnvironmentError::Refused(format!(
            "environment '{name}' is defined only by the {by}; without Docker it cannot run here. Add a conda_file, or \
             use a curated name ({}).",
            curated::names()
        )))
    }

    /// Of the text of a conda file; `folder` is where its `-r` files are.
    ///
    /// # Errors
    /// The text is no conda file, or holds packages that exist only as conda packages.
    pub fn of_conda(text: &str, folder: Option<&Path>, name: &str) -> Result<Self, EnvironmentError> {
        let mut spec = Self { name: name.to_owned(), ..Self::default() };
        conda::conda(&mut spec, &format!("environment '{name}'"), text, folder)?;
        Ok(spec)
    }

    /// Of a file: a conda file, a `python_env.yaml` or a requirements file, told apart by what is in it.
    ///
    /// # Errors
    /// It cannot be read or used.
    pub fn of_file(path: &Path, name: &str) -> Result<Self, EnvironmentError> {
        let text = read_text(path).map_err(|e| EnvironmentError::Refused(e.to_string()))?;
        let mut spec = Self { name: name.to_owned(), ..Self::default() };
        let (file, folder) = (path.display().to_string(), path.parent());
        let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if !yaml {
            requirements::add(&mut spec, &file, &text, folder)?;
        } else if text.lines().any(|line| line.starts_with("python:")) {
            conda::python_env(&mut spec, &file, &text, folder)?;
        } else {
            conda::conda(&mut spec, &file, &text, folder)?;
        }
        Ok(spec)
    }

    /// Of an MLflow model's folder: `conda.yaml`, else `python_env.yaml` and `requirements.txt`.
    ///
    /// # Errors
    /// None of them is there, or they cannot be used here.
    pub fn of_mlflow(folder: &Path, name: &str) -> Result<Self, EnvironmentError> {
        for file in ["conda.yaml", "python_env.yaml", "requirements.txt"] {
            let path = folder.join(file);
            if path.is_file() {
                return Ok(Self { origin: Origin::Mlflow, ..Self::of_file(&path, name)? });
            }
        }
        Err(EnvironmentError::Refused(format!(
            "the MLflow model '{name}' names no packages: there is neither conda.yaml nor python_env.yaml nor \
             requirements.txt beside its MLmodel. Save it again with MLflow, or deploy it with an environment."
        )))
    }

    /// Of a curated environment, by any spelling of its name (reference §3.4); `None` when it is none.
    ///
    /// # Errors
    /// It is one of Azure's that needs its image.
    pub fn curated(name: &str) -> Option<Result<Self, EnvironmentError>> {
        curated::spec(name)
    }

    /// What it is called in the list of environments: one without a name is called after its deployment.
    pub(super) fn listed(&self) -> String {
        match &self.user {
            Some(user) if self.name == INLINE => format!("{user} (inline)"),
            _ => self.name.clone(),
        }
    }

    /// Whether a package is asked for by name.
    pub(super) fn asks_for(&self, project: &str) -> bool {
        self.requirements.iter().any(|requirement| requirements::is_named(requirement, project))
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
