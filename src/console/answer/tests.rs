use std::collections::HashSet;

use proptest::prelude::*;

use super::diff::{Kind, Tolerance, compare};
use super::recipe::{Recipe, quote};
use super::tree::Tree;

fn text(tree: &Tree, folded: &[usize], filter: &str) -> String {
    let folded: HashSet<usize> = folded.iter().copied().collect();
    let lines = tree.lines(&folded, filter);
    lines.iter().map(|l| format!("{}{}{}\n", "  ".repeat(l.depth.into()), l.label, l.text)).collect()
}

const BODY: &str =
    r#"{"z": [{"restaurant": 17, "score": 0.912}, {"restaurant": 4, "score": 1.0}], "a": {"deep": [[1], [2]]}}"#;

#[test]
fn a_body_reads_as_it_was_written_and_small_things_stay_on_one_line() {
    let tree = Tree::parse(BODY).unwrap();
    let expected = "{\n  \"z\": [\n    { \"restaurant\": 17, \"score\": 0.912 },\n    { \"restaurant\": 4, \"score\": 1.0 }\n  ],\n  \
                    \"a\": {\n    \"deep\": [\n      [ 1 ],\n      [ 2 ]\n    ]\n  }\n}\n";
    assert_eq!(text(&tree, &[], ""), expected);
}

#[test]
fn folding_hides_what_is_inside_and_says_how_much() {
    let tree = Tree::parse(BODY).unwrap();
    assert_eq!(text(&tree, &[1], "").lines().nth(1), Some("  \"z\": [ 2 values ],"));
    assert_eq!(text(&tree, &[0], ""), "{ 2 fields }\n");
}

#[test]
fn a_filter_keeps_hits_and_the_way_to_them() {
    let tree = Tree::parse(BODY).unwrap();
    let shown = text(&tree, &[], "deep");
    assert!(shown.contains("\"deep\"") && !shown.contains("restaurant"), "{shown}");
    assert_eq!(tree.search("0.912").len(), 1);
    let hit = tree.search("0.912")[0];
    assert_eq!(tree.path(hit), "z[0].score");
    assert_eq!(tree.ancestors(hit).last(), Some(&0));
}

#[test]
fn answers_differ_field_by_field_within_a_tolerance() {
    let blue = r#"[{"restaurant": 4, "score": 0.843, "new": null}, 1]"#;
    let green = r#"[{"restaurant": 17, "score": 0.8431, "extra": true}, "1", 2]"#;
    let report = compare(blue, green, Tolerance::default());
    let found: Vec<_> = report.differences.iter().map(|d| (d.path.as_str(), d.kind)).collect();
    assert_eq!(
        found,
        [
            ("", Kind::Length),
            ("[0].new", Kind::Missing),
            ("[0].restaurant", Kind::Value(Some(13.0))),
            ("[0].extra", Kind::Extra),
            ("[1]", Kind::Type),
        ]
    );
    assert_eq!(compare(blue, blue, Tolerance::default()).found, 0);
    assert_eq!(compare("not json", "nor this", Tolerance::default()).found, 1);
}

#[test]
fn a_recipe_never_holds_the_key_and_survives_the_shell() {
    let recipe = Recipe {
        endpoint: "restaurants".into(),
        uri: "https://127.0.0.1:8443/endpoints/restaurants/score".into(),
        method: "POST".into(),
        content_type: "application/json".into(),
        deployment: Some("green".into()),
        body: "{\"name\": \"it's $HOME\"}".into(),
        ca_file: Some("/tmp/my ca.pem".into()),
        credential: "keys",
        flags: "--data-dir /tmp/x".into(),
    };
    let curl = recipe.curl();
    assert!(curl.contains("keys restaurants --raw --data-dir /tmp/x"), "{curl}");
    assert!(curl.contains("$ENDPOINT_KEY") && curl.contains("'{\"name\": \"it'\\''s $HOME\"}'"), "{curl}");
    assert!(recipe.python().contains("verify=\"/tmp/my ca.pem\""), "{}", recipe.python());
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        // The parser is exact to the last bit or the one beside it; what models answer (single precision) is exact.
        (-1e6f32..1e6).prop_map(|x| f64::from(x).into()),
        ".*".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::btree_map(".{0,6}", inner, 0..6)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_answered_with_a_tree_or_a_reason(body in ".*") {
        let _ = Tree::parse(&body).map(|tree| tree.lines(&HashSet::new(), "a"));
    }

    #[test]
    fn the_open_tree_is_the_same_json(value in json()) {
        let tree = Tree::parse(&value.to_string()).unwrap();
        let again: serde_json::Value = serde_json::from_str(&text(&tree, &[], "")).unwrap();
        prop_assert_eq!(again, value);
    }

    #[test]
    fn folding_anything_never_panics(value in json(), folded in proptest::collection::hash_set(0usize..80, 0..20), filter in ".{0,3}") {
        let tree = Tree::parse(&value.to_string()).unwrap();
        let lines = tree.lines(&folded, &filter);
        for line in &lines {
            let _ = tree.path(line.node);
        }
    }

    #[test]
    fn a_body_never_differs_from_itself(value in json()) {
        prop_assert_eq!(compare(&value.to_string(), &value.to_string(), Tolerance::default()).found, 0);
    }

    #[test]
    fn a_quoted_word_is_one_word(word in "[^\0]*") {
        let quoted = quote(&word);
        let plain = quoted.replace(r"'\''", "").replace('\'', "");
        prop_assert_eq!(plain, word.replace('\'', ""));
    }
}
