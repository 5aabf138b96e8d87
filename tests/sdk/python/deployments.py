"""Blue and green: from local files, with traffic, invocation, logs, scaling, an update in place, and the end."""

import collections
import json

import kit
from azure.ai.ml.entities import (
    DataCollector,
    DeploymentCollection,
    Environment,
    ManagedOnlineDeployment,
    Model,
    OnlineRequestSettings,
    ProbeSettings,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from kit import answered, holds, refused, same, step

ml_client = kit.client()
NAME = "restaurants"
lunch = kit.case(NAME, 0)
request = kit.request_file(NAME)

with step("an endpoint"):
    kit.bare_endpoint(ml_client, NAME, description="Where to eat next", auth_mode="key")
    key = ml_client.online_endpoints.get_keys(NAME).primary_key

with step("blue is deployed from a local ONNX file, every setting given"):
    blue = ManagedOnlineDeployment(
        name="blue",
        endpoint_name=NAME,
        description="adds up",
        tags={"t": "1"},
        model=Model(path=kit.recommender(1)),
        environment_variables={"COLOUR": "blue"},
        instance_type="Standard_DS3_v2",
        instance_count=1,
        app_insights_enabled=True,
        egress_public_network_access="disabled",
        request_settings=OnlineRequestSettings(request_timeout_ms=90000, max_concurrent_requests_per_instance=2, max_queue_wait_ms=2000),
        liveness_probe=ProbeSettings(failure_threshold=20, success_threshold=1, timeout=3, period=11, initial_delay=12),
        readiness_probe=ProbeSettings(failure_threshold=10, success_threshold=1, timeout=4, period=9, initial_delay=8),
    )
    made = ml_client.begin_create_or_update(blue).result()
    same((made.name, made.provisioning_state), ("blue", "Succeeded"))

with step("the settings are kept"):
    found = ml_client.online_deployments.get("blue", NAME)
    same((found.description, found.tags, found.environment_variables), ("adds up", {"t": "1"}, {"COLOUR": "blue"}))
    same(found.instance_type.lower(), "standard_ds3_v2")
    same(found.instance_count, 1)
    same(found.app_insights_enabled, True)
    asked = found.request_settings
    same((asked.request_timeout_ms, asked.max_concurrent_requests_per_instance, asked.max_queue_wait_ms), (90000, 2, 2000))
    probe = found.liveness_probe
    same((probe.failure_threshold, probe.timeout, probe.period, probe.initial_delay), (20, 3, 11, 12))

with step("green is deployed from a registered model, and gets no traffic by itself"):
    registered = ml_client.models.create_or_update(Model(path=kit.recommender(2), name="restaurant-recommender", version="2", type="custom_model"))
    kit.deploy(ml_client, NAME, "green", "restaurant-recommender@latest", request_settings=OnlineRequestSettings(max_concurrent_requests_per_instance=4))
    same(sorted(d.name for d in ml_client.online_deployments.list(NAME)), ["blue", "green"])
    same(ml_client.online_endpoints.get(NAME).traffic, {"blue": 0, "green": 0})
    same(kit.score(NAME, lunch["request"], key).status_code, 404)

with step("traffic 90/10 is in force when the call returns"):
    updated = kit.set_traffic(ml_client, NAME, blue=90, green=10)
    same(ml_client.online_endpoints.get(NAME).traffic, {"blue": 90, "green": 10})
    # The SDK keeps the header of a named invocation for later calls, so the unnamed one comes first.
    text = ml_client.online_endpoints.invoke(NAME, request_file=request)
    holds(None in (kit.matches(text, lunch["blue"]), kit.matches(text, lunch["green"])), text)


def split(requests):
    """How many of `requests` each deployment answered; every answer is the right one for its deployment."""
    seen = collections.Counter()
    for _ in range(requests):
        answer = kit.score(NAME, lunch["request"], key)
        same(answer.status_code, 200, answer.text)
        colour = answer.headers["azureml-model-deployment"]
        answered(answer.text, lunch[colour])
        seen[colour] += 1
    return seen


with step("of 200 requests about 180 go to blue and 20 to green"):
    seen = split(200)
    print(f"        {dict(seen)}")
    holds(5 <= seen["green"] <= 45, seen)  # a block of 1,000 is exact; 200 of it are within six standard deviations

with step("traffic 10/90 turns it round, the next requests follow"):
    kit.set_traffic(ml_client, NAME, blue=10, green=90)
    seen = split(200)
    print(f"        {dict(seen)}")
    holds(5 <= seen["blue"] <= 45, seen)

with step("a named invocation goes to its deployment whatever the traffic"):
    for case in json.loads((kit.ASSETS / NAME / "requests.json").read_text(encoding="utf-8")):
        path = f"{case['name']}.json"
        with open(path, "w") as file:
            json.dump(case["request"], file)
        for colour in ("blue", "green"):
            answered(ml_client.online_endpoints.invoke(NAME, request_file=path, deployment_name=colour), case[colour])
    with refused(Exception, "red"):
        ml_client.online_endpoints.invoke(NAME, request_file=request, deployment_name="red")

with step("both containers have logs"):
    for container in ("inference-server", "storage-initializer"):
        text = ml_client.online_deployments.get_logs("blue", NAME, lines=100, container_type=container)
        holds(text.strip(), container)
    holds(ml_client.online_deployments.get_logs("blue", NAME, lines=100).strip(), "the default container")

with step("a deployment with live traffic is not deleted"):
    with refused(HttpResponseError, "green", "traffic"):
        ml_client.online_deployments.begin_delete("green", NAME).result()

with step("scaling changes the number of instances"):
    found = ml_client.online_deployments.get("green", NAME)
    found.instance_count = 3
    same(ml_client.begin_create_or_update(found).result().instance_count, 3)
    same(sum(split(50).values()), 50)

with step("the same deployment again is a success that changes nothing"):
    found = ml_client.online_deployments.get("green", NAME)
    again = ml_client.begin_create_or_update(found).result()
    same((again.instance_count, again.provisioning_state), (3, "Succeeded"))

with step("an update in place exchanges the model, under requests"):
    found = ml_client.online_deployments.get("blue", NAME)
    found.model = registered.id
    poller = ml_client.begin_create_or_update(found)
    while not poller.done():
        answer = kit.score(NAME, lunch["request"], key, deployment="blue")
        same(answer.status_code, 200, answer.text)
        holds(None in (kit.matches(answer.text, lunch["blue"]), kit.matches(answer.text, lunch["green"])), answer.text)
    poller.result()
    answered(kit.score(NAME, lunch["request"], key, deployment="blue").text, lunch["green"])

with step("a deployment with an environment and data collection, and without code, is served all the same"):
    ml_client.environments.create_or_update(Environment(name="scoring", version="1", image="mcr.microsoft.com/azureml/minimal-ubuntu22.04-py311"))
    collector = DataCollector(collections={"model_inputs": DeploymentCollection(enabled="true"), "model_outputs": DeploymentCollection(enabled="true")})
    kit.deploy(ml_client, NAME, "collected", "azureml:restaurant-recommender:2", environment="azureml:scoring:1", data_collector=collector)
    answered(kit.score(NAME, lunch["request"], key, deployment="collected").text, lunch["green"])
    same(set(ml_client.online_deployments.get("collected", NAME).data_collector.collections), {"model_inputs", "model_outputs"})
    ml_client.online_deployments.begin_delete("collected", NAME).result()

with step("a deployment without traffic is deleted, the other goes on"):
    kit.set_traffic(ml_client, NAME, green=100)
    ml_client.online_deployments.begin_delete("blue", NAME).result()
    same([d.name for d in ml_client.online_deployments.list(NAME)], ["green"])
    with refused(ResourceNotFoundError, "blue"):
        ml_client.online_deployments.get("blue", NAME)
    same(split(20), {"green": 20})

with step("deleting the endpoint takes its deployments along"):
    ml_client.online_endpoints.begin_delete(NAME).result()
    same(list(ml_client.online_endpoints.list()), [])
    same(ml_client.models.get("restaurant-recommender", version="2").version, "2")
