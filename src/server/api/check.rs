//! A deployment looked at before it is made: everything that can be known without starting it.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::ControlPlane;
use super::answer::Answer;
use super::environments::typed;
use super::fault::Fault;
use super::local::inspected;
use crate::resources::asset::EnvironmentProperties;
use crate::resources::ids::{AssetKind, AssetRef, AssetVersion};
use crate::resources::instance_type;
use crate::resources::python::{CheckAnswer, CheckRequest, Finding, Verdict};
use crate::resources::{CodeVersion, Deployment, EnvironmentVersion, ModelReport};
use crate::server::environments::{Packages, Spec};
use crate::server::mlflow;
use crate::server::reconcile::check_settings;
use crate::server::stop::Stop;
use crate::server::store::Kind;
use crate::server::telemetry::machine_memory;

const GIB: f64 = (1u64 << 30) as f64;

impl ControlPlane {
    /// Looks at a deployment that is not there yet. Takes seconds.
    pub(super) fn check_deployment_request(&self, body: &Bytes) -> Result<Answer, Fault> {
        let request: CheckRequest = typed(body)?;
        let mut check = Check { plane: self, request: &request, findings: Vec::new(), model_bytes: 0 };
        let model = check.model();
        let spec = check.environment(model.as_deref());
        check.script(spec.as_ref());
        if let Some(spec) = &spec {
            check.packages(spec);
        }
        check.settings();
        check.compute();
        Answer::ok(&CheckAnswer { findings: check.findings })
    }
}

struct Check<'a> {
    plane: &'a ControlPlane,
    request: &'a CheckRequest,
    findings: Vec<Finding>,
    /// Size of the model's files.
    model_bytes: u64,
}

