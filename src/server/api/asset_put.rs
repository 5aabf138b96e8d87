//! Registering, changing and archiving assets. What an asset points at never changes (reference §4, §5.5).

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::ControlPlane;
use super::answer::Answer;
use super::assets::{container_kind, noun, version_kind};
use super::call::Call;
use super::context::{entry, etag, overtaken, until_uncontended};
use super::convert;
use super::fault::Fault;
use super::read;
use crate::resources::asset::{ModelProperties, NOTE};
use crate::resources::ids::AssetKind;
use crate::resources::rules::{check_asset_name, check_asset_version, check_tags};
use crate::resources::{AssetContainer, CodeVersion, DataVersion, EnvironmentVersion, JournalEntry, ModelVersion};
use crate::server::mlflow::{self, pickles};
use crate::server::store::{Change, Doc, Expect, Key};

/// Where the tags of assets stand.
const TAGS: &str = "properties.tags";
/// The SDK recognises this sentence (reference §4).
const PATHS_CANNOT_CHANGE: &str = "Asset paths cannot be updated.";

impl ControlPlane {
    pub(super) fn put_version(
        &self,
        call: &Call,
        kind: AssetKind,
        name: &str,
        version: &str,
        body: &[u8],
    ) -> Result<Answer, Fault> {
        check_asset_name(name).map_err(Fault::rule)?;
        check_asset_version(version).map_err(Fault::rule)?;
        let value = read::value(body, false)?;
        let mut wanted = canonical_version(kind, value)?;
        if kind == AssetKind::Model {
            self.note(&mut wanted);
        }
        until_uncontended(|| self.store_version(call, kind, name, version, wanted.clone()))
    }

    fn store_version(
        &self,
        call: &Call,
        kind: AssetKind,
        name: &str,
        version: &str,
        mut wanted: Value,
    ) -> Result<Answer, Fault> {
        let key = Key::new(version_kind(kind), name, version);
        let existing = self.app.store.get(&key)?;
        if kind == AssetKind::Model {
            convert::prepare(&mut wanted, existing.as_ref().map(|doc| &doc.body))?;
        }
        let wanted = &wanted;
        let what = format!("Version {version} of {} \"{name}\"", noun(kind));
        call.check_version(&what, existing.as_ref().map(|doc| doc.etag))?;
        let status = if existing.is_some() { StatusCode::OK } else { StatusCode::CREATED };
        let change = match &existing {
            Some(doc) => {
                check_unchanged(kind, doc, wanted, &what)?;
                if doc.body == *wanted {
                    None
                } else {
                    Some(Change::new().put(doc.key.clone(), wanted, Expect::Etag(doc.etag)))
                }
            }
            None => {
                self.check_files(kind, wanted)?;
                if kind == AssetKind::Model {
                    convert::check_environment(&self.app.store, wanted)?;
                }
                Some(self.first_version(kind, name)?.put(key.clone(), wanted, Expect::Absent))
            }
        };
        if let Some(change) = change {
            let log = journal(call, kind, name, version, existing.as_ref(), wanted);
            let change = log.into_iter().fold(change, Change::journal);
            self.app.store.commit(change).map_err(overtaken)?;
            if convert::waits(wanted) && !existing.is_some_and(|doc| convert::waits(&doc.body)) {
                convert::begin(&self.app, key);
            }
        }
        let doc = self.version_doc(kind, name, version)?;
        Ok(Answer::json(status, &self.version_resource(kind, &doc))?.with("etag", etag(doc.etag)))
    }

    /// The files of a model or of code must be among those uploaded here: no other file of this machine is ever read.
    fn check_files(&self, kind: AssetKind, wanted: &Value) -> Result<(), Fault> {
        let property = match kind {
            AssetKind::Model => "modelUri",
            AssetKind::Code => "codeUri",
            AssetKind::Environment | AssetKind::Data => return Ok(()),
        };
        let uri = wanted.pointer(&format!("/properties/{property}")).and_then(Value::as_str).unwrap_or_default();
        let target = format!("properties.{property}");
        self.assets.resolve(uri).map(drop).map_err(|e| Fault::property(&target, format!("\"{target}\": {e}")))
    }

