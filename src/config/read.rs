//! The file into the types.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{Access, Config, Context, ContextKind, LOCAL, Local, Python, Split, THEMES, Ui};
use crate::resources::document::{Fields, FileError, Node, Value, parse_toml};

pub(super) fn config(path: &Path, text: &str) -> Result<Config, FileError> {
    let file = path.display().to_string();
    let tree = parse_toml(&file, text)?;
    let mut fields = Fields::top(&file, &tree)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut config = Config::default();
    for (entry, table) in fields.maps("contexts")? {
        if entry.key.trim().is_empty() || entry.key.chars().any(char::is_control) {
            return Err(fields.wrong("contexts", &entry.node, "give the context a name"));
        }
        let context = context(folder, table)?;
        if entry.key == LOCAL && !matches!(context.kind, ContextKind::Local { .. }) {
            return Err(fields.wrong(
                "contexts.local",
                &entry.node,
                "the context named local is always the local workspace; give this one another name",
            ));
        }
        config.contexts.insert(entry.key.clone(), context);
    }
    if let Some(name) = fields.text("current_context")? {
        if !config.contexts.contains_key(&name)
            && let Some(node) = fields.node("current_context")
        {
            return Err(fields.wrong("current_context", node, &config.other_context(&name)));
        }
        config.current_context = name;
    }
    if let Some(table) = fields.map("local")? {
        config.local = local(folder, table)?;
    }
    if let Some(table) = fields.map("python")? {
        config.python = python(folder, table)?;
    }
    if let Some(table) = fields.map("ui")? {
        config.ui = ui(table)?;
    }
    config.keys = fields.each("keys", "give a key such as \"ctrl-r\", or a list of keys", keys)?;
    fields.finish()?;
    Ok(config)
}

fn context(folder: &Path, mut fields: Fields<'_>) -> Result<Context, FileError> {
    let azure = fields.choice("kind", &[("local", false), ("azure", true)])?;
    let azure = azure.ok_or_else(|| fields.missing("kind"))?;
    let access = [Access::Open, Access::Protected, Access::ReadOnly].map(|access| (access.word(), access));
    let access = fields.choice("access", &access)?.unwrap_or_default();
    let kind = if azure {
        ContextKind::Azure {
            subscription_id: fields.required("subscription_id")?,
            resource_group: fields.required("resource_group")?,
            workspace: fields.required("workspace")?,
            cloud: fields.text("cloud")?.unwrap_or_else(|| "AzureCloud".into()),
        }
    } else {
        ContextKind::Local { data_dir: path(folder, &mut fields, "data_dir")? }
    };
    fields.finish()?;
    Ok(Context { kind, access })
}

fn local(folder: &Path, mut fields: Fields<'_>) -> Result<Local, FileError> {
    let mut local = Local {
        data_dir: path(folder, &mut fields, "data_dir")?,
        listen: address(&mut fields, "listen")?,
        plain_http: address(&mut fields, "plain_http")?,
        scoring_listen: address(&mut fields, "scoring_listen")?,
        ..Local::default()
    };
    if local.plain_http.is_some_and(|address| !address.ip().is_loopback())
        && let Some(node) = fields.node("plain_http")
    {
        let next = "without TLS only loopback is served, so use 127.0.0.1:PORT; scoring_listen serves other machines";
        return Err(fields.wrong("plain_http", node, next));
    }
    local.scoring_certificate =
        match (path(folder, &mut fields, "scoring_cert")?, path(folder, &mut fields, "scoring_key")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (None, Some(_)) => return Err(fields.missing("scoring_cert")),
            (Some(_), None) => return Err(fields.missing("scoring_key")),
        };
    local.max_body_mib = fields.whole("max_body_mib", 1, 4_096)?.unwrap_or(local.max_body_mib);
    local.split = fields.choice("split", &[("block", Split::Block), ("random", Split::Random)])?.unwrap_or_default();
    local.record_bodies = fields.bool("record_bodies")?.unwrap_or(local.record_bodies);
    local.onnxruntime_library = path(folder, &mut fields, "onnxruntime_library")?;
    local.drain_seconds = fields.whole("drain_seconds", 0, 3_600)?.unwrap_or(local.drain_seconds);
    fields.finish()?;
    Ok(local)
}

fn python(folder: &Path, mut fields: Fields<'_>) -> Result<Python, FileError> {
    let paths = fields.node("python_search_paths").map(|node| (node, keys(node)));
    let search_paths = match paths {
        None => Vec::new(),
        Some((_, Some(paths))) => paths.iter().map(|text| resolve(folder, text)).collect(),
        Some((node, None)) => {
            return Err(fields.wrong("python_search_paths", node, "give a path, or a list of paths"));
        }
    };
    let python = Python {
        search_paths,
        allow_download: fields.bool("allow_python_download")?.unwrap_or_default(),
        uv: path(folder, &mut fields, "uv")?,
        mlflow_full: fields.bool("mlflow_full")?.unwrap_or_default(),
    };
    fields.finish()?;
    Ok(python)
}

fn ui(mut fields: Fields<'_>) -> Result<Ui, FileError> {
    let default = Ui::default();
    let ui = Ui {
        theme: fields.choice("theme", &THEMES.map(|theme| (theme, theme)))?.map_or(default.theme, str::to_owned),
        ascii: fields.bool("ascii")?.unwrap_or(default.ascii),
        mouse: fields.bool("mouse")?.unwrap_or(default.mouse),
    };
    fields.finish()?;
    Ok(ui)
}

fn keys(node: &Node) -> Option<Vec<String>> {
    match &node.value {
        Value::Text(key) => Some(vec![key.clone()]),
        Value::List(items) => items
            .iter()
            .map(|item| match &item.value {
                Value::Text(key) => Some(key.clone()),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

fn address(fields: &mut Fields<'_>, key: &'static str) -> Result<Option<SocketAddr>, FileError> {
    fields.parsed(key, "\"127.0.0.1:8443\"")
}

/// A path, with `~` for the home folder; relative ones start at the file's folder.
fn path(folder: &Path, fields: &mut Fields<'_>, key: &'static str) -> Result<Option<PathBuf>, FileError> {
    let Some(text) = fields.text(key)? else { return Ok(None) };
    if text.is_empty() {
        let node = fields.node(key);
        return node.map_or(Ok(None), |node| Err(fields.wrong(key, node, "give a path, or leave the key out")));
    }
    Ok(Some(resolve(folder, &text)))
}

fn resolve(folder: &Path, text: &str) -> PathBuf {
    match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = etcetera::home_dir().unwrap_or_else(|_| PathBuf::from("~"));
            home.join(rest.trim_start_matches('/'))
        }
        _ => folder.join(text),
    }
}