impl Check<'_> {
    fn say(&mut self, verdict: Verdict, subject: &str, text: impl Into<String>) {
        self.findings.push(Finding::new(verdict, subject, text));
    }

    /// The properties that say how the model is run.
    fn settings(&mut self) {
        let mut deployment = Deployment::default();
        deployment.properties.properties.clone_from(&self.request.properties);
        if let Err(error) = check_settings(&deployment) {
            self.say(Verdict::Failure, "properties", error.message);
        }
    }

    /// The model's files; answers the folder of an MLflow model that Python serves.
    fn model(&mut self) -> Option<PathBuf> {
        let has_script = self.request.scoring_script.is_some();
        let found = match (&self.request.model_path, &self.request.model) {
            (Some(path), _) if path.exists() => Ok((path.clone(), self.request.model_type.clone())),
            (Some(path), _) => Err(format!("{} does not exist. Check `path` of the model.", path.display())),
            (None, Some(reference)) => self.registered_model(reference),
            (None, None) if has_script => {
                self.say(Verdict::Good, "model", "none: the script brings its own");
                return None;
            }
            (None, None) => Err("there is neither a model nor a scoring script. Add one of them.".to_owned()),
        };
        let (path, kind) = match found {
            Ok(found) => found,
            Err(why) => {
                self.say(Verdict::Failure, "model", why);
                return None;
            }
        };
        if has_script {
            self.model_bytes = crate::server::environments::size_of(&path);
            self.say(Verdict::Good, "model", format!("{}, served by the script", path.display()));
            return None;
        }
        match inspected(path.clone(), kind, "The model") {
            Ok(report) => self.report(&path, &report),
            Err(fault) => {
                self.say(Verdict::Failure, "model", fault.error.message);
                None
            }
        }
    }

    fn registered_model(&self, reference: &str) -> Result<(PathBuf, String), String> {
        let (name, version) = match AssetRef::parse(reference).map_err(|e| e.to_string())? {
            AssetRef::Named { name, version } => (name, version),
            AssetRef::Id(id) => match id.asset() {
                Some((AssetKind::Model, name, version)) => (name.to_owned(), AssetVersion::Exact(version.to_owned())),
                _ => return Err(format!("\"{reference}\" is not the id of a model version.")),
            },
            AssetRef::Registry { .. } => {
                return Err(
                    "a local workspace cannot reach registries. Download the model and register it here.".into()
                );
            }
        };
        let version = match version {
            AssetVersion::Exact(version) => version,
            AssetVersion::Label(_) => {
                let versions = self.plane.app.store.list(Kind::ModelVersion, Some(&name)).map_err(|e| e.to_string())?;
                let newest = versions.into_iter().max_by_key(|doc| (doc.created_ms, doc.etag));
                newest.map(|doc| doc.key.name).ok_or_else(|| {
                    format!("model \"{name}\" is not registered here. Register it (mlconsole model register).")
                })?
            }
        };
        self.plane.model_files(&name, &version).map_err(|fault| fault.error.message)
    }

    fn report(&mut self, path: &Path, report: &ModelReport) -> Option<PathBuf> {
        self.model_bytes = report.all().map(|model| model.size_bytes).sum();
        for note in &report.notes {
            self.say(Verdict::Warning, "model", note.as_str());
        }
        match report.runs.as_str() {
            "python" => {
                let folder = mlflow::read(path).ok().map(|(folder, _)| folder);
                self.say(Verdict::Good, "model", format!("{} model, served by Python", report.format));
                return folder;
            }
            "script" => {
                let next = "Add code_configuration with a scoring_script.";
                self.say(Verdict::Failure, "model", format!("a {} needs a scoring script. {next}", report.format));
                return None;
            }
            _ => {}
        }
        let mut fine = true;
        for used in report.all().flat_map(|model| &model.unsupported) {
            fine = false;
            let (operator, count, node) = (&used.operator, used.count, &used.first_node);
            let text = format!("operator {operator} is not served ({count} nodes, first {node}): {}", used.hint);
            self.say(Verdict::Failure, "model", text);
        }
        if fine {
            let operators = report.all().map(|model| model.operators.len()).sum::<usize>();
            let text = format!("{} model, runs in the built-in engine ({operators} kinds of operators)", report.format);
            self.say(Verdict::Good, "model", text);
        }
        None
    }

    /// What must be installed, if anything; says why when it cannot be.
    fn environment(&mut self, mlflow: Option<&Path>) -> Option<Spec> {
        let request = self.request;
        let spec = match (&request.environment, &request.inline, mlflow) {
            _ if request.scoring_script.is_none() && mlflow.is_none() => {
                if request.environment.is_some() || request.inline.is_some() {
                    let text = "not needed: the built-in engine serves the model, if anything does";
                    self.say(Verdict::Good, "environment", text);
                }
                return None;
            }
            (_, _, Some(folder)) => Spec::of_mlflow(folder, &request.name).map_err(|e| e.to_string()),
            (Some(reference), _, _) => self.plane.environment_spec(reference).map_err(|fault| fault.error.message),
            (None, Some(inline), _) => {
                let properties = EnvironmentProperties {
                    image: inline.image.clone(),
                    conda_file: inline.conda_file.clone(),
                    build: inline.dockerfile.as_ref().map(|file| serde_json::json!({"dockerfilePath": file})),
                    ..EnvironmentProperties::default()
                };
                let environment = EnvironmentVersion { properties, ..EnvironmentVersion::default() };
                Spec::of_environment(&environment, &inline.name).map_err(|e| e.to_string())
            }
            (None, None, None) => Err("a scoring script needs an environment. Add one with a conda_file.".to_owned()),
        };
        match spec {
            Ok(spec) => {
                self.say(
                    Verdict::Good,
                    "environment",
                    format!("'{}' asks for {}", spec.name, how_many(spec.requirements.len())),
                );
                Some(spec)
            }
            Err(why) => {
                self.say(Verdict::Failure, "environment", why);
                None
            }
        }
    }

    fn script(&mut self, spec: Option<&Spec>) {
        let Some(script) = self.request.scoring_script.clone() else { return };
        let folder = match (&self.request.code_folder, &self.request.code) {
            (Some(folder), _) => Ok(folder.clone()),
            (None, Some(reference)) => self.registered_code(reference),
            (None, None) => Err("there is no code folder. Add `code` to code_configuration.".to_owned()),
        };
        let path = match folder {
            Ok(folder) if folder.is_file() => {
                let next = "Give the folder that the script lies in.";
                Err(format!("the code folder {} is a file. {next}", folder.display()))
            }
            Ok(folder) if !folder.is_dir() => {
                let next = "Check `code` of code_configuration.";
                Err(format!("the code folder {} does not exist. {next}", folder.display()))
            }
            Ok(folder) if !folder.join(&script).is_file() => {
                Err(format!("there is no {script} in {}. Check scoring_script.", folder.display()))
            }
            other => other.map(|folder| folder.join(&script)),
        };
        let path = match path {
            Ok(path) => path,
            Err(why) => return self.say(Verdict::Failure, "script", why),
        };
        match self.plane.app.environments.look_at_script(&path, spec) {
            Ok(report) => {
                for warning in report.warnings {
                    self.say(Verdict::Warning, "script", format!("{script}: {warning}"));
                }
                if report.errors.is_empty() {
                    self.say(Verdict::Good, "script", format!("{script} has init() and run()"));
                }
                for error in report.errors {
                    self.say(Verdict::Failure, "script", format!("{script}: {error}"));
                }
            }
            Err(why) => self.say(Verdict::NotChecked, "script", format!("not checked: {why}")),
        }
    }

    fn registered_code(&self, reference: &str) -> Result<PathBuf, String> {
        let (name, version) = match AssetRef::parse(reference).map_err(|e| e.to_string())? {
            AssetRef::Named { name, version: AssetVersion::Exact(version) } => (name, version),
            AssetRef::Id(id) => match id.asset() {
                Some((AssetKind::Code, name, version)) => (name.to_owned(), version.to_owned()),
                _ => return Err(format!("\"{reference}\" is not the id of a code asset.")),
            },
            _ => return Err(format!("\"{reference}\" names no version of a code asset.")),
        };
        let doc = self.plane.version_doc(AssetKind::Code, &name, &version).map_err(|fault| fault.error.message)?;
        let code: CodeVersion = doc.decode().map_err(|e| e.to_string())?;
        self.plane.assets.resolve(&code.properties.code_uri).map_err(|e| e.to_string())
    }

    fn packages(&mut self, spec: &Spec) {
        let report = self.plane.app.environments.check(spec, &Stop::new());
        for note in &report.notes {
            self.say(Verdict::Good, "environment", note.as_str());
        }
        for warning in &report.warnings {
            self.say(Verdict::Warning, "environment", warning.as_str());
        }
        match report.python {
            Ok(python) => self.say(Verdict::Good, "python", python),
            Err(why) => self.say(Verdict::Failure, "python", why),
        }
        match report.packages {
            Packages::Built(count) => {
                self.say(
                    Verdict::Good,
                    "packages",
                    format!("the environment is built already, with {}", how_many(count)),
                );
            }
            Packages::Resolved(count) => {
                self.say(Verdict::Good, "packages", format!("{} can be installed", how_many(count)))
            }
            Packages::Impossible(why) => self.say(Verdict::Failure, "packages", why),
            Packages::NotChecked(why) => self.say(Verdict::NotChecked, "packages", format!("not checked: {why}")),
        }
        if !report.uv {
            let text = "pip builds it, which takes a minute or more; with uv it takes seconds: `mlconsole environment install-uv`";
            self.say(Verdict::Warning, "packages", text);
        }
    }

    fn compute(&mut self) {
        let Some(name) = &self.request.instance_type else { return };
        let Some(size) = instance_type::lookup(name) else {
            let near = instance_type::nearest(name).map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
            return self.say(Verdict::Failure, "instance type", format!("{name} is not an instance type.{near}"));
        };
        let (vcpus, memory, count) = (size.vcpus, size.memory_gib, self.request.instance_count);
        self.say(Verdict::Good, "instance type", format!("{}: {vcpus} vCPU, {memory} GiB", size.name));
        let model = self.model_bytes as f64 / GIB;
        if model > memory {
            let text = format!(
                "the model's files have {model:.1} GiB, an instance {memory} GiB. Take a larger instance type."
            );
            return self.say(Verdict::Failure, "memory", text);
        }
        let Some(machine) = machine_memory().map(|bytes| bytes as f64 / GIB) else { return };
        let asked = memory * f64::from(count);
        if asked > machine {
            let text = format!(
                "{count} × {memory} GiB are more than this machine's {machine:.1} GiB: it runs as long as they are not all used"
            );
            self.say(Verdict::Warning, "memory", text);
        } else {
            self.say(Verdict::Good, "memory", format!("{count} × {memory} GiB of this machine's {machine:.1} GiB"));
        }
    }
}

fn how_many(packages: usize) -> String {
    if packages == 1 { "1 package".to_owned() } else { format!("{packages} packages") }
}
