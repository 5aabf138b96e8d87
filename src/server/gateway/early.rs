//! Requests that come before their deployment is back: after a restart of the workspace they wait for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::pool::Refusal;
use super::router::{Entry, Routed, Unrouted};
use super::snapshot::{Snapshot, Target};

/// A deployment that served before and is being loaded again.
#[derive(Debug, Clone)]
pub struct Starting {
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Starting {
    /// `places` requests may wait, each as long as `patience` from its arrival: admission and request timeout of the
    /// deployment.
    pub fn new(places: u32, patience: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(places as usize)), patience }
    }
}

pub(super) type Route = Result<Routed, (Unrouted, Option<Arc<Snapshot>>)>;

/// A deployment with live weight that is on its way.
fn expected(snapshot: &Snapshot) -> Option<usize> {
    snapshot.targets.iter().position(|t| t.weight > 0 && t.starting.is_some())
}

/// Where a request would go if only it were there.
fn awaited(route: &Route) -> Option<(&Arc<Snapshot>, &Target, usize)> {
    let (snapshot, at) = match route {
        Ok(routed) if matches!(routed.admission, Err(Refusal::NotReady)) => (&routed.snapshot, routed.target),
        Err((Unrouted::NoWeight, Some(snapshot))) => (snapshot, expected(snapshot)?),
        _ => return None,
    };
    snapshot.targets.get(at).filter(|t| t.starting.is_some()).map(|target| (snapshot, target, at))
}

/// Whether waiting may help.
pub(super) fn is_early(route: &Route) -> bool {
    awaited(route).is_some()
}

/// Waits until the request can be admitted, or cannot for another reason, or its time is up.
pub(super) async fn wait(entry: &Entry, pinned: Option<&str>, first: Route, arrived: Instant) -> Route {
    let Some(starting) = awaited(&first).and_then(|(_, target, _)| target.starting.clone()) else { return first };
    let Ok(_place) = starting.places.try_acquire() else {
        return refused(first, Refusal::TooMany { retry_after: 1 });
    };
    // What the split has chosen stays chosen.
    let choice = first.as_ref().ok().map(|r| (r.snapshot.targets[r.target].name.clone(), r.probability, r.pinned));
    loop {
        let mut published = std::pin::pin!(entry.published.notified());
        published.as_mut().enable();
        let route = match &choice {
            Some((name, probability, pinned)) => {
                entry.route(Some(name)).map(|r| Routed { probability: *probability, pinned: *pinned, ..r })
            }
            None => entry.route(pinned),
        };
        if !is_early(&route) {
            return route;
        }
        if tokio::time::timeout_at((arrived + starting.patience).into(), published).await.is_err() {
            return refused(route, Refusal::NotReady);
        }
    }
}

/// A route that ends at the deployment waited for.
fn refused(route: Route, why: Refusal) -> Route {
    let Some((snapshot, _, target)) = awaited(&route) else { return route };
    let (snapshot, probability, pinned) = match &route {
        Ok(routed) => (Arc::clone(snapshot), routed.probability, routed.pinned),
        Err(_) => (Arc::clone(snapshot), 1.0, false),
    };
    Ok(Routed { snapshot, target, probability, pinned, admission: Err(why), mirrors: Vec::new() })
}
