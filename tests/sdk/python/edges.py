"""The less walked paths of the reference: other ways to connect, long lists, conflicts, odd but legal settings."""

import kit
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    Environment,
    IdentityConfiguration,
    ManagedIdentityConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.identity import DefaultAzureCredential
from kit import answered, finish, holds, refused, rest, same, step

ml_client = kit.client()
NAME = "restaurants"
lunch = kit.case(NAME, 0)

with step("a long list arrives whole, page by page"):
    body = {"location": "local", "properties": {"authMode": "Key"}}
    names = [f"endpoint-{i:03}" for i in range(130)]
    for name in names:
        holds(rest("PUT", f"onlineEndpoints/{name}", body).status_code in (200, 201), name)
    same(sorted(e.name for e in ml_client.online_endpoints.list()), names)

with step("user-assigned identities are kept"):
    resource = f"/subscriptions/{kit.SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u1"
    identity = IdentityConfiguration(type="user_assigned", user_assigned_identities=[ManagedIdentityConfiguration(resource_id=resource)])
    kit.bare_endpoint(ml_client, "with-identity", auth_mode="aad_token", identity=identity)
    found = ml_client.online_endpoints.get("with-identity").identity
    same(found.type.lower().replace("_", ""), "userassigned")
    same([i.resource_id.lower() for i in found.user_assigned_identities], [resource.lower()])

with step("keys may be given at creation"):
    keys = {"primaryKey": "primary-key-of-my-own-0123456789", "secondaryKey": "secondary-key-of-my-own-0123456789"}
    finish(rest("PUT", "onlineEndpoints/own-keys", {"location": "local", "properties": {"authMode": "Key", "keys": keys}}))
    same(ml_client.online_endpoints.get_keys("own-keys").primary_key, keys["primaryKey"])
    holds(keys["primaryKey"] not in rest("GET", "onlineEndpoints/own-keys").text, "keys appear only where they are asked for")

with step("blue and green are created at the same time"):
    kit.bare_endpoint(ml_client, NAME, auth_mode="key")
    pollers = []
    for version, name in [(1, "blue"), (2, "green")]:
        deployment = ManagedOnlineDeployment(
            name=name, endpoint_name=NAME, model=Model(path=kit.recommender(version)), instance_type="Standard_F2s_v2", instance_count=1
        )
        pollers.append(ml_client.begin_create_or_update(deployment))
    same([p.result().provisioning_state for p in pollers], ["Succeeded", "Succeeded"])
    kit.set_traffic(ml_client, NAME, blue=50, green=50)
    key = ml_client.online_endpoints.get_keys(NAME).primary_key

with step("a second change while one is in progress is a conflict, or waits its turn; the last state is whole"):
    refusals = 0
    body = rest("GET", f"onlineEndpoints/{NAME}/deployments/blue").json()
    pending = []
    for capacity in (2, 3, 4, 1):
        body["sku"]["capacity"] = capacity
        answer = rest("PUT", f"onlineEndpoints/{NAME}/deployments/blue", body)
        refusals += answer.status_code == 409
        holds(answer.status_code in (200, 201, 409), answer.text)
        if answer.status_code != 409:
            pending.append((capacity, answer))
    for _, answer in pending:
        finish(answer)
    same(ml_client.online_deployments.get("blue", NAME).instance_count, pending[-1][0])
    print(f"        {refusals} of 4 were refused with 409")

with step("weights that do not add up are refused, with the sum"):
    with refused(HttpResponseError, "90"):
        kit.set_traffic(ml_client, NAME, blue=80, green=10)
    with refused(HttpResponseError):
        kit.set_traffic(ml_client, NAME, blue=150, green=-50)
    same(ml_client.online_endpoints.get(NAME).traffic, {"blue": 50, "green": 50})

with step("all weights 0: nobody is asked, and a named request still is"):
    kit.set_traffic(ml_client, NAME, blue=0, green=0)
    same(kit.score(NAME, lunch["request"], key).status_code, 404)
    answered(kit.score(NAME, lunch["request"], key, deployment="green").text, lunch["green"])

with step("a deployment of no instance is legal; a request to it has no server"):
    deployment = ml_client.online_deployments.get("green", NAME)
    deployment.instance_count = 0
    ml_client.begin_create_or_update(deployment).result()
    same(ml_client.online_deployments.get("green", NAME).instance_count, 0)
    answer = kit.score(NAME, lunch["request"], key, deployment="green")
    holds(answer.status_code in (404, 424, 429, 502, 503), (answer.status_code, answer.text))

with step("an environment of a registry is kept as it was written"):
    uri = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
    kit.deploy(ml_client, NAME, "registry", Model(path=kit.recommender(1)), environment=uri)
    same(rest("GET", f"onlineEndpoints/{NAME}/deployments/registry").json()["properties"]["environmentId"], uri)

with step("an image of one's own cannot run without containers, and says so"):
    routes = {name: {"port": 8501, "path": "/v1/models/m"} for name in ("liveness_route", "readiness_route", "scoring_route")}
    environment = Environment(name="own-server", version="1", image="docker.io/tensorflow/serving:latest", inference_config=routes)
    with refused(HttpResponseError, "own-server", "containers"):
        kit.deploy(ml_client, NAME, "own-image", Model(path=kit.recommender(1)), environment=environment)

with step("a model on top of a missing version, with the SDK's own words for it"):
    with refused(Exception, "99"):
        kit.deploy(ml_client, NAME, "late", f"{kit.WS}/models/nobody/versions/99")

with step("creating what exists is an update, deleting twice is no error"):
    made = ml_client.begin_create_or_update(ManagedOnlineEndpoint(name="endpoint-000", description="new", auth_mode="key")).result()
    same(made.description, "new")
    for _ in range(2):
        ml_client.online_endpoints.begin_delete("endpoint-000").result()

with step("the auth mode of an endpoint cannot be changed silently"):
    changed = ManagedOnlineEndpoint(name="endpoint-001", auth_mode="aml_token")
    try:
        ml_client.begin_create_or_update(changed).result()
        same(ml_client.online_endpoints.get("endpoint-001").auth_mode.lower(), "aml_token")
        holds(ml_client.online_endpoints.get_keys("endpoint-001").access_token, "a token instead of keys")
        print("        changed, and in force")
    except (HttpResponseError, ResourceExistsError) as error:
        same(ml_client.online_endpoints.get("endpoint-001").auth_mode.lower(), "key")
        print(f"        refused: {str(error).splitlines()[0]}")

with step("connecting by keyword arguments instead of the metadata address"):
    kit.os.environ.pop("ARM_CLOUD_METADATA_URL")
    kit.os.environ.pop("AZUREML_CURRENT_CLOUD", None)  # set by the SDK itself in this process
    metadata = {
        "azure_portal": "https://portal.azure.local",
        "resource_manager": kit.BASE,
        "active_directory": f"{kit.BASE}/aad",
        "aml_resource_id": "https://ml.azure.local",
        "storage_endpoint": "core.local",
        "registry_discovery_endpoint": f"{kit.BASE}/discovery",
    }
    other = MLClient(
        DefaultAzureCredential(), kit.SUBSCRIPTION, kit.GROUP, kit.WORKSPACE, cloud="LocalCloud", cloud_metadata=metadata
    )
    same(other.online_endpoints.get(NAME).name, NAME)
