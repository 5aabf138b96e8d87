//! Forms, and how to connect.

use super::table::{
    Action, Row,
    Scope::{Connect, Form},
};
use crate::console::screens::{connect, form};

/// The rows.
pub const ROWS: &[Row] = &[
    Row::new(Action::FormSubmit, "form.submit", "Create, or apply the changes", Form, &["ctrl-s"])
        .write()
        .footer(100, "create or apply")
        .unless(form::cannot_submit)
        .command("mlconsole deployment create --endpoint {endpoint} -f FILE"),
    Row::new(Action::FormCheck, "form.check", "Look whether it would work, without starting it", Form, &["ctrl-t"])
        .footer(85, "check")
        .unless(form::cannot_check)
        .command("mlconsole deployment check -f FILE"),
    Row::new(Action::FormUp, "form.up", "Previous field", Form, &["up", "backtab"]).unlisted(),
    Row::new(Action::FormDown, "form.down", "Next field", Form, &["down", "tab"]).unlisted(),
    Row::new(Action::FormFirst, "form.first", "First field", Form, &["pageup"]).unlisted(),
    Row::new(Action::FormLast, "form.last", "Last field", Form, &["pagedown"]).unlisted(),
    Row::new(Action::FormEnter, "form.enter", "Choose, open a section, or go on", Form, &["enter"])
        .footer(90, "choose, next"),
    Row::new(Action::CopyYaml, "form.yaml", "Copy the YAML", Form, &["ctrl-y"]).footer(80, "copy YAML"),
    Row::new(Action::CopyCommand, "form.command", "Copy the command", Form, &["alt-y"]).footer(60, "copy command"),
    Row::new(Action::FormLeave, "form.leave", "Leave the form; asks when something was typed", Form, &["esc"])
        .footer(70, "leave"),
    Row::new(Action::FormDiscard, "form.discard", "Leave the form, dropping what was typed", Form, &["ctrl-q"])
        .unlisted(),
    Row::new(
        Action::FormTakeUp,
        "form.take",
        "Take up what somebody else changed; what was typed stays",
        Form,
        &["ctrl-r"],
    )
    .footer(95, "take up")
    .unless(form::nothing_foreign),
    Row::new(Action::Help, "form.help", "Show all keys", Form, &["f1"]).footer(3, "all keys"),
    Row::new(Action::Palette, "form.palette", "Go to anything, do anything", Form, &["ctrl-p"]).footer(4, "go to"),
    Row::new(Action::CopyItem, "connect.copy", "Copy the chosen line", Connect, &["enter"])
        .footer(100, "copy")
        .command("mlconsole endpoint keys {endpoint}"),
    Row::new(Action::Reveal, "connect.reveal", "Show the secret for half a minute, or hide it", Connect, &["v"])
        .footer(90, "show or hide")
        .unless(connect::no_secret)
        .command("mlconsole endpoint keys {endpoint}"),
    Row::new(Action::RegeneratePrimary, "connect.primary", "Make a new primary key", Connect, &["p"])
        .change(connect::ask_primary)
        .footer(80, "new primary")
        .unless(connect::no_keys)
        .command("mlconsole endpoint regenerate-keys {endpoint} --key-type primary --yes"),
    Row::new(Action::RegenerateSecondary, "connect.secondary", "Make a new secondary key", Connect, &["s"])
        .change(connect::ask_secondary)
        .footer(70, "new secondary")
        .unless(connect::no_keys)
        .command("mlconsole endpoint regenerate-keys {endpoint} --key-type secondary --yes"),
];
