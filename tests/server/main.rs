//! The local workspace as its users meet it: real listeners, real database, real models.

mod api;
mod gateway;
mod recovery;
mod storm;
