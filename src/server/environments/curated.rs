//! The environments that Azure curates, as packages (reference §3.4).

use super::EnvironmentError;
use super::spec::{Origin, Spec};

/// Name, Python, packages.
const TABLE: &[(&str, (u8, u8), &[&str])] = &[
    (
        "sklearn-1.5",
        (3, 10),
        &["scikit-learn~=1.5.0", "pandas~=1.5.3", "scipy~=1.10.0", "numpy~=1.22.0", "joblib~=1.2.0"],
    ),
    ("sklearn-1.1", (3, 9), &["scikit-learn~=1.1.0", "pandas~=1.3.0", "scipy~=1.10.0", "numpy~=1.22.0"]),
    ("sklearn-1.0", (3, 9), &["scikit-learn~=1.0.0", "pandas~=1.3.0", "scipy~=1.10.0", "numpy~=1.22.0"]),
    // This pandas was compiled for numpy 1, which PyPI does not know.
    ("lightgbm-3.3", (3, 10), &["lightgbm>=4.6", "xgboost~=1.7.6", "scikit-learn~=1.5.1", "pandas~=1.5.3", "numpy<2"]),
    ("minimal-py311-inference", (3, 11), &["numpy", "joblib"]),
    ("mlflow-py312-inference", (3, 12), &["mlflow", "scikit-learn", "cloudpickle", "pandas", "numpy", "joblib"]),
];

/// The names that can be built here.
pub(super) fn names() -> String {
    TABLE.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}

/// The environment of that name, in any spelling. `None`: no curated name.
pub(super) fn spec(text: &str) -> Option<Result<Spec, EnvironmentError>> {
    let (name, azure) = plain(text);
    if let Some((name, python, packages)) = TABLE.iter().find(|(known, ..)| *known == name) {
        return Some(Ok(Spec {
            name: (*name).to_owned(),
            pythons: vec![*python],
            requirements: packages.iter().map(|&package| package.to_owned()).collect(),
            origin: Origin::Curated,
            ..Spec::default()
        }));
    }
    azure.then(|| {
        Err(EnvironmentError::Refused(format!(
            "the curated environment '{name}' is defined only by its image; without Docker it cannot run here. Write \
             its packages into a conda_file, or use a curated name ({}).",
            names()
        )))
    })
}

/// The bare name, and whether the spelling says that it is one of Azure's.
fn plain(text: &str) -> (String, bool) {
    let text = text.trim().to_ascii_lowercase();
    let (rest, registry) = match text.strip_prefix("azureml://registries/azureml/environments/") {
        Some(rest) => (rest.split('/').next().unwrap_or_default(), true),
        None => (text.strip_prefix("azureml:").unwrap_or(&text), false),
    };
    let rest = rest.split([':', '@']).next().unwrap_or_default();
    let (mut name, prefixed) = match rest.strip_prefix("azureml-") {
        Some(name) => (name, true),
        None => (rest, false),
    };
    while let Some((before, suffix)) = name.rsplit_once('-') {
        let numbered = |start: &str| {
            suffix
                .strip_prefix(start)
                .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
        };
        if suffix == "cpu" || numbered("py") || numbered("ubuntu") {
            name = before;
        } else {
            break;
        }
    }
    (name.to_owned(), registry || prefixed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_names_the_same_environment() {
        for text in [
            "sklearn-1.5",
            "AzureML-sklearn-1.5",
            "azureml:AzureML-sklearn-1.5:1",
            "azureml:AzureML-sklearn-1.5@latest",
            "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
            "azureml://registries/azureml/environments/sklearn-1.5/versions/12",
            "AzureML-sklearn-1.5-ubuntu20.04-py38-cpu",
        ] {
            let spec = spec(text).expect(text).expect(text);
            assert_eq!((spec.name.as_str(), spec.pythons.as_slice()), ("sklearn-1.5", [(3, 10)].as_slice()), "{text}");
            assert_eq!(spec.requirements.len(), 5);
        }
        assert_eq!(spec("AzureML-sklearn-1.0-ubuntu20.04-py38-cpu").unwrap().unwrap().name, "sklearn-1.0");
        assert_eq!(spec("minimal-py311-inference").unwrap().unwrap().pythons, [(3, 11)]);
        assert!(spec("azureml://registries/azureml/environments/mlflow-py312-inference/versions/3").unwrap().is_ok());
    }

    #[test]
    fn what_needs_its_image_is_refused_and_others_are_somebody_elses() {
        for text in [
            "AzureML-acpt-pytorch-2.2-cuda12.1",
            "azureml://registries/azureml/environments/tensorflow-2.16-cuda12/labels/latest",
            "azureml:AzureML-ai-ml-automl:4",
        ] {
            let error = spec(text).expect(text).unwrap_err().to_string();
            assert!(error.contains("without Docker") && error.contains("sklearn-1.5, sklearn-1.1"), "{error}");
        }
        assert!(spec("my-env").is_none() && spec("sklearn-env:3").is_none());
    }

    proptest! {
        #[test]
        fn no_name_panics(any in "\\PC{0,40}", near in "(azureml:|azureml://registries/azureml/environments/)?(AzureML-)?[a-z0-9.:@/-]{0,24}") {
            let _ = (spec(&any), spec(&near));
        }
    }
}
