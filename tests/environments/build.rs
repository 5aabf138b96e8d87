//! Building, using again, cleaning up.

use mlconsole::server::environments::{Packages, State};

use super::*;

fn builds_and_keeps(house: &House) {
    let environments = house.environments();
    let (built, told) = prepare(&environments, &house.spec(&["picky", "tiny>=1"]));
    let built = built.unwrap();
    assert_eq!(
        built.packages.iter().filter(|p| p.starts_with("tiny") || p.starts_with("picky")).count(),
        2,
        "{built:?}"
    );
    assert!(!built.has_server && built.warnings.is_empty());
    assert_eq!(asked(&built.python, "import tiny, picky; print(tiny.version)"), "1.0");
    let compiled =
        "import tiny, importlib.util, os; print(os.path.exists(importlib.util.cache_from_source(tiny.__file__)))";
    assert_eq!(asked(&built.python, compiled), "True", "bytecode is there before the first start");
    assert!(
        told.lines().contains("building environment 'tiny-env:3'") && !told.lines().contains("secret"),
        "{}",
        told.lines()
    );
    let last = told.progress.lock().unwrap().last().cloned().unwrap();
    assert!(last.done == 2 && last.total == 2, "{last:?}");

    // The same in other words, by another process's eyes, without any network.
    house.index.fall_silent(true);
    let other = house.environments();
    let (again, told) = prepare(&other, &house.spec(&["tiny >= 1", "Picky"]));
    let again = again.unwrap();
    assert_eq!((again.key.as_str(), again.packages.as_slice()), (built.key.as_str(), built.packages.as_slice()));
    assert!(told.lines().contains("is there already") && !told.lines().contains("building"), "{}", told.lines());
    let report = environments.check(&house.spec(&["tiny>=1", "picky"]), &Stop::new());
    assert!(matches!(report.packages, Packages::Built(_)), "{report:?}");

    let held = &environments.list()[0];
    assert_eq!((held.state, held.users.as_slice()), (State::InUse, ["fraud/blue".to_owned()].as_slice()));
    assert_eq!(held.names, ["tiny-env:3"]);
    assert!(held.size > 1_000 && held.packages == built.packages && held.last_used_ms >= held.built_ms, "{held:?}");
    drop(built);
    let cleaned = environments.clean(&[], i64::MAX).unwrap();
    assert!(cleaned.removed.is_empty(), "somebody else still uses it");
    assert_eq!(environments.clean(std::slice::from_ref(&again.key), i64::MAX).unwrap().kept, vec![again.key.clone()]);
    drop(again);
    assert_eq!(environments.list()[0].state, State::Ready);
    assert!(environments.clean(&[], 0).unwrap().removed.is_empty(), "it was used since");
    assert_eq!(environments.clean(&[], i64::MAX).unwrap().removed.len(), 1);
    assert!(house.left().is_empty() && environments.list().is_empty());
}

#[test]
fn uv_builds_an_environment_that_is_used_again_and_removed_when_nobody_uses_it() {
    let Some(house) = House::with_uv() else { return };
    builds_and_keeps(&house);
}

#[test]
fn venv_and_pip_build_the_same() {
    let Some(house) = House::with_pip() else { return };
    builds_and_keeps(&house);
}

#[test]
fn two_who_need_the_same_build_it_once() {
    let Some(house) = House::with_uv() else { return };
    let told = Told::default();
    let keys: Vec<String> = std::thread::scope(|scope| {
        let build = || {
            // Each as a process of its own would.
            let environments = house.environments();
            environments.prepare(&house.spec(&["tiny==2.0"]), &|step| told.step(step), &Stop::new()).unwrap().key
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(build)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
    assert_eq!(told.lines().matches("building environment").count(), 1, "{}", told.lines());
}

#[test]
fn another_version_is_another_environment() {
    let Some(house) = House::with_uv() else { return };
    let environments = house.environments();
    let one = prepare(&environments, &house.spec(&["tiny==1.0"])).0.unwrap();
    let two = prepare(&environments, &house.spec(&["tiny==2.0"])).0.unwrap();
    assert_ne!(one.key, two.key);
    assert_eq!(asked(&one.python, "import tiny; print(tiny.version)"), "1.0");
    assert_eq!(asked(&two.python, "import tiny; print(tiny.version)"), "2.0");
    let mut limited = house.spec(&["tiny"]);
    limited.constraints = vec!["tiny<2".into()];
    let three = prepare(&environments, &limited).0.unwrap();
    assert_eq!(asked(&three.python, "import tiny; print(tiny.version)"), "1.0");
    assert_eq!(environments.list().len(), 3);
}

/// Of PyPI: needs the network.
#[test]
fn the_official_server_is_added_and_left_out_where_it_does_not_go() {
    let Some(house) = House::with_uv() else { return };
    let environments = house.environments();
    let of_pypi = |requirements: &[&str]| Spec {
        name: "mine:1".into(),
        requirements: requirements.iter().map(|&line| line.to_owned()).collect(),
        ..Spec::default()
    };
    let (built, told) = prepare(&environments, &of_pypi(&["six"]));
    let built = match built {
        Ok(built) => built,
        Err(error)
            if error.to_string().contains("cannot be fetched") || error.to_string().contains("network is off") =>
        {
            return python::skipped(&error.to_string());
        }
        Err(error) => panic!("{error}\n{}", told.lines()),
    };
    assert!(built.has_server && built.warnings[0].contains("exit code 100"), "{:?}", built.warnings);
    let (built, told) = prepare(&environments, &of_pypi(&["six", "flask==1.0"]));
    let built = built.unwrap();
    assert!(
        !built.has_server && built.warnings[0].contains("does not go with the packages"),
        "{:?}\n{}",
        built.warnings,
        told.lines()
    );
}
