//! `mlconsole deployment …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use futures_util::StreamExt as _;

use super::error::CliError;
use super::now::Now;
use super::output::{facts, many_lines, note, one_line, print, print_json, print_json_line};
use super::{Session, confirm, files, progress};
use crate::client::ErrorKind;
use crate::resources::deployment::{ERROR, NOTE};
use crate::resources::{Deployment, LogLine, TrafficMap, Weight};

/// Deployments: models that run behind an endpoint.
#[derive(Debug, Subcommand)]
pub enum DeploymentCommand {
    /// Create a deployment from a file, or replace the one of that name; uploads what the file names
    Create {
        /// Azure CLI v2 YAML
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
        /// Endpoint to use instead of the file's
        #[arg(long, short)]
        endpoint: Option<String>,
        /// Name to use instead of the file's
        #[arg(long, short)]
        name: Option<String>,
        /// Change a value of the file: `--set instance_count=2`
        #[arg(long, value_name = "PATH=VALUE")]
        set: Vec<String>,
        /// Send it all traffic once it is ready
        #[arg(long)]
        all_traffic: bool,
    },
    /// Look at a deployment's file: whether script, model, environment and compute would work, without starting anything
    Check {
        /// Azure CLI v2 YAML
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
        /// Change a value of the file: `--set instance_count=2`
        #[arg(long, value_name = "PATH=VALUE")]
        set: Vec<String>,
    },
    /// Change a deployment; new instances are ready before old ones stop
    Update(UpdateArgs),
    /// One deployment
    Show(Which),
    /// The deployments of an endpoint
    List {
        /// Endpoint
        endpoint: String,
    },
    /// Delete a deployment; it finishes the requests it has
    Delete(Which),
    /// Print the log
    Logs(LogArgs),
    /// Change the number of instances
    Scale {
        #[command(flatten)]
        which: Which,
        /// Instances, 0 to 50
        instances: u32,
    },
    /// Exchange its instances for new ones; the new are ready before the old stop
    Restart(Which),
}

/// A deployment by endpoint and name.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Endpoint
    endpoint: String,
    /// Deployment
    name: String,
}

/// Flags of `deployment update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Endpoint; the file's by default
    #[arg(required_unless_present = "file")]
    endpoint: Option<String>,
    /// Deployment; the file's by default
    #[arg(required_unless_present = "file")]
    name: Option<String>,
    /// Azure CLI v2 YAML: replaces what the deployment was
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Change one value: `--set request_settings.request_timeout_ms=3000`
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

/// Flags of `deployment logs`.
#[derive(Debug, Args)]
pub struct LogArgs {
    #[command(flatten)]
    which: Which,
    /// Go on with new lines as they are written, until ctrl-c
    #[arg(long, short)]
    follow: bool,
    /// Whose: the model's, or those of bringing it here
    #[arg(long, short, value_name = "NAME", value_parser = ["inference-server", "storage-initializer"])]
    container: Option<String>,
    /// So many of the last lines
    #[arg(long, short = 'n', alias = "lines", default_value_t = 100)]
    tail: u32,
}

impl DeploymentCommand {
    /// Whether it changes something.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::Show(_) | Self::List { .. } | Self::Logs(_) | Self::Check { .. })
    }

    /// Whether it follows an operation, or a log.
    pub(super) fn follows(&self) -> bool {
        !matches!(self, Self::Show(_) | Self::List { .. } | Self::Check { .. })
    }
}

