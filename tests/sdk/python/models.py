"""Models: registered from a file and from a folder, versioned, archived, downloaded."""

import hashlib
import pathlib

import kit
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import Model
from azure.core.exceptions import ResourceNotFoundError
from kit import holds, refused, same, step

ml_client = kit.client()
models = ml_client.models


def versions(name, view=ListViewType.ACTIVE_ONLY):
    return sorted(m.version for m in models.list(name=name, list_view_type=view))


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


with step("a file is registered with an explicit version"):
    model = Model(
        path=kit.recommender(1), name="restaurant-recommender", version="1", type="custom_model", description="adds up", tags={"colour": "blue"}
    )
    made = models.create_or_update(model)
    same((made.name, made.version), ("restaurant-recommender", "1"))
    found = models.get("restaurant-recommender", version="1")
    same((found.description, found.tags, found.type), ("adds up", {"colour": "blue"}, "custom_model"))
    holds(found.path.endswith("/recommender-v1.onnx"), found.path)

with step("the next version is counted up by itself"):
    made = models.create_or_update(Model(path=kit.recommender(2), name="restaurant-recommender", type="custom_model"))
    same(made.version, "2")
    same(versions("restaurant-recommender"), ["1", "2"])
    same(models.get("restaurant-recommender", label="latest").version, "2")

with step("registering the same content again is no error, other content under the same version is"):
    again = models.create_or_update(Model(path=kit.recommender(1), name="restaurant-recommender", version="1", type="custom_model"))
    same(again.version, "1")
    with refused(Exception, "path"):
        models.create_or_update(Model(path=kit.recommender(2), name="restaurant-recommender", version="1", type="custom_model"))
    holds(models.get("restaurant-recommender", version="1").path.endswith("/recommender-v1.onnx"), "version 1 is as it was")

with step("a folder with sub-folders, an empty file and spaces in names is registered"):
    folder = pathlib.Path("a folder")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(pathlib.Path(kit.recommender(2)).read_bytes())
    (folder / "empty.txt").write_bytes(b"")
    (folder / "deep" / "er" / "notes für später.txt").write_text("café", encoding="utf-8")
    made = models.create_or_update(Model(path=str(folder), name="folder-model", type="custom_model"))
    same(made.version, "1")

with step("what was uploaded comes back, byte for byte"):
    models.download("folder-model", version="1", download_path="back")
    back = pathlib.Path("back") / "folder-model" / "a folder"
    wanted = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    same(sorted(p.relative_to(back) for p in back.rglob("*") if p.is_file()), wanted)
    for file in wanted:
        same(digest(back / file), digest(folder / file), str(file))

with step("a large file travels in blocks"):
    large = pathlib.Path("large.bin")
    large.write_bytes(bytes(range(256)) * (70 * 4096))  # 70 MiB: above the size of a single put
    models.create_or_update(Model(path=str(large), name="large-model", type="custom_model"))
    models.download("large-model", version="1", download_path="back")
    same(digest(pathlib.Path("back") / "large-model" / "large.bin"), digest(large))

with step("the three model types are kept"):
    triton = pathlib.Path("triton-repository") / "recommender" / "1"
    triton.mkdir(parents=True)
    (triton / "model.onnx").write_bytes(pathlib.Path(kit.recommender(1)).read_bytes())
    models.create_or_update(Model(path="triton-repository", name="triton-model", type="triton_model"))
    same(models.get("triton-model", version="1").type, "triton_model")

with step("an archived version leaves the list and comes back when restored"):
    models.archive("restaurant-recommender", version="1")
    same(versions("restaurant-recommender"), ["2"])
    same(versions("restaurant-recommender", ListViewType.ARCHIVED_ONLY), ["1"])
    same(versions("restaurant-recommender", ListViewType.ALL), ["1", "2"])
    models.restore("restaurant-recommender", version="1")
    same(versions("restaurant-recommender"), ["1", "2"])

with step("so does a whole model"):
    names = {m.name for m in models.list()}
    same(names, {"restaurant-recommender", "folder-model", "large-model", "triton-model"})
    models.archive("folder-model")
    holds("folder-model" not in {m.name for m in models.list()}, "archived models are not listed")
    models.restore("folder-model")
    holds("folder-model" in {m.name for m in models.list()}, "restored models are listed")

with step("what is not there is not found"):
    with refused(ResourceNotFoundError, "restaurant-recommender"):
        models.get("restaurant-recommender", version="99")
    with refused(ResourceNotFoundError, "nope"):
        models.get("nope", version="1")
