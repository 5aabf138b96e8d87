//! Bringing deployments up: the wanted version is loaded beside the running one and replaces it when it is ready.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::endpoint::ended;
use super::kind::{self, Wanted};
use super::memory::memory_of;
use super::model::{abandonable, load_failure, load_limit, on_own_thread, size_of, too_long};
use super::notes::{drain_time, say};
use super::report::{State, Step};
use super::script::{Loaded, Parts, Unless};
use super::tracker::{Stop, Tracker};
use super::tuning::tuning_of;
use super::{Reconciler, Serving, Slot, lock, rewrite, slot};
use crate::resources::deployment::{ERROR, NOTE, is_setting};
use crate::resources::{ArmError, Deployment, ProvisioningState, instance_type};
use crate::server::engine::ModelSource;
use crate::server::gateway::{Pool, PoolSettings};
use crate::server::mlflow::{self, Hosted, Way};
use crate::server::store::{Expect, Key, Kind};
use crate::server::telemetry::{Container, DeploymentTelemetry, Level};

impl Reconciler {
    /// Carries out one operation on a deployment; false when the store has closed.
    pub(super) async fn change_deployment(&self, endpoint: &str, name: &str, verb: &str, tracker: &Tracker) -> bool {
        let slot = slot(endpoint, Some(name));
        let key = Key::deployment(endpoint, name);
        let wanted = self.store.get_as::<Deployment>(&key);
        let result = match wanted {
            Err(error) => Err(Stop::Failed(error.to_arm())),
            // Deleted before this was even begun.
            Ok(None) if tracker.is_to_stop() => Err(Stop::Canceled),
            Ok(None) => Err(Stop::Failed(ArmError::new(
                "ResourceNotFound",
                format!("Deployment \"{name}\" of endpoint \"{endpoint}\" does not exist (any more)."),
            ))),
            Ok(Some(wanted)) => {
                let running = lock(&self.serving).get(&slot).cloned();
                match (verb, running) {
                    ("delete", running) => return self.take_down(endpoint, &slot, &wanted, running, tracker).await,
                    // Sizes and restarts are for what runs; after a failed update the wanted version is tried again.
                    ("scale" | "restart", Some(running)) if !same_version(&running.spec, &wanted) => {
                        self.roll_out(&slot, endpoint, &wanted, Some(running), tracker).await
                    }
                    ("scale", Some(running)) => self.scale(&slot, endpoint, &wanted, &running, tracker).await,
                    ("restart", Some(running)) => self.restart(&slot, endpoint, &running, tracker).await,
                    (_, running) => self.roll_out(&slot, endpoint, &wanted, running, tracker).await,
                }
            }
        };
        let result = result.map_err(|stop| self.tell_failure(&slot, endpoint, name, stop));
        self.settle("deployment", |store| {
            let end = tracker.end(&result);
            let Some(doc) = store.get(&key)? else { return Ok(end) };
            let end = end.and(self.keep_report(&slot));
            let mut body: Deployment = doc.decode()?;
            // One that is to be deleted stays so: this was given up for it.
            if body.properties.provisioning_state != ProvisioningState::Deleting {
                body.properties.provisioning_state = ended(&result);
            }
            body.properties.properties.remove(ERROR);
            if let Err(Stop::Failed(error)) = &result {
                body.properties.properties.insert(ERROR.to_owned(), error.message.clone());
            }
            if result.is_err() {
                return Ok(rewrite(&doc, &body).and(end));
            }
            let note = self.note(endpoint, &body);
            let properties = &mut body.properties.properties;
            match note {
                Some(note) => properties.insert(NOTE.to_owned(), note),
                None => properties.remove(NOTE),
            };
            let serving = Key::new(Kind::Serving, endpoint, name);
            Ok(rewrite(&doc, &body).put(serving, &body, Expect::Any).and(end))
        })
        .await
    }