pub(super) async fn run(command: DeploymentCommand, session: &Session) -> Result<(), CliError> {
    match command {
        DeploymentCommand::Create { file, endpoint, name, set, all_traffic } => {
            let deployment = put_file(session, &file, endpoint, name, &set, "create").await?;
            if all_traffic {
                give_all_traffic(session, &deployment).await?;
            }
            shown(session, deployment.endpoint_name(), &deployment.name).await
        }
        DeploymentCommand::Check { file, set } => super::check::run(session, &file, &set).await,
        DeploymentCommand::Update(args) => update(session, args).await,
        DeploymentCommand::Show(which) => shown(session, &which.endpoint, &which.name).await,
        DeploymentCommand::List { endpoint } => list(session, &endpoint).await,
        DeploymentCommand::Delete(which) => delete(session, &which).await,
        DeploymentCommand::Logs(args) => logs(session, &args).await,
        DeploymentCommand::Scale { which, instances } => {
            let pending = session.workspace.scale(&which.endpoint, &which.name, instances).await?;
            progress::follow(session, pending, &format!("scale deployment {}", which.name)).await?;
            shown(session, &which.endpoint, &which.name).await
        }
        DeploymentCommand::Restart(which) => {
            let pending = session.workspace.restart(&which.endpoint, &which.name).await?;
            progress::follow(session, pending, &format!("restart deployment {}", which.name)).await?;
            shown(session, &which.endpoint, &which.name).await
        }
    }
}

async fn put_file(
    session: &Session,
    file: &Path,
    endpoint: Option<String>,
    name: Option<String>,
    set: &[String],
    verb: &str,
) -> Result<Deployment, CliError> {
    let mut plan = files::deployment(file, set)?;
    if let Some(endpoint) = endpoint {
        plan.endpoint_name = endpoint;
    }
    if let Some(name) = name {
        plan.name = name;
    }
    // Before anything is uploaded: the endpoint must be there.
    let parent = session.workspace.endpoint(&plan.endpoint_name).await.map_err(|error| match error.kind {
        ErrorKind::NotFound => CliError::failed(format!(
            "there is no endpoint {0} yet: create it first, with `mlconsole endpoint create --name {0}`",
            one_line(&plan.endpoint_name)
        )),
        _ => error.into(),
    })?;
    let deployment = files::prepare(session, &plan).await?;
    put(session, &parent.name, &deployment, verb).await
}

async fn put(session: &Session, endpoint: &str, deployment: &Deployment, verb: &str) -> Result<Deployment, CliError> {
    let pending = session.workspace.put_deployment(endpoint, deployment).await?;
    let what = format!("{verb} deployment {}", deployment.name);
    if let Err(error) = progress::follow(session, pending, &what).await {
        note(&format!("its log: `mlconsole deployment logs {endpoint} {}`", one_line(&deployment.name)));
        return Err(error);
    }
    Ok(session.workspace.deployment(endpoint, &deployment.name).await?)
}

async fn give_all_traffic(session: &Session, deployment: &Deployment) -> Result<(), CliError> {
    let endpoint = deployment.endpoint_name();
    let traffic = TrafficMap::from([(deployment.name.clone(), Weight::FULL)]);
    let pending = session.workspace.set_traffic(endpoint, &traffic, None).await?;
    progress::follow(session, pending, &format!("send all traffic of {endpoint} to {}", deployment.name)).await?;
    Ok(())
}

async fn update(session: &Session, args: UpdateArgs) -> Result<(), CliError> {
    if let Some(file) = &args.file {
        let deployment = put_file(session, file, args.endpoint, args.name, &args.set, "update").await?;
        return shown(session, deployment.endpoint_name(), &deployment.name).await;
    }
    if args.set.is_empty() {
        return Err(CliError::usage("nothing to change: give --file or --set"));
    }
    let (endpoint, name) = (args.endpoint.unwrap_or_default(), args.name.unwrap_or_default());
    let existing = session.workspace.deployment(&endpoint, &name).await?;
    let changed = files::change_deployment(session, &existing, &args.set).await?;
    put(session, &endpoint, &changed, "update").await?;
    shown(session, &endpoint, &name).await
}

