//! `mlconsole endpoint …`

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use serde_json::json;

use super::error::CliError;
use super::now::Now;
use super::output::{Table, facts, note, print, print_json, traffic_text};
use super::{Session, confirm, files, invoke, progress};
use crate::client::KeyKind;
use crate::resources::{AuthMode, Deployment, Endpoint};

/// Endpoints: addresses with credentials and a traffic split.
#[derive(Debug, Subcommand)]
pub enum EndpointCommand {
    /// Create an endpoint by its name, or from a file, which replaces the one of that name
    Create(CreateArgs),
    /// Change an endpoint
    Update(UpdateArgs),
    /// One endpoint with its deployments
    Show {
        /// Endpoint
        name: String,
    },
    /// All endpoints
    List,
    /// Delete an endpoint with all its deployments
    Delete {
        /// Endpoint
        name: String,
    },
    /// Send one request and print the answer
    Invoke(invoke::InvokeArgs),
    /// Print the keys
    Keys {
        /// Endpoint
        name: String,
        /// The primary key alone, for scripts
        #[arg(long)]
        raw: bool,
    },
    /// Replace a key; callers that use the old one are refused from then on
    RegenerateKeys {
        /// Endpoint
        name: String,
        /// Which one
        #[arg(long, value_enum, default_value_t)]
        key_type: KeyType,
    },
    /// Print a token for scoring
    Token {
        /// Endpoint
        name: String,
    },
}

/// Flags of `endpoint create`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("file or name").args(["file", "name"]).required(true).multiple(true)))]
pub struct CreateArgs {
    /// Azure CLI v2 YAML
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Name, instead of the file's
    #[arg(long, short)]
    name: Option<String>,
    /// What callers show, where there is no file
    #[arg(long, value_enum, conflicts_with = "file", default_value_t)]
    auth_mode: Mode,
    /// Change a value of the file: `--set description="new text"`
    #[arg(long, value_name = "PATH=VALUE", requires = "file")]
    set: Vec<String>,
}

/// What callers show, by the names of Azure's YAML.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Mode {
    #[default]
    Key,
    AmlToken,
    AadToken,
}

impl From<Mode> for AuthMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Key => Self::Key,
            Mode::AmlToken => Self::AMLToken,
            Mode::AadToken => Self::AADToken,
        }
    }
}

/// Flags of `endpoint update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Endpoint; the file's by default
    #[arg(required_unless_present = "file")]
    name: Option<String>,
    /// Azure CLI v2 YAML: replaces what the endpoint was
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Change one value: `--set tags.team=x`
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Change the traffic: `--traffic blue=90 green=10`
    #[arg(long, value_name = "NAME=PERCENT", num_args = 1..)]
    traffic: Vec<String>,
}

/// Which of the two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum KeyType {
    /// The first
    #[default]
    Primary,
    /// The second
    Secondary,
}

impl EndpointCommand {
    /// Whether it changes something; then it also follows an operation.
    pub(super) fn changes(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::Update(_) | Self::Delete { .. } | Self::RegenerateKeys { .. })
    }
}

pub(super) async fn run(command: EndpointCommand, session: &Session) -> Result<(), CliError> {
    match command {
        EndpointCommand::Create(args) => create(session, args).await,
        EndpointCommand::Update(args) => update(session, args).await,
        EndpointCommand::Show { name } => show(session, &name).await,
        EndpointCommand::List => list(session).await,
        EndpointCommand::Delete { name } => delete(session, &name).await,
        EndpointCommand::Invoke(args) => invoke::run(args, session).await,
        EndpointCommand::Keys { name, raw } => keys(session, &name, raw).await,
        EndpointCommand::RegenerateKeys { name, key_type } => regenerate(session, &name, key_type).await,
        EndpointCommand::Token { name } => token(session, &name).await,
    }
}

