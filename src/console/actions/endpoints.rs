//! Dashboard, endpoint and traffic.

use super::table::{
    Action, Row,
    Scope::{Dashboard, Endpoint, Traffic, TrafficType},
};
use crate::console::screens::{ask, dashboard, endpoint, traffic};

/// The rows.
pub const ROWS: &[Row] = &[
    Row::new(Action::Open, "open", "Open the selected endpoint", Dashboard, &["enter", "right", "l"])
        .footer(90, "open")
        .unless(dashboard::nothing_selected)
        .command("mlconsole endpoint show {endpoint}"),
    Row::new(Action::OpenTraffic, "open.traffic", "Move traffic", Dashboard, &["t"])
        .footer(80, "traffic")
        .unless(dashboard::nothing_selected)
        .command("mlconsole traffic show {endpoint}"),
    Row::new(Action::OpenTest, "open.test", "Send a test request", Dashboard, &["x"])
        .footer(70, "test")
        .unless(dashboard::nothing_selected)
        .command("mlconsole endpoint invoke {endpoint} --request-file FILE"),
    Row::new(Action::OpenLogs, "open.logs", "Read the logs", Dashboard, &["shift-l"])
        .footer(60, "logs")
        .unless(dashboard::no_deployment)
        .command("mlconsole deployment logs {endpoint} {deployment}"),
    Row::new(Action::NewEndpoint, "endpoint.new", "New endpoint", Dashboard, &["n"])
        .write()
        .footer(50, "new")
        .command("mlconsole endpoint create -f FILE"),
    Row::new(Action::ProblemsOnly, "problems", "Only endpoints with problems", Dashboard, &["p"]),
    Row::new(Action::OpenConnect, "open.connect", "Keys, and how to connect", Dashboard, &["c"])
        .unless(dashboard::nothing_selected)
        .command("mlconsole endpoint keys {endpoint}"),
    Row::new(Action::EditEndpoint, "endpoint.edit", "Edit the endpoint", Dashboard, &["e"])
        .write()
        .unless(dashboard::nothing_selected)
        .command("mlconsole endpoint update {endpoint} -f FILE"),
    Row::new(Action::NewDeployment, "deployment.new", "New deployment", Dashboard, &["shift-n"])
        .write()
        .unless(dashboard::nothing_selected)
        .command("mlconsole deployment create --endpoint {endpoint} -f FILE"),
    Row::new(Action::DeleteEndpoint, "endpoint.delete", "Delete the endpoint", Dashboard, &["shift-d", "delete"])
        .destructive(ask::delete_endpoint)
        .unless(dashboard::nothing_selected)
        .command("mlconsole endpoint delete {endpoint} --yes"),
    Row::new(Action::PreviousColour, "colour.previous", "Previous deployment", Endpoint, &["left", "h"])
        .footer(95, "deployment")
        .pair("colour.next")
        .unlisted(),
    Row::new(Action::NextColour, "colour.next", "Next deployment", Endpoint, &["right", "l"]).unlisted(),
    Row::new(Action::OpenTraffic, "endpoint.traffic", "Move traffic", Endpoint, &["t", "enter"])
        .footer(90, "traffic")
        .command("mlconsole traffic show {endpoint}"),
    Row::new(Action::OpenTest, "endpoint.test", "Send a test request", Endpoint, &["x"])
        .footer(80, "test")
        .command("mlconsole endpoint invoke {endpoint} --request-file FILE"),
    Row::new(Action::OpenLogs, "endpoint.logs", "Read the logs of the deployment", Endpoint, &["shift-l"])
        .footer(70, "logs")
        .unless(endpoint::no_deployment)
        .command("mlconsole deployment logs {endpoint} {deployment}"),
    Row::new(Action::NewDeployment, "endpoint.deployment.new", "New deployment", Endpoint, &["n"])
        .write()
        .footer(60, "new deployment")
        .command("mlconsole deployment create --endpoint {endpoint} -f FILE"),
    Row::new(Action::EditDeployment, "deployment.edit", "Edit the deployment", Endpoint, &["e"])
        .write()
        .unless(endpoint::no_deployment)
        .command("mlconsole deployment update {endpoint} {deployment} -f FILE"),
    Row::new(Action::ScaleUp, "deployment.scale.up", "One instance more", Endpoint, &[">"])
        .change(ask::scale_up)
        .unless(endpoint::cannot_scale_up)
        .command("mlconsole deployment scale {endpoint} {deployment} N"),
    Row::new(Action::ScaleDown, "deployment.scale.down", "One instance less", Endpoint, &["<"])
        .change(ask::scale_down)
        .unless(endpoint::cannot_scale_down)
        .command("mlconsole deployment scale {endpoint} {deployment} N"),
    Row::new(Action::RestartDeployment, "deployment.restart", "Restart the deployment", Endpoint, &["shift-r"])
        .change(ask::restart)
        .unless(endpoint::no_deployment)
        .command("mlconsole deployment restart {endpoint} {deployment}"),
    Row::new(Action::DeleteDeployment, "deployment.delete", "Delete the deployment", Endpoint, &["shift-d", "delete"])
        .destructive(ask::delete_deployment)
        .unless(endpoint::cannot_delete)
        .command("mlconsole deployment delete {endpoint} {deployment} --yes"),
    Row::new(Action::OpenConnect, "endpoint.connect", "Keys, and how to connect", Endpoint, &["c"])
        .command("mlconsole endpoint keys {endpoint}"),
    Row::new(Action::EditEndpoint, "endpoint.settings", "Edit the endpoint", Endpoint, &["shift-e"])
        .write()
        .command("mlconsole endpoint update {endpoint} -f FILE"),
    Row::new(Action::UndoTraffic, "endpoint.undo", "Undo the last change of traffic", Endpoint, &["u"])
        .change(ask::undo)
        .unless(traffic::nothing_to_undo)
        .command("mlconsole traffic undo {endpoint}"),
    Row::new(Action::WeightDown, "traffic.down", "1 % less", Traffic, &["left", "h"])
        .footer(99, "1 %")
        .pair("traffic.up")
        .unlisted(),
    Row::new(Action::WeightUp, "traffic.up", "1 % more", Traffic, &["right", "l"]).unlisted(),
    Row::new(Action::WeightDownFast, "traffic.down.fast", "10 % less", Traffic, &["shift-left", "shift-h"])
        .footer(98, "10 %")
        .pair("traffic.up.fast")
        .unlisted(),
    Row::new(Action::WeightUpFast, "traffic.up.fast", "10 % more", Traffic, &["shift-right", "shift-l"]).unlisted(),
    Row::new(
        Action::TypeWeight,
        "traffic.type",
        "Type a weight",
        Traffic,
        &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    )
    .footer(97, "type")
    .unlisted(),
    Row::new(Action::Preset, "traffic.preset", "Next preset: 0, 10, 50, 90, 100 %", Traffic, &["p"])
        .footer(90, "presets"),
    Row::new(Action::Swap, "traffic.swap", "Swap with the other deployment", Traffic, &["w"])
        .footer(85, "swap")
        .unless(traffic::nothing_to_swap),
    Row::new(Action::Lock, "traffic.lock", "Keep this weight while others move", Traffic, &["x"])
        .footer(40, "lock")
        .unless(traffic::cannot_lock),
    Row::new(
        Action::ApplyTraffic,
        "traffic.apply",
        "Apply the draft, or go back to the chosen change",
        Traffic,
        &["enter"],
    )
    .write()
    .footer(100, "apply")
    .unless(traffic::cannot_apply)
    .command("mlconsole traffic set {endpoint} {weights}"),
    Row::new(Action::UndoTraffic, "traffic.undo", "Undo the last change", Traffic, &["u"])
        .write()
        .footer(95, "undo")
        .unless(traffic::nothing_to_undo)
        .command("mlconsole traffic undo {endpoint}"),
    Row::new(Action::RestoreTraffic, "traffic.restore", "Draft the weights of the chosen change", Traffic, &["b"])
        .footer(30, "go back to")
        .unless(traffic::nothing_to_restore)
        .command("mlconsole traffic history {endpoint}"),
    Row::new(Action::Accept, "weight.accept", "Take the typed weight", TrafficType, &["enter"])
        .footer(90, "take")
        .unlisted(),
    Row::new(Action::Cancel, "weight.cancel", "Drop the typed weight", TrafficType, &["esc"])
        .footer(80, "drop")
        .unlisted(),
];
