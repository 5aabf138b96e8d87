//! The program: loop, model, events, effects, executor.

mod apply;
/// What a workspace can be asked for, as plain data, and what it answers.
pub mod call;
mod calls;
/// What happened, and what is to be done about it.
pub mod event;
/// Carries out what is asked of the workspace.
pub mod exec;
/// Actions that are in force everywhere.
pub mod global;
/// Files beside the state file: requests that were sent.
mod keep;
/// Lists: rows in order, the cursor, sort and filter.
pub mod list;
/// All that the screen knows.
pub mod model;
/// Where the user is and was.
pub mod nav;
mod opening;
/// How the console is started.
pub mod options;
mod poller;
mod python;
mod run;
/// What is remembered from one run to the next.
pub mod saved;
/// The beginning and the end.
pub mod start;
/// Work in flight and messages about it.
pub mod tasks;
/// Events to changes of the model and effects.
pub mod update;
