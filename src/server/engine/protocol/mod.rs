//! The request forms of a served ONNX model.

pub mod nested;
