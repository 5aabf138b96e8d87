//! What belongs to one worker or one instance: what it has started ends with it, what it writes nobody else sees.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::house::{ENDPOINT, House, Script, settings, until};
use crate::python::pythons;

/// Starts processes that leave their group and their parents, and says what they are.
pub const LETS_GO: &str = r#"
import os, time

def let_go():
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in (0, 1, 2): os.close(fd)
            os.write(write, str(os.getpid()).encode())
            while True: time.sleep(1)
        os._exit(0)
    os.wait()
    return int(os.read(read, 20))
"#;

pub fn is_alive(pid: i64) -> bool {
    // Gone, or a zombie that only its parent can see off.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_has_let_go_of_ends_with_its_worker_and_only_then() {
    let Some(pythons) = pythons() else { return };
    if !Path::new("/proc/self/environ").exists() {
        return;
    }
    let source = format!(
        "{LETS_GO}\nimport signal\ndef init(): pass\ndef run(data):\n    if data == 'die': os.kill(os.getpid(), signal.SIGKILL)\n    \
         return [os.getpid(), let_go(), let_go()]\n"
    );
    let house = House::open();
    let script = Script::new(&source).variable("WORKER_COUNT", "2");
    let pool = house.serve(&pythons.bare, script, settings(2, 4)).await.unwrap();
    // Of both workers.
    let mut all: Vec<Vec<i64>> = Vec::new();
    while all.iter().map(|pids| pids[0]).collect::<BTreeSet<_>>().len() < 2 {
        let asked = futures_util::future::join_all((0..4).map(|_| house.ask("go"))).await;
        all.extend(asked.iter().map(|(status, text)| {
            assert_eq!(*status, 200, "{text}");
            serde_json::from_str::<Vec<i64>>(text).unwrap()
        }));
    }
    let strays = |of: &dyn Fn(i64) -> bool| -> Vec<i64> {
        all.iter().filter(|pids| of(pids[0])).flat_map(|pids| pids[1..].to_vec()).collect()
    };
    assert!(strays(&|_| true).into_iter().all(is_alive));
    let killed = all[0][0];
    // SAFETY: a worker of this test.
    unsafe { libc::kill(i32::try_from(killed).unwrap(), libc::SIGKILL) };
    until("its own are gone", || !strays(&|worker| worker == killed).into_iter().any(is_alive)).await;
    assert!(strays(&|worker| worker != killed).into_iter().all(is_alive), "those of the other worker stay");
    house.router.remove(ENDPOINT);
    pool.drain(Duration::from_secs(5)).await;
    drop(pool);
    until("all are gone", || !strays(&|_| true).into_iter().any(is_alive)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_instance_has_a_disk_of_its_own_which_its_workers_share() {
    let Some(pythons) = pythons() else { return };
    // Beside the script, by its relative and its absolute path: the instance's own. The model is everybody's.
    let source = r#"
import os
HERE = os.path.dirname(os.path.abspath(__file__))

def init():
    assert HERE == os.getcwd() == os.environ["AML_APP_ROOT"], (HERE, os.getcwd(), os.environ["AML_APP_ROOT"])
    assert os.environ["AZUREML_ENTRY_SCRIPT"] == os.path.abspath(__file__)
    for place in ("notes", os.path.join(HERE, "notes"), os.path.join(os.environ["AZUREML_MODEL_DIR"], "notes")):
        with open(place, "a") as notes: notes.write("%d\n" % os.getpid())

def run(data):
    seen = [open("notes").read(), open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "notes")).read()]
    return [sorted(set(map(int, text.split()))) for text in seen] + [HERE]
"#;
    let house = House::open();
    let script = Script::new(source).variable("WORKER_COUNT", "2");
    let pool = house.serve(&pythons.bare, script, settings(2, 4)).await.unwrap();
    let scaled = std::sync::Arc::clone(&pool);
    tokio::task::spawn_blocking(move || scaled.scale(2)).await.unwrap().unwrap();
    let (mut disks, mut folders) = (BTreeSet::new(), BTreeSet::new());
    while disks.len() < 2 {
        for (status, text) in futures_util::future::join_all((0..8).map(|_| house.ask("1"))).await {
            assert_eq!(status, 200, "{text}\n{}", house.log());
            let (own, models, folder): (Vec<i64>, Vec<i64>, String) = serde_json::from_str(&text).unwrap();
            assert_eq!((own.len(), models.len()), (2, 4), "two workers share a disk, four the model");
            disks.insert(own);
            folders.insert(folder);
        }
    }
    assert_eq!((disks.iter().flatten().collect::<BTreeSet<_>>().len(), folders.len()), (4, 2), "{disks:?}");
    // A worker that is replaced finds its instance's disk as it was; an instance that is not wanted leaves nothing.
    let lost = disks.first().unwrap()[0];
    // SAFETY: a worker of this test.
    unsafe { libc::kill(i32::try_from(lost).unwrap(), libc::SIGKILL) };
    let texts = || folders.iter().map(|folder| std::fs::read_to_string(Path::new(folder).join("notes")));
    until("the third worker has written too", || texts().any(|text| text.is_ok_and(|t| t.lines().count() == 6))).await;
    let scaled = std::sync::Arc::clone(&pool);
    tokio::task::spawn_blocking(move || scaled.scale(1)).await.unwrap().unwrap();
    until("one disk is left", || folders.iter().filter(|folder| Path::new(folder).exists()).count() == 1).await;
}
