//! The console in-process: reducers, keys, pictures, hostile input.

mod actions;
mod conversion;
mod dump;
mod environments;
mod fixture;
mod flood;
mod habits;
mod hostile;
mod local;
mod panes;
mod pictures;
mod traffic;
mod views;
