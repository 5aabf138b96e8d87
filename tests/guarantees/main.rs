//! The guarantees of the design, tried on the whole house: real control plane, real models, TLS, real load.

mod changes;
