//! What a row of the table of actions says.

use crate::console::app::model::Model;

/// Everything the user can do. One row of the table each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    // anywhere
    ForceQuit,
    Quit,
    Back,
    Forward,
    Help,
    Palette,
    Menu,
    Refresh,
    Redraw,
    Suspend,
    Tasks,
    Details,
    ToggleMouse,
    NextTheme,
    ReloadConfig,
    ShowCommand,
    Copy,
    GoDashboard,
    GoModels,
    GoActivity,
    GoWorkspace,
    // lists
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Filter,
    ClearFilter,
    SortNext,
    SortReverse,
    NextPane,
    PreviousPane,
    // charts
    Freeze,
    ZoomIn,
    ZoomOut,
    CursorLeft,
    CursorRight,
    CursorOff,
    // dashboard
    Open,
    ProblemsOnly,
    OpenTraffic,
    OpenTest,
    OpenLogs,
    OpenConnect,
    NewEndpoint,
    EditEndpoint,
    DeleteEndpoint,
    NewDeployment,
    // endpoint
    PreviousColour,
    NextColour,
    EditDeployment,
    DeleteDeployment,
    RestartDeployment,
    ScaleUp,
    ScaleDown,
    // traffic
    WeightDown,
    WeightUp,
    WeightDownFast,
    WeightUpFast,
    TypeWeight,
    Preset,
    Swap,
    Lock,
    ApplyTraffic,
    UndoTraffic,
    RestoreTraffic,
    // welcome
    InstallSample,
    ServeFile,
    ApplyYaml,
    // test
    SendTest,
    CancelTest,
    EditBody,
    StopEditing,
    EditorBody,
    TargetBlue,
    TargetGreen,
    TargetSplit,
    TargetNext,
    Sources,
    Route,
    Variable,
    Header,
    FormatBody,
    Repeat,
    Resend,
    Fold,
    FoldOut,
    FoldIn,
    FoldAll,
    FindAnswer,
    FindNext,
    FindPrevious,
    FindOnly,
    ShowHeaders,
    Diff,
    ToleranceUp,
    ToleranceDown,
    CopyCurl,
    CopyPython,
    Burst,
    // connect
    CopyItem,
    Reveal,
    RegeneratePrimary,
    RegenerateSecondary,
    // forms
    FormUp,
    FormDown,
    FormFirst,
    FormLast,
    FormEnter,
    FormSubmit,
    FormCheck,
    FormLeave,
    FormDiscard,
    FormTakeUp,
    CopyYaml,
    CopyCommand,
    // logs
    LogFollow,
    LogLevel,
    LogContainer,
    LogInstance,
    LogWrap,
    LogFold,
    LogTimes,
    LogPage,
    // models, activity, workspace
    RegisterModel,
    DeployModel,
    ArchiveModel,
    OpenEnvironments,
    BuildEnvironment,
    BuildOther,
    RemoveEnvironment,
    CleanEnvironments,
    InstallUv,
    CancelOperation,
    GoThere,
    SwitchContext,
    // overlays
    Accept,
    Cancel,
    Complete,
    Toggle,
    OverlayUp,
    OverlayDown,
    OverlayPageUp,
    OverlayPageDown,
    CancelTask,
}

/// Where an action's keys are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Global,
    List,
    Chart,
    Dashboard,
    Endpoint,
    Traffic,
    /// Typing a weight.
    TrafficType,
    Test,
    /// Typing the body of a request.
    TestEdit,
    Logs,
    Models,
    Environments,
    Form,
    Connect,
    Activity,
    Workspace,
    Welcome,
    /// A list that floats above the screen: help, palette, menu, tasks, error details.
    Overlay,
    /// A question with buttons.
    Dialog,
    /// A line of text being typed: filter, path, name.
    Prompt,
}

