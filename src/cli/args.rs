//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::deployment::DeploymentCommand;
use super::endpoint::EndpointCommand;
use super::env::EnvFormat;
use super::environment::EnvironmentCommand;
use super::load::LoadArgs;
use super::model::ModelCommand;
use super::operation::OperationCommand;
use super::traffic::TrafficCommand;

/// The operations console for machine-learning online endpoints.
///
/// Without a command: the console, on the local workspace unless a context says otherwise.
#[derive(Debug, Parser)]
#[command(name = "mlconsole", version, about, max_term_width = 120)]
#[command(after_help = "Exit codes: 0 done, 1 failed (the message says why and what to do), 2 wrong usage.")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// A throw-away local workspace with the restaurant recommender, blue and green, under live traffic
    #[arg(long)]
    pub demo: bool,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags every command knows.
#[derive(Debug, Clone, ClapArgs)]
pub struct Common {
    /// Workspace to work on, by its name in the configuration; `local` is the local one
    #[arg(long, global = true, value_name = "NAME", env = "MLCONSOLE_CONTEXT")]
    pub context: Option<String>,
    /// Folder of the local workspace [env: MLCONSOLE_DATA_DIR=, for the context `local`]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE", env = "MLCONSOLE_CONFIG")]
    pub config: Option<PathBuf>,
    /// How results are printed
    #[arg(long, short, global = true, value_enum, default_value_t)]
    pub output: OutputFormat,
    /// Do not ask before something that cannot be undone
    #[arg(long, short, global = true)]
    pub yes: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// For people
    #[default]
    Table,
    /// The resources of the API
    Json,
}

/// What can be done from the command line.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the local workspace without a screen, until ctrl-c or SIGTERM
    Serve(ServeArgs),
    /// Print the variables that point the Azure ML Python SDK at the workspace
    Env(EnvArgs),
    /// Endpoints: addresses with credentials and a traffic split
    #[command(subcommand)]
    Endpoint(EndpointCommand),
    /// Deployments: models that run behind an endpoint
    #[command(subcommand)]
    Deployment(DeploymentCommand),
    /// Who answers an endpoint's requests
    #[command(subcommand)]
    Traffic(TrafficCommand),
    /// Registered models
    #[command(subcommand)]
    Model(ModelCommand),
    /// Registered environments
    #[command(subcommand)]
    Environment(EnvironmentCommand),
    /// What is being done, and what was
    #[command(subcommand)]
    Operation(OperationCommand),
    /// Send requests at a steady rate and measure
    Load(LoadArgs),
    /// Workspaces to choose from
    #[command(subcommand)]
    Context(ContextCommand),
    /// Print a completion script
    Completions {
        /// Shell to complete in
        shell: clap_complete::Shell,
    },
}

/// What a command works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing but itself.
    Nothing,
    /// A workspace that goes on after the command.
    RunningWorkspace,
    /// A workspace: one that runs, or one started for the length of the command.
    Workspace,
}

impl Command {
    /// What it works with.
    pub fn need(&self) -> Need {
        match self {
            Self::Serve(_) | Self::Context(_) | Self::Completions { .. } => Need::Nothing,
            Self::Model(command) if command.local_inspection().is_some() => Need::Nothing,
            Self::Env(_) => Need::RunningWorkspace,
            _ => Need::Workspace,
        }
    }

    /// Whether it changes anything in the workspace.
    pub(super) fn changes(&self) -> bool {
        match self {
            Self::Endpoint(command) => command.changes(),
            Self::Deployment(command) => command.changes(),
            Self::Traffic(command) => !matches!(command, TrafficCommand::Show { .. } | TrafficCommand::History { .. }),
            Self::Model(command) => matches!(command, ModelCommand::Register(_) | ModelCommand::Archive { .. }),
            Self::Environment(command) => command.changes(),
            Self::Operation(command) => matches!(command, OperationCommand::Cancel { .. }),
            _ => false,
        }
    }

    /// Whether it deals with the first ctrl-c itself.
    pub(super) fn handles_interrupt(&self) -> bool {
        match self {
            Self::Load(_) | Self::Traffic(_) => true,
            Self::Endpoint(command) => command.changes(),
            Self::Deployment(command) => command.follows(),
            _ => false,
        }
    }
}

/// Flags of `serve`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ServeArgs {
    /// Address to answer on; by default 127.0.0.1:8443, or any free port when that is taken
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Written, as one JSON object, once the workspace answers
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Also score over plain http, for tools that know no private CA; loopback only
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    pub plain_http: Option<SocketAddr>,
    /// An own address for scoring, for other machines
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub scoring_listen: Option<SocketAddr>,
}

/// Flags of `env`.
#[derive(Debug, Clone, ClapArgs)]
pub struct EnvArgs {
    /// How to write them; `sh` by default, `json` with `--output json`
    #[arg(long, value_enum)]
    pub format: Option<EnvFormat>,
}

/// Workspaces to choose from.
#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// All contexts; the current one is marked
    List,
    /// Make a context the current one
    Use {
        /// Its name
        name: String,
    },
    /// What a context says
    Show {
        /// Its name; the current one by default
        name: Option<String>,
    },
}
