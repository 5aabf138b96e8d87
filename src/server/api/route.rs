//! From a path to the thing it names. Case-insensitive; the names keep the case they were sent in.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::resources::ids::AssetKind;

/// What an ARM path names, whatever the method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Workspaces,
    Workspace,
    Endpoints,
    Endpoint(String),
    EndpointAction(String, EndpointAction),
    Deployments(String),
    Deployment(String, String),
    DeploymentLogs(String, String),
    DeploymentSkus(String, String),
    OperationStatus(String),
    OperationResult(String),
    Datastores,
    Datastore(String),
    DatastoreSecrets(String),
    Containers(AssetKind),
    Container(AssetKind, String),
    Versions(AssetKind, String),
    Version(AssetKind, String, String),
    PendingUpload(AssetKind, String, String),
    VmSizes,
    Usages,
    /// Endpoint, and deployment when the metrics are a deployment's.
    Metrics(String, Option<String>),
    MetricDefinitions(String, Option<String>),
    AutoscaleSettings,
    AutoscaleSetting(String),
    Local(LocalPlace),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointAction {
    ListKeys,
    RegenerateKeys,
    Token,
}

/// The local extension routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalPlace {
    Live,
    Journal,
    Operations,
    CancelOperation(String),
    Requests,
    Logs,
    Workspace,
    InspectModel(String, String),
    SampleRequest(String, String),
    Restart(String, String),
    Environments,
    BuildEnvironment,
    CleanEnvironments,
    InstallUv,
    CheckDeployment,
    Prometheus,
}

/// Subscription, resource group and workspace named by a path, each where present.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    pub subscription: Option<String>,
    pub resource_group: Option<String>,
    pub workspace: Option<String>,
}

/// A segment in lower case (to compare) and as it was sent (to keep).
type Segment<'a> = (&'a str, &'a str);

/// Splits a path at `/` and undoes percent-encoding; empty segments are dropped. `None` when it is not UTF-8.
pub fn segments(path: &str) -> Option<Vec<String>> {
    path.split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8().ok().map(Cow::into_owned))
        .collect()
}

/// What the path of `segments` names, and within which scope; `None` when nothing is there.
pub fn place(segments: &[String]) -> Option<(Place, Scope)> {
    let lower: Vec<String> = segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let pairs: Vec<Segment<'_>> = lower.iter().map(String::as_str).zip(segments.iter().map(String::as_str)).collect();
    match pairs.as_slice() {
        [("subscriptions", _), (_, sub), rest @ ..] => {
            let scope = Scope { subscription: Some((*sub).to_owned()), ..Scope::default() };
            subscription(rest, scope)
        }
        [("metrics", _)] => Some((Place::Local(LocalPlace::Prometheus), Scope::default())),
        [("mlconsole", _), ("v1", _), rest @ ..] => Some((Place::Local(local(rest)?), Scope::default())),
        _ => None,
    }
}

const ML: &str = "microsoft.machinelearningservices";
const INSIGHTS: &str = "microsoft.insights";

