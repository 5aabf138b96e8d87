//! A matrix of scikit-learn, LightGBM and XGBoost exports through the engine; the table of results is committed.
//!
//! As a data scientist I get from my exported model what ONNX Runtime gives, or a refusal that says why, never another
//! number. Needs Python and the package index once; says so loudly and passes when they are missing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::cases::{Case, Index, Outcome, brief, made_by, outcomes, read_index, wrong};
use crate::python;

const TABLE: &str = "assets/exports.md";
/// Exports that may be refused.
const REFUSED: usize = 2;

fn kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "equal",
        Outcome::Refused(_) => "refused",
        Outcome::Failed(_) => "error",
        Outcome::Wrong(_) => "wrong",
    }
}

fn remark(case: &Case, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(why) | Outcome::Failed(why) | Outcome::Wrong(why) => brief(why),
        // The export itself differs from its model: for its owner to know, not for the engine to mend.
        Outcome::Passed if case.apart.is_some_and(|apart| apart > 1e-3) => {
            "the export itself differs from the model it was made of".to_owned()
        }
        Outcome::Passed => String::new(),
    }
}

fn table(index: &Index, outcomes: &[(&Case, Outcome)]) -> String {
    let count = |what: &str| outcomes.iter().filter(|(_, outcome)| kind(outcome) == what).count();
    let versions: Vec<String> = index.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let mut text = format!(
        "# Exports of scikit-learn, LightGBM and XGBoost on the built-in engine\n\n\
         Made by `MLCONSOLE_WRITE_TABLE=1 cargo test --test engine exports` with {}.\n\
         `tests/engine/exports.py` fits and exports the models, seeded; each file is loaded as a deployment would load it and\n\
         asked for 40 rows. *Equal*: every label, and every number within 0.0001 of its size, as ONNX Runtime gives them (or as\n\
         the library itself does, where ONNX Runtime does not run the file). Maps are sent as JSON objects.\n\n\
         **{} equal, {} refused at load, {} ended in an error instead of an answer, {} wrong, of {}.**\n\n\
         | model | library | precision | answers of | result | remark |\n|---|---|---|---|---|---|\n",
        versions.join(", "),
        count("equal"),
        count("refused"),
        count("error"),
        count("wrong"),
        outcomes.len(),
    );
    for (case, outcome) in outcomes {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            case.name,
            case.kind,
            case.precision,
            case.reference,
            kind(outcome),
            remark(case, outcome)
        );
    }
    let mut operators: BTreeMap<&str, usize> = BTreeMap::new();
    for operator in outcomes.iter().flat_map(|(case, _)| &case.operators).filter(|o| o.contains("::")) {
        *operators.entry(operator).or_default() += 1;
    }
    let operators: Vec<String> = operators.iter().map(|(name, count)| format!("{name} in {count}")).collect();
    let _ = writeln!(text, "\nOperators beside the standard's own: {}.", operators.join(", "));
    for model in &index.unexported {
        let _ = writeln!(text, "\nNot exported by its converter: {} ({}).", model.name, model.why.replace('|', "/"));
    }
    text
}

#[test]
fn no_export_gets_a_wrong_answer_and_nearly_all_run() {
    let found = made_by("exports.py", "exports-requirements.txt", "exports");
    let Some(folder) = python::or_skip(&found) else { return };
    let index = read_index(folder);
    let outcomes = outcomes(&index, folder);
    let text = table(&index, &outcomes);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    if std::env::var_os("MLCONSOLE_WRITE_TABLE").is_some() {
        std::fs::write(&path, &text).expect("the table is written");
    }
    let wrong = wrong(&outcomes);
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    let not: Vec<String> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome != Outcome::Passed)
        .map(|(case, outcome)| format!("{}: {}", case.name, remark(case, outcome)))
        .collect();
    assert!(outcomes.len() >= 66 && not.len() <= REFUSED, "not answered:\n{}", not.join("\n"));
    // Only what the machine rounds differently may change the table.
    let results = |text: &str| text.lines().find(|l| l.starts_with("**")).map(str::to_owned);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(results(&text), results(&committed), "{TABLE} is out of date");
}
