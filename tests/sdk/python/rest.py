"""Routes of the REST API that the SDK does not call, and the rules for every request."""

import kit
from azure.ai.ml.entities import Model
from kit import answered, finish, holds, rest, same, step

ml_client = kit.client()
NAME = "restaurants"
lunch = kit.case(NAME, 0)
kit.bare_endpoint(ml_client, NAME, auth_mode="key", tags={"keep": "me"})
kit.deploy(ml_client, NAME, "blue", Model(path=kit.recommender(1)))
kit.set_traffic(ml_client, NAME, blue=100)
key = ml_client.online_endpoints.get_keys(NAME).primary_key
E = f"onlineEndpoints/{NAME}"


def error(answer, status, code=None):
    same(answer.status_code, status, answer.text)
    body = answer.json()["error"]
    holds(body["code"] and body["message"], body)
    if code:
        same(body["code"], code)
    holds("Retry-After" not in answer.headers, "an error with Retry-After would be retried")
    return body


with step("an api-version is required, any value will do"):
    error(rest("GET", E, api=None), 400, "MissingApiVersionParameter")
    same(rest("GET", E, api="1999-01-01").status_code, 200)

with step("paths compare without case"):
    for path in (E.upper(), E.lower(), f"ONLINEENDPOINTS/{NAME}/Deployments/BLUE"):
        same(rest("GET", path).status_code, 200, path)
    same(rest("GET", kit.WS.lower() + f"/onlineendpoints/{NAME}").status_code, 200)
    same(rest("POST", f"{E}/listkeys").json()["primaryKey"], key)

with step("every answer has a request id"):
    holds(rest("GET", E).headers["x-ms-request-id"], "x-ms-request-id")

with step("unknown properties are ignored, unknown routes are not found"):
    body = rest("GET", E).json()
    body["properties"]["fromTheFuture"] = {"a": 1}
    finish(rest("PUT", E, body))
    error(rest("GET", "onlineEndpoints/nope"), 404)
    error(rest("GET", "noSuchThing"), 404)
    error(rest("GET", kit.WS.replace(f"workspaces/{kit.WORKSPACE}", "workspaces/elsewhere")), 404)

with step("malformed bodies are refused with a reason"):
    url = f"{kit.BASE}{kit.WS}/{E}?api-version=2024-10-01"
    for data in (b"{", b"[]", b"null", b"\xff", b'{"properties": 3}', b'{"properties": {"authMode": "Sesame"}}', b"[" * 100000):
        headers = {"Authorization": f"Bearer {kit.token()}", "Content-Type": "application/json"}
        error(kit.requests.put(url, data=data, headers=headers, timeout=60), 400)
    same(rest("GET", E).json()["properties"]["traffic"], {"blue": 100})

with step("PATCH on an endpoint changes its tags"):
    finish(rest("PATCH", E, {"tags": {"keep": "me", "new": "one"}}))
    same(rest("GET", E).json()["tags"], {"keep": "me", "new": "one"})

with step("PATCH on a deployment scales it"):
    finish(rest("PATCH", f"{E}/deployments/blue", {"sku": {"name": "Default", "capacity": 2}}))
    same(rest("GET", f"{E}/deployments/blue").json()["sku"]["capacity"], 2)

with step("scaling to no instance and back"):
    for count in (0, 1):
        finish(rest("PATCH", f"{E}/deployments/blue", {"sku": {"name": "Default", "capacity": count}}))
        same(rest("GET", f"{E}/deployments/blue").json()["sku"]["capacity"], count)
    answered(kit.score(NAME, lunch["request"], key).text, lunch["blue"])

with step("skus of a deployment"):
    sku = rest("GET", f"{E}/deployments/blue/skus").json()["value"][0]
    same(sku["sku"]["name"], "Default")
    same(sku["capacity"]["maximum"], 50)

with step("vmSizes and usages of the location"):
    location = rest("GET", "").json()["location"]
    where = f"/subscriptions/{kit.SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/{location}"
    sizes = {s["name"].lower(): s for s in rest("GET", f"{where}/vmSizes").json()["value"]}
    same((sizes["standard_ds3_v2"]["vCPUs"], sizes["standard_ds3_v2"]["memoryGB"]), (4, 14.0))
    holds(all("limit" in u and "currentValue" in u for u in rest("GET", f"{where}/usages").json()["value"]), "usages")

with step("datastores"):
    stores = rest("GET", "datastores?isDefault=true&count=30&orderByAsc=false").json()["value"]
    same([s["name"] for s in stores], ["workspaceblobstore"])

