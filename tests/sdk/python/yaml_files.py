"""The samples' YAML files, loaded by the SDK, deploy all three sample models."""

import kit
from azure.ai.ml import load_online_deployment, load_online_endpoint
from kit import answered, same, step

ml_client = kit.client()

for name, colours in [("restaurants", ["blue", "green"]), ("image-tagger", ["blue"]), ("review-mood", ["blue"])]:
    folder = kit.ASSETS / name
    with step(f"{name} is deployed from its files"):
        ml_client.begin_create_or_update(load_online_endpoint(folder / "endpoint.yml")).result()
        for colour in colours:
            ml_client.begin_create_or_update(load_online_deployment(folder / f"{colour}-deployment.yml")).result()
        kit.set_traffic(ml_client, name, blue=100)
    with step(f"{name} answers the sample requests"):
        for index in range(2):
            case = kit.case(name, index)
            for colour in colours:
                text = ml_client.online_endpoints.invoke(name, request_file=kit.request_file(name, index), deployment_name=colour)
                answered(text, case["answer"] if "answer" in case else case[colour])

with step("the models got the names and versions of the files"):
    same({m.name for m in ml_client.models.list()}, {"restaurant-recommender", "image-tagger", "review-mood"})
    same(sorted(m.version for m in ml_client.models.list(name="restaurant-recommender")), ["1", "2"])
