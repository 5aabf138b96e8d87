//! `mlconsole environment …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::asset::{Wanted, name_of, wanted};
use super::built::{self, BuildArgs};
use super::error::CliError;
use super::output::{facts, many_lines, one_line, print, print_json};
use super::{Session, asset, files};
use crate::client::NewEnvironment;
use crate::resources::EnvironmentVersion;
use crate::resources::ids::AssetKind;
use crate::resources::yaml::Conda;

/// Registered environments.
#[derive(Debug, Subcommand)]
pub enum EnvironmentCommand {
    /// Register an environment
    Register(RegisterArgs),
    /// All environments, or the versions of one
    List {
        /// Environment
        name: Option<String>,
        /// Archived ones too, and those that never got a name
        #[arg(long)]
        all: bool,
        /// Those that were built on this machine, with size, last use and users
        #[arg(long, conflicts_with_all = ["name", "all"])]
        built: bool,
    },
    /// One version
    Show {
        /// `NAME`, `NAME:VERSION` or `NAME@latest`
        environment: String,
    },
    /// Build one for Python on this machine, ahead of the deployment that needs it
    Build(BuildArgs),
    /// Remove built environments that no deployment uses, the least recently used first
    Clean {
        /// Only these: their keys, as `environment list --built` prints them
        keys: Vec<String>,
        /// Only those that were not used for so many days
        #[arg(long, value_name = "DAYS", conflicts_with = "keys")]
        unused_for: Option<u32>,
    },
    /// Install uv, which builds environments many times faster than pip, into the workspace's folder
    InstallUv,
}

impl EnvironmentCommand {
    /// Whether it changes something.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::List { .. } | Self::Show { .. })
    }
}

/// Flags of `environment register`.
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
    /// Container image
    #[arg(long)]
    image: Option<String>,
    /// Conda file
    #[arg(long, value_name = "FILE")]
    conda_file: Option<PathBuf>,
    /// In a few words
    #[arg(long)]
    description: Option<String>,
}

pub(super) async fn run(command: EnvironmentCommand, session: &Session) -> Result<(), CliError> {
    match command {
        EnvironmentCommand::Register(args) => register(session, args).await,
        EnvironmentCommand::List { built: true, .. } => built::list(session).await,
        EnvironmentCommand::List { name: None, all, .. } => list(session, all).await,
        EnvironmentCommand::List { name: Some(name), all, .. } => versions(session, &name, all).await,
        EnvironmentCommand::Build(args) => built::build(session, args).await,
        EnvironmentCommand::Clean { keys, unused_for } => built::clean(session, keys, unused_for).await,
        EnvironmentCommand::InstallUv => built::install_uv(session).await,
        EnvironmentCommand::Show { environment } => show(session, &environment).await,
    }
}

async fn register(session: &Session, args: RegisterArgs) -> Result<(), CliError> {
    let mut new = match &args.file {
        Some(file) => files::environment(session, file).await?,
        None => NewEnvironment::default(),
    };
    new.name = args.name.or(new.name);
    new.version = args.version.or(new.version);
    new.image = args.image.or(new.image);
    new.description = args.description.or(new.description);
    if let Some(conda) = &args.conda_file {
        new.conda_file = Some(Conda::File(conda.clone()).text()?);
    }
    if new.name.is_none() {
        return Err(CliError::usage("a registered environment needs a name: give --name, or `name:` in the file"));
    }
    let environment = session.workspace.register_environment(&new).await?;
    if session.json() {
        return print_json(&environment);
    }
    print(&format!("registered {}:{}", one_line(&name_of(&environment)), one_line(&environment.name)))
}

async fn list(session: &Session, all: bool) -> Result<(), CliError> {
    let environments = session.workspace.environments(all).await?;
    let none = "no environments yet: models in ONNX need none; `mlconsole environment register -f FILE` makes one";
    asset::print_all(session, environments, none)
}

async fn versions(session: &Session, name: &str, all: bool) -> Result<(), CliError> {
    let versions = session.workspace.environment_versions(name, all).await?;
    let headings = ["NAME", ">VERSION", "IMAGE", "CONDA FILE"];
    asset::print_versions(session, AssetKind::Environment, name, &versions, headings, |version| {
        [
            name_of(version),
            version.name.clone(),
            version.properties.image.clone().unwrap_or_else(|| "–".into()),
            if version.properties.conda_file.is_some() { "yes".into() } else { "–".into() },
        ]
    })
}

async fn show(session: &Session, text: &str) -> Result<(), CliError> {
    let environment = find(session, text).await?;
    if session.json() {
        return print_json(&environment);
    }
    let properties = &environment.properties;
    let json = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    print(&facts(&[
        ("Name", name_of(&environment)),
        ("Version", environment.name.clone()),
        ("Description", properties.description.clone().unwrap_or_default()),
        ("Image", properties.image.clone().unwrap_or_default()),
        ("Build", json(&properties.build)),
        ("Routes", json(&properties.inference_config)),
        ("Id", environment.id.clone()),
    ]))?;
    match &properties.conda_file {
        Some(conda) => print(&format!("\n{}", many_lines(conda.trim_end()))),
        None => Ok(()),
    }
}

async fn find(session: &Session, text: &str) -> Result<EnvironmentVersion, CliError> {
    match wanted(text, AssetKind::Environment)? {
        Wanted::Latest(name) => Ok(session.workspace.latest_environment(&name).await?),
        Wanted::Exact(name, version) => Ok(session.workspace.environment(&name, &version).await?),
    }
}
