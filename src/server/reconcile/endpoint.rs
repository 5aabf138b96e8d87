//! Operations on endpoints.

use futures_util::future::join_all;

use super::tracker::{Stop, Tracker};
use super::{Reconciler, lock, rewrite, slot};
use crate::resources::{ArmError, Endpoint, ProvisioningState};
use crate::server::store::{Change, Expect, Key, Kind, fold};

impl Reconciler {
    /// Carries out one operation on an endpoint; false when the store has closed.
    pub(super) async fn change_endpoint(&self, endpoint: &str, verb: &str, tracker: &Tracker) -> bool {
        if verb == "delete" {
            return self.remove_endpoint(endpoint, tracker).await;
        }
        tracker.plan(&["put into force".to_owned()]);
        tracker.next();
        let result = match tracker.no_return() {
            Ok(()) => self.publish(endpoint).await.map(drop).map_err(|e| Stop::Failed(e.to_arm())),
            Err(stop) => Err(stop),
        };
        self.settle("endpoint", |store| {
            let end = tracker.end(&result);
            let Some(doc) = store.get(&Key::endpoint(endpoint))? else { return Ok(end) };
            let mut body: Endpoint = doc.decode()?;
            let state = ended(&result);
            if body.properties.provisioning_state == state {
                return Ok(end);
            }
            body.properties.provisioning_state = state;
            Ok(rewrite(&doc, &body).and(end))
        })
        .await
    }

    /// Takes an endpoint with all its deployments out of service, then forgets it.
    async fn remove_endpoint(&self, endpoint: &str, tracker: &Tracker) -> bool {
        tracker.plan(&["stop routing", "drain deployments", "remove"].map(str::to_owned));
        tracker.next();
        if tracker.no_return().is_err() {
            let result = Err(Stop::Canceled);
            return self
                .settle("endpoint", |store| {
                    let end = tracker.end(&result);
                    let Some(doc) = store.get(&Key::endpoint(endpoint))? else { return Ok(end) };
                    let mut body: Endpoint = doc.decode()?;
                    body.properties.provisioning_state = ProvisioningState::Succeeded;
                    Ok(rewrite(&doc, &body).and(end))
                })
                .await;
        }
        {
            // In its turn: a change of keys or traffic that is being published must not bring the route back.
            let _turn = self.publishing.take(&fold(endpoint)).await;
            self.router.remove(endpoint);
        }
        tracker.next();
        // What is being done to its deployments has become pointless; what cannot be stopped is waited for.
        let deployments = self.store.list(Kind::Deployment, Some(endpoint)).unwrap_or_default();
        self.give_up_revival(endpoint, None);
        for doc in &deployments {
            if let Ok(Some(operation)) = self.store.operation_on(endpoint, Some(&doc.key.name))
                && let Some(cancel) = lock(&self.cancels).get(&operation.name)
            {
                cancel.ask();
            }
        }
        // The turns are kept to the end, so that nothing begins on a deployment that is about to be forgotten.
        let _turns = join_all(deployments.iter().map(|doc| async {
            let slot = slot(endpoint, Some(&doc.key.name));
            let turn = self.turns.take(&slot).await;
            let serving = lock(&self.serving).remove(&slot);
            if let Some(serving) = serving {
                serving.pool.drain(super::notes::drain_time(&serving.spec)).await;
            }
            lock(&self.reports).remove(&slot);
            turn
        }))
        .await;
        tracker.next();
        let written = self
            .settle("endpoint", |store| {
                let mut change = Change::new()
                    .delete(Key::endpoint(endpoint), Expect::Any)
                    .delete_children(Kind::Deployment, endpoint)
                    .delete_children(Kind::Serving, endpoint)
                    .delete_children(Kind::Report, endpoint)
                    .forget_endpoint_keys(endpoint)
                    .and(tracker.end(&Ok(())));
                // Operations that waited for a turn have nothing left to work on.
                for mut operation in store.open_operations()? {
                    let of_it = operation
                        .properties
                        .as_ref()
                        .is_some_and(|p| p.deployment.is_some() && p.endpoint.eq_ignore_ascii_case(endpoint));
                    if of_it {
                        operation.status = "Canceled".to_owned();
                        operation.end_time = Some(jiff::Timestamp::now().to_string());
                        let why = format!("Endpoint \"{endpoint}\" was deleted.");
                        operation.error = Some(ArmError::new("OperationCanceled", why));
                        let name = operation.name.clone();
                        change = change.operation(operation).settle(&name, "canceled");
                    }
                }
                Ok(change)
            })
            .await;
        self.telemetry.forget(endpoint, None);
        written
    }
}

/// The provisioning state that an operation's end leads to.
pub(super) fn ended(result: &Result<(), Stop>) -> ProvisioningState {
    match result {
        Ok(()) => ProvisioningState::Succeeded,
        Err(Stop::Failed(_)) => ProvisioningState::Failed,
        Err(Stop::Canceled) => ProvisioningState::Canceled,
    }
}
