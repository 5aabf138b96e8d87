//! What goes wrong names the package, the version, the Python and the next step, and leaves nothing behind.

use mlconsole::server::environments::Packages;

use super::*;

fn failure(house: &House, requirements: &[&str]) -> String {
    let (built, told) = prepare(&house.environments(), &house.spec(requirements));
    let error = built.expect_err("it cannot be built").to_string();
    assert!(error.starts_with("environment 'tiny-env:3' cannot be built for Python 3."), "{error}");
    assert!(!error.contains("secret") && !told.lines().contains("secret"), "{error}\n{}", told.lines());
    assert!(house.left().is_empty(), "{:?}", house.left());
    error
}

fn tells(house: &House) {
    let error = failure(house, &["tiny==99.0"]);
    assert!(error.contains("tiny==99.0 does not exist"), "{error}");
    let error = failure(house, &["nosuch==1.0"]);
    assert!(error.contains("there is no package nosuch") && error.contains("Check its name"), "{error}");
    let error = failure(house, &["picky", "tiny==2.0"]);
    assert!(error.contains("contradict each other") && error.contains("tiny<2") && error.contains("Loosen"), "{error}");
    let error = failure(house, &["source==1.0"]);
    assert!(error.contains("source==1.0 has no wheel for Python 3.") && error.contains("fortran77"), "{error}");
}

#[test]
fn uvs_failures_are_told() {
    let Some(house) = House::with_uv() else { return };
    tells(&house);
    let error = failure(&house, &["native==1.0"]);
    assert!(error.contains("native") && error.contains("wheel"), "{error}");
}

#[test]
fn pips_failures_are_told() {
    let Some(house) = House::with_pip() else { return };
    tells(&house);
}

#[test]
fn without_a_network_the_cache_is_tried_and_what_it_lacks_is_named() {
    let Some(house) = House::with_uv() else { return };
    let mut spec = house.spec(&["lightgbm==4.5.0"]);
    // Nobody listens on port 1.
    spec.options = vec!["--index-url http://127.0.0.1:1/simple".into()];
    let (built, told) = prepare(&house.environments(), &spec);
    let error = built.expect_err("there is no network").to_string();
    assert!(
        error.contains("lightgbm==4.5.0 is not in the package cache and the network is off"),
        "{error}\n{}",
        told.lines()
    );
    assert!(told.lines().contains("trying with what the package cache holds"), "{}", told.lines());
    let report = house.environments().check(&spec, &Stop::new());
    assert!(matches!(&report.packages, Packages::NotChecked(why) if why.contains("cannot be fetched")), "{report:?}");
}

#[test]
fn the_check_tells_the_same_without_installing() {
    let Some(house) = House::with_uv() else { return };
    let check = |requirements: &[&str]| house.environments().check(&house.spec(requirements), &Stop::new());
    let report = check(&["picky"]);
    assert!(report.uv && report.python.is_ok(), "{report:?}");
    assert_eq!(report.packages, Packages::Resolved(2), "{report:?}");
    let report = check(&["tiny==99.0"]);
    assert!(
        matches!(&report.packages, Packages::Impossible(why) if why.contains("tiny==99.0 does not exist")),
        "{report:?}"
    );
    let mut spec = house.spec(&["tiny"]);
    spec.pythons = vec![(3, 66)];
    let report = house.environments().check(&spec, &Stop::new());
    assert!(report.python.is_err_and(|why| why.starts_with("needs Python 3.66; found ")));
    assert!(house.left().is_empty(), "nothing was built");
}

#[test]
fn an_interpreter_that_is_not_there_is_named_with_those_that_are() {
    let Some(house) = House::with_uv() else { return };
    let mut spec = house.spec(&["tiny"]);
    spec.pythons = vec![(3, 66)];
    let error = prepare(&house.environments(), &spec).0.expect_err("nobody has it").to_string();
    let version = asked(python::interpreter().unwrap(), "import sys; print('%d.%d' % sys.version_info[:2])");
    assert!(error.starts_with("environment 'tiny-env:3' needs Python 3.66; found "), "{error}");
    assert!(error.contains(&format!("{version} (")) && error.contains("allow_python_download = true"), "{error}");
    assert!(house.left().is_empty());
}
