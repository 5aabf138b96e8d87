//! Operators against a plain, slow evaluation of their definitions.

use proptest::prelude::*;
use tract_onnx::pb::{AttributeProto, NodeProto};
use tract_onnx::tract_hir::internal::*;

use super::op::{Kernel, tensor_of};
use super::operator;

mod maps;
mod texts;
mod trees;
mod votes;

#[derive(Debug, Clone)]
pub enum Value {
    Int(i64),
    Float(f32),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Texts(Vec<String>),
}

pub fn attribute(name: &str, value: &Value) -> AttributeProto {
    let mut attribute = AttributeProto { name: name.to_owned(), ..Default::default() };
    match value {
        Value::Int(i) => attribute.i = *i,
        Value::Float(f) => attribute.f = *f,
        Value::Text(s) => attribute.s = s.as_bytes().to_vec(),
        Value::Ints(ints) => attribute.ints.clone_from(ints),
        Value::Floats(floats) => attribute.floats.clone_from(floats),
        Value::Texts(texts) => attribute.strings = texts.iter().map(|s| s.as_bytes().to_vec()).collect(),
    }
    attribute
}

pub fn node(name: &str, attributes: &[(&str, Value)]) -> NodeProto {
    let attribute = attributes.iter().map(|(name, value)| attribute(name, value)).collect();
    NodeProto { op_type: name.to_owned(), attribute, ..Default::default() }
}

fn kernel(domain: &str, name: &str, attributes: &[(&str, Value)]) -> TractResult<Arc<dyn Kernel>> {
    (operator(domain, name).unwrap().make)(&node(name, attributes))
}

fn matrix(rows: &[Vec<f32>]) -> Tensor {
    tensor_of(&[rows.len(), rows[0].len()], rows.concat()).unwrap()
}

/// The only output for a matrix, in rows.
fn run(kernel: &Arc<dyn Kernel>, rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let output = kernel.run(&[&matrix(rows)]).unwrap().remove(0);
    let width = output.shape()[1];
    output.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().chunks(width).map(<[f32]>::to_vec).collect()
}

fn close(a: &[Vec<f32>], b: &[Vec<f64>]) -> bool {
    let near = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() <= 1e-4 * (1.0 + b.abs()) || (a.is_nan() && b.is_nan());
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(near))
}

fn wide(rows: &[Vec<f32>], change: impl Fn(usize, f64) -> f64) -> Vec<Vec<f64>> {
    let row = |row: &Vec<f32>| row.iter().enumerate().map(|(i, v)| change(i, f64::from(*v))).collect();
    rows.iter().map(row).collect()
}

fn rows(columns: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
    proptest::collection::vec(proptest::collection::vec(-50.0f32..50.0, columns), 1..9)
}

fn numbers(count: usize) -> impl Strategy<Value = Vec<f32>> {
    proptest::collection::vec(-3.0f32..3.0, count)
}

const ML: &str = "ai.onnx.ml";

