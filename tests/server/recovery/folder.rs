//! The data folder disappears, or may no longer be written, under a workspace that runs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mlconsole::client::{ClientError, NewModel, ScoreCall, Workspace, sample};
use mlconsole::resources::{TrafficMap, Weight};
use mlconsole::server::{attach, start};

use super::child::{Child, NOBODY};

const ENDPOINT: &str = "restaurants";

fn split(blue: u16) -> TrafficMap {
    [("blue", blue), ("green", 100 - blue)].map(|(name, part)| (name.to_owned(), Weight::percent(part))).into()
}

async fn scores(workspace: &Workspace) {
    for deployment in ["blue", "green"] {
        let body = sample::requests().remove(0).1;
        let call = ScoreCall { deployment: Some(deployment.into()), body, ..ScoreCall::default() };
        assert_eq!(workspace.score(ENDPOINT, call).await.unwrap().status, 200, "{deployment} goes on");
    }
}

async fn refused_change(workspace: &Workspace) -> ClientError {
    match workspace.set_traffic(ENDPOINT, &split(30), None).await {
        Err(error) => error,
        Ok(_) => panic!("what is acknowledged must be somewhere"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_folder_refuses_changes_and_what_runs_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let running = start(super::options(&data)).await.unwrap();
    let workspace = Workspace::connect(running.connection(), "mlconsole-cli/test").unwrap();
    sample::install(&workspace, &mut |_| {}).await.unwrap();
    let before = workspace.endpoint(ENDPOINT).await.unwrap();

    let aside = dir.path().join("aside");
    std::fs::rename(&data, &aside).unwrap();
    for replaced in [false, true] {
        if replaced {
            // Another folder in its place is no better.
            std::fs::create_dir(&data).unwrap();
            std::fs::write(data.join("workspace.db"), "").unwrap();
        }
        let refused = refused_change(&workspace).await;
        let text = refused.to_string();
        assert_eq!(refused.status, Some(507), "{text}");
        assert!(text.contains(&data.display().to_string()) && text.contains("removed or replaced"), "{text}");
        let reads = futures_util::future::join_all((0..20).map(|_| workspace.endpoint(ENDPOINT))).await;
        assert!(reads.into_iter().all(|read| read.unwrap() == before), "the old state is in force");
        scores(&workspace).await;
    }

    // Put back, it is as if nothing had been.
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&aside, &data).unwrap();
    workspace.set_traffic(ENDPOINT, &split(50), None).await.unwrap().wait(|_| {}).await.unwrap();
    assert_eq!(workspace.endpoint(ENDPOINT).await.unwrap().properties.traffic, split(50));

    std::fs::remove_dir_all(&data).unwrap();
    refused_change(&workspace).await;
    scores(&workspace).await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_made_read_only_takes_no_files_and_what_runs_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mode = |path: &Path, bits| std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).unwrap();
    mode(dir.path(), 0o755);
    // Root may give it away; anybody else owns it already.
    let _ = std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY));
    let mut owner = Child::start("owner without rights", &data);
    owner.line("ready");
    let connection = attach(&data).unwrap().expect("it is running");
    let workspace = Workspace::connect(&connection, "mlconsole-cli/test").unwrap();
    sample::install(&workspace, &mut |_| {}).await.unwrap();

    each_folder(&data, &|folder| mode(folder, 0o555));
    let file = dir.path().join("new.onnx");
    std::fs::write(&file, "other content").unwrap();
    let new = NewModel { name: Some("new".into()), path: file, ..NewModel::default() };
    let refused = workspace.register_model(&new, &mut |_, _| {}).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("cannot be written") && text.contains(&data.display().to_string()), "{text}");
    // The database is open since the start: what it acknowledges is on disk.
    let changed = match workspace.set_traffic(ENDPOINT, &split(50), None).await {
        Ok(pending) => pending.wait(|_| {}).await.is_ok(),
        Err(error) => {
            assert_eq!(error.status, Some(507), "{error}");
            false
        }
    };
    let now = workspace.endpoint(ENDPOINT).await.unwrap().properties.traffic;
    assert_eq!(now == split(50), changed);
    scores(&workspace).await;

    each_folder(&data, &|folder| mode(folder, 0o755));
    workspace.register_model(&new, &mut |_, _| {}).await.unwrap();
    owner.kill();
    let mut owner = Child::start("owner without rights", &data);
    owner.line("ready");
    let connection = attach(&data).unwrap().expect("it is running again");
    let workspace = Workspace::connect(&connection, "mlconsole-cli/test").unwrap();
    assert_eq!(workspace.endpoint(ENDPOINT).await.unwrap().properties.traffic, now, "what was acknowledged");
    owner.kill();
}

/// A folder and all below it.
fn each_folder(folder: &Path, work: &dyn Fn(&Path)) {
    let inside =
        |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path()).collect::<Vec<_>>();
    work(folder);
    for path in inside(folder) {
        if path.is_dir() {
            each_folder(&path, work);
        }
    }
}
