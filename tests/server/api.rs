//! The control plane over real sockets, spoken by hand as the Azure ML SDK speaks it.

mod assets;
mod blobs;
mod contract;
mod credentials;
mod entry;
mod feeds;
mod hostile;
mod house;
mod memory;
mod monitor;
mod operations;
mod races;
mod rules;
mod story;
