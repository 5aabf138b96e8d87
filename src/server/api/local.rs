//! Local extension routes: what the console wants to know beyond Azure's API.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;

use super::ControlPlane;
use super::answer::Answer;
use super::call::Call;
use super::context::{entry, overtaken, until_uncontended};
use super::fault::Fault;
use super::route::LocalPlace;
use crate::resources::asset::{CONVERSION, CONVERSION_REPORT, CONVERTED};
use crate::resources::ids::AssetKind;
use crate::resources::live::{Listener, PoolInfo, WorkspaceInfo};
use crate::resources::{Deployment, ModelReport, ModelVersion, ProvisioningState};
use crate::server::mlflow;
use crate::server::store::{Change, Expect, JournalFilter, Kind};

/// Deep graphs recurse deeply while they are read.
const STACK: usize = 64 * 1024 * 1024;

impl ControlPlane {
    pub(super) fn local(&self, call: &Call, place: LocalPlace, body: &Bytes) -> Result<Answer, Fault> {
        let posts = matches!(
            place,
            LocalPlace::CancelOperation(_)
                | LocalPlace::Restart(..)
                | LocalPlace::CleanEnvironments
                | LocalPlace::CheckDeployment
        );
        let method = if posts { Method::POST } else { Method::GET };
        if call.method != method {
            return Err(call.no_such_method("this route", &[method.as_str()]));
        }
        match place {
            LocalPlace::Journal => self.journal(call),
            LocalPlace::Operations => Answer::ok(&json!({"value": self.app.store.operations()?})),
            LocalPlace::CancelOperation(name) => self.cancel_operation(&name),
            LocalPlace::Requests => self.requests(call),
            LocalPlace::Workspace => self.workspace_info(),
            LocalPlace::InspectModel(name, version) => self.inspect_model(&name, &version),
            LocalPlace::SampleRequest(e, d) => self.sample_request(&e, &d),
            LocalPlace::Restart(e, d) => until_uncontended(|| self.restart(call, &e, &d)),
            LocalPlace::Prometheus => {
                Ok(Answer::text("text/plain; version=0.0.4; charset=utf-8", self.app.router.prometheus()))
            }
            LocalPlace::Environments => self.held_environments(),
            LocalPlace::CleanEnvironments => self.clean_environments(body),
            LocalPlace::CheckDeployment => self.check_deployment_request(body),
            LocalPlace::Live | LocalPlace::Logs | LocalPlace::BuildEnvironment | LocalPlace::InstallUv => {
                Err(Fault::internal("Opening a feed", "it was asked for as a whole"))
            }
        }
    }

    fn journal(&self, call: &Call) -> Result<Answer, Fault> {
        let text = |name: &str| call.query.get(name).filter(|t| !t.is_empty()).map(str::to_owned);
        let filter = JournalFilter {
            endpoint: text("endpoint"),
            action: text("action"),
            before: call.query.number("before")?,
            limit: call.query.number::<usize>("limit")?.unwrap_or(100).clamp(1, 1_000),
        };
        Answer::ok(&json!({"value": self.app.store.journal(&filter)?}))
    }

    fn cancel_operation(&self, name: &str) -> Result<Answer, Fault> {
        let canceled = tokio::runtime::Handle::current().block_on(self.app.reconciler.cancel(name));
        match canceled {
            Ok(operation) => Answer::ok(&operation),
            Err(error) => {
                let status =
                    if error.code == "OperationNotFound" { StatusCode::NOT_FOUND } else { StatusCode::CONFLICT };
                Err(Fault { status, error: Box::new(error), allow: None })
            }
        }
    }

    fn requests(&self, call: &Call) -> Result<Answer, Fault> {
        let text = |name: &str| call.query.get(name).filter(|t| !t.is_empty());
        let limit = call.query.number::<usize>("limit")?.unwrap_or(100).clamp(1, 1_000);
        let samples = self.app.telemetry.requests(text("endpoint"), text("deployment"), limit);
        Answer::ok(&json!({"value": samples}))
    }

    fn workspace_info(&self) -> Result<Answer, Fault> {
        let app = &self.app;
        let process = app.telemetry.process();
        let mut listeners = vec![listener("control and scoring", app.connection.base_url.clone())];
        listeners.push(listener("identity", app.connection.identity_endpoint.clone()));
        listeners.extend(app.connection.plain_http.clone().map(|a| listener("scoring", a)));
        listeners.extend(app.options.scoring_listen.map(|a| listener("scoring", format!("https://{a}"))));
        let mut pools = Vec::new();
        for doc in app.store.list(Kind::Deployment, None)? {
            if let Some(pool) = app.reconciler.pool(&doc.key.parent, &doc.key.name) {
                let status = pool.status();
                pools.push(PoolInfo {
                    endpoint: doc.key.parent,
                    deployment: doc.key.name,
                    engine: "onnx".into(),
                    instances: status.ready,
                    threads: status.slots,
                });
            }
        }
        let environments = app.store.list(Kind::EnvironmentVersion, None)?;
        let memory_bytes = sysinfo::System::new().map_or(0, |mut system| {
            system.refresh_memory();
            system.total_memory()
        });
        let data_dir = &app.options.data_dir;
        let (disk_free_bytes, disk_total_bytes) = file_system(data_dir);
        let environments_bytes: u64 = app.environments.list().iter().map(|held| held.size).sum();
        let versions = [("mlconsole", env!("CARGO_PKG_VERSION"))];
        Answer::ok(&WorkspaceInfo {
            name: app.connection.workspace.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            data_dir: data_dir.display().to_string(),
            listeners,
            started_ms: super::context::now_ms()
                .saturating_sub(i64::try_from(app.started.elapsed().as_millis()).unwrap_or(i64::MAX)),
            process,
            cores: std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
            memory_bytes,
            disk_used_bytes: size_of(data_dir, true) + environments_bytes,
            disk_free_bytes,
            disk_total_bytes,
            pools,
            environments: environments.iter().map(|doc| format!("{}:{}", doc.key.parent, doc.key.name)).collect(),
            versions: versions
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
        })
    }