async fn shown(session: &Session, endpoint: &str, name: &str) -> Result<(), CliError> {
    let deployment = session.workspace.deployment(endpoint, name).await?;
    if session.json() {
        return print_json(&deployment);
    }
    let properties = &deployment.properties;
    let settings = properties.request_settings.clone().unwrap_or_default();
    let now = Now::of(session, endpoint).await;
    print(&facts(&[
        ("Name", deployment.name.clone()),
        ("Endpoint", endpoint.to_owned()),
        ("State", format!("{:?}", properties.provisioning_state)),
        ("Description", properties.description.clone().unwrap_or_default()),
        ("Model", properties.model.as_deref().map(super::model::short_reference).unwrap_or_default()),
        ("Script", properties.code_configuration.as_ref().map(|c| c.scoring_script.clone()).unwrap_or_default()),
        ("Environment", properties.environment_id.as_deref().map(super::model::short_reference).unwrap_or_default()),
        ("Instances", now.instances(&deployment)),
        ("Trouble", now.trouble(name).unwrap_or_default()),
        ("Instance type", properties.instance_type.clone().unwrap_or_default()),
        (
            "Limits",
            format!(
                "{} at once an instance, {} ms a request",
                settings.max_concurrent_requests_per_instance,
                settings.request_timeout.as_millis()
            ),
        ),
        ("Failed", properties.properties.get(ERROR).cloned().unwrap_or_default()),
        ("Note", properties.properties.get(NOTE).cloned().unwrap_or_default()),
    ]))
}

async fn list(session: &Session, endpoint: &str) -> Result<(), CliError> {
    let deployments = session.workspace.deployments(endpoint).await?;
    if session.json() {
        return print_json(&deployments);
    }
    if deployments.is_empty() {
        note(&format!(
            "endpoint {} has no deployments: `mlconsole deployment create -f deployment.yml` makes one",
            one_line(endpoint)
        ));
        return Ok(());
    }
    let endpoint = session.workspace.endpoint(endpoint).await?;
    let now = Now::of(session, &endpoint.name).await;
    print(&super::endpoint::deployment_table(&endpoint, &deployments, &now))?;
    now.tell_troubles();
    Ok(())
}

async fn delete(session: &Session, which: &Which) -> Result<(), CliError> {
    let deployment = session.workspace.deployment(&which.endpoint, &which.name).await?;
    confirm::by_typing(&deployment.name, "deletes the deployment", session.yes)?;
    let pending = session.workspace.delete_deployment(&which.endpoint, &which.name).await?;
    progress::follow(session, pending, &format!("delete deployment {}", which.name)).await?;
    note(&format!("deployment {} is deleted", deployment.name));
    if session.json() {
        let endpoint = deployment.endpoint_name();
        return print_json(&serde_json::json!({"endpoint": endpoint, "name": deployment.name, "deleted": true}));
    }
    Ok(())
}

async fn logs(session: &Session, args: &LogArgs) -> Result<(), CliError> {
    let (endpoint, name, container) = (&args.which.endpoint, &args.which.name, args.container.as_deref());
    if !args.follow {
        let text = session.workspace.logs(endpoint, name, container, args.tail).await?;
        if session.json() {
            return print_json(&serde_json::json!({ "content": text }));
        }
        return print(&many_lines(text.trim_end()));
    }
    let asked_before = session.interrupts.so_far();
    let mut feed = session.workspace.follow_logs(endpoint, name, container, args.tail).await?;
    loop {
        let line = tokio::select! {
            line = feed.next() => line,
            () = session.interrupts.reached(asked_before + 1) => return Ok(()),
        };
        match line {
            Some(line) => print_line(session, &line?)?,
            None => return Err(CliError::failed("the log ended: the workspace stopped, or the deployment is gone")),
        }
    }
}

fn print_line(session: &Session, line: &LogLine) -> Result<(), CliError> {
    if session.json() {
        return print_json_line(line);
    }
    if line.dropped > 0 {
        print(&format!("… {} lines were written faster than they could be sent …", line.dropped))?;
    }
    if line.raw {
        return print(&one_line(&line.text));
    }
    let instance = line.instance.map(|i| format!(" [{i}]")).unwrap_or_default();
    let level = if line.level == "info" { String::new() } else { format!(" {}:", one_line(&line.level)) };
    print(&format!("{}{instance}{level} {}", super::output::time(line.at_ms), one_line(&line.text)))
}
