use super::*;
use crate::resources::asset::CONVERTED;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(place.path().join(name), text).unwrap();
    }
    place
}

fn source(place: &tempfile::TempDir) -> ModelSource {
    ModelSource {
        path: place.path().to_owned(),
        model_type: "mlflow_model".to_owned(),
        name: "m".to_owned(),
        version: "1".to_owned(),
        ..ModelSource::default()
    }
}

const PYTHON: &str = "flavors:\n  python_function: {loader_module: mlflow.sklearn}\n";
const ONNX: &str = "flavors:\n  onnx: {data: model.onnx}\n  python_function: {loader_module: mlflow.onnx}\n";

fn refused(source: &ModelSource) -> String {
    load(source, &|_| {}).err().map(|error| error.message).unwrap_or_default()
}

#[test]
fn a_model_of_another_flavor_runs_in_python_with_a_generated_script() {
    let place = folder(&[("MLmodel", PYTHON), ("conda.yaml", "dependencies: []")]);
    let mut source = source(&place);
    assert!(needs_python(&source));
    let Ok(Way::Python { hosted, why: None }) = load(&source, &|_| {}) else { panic!("not in Python") };
    let last = place.path().file_name().unwrap().to_str().unwrap();
    assert_eq!(hosted.variables, BTreeMap::from([(FOLDER_VARIABLE.to_owned(), last.to_owned())]));
    assert!(hosted.script.contains("def init()") && hosted.beside.len() == 3);
    source.lenient = true;
    let Ok(Way::Python { hosted, .. }) = load(&source, &|_| {}) else { panic!("not in Python") };
    assert_eq!(hosted.variables[LENIENT_VARIABLE], "true");
}

#[test]
fn what_python_would_need_and_is_not_there_is_named() {
    let place = folder(&[("MLmodel", PYTHON)]);
    assert!(refused(&source(&place)).contains("conda.yaml, python_env.yaml, requirements.txt"));
    fs::write(place.path().join("MLmodel"), "flavors:\n  sklearn: {pickled_model: model.pkl}\n").unwrap();
    assert!(refused(&source(&place)).contains("no flavor 'python_function'"));
    assert!(refused(&source(&folder(&[]))).contains("no file MLmodel"));
}

#[test]
fn an_onnx_model_is_for_the_engine_unless_the_deployment_is_lenient() {
    let place = folder(&[("MLmodel", ONNX), ("model.onnx", "damaged"), ("conda.yaml", "dependencies: []")]);
    let mut source = source(&place);
    assert!(!needs_python(&source));
    assert!(refused(&source).contains("model.onnx"), "a damaged file is no matter for Python");
    source.lenient = true;
    assert!(needs_python(&source) && matches!(load(&source, &|_| {}), Ok(Way::Python { why: None, .. })));
}

#[test]
fn a_converted_model_needs_no_python() {
    let place = folder(&[("MLmodel", PYTHON), ("conda.yaml", "dependencies: []")]);
    let source = ModelSource { converted: Some(place.path().join("gone")), ..source(&place) };
    let said = std::cell::RefCell::new(String::new());
    let tell = |line: &str| said.borrow_mut().push_str(line);
    assert!(!needs_python(&source) && load(&source, &tell).is_err());
    assert!(said.borrow().starts_with(CONVERTED), "{}", said.borrow());
}
