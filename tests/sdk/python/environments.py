"""Environments and code: registered, versioned, re-used."""

import pathlib

import kit
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import Environment
from azure.ai.ml.entities._assets import Code
from azure.core.exceptions import ResourceNotFoundError
from kit import holds, refused, same, step

ml_client = kit.client()
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"

with step("an environment with a conda file is registered"):
    conda = pathlib.Path("conda.yml")
    conda.write_text("name: scoring\nchannels: [conda-forge]\ndependencies: [python=3.11, {pip: [numpy]}]\n")
    made = ml_client.environments.create_or_update(
        Environment(name="scoring", version="1", image=IMAGE, conda_file=str(conda), description="d", tags={"a": "b"})
    )
    same((made.name, made.version), ("scoring", "1"))
    found = ml_client.environments.get("scoring", version="1")
    same((found.image, found.description, found.tags), (IMAGE, "d", {"a": "b"}))
    same(found.conda_file["channels"], ["conda-forge"])

with step("an environment with a container's own routes keeps them"):
    routes = {name: {"port": 8501, "path": "/v1/models/m"} for name in ("liveness_route", "readiness_route", "scoring_route")}
    ml_client.environments.create_or_update(Environment(name="own-server", version="1", image=IMAGE, inference_config=routes))
    kept = ml_client.environments.get("own-server", version="1").inference_config
    holds("8501" in str(kept), kept)

with step("without a version the same content stays the latest version, other content becomes the next"):
    same(ml_client.environments.create_or_update(Environment(name="scoring", image=IMAGE, conda_file=str(conda))).version, "1")
    same(ml_client.environments.create_or_update(Environment(name="scoring", image=IMAGE)).version, "2")
    same(ml_client.environments.get("scoring", label="latest").version, "2")

with step("lists and archives"):
    same(sorted(e.version for e in ml_client.environments.list(name="scoring")), ["1", "2"])
    same({e.name for e in ml_client.environments.list()}, {"scoring", "own-server"})
    ml_client.environments.archive("scoring", version="1")
    same([e.version for e in ml_client.environments.list(name="scoring")], ["2"])
    same(sorted(e.version for e in ml_client.environments.list(name="scoring", list_view_type=ListViewType.ALL)), ["1", "2"])
    ml_client.environments.restore("scoring", version="1")
    with refused(ResourceNotFoundError, "nope"):
        ml_client.environments.get("nope", version="1")

with step("code is uploaded once, however often it is registered"):
    code = pathlib.Path("code")
    code.mkdir()
    (code / "score.py").write_text("def init():\n    pass\n\ndef run(raw):\n    return raw\n")
    first = ml_client._code.create_or_update(Code(path=str(code)))
    second = ml_client._code.create_or_update(Code(path=str(code)))
    same(second.id.lower(), first.id.lower(), "the second registration finds the first")
    found = ml_client._code.get(first.name, version=first.version)
    holds(found.path.endswith("/code"), found.path)
