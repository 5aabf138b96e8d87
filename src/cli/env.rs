//! `mlconsole env`: the variables that point the Azure ML Python SDK at a workspace (reference §1.1).

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::args::EnvArgs;
use super::error::CliError;
use super::output::{print, print_json};
use crate::resources::Connection;

/// How to write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EnvFormat {
    /// `export NAME='value'`, for sh, bash, zsh
    Sh,
    /// One JSON object
    Json,
    /// `NAME="value"`, for .env files
    Dotenv,
    /// `set -gx NAME 'value'`
    Fish,
    /// `$env:NAME = 'value'`
    Powershell,
}

pub(super) fn run(args: &EnvArgs, json: bool, connection: &Connection) -> Result<(), CliError> {
    let variables = variables(connection);
    let format = args.format.unwrap_or(if json { EnvFormat::Json } else { EnvFormat::Sh });
    if format == EnvFormat::Json {
        let object: Map<String, Value> = variables.into_iter().map(|(k, v)| (k.to_owned(), Value::from(v))).collect();
        return print_json(&object);
    }
    let lines: Vec<String> = variables.iter().map(|(name, value)| line(format, name, value)).collect();
    print(&lines.join("\n"))
}

/// Name and value of each variable.
fn variables(connection: &Connection) -> Vec<(&'static str, String)> {
    vec![
        ("ARM_CLOUD_METADATA_URL", format!("{}/metadata/endpoints?api-version=2019-05-01", connection.base_url)),
        ("REQUESTS_CA_BUNDLE", connection.ca_file.display().to_string()),
        ("IDENTITY_ENDPOINT", connection.identity_endpoint.clone()),
        ("IDENTITY_HEADER", connection.identity_header.clone()),
        ("AZURE_SUBSCRIPTION_ID", connection.subscription_id.clone()),
        ("AZURE_RESOURCE_GROUP", connection.resource_group.clone()),
        ("AZURE_WORKSPACE", connection.workspace.clone()),
    ]
}

fn line(format: EnvFormat, name: &str, value: &str) -> String {
    match format {
        // Within single quotes only the quote itself means something to a POSIX shell.
        EnvFormat::Sh | EnvFormat::Json => format!("export {name}='{}'", value.replace('\'', r"'\''")),
        EnvFormat::Dotenv => {
            format!("{name}=\"{}\"", value.replace('\\', r"\\").replace('"', "\\\"").replace('$', r"\$"))
        }
        EnvFormat::Fish => format!("set -gx {name} '{}'", value.replace('\\', r"\\").replace('\'', r"\'")),
        EnvFormat::Powershell => format!("$env:{name} = '{}'", value.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_folder_name_stays_a_value() {
        let name = "/tmp/it's $HOME \"x\" \\";
        assert_eq!(line(EnvFormat::Sh, "A", name), r#"export A='/tmp/it'\''s $HOME "x" \'"#);
        assert_eq!(line(EnvFormat::Dotenv, "A", name), r#"A="/tmp/it's \$HOME \"x\" \\""#);
        assert_eq!(line(EnvFormat::Fish, "A", name), r#"set -gx A '/tmp/it\'s $HOME "x" \\'"#);
        assert_eq!(line(EnvFormat::Powershell, "A", name), r#"$env:A = '/tmp/it''s $HOME "x" \'"#);
    }
}