    /// Loads the wanted version beside the running one, switches over when it is ready, then drains the old one.
    pub(super) async fn roll_out(
        &self,
        slot: &Slot,
        endpoint: &str,
        wanted: &Deployment,
        running: Option<Serving>,
        tracker: &Tracker,
    ) -> Result<(), Stop> {
        let parts = kind::wanted(&self.store, wanted);
        let python = parts.as_ref().is_ok_and(Wanted::needs_python);
        tracker.plan(&plan(wanted.instances(), python, running.is_some()));
        let log = self.telemetry.deployment(endpoint, &wanted.name);
        self.report(slot, |report| {
            report.begin();
            report.step(Step::SystemSetup, State::Succeeded, "Scheduled", "Runs in the local workspace");
            if !python {
                let text = "No container image is needed: built-in engine";
                report.step(Step::ImagePull, State::Succeeded, "Pulled", text);
            }
            report.step(Step::ModelDownload, State::InProgress, "Pulling", "Start fetching the model");
        });

        tracker.next();
        let loaded = match parts? {
            Wanted::Model { source, environment } if python => {
                let hosted = self.hosted(&source).await?;
                let parts = Parts::of_mlflow(hosted, source, environment)?;
                self.load_script(slot, wanted, parts, &log, tracker).await?
            }
            Wanted::Model { source, environment } => {
                let way = self.load(slot, wanted, source.clone(), running.as_ref(), &log, tracker).await?;
                match way {
                    Way::Native(servable) => {
                        let mut loaded = Loaded::native(servable, wanted);
                        loaded.notes.extend(source.converted.map(|_| CONVERTED.to_owned()));
                        loaded
                    }
                    Way::Python { hosted, why } => {
                        tracker.plan(&plan(wanted.instances(), true, running.is_some()));
                        tracker.next();
                        let parts = Parts::of_mlflow(hosted, source, environment)?;
                        let mut loaded = self.load_script(slot, wanted, parts, &log, tracker).await?;
                        loaded.notes.extend(why);
                        loaded
                    }
                }
            }
            Wanted::Script(script) => self.load_script(slot, wanted, Parts::of_script(script), &log, tracker).await?,
        };
        let Loaded { servable, settings, notes, warnings, stop } = loaded;

        tracker.next();
        let began = Instant::now();
        self.report(slot, |r| {
            r.step(Step::ContainerStart, State::InProgress, "Created", "Created container inference-server")
        });
        let settings = PoolSettings { events: self.events_of(slot), ..settings };
        let mut unless = Unless(Some(stop));
        let (thread, pool_name) = (format!("start {}", wanted.name), format!("{endpoint}/{}", wanted.name));
        let telemetry = Arc::clone(&log);
        let pool = on_own_thread(thread, move || Pool::start(&pool_name, servable, settings, telemetry));
        let pool = tracker.unless_canceled(pool).await?.map_err(|e| Stop::Failed(load_failure(&e)))?;
        unless.0 = None;
        self.report(slot, |r| {
            r.step(Step::ContainerStart, State::Succeeded, "Started", "Started container inference-server")
        });
        let count = instance_type::how_many(wanted.instances());
        let text = format!("{count} ready after {} ms.", began.elapsed().as_millis());
        say(&log, Container::InferenceServer, Level::Info, &text);

        tracker.next();
        tracker.no_return()?;
        let previous =
            lock(&self.serving).insert(slot.clone(), Serving { pool, spec: wanted.clone(), notes, warnings });
        if let Err(error) = self.publish(endpoint).await {
            let mut serving = lock(&self.serving);
            match previous {
                Some(previous) => serving.insert(slot.clone(), previous),
                None => serving.remove(slot),
            };
            return Err(Stop::Failed(error.to_arm()));
        }
        if let Some(note) = self.note(endpoint, wanted) {
            say(&log, Container::InferenceServer, Level::Warning, &note);
        }
        if let Some(previous) = previous {
            tracker.next();
            previous.pool.drain(drain_time(&previous.spec)).await;
            self.report(slot, |r| r.event("Killing", true, "Stopped the previous instances after draining"));
            say(&log, Container::InferenceServer, Level::Info, "The previous instances were drained and stopped.");
        }
        Ok(())
    }

