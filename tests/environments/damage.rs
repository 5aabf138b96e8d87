//! Builds that are stopped, killed, or half there.

use std::process::{Command, Stdio};

use mlconsole::server::environments::State;

use super::*;

#[test]
fn a_build_that_is_stopped_leaves_nothing_and_nobody_behind() {
    for house in [House::with_uv(), House::with_pip()].into_iter().flatten() {
        house.index.fall_silent(true);
        let stop = Stop::new();
        let error = std::thread::scope(|scope| {
            let environments = house.environments();
            let (spec, wish) = (house.spec(&["tiny"]), stop.clone());
            let building = scope.spawn(move || environments.prepare(&spec, &|_| {}, &wish));
            let caller = house.index.caller();
            stop.ask();
            let error = building.join().unwrap().expect_err("it was stopped");
            index::gone(caller);
            error
        });
        assert_eq!(error, EnvironmentError::Stopped);
        assert!(house.left().is_empty(), "{:?}", house.left());
        let late = house.environments().prepare(&house.spec(&["tiny"]), &|_| {}, &stop);
        assert!(matches!(late, Err(EnvironmentError::Stopped)), "once stopped, nothing begins");
    }
}

#[test]
fn without_its_last_file_an_environment_is_built_anew() {
    let Some(house) = House::with_uv() else { return };
    let environments = house.environments();
    let spec = house.spec(&["tiny==1.0"]);
    let built = prepare(&environments, &spec).0.unwrap();
    let folder = house.folder.path().join("environments").join(&built.key);
    drop(built);
    std::fs::remove_file(folder.join(".complete")).unwrap();
    std::fs::write(folder.join("leftover"), "x").unwrap();
    assert_eq!(environments.list()[0].state, State::Broken);
    let (built, told) = prepare(&environments, &spec);
    assert!(told.lines().contains("building environment") && !folder.join("leftover").exists());
    assert_eq!(asked(&built.unwrap().python, "import tiny; print(tiny.version)"), "1.0");
}

/// In the child process: builds, and hangs, until it is killed. Elsewhere nothing.
#[test]
fn child_that_builds() {
    let Some(folder) = std::env::var_os("STORY_FOLDER") else { return };
    let of = |name: &str| std::env::var(name).unwrap();
    let settings = Settings {
        uv: Some(of("STORY_UV").into()),
        search_paths: vec![of("STORY_PYTHON").into()],
        ..Settings::default()
    };
    let spec = Spec {
        name: "tiny-env:3".into(),
        requirements: vec!["tiny".into(), NO_SERVER.into()],
        options: vec![of("STORY_OPTION")],
        ..Spec::default()
    };
    let environments = Environments::new(Path::new(&folder), settings);
    if let Err(error) = environments.prepare(&spec, &|_| {}, &Stop::new()) {
        let left = std::fs::read_dir(Path::new(&folder).join("environments")).into_iter().flatten().flatten();
        let left = left.filter(|entry| entry.path().is_dir()).count();
        println!("STORY {error} ({left} left)");
    }
}

fn child(house: &House) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "damage::child_that_builds"])
        .env("STORY_FOLDER", house.folder.path())
        .env("STORY_UV", house.settings.uv.as_ref().unwrap())
        .env("STORY_PYTHON", &house.settings.search_paths[0])
        .env("STORY_OPTION", house.index.option())
        .stdout(Stdio::null());
    command
}

#[test]
fn a_builder_that_is_killed_takes_uv_with_it_and_the_next_one_builds_anew() {
    let Some(house) = House::with_uv() else { return };
    house.index.fall_silent(true);
    let mut builder = child(&house).spawn().unwrap();
    let caller = house.index.caller();
    let environments = house.environments();
    let held = &environments.list()[0];
    assert_eq!((held.state, held.names.as_slice()), (State::Building, ["tiny-env:3".to_owned()].as_slice()));
    assert!(environments.clean(&[], i64::MAX).unwrap().removed.is_empty(), "what is being built is not cleaned up");
    builder.kill().unwrap();
    builder.wait().unwrap();
    index::gone(caller);
    assert_eq!(house.left().len(), 1, "half an environment is left");
    house.index.fall_silent(false);
    let mut spec = house.spec(&["tiny"]);
    spec.user = None;
    let (built, told) = prepare(&environments, &spec);
    assert_eq!(asked(&built.unwrap().python, "import tiny; print(tiny.version)"), "2.0", "{}", told.lines());
    assert_eq!(house.left().len(), 1, "and what was left is gone");
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_half() {
    let Some(house) = House::with_uv() else { return };
    // Disks of a few kilobytes, each in a namespace of its own, so that every step meets a full one. The cache lies elsewhere.
    let mut full = 0;
    for kilobytes in (8..=160).step_by(8) {
        let builder = child(&house);
        let mut mounted = Command::new("unshare");
        mounted.args(["-rm", "sh", "-c", "mount -t tmpfs -o size=$0k tmpfs \"$STORY_FOLDER\" && exec \"$@\""]);
        mounted.arg(kilobytes.to_string()).arg(builder.get_program()).args(builder.get_args()).arg("--nocapture");
        mounted.envs(builder.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = mounted.output().ok().filter(|output| output.status.success());
        let Some(output) = output else { return python::skipped("no small disk can be mounted (unshare -rm)") };
        let said = String::from_utf8_lossy(&output.stdout);
        let Some(told) = said.split("STORY ").nth(1).and_then(|rest| rest.lines().next()) else { break };
        assert!(
            told.contains("the disk is full") && told.contains("mlconsole environment clean"),
            "{kilobytes}: {told}"
        );
        assert!(told.ends_with("(0 left)"), "{kilobytes}: {told}");
        full += 1;
    }
    assert!(full > 2, "the disks were not small: {full}");
}

#[test]
fn the_installer_sees_indexes_and_proxies_and_none_of_our_secrets() {
    let Some(mut house) = House::with_uv() else { return };
    let seen = house.folder.path().join("seen.txt");
    let fake = house.folder.path().join("uv");
    let script = format!(
        "#!/bin/sh\nenv >> {}\nexec {} \"$@\"\n",
        seen.display(),
        house.settings.uv.as_ref().unwrap().display()
    );
    std::fs::write(&fake, script).unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    house.settings.uv = Some(fake);
    let mut command = child(&house);
    for ours in [
        "AZUREML_MODEL_DIR",
        "AML_APP_ROOT",
        "AZURE_CLIENT_SECRET",
        "MLCONSOLE_CONTEXT",
        "PYTHONPATH",
        "IDENTITY_HEADER",
        "VIRTUAL_ENV",
    ] {
        command.env(ours, "must-not-be-seen");
    }
    command
        .env("NO_PROXY", "127.0.0.1,must-be-seen")
        .env("PIP_EXTRA_INDEX_URL", "http://must-be-seen.invalid/simple")
        .env("SSL_CERT_DIR", "/must-be-seen");
    command.env("UV_INDEX_STRATEGY", "first-index").env("UV_OFFLINE", "1");
    assert!(command.status().unwrap().success());
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(!seen.contains("must-not-be-seen"), "{seen}");
    for wanted in [
        "NO_PROXY=127.0.0.1,must-be-seen",
        "UV_INDEX=http://must-be-seen.invalid/simple",
        "SSL_CERT_DIR=/must-be-seen",
        "UV_PYTHON_DOWNLOADS=never",
    ] {
        assert!(seen.contains(wanted), "{wanted}\n{seen}");
    }
}
