//! Scoring scripts as real Python processes: the contract of Azure's inference server, faults under load, what is left behind.

mod apart;
mod changes;
mod contract;
mod deployed;
mod faults;
mod house;
mod python;
mod revival;
mod workspace;
