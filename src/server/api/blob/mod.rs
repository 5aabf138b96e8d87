//! The blob store: uploads of models, code and data, as the Azure storage SDK speaks (reference §6.4).

pub mod layout;
