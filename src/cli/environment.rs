//! `mlconsole environment …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::error::CliError;
use super::output::{Table, facts, many_lines, note, one_line, print, print_json};
use super::{Session, files};
use crate::client::NewEnvironment;
use crate::resources::EnvironmentVersion;
use crate::resources::ids::{AssetRef, AssetVersion, ResourceId};

/// Registered environments.
#[derive(Debug, Subcommand)]
pub enum EnvironmentCommand {
    /// Register an environment
    Register(RegisterArgs),
    /// All environments, or the versions of one
    List {
        /// Environment
        name: Option<String>,
    },
    /// One version
    Show {
        /// `NAME`, `NAME:VERSION` or `NAME@latest`
        environment: String,
    },
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
        EnvironmentCommand::List { name: None } => list(session).await,
        EnvironmentCommand::List { name: Some(name) } => versions(session, &name).await,
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
        let text = std::fs::read_to_string(conda)
            .map_err(|e| CliError::failed(format!("the conda file {} cannot be read: {e}", conda.display())))?;
        new.conda_file = Some(text);
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

async fn list(session: &Session) -> Result<(), CliError> {
    let environments = session.workspace.environments().await?;
    if session.json() {
        return print_json(&environments);
    }
    if environments.is_empty() {
        note("no environments yet: models in ONNX need none; `mlconsole environment register -f FILE` makes one");
        return Ok(());
    }
    let mut table = Table::new(&["NAME", ">LATEST", "DESCRIPTION"]);
    for environment in environments {
        let properties = environment.properties;
        table.row([
            environment.name,
            properties.latest_version.unwrap_or_else(|| "–".into()),
            properties.description.unwrap_or_default(),
        ]);
    }
    table.print()
}

async fn versions(session: &Session, name: &str) -> Result<(), CliError> {
    let versions = session.workspace.environment_versions(name).await?;
    if session.json() {
        return print_json(&versions);
    }
    let mut table = Table::new(&["NAME", ">VERSION", "IMAGE", "CONDA FILE"]);
    for version in &versions {
        table.row([
            name_of(version),
            version.name.clone(),
            version.properties.image.clone().unwrap_or_else(|| "–".into()),
            if version.properties.conda_file.is_some() { "yes".into() } else { "–".into() },
        ]);
    }
    if table.is_empty() {
        note(&format!("no versions of {}: `mlconsole environment list` shows the registered ones", one_line(name)));
        return Ok(());
    }
    table.print()
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
    let workspace = &session.workspace;
    if !text.contains([':', '@', '/']) {
        return Ok(workspace.latest_environment(text).await?);
    }
    match AssetRef::parse(text).map_err(|e| CliError::usage(e.to_string()))? {
        AssetRef::Named { name, version: AssetVersion::Exact(version) } => {
            Ok(workspace.environment(&name, &version).await?)
        }
        AssetRef::Named { name, version: AssetVersion::Label(label) } if label.eq_ignore_ascii_case("latest") => {
            Ok(workspace.latest_environment(&name).await?)
        }
        other => Err(CliError::usage(format!("{other}: write NAME, NAME:VERSION or NAME@latest"))),
    }
}

fn name_of(version: &EnvironmentVersion) -> String {
    ResourceId::parse(&version.id)
        .ok()
        .and_then(|id| id.asset().map(|(_, name, _)| name.to_owned()))
        .unwrap_or_default()
}
