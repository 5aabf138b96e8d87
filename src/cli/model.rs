//! `mlconsole model …`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::asset::{Wanted, name_of, wanted};
use super::error::CliError;
use super::output::{facts, one_line, print, print_json};
use super::report::print_report;
use super::{Session, asset, convert, files, progress};
use crate::client::NewModel;
use crate::resources::ModelVersion;
use crate::resources::asset::{CONVERSION_REPORT, CONVERT, CONVERT_ENVIRONMENT, NOTE};
use crate::resources::ids::{AssetKind, ResourceId, shown_version};

/// Registered models.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Upload a file or folder and register it
    Register(RegisterArgs),
    /// All models, or the versions of one
    List {
        /// Model
        name: Option<String>,
        /// Archived ones too, and those that never got a name
        #[arg(long)]
        all: bool,
    },
    /// One version
    Show {
        /// `NAME`, `NAME:VERSION` or `NAME@latest`
        model: String,
    },
    /// Inputs, outputs, operators, and whether it can run here
    Inspect {
        /// `NAME[:VERSION]` of a registered model, or a file or folder on this machine
        model: String,
        /// Type of a file or folder that is not registered
        #[arg(long = "type", value_enum)]
        model_type: Option<ModelType>,
    },
    /// Hide a version from lists; deployments that use it go on
    Archive {
        /// `NAME:VERSION`
        model: String,
        /// Show it again instead
        #[arg(long)]
        restore: bool,
    },
}

/// Flags of `model register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// Azure CLI v2 YAML
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Name
    #[arg(long, short, required_unless_present = "file")]
    name: Option<String>,
    /// Version; the next one by default
    #[arg(long, short)]
    version: Option<String>,
    /// File or folder to upload
    #[arg(long, short, value_name = "PATH", required_unless_present = "file")]
    path: Option<PathBuf>,
    /// What it is
    #[arg(long = "type", value_enum)]
    model_type: Option<ModelType>,
    /// In a few words
    #[arg(long)]
    description: Option<String>,
    /// A tag: `--tag team=x`
    #[arg(long, value_name = "NAME=VALUE")]
    tag: Vec<String>,
    /// Convert a scikit-learn model, and serve it natively if it answers the same
    #[arg(long, value_enum)]
    convert: Option<Converted>,
    /// Environment for the conversion of a pickle: `azureml:NAME:VERSION`, or a curated one
    #[arg(long, value_name = "ENVIRONMENT", requires = "convert")]
    environment: Option<String>,
}

/// What models are converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Converted {
    /// ONNX, for the built-in engine
    Onnx,
}

/// Kinds of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModelType {
    /// A file or folder in the deployment's own terms; an ONNX file runs by itself
    #[value(name = "custom_model")]
    Custom,
    /// An MLflow model folder
    #[value(name = "mlflow_model")]
    Mlflow,
    /// A Triton model repository
    #[value(name = "triton_model")]
    Triton,
}

impl ModelType {
    fn word(self) -> &'static str {
        match self {
            Self::Custom => "custom_model",
            Self::Mlflow => "mlflow_model",
            Self::Triton => "triton_model",
        }
    }
}

impl ModelCommand {
    /// The file or folder on this machine that is to be inspected, and its type: that takes no workspace.
    pub fn local_inspection(&self) -> Option<(PathBuf, &'static str)> {
        let Self::Inspect { model, model_type } = self else { return None };
        let path = Path::new(model);
        path.exists().then(|| {
            let guess = if path.join("MLmodel").is_file() { ModelType::Mlflow } else { ModelType::Custom };
            (path.to_owned(), model_type.unwrap_or(guess).word())
        })
    }
}

/// Whether there is anything at a path that could be a model. A device or a pipe may never end.
///
/// # Errors
/// What is there instead.
pub fn check_readable(path: &Path) -> Result<(), CliError> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|e| CliError::failed(format!("{shown} cannot be read: {e}")))?;
    let give = "give an ONNX file, or a folder with a model";
    if !meta.is_dir() && !meta.is_file() {
        return Err(CliError::failed(format!("{shown} is a device, a pipe or a socket: {give}")));
    }
    if meta.is_file() && meta.len() == 0 {
        return Err(CliError::failed(format!("{shown} is empty: {give}")));
    }
    if meta.is_dir() {
        let mut entries =
            std::fs::read_dir(path).map_err(|e| CliError::failed(format!("the folder {shown} cannot be read: {e}")))?;
        if entries.next().is_none() {
            return Err(CliError::failed(format!("the folder {shown} is empty: {give}")));
        }
    }
    Ok(())
}

pub(super) async fn run(command: ModelCommand, session: &Session) -> Result<(), CliError> {
    match command {
        ModelCommand::Register(args) => register(session, args).await,
        ModelCommand::List { name: None, all } => list(session, all).await,
        ModelCommand::List { name: Some(name), all } => versions(session, &name, all).await,
        ModelCommand::Show { model } => show(session, &model).await,
        ModelCommand::Inspect { model, .. } => {
            let version = find(session, &model).await?;
            let name = name_of(&version);
            let report = session.workspace.inspect_model(&name, &version.name).await?;
            print_report(&report, session.output)
        }
        ModelCommand::Archive { model, restore } => archive(session, &model, restore).await,
    }
}

