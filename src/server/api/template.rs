//! A request that a deployment understands: its author's sample, else one made from what the model or the script says of
//! its inputs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;

use super::ControlPlane;
use super::answer::Answer;
use super::fault::Fault;
use crate::resources::ids::{AssetKind, AssetRef, AssetVersion};
use crate::resources::live::SampleRequest;
use crate::resources::mlmodel::MlModel;
use crate::resources::{CodeVersion, Deployment, ModelVersion, template};
use crate::server::engine::ScoreRequest;
use crate::server::gateway::Pool;
use crate::server::store::{Key, Kind};

/// Names of a sample beside a script or in a model's folder, in the order they are looked for.
const NAMES: [&str; 3] = ["sample-request.json", "sample_request.json", "sample-input.json"];
/// A larger one is not read.
const LIMIT: u64 = 1 << 20;
/// A script that is busy is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(2);

impl ControlPlane {
    /// See the module.
    pub(super) fn sample_request(&self, endpoint: &str, deployment: &str) -> Result<Answer, Fault> {
        let doc = self.deployment_doc(endpoint, deployment)?;
        let Some(pool) = self.app.reconciler.pool(&doc.key.parent, &doc.key.name) else {
            return Err(Fault::conflict(
                "DeploymentNotReady",
                format!(
                    "Deployment \"{deployment}\" of endpoint \"{endpoint}\" does not run. Wait until it has succeeded; if it failed, see its logs."
                ),
            ));
        };
        let signature = pool.signature();
        if let Some(request) = pool.servable().sample() {
            let content_type = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            return Answer::ok(&SampleRequest {
                method: request.method.to_string(),
                path: request.path,
                content_type: content_type.unwrap_or("application/json").to_owned(),
                body: String::from_utf8_lossy(&request.body).into_owned(),
                signature,
            });
        }
        let body = self.of_files(&doc.decode()?).or_else(|| of_script(&pool));
        Answer::ok(&SampleRequest {
            method: "POST".into(),
            path: "/score".into(),
            content_type: "application/json".into(),
            body: body.unwrap_or_else(|| "{}".into()),
            signature,
        })
    }

    /// From the files of the deployment: a sample beside the script or the model, or what an MLflow model says of itself.
    fn of_files(&self, deployment: &Deployment) -> Option<String> {
        let code = deployment.properties.code_configuration.as_ref().and_then(|code| {
            let folder = self.code_folder(code.code_id.as_deref()?)?;
            Some(folder.join(Path::new(&code.scoring_script).parent()?))
        });
        let model = deployment.properties.model.as_deref().and_then(|model| self.model_path(model));
        let beside =
            code.iter().chain(&model).find_map(|folder| NAMES.iter().find_map(|name| text(&folder.join(name))));
        beside.or_else(|| of_mlflow(&model?))
    }

    fn code_folder(&self, reference: &str) -> Option<PathBuf> {
        let Ok(AssetRef::Id(id)) = AssetRef::parse(reference) else { return None };
        let (AssetKind::Code, name, version) = id.asset()? else { return None };
        let code: CodeVersion = self.app.store.get_as(&Key::new(Kind::CodeVersion, name, version)).ok()??;
        self.assets.resolve(&code.properties.code_uri).ok()
    }

    fn model_path(&self, reference: &str) -> Option<PathBuf> {
        let (name, version) = match AssetRef::parse(reference).ok()? {
            AssetRef::Named { name, version: AssetVersion::Exact(version) } => (name, version),
            AssetRef::Id(id) => match id.asset()? {
                (AssetKind::Model, name, version) => (name.to_owned(), version.to_owned()),
                _ => return None,
            },
            _ => return None,
        };
        let model: ModelVersion = self.app.store.get_as(&Key::new(Kind::ModelVersion, name, version)).ok()??;
        self.assets.resolve(&model.properties.model_uri).ok()
    }
}

/// A file's text, if it is there and small.
fn text(path: &Path) -> Option<String> {
    let small = path.metadata().is_ok_and(|file| file.is_file() && file.len() <= LIMIT);
    small.then(|| std::fs::read_to_string(path).ok()).flatten()
}

/// From an MLflow model's example, or its signature.
fn of_mlflow(path: &Path) -> Option<String> {
    let folder = [path.to_owned(), path.join("model")].into_iter().find(|folder| folder.join("MLmodel").is_file())?;
    let model = MlModel::parse(&text(&folder.join("MLmodel"))?).ok()?;
    let example = text(&folder.join(model.serving_example().unwrap_or("serving_input_example.json")));
    let example = example.and_then(|example| template::of_mlflow_example(&serde_json::from_str(&example).ok()?));
    example.or_else(|| template::of_signature(&model.inputs(), &model.params())).map(|body| body.to_string())
}

/// From the OpenAPI document that a script's worker answers.
fn of_script(pool: &Pool) -> Option<String> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let request = ScoreRequest {
        method: Method::GET,
        path: "/swagger.json".into(),
        query: "version=3".into(),
        headers,
        body: Bytes::new(),
        deadline: Instant::now() + PATIENCE,
    };
    let answer = tokio::runtime::Handle::current().block_on(pool.ask(request))?;
    let document: Value = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200)?;
    template::of_swagger(&document).map(|body| body.to_string())
}
