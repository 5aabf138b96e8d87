//! The local workspace as its users meet it: real listeners, real database, real models.

mod gateway;
mod recovery;
