use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

#[test]
fn names_compare_without_case_and_keep_the_case_of_creation() {
    let (_dir, store) = store();
    let first = store.commit(Change::new().put(Key::endpoint("Fraud"), &json!({"v": 1}), Expect::Absent)).unwrap();
    let found = store.get(&Key::endpoint("fRAUD")).unwrap().unwrap();
    assert_eq!((found.key.name.as_str(), found.etag), ("Fraud", first.etags[0]));
    let again = store.commit(Change::new().put(Key::endpoint("FRAUD"), &json!({}), Expect::Absent)).unwrap_err();
    assert_eq!(again.status(), 409);
    store.commit(Change::new().put(Key::endpoint("FRAUD"), &json!({"v": 2}), Expect::Present)).unwrap();
    let found = store.get(&Key::endpoint("fraud")).unwrap().unwrap();
    assert_eq!((found.key.name.as_str(), &found.body), ("Fraud", &json!({"v": 2})));
}

#[test]
fn a_change_made_for_an_older_version_does_nothing_at_all() {
    let (_dir, store) = store();
    let put = |expect| {
        Change::new()
            .put(Key::endpoint("other"), &json!({}), Expect::Any)
            .put(Key::endpoint("e"), &json!({}), expect)
            .secret("s", "x")
            .journal(JournalEntry { action: "traffic".into(), ..JournalEntry::default() })
    };
    let first = store.commit(put(Expect::Any)).unwrap();
    let second = store.commit(put(Expect::Etag(first.etags[1]))).unwrap();
    let before = (store.list(Kind::Endpoint, None).unwrap(), store.journal_seq());
    let error = store.commit(put(Expect::Etag(first.etags[1]))).unwrap_err();
    assert_eq!(error.status(), 412);
    let text = error.to_string();
    assert!(text.contains(&first.etags[1].to_string()) && text.contains(&second.etags[1].to_string()), "{text}");
    assert_eq!((store.list(Kind::Endpoint, None).unwrap(), store.journal_seq()), before);
}

#[test]
fn everything_is_there_after_opening_again() {
    let (dir, store) = store();
    let keys = EndpointKeys { primary_key: "p".into(), secondary_key: "s".into() };
    let operation = Operation { name: "oe:1".into(), status: "Creating".into(), ..Operation::default() };
    let change = Change::new()
        .put(Key::endpoint("e"), &json!({"a": 1}), Expect::Any)
        .endpoint_keys("E", &keys)
        .operation(operation.clone())
        .journal_of(
            "oe:1",
            JournalEntry {
                action: "endpoint.create".into(),
                endpoint: "e".into(),
                outcome: "running".into(),
                ..JournalEntry::default()
            },
        );
    let committed = store.commit(change).unwrap();
    store
        .put_minutes(vec![MinuteRow { endpoint: "e".into(), deployment: "blue".into(), at: 60, body: vec![1, 2] }], 0)
        .unwrap();
    store.close();
    assert!(matches!(store.commit(Change::new()), Err(StoreError::Closed { .. })));
    drop(store);

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.get(&Key::endpoint("e")).unwrap().unwrap().etag, committed.etags[0]);
    assert!(store.endpoint_keys("e").unwrap().unwrap() == keys);
    assert_eq!(store.open_operations().unwrap(), std::slice::from_ref(&operation));
    assert_eq!(store.journal_seq(), 1);
    assert_eq!(store.minutes(0).unwrap()[0].body, [1, 2]);
    let ended = Operation { status: "Succeeded".into(), ..operation };
    store.commit(Change::new().operation(ended.clone()).settle("oe:1", "done")).unwrap();
    assert!(store.open_operations().unwrap().is_empty());
    assert_eq!(store.operation("oe:1").unwrap(), Some(ended));
    assert_eq!(store.journal(&JournalFilter::default()).unwrap()[0].outcome, "done");
}

#[test]
fn the_journal_is_read_newest_first_by_endpoint_action_and_page() {
    let (_dir, store) = store();
    for (endpoint, action) in
        [("a", "traffic"), ("b", "deployment.scale"), ("A", "deployment.create"), ("a", "traffic")]
    {
        let entry = JournalEntry { endpoint: endpoint.into(), action: action.into(), ..JournalEntry::default() };
        store.commit(Change::new().journal(entry)).unwrap();
    }
    let seqs = |filter: JournalFilter| store.journal(&filter).unwrap().iter().map(|e| e.seq).collect::<Vec<_>>();
    assert_eq!(seqs(JournalFilter::default()), [4, 3, 2, 1]);
    assert_eq!(seqs(JournalFilter { endpoint: Some("a".into()), ..JournalFilter::default() }), [4, 3, 1]);
    assert_eq!(seqs(JournalFilter { action: Some("deployment".into()), ..JournalFilter::default() }), [3, 2]);
    assert_eq!(seqs(JournalFilter { before: Some(4), limit: 2, ..JournalFilter::default() }), [3, 2]);
}

#[test]
fn only_the_owner_can_read_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, store) = store();
    store.commit(Change::new().secret("s", "x")).unwrap();
    for file in ["workspace.db", "workspace.db-wal", "workspace.db-shm"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_damaged_or_newer_database_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("workspace.db"), b"this is not a database, it is a text file of some length")
        .unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert_eq!(error.code(), "StorageCorrupt", "{error}");
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");

    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let raw = rusqlite::Connection::open(dir.path().join("workspace.db")).unwrap();
    raw.execute_batch("PRAGMA user_version=99").unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
}

