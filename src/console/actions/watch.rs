//! Logs, models, activity and workspace.

use super::table::{
    Action, Row,
    Scope::{Activity, Environments, Logs, Models, Workspace},
};
use crate::console::screens::{activity, environments, logs, models, workspace};

/// The rows.
pub const ROWS: &[Row] = &[
    Row::new(Action::Up, "logs.up", "A line up: pauses", Logs, &["up", "k"]).unlisted(),
    Row::new(Action::Down, "logs.down", "A line down", Logs, &["down", "j"]).unlisted(),
    Row::new(Action::PageUp, "logs.page.up", "A page up: pauses", Logs, &["pageup", "ctrl-b"]).unlisted(),
    Row::new(Action::PageDown, "logs.page.down", "A page down", Logs, &["pagedown", "ctrl-f", "space"]).unlisted(),
    Row::new(Action::Top, "logs.top", "To the oldest line", Logs, &["home", "g"]).unlisted(),
    Row::new(Action::Bottom, "logs.bottom", "To the newest line", Logs, &["end", "shift-g"]).unlisted(),
    Row::new(Action::LogFollow, "logs.follow", "Follow the newest lines", Logs, &["f"])
        .footer(95, "follow")
        .unless(logs::not_paused)
        .command("mlconsole deployment logs {endpoint} {deployment} --follow"),
    Row::new(Action::LogLevel, "logs.level", "Least level shown", Logs, &["e"]).footer(90, "level"),
    Row::new(Action::LogContainer, "logs.container", "The other container", Logs, &["c"])
        .footer(85, "container")
        .command("mlconsole deployment logs {endpoint} {deployment} --container storage-initializer"),
    Row::new(Action::LogInstance, "logs.instance", "One instance after another, then all", Logs, &["i"])
        .footer(80, "instance"),
    Row::new(Action::LogWrap, "logs.wrap", "Wrap long lines, or cut them", Logs, &["w"]).footer(75, "wrap"),
    Row::new(Action::LogFold, "logs.fold", "Show or fold frames of libraries", Logs, &["z"])
        .footer(60, "frames")
        .unless(logs::no_frames),
    Row::new(Action::LogTimes, "logs.times", "Show or hide the times", Logs, &["t"]).footer(40, "times"),
    Row::new(Action::LogPage, "logs.page", "Read in the pager", Logs, &["v"]).footer(30, "pager"),
    Row::new(Action::RegisterModel, "model.register", "Register a model from a path", Models, &["n"])
        .write()
        .footer(90, "register")
        .command("mlconsole model register --name NAME --path PATH"),
    Row::new(Action::DeployModel, "model.deploy", "Deploy the version as a new colour", Models, &["enter", "d"])
        .write()
        .footer(95, "deploy")
        .unless(models::cannot_deploy)
        .command("mlconsole deployment create -f FILE"),
    Row::new(Action::ArchiveModel, "model.archive", "Archive the version", Models, &["shift-d", "delete"])
        .change(models::ask_archive)
        .footer(40, "archive")
        .unless(models::no_version)
        .command("mlconsole model archive NAME:VERSION"),
    Row::new(Action::OpenEnvironments, "models.environments", "Python environments of this machine", Models, &["e"])
        .footer(30, "environments")
        .command("mlconsole environment list --built"),
    Row::new(Action::BuildEnvironment, "environment.build", "Build the environment", Environments, &["b", "enter"])
        .write()
        .footer(95, "build")
        .unless(environments::cannot_build)
        .command("mlconsole environment build NAME:VERSION"),
    Row::new(Action::BuildOther, "environment.new", "Build from a conda file, or a curated one", Environments, &["n"])
        .write()
        .footer(90, "build another")
        .unless(environments::cannot_ask)
        .command("mlconsole environment build -f FILE"),
    Row::new(Action::RemoveEnvironment, "environment.remove", "Remove from disk", Environments, &["shift-d", "delete"])
        .change(environments::ask_remove)
        .footer(80, "remove")
        .unless(environments::cannot_remove)
        .command("mlconsole environment clean KEY"),
    Row::new(Action::CleanEnvironments, "environment.clean", "Remove all that nobody uses", Environments, &["c"])
        .change(environments::ask_clean)
        .footer(70, "clean up")
        .unless(environments::nothing_to_clean)
        .command("mlconsole environment clean"),
    Row::new(Action::InstallUv, "environment.uv", "Install uv, which builds many times faster", Environments, &["i"])
        .change(environments::ask_uv)
        .footer(60, "install uv")
        .unless(environments::no_uv_needed)
        .command("mlconsole environment install-uv"),
    Row::new(Action::Open, "activity.open", "Show it in full", Activity, &["enter", "right"])
        .footer(95, "in full")
        .unless(activity::nothing_selected),
    Row::new(Action::GoThere, "activity.endpoint", "Go to the endpoint", Activity, &["o"])
        .footer(90, "endpoint")
        .unless(activity::nowhere),
    Row::new(Action::CancelOperation, "operation.cancel", "Cancel the operation", Activity, &["x"])
        .change(activity::ask_cancel)
        .footer(85, "cancel")
        .command("mlconsole operation cancel NAME")
        .unless(activity::cannot_cancel),
    Row::new(
        Action::OpenEnvironments,
        "workspace.environments",
        "Python environments of this machine",
        Workspace,
        &["e"],
    )
    .footer(80, "environments")
    .command("mlconsole environment list --built"),
    Row::new(Action::SwitchContext, "context.use", "Change to the context", Workspace, &["enter"])
        .footer(90, "change to")
        .unless(workspace::cannot_switch)
        .command("mlconsole context use NAME"),
];