proptest! {
    #[test]
    fn columns_are_prepared_as_defined(x in rows(3), offset in numbers(3), scale in numbers(3), limit in -20.0f32..20.0) {
        let scaler = kernel(ML, "Scaler", &[("offset", Value::Floats(offset.clone())), ("scale", Value::Floats(scale.clone()))]).unwrap();
        prop_assert!(close(&run(&scaler, &x), &wide(&x, |i, v| (v - f64::from(offset[i])) * f64::from(scale[i]))));
        let binarizer = kernel(ML, "Binarizer", &[("threshold", Value::Float(limit))]).unwrap();
        prop_assert!(close(&run(&binarizer, &x), &wide(&x, |_, v| f64::from(u8::from(v > f64::from(limit))))));
        for norm in ["MAX", "L1", "L2"] {
            let normalizer = kernel(ML, "Normalizer", &[("norm", Value::Text(norm.to_owned()))]).unwrap();
            let slow: Vec<Vec<f64>> = x.iter().map(|row| {
                let wide: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
                let size = match norm {
                    "MAX" => wide.iter().fold(0.0, |m: f64, v| m.max(v.abs())),
                    "L1" => wide.iter().map(|v| v.abs()).sum(),
                    _ => wide.iter().map(|v| v * v).sum::<f64>().sqrt(),
                };
                wide.iter().map(|v| if size == 0.0 { 0.0 } else { v / size }).collect()
            }).collect();
            prop_assert!(close(&run(&normalizer, &x), &slow), "{}", norm);
        }
        let holes: Vec<Vec<f32>> = x.iter().map(|r| r.iter().map(|v| if *v > 0.0 { f32::NAN } else { *v }).collect()).collect();
        let imputer = kernel(ML, "Imputer", &[("imputed_value_floats", Value::Floats(offset.clone())), ("replaced_value_float", Value::Float(f32::NAN))]).unwrap();
        let slow = wide(&holes, |i, v| if v.is_nan() { f64::from(offset[i]) } else { v });
        prop_assert!(close(&run(&imputer, &holes), &slow));
        let whole: Vec<i64> = x.concat().iter().map(|v| *v as i64 % 3).collect();
        let imputer = kernel(ML, "Imputer", &[("imputed_value_int64s", Value::Ints(vec![7, 8, 9])), ("replaced_value_int64", Value::Int(1))]).unwrap();
        let filled = imputer.run(&[&tensor_of(&[x.len(), 3], whole.clone()).unwrap()]).unwrap().remove(0);
        let slow: Vec<i64> = whole.iter().enumerate().map(|(i, v)| if *v == 1 { 7 + i as i64 % 3 } else { *v }).collect();
        prop_assert_eq!(filled, tensor_of(&[x.len(), 3], slow).unwrap());
        let picks = vec![2i64, 0, 2];
        let extractor = kernel(ML, "ArrayFeatureExtractor", &[]).unwrap();
        let picked = extractor.run(&[&matrix(&x), &tensor_of(&[3], picks.clone()).unwrap()]).unwrap().remove(0);
        let slow: Vec<f32> = x.iter().flat_map(|row| picks.iter().map(|p| row[*p as usize])).collect();
        prop_assert_eq!(picked, tensor_of(&[x.len(), 3], slow).unwrap());
        let vectorizer = kernel(ML, "FeatureVectorizer", &[("inputdimensions", Value::Ints(vec![2, 4]))]).unwrap();
        let joined = vectorizer.run(&[&matrix(&x), &matrix(&x)]).unwrap().remove(0);
        let slow: Vec<f32> = x.iter().flat_map(|row| [row[0], row[1], row[0], row[1], row[2], 0.0]).collect();
        prop_assert_eq!(joined, tensor_of(&[x.len(), 6], slow).unwrap());
    }

    #[test]
    fn linear_models_are_sums(x in rows(3), weights in numbers(6), intercepts in numbers(2)) {
        let regressor = kernel(ML, "LinearRegressor", &[
            ("coefficients", Value::Floats(weights.clone())), ("intercepts", Value::Floats(intercepts.clone())), ("targets", Value::Int(2)),
        ]).unwrap();
        let score = |row: &[f32], target: usize| {
            let sum: f64 = (0..3).map(|i| f64::from(row[i]) * f64::from(weights[target * 3 + i])).sum();
            sum + f64::from(intercepts[target])
        };
        let slow: Vec<Vec<f64>> = x.iter().map(|row| vec![score(row, 0), score(row, 1)]).collect();
        prop_assert!(close(&run(&regressor, &x), &slow));
        let classifier = kernel(ML, "LinearClassifier", &[
            ("coefficients", Value::Floats(weights.clone())), ("intercepts", Value::Floats(intercepts.clone())),
            ("classlabels_strings", Value::Texts(vec!["a".into(), "b".into()])), ("post_transform", Value::Text("SOFTMAX".into())),
        ]).unwrap();
        let outputs = classifier.run(&[&matrix(&x)]).unwrap();
        let labels: Vec<String> = slow.iter().map(|s| if s[1] > s[0] { "b" } else { "a" }.to_owned()).collect();
        prop_assert_eq!(&outputs[0], &tensor_of(&[x.len()], labels).unwrap());
        let share: Vec<f32> = slow.iter().flat_map(|s| { let b = 1.0 / (1.0 + (s[0] - s[1]).exp()); [1.0 - b as f32, b as f32] }).collect();
        outputs[1].close_enough(&tensor_of(&[x.len(), 2], share).unwrap(), Approximation::Approximate).unwrap();
    }

    #[test]
    fn support_vectors_vote_through_their_kernel(x in rows(2), vectors in numbers(6), weights in numbers(3), rho in -1.0f32..1.0) {
        let of = |name: &str, a: &[f64], b: &[f64]| {
            let dot = a[0] * b[0] + a[1] * b[1];
            match name {
                "LINEAR" => dot,
                "POLY" => (0.3 * dot + 0.5).powi(2),
                "SIGMOID" => (0.3 * dot + 0.5).tanh(),
                _ => (-0.3 * ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2))).exp(),
            }
        };
        for name in ["LINEAR", "POLY", "RBF", "SIGMOID"] {
            let svm = kernel(ML, "SVMRegressor", &[
                ("kernel_type", Value::Text(name.into())), ("kernel_params", Value::Floats(vec![0.3, 0.5, 2.0])), ("n_supports", Value::Int(3)),
                ("support_vectors", Value::Floats(vectors.clone())), ("coefficients", Value::Floats(weights.clone())), ("rho", Value::Floats(vec![rho])),
            ]).unwrap();
            let slow: Vec<Vec<f64>> = x.iter().map(|row| {
                let row = [f64::from(row[0]), f64::from(row[1])];
                let vote = |i: usize| f64::from(weights[i]) * of(name, &row, &[f64::from(vectors[2 * i]), f64::from(vectors[2 * i + 1])]);
                vec![vote(0) + vote(1) + vote(2) + f64::from(rho)]
            }).collect();
            prop_assert!(close(&run(&svm, &x), &slow), "{}", name);
        }
    }

    #[test]
    fn categories_are_looked_up(values in proptest::collection::vec(0usize..6, 1..20), zeros in any::<bool>()) {
        let words = ["a", "b", "c", "", "é", "z"];
        let input: Vec<String> = values.iter().map(|v| words[*v].to_owned()).collect();
        let tensor = tensor_of(&[values.len()], input.clone()).unwrap();
        let known: Vec<String> = words[..4].iter().map(|w| (*w).to_owned()).collect();
        let encoder = kernel(ML, "LabelEncoder", &[
            ("keys_strings", Value::Texts(known.clone())), ("values_int64s", Value::Ints(vec![10, 11, 12, 13])), ("default_int64", Value::Int(-7)),
        ]).unwrap();
        let slow: Vec<i64> = values.iter().map(|v| if *v < 4 { 10 + *v as i64 } else { -7 }).collect();
        prop_assert_eq!(encoder.run(&[&tensor]).unwrap().remove(0), tensor_of(&[values.len()], slow.clone()).unwrap());
        let back = kernel(ML, "LabelEncoder", &[
            ("keys_int64s", Value::Ints(vec![10, 11, 12, 13])), ("values_strings", Value::Texts(known.clone())), ("default_string", Value::Text("?".into())),
        ]).unwrap();
        let texts: Vec<String> = values.iter().map(|v| if *v < 4 { words[*v] } else { "?" }.to_owned()).collect();
        prop_assert_eq!(back.run(&[&tensor_of(&[values.len()], slow).unwrap()]).unwrap().remove(0), tensor_of(&[values.len()], texts.clone()).unwrap());
        let mapper = kernel(ML, "CategoryMapper", &[
            ("cats_strings", Value::Texts(known.clone())), ("cats_int64s", Value::Ints(vec![4, 3, 2, 1])), ("default_int64", Value::Int(0)),
        ]).unwrap();
        let slow: Vec<i64> = values.iter().map(|v| if *v < 4 { 4 - *v as i64 } else { 0 }).collect();
        prop_assert_eq!(mapper.run(&[&tensor]).unwrap().remove(0), tensor_of(&[values.len()], slow).unwrap());
        let onehot = kernel(ML, "OneHotEncoder", &[("cats_strings", Value::Texts(known)), ("zeros", Value::Int(i64::from(zeros)))]).unwrap();
        let slow: Vec<f32> = values.iter().flat_map(|v| (0..4).map(|c| f32::from(u8::from(c == *v))).collect::<Vec<_>>()).collect();
        match onehot.run(&[&tensor]) {
            Ok(mut given) => prop_assert_eq!(given.remove(0), tensor_of(&[values.len(), 4], slow).unwrap()),
            Err(_) => prop_assert!(!zeros && values.iter().any(|v| *v > 3)),
        }
    }

    #[test]
    fn n_grams_are_counted(
        items in proptest::collection::vec(1i64..4, 0..14), skips in 0i64..3, shortest in 1i64..3, mode in 0usize..3,
    ) {
        // In the order of the pool; the third and the fourth n-gram have each other's columns.
        let weights = [0.5f32, 2.0, 3.0, 0.25];
        let counter = kernel("", "TfIdfVectorizer", &[
            ("mode", Value::Text(["TF", "IDF", "TFIDF"][mode].into())), ("weights", Value::Floats(weights.to_vec())), ("min_gram_length", Value::Int(shortest)), ("max_gram_length", Value::Int(2)),
            ("max_skip_count", Value::Int(skips)), ("ngram_counts", Value::Ints(vec![0, 2])), ("ngram_indexes", Value::Ints(vec![0, 1, 3, 2])),
            ("pool_int64s", Value::Ints(vec![1, 2, 1, 2, 3, 3])),
        ]).unwrap();
        let mut slow = [0f32; 4];
        for (at, item) in items.iter().enumerate() {
            if shortest == 1 && *item < 3 {
                slow[*item as usize - 1] += 1.0;
            }
            for distance in 1..=skips as usize + 1 {
                match (item, items.get(at + distance)) {
                    (1, Some(2)) => slow[3] += 1.0,
                    (3, Some(3)) => slow[2] += 1.0,
                    _ => {}
                }
            }
        }
        for (count, weight) in slow.iter_mut().zip([weights[0], weights[1], weights[3], weights[2]]) {
            *count = match mode {
                0 => *count,
                1 => if *count > 0.0 { weight } else { 0.0 },
                _ => *count * weight,
            };
        }
        let given = counter.run(&[&tensor_of(&[items.len()], items).unwrap()]).unwrap().remove(0);
        prop_assert_eq!(given, tensor_of(&[4], slow.to_vec()).unwrap());
    }

    #[test]
    fn tokens_are_what_matches_or_what_lies_between(texts in proptest::collection::vec("[a-c ,é]{0,12}", 1..6), least in 1i64..3) {
        let long = |token: &&str| token.chars().count() >= least as usize;
        let cut = |attribute: (&str, Value)| {
            let attributes = [attribute, ("mincharnum", Value::Int(least)), ("pad_value", Value::Text("#".into())), ("mark", Value::Int(0))];
            let tokenizer = kernel("com.microsoft", "Tokenizer", &attributes).unwrap();
            let output = tokenizer.run(&[&tensor_of(&[texts.len()], texts.clone()).unwrap()]).unwrap().remove(0);
            let width = output.shape()[1];
            let all = output.try_as_plain_ram().unwrap().as_slice::<String>().unwrap().to_vec();
            (0..texts.len()).map(|i| all[i * width..(i + 1) * width].iter().filter(|t| *t != "#").cloned().collect()).collect::<Vec<Vec<String>>>()
        };
        let between: Vec<Vec<String>> =
            texts.iter().map(|t| t.split([' ', ',']).filter(long).filter(|t| !t.is_empty()).map(str::to_owned).collect()).collect();
        prop_assert_eq!(cut(("separators", Value::Texts(vec![" ".into(), ",".into()]))), between);
        let words: Vec<Vec<String>> = texts.iter().map(|t| {
            t.split(|c: char| !c.is_ascii_lowercase()).filter(long).filter(|t| !t.is_empty()).map(str::to_owned).collect()
        }).collect();
        prop_assert_eq!(cut(("tokenexp", Value::Text("[a-z]+".into()))), words);
    }
}

#[test]
fn every_operator_is_here() {
    let tests = [include_str!("mod.rs"), include_str!("maps.rs"), include_str!("texts.rs"), include_str!("trees.rs")];
    let tests = [tests.concat(), include_str!("votes.rs").to_owned()].concat();
    let absent = super::OPERATORS.iter().filter(|operator| !tests.contains(&format!("\"{}\"", operator.name)));
    assert_eq!(absent.map(|operator| operator.name).collect::<Vec<_>>(), [""; 0]);
}
