//! A workspace with models that do as they are told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use serde_json::json;

use super::super::*;
use crate::resources::{JournalEntry, OperationDetails, Signature, Sku};
use crate::server::engine::{Instance, ScoreRequest, ScoreResponse};
use crate::server::environments::Environments;

/// A workspace whose models do what their file says: `ok`, `broken`, `panic`, `slow` (waits for the gate).
pub struct House {
    pub dir: tempfile::TempDir,
    pub store: Store,
    telemetry: Arc<Telemetry>,
    pub reconciler: Arc<Reconciler>,
    pub loads: Arc<AtomicUsize>,
    pub gate: Arc<AtomicBool>,
}

struct Model;
struct Copy;

impl Servable for Model {
    fn instance(self: Arc<Self>) -> std::result::Result<Box<dyn Instance>, LoadError> {
        Ok(Box::new(Copy))
    }
    fn signature(&self) -> Option<Signature> {
        None
    }
    fn swagger(&self, _: &str, _: &str) -> Option<serde_json::Value> {
        None
    }
    fn sample(&self) -> Option<ScoreRequest> {
        None
    }
}

impl Instance for Copy {
    fn score(&mut self, request: &ScoreRequest) -> ScoreResponse {
        ScoreResponse {
            status: 200,
            headers: Vec::new(),
            content_type: "application/json",
            body: Bytes::clone(&request.body),
            model_time: Duration::ZERO,
            caller_fault: false,
        }
    }
}

impl House {
    pub async fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap(), Arc::default()).await
    }

    async fn on(dir: tempfile::TempDir, gate: Arc<AtomicBool>) -> Self {
        let store = Store::open(dir.path()).unwrap();
        let telemetry = Telemetry::new(None);
        let loads = Arc::new(AtomicUsize::new(0));
        let (counted, opened) = (Arc::clone(&loads), Arc::clone(&gate));
        let loader = move |source: &ModelSource, log: &dyn Fn(&str)| {
            counted.fetch_add(1, Ordering::SeqCst);
            log("reading");
            match std::fs::read_to_string(&source.path).unwrap().as_str() {
                "ok" => Ok(Arc::new(Model) as Arc<dyn Servable>),
                "panic" => panic!("deep in the engine"),
                "slow" => {
                    while !opened.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                    Ok(Arc::new(Model) as Arc<dyn Servable>)
                }
                _ => Err(LoadError::new("Operator Foo is not served. Export the model again without it.")),
            }
        };
        let reconciler = Reconciler::new(
            store.clone(),
            Router::new(Arc::clone(&telemetry)),
            Arc::clone(&telemetry),
            Arc::new(Tokens::new(&[1; 32], "https://127.0.0.1:1", "w")),
            Mode::Block,
            Arc::new(loader),
            Arc::new(Environments::new(dir.path(), crate::server::environments::Settings::default())),
        );
        reconciler.resume().await.unwrap();
        Self { dir, store, telemetry, reconciler, loads, gate }
    }

    /// What a crash and a restart leave: the folder alone.
    pub async fn restarted(self) -> Self {
        let Self { dir, store, reconciler, gate, .. } = self;
        store.close();
        reconciler.stop();
        drop((store, reconciler));
        Self::on(dir, gate).await
    }

    pub fn model(&self, name: &str) -> String {
        let folder = self.dir.path().join("assets/azureml-blobstore-local").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("model.onnx"), name).unwrap();
        let uri = format!("azureml://datastores/workspaceblobstore/paths/{name}/model.onnx");
        let body = json!({"properties": {"modelUri": uri, "modelType": "custom_model"}});
        self.store.commit(Change::new().put(Key::new(Kind::ModelVersion, name, "1"), &body, Expect::Any)).unwrap();
        format!("azureml:{name}:1")
    }

    pub fn endpoint(&self, traffic: serde_json::Value) {
        let body = json!({"name": "e", "properties": {"traffic": traffic, "provisioningState": "Succeeded"}});
        self.store.commit(Change::new().put(Key::endpoint("e"), &body, Expect::Any)).unwrap();
    }

    pub fn deployment(&self) -> Deployment {
        self.store.get_as(&Key::deployment("e", "blue")).unwrap().unwrap()
    }

    /// Writes an operation down as the control plane does; `edit` changes the wanted deployment.
    pub fn ask(&self, verb: &str, edit: impl FnOnce(&mut Deployment)) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("od:{}", NEXT.fetch_add(1, Ordering::SeqCst));
        let mut wanted = self.store.get_as(&Key::deployment("e", "blue")).unwrap().unwrap_or_else(|| Deployment {
            name: "blue".into(),
            sku: Some(Sku { capacity: 1, ..Sku::default() }),
            ..Deployment::default()
        });
        edit(&mut wanted);
        wanted.properties.provisioning_state = ProvisioningState::Updating;
        let details = OperationDetails {
            verb: verb.into(),
            endpoint: "e".into(),
            deployment: Some("blue".into()),
            ..OperationDetails::default()
        };
        let operation = Operation {
            name: name.clone(),
            status: "Updating".into(),
            properties: Some(details),
            ..Operation::default()
        };
        let entry = JournalEntry { outcome: "running".into(), ..JournalEntry::default() };
        let change = Change::new()
            .put(Key::deployment("e", "blue"), &wanted, Expect::Any)
            .operation(operation)
            .journal_of(&name, entry);
        self.store.commit(change).unwrap();
        name
    }

    pub async fn ended(&self, operation: &str) -> Operation {
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            match self.store.operation(operation).unwrap() {
                Some(now) if now.is_terminal() => return now,
                _ => changes.changed().await.unwrap(),
            }
        }
    }

    pub async fn done(&self, verb: &str, edit: impl FnOnce(&mut Deployment)) -> Operation {
        let operation = self.ask(verb, edit);
        self.reconciler.nudge("E", Some("BLUE"));
        self.ended(&operation).await
    }

    pub async fn ready(&self) {
        let mut changes = self.store.changes();
        while !self.reconciler.is_ready("e", "blue") {
            changes.changed().await.unwrap();
        }
    }

    pub fn log(&self) -> String {
        let lines = self.telemetry.deployment("e", "blue").log().tail(None, 100);
        lines.iter().map(|l| format!("{} {} {}\n", l.container, l.level, l.text)).collect()
    }
}

pub fn uses(model: String) -> impl FnOnce(&mut Deployment) {
    move |d| d.properties.model = Some(model)
}

pub fn instances(n: u32) -> impl FnOnce(&mut Deployment) {
    move |d| d.sku = Some(Sku { capacity: n, ..Sku::default() })
}
