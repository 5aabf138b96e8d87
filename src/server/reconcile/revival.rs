//! Deployments that served before the workspace ended are brought back when it starts, without any operation.
//!
//! One that does not start is tried again, later and later, as a container is that stops again and again: what its script waits
//! for may come. An operation that makes it serve, or its removal, ends that.

use std::time::Duration;

use super::deployment::same_version;
use super::notes::say;
use super::tracker::{Cancel, Stop, Tracker};
use super::{Reconciler, Slot, lock, rewrite, slot};
use crate::resources::deployment::ERROR;
use crate::resources::{Deployment, JournalEntry, ProvisioningState};
use crate::server::store::{Change, Key, Kind};
use crate::server::telemetry::{Container, Level};

/// Before the second try; doubled from one to the next up to the longest.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How bringing a deployment back has gone so far.
#[derive(Debug, Default)]
pub(super) struct Revival {
    tries: u32,
    /// What the last try failed with.
    failed: Option<String>,
}

impl Revival {
    pub fn failed_with(self, message: String) -> Self {
        Self { tries: self.tries + 1, failed: Some(message) }
    }

    /// Until the next try.
    fn pause(&self) -> Duration {
        PAUSE.saturating_mul(2u32.saturating_pow(self.tries.saturating_sub(1))).min(LONGEST_PAUSE)
    }
}

impl Reconciler {
    /// Brings a deployment back. The answer is what it failed with, if it is to be tried again.
    pub(super) async fn revive(&self, endpoint: &str, name: &str, revival: &Revival) -> Option<String> {
        let spec = match self.store.get_as::<Deployment>(&Key::new(Kind::Serving, endpoint, name)) {
            Ok(Some(spec)) => spec,
            Ok(None) => return None,
            Err(error) => {
                tracing::error!(%error, endpoint, name, "a deployment cannot be read");
                return None;
            }
        };
        let key = Key::deployment(endpoint, name);
        let wanted = self.store.get_as::<Deployment>(&key).ok().flatten();
        let is = |state| wanted.as_ref().is_some_and(|wanted| wanted.properties.provisioning_state == state);
        let slot = slot(endpoint, Some(name));
        // Its removal was interrupted and is about to go on; or somebody has taken it in hand since the last try.
        let taken_up = lock(&self.serving).contains_key(&slot) || !is(ProvisioningState::Failed);
        if is(ProvisioningState::Deleting) || (revival.failed.is_some() && taken_up) {
            return None;
        }
        let log = self.telemetry.deployment(endpoint, name);
        let why = if revival.failed.is_some() { "Once more" } else { "The workspace has started" };
        let text = format!("{why}: bringing the deployment back.");
        say(&log, Container::InferenceServer, Level::Info, &text);
        let cancel = Cancel::new();
        lock(&self.reviving).insert(slot.clone(), cancel.clone());
        let tracker = Tracker::silent(self.store.clone(), cancel);
        let result = self.roll_out(&slot, endpoint, &spec, None, &tracker).await;
        lock(&self.reviving).remove(&slot);
        let Err(stop) = result else {
            self.is_back(&key, &spec).await;
            return None;
        };
        let Stop::Failed(error) = self.tell_failure(&slot, endpoint, name, stop) else { return None };
        self.settle("deployment", |store| {
            let Some(doc) = store.get(&key)? else { return Ok(Change::new()) };
            let mut body: Deployment = doc.decode()?;
            // An operation that is about to be carried out says what becomes of the deployment.
            if !body.properties.provisioning_state.is_terminal() {
                return Ok(Change::new());
            }
            body.properties.provisioning_state = ProvisioningState::Failed;
            body.properties.properties.insert(ERROR.to_owned(), error.message.clone());
            let change = rewrite(&doc, &body).and(self.keep_report(&slot));
            if revival.failed.as_ref() == Some(&error.message) {
                return Ok(change);
            }
            Ok(change.journal(JournalEntry {
                who: "workspace".to_owned(),
                action: "deployment.restart".to_owned(),
                endpoint: endpoint.to_owned(),
                deployment: Some(name.to_owned()),
                to: error.message.clone().into(),
                outcome: "failed".to_owned(),
                ..JournalEntry::default()
            }))
        })
        .await;
        // Anything else, such as a model that cannot be loaded, is the same the next time.
        (error.code == "ResourceNotReady").then_some(error.message)
    }

    /// One that had failed to come back serves again.
    async fn is_back(&self, key: &Key, spec: &Deployment) {
        self.settle("deployment", |store| {
            let Some(doc) = store.get(key)? else { return Ok(Change::new()) };
            let mut body: Deployment = doc.decode()?;
            // After a failed update another version is wanted than the one that is back.
            if body.properties.provisioning_state != ProvisioningState::Failed || !same_version(spec, &body) {
                return Ok(Change::new());
            }
            body.properties.provisioning_state = ProvisioningState::Succeeded;
            body.properties.properties.remove(ERROR);
            Ok(rewrite(&doc, &body))
        })
        .await;
    }

    /// Tries again after a while.
    pub(super) fn revive_later(&self, endpoint: &str, name: &str, revival: Revival) {
        let pause = revival.pause();
        let log = self.telemetry.deployment(endpoint, name);
        let text = format!("The next start is tried in {} s.", pause.as_secs());
        say(&log, Container::InferenceServer, Level::Warning, &text);
        let (me, endpoint, name) = (self.me.clone(), endpoint.to_owned(), name.to_owned());
        self.runtime.spawn(async move {
            tokio::time::sleep(pause).await;
            if let Some(me) = me.upgrade() {
                me.spawn(endpoint, Some(name), Some(revival));
            }
        });
    }

    /// A deployment (or all of an endpoint) is going to be deleted: bringing it back has become pointless.
    pub fn give_up_revival(&self, endpoint: &str, deployment: Option<&str>) {
        let asked = slot(endpoint, deployment);
        for (slot, cancel) in lock(&self.reviving).iter() {
            if *slot == asked || (deployment.is_none() && slot.0 == asked.0) {
                cancel.ask();
            }
        }
    }

    /// Whoever waits for a deployment that is not back by now learns that it is not.
    pub(super) async fn no_longer_starting(&self, endpoint: &str, slot: &Slot) {
        let waited_for = lock(&self.starting).remove(slot).is_some() && !lock(&self.serving).contains_key(slot);
        if waited_for && let Err(error) = self.publish(endpoint).await {
            tracing::error!(%error, endpoint, "the route cannot be published");
        }
    }
}
