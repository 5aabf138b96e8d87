//! Python environments on disk: listed, built ahead of need, cleaned up.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::ControlPlane;
use super::answer::{Answer, line};
use super::call::Call;
use super::context::now_ms;
use super::fault::Fault;
use super::feeds::feed;
use super::route::LocalPlace;
use crate::resources::EnvironmentVersion;
use crate::resources::ids::{AssetKind, AssetRef, AssetVersion};
use crate::resources::python::{BuildRequest, BuildStep, CleanAnswer, CleanRequest, HeldEnvironment, HeldEnvironments};
use crate::server::environments::{EnvironmentError, Environments, Held, Spec, State, Step};
use crate::server::gateway::http::Response;
use crate::server::stop::Stop;
use crate::server::store::{Key, Kind, Store};

impl From<Step> for BuildStep {
    fn from(step: Step) -> Self {
        match step {
            Step::Line(text) => Self::Line { text },
            Step::Progress(progress) => Self::Progress {
                phase: progress.phase.to_owned(),
                done: progress.done,
                total: progress.total,
                bytes: progress.bytes,
            },
        }
    }
}

impl From<Held> for HeldEnvironment {
    fn from(held: Held) -> Self {
        let state = match held.state {
            State::Ready => "ready",
            State::InUse => "in use",
            State::Building => "building",
            State::Broken => "broken",
        };
        Self {
            key: held.key,
            state: state.to_owned(),
            names: held.names,
            python: held.python,
            packages: held.packages,
            size_bytes: held.size,
            built_ms: held.built_ms,
            last_used_ms: held.last_used_ms,
            used_by: held.users,
        }
    }
}

impl From<EnvironmentError> for Fault {
    fn from(error: EnvironmentError) -> Self {
        Self::bad("BadArgument", error.to_string())
    }
}

/// The body of a call of ours.
pub(super) fn typed<T: DeserializeOwned>(body: &Bytes) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|e| Fault::bad("BadArgument", format!("The body is not understood: {e}.")))
}

impl ControlPlane {
    pub(super) fn held_environments(&self) -> Result<Answer, Fault> {
        let environments = &self.app.environments;
        Answer::ok(&HeldEnvironments {
            value: environments.list().into_iter().map(HeldEnvironment::from).collect(),
            uv: environments.uv().ok().flatten().map(|path| path.display().to_string()),
        })
    }

    pub(super) fn clean_environments(&self, body: &Bytes) -> Result<Answer, Fault> {
        let wanted: CleanRequest = typed(body)?;
        if let Some(short) = wanted.keys.iter().find(|key| key.len() < 6) {
            return Err(Fault::bad(
                "BadArgument",
                format!("\"{short}\" is too short: give six digits of the key or more."),
            ));
        }
        let since = now_ms().saturating_sub_unsigned(wanted.unused_for_s.saturating_mul(1_000));
        let cleaned = self.app.environments.clean(&wanted.keys, since)?;
        Answer::ok(&CleanAnswer {
            removed: cleaned.removed.into_iter().map(HeldEnvironment::from).collect(),
            kept: cleaned.kept,
        })
    }

    /// Builds an environment, or installs uv, and tells how far it is. Whoever stops listening stops the build.
    pub(super) fn build_feed(&self, call: &Call, place: &LocalPlace, body: &Bytes) -> Result<Response, Fault> {
        if call.method != Method::POST {
            return Err(call.no_such_method("this route", &["POST"]));
        }
        let spec = match place {
            LocalPlace::BuildEnvironment => Some(self.wanted(&typed(body)?)?),
            _ => None,
        };
        let (sender, receiver) = mpsc::channel(64);
        let (stop, environments) = (Stop::new(), Arc::clone(&self.app.environments));
        let (ours, mut closing) = (stop.clone(), self.app.closing.subscribe());
        let watched = sender.clone();
        let (done, ended) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(async move {
            tokio::select! {
                () = watched.closed() => {}
                _ = closing.wait_for(|closing| *closing) => {}
                _ = ended => {}
            }
            // Hooks kill processes, which takes no time; after the end there are none.
            ours.ask();
        });
        std::thread::Builder::new()
            .name("environment".into())
            .spawn(move || {
                let tell = |step: BuildStep| {
                    // Nobody listening any more has asked to stop.
                    let _ = sender.blocking_send(Ok::<_, io::Error>(line(&step)));
                };
                let worked = AssertUnwindSafe(|| work(&environments, spec.as_ref(), &tell, &stop));
                let end = catch_unwind(worked).unwrap_or_else(|_| BuildStep::Failed {
                    message: "a defect in mlconsole was met".into(),
                    details: String::new(),
                });
                tell(end);
                // With this the watch lets go of its sender, and the answer ends.
                drop(done);
            })
            .map_err(|e| Fault::internal("Starting a thread to build the environment", e))?;
        Ok(feed(call, receiver))
    }

