//! Maps, and labels that become maps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tract_onnx::pb::{GraphProto, ValueInfoProto};

use super::super::op::tensor_of;
use super::super::{Labels, keyed, zipped_outputs};
use super::{ML, Value, kernel, matrix, node, rows};

/// A graph whose input `x` one operator takes.
fn graph(name: &str, attributes: &[(&str, Value)]) -> GraphProto {
    let mut node = node(name, attributes);
    (node.domain, node.input, node.output) = (ML.to_owned(), vec!["x".to_owned()], vec!["y".to_owned()]);
    let output = ValueInfoProto { name: "y".to_owned(), ..Default::default() };
    GraphProto { node: vec![node], output: vec![output], ..Default::default() }
}

/// A map as a row, by what is said of its keys.
fn row(graph: &GraphProto, map: &BTreeMap<String, f32>) -> Vec<f32> {
    let keyed = keyed(graph, "x").unwrap();
    let mut row = vec![keyed.absent::<f32>().unwrap(); keyed.width().unwrap()];
    for (key, value) in map {
        if let Some(at) = keyed.place(key).unwrap() {
            row[at as usize] = *value;
        }
    }
    row
}

proptest! {
    #[test]
    fn values_go_to_the_places_of_their_keys(
        words in proptest::collection::btree_set("[a-d]{1,2}", 1..6), map in proptest::collection::btree_map("[a-d]{1,2}", -9.0f32..9.0, 0..6),
    ) {
        let words: Vec<String> = words.into_iter().rev().collect();
        let attributes = [("string_vocabulary", Value::Texts(words.clone()))];
        let slow: Vec<f32> = words.iter().map(|word| map.get(word).copied().unwrap_or(0.0)).collect();
        let row = row(&graph("DictVectorizer", &attributes), &map);
        let given = kernel(ML, "DictVectorizer", &attributes).unwrap().run(&[&matrix(&[row])]).unwrap().remove(0);
        prop_assert_eq!(given, matrix(&[slow]));
    }

    #[test]
    fn maps_are_cast(map in proptest::collection::btree_map(0i64..9, -900.0f32..900.0, 0..6), width in 1i64..7) {
        let named = map.iter().map(|(key, value)| (key.to_string(), *value)).collect();
        let form = [("map_form", Value::Text("SPARSE".into())), ("max_map", Value::Int(width))];
        let cast = |to: &str| {
            let attributes = [&form[..], &[("cast_to", Value::Text(to.into()))]].concat();
            let row = row(&graph("CastMap", &attributes), &named);
            kernel(ML, "CastMap", &attributes).unwrap().run(&[&matrix(&[row])]).unwrap().remove(0)
        };
        let slow: Vec<Option<f32>> = (0..width).map(|key| map.get(&key).copied()).collect();
        let shape = [1, width as usize];
        prop_assert_eq!(cast("TO_FLOAT"), tensor_of(&shape, slow.iter().map(|v| v.unwrap_or(0.0)).collect::<Vec<f32>>()).unwrap());
        prop_assert_eq!(cast("TO_INT64"), tensor_of(&shape, slow.iter().map(|v| v.map_or(0, |v| v.trunc() as i64)).collect::<Vec<i64>>()).unwrap());
        let texts = slow.iter().map(|v| v.map_or("0.f".to_owned(), |v| format!("{:.6}", f64::from(v))));
        prop_assert_eq!(cast("TO_STRING"), tensor_of(&shape, texts.collect::<Vec<String>>()).unwrap());
    }

    #[test]
    fn scores_keep_their_labels(x in rows(3)) {
        let labels = [("classlabels_int64s", Value::Ints(vec![4, 2, 9]))];
        let zip = kernel(ML, "ZipMap", &labels).unwrap();
        prop_assert_eq!(zip.run(&[&matrix(&x)]).unwrap().remove(0), matrix(&x));
        let found = zipped_outputs(&graph("ZipMap", &labels));
        prop_assert_eq!(found.get("y"), Some(&Labels::Ints(vec![4, 2, 9])));
    }
}
