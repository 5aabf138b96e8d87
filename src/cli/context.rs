//! `mlconsole context …`

use std::path::PathBuf;

use serde_json::{Value, json};

use super::OutputFormat;
use super::args::{Common, ContextCommand};
use super::error::CliError;
use super::output::{Table, facts, print, print_json};
use crate::config::{self, Config, Context, ContextKind};

/// Lists, shows and chooses contexts: that takes the configuration and no workspace.
///
/// # Errors
/// When the configuration is wrong, cannot be written, or knows no such context.
pub fn run(command: &ContextCommand, common: &Common) -> Result<(), CliError> {
    let config = Config::load(common.config.as_deref()).map_err(|e| CliError::usage(e.to_string()))?;
    let json = common.output == OutputFormat::Json;
    match command {
        ContextCommand::List => list(&config, json),
        ContextCommand::Use { name } => choose(&config, name, common.config.clone(), json),
        ContextCommand::Show { name } => {
            let wanted = name.as_deref().or(common.context.as_deref());
            let (name, context) = config.context(wanted).map_err(CliError::Usage)?;
            show(&config, name, context, json)
        }
    }
}

fn list(config: &Config, json: bool) -> Result<(), CliError> {
    if json {
        let all: Vec<Value> = config.contexts.iter().map(|(name, context)| as_json(config, name, context)).collect();
        return print_json(&all);
    }
    let mut table = Table::new(&["", "NAME", "WHERE", "ACCESS"]);
    for (name, context) in &config.contexts {
        let mark = if *name == config.current_context { "*" } else { "" };
        table.row([mark.to_owned(), name.clone(), place(config, context), context.access.word().to_owned()]);
    }
    table.print()
}

fn choose(config: &Config, name: &str, path: Option<PathBuf>, json: bool) -> Result<(), CliError> {
    config.context(Some(name)).map_err(CliError::Usage)?;
    let path = path
        .or_else(config::default_path)
        .ok_or_else(|| CliError::failed("there is no home folder to keep the configuration in: give --config"))?;
    config::set_current_context(&path, name)?;
    if json {
        return print_json(&json!({"name": name, "current": true}));
    }
    print(&format!("the current context is {name}"))
}

fn show(config: &Config, name: &str, context: &Context, json: bool) -> Result<(), CliError> {
    if json {
        return print_json(&as_json(config, name, context));
    }
    print(&facts(&[
        ("Name", name.to_owned()),
        ("Current", if name == config.current_context { "yes".into() } else { "no".into() }),
        ("Where", place(config, context)),
        ("Access", context.access.word().to_owned()),
    ]))
}

fn place(config: &Config, context: &Context) -> String {
    match &context.kind {
        ContextKind::Local { .. } => {
            let folder = config.data_dir(context).map_or_else(|| "–".into(), |dir| dir.display().to_string());
            format!("this machine, {folder}")
        }
        ContextKind::Azure { subscription_id, resource_group, workspace, cloud } => {
            format!("{cloud}, {subscription_id}/{resource_group}/{workspace}")
        }
    }
}

fn as_json(config: &Config, name: &str, context: &Context) -> Value {
    let mut object = json!({
        "name": name, "current": name == config.current_context, "access": context.access.word(),
    });
    match &context.kind {
        ContextKind::Local { .. } => {
            object["kind"] = json!("local");
            object["dataDir"] = json!(config.data_dir(context));
        }
        ContextKind::Azure { subscription_id, resource_group, workspace, cloud } => {
            object["kind"] = json!("azure");
            object["subscriptionId"] = json!(subscription_id);
            object["resourceGroup"] = json!(resource_group);
            object["workspace"] = json!(workspace);
            object["cloud"] = json!(cloud);
        }
    }
    object
}