impl Scope {
    /// The heading in help and README.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Global => "Anywhere",
            Self::List => "Lists",
            Self::Chart => "Charts",
            Self::Dashboard => "Endpoints",
            Self::Endpoint => "Endpoint",
            Self::Traffic => "Traffic",
            Self::TrafficType => "Typing a weight",
            Self::Test => "Test",
            Self::TestEdit => "Test: editing the request",
            Self::Logs => "Logs",
            Self::Models => "Models",
            Self::Environments => "Environments",
            Self::Form => "Forms",
            Self::Connect => "Connect",
            Self::Activity => "Activity",
            Self::Workspace => "Workspace",
            Self::Welcome => "Empty workspace",
            Self::Overlay => "Overlays",
            Self::Dialog => "Questions",
            Self::Prompt => "Typing a line",
        }
    }
}

/// How much an action can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Danger {
    /// Runs at once.
    Safe,
    /// Asks first, with *cancel* focused.
    Change,
    /// Asks for the name of what will be lost.
    Destructive,
}

/// What a confirmation says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// "Delete green?"
    pub title: String,
    /// What will happen, in whole sentences.
    pub lines: Vec<String>,
    /// For destructive actions: what has to be typed.
    pub typed: Option<String>,
}

/// One action: what it is called, how it is reached, what it can break.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub action: Action,
    /// Stable name for the configuration: `traffic.apply`.
    pub id: &'static str,
    pub title: &'static str,
    pub scope: Scope,
    /// Default keys in crokey's notation, the shown one first.
    pub keys: &'static [&'static str],
    pub danger: Danger,
    /// Changes the workspace: refused in read-only contexts, on the screen and in the executor.
    pub write: bool,
    /// Order in the footer, highest first; 0 = not there.
    pub rank: u8,
    /// The word in the footer.
    pub word: &'static str,
    /// The action of the opposite direction, shown in the same place of the footer.
    pub pair: Option<&'static str>,
    /// The command line that does the same; `{endpoint}`, `{deployment}`, `{weights}` are filled in.
    pub command: &'static str,
    /// Whether the palette and the menu list it.
    pub listed: bool,
    /// Why it cannot run now.
    pub disabled: fn(&Model) -> Option<String>,
    /// The confirmation's words, for actions above `Safe`.
    pub asks: fn(&Model) -> Question,
}

fn never(_: &Model) -> Option<String> {
    None
}

fn plain(_: &Model) -> Question {
    Question::default()
}

impl Row {
    /// A safe action that changes nothing in the workspace.
    pub const fn new(
        action: Action,
        id: &'static str,
        title: &'static str,
        scope: Scope,
        keys: &'static [&'static str],
    ) -> Self {
        Self {
            action,
            id,
            title,
            scope,
            keys,
            danger: Danger::Safe,
            write: false,
            rank: 0,
            word: "",
            pair: None,
            command: "",
            listed: true,
            disabled: never,
            asks: plain,
        }
    }

    /// Changes the workspace.
    pub const fn write(mut self) -> Self {
        self.write = true;
        self
    }

    /// Changes the workspace, after a question.
    pub const fn change(mut self, asks: fn(&Model) -> Question) -> Self {
        self.write = true;
        self.danger = Danger::Change;
        self.asks = asks;
        self
    }

    /// Destroys something: its name has to be typed.
    pub const fn destructive(mut self, asks: fn(&Model) -> Question) -> Self {
        self.write = true;
        self.danger = Danger::Destructive;
        self.asks = asks;
        self
    }

    /// Stands in the footer under this word.
    pub const fn footer(mut self, rank: u8, word: &'static str) -> Self {
        self.rank = rank;
        self.word = word;
        self
    }

    /// Shares its place in the footer with the opposite action.
    pub const fn pair(mut self, id: &'static str) -> Self {
        self.pair = Some(id);
        self
    }

    /// The command that does the same.
    pub const fn command(mut self, command: &'static str) -> Self {
        self.command = command;
        self
    }

    /// Only by key: movement and the like need no line in palette and menu.
    pub const fn unlisted(mut self) -> Self {
        self.listed = false;
        self
    }

    /// When it cannot run, and why.
    pub const fn unless(mut self, disabled: fn(&Model) -> Option<String>) -> Self {
        self.disabled = disabled;
        self
    }
}
