//! The console in-process: reducers, keys, pictures, hostile input.

mod dump;
mod fixture;
mod pictures;
