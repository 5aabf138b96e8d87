//! The request pane.

use super::table::{
    Action, Row,
    Scope::{Test, TestEdit},
};
use crate::console::screens::test;

const INVOKE: &str = "mlconsole endpoint invoke {endpoint} --request-file FILE";

/// The rows.
pub const ROWS: &[Row] = &[
    Row::new(Action::SendTest, "test.send", "Send the request", Test, &["enter", "ctrl-s"])
        .footer(100, "send")
        .unless(test::cannot_send)
        .command(INVOKE),
    Row::new(Action::EditBody, "test.edit", "Edit the body here", Test, &["i"]).footer(99, "edit"),
    Row::new(Action::TargetBlue, "test.blue", "To blue, past the split", Test, &["b"])
        .footer(95, "blue")
        .unless(test::no_blue)
        .command("mlconsole endpoint invoke {endpoint} --deployment-name blue --request-file FILE"),
    Row::new(Action::TargetGreen, "test.green", "To green, past the split", Test, &["g"])
        .footer(94, "green")
        .unless(test::no_green)
        .command("mlconsole endpoint invoke {endpoint} --deployment-name green --request-file FILE"),
    Row::new(Action::TargetSplit, "test.split", "To whomever the split chooses", Test, &["a"])
        .footer(93, "split")
        .command(INVOKE),
    Row::new(Action::TargetNext, "test.target", "To the next deployment, then the split", Test, &["t"]),
    Row::new(Action::Diff, "test.diff", "Send to two deployments and compare", Test, &["d"])
        .footer(90, "diff")
        .unless(test::cannot_compare),
    Row::new(Action::Burst, "test.load", "Load: this request at a rate", Test, &["l"])
        .footer(85, "load")
        .unless(test::cannot_send)
        .command("mlconsole load {endpoint} --rate 100 --duration 10s --request-file FILE"),
    Row::new(Action::FindAnswer, "test.find", "Filter and search the answer", Test, &["/"])
        .footer(80, "find")
        .unless(test::no_answer),
    Row::new(Action::CopyCurl, "test.curl", "Copy as curl", Test, &["c"]).footer(75, "curl"),
    Row::new(Action::CopyPython, "test.python", "Copy as Python", Test, &["shift-p"]),
    Row::new(Action::Resend, "test.resend", "Send the last one, or the chosen one, again", Test, &["r"])
        .footer(70, "resend")
        .unless(test::nothing_sent),
    Row::new(Action::Sources, "test.sources", "Template, samples, recent requests, files", Test, &["f"])
        .footer(65, "source"),
    Row::new(Action::EditorBody, "test.editor", "Edit the body in $EDITOR", Test, &["e"]).footer(60, "editor"),
    Row::new(Action::ShowHeaders, "test.headers", "Headers of the answer", Test, &["h"])
        .footer(55, "headers")
        .unless(test::no_answer),
    Row::new(Action::CancelTest, "test.cancel", "Give up what is under way", Test, &["ctrl-x"])
        .footer(50, "give up")
        .unless(test::nothing_in_flight),
    Row::new(Action::Repeat, "test.repeat", "Send several times", Test, &["x"])
        .footer(45, "repeat")
        .unless(test::cannot_send),
    Row::new(Action::Fold, "test.fold", "Fold or unfold; in the history: take it up", Test, &["space"])
        .footer(40, "fold"),
    Row::new(Action::FoldIn, "test.fold.in", "Fold", Test, &["left"]).unlisted(),
    Row::new(Action::FoldOut, "test.fold.out", "Unfold", Test, &["right"]).unlisted(),
    Row::new(Action::FoldAll, "test.fold.all", "Fold everything, or nothing", Test, &["z"]),
    Row::new(Action::FindNext, "test.find.next", "Next hit", Test, &["n"]).unless(test::no_find),
    Row::new(Action::FindPrevious, "test.find.previous", "Previous hit", Test, &["shift-n"]).unless(test::no_find),
    Row::new(Action::FindOnly, "test.find.only", "Only the hits, or the rest as well", Test, &["&"])
        .unless(test::no_find),
    Row::new(Action::Route, "test.route", "Method and path", Test, &["p"]).footer(35, "path"),
    Row::new(Action::Variable, "test.variables", "Variables of the body", Test, &["v"]).footer(30, "variables"),
    Row::new(Action::Header, "test.header", "Set a header of the request", Test, &["shift-h"]),
    Row::new(Action::FormatBody, "test.format", "Lay the body out", Test, &["="]),
    Row::new(Action::ToleranceUp, "test.tolerance.up", "Compare numbers more loosely", Test, &["+"])
        .unless(test::no_comparison),
    Row::new(Action::ToleranceDown, "test.tolerance.down", "Compare numbers more strictly", Test, &["-"])
        .unless(test::no_comparison),
    Row::new(Action::SendTest, "test.edit.send", "Send the request", TestEdit, &["ctrl-s", "alt-enter"])
        .footer(100, "send")
        .unless(test::cannot_send)
        .command(INVOKE),
    Row::new(Action::StopEditing, "test.edit.stop", "Stop editing", TestEdit, &["esc"]).footer(90, "stop editing"),
    Row::new(Action::EditorBody, "test.edit.editor", "Edit the body in $EDITOR", TestEdit, &["ctrl-o"])
        .footer(80, "editor"),
    Row::new(Action::Help, "test.edit.help", "Show all keys", TestEdit, &["f1"]).footer(3, "all keys"),
    Row::new(Action::Palette, "test.edit.palette", "Go to anything, do anything", TestEdit, &["ctrl-p"])
        .footer(4, "go to"),
    Row::new(Action::FormatBody, "test.edit.format", "Lay the body out", TestEdit, &["ctrl-l"]).footer(70, "lay out"),
];
