"""What the stories share: the client as documented, steps that say what they did, and plain REST for the rest."""

import contextlib
import functools
import json
import os
import pathlib
import time

import requests
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential

ASSETS = pathlib.Path(os.environ["MLCONSOLE_ASSETS"])
READY = json.loads(pathlib.Path(os.environ["MLCONSOLE_READY_FILE"]).read_text())
BASE = os.environ["ARM_CLOUD_METADATA_URL"].split("/metadata/")[0]
SUBSCRIPTION = os.environ["AZURE_SUBSCRIPTION_ID"]
GROUP = os.environ["AZURE_RESOURCE_GROUP"]
WORKSPACE = os.environ["AZURE_WORKSPACE"]
WS = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    f"/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
)
SESSION = requests.Session()  # keeps connections alive
PATIENCE = 120.0  # seconds; only so that a broken server ends a story


def client():
    return MLClient(DefaultAzureCredential(), SUBSCRIPTION, GROUP, WORKSPACE, show_progress=False)


@contextlib.contextmanager
def step(text):
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print(f"FAILED  {text}")
        raise
    print(f"ok      {text} ({time.monotonic() - started:.1f} s)")


def same(got, want, what=""):
    assert got == want, f"{what}: got {got!r}, expected {want!r}"


def holds(condition, what):
    assert condition, what


@contextlib.contextmanager
def refused(kind, *words):
    """Expects an exception of `kind` whose text holds every one of `words` (case does not matter)."""
    try:
        yield
    except kind as error:
        text = str(error).lower()
        for word in words:
            assert word.lower() in text, f"{word!r} is not in: {error}"
        return
    raise AssertionError(f"nothing was refused; expected {kind.__name__} with {words}")


def eventually(probe, what):
    """Waits until `probe()` is truthy, and returns it."""
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE:
        found = probe()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"this did not come true within {PATIENCE:.0f} s: {what}")


@functools.cache
def token(resource=None):
    """A token from the identity route, as DefaultAzureCredential gets it."""
    answer = SESSION.get(
        os.environ["IDENTITY_ENDPOINT"],
        params={"api-version": "2019-08-01", "resource": resource or BASE},
        headers={"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"], "Metadata": "true"},
        timeout=30,
    )
    answer.raise_for_status()
    return answer.json()["access_token"]


def rest(method, path, body=None, api="2024-10-01", headers=None, bearer=True):
    """A control-plane call. `path` is relative to the workspace unless it starts with `/`."""
    url = path if path.startswith("http") else BASE + (path if path.startswith("/") else f"{WS}/{path}")
    if api:
        url += ("&" if "?" in url else "?") + f"api-version={api}"
    sent = {"Authorization": f"Bearer {token()}"} if bearer else {}
    return SESSION.request(method, url, json=body, headers=sent | (headers or {}), timeout=60)


def finish(answer):
    """Follows a long-running operation to its end and returns the last status document (or the body when there is none)."""
    holds(answer.status_code in (200, 201, 202, 204), f"{answer.status_code}: {answer.text}")
    where = answer.headers.get("Azure-AsyncOperation")
    if not where:
        return answer.json() if answer.content else None

    def ended():
        status = rest("GET", where, api=None).json()
        return status if status["status"].lower() in ("succeeded", "failed", "canceled") else None

    return eventually(ended, f"{where} ends")


def score(endpoint, body, credential, deployment=None, **more):
    """A scoring request as any program would send it."""
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    if deployment:
        headers["azureml-model-deployment"] = deployment
    return SESSION.post(scoring_uri(endpoint), json=body, headers=headers | more.pop("headers", {}), timeout=60, **more)


@functools.cache
def scoring_uri(endpoint):
    return rest("GET", f"onlineEndpoints/{endpoint}").json()["properties"]["scoringUri"]


def case(folder, index=0):
    """A request of a sample model with the answers to expect."""
    return json.loads((ASSETS / folder / "requests.json").read_text(encoding="utf-8"))[index]


def matches(answer, expected):
    """Compares an answer (text or object) with an expected {output: values}, numbers to 1e-3. Returns what differs, or None."""
    if isinstance(answer, (str, bytes)):
        answer = json.loads(answer)
    answer = answer.get("outputs", answer) if isinstance(answer, dict) else answer
    for name, values in expected.items():
        if name not in answer:
            return f"there is no output {name!r} in {answer}"
        if not close(answer[name], values):
            return f"{name}: got {answer[name]}, expected {values}"
    return None


def close(got, want):
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(map(close, got, want))
    return abs(got - want) < 1e-3


def answered(answer, expected):
    difference = matches(answer, expected)
    assert difference is None, difference


def request_file(folder, index=0):
    """The path of a file with one request, for `invoke(request_file=…)`."""
    path = pathlib.Path(f"request-{folder}-{index}.json").resolve()
    path.write_text(json.dumps(case(folder, index)["request"]))
    return str(path)


def bare_endpoint(ml_client, name, **settings):
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    return ml_client.begin_create_or_update(ManagedOnlineEndpoint(name=name, **settings)).result()


def recommender(version):
    return str(ASSETS / "restaurants" / f"recommender-v{version}.onnx")


def deploy(ml_client, endpoint, name, model, **settings):
    """A managed deployment with the settings most stories want."""
    from azure.ai.ml.entities import ManagedOnlineDeployment

    settings = {"instance_type": "Standard_DS3_v2", "instance_count": 1} | settings
    deployment = ManagedOnlineDeployment(name=name, endpoint_name=endpoint, model=model, **settings)
    return ml_client.begin_create_or_update(deployment).result()


def set_traffic(ml_client, name, **weights):
    endpoint = ml_client.online_endpoints.get(name)
    endpoint.traffic = weights
    return ml_client.begin_create_or_update(endpoint).result()
