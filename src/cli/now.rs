//! How a deployment fares at this moment, which its resource does not say: made once, it stays `Succeeded` even when
//! its script has crashed since.

use std::time::Duration;

use futures_util::StreamExt as _;

use super::Session;
use super::output::{note, one_line};
use crate::resources::{Deployment, LiveDeployment, LiveFrame};

/// Longer than this nobody waits for what is an addition.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the deployments of an endpoint fare.
pub(super) struct Now(Option<Vec<LiveDeployment>>);

impl Now {
    /// Of the endpoint, where the workspace tells.
    pub(super) async fn of(session: &Session, endpoint: &str) -> Self {
        let frame = async { session.workspace.live(0).await.ok()?.next().await?.ok() };
        let frame = tokio::time::timeout(PATIENCE, frame).await.ok().flatten();
        let of = |frame: LiveFrame| {
            let live = frame.endpoints.into_iter().find(|live| live.name.eq_ignore_ascii_case(endpoint));
            live.map(|live| live.deployments).unwrap_or_default()
        };
        Self(frame.map(of))
    }

    fn live(&self, name: &str) -> Option<&LiveDeployment> {
        self.0.iter().flatten().find(|live| live.name.eq_ignore_ascii_case(name))
    }

    /// `2`, or `0 of 2 ready`. A deployment that never came to serve is not among those that do.
    pub(super) fn instances(&self, deployment: &Deployment) -> String {
        let wanted = deployment.instances();
        match (&self.0, self.live(&deployment.name).map_or(0, |live| live.ready)) {
            (Some(_), ready) if ready != wanted => format!("{ready} of {wanted} ready"),
            _ => wanted.to_string(),
        }
    }

    /// Why an instance does not come back, and when it is tried again.
    pub(super) fn trouble(&self, name: &str) -> Option<String> {
        let trouble = self.live(name)?.trouble.as_ref()?;
        let left = (trouble.retry_ms - jiff::Timestamp::now().as_millisecond()).max(0) / 1000;
        Some(format!("{}, started again in {left} s: {}", trouble.kind, trouble.reason))
    }

    /// A remark for each deployment that is in trouble.
    pub(super) fn tell_troubles(&self) {
        for live in self.0.iter().flatten() {
            if let Some(trouble) = self.trouble(&live.name) {
                note(&format!("{}: {}", one_line(&live.name), one_line(&trouble)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{Sku, Trouble};

    #[test]
    fn what_is_down_is_told_with_its_reason_and_when_it_comes_back() {
        let wanted = Deployment {
            name: "blue".to_owned(),
            sku: Some(Sku { name: "Default".to_owned(), tier: None, capacity: 2 }),
            ..Deployment::default()
        };
        let mut live = LiveDeployment { name: "blue".to_owned(), ready: 2, wanted: 2, ..LiveDeployment::default() };
        let now = Now(Some(vec![live.clone()]));
        assert_eq!((now.instances(&wanted), now.trouble("blue")), ("2".to_owned(), None));
        live.ready = 1;
        live.trouble = Some(Trouble {
            kind: "CrashLoopBackOff".to_owned(),
            reason: "ValueError: no".to_owned(),
            retry_ms: jiff::Timestamp::now().as_millisecond() + 3_950_000,
        });
        let now = Now(Some(vec![live]));
        assert_eq!(now.instances(&wanted), "1 of 2 ready");
        let told = now.trouble("blue").unwrap();
        assert!(
            told.starts_with("CrashLoopBackOff, started again in 39") && told.ends_with(" s: ValueError: no"),
            "{told}"
        );
        assert_eq!(Now(Some(Vec::new())).instances(&wanted), "0 of 2 ready", "it never came to serve");
        assert_eq!(Now(None).instances(&wanted), "2", "a workspace that does not tell");
    }
}