    /// Says in a model's properties that it is a pickle, or no MLflow model although it is called one.
    fn note(&self, wanted: &mut Value) {
        let text = |name: &str| wanted.pointer(name).and_then(Value::as_str).unwrap_or_default();
        let called_mlflow = text("/properties/modelType") == "mlflow_model";
        let note = self.assets.resolve(text("/properties/modelUri")).ok().and_then(|path| {
            let broken = if called_mlflow { mlflow::read(&path).err() } else { None };
            broken
                .map(|error| format!("No deployment can serve it: {}", error.message))
                .or_else(|| pickles::note(&path))
        });
        let Some(Value::Object(properties)) = wanted.pointer_mut("/properties/properties") else { return };
        match note {
            Some(note) => properties.insert(NOTE.to_owned(), note.into()),
            None => properties.remove(NOTE),
        };
    }

    /// A change that creates the container of an asset, if it is not there yet.
    fn first_version(&self, kind: AssetKind, name: &str) -> Result<Change, Fault> {
        let key = Key::new(container_kind(kind), "", name);
        Ok(match self.app.store.get(&key)? {
            Some(_) => Change::new(),
            None => Change::new().put(key, &container_body(&AssetContainer::default()), Expect::Absent),
        })
    }

    pub(super) fn put_container(&self, call: &Call, kind: AssetKind, name: &str, body: &[u8]) -> Result<Answer, Fault> {
        check_asset_name(name).map_err(Fault::rule)?;
        let wanted: AssetContainer = read::typed(&read::value(body, false)?)?;
        check_tags(TAGS, &wanted.properties.tags).map_err(Fault::rule)?;
        let stored = container_body(&wanted);
        until_uncontended(|| {
            let key = Key::new(container_kind(kind), "", name);
            let existing = self.app.store.get(&key)?;
            let what = format!("The {} \"{name}\"", noun(kind));
            call.check_version(&what, existing.as_ref().map(|doc| doc.etag))?;
            let status = if existing.is_some() { StatusCode::OK } else { StatusCode::CREATED };
            if existing.as_ref().is_none_or(|doc| doc.body != stored) {
                let expect = existing.as_ref().map_or(Expect::Absent, |doc| Expect::Etag(doc.etag));
                let mut change = Change::new().put(key.clone(), &stored, expect);
                let archived = |body: &Value| body.pointer("/properties/isArchived") == Some(&Value::Bool(true));
                let before = existing.as_ref().is_some_and(|doc| archived(&doc.body));
                if before != archived(&stored) {
                    change = change.journal(archive_entry(call, kind, name, None, before));
                }
                self.app.store.commit(change).map_err(overtaken)?;
            }
            let versions = self.app.store.list(version_kind(kind), Some(name))?;
            let doc = self
                .app
                .store
                .get(&key)?
                .ok_or_else(|| Fault::internal("Reading what was just stored", "it is gone"))?;
            let own: Vec<&Doc> = versions.iter().collect();
            Ok(Answer::json(status, &self.container_resource(kind, &doc, &own))?.with("etag", etag(doc.etag)))
        })
    }
}

fn container_body(container: &AssetContainer) -> Value {
    let p = &container.properties;
    json!({"properties": {
        "description": p.description, "tags": p.tags, "properties": p.properties, "isArchived": p.is_archived,
    }})
}

/// The version as it is stored: read as its noun, so that wrong types are refused, and with what Azure fills in.
fn canonical_version(kind: AssetKind, mut value: Value) -> Result<Value, Fault> {
    let stored = match kind {
        AssetKind::Model => {
            read::canonical(
                &mut value,
                &["properties", "modelType"],
                &["custom_model", "mlflow_model", "triton_model"],
            );
            let mut model: ModelVersion = read::typed(&value)?;
            check_model(&mut model.properties)?;
            check_tags(TAGS, &model.properties.tags).map_err(Fault::rule)?;
            properties_of(&model.properties)?
        }
        AssetKind::Environment => {
            let mut environment: EnvironmentVersion = read::typed(&value)?;
            let p = &mut environment.properties;
            if p.image.is_none() && p.conda_file.is_none() && p.build.is_none() {
                return Err(Fault::property(
                    "properties.image",
                    "The environment names neither an image, nor a conda file, nor a build context. Give one of them.",
                ));
            }
            check_tags(TAGS, &p.tags).map_err(Fault::rule)?;
            p.environment_type = Some("UserCreated".into());
            p.os_type.get_or_insert_with(|| "Linux".into());
            properties_of(p)?
        }
        AssetKind::Code => {
            let code: CodeVersion = read::typed(&value)?;
            required(
                "properties.codeUri",
                &code.properties.code_uri,
                "the URL that startPendingUpload gave, plus the folder's name",
            )?;
            properties_of(&code.properties)?
        }
        AssetKind::Data => {
            let data: DataVersion = read::typed(&value)?;
            required("properties.dataUri", &data.properties.data_uri, "where the data is")?;
            check_tags(TAGS, &data.properties.tags).map_err(Fault::rule)?;
            properties_of(&data.properties)?
        }
    };
    Ok(json!({"properties": stored}))
}

