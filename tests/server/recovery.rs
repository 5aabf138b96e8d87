//! What was acknowledged survives anything: killed processes, full disks, read-only folders, a second owner.
//!
//! Processes to be killed are this test binary again, in a role given by an environment variable.

mod child;
mod folder;
mod whole;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use child::{Child, LANES};
use mlconsole::server::store::{JournalFilter, Key, Store};
use mlconsole::server::{Options, StartError, attach, start};

#[test]
fn nothing_acknowledged_is_lost_and_nothing_else_is_there_after_200_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(2026);
    let mut acknowledged = [0u64; LANES];
    for round in 0..200 {
        let mut writer = Child::start("writer", dir.path());
        // From "while it opens the database" to "in the middle of the n-th commit".
        for _ in 0..random.u32(0..60) {
            let (lane, n) = writer.acknowledged();
            acknowledged[lane] = n;
        }
        for (lane, n) in writer.kill() {
            acknowledged[lane] = n;
        }
        for (lane, at) in acknowledged.iter_mut().enumerate() {
            let found = check_lane(dir.path(), lane);
            assert!(
                found == *at || found == *at + 1,
                "round {round}, lane {lane}: {at} was acknowledged, {found} is stored"
            );
            *at = found;
        }
    }
    assert!(acknowledged.iter().sum::<u64>() > 1_000, "the writers got work done: {acknowledged:?}");
}

/// The number of the lane's last change, after checking that each of its changes is there with all its parts.
fn check_lane(dir: &Path, lane: usize) -> u64 {
    let store = Store::open(dir).unwrap();
    let value = |name: String| store.get(&Key::endpoint(name)).unwrap().map_or(0, |doc| doc.body.as_u64().unwrap());
    let first = value(format!("first-{lane}"));
    assert_eq!(first, value(format!("second-{lane}")), "both documents of a change");
    let secret = store.secret(&format!("lane-{lane}")).unwrap();
    assert_eq!(secret.map_or(0, |s| String::from_utf8(s).unwrap().parse().unwrap()), first, "its secret");
    let filter =
        JournalFilter { endpoint: Some(format!("lane-{lane}")), limit: usize::MAX, ..JournalFilter::default() };
    let entries: Vec<u64> = store.journal(&filter).unwrap().iter().map(|e| e.to.as_u64().unwrap()).collect();
    assert_eq!(entries, (1..=first).rev().collect::<Vec<_>>(), "its entry in the journal");
    if first > 0 {
        assert!(store.operation(&format!("op-{lane}-{first}")).unwrap().is_some(), "its operation");
    }
    assert!(store.operation(&format!("op-{lane}-{}", first + 1)).unwrap().is_none(), "nothing of the next");
    first
}

#[test]
fn a_full_disk_refuses_the_change_keeps_the_old_state_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    // Writing beyond a file size limit fails in the same place as writing to a full disk, and needs no rights.
    let answer = Child::start("full-disk", dir.path()).answer();
    assert!(answer.contains("commit: StorageFull"), "{answer}");
    assert!(answer.contains(&format!("there is no space left for \"{}\"", dir.path().display())), "{answer}");
    assert!(answer.contains("upload: StorageFull"), "{answer}");
    assert!(answer.contains("old state: 1"), "{answer}");
    assert!(answer.contains("after space was freed: ok"), "{answer}");
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.get(&Key::endpoint("e")).unwrap().unwrap().body, 2);
    assert!(!dir.path().join("assets/big").exists());
}

#[test]
fn a_read_only_folder_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Store::open(&data_dir(&data)).unwrap();
    store.close();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(dir.path(), 0o755);
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let bits = if path.is_dir() { 0o555 } else { 0o444 };
        mode(&path, bits);
    }
    mode(&data, 0o555);
    // The role gives up root's rights first, which ignore permissions.
    let answer = Child::start("read-only", &data).answer();
    mode(&data, 0o755);
    assert!(answer.contains("StorageReadOnly"), "{answer}");
    assert!(answer.contains(&data.display().to_string()) && answer.contains("--data-dir"), "{answer}");
}

fn data_dir(path: &Path) -> std::path::PathBuf {
    std::fs::create_dir(path).unwrap();
    path.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_attaches_or_explains_and_a_dead_one_is_no_owner() {
    let dir = tempfile::tempdir().unwrap();
    assert!(attach(dir.path()).unwrap().is_none(), "nobody has been here");
    let mut owner = Child::start("owner", dir.path());
    let pid = owner.id();
    owner.line("ready");

    let connection = attach(dir.path()).unwrap().expect("the owner is found");
    assert_eq!(connection.pid, pid);
    let refused = start(options(dir.path())).await.err().expect("two owners");
    assert!(matches!(refused, StartError::Owned { pid: Some(found), .. } if found == pid), "{refused}");
    assert!(refused.to_string().contains(&pid.to_string()), "{refused}");
    let file = dir.path().join("connection.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    owner.kill();
    assert!(file.exists(), "the killed owner could not clean up");
    assert!(attach(dir.path()).unwrap().is_none(), "a dead owner is not believed");
    let running = start(options(dir.path())).await.unwrap();
    let again = attach(dir.path()).unwrap().expect("the new owner is found");
    assert_eq!(again.pid, std::process::id());
    assert_eq!(again.identity_header, connection.identity_header, "clients' settings stay valid over a restart");
    running.shutdown().await;
    assert!(attach(dir.path()).unwrap().is_none());
}

pub fn options(dir: &Path) -> Options {
    Options { listen: Some(([127, 0, 0, 1], 0).into()), ..Options::new(dir) }
}