with step("a long-running operation reports its progress and its end"):
    body = rest("GET", f"{E}/deployments/blue").json()
    body["properties"]["description"] = "again"
    answer = rest("PUT", f"{E}/deployments/blue", body)
    holds(answer.status_code in (200, 201), answer.text)
    holds("Azure-AsyncOperation" in answer.headers, answer.headers)
    # Without one of these the SDK waits half a minute between two looks.
    holds("Retry-After" in answer.headers or "retry-after-ms" in answer.headers, answer.headers)
    status = finish(answer)
    same(status["status"], "Succeeded")
    holds(status["id"] and status["name"] and status["startTime"] and status["endTime"], status)

with step("DELETE answers 202 and ends; what is not there answers 204"):
    kit.deploy(ml_client, NAME, "green", Model(path=kit.recommender(2)))
    answer = rest("DELETE", f"{E}/deployments/green")
    same(answer.status_code, 202)
    same(finish(answer)["status"], "Succeeded")
    holds(rest("GET", answer.headers["Location"], api=None).status_code in (200, 204), "the result of a delete")
    same(rest("DELETE", f"{E}/deployments/green").status_code, 204)
    same(rest("DELETE", "onlineEndpoints/nope").status_code, 204)

with step("If-Match guards a traffic change"):
    answer = rest("GET", E)
    same(answer.headers["ETag"], answer.json()["etag"])
    body = answer.json()
    kept = rest("PUT", E, body, headers={"If-Match": body["etag"]})
    same(kept.status_code, 200, kept.text)
    error(rest("PUT", E, body, headers={"If-Match": '"never"'}), 412)

with step("data assets, as data_collector sends them"):
    properties = {"isAnonymous": False, "isArchived": False, "tags": {}, "properties": {}, "dataType": "uri_folder",
                  "dataUri": "azureml://datastores/workspaceblobstore/paths/modelDataCollector/e/d/c"}  # fmt: skip
    holds(rest("PUT", "data/e-d-c/versions/1", {"properties": properties}).status_code in (200, 201), "a data asset")
    same(rest("GET", "data/e-d-c/versions/1").json()["properties"]["dataType"], "uri_folder")

with step("swagger.json describes the model, for those who may score"):
    uri = rest("GET", E).json()["properties"]["swaggerUri"]
    document = kit.requests.get(uri, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    same(document.status_code, 200)
    holds("last_restaurant" in document.text, document.text)
    same(kit.requests.get(uri, timeout=60).status_code, 401)

    for version in ("2", "3", "3.1"):
        answer = kit.SESSION.get(uri, params={"version": version}, headers={"Authorization": f"Bearer {key}"}, timeout=60).json()
        holds((answer.get("swagger") or answer.get("openapi", "")).startswith(version), answer.keys())

with step("an answer names its deployment, its request and the time in the model"):
    answer = kit.score(NAME, lunch["request"], key, headers={"x-ms-client-request-id": "mine-17"})
    same(answer.headers["azureml-model-deployment"], "blue")
    same(answer.headers["x-ms-client-request-id"], "mine-17")
    holds(answer.headers["x-ms-request-id"], "x-ms-request-id")
    holds(float(answer.headers["ms-azureml-model-time"]) >= 0, answer.headers)
    same(answer.headers["content-type"].split(";")[0], "application/json")

with step("a body over the limit gets 413, an unknown method or path beside the model's its own status"):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    answer = kit.requests.post(kit.scoring_uri(NAME), data=b" " * (65 << 20), headers=headers, timeout=120)
    same(answer.status_code, 413)
    base = kit.scoring_uri(NAME).rsplit("/score", 1)[0]
    holds(kit.SESSION.get(f"{base}/score", headers=headers, timeout=60).status_code in (404, 405), "GET on /score")
    same(kit.SESSION.get(f"{base}/nowhere", headers=headers, timeout=60).status_code, 404)

with step("the plain-http listener scores too, and asks for the key as well"):
    plain = kit.READY["plain_http"]
    plain = plain if plain.startswith("http") else f"http://{plain}"
    url = f"{plain}/endpoints/{NAME}/score"
    answered(kit.requests.post(url, json=lunch["request"], headers={"Authorization": f"Bearer {key}"}, timeout=60).text, lunch["blue"])
    same(kit.requests.post(url, json=lunch["request"], timeout=60).status_code, 401)

with step("scoring by host name"):
    port = kit.BASE.rsplit(":", 1)[1]
    headers = {"Authorization": f"Bearer {key}", "Host": f"{NAME}.localhost:{port}"}
    answered(kit.requests.post(f"{kit.BASE}/score", json=lunch["request"], headers=headers, timeout=60).text, lunch["blue"])

with step("the journal has written down who changed what"):
    entries = rest("GET", f"/mlconsole/v1/journal?endpoint={NAME}", api=None).json()["value"]
    holds(any(e["action"] == "traffic" for e in entries), sorted({e["action"] for e in entries}))
    holds(key not in str(entries), "no key in the journal")