    /// What a registered model takes and gives and whether it runs here.
    fn inspect_model(&self, name: &str, version: &str) -> Result<Answer, Fault> {
        let (path, kind) = self.model_files(name, version)?;
        let mut report = inspected(path, kind, &format!("Model \"{name}\" version {version}"))?;
        let model: ModelVersion = self.version_doc(AssetKind::Model, name, version)?.decode()?;
        let properties = model.properties.properties;
        if properties.get(CONVERSION).is_some_and(|state| state == CONVERTED) {
            CONVERTED.clone_into(&mut report.runs);
        }
        report.notes.extend(properties.get(CONVERSION_REPORT).cloned());
        Answer::ok(&report)
    }

    /// Where the files of a registered model are, and what kind of model it is.
    pub(super) fn model_files(&self, name: &str, version: &str) -> Result<(PathBuf, String), Fault> {
        let doc = self.version_doc(AssetKind::Model, name, version)?;
        let model: ModelVersion = doc.decode()?;
        let path = self.assets.resolve(&model.properties.model_uri).map_err(|e| {
            Fault::missing(
                "ResourceNotFound",
                format!("The files of model \"{name}\" version {version} are not here: {e}"),
            )
        })?;
        if !path.exists() {
            return Err(Fault::missing(
                "ResourceNotFound",
                format!(
                    "The files of model \"{name}\" version {version} were never uploaded, or were removed. Register it again."
                ),
            ));
        }
        Ok((path, model.properties.model_type))
    }

    /// Replaces the instances of a deployment one after the other.
    fn restart(&self, call: &Call, endpoint: &str, name: &str) -> Result<Answer, Fault> {
        let lock = self.locks.of(endpoint);
        let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let doc = self.deployment_doc(endpoint, name)?;
        self.refuse_while_busy(endpoint, None)?;
        self.refuse_while_busy(endpoint, Some(name))?;
        let (endpoint, name) = (doc.key.parent.as_str(), doc.key.name.as_str());
        let mut deployment: Deployment = doc.decode()?;
        deployment.properties.provisioning_state = ProvisioningState::Updating;
        let operation = self.new_operation("Updating", "restart", endpoint, Some(name), &call.who);
        let mut log = entry(&call.who, "deployment.restart", endpoint, Some(name));
        log.outcome = "running".into();
        let change = Change::new()
            .put(doc.key.clone(), &deployment, Expect::Etag(doc.etag))
            .operation(operation.clone())
            .journal_of(&operation.name, log);
        self.app.store.commit(change).map_err(overtaken)?;
        self.app.reconciler.nudge(endpoint, Some(name));
        let location = format!("{}{}?api-version=2023-04-01-preview", self.base(), self.deployment_id(endpoint, name));
        Ok(self.following(Answer::json(StatusCode::ACCEPTED, &operation)?, &operation, Some(location)))
    }
}

/// What can be said about the model at a path; `what` names it in messages.
pub(super) fn inspected(path: PathBuf, kind: String, what: &str) -> Result<ModelReport, Fault> {
    let thread = std::thread::Builder::new()
        .name("inspect".into())
        .stack_size(STACK)
        .spawn(move || mlflow::inspect(&path, &kind))
        .map_err(|e| Fault::internal("Starting a thread to read the model", e))?;
    match thread.join() {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(error)) => Err(Fault::bad(error.code, error.message)),
        Err(_) => Err(Fault::bad(
            "BadArgument",
            format!(
                "{what} makes the engine fail while it is read. Export it again with another opset or exporter version."
            ),
        )),
    }
}

fn listener(purpose: &str, address: String) -> Listener {
    Listener { purpose: purpose.into(), address }
}

/// Bytes of all files below a folder; what cannot be read counts as nothing. Python environments hold tens of thousands
/// of files and know their size: at the top they are left out.
fn size_of(folder: &Path, top: bool) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() && top && entry.file_name() == "environments" => 0,
            Ok(meta) if meta.is_dir() => size_of(&entry.path(), false),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Free bytes and size of the file system a folder is on; zeros where that is not known.
fn file_system(folder: &Path) -> (u64, u64) {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let Ok(disks) = sysinfo::Disks::new_with_refreshed_list() else { return (0, 0) };
    let holding = disks.iter().filter(|disk| folder.starts_with(disk.mount_point()));
    holding
        .max_by_key(|disk| disk.mount_point().as_os_str().len())
        .map_or((0, 0), |disk| (disk.available_space(), disk.total_space()))
}