async fn register(session: &Session, args: RegisterArgs) -> Result<(), CliError> {
    let mut new = match &args.file {
        Some(file) => files::model(file)?,
        None => NewModel::default(),
    };
    new.name = args.name.or(new.name);
    new.version = args.version.or(new.version);
    new.description = args.description.or(new.description);
    if let Some(path) = args.path {
        new.path = path;
    }
    if let Some(model_type) = args.model_type {
        new.model_type = model_type.word().into();
    } else if new.model_type.is_empty() && new.path.join("MLmodel").is_file() {
        new.model_type = ModelType::Mlflow.word().into();
    }
    new.tags.extend(pairs(&args.tag)?);
    if let Some(Converted::Onnx) = args.convert {
        new.properties.insert(CONVERT.into(), "onnx".into());
    }
    new.properties.extend(args.environment.map(|environment| (CONVERT_ENVIRONMENT.to_owned(), environment)));
    if new.name.is_none() {
        return Err(CliError::usage("a registered model needs a name: give --name, or `name:` in the file"));
    }
    let what = new.path.display().to_string();
    let mut progress = progress::uploads();
    let model = session.workspace.register_model(&new, &mut |sent, total| progress(&what, sent, total)).await?;
    if !session.json() {
        print(&format!("registered {}:{}", one_line(&name_of(&model)), one_line(&model.name)))?;
        if let Some(note) = model.properties.properties.get(NOTE) {
            print(&one_line(note))?;
        }
    }
    let model = convert::follow(session, model).await?;
    if session.json() {
        print_json(&model)?;
    }
    convert::outcome(&model)
}

/// `NAME=VALUE` of each argument.
pub(super) fn pairs(arguments: &[String]) -> Result<BTreeMap<String, String>, CliError> {
    let read = |text: &String| {
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.trim().is_empty())?;
        Some((name.trim().to_owned(), value.to_owned()))
    };
    arguments
        .iter()
        .map(|text| read(text).ok_or_else(|| CliError::usage(format!("{text:?}: write NAME=VALUE"))))
        .collect()
}

async fn list(session: &Session, all: bool) -> Result<(), CliError> {
    let models = session.workspace.models(all).await?;
    asset::print_all(session, models, "no models yet: `mlconsole model register --name NAME --path FILE` uploads one")
}

async fn versions(session: &Session, name: &str, all: bool) -> Result<(), CliError> {
    let versions = session.workspace.model_versions(name, all).await?;
    let headings = ["NAME", ">VERSION", "TYPE", "CREATED", "DESCRIPTION"];
    asset::print_versions(session, AssetKind::Model, name, &versions, headings, |version| {
        let created = version.system_data.as_ref().map(|data| data.created_at.clone()).unwrap_or_default();
        [
            name_of(version),
            version.name.clone(),
            version.properties.model_type.clone(),
            created.split('.').next().unwrap_or_default().to_owned(),
            version.properties.description.clone().unwrap_or_default(),
        ]
    })
}

async fn show(session: &Session, model: &str) -> Result<(), CliError> {
    let model = find(session, model).await?;
    if session.json() {
        return print_json(&model);
    }
    let pairs = |map: &BTreeMap<String, String>| {
        map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("  ")
    };
    print(&facts(&[
        ("Name", name_of(&model)),
        ("Version", model.name.clone()),
        ("Type", model.properties.model_type.clone()),
        ("Description", model.properties.description.clone().unwrap_or_default()),
        ("Files", model.properties.model_uri.clone()),
        ("Flavors", model.properties.flavors.keys().cloned().collect::<Vec<_>>().join("  ")),
        ("Tags", pairs(&model.tags)),
        ("Tags", pairs(&model.properties.tags)),
        ("Conversion", model.properties.properties.get(CONVERSION_REPORT).cloned().unwrap_or_default()),
        ("Note", model.properties.properties.get(NOTE).cloned().unwrap_or_default()),
        ("Archived", if model.properties.is_archived { "yes".into() } else { String::new() }),
        ("Id", model.id.clone()),
    ]))
}

async fn archive(session: &Session, model: &str, restore: bool) -> Result<(), CliError> {
    if !model.contains(':') {
        return Err(CliError::usage(format!("{model:?} names no version: write NAME:VERSION")));
    }
    let model = find(session, model).await?;
    let changed = session.workspace.archive_model(&name_of(&model), &model.name, !restore).await?;
    if session.json() {
        return print_json(&changed);
    }
    let word = if restore { "restored" } else { "archived" };
    print(&format!("{word} {}:{}", one_line(&name_of(&model)), one_line(&model.name)))
}

/// A registered version by `NAME`, `NAME:VERSION`, `NAME@latest` or id.
async fn find(session: &Session, text: &str) -> Result<ModelVersion, CliError> {
    match wanted(text, AssetKind::Model)? {
        Wanted::Latest(name) => Ok(session.workspace.latest_model(&name).await?),
        Wanted::Exact(name, version) => Ok(session.workspace.model(&name, &version).await?),
    }
}

/// `name:version` of a model id; the content's first digits for an anonymous one; registry URIs as they are.
pub(super) fn short_reference(id: &str) -> String {
    let Ok(parsed) = ResourceId::parse(id) else { return id.to_owned() };
    match parsed.asset() {
        Some((_, name, version)) => shown_version(name, version),
        None => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_short_where_a_name_is_known() {
        let ws = "/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w";
        assert_eq!(short_reference(&format!("{ws}/models/m/versions/2")), "m:2");
        let hash = "ab".repeat(32);
        assert_eq!(short_reference(&format!("{ws}/models/{hash}/versions/1")), "(unnamed abababab)");
        let registry = "azureml://registries/azureml/models/m/versions/1";
        assert_eq!(short_reference(registry), registry);
    }

    #[test]
    fn tags_are_pairs() {
        assert_eq!(pairs(&["a=b=c".into()]).unwrap()["a"], "b=c");
        assert!(pairs(&["a".into()]).is_err() && pairs(&["=a".into()]).is_err());
    }
}
