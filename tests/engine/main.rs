//! The engine from outside: files in, answers out.

mod build;
mod node_tests;
mod score;
mod serve;
mod sources;
mod v2;