    /// The wanted model, loaded; that of the running pool when it is the same.
    async fn load(
        &self,
        slot: &Slot,
        wanted: &Deployment,
        source: ModelSource,
        running: Option<&Serving>,
        log: &Arc<DeploymentTelemetry>,
        tracker: &Tracker,
    ) -> Result<Way, Stop> {
        let fetcher = Container::StorageInitializer;
        let kilobytes = size_of(&source.path).div_ceil(1024);
        let text = format!("Model {}:{} ({}, {kilobytes} KiB).", source.name, source.version, source.model_type);
        say(log, fetcher, Level::Info, &text);
        tracker.note(&text);
        if let Some(environment) = &wanted.properties.environment_id {
            let text = format!("Environment {environment} is not used: ONNX models run on the built-in engine.");
            say(log, fetcher, Level::Info, &text);
        }
        let done = "Models are downloaded successfully or no model need to download";
        self.report(slot, |r| r.step(Step::ModelDownload, State::Succeeded, "Downloaded", done));

        tracker.next();
        if let Some(running) = running
            && running.spec.properties.model == wanted.properties.model
            && running.spec.name == wanted.name
            && memory_of(&running.spec).ok() == source.memory
            && tuning_of(&running.spec).ok() == Some(source.tuning)
            && !running.pool.servable().is_container()
        {
            tracker.note("already loaded");
            return Ok(Way::Native(Arc::clone(running.pool.servable())));
        }
        // Never closed, so the permit is always had in the end.
        let _permit = tracker.unless_canceled(self.loads.acquire()).await?;
        let began = Instant::now();
        let (of_thread, loader) = (Arc::clone(log), Arc::clone(&self.loader));
        let thread = format!("load {}/{}", slot.0, wanted.name);
        let limit = load_limit(wanted)?;
        let of_late = Arc::clone(log);
        let late = move |took: Duration| {
            let text = format!("A load that was given up has ended after {:.0} s.", took.as_secs_f32());
            say(&of_late, fetcher, Level::Warning, &text);
        };
        let work = move || {
            let say = |line: &str| say(&of_thread, fetcher, Level::Info, line);
            if source.model_type == "mlflow_model" || source.converted.is_some() {
                mlflow::load(&source, &say)
            } else {
                loader(&source, &say).map(Way::Native)
            }
        };
        let work = tokio::time::timeout(limit, abandonable(thread, late, work));
        let loaded = tracker.unless_canceled(work).await?.unwrap_or_else(|_| Err(too_long(limit)));
        let loaded = loaded.map_err(|e| Stop::Failed(load_failure(&e)))?;
        let text = format!("Model loaded in {} ms.", began.elapsed().as_millis());
        say(log, fetcher, Level::Info, &text);
        Ok(loaded)
    }

    /// What Python needs for an MLflow model of which the built-in engine can serve nothing.
    async fn hosted(&self, source: &ModelSource) -> Result<Hosted, Stop> {
        let source = source.clone();
        let way = on_own_thread("read MLmodel".to_owned(), move || mlflow::load(&source, &|_| {}));
        match way.await.map_err(|e| Stop::Failed(load_failure(&e)))? {
            Way::Python { hosted, .. } => Ok(hosted),
            Way::Native(_) => {
                Err(Stop::Failed(ArmError::new("Conflict", "The model has changed meanwhile. Try again.")))
            }
        }
    }
}

/// Said of a deployment whose model was converted.
const CONVERTED: &str = "Native (converted): the model's ONNX form runs in the built-in engine.";

/// What is going to be done.
fn plan(instances: u32, python: bool, replaces: bool) -> Vec<String> {
    let start = match (instances, python) {
        (0, _) => "start no instances".to_owned(),
        (n, true) => format!("start {}", instance_type::how_many(n)),
        (1, _) => "start 1 instance, answer a sample".to_owned(),
        (n, _) => format!("start {n} instances, answer a sample"),
    };
    let second = if python { "build environment" } else { "load model" };
    let mut plan = vec!["fetch model".to_owned(), second.to_owned(), start, "switch traffic".to_owned()];
    if replaces {
        plan.push("drain the previous instances".to_owned());
    }
    plan
}

/// Whether two deployments differ in nothing but size, tags and bookkeeping.
pub(super) fn same_version(one: &Deployment, other: &Deployment) -> bool {
    let bare = |deployment: &Deployment| {
        let mut properties = deployment.properties.clone();
        properties.provisioning_state = ProvisioningState::default();
        properties.properties.retain(|name, _| is_setting(name));
        properties.description = None;
        properties
    };
    bare(one) == bare(other)
}