    /// What a request to build asks for.
    fn wanted(&self, request: &BuildRequest) -> Result<Spec, Fault> {
        match (&request.environment, &request.file) {
            (Some(text), None) => self.environment_spec(text),
            (None, Some(file)) if file.is_absolute() => {
                let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
                Ok(Spec::of_file(file, &name)?)
            }
            _ => Err(Fault::bad("BadArgument", "Give either `environment` or `file`, an absolute path.")),
        }
    }

    /// What a registered or curated environment must hold. `text` is `NAME`, `NAME:VERSION`, `NAME@latest`, any
    /// reference to such, or a curated name.
    pub(super) fn environment_spec(&self, text: &str) -> Result<Spec, Fault> {
        spec_of(&self.app.store, text)
    }
}

/// As [`ControlPlane::environment_spec`], of a store.
pub(super) fn spec_of(store: &Store, text: &str) -> Result<Spec, Fault> {
    let plain = text.strip_prefix("azureml:").filter(|rest| !rest.starts_with("//")).unwrap_or(text);
    let (name, version) = match AssetRef::parse(text) {
        Ok(AssetRef::Id(id)) => match id.asset() {
            Some((AssetKind::Environment, name, version)) => (name.to_owned(), Some(version.to_owned())),
            _ => (plain.to_owned(), None),
        },
        Ok(AssetRef::Named { name, version: AssetVersion::Exact(version) }) => (name, Some(version)),
        Ok(AssetRef::Named { name, .. }) => (name, None),
        _ => match plain.split_once(':') {
            Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
            None => (plain.trim_end_matches("@latest").to_owned(), None),
        },
    };
    let doc = match &version {
        Some(version) => store.get(&Key::new(Kind::EnvironmentVersion, name.as_str(), version.as_str()))?,
        None => {
            let versions = store.list(Kind::EnvironmentVersion, Some(&name))?;
            versions.into_iter().max_by_key(|doc| (doc.created_ms, doc.etag))
        }
    };
    if let Some(doc) = doc {
        let environment: EnvironmentVersion = doc.decode()?;
        let shown = format!("{}:{}", doc.key.parent, doc.key.name);
        return Ok(Spec::of_environment(&environment, &shown)?);
    }
    match Spec::curated(text).or_else(|| Spec::curated(&name)) {
        Some(spec) => Ok(spec?),
        None => Err(Fault::missing(
            "ResourceNotFound",
            format!("Environment \"{text}\" is not registered here. Register it (mlconsole environment register)."),
        )),
    }
}

/// Does the work, and says how it ended.
fn work(environments: &Environments, spec: Option<&Spec>, tell: &dyn Fn(BuildStep), stop: &Stop) -> BuildStep {
    let step = |step: Step| tell(step.into());
    let done = match spec {
        Some(spec) => environments.prepare(spec, &step, stop).map(|built| BuildStep::Done {
            text: built.key,
            warnings: built.warnings,
            packages: built.packages.len(),
        }),
        None => environments.install_uv(&step, stop).map(|path| BuildStep::Done {
            text: path.display().to_string(),
            warnings: Vec::new(),
            packages: 1,
        }),
    };
    done.unwrap_or_else(|error| match error {
        EnvironmentError::Failed { message, details } => BuildStep::Failed { message, details },
        other => BuildStep::Failed { message: other.to_string(), details: String::new() },
    })
}