async fn create(session: &Session, args: CreateArgs) -> Result<(), CliError> {
    let mut endpoint = match &args.file {
        Some(file) => files::endpoint(session, file, &args.set)?,
        None => {
            let mut endpoint = Endpoint::default();
            endpoint.properties.auth_mode = args.auth_mode.into();
            endpoint
        }
    };
    if let Some(name) = args.name {
        endpoint.name = name;
    }
    let (endpoint, existing) = session.workspace.prepare_endpoint(endpoint).await?;
    if existing.is_some() && args.file.is_none() {
        let next = format!("`mlconsole endpoint update {} --set …` changes it", endpoint.name);
        return Err(CliError::failed(format!("there is an endpoint {} already: {next}", endpoint.name)));
    }
    let verb = if existing.is_some() { "update" } else { "create" };
    put(session, &endpoint, existing.and_then(|e| e.etag), verb).await
}

async fn update(session: &Session, args: UpdateArgs) -> Result<(), CliError> {
    if args.file.is_none() && args.set.is_empty() && args.traffic.is_empty() {
        return Err(CliError::usage("nothing to change: give --file, --set or --traffic"));
    }
    let (mut endpoint, etag) = match &args.file {
        Some(file) => {
            let mut endpoint = files::endpoint(session, file, &args.set)?;
            if let Some(name) = args.name {
                endpoint.name = name;
            }
            match session.workspace.prepare_endpoint(endpoint).await? {
                (endpoint, Some(existing)) => (endpoint, existing.etag),
                (endpoint, None) => {
                    let next = "`mlconsole endpoint create -f` makes it";
                    return Err(CliError::failed(format!("there is no endpoint {} yet: {next}", endpoint.name)));
                }
            }
        }
        None => {
            let existing = session.workspace.endpoint(&args.name.unwrap_or_default()).await?;
            let etag = existing.etag.clone();
            (files::change_endpoint(session, &existing, &args.set)?, etag)
        }
    };
    if !args.traffic.is_empty() {
        endpoint.properties.traffic = super::traffic::parse_weights(&args.traffic)?;
    }
    put(session, &endpoint, etag, "update").await
}

async fn put(session: &Session, endpoint: &Endpoint, etag: Option<String>, verb: &str) -> Result<(), CliError> {
    let what = format!("{verb} endpoint {}", endpoint.name);
    let pending = session.workspace.put_endpoint(endpoint, etag.as_deref()).await?;
    progress::follow(session, pending, &what).await?;
    show(session, &endpoint.name).await
}

async fn show(session: &Session, name: &str) -> Result<(), CliError> {
    let endpoint = session.workspace.endpoint(name).await?;
    if session.json() {
        return print_json(&endpoint);
    }
    let properties = &endpoint.properties;
    let tags: Vec<String> = endpoint.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    print(&facts(&[
        ("Name", endpoint.name.clone()),
        ("State", format!("{:?}", properties.provisioning_state)),
        ("Description", properties.description.clone().unwrap_or_default()),
        ("Auth", auth(properties.auth_mode).into()),
        ("Compute", properties.compute.clone().unwrap_or_default()),
        ("Scoring URI", properties.scoring_uri.clone().unwrap_or_default()),
        ("Traffic", traffic_text(&properties.traffic)),
        ("Mirror", traffic_text(&properties.mirror_traffic)),
        ("Tags", tags.join("  ")),
    ]))?;
    let deployments = session.workspace.deployments(name).await?;
    if deployments.is_empty() {
        return Ok(());
    }
    let now = Now::of(session, name).await;
    print(&format!("\n{}", deployment_table(&endpoint, &deployments, &now)))?;
    now.tell_troubles();
    Ok(())
}

/// Deployments with their weights.
pub(super) fn deployment_table(endpoint: &Endpoint, deployments: &[Deployment], now: &Now) -> String {
    let mut table = Table::new(&["DEPLOYMENT", "STATE", ">TRAFFIC %", ">MIRROR %", ">INSTANCES", "TYPE", "MODEL"]);
    for deployment in deployments {
        let weight = |map: &crate::resources::TrafficMap| {
            map.iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&deployment.name))
                .map_or_else(|| "0".to_owned(), |(_, weight)| weight.to_string())
        };
        table.row([
            deployment.name.clone(),
            format!("{:?}", deployment.properties.provisioning_state),
            weight(&endpoint.properties.traffic),
            weight(&endpoint.properties.mirror_traffic),
            now.instances(deployment),
            deployment.properties.instance_type.clone().unwrap_or_default(),
            deployment.properties.model.as_deref().map(super::model::short_reference).unwrap_or_default(),
        ]);
    }
    table.render()
}

