//! Python environments that a local workspace built, and checks of deployments before they are made: what only local
//! workspaces tell.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::arm::StringMap;
use super::deployment::Deployment;
use super::document::FileError;
use super::ids::AssetRef;
use super::yaml::{AssetPath, AssetSource, Conda, DeploymentFile};

/// All environments on disk, and what builds them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeldEnvironments {
    /// The last used first.
    pub value: Vec<HeldEnvironment>,
    /// Path of the uv that builds; `None`: pip does, which takes many times as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uv: Option<String>,
}

/// An environment on disk.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeldEnvironment {
    /// Names its content: 32 hex digits.
    pub key: String,
    /// `ready`, `in use`, `building`, or `broken` (left by a build that was killed).
    pub state: String,
    /// For which environments it was built or used: `sklearn-env:3`.
    pub names: Vec<String>,
    /// `3.11.7`.
    pub python: String,
    /// `name==version`, sorted.
    pub packages: Vec<String>,
    pub size_bytes: u64,
    /// Unix milliseconds.
    pub built_ms: i64,
    pub last_used_ms: i64,
    /// Deployments that use it now: `fraud/blue`.
    pub used_by: Vec<String>,
}

/// An environment that is to be built before it is needed: one of the two.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BuildRequest {
    /// `NAME`, `NAME:VERSION` or `NAME@latest` of a registered one, or a curated name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// A conda file, `python_env.yaml` or requirements file of this machine, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// What is told while an environment is built. The last one is `Done` or `Failed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "step")]
pub enum BuildStep {
    /// A line of the log.
    Line {
        text: String,
    },
    /// `done` of `total` packages (0 of 0: not known yet); `bytes` are announced to be downloaded.
    Progress {
        phase: String,
        done: u32,
        total: u32,
        bytes: u64,
    },
    /// It is there. `text` says what: the key of an environment, or the path of a tool.
    Done {
        text: String,
        warnings: Vec<String>,
        packages: usize,
    },
    Failed {
        message: String,
        details: String,
    },
}

impl BuildStep {
    /// Progress in a few words: `installing 3 of 48 packages`.
    pub fn said(&self) -> Option<String> {
        let Self::Progress { phase, done, total, bytes } = self else { return None };
        let count = match (done, total) {
            (0, 0) => String::new(),
            (done, 0) => format!(" {done} packages"),
            (done, total) => format!(" {done} of {total} packages"),
        };
        let bytes = match bytes {
            0 => String::new(),
            bytes => format!(", {:.1} MB", *bytes as f64 / 1e6),
        };
        Some(format!("{phase}{count}{bytes}"))
    }
}

/// Which environments a clean-up removes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CleanRequest {
    /// Keys, or the first six digits or more; none: all that nobody uses.
    pub keys: Vec<String>,
    /// Without keys: only those that were not used for so many seconds.
    pub unused_for_s: u64,
}

/// What a clean-up did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CleanAnswer {
    pub removed: Vec<HeldEnvironment>,
    /// Keys that were asked for, and are in use.
    pub kept: Vec<String>,
}

impl CleanAnswer {
    /// Bytes that are free again.
    pub fn freed(&self) -> u64 {
        self.removed.iter().map(|held| held.size_bytes).sum()
    }
}

/// A deployment that is to be checked without being made; everything local is named by its absolute path.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckRequest {
    /// `fraud/blue`.
    pub name: String,
    /// `custom_model`, `mlflow_model` or `triton_model`; empty for a registered model, which knows.
    pub model_type: String,
    pub model_path: Option<PathBuf>,
    /// A registered model: `azureml:name:version`.
    pub model: Option<String>,
    pub code_folder: Option<PathBuf>,
    /// Registered code.
    pub code: Option<String>,
    pub scoring_script: Option<String>,
    /// A registered or curated environment.
    pub environment: Option<String>,
    /// One written in the file itself.
    pub inline: Option<InlineEnvironment>,
    pub instance_type: Option<String>,
    pub instance_count: u32,
    /// Its `properties`, some of which say how the model is run.
    pub properties: StringMap,
}

