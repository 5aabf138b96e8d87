//! From what should run to what runs: carries out operations, keeps pools and routes in step with the store.
//!
//! The control plane writes an operation and the wanted state down, then nudges; everything here follows from the
//! store alone, so that a crash at any point is made good by doing the same again at the next start. Work on one
//! resource takes turns; work on different ones runs at the same time.

mod change;
mod deployment;
mod endpoint;
mod kind;
mod measure;
mod memory;
mod model;
mod notes;
mod report;
mod revival;
mod script;
mod stage;
#[cfg(test)]
mod tests;
mod tracker;
mod tuning;
mod turns;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::api::tokens::Tokens;
use super::engine::{LoadError, ModelSource, Servable};
use super::environments::Environments;
use super::gateway::{AuthFailure, AuthPolicy, EndpointRoute, Mode, Pool, Router, Starting};
use super::store::{Change, Doc, Expect, Key, Kind, Result, Store, StoreError, fold};
use super::telemetry::Telemetry;
use crate::resources::{ArmError, AuthMode, Deployment, Endpoint, Operation, ProvisioningState};
use report::Report;
use revival::Revival;
use tracker::{Cancel, Tracker};
pub use tuning::check_settings;
use turns::Turns;

/// Longest request timeout the API allows, and a little: what a canceller waits for at most.
const PATIENCE: Duration = Duration::from_secs(200);
/// How long processes of scripts may take to end with the workspace.
const GOODBYE: Duration = Duration::from_secs(8);
/// How long to wait before writing a result again that could not be written (a full disk).
const RETRY: Duration = Duration::from_secs(1);

/// Models loaded at the same time; more would only fight for memory.
const LOADS: usize = 8;

/// Property of a deployment that gives its instances another memory than their type has, in MiB.
pub const MEMORY_LIMIT: &str = "mlconsole.memory_limit_mb";
/// Property of a deployment that says how many seconds loading its model may take.
pub const LOAD_LIMIT_PROPERTY: &str = "mlconsole.load_limit_s";

/// Loads a model version: [`super::engine::load`].
pub(super) type Loader =
    dyn Fn(&ModelSource, &dyn Fn(&str)) -> std::result::Result<Arc<dyn Servable>, LoadError> + Send + Sync;

/// Endpoint and deployment, folded; the deployment is "" for the endpoint itself.
type Slot = (String, String);

/// A deployment that runs.
#[derive(Clone)]
struct Serving {
    pool: Arc<Pool>,
    /// As it was when it was loaded, but for the number of instances.
    spec: Deployment,
    /// What its owner should know of its environment.
    notes: Vec<String>,
    /// What its script has warned of.
    warnings: super::script::Warnings,
}

/// Carries out the operations that the control plane writes down.
pub struct Reconciler {
    me: Weak<Self>,
    store: Store,
    router: Arc<Router>,
    telemetry: Arc<Telemetry>,
    tokens: Arc<Tokens>,
    mode: Mode,
    loader: Arc<Loader>,
    environments: Arc<Environments>,
    runtime: tokio::runtime::Handle,
    serving: Mutex<HashMap<Slot, Serving>>,
    /// What served before the workspace was started and is not back yet.
    starting: Mutex<HashMap<Slot, Starting>>,
    reports: Mutex<HashMap<Slot, Report>>,
    cancels: Mutex<HashMap<String, Cancel>>,
    /// Deployments that are being brought back.
    reviving: Mutex<HashMap<Slot, Cancel>>,
    loads: tokio::sync::Semaphore,
    measured: Mutex<measure::Last>,
    turns: Turns<Slot>,
    publishing: Turns<String>,
}

