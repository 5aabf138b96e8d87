//! All that decides what an environment is, and its key (reference §3.3.5).

use std::path::Path;

use super::disk::stamp;
use super::interpreter::Interpreter;
use super::spec::{Origin, Spec};
use super::{requirements, skinny};

/// Changes when environments are built differently, so that older ones are not taken for the same.
const BUILDER: &str = "1";
/// A package of Azure's that brings the official server, in a version of its own.
const BRINGS_SERVER: &str = "azureml-defaults";
/// The official server, whose behaviour the worker is to have.
pub(super) const SERVER: &str = "azureml-inference-server-http";
/// Versions that behave as the reference says.
const SERVER_REQUIREMENT: &str = "azureml-inference-server-http>=1.4";

/// All that decides what an environment is.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub spec: &'a Spec,
    pub interpreter: Interpreter,
    /// What is asked for, after the rule for mlflow.
    pub requirements: Vec<String>,
    /// The official server is added, since nothing asks for it.
    pub inject: bool,
    /// For the log.
    pub notes: Vec<String>,
}

impl<'a> Order<'a> {
    pub fn new(spec: &'a Spec, interpreter: Interpreter, mlflow_full: bool) -> Self {
        let mut notes = spec.notes.clone();
        if let Some(written) = &spec.python_written
            && *written != interpreter.version
            && written.matches('.').count() > 1
        {
            notes.push(format!("Python {written} is asked for, {} is used", interpreter.version));
        }
        let mut wanted = spec.requirements.clone();
        if spec.origin == Origin::Mlflow && !mlflow_full {
            skinny::exchange(&mut wanted, &mut notes);
        }
        let inject = !spec.asks_for(SERVER) && !spec.asks_for(BRINGS_SERVER);
        Self { spec, interpreter, requirements: wanted, inject, notes }
    }

    /// `3.11`.
    pub fn python(&self) -> String {
        format!("{}.{}", self.interpreter.minor.0, self.interpreter.minor.1)
    }