impl CheckRequest {
    /// What to check of a deployment's file.
    ///
    /// # Errors
    /// The conda file it names cannot be read.
    pub fn of(file: &DeploymentFile) -> Result<Self, FileError> {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let mut request = Self {
            name: format!("{}/{}", file.endpoint_name, file.name),
            scoring_script: file.code.as_ref().map(|code| code.scoring_script.clone()),
            instance_type: file.instance_type.clone(),
            instance_count: file.instance_count.unwrap_or(1),
            properties: file.properties.clone(),
            ..Self::default()
        };
        match &file.model {
            Some(AssetSource::Registered(reference)) => request.model = Some(reference.to_string()),
            Some(AssetSource::Inline(model)) => {
                request.model_type.clone_from(&model.model_type);
                match &model.path {
                    AssetPath::Local(path) => request.model_path = Some(absolute(path)),
                    AssetPath::Remote(uri) => request.model = Some(uri.clone()),
                }
            }
            None => {}
        }
        match file.code.as_ref().map(|code| &code.code) {
            Some(AssetPath::Local(folder)) => request.code_folder = Some(absolute(folder)),
            Some(AssetPath::Remote(reference)) => request.code = Some(reference.clone()),
            None => {}
        }
        match &file.environment {
            Some(AssetSource::Registered(reference)) => request.environment = Some(reference.to_string()),
            Some(AssetSource::Inline(inline)) => {
                // What nobody named goes by its file: that is where a mistake in it is to be corrected.
                let name = inline.name.clone().unwrap_or_else(|| match &inline.conda {
                    Some(Conda::File(path)) => path.display().to_string(),
                    _ => "inline".to_owned(),
                });
                request.inline = Some(InlineEnvironment {
                    name,
                    conda_file: inline.conda.as_ref().map(Conda::text).transpose()?,
                    image: inline.image.clone(),
                    dockerfile: inline
                        .build
                        .as_ref()
                        .map(|(_, file)| file.clone().unwrap_or_else(|| "Dockerfile".into())),
                });
            }
            None => {}
        }
        Ok(request)
    }
}

impl CheckRequest {
    /// What to check of a deployment whose assets are registered, but for its code, which may still be a folder here.
    pub fn of_deployment(endpoint: &str, deployment: &Deployment) -> Self {
        let properties = &deployment.properties;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let code = properties.code_configuration.as_ref();
        let folder = code.and_then(|code| given(&code.code_id));
        let registered = folder.as_deref().is_some_and(AssetRef::looks_like);
        let (code_id, code_folder) = if registered { (folder, None) } else { (None, folder) };
        Self {
            name: format!("{endpoint}/{}", deployment.name),
            model: given(&properties.model),
            code: code_id,
            code_folder: code_folder.map(|path| std::path::absolute(&path).unwrap_or_else(|_| path.into())),
            scoring_script: code.map(|code| code.scoring_script.clone()).filter(|script| !script.is_empty()),
            environment: given(&properties.environment_id),
            instance_type: given(&properties.instance_type),
            instance_count: deployment.instances(),
            properties: properties.properties.clone(),
            ..Self::default()
        }
    }
}

/// An environment that is written in the deployment's file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InlineEnvironment {
    pub name: String,
    pub conda_file: Option<String>,
    pub image: Option<String>,
    /// The Dockerfile of a container build.
    pub dockerfile: Option<String>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckAnswer {
    pub findings: Vec<Finding>,
}

impl CheckAnswer {
    /// A line a finding: sign, word, subject and text.
    pub fn lines(&self) -> Vec<String> {
        let line = |finding: &Finding| {
            let (sign, word) = finding.verdict.sign();
            format!("{sign} {word}, {}: {}", finding.subject, finding.text)
        };
        self.findings.iter().map(line).collect()
    }

    /// Whether the deployment cannot work.
    pub fn fails(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Failure)
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub verdict: Verdict,
    /// What was looked at: `script`, `model`, `packages`, ….
    pub subject: String,
    /// One line: what is so; if it is wrong, the cause and the next step.
    pub text: String,
}

/// How something that was looked at is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    Good,
    /// It works here, but not as one may think, or not on Azure.
    Warning,
    /// The deployment would fail.
    Failure,
    /// It could not be found out.
    NotChecked,
}

impl Finding {
    pub fn new(verdict: Verdict, subject: &str, text: impl Into<String>) -> Self {
        Self { verdict, subject: subject.to_owned(), text: text.into() }
    }
}

impl Verdict {
    /// A sign and a word, so that neither colour nor the sign alone carries the meaning.
    pub const fn sign(self) -> (&'static str, &'static str) {
        match self {
            Self::Good => ("✓", "good"),
            Self::Warning => ("!", "warning"),
            Self::Failure => ("✗", "failure"),
            Self::NotChecked => ("?", "not checked"),
        }
    }
}
