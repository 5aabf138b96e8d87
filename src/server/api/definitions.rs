//! The metrics a workspace knows, by Azure's names (reference §9.1).

use http::Method;
use serde_json::{Value, json};

use super::ControlPlane;
use super::answer::Answer;
use super::call::Call;
use super::fault::Fault;

/// A metric of endpoints or of deployments.
#[derive(Debug)]
pub struct Definition {
    pub name: &'static str,
    pub text: &'static str,
    pub unit: &'static str,
    pub category: &'static str,
    pub aggregations: &'static [&'static str],
    pub dimensions: &'static [&'static str],
}

const AVERAGE: &[&str] = &["Average", "Total", "Minimum", "Maximum", "Count"];
const RANGE: &[&str] = &["Minimum", "Maximum", "Average"];

const fn traffic(
    name: &'static str,
    text: &'static str,
    unit: &'static str,
    dimensions: &'static [&'static str],
) -> Definition {
    Definition { name, text, unit, category: "Traffic", aggregations: AVERAGE, dimensions }
}

const fn resource(
    name: &'static str,
    text: &'static str,
    unit: &'static str,
    dimensions: &'static [&'static str],
) -> Definition {
    Definition { name, text, unit, category: "Resource", aggregations: RANGE, dimensions }
}

const BY_DEPLOYMENT: &[&str] = &["deployment"];
const BY_STATUS: &[&str] = &["deployment", "statusCode", "statusCodeClass", "modelStatusCode"];
const BY_INSTANCE: &[&str] = &["instanceId"];
const MS: &str = "Milliseconds";

const ENDPOINT: &[Definition] = &[
    traffic("RequestsPerMinute", "Requests Per Minute", "Count", BY_STATUS),
    traffic("RequestLatency", "Request Latency", MS, BY_DEPLOYMENT),
    traffic("RequestLatency_P50", "Request Latency P50", MS, BY_DEPLOYMENT),
    traffic("RequestLatency_P90", "Request Latency P90", MS, BY_DEPLOYMENT),
    traffic("RequestLatency_P95", "Request Latency P95", MS, BY_DEPLOYMENT),
    traffic("RequestLatency_P99", "Request Latency P99", MS, BY_DEPLOYMENT),
    traffic("ConnectionsActive", "Connections Active", "Count", &[]),
    traffic("NewConnectionsPerSecond", "New Connections Per Second", "CountPerSecond", &[]),
    traffic("NetworkBytes", "Network Bytes", "BytesPerSecond", &[]),
    traffic("DataCollectionEventsPerMinute", "Data Collection Events Per Minute", "Count", &["deployment", "type"]),
    traffic(
        "DataCollectionErrorsPerMinute",
        "Data Collection Errors Per Minute",
        "Count",
        &["deployment", "reason", "type"],
    ),
];

const DEPLOYMENT: &[Definition] = &[
    resource("CpuUtilizationPercentage", "CPU Utilization Percentage", "Percent", BY_INSTANCE),
    resource("CpuMemoryUtilizationPercentage", "CPU Memory Utilization Percentage", "Percent", BY_INSTANCE),
    resource("GpuUtilizationPercentage", "GPU Utilization Percentage", "Percent", BY_INSTANCE),
    resource("GpuMemoryUtilizationPercentage", "GPU Memory Utilization Percentage", "Percent", BY_INSTANCE),
    resource("DiskUtilization", "Disk Utilization", "Percent", &["instanceId", "disk"]),
    resource("GpuEnergyJoules", "GPU Energy in Joules", "Count", BY_INSTANCE),
    resource("DeploymentCapacity", "Deployment Capacity", "Count", &["instanceId", "State"]),
    traffic("RequestsPerMinute", "Requests Per Minute", "Count", &["envoy_response_code"]),
    traffic("RequestLatency_P50", "Request Latency P50", MS, &[]),
    traffic("RequestLatency_P90", "Request Latency P90", MS, &[]),
    traffic("RequestLatency_P95", "Request Latency P95", MS, &[]),
    traffic("RequestLatency_P99", "Request Latency P99", MS, &[]),
    traffic("DataCollectionEventsPerMinute", "Data Collection Events Per Minute", "Count", &["instanceId", "type"]),
    traffic(
        "DataCollectionErrorsPerMinute",
        "Data Collection Errors Per Minute",
        "Count",
        &["instanceId", "reason", "type"],
    ),
];

/// The metrics of an endpoint, or of its deployments.
pub fn definitions(deployment: bool) -> &'static [Definition] {
    if deployment { DEPLOYMENT } else { ENDPOINT }
}

/// The metric namespace of endpoints, or of deployments.
pub fn namespace(deployment: bool) -> &'static str {
    if deployment {
        "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments"
    } else {
        super::endpoints::ENDPOINT_TYPE
    }
}

/// `{"value", "localizedValue"}`, as Azure Monitor names things.
pub fn localized(value: &str, text: &str) -> Value {
    json!({"value": value, "localizedValue": text})
}

impl ControlPlane {
    /// The resource whose metrics are asked for; 404 when it does not exist.
    pub(super) fn measured(&self, endpoint: &str, deployment: Option<&str>) -> Result<String, Fault> {
        Ok(match deployment {
            Some(deployment) => {
                let doc = self.deployment_doc(endpoint, deployment)?;
                self.deployment_id(&doc.key.parent, &doc.key.name)
            }
            None => self.endpoint_id(&self.endpoint_doc(endpoint)?.key.name),
        })
    }

    pub(super) fn metric_definitions(
        &self,
        call: &Call,
        endpoint: &str,
        deployment: Option<&str>,
    ) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("metric definitions", &["GET"]));
        }
        let resource = self.measured(endpoint, deployment)?;
        let of_deployment = deployment.is_some();
        let one = |d: &Definition| {
            json!({
                "id": format!("{resource}/providers/Microsoft.Insights/metricdefinitions/{}", d.name),
                "resourceId": resource, "namespace": namespace(of_deployment), "category": d.category,
                "name": localized(d.name, d.text), "displayDescription": d.text, "isDimensionRequired": false,
                "unit": d.unit, "primaryAggregationType": "Average", "supportedAggregationTypes": d.aggregations,
                "metricAvailabilities": [{"timeGrain": "PT1M", "retention": "P1D"}],
                "dimensions": d.dimensions.iter().map(|name| localized(name, name)).collect::<Vec<_>>(),
            })
        };
        Answer::ok(&json!({"value": definitions(of_deployment).iter().map(one).collect::<Vec<_>>()}))
    }
}
