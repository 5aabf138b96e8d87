//! Events: it happened. Effects: input and output asked for, as plain comparable data.

use crossterm::event::KeyEvent;

use super::call::{Answer, Call, Failure, Item};
use crate::resources::live::WorkspaceInfo;
use crate::resources::{Deployment, Endpoint, JournalEntry, LiveFrame, Operation};

/// A thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Key(KeyEvent),
    /// Text pasted in one piece: never acts, never submits.
    Paste(String),
    Mouse(Mouse),
    Resize(u16, u16),
    /// A moment the model asked to be woken at.
    Wake,
    /// News of the workspace; dropped when it belongs to a context that was left.
    Feed(u64, Feed),
    /// The end of a call.
    Reply {
        epoch: u64,
        task: u64,
        call: Box<Call>,
        outcome: Result<Answer, Failure>,
    },
    /// How far a call is.
    Progress {
        epoch: u64,
        task: u64,
        text: String,
        operation: Option<Box<Operation>>,
    },
    /// A piece of an answer that comes in pieces.
    Piece {
        epoch: u64,
        task: u64,
        item: Item,
    },
    /// A context was opened, or why not.
    Opened(u64, Result<(), String>),
    /// The editor was closed: the text, or why there is none.
    Edited {
        tag: EditTag,
        text: Result<String, String>,
    },
    /// The requests of earlier runs, as lines of JSON.
    Recalled(String),
    /// The configuration was read again.
    Config(Result<super::options::Settings, String>),
    /// A file was read or written: what to tell.
    Told {
        text: String,
        bad: bool,
    },
}

/// What came over the live feed.
#[derive(Debug, Clone, PartialEq)]
pub enum Feed {
    Frame(Box<LiveFrame>),
    Endpoints(Vec<Endpoint>),
    Deployments {
        endpoint: String,
        deployments: Vec<Deployment>,
    },
    Journal(Vec<JournalEntry>),
    Operations(Vec<Operation>),
    /// The workspace itself, now and then.
    Info(Box<WorkspaceInfo>),
    Connected,
    /// The feed ended; the next attempt is at `retry_at` (Unix milliseconds).
    Lost {
        reason: String,
        retry_at: i64,
    },
}

/// The mouse, already translated to what lies under it on the screen the user sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Mouse {
    Press(Hit),
    Drag(Hit),
    Release,
    Wheel { hit: Option<Hit>, down: bool },
}

/// A place on the screen that means something.
#[derive(Debug, Clone, PartialEq)]
pub enum Hit {
    /// Row of a list on the screen, in its present order; `pane` counts the lists.
    Row { pane: usize, index: usize },
    /// Header of a column.
    Column { pane: usize, column: usize },
    /// Row of the overlay on top.
    OverlayRow(usize),
    /// Button of a dialog.
    Button(usize),
    /// A key of the footer, by action id.
    Footer(&'static str),
    /// A slider: which, and how many hundredths of a percent the place stands for.
    Slider { index: usize, hundredths: u16 },
    /// A chart: seconds before its right edge.
    Chart { ago: u32 },
    /// A line of text, a field, a fold: meaning is the screen's own.
    Spot(u32),
    /// Nothing: takes clicks so that they do not fall through.
    Floor,
}

/// Whose text went to the editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditTag {
    Body,
    Form,
    View,
}

/// Something the loop or the executor shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the workspace.
    Call {
        epoch: u64,
        task: u64,
        call: Box<Call>,
    },
    /// Give up a call.
    Abort(u64),
    /// To the clipboard, by OSC 52.
    Copy(String),
    /// Edit text in `$EDITOR`; `suffix` picks its syntax.
    Edit {
        tag: EditTag,
        text: String,
        suffix: &'static str,
    },
    /// Look at text in `$PAGER`.
    Page(String),
    /// Write down view, sort and filters.
    Save(String),
    /// Read a file for whom the tag names; it comes back as if it had been edited.
    Open {
        tag: EditTag,
        path: String,
    },
    /// Read the requests of earlier runs.
    Recall,
    /// Add a line to the requests kept.
    Remember(String),
    /// Write text to a file.
    Write {
        path: String,
        text: String,
    },
    Mouse(bool),
    Redraw,
    Suspend,
    /// Leave the context for another one.
    Switch {
        epoch: u64,
        context: String,
    },
    /// Ask for everything again, now.
    Poll,
    ReadConfig,
    Quit,
}
