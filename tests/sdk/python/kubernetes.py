"""Kubernetes endpoints are accepted and kept; until there is such an engine the local one serves them, and says so."""

import kit
from azure.ai.ml.entities import (
    KubernetesOnlineDeployment,
    KubernetesOnlineEndpoint,
    Model,
    ResourceRequirementsSettings,
    ResourceSettings,
    TargetUtilizationScaleSettings,
)
from kit import answered, holds, same, step

ml_client = kit.client()
NAME = "on-the-cluster"
lunch = kit.case("restaurants", 0)

with step("an endpoint on a cluster is created"):
    ml_client.begin_create_or_update(KubernetesOnlineEndpoint(name=NAME, compute="local-k8s", auth_mode="key")).result()
    found = ml_client.online_endpoints.get(NAME)
    same(type(found).__name__, "KubernetesOnlineEndpoint")
    holds(found.compute.endswith("local-k8s"), found.compute)

with step("a deployment with requests, limits and target utilisation is created"):
    deployment = KubernetesOnlineDeployment(
        name="blue",
        endpoint_name=NAME,
        model=Model(path=kit.recommender(1)),
        instance_count=1,
        resources=ResourceRequirementsSettings(
            requests=ResourceSettings(cpu="0.1", memory="0.2Gi"), limits=ResourceSettings(cpu="0.3", memory="0.5Gi")
        ),
        scale_settings=TargetUtilizationScaleSettings(
            min_instances=1, max_instances=2, polling_interval=10, target_utilization_percentage=70
        ),
    )
    made = ml_client.begin_create_or_update(deployment).result()
    same((type(made).__name__, made.provisioning_state), ("KubernetesOnlineDeployment", "Succeeded"))

with step("its settings are kept"):
    found = ml_client.online_deployments.get("blue", NAME)
    same((found.resources.requests.cpu, found.resources.limits.memory), ("0.1", "0.5Gi"))
    scale = found.scale_settings
    same((scale.min_instances, scale.max_instances, scale.target_utilization_percentage), (1, 2, 70))

with step("it answers"):
    kit.set_traffic(ml_client, NAME, blue=100)
    answered(ml_client.online_endpoints.invoke(NAME, request_file=kit.request_file("restaurants")), lunch["blue"])

with step("its logs say where it really runs"):
    logs = ml_client.online_deployments.get_logs("blue", NAME, lines=100)
    holds("kubernetes" in logs.lower(), logs)

with step("it goes away"):
    ml_client.online_endpoints.begin_delete(NAME).result()
    same(list(ml_client.online_endpoints.list()), [])