async fn list(session: &Session) -> Result<(), CliError> {
    let endpoints = session.workspace.endpoints().await?;
    if session.json() {
        return print_json(&endpoints);
    }
    if endpoints.is_empty() {
        note("no endpoints yet: `mlconsole endpoint create --name NAME` makes one");
    }
    let mut table = Table::new(&["NAME", "STATE", "AUTH", "TRAFFIC", "SCORING URI"]);
    for endpoint in endpoints {
        table.row([
            endpoint.name,
            format!("{:?}", endpoint.properties.provisioning_state),
            auth(endpoint.properties.auth_mode).into(),
            traffic_text(&endpoint.properties.traffic),
            endpoint.properties.scoring_uri.unwrap_or_else(|| "–".into()),
        ]);
    }
    if table.is_empty() { Ok(()) } else { table.print() }
}

async fn delete(session: &Session, name: &str) -> Result<(), CliError> {
    // Asking about something that is not there would be a joke at the user's cost.
    let endpoint = session.workspace.endpoint(name).await?;
    confirm::by_typing(&endpoint.name, "deletes the endpoint with all its deployments", session.yes)?;
    let pending = session.workspace.delete_endpoint(name).await?;
    progress::follow(session, pending, &format!("delete endpoint {name}")).await?;
    note(&format!("endpoint {} is deleted", endpoint.name));
    if session.json() { print_json(&json!({"name": endpoint.name, "deleted": true})) } else { Ok(()) }
}

async fn keys(session: &Session, name: &str, raw: bool) -> Result<(), CliError> {
    if session.workspace.endpoint(name).await?.properties.auth_mode != AuthMode::Key {
        return Err(CliError::failed(format!(
            "endpoint {name} is opened by tokens, not by keys: `mlconsole endpoint token {name}` prints one"
        )));
    }
    let keys = session.workspace.keys(name).await?;
    if raw {
        return print(&keys.primary_key);
    }
    if session.json() {
        return print_json(&keys);
    }
    print(&facts(&[("Primary", keys.primary_key), ("Secondary", keys.secondary_key)]))
}

async fn regenerate(session: &Session, name: &str, which: KeyType) -> Result<(), CliError> {
    let (which, word) = match which {
        KeyType::Primary => (KeyKind::Primary, "primary"),
        KeyType::Secondary => (KeyKind::Secondary, "secondary"),
    };
    if !session.yes {
        let what = format!("replaces the {word} key: callers that use it are refused from then on");
        confirm::by_typing(name, &what, false)?;
    }
    let pending = session.workspace.regenerate_key(name, which).await?;
    progress::follow(session, pending, &format!("regenerate the {word} key of {name}")).await?;
    note(&format!("the {word} key of {name} is new: `mlconsole endpoint keys {name}` prints it"));
    if session.json() { print_json(&json!({"name": name, "regenerated": word})) } else { Ok(()) }
}

async fn token(session: &Session, name: &str) -> Result<(), CliError> {
    let endpoint = session.workspace.endpoint(name).await?;
    match endpoint.properties.auth_mode {
        AuthMode::Key => Err(CliError::failed(format!(
            "endpoint {name} is opened by keys, not by tokens: `mlconsole endpoint keys {name}` prints them"
        ))),
        AuthMode::AMLToken => {
            let token = session.workspace.token(name).await?;
            if session.json() { print_json(&token) } else { print(&token.access_token) }
        }
        AuthMode::AADToken => {
            let token = session.workspace.aad_token().await?;
            if session.json() { print_json(&json!({"accessToken": token})) } else { print(&token) }
        }
    }
}

fn auth(mode: AuthMode) -> &'static str {
    match mode {
        AuthMode::Key => "key",
        AuthMode::AMLToken => "aml_token",
        AuthMode::AADToken => "aad_token",
    }
}