fn check_model(p: &mut ModelProperties) -> Result<(), Fault> {
    required("properties.modelUri", &p.model_uri, "where the model's files were uploaded to")?;
    if p.model_type.is_empty() {
        p.model_type = "custom_model".into();
    }
    if !["custom_model", "mlflow_model", "triton_model"].contains(&p.model_type.as_str()) {
        return Err(Fault::property(
            "properties.modelType",
            format!(
                "The model type \"{}\" does not exist. Use custom_model, mlflow_model or triton_model.",
                p.model_type
            ),
        ));
    }
    p.provisioning_state = Some("Succeeded".into());
    Ok(())
}

fn properties_of(properties: &impl Serialize) -> Result<Value, Fault> {
    serde_json::to_value(properties).map_err(|e| Fault::internal("Storing the asset", e))
}

fn required(target: &str, text: &str, meaning: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::property(target, format!("\"{target}\" is missing. Say {meaning}.")));
    }
    Ok(())
}

/// Refuses a change of what a registered version points at or consists of.
fn check_unchanged(kind: AssetKind, doc: &Doc, wanted: &Value, what: &str) -> Result<(), Fault> {
    let same = |name: &str| {
        let at = |body: &Value| body.pointer(&format!("/properties/{name}")).filter(|v| !v.is_null()).cloned();
        at(&doc.body) == at(wanted)
    };
    match kind {
        AssetKind::Model if !same("modelUri") => Err(Fault::bad("UserError", PATHS_CANNOT_CHANGE)),
        AssetKind::Code if !same("codeUri") => Err(Fault::bad("UserError", PATHS_CANNOT_CHANGE)),
        AssetKind::Data if !same("dataUri") => Err(Fault::conflict(
            "UserError",
            format!("{what} already exists with another dataUri. Register a new version."),
        )),
        AssetKind::Model if !same("modelType") => Err(Fault::bad(
            "UserError",
            format!("{what} already exists with another model type, which cannot be changed. Register a new version."),
        )),
        AssetKind::Environment
            if !["image", "condaFile", "build", "inferenceConfig", "osType"].iter().all(|n| same(n)) =>
        {
            // 409: it makes the SDK, which tries the latest version when it was given none, go on to the next.
            Err(Fault::conflict(
                "UserError",
                format!(
                    "{what} already exists with another image, conda file or build context, which cannot be changed. Register a new version."
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// The journal's entry for a new or archived version; `None` for what nobody looks for later.
fn journal(
    call: &Call,
    kind: AssetKind,
    name: &str,
    version: &str,
    existing: Option<&Doc>,
    wanted: &Value,
) -> Option<JournalEntry> {
    let archived = |body: &Value| body.pointer("/properties/isArchived") == Some(&Value::Bool(true));
    match existing {
        Some(doc) if archived(&doc.body) != archived(wanted) => {
            Some(archive_entry(call, kind, name, Some(version), archived(&doc.body)))
        }
        None if matches!(kind, AssetKind::Model | AssetKind::Environment) => {
            let mut log = entry(&call.who, &format!("{}.register", noun(kind)), "", None);
            log.to = json!({"name": name, "version": version, "type": wanted.pointer("/properties/modelType")});
            Some(log)
        }
        _ => None,
    }
}

fn archive_entry(call: &Call, kind: AssetKind, name: &str, version: Option<&str>, before: bool) -> JournalEntry {
    let mut log = entry(&call.who, &format!("{}.archive", noun(kind).replace(' ', "-")), "", None);
    log.from = json!({"name": name, "version": version, "archived": before});
    log.to = json!({"name": name, "version": version, "archived": !before});
    log
}
