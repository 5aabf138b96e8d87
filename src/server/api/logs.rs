//! A deployment's log as one text, in Azure's layout (reference §5.4).

use super::ControlPlane;
use super::context::rfc3339;
use super::fault::Fault;
use crate::server::store::Doc;
use crate::server::telemetry::Container;

/// Most lines a caller gets at once.
pub const MAX_TAIL: usize = 10_000;

/// The container a caller names; the inference server when none is named.
pub fn container(name: Option<&str>) -> Result<Container, Fault> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(Container::InferenceServer) };
    name.parse().map_err(|_| {
        Fault::property(
            "containerType",
            format!("There is no container \"{name}\". Use InferenceServer or StorageInitializer."),
        )
    })
}

impl ControlPlane {
    /// Status, events and the last `tail` lines of one container. What a script's process has written comes as it was
    /// written, as on Azure; what the workspace says bears its time, instance and level.
    pub(super) fn log_text(&self, doc: &Doc, container: Container, tail: usize) -> Result<String, Fault> {
        let (endpoint, name) = (&doc.key.parent, &doc.key.name);
        let mut text = self.app.reconciler.instance_status(endpoint, name);
        text.push_str("\nContainer logs:\n");
        let log = self.app.telemetry.deployment(endpoint, name);
        for line in log.log().tail(Some(container), tail.min(MAX_TAIL)) {
            if line.raw {
                text.push_str(&line.text);
                text.push('\n');
                continue;
            }
            let instance = line.instance.map(|n| format!(" [{n}]")).unwrap_or_default();
            text.push_str(&format!(
                "{}{instance} {} - {}\n",
                rfc3339(line.at_ms),
                line.level.to_uppercase(),
                line.text
            ));
        }
        Ok(text)
    }
}