fn subscription(rest: &[Segment<'_>], mut scope: Scope) -> Option<(Place, Scope)> {
    match rest {
        [("providers", _), (ML, _), ("locations", _), _, rest @ ..] => Some((location(rest)?, scope)),
        [("providers", _), (ML, _), ("workspaces", _)] => Some((Place::Workspaces, scope)),
        [("providers", _), (INSIGHTS, _), ("autoscalesettings", _)] => Some((Place::AutoscaleSettings, scope)),
        [("resourcegroups", _), (_, group), ("providers", _), rest @ ..] => {
            scope.resource_group = Some((*group).to_owned());
            match rest {
                [(ML, _), ("workspaces", _)] => Some((Place::Workspaces, scope)),
                [(ML, _), ("workspaces", _), (_, name), rest @ ..] => {
                    scope.workspace = Some((*name).to_owned());
                    Some((workspace(rest)?, scope))
                }
                [(INSIGHTS, _), ("autoscalesettings", _)] => Some((Place::AutoscaleSettings, scope)),
                [(INSIGHTS, _), ("autoscalesettings", _), (_, name)] => {
                    Some((Place::AutoscaleSetting((*name).to_owned()), scope))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn location(rest: &[Segment<'_>]) -> Option<Place> {
    Some(match rest {
        [("mfeoperationsstatus", _), (_, id)] => Place::OperationStatus((*id).to_owned()),
        [("mfeoperationresults", _), (_, id)] => Place::OperationResult((*id).to_owned()),
        [("vmsizes", _)] => Place::VmSizes,
        [("usages", _)] => Place::Usages,
        _ => return None,
    })
}

fn workspace(rest: &[Segment<'_>]) -> Option<Place> {
    Some(match rest {
        [] => Place::Workspace,
        [("onlineendpoints", _)] => Place::Endpoints,
        [("onlineendpoints", _), (_, e), rest @ ..] => endpoint((*e).to_owned(), rest)?,
        [("datastores", _)] => Place::Datastores,
        [("datastores", _), (_, name)] => Place::Datastore((*name).to_owned()),
        [("datastores", _), (_, name), ("listsecrets", _)] => Place::DatastoreSecrets((*name).to_owned()),
        [(kind, _), rest @ ..] => asset(AssetKind::from_collection(kind)?, rest)?,
    })
}

fn endpoint(e: String, rest: &[Segment<'_>]) -> Option<Place> {
    Some(match rest {
        [] => Place::Endpoint(e),
        [("listkeys", _)] => Place::EndpointAction(e, EndpointAction::ListKeys),
        [("regeneratekeys", _)] => Place::EndpointAction(e, EndpointAction::RegenerateKeys),
        [("token", _)] => Place::EndpointAction(e, EndpointAction::Token),
        [("deployments", _)] => Place::Deployments(e),
        [("deployments", _), (_, d)] => Place::Deployment(e, (*d).to_owned()),
        [("deployments", _), (_, d), ("getlogs", _)] => Place::DeploymentLogs(e, (*d).to_owned()),
        [("deployments", _), (_, d), ("skus", _)] => Place::DeploymentSkus(e, (*d).to_owned()),
        [("deployments", _), (_, d), ("providers", _), (INSIGHTS, _), (what, _)] => {
            metrics(what, e, Some((*d).to_owned()))?
        }
        [("providers", _), (INSIGHTS, _), (what, _)] => metrics(what, e, None)?,
        _ => return None,
    })
}

fn metrics(what: &str, e: String, d: Option<String>) -> Option<Place> {
    match what {
        "metrics" => Some(Place::Metrics(e, d)),
        "metricdefinitions" => Some(Place::MetricDefinitions(e, d)),
        _ => None,
    }
}

fn asset(kind: AssetKind, rest: &[Segment<'_>]) -> Option<Place> {
    Some(match rest {
        [] => Place::Containers(kind),
        [(_, n)] => Place::Container(kind, (*n).to_owned()),
        [(_, n), ("versions", _)] => Place::Versions(kind, (*n).to_owned()),
        [(_, n), ("versions", _), (_, v)] => Place::Version(kind, (*n).to_owned(), (*v).to_owned()),
        [(_, n), ("versions", _), (_, v), ("startpendingupload", _)] => {
            Place::PendingUpload(kind, (*n).to_owned(), (*v).to_owned())
        }
        _ => return None,
    })
}

fn local(rest: &[Segment<'_>]) -> Option<LocalPlace> {
    Some(match rest {
        [("live", _)] => LocalPlace::Live,
        [("journal", _)] => LocalPlace::Journal,
        [("operations", _)] => LocalPlace::Operations,
        [("operations", _), (_, name), ("cancel", _)] => LocalPlace::CancelOperation((*name).to_owned()),
        [("requests", _)] => LocalPlace::Requests,
        [("logs", _)] => LocalPlace::Logs,
        [("workspace", _)] => LocalPlace::Workspace,
        [("environments", _)] => LocalPlace::Environments,
        [("environments", _), ("build", _)] => LocalPlace::BuildEnvironment,
        [("environments", _), ("clean", _)] => LocalPlace::CleanEnvironments,
        [("environments", _), ("install-uv", _)] => LocalPlace::InstallUv,
        [("deployments", _), ("check", _)] => LocalPlace::CheckDeployment,
        [("models", _), (_, n), ("versions", _), (_, v), ("inspect", _)] => {
            LocalPlace::InspectModel((*n).to_owned(), (*v).to_owned())
        }
        [("endpoints", _), (_, e), ("deployments", _), (_, d), ("sample", _)] => {
            LocalPlace::SampleRequest((*e).to_owned(), (*d).to_owned())
        }
        [("endpoints", _), (_, e), ("deployments", _), (_, d), ("restart", _)] => {
            LocalPlace::Restart((*e).to_owned(), (*d).to_owned())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(path: &str) -> Option<Place> {
        place(&segments(path)?).map(|(place, _)| place)
    }

    const WS: &str = "/subscriptions/S/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w";

    #[test]
    fn paths_compare_in_any_case_and_names_keep_theirs() {
        let path = format!("{}/ONLINEENDPOINTS/Fraud/Deployments/Blue", WS.to_uppercase());
        assert_eq!(at(&path), Some(Place::Deployment("Fraud".into(), "Blue".into())));
        assert_eq!(
            at(&format!("{WS}/onlineEndpoints/e/listkeys")),
            Some(Place::EndpointAction("e".into(), EndpointAction::ListKeys))
        );
        assert_eq!(
            at(&format!("{WS}/onlineEndpoints/e/providers/microsoft.insights/metrics")),
            Some(Place::Metrics("e".into(), None))
        );
    }

    #[test]
    fn what_is_not_there_is_nothing() {
        for path in
            ["/", "/subscriptions", "/subscriptions/s", "/mlconsole/v2/live", &format!("{WS}/jobs/x"), "/blob/x"]
        {
            assert_eq!(at(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(path in ".{0,300}") {
            let _ = at(&path);
        }

        #[test]
        fn no_path_of_known_words_panics(parts in prop::collection::vec(
            prop_oneof![Just("subscriptions"), Just("resourceGroups"), Just("providers"), Just("microsoft.machinelearningservices"),
                Just("workspaces"), Just("x"), Just("%2e%2e"), Just("%ff"), Just("onlineEndpoints"), Just("deployments"), Just("versions"),
                Just("models"), Just("mlconsole"), Just("v1"), Just("microsoft.insights"), Just("metrics")], 0..14)) {
            let _ = at(&format!("/{}", parts.join("/")));
        }
    }
}
