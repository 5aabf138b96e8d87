//! Attributes that make no sense: every operator refuses them, or does something its facts promise; none panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use tract_onnx::pb::{AttributeProto, TensorProto};
use tract_onnx::tract_hir::internal::*;

use super::OPERATORS;
use super::op::tensor_of;
use super::tests::{Value, attribute, node};

/// Every name an attribute has in our operators.
const NAMES: &[&str] = &[
    "aggregate_function",
    "axis",
    "base_values",
    "case_change_action",
    "cast_to",
    "cats_int64s",
    "cats_strings",
    "class_ids",
    "class_nodeids",
    "class_treeids",
    "class_weights",
    "classes_strings",
    "classlabels_int64s",
    "classlabels_ints",
    "classlabels_strings",
    "coefficients",
    "default_float",
    "default_int64",
    "default_string",
    "delimiter",
    "imputed_value_floats",
    "imputed_value_int64s",
    "inputdimensions",
    "int64_vocabulary",
    "intercepts",
    "is_case_sensitive",
    "kernel_params",
    "kernel_type",
    "map_form",
    "keys_floats",
    "keys_int64s",
    "keys_strings",
    "leaf_targetids",
    "mark",
    "max_map",
    "max_gram_length",
    "max_skip_count",
    "maxsplit",
    "min_gram_length",
    "mincharnum",
    "mode",
    "n_supports",
    "n_targets",
    "ngram_counts",
    "ngram_indexes",
    "nodes_falseleafs",
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_nodeids",
    "nodes_treeids",
    "nodes_trueleafs",
    "nodes_truenodeids",
    "nodes_values",
    "norm",
    "offset",
    "one_class",
    "pad_value",
    "pattern",
    "pool_int64s",
    "pool_strings",
    "post_transform",
    "prob_a",
    "prob_b",
    "replaced_value_float",
    "replaced_value_int64",
    "rho",
    "scale",
    "separators",
    "stopwords",
    "string_vocabulary",
    "support_vectors",
    "target_ids",
    "target_nodeids",
    "target_treeids",
    "target_weights",
    "targets",
    "threshold",
    "tokenexp",
    "tree_roots",
    "values_floats",
    "values_int64s",
    "values_strings",
    "vectors_per_class",
    "weights",
    "zeros",
];

const WORDS: &[&str] = &[
    "",
    "a",
    "NONE",
    "SOFTMAX",
    "PROBIT",
    "LOGISTIC",
    "RBF",
    "LINEAR",
    "TF",
    "TFIDF",
    "MAX",
    "L2",
    "SUM",
    "AVERAGE",
    "LEAF",
    "BRANCH_LEQ",
    "BRANCH_EQ",
    "SPARSE",
    "TO_STRING",
    "TO_INT64",
    "LOWER",
    "[a-z]+",
    "(",
    " ",
    "é",
    "#",
];

const TENSORS: &[&str] = &[
    "nodes_splits",
    "nodes_modes",
    "leaf_weights",
    "keys_tensor",
    "values_tensor",
    "default_tensor",
    "membership_values",
];

fn small() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -2i64..6, 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
}

fn any_value() -> impl Strategy<Value = Value> {
    let word = || (0..WORDS.len()).prop_map(|i| WORDS[i].to_owned());
    let float = || prop_oneof![6 => -2.0f32..4.0, 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)];
    prop_oneof![
        small().prop_map(Value::Int),
        float().prop_map(Value::Float),
        word().prop_map(Value::Text),
        proptest::collection::vec(small(), 0..7).prop_map(Value::Ints),
        proptest::collection::vec(float(), 0..7).prop_map(Value::Floats),
        proptest::collection::vec(word(), 0..5).prop_map(Value::Texts),
    ]
}

fn any_tensor() -> impl Strategy<Value = TensorProto> {
    (0i32..13, proptest::collection::vec(any::<u8>(), 0..40), proptest::collection::vec(-2.0f32..9.0, 0..5)).prop_map(
        |(data_type, raw_data, float_data)| match data_type % 3 {
            0 => TensorProto { data_type: 1, float_data, ..Default::default() },
            1 => TensorProto {
                data_type: 2,
                raw_data: float_data.iter().map(|f| f.abs() as u8).collect(),
                ..Default::default()
            },
            _ => TensorProto { data_type, raw_data, ..Default::default() },
        },
    )
}

fn any_input(choice: usize) -> Tensor {
    match choice {
        0 => tensor_of(&[2, 3], vec![0.5f32, f32::NAN, -1.0, 3.0, f32::INFINITY, 0.0]).unwrap(),
        1 => tensor_of(&[3], vec![1i64, -1, 40]).unwrap(),
        2 => tensor_of(&[2], vec!["a".to_owned(), "é b".to_owned()]).unwrap(),
        3 => tensor_of::<f32>(&[0, 3], vec![]).unwrap(),
        4 => tensor_of::<f32>(&[2, 0], vec![]).unwrap(),
        5 => tensor_of(&[], vec![1.5f64]).unwrap(),
        6 => tensor_of(&[1, 2], vec!["x".to_owned(), String::new()]).unwrap(),
        7 => tensor_of(&[1, 2], vec![true, false]).unwrap(),
        8 => tensor_of(&[2], vec![true, true]).unwrap(),
        _ => tensor_of(&[1, 1, 2], vec![1i32, 2]).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn attributes_that_make_no_sense_are_refused_not_followed(
        attributes in proptest::collection::vec((0..NAMES.len(), any_value()), 0..14),
        tensors in proptest::collection::vec((0..TENSORS.len(), any_tensor()), 0..4),
        inputs in proptest::collection::vec(0usize..10, 1..3),
    ) {
        for operator in OPERATORS {
            let mut node = node(operator.name, &[]);
            node.attribute = attributes.iter().map(|(name, value)| attribute(NAMES[*name], value)).collect();
            node.attribute.extend(tensors.iter().map(|(name, tensor)| AttributeProto {
                name: TENSORS[*name].to_owned(), t: Some(tensor.clone()), ..Default::default()
            }));
            let inputs: Vec<Tensor> = inputs.iter().map(|choice| any_input(*choice)).collect();
            let attempt = catch_unwind(AssertUnwindSafe(|| -> TractResult<()> {
                let kernel = (operator.make)(&node)?;
                let facts: Vec<_> = inputs.iter().map(|t| (t.datum_type(), t.shape().iter().map(|d| d.to_dim()).collect())).collect();
                let promised = kernel.facts(&facts, &(-7).to_dim())?;
                let outputs = kernel.run(&inputs.iter().collect::<Vec<_>>())?;
                for ((datum, shape), output) in promised.iter().zip(&outputs) {
                    let given: TVec<TDim> = output.shape().iter().map(|d| d.to_dim()).collect();
                    let kept = shape.len() == given.len()
                        && shape.iter().zip(&given).all(|(a, b)| a == b || *a == (-7).to_dim());
                    assert!(kept && *datum == output.datum_type(), "promised {datum:?} {shape:?}, given {output:?}");
                }
                Ok(())
            }));
            prop_assert!(attempt.is_ok(), "{} panicked with {:?}", operator.name, node.attribute);
        }
    }
}
