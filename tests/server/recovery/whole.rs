//! The whole workspace, killed again and again while it is being used.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use mlconsole::client::{JournalQuery, ScoreCall, Workspace, sample};
use mlconsole::resources::{Deployment, TrafficMap, Weight};
use mlconsole::server::attach;

use super::child::Child;

const ENDPOINT: &str = "restaurants";

fn split(green: u16) -> TrafficMap {
    [("blue", 100 - green), ("green", green)]
        .into_iter()
        .filter(|(_, weight)| *weight > 0)
        .map(|(name, weight)| (name.to_owned(), Weight::percent(weight)))
        .collect()
}

/// Starts a workspace in a process of its own.
fn begin(dir: &Path) -> (Child, Workspace) {
    let mut owner = Child::start("owner", dir);
    owner.line("ready");
    let connection = attach(dir).unwrap().expect("it is running");
    (owner, Workspace::connect(&connection, "mlconsole-cli/test").unwrap())
}

/// A deployment answers, and does so at once: who comes while it is being brought back waits, nobody is sent away.
async fn answers(workspace: &Workspace, deployment: &str) {
    let (_, body) = sample::requests().remove(0);
    let call = ScoreCall { deployment: Some(deployment.into()), body, ..ScoreCall::default() };
    let answer = workspace.score(ENDPOINT, call).await.unwrap();
    assert_eq!(answer.status, 200, "{deployment}: {:?}", answer.text());
    assert_eq!(answer.deployment.as_deref(), Some(deployment));
}

/// A request to whichever deployment the split chooses is answered too.
async fn is_answered(workspace: &Workspace) {
    let (_, body) = sample::requests().remove(0);
    let answer = workspace.score(ENDPOINT, ScoreCall { body, ..ScoreCall::default() }).await.unwrap();
    assert_eq!(answer.status, 200, "{:?}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workspace_comes_back_as_it_was_acknowledged_and_serves() {
    let dir = tempfile::tempdir().unwrap();
    let (mut owner, mut workspace) = begin(dir.path());
    sample::install(&workspace, &mut |_| {}).await.unwrap();
    let keys = workspace.keys(ENDPOINT).await.unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..8 {
        // Traffic changes one after the other, until the process dies under one of them.
        let (asked, acknowledged) = (Arc::new(AtomicU16::new(0)), Arc::new(AtomicU16::new(0)));
        let enough = Arc::new(tokio::sync::Notify::new());
        let changes = {
            let (asked, acknowledged, enough) = (asked.clone(), acknowledged.clone(), enough.clone());
            let (workspace, after) = (workspace.clone(), random.u16(1..12));
            tokio::spawn(async move {
                for green in (1..=99).cycle() {
                    asked.store(green, Ordering::SeqCst);
                    let Ok(pending) = workspace.set_traffic(ENDPOINT, &split(green), None).await else { return };
                    if pending.wait(|_| {}).await.is_err() {
                        return;
                    }
                    acknowledged.store(green, Ordering::SeqCst);
                    if green == after {
                        enough.notify_one();
                    }
                }
            })
        };
        enough.notified().await;
        owner.kill();
        changes.await.unwrap();
        (owner, workspace) = begin(dir.path());
        // The first thing that reaches it: as soon as it says that it is there, it serves.
        is_answered(&workspace).await;

        let traffic = workspace.endpoint(ENDPOINT).await.unwrap().properties.traffic;
        let possible = [&acknowledged, &asked].map(|green| split(green.load(Ordering::SeqCst)));
        assert!(possible.contains(&traffic), "round {round}: {traffic:?} is neither of {possible:?}");
        let query = JournalQuery { action: Some("traffic".into()), ..JournalQuery::default() };
        let newest = workspace.journal(&query).await.unwrap().remove(0);
        assert_eq!(newest.to, serde_json::to_value(&traffic).unwrap(), "the journal tells the same story");
        assert!(workspace.keys(ENDPOINT).await.unwrap() == keys, "callers' keys still open it");
        for deployment in ["blue", "green"] {
            answers(&workspace, deployment).await;
        }
        let open = workspace.operations().await.unwrap().into_iter().filter(|o| !o.is_terminal()).count();
        assert_eq!(open, 0, "they came back without any operation");
    }

    // An update that the process dies under goes on by itself.
    let mut green: Deployment = workspace.deployment(ENDPOINT, "green").await.unwrap();
    green.properties.model = workspace.deployment(ENDPOINT, "blue").await.unwrap().properties.model;
    let update = workspace.put_deployment(ENDPOINT, &green).await.unwrap().operation().name.clone();
    owner.kill();
    (owner, workspace) = begin(dir.path());
    let ended = loop {
        let all = workspace.operations().await.unwrap();
        let found = all.into_iter().find(|o| o.name == update).expect("an acknowledged operation is never forgotten");
        if found.is_terminal() {
            break found;
        }
    };
    assert_eq!(ended.status, "Succeeded", "{:?}", ended.error);
    answers(&workspace, "green").await;
    owner.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_on_a_full_disk_refuses_changes_and_keeps_serving() {
    let dir = tempfile::tempdir().unwrap();
    let (mut owner, workspace) = begin(dir.path());
    sample::install(&workspace, &mut |_| {}).await.unwrap();
    let before = workspace.endpoint(ENDPOINT).await.unwrap();

    owner.tell("fill the disk");
    owner.line("done");
    let Err(refused) = workspace.set_traffic(ENDPOINT, &split(50), None).await else {
        panic!("nothing can be written")
    };
    assert_eq!(refused.status, Some(507), "{refused}");
    let text = refused.to_string();
    assert!(text.contains(&dir.path().display().to_string()) && text.contains("Free space"), "{text}");
    assert_eq!(workspace.endpoint(ENDPOINT).await.unwrap(), before, "the old state is in force");
    for deployment in ["blue", "green"] {
        answers(&workspace, deployment).await;
    }

    owner.tell("free the disk");
    owner.line("done");
    workspace.set_traffic(ENDPOINT, &split(50), None).await.unwrap().wait(|_| {}).await.unwrap();
    assert_eq!(workspace.endpoint(ENDPOINT).await.unwrap().properties.traffic, split(50));
    owner.kill();
}
