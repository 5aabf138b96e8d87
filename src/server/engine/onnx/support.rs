//! Which operators this build runs: those of tract's register, and our own.

use std::sync::LazyLock;

use tract_onnx::model::Onnx;

use super::fixes;
use crate::server::engine::ml;

/// Contributed operators of `com.microsoft` that tract implements with that domain's meaning.
const MICROSOFT: [&str; 12] = [
    "BiasGelu",
    "FastGelu",
    "GatherBlockQuantized",
    "Gelu",
    "GroupQueryAttention",
    "MatMulNBits",
    "MultiHeadAttention",
    "QuickGelu",
    "RotaryEmbedding",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
];

/// Names in tract's register that the standard domain does not define (and `ai.onnx.ml` names, which have their own).
const NOT_STANDARD: [&str; 12] = [
    "BiasGelu",
    "ConstantLike",
    "FastGelu",
    "GatherBlockQuantized",
    "GroupQueryAttention",
    "MatMulNBits",
    "MultiHeadAttention",
    "ParametricSoftplus",
    "QuickGelu",
    "Rsqrt",
    "ScaledTanh",
    "SkipSimplifiedLayerNormalization",
];

/// The reader of ONNX graphs, with our operators in place of tract's of the same name.
pub fn reader() -> &'static Onnx {
    static READER: LazyLock<Onnx> = LazyLock::new(|| {
        let mut onnx = tract_onnx::onnx().with_ignore_value_info(true).with_ignore_output_shapes(true);
        // tract's own readings of the domain know integer labels only and are slow on forests.
        for name in ml::DOMAIN_OPERATORS {
            onnx.op_register.0.remove(name);
        }
        ml::register(&mut onnx.op_register);
        fixes::register(&mut onnx.op_register);
        onnx
    });
    &READER
}

/// The standard domain has two spellings; here it is "".
pub fn domain(name: &str) -> &str {
    if name == "ai.onnx" { "" } else { name }
}

/// Whether an operator of a domain has an implementation here. The register knows names only, so the domain is checked here.
pub fn is_known(domain: &str, operator: &str) -> bool {
    if ml::is_supported(domain, operator) {
        return true;
    }
    match domain {
        "" => {
            reader().op_register.0.contains_key(operator) && !NOT_STANDARD.contains(&operator) && !ml::is_ours(operator)
        }
        "com.microsoft" => MICROSOFT.contains(&operator) && reader().op_register.0.contains_key(operator),
        _ => false,
    }
}

/// What to do about an operator without an implementation.
pub fn hint(domain: &str, operator: &str) -> &'static str {
    match (domain, operator) {
        ("", "Loop") => "unroll the loop, or export with fixed lengths",
        ("", "Optional" | "OptionalGetElement" | "OptionalHasElement") => "export without optional inputs",
        ("", op) if op.starts_with("Sequence") || op == "ConcatFromSequence" || op == "SplitToSequence" => {
            "export with tensors in place of sequences"
        }
        ("", "Gradient" | "Momentum" | "Adam" | "Adagrad") => {
            "export the model for inference, without training operators"
        }
        ("", _) => "export with an older opset or rewrite the layer with simpler operators",
        ("ai.onnx.ml", "DictVectorizer" | "CastMap") => {
            "it takes a map that is an input of the model and that nothing else takes: export with that, or with tensors"
        }
        ("ai.onnx.ml", _) => "convert with the option black_op naming this operator, or use a scoring script",
        ("com.microsoft", "DynamicQuantizeLSTM") => "quantize with static ranges, or serve the float model",
        ("com.microsoft", _) => "this is an operator of ONNX Runtime: save the model without its graph optimisations",
        _ => "a custom operator: export with standard operators, or use a scoring script",
    }
}
