//! Lines to copy: into a shell, into a program. None holds a secret.

use super::{Item, resource};
use crate::console::answer::recipe::{Recipe, quote};
use crate::console::app::model::Model;
use crate::resources::AuthMode;

fn flags(model: &Model) -> String {
    if model.flags.is_empty() { String::new() } else { format!(" {}", model.flags) }
}

/// What a recipe is called, and its text; `None` for secrets.
pub fn text(model: &Model, item: Item) -> Option<(String, String)> {
    let endpoint = resource(model)?;
    let properties = &endpoint.properties;
    let uri = properties.scoring_uri.clone().unwrap_or_default();
    let body = match &model.test.sample {
        Some(sample) if model.test.endpoint == endpoint.name => sample.body.clone(),
        _ => String::new(),
    };
    let recipe = || Recipe {
        endpoint: endpoint.name.clone(),
        uri: uri.clone(),
        method: "POST".into(),
        content_type: "application/json".into(),
        deployment: None,
        body: if body.is_empty() { "{}".into() } else { body.clone() },
        ca_file: model.reach.as_ref().and_then(|reach| reach.ca_file.clone()),
        credential: if properties.auth_mode == AuthMode::Key { "keys" } else { "token" },
        flags: model.flags.clone(),
    };
    Some(match item {
        Item::Address => ("the scoring address".into(), uri),
        Item::Swagger => ("the address of the description".into(), properties.swagger_uri.clone()?),
        Item::Primary | Item::Secondary | Item::Token => return None,
        Item::Shell => ("the variables of the SDK".into(), format!("eval \"$(mlconsole env{})\"", flags(model))),
        Item::Sdk => ("Python for the SDK".into(), sdk(model, &endpoint.name)),
        Item::Curl => ("a curl command".into(), recipe().curl()),
        Item::Python => ("Python for requests".into(), recipe().python()),
    })
}

/// A program for `azure-ai-ml`, to be run after the variables are set.
fn sdk(model: &Model, endpoint: &str) -> String {
    let name = serde_json::Value::from(endpoint);
    format!(
        "# eval \"$(mlconsole env{})\"\n\
         import os\n\
         from azure.ai.ml import MLClient\n\
         from azure.identity import DefaultAzureCredential\n\
         \n\
         names = (\"AZURE_SUBSCRIPTION_ID\", \"AZURE_RESOURCE_GROUP\", \"AZURE_WORKSPACE\")\n\
         ml = MLClient(DefaultAzureCredential(), *(os.environ[name] for name in names))\n\
         print(ml.online_endpoints.get({name}).traffic)\n\
         print(ml.online_endpoints.invoke({name}, request_file=\"request.json\"))\n",
        flags(model)
    )
}

/// Commands that print the credential.
pub fn credential(model: &Model) -> String {
    let Some(endpoint) = resource(model) else { return String::new() };
    let name = quote(&endpoint.name);
    match endpoint.properties.auth_mode {
        AuthMode::Key => format!("mlconsole endpoint keys {name}{}", flags(model)),
        _ => format!("mlconsole endpoint token {name}{}", flags(model)),
    }
}
