//! What only local workspaces tell: the live feed, logs as they come, the journal, operations, recent requests.

use std::fmt::Write as _;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::Method;
use serde::de::DeserializeOwned;

use super::error::{ClientError, ErrorKind};
use super::ndjson::Lines;
use super::transport::Call;
use super::workspace::{Workspace, segment};
use crate::resources::live::WorkspaceInfo;
use crate::resources::{JournalEntry, LiveFrame, LogLine, Operation, Page, RequestSample};

/// Items as they arrive. It ends when the workspace stops; after an error comes nothing more.
pub type Feed<T> = BoxStream<'static, Result<T, ClientError>>;

/// Which journal entries, newest first.
#[derive(Debug, Clone, Default)]
pub struct JournalQuery {
    pub endpoint: Option<String>,
    /// `traffic`, `mirror`, … (see [`JournalEntry::action`]).
    pub action: Option<String>,
    /// Only entries older than this sequence number.
    pub before: Option<u64>,
    pub limit: Option<u32>,
}

impl Workspace {
    /// The live feed. The first frame brings up to `history` seconds of the past.
    pub async fn live(&self, history: u32) -> Result<Feed<LiveFrame>, ClientError> {
        self.feed(self.extension(&format!("/live?history={history}"))?).await
    }

    /// A deployment's log lines: the last `tail`, then new ones as they are written.
    pub async fn follow_logs(
        &self,
        endpoint: &str,
        deployment: &str,
        container: Option<&str>,
        tail: u32,
    ) -> Result<Feed<LogLine>, ClientError> {
        self.log_feed(endpoint, deployment, container, tail, true).await
    }

    /// A deployment's last `tail` log lines, oldest first.
    pub async fn log_lines(
        &self,
        endpoint: &str,
        deployment: &str,
        container: Option<&str>,
        tail: u32,
    ) -> Result<Vec<LogLine>, ClientError> {
        let mut feed = self.log_feed(endpoint, deployment, container, tail, false).await?;
        let mut lines = Vec::new();
        while let Some(line) = feed.next().await {
            lines.push(line?);
        }
        Ok(lines)
    }

    async fn log_feed(
        &self,
        endpoint: &str,
        deployment: &str,
        container: Option<&str>,
        tail: u32,
        follow: bool,
    ) -> Result<Feed<LogLine>, ClientError> {
        let mut query = format!(
            "/logs?endpoint={}&deployment={}&tail={tail}&follow={follow}",
            segment(endpoint),
            segment(deployment)
        );
        if let Some(container) = container {
            let _ = write!(query, "&container={}", segment(container));
        }
        self.feed(self.extension(&query)?).await
    }

    /// Changes that were made, newest first.
    pub async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalEntry>, ClientError> {
        let mut path = "/journal?".to_owned();
        if let Some(endpoint) = &query.endpoint {
            let _ = write!(path, "endpoint={}&", segment(endpoint));
        }
        if let Some(action) = &query.action {
            let _ = write!(path, "action={}&", segment(action));
        }
        if let Some(before) = query.before {
            let _ = write!(path, "before={before}&");
        }
        let _ = write!(path, "limit={}", query.limit.unwrap_or(100));
        let page: Page<JournalEntry> = self.get_url(self.extension(&path)?).await?;
        Ok(page.value)
    }

    /// Operations that run or ended lately.
    pub async fn operations(&self) -> Result<Vec<Operation>, ClientError> {
        let page: Page<Operation> = self.get_url(self.extension("/operations")?).await?;
        Ok(page.value)
    }

    /// Asks for an operation to be given up. It is over when its status says so.
    pub async fn cancel(&self, operation: &str) -> Result<(), ClientError> {
        let url = self.extension(&format!("/operations/{}/cancel", segment(operation)))?;
        self.send(Call::new(Method::POST, url)).await.map(|_| ())
    }

    /// Recent requests, newest first; of one deployment, or of all when it is `None`.
    pub async fn requests(
        &self,
        endpoint: &str,
        deployment: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RequestSample>, ClientError> {
        let mut path = format!("/requests?endpoint={}&limit={limit}", segment(endpoint));
        if let Some(deployment) = deployment {
            let _ = write!(path, "&deployment={}", segment(deployment));
        }
        let page: Page<RequestSample> = self.get_url(self.extension(&path)?).await?;
        Ok(page.value)
    }

    /// The workspace itself: listeners, process, disk, pools.
    pub async fn workspace_info(&self) -> Result<WorkspaceInfo, ClientError> {
        self.get_url(self.extension("/workspace")?).await
    }

    async fn feed<T: DeserializeOwned + Send + 'static>(&self, url: String) -> Result<Feed<T>, ClientError> {
        self.feed_of(Call::new(Method::GET, url)).await
    }

    /// The lines that answer a call.
    pub(super) async fn feed_of<T: DeserializeOwned + Send + 'static>(
        &self,
        mut call: Call,
    ) -> Result<Feed<T>, ClientError> {
        // A feed has no end of its own; a stalled one is noticed by its missing frames.
        call.timeout = None;
        let what = "opening a feed";
        let mut renewed = false;
        let response = loop {
            let response = self.inner.transport.open(&call, what).await?;
            if response.status() != 401 || renewed {
                break response;
            }
            renewed = true;
            self.inner.transport.forget_token(&self.inner.transport.base).await;
        };
        let status = response.status().as_u16();
        if status >= 400 {
            let body = response.bytes().await.unwrap_or_default();
            return Err(ClientError::from_answer(status, &body, what));
        }
        Ok(lines_of(response).boxed())
    }
}

/// The lines of an answer, parsed.
fn lines_of<T: DeserializeOwned + Send + 'static>(
    response: reqwest::Response,
) -> impl stream::Stream<Item = Result<T, ClientError>> + Send {
    let start = Some((response, Lines::default()));
    stream::unfold(start, |state| async move {
        let (mut response, mut lines) = state?;
        loop {
            match lines.next_line() {
                Ok(Some(line)) => return Some((parse(&line), Some((response, lines)))),
                Ok(None) => {}
                Err(error) => return Some((Err(error), None)),
            }
            match response.chunk().await {
                Ok(Some(chunk)) => lines.push(&chunk),
                Ok(None) => return lines.rest().map(|line| (parse(&line), None)),
                Err(error) => {
                    let broken = format!("the feed broke off: {error}");
                    return Some((Err(ClientError::new(ErrorKind::Unreachable, broken)), None));
                }
            }
        }
    })
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(line)
        .map_err(|e| ClientError::protocol(format!("a line of the feed is not understood: {e}")))
}
