//! Stories of files that people bring.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn conda(text: &str) -> Result<Spec, String> {
    Spec::of_conda(text, None, "x:3").map_err(|e| e.to_string())
}

fn registered(properties: serde_json::Value) -> Result<Spec, String> {
    let environment: EnvironmentVersion =
        serde_json::from_value(json!({"name": "3", "properties": properties})).unwrap();
    Spec::of_environment(&environment, "x:3").map_err(|e| e.to_string())
}

#[test]
fn the_conda_file_of_azures_examples_is_read() {
    let spec = conda(
        "name: model-env\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.9\n  - numpy=1.21.2\n  - pip=21.2.4\n  - scikit-learn=0.24.2\n\
         \x20 - scipy=1.7.1\n  - pip:\n    - azureml-defaults==1.38.0\n    - inference-schema[numpy-support]==1.3.0\n    - joblib==1.0.1\n",
    )
    .unwrap();
    assert_eq!((spec.pythons.as_slice(), spec.python_written.as_deref()), ([(3, 9)].as_slice(), None));
    assert_eq!(
        spec.requirements,
        [
            "numpy==1.21.2",
            "scikit-learn==0.24.2",
            "scipy==1.7.1",
            "azureml-defaults==1.38.0",
            "inference-schema[numpy-support]==1.3.0",
            "joblib==1.0.1"
        ]
    );
    assert!(spec.notes.is_empty() && spec.asks_for("azureml-defaults") && !spec.asks_for("azureml"));
}

#[test]
fn a_bare_version_keeps_its_zeros_and_json_is_yaml_too() {
    let spec = conda("{\"dependencies\": [\"python=3.10.4\", {\"pip\": [\"six\"]}]}").unwrap();
    assert_eq!((spec.pythons.as_slice(), spec.python_written.as_deref()), ([(3, 10)].as_slice(), Some("3.10.4")));
    assert_eq!(spec.requirements, ["six"]);
    let spec = conda("dependencies:\n- python>=3.8,<3.12\n- pytorch=2.1\n- cpuonly").unwrap();
    assert_eq!(spec.pythons, [(3, 11), (3, 10), (3, 9), (3, 8)]);
    assert_eq!(spec.requirements, ["torch==2.1.*"]);
    assert_eq!(spec.notes.len(), 2, "{:?}", spec.notes);
    assert_eq!(conda("dependencies: [python=3.20]").unwrap().pythons, [(3, 20)]);
}

#[test]
fn all_packages_that_only_conda_has_are_named_at_once() {
    let error = conda("dependencies:\n- cudatoolkit=11.3\n- numpy\n- mkl\n- r-base\n- libgcc-ng\n").unwrap_err();
    assert!(
        error.contains("environment 'x:3': cudatoolkit, mkl, r-base, libgcc-ng exist only as conda packages"),
        "{error}"
    );
}

#[test]
fn a_file_of_another_kind_is_told_apart() {
    assert!(conda("numpy==1.0\nflask").unwrap_err().contains("no conda file"));
    assert!(conda("").unwrap_err().contains("no conda file"));
    assert!(conda("name: x").unwrap_err().contains("`dependencies` is missing"));
    assert!(conda("dependencies: 5").unwrap_err().contains("write a list"));
    assert!(conda("dependencies:\n- npm: [left-pad]").unwrap_err().contains("`npm:`"));
    assert!(conda("dependencies:\n- python=x").unwrap_err().contains("environment 'x:3'"));
    assert!(conda("dependencies:\n- pip:\n  - -r requirements.txt").unwrap_err().contains("write its lines here"));
    assert!(conda("dependencies:\n- python<3").unwrap_err().contains("no Python meets"));
}

#[test]
fn images_without_a_conda_file_are_refused_in_the_words_of_the_reference() {
    let error = registered(json!({"image": "mcr.microsoft.com/azureml/x:1"})).unwrap_err();
    assert_eq!(
        error,
        "environment 'x:3' is defined only by the image 'mcr.microsoft.com/azureml/x:1'; without Docker it cannot run here. \
         Add a conda_file, or use a curated name (sklearn-1.5, sklearn-1.1, sklearn-1.0, lightgbm-3.3, \
         minimal-py311-inference, mlflow-py312-inference)."
    );
    let error = registered(json!({"build": {"contextUri": "u", "dockerfilePath": "docker/Dockerfile"}})).unwrap_err();
    assert!(error.contains("only by the container build 'docker/Dockerfile'; without Docker"), "{error}");
    let spec = registered(json!({"image": "i", "condaFile": "dependencies: [numpy]"})).unwrap();
    assert_eq!((spec.requirements.len(), spec.notes.len()), (1, 1));
    assert!(spec.notes[0].contains("the image i is ignored"));
}

#[test]
fn an_mlflow_folder_is_read_by_its_conda_file_or_what_stands_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let read = || Spec::of_mlflow(dir.path(), "m:1").map_err(|e| e.to_string());
    assert!(read().unwrap_err().contains("names no packages"));
    write("requirements.txt", "mlflow==2.9.2\ncloudpickle==2.2.1");
    assert_eq!(read().unwrap().requirements, ["mlflow==2.9.2", "cloudpickle==2.2.1"]);
    write(
        "python_env.yaml",
        "python: 3.11.7\nbuild_dependencies:\n- pip==23.2.1\n- setuptools==65.5.0\n- wheel\ndependencies:\n- -r requirements.txt\n",
    );
    let spec = read().unwrap();
    assert_eq!((spec.pythons.as_slice(), spec.python_written.as_deref()), ([(3, 11)].as_slice(), Some("3.11.7")));
    assert_eq!(spec.requirements, ["setuptools==65.5.0", "mlflow==2.9.2", "cloudpickle==2.2.1"]);
    write(
        "conda.yaml",
        "channels: [conda-forge]\ndependencies:\n- python=3.10.13\n- pip<=23.2.1\n- pip:\n  - mlflow==2.9.2\nname: mlflow-env\n",
    );
    let spec = read().unwrap();
    assert_eq!((spec.requirements.as_slice(), spec.origin), (["mlflow==2.9.2".to_owned()].as_slice(), Origin::Mlflow));
    assert_eq!(spec.python_written.as_deref(), Some("3.10.13"));
}

proptest! {
    #[test]
    fn no_conda_file_panics(any in "\\PC{0,120}", lines in prop::collection::vec(
        prop_oneof![Just("dependencies:"), Just("- pip:"), Just("  - pip:"), Just("    - -r x"), Just("- python=3.1"), Just("- python<3"),
            Just("- "), Just("- a: b"), Just("- [x]"), Just("python: 3"), Just("channels: [x]"), Just("- numpy=1"), Just("- 5")], 0..10)) {
        let _ = conda(&any);
        let _ = conda(&lines.join("\n"));
        let mut spec = Spec::default();
        let _ = conda::python_env(&mut spec, "f", &lines.join("\n"), None);
    }
}
