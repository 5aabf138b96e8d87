//! Our own operators of `ai.onnx.ml`, in place of tract's few: each follows the definition in the `onnx` package.

mod attrs;
mod encode;
mod forest;
mod linear;
mod op;
mod post;
mod scale;
mod svm;
mod tree;

use tract_onnx::model::OnnxOpRegister;
use tract_onnx::pb::NodeProto;

pub use encode::zipped_outputs;
pub use post::Labels;

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

type Make = fn(&NodeProto) -> tract_onnx::prelude::TractResult<std::sync::Arc<dyn op::Kernel>>;

macro_rules! operators {
    ($($name:literal => $make:path,)*) => {
        /// Those of the domain that run here.
        pub const SUPPORTED: &[&str] = &[$($name),*];

        /// Puts them into tract's register.
        pub fn register(register: &mut OnnxOpRegister) {
            $(register.insert($name, |context, node| op::build($name, context, node, $make));)*
        }

        fn maker(operator: &str) -> Option<Make> {
            match operator {
                $($name => Some($make),)*
                _ => None,
            }
        }
    };
}

operators! {
    "ArrayFeatureExtractor" => scale::array_feature_extractor,
    "Binarizer" => scale::binarizer,
    "CategoryMapper" => encode::category_mapper,
    "FeatureVectorizer" => scale::feature_vectorizer,
    "Imputer" => scale::imputer,
    "LabelEncoder" => encode::any_label_encoder,
    "LinearClassifier" => linear::classifier,
    "LinearRegressor" => linear::regressor,
    "Normalizer" => scale::normalizer,
    "OneHotEncoder" => encode::one_hot_encoder,
    "SVMClassifier" => svm::classifier,
    "SVMRegressor" => svm::regressor,
    "Scaler" => scale::scaler,
    "TreeEnsemble" => tree::ensemble_v5,
    "TreeEnsembleClassifier" => tree::classifier,
    "TreeEnsembleRegressor" => tree::regressor,
    "ZipMap" => encode::zip_map,
}

/// Why a node of the domain cannot be built, when it cannot: found before the graph is handed on.
pub fn refusal(node: &NodeProto, opset: i64) -> Option<String> {
    if opset > NEWEST_OPSET {
        return Some(format!("ai.onnx.ml opset {opset} is newer than {NEWEST_OPSET}; export with that one"));
    }
    let error = maker(&node.op_type)?(node).err()?;
    Some(format!("{error:#}; export the model again"))
}
