//! The client against recorded answers of Azure, and the binary against real workspaces.

mod azure;
mod contexts;
mod edges;
mod outputs;
mod recorded;
mod remote;
mod shown;
mod story;
mod support;
mod terminal;
mod together;
