"""Keys, workspace tokens and identity tokens; and everybody else stays outside."""

import time

import kit
import requests
from azure.ai.ml.entities import Model
from azure.core.exceptions import ClientAuthenticationError
from kit import answered, holds, rest, same, step

ml_client = kit.client()
lunch = kit.case("restaurants", 0)
request = kit.request_file("restaurants")
model = ml_client.models.create_or_update(Model(path=kit.recommender(1), name="recommender", version="1", type="custom_model"))

for name, mode in [("by-key", "key"), ("by-workspace", "aml_token"), ("by-identity", "aad_token")]:
    with step(f"{mode}: the SDK finds the credential and invokes"):
        kit.bare_endpoint(ml_client, name, auth_mode=mode)
        kit.deploy(ml_client, name, "blue", model.id)
        kit.set_traffic(ml_client, name, blue=100)
        answered(ml_client.online_endpoints.invoke(name, request_file=request), lunch["blue"])

key = ml_client.online_endpoints.get_keys("by-key")
workspace_token = ml_client.online_endpoints.get_keys("by-workspace")
identity_token = ml_client.online_endpoints.get_keys("by-identity")

with step("a workspace token says how long it holds"):
    now = time.time()
    holds(now + 23 * 3600 < workspace_token.expiry_time_utc < now + 25 * 3600, workspace_token.expiry_time_utc)
    holds(now + 11 * 3600 < workspace_token.refresh_after_time_utc < now + 13 * 3600, workspace_token.refresh_after_time_utc)
    same(workspace_token.token_type, "Bearer")
    holds(workspace_token.access_token.count(".") == 2, "a signed JWT")

with step("either key scores, at its own endpoint only"):
    for good in (key.primary_key, key.secondary_key):
        same(kit.score("by-key", lunch["request"], good).status_code, 200)
    kit.bare_endpoint(ml_client, "other-key", auth_mode="key")
    kit.deploy(ml_client, "other-key", "blue", model.id)
    kit.set_traffic(ml_client, "other-key", blue=100)
    same(kit.score("other-key", lunch["request"], key.primary_key).status_code, 401)

with step("nothing, nonsense and credentials of other kinds get 401"):
    strangers = [None, "nonsense", "", "é" * 8, "x" * 5000, kit.token()]
    for name, good in [("by-key", key.primary_key), ("by-workspace", workspace_token.access_token), ("by-identity", identity_token.access_token)]:
        others = {key.primary_key, workspace_token.access_token, identity_token.access_token} - {good}
        for bad in strangers + sorted(others):
            bad = bad.encode("utf-8").decode("latin-1") if bad else bad
            answer = kit.score(name, lunch["request"], bad)
            same(answer.status_code, 401, f"{name} with {str(bad)[:12]!r}")
        same(kit.score(name, lunch["request"], good).status_code, 200)

with step("a token with a changed claim or a cut signature gets 401"):
    head, body, signature = workspace_token.access_token.split(".")
    for bad in (f"{head}.{body}.", f"{head}.{body}", f"{head}.{body[:-2]}AA.{signature}", f"{head}.{body}.{signature[:-4]}AAAA"):
        same(kit.score("by-workspace", lunch["request"], bad).status_code, 401)

with step("a token of one endpoint does not open another"):
    kit.bare_endpoint(ml_client, "other-workspace", auth_mode="aml_token")
    kit.deploy(ml_client, "other-workspace", "blue", model.id)
    kit.set_traffic(ml_client, "other-workspace", blue=100)
    same(kit.score("other-workspace", lunch["request"], workspace_token.access_token).status_code, 401)

with step("a replaced key stops working at once, the other goes on"):
    ml_client.online_endpoints.begin_regenerate_keys("by-key", key_type="primary").result()
    same(kit.score("by-key", lunch["request"], key.primary_key).status_code, 401)
    same(kit.score("by-key", lunch["request"], key.secondary_key).status_code, 200)
    same(kit.score("by-key", lunch["request"], ml_client.online_endpoints.get_keys("by-key").primary_key).status_code, 200)

with step("the control plane is closed to strangers, whatever the route"):
    routes = [("GET", "onlineEndpoints"), ("POST", "onlineEndpoints/by-key/listKeys"), ("DELETE", "onlineEndpoints/by-key"),
              ("GET", "models"), ("GET", "/metrics"), ("GET", "/mlconsole/v1/journal"), ("GET", "/mlconsole/v1/workspace"),
              ("POST", "datastores/workspaceblobstore/listSecrets")]  # fmt: skip
    for method, path in routes:
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Bearer {key.secondary_key}"}):
            answer = rest(method, path, bearer=False, headers=headers)
            same(answer.status_code, 401, f"{method} {path}")
            holds(key.secondary_key not in answer.text, "no key in an error")
    with kit.refused(ClientAuthenticationError):
        from azure.core.credentials import AccessToken

        class Stranger:
            def get_token(self, *scopes, **more):
                return AccessToken("nonsense", int(time.time()) + 3600)

        kit.MLClient(Stranger(), kit.SUBSCRIPTION, kit.GROUP, kit.WORKSPACE).online_endpoints.get("by-key")

with step("the identity route wants its secret"):
    url = kit.os.environ["IDENTITY_ENDPOINT"]
    for headers in ({}, {"X-IDENTITY-HEADER": "nonsense"}):
        answer = requests.get(url, params={"api-version": "2019-08-01", "resource": kit.BASE}, headers=headers, timeout=30)
        holds(answer.status_code in (400, 401, 403), answer.status_code)
        holds("access_token" not in answer.text, "no token without the secret")

with step("a foreign host name is refused"):
    for path in ("/metadata/endpoints?api-version=2019-05-01", f"{kit.WS}/onlineEndpoints?api-version=2024-10-01"):
        answer = requests.get(kit.BASE + path, headers={"Host": "evil.example", "Authorization": f"Bearer {kit.token()}"}, timeout=30)
        holds(answer.status_code in (400, 421), answer.status_code)