impl Reconciler {
    /// Must be called on the runtime that is to carry the work.
    pub(super) fn new(
        store: Store,
        router: Arc<Router>,
        telemetry: Arc<Telemetry>,
        tokens: Arc<Tokens>,
        mode: Mode,
        loader: Arc<Loader>,
        environments: Arc<Environments>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            store,
            router,
            telemetry,
            tokens,
            mode,
            loader,
            environments,
            runtime: tokio::runtime::Handle::current(),
            serving: Mutex::default(),
            starting: Mutex::default(),
            reports: Mutex::default(),
            cancels: Mutex::default(),
            reviving: Mutex::default(),
            loads: tokio::sync::Semaphore::new(LOADS),
            measured: Mutex::default(),
            turns: Turns::new(),
            publishing: Turns::new(),
        })
    }

    /// Takes up the work of an earlier process: publishes every endpoint, then brings back every deployment that served
    /// and goes on with every operation that had not ended, all at the same time. Returns once the endpoints are
    /// published; the deployments follow as they are ready.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) async fn resume(&self) -> Result<()> {
        stage::sweep(self.store.dir());
        let mut slots: Vec<(String, Option<String>)> = Vec::new();
        for doc in self.store.list(Kind::Serving, None)? {
            if let Ok(spec) = doc.decode::<Deployment>() {
                let settings = notes::settings_of(&spec);
                let places = settings.instances.saturating_mul(settings.max_concurrent_per_instance).saturating_mul(2);
                let starting = Starting::new(places, settings.request_timeout);
                lock(&self.starting).insert(slot(&doc.key.parent, Some(&doc.key.name)), starting);
            }
            slots.push((doc.key.parent, Some(doc.key.name)));
        }
        for doc in self.store.list(Kind::Endpoint, None)? {
            self.publish(&doc.key.name).await?;
        }
        for operation in self.store.open_operations()? {
            if let Some(details) = operation.properties {
                slots.push((details.endpoint, details.deployment));
            }
        }
        self.keep_measuring();
        let mut seen = std::collections::HashSet::new();
        for (endpoint, deployment) in slots {
            if seen.insert(slot(&endpoint, deployment.as_deref())) {
                self.spawn(endpoint, deployment, Some(Revival::default()));
            }
        }
        Ok(())
    }

    /// There is an operation to carry out on an endpoint (`deployment` = `None`) or on one of its deployments.
    /// Returns at once.
    pub fn nudge(&self, endpoint: &str, deployment: Option<&str>) {
        self.spawn(endpoint.to_owned(), deployment.map(str::to_owned), None);
    }

    fn spawn(&self, endpoint: String, deployment: Option<String>, revival: Option<Revival>) {
        let Some(me) = self.me.upgrade() else { return };
        self.runtime.spawn(async move {
            let slot = slot(&endpoint, deployment.as_deref());
            let _turn = me.turns.take(&slot).await;
            if let (Some(revival), Some(deployment)) = (revival, &deployment) {
                let failed = me.revive(&endpoint, deployment, &revival).await;
                me.no_longer_starting(&endpoint, &slot).await;
                if let Some(failed) = failed {
                    me.revive_later(&endpoint, deployment, revival.failed_with(failed));
                }
            }
            loop {
                let open = match me.store.operation_on(&endpoint, deployment.as_deref()) {
                    Ok(open) => open,
                    Err(error) => {
                        tracing::error!(%error, endpoint, deployment, "operations cannot be read; trying again");
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                };
                let Some(operation) = open else { return };
                if !me.carry_out(&endpoint, deployment.as_deref(), operation).await {
                    return;
                }
            }
        });
    }

    /// False when the store has closed under it: the operation stays open and is taken up at the next start.
    async fn carry_out(&self, endpoint: &str, deployment: Option<&str>, operation: Operation) -> bool {
        let verb = operation.properties.as_ref().map(|p| p.verb.clone()).unwrap_or_default();
        let name = operation.name.clone();
        let cancel = lock(&self.cancels).entry(name.clone()).or_insert_with(Cancel::new).clone();
        let tracker = Tracker::of(self.store.clone(), operation, cancel);
        let written = match deployment {
            Some(deployment) => self.change_deployment(endpoint, deployment, &verb, &tracker).await,
            None => self.change_endpoint(endpoint, &verb, &tracker).await,
        };
        lock(&self.cancels).remove(&name);
        written
    }

    /// Puts the stored traffic, mirror and credentials of an endpoint into force; returns the routing generation.
    /// From then on no request is admitted under the previous one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn publish(&self, endpoint: &str) -> Result<u64> {
        let _turn = self.publishing.take(&fold(endpoint)).await;
        let Some(doc) = self.store.get(&Key::endpoint(endpoint))? else {
            self.router.remove(endpoint);
            return Ok(0);
        };
        let resource: Endpoint = doc.decode()?;
        if resource.properties.provisioning_state == ProvisioningState::Deleting {
            self.router.remove(endpoint);
            return Ok(0);
        }
        let deployments = self.store.list(Kind::Deployment, Some(endpoint))?;
        let pools = lock(&self.serving);
        let running = |name: &str| pools.get(&slot(endpoint, Some(name))).map(|s| Arc::clone(&s.pool));
        let starting = lock(&self.starting);
        let coming = |name: &str| Some((name.to_owned(), starting.get(&slot(endpoint, Some(name)))?.clone()));
        let starting_now = deployments.iter().filter_map(|d| coming(&d.key.name)).collect();
        drop(starting);
        let deployments = deployments.into_iter().map(|d| (d.key.name.clone(), running(&d.key.name))).collect();
        drop(pools);
        let route = EndpointRoute {
            auth: self.auth(&doc.key.name, resource.properties.auth_mode)?,
            name: doc.key.name,
            weights: resource.properties.traffic,
            mirror: resource.properties.mirror_traffic,
            deployments,
            starting: starting_now,
            mode: self.mode,
            kubernetes: resource.properties.compute.is_some(),
        };
        let generation = self.router.publish(route);
        self.store.touch();
        Ok(generation)
    }

    fn auth(&self, endpoint: &str, mode: AuthMode) -> Result<AuthPolicy> {
        Ok(match mode {
            AuthMode::Key => {
                // Without stored keys nobody gets in: an empty key opens nothing.
                let keys = self.store.endpoint_keys(endpoint)?.unwrap_or_default();
                AuthPolicy::Keys { primary: keys.primary_key, secondary: keys.secondary_key }
            }
            AuthMode::AMLToken => {
                let verify = self.tokens.endpoint_verifier(endpoint);
                AuthPolicy::AmlToken(Arc::new(move |token| verify(token).map_err(|e| AuthFailure(e.to_string()))))
            }
            AuthMode::AADToken => {
                let verify = self.tokens.aad_verifier();
                AuthPolicy::AadToken(Arc::new(move |token| verify(token).map_err(|e| AuthFailure(e.to_string()))))
            }
        })
    }

    /// The operation in progress on an endpoint itself (`None`) or on one of its deployments: the reason for a 409.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn busy(&self, endpoint: &str, deployment: Option<&str>) -> Result<Option<Operation>> {
        self.store.operation_on(endpoint, deployment)
    }

    /// The pool of a deployment, when it runs.
    pub fn pool(&self, endpoint: &str, deployment: &str) -> Option<Arc<Pool>> {
        lock(&self.serving).get(&slot(endpoint, Some(deployment))).map(|s| Arc::clone(&s.pool))
    }

    /// Whether a deployment can take traffic now.
    pub fn is_ready(&self, endpoint: &str, deployment: &str) -> bool {
        self.pool(endpoint, deployment).is_some_and(|pool| pool.is_ready())
    }

    /// Head of a deployment's log: status of its steps and its events (reference §5.4).
    pub fn instance_status(&self, endpoint: &str, deployment: &str) -> String {
        self.report_of(&slot(endpoint, Some(deployment))).text()
    }

    /// Asks an operation to stop and does not wait for it; false when it is past that point.
    pub fn stop_operation(&self, operation: &str) -> bool {
        lock(&self.cancels).entry(operation.to_owned()).or_insert_with(Cancel::new).ask()
    }

    /// Stops an operation where it can be stopped and waits until it has ended.
    ///
    /// # Errors
    /// There is no such operation, or it has ended, or it cannot be stopped any more.
    pub async fn cancel(&self, operation: &str) -> std::result::Result<Operation, ArmError> {
        let find = || self.store.operation(operation).map_err(|e| e.to_arm());
        let too_late = |why: String| ArmError::new("OperationNotCancellable", why);
        let Some(current) = find()? else {
            return Err(ArmError::new("OperationNotFound", format!("There is no operation \"{operation}\".")));
        };
        if current.is_terminal() {
            return Err(too_late(format!("Operation \"{operation}\" has ended already ({}).", current.status)));
        }
        // Made here when the operation has not been taken up yet; it will find it.
        let cancel = lock(&self.cancels).entry(operation.to_owned()).or_insert_with(Cancel::new).clone();
        if !cancel.ask() {
            return Err(too_late(format!(
                "Operation \"{operation}\" is past the point where it can be stopped; wait until it has ended, then undo it."
            )));
        }
        let mut changes = self.store.changes();
        let ended = async {
            loop {
                changes.borrow_and_update();
                match find()? {
                    Some(now) if !now.is_terminal() => {}
                    Some(now) => return Ok(now),
                    None => return Ok(current.clone()),
                }
                if changes.changed().await.is_err() {
                    return Err(too_late("The workspace is shutting down.".into()));
                }
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap_or_else(|_| {
            Err(too_late(format!(
                "Operation \"{operation}\" was asked to stop but has not ended yet. Look again later."
            )))
        })
    }

    /// Stops every pool at once; what they were doing has been drained before. Processes get the time to say goodbye. Used
    /// when this process ends.
    pub(super) fn stop(&self) {
        let all: Vec<Serving> = lock(&self.serving).drain().map(|(_, serving)| serving).collect();
        let servables: Vec<Arc<dyn Servable>> = all.iter().map(|serving| Arc::clone(serving.pool.servable())).collect();
        // Outside the lock.
        all.iter().for_each(|serving| serving.pool.stop());
        drop(all);
        let until = std::time::Instant::now() + GOODBYE;
        servables.iter().for_each(|servable| servable.rest(until));
    }

    /// Writes the end of a piece of work, again and again until it is written; false when the store has closed.
    async fn settle(&self, what: &str, change: impl Fn(&Store) -> Result<Change>) -> bool {
        loop {
            let written = match change(&self.store) {
                Ok(change) => self.store.submit(change).await,
                Err(error) => Err(error),
            };
            match written {
                Ok(_) => return true,
                Err(StoreError::Closed { .. }) => return false,
                // Someone changed the document in between: the change is made again from what is there now.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => {
                    tracing::error!(%error, what, "a result cannot be written; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

fn slot(endpoint: &str, deployment: Option<&str>) -> Slot {
    (fold(endpoint), deployment.map(fold).unwrap_or_default())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts a changed document, provided that nobody else changed it since it was read.
fn rewrite(doc: &Doc, body: &impl serde::Serialize) -> Change {
    Change::new().put(doc.key.clone(), body, Expect::Etag(doc.etag))
}
