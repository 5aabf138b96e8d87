//! What only local workspaces do: build Python environments, clean them up, check deployments before they are made.

use futures_util::StreamExt as _;
use http::Method;

use super::error::ClientError;
use super::transport::Call;
use super::workspace::Workspace;
use crate::resources::python::{
    BuildRequest, BuildStep, CheckAnswer, CheckRequest, CleanAnswer, CleanRequest, HeldEnvironments,
};

impl Workspace {
    /// The Python environments on disk, the last used first.
    pub async fn held_environments(&self) -> Result<HeldEnvironments, ClientError> {
        self.get_url(self.extension("/environments")?).await
    }

    /// Builds an environment, or finds it built; `tell` hears how far it is. Dropped, it stops the build.
    ///
    /// # Errors
    /// It cannot be built; the message names the package and what to do.
    pub async fn build_environment(
        &self,
        request: &BuildRequest,
        tell: &mut (dyn FnMut(&BuildStep) + Send),
    ) -> Result<BuildStep, ClientError> {
        let url = self.extension("/environments/build")?;
        self.steps(Call::new(Method::POST, url).json(request)?, tell).await
    }

    /// Installs uv into the workspace's folder; `tell` hears how far it is.
    ///
    /// # Errors
    /// There is no interpreter or no network.
    pub async fn install_uv(&self, tell: &mut (dyn FnMut(&BuildStep) + Send)) -> Result<BuildStep, ClientError> {
        let url = self.extension("/environments/install-uv")?;
        self.steps(Call::new(Method::POST, url), tell).await
    }

    /// Removes environments that nobody uses.
    pub async fn clean_environments(&self, request: &CleanRequest) -> Result<CleanAnswer, ClientError> {
        let url = self.extension("/environments/clean")?;
        let mut call = Call::new(Method::POST, url.as_str()).json(request)?;
        // Tens of thousands of files: a slow disk takes its time.
        call.timeout = Some(std::time::Duration::from_secs(1_800));
        self.send(call).await?.parse("the clean-up")
    }

    /// Looks at a deployment that is not there yet. Takes seconds.
    pub async fn check_deployment(&self, request: &CheckRequest) -> Result<CheckAnswer, ClientError> {
        let url = self.extension("/deployments/check")?;
        let mut call = Call::new(Method::POST, url.as_str()).json(request)?;
        // Resolving packages from a slow index takes its time.
        call.timeout = Some(std::time::Duration::from_secs(180));
        self.send(call).await?.parse("the check")
    }

    /// Hears a piece of work to its end.
    async fn steps(&self, call: Call, tell: &mut (dyn FnMut(&BuildStep) + Send)) -> Result<BuildStep, ClientError> {
        let mut feed = self.feed_of::<BuildStep>(call).await?;
        while let Some(step) = feed.next().await {
            match step? {
                done @ BuildStep::Done { .. } => return Ok(done),
                BuildStep::Failed { message, .. } => return Err(ClientError::local(message)),
                step => tell(&step),
            }
        }
        Err(ClientError::local("the workspace stopped before the work was done; try again when it runs"))
    }
}
