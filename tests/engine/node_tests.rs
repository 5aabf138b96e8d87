//! Every node test of the `onnx` package through the engine; the table of results is committed.
//!
//! As an operator's user I get the standard's answer or a refusal at load, never a wrong number.
//! Needs Python and the package index once; says so loudly and passes when they are missing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cases::{Case, Outcome, brief, made_by, outcomes, read_index, wrong};
use crate::python;

const TABLE: &str = "assets/onnx-node-tests.md";

/// The folder of cases, made once by the package itself.
pub fn cases() -> Result<PathBuf, String> {
    // Cases of one's own (exports of a training library, say) in the same form.
    match std::env::var_os("MLCONSOLE_NODE_CASES") {
        Some(folder) => Ok(folder.into()),
        None => made_by("node_cases.py", "onnx-requirements.txt", "onnx-node-tests"),
    }
}

/// The operator a case is about: its name says, else its only operator.
fn subject(case: &Case) -> String {
    let plain = case.name.trim_start_matches("test_").replace('_', "");
    let named = |o: &&String| plain.starts_with(&o.rsplit("::").next().unwrap_or_default().to_lowercase());
    let found = case.operators.iter().filter(named).max_by_key(|o| o.len());
    match (found, &case.operators[..]) {
        (Some(operator), _) => operator.clone(),
        (None, [only]) => only.clone(),
        _ => "(several operators)".to_owned(),
    }
}

#[derive(Default)]
struct Row {
    passed: usize,
    refused: usize,
    failed: usize,
    wrong: usize,
    reason: String,
}

fn table(version: &str, results: &[(&Case, Outcome)]) -> String {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for (case, outcome) in results {
        let row = rows.entry(subject(case)).or_default();
        let (count, reason) = match outcome {
            Outcome::Passed => (&mut row.passed, None),
            Outcome::Refused(why) => (&mut row.refused, Some(why)),
            Outcome::Failed(why) => (&mut row.failed, Some(why)),
            Outcome::Wrong(why) => (&mut row.wrong, Some(why)),
        };
        *count += 1;
        if let Some(why) = reason
            && row.reason.is_empty()
        {
            row.reason = brief(why);
        }
    }
    let total = |of: fn(&Row) -> usize| rows.values().map(of).sum::<usize>();
    let (passed, refused, failed, wrong) =
        (total(|r| r.passed), total(|r| r.refused), total(|r| r.failed), total(|r| r.wrong));
    let mut text = format!(
        "# The ONNX standard's node tests on the built-in engine\n\n\
         Made by `MLCONSOLE_WRITE_TABLE=1 cargo test --test engine node_tests` from onnx {version}: every node test of the package, and cases\n\
         of our own for `ai.onnx.ml` with the answers of the package's reference implementation. Each model is loaded as a\n\
         deployment would load it and asked over the Open Inference Protocol with binary tensors.\n\n\
         **{passed} passed, {refused} refused at load, {failed} ended in an error instead of an answer, {wrong} wrong.**\n\n\
         | operator | passed | refused | error | wrong | first reason |\n|---|--:|--:|--:|--:|---|\n"
    );
    for (operator, row) in &rows {
        let _ = writeln!(
            text,
            "| {operator} | {} | {} | {} | {} | {} |",
            row.passed, row.refused, row.failed, row.wrong, row.reason
        );
    }
    text
}

fn passed_in(table: &str) -> usize {
    let line = table.lines().find(|l| l.starts_with("**")).unwrap_or_default();
    line.trim_start_matches('*').split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[test]
fn no_node_test_of_the_standard_gets_a_wrong_answer() {
    let found = cases();
    let Some(folder) = python::or_skip(&found) else { return };
    let index = read_index(folder);
    let mut outcomes = outcomes(&index, folder);
    outcomes.sort_by_key(|(case, _)| (&case.kind, &case.name));
    let text = table(&index.onnx, &outcomes);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("MLCONSOLE_WRITE_TABLE").is_some() {
        std::fs::write(&path, &text).expect("the table is written");
        let details: Vec<String> = outcomes.iter().map(|(c, o)| format!("{} {o:?}", c.name)).collect();
        std::fs::write(folder.join("outcomes.txt"), details.join("\n")).expect("the details are written");
    }
    let wrong = wrong(&outcomes);
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    if std::env::var_os("MLCONSOLE_NODE_CASES").is_some() {
        println!("{text}");
        return;
    }
    assert!(passed_in(&text) >= passed_in(&committed), "fewer node tests pass than {TABLE} says");
}
