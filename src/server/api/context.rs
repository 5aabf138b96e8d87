//! What every handler needs: ids, times, locks, and one way to commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;

use super::ControlPlane;
use super::fault::Fault;
use crate::resources::ids::{AssetKind, ResourceId};
use crate::resources::{JournalEntry, SystemData};
use crate::server::store::{Doc, StoreError, fold};

/// Namespace of the resource provider.
pub const PROVIDER: &str = "Microsoft.MachineLearningServices";

/// One lock an endpoint: reading, judging and committing a change to it or its deployments is one step.
#[derive(Default)]
pub struct Locks(Mutex<HashMap<String, Arc<Mutex<()>>>>);

impl Locks {
    /// The lock of an endpoint; lock it for as long as no other change may come between.
    pub fn of(&self, endpoint: &str) -> Arc<Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Locks nobody holds are dropped, so that names of long-gone endpoints do not pile up.
        if all.len() > 1_000 {
            all.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        all.entry(fold(endpoint)).or_default().clone()
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, error: Box::new(error.to_arm()), allow: None }
    }
}

/// Repeats a change that was overtaken by one of the workspace's own between reading and writing.
///
/// A caller who gave `If-Match` has been told in `attempt` already; what arrives here is never his fault.
pub fn until_uncontended<T>(mut attempt: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    for _ in 0..20 {
        match attempt() {
            Err(fault) if fault.error.code == OVERTAKEN => {}
            other => return other,
        }
    }
    Err(Fault::conflict("Conflict", "The resource keeps changing. Read it again and repeat the change."))
}

/// Code of a commit that lost a race; never leaves the server.
const OVERTAKEN: &str = "Overtaken";

/// Marks a commit that lost a race, to be repeated by [`until_uncontended`].
pub fn overtaken(error: StoreError) -> Fault {
    let code = if matches!(error, StoreError::Conflict { .. }) { OVERTAKEN } else { error.code() };
    let mut fault = Fault::from(error);
    code.clone_into(&mut fault.error.code);
    fault
}

impl ControlPlane {
    pub fn base(&self) -> &str {
        &self.app.connection.base_url
    }

    pub fn workspace_id(&self) -> String {
        self.app.connection.workspace_id()
    }

    pub fn subscription_id(&self) -> String {
        format!("/subscriptions/{}", self.app.connection.subscription_id)
    }

    pub fn group_id(&self) -> String {
        format!("{}/resourceGroups/{}", self.subscription_id(), self.app.connection.resource_group)
    }

    /// Whether an id belongs to this workspace; ids compare in any case.
    pub fn is_here(&self, id: &ResourceId) -> bool {
        let here = &self.app.connection;
        id.subscription.eq_ignore_ascii_case(&here.subscription_id)
            && id.resource_group.eq_ignore_ascii_case(&here.resource_group)
            && id.get("workspaces").is_some_and(|name| name.eq_ignore_ascii_case(&here.workspace))
    }

    pub fn endpoint_id(&self, endpoint: &str) -> String {
        format!("{}/onlineEndpoints/{endpoint}", self.workspace_id())
    }

    pub fn deployment_id(&self, endpoint: &str, deployment: &str) -> String {
        format!("{}/deployments/{deployment}", self.endpoint_id(endpoint))
    }

    pub fn container_id(&self, kind: AssetKind, name: &str) -> String {
        format!("{}/{}/{name}", self.workspace_id(), kind.collection())
    }

    pub fn version_id(&self, kind: AssetKind, name: &str, version: &str) -> String {
        format!("{}/versions/{version}", self.container_id(kind, name))
    }
}

/// Who made a document and when.
pub fn system_data(doc: &Doc) -> SystemData {
    SystemData {
        created_at: rfc3339(doc.created_ms),
        created_by: "local".into(),
        created_by_type: Some("User".into()),
        last_modified_at: rfc3339(doc.modified_ms),
    }
}

/// The entity tag of a document's version.
pub fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Unix milliseconds as RFC 3339, always with microseconds, as Azure writes them.
pub fn rfc3339(unix_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Now, in Unix milliseconds.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// An entry of the journal about an endpoint (or, with an empty name, the workspace's assets).
pub fn entry(who: &str, action: &str, endpoint: &str, deployment: Option<&str>) -> JournalEntry {
    JournalEntry {
        who: who.to_owned(),
        action: action.to_owned(),
        endpoint: endpoint.to_owned(),
        deployment: deployment.map(str::to_owned),
        outcome: "done".into(),
        ..JournalEntry::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_azure_does() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(1_767_225_600_123), "2026-01-01T00:00:00.123000Z");
    }

    #[test]
    fn a_lost_race_is_run_again_and_others_are_not() {
        let mut runs = 0;
        let lost = || Fault::conflict(OVERTAKEN, "");
        let result = until_uncontended(|| {
            runs += 1;
            if runs < 3 { Err(lost()) } else { Ok(runs) }
        });
        assert_eq!(result.unwrap(), 3);
        assert_eq!(until_uncontended::<()>(|| Err(lost())).unwrap_err().error.code, "Conflict");
        let mut runs = 0;
        let _ = until_uncontended::<()>(|| {
            runs += 1;
            Err(Fault::bad("x", "y"))
        });
        assert_eq!(runs, 1);
    }
}