    /// The same content has the same key.
    pub fn key(&self) -> String {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let mut add = |part: &str| {
            digest.update(part.as_bytes());
            digest.update(&[0]);
        };
        for part in [BUILDER, std::env::consts::OS, std::env::consts::ARCH, &self.python()] {
            add(part);
        }
        add(&self.interpreter.path.to_string_lossy());
        let sorted = |lines: &[String]| {
            let mut lines: Vec<String> = lines.iter().map(|line| same_spelling(line)).collect();
            lines.sort();
            lines.dedup();
            lines
        };
        for list in [sorted(&self.requirements), sorted(&self.spec.constraints), self.spec.options.clone()] {
            list.iter().for_each(|line| add(line));
            add("");
        }
        add(if self.inject { SERVER_REQUIREMENT } else { "" });
        // Files of this machine count by what is in them.
        for path in self.requirements.iter().filter(|line| line.starts_with('/')) {
            stamp(Path::new(path.split_whitespace().next().unwrap_or(path)), &mut digest);
        }
        digest.finish().as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// All that is installed; the official server, where it is added, goes with the rest.
    pub fn wanted(&self, with_server: bool) -> Vec<String> {
        let mut wanted = self.requirements.clone();
        wanted.extend((with_server && self.inject).then(|| SERVER_REQUIREMENT.to_owned()));
        wanted
    }

    /// What is to be known of an environment that can only be had without the official server.
    pub fn without_server(&self, why: &str) -> String {
        format!(
            "{SERVER} does not go with the packages asked for ({why}). The environment is built without it, and a stand-in \
             serves the script: Azure would refuse this environment"
        )
    }

    pub fn warnings(&self) -> Vec<String> {
        if self.inject && self.spec.origin == Origin::Files {
            return vec![format!(
                "{SERVER} is not among the packages of '{}': it was added here, but on Azure the deployment would stop \
                 with exit code 100. Add it to the conda file, below `- pip:`",
                self.spec.name
            )];
        }
        Vec::new()
    }
}

/// A requirement without what makes no difference: blanks, and the spelling of its name.
fn same_spelling(line: &str) -> String {
    let Some(project) = requirements::project(line) else { return line.to_owned() };
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
    let rest = &line[end..];
    // In a marker or behind an option blanks mean something.
    match rest.contains([';', '@']) || rest.contains("--") {
        true => format!("{project}{rest}"),
        false => format!("{project}{}", rest.split_whitespace().collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(spec: &Spec, full: bool) -> Order<'_> {
        let interpreter = Interpreter { path: "/usr/bin/python3.11".into(), minor: (3, 11), version: "3.11.4".into() };
        Order::new(spec, interpreter, full)
    }

    fn spec(origin: Origin, requirements: &[&str]) -> Spec {
        let requirements = requirements.iter().map(|&line| line.to_owned()).collect();
        Spec { name: "m:1".into(), origin, requirements, ..Spec::default() }
    }

    #[test]
    fn mlflow_models_get_mlflow_skinny_unless_told_otherwise() {
        let model = spec(Origin::Mlflow, &["mlflow==3.1.0", "scikit-learn==1.7.2", "numpy==2.1.0"]);
        let small = order(&model, false);
        assert_eq!(small.requirements, ["mlflow-skinny==3.1.0", "scikit-learn==1.7.2", "numpy==2.1.0", "pandas"]);
        assert!(small.notes[0].contains("mlflow==3.1.0 is installed as mlflow-skinny==3.1.0"), "{:?}", small.notes);
        assert_eq!(order(&model, true).requirements, model.requirements);
        assert_ne!(small.key(), order(&model, true).key());
        for kept in ["mlflow[extras]==3.1.0", "mlflow @ https://example.org/mlflow.whl", "mlflow-skinny==3.1.0"] {
            let model = spec(Origin::Mlflow, &[kept]);
            assert_eq!(order(&model, false).requirements, [kept]);
        }
        let own = spec(Origin::Files, &["mlflow==3.1.0"]);
        assert_eq!(order(&own, false).requirements, ["mlflow==3.1.0"], "what a user wrote for a script stays");
    }

    #[test]
    fn the_key_is_the_content_however_it_is_spelled() {
        let key = |requirements: &[&str]| order(&spec(Origin::Files, requirements), false).key();
        let one = key(&["Scikit_Learn == 1.5.2", "numpy>=1,<2"]);
        assert_eq!(one, key(&["numpy>=1, <2", "scikit-learn==1.5.2", "numpy>=1,<2"]));
        assert!(super::super::keep::is_key(&one), "{one}");
        assert_ne!(one, key(&["scikit-learn==1.5.2", "numpy>=1"]));
        let named = Spec { name: "other:9".into(), user: Some("a/b".into()), ..spec(Origin::Files, &["six"]) };
        assert_eq!(order(&named, false).key(), key(&["six"]), "names do not count");
        let mut indexed = spec(Origin::Files, &["six"]);
        indexed.options = vec!["--extra-index-url https://example.org".into()];
        assert_ne!(order(&indexed, false).key(), key(&["six"]));
        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("x-1-py3-none-any.whl");
        std::fs::write(&wheel, "a").unwrap();
        let local = [wheel.to_str().unwrap()];
        let before = key(&local);
        std::fs::write(&wheel, "b").unwrap();
        assert_ne!(before, key(&local), "files of this machine count by what is in them");
    }

    #[test]
    fn another_patch_level_of_python_is_noted_and_a_missing_server_warned_of() {
        let mut model = spec(Origin::Files, &["six"]);
        model.python_written = Some("3.11.7".into());
        let order_of = order(&model, false);
        assert_eq!(order_of.notes, ["Python 3.11.7 is asked for, 3.11.4 is used"]);
        assert!(order_of.warnings()[0].contains("exit code 100") && order_of.inject);
        for (origin, line) in [(Origin::Files, "azureml-defaults"), (Origin::Curated, "six"), (Origin::Mlflow, "six")] {
            let spec = spec(origin, &[line]);
            assert!(order(&spec, false).warnings().is_empty(), "{line}");
        }
        let old = spec(Origin::Files, &["azureml-defaults==1.53.0"]);
        assert!(!order(&old, false).inject, "it brings the server that goes with it");
        let own = spec(Origin::Files, &["azureml_inference_server_http==1.4.0"]);
        assert!(!order(&own, false).inject && order(&own, false).warnings().is_empty());
    }
}
