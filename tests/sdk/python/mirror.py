"""Mirror traffic: green sees copies, callers see blue alone."""

import kit
from azure.ai.ml.entities import Model
from azure.core.exceptions import HttpResponseError
from kit import answered, eventually, refused, rest, same, step

ml_client = kit.client()
NAME = "restaurants"
lunch = kit.case(NAME, 0)

with step("blue answers everything, half of it is copied to green"):
    kit.bare_endpoint(ml_client, NAME, auth_mode="key")
    kit.deploy(ml_client, NAME, "blue", Model(path=kit.recommender(1)))
    kit.deploy(ml_client, NAME, "green", Model(path=kit.recommender(2)))
    kit.set_traffic(ml_client, NAME, blue=100)
    endpoint = ml_client.online_endpoints.get(NAME)
    endpoint.traffic, endpoint.mirror_traffic = {"blue": 100}, {"green": 50}
    ml_client.begin_create_or_update(endpoint).result()
    found = ml_client.online_endpoints.get(NAME)
    same((found.traffic, found.mirror_traffic), ({"blue": 100}, {"green": 50}))

key = ml_client.online_endpoints.get_keys(NAME).primary_key


def copies():
    """Copies that green has answered so far, from the workspace's own metrics route."""
    total = 0.0
    for line in rest("GET", "/metrics", api=None).text.splitlines():
        if line.startswith("mlconsole_mirrored_total") and 'deployment="green"' in line and 'event="ok"' in line:
            total += float(line.rsplit(" ", 1)[1])
    return total


with step("every answer comes from blue"):
    for _ in range(100):
        answer = kit.score(NAME, lunch["request"], key)
        same((answer.status_code, answer.headers["azureml-model-deployment"]), (200, "blue"))
        answered(answer.text, lunch["blue"])

with step("green got copies"):
    print(f"        {eventually(lambda: copies() >= 20 and copies(), 'about 50 copies of 100 requests reach green'):.0f} copies of 100")

with step("what mirroring does not allow is refused"):
    for mirror, word in [({"green": 60}, "50"), ({"blue": 10}, "blue"), ({"ghost": 10}, "ghost")]:
        endpoint = ml_client.online_endpoints.get(NAME)
        endpoint.traffic, endpoint.mirror_traffic = {"blue": 100}, mirror
        with refused(HttpResponseError, word):
            ml_client.begin_create_or_update(endpoint).result()
    same(ml_client.online_endpoints.get(NAME).mirror_traffic, {"green": 50})

with step("mirroring ends with an empty map"):
    endpoint = ml_client.online_endpoints.get(NAME)
    endpoint.traffic, endpoint.mirror_traffic = {"blue": 100}, {}
    ml_client.begin_create_or_update(endpoint).result()
    same(ml_client.online_endpoints.get(NAME).mirror_traffic, {})
