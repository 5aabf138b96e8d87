"""The documented code, then the life of an endpoint."""

import kit
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.ai.ml.entities import ManagedOnlineEndpoint
from kit import holds, refused, rest, same, step

ml_client = kit.client()

with step("the documented code creates an endpoint"):
    endpoint = ManagedOnlineEndpoint(name="endpoint-example", description="Online endpoint", auth_mode="key")
    ml_client.begin_create_or_update(endpoint).result()

with step("the endpoint is there, with its addresses"):
    found = ml_client.online_endpoints.get("endpoint-example")
    same(found.name, "endpoint-example")
    same(found.description, "Online endpoint")
    same(found.auth_mode.lower(), "key")
    same(found.provisioning_state, "Succeeded")
    same(found.traffic, {})
    holds(found.scoring_uri.startswith("https://127.0.0.1:") and found.scoring_uri.endswith("/score"), found.scoring_uri)
    holds(found.openapi_uri.endswith("/swagger.json"), found.openapi_uri)
    same([e.name for e in ml_client.online_endpoints.list()], ["endpoint-example"])

with step("the workspace itself can be read and listed"):
    same(ml_client.workspaces.get(kit.WORKSPACE).name, kit.WORKSPACE)
    holds(kit.WORKSPACE in [w.name for w in ml_client.workspaces.list()], "the workspace is in the list")

with step("names compare without case, and keep the case of their creation"):
    same(ml_client.online_endpoints.get("Endpoint-EXAMPLE").name, "endpoint-example")

with step("an update changes description and tags and leaves the keys alone"):
    keys = ml_client.online_endpoints.get_keys("endpoint-example")
    found.description, found.tags = "Where to eat next", {"team": "recommendations"}
    updated = ml_client.begin_create_or_update(found).result()
    same(updated.description, "Where to eat next")
    same(ml_client.online_endpoints.get("endpoint-example").tags, {"team": "recommendations"})
    same(vars(ml_client.online_endpoints.get_keys("endpoint-example")), vars(keys))

with step("regenerating a key changes that one alone"):
    holds(keys.primary_key and keys.secondary_key and keys.primary_key != keys.secondary_key, "two different keys")
    ml_client.online_endpoints.begin_regenerate_keys("endpoint-example", key_type="primary").result()
    first = ml_client.online_endpoints.get_keys("endpoint-example")
    holds(first.primary_key != keys.primary_key, "the primary key is new")
    same(first.secondary_key, keys.secondary_key)
    ml_client.online_endpoints.begin_regenerate_keys("endpoint-example", key_type="secondary").result()
    second = ml_client.online_endpoints.get_keys("endpoint-example")
    holds(second.secondary_key != keys.secondary_key, "the secondary key is new")
    same(second.primary_key, first.primary_key)

with step("without a deployment a request has nowhere to go"):
    answer = kit.score("endpoint-example", {}, second.primary_key)
    same(answer.status_code, 404)
    holds("No valid deployments to route to" in answer.text, answer.text)

with step("traffic to a deployment that does not exist is refused, naming it"):
    stray = ml_client.online_endpoints.get("endpoint-example")
    stray.traffic = {"ghost": 100}
    with refused(HttpResponseError, "ghost"):
        ml_client.begin_create_or_update(stray).result()

with step("every setting of an endpoint makes the round trip"):
    kit.bare_endpoint(
        ml_client,
        "all-settings",
        description="all",
        auth_mode="aml_token",
        tags={"a": "b"},
        properties={"p1": "v1"},
        public_network_access="disabled",
    )
    found = ml_client.online_endpoints.get("all-settings")
    same(found.auth_mode.lower(), "aml_token")
    same(found.tags, {"a": "b"})
    same(found.properties.get("p1"), "v1")
    same(found.public_network_access.lower(), "disabled")
    same(found.identity.type.lower().replace("_", ""), "systemassigned")
    holds(found.identity.principal_id, "an identity has a principal id")

with step("an endpoint that is not there"):
    with refused(ResourceNotFoundError, "nope"):
        ml_client.online_endpoints.get("nope")

with step("the server refuses names outside the rules, whatever the client checked"):
    body = {"location": "local", "properties": {"authMode": "Key"}}
    for name in ["ab", "1abc", "-abc", "abc-", "a_b", "x" * 33]:
        answer = rest("PUT", f"onlineEndpoints/{name}", body)
        same(answer.status_code, 400, name)
        holds(name in answer.json()["error"]["message"], answer.text)

with step("delete takes the endpoint away"):
    ml_client.online_endpoints.begin_delete("endpoint-example").result()
    ml_client.online_endpoints.begin_delete(name="all-settings").result()
    same(list(ml_client.online_endpoints.list()), [])
    with refused(ResourceNotFoundError, "endpoint-example"):
        ml_client.online_endpoints.get("endpoint-example")
