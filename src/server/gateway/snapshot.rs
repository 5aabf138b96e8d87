//! What one request sees of an endpoint.

use std::sync::Arc;

use http::HeaderValue;

use super::auth::AuthPolicy;
use super::early::Starting;
use super::pool::Pool;
use super::splitter::Mode;
use crate::server::telemetry::{DeploymentTelemetry, EndpointTelemetry};

/// A deployment as routing sees it.
#[derive(Debug)]
pub struct Target {
    pub name: String,
    /// Live share in hundredths of a percent.
    pub weight: u16,
    /// Mirrored share in hundredths of a percent.
    pub mirror: u16,
    /// `None` while nothing runs.
    pub pool: Option<Arc<Pool>>,
    /// It served before the workspace was started anew and is on its way: requests wait for it.
    pub starting: Option<Starting>,
    pub telemetry: Arc<DeploymentTelemetry>,
    pub(super) header: HeaderValue,
}

impl Target {
    /// Takes work now, or will again at once.
    pub fn is_ready(&self) -> bool {
        self.pool.as_ref().is_some_and(|pool| pool.is_ready())
    }
}

/// The routing of one endpoint at one moment; never changed, only replaced.
#[derive(Debug)]
pub struct Snapshot {
    pub endpoint: String,
    /// Rises by one with every publication.
    pub generation: u64,
    pub mode: Mode,
    /// Answers in the manner of Kubernetes endpoints: 502, 503, 504.
    pub kubernetes: bool,
    pub auth: AuthPolicy,
    pub targets: Vec<Target>,
    pub(super) generation_header: HeaderValue,
    pub(super) telemetry: Arc<EndpointTelemetry>,
}

impl Snapshot {
    /// The deployment of that name, whatever its case.
    pub fn find(&self, deployment: &str) -> Option<usize> {
        self.targets.iter().position(|t| t.name.eq_ignore_ascii_case(deployment))
    }

    /// Somebody with weight takes work, or should: what fails again and again is not the same as no deployment.
    pub fn is_routable(&self) -> bool {
        let down = |t: &Target| t.pool.as_ref().is_some_and(|pool| pool.is_down());
        self.targets.iter().any(|t| t.weight > 0 && (t.is_ready() || down(t)))
    }
}
