//! What an endpoint answered, made readable: a foldable tree, a field-by-field comparison, and recipes to repeat the
//! request elsewhere. Pure data, no screen.

pub mod diff;
pub mod history;
pub mod recipe;
pub mod tree;
mod visit;

#[cfg(test)]
mod tests;
