//! Changing deployments that run: scale, restart, take down.

use std::sync::Arc;

use super::model::on_own_thread;
use super::notes::{drain_time, say};
use super::script::changed;
use super::tracker::{Stop, Tracker};
use super::{Reconciler, Serving, Slot, lock, rewrite};
use crate::resources::instance_type::how_many;
use crate::resources::{ArmError, Deployment, Endpoint, ProvisioningState};
use crate::server::store::{Change, Expect, Key, Kind, StoreError};
use crate::server::telemetry::{Container, Level};

impl Reconciler {
    pub(super) async fn scale(
        &self,
        slot: &Slot,
        endpoint: &str,
        wanted: &Deployment,
        running: &Serving,
        tracker: &Tracker,
    ) -> Result<(), Stop> {
        let count = wanted.instances();
        let before = running.pool.status().wanted;
        tracker.plan(&[format!("scale from {before} to {count} instances")]);
        tracker.next();
        let pool = Arc::clone(&running.pool);
        let scaling = on_own_thread(format!("scale {}", wanted.name), move || pool.scale(count));
        changed(tracker, &running.pool, scaling).await?;
        let text = format!("Scaled from {before} to {}.", how_many(count));
        self.report(slot, |r| r.event("Scaled", true, text.as_str()));
        let log = self.telemetry.deployment(endpoint, &wanted.name);
        say(&log, Container::InferenceServer, Level::Info, &text);
        if let Some(serving) = lock(&self.serving).get_mut(slot) {
            serving.spec.sku.clone_from(&wanted.sku);
        }
        if let Some(note) = self.note(endpoint, wanted) {
            say(&log, Container::InferenceServer, Level::Warning, &note);
        }
        Ok(())
    }

    pub(super) async fn restart(
        &self,
        slot: &Slot,
        endpoint: &str,
        running: &Serving,
        tracker: &Tracker,
    ) -> Result<(), Stop> {
        tracker.plan(&["restart instances one by one".to_owned()]);
        tracker.next();
        let name = &running.spec.name;
        let log = self.telemetry.deployment(endpoint, name);
        say(&log, Container::InferenceServer, Level::Info, "Restarting instances on request.");
        let pool = Arc::clone(&running.pool);
        let restarting = on_own_thread(format!("restart {name}"), move || pool.restart());
        changed(tracker, &running.pool, restarting).await?;
        self.report(slot, |r| r.event("Started", true, "Restarted container inference-server on request"));
        Ok(())
    }

    /// Routes nothing to it any more, drains, unloads, forgets. Its traffic must be 0.
    pub(super) async fn take_down(
        &self,
        endpoint: &str,
        slot: &Slot,
        wanted: &Deployment,
        running: Option<Serving>,
        tracker: &Tracker,
    ) -> bool {
        let name = &wanted.name;
        tracker.plan(&["stop routing", "drain", "unload"].map(str::to_owned));
        tracker.next();
        let refused = match self.weight_of(endpoint, name) {
            Ok(0) => tracker.no_return().err(),
            Ok(_) => Some(Stop::Failed(ArmError::new(
                "BadArgument",
                format!("Deployment \"{name}\" still has traffic. Set its traffic to 0, then delete it."),
            ))),
            Err(error) => Some(Stop::Failed(error.to_arm())),
        };
        if let Some(stop) = refused {
            let result = Err(stop);
            let state = if running.is_some() { ProvisioningState::Succeeded } else { ProvisioningState::Failed };
            return self
                .settle("deployment", |store| {
                    let end = tracker.end(&result);
                    let Some(doc) = store.get(&Key::deployment(endpoint, name.as_str()))? else { return Ok(end) };
                    let mut body: Deployment = doc.decode()?;
                    body.properties.provisioning_state = state;
                    Ok(rewrite(&doc, &body).and(end))
                })
                .await;
        }
        lock(&self.serving).remove(slot);
        if let Err(error) = self.publish(endpoint).await {
            tracing::error!(%error, endpoint, name, "the route cannot be published without the deployment");
        }
        tracker.next();
        if let Some(running) = running {
            running.pool.drain(drain_time(&running.spec)).await;
        }
        tracker.next();
        let written = self
            .settle("deployment", |store| {
                let mut change = Change::new()
                    .delete(Key::deployment(endpoint, name.as_str()), Expect::Any)
                    .delete(Key::new(Kind::Serving, endpoint, name.as_str()), Expect::Any)
                    .delete(Key::new(Kind::Report, endpoint, name.as_str()), Expect::Any)
                    .and(tracker.end(&Ok(())));
                if let Some(doc) = store.get(&Key::endpoint(endpoint))? {
                    let mut body: Endpoint = doc.decode()?;
                    let properties = &mut body.properties;
                    let before = properties.traffic.len() + properties.mirror_traffic.len();
                    properties.traffic.retain(|n, _| !n.eq_ignore_ascii_case(name));
                    properties.mirror_traffic.retain(|n, _| !n.eq_ignore_ascii_case(name));
                    if properties.traffic.len() + properties.mirror_traffic.len() != before {
                        change = change.and(rewrite(&doc, &body));
                    }
                }
                Ok(change)
            })
            .await;
        // Now the deployment is not even known by name: a call pinned to it finds nothing.
        if let Err(error) = self.publish(endpoint).await {
            tracing::error!(%error, endpoint, name, "the route cannot be published without the deployment");
        }
        lock(&self.reports).remove(slot);
        self.telemetry.forget(endpoint, Some(name));
        written
    }

    /// Live weight of a deployment, in hundredths of a percent.
    fn weight_of(&self, endpoint: &str, name: &str) -> Result<u16, StoreError> {
        let Some(endpoint) = self.store.get_as::<Endpoint>(&Key::endpoint(endpoint))? else { return Ok(0) };
        let traffic = &endpoint.properties.traffic;
        Ok(traffic.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or(0, |(_, w)| w.hundredths()))
    }
}
