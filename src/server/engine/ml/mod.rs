//! Our own operators: all of `ai.onnx.ml`, in place of tract's few, those on text, and Compress. Each follows the definition in the
//! `onnx` package, or ONNX Runtime's where it is that domain's own.

mod attrs;
mod compress;
mod encode;
mod ensemble;
mod forest;
#[cfg(test)]
mod fuzz;
mod linear;
mod maps;
mod number;
mod op;
mod packed;
mod pattern;
mod post;
mod scale;
mod svm;
#[cfg(test)]
mod tests;
mod text;
mod tfidf;
mod tree;

use tract_onnx::model::OnnxOpRegister;
use tract_onnx::pb::NodeProto;

pub use encode::zipped_outputs;
pub use maps::{Keyed, keyed, takes_maps};
use op::Operator;
#[cfg(feature = "onnxruntime")]
pub use op::tensor_of;
pub use post::Labels;

/// The domain that is all ours.
pub const DOMAIN: &str = "ai.onnx.ml";

/// The newest version of the domain these operators follow.
pub const NEWEST_OPSET: i64 = 5;

/// Every operator of the domain: none of them is tract's here.
pub const DOMAIN_OPERATORS: [&str; 19] = [
    "ArrayFeatureExtractor",
    "Binarizer",
    "CastMap",
    "CategoryMapper",
    "DictVectorizer",
    "FeatureVectorizer",
    "Imputer",
    "LabelEncoder",
    "LinearClassifier",
    "LinearRegressor",
    "Normalizer",
    "OneHotEncoder",
    "SVMClassifier",
    "SVMRegressor",
    "Scaler",
    "TreeEnsemble",
    "TreeEnsembleClassifier",
    "TreeEnsembleRegressor",
    "ZipMap",
];

macro_rules! operators {
    ($($domain:literal $name:literal since $since:literal => $make:path,)*) => {
        /// Those that run here.
        const OPERATORS: &[Operator] = &[
            $(Operator { domain: $domain, name: $name, since: $since, make: $make },)*
        ];

        /// Puts them into tract's register.
        pub fn register(register: &mut OnnxOpRegister) {
            $(register.insert($name, |context, node| {
                const OPERATOR: &Operator =
                    &Operator { domain: $domain, name: $name, since: $since, make: $make };
                op::build(OPERATOR, context, node)
            });)*
        }
    };
}

operators! {
    "ai.onnx.ml" "ArrayFeatureExtractor" since 1 => scale::array_feature_extractor,
    "ai.onnx.ml" "Binarizer" since 1 => scale::binarizer,
    "ai.onnx.ml" "CastMap" since 1 => maps::cast,
    "ai.onnx.ml" "CategoryMapper" since 1 => encode::category_mapper,
    "ai.onnx.ml" "DictVectorizer" since 1 => maps::dict_vectorizer,
    "ai.onnx.ml" "FeatureVectorizer" since 1 => scale::feature_vectorizer,
    "ai.onnx.ml" "Imputer" since 1 => scale::imputer,
    "ai.onnx.ml" "LabelEncoder" since 1 => encode::any_label_encoder,
    "ai.onnx.ml" "LinearClassifier" since 1 => linear::classifier,
    "ai.onnx.ml" "LinearRegressor" since 1 => linear::regressor,
    "ai.onnx.ml" "Normalizer" since 1 => scale::normalizer,
    "ai.onnx.ml" "OneHotEncoder" since 1 => encode::one_hot_encoder,
    "ai.onnx.ml" "SVMClassifier" since 1 => svm::classifier,
    "ai.onnx.ml" "SVMRegressor" since 1 => svm::regressor,
    "ai.onnx.ml" "Scaler" since 1 => scale::scaler,
    "ai.onnx.ml" "TreeEnsemble" since 5 => tree::ensemble_v5,
    "ai.onnx.ml" "TreeEnsembleClassifier" since 1 => tree::classifier,
    "ai.onnx.ml" "TreeEnsembleRegressor" since 1 => tree::regressor,
    "ai.onnx.ml" "ZipMap" since 1 => encode::zip_map,
    "" "Compress" since 9 => compress::compress,
    "" "RegexFullMatch" since 20 => text::full_match,
    "" "StringConcat" since 20 => text::concat,
    "" "StringNormalizer" since 10 => text::normalizer,
    "" "StringSplit" since 20 => text::split,
    "" "TfIdfVectorizer" since 9 => tfidf::tf_idf,
    "com.microsoft" "Tokenizer" since 1 => text::tokenizer,
}

/// One of ours, by its domain ("" is the standard's own) and name.
fn operator(domain: &str, name: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|o| o.domain == domain && o.name == name)
}

/// Whether it runs here.
pub fn is_supported(domain: &str, name: &str) -> bool {
    operator(domain, name).is_some()
}

/// Whether an operator of this name is ours, whatever its domain: tract's register does not know domains.
pub fn is_ours(name: &str) -> bool {
    OPERATORS.iter().any(|o| o.name == name)
}

/// Why a node cannot be built, when it cannot: found before the graph is handed on. Nothing for operators not ours.
pub fn refusal(domain: &str, node: &NodeProto, opset: i64) -> Option<String> {
    let operator = operator(domain, &node.op_type)?;
    if let Some(version) = operator.version(opset) {
        return Some(version);
    }
    let error = (operator.make)(node).err()?;
    Some(format!("{error:#}; export the model again"))
}
