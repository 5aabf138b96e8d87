//! The control plane: ARM routes, operations, uploads, metrics and the local extension routes.

pub mod blob;
pub mod fault;
pub mod read;
pub mod route;
pub mod tokens;

/// The control plane of a workspace.
pub struct ControlPlane {
    app: std::sync::Arc<super::App>,
}

impl ControlPlane {
    pub fn new(app: std::sync::Arc<super::App>) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self { app })
    }
}

impl super::gateway::Dispatch for ControlPlane {
    fn handle(
        self: std::sync::Arc<Self>,
        request: super::gateway::Request,
        _peer: super::gateway::PeerInfo,
    ) -> std::pin::Pin<Box<dyn Future<Output = super::gateway::Response> + Send>> {
        let text = format!("{} is not answered by {} yet", request.uri(), self.app.connection.base_url);
        Box::pin(async move { super::gateway::http::text(http::StatusCode::SERVICE_UNAVAILABLE, text) })
    }
}