#[test]
fn changes_from_many_threads_are_all_there_in_one_order() {
    let (_dir, store) = store();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = store.clone();
            scope.spawn(move || {
                for n in 0..20 {
                    let key = Key::endpoint(format!("e{thread}-{n}"));
                    let entry = JournalEntry::default();
                    store.commit(Change::new().put(key, &json!(n), Expect::Absent).journal(entry)).unwrap();
                }
            });
        }
    });
    let docs = store.list(Kind::Endpoint, None).unwrap();
    let mut etags: Vec<u64> = docs.iter().map(|d| d.etag).collect();
    etags.sort_unstable();
    assert_eq!(etags, (1..=160).collect::<Vec<_>>());
    assert_eq!(store.journal_seq(), 160);
}

#[test]
fn an_upload_appears_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (unfinished, target) = (dir.path().join(".tmp"), dir.path().join("a/b/c.bin"));
    let mut dropped = files::Upload::begin(&unfinished).unwrap();
    dropped.append(b"half").unwrap();
    drop(dropped);
    assert_eq!(std::fs::read_dir(&unfinished).unwrap().count(), 0);
    let mut upload = files::Upload::begin(&unfinished).unwrap();
    upload.append(b"whole").unwrap();
    assert!(!target.exists());
    upload.commit(&target).unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"whole");
    assert_eq!(std::fs::read_dir(&unfinished).unwrap().count(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Put { name: String, value: i64, expect: u8 },
    Delete { name: String },
    Secret { name: String, value: Option<u8> },
    Several(Vec<Step>),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || {
        prop::sample::select(vec!["a", "A", "b", "B-1", "b-1", "Ünï", "ünï", "", "x\0y", "x\0z"]).prop_map(String::from)
    };
    let leaf = prop_oneof![
        8 => (name(), any::<i64>(), 0u8..5).prop_map(|(name, value, expect)| Step::Put { name, value, expect }),
        3 => name().prop_map(|name| Step::Delete { name }),
        2 => (name(), any::<Option<u8>>()).prop_map(|(name, value)| Step::Secret { name, value }),
    ];
    prop_oneof![
        10 => leaf.clone(),
        3 => prop::collection::vec(leaf, 1..5).prop_map(Step::Several),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Default, Clone, PartialEq, Debug)]
struct Twin {
    docs: BTreeMap<String, (String, u64, Value)>,
    secrets: BTreeMap<String, Vec<u8>>,
    etag: u64,
}

impl Twin {
    /// Adds a step to a change and does it to the twin; false when the store must refuse.
    fn apply(&mut self, step: &Step, change: Change) -> (Change, bool) {
        match step {
            Step::Put { name, value, expect } => {
                let found = self.docs.get(&fold(name)).map(|(_, etag, _)| *etag);
                let (expect, fits) = match expect {
                    0 => (Expect::Absent, found.is_none()),
                    1 => (Expect::Present, found.is_some()),
                    2 => (Expect::Etag(found.unwrap_or(0)), found.is_some()),
                    3 => (Expect::Etag(found.unwrap_or(0) + 1), false),
                    _ => (Expect::Any, true),
                };
                self.etag += 1;
                let kept = self.docs.get(&fold(name)).map_or_else(|| name.clone(), |(kept, ..)| kept.clone());
                self.docs.insert(fold(name), (kept, self.etag, json!(value)));
                (change.put(Key::deployment("P", name.as_str()), &json!(value), expect), fits)
            }
            Step::Delete { name } => {
                self.docs.remove(&fold(name));
                (change.delete(Key::deployment("p", name.as_str()), Expect::Any), true)
            }
            Step::Secret { name, value: Some(value) } => {
                self.secrets.insert(name.clone(), vec![*value]);
                (change.secret(name.as_str(), vec![*value]), true)
            }
            Step::Secret { name, value: None } => {
                self.secrets.remove(name);
                (change.forget_secret(name.as_str()), true)
            }
            Step::Several(steps) => {
                // The store does the puts of a change before its deletes: so does the twin.
                let (puts, rest): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|s| matches!(s, Step::Put { .. }));
                let mut fits = true;
                let mut change = change;
                for step in puts.into_iter().chain(rest) {
                    let (next, ok) = self.apply(step, change);
                    change = next;
                    fits &= ok;
                }
                (change, fits)
            }
            Step::Reopen => (change, true),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_store_behaves_as_a_map(steps in prop::collection::vec(step(), 1..40)) {
        let (dir, mut store) = store();
        let mut twin = Twin::default();
        for step in &steps {
            if matches!(step, Step::Reopen) {
                store.close();
                store = Store::open(dir.path()).unwrap();
            }
            let mut next = twin.clone();
            let (change, fits) = next.apply(step, Change::new());
            let result = store.commit(change);
            prop_assert_eq!(result.is_ok(), fits, "{:?}: {:?}", step, result);
            if fits {
                twin = next;
            }
            let docs = store.list(Kind::Deployment, Some("p")).unwrap();
            let seen: Vec<_> = docs.iter().map(|d| (d.key.name.clone(), d.etag, d.body.clone())).collect();
            let expected: Vec<_> = twin.docs.values().cloned().collect();
            prop_assert_eq!(seen, expected);
            for (name, value) in &twin.secrets {
                prop_assert_eq!(store.secret(name).unwrap(), Some(value.clone()));
            }
        }
    }
}
